// The view of one instrument: its chart, live, with what can be chosen about it, its alerts and its rules.

import { get, instrumentOf } from '../api.js';
import { button, field, h, replace, sayError, setText } from '../dom.js';
import { compact, dateTime, price, zoneName } from '../format.js';
import { listen } from '../live.js';
import { setQuery } from '../main.js';
import { Bars, lineLabel, Lines, OVERLAYS, PANES, periodEnd, placeOf, readBars } from './instrument-bars.js';
import { barTime, InstrumentChart, isWithinDay } from './instrument-chart.js';
import { Alerts, BarTable, downloads, Head, instrumentSelect } from './instrument-parts.js';
import { Rules } from './instrument-rules.js';

export const title = 'Instrument';

const DRAW_MS = 250;
/** Between two reads of lines while bars change. */
const LINES_MS = 5_000;

export async function show(root, { path, query, signal }) {
  const symbol = path[0] ?? '';
  const instrument = await instrumentOf(symbol);
  const { frequencies } = await get('api/historical-data/frequencies', { signal });
  const first = await firstChoice(instrument, frequencies, query, signal);
  const places = instrument.price_decimals ?? first.places;
  const of = { instrument, places, signal };

  /** What is chosen: also in the address. */
  const words = (name, known) => (query.get(name) ?? '').split(',').filter((word) => Object.hasOwn(known, word));
  const overlays = words('lines', OVERLAYS);
  const panes = words('panes', PANES);
  let { period, isQuotes } = first;

  /** What is drawn: stores of bars, of trades or of bid and ask, and the lines of the first one. */
  let stores = [];
  let lines = null;
  let reading = new AbortController();
  let linesFrom = Infinity;
  let linesAt = 0;
  let firings = [];
  let hovered = null;
  let hasFailed = false;
  const lists = () => stores.map(({ list }) => list);
  const bars = () => stores[0]?.list ?? [];
  const barAt = (time) => bars()[placeOf(bars(), time + 1e-6) - 1] ?? null;
  const fail = (error) => error.status !== 0 && sayError(error);

  const box = h('div', { class: 'canvas' });
  const figure = h('div', { role: 'figure' }, box);
  const values = h('p', { class: 'values number' });
  const told = h('p', { class: 'told faint' });
  const legend = h('ul', { class: 'legend', 'aria-label': 'Lines of the chart, with their last values' });
  const empty = h('p', { class: 'empty', hidden: true });
  const head = new Head(of);
  const table = new BarTable();
  const chart = new InstrumentChart(box, signal, { hover, older });
  const alerts = new Alerts(of, (time, isMoved) => {
    const bar = time === null ? null : barAt(time);
    chart.point(bar, isMoved);
    hover(bar?.time ?? null);
  });
  const rules = new Rules(of, { range, lines: (found) => stores.length > 0 && chart.setRules(found), fired: drawRings });
  const toggleTable = (isShown) => {
    table.element.hidden = !isShown;
    table.draw(lists(), -Infinity);
  };

  replace(root,
    head.element,
    h('div', { class: 'tools' },
      field('Instrument', await instrumentSelect(symbol)),
      buttons('Frequency', frequencies.map((it) => [it.frequency, it.frequency, it.description]), period.frequency, (frequency) => {
        period = frequencies.find((it) => it.frequency === frequency);
        setQuery({ frequency });
        load();
      }),
      buttons('Price', [['last', 'Trades'], ['quotes', 'Quotes', 'Bid and ask']], isQuotes ? 'quotes' : 'last', (kind) => {
        isQuotes = kind === 'quotes';
        setQuery({ price: kind });
        load();
      }),
      checks('Over the candles', 'lines', OVERLAYS, overlays, chooseLines),
      checks('Below them', 'panes', PANES, panes, chooseLines)),
    values, legend,
    h('div', { class: 'stage' }, figure, empty, rules.question),
    h('div', { class: 'tools moves', role: 'group', 'aria-label': 'Move the chart' },
      [['Earlier', '←', () => chart.scroll(-0.5)], ['Later', '→', () => chart.scroll(0.5)], ['Newest bars', '⇥', () => chart.newest()],
        ['Wider bars', '+', () => chart.zoom(1.4)], ['Narrower bars', '−', () => chart.zoom(1 / 1.4)]].map(([label, sign, onclick]) => (
        button(sign, onclick, { 'aria-label': label, title: label }))),
      button('Table', ({ currentTarget }) => {
        const isShown = table.element.hidden;
        currentTarget.setAttribute('aria-pressed', String(isShown));
        setQuery({ table: isShown ? 'shown' : null });
        toggleTable(isShown);
      }, { 'aria-pressed': String(query.has('table')) }),
      told),
    table.element,
    downloads(of, {
      range,
      frequency: () => period.frequency,
      prices: () => stores.map((store) => store.of.price),
      picture: () => chart.picture(),
    }),
    h('div', { class: 'below' }, alerts.element, rules.element));

  function range() {
    const seen = chart.visible();
    return seen && { from: seen.from, to: periodEnd(period, seen.to) };
  }

  /** What the chart shows, in words. */
  function summary() {
    const what = `${symbol}, ${isQuotes ? 'bid and ask' : 'candles of trades'} of ${period.description}`;
    const last = bars().at(-1);
    if (!last) return `${what}: no bars`;
    const zone = isWithinDay(period) ? ` ${zoneName()}` : '';
    return `${what}, ${barTime(period, bars()[0].time)} to ${barTime(period, last.time)}${zone}, last ${isQuotes ? 'bid' : 'close'} ${price(last.close, places)}`;
  }

  /** Reads what is chosen now, and draws it in the place of what is shown. */
  async function load() {
    reading.abort();
    reading = new AbortController();
    const mine = AbortSignal.any([signal, reading.signal]);
    const ask = { id: instrument.id, symbol, frequency: period.frequency, period, signal: mine };
    const next = (isQuotes ? ['bid', 'ask'] : ['last']).map((kind) => new Bars({ ...ask, price: kind }));
    try {
      await Promise.all(next.map((store) => store.load()));
      if (mine.aborted) return;
      stores = next;
      lines = new Lines(ask);
      chart.show({ period, places, isQuotes });
      table.show({ period, places, isQuotes });
      rules.lines();
      drawRings();
      draw();
      chooseLines();
      chart.fit(bars().length);
      box.classList.add('drawn');
      hasFailed = false;
      await readAlerts();
    } catch (error) {
      hasFailed ||= !mine.aborted;
      sayError(error);
    }
  }

  /** Alerts are those of the bars that are shown. */
  const readAlerts = () => alerts.read(bars()[0]?.time ?? Date.now() / 1000);

  function chooseLines() {
    box.dataset.panes = isQuotes ? 0 : panes.length;
    for (const input of root.querySelectorAll('.checks input')) input.disabled = isQuotes;
    drawLegend();
    if (!lines) return;
    chart.setLines(isQuotes ? [] : overlays, isQuotes ? [] : panes);
    chart.drawLines(lines.values, -Infinity);
    readLines(-Infinity);
  }

  /** Reads the values of lines from a time on. */
  async function readLines(from, to) {
    const mine = lines;
    const asked = [...overlays, ...panes];
    linesFrom = Infinity;
    if (isQuotes || asked.length === 0 || bars().length === 0) return;
    linesAt = Infinity;
    try {
      await mine.read(asked, Math.max(from, bars()[0].time), to);
      if (mine !== lines) return;
      chart.drawLines(mine.values, from);
      drawLegend();
    } catch (error) {
      if (mine === lines) fail(error);
    } finally {
      linesAt = Date.now();
    }
  }

  async function older() {
    const mine = stores;
    const before = bars()[0]?.time;
    const read = mine.map((store) => store.loadOlder()).filter(Boolean);
    if (read.length === 0) return;
    try {
      await Promise.all(read);
      if (mine !== stores) return;
      draw();
      const { time } = bars()[0];
      await Promise.all([readAlerts(), time < before && readLines(time, before)]);
    } catch (error) {
      fail(error);
    }
  }

  /** Draws what changed. */
  function draw() {
    const from = Math.min(...stores.map((store) => store.takeChange()));
    if (from !== Infinity) {
      chart.draw(lists(), from);
      table.draw(lists(), from);
      drawValues();
      // Older bars change nothing in the lines of those that follow.
      if (from !== -Infinity) linesFrom = Math.min(linesFrom, from);
      const isEmpty = lists().every(({ length }) => length === 0);
      empty.hidden = !isEmpty;
      // What to ask of the API instead is said to programs.
      if (isEmpty) setText(empty, `Nothing to draw: ${(stores[0].message ?? 'no bars').split('; "')[0]}. Ticks make bars: drop a file on Data, or POST /api/market-data.`);
      figure.setAttribute('aria-label', summary());
    }
    if (from === -Infinity || alerts.isChanged) drawAlerts();
  }

  function drawAlerts() {
    if (stores.length > 0) chart.setMarks(alerts.draw(bars()));
    drawValues();
  }

  /** Marks what a rule would have fired. */
  function drawRings(of = firings) {
    firings = of;
    const found = firings.map(({ timestamp }) => barAt(Date.parse(timestamp) / 1000)).filter(Boolean);
    if (stores.length > 0) chart.setRings([...new Set(found)]);
  }

  function hover(time) {
    hovered = time;
    drawValues();
  }

  /** The bar below the pointer, else the newest one, and its alerts. */
  function drawValues() {
    const bar = (hovered !== null && barAt(hovered)) || bars().at(-1);
    if (!bar) {
      replace(values);
      replace(told);
      return;
    }
    const { time, open, high, low, close, volume } = bar;
    const of = (value) => price(value, places);
    const asks = stores[1]?.list ?? [];
    const ask = asks[placeOf(asks, time)];
    setText(values, `${barTime(period, time)}  ${isQuotes
      ? `Bid ${of(close)}  Ask ${of(ask?.time === time ? ask.close : null)}`
      : `${close < open ? '▼' : close > open ? '▲' : '●'}  O ${of(open)}  H ${of(high)}  L ${of(low)}  C ${of(close)}  V ${compact(volume)}`}`);
    const [newest, ...others] = alerts.byBar.get(time) ?? [];
    setText(told, !newest ? '' : `${others.length > 0 ? `${others.length + 1} alerts, the newest: ` : ''}${dateTime(newest.timestamp)} ${newest.text}`);
  }

  function drawLegend() {
    const item = (text, look, dash, value) => h('li', {},
      h('i', { class: `swatch ${look} ${dash}`, 'aria-hidden': 'true' }), `${text} `, h('span', { class: 'number' }, value));
    const shown = [...overlays, ...panes].flatMap((word) => (OVERLAYS[word] ?? PANES[word]).lines);
    replace(legend, isQuotes
      ? [item('Bid', 'line-a', 'solid', ''), item('Ask', 'line-b', 'dashed', ''), h('li', {}, 'Averages are those of trades.')]
      : shown.length === 0 ? h('li', {}, 'Rising candles are hollow, falling ones are filled.')
        : shown.map(([name, look, dash]) => {
          const last = lines?.values.get(name)?.at(-1);
          return item(lineLabel(name), look, dash, last ? price(last.value, name === 'rsi' ? 1 : places) : `– ${lines?.unavailable.get(name) ?? ''}`);
        }));
  }

  const timer = setInterval(() => {
    if (document.hidden) return;
    const now = Date.now();
    draw();
    head.draw(now)?.catch(fail);
    for (const store of stores) store.readStale(now)?.catch(fail);
    if (linesFrom !== Infinity && now - linesAt > LINES_MS) readLines(linesFrom);
  }, DRAW_MS);

  const changed = (from) => {
    for (const store of stores) store.stale(from);
    head.stale();
  };
  listen('market_data', (tick) => {
    if (tick.instrumentId !== instrument.id) return;
    const ms = Date.parse(tick.timestamp);
    head.addTick(ms, tick);
    for (const store of stores) {
      const isTrade = store.of.price === 'last';
      const value = isTrade ? tick.price : tick[store.of.price];
      if (value != null) store.addTick(ms, value, isTrade ? (tick.volume ?? 0) : 0);
    }
  }, signal);
  listen('data_changed', ({ instrumentId, from }) => {
    // The bar that holds the moment begins before it.
    if ((instrumentId ?? instrument.id) === instrument.id) changed(from ? barAt(Date.parse(from) / 1000)?.time : -Infinity);
  }, signal);
  listen('alert_fired', (alert) => {
    if (alert.instrumentId !== instrument.id) return;
    alerts.add(alert);
    rules.fired(alert);
  }, signal);
  listen('connected', () => {
    if (hasFailed) load();
    if (stores.length === 0) return;
    changed(bars().at(-1)?.time);
    Promise.all([rules.read(), readAlerts()]).catch(fail);
  }, signal);
  /** Other colours, or another zone. */
  const redraw = () => {
    if (stores.length === 0) return;
    chart.paint();
    table.show({ period, places, isQuotes });
    for (const store of stores) store.changedFrom = -Infinity;
    draw();
    chooseLines();
    drawRings();
    rules.draw();
  };
  addEventListener('zone', redraw, { signal });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw, { signal });
  signal.addEventListener('abort', () => clearInterval(timer));

  rules.drag(box, chart);
  toggleTable(query.has('table'));
  // Room for what is read now.
  chooseLines();
  await Promise.all([load(), head.read(), rules.read()]);
  head.draw(Date.now());
}

