//! The rules of an instrument, arranged for speed: rules with the same trigger sorted by threshold,
//! those that cool down in the order in which they wake.
//!
//! A tick is compared with the ends of a stretch of sorted thresholds, and only rules that fire are
//! touched one by one. A rule that cools down is not touched until it wakes: how often it was
//! matched meanwhile is the difference of its rank's count between then and now.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use super::composite::{CompositeRules, Wakes};
use super::eval_context::{EvalContext, Match};
use super::journal::{GroupCounts, Journal};
use super::need::Parameters;
use super::ranks::{RankSet, StretchCounts};
use super::rule::{RuleTest, Test};
use super::rule_state::{RuleState, RuleStates};
use crate::domain::{PriceDecimals, Trigger};

/// How an instrument's rules are evaluated.
#[derive(Debug, Default)]
pub(super) struct Plan {
    groups: Vec<Group>,
    joined: CompositeRules,
    /// When rules wake, and which. An entry that does not fit its rule any more is skipped.
    wakes: Wakes,
}

/// Rules with one trigger, by threshold: the place in the order is a rule's rank.
#[derive(Debug)]
struct Group {
    trigger: Trigger,
    /// The place of the trigger's mean or window.
    place: usize,
    lows: Vec<f64>,
    highs: Vec<f64>,
    slots: Vec<usize>,
    ready: RankSet,
    /// How often each rank was matched at ticks that some matched rule let pass.
    counts: StretchCounts,
    tally: GroupCounts,
}

impl Plan {
    /// Arranges the active rules of an instrument with these decimals; `newest` is the stamp of
    /// the newest tick.
    pub(super) fn new(
        slots: &mut RuleStates,
        parameters: &Parameters,
        decimals: Option<PriceDecimals>,
        newest: Option<i64>,
    ) -> Self {
        let mut plan = Self::default();
        let mut joined = Vec::new();
        let mut by_trigger: BTreeMap<Trigger, Vec<(usize, Test)>> = BTreeMap::new();
        for (number, slot) in slots.iter_mut().enumerate() {
            slot.arrange(newest);
            if let Some(ready_at) = slot.pause.ready_at {
                plan.wakes.push(Reverse((ready_at, number)));
            }
            match &slot.rule.body {
                _ if !slot.rule.active => {}
                RuleTest::One(test) => {
                    let group = by_trigger.entry(test.trigger).or_default();
                    group.push((number, test.shown_with(decimals)));
                }
                RuleTest::Joined(tree) => joined.push((number, tree.placed(parameters, decimals))),
            }
        }
        plan.joined = CompositeRules::new(joined);
        for (trigger, rules) in by_trigger {
            let number = plan.groups.len();
            let place = parameters.place(trigger);
            plan.groups
                .push(Group::new(trigger, place, rules, number, slots));
        }
        plan
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.joined.is_empty()
    }

    /// Lets rules fire again whose cooldown has ended.
    pub(super) fn wake(&mut self, at: i64, slots: &mut RuleStates, journal: &mut Journal) {
        while let Some(Reverse((ready_at, number))) = self.wakes.peek().copied() {
            if ready_at > at {
                return;
            }
            self.wakes.pop();
            let slot = &mut slots[number];
            if slot.pause.ready_at != Some(ready_at) {
                continue;
            }
            journal.save_slot(number, slot);
            self.settle(slot);
            slot.pause.ready_at = None;
            self.set_ready(slot, true);
        }
    }

    /// Matches the newest tick of the history.
    pub(super) fn run(&mut self, pass: &mut EvalContext<'_>) {
        for (number, group) in self.groups.iter_mut().enumerate() {
            group.run(number, pass, &mut self.wakes);
        }
        self.joined.run(pass, &mut self.wakes);
    }

    /// Takes what a rank's count says into the rule's own count.
    pub(super) fn settle(&self, slot: &mut RuleState) {
        slot.pause.suppressed += self.uncounted(slot);
        slot.pause.counted_from = self.count(slot);
    }

    /// The matches of a rule that cools down which its own count lacks.
    pub(super) fn uncounted(&self, slot: &RuleState) -> u64 {
        if slot.pause.ready_at.is_none() {
            return 0;
        }
        let since = self.count(slot) - slot.pause.counted_from;
        u64::try_from(since).unwrap_or_default()
    }

    fn count(&self, slot: &RuleState) -> i64 {
        let of = |(group, rank): (usize, usize)| Some(self.groups.get(group)?.counts.get(rank));
        slot.place.and_then(of).unwrap_or_default()
    }

    fn set_ready(&mut self, slot: &RuleState, ready: bool) {
        if let Some((group, rank)) = slot.place
            && let Some(group) = self.groups.get_mut(group)
        {
            group.ready.set(rank, ready);
        }
    }

