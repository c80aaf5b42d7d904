// The alerts of an instrument: read by range, counted by candle, and listed below the chart.

import { get } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { count, dateTime } from '../format.js';
import { iso, placeOf } from './instrument-bars.js';

/** The newest so many alerts are kept. */
const ALERTS_MAX = 1_000;
/** The list shows so many of them. */
const LISTED_MAX = 100;

const item = ({ id, alertId, timestamp, alert_message: text, alertMessage }) => (
  { id: id ?? alertId, timestamp, time: Date.parse(timestamp) / 1000, text: text ?? alertMessage });

export class Alerts {
  /** `events`: `point(time or null, isMoved)` shows the candle of a time. */
  constructor({ instrument, signal }, events) {
    this.of = { instrument, signal };
    this.events = events;
    this.list = [];
    this.hasMore = false;
    this.from = Infinity;
    this.byBar = new Map();
    this.isChanged = false;
    this.heading = h('small', {});
    this.rows = h('ol', { class: 'alerts', tabindex: '0', 'aria-label': 'Alerts, newest first' });
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'alerts-heading' },
      h('h2', { id: 'alerts-heading' }, 'Alerts ', this.heading), this.rows);
  }

  /** Reads the newest alerts since the day of `from` (seconds). */
  async read(from) {
    // What is older than the newest thousand is not read, however far back the bars go.
    if (this.hasMore && from < this.from) return;
    this.from = from;
    const all = [];
    let cursor = null;
    do {
      const parameters = { instrument_id: this.of.instrument.id, start_date: iso(from).slice(0, 10), per_page: ALERTS_MAX, cursor };
      const page = await get('api/alerts', { parameters, signal: this.of.signal });
      all.push(...page.alerts.map(item));
      cursor = page.next_cursor;
    } while (cursor && all.length < ALERTS_MAX);
    this.hasMore = Boolean(cursor);
    this.list = all.slice(0, ALERTS_MAX);
    this.isChanged = true;
  }

  /** An alert that fired just now. */
  add(data) {
    const added = item(data);
    if (this.list.some(({ id }) => id === added.id)) return;
    this.list = [added, ...this.list].sort((a, b) => b.time - a.time).slice(0, ALERTS_MAX);
    this.isChanged = true;
  }

  /** Counts them by the candle of their time; oldest first, as the chart takes them. */
  marks(bars) {
    this.isChanged = false;
    this.byBar.clear();
    for (const alert of this.list) {
      const bar = bars[placeOf(bars, alert.time + 1e-6) - 1];
      if (!bar) continue;
      if (!this.byBar.has(bar.time)) this.byBar.set(bar.time, []);
      this.byBar.get(bar.time).push(alert);
    }
    return [...this.byBar].map(([time, { length }]) => ({ time, count: length })).sort((a, b) => a.time - b.time);
  }

  draw() {
    const shown = this.list.slice(0, LISTED_MAX);
    const known = `${count(this.list.length)}${this.hasMore ? ' newest' : ''} in the range of the chart`;
    const isCut = this.list.length > shown.length;
    setText(this.heading, isCut ? `${known}, of which the newest ${LISTED_MAX} are listed` : known);
    if (shown.length === 0) {
      replace(this.rows, h('li', { class: 'empty' }, 'No alert in this range. Add a rule below: what it would have fired is shown before you save it.'));
      return;
    }
    const { point } = this.events;
    replace(this.rows, shown.map(({ time, timestamp, text }) => h('li', {}, h('button', {
      type: 'button', class: 'quiet',
      onclick: () => point(time, true),
      onfocus: () => point(time, false), onblur: () => point(null),
      onpointerenter: () => point(time, false), onpointerleave: () => point(null),
    }, h('time', { datetime: timestamp }, dateTime(timestamp)), h('span', {}, text)))));
  }
}
