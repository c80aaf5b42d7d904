//! Silences and acknowledgements, as clients of the API use them.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tickbase::config::{
    ChannelConfig, ChannelTarget, HttpUrl, NamedToken, Token, TokenRights, WebhookConfig,
};

use crate::api::client::Api;
use crate::api::websocket::Served;
use crate::delivery::receiver::Receiver;
use crate::support::on_both;

/// A rule that each tick above 0 fires; its id.
fn rule(api: &Api, instrument: i64) -> i64 {
    let rule = json!({"instrument_id": instrument, "rule_type": "threshold", "condition": "above",
                      "threshold": 0, "cooldown_seconds": 0});
    api.post("/api/rules", &rule).json(201)["id"]
        .as_i64()
        .unwrap()
}

/// Has the rules of ES fire, at this second.
fn fire(api: &Api, second: i64) {
    let tick = json!([{"symbol": "ES", "timestamp": 1_378_202_400 + second, "price": 1640}]);
    api.post("/api/market-data", &tick).json(200);
}

/// The alerts of a status, newest first: rule and silence.
fn of_status(api: &Api, status: &str) -> Vec<(i64, Value)> {
    let page = api
        .get(&format!("/api/alerts?delivery_status={status}"))
        .json(200);
    let alerts = page["alerts"].as_array().unwrap();
    alerts
        .iter()
        .map(|it| (it["rule_id"].as_i64().unwrap(), it["silence_id"].clone()))
        .collect()
}

