//! The trace of a request, from its header `traceparent` to the webhooks of what it caused.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tickbase::config::{ChannelConfig, ChannelTarget, HttpUrl, WebhookConfig};

use crate::api::client::Api;
use crate::delivery::receiver::Receiver;
use crate::support::on_both;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

on_both! {
    fn the_trace_of_ticks_goes_on_to_webhooks_and_a_malformed_one_is_ignored(db: &TestDatabase) {
        let receiver = Receiver::accepting();
        let api = Api::with(db, |settings| {
            let url = HttpUrl::new("url", receiver.url()).unwrap();
            settings.alerts.channels = vec![ChannelConfig {
                name: "hook".to_owned(),
                target: ChannelTarget::Webhook(WebhookConfig::new(url)),
            }];
        });
        let rule = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
                          "threshold": 0, "cooldown_seconds": 0});
        // Two rules: what fires at once is stored in another way.
        for _ in 0..2 {
            api.post("/api/rules", &rule).json(201);
        }
        let fire = |second: i64, traceparents: &[&str]| {
            let tick = json!([{"symbol": "ES", "timestamp": 1_378_202_400 + second, "price": 1640}]);
            let mut request = Request::post("/api/market-data").header("content-type", "application/json");
            for header in traceparents {
                request = request.header("traceparent", *header);
            }
            api.send(request.body(Body::from(tick.to_string())).unwrap()).json(200);
        };
        let header = format!("00-{TRACE}-b7ad6b7169203331-01");
        fire(1, &[&header]);
        let sent = receiver.wait_for(2);
        let traceparents: Vec<&str> = sent.iter().map(|request| request.header("traceparent").unwrap()).collect();
        for traceparent in &traceparents {
            assert!(traceparent.starts_with(&format!("00-{TRACE}-")) && traceparent.ends_with("-01"), "{traceparent}");
            assert_eq!((traceparent.len(), **traceparent != *header), (55, true), "a span of its own");
        }
        assert_ne!(traceparents[0], traceparents[1]);
        let odd = format!("00-{TRACE}-b7ad6b7169203331");
        for (second, given) in [(2, &[odd.as_str()][..]), (3, &[&header, &header]), (4, &[])] {
            fire(second, given);
            let sent = receiver.wait_for(2 * usize::try_from(second).unwrap());
            assert_eq!(sent.last().unwrap().header("traceparent"), None, "{given:?}");
        }
        let alerts = api.get("/api/alerts").json(200)["alerts"].clone();
        let traces: Vec<&Value> = alerts.as_array().unwrap().iter().map(|alert| &alert["trace_id"]).collect();
        assert_eq!(json!(traces), json!([null, null, null, null, null, null, TRACE, TRACE]));
    }
}
