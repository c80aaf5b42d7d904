// Averages, bands and oscillators of an instrument: which there are, and their values as the server computes them.

import { get } from '../api.js';
import { iso, spliced } from './instrument-bars.js';

/** Bars whose values one request brings. */
const READ_MAX = 1_000;

/** What is drawn over the candles, by the word of the address. Each line has a name of the API, a colour of the page and a dash. */
export const OVERLAYS = {
  sma_20: { label: 'SMA 20', asks: 'sma', lines: [['sma_20', 'line-a', 'solid']] },
  sma_50: { label: 'SMA 50', asks: 'sma', lines: [['sma_50', 'line-b', 'solid']] },
  sma_200: { label: 'SMA 200', asks: 'sma', lines: [['sma_200', 'line-c', 'solid']] },
  ema_20: { label: 'EMA 20', asks: 'ema', lines: [['ema_20', 'line-a', 'dashed']] },
  ema_50: { label: 'EMA 50', asks: 'ema', lines: [['ema_50', 'line-b', 'dashed']] },
  ema_200: { label: 'EMA 200', asks: 'ema', lines: [['ema_200', 'line-c', 'dashed']] },
  bollinger: {
    label: 'Bollinger bands', asks: 'bollinger',
    lines: [['bollinger_upper', 'faint', 'dotted'], ['bollinger_middle', 'faint', 'dashed'], ['bollinger_lower', 'faint', 'dotted']],
  },
};

/** What has a pane of its own below the candles. */
export const PANES = {
  rsi: { label: 'RSI', asks: 'rsi', guides: [70, 30], lines: [['rsi', 'line-a', 'solid']] },
  macd: {
    label: 'MACD', asks: 'macd', guides: [],
    lines: [['macd_histogram', 'faint', 'bars'], ['macd', 'line-a', 'solid'], ['macd_signal', 'line-b', 'dashed']],
  },
};

/** The name of a line for people. */
export const lineLabel = (name) => ({
  bollinger_upper: 'Upper band', bollinger_middle: 'Middle', bollinger_lower: 'Lower band',
  macd: 'MACD', macd_signal: 'Signal', macd_histogram: 'Difference', rsi: 'RSI',
}[name] ?? name.replace('_', ' ').toUpperCase());

/** The values of lines, by name: lists of time and value, as the chart draws them. */
export class Lines {
  constructor(of) {
    this.of = of;
    this.values = new Map();
    this.unavailable = {};
  }

  /** Reads values of the bars from `from` to before `to` (seconds), page by page. */
  async read(words, from, to = Infinity) {
    const asks = [...new Set(words.map((word) => (OVERLAYS[word] ?? PANES[word]).asks))];
    if (asks.length === 0) return;
    for (let end = to; ;) {
      const parameters = {
        frequency: this.of.frequency, indicators: asks.join(','), max_records: READ_MAX,
        start: iso(from), end: end === Infinity ? null : iso(end),
      };
      const answer = await get(`api/v1/analytics/indicator-series/${this.of.id}`, { parameters, signal: this.of.signal });
      const times = answer.timestamps.map((text) => Date.parse(text) / 1000);
      const start = times.length < READ_MAX ? from : times[0];
      for (const [name, values] of Object.entries(answer.lines)) {
        const items = times.map((time, at) => ({ time, value: values[at] })).filter(({ value }) => value !== null);
        this.values.set(name, spliced(this.values.get(name) ?? [], start, end, items));
      }
      // The newest part tells why a line has no value.
      if (end === Infinity) this.unavailable = { ...this.unavailable, ...answer.unavailable };
      if (times.length < READ_MAX || times[0] <= from) break;
      end = times[0];
    }
    for (const name of this.values.keys()) if (this.values.get(name).length > 0) delete this.unavailable[name];
  }
}
