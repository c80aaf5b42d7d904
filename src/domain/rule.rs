//! Words of alert rules, and which of them belong together.
//!
//! It decides whether a rule can ever fire as it is written; evaluating it is the alert engine's.

use crate::decimal::Decimal;
use crate::domain::expression::Expression;
use crate::domain::text_enum;
use crate::error::{Error, Result};

text_enum! {
    /// What a rule watches.
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

/// The longest name of a rule, in characters.
pub const RULE_NAME_LENGTH_MAX: usize = 100;
pub use crate::domain::expression::EXPRESSION_BYTES_MAX;

/// The longest time window and cooldown, in seconds.
pub const RULE_SECONDS_MAX: i32 = 3_600;
/// The longest moving average, in ticks.
pub const MOVING_AVERAGE_PERIOD_MAX: i32 = 1_000;

/// The parts of a rule that must fit together.
#[derive(Debug, Clone, Copy)]
pub struct RuleShape<'a> {
    /// What it watches.
    pub rule_type: RuleType,
    /// When it matches; none for a multi-condition rule.
    pub condition: Option<Condition>,
    /// The value that it compares with.
    pub threshold: Option<&'a Decimal>,
    /// The JSON text of a multi-condition rule.
    pub expression: Option<&'a str>,
    /// The window of a rate of change, in seconds.
    pub time_window_seconds: Option<i32>,
    /// The length of the mean, in ticks.
    pub moving_average_period: Option<i32>,
    /// The pause after firing, in seconds.
    pub cooldown_seconds: i32,
    /// Its name.
    pub name: Option<&'a str>,
}

