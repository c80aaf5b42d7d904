// The frame of the page: which view an address shows, the state of the connection and of the database.

import { get } from './api.js';
import { replace, h, sayError, setText } from './dom.js';
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
};

const view = document.getElementById('view');
let shown = new AbortController();

async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/').map(decodeURIComponent);
  const known = Object.hasOwn(VIEWS, name) ? name : 'prices';
  for (const link of document.querySelectorAll('nav a')) {
    const isHere = link.hash === `#/${known}` || (known === 'instrument' && link.hash === '#/prices');
    if (isHere) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  delete document.body.dataset.ready;
  try {
    const { title, show: fill } = await VIEWS[known]();
    if (signal.aborted) return;
    const heading = rest[0] ?? title;
    document.title = `${heading} · tickbase`;
    const root = h('div', { class: `view ${known}` });
    replace(view, root);
    await fill(root, { path: rest, query: new URLSearchParams(query), signal });
    if (!signal.aborted) document.body.dataset.ready = known;
  } catch (error) {
    if (signal.aborted) return;
    sayError(error);
    document.body.dataset.ready = 'failed';
  }
}

/** Changes the address of the view that is shown, so that it can be linked, without showing it anew. */
export function setQuery(values) {
  const [path, query] = location.hash.split('?');
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === '') next.delete(name);
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
function showHealth(status) {
  const words = { healthy: '✓ Database healthy', degraded: '! Database degraded', unhealthy: '✕ Database unhealthy' };
  setText(badge, words[status] ?? '? Database: no answer');
  badge.dataset.state = status ?? 'unknown';
}

async function askHealth() {
  try {
    const { status } = await get('api/health');
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
