// The view of health: whether the database is well, and if not, why and what to do.

import { call, get } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { age, bytes, count, dateTime, duration, millis } from '../format.js';
import { listen } from '../live.js';
import { setQuery } from '../main.js';
import { charts } from './health-charts.js';

export const title = 'Health';

/** When no message of a new round comes, as without a WebSocket, it is asked after so many intervals. */
const ROUNDS_WITHOUT_WORD = 1.5;
const INTERVAL_SECONDS = 30;
/** Several events at once are one look. */
const LOOK_MIN_MS = 1_000;

/** What each check compares, and what to do when it is past its threshold. */
const CHECKS = {
  pool_utilization: ['The share of connections that are lent', 'raise pool.overflow, or find in the operations and slow statements below what keeps them'],
  query_time: ['The time in which 95 % of the calls were answered', 'look at the slow statements below and at their plans'],
  acquire_time: ['The wait for a connection of 95 % of the callers', 'raise pool.base or pool.overflow, or ask for less at once'],
  insert_rate_floor: ['The rows stored per second', 'look at the feed: it brings less than it must', true],
  insert_rate_drop: ['The rate of stored rows, as a share of the usual one,', 'look at the feed; when a market has closed, this clears by itself in some minutes', true],
  late_share: ['The share of ticks that came late', 'look at the order and the clock of the feed: late ticks fire no rule'],
  wal_bytes: ['The write-ahead log', 'find the reader that does not end: the log of the server names how long the oldest one has read'],
  write_queue: ['The share of the queue of the writer that is full', 'look for a slow disk, or another process that writes'],
  errors: ['The calls per minute that failed', 'see by the errors of the operations below which fail; the log of the server says why'],
  probe: ['A fresh connection to the database', 'check that the database runs and can be reached'],
};
const WORDS = {
  healthy: '✓ Healthy: all checks are within their thresholds',
  degraded: '! Degraded: the database serves, and something is not as it should be',
  unhealthy: '✕ Unhealthy: the database does not serve',
};
const UNITS = {
  ratio: (value) => `${(value * 100).toFixed(0)} %`, ms: duration, bytes,
  'rows/s': (value) => `${value.toFixed(1)} rows/s`, 'errors/min': (value) => `${value.toFixed(0)} a minute`,
};
const OPERATIONS = [
  ['operation', 'Operation', (of) => of.operation],
  ['calls', 'Calls', (of) => of.calls, count],
  ['rate', 'Calls/s', (of) => of.calls_per_second, (value) => value.toFixed(2)],
  ['errors', 'Errors', (of) => of.errors, count],
  ['retries', 'Retries', (of) => of.retries, count],
  ['rows', 'Rows', (of) => of.rows, count],
  ...['p50', 'p95', 'p99', 'max'].map((part) => [part, part, (of) => of.query_ms[part], duration]),
];

