// The chart of an instrument: candles or quotes, volume, lines, panes, marks, and thresholds as price lines.

import {
  CandlestickSeries, createChart, createSeriesMarkers, HistogramSeries, LineSeries, LineStyle,
} from '../vendor/lightweight-charts.js';
import { clock, colour, dateTime, usesLocalTime } from '../format.js';
import { iso, placeOf } from './instrument-bars.js';
import { Rings } from './instrument-rings.js';
import { OVERLAYS, PANES } from './instrument-lines.js';

/** Few bars are drawn no wider than this, many no narrower. */
const SPACING_MAX = 34;
const SPACING_MIN = 7;
/** Free places after the newest bar. */
const RIGHT_OFFSET = 6;
/** More changed bars than these are handed over as a whole. */
const UPDATES_MAX = 50;
/** So near to its left end the chart asks for older bars. */
const OLDER_WITHIN = 30;

const DASHES = { solid: LineStyle.Solid, dashed: LineStyle.Dashed, dotted: LineStyle.Dotted };
const faded = (rgb, alpha) => rgb.replace('rgb(', 'rgba(').replace(')', `, ${alpha})`);

/** Days, weeks and months are those of UTC; shorter periods start at a moment, which has a zone. */
export const barTime = (period, seconds) => (
  period.seconds === null || period.seconds >= 86_400 ? iso(seconds).slice(0, 10) : dateTime(seconds * 1000));

export class InstrumentChart {
  #box;
  #chart;
  /** Series with what was drawn of them: `{series, make, count, last}`. */
  #main = [];
  #volume = null;
  #lines = new Map();
  #markers = null;
  #rings = null;
  #rules = new Map();
  #period = null;
  #places = 2;

