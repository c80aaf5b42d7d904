// The gaps, outliers and duplicates of one instrument, in periods as short as one likes.

import { get } from '../api.js';
import { field, h, replace, sayError, select, setText } from '../dom.js';
import { count, dateTime, price } from '../format.js';
import { setQuery } from '../main.js';

const FREQUENCIES = ['1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M'];
const LISTED_MAX = 200;
const CALENDARS = {
  '24x7': 'every day, around the clock',
  weekdays: 'Monday to Friday in UTC, around the clock',
  XNYS: 'the days and hours of the New York Stock Exchange',
  XNAS: 'the days and hours of the Nasdaq Stock Market',
};

export const calendarWords = (calendar) => `Expected by its calendar: ${CALENDARS[calendar] ?? calendar}`;

/** `range` tells the days that the map shows, of which one or all are looked at. */
export function gaps(query, signal, range) {
  let symbol = query.get('symbol') ?? '';
  let day = query.get('day') ?? '';
  let frequency = FREQUENCIES.includes(query.get('frequency')) ? query.get('frequency') : '1min';
  const heading = h('h2', { tabindex: -1 });
  const which = h('input', { type: 'date' });
  which.addEventListener('change', () => choose(symbol, which.value), { signal });
  const allDays = h('button', { type: 'button', onclick: () => choose(symbol, '') }, 'All days');
  const summary = h('p', { role: 'status' });
  const lists = h('div', { class: 'lists' });
  const element = h('section', { class: 'panel gaps', hidden: true },
    heading,
    h('div', { class: 'tools' },
      field('Periods of', select(FREQUENCIES, frequency, (value) => {
        frequency = value;
        choose(symbol, day);
      })),
      field('Day (UTC)', which), allDays),
    summary, lists);
  let known = null;
  let asked = 0;

  async function choose(nextSymbol, nextDay) {
    const [from, to] = range();
    [symbol, day] = [nextSymbol, nextDay >= from && nextDay <= to ? nextDay : ''];
    setQuery({ symbol, day, frequency });
    const isNew = element.hidden;
    element.hidden = false;
    setText(heading, `Gaps of ${symbol}, ${day || `${from} to ${to}`}`);
    [which.min, which.max, which.value] = [from, to, day];
    allDays.disabled = !day;
    element.setAttribute('aria-busy', 'true');
    const mine = ++asked;
    const parameters = { symbols: [symbol], frequency, start_date: day || from, end_date: day || to, limit: LISTED_MAX };
    try {
      const answer = await get('api/historical-data/coverage', { parameters, signal });
      if (mine !== asked) return;
      [known] = answer.data;
      draw();
      if (isNew) element.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      if (mine === asked) sayError(error);
    }
    element.removeAttribute('aria-busy');
  }

  function draw() {
    if (!known) return;
    const { calendar, expected, missing, present, unexpected, duplicates, gap_count: gapCount, outlier_count: outlierCount, message } = known;
    setText(summary, [
      calendar && `${calendarWords(calendar)}.`,
      `${count(expected - missing)} of ${count(expected)} expected periods are there, ${count(missing)} are missing in ${count(gapCount)} gaps;`,
      `${count(unexpected)} of ${count(present)} bars are at other times.`,
      `${count(duplicates)} periods came in more than once, ${count(outlierCount)} closes are far from the one before.`,
      message && `Note: ${message}.`,
    ].filter(Boolean).join(' '));
    replace(lists,
      listing('Gaps', gapCount, known.gaps, 'the longest', ['From', 'To', 'Missing periods'], (gap) => [dateTime(gap.start), dateTime(gap.end), count(gap.missing)]),
      listing('Outliers', outlierCount, known.outliers, 'those farthest away', ['Time', 'Close', 'Close before', 'Score'],
        (of) => [dateTime(of.timestamp), price(of.close), price(of.previous_close), of.score.toFixed(1)]));
  }

  function listing(name, total, rows, which, heads, cells) {
    return h('div', {}, h('h3', {}, name),
      rows.length === 0 ? h('p', { class: 'faint' }, '✓ None.')
        : [h('p', { class: 'faint' }, rows.length < total ? `${which} ${rows.length} of ${count(total)}` : `${count(total)} in all`),
          h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${name} of ${symbol}` }, h('table', {},
            h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col', class: 'number' }, head)))),
            h('tbody', {}, rows.map((row) => h('tr', {}, cells(row).map((cell) => h('td', { class: 'number' }, cell)))))))]);
  }

  addEventListener('zone', draw, { signal });
  return { element, choose, rangeChanged: () => symbol && choose(symbol, day), start: () => symbol && choose(symbol, day) };
}
