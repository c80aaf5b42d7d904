//! The conditions of alert rules: what each compares, and the parameters that it needs.
//!
//! A condition is checked once, when it is made; evaluating it is the alert engine's.

use crate::decimal::Decimal;
use crate::domain::text_enum;
use crate::error::{Error, Result};

text_enum! {
    /// The kind of a rule, by what it watches.
    pub enum RuleType = "rule_type" {
        /// The price against a threshold.
        Threshold = "threshold",
        /// The price crossing a threshold or its own mean.
        Crossover = "crossover",
        /// The change of the price within a time window.
        RateOfChange = "rate_of_change",
        /// The volume against a threshold or its own mean.
        VolumeSpike = "volume_spike",
        /// Several conditions, joined by all or any.
        MultiCondition = "multi_condition",
    }
}

text_enum! {
    /// When a rule matches.
    pub enum Condition = "condition" {
        /// Price above the threshold.
        Above = "above",
        /// Price below the threshold.
        Below = "below",
        /// Price nearer to the threshold than half a unit of the last place that the instrument
        /// shows (0.00005 where `price_decimals` is 4); the threshold itself where it shows all.
        Equals = "equals",
        /// Price going from below to above.
        CrossesAbove = "crosses_above",
        /// Price going from above to below.
        CrossesBelow = "crosses_below",
        /// Price risen by the threshold, in percent.
        PercentChangeUp = "percent_change_up",
        /// Price fallen by the threshold, in percent.
        PercentChangeDown = "percent_change_down",
        /// Volume above the threshold.
        VolumeAbove = "volume_above",
    }
}

impl RuleType {
    /// The conditions that belong to this type; none for [`RuleType::MultiCondition`], whose
    /// conditions are in its expression.
    #[must_use]
    pub const fn conditions(self) -> &'static [Condition] {
        match self {
            Self::Threshold => &[Condition::Above, Condition::Below, Condition::Equals],
            Self::Crossover => &[Condition::CrossesAbove, Condition::CrossesBelow],
            Self::RateOfChange => &[Condition::PercentChangeUp, Condition::PercentChangeDown],
            Self::VolumeSpike => &[Condition::VolumeAbove],
            Self::MultiCondition => &[],
        }
    }

    /// The type that a condition belongs to.
    #[must_use]
    pub const fn of(condition: Condition) -> Self {
        match condition {
            Condition::Above | Condition::Below | Condition::Equals => Self::Threshold,
            Condition::CrossesAbove | Condition::CrossesBelow => Self::Crossover,
            Condition::PercentChangeUp | Condition::PercentChangeDown => Self::RateOfChange,
            Condition::VolumeAbove => Self::VolumeSpike,
        }
    }
}

/// The longest time window and cooldown, in seconds.
pub const RULE_SECONDS_MAX: i32 = 3_600;
/// The longest moving average, in ticks.
pub const MOVING_AVERAGE_PERIOD_MAX: i32 = 1_000;

/// A condition with the mean or the window that it reads, without its threshold: rules with the
/// same trigger are matched together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The price is above the threshold.
    Above,
    /// The price is below the threshold.
    Below,
    /// The price equals the threshold, as far as it is shown.
    Equals,
    /// The price crosses the threshold upwards.
    CrossesAbove,
    /// The price crosses the threshold downwards.
    CrossesBelow,
    /// The price crosses the mean of this many prices upwards.
    CrossesAboveMean(usize),
    /// The price crosses the mean of this many prices downwards.
    CrossesBelowMean(usize),
    /// The price has risen within this many microseconds.
    ChangeUp(i64),
    /// The price has fallen within this many microseconds.
    ChangeDown(i64),
    /// The volume is above the threshold.
    VolumeAbove,
    /// The volume is above a multiple of the mean of this many volumes before it.
    VolumeAboveMean(usize),
}

impl Trigger {
    /// The condition that it comes from.
    #[must_use]
    pub const fn condition(self) -> Condition {
        match self {
            Self::Above => Condition::Above,
            Self::Below => Condition::Below,
            Self::Equals => Condition::Equals,
            Self::CrossesAbove | Self::CrossesAboveMean(_) => Condition::CrossesAbove,
            Self::CrossesBelow | Self::CrossesBelowMean(_) => Condition::CrossesBelow,
            Self::ChangeUp(_) => Condition::PercentChangeUp,
            Self::ChangeDown(_) => Condition::PercentChangeDown,
            Self::VolumeAbove | Self::VolumeAboveMean(_) => Condition::VolumeAbove,
        }
    }

