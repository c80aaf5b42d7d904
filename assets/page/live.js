// One WebSocket for the whole page: who subscribes is told, also after a lost connection.

import { call, socketAddress } from './api.js';
import { sayError } from './dom.js';

/** Between two tries to connect. */
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;
/** Between two times that a view reads again what changed. */
const READ_AGAIN_MS = 2_000;
/** A connection that is asked each so often, and says nothing until the next time, is lost. */
const PING_MS = 10_000;

const listeners = new Map();
let socket = null;
let state = 'connecting';
let tries = 0;
let retry = null;
let isHeard = true;
let isAsked = false;

/** `connecting`, `live` or `lost`. */
export const liveState = () => state;

/**
 * Calls back with the data of each message of a type: market_data, data_changed, alert_fired,
 * alert_acknowledged, database_performance; `connected` each time that the connection is there again,
 * when what came meanwhile must be read over HTTP; `state` when it changes. Ends with the signal.
 */
export function listen(type, callback, signal) {
  if (!listeners.has(type)) listeners.set(type, new Set());
  listeners.get(type).add(callback);
  signal?.addEventListener('abort', () => listeners.get(type).delete(callback));
}

/**
 * Reads for a view, and has it read again when the connection is back, when stored data changed, and
 * when the function that comes back is called. One reading at a time, at most every 2 s or a sixth of the time, and none
 * while nobody sees the page: it is made up for then. What the first reading throws is thrown.
 * `events` are the messages that ask for it.
 */
export async function keepRead(read, signal, events = ['connected', 'data_changed']) {
  let isWanted = false;
  let isReading = true;
  const end = () => {
    isReading = false;
    run();
  };
  const run = async () => {
    if (!isWanted || isReading || document.hidden || signal.aborted) return;
    isWanted = false;
    isReading = true;
    const began = Date.now();
    // The frame says that the server is lost, and this is called when it is back.
    await read().catch((error) => error.status !== 0 && sayError(error));
    // What takes a server long is asked for less often.
    setTimeout(end, Math.max(READ_AGAIN_MS, 5 * (Date.now() - began)));
  };
  const want = () => {
    isWanted = true;
    run();
  };
  for (const event of events) listen(event, want, signal);
  document.addEventListener('visibilitychange', run, { signal });
  await read();
  end();
  return want;
}

function tell(type, data) {
  for (const callback of listeners.get(type) ?? []) callback(data);
}

function become(next) {
  if (state === next) return;
  state = next;
  tell('state', next);
}

/** Connects, and again whenever the connection is lost. */
export function connect() {
  clearTimeout(retry);
  const [url, protocols] = socketAddress();
  const old = socket;
  let wasOpen = false;
  const mine = new WebSocket(url, protocols);
  socket = mine;
  // One that was about to open would tell everything twice.
  old?.close();
  mine.onopen = () => {
    tries = 0;
    wasOpen = isHeard = true;
    isAsked = false;
    for (const subscriptionType of ['market_data', 'alert_fired', 'database_performance']) {
      mine.send(JSON.stringify({ messageType: 'subscribe', data: { subscriptionType } }));
    }
    become('live');
    tell('connected');
  };
  mine.onmessage = ({ data }) => {
    isHeard = true;
    const message = JSON.parse(data);
    tell(message.messageType, message.data);
  };
  mine.onclose = () => {
    if (socket !== mine) return;
    become('lost');
    if (!wasOpen && !isAsked) askWhy();
    tries += 1;
    retry = setTimeout(connect, Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** tries) * (0.75 + Math.random() / 2));
  };
}

/** A browser does not tell why a WebSocket was refused: the call does, which asks for a token if need be, once. */
function askWhy() {
  isAsked = true;
  call('GET', 'api/instruments', { parameters: { limit: 1 } })
    .then(() => false, ({ status }) => status === 401).then((isRefused) => (isAsked = isRefused));
}

function drop() {
  become('lost');
  connect();
}

addEventListener('token', () => drop());
addEventListener('online', () => state === 'lost' && connect());

setInterval(() => {
  if (state !== 'live') return;
  if (!isHeard) return drop();
  isHeard = false;
  socket.send(JSON.stringify({ messageType: 'ping' }));
}, PING_MS);
