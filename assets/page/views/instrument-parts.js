// The parts around the chart of an instrument: its head, its alerts, its bars as a table, and downloads.

import { call, get, instruments } from '../api.js';
import { button, download, field, h, replace, sayError, select, setText } from '../dom.js';
import { age, change as written, count, dateTime, direction, percent, price, zoneName } from '../format.js';
import { iso, placeOf } from './instrument-bars.js';
import { barTime } from './instrument-chart.js';

/** Between two reads of the head when stored data changed. */
const READ_AGAIN_MS = 2_000;
/** The newest so many alerts are kept, and so many of them are listed. */
const ALERTS_MAX = 1_000;
const LISTED_MAX = 100;
/** Rows of the table. */
const ROWS_MAX = 500;

/** The symbol, the last price, the change since the day's open, and how old they are. */
export class Head {
  #of;
  #last = h('strong', { class: 'last number' });
  #change = h('span', {});
  #quote = h('span', { class: 'number faint' });
  #age = h('span', { class: 'age faint' });
  #now = { price: null, bid: null, ask: null, at: 0, day: null };
  #isChanged = true;
  #isStale = false;
  #readAt = 0;

  constructor(of) {
    this.#of = of;
    const { symbol, name } = of.instrument;
    this.element = h('div', { class: 'title head' },
      h('a', { href: '#/prices' }, '← Prices'), h('h1', {}, symbol), name !== symbol && h('span', { class: 'faint' }, name),
      this.#last, this.#change, this.#quote, this.#age);
  }

  async read() {
    this.#readAt = Date.now();
    this.#isStale = false;
    const { instrument, signal } = this.#of;
    const { snapshots: [it] } = await get('api/market-data/snapshot', { parameters: { instrument_ids: instrument.id }, signal });
    if (!it) return;
    const at = it.timestamp ? Date.parse(it.timestamp) : 0;
    // A tick that came live meanwhile is newer than the answer.
    this.#now = at >= this.#now.at ? { ...it, at } : { ...this.#now, day: it.day };
    this.#isChanged = true;
  }

  stale() {
    this.#isStale = true;
  }

  addTick(ms, tick) {
    const now = this.#now;
    if (ms < now.at) return;
    now.at = ms;
    const { bid, ask } = tick;
    const middle = now.day?.of === 'mid' && bid !== null && ask !== null ? (bid + ask) / 2 : null;
    Object.assign(now, { price: tick.price ?? middle ?? now.price, bid: bid ?? now.bid, ask: ask ?? now.ask });
    // Another day has another open.
    if (now.day?.date !== tick.timestamp.slice(0, 10)) this.#isStale = true;
    this.#isChanged = true;
  }

  /** Draws what changed; a promise where it must be read first. */
  draw(now) {
    if (this.#isStale && now - this.#readAt > READ_AGAIN_MS) return this.read();
    const { price: last, bid, ask, at, day } = this.#now;
    setText(this.#age, at ? `last tick ${age(at, now)} ago` : 'no tick yet');
    if (!this.#isChanged) return null;
    this.#isChanged = false;
    const { places } = this.#of;
    const change = last !== null && day ? last - day.open : null;
    setText(this.#last, last === null ? '' : price(last, places));
    setText(this.#change, change === null ? '' : `${percent(day.open ? (change / Math.abs(day.open)) * 100 : null)} (${written(change, places)}) since the open of ${day.date}`);
    this.#change.className = `number ${direction(change)}`;
    setText(this.#quote, bid !== null && ask !== null ? `bid ${price(bid, places)} ask ${price(ask, places)}` : '');
    return null;
  }
}

/** A list of all instruments; what is chosen is shown in the place of this one. */
export async function instrumentSelect(symbol) {
  const all = (await instruments()).toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1));
  return select(all.map((it) => [it.symbol, `${it.symbol} · ${it.name}`]), symbol, (chosen) => {
    const [, query] = location.hash.split('?');
    location.hash = `#/instrument/${encodeURIComponent(chosen)}${query ? `?${query}` : ''}`;
  });
}

/** The alerts of the chart's range: counted by candle, and listed. */
export class Alerts {
  #of;
  #point;
  #list = [];
  #hasMore = false;
  #from = Infinity;
  #heading = h('small');
  #rows = h('ol', { class: 'alerts', tabindex: '0', 'aria-label': 'Alerts, newest first' });
  /** Alerts by the time of their candle, newest first. */
  byBar = new Map();
  isChanged = false;

  /** `point(time or null, isMoved)` shows the candle of a time. */
  constructor(of, point) {
    this.#of = of;
    this.#point = point;
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'alerts-heading' },
      h('h2', { id: 'alerts-heading' }, 'Alerts ', this.#heading), this.#rows);
  }

  /** Reads the newest alerts since the day of `from` (seconds). */
  async read(from) {
    // What is older than the newest thousand is not read, however far back the bars go.
    if (this.#hasMore && from < this.#from) return;
    this.#from = from;
    const { instrument, signal } = this.#of;
    const parameters = { instrument_id: instrument.id, start_date: iso(from).slice(0, 10), per_page: ALERTS_MAX };
    const page = await get('api/alerts', { parameters, signal });
    this.#hasMore = page.has_more;
    this.#list = page.alerts.map(({ id, timestamp, alert_message: text }) => ({ id, timestamp, text }));
    this.isChanged = true;
  }

  /** An alert that fired just now. */
  add({ alertId: id, timestamp, alertMessage: text }) {
    if (this.#list.some((it) => it.id === id)) return;
    this.#list = [{ id, timestamp, text }, ...this.#list].sort((a, b) => (a.timestamp > b.timestamp ? -1 : 1)).slice(0, ALERTS_MAX);
    this.isChanged = true;
  }

  /** The marks of candles with their counts, oldest first, as the chart takes them; the list is drawn, too. */
  draw(bars) {
    this.isChanged = false;
    this.byBar.clear();
    for (const alert of this.#list) {
      const bar = bars[placeOf(bars, Date.parse(alert.timestamp) / 1000 + 1e-6) - 1];
      if (bar) this.byBar.set(bar.time, [...(this.byBar.get(bar.time) ?? []), alert]);
    }
    const { length } = this.#list;
    const listed = this.#list.slice(0, LISTED_MAX);
    setText(this.#heading, `${this.#hasMore ? 'the newest ' : ''}${count(length)} in the range of the chart${length > LISTED_MAX ? `, ${LISTED_MAX} of them listed` : ''}`);
    replace(this.#rows, length > 0 ? listed.map((alert) => this.#row(alert))
      : h('li', { class: 'empty' }, 'No alert in this range. Add a rule below, and see what it would have fired before it is saved.'));
    return [...this.byBar].map(([time, { length: of }]) => ({ time, count: of })).reverse();
  }

  #row({ timestamp, text }) {
    const time = Date.parse(timestamp) / 1000;
    const show = () => this.#point(time, false);
    const leave = () => this.#point(null);
    const events = { onfocus: show, onblur: leave, onpointerenter: show, onpointerleave: leave };
    return h('li', {}, button([h('time', { datetime: timestamp }, dateTime(timestamp)), h('span', {}, text)], () => this.#point(time, true), { class: 'quiet', ...events }));
  }
}

/** The bars of the chart, newest first, for those who do not see a chart. */
export class BarTable {
  #cells = [];
  #drawn = 0;
  #head = h('tr');
  #body = h('tbody');
  #caption = h('caption');
  #texts = null;

  constructor() {
    this.element = h('div', { class: 'scroll bars', tabindex: '0', role: 'region', 'aria-label': 'Bars as a table', hidden: true },
      h('table', {}, this.#caption, h('thead', {}, this.#head), this.#body));
  }

  show({ period, places, isQuotes }) {
    const of = (bar, names) => names.map((name) => price(bar?.[name], places));
    this.#texts = (bar, other) => [barTime(period, bar.time), ...(isQuotes
      ? [...of(bar, ['close']), ...of(other, ['close'])]
      : [...of(bar, ['open', 'high', 'low', 'close']), count(bar.volume)])];
    const names = isQuotes ? ['Start', 'Bid', 'Ask'] : ['Start', 'Open', 'High', 'Low', 'Close', 'Volume'];
    replace(this.#head, names.map((name, at) => h('th', { scope: 'col', class: at > 0 && 'number' }, name)));
    this.#cells = [];
    this.#drawn = 0;
    replace(this.#body);
  }

  /** Writes the bars from a time on, and all of them when there are more or fewer. */
  draw([list = [], others = []], from) {
    if (this.element.hidden) return;
    const length = Math.min(list.length, ROWS_MAX);
    const changed = list.length === this.#drawn ? Math.min(length, list.length - placeOf(list, from)) : length;
    this.#drawn = list.length;
    for (const row of [...this.#body.rows].slice(length)) row.remove();
    this.#cells.length = Math.min(this.#cells.length, length);
    for (let at = 0; at < changed; at += 1) {
      const bar = list[list.length - 1 - at];
      const other = others[placeOf(others, bar.time)];
      const texts = this.#texts(bar, other?.time === bar.time ? other : null);
      if (!this.#cells[at]) {
        this.#cells[at] = texts.map((_, column) => (column > 0 ? h('td', { class: 'number' }) : h('th', { scope: 'row', class: 'number' })));
        this.#body.append(h('tr', {}, this.#cells[at]));
      }
      texts.forEach((text, column) => setText(this.#cells[at][column], text));
    }
    const all = count(list.length);
    setText(this.#caption, list.length > ROWS_MAX ? `The newest ${ROWS_MAX} of ${all} bars; a download has all of them.` : `${all} bars, newest first.`);
  }
}

/** A section that opens. `of` tells `frequency()` and `prices()` of the chart, its `range()` in seconds, its `picture()`. */
export function downloads({ instrument: { symbol }, signal }, of) {
  const what = select([['bars', 'Bars'], ['ticks', 'Ticks']], 'bars', told);
  const which = select([['seen', 'What the chart shows'], ['all', 'All that is stored']], 'seen', told);
  const format = select([['csv', 'CSV'], ['parquet', 'Parquet']], 'csv');
  const said = h('p', { class: 'faint' });
  const start = button('Download', fetchFiles, { class: 'main' });
  const isBars = () => what.value === 'bars';
  const range = () => (which.value === 'seen' ? of.range() : null);

  function told() {
    const rows = isBars() ? `bars of ${of.frequency()}${of.prices().length > 1 ? ', a file each of bid and ask,' : ''}` : 'ticks';
    const seen = range();
    setText(said, seen
      ? `${symbol}: ${rows} from ${dateTime(seen.from * 1000)} to ${dateTime(seen.to * 1000)} ${zoneName()}.`
      : `${symbol}: all ${rows} that are stored. The browser holds them in memory until they are saved.`);
  }

  async function fetchFiles() {
    told();
    start.disabled = true;
    try {
      for (const kind of isBars() ? of.prices() : ['ticks']) {
        const seen = range();
        const parameters = {
          symbol, format: format.value, start: seen && iso(seen.from), end: seen && iso(seen.to),
          ...(isBars() && { frequency: of.frequency(), price: kind }),
        };
        const response = await call('GET', `api/${what.value}`, { parameters, signal });
        download(`${symbol}-${isBars() ? `${of.frequency()}-` : ''}${kind}.${format.value}`, await response.blob());
      }
    } catch (error) {
      sayError(error);
    } finally {
      start.disabled = false;
    }
  }

  addEventListener('zone', told, { signal });
  const picture = async () => download(`${symbol}-${of.frequency()}.png`, await of.picture());
  return h('details', { class: 'panel', ontoggle: told },
    h('summary', {}, 'Download'),
    h('div', { class: 'tools' }, field('Rows', what), field('Range', which), field('Form', format), start, button('Picture (PNG)', picture)),
    said);
}
