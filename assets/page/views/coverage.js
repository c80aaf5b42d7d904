// The view of coverage: of which instrument there is how much on which day, and what is missing.

import { get, instruments, post } from '../api.js';
import { field, h, replace, sayError, select, setText } from '../dom.js';
import { count } from '../format.js';
import { listen } from '../live.js';
import { setQuery } from '../main.js';
import { calendarWords, gaps } from './coverage-gaps.js';

export const title = 'Coverage';

const DAY_MS = 86_400_000;
const DAYS_USUAL = 60;
const DAYS_MAX = 186;
/** Symbols that one request may name. */
const SYMBOLS_MAX = 50;
const RELOAD_MIN_MS = 5_000;
/** A day's share of the instrument's fullest day, from which on it has this step. */
const STEPS = [0, 0.01, 0.03, 0.1, 0.3];
const STEP_WORDS = ['less than 1 %', 'from 1 %', 'from 3 %', 'from 10 %', 'from 30 %'];

const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? '') && !Number.isNaN(Date.parse(text));
const dayOf = (ms) => new Date(ms).toISOString().slice(0, 10);
const plus = (day, days) => dayOf(Date.parse(day) + days * DAY_MS);
const isWeekday = (day) => ![0, 6].includes(new Date(day).getUTCDay());
const lengthOf = (from, to) => (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
const daysOf = (from, to) => Array.from({ length: lengthOf(from, to) }, (_, index) => plus(from, index));

export async function show(root, { query, signal }) {
  const all = (await instruments()).toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1));
  let [from, to] = [query.get('from'), query.get('to')];
  if (!isDay(to)) to = isDay(from) ? plus(from, DAYS_USUAL - 1) : await newestDay(all, signal);
  if (!isDay(from) || from > to) from = plus(to, 1 - DAYS_USUAL);
  if (lengthOf(from, to) > DAYS_MAX) from = plus(to, 1 - DAYS_MAX);
  const pages = Math.max(1, Math.ceil(all.length / SYMBOLS_MAX));
  let page = Math.min(pages, Math.max(1, Number(query.get('page')) || 1));

  const first = h('input', { type: 'date', value: from, required: true });
  const last = h('input', { type: 'date', value: to, required: true });
  const fault = h('p', { class: 'fault', role: 'alert' });
  const move = (label, by) => h('button', { type: 'button', onclick: () => {
    const days = by * lengthOf(from, to);
    take(plus(from, days), plus(to, days));
  } }, label);
  const pager = pages > 1 && field('Instruments', select(
    Array.from({ length: pages }, (_, index) => [index + 1, `${all[index * SYMBOLS_MAX].symbol} to ${all[Math.min(all.length, (index + 1) * SYMBOLS_MAX) - 1].symbol}`]),
    page, (value) => {
      page = Number(value);
      setQuery({ page });
      load();
    }));
  const readout = h('p', { class: 'readout' }, ' ');
  const table = h('table', { class: 'map' });
  const box = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Coverage by instrument and day' }, table);
  const detail = gaps(query, signal, () => [from, to]);
  const content = all.length === 0
    ? h('p', { class: 'empty' }, 'No instruments yet: drop a file on ', h('a', { href: '#/data' }, 'Data'), ', or POST /api/instruments.')
    : h('div', { hidden: true }, legend(), box, readout, detail.element);
  replace(root, h('h1', {}, title),
    h('form', { class: 'tools', onsubmit: (event) => event.preventDefault() },
      field('From', first), field('To', last), h('div', { class: 'steps' }, move('‹ Earlier', -1), move('Later ›', 1)), pager),
    fault, content);

  function take(nextFrom, nextTo) {
    const why = !isDay(nextFrom) || !isDay(nextTo) ? 'Both are days, such as 2024-01-31.'
      : nextFrom > nextTo ? 'The first day is after the last one.'
      : lengthOf(nextFrom, nextTo) > DAYS_MAX ? `These are ${count(lengthOf(nextFrom, nextTo))} days; at most ${DAYS_MAX} are shown at once.` : '';
    setText(fault, why);
    if (why) return;
    [from, to] = [nextFrom, nextTo];
    [first.value, last.value] = [from, to];
    setQuery({ from, to });
    load();
    detail.rangeChanged();
  }
  for (const input of [first, last]) input.addEventListener('change', () => take(first.value, last.value), { signal });

  let loads = 0;
  let loaded = 0;
  let timer = null;
  async function load() {
    if (all.length === 0) return;
    const mine = ++loads;
    loaded = Date.now();
    table.setAttribute('aria-busy', 'true');
    try {
      const rows = await read(all.slice((page - 1) * SYMBOLS_MAX, page * SYMBOLS_MAX).map((of) => of.symbol), from, to, signal);
      if (mine === loads && !signal.aborted) draw(table, rows, daysOf(from, to));
    } catch (error) {
      if (mine === loads) sayError(error);
    }
    if (mine === loads) table.removeAttribute('aria-busy');
  }
  function reload() {
    clearTimeout(timer);
    timer = setTimeout(() => (document.hidden ? null : load()), Math.max(0, loaded + RELOAD_MIN_MS - Date.now()));
  }
  signal.addEventListener('abort', () => clearTimeout(timer));
  listen('data_changed', (change) => {
    const isBefore = change.to && change.to < from;
    const isAfter = change.from && change.from.slice(0, 10) > to;
    if (!isBefore && !isAfter) reload();
  }, signal);
  listen('connected', () => Date.now() - loaded > RELOAD_MIN_MS && reload(), signal);
  document.addEventListener('visibilitychange', () => !document.hidden && Date.now() - loaded > 60_000 && reload(), { signal });

  /** The words of a cell, with its instrument and day. */
  const said = (cell) => {
    const row = cell.parentNode;
    const day = daysOf(from, to)[cell.cellIndex - 1];
    return { symbol: row.dataset.symbol, day, text: `${row.dataset.symbol}, ${day}: ${cell.textContent}` };
  };
  table.addEventListener('pointerover', (event) => {
    const cell = event.target.closest('td.day');
    setText(readout, cell ? said(cell).text : ' ');
  });
  table.addEventListener('click', (event) => {
    const cell = event.target.closest('td.day');
    const row = event.target.closest('button') && event.target.closest('tr');
    if (cell) detail.choose(said(cell).symbol, said(cell).day);
    else if (row) detail.choose(row.dataset.symbol, '');
  });
  await load();
  content.hidden = false;
  await detail.start();
}