  /** `events`: `hover(time or null)`, `older()`, `moved()`. */
  constructor(box, events) {
    this.#box = box;
    this.#chart = createChart(box, {
      autoSize: true,
      ...this.#look(),
      crosshair: { mode: 0 },
      rightPriceScale: { minimumWidth: 76 },
      timeScale: { maxBarSpacing: 60, minBarSpacing: 0.4, secondsVisible: false, rightOffset: RIGHT_OFFSET },
      localization: { timeFormatter: (time) => barTime(this.#period, time) },
    });
    this.#chart.timeScale().applyOptions({ tickMarkFormatter: (time, kind) => this.#tickMark(time, kind) });
    this.#chart.subscribeCrosshairMove(({ time, point }) => events.hover(point ? (time ?? null) : null));
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < OLDER_WITHIN) events.older();
      events.moved();
    });
  }

  /** Local days begin at another moment than the marks of UTC days: these show their hour, too. */
  #tickMark(time, kind) {
    if (kind === 0) return iso(time).slice(0, 4);
    if (kind === 1) return iso(time).slice(0, 7);
    const isDay = kind === 2;
    if (!isDay) return clock(time * 1000).slice(0, kind === 4 ? 8 : 5);
    if (usesLocalTime() && this.#period.seconds < 86_400) return dateTime(time * 1000).slice(5, 16);
    return iso(time).slice(5, 10);
  }

  #look() {
    const line = colour('line');
    return {
      layout: {
        attributionLogo: false,
        background: { color: colour('ground') },
        textColor: colour('faint'),
        fontFamily: getComputedStyle(document.body).fontFamily,
        fontSize: 12,
        panes: { separatorColor: line, separatorHoverColor: faded(colour('accent'), 0.3) },
      },
      grid: { vertLines: { color: faded(line, 0.5) }, horzLines: { color: faded(line, 0.5) } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line, timeVisible: this.#period ? this.#isWithinDay() : true },
    };
  }

  #isWithinDay() {
    return this.#period.seconds !== null && this.#period.seconds < 86_400;
  }

  remove() {
    this.#chart.remove();
  }

  /** Draws bars of this kind from now on: `isQuotes` as lines of bid and ask, else as candles with volume. */
  show({ period, places, isQuotes }) {
    this.#period = period;
    this.#places = places;
    for (const { series } of this.#main) this.#chart.removeSeries(series);
    for (const { series } of this.#lines.values()) this.#chart.removeSeries(series);
    if (this.#volume) this.#chart.removeSeries(this.#volume.series);
    this.#volume = null;
    this.#lines.clear();
    this.#rules.clear();
    const one = (kind, options, make) => ({ series: this.#chart.addSeries(kind, options, 0), make, count: 0, last: -Infinity });
    const close = ({ time, close: value }) => ({ time, value });
    if (isQuotes) {
      this.#main = ['bid', 'ask'].map((title, at) => one(LineSeries, { title, lineWidth: 2, lineType: 1, lineStyle: at ? LineStyle.Dashed : LineStyle.Solid }, close));
    } else {
      this.#volume = one(HistogramSeries, { priceScaleId: 'volume', priceFormat: { type: 'volume' }, lastValueVisible: false, priceLineVisible: false }, ({ time, open, close: end, volume }) => (
        { time, value: volume, color: end < open ? this.falling : this.rising }));
      this.#main = [one(CandlestickSeries, {}, ({ time, open, high, low, close: end }) => ({ time, open, high, low, close: end }))];
      this.#chart.priceScale('volume', 0).applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    }
    for (const { series } of this.#main) {
      series.applyOptions({ priceFormat: { type: 'price', precision: places, minMove: 10 ** -places } });
    }
    this.#chart.priceScale('right', 0).applyOptions({ scaleMargins: { top: 0.1, bottom: isQuotes ? 0.08 : 0.22 }, autoScale: true });
    this.#markers = createSeriesMarkers(this.#main[0].series, []);
    this.#rings = new Rings();
    this.#main[0].series.attachPrimitive(this.#rings);
    this.paint();
  }

  /** Takes the colours of the page, which differ by light and dark. */
  paint() {
    const [up, down, ground] = [colour('up'), colour('down'), colour('ground')];
    this.rising = faded(up, 0.35);
    this.falling = faded(down, 0.5);
    this.#chart.applyOptions(this.#look());
    if (this.#volume) {
      // A rising candle is hollow, so that the two kinds differ without their colours.
      this.#main[0].series.applyOptions({
        upColor: ground, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down,
      });
      this.#volume.count = -1;
    } else {
      this.#main.forEach(({ series }, at) => series.applyOptions({ color: colour(at ? 'line-b' : 'line-a') }));
    }
    for (const { series, look } of this.#lines.values()) series.applyOptions({ color: colour(look) });
    for (const { line, look } of this.#rules.values()) line.applyOptions({ color: colour(look), axisLabelColor: colour(look), axisLabelTextColor: ground });
    this.#rings?.paint(colour('line-c'));
  }

  /** Draws the bars that changed from a time on. `lists` is one of trades, or those of bid and ask. */
  draw(lists, from) {
    lists.forEach((list, at) => this.#put(this.#main[at], list, from));
    if (this.#volume) this.#put(this.#volume, lists[0], from);
  }

  /** A few changed values are handed over one by one; what is taken away or put in between, as a whole. */
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

  /** Shows the newest bars: many of them narrow, few of them not as giants. */
  fit(count) {
    const width = Math.max(this.#box.clientWidth - 80, 200);
    const barSpacing = Math.min(SPACING_MAX, Math.max(SPACING_MIN, width / (count + 2 * RIGHT_OFFSET)));
    this.#chart.timeScale().applyOptions({ barSpacing });
    this.newest();
  }

  newest() {
    this.#chart.timeScale().scrollToPosition(RIGHT_OFFSET, false);
  }

  /** Moves by a part of what is visible, to older bars when it is negative. */
  scroll(part) {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range) scale.scrollToPosition(scale.scrollPosition() + (range.to - range.from) * part, false);
  }

  zoom(factor) {
    const scale = this.#chart.timeScale();
    scale.applyOptions({ barSpacing: scale.options().barSpacing * factor });
  }

  /** Shows the bar of a time, with the crosshair on it; `null` takes the crosshair away. */
  point(bar, isMoved) {
    if (!bar) return this.#chart.clearCrosshairPosition();
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    const at = scale.timeToIndex(bar.time);
    if (isMoved && range && at !== null && (at < range.from || at > range.to)) {
      const half = (range.to - range.from) / 2;
      scale.setVisibleLogicalRange({ from: at - half, to: at + half });
    }
    this.#chart.setCrosshairPosition(bar.close, bar.time, this.#main[0].series);
  }

  /** The times of the first and the last bar that can be seen. */
  visible() {
    return this.#chart.timeScale().getVisibleRange();
  }

  /** Has exactly these overlays and panes, in this order. */
  setLines(overlays, panes) {
    for (const { series } of this.#lines.values()) this.#chart.removeSeries(series);
    this.#lines.clear();
    const add = (word, { lines, guides = [] }, pane) => {
      for (const [name, look, dash] of lines) {
        const precision = word === 'rsi' ? 1 : this.#places;
        const options = {
          color: colour(look), lineWidth: pane || dash !== 'dotted' ? 2 : 1, lineStyle: DASHES[dash],
          priceLineVisible: false, lastValueVisible: pane > 0 && dash !== 'bars', crosshairMarkerVisible: false,
          priceFormat: { type: 'price', precision, minMove: 10 ** -precision },
        };
        const series = this.#chart.addSeries(dash === 'bars' ? HistogramSeries : LineSeries, options, pane);
        this.#lines.set(name, { series, look, make: (item) => item, count: 0, last: -Infinity });
      }
      const { series } = this.#lines.get(lines[0][0]);
      for (const price of guides) {
        series.createPriceLine({ price, color: colour('faint'), lineStyle: LineStyle.Dashed, lineWidth: 1, axisLabelVisible: false, title: '' });
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

  /** Hollow marks below the bars `{time, low}`, for what a rule would have done. */
  setRings(bars) {
    this.#rings.set(bars);
  }

  /** Thresholds as lines: `{id, price, title, isActive}`. */
  setRules(rules) {
    const { series } = this.#main[0];
    for (const { line } of this.#rules.values()) series.removePriceLine(line);
    this.#rules.clear();
    for (const { id, price, title, isActive } of rules) {
      const look = isActive ? 'warn' : 'faint';
      const line = series.createPriceLine({
        price, title, color: colour(look), axisLabelColor: colour(look), axisLabelTextColor: colour('ground'),
        lineWidth: 1, lineStyle: isActive ? LineStyle.LargeDashed : LineStyle.SparseDotted, axisLabelVisible: true,
      });
      this.#rules.set(id, { line, look, price });
    }
  }

  moveRule(id, price) {
    const rule = this.#rules.get(id);
    if (!rule) return;
    rule.price = price;
    rule.line.applyOptions({ price });
  }

  /** The threshold within so many pixels of a point of the page, with its price there. */
  ruleAt({ clientX, clientY }, within) {
    const { y, isInside } = this.#place(clientX, clientY);
    if (!isInside) return null;
    let found = null;
    for (const [id, { price }] of this.#rules) {
      const distance = Math.abs((this.#main[0].series.priceToCoordinate(price) ?? Infinity) - y);
      if (distance <= within && distance < (found?.distance ?? Infinity)) found = { id, distance };
    }
    return found?.id ?? null;
  }

  /** The price at a point of the page, with no more places than a pixel tells. */
  priceAt({ clientX, clientY }) {
    const { y } = this.#place(clientX, clientY);
    const { series } = this.#main[0];
    const [price, next] = [series.coordinateToPrice(y), series.coordinateToPrice(y + 1)];
    if (price === null || next === null) return null;
    const needed = Math.ceil(-Math.log10(Math.max(Math.abs(price - next), 1e-12)));
    return Number(price.toFixed(Math.max(0, Math.min(needed, this.#places))));
  }

  #place(clientX, clientY) {
    const { left, top } = this.#chart.panes()[0].getHTMLElement().getBoundingClientRect();
    const { width, height } = this.#chart.paneSize(0);
    const [x, y] = [clientX - left, clientY - top];
    return { y, isInside: x >= 0 && x <= width && y >= 0 && y <= height };
  }

  /** Whether dragging and wheels move the chart. */
  setMovable(isMovable) {
    this.#chart.applyOptions({ handleScroll: isMovable, handleScale: isMovable });
  }

  /** Draws the times anew, as in another zone. */
  retime() {
    this.#chart.applyOptions({ localization: { timeFormatter: (time) => barTime(this.#period, time) } });
    this.#chart.timeScale().applyOptions({ tickMarkFormatter: (time, kind) => this.#tickMark(time, kind) });
  }

  /** The picture as it is, below a line that says what it is. */
  picture(heading) {
    const shot = this.#chart.takeScreenshot(true);
    const scale = devicePixelRatio;
    const canvas = document.createElement('canvas');
    canvas.width = shot.width;
    canvas.height = shot.height + 28 * scale;
    const context = canvas.getContext('2d');
    context.fillStyle = colour('ground');
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = colour('text');
    context.font = `${14 * scale}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillText(heading, 10 * scale, 19 * scale);
    context.drawImage(shot, 0, 28 * scale);
    return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  }
}
