//! What of a stream pulls a rule: a condition together with the mean or the window that it reads.

use crate::domain::{Condition, ExpressionPart, RuleShape};

/// A condition with its parameter, without its threshold: rules with the same trigger are matched
/// together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Trigger {
    Above,
    Below,
    Equals,
    CrossesAbove,
    CrossesBelow,
    /// The price crosses the mean of this many prices upwards.
    CrossesAboveMean(usize),
    CrossesBelowMean(usize),
    /// The change within this many microseconds.
    ChangeUp(i64),
    ChangeDown(i64),
    VolumeAbove,
    /// The volume as a multiple of the mean of this many volumes before it.
    VolumeAboveMean(usize),
}

impl Trigger {
    /// The trigger of a condition; parameters that its type does not read are left aside.
    pub(super) fn new(condition: Condition, period: Option<i32>, seconds: Option<i32>) -> Self {
        let period = period.and_then(|period| usize::try_from(period).ok());
        let micros = i64::from(seconds.unwrap_or(0)) * 1_000_000;
        match (condition, period) {
            (Condition::Above, _) => Self::Above,
            (Condition::Below, _) => Self::Below,
            (Condition::Equals, _) => Self::Equals,
            (Condition::CrossesAbove, None) => Self::CrossesAbove,
            (Condition::CrossesAbove, Some(period)) => Self::CrossesAboveMean(period),
            (Condition::CrossesBelow, None) => Self::CrossesBelow,
            (Condition::CrossesBelow, Some(period)) => Self::CrossesBelowMean(period),
            (Condition::PercentChangeUp, _) => Self::ChangeUp(micros),
            (Condition::PercentChangeDown, _) => Self::ChangeDown(micros),
            (Condition::VolumeAbove, None) => Self::VolumeAbove,
            (Condition::VolumeAbove, Some(period)) => Self::VolumeAboveMean(period),
        }
    }

    pub(super) fn of_rule(shape: &RuleShape<'_>, condition: Condition) -> Self {
        Self::new(
            condition,
            shape.moving_average_period,
            shape.time_window_seconds,
        )
    }

    pub(super) fn of_part(part: &ExpressionPart) -> Self {
        Self::new(
            part.condition,
            part.moving_average_period,
            part.time_window_seconds,
        )
    }
}
