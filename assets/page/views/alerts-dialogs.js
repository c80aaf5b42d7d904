// The dialogs of the view of alerts: to acknowledge one, to silence a rule or an instrument, to end that.

import { del, get, post, token } from '../api.js';
import { field, formDialog, h, say, sayError, select } from '../dom.js';
import { dateTime, usesLocalTime, zoneName } from '../format.js';

const NAME_KEY = 'tickbase.name';
const RULES_MAX = 10_000;
const LASTS = [[900, '15 minutes'], [3_600, '1 hour'], [28_800, '8 hours'], [86_400, '1 day'], ['', 'Until a moment']];

/** Asks who does it, and remembers the answer; with a token the server knows. */
function whoField() {
  const input = h('input', { required: true, maxlength: 100, autocomplete: 'name', value: localStorage.getItem(NAME_KEY) ?? '' });
  const isAsked = !token();
  return [isAsked && field('Your name', input), () => {
    if (!isAsked) return undefined;
    localStorage.setItem(NAME_KEY, input.value.trim());
    return input.value.trim();
  }];
}

/** Notes down who has seen an alert; `onseen` is told the alert as it is then. */
export function acknowledge(alert, onseen, signal) {
  const note = h('textarea', { rows: 2, maxlength: 1000, autofocus: true });
  const [who, by] = whoField();
  formDialog('Acknowledge', [
    h('p', {}, `${alert.instrument_symbol} · ${alert.alert_message}`),
    field('Note, if there is something to say', note),
    who,
  ], 'Acknowledge', async () => {
    const body = { by: by() };
    if (note.value.trim()) body.note = note.value.trim();
    const seen = await post(`api/alerts/${alert.id}/acknowledge`, { body });
    // A list that has them knows more of the deliveries than this answer.
    const { id, acknowledged_at, acknowledged_by, acknowledgement_note } = seen;
    onseen({ id, acknowledged_at, acknowledged_by, acknowledgement_note });
    if (body.by && acknowledged_by !== body.by) say(`${acknowledged_by} had acknowledged it before.`);
  }, signal);
}

/** Silences the rule or the instrument of an alert, or what is chosen when there is none. */
export async function silence(alert, instruments, onsilenced, signal) {
  let groups;
  if (alert) {
    groups = [option('rule_id', alert.rule_id, `Rule ${alert.rule_name ?? alert.rule_id}`),
      option('instrument_id', alert.instrument_id, `${alert.instrument_symbol}, all rules`)];
  } else {
    let rules;
    try {
      rules = await get('api/rules', { parameters: { limit: RULES_MAX }, signal });
    } catch (error) {
      return sayError(error);
    }
    groups = [h('optgroup', { label: 'All rules of an instrument' }, instruments.map((it) => option('instrument_id', it.id, it.symbol))),
      h('optgroup', { label: 'One rule' }, rules.map((it) => option('rule_id', it.id, `${it.instrument_symbol} · ${it.name ?? it.condition ?? it.id}`)))];
  }
  const subject = h('select', { autofocus: true }, groups);
  const until = h('input', { type: 'datetime-local' });
  const untilField = field(`Moment, ${zoneName()}`, until);
  untilField.hidden = true;
  const lasts = select(LASTS, 3_600, (chosen) => {
    untilField.hidden = chosen !== '';
    until.required = chosen === '';
  });
  const reason = h('input', { maxlength: 500 });
  const [who, by] = whoField();
  formDialog('Silence', [
    field('What', subject, 'What it fires is stored and shown here, and goes to no channel, later neither.'),
    h('div', { class: 'pair' }, field('For', lasts), untilField),
    field('Reason, if there is one to tell', reason),
    who,
  ], 'Silence it', async () => {
    const [name, id] = subject.value.split('=');
    const body = { [name]: Number(id), by: by() };
    if (lasts.value) body.for_seconds = Number(lasts.value);
    else body.until = usesLocalTime() ? new Date(until.value).toISOString() : `${until.value}Z`;
    if (reason.value.trim()) body.reason = reason.value.trim();
    const added = await post('api/alerts/silences', { body });
    say(`Silent until ${dateTime(added.until)}.`);
    onsilenced();
  }, signal);
}

const option = (name, id, label) => h('option', { value: `${name}=${id}` }, label);

/** Ends a silence before its time. */
export function endSilence(it, onended, signal) {
  const [who, by] = whoField();
  const end = async () => {
    await del(`api/alerts/silences/${it.id}`, { parameters: { by: by() }, signal });
    say('The silence has ended: what fires from now on is delivered.');
    onended();
  };
  if (!who || localStorage.getItem(NAME_KEY)) return end().catch(sayError);
  return formDialog('End the silence', who, 'End it', end, signal);
}
