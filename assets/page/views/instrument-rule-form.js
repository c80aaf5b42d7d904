// The form of an alert rule: which conditions fit which type, what each needs, and what it says in words.

import { field, h, replace, select } from '../dom.js';

/** Types of rules, with the conditions that fit them. */
export const RULE_TYPES = {
  threshold: { label: 'Price against a threshold', conditions: ['above', 'below', 'equals'] },
  crossover: { label: 'Price crosses a threshold or its mean', conditions: ['crosses_above', 'crosses_below'] },
  rate_of_change: { label: 'Change of the price within a time', conditions: ['percent_change_up', 'percent_change_down'] },
  volume_spike: { label: 'Volume against a threshold or its mean', conditions: ['volume_above'] },
  multi_condition: { label: 'Several conditions', conditions: [] },
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

/** What a rule, or a part of its expression, waits for. */
export function conditionWords({ condition, threshold, expression, time_window_seconds: seconds, moving_average_period: period }) {
  const joined = expression ?? (condition ? null : { all: [] });
  if (joined) return joinedWords(joined);
  const words = CONDITIONS[condition] ?? condition;
  if (condition.startsWith('percent')) return `${words} ${threshold} % within ${seconds} s`;
  if (condition === 'volume_above' && period) return `${words} ${threshold} × the mean of ${period} volumes`;
  if (condition.startsWith('crosses') && period) return `${words} the mean of ${period} prices`;
  return `${words} ${threshold}`;
}

function joinedWords(expression) {
  const word = expression.all ? 'all' : 'any';
  const parts = expression[word].map((part) => (part.condition ? conditionWords(part) : `(${joinedWords(part)})`));
  return parts.length === 1 ? parts[0] : `${word} of: ${parts.join('; ')}`;
}

/** A label and its control; `isShown` says later whether it is part of the form. */
const part = (label, control, hint) => {
  const element = field(label, control, hint);
  return { element, control, label: element.firstChild };
};
const number = (value, properties) => h('input', { value: value ?? '', autocomplete: 'off', ...properties });

/** The controls of one condition. `read` gives what is filled in and belongs to the condition. */
function conditionFields(allowed, values, onremove) {
  const which = part('Condition', select(allowed.map((name) => [name, CONDITIONS[name]]), values.condition ?? allowed[0], arrange));
  const threshold = part('Threshold', number(values.threshold, { inputmode: 'decimal', size: 12 }));
  const seconds = part('Within seconds', number(values.time_window_seconds, { type: 'number', min: 1, max: 3600 }));
  const period = part('Mean of (optional)', number(values.moving_average_period, { type: 'number', min: 1, max: 1000 }));

  function arrange() {
    const condition = which.control.value;
    const isPercent = condition.startsWith('percent');
    const hasMean = condition.startsWith('crosses') || condition === 'volume_above';
    const isMean = hasMean && period.control.value !== '';
    const isCrossing = condition.startsWith('crosses');
    seconds.element.hidden = !isPercent;
    period.element.hidden = !hasMean;
    threshold.element.hidden = isCrossing && isMean;
    threshold.label.textContent = isPercent ? 'Percent'
      : condition !== 'volume_above' ? 'Price' : isMean ? 'Times the mean' : 'Volume';
    period.label.textContent = isCrossing ? 'Or mean of prices' : 'Mean of volumes (optional)';
  }
  period.control.addEventListener('input', arrange);
  arrange();

  return {
    element: h('div', { class: 'tools condition' }, which.element, threshold.element, seconds.element, period.element,
      onremove && h('button', { type: 'button', onclick: onremove }, 'Take away')),
    read() {
      const of = ({ element, control }) => (element.hidden || control.value.trim() === '' ? undefined : control.value.trim());
      return { condition: which.control.value, threshold: of(threshold), time_window_seconds: whole(of(seconds)), moving_average_period: whole(of(period)) };
    },
  };
}

const whole = (text) => (text === undefined ? undefined : Number(text));

/** The parts of an expression, joined by all or any. One that is nested is written as it is stored: as JSON. */
function expressionFields(expression) {
  const word = expression?.any ? 'any' : 'all';
  const parts = expression?.[word] ?? [{}, {}];
  if (parts.some(({ all, any }) => all || any)) {
    const text = part('Conditions as JSON', h('textarea', { rows: 6, cols: 60, value: JSON.stringify(expression, null, 2) }));
    return { element: text.element, read: () => JSON.parse(text.control.value) };
  }
  const allowed = Object.keys(CONDITIONS);
  const list = h('div', {});
  const rows = new Set();
  const add = (values) => {
    const row = conditionFields(allowed, values, () => {
      rows.delete(row);
      row.element.remove();
    });
    rows.add(row);
    list.append(row.element);
  };
  parts.forEach(add);
  const join = part('Fires when', select([['all', 'all of these hold'], ['any', 'any of these holds']], word));
  return {
    element: h('div', {}, h('div', { class: 'tools' }, join.element), list,
      h('button', { type: 'button', onclick: () => add({}) }, 'Add a condition')),
    read: () => ({ [join.control.value]: [...rows].map((row) => row.read()) }),
  };
}

/**
 * The form. `rule` is the one that is changed, or null for a new one. `actions`: `save(body)` and `replay(body)`, which
 * may fail, and `close()`. What is typed stays when they fail.
 */
export function ruleForm(rule, actions) {
  const values = rule ?? { rule_type: 'threshold', cooldown_seconds: 60 };
  const name = part('Name', number(values.name, { maxlength: 100, size: 24 }));
  const cooldown = part('Pause after firing, in seconds', number(values.cooldown_seconds, { type: 'number', min: 0, max: 3600, required: true }));
  const type = part('Type', select(Object.entries(RULE_TYPES).map(([key, { label }]) => [key, label]), values.rule_type, arrange));
  const place = h('div', { class: 'conditions' });
  const problem = h('p', { class: 'problem down', role: 'alert' });
  const result = h('div', { class: 'replayed', role: 'status' });
  let fields = null;

  function arrange() {
    const { conditions } = RULE_TYPES[type.control.value];
    const own = values.rule_type === type.control.value ? values : {};
    fields = conditions.length > 0 ? conditionFields(conditions, own) : expressionFields(own.expression);
    replace(place, fields.element);
  }
  arrange();

  function body() {
    const isSeveral = type.control.value === 'multi_condition';
    const read = fields.read();
    return {
      rule_type: type.control.value,
      ...(isSeveral ? { expression: read } : read),
      name: name.control.value.trim() || undefined,
      cooldown_seconds: Number(cooldown.control.value),
    };
  }

  async function attempt(action) {
    replace(problem);
    try {
      await action(body(), result);
    } catch (error) {
      if (error.name === 'AbortError') return;
      replace(problem, `✕ ${error.text ?? error.message}`);
    }
  }

  const form = h('form', {
    class: 'panel rule', 'aria-label': rule ? `Change the rule ${rule.name ?? rule.id}` : 'Add a rule',
    onsubmit: (event) => {
      event.preventDefault();
      attempt(actions.save);
    },
  },
  h('h3', {}, rule ? `Change ${rule.name ?? `rule ${rule.id}`}` : 'Add a rule'),
  h('div', { class: 'tools' }, name.element, type.element, cooldown.element),
  place, problem,
  h('div', { class: 'buttons' },
    h('button', { type: 'submit', class: 'main' }, 'Save'),
    h('button', { type: 'button', onclick: () => attempt(actions.replay) }, 'What would have fired'),
    h('button', { type: 'button', onclick: actions.close }, 'Cancel')),
  result);
  return form;
}