/** What the address says if there are such bars, else the shortest that there are, of trades if there are any. */
async function firstChoice({ symbol }, frequencies, query, signal) {
  const named = frequencies.find(({ frequency }) => frequency === query.get('frequency'));
  const kind = query.get('price');
  const prices = kind === 'quotes' ? ['bid'] : kind === 'last' ? ['last'] : ['last', 'bid'];
  const read = async (price, period) => {
    const { bars } = await readBars({ symbol, frequency: period.frequency, price, signal }, { max_records: 50 });
    const isQuotes = price === 'bid';
    // Without places of the instrument: those of its newest bars, as far as seven digits go.
    const places = bars.map(({ close }) => (String(close).split('.')[1] ?? '').length);
    const digits = Math.floor(Math.log10(Math.abs(bars.at(-1)?.close || 1)));
    return { period, isQuotes, count: bars.length, places: Math.min(Math.max(0, ...places), Math.max(2, 6 - digits), 12) };
  };
  const first = await read(prices[0], named ?? frequencies[0]);
  if (first.count > 0) return first;
  // An instrument that was chosen in the place of another one may have no bars of the other one's period.
  const all = await Promise.all(prices.flatMap((price) => frequencies.map((period) => read(price, period))));
  const some = all.filter(({ count }) => count > 0);
  return some.find(({ period }) => period === named) ?? some[0] ?? first;
}

/** Buttons of which one is pressed. `choices` have a value, a text and what it means. */
function buttons(label, choices, value, onchange) {
  const all = choices.map(([of, text, meaning]) => button(text, ({ currentTarget }) => {
    for (const other of all) other.setAttribute('aria-pressed', String(other === currentTarget));
    onchange(of);
  }, { title: meaning, 'aria-pressed': String(of === value) }));
  return h('div', { class: 'field' }, h('small', {}, label), h('div', { class: 'joined', role: 'group', 'aria-label': label }, all));
}

/** Boxes to check: `chosen` are those that are, under `name` in the address. */
function checks(label, name, known, chosen, onchange) {
  const all = Object.entries(known).map(([word, { label: text }]) => h('label', {}, h('input', {
    type: 'checkbox', checked: chosen.includes(word),
    onchange: ({ target }) => {
      chosen.splice(0, Infinity, ...Object.keys(known).filter((it) => (it === word ? target.checked : chosen.includes(it))));
      setQuery({ [name]: chosen.join(',') });
      onchange();
    },
  }), ` ${text}`));
  return h('fieldset', { class: 'checks' }, h('legend', {}, label), all);
}
