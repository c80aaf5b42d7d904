//! Any alert makes a body that its receiver takes, by each of our templates; and a template that
//! cannot work says why.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::facts::samples;
use super::{
    AlertTemplate, BuiltInTemplate, TemplateAlert, TemplateFacts, TemplateRenderer,
    TemplateVariables,
};

/// What a template needs to be told.
fn needed(template: BuiltInTemplate) -> TemplateVariables {
    let needed = match template {
        BuiltInTemplate::Telegram => json!({"chat_id": -1_001_234}),
        BuiltInTemplate::PagerDuty => {
            json!({"routing_key": "R0ut\"ing", "base_url": "https://t.example/"})
        }
        BuiltInTemplate::Alertmanager => json!({"base_url": "https://t.example"}),
        _ => json!({}),
    };
    serde_json::from_value(needed).unwrap()
}

fn renderer(template: BuiltInTemplate) -> TemplateRenderer {
    TemplateRenderer::new(&AlertTemplate::BuiltIn(template), &needed(template)).unwrap()
}

fn own(text: &str, variables: Value) -> crate::error::Result<TemplateRenderer> {
    let variables = serde_json::from_value(variables).unwrap();
    TemplateRenderer::new(&AlertTemplate::Own(text.to_owned()), &variables)
}

fn body(renderer: &TemplateRenderer, facts: &TemplateFacts<'_>) -> Value {
    serde_json::from_slice(&renderer.render(facts).unwrap()).unwrap()
}

/// What receivers count as characters.
fn units(value: &Value) -> usize {
    value.as_str().unwrap().encode_utf16().count()
}

proptest! {
    #[test]
    fn any_alert_makes_a_body_that_its_receiver_takes(
        message in any::<String>(),
        long in 0_usize..1_500,
        odd in proptest::collection::vec(any::<char>(), 0..6),
        name in proptest::option::of(any::<String>()),
        condition in any::<String>(),
        trigger in any::<f64>().prop_filter("finite", |value| value.is_finite()),
    ) {
        // Often longer than a receiver takes, too.
        let odd: String = odd.into_iter().collect();
        let message = format!("{message}{}", odd.repeat(long));
        let [plain, _] = samples();
        let facts = TemplateFacts {
            alert: TemplateAlert {
                alert_message: &message,
                rule_name: name.as_deref(),
                rule_condition: &condition,
                trigger_value: trigger,
                ..plain.alert.clone()
            },
            ..plain.clone()
        };
        for template in BuiltInTemplate::ALL {
            let body = body(&renderer(template), &facts);
            match template {
                BuiltInTemplate::Generic => {
                    prop_assert_eq!(&body["alert"]["alert_message"], &message);
                    prop_assert_eq!(body["alert"]["trigger_value"].as_f64(), Some(trigger));
                }
                BuiltInTemplate::Slack => {
                    let text = body["text"].as_str().unwrap();
                    prop_assert!(!text.contains(['<', '>']));
                    prop_assert!(units(&body["blocks"][0]["text"]["text"]) <= 3_000);
                }
                BuiltInTemplate::Discord => prop_assert!(units(&body["content"]) <= 2_000),
                BuiltInTemplate::Telegram => prop_assert!(units(&body["text"]) <= 4_096),
                BuiltInTemplate::PagerDuty => {
                    prop_assert!(units(&body["payload"]["summary"]) <= 1_024);
                    prop_assert_eq!(&body["payload"]["custom_details"]["alert_message"], &message);
                }
                BuiltInTemplate::Alertmanager => {
                    prop_assert_eq!(&body[0]["annotations"]["summary"], &message);
                    let labels = body[0]["labels"].as_object().unwrap();
                    prop_assert!(labels.values().all(Value::is_string));
                }
            }
        }
    }
}

#[test]
fn each_receiver_gets_what_its_documents_ask_for() {
    let [plain, odd] = samples();
    let of = |template, facts: &TemplateFacts<'_>| body(&renderer(template), facts);
    let generic = of(BuiltInTemplate::Generic, &odd);
    let alert = serde_json::to_value(&odd.alert).unwrap();
    assert_eq!(
        generic,
        json!({"event": "alert_fired", "version": "1.0", "alert": alert})
    );
    let line =
        "Alert: high - Price 1641.75 above threshold 1641.5000\nES  2013-09-03T10:23:00.074000Z";
    assert_eq!(
        of(BuiltInTemplate::Discord, &plain),
        json!({"content": line, "allowed_mentions": {"parse": []}})
    );
    assert_eq!(
        of(BuiltInTemplate::Telegram, &plain),
        json!({"chat_id": -1_001_234, "text": line})
    );
    let page = of(BuiltInTemplate::PagerDuty, &plain);
    assert_eq!(page["routing_key"], "R0ut\"ing");
    assert_eq!(
        (&page["event_action"], &page["client_url"]),
        (&json!("trigger"), &json!("https://t.example"))
    );
    assert_eq!(page["dedup_key"], plain.idempotency_key);
    let payload = &page["payload"];
    assert_eq!(
        (&payload["severity"], &payload["source"]),
        (&json!("warning"), &json!("tickbase"))
    );
    assert_eq!(payload["timestamp"], "2013-09-03T10:23:00.074000Z");
    assert_eq!(
        of(BuiltInTemplate::Alertmanager, &odd),
        json!([{
            "labels": {"alertname": "rule 1", "symbol": "ES", "rule_id": "1", "severity": "warning"},
            "annotations": {
                "summary": odd.alert.alert_message,
                "trigger_value": "1641.75",
                "idempotency_key": odd.idempotency_key,
            },
            "startsAt": "2013-09-03T10:23:00.074000Z",
            "endsAt": "2013-09-03T10:28:00.080000Z",
            "generatorURL": "https://t.example/api/alerts?rule_id=1",
        }])
    );
    // A tick that is ahead of the clock: an alert that ends before it starts is refused there.
    let ahead = TemplateFacts {
        sent_at: "2013-09-03T10:00:00Z".to_owned(),
        ..odd
    };
    let body = of(BuiltInTemplate::Alertmanager, &ahead);
    assert_eq!(body[0]["endsAt"], "2013-09-03T10:28:00.074000Z");
}

