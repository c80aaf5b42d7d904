// The view of coverage: of which instrument there is how much on which day, and what is missing.

import { get, instruments, post } from '../api.js';
import { button, field, h, replace, sayError, select, setText, table } from '../dom.js';
import { CALENDARS, count, counted, dateTime, FREQUENCIES, price } from '../format.js';
import { listen } from '../live.js';
import { setQuery } from '../main.js';

export const title = 'Coverage';

const DAY_MS = 86_400_000;
const DAYS_USUAL = 60;
const DAYS_MAX = 186;
/** Symbols that one request may name. */
const SYMBOLS_MAX = 50;
const RELOAD_MIN_MS = 5_000;
/** From which share of the fullest day of its instrument a day has each step, and in words. */
const STEPS = [[0, 'less than 1 %'], [0.01, 'from 1 %'], [0.03, 'from 3 %'], [0.1, 'from 10 %'], [0.3, 'from 30 %']];

/** Gaps and outliers that are listed. */
const LISTED_MAX = 200;
const calendarWords = (calendar) => `Expected: ${CALENDARS[calendar] ?? calendar}`;
const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? '') && !Number.isNaN(Date.parse(text));
const plus = (day, days) => new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
const isWeekday = (day) => new Date(day).getUTCDay() % 6 > 0;
const lengthOf = (from, to) => (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;

export async function show(root, { query, signal }) {
  const all = (await instruments()).toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1)).map(({ symbol, last_tick: newest }) => ({ symbol, newest }));
  let from = query.get('from');
  let to = isDay(query.get('to')) ? query.get('to') : await newestDay(all, signal);
  if (!isDay(from) || from > to || lengthOf(from, to) > DAYS_MAX) from = plus(to, 1 - DAYS_USUAL);
  const pages = [];
  for (let at = 0; at < all.length; at += SYMBOLS_MAX) pages.push(all.slice(at, at + SYMBOLS_MAX).map(({ symbol }) => symbol));
  let page = pages[query.get('page') - 1] ? query.get('page') - 1 : 0;

  const [first, last] = [from, to].map((value) => h('input', { type: 'date', value, onchange: () => take(first.value, last.value) }));
  const move = (label, by) => button(label, () => take(...[from, to].map((day) => plus(day, by * lengthOf(from, to)))));
  const fault = h('p', { class: 'down', role: 'alert' });
  const readout = h('p', { class: 'readout' });
  const map = h('table', { class: 'map', onclick: choose, onpointerover: (event) => {
    const cell = event.target.closest('td.day');
    setText(readout, cell ? `${symbolOf(cell)}, ${dayOf(cell)}: ${cell.textContent}` : '');
  } });
  const symbolOf = (element) => element.closest('tr').dataset.symbol;
  const dayOf = (cell) => plus(from, cell.cellIndex - 1);
  const detail = gaps(query, signal, () => [from, to]);
  const legend = [...STEPS.map(([, words], step) => [`s${step}`, words]), ['missing', 'missing: expected by the calendar'], ['', 'not expected']];
  const content = h('div', { hidden: true },
    h('p', { class: 'faint' }, 'Days of UTC as shares of the fullest day of the instrument here, by ticks, else by volume. Choose a day or a number of gaps to see more.'),
    h('ul', { class: 'faint' }, legend.map(([kind, words]) => h('li', {}, h('i', { class: kind }), words))),
    h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Coverage by instrument and day' }, map), readout, detail.element);
  replace(root, h('h1', {}, title), all.length === 0
    ? h('p', { class: 'empty' }, 'No instruments yet: drop a file on ', h('a', { href: '#/data' }, 'Data'), ', or POST /api/instruments.')
    : [h('div', { class: 'tools' }, field('From', first), field('To', last), move('‹ Earlier', -1), move('Later ›', 1),
      pages.length > 1 && field('Instruments', select(pages.map((symbols, index) => [index, `${symbols[0]} to ${symbols.at(-1)}`]), page, (value) => {
        page = Number(value);
        setQuery({ page: page + 1 });
        load();
      }))), fault, content]);
  if (all.length === 0) return;

  async function choose({ target }) {
    const cell = target.closest('td.day');
    if (!cell && !target.closest('button')) return;
    await detail.choose(symbolOf(target), cell ? dayOf(cell) : '');
    detail.element.scrollIntoView({ block: 'nearest' });
  }

  function take(start, end) {
    const isGood = isDay(start) && isDay(end) && start <= end && lengthOf(start, end) <= DAYS_MAX;
    setText(fault, isGood ? '' : `Give two days, the earlier one first, at most ${DAYS_MAX} days.`);
    if (!isGood) return;
    [from, to] = [first.value, last.value] = [start, end];
    setQuery({ from, to });
    load();
    detail.again();
  }

  let loads = 0;
  let loaded = 0;
  let timer = null;
  async function load() {
    const mine = ++loads;
    loaded = Date.now();
    map.setAttribute('aria-busy', true);
    try {
      const days = Array.from({ length: lengthOf(from, to) }, (_, index) => plus(from, index));
      const rows = await read(pages[page], days, signal);
      if (mine === loads) drawMap(map, rows, days);
    } catch (error) {
      sayError(error);
    }
    map.setAttribute('aria-busy', mine !== loads);
  }
  function reload() {
    clearTimeout(timer);
    timer = setTimeout(() => document.hidden || load(), Math.max(0, loaded + RELOAD_MIN_MS - Date.now()));
  }
  signal.addEventListener('abort', () => clearTimeout(timer));
  listen('data_changed', (of) => (of.to && of.to < from) || (of.from && of.from.slice(0, 10) > to) || reload(), signal);
  listen('connected', () => Date.now() - loaded > RELOAD_MIN_MS && reload(), signal);
  document.addEventListener('visibilitychange', () => document.hidden || reload(), { signal });
  await load();
  // The address is another view's by now.
  if (signal.aborted) return;
  content.hidden = false;
  await detail.again();
}

