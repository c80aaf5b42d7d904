// The view of alerts: newest first and live, with what became of each, and what is silenced.

import { call, del, get, instruments, post } from '../api.js';
import { download, field, h, replace, say, sayError, select, setText } from '../dom.js';
import { count, duration } from '../format.js';
import { keepRead, listen } from '../live.js';
import { setQuery } from '../main.js';
import { acknowledge, endSilence, silence } from './alerts-dialogs.js';
import { AlertRow, DELIVERY, silenceItem } from './alerts-row.js';

export const title = 'Alerts';

const PAGE = 50;
/** Alerts that the page keeps; older ones are in the export. */
const KEPT_MAX = 500;
const DRAW_MS = 250;
/** Between two looks at deliveries that are under way: nothing tells of them. It doubles. */
const LOOK_MIN_MS = 2_000;
const LOOK_MAX_MS = 30_000;
/** How long ends of silences are shown without looking at the clock. */
const CLOCK_MS = 15_000;

const HEADS = [['time', 'Time'], ['symbol', 'Symbol'], ['what', 'Alert'], ['value number', 'Value'],
  ['threshold number', 'Threshold'], ['delivery', 'Delivery'], ['seen', 'Acknowledged'], ['acts', 'Actions']];

export async function show(root, { query, signal }) {
  const all = await instruments();
  const places = new Map(all.map((it) => [it.id, it.price_decimals]));
  const symbols = new Map(all.map((it) => [it.id, it.symbol]));
  const filters = Object.fromEntries(['instrument', 'delivery', 'from', 'to', 'view'].map((name) => [name, query.get(name) ?? '']));
  const isDead = () => filters.view === 'dead';
  const instrument = () => all.find((it) => it.symbol === filters.instrument);

  let list = [];
  let rows = new Map();
  let silences = [];
  let cursor = null;
  let total = 0;
  let isKnown = false;
  let asked = 0;
  let look = null;
  let lookMs = LOOK_MIN_MS;
  let want = () => {};
  const noted = new Map();

  const parameters = () => ({
    // A symbol that there is not has no alerts.
    instrument_id: filters.instrument && (instrument()?.id ?? 0),
    delivery_status: isDead() ? 'failed' : filters.delivery,
    start_date: filters.from,
    end_date: filters.to,
  });

  const change = (name) => (value) => {
    filters[name] = value;
    setQuery({ [name]: value });
    list = [];
    read().catch(sayError);
  };
  const act = (run) => () => run().catch(sayError);

  const dead = h('button', { type: 'button', class: 'dead', onclick: () => change('view')(isDead() ? '' : 'dead') }, 'Given up');
  const delivery = select([['', 'Any'], ...Object.entries(DELIVERY).map(([value, [, word]]) => [value, word])], filters.delivery, change('delivery'));
  const deliveryField = field('Delivery', delivery);
  const from = h('input', { type: 'date', value: filters.from, onchange: () => change('from')(from.value) });
  const to = h('input', { type: 'date', value: filters.to, onchange: () => change('to')(to.value) });
  const which = select([['', 'All'], ...all.map((it) => it.symbol)], filters.instrument, change('instrument'));
  const matching = h('span', { class: 'faint', role: 'status' });
  const figures = h('dl', { class: 'figures' });
  const silent = h('section', { class: 'panel silences', 'aria-label': 'Silences', hidden: true });
  const resend = h('p', { class: 'tools again', hidden: true });
  const body = h('tbody');
  const table = h('table', {}, h('caption', { class: 'said' }, 'Alerts, newest first'),
    h('thead', {}, h('tr', {}, HEADS.map(([name, label]) => h('th', { scope: 'col', class: name }, label)))), body);
  const empty = h('div', { class: 'empty', hidden: true });
  const older = h('button', { type: 'button', onclick: act(readOlder) }, 'Load older');
  const end = h('p', { class: 'end' }, older);

  replace(root,
    h('div', { class: 'tools top' }, h('h1', {}, title), matching,
      h('button', { type: 'button', onclick: () => actions.silence() }, 'Silence…'),
      h('button', { type: 'button', onclick: act(exportAll) }, 'Export CSV')),
    figures, silent,
    h('div', { class: 'tools' },
      field('Instrument', which), deliveryField, field('From day, UTC', from), field('To day, UTC', to), dead),
    resend, h('div', { class: 'board' }, table, empty), end);

  async function read() {
    const mine = ++asked;
    const per_page = Math.min(KEPT_MAX, Math.max(PAGE, list.length));
    const options = (more) => ({ signal, parameters: more });
    const [page, stats, given, current] = await Promise.all([
      get('api/alerts', options({ ...parameters(), per_page, with_deliveries: true })),
      get('api/alerts/stats', { signal }),
      get('api/alerts', options({ delivery_status: 'failed', per_page: 1 })),
      get('api/alerts/silences', { signal }),
    ]);
    if (mine !== asked || signal.aborted) return;
    list = page.alerts;
    cursor = page.next_cursor;
    total = page.total;
    silences = current;
    isKnown = true;
    drawFigures(stats);
    setText(dead, `Given up (${count(given.total)})`);
    drawAll();
    lookAgain();
  }

  async function readOlder() {
    const mine = asked;
    const per_page = Math.min(PAGE, KEPT_MAX - list.length);
    const page = await get('api/alerts', { signal, parameters: { ...parameters(), per_page, cursor, with_deliveries: true } });
    if (mine !== asked) return;
    const known = new Set(list.map((it) => it.id));
    list.push(...page.alerts.filter((it) => !known.has(it.id)));
    cursor = page.next_cursor;
    drawAll();
  }

  /** Deliveries that are under way are looked at again, ever more rarely. */
  function lookAgain() {
    clearTimeout(look);
    if (!list.some((it) => it.delivery_status === 'pending')) return;
    look = setTimeout(() => want(), lookMs);
    lookMs = Math.min(LOOK_MAX_MS, lookMs * 2);
  }

  function drawAll() {
    dead.setAttribute('aria-pressed', isDead());
    deliveryField.hidden = isDead();
    setText(matching, total === 1 ? '1 alert' : `${count(total)} alerts`);
    drawSilences();
    drawResend();
    drawRows();
    drawEnd();
  }

  function drawRows() {
    const before = rows;
    rows = new Map();
    let next = body.firstChild;
    for (const alert of list) {
      const row = before.get(alert.id) ?? new AlertRow(actions);
      rows.set(alert.id, row);
      row.draw(alert, places.get(alert.instrument_id), silences, isDead());
      if (row.element === next) next = next.nextSibling;
      else body.insertBefore(row.element, next);
    }
    for (const [id, row] of before) if (!rows.has(id)) row.element.remove();
  }

  function drawEnd() {
    table.hidden = list.length === 0;
    empty.hidden = list.length > 0;
    const isFull = list.length >= KEPT_MAX;
    replace(end, cursor && !isFull && older,
      isFull && `The newest ${count(KEPT_MAX)} are shown. Choose days to see older ones, or export them all.`);
    if (list.length) return;
    const isFiltered = filters.instrument || filters.from || filters.to || (filters.delivery && !isDead());
    replace(empty, isFiltered
      ? ['No alert passes these filters. ', h('a', { href: '#/alerts' }, 'Show all')]
      : isDead()
        ? 'No delivery was given up: every alert has arrived or is still being sent.'
        : ['No alerts yet: rules make them. Choose an instrument in ', h('a', { href: '#/prices' }, 'Prices'), ' and add a rule to it.']);
  }

  function drawFigures(stats) {
    const most = (counts) => Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, 4)
      .map(([name, of]) => `${name.replaceAll('_', ' ')} ${count(of)}`).join(' · ') || '–';
    const pairs = [
      ['Today, UTC', count(stats.total_alerts_today)],
      ['Last 7 days', count(stats.total_alerts_this_week)],
      ['By instrument', most(stats.alerts_by_instrument)],
      ['By type of rule', most(stats.alerts_by_rule_type)],
      ['Evaluation, mean', duration(stats.avg_evaluation_time_ms)],
      ['Slowest', duration(stats.slowest_evaluation_ms)],
    ];
    replace(figures, pairs.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
  }

  function drawSilences() {
    const now = Date.now();
    const current = silences.filter((it) => Date.parse(it.until) > now);
    silent.hidden = current.length === 0;
    replace(silent, h('h2', {}, `Silences (${current.length})`),
      h('ul', {}, current.map((it) => silenceItem(it, symbols, list, () => endSilence(it, want, signal)))));
  }

  function drawResend() {
    const channels = new Set(list.flatMap((it) => it.deliveries ?? []).filter((it) => it.status === 'dead').map((it) => it.channel));
    resend.hidden = !isDead() || channels.size === 0;
    const send = (channel) => act(async () => {
      const { resent } = await post('api/alerts/deliveries/resend', { parameters: { channel } });
      saySent(resent);
    });
    replace(resend, h('span', { class: 'faint' }, 'Once the receiver is mended, send again'),
      h('button', { type: 'button', onclick: send() }, 'All'),
      [...channels].sort().map((channel) => h('button', { type: 'button', onclick: send(channel) }, `All of ${channel}`)));
  }

  function saySent(resent) {
    say(resent === 1 ? '1 delivery is being sent again.' : `${count(resent)} deliveries are being sent again.`);
    lookMs = LOOK_MIN_MS;
    want();
  }

  const actions = {
    acknowledge: (alert) => acknowledge(alert, (seen) => update(seen), signal),
    silence: (alert) => silence(alert, all, () => want(), signal),
    resend: (alert) => act(async () => saySent((await post(`api/alerts/${alert.id}/deliveries/resend`, { body: {} })).resent))(),
    remove: (alert) => act(async () => {
      await del(`api/alerts/${alert.id}`);
      list = list.filter((it) => it.id !== alert.id);
      total -= 1;
      drawAll();
      const run = act(async () => {
        await post(`api/alerts/${alert.id}/restore`);
        want();
      });
      say(`The alert of ${alert.instrument_symbol} was deleted.`, 'done', { label: 'Undo', run });
    })(),
  };

  async function exportAll() {
    const response = await call('GET', 'api/alerts/export', { signal, parameters: parameters() });
    download('alerts.csv', await response.blob());
  }

  function update(seen) {
    const index = list.findIndex((it) => it.id === seen.id);
    if (index < 0) return;
    list[index] = { ...list[index], ...seen };
    drawRows();
  }

  /** Whether an alert that just fired is one of those that are shown. */
  function passes(alert) {
    const { instrument, from: first, to: last } = filters;
    const { delivery_status } = parameters();
    const day = alert.timestamp.slice(0, 10);
    return (!instrument || instrument === alert.instrument_symbol) && (!delivery_status || delivery_status === alert.delivery_status)
      && (!first || day >= first) && (!last || day <= last);
  }

  listen('alert_fired', (data) => {
    const alert = { deliveries: null, silence_id: null, acknowledged_at: null };
    // Names of messages are those of the API in another case.
    for (const [name, value] of Object.entries(data)) alert[name.replace(/[A-Z]/g, (it) => `_${it.toLowerCase()}`)] = value;
    alert.id = alert.alert_id;
    noted.set(alert.id, alert);
    if (noted.size > KEPT_MAX) noted.delete(noted.keys().next().value);
  }, signal);
  listen('alert_acknowledged', (data) => update({
    id: data.alertId,
    acknowledged_at: data.acknowledgedAt,
    acknowledged_by: data.acknowledgedBy,
    acknowledgement_note: data.acknowledgementNote,
  }), signal);

  const timers = [
    setInterval(() => {
      if (noted.size === 0 || !isKnown || document.hidden) return;
      const known = new Set(list.map((it) => it.id));
      const fresh = [...noted.values()].filter((it) => !known.has(it.id) && passes(it));
      noted.clear();
      if (fresh.length === 0) return;
      total += fresh.length;
      list = [...fresh, ...list]
        .sort((a, b) => (a.timestamp === b.timestamp ? b.id - a.id : a.timestamp < b.timestamp ? 1 : -1))
        .slice(0, KEPT_MAX);
      drawAll();
      lookMs = LOOK_MIN_MS;
      lookAgain();
    }, DRAW_MS),
    setInterval(() => document.hidden || silences.length === 0 || drawSilences(), CLOCK_MS),
  ];
  signal.addEventListener('abort', () => {
    timers.forEach(clearInterval);
    clearTimeout(look);
  });
  addEventListener('zone', drawAll, { signal });

  want = await keepRead(read, signal, ['connected']);
}
