//! Alert rules as the API writes and reads them.
//!
//! Thresholds go in and out digit by digit, as numbers in JSON: no double comes in between.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::decimal::Decimal;
use crate::domain::{Condition, RuleType};
use crate::error::{Error, Result};
use crate::models::{AlertRule, AlertRuleChange, NewAlertRule};

/// The longest description, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 10_000;

/// An alert rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
pub(in crate::api) struct RuleItem {
    id: i64,
    instrument_id: i64,
    instrument_symbol: String,
    rule_type: RuleType,
    /// None for a multi-condition rule.
    condition: Option<Condition>,
    /// Exact, at any magnitude. `equals` means nearer than half a unit of the last place that the
    /// instrument shows (0.00005 where `price_decimals` is 4), or equal where it shows all.
    #[schema(value_type = Option<f64>)]
    threshold: Option<Box<RawValue>>,
    /// The conditions of a multi-condition rule.
    #[schema(value_type = Option<Object>)]
    expression: Option<Box<RawValue>>,
    /// True when it is evaluated.
    active: bool,
    name: Option<String>,
    description: Option<String>,
    time_window_seconds: Option<i32>,
    moving_average_period: Option<i32>,
    cooldown_seconds: i32,
    /// Event time of the tick that fired it last.
    #[schema(format = DateTime)]
    last_triggered: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A rule to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRule)]
pub(in crate::api) struct RuleBody {
    instrument_id: i64,
    rule_type: RuleType,
    /// One that belongs to the type; none for a multi-condition rule.
    condition: Option<Condition>,
    /// A number, or its digits as text, of any magnitude.
    #[schema(value_type = Option<f64>, example = 1650.25)]
    threshold: Option<Box<RawValue>>,
    /// The conditions of a multi-condition rule:
    /// `{"all": [{"condition": "above", "threshold": "1650"}, ..]}` or `{"any": [..]}`.
    #[schema(value_type = Option<Object>)]
    expression: Option<Box<RawValue>>,
    /// True when it is evaluated; true unless given.
    active: Option<bool>,
    #[schema(max_length = 100)]
    name: Option<String>,
    #[schema(max_length = 10_000)]
    description: Option<String>,
    /// A rate of change needs it.
    #[schema(minimum = 1, maximum = 3600)]
    time_window_seconds: Option<i32>,
    #[schema(minimum = 1, maximum = 1000)]
    moving_average_period: Option<i32>,
    /// 60 unless given.
    #[schema(minimum = 0, maximum = 3600)]
    cooldown_seconds: Option<i32>,
}

/// What to change of a rule: what is absent stays, and null is written.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleChange)]
pub(in crate::api) struct RuleChangeBody {
    #[schema(value_type = Option<RuleType>, nullable = false)]
    #[serde(default, deserialize_with = "given")]
    rule_type: Option<Option<RuleType>>,
    #[schema(value_type = Option<Condition>)]
    #[serde(default, deserialize_with = "given")]
    condition: Option<Option<Condition>>,
    /// A number, or its digits as text, of any magnitude.
    #[schema(value_type = Option<f64>)]
    #[serde(default, deserialize_with = "given")]
    threshold: Option<Option<Box<RawValue>>>,
    #[schema(value_type = Option<Object>)]
    #[serde(default, deserialize_with = "given")]
    expression: Option<Option<Box<RawValue>>>,
    #[schema(value_type = Option<bool>, nullable = false)]
    #[serde(default, deserialize_with = "given")]
    active: Option<Option<bool>>,
    #[schema(value_type = Option<String>, max_length = 100)]
    #[serde(default, deserialize_with = "given")]
    name: Option<Option<String>>,
    #[schema(value_type = Option<String>, max_length = 10_000)]
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 3600)]
    #[serde(default, deserialize_with = "given")]
    time_window_seconds: Option<Option<i32>>,
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "given")]
    moving_average_period: Option<Option<i32>>,
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 3600, nullable = false)]
    #[serde(default, deserialize_with = "given")]
    cooldown_seconds: Option<Option<i32>>,
}

/// A value that is there, null included; an absent one is the default, `None`.
pub(super) fn given<'de, D, T>(deserializer: D) -> std::result::Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Which rules a list holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RuleQuery {
    /// Only those of this instrument
    pub(in crate::api) instrument_id: Option<i64>,
    /// Only those that are evaluated
    #[serde(default)]
    #[param(default = false)]
    pub(in crate::api) active_only: bool,
    /// Only those of this type
    #[param(inline)]
    pub(in crate::api) rule_type: Option<RuleType>,
    /// Rules of one page
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    pub(in crate::api) limit: Option<usize>,
    /// Goes on where the page before ended; from its header `link`
    #[param(pattern = r"^-?[0-9]{1,18}\.-?[0-9]{1,19}$")]
    pub(in crate::api) cursor: Option<String>,
}

