// Numbers and moments as people read them.

const ZONE_KEY = 'tickbase.zone';
let isLocal = localStorage.getItem(ZONE_KEY) === 'local';

/** Whether times are those of the reader's place, not UTC. */
export const usesLocalTime = () => isLocal;

/** Changes between UTC and local time; all that shows times hears the event "zone". */
export function setLocalTime(local) {
  isLocal = local;
  localStorage.setItem(ZONE_KEY, local ? 'local' : 'utc');
  formats.clear();
  dispatchEvent(new Event('zone'));
}

const formats = new Map();

function timeFormat(name, options) {
  if (!formats.has(name)) {
    formats.set(name, new Intl.DateTimeFormat('sv-SE', { ...options, ...(isLocal ? {} : { timeZone: 'UTC' }) }));
  }
  return formats.get(name);
}

const DAY = { year: 'numeric', month: '2-digit', day: '2-digit' };
const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit' };

/** Milliseconds since 1970 of an answer's moment. */
export const millis = (moment) => (typeof moment === 'number' ? moment : Date.parse(moment));

/** 2013-09-03 10:23:00. */
export const dateTime = (moment) => (moment ? timeFormat('both', { ...DAY, ...CLOCK }).format(millis(moment)) : '–');
/** 2013-09-03. */
export const date = (moment) => (moment ? timeFormat('day', DAY).format(millis(moment)) : '–');
/** 10:23:00. */
export const clock = (moment) => (moment ? timeFormat('clock', CLOCK).format(millis(moment)) : '–');
/** A moment of today by its clock alone, any other one with its day. */
export const dayClock = (moment) => (date(moment) === date(Date.now()) ? clock(moment) : dateTime(moment));
/** "UTC" or the name of the reader's zone. */
export const zoneName = () => (isLocal ? Intl.DateTimeFormat().resolvedOptions().timeZone : 'UTC');

/** A price with the instrument's places; without them, digit by digit as it is stored. */
export function price(value, places) {
  if (value == null) return '–';
  return places == null ? String(value) : value.toFixed(places);
}

/** When instruments are traded, by the words of the API. */
export const CALENDARS = {
  '24x7': 'every day, around the clock', weekdays: 'Monday to Friday of UTC, around the clock',
  XNYS: 'the days and hours of the New York Stock Exchange', XNAS: 'the days and hours of the Nasdaq Stock Market',
};

/** The periods of bars, shortest first. */
export const FREQUENCIES = ['1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M'];

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** 20,009. */
export const count = (value) => (value == null ? '–' : whole.format(value));
/** 1.2M. */
export const compact = (value) => (value == null ? '–' : short.format(value));

/** "1 alert", "20,009 alerts". */
export const counted = (value, thing) => `${count(value)} ${thing}${value === 1 ? '' : 's'}`;

/** A volume: fractions of small ones, large ones short. */
export function volume(value) {
  if (value >= 10_000_000) return compact(value);
  return value % 1 && value < 1_000 ? value.toFixed(2) : count(value);
}

/** +0.25 with the instrument's places. */
export function change(value, places) {
  if (value == null) return '–';
  return `${value > 0 ? '+' : value < 0 ? '−' : ''}${price(Math.abs(value), places)}`;
}

/** ▲ +0.25 %: the sign and the arrow say what the colour says. */
export function percent(value, places = 2) {
  if (value == null) return '–';
  const sign = value > 0 ? '▲ +' : value < 0 ? '▼ −' : '● ';
  return `${sign}${Math.abs(value).toFixed(places)} %`;
}

/** The class of a change: `up`, `down` or `same`. */
export const direction = (value) => (value > 0 ? 'up' : value < 0 ? 'down' : 'same');

/** 12 MB. */
export function bytes(value) {
  if (value == null) return '–';
  let left = value;
  for (const unit of ['B', 'kB', 'MB', 'GB', 'TB']) {
    if (left < 1000 || unit === 'TB') return `${left < 10 && unit !== 'B' ? left.toFixed(1) : Math.round(left)} ${unit}`;
    left /= 1000;
  }
}

/** 850 µs, 12.3 ms, 4.2 s. */
export function duration(ms) {
  if (ms == null) return '–';
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

/** How long ago a moment is: 3 s, 12 min, 5 h, 13 y. */
export function age(moment, now = Date.now()) {
  if (!moment) return 'never';
  const seconds = Math.max(0, (now - millis(moment)) / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  if (seconds < 86_400 * 730) return `${Math.floor(seconds / 86_400)} d`;
  return `${Math.floor(seconds / 86_400 / 365.25)} y`;
}

const probe = document.head.appendChild(document.createElement('span'));

/** A colour of the page by its name in page.css, for what is drawn on a canvas, which knows no light-dark(). */
export function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
