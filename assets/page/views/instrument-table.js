// The bars of the chart as a table, newest first, for those who do not see a chart.

import { h, replace, setText } from '../dom.js';
import { count, price } from '../format.js';
import { barTime } from './instrument-chart.js';
import { placeOf } from './instrument-bars.js';

const ROWS_MAX = 500;
/** More changed bars than these are written anew as a whole. */
const UPDATES_MAX = 50;

export class BarTable {
  #rows = new Map();
  #head = h('tr', {});
  #body = h('tbody', {});
  #caption = h('caption', {});
  #columns = [];
  #period = null;
  #newest = 0;

  constructor() {
    this.element = h('div', { class: 'scroll bars', tabindex: '0', role: 'region', 'aria-label': 'Bars as a table', hidden: true },
      h('table', {}, this.#caption, h('thead', {}, this.#head), this.#body));
  }

  show({ period, places, isQuotes }) {
    this.#period = period;
    const of = (name) => ([list], bar) => price(bar?.[name], places);
    this.#columns = isQuotes
      ? [['Bid', of('close')], ['Ask', ([, asks], { time }) => {
        const ask = asks[placeOf(asks, time)];
        return price(ask?.time === time ? ask.close : null, places);
      }]]
      : [['Open', of('open')], ['High', of('high')], ['Low', of('low')], ['Close', of('close')], ['Volume', (_, bar) => count(bar.volume)]];
    replace(this.#head, h('th', { scope: 'col' }, 'Start'), this.#columns.map(([name]) => h('th', { scope: 'col', class: 'number' }, name)));
    this.#clear();
  }

  #clear() {
    this.#rows.clear();
    replace(this.#body);
  }

  draw(lists, from) {
    if (this.element.hidden) return;
    const [list] = lists;
    const first = Math.max(0, list.length - ROWS_MAX);
    const at = Math.max(first, placeOf(list, from));
    // Rows that are no bars any more are seen by their number; an older bar that is new has its place by a redraw.
    const added = list.slice(at).filter(({ time }) => !this.#rows.has(time));
    const isWhole = list.length - at > UPDATES_MAX || added[0]?.time < this.#newest
      || (first === 0 && this.#rows.size + added.length !== list.length);
    this.#newest = list.at(-1)?.time ?? 0;
    if (isWhole) this.#clear();
    for (const bar of list.slice(isWhole ? first : at)) this.#write(lists, bar);
    for (const [time, { row }] of this.#rows) {
      if (this.#rows.size <= ROWS_MAX) break;
      row.remove();
      this.#rows.delete(time);
    }
    setText(this.#caption, list.length > ROWS_MAX
      ? `The newest ${ROWS_MAX} of ${count(list.length)} bars of the chart; a download has all of them.`
      : `${count(list.length)} bars, newest first.`);
  }

  #write(lists, bar) {
    const texts = this.#columns.map(([, text]) => text(lists, bar));
    const known = this.#rows.get(bar.time);
    if (known) {
      texts.forEach((text, at) => setText(known.cells[at], text));
      return;
    }
    const cells = texts.map((text) => h('td', { class: 'number' }, text));
    const row = h('tr', {}, h('th', { scope: 'row', class: 'number' }, barTime(this.#period, bar.time)), cells);
    this.#body.prepend(row);
    this.#rows.set(bar.time, { row, cells });
  }

  toggle(isShown) {
    this.element.hidden = !isShown;
    this.#clear();
  }
}
