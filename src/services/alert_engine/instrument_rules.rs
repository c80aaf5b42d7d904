//! One instrument under watch: its rules, its past, and how a tick goes through them.

use std::sync::Arc;

use super::eval_context::{EvalContext, Match};
use super::firing::{Firing, Firings, WatchedInstrument};
use super::history::History;
use super::journal::{Journal, Undo};
use super::need::{HistoryNeed, Parameters};
use super::plan::Plan;
use super::rule::Rule;
use super::rule_state::{RuleState, RuleStates};
use crate::domain::{StoredTick, Trigger};
use crate::timestamp::Timestamp;

/// An instrument, its rules and their state.
#[derive(Debug)]
pub(super) struct InstrumentRules {
    facts: Arc<WatchedInstrument>,
    slots: RuleStates,
    history: History,
    /// None after a change of the rules: it is made anew before the next tick, so that a thousand
    /// changes cost one arrangement.
    plan: Option<Plan>,
    parameters: Parameters,
    /// The stretch of the journal that has the past already.
    saved_in: u64,
    /// Kept for its memory.
    matches: Vec<Match>,
}

impl InstrumentRules {
    pub(super) fn new(facts: WatchedInstrument) -> Self {
        let parameters = Parameters::default();
        Self {
            history: History::starting_at(facts.last_tick, &parameters),
            facts: Arc::new(facts),
            slots: RuleStates::new(),
            plan: None,
            parameters,
            saved_in: 0,
            matches: Vec::new(),
        }
    }

    pub(super) fn set_facts(&mut self, facts: WatchedInstrument) {
        self.history.not_before(facts.last_tick);
        if facts.price_decimals != self.facts.price_decimals {
            self.dissolve_plan(); // They say how near `equals` is.
        }
        self.facts = Arc::new(facts);
    }

    pub(super) fn put(&mut self, rule: Rule) {
        self.dissolve_plan();
        match self.find(rule.id()) {
            Ok(number) => self.slots[number].replace(rule),
            Err(number) => self.slots.insert(number, RuleState::new(rule)),
        }
    }

    pub(super) fn remove(&mut self, rule_id: i64) {
        if let Ok(number) = self.find(rule_id) {
            self.dissolve_plan();
            self.slots.remove(number);
        }
    }

    pub(super) fn newest_tick(&self) -> Option<Timestamp> {
        self.history.newest()
    }

    pub(super) fn rule_ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.slots.iter().map(|slot| slot.rule.id())
    }

    fn find(&self, rule_id: i64) -> Result<usize, usize> {
        self.slots
            .binary_search_by_key(&rule_id, |slot| slot.rule.id())
    }

    /// Takes the plan apart; what it alone knows goes into the slots.
    fn dissolve_plan(&mut self) {
        if let Some(plan) = self.plan.take() {
            self.slots.iter_mut().for_each(|slot| plan.settle(slot));
        }
    }

    /// Arranges the rules if they changed.
    pub(super) fn arrange(&mut self) {
        if self.plan.is_some() {
            return;
        }
        let parameters = Parameters::of(self.triggers().iter());
        if parameters != self.parameters {
            self.history.configure(&parameters);
            self.parameters = parameters;
        }
        let newest = self.history.newest().map(Timestamp::micros);
        let decimals = self.facts.price_decimals;
        self.plan = Some(Plan::new(
            &mut self.slots,
            &self.parameters,
            decimals,
            newest,
        ));
    }

    fn triggers(&self) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        let active = self.slots.iter().filter(|slot| slot.rule.active);
        active.for_each(|slot| slot.rule.body.triggers(&mut triggers));
        triggers
    }

    /// Forgets the past and takes this one in its place; what the rules have done stays.
    pub(super) fn warm_up(&mut self, ticks: impl Iterator<Item = StoredTick>) {
        self.dissolve_plan();
        self.parameters = Parameters::of(self.triggers().iter());
        self.history = History::starting_at(None, &self.parameters);
        for tick in ticks.filter(|tick| tick.instrument_id == self.facts.id) {
            self.history.observe(&tick);
        }
        self.history.not_before(self.facts.last_tick);
        self.history.forget_old();
    }

    pub(super) fn history_need(&self) -> HistoryNeed {
        HistoryNeed::of_triggers(self.triggers().iter())
    }

    pub(super) fn is_unsettled(&mut self) -> bool {
        self.arrange();
        let Some(plan) = &self.plan else { return false };
        let crossing = match self.history.last_prices() {
            (None, _) => plan.has_crossing(),
            (Some(last), None) => plan.crosses_at(last),
            (Some(_), Some(_)) => false,
        };
        crossing || self.history.is_unsettled()
    }

    pub(super) fn suppressed(&self, rule_id: i64) -> Option<u64> {
        let slot = &self.slots[self.find(rule_id).ok()?];
        let uncounted = self.plan.as_ref().map_or(0, |plan| plan.uncounted(slot));
        Some(slot.pause.suppressed + uncounted)
    }

    pub(super) fn last_triggered(&self, rule_id: i64) -> Option<Timestamp> {
        self.slots[self.find(rule_id).ok()?].pause.last_triggered
    }

    /// Evaluates one tick. The rules are arranged.
    pub(super) fn evaluate(&mut self, tick: &StoredTick, journal: &mut Journal, out: &mut Firings) {
        let Some(plan) = &mut self.plan else { return };
        if self.history.is_late(tick) {
            out.late += 1;
            return;
        }
        journal.save_history(&self.history, &mut self.saved_in);
        self.history.observe(tick);
        out.evaluated += 1;
        if plan.is_empty() {
            return;
        }
        let at = tick.timestamp.micros();
        plan.wake(at, &mut self.slots, journal);
        if !self.facts.is_watched {
            return;
        }
        let mut pass = EvalContext {
            history: &self.history,
            slots: &mut self.slots,
            journal,
            matches: &mut self.matches,
            at,
            suppressed: 0,
        };
        plan.run(&mut pass);
        out.suppressed += pass.suppressed;
        self.report(tick, out);
    }

    /// Turns the matches of a tick into firings, by the id of the rule.
    fn report(&mut self, tick: &StoredTick, out: &mut Firings) {
        self.matches.sort_unstable_by_key(|matched| matched.slot);
        for matched in self.matches.drain(..) {
            out.fired.push(Firing {
                rule: Arc::clone(&self.slots[matched.slot].rule.text),
                instrument: Arc::clone(&self.facts),
                timestamp: tick.timestamp,
                source_id: tick.source_id,
                sequence: tick.sequence,
                trigger_value: matched.trigger_value,
                threshold_value: matched.threshold_value,
            });
        }
    }

    /// Takes one change back; changes come newest first.
    pub(super) fn undo(&mut self, change: Undo) {
        match (change, &mut self.plan) {
            (Undo::History(saved), _) => self.history.restore(*saved),
            (Undo::Slot { number, pause }, Some(plan)) => {
                let slot = &mut self.slots[number];
                slot.pause = pause;
                plan.follow(number, slot);
            }
            (Undo::Counted { group, start, end }, Some(plan)) => {
                plan.uncount(group, start as usize..end as usize);
            }
            (Undo::CountedMany { group, differences }, Some(plan)) => {
                plan.uncount_many(group, &differences);
            }
            _ => {}
        }
    }

    /// Makes what was evaluated final.
    pub(super) fn commit(&mut self) {
        self.history.forget_old();
    }
}
