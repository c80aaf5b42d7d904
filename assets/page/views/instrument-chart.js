// The chart of an instrument: candles or quotes, volume, lines, panes, marks, and thresholds as price lines.

import {
  CandlestickSeries, createChart, createSeriesMarkers, HistogramSeries, LineSeries, LineStyle, LineType,
} from '../vendor/lightweight-charts.js';
import { clock, colour, dateTime, usesLocalTime } from '../format.js';
import { iso, OVERLAYS, PANES, placeOf } from './instrument-bars.js';

/** Pixels of a bar, when bars are shown first: few of them are no giants. */
const SPACING_MIN = 7;
const SPACING_MAX = 34;
/** Free places after the newest bar. */
const RIGHT_OFFSET = 6;
/** More changed bars than these are handed over as a whole. */
const UPDATES_MAX = 50;
/** So near to its left end the chart asks for older bars. */
const OLDER_WITHIN = 30;

const DASHES = { solid: LineStyle.Solid, dashed: LineStyle.Dashed, dotted: LineStyle.Dotted };
const priceFormatOf = (precision) => ({ type: 'price', precision, minMove: 10 ** -precision });
const faded = (rgb, alpha) => rgb.replace('rgb(', 'rgba(').replace(')', `, ${alpha})`);

/** Days, weeks and months are those of UTC; shorter periods start at a moment, which has a zone. */
export const isWithinDay = ({ seconds }) => seconds !== null && seconds < 86_400;
export const barTime = (period, seconds) => (isWithinDay(period) ? dateTime(seconds * 1000) : iso(seconds).slice(0, 10));

export class InstrumentChart {
  #box;
  #chart;
  #main = [];
  #volume = null;
  #last = null;
  #lines = new Map();
  #markers = null;
  #rings = null;
  #rules = new Map();
  #period = null;
  #places = 2;
  #colours = {};

