//! What receivers of each template get, and that nothing of a secret is left in what is stored,
//! logged or shown when they refuse.

use serde_json::json;
use tickbase::clock::Clock;
use tickbase::config::{
    AlertsConfig, ChannelConfig, ChannelTarget, HttpUrl, Settings, WebhookConfig,
};
use tickbase::domain::{AlertTemplate, BuiltInTemplate, DeliveryState, DeliveryStatus};
use tickbase::services::Service;
use tickbase::services::alert_delivery::test_channel;

use crate::delivery::receiver::{Receiver, Reply};
use crate::delivery::world::{BEGIN, HOUR, World, channel, one_more_look};
use crate::support::on_both;

/// The channels of a file of settings.
fn channels(toml: &str) -> Vec<ChannelConfig> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let settings = Settings::load(Some(file.path()), []).unwrap();
    settings.alerts.channels
}

/// A channel of a template, as a file says it.
fn of_file(template: &str, url: &str, rest: &str) -> Vec<ChannelConfig> {
    channels(&format!(
        "[[alerts.channels]]\nkind = 'webhook'\ntemplate = '{template}'\nurl = '{url}'\n{rest}"
    ))
}

const MESSAGE: &str = "Alert: <b> & co - Price 101.5 above threshold 100.0000";
const WITH_INSTRUMENT: &str =
    "Alert: <b> & co - Price 101.5 above threshold 100.0000\nES  2023-11-14T22:13:20.000001Z";

