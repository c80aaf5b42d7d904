// What the chart of an instrument draws: bars, kept up to date by ticks, and the lines that the server makes of them.

import { get, post } from '../api.js';

/** Bars that one request brings. */
const PAGE = 1_000;
/** The most that one request may bring. */
const READ_MAX = 10_000;
/** The most that are kept. */
const BARS_MAX = 20_000;
/** A bar that grows by ticks is compared with the stored one after so long. */
const COMPARE_MS = 10_000;
/** Between two reads of bars that changed. */
const READ_AGAIN_MS = 2_000;

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-05 was a Monday. */
const MONDAY_MS = 4 * DAY_MS;

/** The moment of chart seconds as the API reads it. */
export const iso = (seconds) => new Date(seconds * 1000).toISOString();

/** Where the period that holds a moment starts, in milliseconds. Periods are those of UTC. */
function periodStart({ frequency, seconds }, ms) {
  if (seconds === null) {
    const day = new Date(ms);
    return Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), 1);
  }
  const origin = frequency === '1w' ? MONDAY_MS : 0;
  return Math.floor((ms - origin) / (seconds * 1000)) * seconds * 1000 + origin;
}

/** Where the period after the one that starts here begins; both in seconds. */
export function periodEnd({ seconds }, start) {
  if (seconds !== null) return start + seconds;
  const day = new Date(start * 1000);
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1) / 1000;
}

/** The place of the first item that is not before `time`, in a list that is sorted by time. */
export function placeOf(list, time) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The list with `items` in the place of what it had from `from` (part of it) to `to` (not part of it). */
function spliced(list, from, to, items) {
  return [...list.slice(0, placeOf(list, from)), ...items, ...list.slice(placeOf(list, to))];
}

/** Reads bars, oldest first, with the reason why there are none. */
export async function readBars(of, range) {
  const body = { symbols: [of.symbol], frequency: of.frequency, price: of.price, ...range };
  const { data } = await post('api/historical-data/fetch', { body, signal: of.signal });
  const { bars, has_more: hasMore, message } = data[0];
  const filled = bars.filter((bar) => bar.close !== null);
  return {
    bars: filled.map(({ timestamp, open, high, low, close, volume }) => (
      { time: Date.parse(timestamp) / 1000, open, high, low, close, volume: volume ?? 0 })),
    hasMore,
    message,
  };
}

/** Bars in `list`, oldest first, with `time` in seconds. */
export class Bars {
  /** `of` has symbol, frequency, price, period (an item of the list of frequencies) and signal. */
  constructor(of) {
    this.of = of;
    Object.assign(this, {
      list: [], hasOlder: false, message: null, reading: false, readAt: 0,
      changedFrom: Infinity, staleFrom: Infinity, newestTick: 0, ticks: 0, meanwhile: [],
    });
  }

  /** The earliest time that changed since this was asked last; Infinity when nothing did. */
  takeChange() {
    const from = this.changedFrom;
    this.changedFrom = Infinity;
    return from;
  }

