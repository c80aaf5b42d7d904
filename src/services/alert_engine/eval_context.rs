//! What matching a tick reads and changes, beside the plan of the rules.

use super::history::History;
use super::journal::Journal;
use super::rule_state::RuleStates;

/// A rule that fires at a tick, and on what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub(super) slot: usize,
    pub(super) trigger_value: f64,
    pub(super) threshold_value: Option<f64>,
}

/// What matching a tick changes, beside the plan.
pub(super) struct EvalContext<'a> {
    pub(super) history: &'a History,
    pub(super) slots: &'a mut RuleStates,
    pub(super) journal: &'a mut Journal,
    pub(super) matches: &'a mut Vec<Match>,
    /// The stamp of the tick.
    pub(super) at: i64,
    /// Matches that a cooldown holds back.
    pub(super) suppressed: u64,
}