export async function show(root, { query, signal }) {
  const verdict = h('p', { class: 'verdict', role: 'status' }, 'Looking …');
  const checked = h('p', { class: 'faint checked' }, ' ');
  const problems = h('ul', { class: 'problems' });
  const hour = charts(signal);
  const asTable = h('button', { type: 'button', 'aria-expanded': 'false', onclick: () => {
    const isShown = asTable.getAttribute('aria-expanded') !== 'true';
    asTable.setAttribute('aria-expanded', isShown);
    hour.table.show(isShown);
  } }, 'Show as table');
  const operations = operationsTable(query);
  const [held, delivery, tables, figures] = [0, 0, 0, 0].map(() => h('div', { class: 'part' }));
  const statements = slowStatements();
  const section = (heading, ...content) => h('section', { class: 'panel' }, h('h2', {}, heading), content);
  // What is below the verdict comes with the first answer, when it is known how long that is.
  const rest = h('div', { class: 'rest', hidden: true },
    h('div', { class: 'title' }, h('h2', {}, 'The last hour'), asTable),
    hour.table.element, hour.element,
    h('div', { class: 'grid four below' },
      section('Connections held too long', held), section('Delivery of alerts', delivery),
      section('Process and storage', figures), section('Tables', tables)),
    h('h2', {}, 'Operations'),
    h('p', { class: 'faint' }, 'Calls, errors and times of whole calls since the server was started; calls/s since the last round. A percentile is at most 12.5 % too high.'),
    operations.element,
    h('h2', {}, 'Slow statements'), statements.element);
  const state = h('div', { class: 'state' }, verdict, checked, problems);
  replace(root, h('h1', {}, title), state, rest);

  let cpu = null;
  function draw([health, database, slow, metrics, history]) {
    const told = health.value;
    const of = database.value;
    const status = told?.status ?? of?.status;
    state.dataset.state = status ?? 'unknown';
    setText(verdict, WORDS[status] ?? `? ${health.reason?.text ?? told?.detail ?? 'The server does not answer'}`);
    if (of?.checked_at) setText(checked, `Checked ${dateTime(of.checked_at)} · ${count(of.performance.slow_queries_last_hour)} slow statements and ${count(of.performance.errors_last_hour)} errors in the last hour`);
    replace(problems, status ? problemsOf(told, of) : null);
    if (of?.connection_pool) {
      replace(held, heldList(of.connection_pool));
      operations.draw(of.performance.by_operation);
      replace(tables, tablesOf(of.storage));
      const next = metrics.value && { at: performance.now(), seconds: figure(metrics.value, 'process_cpu_seconds_total') };
      replace(figures, figuresOf(of, metrics.value, cpu && next && (next.seconds - cpu.seconds) / (next.at - cpu.at) * 1e5));
      cpu = next;
    }
    if (status) replace(delivery, deliveryOf(told?.alert_delivery, metrics.value));
    if (slow.value) statements.draw(slow.value);
    return history.value?.rounds;
  }

  let timer = null;
  let interval = INTERVAL_SECONDS;
  let isLooking = false;
  let looked = 0;

  // The message of a round has some of its figures alone: so it is only the word that there is a new
  // one, and the history is read again, which has all of them.
  async function look() {
    clearTimeout(timer);
    if (isLooking || document.hidden || signal.aborted) return;
    const wait = looked + LOOK_MIN_MS - Date.now();
    if (wait > 0) {
      timer = setTimeout(look, wait);
      return;
    }
    isLooking = true;
    looked = Date.now();
    // A database that is not well is told of with 503, and with the same body.
    const asked = { signal, taken: [503] };
    const answers = await Promise.allSettled([
      get('api/health', asked), get('api/health/database', asked), get('api/health/slow-queries', { signal }),
      call('GET', 'metrics', { signal }).then((response) => response.text()), get('api/health/history', { signal }),
    ]);
    isLooking = false;
    if (signal.aborted) return;
    const rounds = draw(answers);
    interval = answers[4].value?.interval_seconds ?? interval;
    timer = setTimeout(look, interval * ROUNDS_WITHOUT_WORD * 1000);
    rest.hidden = false;
    await hour.update(rounds ?? []);
  }

  signal.addEventListener('abort', () => clearTimeout(timer));
  listen('database_performance', look, signal);
  listen('connected', look, signal);
  document.addEventListener('visibilitychange', look, { signal });
  addEventListener('zone', look, { signal });
  await look();
}

function problemsOf(health, database) {
  const all = [];
  const add = (level, what, remedy, more) => all.push(h('li', { class: level }, h('strong', {}, level === 'warning' ? '! ' : '✕ ', what), remedy && [': ', remedy], '. ', more));
  if (health?.problem) add('critical', health.problem);
  for (const { check, level, value, threshold, unit, since } of database?.alerts ?? []) {
    const [what, remedy, isLow] = CHECKS[check] ?? [check, 'see the log of the server'];
    const show = UNITS[unit] ?? String;
    const said = check === 'probe' ? `${what} cannot be opened` : `${what} is ${value === null ? 'not known now' : show(value)}, ${isLow ? 'below' : 'past'} the threshold${threshold === null ? '' : ` of ${show(threshold)}`}`;
    add(level, said, remedy, h('small', {}, level, since && ` since ${dateTime(since)}`));
  }
  for (const error of database?.errors ?? []) add('critical', error);
  const delivery = health?.alert_delivery;
  if (delivery?.remedy) add('warning', `${count(delivery.dead_letters)} deliveries of alerts were given up`, delivery.remedy, h('a', { href: '#/alerts?view=dead' }, 'Show them'));
  return all;
}

