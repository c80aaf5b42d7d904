// The view of health: whether the database is well, and if not, why and what to do.

import { get } from '../api.js';
import { button, h, replace, setText, table } from '../dom.js';
import { age, bytes, count, counted, dateTime, duration } from '../format.js';
import { listen, liveState } from '../live.js';
import { charts } from './health-charts.js';

export const title = 'Health';

/** The usual time between two rounds; how much later it is asked when no word of one comes, and how often without a connection. */
const INTERVAL_SECONDS = 30;
const LATE_FACTOR = 1.5;
const AWAY_SECONDS = 5;
/** Several events at once are one look. */
const LOOK_MIN_MS = 1_000;

const WORDS = { healthy: '✓ Healthy: all checks are within their thresholds', degraded: '! Degraded: the database serves, but not as it should', unhealthy: '✕ Unhealthy: the database serves badly, or not at all' };
const share = (value) => `${(value * 100).toFixed(0)} %`;
const UNITS = { ratio: share, ms: duration, bytes };
const OPERATIONS = [
  ['Operation', (of) => of.operation, String], ['Calls', (of) => of.calls, count], ['Calls/s', (of) => of.calls_per_second, (value) => value.toFixed(2)],
  ['Errors', (of) => of.errors, (value) => (value ? `✕ ${count(value)}` : '0')], ...['p50', 'p95', 'p99', 'max'].map((part) => [part, (of) => of.query_ms[part], duration]),
];

export async function show(root, { signal }) {
  const verdict = h('p', { class: 'verdict', role: 'status' }, 'Looking …');
  const checked = h('p', { class: 'faint' }, '\u00a0');
  const problems = h('ul', { class: 'problems' });
  const state = h('div', { class: 'state' }, verdict, checked, problems);
  const hour = charts(signal);
  const asTable = button('Show as table', () => {
    const isShown = asTable.getAttribute('aria-pressed') === 'false';
    asTable.setAttribute('aria-pressed', isShown);
    hour.showTable(isShown);
  }, { 'aria-pressed': 'false' });
  const [held, delivery, figures, tables, operations, slow] = Array.from({ length: 6 }, () => h('div', { class: 'part' }));
  const panel = (heading, part) => h('section', { class: 'panel' }, h('h2', {}, heading), part);
  // What is below the verdict comes with the first answer, when it is known how long that is.
  const rest = h('div', { class: 'rest', hidden: true },
    h('div', { class: 'title' }, h('h2', {}, 'The last hour'), asTable), hour.elements,
    h('div', { class: 'grid four below' }, panel('Connections held too long', held), panel('Delivery of alerts', delivery), panel('Process and storage', figures), panel('Tables', tables)),
    h('h2', {}, 'Operations'), h('p', { class: 'faint' }, 'Times are those of whole calls since the start; a percentile is at most 12.5 % too high.'), operations,
    h('h2', {}, 'Slow statements'), slow);
  replace(root, h('h1', {}, title), state, rest);
  const unfolded = new Map();

  function draw([health, database, statements]) {
    const of = database.value?.performance && database.value;
    const status = health.value?.status ?? of?.status;
    state.dataset.state = status;
    setText(verdict, WORDS[status] ?? `? ${health.reason?.text ?? health.value?.detail}`);
    replace(problems, status && problemsOf(health.value, of));
    replace(delivery, deliveryOf(health.value?.alert_delivery));
    if (statements.value) replace(slow, slowOf(statements.value, unfolded));
    if (!of) return;
    const { performance: speed, connection_pool: pool, storage, process } = of;
    const size = (mb) => (mb == null ? 'none' : bytes(mb * 1e6));
    setText(checked, `Checked ${dateTime(of.checked_at)} · in the last hour ${counted(speed.slow_queries_last_hour, 'slow statement')}, ${counted(speed.errors_last_hour, 'error')}`);
    replace(held, pool.held_too_long.length ? table('Connections held too long', ['Operation', 'Held for'], pool.held_too_long.map((item) => [item.op, duration(item.held_ms)])) : h('p', {}, '✓ None now.'),
      h('p', { class: 'faint' }, `Longer than pool.held_warning_ms; ${count(pool.held_too_long_total)} since the start.`));
    replace(figures, table('Process and storage', null, [
      ['Database file', size(storage.database_size_mb)], ['Write-ahead log', size(storage.wal_size_mb)], ['Free pages', count(storage.free_pages)],
      ['Memory', size(process?.resident_memory_mb)],
      ['Processor, of one core', process?.cpu_share >= 0 ? share(process.cpu_share) : '–'],
      ['Wait for a connection, 99 %', duration(pool.acquire_ms.p99)], ['Callers that gave up', count(pool.timeouts)],
    ]));
    replace(tables, table('Tables', ['Table', 'Rows, about', 'Deleted'], storage.tables.map((item) => [item.table, count(item.active_rows), count(item.deleted_rows)])));
    const busiest = speed.by_operation.toSorted((one, other) => other.calls - one.calls);
    replace(operations, table('Operations', OPERATIONS.map(([name]) => name), busiest.map((item) => OPERATIONS.map(([, value, show]) => show(value(item)))), { class: 'scroll operations' }));
  }

  let timer = null;
  let interval = INTERVAL_SECONDS;
  let looked = 0;
  // The message of a round has some of its figures alone: it is only the word that there is a new one,
  // and the history, which has all of them, is read again.
  async function look() {
    clearTimeout(timer);
    if (document.hidden || signal.aborted) return;
    const wait = looked + LOOK_MIN_MS - Date.now();
    timer = setTimeout(look, wait > 0 ? wait : (liveState() === 'live' ? interval * LATE_FACTOR : AWAY_SECONDS) * 1000);
    if (wait > 0) return;
    looked = Date.now();
    // A database that is not well is told of with 503, and with the same body.
    const asked = { signal, taken: [503] };
    const answers = await Promise.allSettled([
      get('api/health', asked), get('api/health/database', asked), get('api/health/slow-queries', { signal }),
      get('api/health/history', { signal }),
    ]);
    if (signal.aborted) return;
    draw(answers);
    rest.hidden = false;
    const history = answers[3].value;
    interval = history?.interval_seconds ?? interval;
    await hour.update(history?.rounds);
  }
  signal.addEventListener('abort', () => clearTimeout(timer));
  for (const type of ['database_performance', 'state']) listen(type, look, signal);
  document.addEventListener('visibilitychange', look, { signal });
  addEventListener('zone', look, { signal });
  await look();
}