  /** `events`: `hover(time or null)`, and `older()` when older bars are wanted. */
  constructor(box, signal, events) {
    this.#box = box;
    this.#chart = createChart(box, {
      autoSize: true,
      // Its credit is in the foot of the page.
      layout: { attributionLogo: false },
      crosshair: { mode: 0 },
      rightPriceScale: { minimumWidth: 76 },
      timeScale: { maxBarSpacing: 60, minBarSpacing: 0.4 },
    });
    this.#chart.subscribeCrosshairMove(({ time, point }) => events.hover(point ? (time ?? null) : null));
    signal.addEventListener('abort', () => this.#chart.remove());
    this.#scale.subscribeVisibleLogicalRangeChange((range) => range?.from < OLDER_WITHIN && events.older());
  }

  get #scale() {
    return this.#chart.timeScale();
  }

  /** Local days begin at another moment than those of UTC, which are marked: they show their hour, too. */
  #tickMark(time, kind) {
    if (kind < 2) return iso(time).slice(0, kind === 0 ? 4 : 7);
    if (kind > 2) return clock(time * 1000).slice(0, 5);
    return usesLocalTime() && isWithinDay(this.#period) ? dateTime(time * 1000).slice(5, 16) : iso(time).slice(5, 10);
  }

  /** A series, with what has been drawn of it. */
  #add(kind, options, make, pane = 0) {
    return { series: this.#chart.addSeries(kind, options, pane), make, count: 0, last: -Infinity };
  }

  /** From now on candles with volume, or lines of bid and ask. */
  show({ period, places, isQuotes }) {
    this.#period = period;
    this.#places = places;
    for (const { series } of [...this.#main, ...this.#lines.values(), this.#volume].filter(Boolean)) this.#chart.removeSeries(series);
    this.#volume = null;
    this.#lines.clear();
    this.#rules.clear();
    const priceFormat = priceFormatOf(places);
    if (isQuotes) {
      const options = { priceFormat, lineWidth: 2, lineType: LineType.WithSteps };
      const make = ({ time, close }) => ({ time, value: close });
      this.#main = [['bid', LineStyle.Solid], ['ask', LineStyle.Dashed]].map(([title, lineStyle]) => (
        this.#add(LineSeries, { ...options, title, lineStyle }, make)));
    } else {
      const options = { priceScaleId: 'volume', priceFormat: { type: 'volume' }, lastValueVisible: false, priceLineVisible: false };
      this.#volume = this.#add(HistogramSeries, options, ({ time, open, close, volume }) => (
        { time, value: volume, color: close < open ? this.#colours.falling : this.#colours.rising }));
      // Its own last value would have the colour of a hollow candle, which is none.
      this.#main = [this.#add(CandlestickSeries, { priceFormat, lastValueVisible: false, priceLineVisible: false }, (bar) => bar)];
      this.#last = this.#main[0].series.createPriceLine({ lineWidth: 1, lineStyle: LineStyle.SparseDotted, price: 0 });
      this.#chart.priceScale('volume', 0).applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    }
    this.#chart.priceScale('right', 0).applyOptions({ scaleMargins: { top: 0.1, bottom: isQuotes ? 0.08 : 0.22 }, autoScale: true });
    this.#markers = createSeriesMarkers(this.#main[0].series, []);
    this.#rings = new Rings();
    this.#main[0].series.attachPrimitive(this.#rings);
    this.paint();
  }

  /** Takes the colours and the zone of the page. */
  paint() {
    const [up, down, ground] = ['up', 'down', 'ground'].map(colour);
    Object.assign(this.#colours, { up, down, ground, rising: faded(up, 0.35), falling: faded(down, 0.5) });
    const line = colour('line');
    const grid = { color: faded(line, 0.5) };
    this.#chart.applyOptions({
      layout: {
        background: { color: ground },
        textColor: colour('faint'),
        fontFamily: getComputedStyle(document.body).fontFamily,
        panes: { separatorColor: line, separatorHoverColor: grid.color },
      },
      grid: { vertLines: grid, horzLines: grid },
      rightPriceScale: { borderColor: line },
      timeScale: {
        borderColor: line,
        timeVisible: isWithinDay(this.#period),
        secondsVisible: false,
        tickMarkFormatter: (time, kind) => this.#tickMark(time, kind),
      },
      localization: { timeFormatter: (time) => barTime(this.#period, time) },
    });
    if (this.#volume) {
      // A rising candle is hollow, so that the two kinds differ without their colours.
      this.#main[0].series.applyOptions({
        upColor: ground, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down,
      });
      this.#volume.count = -1;
    } else {
      this.#main.forEach(({ series }, at) => series.applyOptions({ color: colour(at ? 'line-b' : 'line-a') }));
    }
  }

  /** Draws bars from a time on: a list of trades, or those of bid and ask. */
  draw(lists, from) {
    lists.forEach((list, at) => this.#put(this.#main[at], list, from));
    if (!this.#volume) return;
    this.#put(this.#volume, lists[0], from);
    const { open, close } = lists[0].at(-1) ?? {};
    const { up, down, ground } = this.#colours;
    const color = close < open ? down : up;
    if (close) this.#last.applyOptions({ price: close, color, axisLabelColor: color, axisLabelTextColor: ground });
  }

  /** Hands a few changed values over one by one, and all of them when some are gone or put in between. */
  #put(drawn, list, from) {
    const at = placeOf(list, from);
    const added = list.length - placeOf(list, drawn.last + 1e-6);
    if (list.length - at > UPDATES_MAX || drawn.count + added !== list.length) {
      drawn.series.setData(list.map(drawn.make));
    } else {
      for (let i = at; i < list.length; i += 1) drawn.series.update(drawn.make(list[i]), list[i].time < drawn.last);
    }
    drawn.count = list.length;
    drawn.last = list.at(-1)?.time ?? -Infinity;
  }

  /** Shows the newest bars; few of them in the middle. */
  fit(count) {
    const width = Math.max(this.#box.clientWidth - 80, 200);
    const barSpacing = Math.min(SPACING_MAX, Math.max(SPACING_MIN, width / (count + 2 * RIGHT_OFFSET)));
    this.#scale.applyOptions({ barSpacing, rightOffset: Math.max(RIGHT_OFFSET, (width / barSpacing - count) / 2) });
    this.newest();
  }

  newest() {
    this.#scale.scrollToPosition(this.#scale.options().rightOffset, false);
  }

  /** Moves by a part of what is visible; back when it is negative. */
  scroll(part) {
    const range = this.#scale.getVisibleLogicalRange();
    if (range) this.#scale.scrollToPosition(this.#scale.scrollPosition() + (range.to - range.from) * part, false);
  }

  zoom(factor) {
    this.#scale.applyOptions({ barSpacing: this.#scale.options().barSpacing * factor });
  }

  /** Puts the crosshair on a bar; `null` takes it away. */
  point(bar, isMoved) {
    if (!bar) return this.#chart.clearCrosshairPosition();
    const range = this.#scale.getVisibleLogicalRange();
    const at = this.#scale.timeToIndex(bar.time);
    if (isMoved && range && (at < range.from || at > range.to)) {
      const half = (range.to - range.from) / 2;
      this.#scale.setVisibleLogicalRange({ from: at - half, to: at + half });
    }
    this.#chart.setCrosshairPosition(bar.close, bar.time, this.#main[0].series);
  }

  /** The times of the first and the last bar that can be seen. */
  visible() {
    return this.#scale.getVisibleRange();
  }

  /** Has exactly these overlays and panes, in this order. */
  setLines(overlays, panes) {
    for (const { series } of this.#lines.values()) this.#chart.removeSeries(series);
    this.#lines.clear();
    const add = (word, { lines, guides = [] }, pane) => {
      for (const [name, look, dash] of lines) {
        const options = {
          color: colour(look),
          lineWidth: dash === 'dotted' ? 1 : 2,
          lineStyle: DASHES[dash],
          priceFormat: priceFormatOf(word === 'rsi' ? 1 : this.#places),
          priceLineVisible: false,
          lastValueVisible: pane > 0 && dash !== 'bars',
          crosshairMarkerVisible: false,
        };
        this.#lines.set(name, this.#add(dash === 'bars' ? HistogramSeries : LineSeries, options, (item) => item, pane));
      }
      const { series } = this.#lines.get(lines[0][0]);
      for (const price of guides) {
        series.createPriceLine({ price, color: colour('faint'), lineStyle: LineStyle.Dashed, lineWidth: 1, axisLabelVisible: false });
      }
    };
    for (const word of overlays) add(word, OVERLAYS[word], 0);
    panes.forEach((word, at) => add(word, PANES[word], at + 1));
    this.#chart.panes().forEach((pane, at) => pane.setStretchFactor(at === 0 ? 3.6 : 1));
  }

  drawLines(values, from) {
    for (const [name, drawn] of this.#lines) this.#put(drawn, values.get(name) ?? [], from);
  }

  /** Marks of alerts: `{time, count}`, oldest first. */
  setMarks(marks) {
    const color = colour('warn');
    this.#markers.setMarkers(marks.map(({ time, count }) => (
      { time, position: 'aboveBar', shape: 'arrowDown', color, size: 1, text: count > 1 ? String(count) : '' })));
  }

  /** Hollow marks below bars, for what a rule would have done. */
  setRings(bars) {
    this.#rings.set(bars, colour('line-c'));
  }

  /** Thresholds as lines: `{id, price, title, isActive}`. */
  setRules(rules) {
    const { series } = this.#main[0];
    for (const line of this.#rules.values()) series.removePriceLine(line);
    this.#rules.clear();
    for (const { id, price, title, isActive } of rules) {
      const color = colour(isActive ? 'warn' : 'faint');
      const lineStyle = isActive ? LineStyle.LargeDashed : LineStyle.SparseDotted;
      this.#rules.set(id, series.createPriceLine({
        price, title, color, axisLabelColor: color, axisLabelTextColor: this.#colours.ground, lineWidth: 1, lineStyle,
      }));
    }
  }

  moveRule(id, price) {
    this.#rules.get(id)?.applyOptions({ price });
  }

  /** The threshold within so many pixels of a point of the page. */
  ruleAt(event, within) {
    const [x, y] = this.#place(event);
    const { width, height } = this.#chart.paneSize(0);
    if (x < 0 || x > width || y < 0 || y > height) return null;
    const { series } = this.#main[0];
    const distances = [...this.#rules].map(([id, line]) => [Math.abs(series.priceToCoordinate(line.options().price) - y), id]);
    const [[distance, id] = []] = distances.sort(([a], [b]) => a - b);
    return distance <= within ? id : null;
  }

  /** The price at a point of the page, with no more places than a pixel tells. */
  priceAt(event) {
    const [, y] = this.#place(event);
    const { series } = this.#main[0];
    const price = series.coordinateToPrice(y);
    const places = Math.ceil(-Math.log10(Math.abs(price - series.coordinateToPrice(y + 1))));
    return Number(price.toFixed(Math.max(0, Math.min(places, this.#places))));
  }

  #place({ clientX, clientY }) {
    const { left, top } = this.#chart.panes()[0].getHTMLElement().getBoundingClientRect();
    return [clientX - left, clientY - top];
  }

  /** Whether dragging and wheels move the chart. */
  setMovable(isMovable) {
    this.#chart.applyOptions({ handleScroll: isMovable, handleScale: isMovable });
  }

  /** The picture as it is, with its thresholds and marks. */
  picture() {
    return new Promise((resolve) => this.#chart.takeScreenshot(true).toBlob(resolve));
  }
}

/** Hollow marks below bars `{time, low}`, which the library does not have: a primitive of a series. */
class Rings {
  #bars = [];
  #colour = '';
  #of = null;

  attached(of) {
    this.#of = of;
  }

  set(bars, colour) {
    this.#bars = bars;
    this.#colour = colour;
    this.#of.requestUpdate();
  }

  paneViews() {
    const draw = (target) => target.useMediaCoordinateSpace(({ context }) => this.#draw(context));
    return [{ zOrder: () => 'top', renderer: () => ({ draw }) }];
  }

  #draw(context) {
    const { chart, series } = this.#of;
    context.strokeStyle = this.#colour;
    context.lineWidth = 2;
    for (const { time, low } of this.#bars) {
      const x = chart.timeScale().timeToCoordinate(time);
      if (x === null) continue;
      context.beginPath();
      context.arc(x, series.priceToCoordinate(low) + 14, 5, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
