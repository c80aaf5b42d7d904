//! Files of rules: TOML and JSON with symbols in place of ids, read and written.
//!
//! A rule is one table of `rules`. TOML is turned into JSON text first, digits as they stand, so
//! that one reader reads both and no threshold goes through a double.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use toml::de::{DeTable, DeValue};

use tickbase::decimal::Decimal;
use tickbase::domain::{Condition, Expression, RuleType, Symbol};
use tickbase::error::{Error, Result};
use tickbase::models::{AlertRule, NewAlertRule};

/// How a file of rules is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleFormat {
    Toml,
    Json,
}

impl RuleFormat {
    /// The format that was asked for, else that of the file's ending.
    pub(crate) fn of(path: &Path, asked: Option<Self>) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match (asked, ending) {
            (Some(format), _) => Ok(format),
            (None, Some("toml")) => Ok(Self::Toml),
            (None, Some("json")) => Ok(Self::Json),
            (None, _) => Err(Error::invalid(
                "--format",
                format!("the ending of {} names no format", path.display()),
                "give --format toml or --format json",
            )),
        }
    }
}

/// A rule of a file: its instrument is still a symbol.
#[derive(Debug, Clone)]
pub(crate) struct NamedRule {
    /// Which rule of the file, for errors.
    pub(crate) place: String,
    pub(crate) symbol: Symbol,
    /// Its instrument's id is not known yet.
    pub(crate) rule: NewAlertRule,
}

/// Reads a file; a rule that could never fire is an error that names it.
pub(crate) fn read(path: &Path, format: RuleFormat) -> Result<Vec<NamedRule>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Error::File {
        path: name.clone(),
        reason: error.to_string(),
        remedy: "check the path".to_owned(),
    })?;
    parse(&name, &text, format)
}

fn parse(name: &str, text: &str, format: RuleFormat) -> Result<Vec<NamedRule>> {
    let unreadable = |reason: String| {
        let remedy = "write a list `rules` of tables with symbol, condition, threshold, ..";
        Error::invalid(name, reason.trim().replace('\n', " "), remedy)
    };
    let json = match format {
        RuleFormat::Json => text.to_owned(),
        RuleFormat::Toml => {
            let table = DeTable::parse(text).map_err(|error| unreadable(error.to_string()))?;
            let mut json = String::new();
            table_to_json(table.get_ref(), &mut json);
            json
        }
    };
    let rules: Vec<Box<RawValue>> = if json.trim_start().starts_with('[') {
        serde_json::from_str(&json).map_err(|error| unreadable(error.to_string()))?
    } else {
        let list: RuleList =
            serde_json::from_str(&json).map_err(|error| unreadable(error.to_string()))?;
        list.rules
    };
    let named = rules.iter().enumerate().map(|(index, raw)| {
        let place = format!("{name}: rule {}", index + 1);
        let refuse = |reason: String, remedy: String| Error::invalid(&place, reason, remedy);
        let written: WrittenRule = serde_json::from_str(raw.get()).map_err(|error| {
            // The place in the line is that of the rule alone: it would mislead.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            refuse(reason.to_owned(), "see `tickbase rules export`".to_owned())
        })?;
        let place = match &written.name {
            Some(name) => format!("{place} ({name:?})"),
            None => place.clone(),
        };
        written.named(&place)
    });
    named.collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleList {
    rules: Vec<Box<RawValue>>,
}

/// A rule as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    symbol: String,
    rule_type: Option<String>,
    condition: Option<String>,
    threshold: Option<Box<RawValue>>,
    expression: Option<Box<RawValue>>,
    active: Option<bool>,
    name: Option<String>,
    description: Option<String>,
    time_window_seconds: Option<i32>,
    moving_average_period: Option<i32>,
    cooldown_seconds: Option<i32>,
}

impl WrittenRule {
    fn named(self, place: &str) -> Result<NamedRule> {
        self.checked(place).map_err(|error| match error {
            Error::Invalid {
                name,
                reason,
                remedy,
            } => Error::invalid(format!("{place}: {name}"), reason, remedy),
            other => other,
        })
    }

