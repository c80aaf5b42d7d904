// The view of prices: a row per instrument with its last price and its day so far, live.

import { get, instruments } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { count } from '../format.js';
import { keepRead, listen } from '../live.js';
import { setQuery } from '../main.js';
import { addInstrument } from './prices-add.js';
import { PriceRow } from './prices-row.js';

export const title = 'Prices';

const DRAW_MS = 250;
/** A sparkline moves by less than a pixel between two of these. */
const SECOND_MS = 1_000;
/** Rows change places no more often, so that they can be read and clicked. */
const SORT_MS = 5_000;
/** The API's bound of one answer. */
const SNAPSHOTS_MAX = 1_000;
/** Ticks that come while a snapshot is read; beyond them the next snapshot has to do. */
const MEANWHILE_MAX = 5_000;

/** Columns: name, heading, and the value by which it is sorted. Those without a value are not. */
const COLUMNS = [
  ['symbol', 'Symbol', (row) => row.symbol],
  ['name', 'Name', (row) => row.name],
  ['last', 'Last', (row) => row.price],
  ['change', 'Change', (row) => row.change],
  ['percent', 'Change %', (row) => row.percent],
  ['day', 'Day'],
  ['bid', 'Bid', (row) => row.bid],
  ['ask', 'Ask', (row) => row.ask],
  ['volume', 'Volume', (row) => row.day?.volume],
  ['age', 'Age', (row) => row.at && -row.millis],
];
/** Room for a price, at least; a longer one makes more. */
const DIGITS_MIN = 8;
const TEXTS = new Set(['symbol', 'name', 'day']);

