//! The expression of a multi-condition rule: conditions joined by all and any, read from JSON.
//!
//! It refuses conditions that could never match, and limits depth and size, so that the cost of one
//! rule is bounded. The alert engine evaluates it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use serde_json::value::RawValue;

use crate::decimal::Decimal;
use crate::domain::condition::{ConditionParameters, RuleCondition, Trigger};
use crate::error::{Error, Result};

/// The longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 16_384;
/// The deepest nesting of `all` and `any`; the outermost has depth 1.
pub const EXPRESSION_DEPTH_MAX: usize = 8;
/// The most conditions in one expression.
pub const EXPRESSION_CONDITIONS_MAX: usize = 64;

const FORM: &str = r#"write {"all":[..]} or {"any":[..]} with at least one condition such as {"condition":"above","threshold":"1650"}"#;
const FIELDS: [&str; 4] = [
    "condition",
    "threshold",
    "time_window_seconds",
    "moving_average_period",
];

/// Conditions, joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Matches when each of them does.
    All(Vec<Expression>),
    /// Matches when one of them does.
    Any(Vec<Expression>),
    /// One condition.
    One(RuleCondition),
}

impl Expression {
    /// Reads the JSON text of an expression: an object of `all` or `any` with a list of
    /// conditions and of further such objects. A threshold is a number or the text of one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another form, an unknown field, a condition that lacks a parameter,
    /// one that could never match, or a limit of this module that is passed. It names the place
    /// of what is wrong, such as `all[1].any[0]`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(refused(format!("longer than {EXPRESSION_BYTES_MAX} bytes")));
        }
        let json: &RawValue =
            serde_json::from_str(text).map_err(|error| refused(format!("not JSON: {error}")))?;
        let mut conditions = 0;
        let expression = match object(json) {
            Some(fields) if joined(&fields).is_some() => read(json, "", 1, &mut conditions)?,
            _ => return Err(refused("not an object of all or any".to_owned())),
        };
        match expression.contradiction() {
            Some(reason) => Err(refused(reason)),
            None => Ok(expression),
        }
    }

    /// Why it can never match, as far as the bounds that it puts on the price tell.
    fn contradiction(&self) -> Option<String> {
        match self {
            Self::One(_) => None,
            Self::Any(parts) => {
                let mut reasons = parts.iter().map(Self::contradiction);
                let first = reasons.next()??;
                reasons.all(|reason| reason.is_some()).then_some(first)
            }
            Self::All(parts) => {
                let mut bounds = PriceBounds::default();
                self.narrow(&mut bounds);
                let inner = || parts.iter().find_map(Self::contradiction);
                bounds.contradiction().or_else(inner)
            }
        }
    }

    /// Puts the bounds on the price that hold wherever it matches.
    fn narrow(&self, bounds: &mut PriceBounds) {
        match self {
            Self::One(part) => bounds.add(part),
            Self::All(parts) => parts.iter().for_each(|part| part.narrow(bounds)),
            Self::Any(_) => {}
        }
    }
}

/// A price that matches is above `low` and below `high`.
#[derive(Default)]
struct PriceBounds {
    low: Option<BigDecimal>,
    high: Option<BigDecimal>,
}

impl PriceBounds {
    fn add(&mut self, part: &RuleCondition) {
        let Some(threshold) = &part.threshold else {
            return;
        };
        let at = threshold.as_big_decimal().clone();
        match part.trigger {
            Trigger::Above | Trigger::CrossesAbove => self.above(at),
            Trigger::Below | Trigger::CrossesBelow => self.below(at),
            Trigger::Equals => {
                // How near is the instrument's matter: half a unit of its last place at most.
                let half = BigDecimal::new(5.into(), 1);
                self.above(&at - &half);
                self.below(at + half);
            }
            _ => {}
        }
    }

    fn above(&mut self, at: BigDecimal) {
        self.low = Some(match self.low.take() {
            Some(low) => low.max(at),
            None => at,
        });
    }