  #changed(time) {
    this.changedFrom = Math.min(this.changedFrom, time);
  }

  /** Has bars from this time on read again; all of them without one. */
  stale(time = -Infinity) {
    // What was put in before the first one is read when somebody scrolls there.
    if (time === -Infinity) this.hasOlder = true;
    this.staleFrom = Math.min(this.staleFrom, time);
  }

  /** The newest bars. */
  load() {
    return this.#read(async () => {
      const { bars, hasMore, message } = await readBars(this.of, { max_records: PAGE });
      this.list = bars;
      this.hasOlder = hasMore;
      this.message = message;
      this.#changed(-Infinity);
    });
  }

  /** One page of bars before the oldest one. */
  loadOlder() {
    if (this.reading || !this.hasOlder || this.list.length === 0 || this.list.length >= BARS_MAX) return null;
    return this.#read(async () => {
      const first = this.list[0].time;
      const { bars, hasMore } = await readBars(this.of, { end_date: iso(first), max_records: PAGE });
      this.list = [...bars, ...this.list];
      this.hasOlder = hasMore;
      this.#changed(-Infinity);
    });
  }

  /** Reads what is stale, when it is time for it. */
  readStale(now) {
    if (this.reading || now - this.readAt < READ_AGAIN_MS) return null;
    if (this.ticks > 0 && now - this.readAt > COMPARE_MS) this.stale(this.list.at(-1)?.time);
    if (this.staleFrom === Infinity) return null;
    const from = Math.max(this.staleFrom, this.list[0]?.time ?? Infinity);
    this.staleFrom = Infinity;
    if (from === Infinity) return this.load();
    return this.#read(async () => {
      const { bars, hasMore } = await readBars(this.of, { start_date: iso(from), max_records: READ_MAX });
      // More than a request brings: what is older comes when somebody scrolls there.
      const start = hasMore ? -Infinity : from;
      this.hasOlder ||= hasMore;
      this.list = spliced(this.list, start, Infinity, bars);
      this.#changed(start);
    });
  }

  /** Ticks that come while bars are read may be part of the answer: their prices count again, their volume not. */
  async #read(work) {
    this.reading = true;
    this.meanwhile = [];
    this.ticks = 0;
    try {
      await work();
      this.newestTick = 0;
      for (const [ms, price] of this.meanwhile) this.#apply(ms, price, 0);
    } finally {
      this.reading = false;
      this.meanwhile = [];
      this.readAt = Date.now();
    }
  }

  /** A tick that came live. */
  addTick(ms, price, volume) {
    this.ticks += 1;
    if (this.reading) {
      this.meanwhile.push([ms, price]);
      if (this.meanwhile.length > PAGE) this.meanwhile.shift();
    }
    this.#apply(ms, price, volume);
  }

  #apply(ms, price, volume) {
    const time = periodStart(this.of.period, ms) / 1000;
    const last = this.list.at(-1);
    const isLate = ms < this.newestTick || (last && time < last.time);
    this.newestTick = Math.max(this.newestTick, ms);
    // What a late tick changes, the server knows: open and close go by the order of the ticks.
    if (isLate) this.stale(time);
    if (last && time < last.time) return;
    if (!last || time > last.time) {
      if (last) this.stale(last.time);
      this.list.push({ time, open: price, high: price, low: price, close: price, volume });
      if (this.list.length > BARS_MAX + PAGE) {
        this.list = this.list.slice(-BARS_MAX);
        this.hasOlder = true;
        this.#changed(-Infinity);
      }
    } else {
      const { open, high, low, close } = last;
      this.list[this.list.length - 1] = {
        time, open, high: Math.max(high, price), low: Math.min(low, price),
        close: isLate ? close : price, volume: last.volume + volume,
      };
    }
    this.#changed(time);
  }
}

const BARS = [[20, 'line-a'], [50, 'line-b'], [200, 'line-c']];
const averages = (kind, dash) => BARS.map(([bars, look]) => (
  [`${kind}_${bars}`, { label: `${kind.toUpperCase()} ${bars}`, asks: kind, lines: [[`${kind}_${bars}`, look, dash]] }]));

/** What is drawn over the candles, by its word in the address. A line is a name of the API, a colour of the page, a dash. */
export const OVERLAYS = {
  ...Object.fromEntries([...averages('sma', 'solid'), ...averages('ema', 'dashed')]),
  bollinger: {
    label: 'Bollinger bands',
    asks: 'bollinger',
    lines: [['bollinger_upper', 'faint', 'dotted'], ['bollinger_middle', 'faint', 'dashed'], ['bollinger_lower', 'faint', 'dotted']],
  },
};

/** What has a pane of its own below the candles. */
export const PANES = {
  rsi: { label: 'RSI', asks: 'rsi', guides: [70, 30], lines: [['rsi', 'line-a', 'solid']] },
  macd: {
    label: 'MACD',
    asks: 'macd',
    lines: [['macd_histogram', 'faint', 'bars'], ['macd', 'line-a', 'solid'], ['macd_signal', 'line-b', 'dashed']],
  },
};

/** The name of a line for people: `SMA 20`. */
export const lineLabel = (name) => name.replace('_', ' ').replace(/^(sma|ema|rsi|macd|b)/, (start) => start.toUpperCase());

/** The values of lines, by name: lists of time and value, as the chart draws them. */
export class Lines {
  constructor(of) {
    this.of = of;
    this.values = new Map();
    /** Why a line has no value, by its name. */
    this.unavailable = new Map();
  }

  /** Reads values of the bars from `from` to before `to` (seconds). */
  async read(words, from, to = Infinity) {
    const parameters = {
      frequency: this.of.frequency,
      indicators: [...new Set(words.map((word) => (OVERLAYS[word] ?? PANES[word]).asks))],
      start: iso(from),
      end: to === Infinity ? null : iso(to),
      max_records: READ_MAX,
    };
    const answer = await get(`api/v1/analytics/indicator-series/${this.of.id}`, { parameters, signal: this.of.signal });
    const times = answer.timestamps.map((text) => Date.parse(text) / 1000);
    const isCut = times.length === READ_MAX && times[0] > from;
    for (const [name, values] of Object.entries(answer.lines)) {
      const items = times.map((time, at) => ({ time, value: values[at] })).filter(({ value }) => value !== null);
      this.values.set(name, spliced(this.values.get(name) ?? [], isCut ? times[0] : from, to, items));
    }
    for (const { field, message } of answer.unavailable) this.unavailable.set(field, message);
    if (isCut) await this.read(words, from, times[0]);
  }
}