/** The newest day of which any instrument has a tick or a bar. */
async function newestDay(all, signal) {
  const { by_frequency: stored } = await get('api/historical-data/stats', { signal });
  const moments = [...all.map((of) => of.newest), ...stored.map((of) => of.last)].filter(Boolean).sort();
  return (moments.at(-1) ?? new Date().toISOString()).slice(0, 10);
}

async function read(symbols, days, signal) {
  const range = { symbols, frequency: '1d', start_date: days[0], end_date: days.at(-1) };
  const [history, coverage] = await Promise.all([
    post('api/historical-data/fetch', { body: range, signal }), get('api/historical-data/coverage', { parameters: { ...range, limit: 0, with_missing: true }, signal }),
  ]);
  return coverage.data.map((of, index) => ({ ...of, missing: new Set(of.missing_periods?.map((start) => start.slice(0, 10))), bars: new Map(history.data[index].bars.map((bar) => [bar.timestamp.slice(0, 10), bar])) }));
}

function drawMap(map, rows, days) {
  const months = Map.groupBy(days, (day) => day.slice(0, 7));
  const head = (properties, ...text) => h('th', { scope: 'col', ...properties }, text);
  const said = (text) => h('span', { class: 'said' }, text);
  replace(map,
    h('thead', {},
      h('tr', {}, head({ rowspan: 2, class: 'name' }, 'Instrument'),
        [...months].map(([month, of]) => head({ colspan: of.length, scope: 'colgroup', class: 'month' }, of.length > 3 ? month : said(month))),
        ['Complete', 'Gaps', 'First day', 'Last day'].map((name) => head({ rowspan: 2, class: 'number' }, name))),
      h('tr', {}, days.map((day) => head({ class: isWeekday(day) ? 'day' : 'day free' }, said(day.slice(0, 8)), day.slice(8))))),
    h('tbody', {}, rows.map((row) => {
      const { symbol, bars, calendar, message, completeness_percent: complete, gap_count: gapCount, first, last } = row;
      const amount = (bar) => bar.tick_count || bar.volume || 1;
      const fullest = Math.max(...[...bars.values()].map(amount));
      return h('tr', { data: { symbol }, class: bars.size === 0 && 'none' },
        head({ scope: 'row', class: 'name' }, h('a', { href: `#/instrument/${encodeURIComponent(symbol)}`, title: calendar ? calendarWords(calendar) : message }, symbol)),
        days.map((day) => {
          const bar = bars.get(day);
          const isMissing = !bar && row.missing.has(day);
          const step = bar && STEPS.findLastIndex(([from]) => amount(bar) >= from * fullest);
          return h('td', { class: `day ${bar ? `s${step}` : isMissing ? 'missing' : ''}` }, said(!bar ? (isMissing ? 'missing' : 'not expected')
            : bar.tick_count ? counted(bar.tick_count, 'tick') : bar.volume ? `a volume of ${count(bar.volume)}` : 'a bar'));
        }),
        h('td', { class: 'number' }, complete === null ? '–' : `${complete.toFixed(1)} %`),
        h('td', { class: 'number' }, button(`${count(gapCount)} ›`, null, { class: 'quiet', 'aria-label': `${count(gapCount)} gaps of ${symbol}` })),
        [first, last].map((moment) => h('td', { class: 'number' }, moment?.slice(0, 10) ?? '–')));
    })));
}

/** `range` tells the first and the last day of the map, all of which are looked at, or one. */
function gaps(query, signal, range) {
  let [symbol, day, frequency] = ['symbol', 'day', 'frequency'].map((name) => query.get(name));
  if (!FREQUENCIES.includes(frequency)) frequency = '1min';
  let known = null;
  let asked = 0;
  const heading = h('h2');
  const which = h('input', { type: 'date', onchange: () => choose(symbol, which.value) });
  const allDays = button('All days', () => choose(symbol, ''));
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
      element.hidden = false;
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
