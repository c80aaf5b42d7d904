//! The templates that come with tickbase: their names, their texts, and the variables that each of
//! them knows. A text writes a value without quotes: it gets them, and is escaped, as JSON.

use serde_json::Value;

use super::TemplateVariables;
use crate::error::{Error, Result};

/// Seconds after which an alert of which nothing more is heard counts as over at Alertmanager:
/// its own default.
const LASTS_SECONDS_DEFAULT: i64 = 300;
const LASTS_SECONDS_MAX: i64 = 30 * 86_400;

/// A template that comes with tickbase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BuiltInTemplate {
    /// All of an alert, for programs.
    Generic,
    /// An incoming webhook of Slack, and of what understands its `text`.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// `sendMessage` of a bot of Telegram.
    Telegram,
    /// Events of PagerDuty, version 2.
    PagerDuty,
    /// `POST /api/v2/alerts` of Alertmanager.
    Alertmanager,
}

/// A variable that a template knows.
struct KnownVariable {
    name: &'static str,
    rule: VariableRule,
    /// The value of one that is left out; none where it is needed.
    default: Option<fn() -> Value>,
    secret: bool,
}

/// What the value of a variable must be.
enum VariableRule {
    /// A text, or a number that is written as one.
    Text,
    OneOf(&'static [&'static str]),
    /// The beginning of a URL.
    Url,
    Seconds,
}

const BASE_URL: KnownVariable = KnownVariable {
    name: "base_url",
    rule: VariableRule::Url,
    default: Some(|| "".into()),
    secret: false,
};

impl BuiltInTemplate {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Generic,
        Self::Slack,
        Self::Discord,
        Self::Telegram,
        Self::PagerDuty,
        Self::Alertmanager,
    ];

    /// The name that settings use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Telegram => "telegram",
            Self::PagerDuty => "pagerduty",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Generic => GENERIC,
            Self::Slack => SLACK,
            Self::Discord => DISCORD,
            Self::Telegram => TELEGRAM,
            Self::PagerDuty => PAGERDUTY,
            Self::Alertmanager => ALERTMANAGER,
        }
    }

    fn known(self) -> Vec<KnownVariable> {
        let text = |name, secret, default| KnownVariable {
            name,
            rule: VariableRule::Text,
            default,
            secret,
        };
        match self {
            Self::Generic | Self::Slack | Self::Discord => Vec::new(),
            Self::Telegram => vec![text("chat_id", false, None)],
            Self::PagerDuty => vec![
                text("routing_key", true, None),
                KnownVariable {
                    name: "severity",
                    rule: VariableRule::OneOf(&["critical", "error", "warning", "info"]),
                    default: Some(|| "warning".into()),
                    secret: false,
                },
                BASE_URL,
            ],
            Self::Alertmanager => vec![
                text("severity", false, Some(|| "warning".into())),
                KnownVariable {
                    name: "lasts_seconds",
                    rule: VariableRule::Seconds,
                    default: Some(|| LASTS_SECONDS_DEFAULT.into()),
                    secret: false,
                },
                BASE_URL,
            ],
        }
    }

    pub(super) fn variables(self, given: &TemplateVariables) -> Result<TemplateVariables> {
        let known = self.known();
        let names: Vec<&str> = known.iter().map(|one| one.name).collect();
        if let Some(stranger) = given.keys().find(|name| !names.contains(&name.as_str())) {
            let reason = format!("the template {} knows no {stranger}", self.as_str());
            let remedy = match names.is_empty() {
                true => "leave it out: it needs no variables".to_owned(),
                false => format!("it knows {}", names.join(", ")),
            };
            return Err(Error::invalid("variables", reason, remedy));
        }
        let mut all = TemplateVariables::new();
        for one in known {
            let value = match (given.get(one.name), one.default) {
                (Some(value), _) => one.checked(value)?,
                (None, Some(default)) => default(),
                (None, None) => {
                    let reason = format!("the template {} needs {}", self.as_str(), one.name);
                    let remedy = format!("add variables = {{ {} = \"..\" }}", one.name);
                    return Err(Error::invalid("variables", reason, remedy));
                }
            };
            all.insert(one.name.to_owned(), value);
        }
        Ok(all)
    }

    pub(super) fn is_secret(self, variable: &str) -> bool {
        let known = self.known();
        known.iter().any(|one| one.name == variable && one.secret)
    }
}