    fn checked(self, place: &str) -> Result<NamedRule> {
        let symbol = Symbol::new(&self.symbol)?;
        let condition: Option<Condition> = self.condition.map(|it| it.parse()).transpose()?;
        let rule_type = self.rule_type.map(|it| it.parse()).transpose()?;
        let new = NewAlertRule::new(0, rule_type.unwrap_or_else(|| type_of(condition)));
        let threshold = |json: Box<RawValue>| {
            Decimal::from_json(json.get()).map_err(|error| renamed("threshold", error))
        };
        let rule = NewAlertRule {
            condition,
            threshold: self.threshold.map(threshold).transpose()?,
            expression: self.expression.map(|json| json.get().to_owned()),
            active: self.active.unwrap_or(new.active),
            name: self.name,
            description: self.description,
            time_window_seconds: self.time_window_seconds,
            moving_average_period: self.moving_average_period,
            cooldown_seconds: self.cooldown_seconds.unwrap_or(new.cooldown_seconds),
            ..new
        };
        rule.shape().kind()?;
        Ok(NamedRule {
            place: place.to_owned(),
            symbol,
            rule,
        })
    }
}

/// The type of a rule that names none.
pub(crate) fn type_of(condition: Option<Condition>) -> RuleType {
    condition.map_or(RuleType::MultiCondition, RuleType::of)
}

/// The error under the name that the user knows.
pub(crate) fn renamed(name: &str, error: Error) -> Error {
    match error {
        Error::Invalid { reason, remedy, .. } => Error::invalid(name, reason, remedy),
        other => other,
    }
}

fn table_to_json(table: &DeTable<'_>, json: &mut String) {
    json.push('{');
    for (index, (key, value)) in table.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        push_text(key.get_ref(), json);
        json.push(':');
        value_to_json(value.get_ref(), json);
    }
    json.push('}');
}

fn value_to_json(value: &DeValue<'_>, json: &mut String) {
    match value {
        DeValue::Table(table) => table_to_json(table, json),
        DeValue::Array(list) => {
            json.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                value_to_json(value.get_ref(), json);
            }
            json.push(']');
        }
        DeValue::Boolean(value) => json.push_str(if *value { "true" } else { "false" }),
        DeValue::String(text) => push_text(text, json),
        DeValue::Integer(number) if number.radix() == 10 => push_number(number.as_str(), json),
        DeValue::Integer(number) => push_text(number.as_str(), json),
        DeValue::Float(number) => push_number(number.as_str(), json),
        DeValue::Datetime(moment) => push_text(&moment.to_string(), json),
    }
}

/// A number digit by digit. `inf` and `nan` are texts, which no field takes.
fn push_number(text: &str, json: &mut String) {
    let digits = text.trim_start_matches('+').replace('_', "");
    if digits.contains(['i', 'n']) {
        push_text(&digits, json);
    } else {
        json.push_str(&digits);
    }
}

fn push_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// A rule as it is written into a file.
#[derive(Serialize)]
pub(crate) struct ExportedRule {
    symbol: String,
    rule_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'static str>,
    /// As text: every reader keeps its digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<String>,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_window_seconds: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moving_average_period: Option<i32>,
    cooldown_seconds: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct ExportedList<'a> {
    rules: &'a [ExportedRule],
}

impl ExportedRule {
    pub(crate) fn new(symbol: &Symbol, rule: AlertRule) -> Self {
        let expression = rule.expression.as_deref().map(|text| {
            let mut value = serde_json::from_str(text).unwrap_or_default();
            without_null(&mut value);
            value
        });
        Self {
            symbol: symbol.to_string(),
            rule_type: rule.rule_type.as_str(),
            condition: rule.condition.map(Condition::as_str),
            threshold: rule.threshold.map(|threshold| threshold.to_string()),
            active: rule.active,
            name: rule.name,
            description: rule.description,
            time_window_seconds: rule.time_window_seconds,
            moving_average_period: rule.moving_average_period,
            cooldown_seconds: rule.cooldown_seconds,
            expression,
        }
    }
}

