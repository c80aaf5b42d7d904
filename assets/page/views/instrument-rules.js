// The rules of an instrument: their table and forms, their thresholds as lines that can be dragged, and replays of them.

import { del, get, post, put } from '../api.js';
import { h, replace, sayError, setText } from '../dom.js';
import { count, dateTime, price } from '../format.js';
import { iso } from './instrument-bars.js';
import { conditionWords, RULE_TYPES, ruleForm } from './instrument-rule-form.js';

/** A line is taken within so many pixels. */
const NEAR = 6;
/** So many firings of a replay are told in words. */
const TOLD_MAX = 5;

const COLUMNS = ['Name', 'Type', 'Condition', 'Threshold', 'State', 'Last fired', 'Actions'];
const nameOf = ({ id, name }) => name ?? `Rule ${id}`;
/** Rules whose threshold is a price. */
const hasLine = ({ condition, threshold, moving_average_period: period }) => (
  threshold !== null && (['above', 'below', 'equals'].includes(condition) || (condition?.startsWith('crosses') && !period)));
/** With the places of the instrument, or with those that it has, if they are more. */
const exact = (value, places) => ((String(value).split('.')[1] ?? '').length > places ? String(value) : price(value, places));

export class Rules {
  #of;
  #events;
  #rules = [];
  #body = h('tbody', {});
  #notice = h('div', { class: 'notice', role: 'status' });
  #form = h('div', {});
  #move = h('div', { class: 'move panel', role: 'group', 'aria-label': 'Move a threshold', hidden: true });
  #heading = h('small', {});
  #isAsking = false;