    /// Undoes what [`Group::run`] added to the counts of a stretch.
    pub(super) fn uncount(&mut self, group: usize, stretch: Range<usize>) {
        if let Some(group) = self.groups.get_mut(group) {
            group.counts.add(stretch, -1);
        }
    }

    /// The same for many, by the differences between neighbouring ranks.
    pub(super) fn uncount_many(&mut self, group: usize, differences: &[i64]) {
        if let Some(group) = self.groups.get_mut(group) {
            let changed = differences.iter().enumerate().filter(|(_, by)| **by != 0);
            changed.for_each(|(rank, by)| group.counts.step(rank, -by));
        }
    }

    /// Follows a rule whose pause was restored.
    pub(super) fn follow(&mut self, number: usize, slot: &RuleState) {
        let wakes_at = slot.pause.ready_at;
        self.set_ready(slot, wakes_at.is_none());
        if let Some(ready_at) = wakes_at {
            self.wakes.push(Reverse((ready_at, number)));
        }
    }

    /// Whether a rule of a crossing has its threshold at a price.
    pub(super) fn crosses_at(&self, price: f64) -> bool {
        let crosses = [Trigger::CrossesAbove, Trigger::CrossesBelow];
        let at = |group: &Group| {
            group
                .lows
                .binary_search_by(|low| low.total_cmp(&price))
                .is_ok()
        };
        let mut groups = self
            .groups
            .iter()
            .filter(|group| crosses.contains(&group.trigger));
        groups.any(at)
    }

    /// Whether a rule watches for the crossing of a threshold.
    pub(super) fn has_crossing(&self) -> bool {
        let crosses = [Trigger::CrossesAbove, Trigger::CrossesBelow];
        self.groups
            .iter()
            .any(|group| crosses.contains(&group.trigger))
    }
}

impl Group {
    fn new(
        trigger: Trigger,
        place: usize,
        mut rules: Vec<(usize, Test)>,
        number: usize,
        slots: &mut RuleStates,
    ) -> Self {
        rules.sort_by(|(_, a), (_, b)| a.key.by_threshold(&b.key));
        let mut ready = RankSet::new(rules.len());
        for (rank, (slot, _)) in rules.iter().enumerate() {
            let slot = &mut slots[*slot];
            slot.place = Some((number, rank));
            ready.set(rank, slot.pause.ready_at.is_none());
        }
        Self {
            trigger,
            place,
            lows: rules.iter().map(|(_, test)| test.key.low).collect(),
            highs: rules.iter().map(|(_, test)| test.key.high).collect(),
            ready,
            counts: StretchCounts::new(rules.len()),
            tally: GroupCounts::default(),
            slots: rules.into_iter().map(|(slot, _)| slot).collect(),
        }
    }

    fn run(&mut self, number: usize, pass: &mut EvalContext<'_>, wakes: &mut Wakes) {
        let reach = pass.history.reach(self.trigger, self.place);
        let stretch = reach.of_sorted(&self.lows, &self.highs);
        if stretch.is_empty() {
            return;
        }
        let fired_before = pass.matches.len();
        let mut next = stretch.start;
        while let Some(rank) = self.ready.first_in(next..stretch.end) {
            self.push_match(rank, pass);
            next = rank + 1;
        }
        let fired = pass.matches.len() - fired_before;
        let held_back = stretch.len() - fired;
        if held_back > 0 {
            // Counted before those that fire now begin to cool down: this tick is not theirs.
            pass.suppressed += held_back as u64;
            self.counts.add(stretch.clone(), 1);
            let rules = self.slots.len();
            pass.journal
                .counted(number, stretch, rules, &mut self.tally);
        }
        for matched in &pass.matches[fired_before..] {
            let slot = &mut pass.slots[matched.slot];
            pass.journal.save_slot(matched.slot, slot);
            let rank = slot.place.map_or(0, |(_, rank)| rank);
            if let Some(ready_at) = slot.fire(pass.at, self.counts.get(rank)) {
                self.ready.set(rank, false);
                wakes.push(Reverse((ready_at, matched.slot)));
            }
        }
    }

    fn push_match(&self, rank: usize, pass: &mut EvalContext<'_>) {
        let slot = self.slots[rank];
        let threshold = match &pass.slots[slot].rule.body {
            RuleTest::One(test) => test.threshold,
            RuleTest::Joined(_) => 0.0,
        };
        let (value, compared) = pass.history.values(self.trigger, self.place, threshold);
        pass.matches.push(Match {
            slot,
            trigger_value: value,
            threshold_value: Some(compared),
        });
    }
}