impl KnownVariable {
    /// The value, if it can be right; the error does not repeat it.
    fn checked(&self, value: &Value) -> Result<Value> {
        let refuse = |reason: &str, remedy: String| {
            let reason = format!("{} {reason}", self.name);
            Err(Error::invalid("variables", reason, remedy))
        };
        let text = value.as_str().map(str::trim);
        match self.rule {
            VariableRule::Text if value.is_number() => {}
            VariableRule::Text if text.is_some_and(|text| !text.is_empty()) => {}
            VariableRule::Text => {
                return refuse("is empty or no text", "write it in quotes".into());
            }
            VariableRule::OneOf(words) if text.is_some_and(|text| words.contains(&text)) => {}
            VariableRule::OneOf(words) => {
                return refuse("is none of its words", format!("use {}", words.join(", ")));
            }
            VariableRule::Url => {
                let text = text.unwrap_or_default();
                let rest = text.strip_prefix("https://");
                let rest = rest.or_else(|| text.strip_prefix("http://"));
                let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
                if rest.is_none_or(str::is_empty) || !graphic {
                    let remedy = "write it like https://ticks.example".into();
                    return refuse("is not the beginning of a URL", remedy);
                }
                return Ok(text.trim_end_matches('/').into());
            }
            VariableRule::Seconds => {
                let seconds = value.as_i64().unwrap_or(0);
                if !(1..=LASTS_SECONDS_MAX).contains(&seconds) {
                    let remedy = format!("give a whole number in 1..={LASTS_SECONDS_MAX}");
                    return refuse("is not a number of seconds", remedy);
                }
            }
        }
        Ok(value.clone())
    }
}

const GENERIC: &str = r#"{"event": "alert_fired", "version": "1.0", "alert": {{ alert }}}"#;

/// The three characters of Slack's markup are escaped in the text
/// (<https://api.slack.com/reference/surfaces/formatting#escaping>); the blocks are plain.
const SLACK: &str = r#"{
  "text": {{ alert.alert_message|replace("&", "&amp;")|replace("<", "&lt;")|replace(">", "&gt;") }},
  "blocks": [
    {"type": "section", "text": {"type": "plain_text", "text": {{ alert.alert_message|cut(3000) }}, "emoji": false}},
    {"type": "context", "elements": [
      {"type": "plain_text", "text": {{ alert.instrument_symbol ~ "  " ~ alert.timestamp }}, "emoji": false}
    ]}
  ]
}"#;

/// Nobody is called by a rule that is named `@everyone`. 2,000 characters are the most.
const DISCORD: &str = r#"{
  "content": {{ alert.alert_message|cut(1800) ~ "\n" ~ alert.instrument_symbol ~ "  " ~ alert.timestamp }},
  "allowed_mentions": {"parse": []}
}"#;

/// 4,096 characters are the most.
const TELEGRAM: &str = r#"{
  "chat_id": {{ variables.chat_id }},
  "text": {{ alert.alert_message|cut(3900) ~ "\n" ~ alert.instrument_symbol ~ "  " ~ alert.timestamp }}
}"#;

const PAGERDUTY: &str = r#"{
  "routing_key": {{ variables.routing_key|string }},
  "event_action": "trigger",
  "dedup_key": {{ idempotency_key }},
  "client": "tickbase",
  {% if variables.base_url %}"client_url": {{ variables.base_url }},{% endif %}
  "payload": {
    "summary": {{ alert.alert_message|cut(1024) }},
    "source": "tickbase",
    "severity": {{ variables.severity }},
    "timestamp": {{ alert.timestamp }},
    "component": {{ alert.instrument_symbol }},
    "class": {{ alert.rule_condition }},
    "custom_details": {{ alert }}
  }
}"#;

/// Alertmanager takes alerts with the same labels for one, so what differs from one firing to the
/// next is an annotation. It is over some time after it was sent: a tick is a moment.
const ALERTMANAGER: &str = r#"[{
  "labels": {
    "alertname": {{ alert.rule_name or "rule " ~ alert.rule_id }},
    "symbol": {{ alert.instrument_symbol }},
    "rule_id": {{ alert.rule_id|string }},
    "severity": {{ variables.severity|string }}
  },
  "annotations": {
    "summary": {{ alert.alert_message }},
    "trigger_value": {{ alert.trigger_value|string }},
    "idempotency_key": {{ idempotency_key }}
  },
  {% if variables.base_url %}"generatorURL": {{ variables.base_url ~ "/api/alerts?rule_id=" ~ alert.rule_id }},{% endif %}
  "startsAt": {{ alert.timestamp }},
  "endsAt": {{ [alert.timestamp, sent_at]|max|add_seconds(variables.lasts_seconds) }}
}]"#;
