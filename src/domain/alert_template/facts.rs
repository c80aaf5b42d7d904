//! What a template is told of an alert, and samples of it: every template is tried with them before
//! an alert needs it.

use serde::Serialize;

use super::TemplateVariables;

/// An alert, as templates see it. Values are not rounded: they are for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TemplateAlert<'a> {
    pub(crate) id: i64,
    pub(crate) timestamp: String,
    pub(crate) source_id: i64,
    pub(crate) sequence: i64,
    pub(crate) rule_id: i64,
    pub(crate) rule_name: Option<&'a str>,
    pub(crate) instrument_id: i64,
    pub(crate) instrument_symbol: &'a str,
    pub(crate) trigger_value: f64,
    pub(crate) threshold_value: Option<f64>,
    pub(crate) fired_status: &'static str,
    pub(crate) rule_condition: &'a str,
    pub(crate) evaluation_time_ms: f64,
    pub(crate) alert_message: &'a str,
}

/// All that a template may name.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TemplateFacts<'a> {
    pub(crate) alert: TemplateAlert<'a>,
    /// The channel's name.
    pub(crate) channel: &'a str,
    pub(crate) idempotency_key: &'a str,
    /// The moment of this attempt, as `alert.timestamp` is written.
    pub(crate) sent_at: String,
}

/// [`TemplateFacts`] and the variables of the channel.
#[derive(Serialize)]
pub(super) struct TemplateContext<'a> {
    #[serde(flatten)]
    pub(super) facts: &'a TemplateFacts<'a>,
    pub(super) variables: &'a TemplateVariables,
}

impl TemplateAlert<'_> {
    /// The names of its fields.
    pub(super) const FIELDS: [&'static str; 14] = [
        "id",
        "timestamp",
        "source_id",
        "sequence",
        "rule_id",
        "rule_name",
        "instrument_id",
        "instrument_symbol",
        "trigger_value",
        "threshold_value",
        "fired_status",
        "rule_condition",
        "evaluation_time_ms",
        "alert_message",
    ];
}

/// A message with all that JSON must escape, and with what templates are written in.
const ODD: &str =
    "\"quoted\" \\ 'single'\nline\ttab \u{1} \u{2028} é \u{1f4c8} <b>&</b> {{ x }} {% y %}";

/// A plain alert, and one of a rule without a name and a threshold whose message is odd.
pub(super) fn samples() -> [TemplateFacts<'static>; 2] {
    let plain = TemplateFacts {
        alert: TemplateAlert {
            id: 1,
            timestamp: "2013-09-03T10:23:00.074000Z".to_owned(),
            source_id: 1,
            sequence: 0,
            rule_id: 1,
            rule_name: Some("high"),
            instrument_id: 1,
            instrument_symbol: "ES",
            trigger_value: 1641.75,
            threshold_value: Some(1641.5),
            fired_status: "fired",
            rule_condition: "above",
            evaluation_time_ms: 0.002,
            alert_message: "Alert: high - Price 1641.75 above threshold 1641.5000",
        },
        channel: "sample",
        idempotency_key: "tickbase-1-1-1378203780074000-1-0-sample",
        sent_at: "2013-09-03T10:23:00.080000Z".to_owned(),
    };
    let mut odd = plain.clone();
    odd.alert.rule_name = None;
    odd.alert.threshold_value = None;
    odd.alert.alert_message = ODD;
    [plain, odd]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_that_are_named_are_those_that_there_are() {
        let [plain, _] = samples();
        let alert = serde_json::to_value(&plain.alert).unwrap();
        let mut named = TemplateAlert::FIELDS.to_vec();
        named.sort_unstable();
        let there: Vec<&String> = alert.as_object().unwrap().keys().collect();
        assert_eq!(there, named);
    }
}