    fn below(&mut self, at: BigDecimal) {
        self.high = Some(match self.high.take() {
            Some(high) => high.min(at),
            None => at,
        });
    }

    fn contradiction(&self) -> Option<String> {
        let never = self.low.as_ref()? >= self.high.as_ref()?;
        never.then(|| "it could never match: no price is within all its bounds".to_owned())
    }
}

/// The fields of an object, each as the text that it is: a threshold is read digit by digit.
type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

fn object(json: &RawValue) -> Option<Fields<'_>> {
    serde_json::from_str(json.get()).ok()
}

/// The join of an object and its list, when it is an object of all or any.
fn joined<'a>(fields: &Fields<'a>) -> Option<(&'static str, Vec<&'a RawValue>)> {
    let (name, list) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let join = ["all", "any"].into_iter().find(|join| name == join)?;
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    (!list.is_empty()).then_some((join, list))
}

fn read(json: &RawValue, place: &str, depth: usize, conditions: &mut usize) -> Result<Expression> {
    let Some(fields) = object(json) else {
        return Err(refused(format!("{place} is not an object")));
    };
    let Some((join, list)) = joined(&fields) else {
        *conditions += 1;
        if *conditions > EXPRESSION_CONDITIONS_MAX {
            let reason = format!("more than {EXPRESSION_CONDITIONS_MAX} conditions");
            return Err(refused(reason));
        }
        return Ok(Expression::One(read_part(&fields, place)?));
    };
    if depth > EXPRESSION_DEPTH_MAX {
        let reason = format!("{place} is nested deeper than {EXPRESSION_DEPTH_MAX}");
        return Err(refused(reason));
    }
    let dot = if place.is_empty() { "" } else { "." };
    let parts = list.iter().enumerate().map(|(n, part)| {
        read(
            part,
            &format!("{place}{dot}{join}[{n}]"),
            depth + 1,
            conditions,
        )
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    Ok(match join {
        "all" => Expression::All(parts),
        _ => Expression::Any(parts),
    })
}

fn read_part(fields: &Fields<'_>, place: &str) -> Result<RuleCondition> {
    if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&&***name)) {
        let name: String = name.chars().take(32).collect();
        return Err(refused(format!("{place} has the unknown field {name:?}")));
    }
    let condition = fields.get("condition");
    let condition: Option<String> = condition.and_then(|it| serde_json::from_str(it.get()).ok());
    let Some(condition) = condition else {
        return Err(refused(format!("{place} names no condition")));
    };
    let condition = condition.parse().map_err(|error| inside(place, error))?;
    let threshold = present(fields, "threshold")
        .map(Decimal::from_json)
        .transpose()
        .map_err(|error| inside(place, of_threshold(error)))?;
    let parameters = ConditionParameters {
        threshold: threshold.as_ref(),
        time_window_seconds: number(fields, "time_window_seconds", place)?,
        moving_average_period: number(fields, "moving_average_period", place)?,
    };
    RuleCondition::new(condition, parameters).map_err(|error| inside(place, error))
}

/// The text of a field that is there and not null.
fn present<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    let text = fields.get(name)?.get().trim();
    (text != "null").then_some(text)
}

/// The error of a decimal under the name that the field has here.
fn of_threshold(error: Error) -> Error {
    match error {
        Error::Invalid { reason, remedy, .. } => Error::invalid("threshold", reason, remedy),
        other => other,
    }
}

fn number(fields: &Fields<'_>, name: &str, place: &str) -> Result<Option<i32>> {
    let Some(text) = present(fields, name) else {
        return Ok(None);
    };
    let whole = serde_json::from_str(text);
    let refused = |_| refused(format!("{place}.{name} is not a whole number in range"));
    whole.map(Some).map_err(refused)
}

/// An error of a part, with its place.
fn inside(place: &str, error: Error) -> Error {
    match error {
        Error::Invalid {
            name,
            reason,
            remedy,
        } => Error::invalid("expression", format!("{place}.{name}: {reason}"), remedy),
        other => other,
    }
}

fn refused(reason: String) -> Error {
    Error::invalid("expression", reason, FORM)
}
