//! A rule with its state: when it fired, whether it cools down, how often it was held back.

use super::rule::Rule;
use crate::timestamp::Timestamp;

/// The rules of an instrument, by id.
pub(super) type RuleStates = Vec<RuleState>;

/// A rule and its state.
#[derive(Debug)]
pub(super) struct RuleState {
    pub(super) rule: Rule,
    pub(super) pause: Cooldown,
    /// The rule's group and its rank there, while it is arranged in a plan.
    pub(super) place: Option<(usize, usize)>,
    /// The stretch of the journal that has this slot's state already.
    pub(super) saved_in: u64,
}

/// What firing changes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cooldown {
    pub(super) last_triggered: Option<Timestamp>,
    /// The moment from which it may fire again, while it cools down.
    pub(super) ready_at: Option<i64>,
    /// The count of its rank up to which `suppressed` has its matches.
    pub(super) counted_from: i64,
    /// Matches that its cooldown held back.
    pub(super) suppressed: u64,
}

impl RuleState {
    pub(super) fn new(rule: Rule) -> Self {
        let pause = Cooldown {
            last_triggered: rule.last_triggered,
            ..Cooldown::default()
        };
        Self {
            rule,
            pause,
            place: None,
            saved_in: 0,
        }
    }

    /// Another version of the rule. What it has done stays, and what others have done with it:
    /// the later of the two times of firing counts.
    pub(super) fn replace(&mut self, rule: Rule) {
        self.pause.last_triggered = self.pause.last_triggered.max(rule.last_triggered);
        self.rule = rule;
    }

    /// Makes it ready for a new plan: it cools down when its last firing is recent.
    pub(super) fn arrange(&mut self, newest: Option<i64>) {
        let ready_at = self
            .pause
            .last_triggered
            .and_then(|at| self.ready_after(at.micros()));
        let cools = |ready_at: &i64| newest.is_none_or(|newest| *ready_at > newest);
        self.pause.ready_at = ready_at.filter(|_| self.rule.active).filter(cools);
        self.pause.counted_from = 0;
        self.place = None;
    }

    /// Fires, and says when it is ready again if that is not at once.
    pub(super) fn fire(&mut self, at: i64, rank_count: i64) -> Option<i64> {
        self.pause.last_triggered = Some(Timestamp::from_micros_clamped(at));
        self.pause.ready_at = self.ready_after(at);
        self.pause.counted_from = rank_count;
        self.pause.ready_at
    }

    fn ready_after(&self, at: i64) -> Option<i64> {
        let cooldown = self.rule.cooldown_micros;
        (cooldown > 0).then(|| at.saturating_add(cooldown))
    }
}