  /** `events`: `range()` of the chart in seconds, `fired(firings)` shows those of a replay. */
  constructor({ instrument, places, signal }, events) {
    this.#of = { instrument, places, signal };
    this.#events = events;
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'rules-heading' },
      h('h2', { id: 'rules-heading' }, 'Rules ', this.#heading),
      this.#notice,
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Rules of the instrument' },
        h('table', {}, h('thead', {}, h('tr', {}, COLUMNS.map((name) => h('th', { scope: 'col', class: name === 'Threshold' ? 'number' : null }, name)))), this.#body)),
      h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => this.#edit(null) }, 'Add a rule')),
      this.#form);
    /** The question after a drag, over the chart. */
    this.question = this.#move;
  }

  async read() {
    const { instrument, signal } = this.#of;
    this.#rules = await get('api/rules', { parameters: { instrument_id: instrument.id, limit: 10_000 }, signal });
    this.#draw();
  }

  /** An alert fired live: its rule has a new moment. */
  fired({ ruleId, timestamp }) {
    const rule = this.#rules.find(({ id }) => id === ruleId);
    if (!rule || rule.last_triggered >= timestamp) return;
    rule.last_triggered = timestamp;
    const cell = this.#body.querySelector(`[data-rule="${ruleId}"] .when`);
    if (cell) setText(cell, dateTime(timestamp));
  }

  #draw() {
    setText(this.#heading, `${count(this.#rules.length)} of this instrument; a threshold can be dragged in the chart`);
    replace(this.#body, this.#rules.length === 0
      ? h('tr', {}, h('td', { colspan: COLUMNS.length, class: 'empty' }, 'No rule watches this instrument yet.'))
      : this.#rules.map((rule) => this.#row(rule)));
    this.lines();
  }

  #row(rule) {
    const { places } = this.#of;
    const act = (label, work) => h('button', { type: 'button', 'aria-label': `${label}: ${nameOf(rule)}`, onclick: work }, label);
    const threshold = hasLine(rule) ? exact(rule.threshold, places) : (rule.threshold ?? '–');
    return h('tr', { data: { rule: rule.id } },
      h('th', { scope: 'row' }, nameOf(rule)),
      h('td', {}, RULE_TYPES[rule.rule_type].label),
      h('td', {}, conditionWords(rule)),
      h('td', { class: 'number' }, String(threshold)),
      h('td', { class: rule.active ? 'up' : 'faint' }, rule.active ? '✓ active' : '○ off'),
      h('td', { class: 'when number' }, rule.last_triggered ? dateTime(rule.last_triggered) : 'never'),
      h('td', { class: 'acts' },
        act('Edit', () => this.#edit(rule)),
        act(rule.active ? 'Deactivate' : 'Activate', () => this.#try(() => put(`api/rules/${rule.id}`, { body: { active: !rule.active } }))),
        act('Remove', () => this.#remove(rule))));
  }

  /** The thresholds in the chart. */
  lines() {
    this.#events.lines(this.#rules.filter(hasLine).map((rule) => (
      { id: rule.id, price: rule.threshold, title: `${rule.active ? '' : 'off: '}${nameOf(rule)}`.slice(0, 24), isActive: rule.active })));
  }

  async #try(work) {
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
    if (!await this.#try(() => del(`api/rules/${rule.id}`))) return;
    const undo = h('button', { type: 'button', onclick: async () => {
      if (await this.#try(() => post(`api/rules/${rule.id}/restore`))) replace(this.#notice);
    } }, 'Undo');
    replace(this.#notice, h('p', {}, `${nameOf(rule)} is removed. `, undo));
    undo.focus();
  }

  #edit(rule) {
    const { instrument } = this.#of;
    const close = () => {
      replace(this.#form);
      this.#events.fired([]);
      this.element.querySelector(rule ? `[data-rule="${rule.id}"] button` : '.buttons button')?.focus();
    };
    const form = ruleForm(rule, {
      close,
      replay: (body, result) => this.#replay(body, result),
      save: async (body) => {
        if (rule) {
          const cleared = { condition: null, threshold: null, expression: null, time_window_seconds: null, moving_average_period: null, name: null };
          await put(`api/rules/${rule.id}`, { body: { ...cleared, ...defined(body) } });
        } else {
          await post('api/rules', { body: { instrument_id: instrument.id, ...body } });
        }
        replace(this.#notice, h('p', {}, `✓ ${body.name ?? 'The rule'} is saved. It works from the next tick.`));
        close();
        await this.read();
      },
    });
    replace(this.#form, form);
    form.querySelector('input').focus();
    form.scrollIntoView({ block: 'nearest' });
  }

  /** Asks what a rule would have fired on the ticks of the visible range, and shows it in `result` and in the chart. */
  async #replay(body, result) {
    const range = this.#events.range();
    if (!range) throw new Error('The chart shows no bars, so there are no ticks to try the rule on.');
    const { instrument, signal } = this.#of;
    replace(result, 'The rule is tried on the stored ticks …');
    try {
      const answer = await post('api/rules/replay', {
        body: { rule: { instrument_id: instrument.id, ...body }, start: iso(range.from), end: iso(range.to) }, signal,
      });
      const { fired, ticks, firings } = answer;
      this.#events.fired(firings);
      replace(result,
        h('p', {}, `It would have fired ${fired === 1 ? 'once' : `${count(fired)} times`} on ${count(ticks)} ticks, ${dateTime(iso(range.from))} to ${dateTime(iso(range.to))}.`,
          fired > 0 && ' ○ marks it in the chart.', answer.has_more && ' Further ticks of the range were not tried.'),
        firings.length > 0 && h('ol', {}, firings.slice(0, TOLD_MAX).map((it) => h('li', {}, h('time', {}, dateTime(it.timestamp)), ' ', it.alert_message))),
        fired > TOLD_MAX && h('small', {}, `and ${count(fired - TOLD_MAX)} more`));
    } catch (error) {
      replace(result);
      throw error;
    }
  }

  /** Lets thresholds be dragged with a mouse, a pen or a finger in the element of the chart. */
  drag(box, chart) {
    const { signal } = this.#of;
    let held = null;
    const release = () => {
      held = null;
      chart.setMovable(true);
    };
    const back = () => {
      const { id, from } = held;
      release();
      chart.moveRule(id, from);
    };
    const listen = (type, work) => box.addEventListener(type, work, { signal, capture: true, passive: false });
    const near = (event) => (this.#isAsking ? null : chart.ruleAt(event, NEAR));
    listen('pointerdown', (event) => {
      const id = event.button === 0 ? near(event) : null;
      if (id === null) return;
      // The chart must not scroll meanwhile.
      chart.setMovable(false);
      held = { id, from: this.#rules.find((rule) => rule.id === id).threshold, to: null };
      box.setPointerCapture(event.pointerId);
    });
    // A finger on a line moves the line, not the page.
    listen('touchstart', (event) => {
      const [touch] = event.touches;
      if (held || near(touch) !== null) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    listen('pointermove', (event) => {
      box.classList.toggle('near', held !== null || (event.buttons === 0 && near(event) !== null));
      const to = held && chart.priceAt(event);
      if (held === null || to === null) return;
      held.to = to;
      chart.moveRule(held.id, to);
    });
    listen('pointerup', () => {
      if (!held) return;
      const { id, from, to } = held;
      release();
      if (to !== null && to !== from) this.#ask(this.#rules.find((rule) => rule.id === id), to, chart);
    });
    listen('pointercancel', () => held && back());
    addEventListener('keydown', ({ key }) => key === 'Escape' && held && back(), { signal });
  }

  #ask(rule, to, chart) {
    const { places } = this.#of;
    const close = (isBack) => {
      this.#isAsking = false;
      this.#move.hidden = true;
      this.#events.fired([]);
      if (isBack) chart.moveRule(rule.id, rule.threshold);
    };
    const problem = h('p', { class: 'down', role: 'alert' });
    const result = h('div', { role: 'status' });
    const attempt = (work) => async () => {
      replace(problem);
      try {
        await work();
      } catch (error) {
        if (error.name !== 'AbortError') replace(problem, `✕ ${error.text ?? error.message}`);
      }
    };
    const save = attempt(async () => {
      await put(`api/rules/${rule.id}`, { body: { threshold: to } });
      close(false);
      await this.read();
    });
    const { rule_type, condition, name, cooldown_seconds } = rule;
    const body = defined({ rule_type, condition, name, cooldown_seconds, threshold: to });
    this.#isAsking = true;
    this.#move.hidden = false;
    replace(this.#move,
      h('p', {}, `Move the threshold of ${nameOf(rule)} from ${exact(rule.threshold, places)} to ${exact(to, places)}?`),
      h('div', { class: 'buttons' },
        h('button', { type: 'button', class: 'main', onclick: save }, 'Save'),
        h('button', { type: 'button', onclick: attempt(() => this.#replay(body, result)) }, 'What would have fired'),
        h('button', { type: 'button', onclick: () => close(true) }, 'Cancel')),
      problem, result);
    this.#move.querySelector('button').focus({ preventScroll: true });
  }
}

/** The fields that have a value. */
const defined = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