/** The newest day of which any instrument has a tick or a bar. */
async function newestDay(all, signal) {
  const { by_frequency: stored } = await get('api/historical-data/stats', { signal });
  const moments = [...all.map((of) => of.last_tick), ...stored.map((of) => of.last)].filter(Boolean);
  return moments.length > 0 ? moments.reduce((a, b) => (a > b ? a : b)).slice(0, 10) : dayOf(Date.now());
}

async function read(symbols, from, to, signal) {
  const range = { frequency: '1d', start_date: from, end_date: to };
  const [history, coverage] = await Promise.all([
    post('api/historical-data/fetch', { body: { symbols, ...range }, signal }),
    get('api/historical-data/coverage', { parameters: { symbols, ...range, limit: 0 }, signal }),
  ]);
  const days = daysOf(from, to);
  const expected = new Map();
  for (const { calendar } of coverage.data) {
    if (!calendar || expected.has(calendar)) continue;
    // The one with the fewest bars is answered soonest.
    const of = coverage.data.filter((item) => item.calendar === calendar).reduce((a, b) => (a.present < b.present ? a : b));
    expected.set(calendar, expectedDays(of, days, signal));
  }
  for (const [calendar, promise] of expected) expected.set(calendar, await promise);
  return coverage.data.map((of, index) => {
    const bars = new Map(history.data[index].bars.map((bar) => [bar.timestamp.slice(0, 10), amountOf(bar)]));
    return { ...of, bars, expectedDays: expected.get(of.calendar) ?? new Set() };
  });
}

