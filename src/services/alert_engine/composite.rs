//! Multi-condition rules, arranged so that a tick meets few of them.
//!
//! A rule that matches when all of its conditions do cannot match unless each of them does. The one
//! that holds most seldom is its gate: rules are sorted by the thresholds of their gates, and only those
//! whose gate a tick passes are evaluated. A rule that has no gate, since any of its conditions is
//! enough, is evaluated at each tick with a price, whether it cools down or not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::eval_context::{EvalContext, Match};
use super::rule::{Test, Tree};
use crate::domain::Trigger;

/// When rules wake, and which.
pub(super) type Wakes = BinaryHeap<Reverse<(i64, usize)>>;

/// A rule by its slot.
type SlotTree = (usize, Tree);

/// The multi-condition rules of an instrument.
#[derive(Debug, Default)]
pub(super) struct CompositeRules {
    gates: Vec<Gate>,
    open: Vec<SlotTree>,
}

/// Rules whose gates have one trigger, by the gate's threshold.
#[derive(Debug)]
struct Gate {
    trigger: Trigger,
    place: usize,
    lows: Vec<f64>,
    highs: Vec<f64>,
    rules: Vec<SlotTree>,
}

impl CompositeRules {
    /// Arranges rules, each by its slot, whose tests know their places.
    pub(super) fn new(rules: Vec<SlotTree>) -> Self {
        let mut joined = Self::default();
        let mut gated: BTreeMap<Trigger, Vec<(Test, SlotTree)>> = BTreeMap::new();
        for rule in rules {
            match rule.1.gate() {
                Some(gate) => gated.entry(gate.trigger).or_default().push((gate, rule)),
                None => joined.open.push(rule),
            }
        }
        joined.gates = gated.into_values().filter_map(Gate::new).collect();
        joined
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gates.is_empty() && self.open.is_empty()
    }

    /// Matches the newest tick of the history.
    pub(super) fn run(&self, pass: &mut EvalContext<'_>, wakes: &mut Wakes) {
        let Some(price) = pass.history.price() else {
            return;
        };
        for rule in &self.open {
            evaluate(rule, price, pass, wakes);
        }
        for gate in &self.gates {
            let reach = pass.history.reach(gate.trigger, gate.place);
            let stretch = reach.of_sorted(&gate.lows, &gate.highs);
            for rule in gate.rules.get(stretch).unwrap_or_default() {
                evaluate(rule, price, pass, wakes);
            }
        }
    }
}

impl Gate {
    /// The rules with gates of one trigger; none of no rules.
    fn new(mut rules: Vec<(Test, SlotTree)>) -> Option<Self> {
        rules.sort_by(|(a, _), (b, _)| a.key.by_threshold(&b.key));
        let (first, _) = rules.first()?;
        Some(Self {
            trigger: first.trigger,
            place: first.place,
            lows: rules.iter().map(|(gate, _)| gate.key.low).collect(),
            highs: rules.iter().map(|(gate, _)| gate.key.high).collect(),
            rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        })
    }
}

fn evaluate(rule: &SlotTree, price: f64, pass: &mut EvalContext<'_>, wakes: &mut Wakes) {
    let (number, tree) = rule;
    if !tree.holds(pass.history) {
        return;
    }
    let slot = &mut pass.slots[*number];
    pass.journal.save_slot(*number, slot);
    if slot.pause.ready_at.is_some() {
        slot.pause.suppressed += 1;
        pass.suppressed += 1;
        return;
    }
    if let Some(ready_at) = slot.fire(pass.at, 0) {
        wakes.push(Reverse((ready_at, *number)));
    }
    pass.matches.push(Match {
        slot: *number,
        trigger_value: price,
        threshold_value: None,
    });
}

impl Tree {
    /// A test without which it does not hold: the one that holds most seldom, as far as its
    /// trigger tells.
    fn gate(&self) -> Option<Test> {
        match self {
            Self::One(test) => Some(test.clone()),
            Self::All(parts) => {
                let gates = parts.iter().filter_map(Self::gate);
                gates.min_by_key(|gate| breadth(gate.trigger))
            }
            Self::Any(parts) => match &**parts {
                [part] => part.gate(),
                _ => None,
            },
        }
    }
}

/// How often a trigger holds, beside others.
fn breadth(trigger: Trigger) -> u8 {
    match trigger {
        Trigger::CrossesAbove
        | Trigger::CrossesBelow
        | Trigger::CrossesAboveMean(_)
        | Trigger::CrossesBelowMean(_) => 0,
        Trigger::Equals | Trigger::VolumeAboveMean(_) => 1,
        Trigger::ChangeUp(_) | Trigger::ChangeDown(_) | Trigger::VolumeAbove => 2,
        Trigger::Above | Trigger::Below => 3,
    }
}