impl RuleItem {
    pub(in crate::api) fn new(row: AlertRule, symbol: String) -> Self {
        let number = |decimal: &Decimal| RawValue::from_string(decimal.to_string()).ok();
        Self {
            id: row.id,
            instrument_id: row.instrument_id,
            instrument_symbol: symbol,
            rule_type: row.rule_type,
            condition: row.condition,
            threshold: row.threshold.as_ref().and_then(number),
            expression: row.expression.and_then(|it| RawValue::from_string(it).ok()),
            active: row.active,
            name: row.name,
            description: row.description,
            time_window_seconds: row.time_window_seconds,
            moving_average_period: row.moving_average_period,
            cooldown_seconds: row.cooldown_seconds,
            last_triggered: row.last_triggered.map(|at| at.to_string()),
            created_at: row.created_at.to_string(),
        }
    }
}

impl TryFrom<RuleBody> for NewAlertRule {
    type Error = Error;

    fn try_from(body: RuleBody) -> Result<Self> {
        let new = Self::new(body.instrument_id, body.rule_type);
        Ok(Self {
            condition: body.condition,
            threshold: body.threshold.as_deref().map(threshold).transpose()?,
            expression: body.expression.map(text_of),
            active: body.active.unwrap_or(new.active),
            name: body.name.map(name).transpose()?,
            description: body.description.map(description).transpose()?,
            time_window_seconds: body.time_window_seconds,
            moving_average_period: body.moving_average_period,
            cooldown_seconds: body.cooldown_seconds.unwrap_or(new.cooldown_seconds),
            ..new
        })
    }
}

impl TryFrom<RuleChangeBody> for AlertRuleChange {
    type Error = Error;

    fn try_from(body: RuleChangeBody) -> Result<Self> {
        Ok(Self {
            rule_type: never_null("rule_type", body.rule_type)?,
            condition: body.condition,
            threshold: checked(body.threshold, |json| threshold(&json))?,
            expression: body.expression.map(|it| it.map(text_of)),
            active: never_null("active", body.active)?,
            name: checked(body.name, name)?,
            description: checked(body.description, description)?,
            time_window_seconds: body.time_window_seconds,
            moving_average_period: body.moving_average_period,
            cooldown_seconds: never_null("cooldown_seconds", body.cooldown_seconds)?,
        })
    }
}

fn checked<T, U>(
    given: Option<Option<T>>,
    check: impl Fn(T) -> Result<U>,
) -> Result<Option<Option<U>>> {
    given.map(|value| value.map(&check).transpose()).transpose()
}

fn never_null<T>(name: &'static str, given: Option<Option<T>>) -> Result<Option<T>> {
    match given {
        Some(None) => Err(Error::invalid(
            name,
            "it is null, and every rule has one",
            "leave it out to keep it as it is",
        )),
        given => Ok(given.flatten()),
    }
}

fn threshold(json: &RawValue) -> Result<Decimal> {
    Decimal::from_json(json.get()).map_err(|error| match error {
        Error::Invalid { reason, remedy, .. } => Error::invalid("threshold", reason, remedy),
        other => other,
    })
}

/// The text of a JSON value, as it was sent.
fn text_of(json: Box<RawValue>) -> String {
    Box::<str>::from(json).into()
}

/// A name that messages and lists can show. How long it may be is the rule's own.
fn name(text: String) -> Result<String> {
    if text.chars().any(char::is_control) {
        let remedy = "use characters that can be seen";
        return Err(Error::invalid(
            "name",
            "it holds a control character",
            remedy,
        ));
    }
    Ok(text)
}

/// PostgreSQL stores no NUL, and a description is no file.
fn description(text: String) -> Result<String> {
    let length = text.chars().count();
    let reason = if text.contains('\0') {
        "it holds a NUL character".to_owned()
    } else if length > DESCRIPTION_LENGTH_MAX {
        format!("it has {length} characters")
    } else {
        return Ok(text);
    };
    let remedy = format!("use at most {DESCRIPTION_LENGTH_MAX} characters of text");
    Err(Error::invalid("description", reason, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_absent_from_null() {
        let change = |json: &str| {
            let body: RuleChangeBody = serde_json::from_str(json).unwrap();
            AlertRuleChange::try_from(body)
        };
        assert_eq!(change("{}").unwrap(), AlertRuleChange::default());
        let nulls = change(r#"{"name": null, "threshold": null, "time_window_seconds": null}"#);
        let expected = AlertRuleChange {
            name: Some(None),
            threshold: Some(None),
            time_window_seconds: Some(None),
            ..AlertRuleChange::default()
        };
        assert_eq!(nulls.unwrap(), expected);
        for field in ["rule_type", "active", "cooldown_seconds"] {
            let error = change(&format!(r#"{{"{field}": null}}"#)).unwrap_err();
            assert!(error.to_string().starts_with(field), "{error}");
        }
    }

    #[test]
    fn a_threshold_keeps_every_digit_that_no_double_holds() {
        for json in ["12345678901.12345678", r#""12345678901.12345678""#] {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(threshold(&raw).unwrap().to_string(), "12345678901.12345678");
        }
    }
}