function amountOf(bar) {
  if (bar.tick_count) return { value: bar.tick_count, text: `${count(bar.tick_count)} ticks` };
  if (bar.volume) return { value: bar.volume, text: `a volume of ${count(bar.volume)}` };
  return { value: 1, text: 'a bar' };
}

/**
 * The days that should have a bar. Which days are holidays of an exchange is not told, but how many
 * days of a range are expected is: so the range is halved until each part has all of its weekdays or none.
 */
async function expectedDays({ symbol, calendar, expected }, days, signal) {
  if (calendar === '24x7') return new Set(days);
  const weekdays = days.filter(isWeekday);
  if (calendar === 'weekdays') return new Set(weekdays);
  const settle = async (part, known) => {
    if (known === 0) return [];
    if (known >= part.length) return part;
    const [left, right] = [part.slice(0, part.length >> 1), part.slice(part.length >> 1)];
    const parameters = { symbols: [symbol], calendar, frequency: '1d', start_date: left[0], end_date: left.at(-1), limit: 0 };
    const inLeft = (await get('api/historical-data/coverage', { parameters, signal })).data[0].expected;
    return (await Promise.all([settle(left, inLeft), settle(right, known - inLeft)])).flat();
  };
  return new Set(await settle(weekdays, expected));
}

function legend() {
  const item = (kind, words) => h('li', {}, h('i', { class: kind }), words);
  return h('div', { class: 'legend' },
    h('p', {}, 'Each day of UTC as a share of the fullest day of its instrument in the range, by ticks, else by volume. Choose a day, or the number of gaps, to see what is missing.'),
    h('ul', {}, STEP_WORDS.map((words, step) => item(`s${step}`, words)), item('missing', 'missing: expected by the calendar'), item('closed', 'not expected')));
}

function draw(table, rows, days) {
  const months = [];
  for (const day of days) {
    const month = day.slice(0, 7);
    if (months.at(-1)?.month === month) months.at(-1).days += 1;
    else months.push({ month, days: 1 });
  }
  const ends = ['Complete', 'Gaps', 'First day', 'Last day'];
  replace(table,
    h('thead', {},
      h('tr', {}, h('th', { rowspan: 2, scope: 'col', class: 'name' }, 'Instrument'),
        months.map(({ month, days: length }) => h('th', { colspan: length, scope: 'colgroup', class: 'month' }, length > 3 ? month : h('span', { class: 'said' }, month))),
        ends.map((name) => h('th', { rowspan: 2, scope: 'col', class: 'number' }, name))),
      h('tr', {}, days.map((day) => h('th', { scope: 'col', class: isWeekday(day) ? 'day' : 'day free' }, h('span', { class: 'said' }, day.slice(0, 8)), day.slice(8))))),
    h('tbody', {}, rows.map((row) => rowOf(row, days))));
}

function rowOf({ symbol, bars, expectedDays: expected, completeness_percent: complete, gap_count: gapCount, first, last, calendar, message }, days) {
  const fullest = Math.max(...[...bars.values()].map((of) => of.value), 1);
  const cells = days.map((day) => {
    const amount = bars.get(day);
    const kind = amount ? `s${STEPS.findLastIndex((from) => amount.value / fullest >= from)}` : expected.has(day) ? 'missing' : 'closed';
    return h('td', { class: `day ${kind}` }, h('span', { class: 'said' }, amount?.text ?? (kind === 'missing' ? 'missing' : 'not expected')));
  });
  return h('tr', { data: { symbol }, class: bars.size === 0 ? 'none' : null },
    h('th', { scope: 'row', class: 'name' }, h('a', { href: `#/instrument/${encodeURIComponent(symbol)}`, title: calendar ? calendarWords(calendar) : message }, symbol)),
    cells,
    h('td', { class: 'number' }, complete === null ? '–' : `${complete.toFixed(1)} %`),
    h('td', { class: 'number' }, h('button', { type: 'button', class: 'quiet', 'aria-label': `${count(gapCount)} gaps of ${symbol}: show them` }, count(gapCount), ' ›')),
    h('td', { class: 'number' }, first?.slice(0, 10) ?? '–'), h('td', { class: 'number' }, last?.slice(0, 10) ?? '–'));
}
