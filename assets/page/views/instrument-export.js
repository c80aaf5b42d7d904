// Downloads of an instrument: the picture of the chart, and its bars or ticks as files.

import { call } from '../api.js';
import { download, field, h, sayError, select, setText } from '../dom.js';
import { dateTime, zoneName } from '../format.js';
import { iso } from './instrument-bars.js';

/**
 * A section that opens. `of` tells, when it is asked: `name()` of a file without its end, `heading()` of the
 * picture, `range()` in seconds, `frequency()`, `prices()`, `picture(heading)`.
 */
export function exportSection({ symbol, signal }, of) {
  const said = h('p', { class: 'range' });
  const what = select([['bars', 'Bars'], ['ticks', 'Ticks']], 'bars', say);
  const which = select([['visible', 'What the chart shows'], ['all', 'All that is stored']], 'visible', say);
  const format = select([['csv', 'CSV'], ['parquet', 'Parquet']], 'csv', say);

  function asked() {
    const range = which.value === 'visible' ? of.range() : null;
    return {
      symbol,
      format: format.value,
      start: range && iso(range.from),
      end: range && iso(range.to),
      ...(what.value === 'bars' && { frequency: of.frequency() }),
    };
  }

  function say() {
    const { start, end } = asked();
    const isBars = what.value === 'bars';
    const rows = isBars ? `bars of ${of.frequency()}${of.prices().length > 1 ? ', of bid and ask a file each' : ''}` : 'ticks';
    setText(said, start
      ? `${symbol}: ${rows} from ${dateTime(start)} to ${dateTime(end)} (${zoneName()}).`
      : `${symbol}: all ${rows} that are stored. That may be a large file, which the browser keeps in memory until it is stored.`);
  }

  async function get() {
    button.disabled = true;
    try {
      const parameters = asked();
      const prices = what.value === 'bars' ? of.prices() : [null];
      for (const price of prices) {
        const response = await call('GET', `api/${what.value}`, { parameters: { ...parameters, price }, signal });
        const part = what.value === 'ticks' ? `${symbol}-ticks` : `${of.name()}${price && price !== 'last' ? `-${price}` : ''}`;
        download(`${part}.${parameters.format}`, await response.blob());
      }
    } catch (error) {
      sayError(error);
    } finally {
      button.disabled = false;
    }
  }

  async function picture() {
    download(`${of.name()}.png`, await of.picture(of.heading()));
  }

  const button = h('button', { type: 'button', class: 'main', onclick: get }, 'Download');
  return h('details', { class: 'panel export', ontoggle: say },
    h('summary', {}, 'Download'),
    h('div', { class: 'tools' },
      field('Rows', what), field('Range', which), field('Form', format), button,
      h('button', { type: 'button', onclick: picture }, 'Picture (PNG)')),
    said);
}
