// The gaps, outliers and duplicates of one instrument, in periods as short as one likes.

import { get } from '../api.js';
import { field, h, replace, sayError, select, setText, table } from '../dom.js';
import { count, dateTime, FREQUENCIES, price } from '../format.js';
import { setQuery } from '../main.js';

const LISTED_MAX = 200;
const CALENDARS = {
  '24x7': 'every day, around the clock', weekdays: 'Monday to Friday of UTC, around the clock',
  XNYS: 'the days and hours of the New York Stock Exchange', XNAS: 'the days and hours of the Nasdaq Stock Market',
};

export const calendarWords = (calendar) => `Expected: ${CALENDARS[calendar] ?? calendar}`;

/** `range` tells the first and the last day of the map, all of which are looked at, or one. */
export function gaps(query, signal, range) {
  let [symbol, day, frequency] = ['symbol', 'day', 'frequency'].map((name) => query.get(name));
  if (!FREQUENCIES.includes(frequency)) frequency = '1min';
  let known = null;
  let asked = 0;
  const heading = h('h2');
  const which = h('input', { type: 'date', onchange: () => choose(symbol, which.value) });
  const allDays = h('button', { type: 'button', onclick: () => choose(symbol, '') }, 'All days');
  const summary = h('p', { role: 'status' });
  const lists = h('div', { class: 'lists' });
  const element = h('section', { class: 'panel gaps', hidden: true }, heading,
    h('div', { class: 'tools' }, field('Periods of', select(FREQUENCIES, frequency, (value) => {
      frequency = value;
      choose(symbol, day);
    })), field('Day (UTC)', which), allDays), summary, lists);

  async function choose(...chosen) {
    const [from, to] = range();
    [symbol, day] = chosen;
    if (!(day >= from && day <= to)) day = '';
    setQuery({ symbol, day, frequency });
    setText(heading, `Gaps of ${symbol}, ${day || `${from} to ${to}`}`);
    [which.min, which.max, which.value, allDays.disabled] = [from, to, day, !day];
    const mine = ++asked;
    try {
      const answer = await get('api/historical-data/coverage', { parameters: { symbols: [symbol], frequency, start_date: day || from, end_date: day || to, limit: LISTED_MAX }, signal });
      if (mine !== asked) return;
      [known] = answer.data;
      draw();
      if (element.hidden) {
        element.hidden = false;
        element.scrollIntoView({ block: 'nearest' });
      }
    } catch (error) {
      sayError(error);
    }
  }

  function draw() {
    if (!known) return;
    const of = known;
    setText(summary, `${of.calendar ? `${calendarWords(of.calendar)}. ` : ''}${count(of.missing)} of ${count(of.expected)} expected periods are missing, in gaps: ${count(of.gap_count)}. `
      + `Bars that need not be: ${count(of.unexpected)}. Periods that came in more than once: ${count(of.duplicates)}. ${of.message ? `Note: ${of.message}.` : ''}`);
    const list = (name, total, rows, heads) => h('div', {}, h('h3', {}, name),
      h('p', { class: 'faint' }, total === 0 ? '✓ None' : total > rows.length ? `The greatest ${rows.length} of ${count(total)}` : `${count(total)} in all`),
      rows.length > 0 && table(`${name} of ${symbol}`, heads, rows));
    replace(lists,
      list('Gaps', of.gap_count, of.gaps.map((gap) => [dateTime(gap.start), dateTime(gap.end), count(gap.missing)]), ['From', 'To', 'Missing periods']),
      list('Outliers: closes far from the one before', of.outlier_count, of.outliers.map((item) => [dateTime(item.timestamp), price(item.close), price(item.previous_close), item.score.toFixed(1)]), ['Time', 'Close', 'Before', 'Score']));
  }

  addEventListener('zone', draw, { signal });
  return { element, choose, again: () => symbol && choose(symbol, day) };
}
