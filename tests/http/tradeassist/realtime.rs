//! `/ws/realtime` of the contract, over real sockets: everything comes, without a subscription.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::config::{ApiContract, Settings, Token};
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tungstenite::Message;

use crate::api::websocket::{Client, Served, connect, post_ticks};
use crate::support::{TestDatabase, on_both};
use crate::tradeassist::shape::same_shape;

const ES: i64 = 1;
const NQ: i64 = 2;
const STAMP: &str = "2013-09-03T10:23:00.074000Z";
/// As the original writes it.
const NAIVE: &str = "2013-09-03T10:23:00.074000";
/// What every round of monitoring says, whenever that is.
const OF_ROUNDS: [&str; 2] = ["health_status", "database_performance"];

/// The contract at an address of its own, and the native API at another.
struct Both {
    served: Served,
    native: SocketAddr,
}

impl Both {
    fn new(db: &TestDatabase) -> Self {
        Self::with(db, |_| ())
    }

    fn with(db: &TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        // The app does not tell where the native API listens: its port is chosen here.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let native = free.local_addr().unwrap();
        drop(free);
        let served = Served::with(db, |settings| {
            settings.server.contract = ApiContract::TradeAssist;
            settings.server.native_bind = native;
            change(settings);
        });
        Self { served, native }
    }

    fn page(&self) -> Page {
        Page(self.served.connect(&[]).unwrap())
    }

    /// A page that has been greeted.
    fn greeted(&self) -> Page {
        let mut page = self.page();
        page.data("connection_established");
        page
    }

    fn store(&self, ticks: Vec<Tick>) {
        let repository = MarketDataRepository::new(self.served.app.database());
        let report = repository.insert_batch(ticks, InsertOptions::default());
        assert!(report.unwrap().rejected.is_empty());
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.served.address);
        let answer = ureq::post(url)
            .header("content-type", "application/json")
            .send(body.to_string());
        let text = answer.unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// A client as the original's are.
struct Page(Client);

/// A message, with its data as they were written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Received {
    r#type: String,
    timestamp: String,
    data: Box<RawValue>,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(self.data.get()).unwrap()
    }
}

