// The frame of the page: which view an address shows, the state of the connection and of the database.

import { ApiError, forgetInstruments, get } from './api.js';
import { errorText, h, replace, setText } from './dom.js';
import { setLocalTime, usesLocalTime, zoneName } from './format.js';
import { connect, listen, liveState } from './live.js';

/** Views by the first part of the address: `#/instrument/ES?frequency=5min`. */
const VIEWS = {
  prices: () => import('./views/prices.js'),
  instrument: () => import('./views/instrument.js'),
  alerts: () => import('./views/alerts.js'),
  health: () => import('./views/health.js'),
  coverage: () => import('./views/coverage.js'),
  data: () => import('./views/data.js'),
  trash: () => import('./views/trash.js'),
};

const view = document.getElementById('view');
let shown = new AbortController();

/** The parts of the address: a view, what comes below it, and the query. */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...below] = path.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      // A percent sign that somebody typed.
      return part;
    }
  });
  return { name: name || 'prices', below, query: new URLSearchParams(query) };
}

async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  // Others may have added some since the last view.
  forgetInstruments();
  const { name, below, query } = place();
  for (const link of document.querySelectorAll('nav a')) {
    const isHere = link.hash === `#/${name}` || (name === 'instrument' && link.hash === '#/prices');
    if (isHere) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  delete document.body.dataset.ready;
  view.setAttribute('aria-busy', 'true');
  const root = h('div', { class: `view ${name}` });
  let ready = name;
  try {
    const { title, show: fill } = Object.hasOwn(VIEWS, name) ? await load(name) : unknown(name);
    if (signal.aborted) return;
    document.title = `${below[0] ?? title} · tickbase`;
    replace(view, root);
    await fill(root, { path: below, query, signal });
  } catch (error) {
    if (signal.aborted) return;
    sayFailure(root, error, signal);
    ready = 'failed';
  }
  if (signal.aborted) return;
  view.setAttribute('aria-busy', 'false');
  document.body.dataset.ready = ready;
  // A reader of the screen hears where the link led to.
  const heading = root.querySelector('h1');
  if (heading && document.activeElement === view) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
}

async function load(name) {
  try {
    return await VIEWS[name]();
  } catch (error) {
    console.info(error);
    throw new ApiError(0, 'The server does not answer: this part of the page is not there yet', null);
  }
}

/** What an address shows that names no view. */
const unknown = (name) => ({
  title: 'Not found',
  show: (root) => replace(root, h('h1', {}, 'Not found'),
    h('p', {}, `The page has no part named “${name}”. `, h('a', { href: '#/prices' }, 'Go to Prices'), ', or choose another one above.')),
});

/** In the place of a view that could not be shown; it is tried again when the server is back. */
function sayFailure(root, error, signal) {
  console.info(error);
  replace(view, replace(root, h('h1', {}, place().below[0] || 'This view cannot be shown'),
    h('p', { class: 'refusal', role: 'alert' }, errorText(error)),
    h('p', {}, h('button', { type: 'button', onclick: () => location.reload() }, 'Try again'))));
  if (error.status === 0) listen('connected', show, signal);
}

/** Changes the address of the view that is shown, so that it can be linked, without showing it anew. */
export function setQuery(values) {
  const [path, query] = (location.hash || '#/prices').split('?');
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(values)) {
    if (value == null || value === '') next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  history.replaceState(null, '', text ? `${path}?${text}` : path);
}

const connection = document.getElementById('connection');
function showConnection() {
  const words = { connecting: '◌ Connecting', live: '● Live', lost: '○ Not connected: trying again' };
  setText(connection, words[liveState()]);
  connection.dataset.state = liveState();
}

const badge = document.getElementById('health');
const HEALTH = { healthy: ['✓', 'healthy'], degraded: ['!', 'degraded'], unhealthy: ['✕', 'unhealthy'] };
function showHealth(status) {
  const [sign, word] = HEALTH[status] ?? ['?', 'no answer'];
  // Said again only when it changed: it is read aloud.
  if (badge.dataset.state === (status ?? 'unknown')) return;
  badge.dataset.state = status ?? 'unknown';
  replace(badge, `${sign} `, h('span', { class: 'wide' }, 'Database '), word);
}

async function askHealth() {
  try {
    const { status } = await get('api/health/database');
    showHealth(status);
  } catch (error) {
    showHealth(error.status === 503 ? 'unhealthy' : null);
  }
}

const zone = document.getElementById('zone');
function showZone() {
  setText(zone, usesLocalTime() ? zoneName() : 'UTC');
  zone.setAttribute('aria-label', usesLocalTime()
    ? `Times are those of ${zoneName()}; show UTC`
    : 'Times are in UTC; show local times');
}
zone.addEventListener('click', () => {
  setLocalTime(!usesLocalTime());
  showZone();
});

addEventListener('hashchange', () => {
  scrollTo(0, 0);
  view.focus({ preventScroll: true });
  show();
});
listen('state', showConnection);
listen('database_performance', ({ status }) => showHealth(status));
// The WebSocket tells of the database while it is there; a lost one may mean anything.
listen('state', (state) => state !== 'live' && askHealth());
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  view.focus();
});

showZone();
showConnection();
connect();
askHealth();
show();