export async function show(root, { query, signal }) {
  const rows = new Map();
  let order = query.get('sort') ?? 'symbol';
  if (!COLUMNS.some(([name, , value]) => value && name === order.replace('-', ''))) order = 'symbol';

  const search = h('input', {
    type: 'search', id: 'search', value: query.get('search') ?? '', placeholder: 'Symbol or name; press / to type here',
    autocomplete: 'off', spellcheck: 'false', 'aria-label': 'Search by symbol or name', oninput: () => {
      setQuery({ search: search.value });
      filter();
    },
  });
  const shownCount = h('span', { class: 'faint', role: 'status' });
  const add = h('button', { type: 'button', onclick: () => addInstrument(() => want(), signal) }, 'Add instrument');
  const body = h('tbody');
  const heads = new Map(COLUMNS.map(([name, label, value]) => [name,
    h('th', { scope: 'col', class: `${name}${TEXTS.has(name) ? '' : ' number'}` },
      value ? h('button', { type: 'button', class: 'quiet', onclick: () => sortBy(name) }, label) : h('span', {}, label))]));
  const table = h('table', {}, h('caption', { class: 'said' }, 'Prices of all instruments'),
    h('thead', {}, h('tr', {}, [...heads.values()])), body);
  const empty = h('div', { class: 'empty', hidden: true });
  replace(root,
    h('div', { class: 'tools' }, h('h1', {}, title), shownCount, search, add),
    h('div', { class: 'board' }, table, empty),
    h('p', { class: 'faint note' }, 'Change and volume are those of the last day with trades, in UTC, since its first price. Age is that of the last tick; stale: none for 5 minutes.'));

  // Only rows that are in sight are drawn; the others are drawn when they come into sight.
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const row = rows.get(Number(target.dataset.id));
      if (!row) continue;
      row.isInSight = isIntersecting;
      if (isIntersecting) draw(row, true);
    }
  }, { rootMargin: '120px' });
  signal.addEventListener('abort', () => watcher.disconnect());

  const dirty = new Set();
  let lit = [];
  let meanwhile = null;
  let want = () => {};

  function draw(row, isWhole) {
    row.draw(isWhole, lit);
    dirty.delete(row);
  }

  function rowOf(id) {
    let row = rows.get(id);
    if (!row) {
      row = new PriceRow(id);
      rows.set(id, row);
      body.append(row.element);
      watcher.observe(row.element);
    }
    return row;
  }

  async function read() {
    meanwhile = [];
    const known = instruments();
    const [{ snapshots }, all] = await Promise.all([get('api/market-data/snapshot', { signal }), known]);
    const have = new Set(snapshots.map((it) => it.instrument_id));
    const missing = all.map((it) => it.id).filter((id) => !have.has(id));
    while (missing.length) {
      const instrument_ids = missing.splice(0, SNAPSHOTS_MAX).join();
      snapshots.push(...(await get('api/market-data/snapshot', { parameters: { instrument_ids }, signal })).snapshots);
    }
    if (signal.aborted) return;
    const statuses = new Map(all.map((it) => [it.id, it.status]));
    const now = new Set(snapshots.map((it) => it.instrument_id));
    for (const [id, row] of rows) {
      if (now.has(id)) continue;
      watcher.unobserve(row.element);
      row.element.remove();
      rows.delete(id);
    }
    for (const snapshot of snapshots) {
      const row = rowOf(snapshot.instrument_id);
      row.take(snapshot, statuses.get(snapshot.instrument_id));
      dirty.add(row);
    }
    // What was stored after the snapshot and told before it arrived.
    for (const tick of meanwhile) {
      const row = rows.get(tick.instrumentId);
      if (row && !(tick.timestamp <= row.readTo)) row.tick(tick);
    }
    meanwhile = null;
    const lengths = [...rows.values()].map((row) => row.digits);
    table.style.setProperty('--digits', Math.max(DIGITS_MIN, ...lengths));
    filter();
    arrange();
    drawAll();
  }

  function drawAll() {
    for (const row of dirty) if (row.isInSight || !row.isDrawn) draw(row, true);
  }

  function filter() {
    const words = search.value.trim().toLowerCase();
    let seen = 0;
    for (const row of rows.values()) {
      const isHidden = words !== '' && !row.searched.includes(words);
      if (row.element.hidden !== isHidden) row.element.hidden = isHidden;
      if (!isHidden) seen += 1;
    }
    setText(shownCount, words ? `${count(seen)} of ${count(rows.size)}` : `${count(rows.size)} instruments`);
    empty.hidden = seen > 0 && hasTicks();
    if (empty.hidden) return;
    replace(empty, rows.size === 0
      ? 'No instruments yet: add one by “Add instrument” above.'
      : seen === 0
        ? [`No instrument has “${search.value.trim()}” in its symbol or name. `, h('button', { type: 'button', onclick: showAll }, 'Show all')]
        : ['No ticks yet: drop a file on ', h('a', { href: '#/data' }, 'Data'), ', or send some to ', h('code', {}, 'POST /api/market-data'), '.']);
  }

  const hasTicks = () => [...rows.values()].some((row) => row.at !== null);

  function showAll() {
    search.value = '';
    search.focus();
    setQuery({ search: null });
    filter();
  }

  function sortBy(name) {
    // Numbers are asked for by the largest first, words from A.
    const first = TEXTS.has(name) || name === 'age' ? name : `-${name}`;
    order = order === first ? (first.startsWith('-') ? name : `-${name}`) : first;
    setQuery({ sort: order === 'symbol' ? null : order });
    arrange();
  }

  function arrange() {
    const name = order.replace('-', '');
    const sign = order.startsWith('-') ? -1 : 1;
    for (const [column, head] of heads) {
      if (column === name) head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    }
    const value = COLUMNS.find(([column]) => column === name)[2];
    const sorted = [...rows.values()].map((row) => [value(row) ?? null, row]);
    sorted.sort(([a, one], [b, other]) => {
      if (a === b) return one.symbol < other.symbol ? -1 : 1;
      // What has no value comes last, whichever way.
      if (a === null || b === null) return a === null ? 1 : -1;
      return a < b ? -sign : sign;
    });
    let next = body.firstChild;
    for (const [, { element }] of sorted) {
      if (element === next) next = next.nextSibling;
      else body.insertBefore(element, next);
    }
  }

  listen('market_data', (tick) => {
    if (meanwhile && meanwhile.length < MEANWHILE_MAX) meanwhile.push(tick);
    const row = rows.get(tick.instrumentId);
    // One that was added elsewhere.
    if (!row) return want();
    row.tick(tick);
    dirty.add(row);
  }, signal);

  let sortedAt = 0;
  const timers = [
    setInterval(() => {
      if (document.hidden) return;
      const now = performance.now();
      lit = lit.filter((flash) => flash.until > now || flash.end());
      for (const row of dirty) if (row.isInSight) draw(row, false);
    }, DRAW_MS),
    setInterval(() => {
      if (document.hidden) return;
      for (const row of rows.values()) if (row.isInSight) row.drawSlow();
      if (!empty.hidden && !search.value.trim()) filter();
      const now = performance.now();
      const isUsed = body.contains(document.activeElement) || body.matches(':hover');
      if (now - sortedAt < SORT_MS || isUsed || /symbol|name/.test(order)) return;
      sortedAt = now;
      arrange();
    }, SECOND_MS),
  ];
  signal.addEventListener('abort', () => timers.forEach(clearInterval));

  document.addEventListener('keydown', (event) => {
    const isTyping = event.target.closest('input, select, textarea, dialog');
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    event.preventDefault();
    search.focus();
    search.select();
  }, { signal });

  want = await keepRead(read, signal);
}
