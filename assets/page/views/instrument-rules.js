// The rules of an instrument: their table and their form, thresholds as lines that can be dragged, and replays.

import { del, get, post, put } from '../api.js';
import { button, field, h, replace, sayError, select, setText } from '../dom.js';
import { count, dateTime, price } from '../format.js';
import { iso } from './instrument-bars.js';

/** A line is taken within so many pixels. */
const NEAR = 6;
/** So many firings of a replay are told in words. */
const TOLD_MAX = 5;
const COLUMNS = ['Name', 'Type', 'Condition', 'Threshold', 'State', 'Last fired', 'Actions'];

/** Types of rules, with the conditions that fit them. */
const TYPES = {
  threshold: ['Threshold', ['above', 'below', 'equals']],
  crossover: ['Crossing', ['crosses_above', 'crosses_below']],
  rate_of_change: ['Rate of change', ['percent_change_up', 'percent_change_down']],
  volume_spike: ['Volume', ['volume_above']],
  multi_condition: ['Several conditions', []],
};
const CONDITIONS = {
  above: 'price is above',
  below: 'price is below',
  equals: 'price equals',
  crosses_above: 'price crosses upwards',
  crosses_below: 'price crosses downwards',
  percent_change_up: 'price rises by',
  percent_change_down: 'price falls by',
  volume_above: 'volume is above',
};
const isCrossing = (condition) => condition.startsWith('crosses');
const isPercent = (condition) => condition.startsWith('percent');

/** What a rule, or a part of its expression, waits for. */
function wordsOf({ condition, threshold, time_window_seconds: seconds, moving_average_period: period, expression, ...parts }) {
  if (!condition) {
    const { all, any } = expression ?? parts;
    return `${all ? 'all' : 'any'} of (${(all ?? any).map(wordsOf).join('; ')})`;
  }
  const words = CONDITIONS[condition];
  if (isPercent(condition)) return `${words} ${threshold} % within ${seconds} s`;
  if (isCrossing(condition) && period) return `${words} the mean of ${period} prices`;
  return `${words} ${threshold}${period && condition === 'volume_above' ? ` × the mean of ${period} volumes` : ''}`;
}

const nameOf = ({ id, name }) => name ?? `Rule ${id}`;
/** Whether the threshold is a price, which is a line in the chart. */
const hasLine = ({ condition, threshold, moving_average_period: period }) => (
  threshold !== null && (TYPES.threshold[1].includes(condition) || (isCrossing(condition ?? '') && !period)));
/** With the places of the instrument, or with those that it has, if they are more. */
const exact = (value, places) => ((String(value).split('.')[1] ?? '').length > places ? String(value) : price(value, places));
/** The fields that have a value. */
const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));

/** A form with the buttons of a rule. Where `save()` or `replay(result)` fail, it says why, and keeps what was typed. */
function actionForm(label, fields, { save, replay, cancel }) {
  const problem = h('p', { class: 'problem down', role: 'alert' });
  const result = h('div', { class: 'replayed', role: 'status' });
  const attempt = async (work) => {
    replace(problem);
    try {
      await work(result);
    } catch (error) {
      if (error.name !== 'AbortError') replace(problem, `✕ ${error.text ?? error.message}`);
    }
  };
  const onsubmit = (event) => {
    event.preventDefault();
    attempt(save);
  };
  return h('form', { class: 'panel', 'aria-label': label, onsubmit },
    fields, problem,
    h('div', { class: 'buttons' },
      h('button', { type: 'submit', class: 'main' }, 'Save'),
      button('What would have fired', () => attempt(replay)),
      button('Cancel', cancel)),
    result);
}