/** A table of two or more columns in a box of its own; the first cell of a row names it. */
function listing(label, heads, rows) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, h('table', {},
    h('thead', {}, h('tr', {}, heads.map((head, index) => h('th', { scope: 'col', class: index ? 'number' : null }, head)))),
    h('tbody', {}, rows.map(([name, ...cells]) => h('tr', {}, h('th', { scope: 'row' }, name), cells.map((cell) => h('td', { class: 'number' }, cell)))))));
}

function heldList({ held_too_long: held, held_too_long_total: total }) {
  return [
    held.length === 0
      ? h('p', {}, '✓ None now.')
      : listing('Connections held too long', ['Operation', 'Held for'], held.map(({ op, held_ms: ms }) => [op, duration(ms)])),
    h('p', { class: 'faint' }, `${count(total)} were found since the start, by pool.held_warning_ms.`),
  ];
}

/** A figure of the text of /metrics, for a channel where there is one for each. */
function figure(text, name, channel) {
  const labels = channel === undefined ? '' : `\\{channel="${channel.replace(/[^\w-]/g, '\\$&')}"\\}`;
  const found = new RegExp(`^${name}${labels} (\\S+)$`, 'm').exec(text ?? '');
  return found ? Number(found[1]) : null;
}

function deliveryOf(delivery, metrics) {
  if (!delivery) return h('p', {}, 'This server delivers no alerts.');
  const names = [...(metrics ?? '').matchAll(/^tickbase_alert_delivery_pending\{channel="([^"]+)"\}/gm)].map(([, name]) => name);
  const of = (name, channel) => figure(metrics, `tickbase_alert_delivery_${name}`, channel);
  return [
    h('p', {}, `${count(delivery.pending)} pending, ${count(delivery.dead_letters)} given up. `, h('a', { href: '#/alerts?view=dead' }, 'Those that were given up')),
    names.length > 0 && listing('Channels of alerts', ['Channel', 'Pending', 'Oldest', 'Given up', 'Pause'], names.map((name) => {
      const pause = of('pause_seconds', name);
      const isPaused = pause > 0 || delivery.paused_channels.includes(name);
      return [name, count(of('pending', name)), duration(of('oldest_pending_age_seconds', name) * 1000), count(of('dead_letters', name)),
        isPaused ? `for ${duration((pause ?? 0) * 1000)}` : 'no'];
    })),
  ];
}

function tablesOf({ tables }) {
  return [
    listing('Tables', ['Table', 'Rows', 'Deleted'], tables.map((of) => [of.table, count(of.active_rows), count(of.deleted_rows)])),
    h('p', { class: 'faint' }, 'About so many, by the statistics of the planner.'),
  ];
}

function figuresOf({ storage, connection_pool: pool, performance: of }, metrics, cpu) {
  const size = (mb) => (mb === null ? 'none' : bytes(mb * 1e6));
  return listing('Process and storage', ['Figure', 'Value'], [
    ['Database file', size(storage.database_size_mb)],
    ['Write-ahead log', size(storage.wal_size_mb)],
    ['Free pages', storage.free_pages === null ? 'none' : count(storage.free_pages)],
    ['Memory of the process', bytes(figure(metrics, 'process_resident_memory_bytes'))],
    ['Processor, of one core', cpu === null || cpu < 0 ? '–' : `${cpu.toFixed(1)} %`],
    ['Open connections', `${count(pool.pool_size)} of ${count(pool.max_capacity)}`],
    ['Wait for a connection, 99 %', duration(pool.acquire_ms.p99)],
    ['Callers that gave up waiting', count(pool.timeouts)],
    ['Ticks that came late, 5 min', of.late_share === null ? '–' : `${(of.late_share * 100).toFixed(1)} %`],
  ]);
}

/** Sorted by any column; the choice is kept in the address. */
function operationsTable(query) {
  let by = OPERATIONS.find(([name]) => name === query.get('sort')) ?? OPERATIONS[1];
  let isUp = query.get('order') === 'up';
  let rows = [];
  const body = h('tbody');
  const heads = OPERATIONS.map((column, index) => h('th', { scope: 'col', class: index ? 'number' : null },
    h('button', { type: 'button', class: 'quiet', onclick: () => sort(column) }, column[1], h('span', { 'aria-hidden': 'true' }))));
  function sort(column) {
    isUp = by === column ? !isUp : column === OPERATIONS[0];
    by = column;
    setQuery({ sort: by[0], order: isUp ? 'up' : 'down' });
    draw(rows);
  }
  function draw(next) {
    rows = next;
    heads.forEach((head, index) => {
      const isBy = OPERATIONS[index] === by;
      head.setAttribute('aria-sort', isBy ? (isUp ? 'ascending' : 'descending') : 'none');
      setText(head.firstChild.lastChild, isBy ? (isUp ? ' ▲' : ' ▼') : ' \u2003');
    });
    const sorted = rows.toSorted((a, b) => {
      const [x, y] = [by[2](a), by[2](b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (isUp ? 1 : -1);
    });
    replace(body, sorted.map((of) => h('tr', { class: of.errors > 0 ? 'failed' : null }, OPERATIONS.map(([name, , value, show], index) => (index === 0
      ? h('th', { scope: 'row' }, of.operation)
      : h('td', { class: 'number' }, name === 'errors' && of.errors > 0 && '✕ ', show(value(of))))))));
  }
  return { element: h('div', { class: 'scroll operations', tabindex: 0, role: 'region', 'aria-label': 'Operations' }, h('table', {}, h('thead', {}, h('tr', {}, heads)), body)), draw };
}

/** Statements and plans; what is unfolded stays so when it is read again. */
function slowStatements() {
  const element = h('div', { class: 'slow' });
  let unfolded = new Map();
  return {
    element,
    draw({ slow_query_after_ms: after, evicted, queries }) {
      const kept = new Map();
      const rows = queries.map((of) => {
        const key = `${of.operation} ${of.statement}`;
        const item = unfolded.get(key) ?? h('details', {}, h('summary'), h('pre', { tabindex: 0, role: 'region', 'aria-label': `Statement and plan of ${of.operation}` }));
        kept.set(key, item);
        setText(item.firstChild, of.statement.replace(/\s+/g, ' ').slice(0, 140));
        setText(item.lastChild, `${of.statement}\n\n${of.plan ? `Plan:\n${of.plan.join('\n')}` : `No plan: ${of.plan_unknown ?? 'it is asked for in the next round of monitoring'}`}`);
        return [of.operation, count(of.count), duration(of.total_ms), duration(of.max_ms), count(of.rows), `${age(of.last_seen)} ago`, item];
      });
      unfolded = kept;
      replace(element,
        h('p', { class: 'faint' }, after === 0
          ? 'None is looked for: observe.slow_query_after_ms is 0.'
          : `Statements that took longer than ${duration(after)} (observe.slow_query_after_ms), those with the most time in all first. "In all" is the time of their slow runs since the start, "longest" the slowest run. Values are not kept.${evicted ? ` ${count(evicted)} had to make room for others.` : ''}`),
        rows.length > 0
          ? listing('Slow statements', ['Operation', 'Slow runs', 'In all', 'Longest', 'Rows', 'Last', 'Statement and plan'], rows)
          : after > 0 && h('p', { class: 'empty' }, 'No statement was slow.'));
    },
  };
}