on_both! {
    fn each_template_arrives_as_its_receiver_asks_for(place: &TestDatabase) {
        let world = World::new(place);
        for (name, status, variables, expected) in [
            ("discord", 204, "", json!({"content": WITH_INSTRUMENT, "allowed_mentions": {"parse": []}})),
            ("telegram", 200, "variables = { chat_id = '@desk' }", json!({"chat_id": "@desk", "text": WITH_INSTRUMENT})),
            ("pagerduty", 202, "variables = { routing_key = 'r0uting', severity = 'critical' }", json!({
                "routing_key": "r0uting",
                "event_action": "trigger",
                "dedup_key": format!("tickbase-1-1-{}-1-0-pagerduty", BEGIN + 1),
                "client": "tickbase",
                "payload": {"severity": "critical", "class": "above", "component": "ES", "source": "tickbase",
                            "summary": MESSAGE, "timestamp": "2023-11-14T22:13:20.000001Z"},
            })),
            ("alertmanager", 200, "variables = { lasts_seconds = 60 }", json!([{
                "labels": {"alertname": "breakout", "symbol": "ES", "rule_id": "1", "severity": "warning"},
                "annotations": {"summary": MESSAGE, "trigger_value": "101.5",
                                "idempotency_key": format!("tickbase-1-1-{}-1-0-alertmanager", BEGIN + 1)},
                "startsAt": "2023-11-14T22:13:20.000001Z",
                "endsAt": "2023-11-14T22:14:20.000001Z",
            }])),
        ] {
            let receiver = Receiver::new(move |_| Reply::Status(status));
            let service = world.service(of_file(name, &receiver.url(), variables));
            let id = world.fire(1);
            service.start().unwrap();
            let request = receiver.wait_for(1).remove(0);
            let mut body = request.json();
            if name == "pagerduty" {
                let details = body["payload"].as_object_mut().unwrap().remove("custom_details");
                assert_eq!(details.unwrap()["trigger_value"], 101.5);
            }
            assert_eq!(body, expected, "{name}");
            assert_eq!(request.header("content-type"), Some("application/json"));
            let row = world.until_delivery(id, name, |row| row.status == DeliveryState::Delivered);
            assert_eq!(row.attempts, 1, "{name}");
            service.stop();
            // The next one is of the next template.
            world.forget(id);
        }
    }

    fn ones_own_template_and_headers_arrive(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::accepting();
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "{\"desk\": {{ variables.desk }}, \"what\": {{ alert.alert_message }}, \"key\": {{ idempotency_key }}}";
        std::fs::write(file.path(), text).unwrap();
        let rest = "name = 'own'\nsecret = 's'\nvariables = { desk = 7 }\n\
                    headers = { Authorization = 'Bearer t0ken', X-Number = 5 }";
        let service = world.service(of_file(file.path().to_str().unwrap(), &receiver.url(), rest));
        let id = world.fire(1);
        service.start().unwrap();
        let request = receiver.wait_for(1).remove(0);
        assert_eq!(request.json(), json!({"desk": 7, "what": MESSAGE, "key": request.key()}));
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(request.header("x-number"), Some("5"));
        assert!(request.header("x-tickbase-signature").is_some());
        world.until_status(id, DeliveryStatus::AllDelivered);
    }

    fn slack_by_kind_and_by_template_is_one(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::accepting();
        let toml = format!(
            "[[alerts.channels]]\nkind = 'slack'\nurl = '{0}'\n\
             [[alerts.channels]]\nname = 'other'\nkind = 'webhook'\ntemplate = 'slack'\nurl = '{0}'",
            receiver.url()
        );
        let service = world.service(channels(&toml));
        let id = world.fire(1);
        service.start().unwrap();
        world.until_status(id, DeliveryStatus::AllDelivered);
        let bodies: Vec<_> = receiver.requests().iter().map(|request| request.json()).collect();
        assert_eq!(bodies[0], bodies[1]);
        let kinds = ["slack", "other"].map(|name| world.delivery(id, name).unwrap().kind.as_str());
        assert_eq!(kinds, ["slack", "slack"]);
    }

    fn what_a_receiver_repeats_of_a_secret_is_stored_nowhere(place: &TestDatabase) {
        let world = World::new(place);
        let echo = b"bad token 123456:AAE-x_Y9zz, key r0utingkey, Bearer he4der".to_vec();
        let receiver = Receiver::new(move |_| Reply::Full(400, String::new(), echo.clone()));
        let url = receiver.url().replace("hooks/t0ken", "bot123456:AAE-x_Y9zz/sendMessage");
        let rest = "variables = { routing_key = 'r0utingkey' }\nheaders = { Authorization = 'Bearer he4der' }";
        let service = world.service(of_file("pagerduty", &url, rest));
        let id = world.fire(1);
        service.start().unwrap();
        let row = world.until_delivery(id, "pagerduty", |row| row.status == DeliveryState::Dead);
        assert_eq!(row.last_error.as_deref(), Some("answered 400: bad token ***, key ***, ***"));
        let shown = format!("{:?} {:?} {:?}", service, world.alert(id), service.snapshot_now().unwrap());
        for secret in ["AAE-x_Y9zz", "r0utingkey", "he4der"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    fn an_alert_of_which_the_template_makes_no_json_is_a_dead_letter(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::accepting();
        let url = HttpUrl::new("url", receiver.url()).unwrap();
        // Right for the samples, which have other values.
        let text = "{\"a\": {% if alert.trigger_value == 101.5 %}oops{% else %}1{% endif %}}";
        let webhook = WebhookConfig::new(url).with(|it| it.template = AlertTemplate::Own(text.to_owned()));
        let service = world.service(vec![channel("own", ChannelTarget::Webhook(webhook))]);
        let id = world.fire(1);
        service.start().unwrap();
        let row = world.until_delivery(id, "own", |row| row.status == DeliveryState::Dead);
        let error = row.last_error.unwrap();
        assert!(error.starts_with("template: it makes no JSON of an alert"), "{error}");
        world.pass(HOUR, &service);
        one_more_look(&service);
        assert!(receiver.requests().is_empty());
    }
}

#[test]
fn a_trial_of_a_channel_sends_one_alert_as_delivery_would() {
    let receiver = Receiver::new(|n| match n {
        0 | 1 => Reply::Status(204),
        2 => Reply::Full(403, String::new(), b"no t0ken".to_vec()),
        _ => Reply::HangUp,
    });
    let config = AlertsConfig::default().with(|config| {
        let url = HttpUrl::new("url", receiver.url()).unwrap();
        let discord = AlertTemplate::BuiltIn(BuiltInTemplate::Discord);
        let webhook = WebhookConfig::new(url).with(|it| it.template = discord);
        config
            .channels
            .push(channel("desk", ChannelTarget::Webhook(webhook)));
    });
    let test = |name: &str| test_channel(&config, name, &Clock::system());
    let done = test("desk").unwrap();
    assert_eq!((done.status, done.failure), (Some(204), None));
    let request = receiver.wait_for(1).remove(0);
    let content = request.json()["content"].clone();
    assert!(
        content.as_str().unwrap().starts_with("Test of tickbase"),
        "{content}"
    );
    test("desk").unwrap();
    let keys: Vec<String> = receiver
        .wait_for(2)
        .iter()
        .map(|request| request.key())
        .collect();
    assert!(keys[0] != keys[1] && keys[0].ends_with("-desk"), "{keys:?}");
    let refused = test("desk").unwrap();
    assert_eq!(refused.failure.as_deref(), Some("answered 403: no ***"));
    assert!(
        test("desk")
            .unwrap()
            .failure
            .unwrap()
            .starts_with("no answer")
    );
    assert_eq!(test("log").unwrap().failure, None);
    for (name, says) in [
        (
            "nowhere",
            "channel \"nowhere\" not found; the settings have log, in_app, desk",
        ),
        (
            "in_app",
            "in_app has no receiver outside of the process that serves",
        ),
    ] {
        let error = test(name).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_settings_that_the_page_shows_are_read() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```toml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let names: Vec<String> = blocks
        .iter()
        .map(|block| channels(block)[0].name.clone())
        .collect();
    let shown = [
        "desk",
        "slack",
        "discord",
        "telegram",
        "pagerduty",
        "alertmanager",
        "ntfy",
    ];
    assert_eq!(names, shown);
    // All of them at once, too.
    assert_eq!(channels(&blocks.concat()).len(), shown.len());
}
