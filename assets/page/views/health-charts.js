// The charts of the last hour of monitoring, and the same as a table.

import { h, replace, setText, table, tableRows } from '../dom.js';
import { bytes, clock, colour, compact, count, duration, millis } from '../format.js';

/** Lines differ by colour and by their dashes. */
const STYLES = [['line-a', [], '──'], ['line-b', [6, 3], '╌╌'], ['line-c', [2, 2], '┈┈'], ['down', [8, 3, 2, 3], '─·'], ['faint', [1, 4], '···']];
const HEIGHT = 150;
const TABLE_ROWS = 60;

/** Places of values without a neighbour, which no line reaches. */
const alone = ({ data }, line) => data[line].flatMap((_, at, all) => ((all[at - 1] ?? all[at + 1] ?? null) === null ? at : []));

const rate = (value) => (value < 10 ? (value?.toFixed(1) ?? '–') : compact(value));
/** No call in a round is no time of 0. */
const percentiles = (of) => ['p50', 'p95', 'p99', 'max'].map((part) => [part, (round) => round[of][part] || null]);

/** Title, how figures are shown, the lines, the least top of the axis (none: it is logarithmic), and why there may be no figures. */
const PANELS = [
  ['Connections', count, ['in_use', 'idle', 'overflow', 'waiting', 'capacity'].map((name) => [name.replace('_', ' '), (round) => round.pool[name]]), 4],
  ['Rows that wait for the writer', count, [['rows', (round) => round.writer_queue_rows]], 4, 'PostgreSQL has no queue of a writer.'],
  ['Rows stored per second', rate, [['rows/s', (round) => round.rows_per_second]], 1],
  ['Queries per second', rate, [['queries/s', (round) => round.queries_per_second]], 1],
  ['Write-ahead log', bytes, [['size', (round) => round.wal_bytes]], 1000, 'PostgreSQL keeps its own log: it has no figure here.'],
  ['Probe by a new connection', duration, [['time', (round) => round.probe_ms]], 1],
  ['Time of queries', duration, percentiles('query_ms')],
  ['Time of commits', duration, percentiles('commit_ms')],
];

let library = null;

/** uPlot is no module: it is loaded once, when charts are shown first. */
function uplot() {
  library ??= new Promise((onload, onerror) => document.head.append(h('script', { src: 'page/vendor/uplot.js', onload, onerror }))).then(() => window.uPlot, () => {
    library = null;
    throw new Error('the library of charts did not load; reload the page');
  });
  return library;
}

/** Makes the panels. `update` draws rounds, `showTable` shows the newest of them in figures. */
export function charts(signal) {
  const panels = PANELS.map(panelOf);
  const grid = h('div', { class: 'grid four' }, panels.map((panel) => panel.element));
  const label = `The newest ${TABLE_ROWS} rounds of monitoring`;
  const heads = PANELS.flatMap(([title, , lines]) => lines.map(([name]) => `${title}: ${name}`));
  const figures = table(label, ['Time', ...heads], [], { class: 'scroll rounds', hidden: true });
  let Plot = null;
  let rounds = [];

  function draw() {
    for (const panel of panels) panel.draw(Plot, rounds);
    if (!figures.hidden) replace(figures.querySelector('tbody'), tableRows(rounds.slice(-TABLE_ROWS).reverse().map(
      (round) => [clock(round.at), ...PANELS.flatMap(([, show, lines]) => lines.map(([, value]) => show(value(round))))])));
  }

  const sizes = new ResizeObserver(() => panels.forEach((panel) => panel.fit()));
  sizes.observe(grid);
  // A canvas has no variables: it is drawn again in the other colours, and in the other zone.
  const again = () => {
    panels.forEach((panel) => panel.redraw());
    if (Plot) draw();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again, { signal });
  addEventListener('zone', again, { signal });
  signal.addEventListener('abort', () => {
    sizes.disconnect();
    panels.forEach((panel) => panel.drop());
  });
  return {
    elements: [figures, grid],
    showTable(isShown) {
      figures.hidden = !isShown;
      draw();
    },
    async update(next) {
      Plot ??= await uplot();
      rounds = next ?? rounds;
      if (!signal.aborted) draw();
    },
  };
}

