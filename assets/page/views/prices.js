// The view of prices: a row per instrument with its last price and its day so far, live.

import { forgetInstruments, get, instruments, post } from '../api.js';
import { arrange, button, field, formDialog, h, reachBySlash, replace, say, select, setText, tableOf } from '../dom.js';
import { CALENDARS, count, counted } from '../format.js';
import { keepRead, listen } from '../live.js';
import { setQuery } from '../main.js';
import { PriceRow } from './prices-row.js';

export const title = 'Prices';

const DRAW_MS = 250;
/** Ages and curves, by draws. */
const SLOW_DRAWS = 4;
/** Rows change places no more often, by draws, so that they can be read and clicked. */
const SORT_DRAWS = 20;
/** The API's bound of one answer. */
const SNAPSHOTS_MAX = 1_000;
/** Ticks that come while a snapshot is read; beyond them the next snapshot has to do. */
const MEANWHILE_MAX = 5_000;
/** Room for a price, at least; a longer one makes more. */
const DIGITS_MIN = 8;

/** Columns: name, heading, and the value by which they are sorted. */
const COLUMNS = [
  ['symbol', 'Symbol', (row) => row.symbol],
  ['name', 'Name', (row) => row.name],
  ['last', 'Last', (row) => row.last],
  ['change', 'Change', (row) => row.change],
  ['percent', 'Change %', (row) => row.percent],
  ['day', 'Day'],
  ['bid', 'Bid', (row) => row.bid],
  ['ask', 'Ask', (row) => row.ask],
  ['volume', 'Volume', (row) => row.day?.volume],
  ['age', 'Age', (row) => row.at && -row.millis],
];
/** They begin with A, or with the youngest; numbers with the largest. */
const RISING = ['symbol', 'name', 'age'];