/** The controls of one condition. `read` gives what is filled in and belongs to the condition. */
function conditionFields(allowed, values, onremove) {
  const input = (label, name, properties) => {
    const control = h('input', { value: values[name] ?? '', autocomplete: 'off', oninput: arrange, ...properties });
    return { name, control, element: field(label, control) };
  };
  const which = select(allowed.map((name) => [name, CONDITIONS[name]]), values.condition, () => arrange());
  const threshold = input('Price', 'threshold', { inputmode: 'decimal', size: 12 });
  const seconds = input('Within seconds', 'time_window_seconds', { type: 'number', min: 1, max: 3600 });
  const period = input('Mean of', 'moving_average_period', { type: 'number', min: 1, max: 1000 });
  const inputs = [threshold, seconds, period];

  function arrange() {
    const { value: condition } = which;
    const isVolume = condition === 'volume_above';
    const hasMean = isVolume || isCrossing(condition);
    const isMean = hasMean && period.control.value !== '';
    seconds.element.hidden = !isPercent(condition);
    period.element.hidden = !hasMean;
    threshold.element.hidden = isMean && !isVolume;
    setText(threshold.element.firstChild, isPercent(condition) ? 'Percent' : !isVolume ? 'Price' : isMean ? 'Times the mean' : 'Volume');
    setText(period.element.firstChild, isVolume ? 'Mean of volumes (optional)' : 'Or mean of prices');
  }
  arrange();

  return {
    element: h('div', { class: 'tools condition' }, field('Condition', which), inputs.map(({ element }) => element),
      onremove && button('Take away', onremove)),
    read: () => ({
      condition: which.value,
      ...Object.fromEntries(inputs.filter(({ element, control }) => !element.hidden && control.value.trim())
        .map(({ name, control }) => [name, name === 'threshold' ? control.value.trim() : Number(control.value)])),
    }),
  };
}

/** The parts of an expression, joined by all or any. One that is nested is written as it is stored: as JSON. */
function expressionFields(expression) {
  const word = expression?.any ? 'any' : 'all';
  const parts = expression?.[word] ?? [{}, {}];
  if (parts.some(({ condition }) => !condition) && expression) {
    const text = h('textarea', { rows: 6, cols: 60, value: JSON.stringify(expression, null, 2) });
    return { element: field('Conditions as JSON', text), read: () => ({ expression: JSON.parse(text.value) }) };
  }
  const list = h('div');
  const rows = new Set();
  const add = (values) => {
    const row = conditionFields(Object.keys(CONDITIONS), values, () => {
      rows.delete(row);
      row.element.remove();
    });
    rows.add(row);
    list.append(row.element);
  };
  parts.forEach(add);
  const join = select([['all', 'all of these hold'], ['any', 'any of these holds']], word);
  return {
    element: h('div', {}, h('div', { class: 'tools' }, field('Fires when', join)), list, button('Add a condition', () => add({}))),
    read: () => ({ expression: { [join.value]: [...rows].map((row) => row.read()) } }),
  };
}

/** The form of a rule, or of a new one. `save` and `replay` are told the body for the API. */
function ruleForm(rule, { save, replay, cancel }) {
  const values = rule ?? { rule_type: 'threshold', cooldown_seconds: 60 };
  const name = h('input', { value: values.name ?? '', maxlength: 100, size: 24, autocomplete: 'off' });
  const cooldown = h('input', { value: values.cooldown_seconds, type: 'number', min: 0, max: 3600, required: true });
  const type = select(Object.entries(TYPES).map(([key, [label]]) => [key, label]), values.rule_type, arrange);
  const place = h('div');
  let fields = null;

  function arrange() {
    const [, conditions] = TYPES[type.value];
    const own = values.rule_type === type.value ? values : {};
    fields = conditions.length > 0 ? conditionFields(conditions, own) : expressionFields(own.expression);
    replace(place, fields.element);
  }
  arrange();
  const body = () => given({
    rule_type: type.value, ...fields.read(), name: name.value.trim() || null, cooldown_seconds: Number(cooldown.value),
  });
  const heading = rule ? `Change ${nameOf(rule)}` : 'Add a rule';
  return actionForm(heading, [h('h3', {}, heading),
    h('div', { class: 'tools' }, field('Name', name), field('Type', type), field('Pause after firing, in seconds', cooldown)), place],
  { save: () => save(body()), replay: (result) => replay(body(), result), cancel });
}

export class Rules {
  #of;
  #events;
  #rules = [];
  #body = h('tbody');
  #notice = h('div', { role: 'status' });
  #form = h('div');
  #heading = h('small');
  #add = button('Add a rule', () => this.#edit(null));
  /** The question after a drag; it lies over the chart. */
  question = h('div', { class: 'move', hidden: true });

