//! What became of an alert on each channel, and sending again what was given up.

use serde_json::json;
use tickbase::config::{ChannelConfig, ChannelTarget, HttpUrl, WebhookConfig};

use crate::api::client::Api;
use crate::delivery::receiver::{Receiver, Reply};
use crate::support::on_both;

/// A server whose alerts go to these receivers.
fn delivering(db: &crate::support::TestDatabase, receivers: &[(&str, &Receiver)]) -> Api {
    Api::with(db, |settings| {
        let channel = |(name, receiver): &(&str, &Receiver)| ChannelConfig {
            name: (*name).to_owned(),
            target: ChannelTarget::Webhook(WebhookConfig::new(
                HttpUrl::new("url", receiver.url()).unwrap(),
            )),
        };
        settings.alerts.channels = receivers.iter().map(channel).collect();
    })
}

/// Has so many alerts fire.
fn fire(api: &Api, count: i64) {
    let rule = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
                      "threshold": 0, "cooldown_seconds": 0});
    api.post("/api/rules", &rule).json(201);
    let tick = |n: i64| json!({"symbol": "ES", "timestamp": 1_378_202_400 + n, "price": 1640});
    let ticks: Vec<_> = (0..count).map(tick).collect();
    api.post("/api/market-data", &json!(ticks)).json(200);
}

/// Deliveries that were given up, as health shows them; the service is made to look now.
fn dead_letters(api: &Api) -> i64 {
    api.app.alert_delivery().snapshot_now().unwrap();
    let health = api.get("/api/health").json(200);
    health["alert_delivery"]["dead_letters"].as_i64().unwrap()
}

on_both! {
    fn what_was_given_up_degrades_health_until_it_is_sent_again(db: &TestDatabase) {
        let down = Receiver::new(|n| Reply::Status(if n == 0 { 404 } else { 200 }));
        let good = Receiver::accepting();
        let api = delivering(db, &[("down", &down), ("good", &good)]);
        fire(&api, 1);
        api.until(|api| (dead_letters(api) == 1).then_some(()));
        let health = api.get("/api/health").json(200);
        assert_eq!((&health["status"], &health["alert_delivery"]["status"]), (&json!("degraded"), &json!("degraded")));
        let remedy = health["alert_delivery"]["remedy"].as_str().unwrap();
        assert!(remedy.contains("tickbase alerts resend"), "{remedy}");
        let metrics = api.get("/metrics").text();
        let line = "tickbase_alert_delivery_dead_letters{channel=\"down\"} 1\n";
        assert!(metrics.contains(line), "{metrics}");

        let failed = api.get("/api/alerts?delivery_status=failed").json(200);
        let id = failed["alerts"][0]["id"].as_i64().unwrap();
        let path = format!("/api/alerts/{id}/deliveries");
        // Its channel may still be at it.
        let deliveries = api.until(|api| {
            let all = api.get(&path).json(200);
            (all[1]["status"] == "delivered").then_some(all)
        });
        let shown = |at: usize| {
            let of = &deliveries[at];
            json!([of["channel"], of["kind"], of["status"], of["attempts"], of["last_error"]])
        };
        assert_eq!(shown(0), json!(["down", "webhook", "dead", 1, "answered 404"]));
        assert_eq!(shown(1), json!(["good", "webhook", "delivered", 1, null]));
        // The same comes with a list of alerts, when it is asked for.
        let with = api.get("/api/alerts?with_deliveries=true").json(200);
        assert_eq!(with["alerts"][0]["deliveries"], deliveries);
        assert_eq!(failed["alerts"][0].get("deliveries"), None);

        let resend = |query: &str| api.post(&format!("{path}/resend{query}"), &json!({})).json(200);
        assert_eq!(resend("?channel=good"), json!({"resent": 0}));
        assert_eq!(resend(""), json!({"resent": 1}));
        api.until(|api| {
            let alert = api.get("/api/alerts").json(200)["alerts"][0].clone();
            (alert["delivery_status"] == "all_delivered").then_some(())
        });
        let keys: Vec<String> = down.requests().iter().map(|request| request.key()).collect();
        assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
        assert_eq!(good.requests().len(), 1, "what was delivered is not sent again");
        assert_eq!(dead_letters(&api), 0);
        let health = api.get("/api/health").json(200);
        assert_eq!((&health["status"], &health["alert_delivery"]["remedy"]), (&json!("healthy"), &json!(null)));
        assert_eq!(resend(""), json!({"resent": 0}));
    }

    fn all_that_was_given_up_is_sent_again_by_one_request(db: &TestDatabase) {
        let down = Receiver::new(|n| Reply::Status(if n < 6 { 410 } else { 200 }));
        let other = Receiver::new(|_| Reply::Status(410));
        let api = delivering(db, &[("down", &down), ("other", &other)]);
        fire(&api, 6);
        api.until(|api| (dead_letters(api) == 12).then_some(()));
        let path = "/api/alerts/deliveries/resend";
        let resent = api.post(&format!("{path}?channel=down"), &json!({})).json(200);
        assert_eq!(resent, json!({"resent": 6}));
        down.wait_for(12);
        api.until(|api| (dead_letters(api) == 6).then_some(()));
        assert_eq!(other.requests().len(), 6);
        for (path, status) in [
            (format!("{path}?channel=A"), 422),
            (format!("{path}?channel="), 422),
            ("/api/alerts/999/deliveries/resend".to_owned(), 404),
        ] {
            assert_eq!(api.post(&path, &json!({})).status, status, "{path}");
        }
        assert_eq!(api.get("/api/alerts/999/deliveries").status, 404);
    }
}
