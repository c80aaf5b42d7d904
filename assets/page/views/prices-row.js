// A row of the view of prices: what is known of an instrument, and the cells that show it.

import { h, setText, svg } from '../dom.js';
import { age, change as written, dateTime, direction, millis, percent, price, volume } from '../format.js';

/** Without a tick for so long, a price is said to be stale. */
const STALE_MS = 300_000;
const FLASH_MS = 450;
const CLOSES_MAX = 96;
/** The space that a curve is drawn in, which CSS stretches, and the room above and below it. */
const [WIDTH, HEIGHT, EDGE] = [100, 24, 2];

/** The quarter of an hour of a UTC day, of a moment as the API writes it. */
const quarter = (moment) => moment.slice(11, 13) * 4 + Math.floor(moment.slice(14, 16) / 15);

export class PriceRow {
  /** Whether it is where it can be seen, by the one who watches. */
  isInSight = false;
  isDrawn = false;
  shown = {};

  constructor(id) {
    this.link = h('a');
    this.status = h('span', { class: 'state' });
    const line = { fill: 'none', 'vector-effect': 'non-scaling-stroke' };
    this.curve = svg('polyline', line);
    this.open = svg('polyline', { ...line, class: 'open' });
    this.spark = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.open, this.curve);
    this.old = h('span');
    this.stale = h('span', { class: 'stale' });
    this.cells = {};
    const cell = (name, ...children) => (this.cells[name] = h('td', { class: `${name} number` }, children));
    this.nameCell = h('td', { class: 'name' });
    this.element = h('tr', { data: { id } },
      h('th', { scope: 'row', class: 'symbol' }, this.link, this.status), this.nameCell,
      cell('last'), cell('change'), cell('percent'), h('td', { class: 'day' }, this.spark),
      cell('bid'), cell('ask'), cell('volume'), cell('age', this.old, ' ', this.stale));
  }

  /** Takes all that the API knows of the instrument. */
  take({ symbol, name, price_decimals, timestamp, price: newest, bid, ask, day, closes, status }) {
    const isToday = day && timestamp?.startsWith(day.date);
    Object.assign(this, {
      symbol, name, bid, ask, places: price_decimals, at: timestamp, readTo: timestamp ?? '',
      searched: `${symbol} ${name}`.toLowerCase(),
      last: day?.close ?? newest,
      day: day && { date: day.date, of: day.of, open: day.open, volume: day.volume ?? 0 },
      closes: closes.slice(-CLOSES_MAX), quarter: isToday ? quarter(timestamp) : null, isCurveOld: true,
    });
    this.link.href = `#/instrument/${encodeURIComponent(symbol)}`;
    this.link.title = this.nameCell.title = name;
    setText(this.link, symbol);
    setText(this.nameCell, name);
    setText(this.status, { active: '', error: 'feed fails' }[status] ?? status);
  }

  /** Takes a tick as the WebSocket tells it. Called for each one: it draws nothing. */
  tick({ timestamp, price: paid, volume: traded, bid, ask }) {
    // The snapshot has it, and may come before the message of it: its volume must not count twice.
    if (timestamp <= this.readTo) return;
    const isNewest = this.at === null || timestamp >= this.at;
    if (isNewest) {
      this.at = timestamp;
      this.bid = bid ?? this.bid;
      this.ask = ask ?? this.ask;
    }
    const middle = this.bid !== null && this.ask !== null ? Number(((this.bid + this.ask) / 2).toPrecision(12)) : null;
    const date = timestamp.slice(0, 10);
    const isNewDay = !this.day || date > this.day.date;
    // The middle of quotes is a price as long as nobody trades on a day.
    const of = paid === null && (isNewDay || this.day.of === 'mid') ? 'mid' : 'last';
    const last = of === 'mid' ? middle : paid;
    if (last === null) return;
    if (isNewDay || (date === this.day.date && of !== this.day.of)) {
      this.day = { date, of, open: last, volume: 0 };
      this.closes = [];
    }
    if (date === this.day.date) this.day.volume += traded ?? 0;
    if (!isNewest) return;
    this.last = last;
    const now = quarter(timestamp);
    if (now === this.quarter && this.closes.length) this.closes.pop();
    if (this.closes.push(last) > CLOSES_MAX) this.closes.shift();
    this.quarter = now;
    this.isCurveOld = true;
  }

  get change() {
    // Without the noise of binary fractions, which a price without places would show.
    return this.day && this.last !== null ? Number((this.last - this.day.open).toPrecision(10)) : null;
  }

  get percent() {
    return this.day?.open ? (this.change / Math.abs(this.day.open)) * 100 : null;
  }

  get millis() {
    return millis(this.at);
  }

  /** The length of its longest price, as it is written. */
  get digits() {
    return Math.max(written(this.change, this.places).length, ...[this.last, this.bid, this.ask].map((of) => price(of, this.places).length));
  }

  /** Shows what changed. A changed price is lit for a moment, which is noted in `lit`. */
  draw(isWhole, lit) {
    const { cells, change, shown } = this;
    for (const name of ['last', 'bid', 'ask']) {
      const [cell, now, before] = [cells[name], this[name], shown[name]];
      if (now === before) continue;
      shown[name] = now;
      cell.textContent = price(now, this.places);
      if (isWhole || !before) continue;
      cell.dataset.flash = direction(now - before);
      lit.push({ cell, until: performance.now() + FLASH_MS });
    }
    setText(cells.change, written(change, this.places));
    setText(cells.percent, percent(this.percent));
    setText(cells.volume, volume(this.day?.volume));
    const way = direction(change);
    if (shown.way !== way) {
      shown.way = way;
      for (const name of ['change', 'percent']) cells[name].className = `${name} number ${way}`;
      this.spark.setAttribute('class', way);
    }
    if (isWhole) this.drawSlow();
    this.isDrawn = true;
  }

  /** Shows what need not be seen at once: the age and the curve. */
  drawSlow() {
    const now = Date.now();
    setText(this.old, age(this.at, now));
    setText(this.stale, this.at && now - this.millis > STALE_MS ? 'stale' : '');
    if (this.cells.age.title !== dateTime(this.at)) this.cells.age.title = dateTime(this.at);
    if (this.isCurveOld) this.drawCurve();
  }

  drawCurve() {
    this.isCurveOld = false;
    const open = this.day?.open ?? this.closes[0];
    // One close makes a line from the first price of the day to it.
    const values = this.closes.length === 1 ? [open, ...this.closes] : this.closes;
    const low = Math.min(open, ...values);
    const range = Math.max(open, ...values) - low || 1;
    const point = (value, index, { length }) =>
      `${((WIDTH * index) / (length - 1)).toFixed(1)},${(HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * (value - low)) / range).toFixed(1)}`;
    this.curve.setAttribute('points', values.map(point).join(' '));
    this.open.setAttribute('points', (values.length ? [open, open] : []).map(point).join(' '));
  }
}