function panelOf([title, show, lines, least, none]) {
  const now = h('strong', { class: 'now' });
  const box = h('div', { class: 'chart', role: 'figure', 'aria-label': title });
  const when = h('span');
  const values = lines.map(() => h('b'));
  const legend = h('p', { class: 'legend', 'aria-hidden': 'true' }, when,
    lines.map(([name], index) => h('span', {}, h('i', { class: STYLES[index][0] }, STYLES[index][2]), ` ${name} `, values[index])));
  let plot = null;
  let times = [];
  let columns = [];

  function read(at) {
    setText(when, clock(times[at] * 1000));
    values.forEach((value, line) => setText(value, show(columns[line][at])));
  }

  function make(Plot) {
    const axis = { stroke: () => colour('faint'), grid: { stroke: () => colour('line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    const decades = (_, __, min, max) => {
      const from = Math.ceil(Math.log10(min) - 1e-9);
      return Array.from({ length: Math.floor(Math.log10(max) + 1e-9) - from + 1 }, (___, index) => 10 ** (from + index));
    };
    return new Plot({
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: 'health' }, drag: { x: false }, y: false },
      // The first rounds of a server are no hour yet.
      scales: { x: { range: ({ data: [at] }) => [Math.min(at[0], at.at(-1) - 300), at.at(-1)] }, y: least ? { range: (_, __, max) => [0, Math.max(least, max * 1.08)] } : { distr: 3, range: (_, min, max) => Plot.rangeLog(min, max, 10, true) } },
      axes: [
        { ...axis, size: 26, values: (_, at) => at.map((second) => clock(second * 1000).slice(0, 5)) },
        { ...axis, size: 58, space: 28, ...(!least && { splits: decades }), values: (_, at) => at.map((value) => (value === null ? '' : value ? show(value) : '0')) },
      ],
      series: [{}, ...lines.map((_, index) => ({ stroke: () => colour(STYLES[index][0]), dash: STYLES[index][1], width: 1.5, points: { show: true, size: 4, filter: alone } }))],
      hooks: { setCursor: [({ cursor }) => read(cursor.idx ?? times.length - 1)] },
    }, [times, ...columns], replace(box));
  }

  return {
    element: h('section', { class: 'panel' }, h('header', {}, h('h3', {}, title), now), box, legend),
    draw(Plot, rounds) {
      times = rounds.map((round) => millis(round.at) / 1000);
      columns = lines.map(([, value]) => rounds.map((round) => value(round) ?? null));
      const known = columns.map((column) => column.filter((value) => value !== null));
      const words = lines.map(([name], line) => (known[line].length ? `${name} ${show(columns[line].at(-1))}, at most ${show(Math.max(...known[line]))}` : `${name} not known`));
      if (known.some((column) => column.length)) {
        if (plot) plot.setData([times, ...columns]);
        else plot = make(Plot);
        read(plot.cursor.idx ?? times.length - 1);
        setText(now, lines.length < 4 ? show(columns[0].at(-1)) : least ? `${columns[0].at(-1)} of ${columns[4].at(-1)}` : columns[1].at(-1) ? `95 % in ${show(columns[1].at(-1))}` : 'none now');
      } else {
        plot?.destroy();
        plot = null;
        setText(now, '–');
        words.splice(0, words.length, rounds.length ? (none ?? 'Nothing in the last hour.') : 'No round of monitoring yet.');
        replace(box, h('p', { class: 'empty' }, words));
      }
      legend.style.visibility = plot ? '' : 'hidden';
      box.setAttribute('aria-label', `${title}, the last ${count(rounds.length)} rounds: ${words.join('; ')}`);
    },
    fit: () => plot?.setSize({ width: box.clientWidth, height: HEIGHT }),
    redraw: () => plot?.redraw(true, true),
    drop: () => plot?.destroy(),
  };
}