    /// True when it compares with a mean.
    #[must_use]
    pub const fn has_mean(self) -> bool {
        matches!(
            self,
            Self::CrossesAboveMean(_) | Self::CrossesBelowMean(_) | Self::VolumeAboveMean(_)
        )
    }
}

/// A condition that can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCondition {
    /// The comparison that must match.
    pub trigger: Trigger,
    /// The value that it compares with; none where the price crosses its own mean.
    pub threshold: Option<Decimal>,
}

/// The parameters of a condition as they are written, needed or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConditionParameters<'a> {
    /// The value that it compares with.
    pub threshold: Option<&'a Decimal>,
    /// The window of a rate of change, in seconds.
    pub time_window_seconds: Option<i32>,
    /// The length of the mean, in ticks.
    pub moving_average_period: Option<i32>,
}

impl RuleCondition {
    /// The condition with the parameters that it reads; others are left aside.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a parameter that is missing or out of range, and for a mean of one
    /// price, which is the price, so that nothing crosses it.
    pub fn new(condition: Condition, parameters: ConditionParameters<'_>) -> Result<Self> {
        parameters.check_ranges()?;
        let rule_type = RuleType::of(condition);
        let seconds = parameters.time_window_seconds;
        if rule_type == RuleType::RateOfChange && seconds.is_none() {
            let name = "time_window_seconds";
            return Err(missing(name, rule_type, "1 to 3600 seconds"));
        }
        let micros = i64::from(seconds.unwrap_or(0)) * 1_000_000;
        let period = parameters.moving_average_period;
        if rule_type == RuleType::Crossover && period == Some(1) {
            return Err(Error::invalid(
                "moving_average_period",
                "the mean of one price is the price itself, so it could never be crossed",
                format!("use 2 to {MOVING_AVERAGE_PERIOD_MAX}"),
            ));
        }
        let period = period.and_then(|period| usize::try_from(period).ok());
        let trigger = match (condition, period) {
            (Condition::Above, _) => Trigger::Above,
            (Condition::Below, _) => Trigger::Below,
            (Condition::Equals, _) => Trigger::Equals,
            (Condition::CrossesAbove, None) => Trigger::CrossesAbove,
            (Condition::CrossesAbove, Some(period)) => Trigger::CrossesAboveMean(period),
            (Condition::CrossesBelow, None) => Trigger::CrossesBelow,
            (Condition::CrossesBelow, Some(period)) => Trigger::CrossesBelowMean(period),
            (Condition::PercentChangeUp, _) => Trigger::ChangeUp(micros),
            (Condition::PercentChangeDown, _) => Trigger::ChangeDown(micros),
            (Condition::VolumeAbove, None) => Trigger::VolumeAbove,
            (Condition::VolumeAbove, Some(period)) => Trigger::VolumeAboveMean(period),
        };
        // A crossing of the price and its own mean needs no threshold.
        let crosses_mean = rule_type == RuleType::Crossover && trigger.has_mean();
        if parameters.threshold.is_none() && !crosses_mean {
            return Err(missing("threshold", rule_type, "the value to compare with"));
        }
        Ok(Self {
            trigger,
            threshold: parameters.threshold.cloned(),
        })
    }
}

impl ConditionParameters<'_> {
    pub(super) fn check_ranges(&self) -> Result<()> {
        let (seconds, period) = (self.time_window_seconds, self.moving_average_period);
        in_range("time_window_seconds", seconds, 1, RULE_SECONDS_MAX)?;
        let longest = MOVING_AVERAGE_PERIOD_MAX;
        in_range("moving_average_period", period, 1, longest)
    }
}

pub(super) fn in_range(name: &'static str, value: Option<i32>, min: i32, max: i32) -> Result<()> {
    match value {
        Some(value) if !(min..=max).contains(&value) => {
            let remedy = format!("use {min} to {max}");
            Err(Error::invalid(
                name,
                format!("{value} is out of range"),
                remedy,
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn missing(name: &'static str, rule_type: RuleType, remedy: &str) -> Error {
    Error::invalid(
        name,
        format!("a {rule_type} rule needs it"),
        format!("give {remedy}"),
    )
}