#[test]
fn a_long_text_is_cut_as_receivers_count() {
    let cut = own(r#"[{{ alert.alert_message|cut(6) }}]"#, json!({})).unwrap();
    let [plain, _] = samples();
    for (message, left) in [
        ("", ""),
        ("123456", "123456"),
        ("1234567", "1234.."),
        ("\u{1f4c8}\u{1f4c8}\u{1f4c8}", "\u{1f4c8}\u{1f4c8}\u{1f4c8}"),
        ("1\u{1f4c8}\u{1f4c8}\u{1f4c8}", "1\u{1f4c8}.."),
    ] {
        let mut facts = plain.clone();
        facts.alert.alert_message = message;
        assert_eq!(body(&cut, &facts), json!([left]));
    }
}

#[test]
fn ones_own_template_writes_values_as_json_however_it_says_it() {
    let text = r#"{"a": {{ alert.alert_message }}, "b": {{ alert.alert_message|tojson }},
        "c": {{ "at " ~ alert.trigger_value }}, "d": {{ variables.desk }}, "e": {{ alert.threshold_value }},
        "f": {% if alert.rule_name %}{{ alert.rule_name|upper }}{% else %}null{% endif %}}"#;
    let own = own(text, json!({"desk": 7})).unwrap();
    let [_, odd] = samples();
    let message = odd.alert.alert_message;
    assert_eq!(
        body(&own, &odd),
        json!({"a": message, "b": message, "c": "at 1641.75", "d": 7, "e": null, "f": null})
    );
}

#[test]
fn a_template_that_cannot_work_says_why_and_what_would() {
    for (text, reason, remedy) in [
        (
            "{{ alert.alert_message",
            "template: syntax error",
            "docs/alerts.md",
        ),
        (
            "{\"a\": {{ message }}}",
            "nobody knows its message",
            "use alert,",
        ),
        (
            "{\"a\": {{ alert.mesage }}}",
            "nobody knows its alert.mesage",
            "alert_message",
        ),
        (
            "{\"a\": {{ variables.desk }}}",
            "nobody knows its variables.desk",
            "add variables = { desk",
        ),
        // In a branch that no sample takes.
        (
            "{% if alert.id == 7 %}{{ alert.oops }}{% endif %}{}",
            "nobody knows its alert.oops",
            "an alert has",
        ),
        // By another name.
        (
            "{% set x = alert %}{\"a\": {{ x.oops }}}",
            "undefined",
            "docs/alerts.md",
        ),
        (
            "{\"a\": \"{{ alert.alert_message }}\"}",
            "makes no JSON",
            "without quotes",
        ),
        (
            "{\"a\": \"{{ alert.alert_message|safe }}\"}",
            "makes no JSON",
            "without quotes",
        ),
        ("{\"a\": {{ alert.id|nope }}}", "filter", "docs/alerts.md"),
        ("plain text", "makes no JSON", "without quotes"),
        ("", "makes no JSON", "without quotes"),
    ] {
        let error = own(text, json!({})).unwrap_err().to_string();
        assert!(error.starts_with("template: "), "{text}: {error}");
        assert!(
            error.contains(reason) && error.contains(remedy),
            "{text}: {error}"
        );
    }
}

#[test]
fn what_a_template_of_ours_is_told_is_checked() {
    for (template, variables, reason, remedy) in [
        (
            BuiltInTemplate::Telegram,
            json!({}),
            "telegram needs chat_id",
            "variables = { chat_id",
        ),
        (
            BuiltInTemplate::Telegram,
            json!({"chat_id": " "}),
            "chat_id is empty",
            "quotes",
        ),
        (
            BuiltInTemplate::Telegram,
            json!({"chat_id": 1, "x": 1}),
            "knows no x",
            "chat_id",
        ),
        (
            BuiltInTemplate::Slack,
            json!({"x": 1}),
            "slack knows no x",
            "leave it out",
        ),
        (
            BuiltInTemplate::PagerDuty,
            json!({}),
            "needs routing_key",
            "routing_key",
        ),
        (
            BuiltInTemplate::PagerDuty,
            json!({"routing_key": "r", "severity": "s3cret"}),
            "severity is none of its words",
            "critical, error, warning, info",
        ),
        (
            BuiltInTemplate::Alertmanager,
            json!({"base_url": "s3cret"}),
            "base_url is not",
            "https://",
        ),
        (
            BuiltInTemplate::Alertmanager,
            json!({"lasts_seconds": 0}),
            "lasts_seconds is not",
            "1..=",
        ),
        (
            BuiltInTemplate::Generic,
            json!({"x": ["s3cret"]}),
            "x is neither",
            "one value",
        ),
    ] {
        let variables = serde_json::from_value(variables).unwrap();
        let refused = TemplateRenderer::new(&AlertTemplate::BuiltIn(template), &variables);
        let error = refused.unwrap_err().to_string();
        assert!(error.starts_with("variables: "), "{error}");
        assert!(error.contains(reason) && error.contains(remedy), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn the_longest_key_is_one_that_pagerduty_takes() {
    let number = i64::MIN;
    let key = format!(
        "tickbase-{number}-{number}-{number}-{number}-{number}-{}",
        "c".repeat(64)
    );
    assert!(key.len() <= 255, "{}", key.len());
}
