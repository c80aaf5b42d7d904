//! An alert rule: one condition, or several that are joined.
//!
//! It refuses a rule that could never fire as it is written. The alert engine evaluates it.

use crate::decimal::Decimal;
use crate::domain::condition::{
    Condition, ConditionParameters, RULE_SECONDS_MAX, RuleCondition, RuleType, in_range, missing,
};
use crate::domain::expression::Expression;
use crate::error::{Error, Result};

/// The longest name of a rule, in characters.
pub const RULE_NAME_LENGTH_MAX: usize = 100;

/// When a rule fires; made once, from what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKind {
    /// When its condition matches.
    Single(RuleCondition),
    /// When its expression does.
    Composite(Expression),
}

/// A rule as it is written: the columns of its row, which must fit together.
#[derive(Debug, Clone, Copy)]
pub struct RuleShape<'a> {
    /// The kind of the rule.
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

impl<'a> RuleShape<'a> {
    /// The rule, which can fire as it is written.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a condition of another type, a number out of range, a name that is
    /// too long, and what [`RuleCondition::new`] or [`Expression::parse`] refuses.
    pub fn kind(&self) -> Result<RuleKind> {
        let cooldown = Some(self.cooldown_seconds);
        in_range("cooldown_seconds", cooldown, 0, RULE_SECONDS_MAX)?;
        self.check_name()?;
        if self.rule_type == RuleType::MultiCondition {
            self.parameters().check_ranges()?;
            return self.expression().map(RuleKind::Composite);
        }
        let condition = self.condition()?;
        if self.expression.is_some() {
            return Err(foreign("expression", self.rule_type));
        }
        RuleCondition::new(condition, self.parameters()).map(RuleKind::Single)
    }

    fn parameters(&self) -> ConditionParameters<'a> {
        ConditionParameters {
            threshold: self.threshold,
            time_window_seconds: self.time_window_seconds,
            moving_average_period: self.moving_average_period,
        }
    }

    fn check_name(&self) -> Result<()> {
        let length = self.name.map_or(0, |name| name.chars().count());
        if length > RULE_NAME_LENGTH_MAX {
            return Err(Error::invalid(
                "name",
                format!("it has {length} characters"),
                format!("use at most {RULE_NAME_LENGTH_MAX}"),
            ));
        }
        Ok(())
    }

    fn condition(&self) -> Result<Condition> {
        let accepted = self.rule_type.conditions();
        let words: Vec<_> = accepted.iter().map(|c| c.as_str()).collect();
        let words = format!("one of {}", words.join(", "));
        match self.condition {
            Some(condition) if accepted.contains(&condition) => Ok(condition),
            Some(condition) => Err(Error::invalid(
                "condition",
                format!("{condition} does not belong to a {} rule", self.rule_type),
                format!("use {words}"),
            )),
            None => Err(missing("condition", self.rule_type, &words)),
        }
    }

    fn expression(&self) -> Result<Expression> {
        if self.condition.is_some() {
            return Err(foreign("condition", self.rule_type));
        }
        if self.threshold.is_some() {
            return Err(foreign("threshold", self.rule_type));
        }
        let missing = || missing("expression", self.rule_type, r#"such as {"all":[..]}"#);
        Expression::parse(self.expression.ok_or_else(missing)?)
    }
}

fn foreign(name: &'static str, rule_type: RuleType) -> Error {
    Error::invalid(name, format!("a {rule_type} rule has none"), "leave it out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::expression::EXPRESSION_BYTES_MAX;

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
        shape.kind().unwrap_err().to_string()
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
            .kind()
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
        .kind()
        .unwrap();
        let mean = RuleShape {
            moving_average_period: Some(5),
            ..shape(RuleType::Crossover)
        };
        mean.kind().unwrap();
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
        .kind()
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
            assert!(wrong.kind().is_err(), "{wrong:?}");
        }
        RuleShape {
            cooldown_seconds: 0,
            name: Some(&name[..100]),
            ..good
        }
        .kind()
        .unwrap();
    }
}
