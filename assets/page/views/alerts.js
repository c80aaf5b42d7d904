// The view of alerts: newest first and live, with what became of each, and what is silenced.

import { call, del, get, instruments, post } from '../api.js';
import { arrange, button, download, field, h, replace, say, sayError, select, setText, tableOf } from '../dom.js';
import { count, counted, duration } from '../format.js';
import { keepRead, listen } from '../live.js';
import { setQuery } from '../main.js';
import { acknowledge, endSilence, silence } from './alerts-dialogs.js';
import { AlertRow, DELIVERY, silenceItem } from './alerts-row.js';

export const title = 'Alerts';

const PAGE = 50;
/** Alerts that the page keeps; older ones are in the export. */
const KEPT_MAX = 500;
const RULES_MAX = 10_000;
const DRAW_MS = 250;
/** Between two looks at deliveries that are under way: nothing tells of them. */
const LOOK_MS = 4_000;
/** How long the time that silences have left is shown. */
const CLOCK_MS = 15_000;

const HEADS = [['time', 'Time'], ['symbol', 'Symbol'], ['what', 'Alert'], ['value number', 'Value'],
  ['threshold number', 'Threshold'], ['delivery', 'Delivery'], ['seen', 'Acknowledged'], ['acts', 'Actions']];
const FILTERS = ['instrument', 'delivery', 'from', 'to', 'view'];