  /** `events`: `range()` of the chart in seconds, `lines(lines)` draws thresholds, `fired(firings)` those of a replay. */
  constructor(of, events) {
    this.#of = of;
    this.#events = events;
    const heads = COLUMNS.map((name) => h('th', { scope: 'col', class: name === 'Threshold' && 'number' }, name));
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'rules-heading' },
      h('h2', { id: 'rules-heading' }, 'Rules ', this.#heading),
      this.#notice,
      h('div', { class: 'scroll rules', tabindex: '0', role: 'region', 'aria-label': 'Rules of the instrument' },
        h('table', {}, h('thead', {}, h('tr', {}, heads)), this.#body)),
      h('div', { class: 'buttons' }, this.#add),
      this.#form);
  }

  async read() {
    const { instrument, signal } = this.#of;
    this.#rules = await get('api/rules', { parameters: { instrument_id: instrument.id, limit: 10_000 }, signal });
    this.draw();
  }

  /** An alert fired live: its rule has a new moment. */
  fired({ ruleId, timestamp }) {
    const rule = this.#rules.find(({ id }) => id === ruleId);
    if (!rule || rule.last_triggered >= timestamp) return;
    rule.last_triggered = timestamp;
    setText(this.#body.querySelector(`[data-rule="${ruleId}"] .when`), dateTime(timestamp));
  }

  draw() {
    const { length } = this.#rules;
    setText(this.#heading, length > 0 ? `${count(length)}; the line of a threshold can be dragged in the chart` : '');
    replace(this.#body, length === 0
      ? h('tr', {}, h('td', { colspan: COLUMNS.length, class: 'empty' }, 'No rule watches this instrument yet: add one.'))
      : this.#rules.map((rule) => this.#row(rule)));
    this.lines();
  }

  #row(rule) {
    const { id, active, threshold, last_triggered: last } = rule;
    const act = (label, work) => button(label, work, { 'aria-label': `${label}: ${nameOf(rule)}` });
    return h('tr', { data: { rule: id } },
      h('th', { scope: 'row' }, nameOf(rule)),
      h('td', {}, TYPES[rule.rule_type][0]),
      h('td', {}, wordsOf(rule)),
      h('td', { class: 'number' }, hasLine(rule) ? exact(threshold, this.#of.places) : String(threshold ?? '–')),
      h('td', { class: active ? 'up' : 'faint' }, active ? '✓ active' : '○ off'),
      h('td', { class: 'when' }, last ? dateTime(last) : 'never'),
      h('td', { class: 'acts' },
        act('Edit', () => this.#edit(rule)),
        act(active ? 'Deactivate' : 'Activate', async () => {
          if (await this.#change(() => put(`api/rules/${id}`, { body: { active: !active } }))) this.#reach(id, 2);
        }),
        act('Remove', () => this.#remove(rule))));
  }

  /** Draws the thresholds in the chart. */
  lines() {
    this.#events.lines(this.#rules.filter(hasLine).map((rule) => (
      { id: rule.id, price: rule.threshold, title: `${rule.active ? '' : 'off: '}${nameOf(rule)}`.slice(0, 24), isActive: rule.active })));
  }

  /** Goes to a button of a rule, which was drawn anew. */
  #reach(id, place) {
    (this.#body.querySelector(`[data-rule="${id}"] button:nth-child(${place})`) ?? this.#add).focus();
  }

  /** Whether it went well. */
  async #change(work) {
    try {
      await work();
      await this.read();
      return true;
    } catch (error) {
      sayError(error);
      return false;
    }
  }

  async #remove(rule) {
    if (!await this.#change(() => del(`api/rules/${rule.id}`))) return;
    const undo = button('Undo', async () => {
      if (!await this.#change(() => post(`api/rules/${rule.id}/restore`))) return;
      replace(this.#notice);
      this.#reach(rule.id, 3);
    });
    replace(this.#notice, h('p', {}, `${nameOf(rule)} is removed. `, undo));
    undo.focus();
  }

  #edit(rule) {
    const cancel = () => {
      replace(this.#form);
      this.#events.fired([]);
      this.#reach(rule?.id, 1);
    };
    const form = ruleForm(rule, {
      cancel,
      replay: (body, result) => this.#replay(body, result),
      save: async (body) => {
        // What a rule has no more is written as null.
        const none = { condition: null, threshold: null, expression: null, time_window_seconds: null, moving_average_period: null, name: null };
        if (rule) await put(`api/rules/${rule.id}`, { body: { ...none, ...body } });
        else await post('api/rules', { body: { instrument_id: this.#of.instrument.id, ...body } });
        replace(this.#notice, h('p', {}, `✓ ${body.name ?? 'The rule'} is saved. It works from the next tick.`));
        await this.read();
        cancel();
      },
    });
    replace(this.#form, form);
    form.querySelector('input').focus();
  }

  /** Shows in `result` and in the chart what a rule would have fired on the ticks of the visible range. */
  async #replay(body, result) {
    const range = this.#events.range();
    if (!range) throw new Error('The chart shows no bars, so there are no ticks to try the rule on');
    const { instrument, signal } = this.#of;
    const [start, end] = [iso(range.from), iso(range.to)];
    replace(result, 'The rule is tried on the stored ticks …');
    try {
      const rule = { instrument_id: instrument.id, ...body };
      const { fired, ticks, firings, has_more: hasMore } = await post('api/rules/replay', { body: { rule, start, end }, signal });
      this.#events.fired(firings);
      replace(result,
        h('p', {}, `It would have fired ${fired === 1 ? 'once' : `${count(fired)} times`} on ${count(ticks)} ticks, ${dateTime(start)} to ${dateTime(end)}.`,
          fired > 0 && ' ○ marks it in the chart.', hasMore && ' The range has more ticks, which were not tried.'),
        h('ol', {}, firings.slice(0, TOLD_MAX).map((it) => h('li', {}, h('time', {}, dateTime(it.timestamp)), ` ${it.alert_message}`))),
        fired > TOLD_MAX && h('small', {}, `and ${count(fired - TOLD_MAX)} more`));
    } catch (error) {
      replace(result);
      throw error;
    }
  }

  /** Lets a mouse, a pen or a finger drag thresholds in the element of the chart. */
  drag(box, chart) {
    const { signal } = this.#of;
    let held = null;
    const near = (event) => (this.question.hidden ? chart.ruleAt(event, NEAR) : null);
    const on = (type, work) => box.addEventListener(type, work, { signal, capture: true, passive: false });
    const release = (isKept) => {
      if (!held) return;
      const { rule, to } = held;
      held = null;
      chart.setMovable(true);
      if (isKept && to !== null && to !== rule.threshold) this.#ask(rule, to, chart);
      else chart.moveRule(rule.id, rule.threshold);
    };
    on('pointerdown', (event) => {
      const id = event.button === 0 ? near(event) : null;
      if (id === null) return;
      // The chart must not scroll meanwhile.
      chart.setMovable(false);
      held = { rule: this.#rules.find((rule) => rule.id === id), to: null };
      box.setPointerCapture(event.pointerId);
    });
    // A finger on a line moves the line, not the page.
    on('touchstart', (event) => {
      if (!held) return;
      event.preventDefault();
      event.stopPropagation();
    });
    on('pointermove', (event) => {
      box.classList.toggle('near', held !== null || (event.buttons === 0 && near(event) !== null));
      if (!held) return;
      held.to = chart.priceAt(event) ?? held.to;
      if (held.to !== null) chart.moveRule(held.rule.id, held.to);
    });
    on('pointerup', () => release(true));
    on('pointercancel', () => release(false));
    addEventListener('keydown', ({ key }) => key === 'Escape' && release(false), { signal });
  }

  #ask(rule, to, chart) {
    const { id, rule_type, condition, name, cooldown_seconds, threshold } = rule;
    const { places } = this.#of;
    const close = () => {
      this.question.hidden = true;
      replace(this.question);
      this.#events.fired([]);
    };
    const words = `Move the threshold of ${nameOf(rule)} from ${exact(threshold, places)} to ${exact(to, places)}?`;
    replace(this.question, actionForm('Move a threshold', h('p', {}, words), {
      save: async () => {
        await put(`api/rules/${id}`, { body: { threshold: to } });
        close();
        await this.read();
      },
      replay: (result) => this.#replay(given({ rule_type, condition, name, cooldown_seconds, threshold: to }), result),
      cancel: () => {
        close();
        chart.moveRule(id, threshold);
      },
    }));
    this.question.hidden = false;
    this.question.querySelector('button').focus({ preventScroll: true });
  }
}
