// The view of one instrument: its chart, live, with what can be chosen about it, its alerts and its rules.

import { get, instrumentOf } from '../api.js';
import { field, h, replace, sayError, setText } from '../dom.js';
import { compact, dateTime, price, zoneName } from '../format.js';
import { listen } from '../live.js';
import { setQuery } from '../main.js';
import { Alerts } from './instrument-alerts.js';
import { Bars, periodEnd, placeOf, readBars } from './instrument-bars.js';
import { barTime, InstrumentChart } from './instrument-chart.js';
import { exportSection } from './instrument-export.js';
import { Head, instrumentSelect } from './instrument-head.js';
import { lineLabel, Lines, OVERLAYS, PANES } from './instrument-lines.js';
import { Rules } from './instrument-rules.js';
import { BarTable } from './instrument-table.js';

export const title = 'Instrument';

const DRAW_MS = 250;
/** Between two reads of lines while bars change. */
const LINES_MS = 5_000;
/** Without places of the instrument, prices of the chart have as many as its newest bars, up to these. */
const PLACES_MAX = 8;

export async function show(root, { path, query, signal }) {
  const instrument = await instrumentOf(path[0] ?? '');
  const { frequencies } = await get('api/historical-data/frequencies', { signal });
  const chosen = await firstChoice(instrument, frequencies, query, signal);
  const places = instrument.price_decimals ?? chosen.places;
  const of = { instrument, places, signal };

  const choice = {
    period: chosen.period,
    isQuotes: chosen.isQuotes,
    overlays: words(query, 'lines', OVERLAYS),
    panes: words(query, 'panes', PANES),
    isTable: query.get('table') === 'shown',
  };
  const head = new Head(of);
  const box = h('div', { class: 'canvas' });
  const figure = h('div', { class: 'figure', role: 'figure' }, box);
  const values = h('p', { class: 'values number' });
  const told = h('p', { class: 'told faint' });
  const legend = h('ul', { class: 'legend', 'aria-label': 'Lines of the chart, with their last values' });
  const empty = h('p', { class: 'empty', hidden: true });
  const table = new BarTable();
  const chart = new InstrumentChart(box, { hover, older, moved: () => { isMoved = true; } });
  const alerts = new Alerts(of, { point });
  const rules = new Rules(of, { range, lines: (found) => stores.length > 0 && chart.setRules(found), fired: (firings) => { rings = firings; drawRings(); } });

  let stores = [];
  let lines = null;
  let linesFrom = null;
  let linesAt = 0;
  let isReadingLines = false;
  let rings = [];
  let hovered = null;
  let isMoved = false;
  let reading = new AbortController();
  const lists = () => stores.map(({ list }) => list);
  const main = () => stores[0]?.list ?? [];

  replace(root,
    head.element,
    h('div', { class: 'tools' },
      field('Instrument', await instrumentSelect(instrument.symbol)),
      buttons('Frequency', frequencies.map(({ frequency, description }) => [frequency, frequency, description]), choice.period.frequency, (frequency) => {
        choice.period = frequencies.find((it) => it.frequency === frequency);
        setQuery({ frequency });
        load();
      }),
      buttons('Price', [['last', 'Trades'], ['quotes', 'Quotes', 'Quotes: bid and ask']], choice.isQuotes ? 'quotes' : 'last', (kind) => {
        choice.isQuotes = kind === 'quotes';
        setQuery({ price: kind });
        load();
      }),
      checks('Over the candles', OVERLAYS, choice.overlays, () => {
        setQuery({ lines: choice.overlays.join(',') });
        chooseLines();
      }),
      checks('Below', PANES, choice.panes, () => {
        setQuery({ panes: choice.panes.join(',') });
        chooseLines();
      })),
    values, legend,
    h('div', { class: 'stage' }, figure, empty, rules.question),
    told,
    h('div', { class: 'tools moves', role: 'group', 'aria-label': 'Move the chart' },
      [['Earlier', '←', () => chart.scroll(-0.5)], ['Later', '→', () => chart.scroll(0.5)], ['Newest bars', '⇥', () => chart.newest()],
        ['Wider bars', '+', () => chart.zoom(1.4)], ['Narrower bars', '−', () => chart.zoom(1 / 1.4)]].map(([label, sign, work]) => (
        h('button', { type: 'button', 'aria-label': label, title: label, onclick: work }, sign))),
      toggle('Table', choice.isTable, (isShown) => {
        choice.isTable = isShown;
        setQuery({ table: isShown ? 'shown' : null });
        table.toggle(isShown);
        table.draw(lists(), -Infinity);
      })),
    table.element,
    exportSection({ symbol: instrument.symbol, signal }, {
      range,
      frequency: () => choice.period.frequency,
      prices: () => (choice.isQuotes ? ['bid', 'ask'] : ['last']),
      name: () => `${instrument.symbol}-${choice.period.frequency}`,
      heading: () => summary(),
      picture: (heading) => chart.picture(heading),
    }),
    alerts.element, rules.element);
  table.toggle(choice.isTable);

  function range() {
    const seen = chart.visible();
    return seen && { from: seen.from, to: periodEnd(choice.period, seen.to) };
  }

  function summary() {
    const list = main();
    const { period, isQuotes } = choice;
    const what = isQuotes ? 'bid and ask' : 'candles of trades';
    if (list.length === 0) return `${instrument.symbol}, ${what}, ${period.description}: no bars`;
    const last = list.at(-1);
    const zone = period.seconds !== null && period.seconds < 86_400 ? ` ${zoneName()}` : '';
    return `${instrument.symbol}, ${what}, ${period.description}, ${barTime(period, list[0].time)} to ${barTime(period, last.time)}${zone}, last ${isQuotes ? 'bid' : 'close'} ${price(last.close, places)}`;
  }

  /** Reads bars of what is chosen now, and draws them in the place of those that are shown. */
  async function load() {
    reading.abort();
    reading = new AbortController();
    const mine = AbortSignal.any([signal, reading.signal]);
    const { period, isQuotes } = choice;
    const ask = { id: instrument.id, symbol: instrument.symbol, frequency: period.frequency, period, signal: mine };
    const next = (isQuotes ? ['bid', 'ask'] : ['last']).map((kind) => new Bars({ ...ask, price: kind }));
    try {
      await Promise.all(next.map((store) => store.load()));
      if (mine.aborted) return;
      stores = next;
      lines = new Lines(ask);
      chart.show({ period, places, isQuotes });
      table.show({ period, places, isQuotes });
      rules.lines();
      chooseLines();
      draw(true);
      chart.fit(main().length);
      const first = main()[0]?.time ?? stores[1]?.list[0]?.time;
      await alerts.read(first ?? 0);
      drawAlerts();
    } catch (error) {
      sayError(error);
    }
  }

  function chooseLines() {
    const isOn = !choice.isQuotes;
    chart.setLines(isOn ? choice.overlays : [], isOn ? choice.panes : []);
    box.dataset.panes = isOn ? choice.panes.length : 0;
    for (const input of root.querySelectorAll('.checks input')) input.disabled = !isOn;
    chart.drawLines(lines.values, -Infinity);
    drawLegend();
    readLines(-Infinity);
  }

  /** Reads the values of lines from a time on. */
  async function readLines(from, to) {
    const list = main();
    const asked = [...choice.overlays, ...choice.panes];
    if (choice.isQuotes || asked.length === 0 || list.length === 0) return;
    const mine = lines;
    isReadingLines = true;
    linesFrom = null;
    try {
      await mine.read(asked, Math.max(from, list[0].time), to);
      if (mine !== lines) return;
      chart.drawLines(mine.values, from);
      drawLegend();
    } catch (error) {
      if (mine === lines) sayError(error);
    } finally {
      isReadingLines = false;
      linesAt = Date.now();
    }
  }

  async function older() {
    const first = main()[0]?.time;
    try {
      const read = stores.map((store) => store.loadOlder()).filter(Boolean);
      if (read.length === 0) return;
      await Promise.all(read);
      draw();
      const now = main()[0].time;
      await Promise.all([alerts.read(now), now < first && readLines(now, first)]);
    } catch (error) {
      sayError(error);
    }
  }

  /** Draws what changed; all of it when `isWhole`. */
  function draw(isWhole = false) {
    const from = Math.min(...stores.map((store) => store.takeChange()), isWhole ? -Infinity : Infinity);
    if (from !== Infinity) {
      chart.draw(lists(), from);
      table.draw(lists(), from);
      drawValues();
      drawEmpty();
      if (!isWhole && from !== -Infinity) linesFrom = Math.min(linesFrom ?? Infinity, from);
      const text = summary();
      if (figure.getAttribute('aria-label') !== text) figure.setAttribute('aria-label', text);
      if (from === -Infinity || alerts.isChanged) drawAlerts();
    } else if (alerts.isChanged) {
      drawAlerts();
    }
  }

  function drawAlerts() {
    chart.setMarks(alerts.marks(main()));
    alerts.draw();
  }

  function drawEmpty() {
    const store = stores.find(({ list }) => list.length > 0);
    empty.hidden = Boolean(store);
    if (!store) setText(empty, `${stores[0].message ?? 'No bars.'} Ticks make bars: drop a file on Data, or POST /api/market-data.`);
  }

  function barAt(time) {
    return main()[placeOf(main(), time + 1e-6) - 1] ?? null;
  }

  function drawRings() {
    const bars = new Map(rings.map(({ timestamp }) => barAt(Date.parse(timestamp) / 1000)).filter(Boolean).map((bar) => [bar.time, bar]));
    chart.setRings([...bars.values()]);
  }

  function point(time, isMovedThere) {
    chart.point(time === null ? null : barAt(time), isMovedThere);
    hover(time === null ? null : (barAt(time)?.time ?? null));
  }

  function hover(time) {
    hovered = time;
    drawValues();
  }

  /** The values of the bar below the pointer, else of the newest one, and the alerts in it. */
  function drawValues() {
    const list = main();
    const bar = (hovered !== null && list[placeOf(list, hovered)]) || list.at(-1);
    if (!bar) {
      setText(values, '–');
      setText(told, '');
      return;
    }
    const at = barTime(choice.period, bar.time);
    if (choice.isQuotes) {
      const asks = stores[1].list;
      const ask = asks[placeOf(asks, bar.time)];
      setText(values, `${at}  Bid ${price(bar.close, places)}  Ask ${price(ask?.time === bar.time ? ask.close : null, places)}`);
    } else {
      const { open, high, low, close, volume } = bar;
      setText(values, `${at}  ${close < open ? '▼' : close > open ? '▲' : '●'}  O ${price(open, places)}  H ${price(high, places)}  L ${price(low, places)}  C ${price(close, places)}  V ${compact(volume)}`);
    }
    const here = alerts.byBar.get(bar.time) ?? [];
    const [first] = here;
    setText(told, !first ? '' : `${here.length > 1 ? `${here.length} alerts, the newest: ` : ''}${dateTime(first.timestamp)} ${first.text}`);
  }

  function drawLegend() {
    const on = choice.isQuotes ? [] : [...choice.overlays, ...choice.panes];
    replace(legend, on.flatMap((word) => (OVERLAYS[word] ?? PANES[word]).lines).map(([name, look, dash]) => {
      const last = lines.values.get(name)?.at(-1)?.value ?? null;
      const why = lines.unavailable[name];
      const text = last !== null ? price(last, name === 'rsi' ? 1 : places) : (why ?? '…');
      return h('li', {}, h('i', { class: `swatch ${look} ${dash}`, 'aria-hidden': 'true' }), `${lineLabel(name)} `, h('span', { class: why && last === null ? 'faint' : 'number' }, text));
    }));
    if (choice.isQuotes) {
      replace(legend, [['Bid', 'line-a', 'solid'], ['Ask', 'line-b', 'dashed']].map(([name, look, dash]) => (
        h('li', {}, h('i', { class: `swatch ${look} ${dash}`, 'aria-hidden': 'true' }), name))), h('li', { class: 'faint' }, 'Averages are those of trades.'));
    } else if (on.length === 0) {
      replace(legend, h('li', { class: 'faint' }, 'Rising candles are hollow, falling ones are filled.'));
    }
  }

  const fail = (error) => error.status !== 0 && sayError(error);
  const timer = setInterval(() => {
    if (document.hidden) return;
    const now = Date.now();
    draw();
    head.draw(now)?.catch(fail);
    for (const store of stores) store.readStale(now)?.catch(fail);
    if (linesFrom !== null && !isReadingLines && now - linesAt > LINES_MS) readLines(linesFrom);
    isMoved = false;
  }, DRAW_MS);

  listen('market_data', (tick) => {
    if (tick.instrumentId !== instrument.id) return;
    const ms = Date.parse(tick.timestamp);
    head.addTick(ms, tick);
    for (const store of stores) {
      const value = tick[store.of.price === 'last' ? 'price' : store.of.price];
      if (value !== null && value !== undefined) store.addTick(ms, value, store.of.price === 'last' ? (tick.volume ?? 0) : 0);
    }
  }, signal);
  const changed = (from) => {
    for (const store of stores) store.stale(from);
    head.stale();
  };
  listen('data_changed', ({ instrumentId, from }) => {
    if (instrumentId !== null && instrumentId !== undefined && instrumentId !== instrument.id) return;
    // The bar that holds the moment begins before it.
    changed(from ? (barAt(Date.parse(from) / 1000)?.time ?? -Infinity) : -Infinity);
  }, signal);
  listen('alert_fired', (alert) => {
    if (alert.instrumentId !== instrument.id) return;
    alerts.add(alert);
    rules.fired(alert);
  }, signal);
  let isFirst = true;
  listen('connected', () => {
    if (isFirst && stores.length === 0) return;
    isFirst = false;
    changed(main().at(-1)?.time);
    rules.read().catch(fail);
    alerts.read(main()[0]?.time ?? 0).catch(fail);
  }, signal);
  addEventListener('zone', () => {
    chart.retime();
    table.show({ period: choice.period, places, isQuotes: choice.isQuotes });
    table.draw(lists(), -Infinity);
    drawValues();
    alerts.draw();
    rules.read().catch(fail);
  }, { signal });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    chart.paint();
    chart.draw(lists(), -Infinity);
    drawAlerts();
  }, { signal });
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    chart.remove();
  });

  rules.drag(box, chart);
  await Promise.all([load(), head.read(), rules.read()]);
  head.draw(Date.now());
}