on_both! {
    fn what_fires_during_a_silence_is_stored_and_never_sent(db: &TestDatabase) {
        let receiver = Receiver::accepting();
        let api = Api::with(db, |settings| {
            let url = HttpUrl::new("url", receiver.url()).unwrap();
            settings.alerts.channels = vec![ChannelConfig {
                name: "hook".to_owned(),
                target: ChannelTarget::Webhook(WebhookConfig::new(url)),
            }];
        });
        let (quiet, loud) = (rule(&api, 1), rule(&api, 1));
        let silence = json!({"rule_id": quiet, "for_seconds": 3600, "reason": "roll", "by": "desk"});
        let silence = api.post("/api/alerts/silences", &silence).json(201);
        let id = silence["id"].clone();
        assert_eq!((&silence["rule_id"], &silence["created_by"], &silence["lifted_at"]),
            (&json!(quiet), &json!("desk"), &json!(null)));
        fire(&api, 1);
        assert_eq!(of_status(&api, "silenced"), [(quiet, id.clone())]);
        api.until(|api| (of_status(api, "all_delivered") == [(loud, json!(null))]).then_some(()));

        let list = |query: &str| api.get(&format!("/api/alerts/silences{query}")).json(200);
        assert_eq!(list(""), json!([silence]));
        assert_eq!(list(&format!("?rule_id={loud}")), json!([]));
        let lifted = api.delete(&format!("/api/alerts/silences/{id}?by=risk")).json(200);
        assert_eq!((&lifted["lifted_by"], &lifted["until"]), (&json!("risk"), &silence["until"]));
        assert_eq!((list(""), list("?with_ended=true")), (json!([]), json!([lifted])));
        fire(&api, 2);
        api.until(|api| (of_status(api, "all_delivered").len() == 3).then_some(()));
        // The end of the silence has sent nothing of what fired in it; nor does sending again.
        assert_eq!(of_status(&api, "silenced"), [(quiet, id)]);
        assert_eq!(api.post("/api/alerts/deliveries/resend", &json!({})).json(200), json!({"resent": 0}));
        assert_eq!(receiver.requests().len(), 3);
        assert_eq!(api.get("/api/health").json(200)["alert_delivery"]["dead_letters"], 0);

        // All rules of an instrument.
        let all = json!({"instrument_id": 1, "until": "2100-01-01T00:00:00Z", "by": "desk"});
        let refused = api.post("/api/alerts/silences", &all).json(422);
        assert!(refused.to_string().contains("more than a year"), "{refused}");
        let all = json!({"instrument_id": 1, "for_seconds": 60, "by": "desk"});
        api.post("/api/alerts/silences", &all).json(201);
        fire(&api, 3);
        assert_eq!(of_status(&api, "silenced").len(), 3);
    }

    fn a_silence_that_cannot_work_names_the_field(db: &TestDatabase) {
        let api = Api::new(db);
        let rule = rule(&api, 1);
        for (body, place, says) in [
            (json!({"rule_id": rule, "for_seconds": 60}), json!(["body", "by"]), "say who"),
            (json!({"rule_id": rule, "instrument_id": 1, "for_seconds": 60, "by": "x"}), json!(["body", "instrument_id"]), "one of the two"),
            (json!({"for_seconds": 60, "by": "x"}), json!(["body", "rule_id"]), "one of the two"),
            (json!({"rule_id": rule, "by": "x"}), json!(["body", "until"]), "for_seconds"),
            (json!({"rule_id": rule, "until": "2013-09-01T00:00:00Z", "by": "x"}), json!(["body", "until"]), "not later than now"),
            (json!({"rule_id": rule, "until": "soon", "by": "x"}), json!(["body", "until"]), "soon"),
        ] {
            let refused = api.post("/api/alerts/silences", &body).json(422);
            assert!(refused.to_string().contains(says), "{refused}");
            assert!(refused.to_string().contains(&place.to_string()), "{refused}");
        }
        let unknown = json!({"rule_id": 999, "for_seconds": 60, "by": "x"});
        assert_eq!(api.post("/api/alerts/silences", &unknown).status, 404);
        assert_eq!(api.delete("/api/alerts/silences/999?by=x").status, 404);
        assert_eq!(api.delete("/api/alerts/silences/999").status, 422);
        assert_eq!(api.get("/api/alerts/silences?limit=0").status, 422);
    }

    fn the_first_acknowledgement_counts_and_who_is_the_name_of_the_token(db: &TestDatabase) {
        let api = Api::new(db);
        rule(&api, 1);
        fire(&api, 1);
        let id = api.get("/api/alerts").json(200)["alerts"][0]["id"].as_i64().unwrap();
        let path = format!("/api/alerts/{id}/acknowledge");
        let unsigned = api.post(&path, &json!({})).json(422);
        assert!(unsigned.to_string().contains("say who does it"), "{unsigned}");
        let seen = api.post(&path, &json!({"note": "seen", "by": "desk"})).json(200);
        let of = |alert: &Value| json!([alert["acknowledged_by"], alert["acknowledgement_note"]]);
        let when = |alert: &Value| alert["acknowledged_at"].clone();
        assert_eq!(of(&seen), json!(["desk", "seen"]));
        assert!(seen["acknowledged_at"].is_string());
        let twice = api.post(&path, &json!({"note": "again", "by": "risk"})).json(200);
        // The rest may differ: it is delivered meanwhile.
        assert_eq!((of(&twice), when(&twice)), (of(&seen), when(&seen)));
        api.delete(&format!("/api/alerts/{id}")).json(200);
        assert_eq!(api.post(&path, &json!({"by": "desk"})).status, 404);
        drop(api);

        let token = "0123456789abcdef";
        let api = Api::with(db, |settings| {
            let rights = TokenRights::Write;
            settings.server.tokens = vec![NamedToken::new("risk", Token::new(token).unwrap(), rights).unwrap()];
        });
        let signed = |path: &str, body: &Value| {
            let request = Request::post(path)
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer {token}"));
            api.send(request.body(Body::from(body.to_string())).unwrap())
        };
        signed(&format!("/api/alerts/{id}/restore"), &json!({})).json(200);
        let tick = json!([{"symbol": "ES", "timestamp": 1_378_202_405, "price": 1640}]);
        signed("/api/market-data", &tick).json(200);
        let newest = api.get("/api/alerts").json(200)["alerts"][0]["id"].as_i64().unwrap();
        let seen = signed(&format!("/api/alerts/{newest}/acknowledge"), &json!({"by": "somebody else"})).json(200);
        assert_eq!(of(&seen), json!(["risk", null]));
        let silence = json!({"instrument_id": 1, "for_seconds": 60});
        assert_eq!(signed("/api/alerts/silences", &silence).json(201)["created_by"], "risk");
    }

    fn clients_of_the_socket_hear_of_an_acknowledgement_once(db: &TestDatabase) {
        let served = Served::new(db);
        let post = |path: &str, body: Value| {
            let url = format!("http://{}{path}", served.address);
            let mut answer = ureq::post(&url)
                .header("content-type", "application/json")
                .send(body.to_string())
                .unwrap();
            serde_json::from_str::<Value>(&answer.body_mut().read_to_string().unwrap()).unwrap()
        };
        let rule = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 0});
        let rule = post("/api/rules", rule)["id"].clone();
        let (mut alerts, mut others) = (served.client(), served.client());
        alerts.subscribe(json!({"subscriptionType": "alert_fired"}));
        others.subscribe(json!({"subscriptionType": "alert_fired", "instrumentId": 2}));
        served.post_ticks(&json!([{"symbol": "ES", "timestamp": 1_378_202_400, "price": 1640}]));
        let id = alerts.data("alert_fired")["alertId"].clone();
        for by in ["desk", "risk"] {
            post(&format!("/api/alerts/{id}/acknowledge"), json!({"note": "seen", "by": by}));
        }
        let told = alerts.data("alert_acknowledged");
        assert!(told["acknowledgedAt"].is_string(), "{told}");
        assert_eq!(json!([told["alertId"], told["ruleId"], told["instrumentId"], told["acknowledgedBy"], told["acknowledgementNote"]]),
            json!([id, rule, 1, "desk", "seen"]));
        assert_eq!(alerts.until_pong(), Vec::<Value>::new(), "the second one changes nothing");
        assert_eq!(others.until_pong(), Vec::<Value>::new());
    }
}
