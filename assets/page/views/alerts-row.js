// A row of the view of alerts: what fired, what became of its delivery, and what may be done with it.

import { button, h, replace, sayError } from '../dom.js';
import { age, count, counted, dateTime, dayClock as moment, millis, price, usesLocalTime } from '../format.js';

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
const CHANNEL = {
  dead: ['✕', 'given up', 'down'],
  failed: ['↻', 'trying again', 'warn'],
  pending: ['…', 'waiting', 'faint'],
  delivered: ['✓', 'delivered', 'up'],
};

/** Percent, volume or price, by what the rule compares. */
function value(of, condition, places) {
  if (of === null) return '–';
  if (condition.startsWith('percent_change')) return `${of} %`;
  return condition === 'volume_above' ? count(of) : price(of, places);
}

export class AlertRow {
  element = h('tr');

  constructor(actions) {
    this.actions = actions;
  }

  /** Shows an alert; nothing is done when it is shown so already. */
  draw(alert, places, silence, isDead) {
    const shown = JSON.stringify([alert, places, silence, isDead, usesLocalTime()]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.alert = alert;
    const { rule_condition: condition, alert_message: text, instrument_symbol: symbol } = alert;
    // The rule's name stands below.
    const prefix = `Alert: ${alert.rule_name} - `;
    const note = alert.acknowledgement_note;
    const used = this.element.contains(document.activeElement) && document.activeElement.dataset.act;
    this.element.className = alert.isFresh ? 'fresh' : '';
    replace(this.element,
      h('td', { class: 'time' }, dateTime(alert.timestamp)),
      h('th', { scope: 'row', class: 'symbol' }, h('a', { href: `#/instrument/${encodeURIComponent(symbol)}` }, symbol)),
      h('td', { class: 'what' }, text.startsWith(prefix) ? text.slice(prefix.length) : text,
        h('small', {}, alert.rule_name ?? `rule ${alert.rule_id}`, alert.fired_status !== 'fired' && ` · ${alert.fired_status}`)),
      h('td', { class: 'value number' }, value(alert.trigger_value, condition, places)),
      h('td', { class: 'threshold number' }, value(alert.threshold_value, condition, places)),
      h('td', { class: 'delivery' }, this.delivery(silence, isDead)),
      h('td', { class: 'seen' }, alert.acknowledged_at
        ? [h('span', { class: 'up' }, '✓ '), alert.acknowledged_by, h('small', {}, moment(alert.acknowledged_at), note && ` · ${note}`)]
        : this.button('acknowledge', 'Acknowledge')),
      h('td', { class: 'acts' }, this.button('silence', 'Silence'), this.button('remove', 'Delete')));
    // Who uses a row goes on from where they were.
    if (used) this.element.querySelector(`[data-act="${used}"]`)?.focus();
  }

  button(act, label) {
    return button(label, () => this.actions[act](this.alert).catch(sayError), { class: 'small', data: { act }, 'aria-label': `${label} alert ${this.alert.id}` });
  }

  /** Channels by their state; who opens one sees why, how often and when. */
  delivery(silence, isDead) {
    const { deliveries, delivery_status } = this.alert;
    if (!deliveries?.length) {
      const [sign, words, kind] = DELIVERY[delivery_status];
      return h('span', { class: kind }, `${sign} ${words}`, silence && ` until ${moment(silence.until)}`);
    }
    return Object.entries(CHANNEL).map(([status, [sign, words, kind]]) => {
      const those = deliveries.filter((it) => it.status === status);
      return those.length > 0 && h('details', { open: isDead && status === 'dead' },
        h('summary', { class: kind }, `${sign} ${words}: ${those.map((it) => it.channel).join(', ')}`),
        those.map((it) => h('small', {}, h('b', {}, it.channel), status !== 'delivered' && it.last_error && `: ${it.last_error}`,
          ` · ${counted(it.attempts, 'attempt')}`,
          it.completed_at ? ` · ${moment(it.completed_at)}` : ` · next ${moment(it.next_attempt_at)}`)),
        status === 'dead' && this.button('resend', 'Send again'));
    });
  }
}

/** A silence in the list of those in force. */
export function silenceItem(it, instrument, rule, onend) {
  const subject = it.rule_id === null
    ? `${instrument?.symbol ?? `Instrument ${it.instrument_id}`}, all rules`
    : `Rule ${rule ? `${rule.name ?? rule.id} of ${rule.instrument_symbol}` : it.rule_id}`;
  // The time that is left is the age of now, seen from the end.
  return h('li', {}, h('strong', {}, subject), h('span', {}, `until ${moment(it.until)} (${age(Date.now(), millis(it.until))} left)`),
    h('span', { class: 'faint' }, `by ${it.created_by}`, it.reason && `: ${it.reason}`),
    button('End it', onend, { class: 'small', 'aria-label': `End it: the silence of ${subject}` }));
}
