// Calls the API as any client does. Where the server needs a token, asks for it and tries again.

import { button, dialog, field, h } from './dom.js';

const TOKEN_KEY = 'tickbase.token';
/** Works below any path, as behind a proxy. */
const BASE = new URL('.', document.baseURI);

/** An answer that is no success. `text` is for people, and has the id by which the log finds the request. */
export class ApiError extends Error {
  constructor(status, detail, requestId) {
    super(detail);
    this.status = status;
    this.detail = detail;
    this.requestId = requestId;
    this.text = requestId ? `${detail} (request ${requestId})` : detail;
  }
}

/** The token that this tab of the browser keeps, if there is one. */
export function token() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** The address of a path of the API, with parameters; a list is the same parameter several times. */
export function address(path, parameters = {}) {
  const url = new URL(path.replace(/^\//, ''), BASE);
  for (const [name, value] of Object.entries(parameters)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item != null && item !== '') url.searchParams.append(name, item);
    }
  }
  return url;
}

/** A protocol has no slash, no equals sign and no bracket. */
const encoded = (text) => encodeURIComponent(text).replace(/[()]/g, (bracket) => `%${bracket.charCodeAt(0).toString(16)}`);

/** Where the WebSocket is, and the protocols that carry the token. */
export function socketAddress() {
  const url = new URL('ws/realtime', BASE);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const known = token();
  return [url, known ? ['tickbase.v1', `tickbase.bearer.${encoded(known)}`] : ['tickbase.v1']];
}

/** Asks for JSON. `options`: `parameters`, `signal`, `taken`: statuses beside success that have a body as well. */
export const get = (path, options) => json('GET', path, options);
/** `options`: `body` (sent as JSON), `parameters`, `signal`. */
export const post = (path, options) => json('POST', path, options);
export const put = (path, options) => json('PUT', path, options);
export const del = (path, options) => json('DELETE', path, options);

async function json(method, path, options = {}) {
  const response = await call(method, path, options);
  return response.status === 204 ? null : response.json();
}

/** As a response, for what is no JSON. `raw` is a body that is sent as it is. */
export async function call(method, path, { parameters, body, raw, headers = {}, signal, taken = [] } = {}) {
  for (;;) {
    const known = token();
    const response = await send(method, address(path, parameters), { body, raw, headers, signal });
    if (response.ok || taken.includes(response.status)) return response;
    const error = await refusal(response);
    // Who has a token that may only read may have another one, too.
    if (![401, known && 403].includes(response.status)) throw error;
    // Another request may have asked for a better one meanwhile. Who asks for no other one ends this.
    if (token() === known) await askForToken(error.detail);
  }
}

async function send(method, url, { body, raw, headers, signal }) {
  const sent = { accept: 'application/json', ...headers };
  if (token()) sent.authorization = `Bearer ${token()}`;
  if (body !== undefined) sent['content-type'] = 'application/json';
  try {
    return await fetch(url, { method, headers: sent, body: raw ?? (body && JSON.stringify(body)), signal });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server does not answer; it is asked again when it is back', null);
  }
}

async function refusal(response) {
  const id = response.headers.get('x-request-id');
  let detail = `${response.status} ${response.statusText}`;
  try {
    const body = await response.json();
    detail = Array.isArray(body.detail) ? body.detail.map(place).join('; ') : (body.detail ?? detail);
  } catch {
    // A proxy's page is no answer of the API: its status has to do.
  }
  return new ApiError(response.status, detail, id);
}

/** `body.threshold: it is not a number`. */
function place({ loc = [], msg }) {
  const where = loc.slice(1).join('.');
  return where ? `${where}: ${msg}` : msg;
}

let asking = null;

/** Asks for a token once, however many requests wait for it. */
function askForToken(reason) {
  asking ??= new Promise((resolve, reject) => {
    let isGiven = false;
    const input = h('input', { type: 'password', autocomplete: 'off', required: true, autofocus: true });
    dialog('This server needs a token', (close) =>
      h('form', {
        method: 'dialog',
        onsubmit: () => {
          isGiven = true;
          sessionStorage.setItem(TOKEN_KEY, input.value.trim());
          dispatchEvent(new Event('token'));
        },
      },
      h('p', {}, reason),
      field('Token', input, 'It is kept until this tab is closed, and sent to this server alone.'),
      h('p', { class: 'buttons' },
        h('button', { type: 'submit', class: 'main' }, 'Use it'),
        button('Cancel', close))),
    () => {
      asking = null;
      if (isGiven) resolve();
      else reject(new ApiError(401, `${reason}; try it again to be asked for a token`, null));
    });
  });
  return asking;
}

/** How long the list of instruments is kept: as long as a view takes to be made. */
const INSTRUMENTS_MS = 2_000;
let known = null;

/** All active instruments by id, read once in a while: others change them, too; `forgetInstruments` after a change of one's own. */
export function instruments() {
  if (!known) {
    const mine = (known = readInstruments());
    const forget = () => known === mine && forgetInstruments();
    mine.then(() => setTimeout(forget, INSTRUMENTS_MS), forget);
  }
  return known;
}

export function forgetInstruments() {
  known = null;
}

async function readInstruments() {
  const all = [];
  let url = address('api/instruments', { limit: 10_000 });
  while (url) {
    const response = await call('GET', `${url.pathname.slice(BASE.pathname.length)}${url.search}`);
    all.push(...(await response.json()));
    const next = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get('link') ?? '');
    url = next && new URL(next[1], url);
  }
  return all;
}

/** The instrument with this symbol. */
export async function instrumentOf(symbol) {
  const find = async () => (await instruments()).find((it) => it.symbol === symbol);
  // One that others added just now is not in the list that is kept.
  const found = await find() ?? (forgetInstruments(), await find());
  if (!found) throw new ApiError(404, `no active instrument is named ${symbol}; Prices lists those that there are`, null);
  return found;
}
