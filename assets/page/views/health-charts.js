// The charts of the last hour of monitoring: their panels, their readouts, and the same as a table.

import { h, replace, setText } from '../dom.js';
import { bytes, clock, colour, compact, count, duration, millis } from '../format.js';

/** Lines differ by colour and by their dashes. */
const STYLES = [['line-a', []], ['line-b', [6, 3]], ['line-c', [2, 2]], ['down', [8, 3, 2, 3]], ['faint', [1, 4]]];
const HEIGHT = 150;
const TABLE_ROWS = 60;

const rate = (value) => (value === null || value === undefined ? '–' : value < 10 ? value.toFixed(1) : compact(value));
/** No call in a round is no duration of 0. */
const time = (of, part) => (round) => round[of]?.[part] || null;
const percentiles = (of) => ['p50', 'p95', 'p99', 'max'].map((part) => [part, time(of, part)]);

/** What is drawn. A panel without any value says `none` in its place. */
const PANELS = [
  {
    title: 'Connections', show: count, least: 4,
    lines: ['in_use', 'idle', 'overflow', 'waiting', 'capacity'].map((name) => [name.replace('_', ' '), (round) => round.pool?.[name] ?? null]),
    now: ({ pool }) => (pool ? `${count(pool.in_use)} of ${count(pool.capacity)} in use` : '–'),
  },
  {
    title: 'Rows that wait for the writer', show: count, least: 4,
    lines: [['rows', (round) => round.writer_queue_rows]],
    none: 'PostgreSQL has no queue of a writer: callers write through the pool.',
  },
  { title: 'Rows stored per second', show: rate, least: 1, lines: [['rows/s', (round) => round.rows_per_second]] },
  { title: 'Queries per second', show: rate, least: 1, lines: [['queries/s', (round) => round.queries_per_second]] },
  {
    title: 'Write-ahead log', show: bytes, least: 1000, lines: [['size', (round) => round.wal_bytes]],
    none: 'PostgreSQL keeps its write-ahead log itself: there is no size to show.',
  },
  { title: 'Probe by a fresh connection', show: duration, least: 1, lines: [['time', (round) => round.probe_ms]] },
  { title: 'Time of queries', show: duration, isLog: true, lines: percentiles('query_ms'), now: (round) => percentileNow(round.query_ms) },
  { title: 'Time of commits', show: duration, isLog: true, lines: percentiles('commit_ms'), now: (round) => percentileNow(round.commit_ms) },
];

function percentileNow(of) {
  return of?.p95 ? `95 % within ${duration(of.p95)}` : 'none in this round';
}

let library = null;

/** uPlot is no module: it is loaded once, when charts are shown first. */
function uplot() {
  library ??= Promise.all([
    loaded(h('link', { rel: 'stylesheet', href: 'page/vendor/uplot.css' })),
    loaded(h('script', { src: 'page/vendor/uplot.js' })),
  ]).then(() => window.uPlot, (error) => {
    library = null;
    throw error;
  });
  return library;
}

function loaded(element) {
  return new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = () => reject(new Error('the library of charts did not load; reload the page'));
    document.head.append(element);
  });
}

/** The powers of ten on a logarithmic axis. */
function decades(_, axis, min, max) {
  const from = Math.ceil(Math.log10(min) - 1e-9);
  return Array.from({ length: Math.floor(Math.log10(max) + 1e-9) - from + 1 }, (__, index) => 10 ** (from + index));
}

function swatch(index) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS(svg.namespaceURI, 'line');
  for (const [name, value] of [['viewBox', '0 0 18 8'], ['width', 18], ['height', 8], ['aria-hidden', 'true']]) svg.setAttribute(name, value);
  for (const [name, value] of [['x2', 18], ['y1', 4], ['y2', 4], ['class', STYLES[index][0]], ['stroke-dasharray', STYLES[index][1].join(' ')]]) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

/** Makes the panels; `update(rounds)` draws them, `table` is the same in figures. */
export function charts(signal) {
  const panels = PANELS.map(panelOf);
  const grid = h('div', { class: 'grid four' }, panels.map((panel) => panel.element));
  const table = tableOf();
  let Plot = null;
  let rounds = [];

  function draw() {
    const times = rounds.map((round) => millis(round.at) / 1000);
    for (const panel of panels) panel.draw(Plot, times, rounds);
    table.draw(rounds);
  }

  const sizes = new ResizeObserver(() => panels.forEach((panel) => panel.fit()));
  sizes.observe(grid);
  // Canvases have no variables: they are drawn again in the other colours, and in the other zone.
  const again = () => panels.forEach((panel) => panel.redraw());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again, { signal });
  addEventListener('zone', () => (again(), draw()), { signal });
  signal.addEventListener('abort', () => {
    sizes.disconnect();
    panels.forEach((panel) => panel.drop());
  });

  return {
    element: grid,
    table,
    async update(next) {
      rounds = next;
      Plot ??= await uplot();
      if (!signal.aborted) draw();
    },
  };
}