const TYPES = [
  ['future', 'Future'], ['index', 'Index'], ['internal', 'Market internal, such as breadth'],
  ['equity', 'Equity'], ['fx', 'Currency pair'], ['crypto', 'Crypto-currency pair'],
];
export async function show(root, { query, signal }) {
  const rows = new Map();
  const dirty = new Set();
  let lit = [];
  let meanwhile = null;
  let want = () => {};
  let order = query.get('sort') ?? 'symbol';

  const search = h('input', {
    type: 'search', value: query.get('search') ?? '', placeholder: 'Symbol or name; press / to type here',
    spellcheck: 'false', 'aria-label': 'Search by symbol or name', oninput: () => {
      setQuery({ search: search.value });
      filter();
    },
  });
  const shown = h('span', { class: 'faint', role: 'status' });
  const body = h('tbody');
  const heads = COLUMNS.map(([name, label, value]) =>
    h('th', { scope: 'col', class: ['symbol', 'name', 'day'].includes(name) ? name : `${name} number` },
      value ? button(label, () => sortBy(name), { class: 'quiet' }) : h('span', {}, label)));
  const table = tableOf('Prices of all instruments', heads, body);
  const empty = h('div', { class: 'empty', hidden: true });
  replace(root,
    h('div', { class: 'tools' }, h('h1', {}, title), shown, search, button('Add instrument', () => addInstrument(() => want(), signal))),
    h('div', { class: 'board' }, table, empty),
    h('p', { class: 'faint note' }, 'Change and volume are of the last UTC day with prices; without trades the price is the middle of bid and ask. Stale: no tick for 5 minutes.'));

  // Only rows in sight are drawn; the others are when they come into sight.
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const row = rows.get(Number(target.dataset.id));
      if (row) row.isInSight = isIntersecting;
      if (row && isIntersecting) draw(row, true);
    }
  }, { rootMargin: '120px' });

  function draw(row, isWhole) {
    row.draw(isWhole, lit);
    dirty.delete(row);
  }

  async function read() {
    meanwhile = [];
    const snapshots = [];
    const more = async (instrument_ids) => {
      const page = await get('api/market-data/snapshot', { parameters: { instrument_ids }, signal });
      snapshots.push(...page.snapshots);
    };
    await more();
    if (snapshots.length >= SNAPSHOTS_MAX) {
      const have = new Set(snapshots.map((it) => it.instrument_id));
      const left = (await instruments()).map((it) => it.id).filter((id) => !have.has(id));
      while (left.length) await more(left.splice(0, SNAPSHOTS_MAX).join());
    }
    if (signal.aborted) return;
    const gone = new Set(rows.keys());
    for (const snapshot of snapshots) {
      const id = snapshot.instrument_id;
      gone.delete(id);
      let row = rows.get(id);
      if (!row) {
        rows.set(id, (row = new PriceRow(id)));
        body.append(row.element);
        watcher.observe(row.element);
      }
      row.take(snapshot);
      if (row.isInSight || !row.isDrawn) draw(row, true);
    }
    for (const id of gone) {
      watcher.unobserve(rows.get(id).element);
      rows.get(id).element.remove();
      rows.delete(id);
    }
    // What was stored after the snapshot, and told before it arrived.
    const late = meanwhile;
    meanwhile = null;
    late.forEach(take);
    table.style.setProperty('--digits', Math.max(DIGITS_MIN, ...[...rows.values()].map((row) => row.digits)));
    filter();
    sort();
  }

  function filter() {
    const words = search.value.trim().toLowerCase();
    let seen = 0;
    let isTold = false;
    for (const { element, searched, at } of rows.values()) {
      element.hidden = !searched.includes(words);
      seen += !element.hidden;
      isTold ||= at !== null;
    }
    setText(shown, words ? `${count(seen)} of ${count(rows.size)}` : counted(rows.size, 'instrument'));
    empty.hidden = seen > 0 && isTold;
    if (rows.size === 0) setText(empty, 'No instruments yet: add one by “Add instrument” above.');
    else if (seen === 0) replace(empty, `No instrument has “${search.value.trim()}” in its symbol or name. `, h('a', { href: '#/prices' }, 'Show all'));
    else if (!isTold) replace(empty, 'No ticks yet: drop a file on ', h('a', { href: '#/data' }, 'Data'), ', or POST /api/market-data.');
  }

  function sortBy(name) {
    const first = RISING.includes(name) ? name : `-${name}`;
    order = order !== first ? first : first === name ? `-${name}` : name;
    setQuery({ sort: order === 'symbol' ? null : order });
    sort();
  }

  function sort() {
    const sign = order.startsWith('-') ? -1 : 1;
    const column = Math.max(0, COLUMNS.findIndex(([name, , value]) => value && name === order.replace('-', '')));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    });
    const sorted = [...rows.values()].map((row) => [COLUMNS[column][2](row) ?? null, row]);
    sorted.sort(([a, one], [b, other]) => {
      // Those without any price come last.
      if ((one.last === null) !== (other.last === null)) return one.last === null ? 1 : -1;
      if (a === b) return one.symbol < other.symbol ? -1 : 1;
      // What has no value comes last, whichever way.
      if (a === null || b === null) return a === null ? 1 : -1;
      return a < b ? -sign : sign;
    });
    arrange(body, sorted.map(([, row]) => row.element));
  }

  function take(tick) {
    const row = rows.get(tick.instrumentId);
    // One that was added elsewhere.
    if (!row) return want();
    row.tick(tick);
    dirty.add(row);
  }

  listen('market_data', (tick) => {
    if (meanwhile && meanwhile.length < MEANWHILE_MAX) meanwhile.push(tick);
    take(tick);
  }, signal);

  let draws = 0;
  const timer = setInterval(() => {
    if (document.hidden) return;
    const now = performance.now();
    lit = lit.filter(({ cell, until }) => until > now || void delete cell.dataset.flash);
    for (const row of dirty) if (row.isInSight) draw(row, false);
    draws += 1;
    if (draws % SLOW_DRAWS) return;
    for (const row of rows.values()) if (row.isInSight) row.drawSlow();
    if (!empty.hidden) filter();
    const isUsed = body.contains(document.activeElement) || body.matches(':hover');
    if (draws % SORT_DRAWS === 0 && !isUsed) sort();
  }, DRAW_MS);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    watcher.disconnect();
  });

  reachBySlash(search, signal);
  want = await keepRead(read, signal);
}

/** Asks for an instrument and adds it; `onadded` is told when there is one more. */
function addInstrument(onadded, signal) {
  const symbol = h('input', { required: true, maxlength: 32, autocomplete: 'off', spellcheck: 'false', autofocus: true });
  const name = h('input', { required: true, maxlength: 200, autocomplete: 'off' });
  const type = select(TYPES, 'future');
  const places = h('input', { type: 'number', min: 0, max: 15 });
  const calendar = select([['', 'That of its type'], ...Object.entries(CALENDARS)], '');
  formDialog('Add an instrument', [
    field('Symbol', symbol, 'As ticks name it. It is kept in capitals, and cannot be changed.'),
    field('Name', name),
    h('div', { class: 'pair' }, field('Type', type), field('Price places', places, 'Empty: prices as they are stored.')),
    field('Trading calendar', calendar, 'Coverage goes by it: when ticks are expected.'),
  ], 'Add it', async () => {
    const body = { symbol: symbol.value.trim(), name: name.value, type: type.value };
    if (places.value) body.price_decimals = Number(places.value);
    if (calendar.value) body.calendar = calendar.value;
    const added = await post('api/instruments', { body });
    forgetInstruments();
    onadded();
    say(`${added.symbol} was added.`);
  }, signal);
}