impl RuleShape<'_> {
    /// Checks that the rule can fire as it is written.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a condition of another type, a missing parameter, one out of range,
    /// a mean of one price (which is the price, so nothing crosses it), or an expression that
    /// [`Expression::parse`] refuses.
    pub fn check(&self) -> Result<()> {
        self.check_ranges()?;
        if self.rule_type == RuleType::MultiCondition {
            return self.check_expression();
        }
        self.check_condition()?;
        if self.expression.is_some() {
            return Err(foreign("expression", self.rule_type));
        }
        if self.rule_type == RuleType::RateOfChange && self.time_window_seconds.is_none() {
            return Err(missing(
                "time_window_seconds",
                self.rule_type,
                "1 to 3600 seconds",
            ));
        }
        // A crossover of the price and its own mean needs no threshold.
        let has_mean =
            self.rule_type == RuleType::Crossover && self.moving_average_period.is_some();
        if has_mean && self.moving_average_period == Some(1) {
            return Err(Error::invalid(
                "moving_average_period",
                "the mean of one price is the price itself, so it could never be crossed",
                format!("use 2 to {MOVING_AVERAGE_PERIOD_MAX}"),
            ));
        }
        if self.threshold.is_none() && !has_mean {
            return Err(missing(
                "threshold",
                self.rule_type,
                "the value to compare with",
            ));
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<()> {
        let seconds = RULE_SECONDS_MAX;
        in_range("time_window_seconds", self.time_window_seconds, 1, seconds)?;
        let period = self.moving_average_period;
        in_range(
            "moving_average_period",
            period,
            1,
            MOVING_AVERAGE_PERIOD_MAX,
        )?;
        in_range("cooldown_seconds", Some(self.cooldown_seconds), 0, seconds)?;
        let length = self.name.map_or(0, |name| name.chars().count());
        if length > RULE_NAME_LENGTH_MAX {
            let remedy = format!("use at most {RULE_NAME_LENGTH_MAX}");
            return Err(Error::invalid(
                "name",
                format!("it has {length} characters"),
                remedy,
            ));
        }
        Ok(())
    }

    fn check_condition(&self) -> Result<()> {
        let accepted = self.rule_type.conditions();
        let words = || {
            accepted
                .iter()
                .map(|c| c.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self.condition {
            Some(condition) if accepted.contains(&condition) => Ok(()),
            Some(condition) => Err(Error::invalid(
                "condition",
                format!("{condition} does not belong to a {} rule", self.rule_type),
                format!("use one of {}", words()),
            )),
            None => Err(missing(
                "condition",
                self.rule_type,
                &format!("one of {}", words()),
            )),
        }
    }

    fn check_expression(&self) -> Result<()> {
        if self.condition.is_some() {
            return Err(foreign("condition", self.rule_type));
        }
        if self.threshold.is_some() {
            return Err(foreign("threshold", self.rule_type));
        }
        let Some(expression) = self.expression else {
            return Err(missing(
                "expression",
                self.rule_type,
                r#"such as {"all":[..]}"#,
            ));
        };
        Expression::parse(expression).map(|_| ())
    }
}

fn in_range(name: &'static str, value: Option<i32>, min: i32, max: i32) -> Result<()> {
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

fn missing(name: &'static str, rule_type: RuleType, remedy: &str) -> Error {
    Error::invalid(
        name,
        format!("a {rule_type} rule needs it"),
        format!("give {remedy}"),
    )
}

fn foreign(name: &'static str, rule_type: RuleType) -> Error {
    Error::invalid(name, format!("a {rule_type} rule has none"), "leave it out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rule_type: RuleType) -> RuleShape<'static> {
        RuleShape {
            rule_type,
            condition: rule_type.conditions().first().copied(),
            threshold: None,
            expression: None,
            time_window_seconds: None,
            moving_average_period: None,
            cooldown_seconds: 60,
            name: None,
        }
    }

    fn refusal(shape: RuleShape<'_>) -> String {
        shape.check().unwrap_err().to_string()
    }

    #[test]
    fn a_rule_without_a_parameter_that_it_needs_is_refused_by_its_name() {
        let one = "1".parse::<Decimal>().unwrap();
        for rule_type in [
            RuleType::Threshold,
            RuleType::Crossover,
            RuleType::VolumeSpike,
        ] {
            assert!(
                refusal(shape(rule_type)).starts_with("threshold: "),
                "{rule_type}"
            );
            RuleShape {
                threshold: Some(&one),
                ..shape(rule_type)
            }
            .check()
            .unwrap();
            let none = RuleShape {
                condition: None,
                threshold: Some(&one),
                ..shape(rule_type)
            };
            assert!(refusal(none).starts_with("condition: "), "{rule_type}");
        }
        let rate = RuleShape {
            threshold: Some(&one),
            ..shape(RuleType::RateOfChange)
        };
        assert!(refusal(rate).starts_with("time_window_seconds: "));
        RuleShape {
            time_window_seconds: Some(60),
            ..rate
        }
        .check()
        .unwrap();
        let mean = RuleShape {
            moving_average_period: Some(5),
            ..shape(RuleType::Crossover)
        };
        mean.check().unwrap();
        let price_itself = RuleShape {
            moving_average_period: Some(1),
            ..mean
        };
        assert!(refusal(price_itself).starts_with("moving_average_period: "));
    }

    #[test]
    fn a_condition_of_another_type_is_refused_and_the_right_ones_are_named() {
        let one = "0.00000001".parse::<Decimal>().unwrap();
        let wrong = RuleShape {
            condition: Some(Condition::VolumeAbove),
            threshold: Some(&one),
            ..shape(RuleType::Threshold)
        };
        let text = refusal(wrong);
        assert!(
            text.contains("volume_above") && text.contains("above, below, equals"),
            "{text}"
        );
    }

    #[test]
    fn every_condition_belongs_to_exactly_one_type() {
        for condition in Condition::ALL {
            let owners = RuleType::ALL
                .iter()
                .filter(|t| t.conditions().contains(condition));
            assert_eq!(owners.collect::<Vec<_>>(), [&RuleType::of(*condition)]);
        }
    }

    #[test]
    fn an_expression_is_a_json_object_of_all_or_any() {
        let multi = shape(RuleType::MultiCondition);
        for wrong in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"all":[]}"#,
            r#"{"all":[1],"any":[1]}"#,
        ] {
            let text = refusal(RuleShape {
                expression: Some(wrong),
                ..multi
            });
            assert!(text.starts_with("expression: "), "{wrong}: {text}");
        }
        let good = r#"{"all":[{"condition":"above","threshold":"1650"}]}"#;
        RuleShape {
            expression: Some(good),
            ..multi
        }
        .check()
        .unwrap();
        let long = format!(r#"{{"all":["{}"]}}"#, "x".repeat(EXPRESSION_BYTES_MAX));
        assert!(
            refusal(RuleShape {
                expression: Some(&long),
                ..multi
            })
            .contains("16384")
        );
        assert!(refusal(multi).starts_with("expression: "));
    }

    #[test]
    fn numbers_out_of_range_and_long_names_are_refused() {
        let one = "0.00000001".parse::<Decimal>().unwrap();
        let good = RuleShape {
            threshold: Some(&one),
            ..shape(RuleType::Threshold)
        };
        let name = "x".repeat(101);
        for wrong in [
            RuleShape {
                cooldown_seconds: -1,
                ..good
            },
            RuleShape {
                cooldown_seconds: 3_601,
                ..good
            },
            RuleShape {
                time_window_seconds: Some(0),
                ..good
            },
            RuleShape {
                moving_average_period: Some(1_001),
                ..good
            },
            RuleShape {
                name: Some(&name),
                ..good
            },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        RuleShape {
            cooldown_seconds: 0,
            name: Some(&name[..100]),
            ..good
        }
        .check()
        .unwrap();
    }
}