const words = (query, name, known) => (query.get(name) ?? '').split(',').filter((word) => Object.hasOwn(known, word));

/** What the address says, else the shortest bars that there are, of trades if there are any. */
async function firstChoice(instrument, frequencies, query, signal) {
  const named = frequencies.find(({ frequency }) => frequency === query.get('frequency'));
  const kind = query.get('price');
  const look = async (period, price) => {
    const { bars } = await readBars({ symbol: instrument.symbol, frequency: period.frequency, price, signal }, { max_records: 50 });
    return { period, isQuotes: price !== 'last', bars };
  };
  const kinds = kind === 'quotes' ? ['bid'] : kind === 'last' ? ['last'] : ['last', 'bid'];
  const periods = named ? [named] : frequencies;
  const first = { period: periods[0], isQuotes: kind === 'quotes', bars: [] };
  for (const price of kinds) {
    const best = await look(periods[0], price);
    if (best.bars.length > 0) return { ...best, places: placesOf(best.bars) };
  }
  const all = await Promise.all(kinds.flatMap((price) => periods.slice(1).map((period) => look(period, price))));
  const found = all.find(({ bars }) => bars.length > 0) ?? first;
  return { ...found, places: placesOf(found.bars) };
}

function placesOf(bars) {
  const places = bars.map(({ close }) => (String(close).split('.')[1] ?? '').length);
  return Math.min(PLACES_MAX, Math.max(2, ...places));
}