impl ExportedRule {
    pub(crate) fn symbol(&self) -> &str {
        &self.symbol
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    pub(crate) fn cooldown_seconds(&self) -> i32 {
        self.cooldown_seconds
    }

    /// Its name, else what it compares.
    pub(crate) fn summary(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let mut text = self.condition.unwrap_or(self.rule_type).to_owned();
        if let Some(threshold) = &self.threshold {
            text.push_str(&format!(" {threshold}"));
        }
        if let Some(period) = self.moving_average_period {
            text.push_str(&format!(", mean of {period}"));
        }
        if let Some(seconds) = self.time_window_seconds {
            text.push_str(&format!(" in {seconds} s"));
        }
        text
    }
}

/// TOML knows no null, and in an expression null is as good as absent.
fn without_null(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_null);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// The text of a file that [`read`] reads back.
pub(crate) fn write(rules: &[ExportedRule], format: RuleFormat) -> Result<String> {
    let list = ExportedList { rules };
    let written = match format {
        RuleFormat::Toml => toml::to_string(&list).map_err(|error| error.to_string()),
        RuleFormat::Json => serde_json::to_string_pretty(&list).map_err(|error| error.to_string()),
    };
    written.map_err(|reason| Error::invalid("rules", reason, "report this as a defect"))
}

/// Whether a stored rule is the one that a file describes.
pub(crate) fn is_same(stored: &AlertRule, new: &NewAlertRule) -> bool {
    let expression = |text: &Option<String>| text.as_deref().map(Expression::parse);
    let same_expression = match (expression(&stored.expression), expression(&new.expression)) {
        (Some(Ok(one)), Some(Ok(other))) => one == other,
        (None, None) => true,
        _ => false,
    };
    same_expression
        && stored.instrument_id == new.instrument_id
        && stored.rule_type == new.rule_type
        && stored.condition == new.condition
        && stored.threshold == new.threshold
        && stored.active == new.active
        && stored.name == new.name
        && stored.description == new.description
        && stored.time_window_seconds == new.time_window_seconds
        && stored.moving_average_period == new.moving_average_period
        && stored.cooldown_seconds == new.cooldown_seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str, format: RuleFormat) -> Result<Vec<NamedRule>> {
        parse("rules", text, format)
    }

    #[test]
    fn both_formats_are_read_digit_by_digit() {
        let toml = r#"
            [[rules]]
            symbol = "es"
            condition = "above"
            threshold = 12_345_678_901.12345678
            [[rules]]
            symbol = "ES"
            name = "both"
            expression.all = [
                { condition = "above", threshold = 1650.25 },
                { condition = "volume_above", threshold = "100" },
            ]
        "#;
        let json = r#"[
            {"symbol": "ES", "condition": "above", "threshold": 12345678901.12345678},
            {"symbol": "ES", "name": "both", "rule_type": "multi_condition", "expression":
                {"all": [{"condition": "above", "threshold": 1650.25},
                         {"condition": "volume_above", "threshold": "100"}]}}]"#;
        for read in [rules(toml, RuleFormat::Toml), rules(json, RuleFormat::Json)] {
            let read = read.unwrap();
            assert_eq!(read[0].symbol.as_str(), "ES");
            let threshold = read[0].rule.threshold.as_ref().unwrap().to_string();
            assert_eq!(threshold, "12345678901.12345678");
            assert_eq!(read[1].rule.rule_type, RuleType::MultiCondition);
            assert!(
                read[1].place.contains("rule 2 (\"both\")"),
                "{}",
                read[1].place
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, said) in [
            ("[[rules]]\nsymbol = 1", "rule 1: invalid type"),
            (
                "[[rules]]\nsymbol = 'ES'\ncondition = 'above'",
                "rule 1: threshold: ",
            ),
            (
                "[[rules]]\nsymbol = 'ES'\ncondition = 'above'\nthreshold = nan",
                "rule 1: threshold: \"nan\" is not a number",
            ),
            (
                "[[rules]]\nsymbol = 'ES'\ncolour = 'red'",
                "rule 1: unknown field `colour`",
            ),
            ("[[rule]]\nsymbol = 'ES'", "unknown field `rule`"),
            ("rules = ", "rules: "),
        ] {
            let error = rules(text, RuleFormat::Toml).unwrap_err().to_string();
            assert!(
                error.contains(said) && !error.contains('\n'),
                "{text}: {error}"
            );
        }
    }
}
