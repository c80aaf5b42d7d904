// The head of an instrument: its last price, the change since the day's open, and how old they are.

import { get, instruments } from '../api.js';
import { h, select, setText } from '../dom.js';
import { age, direction, percent, price } from '../format.js';

/** Between two reads when stored data changed. */
const READ_AGAIN_MS = 2_000;

export class Head {
  #of;
  #last = h('strong', { class: 'last number' });
  #change = h('span', { class: 'change number' });
  #quote = h('span', { class: 'quote number faint' });
  #age = h('span', { class: 'age faint' });
  #now = { price: null, bid: null, ask: null, at: 0, day: null };
  #isChanged = true;
  #isStale = false;
  #readAt = 0;

  constructor({ instrument, places, signal }) {
    this.#of = { instrument, places, signal };
    this.element = h('div', { class: 'title head' },
      h('a', { href: '#/prices' }, '← Prices'),
      h('h1', {}, instrument.symbol),
      h('span', { class: 'faint name' }, instrument.name),
      this.#last, this.#change, this.#quote, this.#age);
  }

  async read() {
    this.#readAt = Date.now();
    this.#isStale = false;
    const { instrument, signal } = this.#of;
    const { snapshots } = await get('api/market-data/snapshot', { parameters: { instrument_ids: instrument.id }, signal });
    const [it] = snapshots;
    if (!it) return;
    const at = it.timestamp ? Date.parse(it.timestamp) : 0;
    // A tick that came live meanwhile is newer than the answer.
    this.#now = at >= this.#now.at ? { price: it.price, bid: it.bid, ask: it.ask, at, day: it.day } : { ...this.#now, day: it.day };
    this.#isChanged = true;
  }

  stale() {
    this.#isStale = true;
  }

  addTick(ms, tick) {
    if (ms < this.#now.at) return;
    const now = this.#now;
    now.at = ms;
    for (const name of ['price', 'bid', 'ask']) now[name] = tick[name] ?? now[name];
    // Another day has another open.
    if (now.day?.date !== tick.timestamp.slice(0, 10)) this.#isStale = true;
    this.#isChanged = true;
  }

  /** Draws what changed; returns a promise where it must be read first. */
  draw(now) {
    if (this.#isStale && now - this.#readAt > READ_AGAIN_MS) return this.read();
    const { price: last, bid, ask, at, day } = this.#now;
    setText(this.#age, at ? `last tick ${age(at, now)} ago` : 'no tick yet');
    if (!this.#isChanged) return null;
    this.#isChanged = false;
    const { places } = this.#of;
    const change = last !== null && day ? last - day.open : null;
    setText(this.#last, price(last, places));
    const sign = change > 0 ? '+' : change < 0 ? '−' : '';
    setText(this.#change, change === null ? '' : `${percent((change / day.open) * 100)} (${sign}${price(Math.abs(change), places)}) since the open of ${day.date}`);
    this.#change.className = `change number ${direction(change)}`;
    setText(this.#quote, bid !== null && ask !== null ? `bid ${price(bid, places)} ask ${price(ask, places)}` : '');
    return null;
  }
}

/** A list of all instruments; what is chosen is shown in the place of this one. */
export async function instrumentSelect(symbol) {
  const all = (await instruments()).toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1));
  return select(all.map((it) => [it.symbol, it.name ? `${it.symbol} · ${it.name}` : it.symbol]), symbol, (chosen) => {
    const query = location.hash.split('?')[1];
    location.hash = `#/instrument/${encodeURIComponent(chosen)}${query ? `?${query}` : ''}`;
  });
}