/** A group of buttons of which one is pressed. `choices` have a value, a text and what it means. */
function buttons(label, choices, value, onchange) {
  const all = choices.map(([of, text, meaning]) => h('button', {
    type: 'button', 'aria-pressed': String(of === value), title: meaning,
    onclick: () => {
      all.forEach((button, at) => button.setAttribute('aria-pressed', String(choices[at][0] === of)));
      onchange(of);
    },
  }, text));
  return h('div', { class: 'field' }, h('span', { class: 'faint' }, label), h('div', { class: 'joined', role: 'group', 'aria-label': label }, all));
}

/** Boxes to check; `chosen` has the words of those that are, in their order. */
function checks(label, known, chosen, onchange) {
  const box = ([word, { label: text }]) => h('label', {}, h('input', {
    type: 'checkbox', checked: chosen.includes(word),
    onchange: ({ target }) => {
      const next = Object.keys(known).filter((it) => (it === word ? target.checked : chosen.includes(it)));
      chosen.splice(0, chosen.length, ...next);
      onchange();
    },
  }), ` ${text}`);
  return h('fieldset', { class: 'checks' }, h('legend', {}, label), Object.entries(known).map(box));
}

function toggle(text, isOn, onchange) {
  const button = h('button', {
    type: 'button', 'aria-pressed': String(isOn),
    onclick: () => {
      const next = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(next));
      onchange(next);
    },
  }, text);
  return button;
}
