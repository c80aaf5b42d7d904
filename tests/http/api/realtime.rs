//! `/ws/realtime`, over real sockets.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use tickbase::config::{NamedToken, Token, TokenRights};
use tickbase::domain::tick::Tick;
use tickbase::domain::{Condition, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::repository::{alert_log, alert_rule};
use tungstenite::Message;

use crate::api::websocket::{Client, PATIENCE, Served, until};
#[cfg(feature = "sqlite")]
use crate::support::TestDatabase;
use crate::support::{db_read, db_write, on_both};

fn tick(symbol: &str, sequence: i64, price: f64) -> Value {
    json!({"symbol": symbol, "timestamp": "2013-09-03T10:23:00.074000Z", "sequence": sequence,
        "price": price, "volume": 8})
}

on_both! {
    fn a_client_gets_what_it_subscribed_to_and_nothing_else(db: &TestDatabase) {
        let served = Served::new(db);
        let (mut es, mut all, mut none) = (served.client(), served.client(), served.client());
        let ack = es.subscribe(json!({"subscriptionType": "market_data", "instrumentId": 1,
            "requestId": "r-1"}));
        assert_eq!(ack, json!({"status": "subscribed", "subscriptionType": "market_data",
            "instrumentId": 1, "requestId": "r-1", "subscriptions": 1}));
        all.subscribe(json!({"subscriptionType": "market_data"}));
        served.post_ticks(&json!([tick("ES", 1, 1641.512345), tick("NQ", 1, 3100.0)]));
        assert_eq!(es.data("market_data"), json!({"instrumentId": 1, "symbol": "ES",
            "timestamp": "2013-09-03T10:23:00.074000Z", "sourceId": 1, "sequence": 1,
            "price": 1641.5123, "volume": 8, "bid": null, "ask": null, "bidSize": null,
            "askSize": null, "openPrice": null, "highPrice": null, "lowPrice": null}));
        let symbols: BTreeSet<String> = (0..2)
            .map(|_| all.data("market_data")["symbol"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(symbols, BTreeSet::from(["ES".to_owned(), "NQ".to_owned()]));
        assert_eq!(es.until_pong(), Vec::<Value>::new(), "NQ was not asked for");
        assert_eq!(none.until_pong(), Vec::<Value>::new());

        // A duplicate is not stored again, so it is not sent again.
        served.post_ticks(&json!([tick("ES", 1, 1641.512345), tick("ES", 2, 1642.0)]));
        assert_eq!(es.data("market_data")["sequence"], 2);

        es.send(&json!({"messageType": "unsubscribe",
            "data": {"subscriptionType": "market_data", "instrumentId": 1}}));
        let ack = es.data("subscription_ack");
        assert_eq!((&ack["status"], &ack["subscriptions"]), (&json!("unsubscribed"), &json!(0)));
        all.data("market_data");
        served.post_ticks(&json!([tick("ES", 3, 1642.25)]));
        assert_eq!(all.data("market_data")["sequence"], 3);
        assert_eq!(es.until_pong(), Vec::<Value>::new());
        assert_eq!(served.app.realtime().clients(), 3);
        drop((es, all, none));
        until(|| served.app.realtime().clients() == 0);
    }

    fn alerts_and_rounds_of_monitoring_are_sent(db: &TestDatabase) {
        let served = Served::new(db);
        let database = served.app.database();
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("1650".parse().unwrap()),
            name: Some("high".to_owned()),
            ..NewAlertRule::new(1, RuleType::Threshold)
        };
        let rule = db_write!(database, |now| alert_rule::insert(&rule, now)).unwrap();
        let (mut one, mut other) = (served.client(), served.client());
        one.subscribe(json!({"subscriptionType": "alert_fired", "instrumentId": 1}));
        other.subscribe(json!({"subscriptionType": "alert_fired", "instrumentId": 2}));
        let at = "2013-09-03T10:23:00.000000Z".parse().unwrap();
        let above = Tick::trade(1, at, 1650.25, 8.0).unwrap();
        let ticks = MarketDataRepository::new(database);
        ticks.insert_batch(vec![above], InsertOptions::default()).unwrap();
        let mut alert = one.data("alert_fired");
        assert!(alert["evaluationTimeMs"].take().is_f64(), "{alert}");
        let id = alert["alertId"].as_i64().unwrap();
        assert_eq!(db_read!(database, alert_log::get(id)).unwrap().rule_id, rule.id);
        assert_eq!(alert, json!({"alertId": id,
            "timestamp": "2013-09-03T10:23:00.000000Z", "ruleId": rule.id, "ruleName": "high",
            "instrumentId": 1, "instrumentSymbol": "ES", "triggerValue": 1650.25,
            "thresholdValue": 1650.0, "firedStatus": "fired", "deliveryStatus": "pending",
            "ruleCondition": "above", "evaluationTimeMs": null,
            "alertMessage": "Alert: high - Price 1650.25 above threshold 1650.0000"}));
        assert_eq!(other.until_pong(), Vec::<Value>::new());

        served.app.monitoring().check_now();
        other.subscribe(json!({"subscriptionType": "database_performance"}));
        let first = other.data("database_performance");
        assert_eq!(first["status"], "healthy");
        assert_eq!(first["connectionsMax"], 70);
        served.app.monitoring().check_now();
        let second = other.data("database_performance");
        assert_ne!(second["checkedAt"], first["checkedAt"], "each round is sent once");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn what_is_no_message_is_answered_and_the_connection_lives() {
    let db = TestDatabase::sqlite();
    let served = Served::new(&db);
    let mut client = served.client();
    for (text, code) in [
        ("no json", "malformed"),
        ("[]", "malformed"),
        ("{}", "malformed"),
        (r#"{"messageType": "shout"}"#, "unknown_type"),
        (r#"{"messageType": "subscribe"}"#, "invalid_subscription"),
        (
            r#"{"messageType": "subscribe", "data": {"subscriptionType": "everything"}}"#,
            "invalid_subscription",
        ),
        (
            r#"{"messageType": "subscribe", "data": {"subscriptionType": "market_data", "x": 1}}"#,
            "invalid_subscription",
        ),
        (
            r#"{"messageType": "subscribe",
                "data": {"subscriptionType": "database_performance", "instrumentId": 1}}"#,
            "invalid_subscription",
        ),
        (
            r#"{"messageType": "subscribe",
                "data": {"subscriptionType": "market_data", "instrumentId": 99}}"#,
            "not_found",
        ),
        (
            r#"{"messageType": "unsubscribe", "data": {"subscriptionType": "market_data"}}"#,
            "not_found",
        ),
    ] {
        client.send_text(text);
        let error = client.data("error");
        assert_eq!(error["code"], code, "{text}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    client.socket.send(Message::binary(vec![1, 2, 3])).unwrap();
    assert!(client.data("error")["message"].is_string());
    client.send(&json!({"messageType": "shout", "data": {"requestId": "r-9"}}));
    assert_eq!(client.data("error")["requestId"], "r-9");
    client.send(&json!({"messageType": "ping", "requestId": "p"}));
    assert_eq!(client.data("pong"), json!({"requestId": "p"}));
    // A message over the limit ends the connection, as the protocol has it.
    client.send_text(&"x".repeat(17 * 1_024));
    client.end();
    until(|| served.app.realtime().clients() == 0);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_client_that_does_not_read_is_dropped_and_the_others_get_everything() {
    /// Ticks of one event, and the events that the eager client may be behind: no feed is faster
    /// than its readers for long.
    const EVENT: i64 = 16;
    const AHEAD_MAX: i64 = 100;
    /// The price of the last tick.
    const LAST: f64 = 1.0;
    let db = TestDatabase::sqlite();
    let served = Served::new(&db);
    let (mut idle, mut eager) = (served.client(), served.client());
    for client in [&mut idle, &mut eager] {
        client.subscribe(json!({"subscriptionType": "market_data"}));
    }
    let hub = served.app.realtime().clone();
    let (read, have_read) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for expected in 0.. {
            let tick = eager.data("market_data");
            if tick["price"] == LAST {
                return (eager, expected);
            }
            let sequence = tick["sequence"].as_i64().unwrap();
            assert_eq!(sequence, expected, "in order, without a gap");
            if sequence % EVENT == 0 {
                read.send(()).unwrap();
            }
        }
        unreachable!("the last tick comes")
    });
    let stamp = "2013-09-03T10:23:00.000000Z".parse().unwrap();
    let ticks = MarketDataRepository::new(served.app.database());
    let store = |count: i64, price: f64| {
        let tick = |_| Tick::trade(1, stamp, price, 8.0).unwrap();
        let batch = (0..count).map(tick).collect();
        ticks.insert_batch(batch, InsertOptions::default()).unwrap();
    };
    let deadline = Instant::now() + PATIENCE;
    let mut published = 0;
    while hub.clients_dropped() == 0 {
        assert!(Instant::now() < deadline, "the idle one is not dropped");
        store(EVENT, 1641.5);
        published += EVENT;
        if published > AHEAD_MAX * EVENT {
            have_read.recv_timeout(PATIENCE).unwrap();
        }
    }
    store(1, LAST);
    let (mut eager, seen) = reader.join().unwrap();
    assert_eq!(seen, published);
    until(|| hub.clients() == 1);
    assert_eq!(hub.clients_dropped(), 1);
    assert_eq!(eager.until_pong(), Vec::<Value>::new());
    // It may have had room for the reason; in any case it is cut off.
    if let Some((code, reason)) = idle.end() {
        assert_eq!(code, 1013);
        assert!(reason.starts_with("too slow"), "{reason}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn the_end_of_the_server_closes_every_client_and_takes_no_new_one() {
    let db = TestDatabase::sqlite();
    let mut served = Served::new(&db);
    let mut clients: Vec<Client> = (0..3).map(|_| served.client()).collect();
    let ends: Vec<_> = clients
        .drain(..)
        .map(|mut client| std::thread::spawn(move || client.end()))
        .collect();
    served.stop();
    for end in ends {
        let (code, reason) = end.join().unwrap().expect("a close frame");
        assert_eq!(code, 1001);
        assert!(reason.contains("ending"), "{reason}");
    }
    assert_eq!(served.app.realtime().clients(), 0);
    assert_eq!(served.app.realtime().clients_dropped(), 0);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_client_needs_the_token_where_reads_need_it_and_never_in_the_url() {
    let token = "0123456789abcdef";
    let db = TestDatabase::sqlite();
    let served = Served::with(&db, |settings| {
        settings.server.token = Some(Token::new(token).unwrap());
        settings.server.protect_reads = true;
    });
    let bearer = format!("Bearer {token}");
    served.connect(&[("authorization", &bearer)]).unwrap();
    let protocols = format!("tickbase.v1, tickbase.bearer.{token}");
    let client = served
        .connect(&[("sec-websocket-protocol", &protocols)])
        .unwrap();
    assert_eq!(
        client.protocol.as_deref(),
        Some("tickbase.v1"),
        "the token is not sent back"
    );
    // Characters that no protocol may have are written as in a URL; so may be all others.
    let encoded = "tickbase.v1, tickbase.bearer.%3012345678%39abcdef";
    served
        .connect(&[("sec-websocket-protocol", encoded)])
        .unwrap();
    for wrong in [
        &[][..],
        &[("authorization", "Bearer 0123456789abcdeg")],
        &[("sec-websocket-protocol", "tickbase.v1, tickbase.bearer.%ff")],
        &[(
            "sec-websocket-protocol",
            "tickbase.v1, tickbase.bearer.wrong",
        )],
        &[("sec-websocket-protocol", "tickbase.v1")],
    ] {
        let (status, _) = served.connect(wrong).err().expect("no entry");
        assert_eq!(status, 401, "{wrong:?}");
    }
    let url = format!("http://{}/ws/realtime?token={token}", served.address);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    assert_eq!(agent.get(url).call().unwrap().status(), 400, "no handshake");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_page_of_another_origin_may_not_connect_unless_it_is_named() {
    let db = TestDatabase::sqlite();
    let served = Served::with(&db, |settings| {
        settings.server.cors_origins = vec!["https://desk.example".to_owned()];
    });
    let own = format!("http://{}", served.address);
    for origin in [own.as_str(), "https://desk.example"] {
        served.connect(&[("origin", origin)]).unwrap();
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let (status, _) = served
            .connect(&[("origin", origin)])
            .err()
            .expect("no entry");
        assert_eq!(status, 403, "{origin}");
    }
    // A name that was made to lead here is in both headers, and alike.
    let host = format!("evil.example:{}", served.address.port());
    let origin = format!("http://{host}");
    let (status, _) = served
        .connect(&[("host", &host), ("origin", &origin)])
        .err()
        .expect("no entry");
    assert_eq!(status, 421);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_token_opens_any_host_but_no_foreign_origin() {
    let token = "0123456789abcdef";
    let db = TestDatabase::sqlite();
    let served = Served::with(&db, |settings| {
        settings.server.token = Some(Token::new(token).unwrap());
    });
    let host = format!("evil.example:{}", served.address.port());
    let origin = format!("http://{host}");
    let protocols = format!("tickbase.v1, tickbase.bearer.{token}");
    let bearer = ("sec-websocket-protocol", &*protocols);
    served.connect(&[("host", &host), bearer]).unwrap();
    let with_origin = [("host", &*host), ("origin", &*origin), bearer];
    let (status, _) = served.connect(&with_origin).err().expect("no entry");
    assert_eq!(status, 403);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_client_whose_token_is_taken_away_is_dropped_and_no_other() {
    let named = |name: &str, text: &str| {
        NamedToken::new(name, Token::new(text).unwrap(), TokenRights::Read).unwrap()
    };
    let (gone, kept) = ("0123456789abcdef", "fedcba9876543210");
    let db = TestDatabase::sqlite();
    let mut server = None;
    let served = Served::with(&db, |settings| {
        settings.server.tokens = vec![named("gone", gone), named("kept", kept)];
        settings.server.protect_reads = true;
        server = Some(settings.server.clone());
    });
    let connect = |token: &str| served.connect(&[("authorization", &format!("Bearer {token}"))]);
    let (mut dropped, mut stays) = (connect(gone).unwrap(), connect(kept).unwrap());
    stays.data("connection_status");
    let mut server = server.unwrap();
    server.tokens = Vec::new();
    let refused = served.app.reload_tokens(&server).unwrap_err().to_string();
    assert!(refused.contains("the last token"), "{refused}");
    assert_eq!(stays.until_pong(), Vec::<Value>::new());
    server.tokens = vec![named("kept", kept)];
    served.app.reload_tokens(&server).unwrap();
    let (code, reason) = dropped.end().expect("a close frame");
    assert_eq!(code, 1008);
    assert!(reason.contains("token"), "{reason}");
    assert_eq!(stays.until_pong(), Vec::<Value>::new());
    assert_eq!(connect(gone).err().expect("no entry").0, 401);
}

#[cfg(feature = "sqlite")]
#[test]
fn the_document_has_the_path() {
    let db = TestDatabase::sqlite();
    let served = Served::new(&db);
    let document = format!("http://{}/api/openapi.json", served.address);
    let text = ureq::get(document)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    for path in [
        "/ws/realtime",
        "/api/rules/{id}/restore",
        "/api/alerts/export",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}
