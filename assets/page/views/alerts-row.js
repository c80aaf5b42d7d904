// A row of the view of alerts: what fired, what became of its delivery, and what may be done with it.

import { h, replace } from '../dom.js';
import { age, clock, count, date, dateTime, millis, price, usesLocalTime } from '../format.js';

/** States of an alert's delivery over all channels: sign, words, class. */
export const DELIVERY = {
  pending: ['…', 'Waiting', 'faint'],
  all_delivered: ['✓', 'Delivered', 'up'],
  failed: ['✕', 'Given up', 'down'],
  silenced: ['–', 'Silenced', 'faint'],
  in_app_sent: ['✓', 'Shown in the application', 'up'],
  sound_played: ['✓', 'A sound was played', 'up'],
  slack_sent: ['✓', 'Sent to Slack', 'up'],
};

/** States of it on one channel. */
const CHANNEL = [
  ['dead', '✕', 'given up', 'down'],
  ['failed', '↻', 'trying again', 'warn'],
  ['pending', '…', 'waiting', 'faint'],
  ['delivered', '✓', 'delivered', 'up'],
];

/** Percent, volume or price, by what the rule compares. */
function value(of, condition, places) {
  if (of === null || of === undefined) return '–';
  if (condition.startsWith('percent_change')) return `${of} %`;
  return condition === 'volume_above' ? count(of) : price(of, places);
}

/** A moment of today by its clock alone, any other one with its day. */
const moment = (at) => (date(at) === date(Date.now()) ? clock(at) : dateTime(at));

export class AlertRow {
  constructor(actions) {
    this.actions = actions;
    this.element = h('tr');
    this.shown = null;
  }

  /** Shows an alert; nothing is done when it is shown so already. */
  draw(alert, places, silences, isDead) {
    const silence = silences.find((it) => it.id === alert.silence_id);
    const shown = JSON.stringify([alert, places, silence, isDead, usesLocalTime()]);
    if (shown === this.shown) return;
    // A row that was there is not new, and the one who uses it goes on from where they were.
    const used = this.element.contains(document.activeElement) && document.activeElement.dataset.act;
    this.element.classList.toggle('fresh', this.shown === null && alert.deliveries === null);
    this.shown = shown;
    const { rule_condition: condition, alert_message: text } = alert;
    // The rule's name stands below.
    const prefix = `Alert: ${alert.rule_name} - `;
    replace(this.element,
      h('td', { class: 'time' }, h('time', { datetime: alert.timestamp }, dateTime(alert.timestamp))),
      h('th', { scope: 'row', class: 'symbol' }, h('a', { href: `#/instrument/${encodeURIComponent(alert.instrument_symbol)}` }, alert.instrument_symbol)),
      h('td', { class: 'what' }, text.startsWith(prefix) ? text.slice(prefix.length) : text,
        h('small', {}, alert.rule_name ?? `rule ${alert.rule_id}`, alert.fired_status !== 'fired' && ` · ${alert.fired_status}`)),
      h('td', { class: 'value number' }, value(alert.trigger_value, condition, places)),
      h('td', { class: 'threshold number' }, value(alert.threshold_value, condition, places)),
      h('td', { class: 'delivery' }, this.delivery(alert, silence, isDead)),
      h('td', { class: 'seen' }, alert.acknowledged_at
        ? [h('span', { class: 'up' }, '✓ '), alert.acknowledged_by, h('small', {}, moment(alert.acknowledged_at), alert.acknowledgement_note && ` · ${alert.acknowledgement_note}`)]
        : this.button('acknowledge', 'Acknowledge', alert)),
      h('td', { class: 'acts' }, this.button('silence', 'Silence', alert), this.button('remove', 'Delete', alert)));
    if (used) this.element.querySelector(`[data-act="${used}"]`)?.focus();
  }

  button(act, label, alert) {
    return h('button', {
      type: 'button', class: 'small', data: { act }, onclick: () => this.actions[act](alert),
      'aria-label': `${label} alert ${alert.id}`,
    }, label);
  }

  /** Channels by their state; who opens one sees why, how often and when. */
  delivery(alert, silence, isDead) {
    const all = alert.deliveries ?? [];
    if (all.length === 0) {
      const [sign, words, kind] = DELIVERY[alert.delivery_status] ?? ['?', alert.delivery_status];
      return h('span', { class: kind }, `${sign} ${words}`, silence && ` until ${moment(silence.until)}`);
    }
    return CHANNEL.map(([status, sign, words, kind]) => {
      const those = all.filter((it) => it.status === status);
      return those.length > 0 && h('details', { open: isDead && status === 'dead' },
        h('summary', { class: kind }, `${sign} ${words}: ${those.map((it) => it.channel).join(', ')}`),
        those.map((it) => h('small', {}, h('b', {}, it.channel), status !== 'delivered' && it.last_error && `: ${it.last_error}`,
          ` · ${it.attempts === 1 ? '1 attempt' : `${count(it.attempts)} attempts`}`,
          it.completed_at ? ` · ${moment(it.completed_at)}` : it.next_attempt_at && ` · next ${moment(it.next_attempt_at)}`)),
        status === 'dead' && this.button('resend', 'Send again', alert));
    });
  }
}

/** A silence in the list of those in force. `alerts` know the names of some rules. */
export function silenceItem(it, symbols, alerts, onend) {
  const of = alerts.find((alert) => alert.rule_id === it.rule_id);
  const subject = it.rule_id === null
    ? `${symbols.get(it.instrument_id) ?? `instrument ${it.instrument_id}`}, all rules`
    : `Rule ${of?.rule_name ?? it.rule_id}${of ? ` of ${of.instrument_symbol}` : ''}`;
  // The time that is left is the age of now, seen from the end.
  return h('li', {}, h('strong', {}, subject),
    h('span', {}, `until ${moment(it.until)} (${age(Date.now(), millis(it.until))} left)`),
    h('span', { class: 'faint' }, `by ${it.created_by}`, it.reason && `: ${it.reason}`),
    h('button', { type: 'button', class: 'small', onclick: onend, 'aria-label': `End the silence of ${subject}` }, 'End it'));
}