function panelOf({ title, show, least, isLog, lines, none, now = (round) => show(lines[0][1](round)) }) {
  const figure = h('strong', { class: 'now' }, '–');
  const box = h('div', { class: 'chart', role: 'figure', 'aria-label': `${title}: not known yet` });
  const when = h('span', { class: 'when' });
  const values = lines.map(() => h('b', {}, '–'));
  const legend = h('p', { class: 'legend', 'aria-hidden': 'true' }, when,
    lines.map(([name], index) => h('span', {}, swatch(index), ` ${name} `, values[index])));
  const element = h('section', { class: 'panel' }, h('header', {}, h('h3', {}, title), figure), box, legend);
  let plot = null;
  let columns = [];
  let times = [];

  function read(index) {
    const at = index ?? times.length - 1;
    setText(when, times.length ? clock(times[at] * 1000) : '');
    values.forEach((value, line) => setText(value, show(columns[line]?.[at])));
  }

  function say() {
    const parts = lines.map(([name], line) => {
      const known = columns[line].filter((value) => value !== null);
      return known.length ? `${name} ${show(known.at(-1))}, at most ${show(Math.max(...known))}` : `${name} not known`;
    });
    box.setAttribute('aria-label', `${title}, the last ${times.length} rounds: ${parts.join('; ')}`);
  }

  function tell(words) {
    plot?.destroy();
    plot = null;
    replace(box, h('p', { class: 'empty' }, words));
    box.setAttribute('aria-label', `${title}: ${words}`);
  }

  function make(Plot, data) {
    replace(box);
    const axis = { stroke: () => colour('faint'), grid: { stroke: () => colour('line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    plot = new Plot({
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: 'health' }, drag: { x: false, y: false }, y: false },
      scales: {
        y: isLog
          ? { distr: 3, range: (_, min, max) => (min ? Plot.rangeLog(min, max, 10, true) : [0.01, 100]) }
          : { range: (_, min, max) => [0, Math.max(least, max * 1.08)] },
      },
      axes: [
        { ...axis, size: 26, values: (_, at) => at.map((second) => clock(second * 1000).slice(0, 5)) },
        { ...axis, size: 58, space: 28, ...(isLog && { splits: decades }), values: (_, at) => at.map((value) => (value === 0 ? '0' : show(value))) },
      ],
      series: [{}, ...lines.map(([name], index) => ({
        label: name, stroke: () => colour(STYLES[index][0]), dash: STYLES[index][1], width: 1.5, points: { show: false },
      }))],
      hooks: { setCursor: [({ cursor }) => read(cursor.idx)] },
    }, data, box);
  }

  return {
    element,
    draw(Plot, moments, rounds) {
      times = moments;
      columns = lines.map(([, value]) => rounds.map((round) => value(round) ?? null));
      const hasValues = columns.some((column) => column.some((value) => value !== null));
      setText(figure, rounds.length && hasValues ? now(rounds.at(-1)) : '–');
      if (rounds.length === 0) tell('No round of monitoring yet.');
      else if (!hasValues) tell(none ?? 'Nothing in the last hour.');
      else {
        if (plot) plot.setData([times, ...columns]);
        else make(Plot, [times, ...columns]);
        say();
      }
      read(plot?.cursor.idx);
    },
    fit: () => plot && plot.width !== box.clientWidth && plot.setSize({ width: box.clientWidth, height: HEIGHT }),
    redraw: () => plot?.redraw(true, true),
    drop: () => plot?.destroy(),
  };
}

/** The newest rounds in figures, made only while they are shown. */
function tableOf() {
  const columns = PANELS.flatMap(({ title, show, lines }) => lines.map(([name, value]) => ({ title, name, show, value })));
  const body = h('tbody');
  const element = h('div', { class: 'scroll rounds', tabindex: 0, role: 'region', 'aria-label': 'The newest rounds of monitoring', hidden: true },
    h('table', {},
      h('caption', {}, `The newest ${TABLE_ROWS} rounds, newest first`),
      h('thead', {},
        h('tr', {}, h('th', { rowspan: 2, scope: 'col' }, 'Time'), PANELS.map(({ title, lines }) => h('th', { colspan: lines.length, scope: 'colgroup' }, title))),
        h('tr', {}, columns.map(({ name }) => h('th', { class: 'number', scope: 'col' }, name)))),
      body));
  let rounds = [];
  const draw = (next) => {
    rounds = next;
    if (element.hidden) return;
    replace(body, rounds.slice(-TABLE_ROWS).reverse().map((round) => h('tr', {},
      h('th', { scope: 'row', class: 'number' }, clock(round.at)),
      columns.map(({ show, value }) => h('td', { class: 'number' }, show(value(round)))))));
  };
  return {
    element,
    draw,
    show(isShown) {
      element.hidden = !isShown;
      draw(rounds);
    },
  };
}
