// The dialogs of the view of alerts: to acknowledge one, to silence a rule or an instrument, to end that.

import { del, post, token } from '../api.js';
import { field, formDialog, h, say, select } from '../dom.js';
import { dateTime, usesLocalTime, zoneName } from '../format.js';

const NAME_KEY = 'tickbase.name';
const LASTS = [[900, '15 minutes'], [3_600, '1 hour'], [28_800, '8 hours'], [86_400, '1 day'], ['', 'Until a moment']];

/** Asks who does it, and remembers the answer; with a token the server knows. */
function whoField() {
  if (token()) return [null, () => undefined];
  const input = h('input', { required: true, maxlength: 100, autocomplete: 'name', value: localStorage.getItem(NAME_KEY) ?? '' });
  return [field('Your name', input), () => {
    localStorage.setItem(NAME_KEY, input.value);
    return input.value;
  }];
}

/** Notes down who has seen an alert; `onseen` is told what is new of it. */
export function acknowledge(alert, onseen, signal) {
  const note = h('textarea', { rows: 2, maxlength: 1000, autofocus: true });
  const [who, by] = whoField();
  formDialog('Acknowledge', [
    h('p', {}, `${alert.instrument_symbol} · ${alert.alert_message}`), field('Note, if there is something to say', note), who,
  ], 'Acknowledge', async () => {
    onseen(await post(`api/alerts/${alert.id}/acknowledge`, { body: { by: by(), note: note.value || undefined } }));
  }, signal);
}

/** Silences the rule or the instrument of an alert, or what is chosen when there is none. */
export function silence(alert, instruments, rules, onsilenced, signal) {
  const option = (name, id, label) => h('option', { value: `${name}=${id}` }, label);
  const subject = h('select', { autofocus: true }, alert
    ? [option('rule_id', alert.rule_id, `Rule ${alert.rule_name ?? alert.rule_id}`),
      option('instrument_id', alert.instrument_id, `${alert.instrument_symbol}, all rules`)]
    : [h('optgroup', { label: 'All rules of an instrument' }, instruments.map((it) => option('instrument_id', it.id, it.symbol))),
      h('optgroup', { label: 'One rule' }, rules.map((it) => option('rule_id', it.id, `${it.instrument_symbol} · ${it.name ?? it.id}`)))]);
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
    field('What', subject, 'What it fires is stored and shown here; it goes to no channel, not when the silence ends either.'),
    h('div', { class: 'pair' }, field('For', lasts), untilField), field('Reason, if there is one to tell', reason), who,
  ], 'Silence it', async () => {
    const [name, id] = subject.value.split('=');
    const end = lasts.value
      ? { for_seconds: Number(lasts.value) }
      : { until: usesLocalTime() ? new Date(until.value).toISOString() : `${until.value}Z` };
    const body = { [name]: Number(id), ...end, by: by(), reason: reason.value || undefined };
    const added = await post('api/alerts/silences', { body });
    say(`Silent until ${dateTime(added.until)}.`);
    onsilenced();
  }, signal);
}

/** Ends a silence before its time. */
export function endSilence(it, onended, signal) {
  const [who, by] = whoField();
  formDialog('End the silence', [h('p', {}, 'What fires from then on is delivered again.'), who], 'End it', async () => {
    await del(`api/alerts/silences/${it.id}`, { parameters: { by: by() }, signal });
    say('The silence has ended.');
    onended();
  }, signal);
}