impl Page {
    /// The next message, of any type.
    #[track_caller]
    fn any(&mut self) -> Received {
        loop {
            match self.0.socket.read().unwrap() {
                Message::Text(text) => {
                    let message: Received = serde_json::from_str(&text).unwrap();
                    assert!(is_naive(&message.timestamp), "{message:?}");
                    return message;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message that no round of monitoring says.
    #[track_caller]
    fn other(&mut self) -> Received {
        loop {
            let message = self.any();
            if !OF_ROUNDS.contains(&&*message.r#type) {
                return message;
            }
        }
    }

    /// The next message of this type; only rounds may come before it.
    #[track_caller]
    fn next(&mut self, message_type: &str) -> Received {
        loop {
            let message = self.any();
            if message.r#type == message_type {
                return message;
            }
            assert!(OF_ROUNDS.contains(&&*message.r#type), "{message:?}");
        }
    }

    /// The data of it.
    #[track_caller]
    fn data(&mut self, message_type: &str) -> Value {
        self.next(message_type).json()
    }

    #[track_caller]
    fn says(&mut self, text: &str, answer: &str) -> Value {
        self.0.send_text(text);
        self.data(answer)
    }

    /// Nothing but rounds is on its way.
    #[track_caller]
    fn is_quiet(&mut self) {
        self.says(r#"{"type":"ping"}"#, "pong");
    }
}

/// A moment without an offset.
fn is_naive(text: &str) -> bool {
    !text.ends_with('Z') && format!("{text}Z").parse::<Timestamp>().is_ok()
}

fn trade(instrument_id: i64, price: f64, volume: f64) -> Tick {
    Tick::trade(instrument_id, STAMP.parse().unwrap(), price, volume).unwrap()
}

on_both! {
    fn ticks_come_to_everyone_however_they_were_stored(db: &TestDatabase) {
        let both = Both::new(db);
        let mut first = both.page();
        let hello = first.data("connection_established");
        assert!(is_naive(hello["server_time"].as_str().unwrap()), "{hello}");
        assert_eq!((&hello["connection_id"], &hello["active_connections"]), (&json!(1), &json!(1)));
        let mut second = both.page();
        let hello = second.data("connection_established");
        assert_eq!((&hello["connection_id"], &hello["active_connections"]), (&json!(2), &json!(2)));
        // A client of the native API beside them gets the same tick in its own words.
        let mut native = connect(both.native, &[]).unwrap();
        native.data("connection_status");
        native.subscribe(json!({"subscriptionType": "market_data"}));
        post_ticks(both.native, &json!([
            {"symbol": "ES", "timestamp": STAMP, "price": 1_641.512_345, "volume": 8},
            {"symbol": "NQ", "timestamp": STAMP, "price": 3100.25},
        ]));
        assert_eq!(native.data("market_data")["instrumentId"], ES);
        for page in [&mut first, &mut second] {
            let message = page.next("tick_update");
            assert_eq!(message.timestamp, NAIVE);
            let written = format!(r#"{{"instrument_id":1,"symbol":"ES","price":1641.5123,"volume":8,"timestamp":"{NAIVE}"}}"#);
            assert_eq!(message.data.get(), written);
            assert_eq!(page.data("tick_update"), json!({"instrument_id": NQ, "symbol": "NQ",
                "price": 3100.25, "volume": 0, "timestamp": NAIVE}));
        }
        let quote = Tick::quote(ES, STAMP.parse().unwrap(), 1641.0, 1641.5).unwrap();
        both.store(vec![quote, trade(NQ, 3100.5, 2.6)]);
        for page in [&mut first, &mut second] {
            assert_eq!(page.data("tick_update"), json!({"instrument_id": NQ, "symbol": "NQ",
                "price": 3100.5, "volume": 3, "timestamp": NAIVE}), "the quote has no price");
            page.is_quiet();
        }
    }

    fn a_rule_that_fires_comes_to_everyone(db: &TestDatabase) {
        let both = Both::new(db);
        let mut page = both.greeted();
        let rule = |instrument_id: i64, rule_type: &str, threshold: f64| {
            let rule = both.post("/api/rules", &json!({"instrument_id": instrument_id,
                "rule_type": rule_type, "condition": "above", "threshold": threshold}));
            rule["id"].clone()
        };
        let mut fired = |id: &Value, trade: Tick, threshold: f64| {
            both.store(vec![trade]);
            let mut messages = [page.other(), page.other()];
            messages.sort_by(|one, other| one.r#type.cmp(&other.r#type));
            let [alert, tick] = messages;
            assert_eq!([&*alert.r#type, &*tick.r#type], ["alert_fired", "tick_update"]);
            assert_eq!(alert.timestamp, NAIVE);
            let fields = alert.json();
            assert_eq!(fields["rule_id"], *id);
            assert_eq!(fields["instrument_id"], trade.instrument_id());
            assert_eq!(fields["threshold_value"], threshold);
            assert!(fields["evaluation_time_ms"].is_i64(), "{fields}");
            alert.data.get().to_owned()
        };
        let id = rule(ES, "threshold", 1641.25);
        let written = fired(&id, trade(ES, 1641.5, 1.0), 1641.25);
        same_shape(r#"{"rule_id":1,"instrument_id":1,"symbol":"ES","trigger_value":1.5,
            "threshold_value":1.5,"condition":"above","timestamp":"2013-09-03T10:23:00",
            "evaluation_time_ms":0}"#, &written);
        let fields: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(fields["symbol"], "ES");
        assert_eq!(fields["condition"], "above");
        assert_eq!(fields["trigger_value"], 1641.5);
        let id = rule(NQ, "multi_condition", 3100.25);
        let written = fired(&id, trade(NQ, 3100.5, 1.0), 3100.25);
        assert!(written.contains(r#""condition":"above""#), "{written}");
    }

    fn each_round_of_monitoring_says_how_the_system_is(db: &TestDatabase) {
        let both = Both::with(db, |settings| {
            settings.monitoring.interval = Duration::from_secs(1);
        });
        let (mut first, mut second) = (both.greeted(), both.greeted());
        let mut rounds = Vec::new();
        while rounds.len() < 2 {
            let (health, performance) = (first.any(), first.any());
            assert_eq!([&*health.r#type, &*performance.r#type], OF_ROUNDS);
            let url = format!("http://{}/api/health", both.served.address);
            let asked = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
            same_shape(&asked, health.data.get());
            assert_eq!(health.json()["active_instruments"], 12);
            let told = performance.data.get();
            same_shape(r#"{"connection_pool":{"utilization_percent":0.5,"active_connections":1,
                "max_connections":70,"avg_wait_time_ms":0.5},"performance_metrics":
                {"insert_ops_per_sec":0.5,"insert_improvement_pct":0.5,"query_response_time_ms":0.5,
                "slow_queries_count":0,"float_speedup_multiplier":0.5,"index_efficiency_score":0.5},
                "partition_health":{"total_partitions":0,"total_storage_mb":0.5,
                "service_running":false},"alerts":[],"overall_status":"healthy"}"#, told);
            assert!(performance.json()["connection_pool"]["max_connections"].as_i64() > Some(0));
            rounds.push((health.timestamp, told.to_owned()));
        }
        assert_ne!(rounds[0].0, rounds[1].0);
        // It is written once for all.
        let seen = second.next("health_status").timestamp;
        assert!(rounds.iter().any(|(at, _)| *at == seen), "{seen} of {rounds:?}");
    }

    fn a_client_is_answered_as_the_original_answers(db: &TestDatabase) {
        let mut both = Both::new(db);
        let mut page = both.greeted();
        let pong = page.says(r#"{"type":"ping","timestamp":"2013-09-03T10:23:00.074Z"}"#, "pong");
        assert!(is_naive(pong["server_time"].as_str().unwrap()), "{pong}");
        let asked = json!({"instruments": [1, 2], "all": true});
        let subscribe = json!({"type": "subscribe", "data": asked}).to_string();
        assert_eq!(page.says(&subscribe, "subscription_acknowledged"),
            json!({"subscribed_to": asked, "status": "active"}));
        assert_eq!(page.says(r#"{"type":"subscribe"}"#, "subscription_acknowledged"),
            json!({"subscribed_to": {}, "status": "active"}));
        for (text, word) in [(r#"{"type":"shout"}"#, "shout"), ("{}", "unknown"), (r#"{"type":7}"#, "7")] {
            assert_eq!(page.says(text, "error"), json!({
                "message": format!("Unknown message type: {word}"),
                "supported_types": ["ping", "subscribe"]}));
        }
        for text in ["hello", r#"{"type":"ping""#, "[]", ""] {
            assert_eq!(page.says(text, "error"),
                json!({"message": "Invalid JSON format", "received": text}));
        }
        page.0.socket.send(Message::binary(vec![1, 2])).unwrap();
        let refused = page.data("error");
        assert!(refused["message"].as_str().unwrap().contains("text"), "{refused}");
        page.is_quiet();
        both.served.stop();
        assert_eq!(page.0.end().expect("a close frame").0, 1001);
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn the_pages_of_the_original_may_connect_to_a_server_on_this_machine_and_no_others() {
    let db = TestDatabase::sqlite();
    let status = |both: &Both, origin: &str| {
        let connected = both.served.connect(&[("origin", origin)]);
        connected.map_or_else(|(status, _)| status, |_| 101)
    };
    let both = Both::new(&db);
    for origin in ["http://localhost:3000", "http://127.0.0.1:3000"] {
        assert_eq!(status(&both, origin), 101, "{origin}");
        let refused = connect(both.native, &[("origin", origin)]).err();
        assert_eq!(
            refused.expect("no entry").0,
            403,
            "{origin} is no native page"
        );
    }
    for origin in ["http://evil.example", "http://localhost:3001", "null"] {
        assert_eq!(status(&both, origin), 403, "{origin}");
    }
    drop(both);
    let open = Both::with(&db, |settings| {
        settings.server.bind = "0.0.0.0:0".parse().unwrap();
    });
    assert_eq!(status(&open, "http://localhost:3000"), 403);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_client_needs_the_token_where_reads_need_it() {
    let db = TestDatabase::sqlite();
    let token = "0123456789abcdef";
    let both = Both::with(&db, |settings| {
        settings.server.token = Some(Token::new(token).unwrap());
        settings.server.protect_reads = true;
    });
    let bearer = format!("Bearer {token}");
    let protocols = format!("tickbase.v1, tickbase.bearer.{token}");
    for right in [
        ("authorization", &*bearer),
        ("sec-websocket-protocol", &*protocols),
    ] {
        let mut page = Page(both.served.connect(&[right]).unwrap());
        page.data("connection_established");
    }
    for wrong in [&[][..], &[("authorization", "Bearer 0123456789abcdeg")]] {
        let (status, _) = both.served.connect(wrong).err().expect("no entry");
        assert_eq!(status, 401, "{wrong:?}");
    }
}