export async function show(root, { query, signal }) {
  const all = await instruments();
  const known = new Map(all.map((it) => [it.id, it]));
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
  const noted = new Map();
  let list = [];
  let rows = new Map();
  let rules = [];
  let silences = [];
  let cursor = null;
  let total = 0;
  let asked = 0;
  let want = () => {};

  const isDead = () => filters.view === 'dead';
  const parameters = () => ({
    // A symbol that there is not has no alerts.
    instrument_id: filters.instrument && (all.find((it) => it.symbol === filters.instrument)?.id ?? 0),
    delivery_status: isDead() ? 'failed' : filters.delivery,
    start_date: filters.from,
    end_date: filters.to,
  });
  const ask = (path, more) => get(`api/${path}`, { signal, parameters: more });
  const act = (run) => () => run().catch(sayError);
  const change = (name) => (value) => {
    filters[name] = value;
    setQuery({ [name]: value });
    list = [];
    read().catch(sayError);
  };
  const day = (name, label) => field(label, h('input', { type: 'date', value: filters[name], onchange: (event) => change(name)(event.target.value) }));

  const states = Object.entries(DELIVERY).map(([value, [, words]]) => [value, words]);
  const delivery = field('Delivery', select([['', 'Any'], ...states], filters.delivery, change('delivery')));
  const dead = button('Given up', () => change('view')(isDead() ? '' : 'dead'), { class: 'dead' });
  const matching = h('span', { class: 'faint', role: 'status' });
  const figures = h('dl', { class: 'figures' });
  const silent = h('section', { class: 'panel silences', 'aria-label': 'Silences', hidden: true });
  const again = h('p', { class: 'tools again', hidden: true });
  const body = h('tbody');
  const table = tableOf('Alerts, newest first', HEADS, body);
  const empty = h('div', { class: 'empty', hidden: true });
  const older = button('Load older', act(readOlder));
  const end = h('p', { class: 'end' });
  replace(root,
    h('div', { class: 'tools top' }, h('h1', {}, title), matching,
      button('Silence…', act(() => actions.silence())), button('Export CSV', act(exportAll))),
    figures, silent,
    h('div', { class: 'tools' },
      field('Instrument', select([['', 'All'], ...all.map((it) => it.symbol)], filters.instrument, change('instrument'))),
      delivery, day('from', 'From day, UTC'), day('to', 'To day, UTC'), dead),
    again, h('div', { class: 'board' }, table, empty), end);

  async function read() {
    const mine = ++asked;
    const per_page = Math.min(KEPT_MAX, Math.max(PAGE, list.length));
    const [page, stats, given, current] = await Promise.all([
      ask('alerts', { ...parameters(), per_page, with_deliveries: true }),
      ask('alerts/stats'),
      ask('alerts', { delivery_status: 'failed', per_page: 1 }),
      ask('alerts/silences'),
    ]);
    // A silence knows its rule by number alone.
    if (current.some((it) => it.rule_id !== null)) await readRules();
    if (mine !== asked || signal.aborted) return;
    list = page.alerts;
    cursor = page.next_cursor;
    total = page.total;
    silences = current;
    drawFigures(stats);
    setText(dead, `Given up (${count(given.total)})`);
    drawAll();
  }

  const readRules = async () => (rules = await ask('rules', { limit: RULES_MAX }));

  async function readOlder() {
    const mine = asked;
    const per_page = Math.min(PAGE, KEPT_MAX - list.length);
    const page = await ask('alerts', { ...parameters(), per_page, cursor, with_deliveries: true });
    if (mine !== asked) return;
    list.push(...page.alerts.filter((it) => !rows.has(it.id)));
    cursor = page.next_cursor;
    drawAll();
  }

  function drawAll() {
    dead.setAttribute('aria-pressed', isDead());
    delivery.hidden = isDead();
    setText(matching, counted(total, 'alert'));
    redraw(silent, drawSilences);
    redraw(again, drawAgain);
    drawRows();
    const isFull = list.length >= KEPT_MAX;
    replace(end, cursor && !isFull && older,
      isFull && `The newest ${count(KEPT_MAX)} are shown. Choose days to see others, or export all.`);
    table.hidden = list.length === 0;
    empty.hidden = list.length > 0;
    if (list.length) return;
    if (['instrument', 'from', 'to', isDead() ? '' : 'delivery'].some((name) => filters[name])) {
      replace(empty, 'No alert passes these filters. ', h('a', { href: '#/alerts' }, 'Show all'));
    } else if (isDead()) setText(empty, 'No delivery was given up: every alert has arrived or is still being sent.');
    else replace(empty, 'No alerts yet: rules make them. Choose an instrument in ', h('a', { href: '#/prices' }, 'Prices'), ' and add a rule to it.');
  }

  /** Who used a part that is drawn anew goes on in it, or beside it. */
  function redraw(part, draw) {
    const isUsed = part.contains(document.activeElement);
    draw();
    if (isUsed && !part.contains(document.activeElement)) (part.hidden ? dead : part.querySelector('button')).focus();
  }

  function drawRows() {
    const before = rows;
    rows = new Map();
    for (const alert of list) {
      const row = before.get(alert.id) ?? new AlertRow(actions);
      rows.set(alert.id, row);
      row.draw(alert, known.get(alert.instrument_id)?.price_decimals, silences.find((it) => it.id === alert.silence_id), isDead());
    }
    for (const [id, row] of before) if (!rows.has(id)) row.element.remove();
    arrange(body, [...rows.values()].map((row) => row.element));
  }

  function drawFigures(stats) {
    const most = (counts) => Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, 4)
      .map(([name, of]) => `${name.replaceAll('_', ' ')} ${count(of)}`).join(' · ') || '–';
    const pairs = {
      'Today, UTC': count(stats.total_alerts_today),
      'Last 7 days': count(stats.total_alerts_this_week),
      'By instrument': most(stats.alerts_by_instrument),
      'By type of rule': most(stats.alerts_by_rule_type),
      'Evaluation, mean and slowest': `${duration(stats.avg_evaluation_time_ms)}, ${duration(stats.slowest_evaluation_ms)}`,
    };
    replace(figures, Object.entries(pairs).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
  }

  function drawSilences() {
    const current = silences.filter((it) => Date.parse(it.until) > Date.now());
    silent.hidden = current.length === 0;
    // Who is about to press a button keeps it.
    if (silent.contains(document.activeElement) && silent.querySelectorAll('li').length === current.length) return;
    replace(silent, h('h2', {}, `Silences (${current.length})`), h('ul', {}, current.map((it) =>
      silenceItem(it, known.get(it.instrument_id), rules.find(({ id }) => id === it.rule_id), () => endSilence(it, want, signal)))));
  }

  function drawAgain() {
    const given = list.flatMap((it) => it.deliveries ?? []).filter((it) => it.status === 'dead');
    const channels = [...new Set(given.map((it) => it.channel))].sort();
    again.hidden = !isDead() || given.length === 0;
    if (again.contains(document.activeElement) && again.children.length === channels.length + 2) return;
    const send = (label, channel) => button(label, act(() => resend('api/alerts/deliveries/resend', { parameters: { channel } })));
    replace(again, h('span', { class: 'faint' }, 'Once the receiver is mended, send again'), send('All'),
      channels.map((channel) => send(`All of ${channel}`, channel)));
  }

  async function resend(path, options) {
    const { resent } = await post(path, options);
    say(`Sending again: ${counted(resent, 'message')}.`);
    want();
  }

  async function remove({ id, instrument_symbol }) {
    await del(`api/alerts/${id}`);
    const { id: next } = list[list.findIndex((it) => it.id === id) + 1] ?? {};
    list = list.filter((it) => it.id !== id);
    total -= 1;
    drawAll();
    rows.get(next)?.element.querySelector('[data-act=remove]').focus();
    const run = act(async () => {
      await post(`api/alerts/${id}/restore`);
      want();
    });
    say(`The alert of ${instrument_symbol} was deleted.`, 'done', { label: 'Undo', run });
  }

  /** What a row may ask for, by the names of its buttons. */
  const actions = {
    acknowledge: async (alert) => acknowledge(alert, update, signal),
    silence: async (alert) => silence(alert, all, alert ? [] : await readRules(), () => want(), signal),
    resend: ({ id }) => resend(`api/alerts/${id}/deliveries/resend`),
    remove,
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
  function passes({ instrument_symbol, delivery_status, timestamp }) {
    const date = timestamp.slice(0, 10);
    const status = parameters().delivery_status;
    return [instrument_symbol, ''].includes(filters.instrument) && [delivery_status, ''].includes(status)
      && date >= filters.from && (!filters.to || date <= filters.to);
  }

  /** Messages name things as the API does, in another case. */
  const named = (data) => Object.fromEntries(Object.entries({ ...data, id: data.alertId })
    .map(([name, value]) => [name.replace(/[A-Z]/g, (it) => `_${it.toLowerCase()}`), value]));
  listen('alert_fired', (data) => {
    noted.set(data.alertId, { ...named(data), isFresh: true });
    if (noted.size > KEPT_MAX) noted.delete(noted.keys().next().value);
  }, signal);
  listen('alert_acknowledged', (data) => update(named(data)), signal);

  const timers = [
    setInterval(() => {
      if (noted.size === 0 || document.hidden) return;
      const fresh = [...noted.values()].filter((it) => !rows.has(it.id) && passes(it));
      noted.clear();
      if (fresh.length === 0) return;
      total += fresh.length;
      list = [...fresh, ...list]
        .sort((a, b) => (a.timestamp === b.timestamp ? b.id - a.id : a.timestamp < b.timestamp ? 1 : -1))
        .slice(0, KEPT_MAX);
      drawAll();
        }, DRAW_MS),
    setInterval(() => list.some((it) => it.delivery_status === 'pending') && want(), LOOK_MS),
    setInterval(() => silences.length > 0 && !document.hidden && redraw(silent, drawSilences), CLOCK_MS),
  ];
  signal.addEventListener('abort', () => timers.forEach(clearInterval));
  addEventListener('zone', drawAll, { signal });

  want = await keepRead(read, signal, ['connected']);
}