const givenUp = (words) => h('a', { href: '#/alerts?view=dead' }, words);

function problemsOf(health, database) {
  const item = (isCritical, what, remedy, more) => h('li', { class: isCritical ? 'down' : 'warn' }, h('strong', {}, isCritical ? '✕ ' : '! ', what), remedy && `: ${remedy}. `, more);
  const delivery = health?.alert_delivery;
  return [
    health?.problem && item(true, health.problem),
    database?.errors.map((error) => item(true, error)),
    database?.alerts.map(({ meaning, remedy, level, value, threshold, unit, since }) => {
      const said = (figure) => (figure === null ? 'not known' : (UNITS[unit] ?? count)(figure));
      return item(level === 'critical', `${meaning[0].toUpperCase()}${meaning.slice(1)}: ${said(value)}, the threshold is ${said(threshold)}`, remedy, since && h('small', {}, `Since ${dateTime(since)}`));
    }),
    delivery?.remedy && item(false, `Deliveries of alerts that were given up: ${count(delivery.dead_letters)}`, delivery.remedy, givenUp('Show them')),
  ];
}

function deliveryOf(delivery) {
  if (!delivery) return h('p', {}, 'No alerts are delivered here.');
  return [
    h('p', {}, `${count(delivery.pending)} pending, ${count(delivery.dead_letters)} given up. `, givenUp('Those given up')),
    table('Channels of alerts', ['Channel', 'Pending', 'Given up', 'Paused'], delivery.channels.map((of) => [
      of.name, count(of.pending), count(of.dead_letters), of.paused_seconds ? duration(of.paused_seconds * 1000) : 'no'])),
  ];
}

/** Statements and plans; what is unfolded stays so when it is read again. */
function slowOf({ slow_query_after_ms: after, queries }, unfolded) {
  const kept = new Map(unfolded);
  unfolded.clear();
  const rows = queries.map((of) => {
    const key = of.operation + of.statement;
    const item = kept.get(key) ?? h('details', {}, h('summary'), h('pre', { tabindex: 0, role: 'region', 'aria-label': `Statement and plan of ${of.operation}` }));
    unfolded.set(key, item);
    setText(item.firstChild, of.statement.slice(0, 140));
    setText(item.lastChild, `${of.statement}\n\n${of.plan?.join('\n') ?? `No plan: ${of.plan_unknown ?? 'the next round of monitoring asks for it'}`}`);
    return [of.operation, count(of.count), duration(of.total_ms), duration(of.max_ms), count(of.rows), `${age(of.last_seen)} ago`, item];
  });
  return [
    h('p', { class: 'faint' }, after ? `Statements that took longer than ${duration(after)} (observe.slow_query_after_ms), the most time in all slow runs first. Their values are not kept.` : 'observe.slow_query_after_ms is 0: none is looked for.'),
    rows.length ? table('Slow statements', ['Operation', 'Slow runs', 'In all', 'Longest', 'Rows', 'Last', 'Statement and plan'], rows) : h('p', { class: 'empty' }, 'No statement was slow.'),
  ];
}
