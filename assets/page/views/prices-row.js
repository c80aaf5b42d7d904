// A row of the view of prices: what is known of an instrument, and the cells that show it.

import { h, setText } from '../dom.js';
import { age, compact, count, dateTime, direction, millis, percent, price } from '../format.js';

/** Without a tick for so long, a price is said to be stale. */
const STALE_MS = 300_000;
const FLASH_MS = 450;
const CLOSES_MAX = 96;
/** Past this a volume is written short. */
const VOLUME_WRITTEN_OUT_MAX = 10_000_000;
/** The space that a sparkline is drawn in; CSS stretches it. */
const [WIDTH, HEIGHT, EDGE] = [100, 24, 2];

const SVG = 'http://www.w3.org/2000/svg';
function svg(tag, properties, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The quarter of an hour of a UTC day, of a moment as the API writes it. */
const quarter = (moment) => Number(moment.slice(11, 13)) * 4 + Math.floor(Number(moment.slice(14, 16)) / 15);

export class PriceRow {
  /** Whether the row is where it can be seen, by the one who watches. */
  isInSight = false;
  isDrawn = false;

  constructor(id) {
    this.link = h('a');
    this.status = h('span', { class: 'state', hidden: true });
    this.curve = svg('polyline', { fill: 'none', 'vector-effect': 'non-scaling-stroke' });
    this.open = svg('line', { class: 'open', x1: 0, x2: WIDTH, 'vector-effect': 'non-scaling-stroke' });
    this.spark = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.open, this.curve);
    this.old = h('span');
    this.stale = h('span', { class: 'stale' });
    const cell = (name, ...children) => (this[`${name}Cell`] = h('td', { class: `${name} number` }, children));
    this.element = h('tr', { data: { id } },
      h('th', { scope: 'row', class: 'symbol' }, this.link, this.status),
      (this.nameCell = h('td', { class: 'name' })),
      cell('last'), cell('change'), cell('percent'),
      h('td', { class: 'day' }, this.spark),
      cell('bid'), cell('ask'), cell('volume'),
      cell('age', this.old, ' ', this.stale));
  }

  /** Takes all that the API knows of the instrument. */
  take(snapshot, status) {
    this.symbol = snapshot.symbol;
    this.name = snapshot.name;
    this.searched = `${snapshot.symbol} ${snapshot.name}`.toLowerCase();
    this.places = snapshot.price_decimals;
    this.at = snapshot.timestamp;
    this.readTo = snapshot.timestamp ?? '';
    this.day = snapshot.day && { date: snapshot.day.date, open: snapshot.day.open, volume: snapshot.day.volume ?? 0 };
    this.price = snapshot.day?.close ?? snapshot.price;
    this.bid = snapshot.bid;
    this.ask = snapshot.ask;
    this.closes = snapshot.closes.slice(-CLOSES_MAX);
    this.quarter = this.at && this.at.startsWith(this.day?.date) ? quarter(this.at) : null;
    this.isCurveOld = true;
    this.link.href = `#/instrument/${encodeURIComponent(this.symbol)}`;
    this.link.title = this.name;
    setText(this.link, this.symbol);
    setText(this.nameCell, this.name);
    this.nameCell.title = this.name;
    this.status.hidden = !status || status === 'active';
    setText(this.status, status === 'error' ? 'feed fails' : status ?? '');
  }

  /** Takes a tick as the WebSocket tells it. Called for each one: it draws nothing. */
  tick({ timestamp, price: last, volume, bid, ask }) {
    const isNewest = this.at === null || timestamp >= this.at;
    if (isNewest) {
      this.at = timestamp;
      if (bid !== null) this.bid = bid;
      if (ask !== null) this.ask = ask;
    }
    if (last === null) return;
    const date = timestamp.slice(0, 10);
    if (!this.day || date > this.day.date) {
      this.day = { date, open: last, volume: 0 };
      this.closes = [];
      this.quarter = null;
    }
    if (date === this.day.date) this.day.volume += volume ?? 0;
    if (!isNewest) return;
    this.price = last;
    const now = quarter(timestamp);
    if (now === this.quarter && this.closes.length) this.closes[this.closes.length - 1] = last;
    else if (this.closes.push(last) > CLOSES_MAX) this.closes.shift();
    this.quarter = now;
    this.isCurveOld = true;
  }

  get change() {
    if (!this.day || this.price === null) return null;
    // Without the noise of binary fractions, which a price without places would show.
    return Number((this.price - this.day.open).toPrecision(10));
  }

  get percent() {
    return this.change === null || !this.day.open ? null : (this.change / Math.abs(this.day.open)) * 100;
  }

  /** The length of its longest price, as it is written. */
  get digits() {
    return Math.max(...[this.price, this.bid, this.ask, this.day?.open].map((value) => price(value, this.places).length));
  }

  get millis() {
    return millis(this.at);
  }

  /** Shows what changed. A changed price is lit for a moment, and noted in `lit`. */
  draw(isWhole, lit) {
    const { change } = this;
    const way = direction(change);
    for (const name of ['last', 'bid', 'ask']) {
      const value = name === 'last' ? this.price : this[name];
      const before = this[`${name}Shown`];
      if (value === before) continue;
      this[`${name}Shown`] = value;
      const cell = this[`${name}Cell`];
      cell.textContent = price(value, this.places);
      if (isWhole || before === null || before === undefined) continue;
      cell.dataset.flash = value > before ? 'up' : 'down';
      lit.push({ until: performance.now() + FLASH_MS, end: () => delete cell.dataset.flash && false });
    }
    setText(this.changeCell, change === null ? '–' : `${change > 0 ? '+' : change < 0 ? '−' : ''}${price(Math.abs(change), this.places)}`);
    setText(this.percentCell, percent(this.percent));
    if (this.way !== way) {
      this.changeCell.className = `change number ${way}`;
      this.percentCell.className = `percent number ${way}`;
      this.spark.setAttribute('class', way);
      this.way = way;
    }
    setText(this.volumeCell, writtenVolume(this.day?.volume));
    if (isWhole || !this.isDrawn) this.drawSlow();
    this.isDrawn = true;
  }

  /** Shows what need not be seen at once: the age and the curve. */
  drawSlow() {
    const now = Date.now();
    const isStale = this.at !== null && now - this.millis > STALE_MS;
    setText(this.old, this.at === null ? 'never' : age(this.at, now));
    setText(this.stale, isStale ? 'stale' : '');
    const hint = this.at === null ? '' : dateTime(this.at);
    if (this.ageCell.title !== hint) this.ageCell.title = hint;
    if (this.isCurveOld) this.drawCurve();
  }

  drawCurve() {
    this.isCurveOld = false;
    // One close makes a line from the first price of the day to it.
    const values = this.closes.length === 1 ? [this.day?.open ?? this.closes[0], ...this.closes] : this.closes;
    const open = this.day?.open ?? values[0] ?? 0;
    const low = Math.min(open, ...values);
    const high = Math.max(open, ...values);
    const y = (value) => (high === low ? HEIGHT / 2 : EDGE + (HEIGHT - 2 * EDGE) * ((high - value) / (high - low))).toFixed(1);
    const points = values.map((value, index) => `${((WIDTH * index) / (values.length - 1)).toFixed(1)},${y(value)}`);
    this.curve.setAttribute('points', points.join(' '));
    this.open.setAttribute('y1', y(open));
    this.open.setAttribute('y2', y(open));
    this.open.setAttribute('visibility', values.length ? 'visible' : 'hidden');
  }
}

function writtenVolume(value) {
  if (value === null || value === undefined) return '–';
  if (value >= VOLUME_WRITTEN_OUT_MAX) return compact(value);
  return Number.isInteger(value) || value >= 1_000 ? count(value) : value.toFixed(2);
}
