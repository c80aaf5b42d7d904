//! What the original answered, asked again: every recorded request but those of analytics, in its
//! order, on a database that began as the original's did, with instruments, alerts, ticks and bars.

use serde_json::{Value, json};
use tickbase::config::ApiContract;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::timestamp::Timestamp;

use crate::api::client::Api;
use crate::support::{TestDatabase, on_both};
use crate::tradeassist::shape::{Recorded, compared};

/// Requests that are answered otherwise on purpose, with the status here; `docs/migrating.md` says why.
const ON_PURPOSE: &[(&str, &str, u16)] = &[
    // The original fails; here null is told to be no number.
    ("/api/rules/1", r#"{"cooldown_seconds":null}"#, 422),
    // The original makes up bars of symbols that it does not know.
    (
        "/api/v1/historical-data/fetch",
        r#"{"symbols":["TOOLONGSYMBOL"]}"#,
        200,
    ),
    // A name has 100 characters at most in the database.
    (
        "/api/rules",
        concat!(
            r#"{"condition":"above","instrument_id":1,"name":"nnnnnnnnnn"#,
            "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
            "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
            r#"","rule_type":"threshold","threshold":1650.25}"#
        ),
        422,
    ),
    // Whether the database is ill is no matter of the contract.
    ("/api/health/database", "null", 200),
];

/// The moment at which the original was recorded, or so.
const RECORDED: &str = "2026-11-28T17:58:00Z";
const DAY: i64 = 86_400_000_000;

/// What the original had when it was recorded: bars of the last 30 days, and 60 alerts of a rule.
fn begin(db: &TestDatabase) -> Api {
    let api = Api::with(db, |settings| {
        settings.server.contract = ApiContract::TradeAssist;
    });
    let repository = MarketDataRepository::new(api.app.database());
    let store = |ticks: Vec<Tick>| {
        let count = ticks.len() as u64;
        let stored = repository.insert_batch(ticks, InsertOptions::default());
        assert_eq!(stored.unwrap().inserted as u64, count);
    };
    let recorded: Timestamp = RECORDED.parse().unwrap();
    let now = api.app.database().clock().now();
    let trade = |at: Timestamp| Tick::trade(1, at, 1650.5, 1.0).unwrap();
    let of_a_month = |to: Timestamp| -> Vec<Tick> {
        let days = (1..=30).map(|day| to.saturating_add_micros(-day * DAY));
        days.map(trade).collect()
    };
    store(of_a_month(recorded));
    let rule = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
                      "threshold": 1650.25, "name": "high", "cooldown_seconds": 0});
    api.post("/api/rules", &rule).json(200);
    let seconds = (0..60).map(|n| recorded.saturating_add_micros(n * 1_000_000));
    store(seconds.map(trade).collect());
    assert_eq!(api.get("/api/alerts").json(200)["total"], 60);
    // Requests without dates ask for the days before now.
    api.put("/api/rules/1", &json!({"active": false})).json(200);
    store(of_a_month(now));
    api.put("/api/rules/1", &json!({"active": true})).json(200);
    api
}

/// The recorded detail, as far as the record goes: a long list was cut.
fn is_told(recorded: &Value, ours: &Value) -> bool {
    match (recorded["detail"].as_array(), ours["detail"].as_array()) {
        (Some(before), Some(now)) => {
            let cut = |item: &&Value| !item.is_string();
            before
                .iter()
                .filter(cut)
                .zip(now)
                .all(|(before, now)| before == now)
        }
        _ => recorded == ours,
    }
}

on_both! {
    fn the_original_is_answered_again(db: &TestDatabase) {
        let api = begin(db);
        let mut faults = Vec::new();
        for recorded in Recorded::all(|path| !path.contains("/analytics/")) {
            let name = format!("{} {} {}", recorded.method, recorded.path, recorded.body);
            let body = recorded.body.to_string();
            let otherwise = ON_PURPOSE
                .iter()
                .find(|(path, sent, _)| recorded.path == *path && body == *sent);
            let answer = recorded.ask(&api);
            let expected = otherwise.map_or(recorded.status, |(_, _, status)| *status);
            if answer.status != expected {
                faults.push(format!("{name}: {} instead of {expected}: {}", answer.status, answer.text()));
                continue;
            }
            if otherwise.is_some() {
                continue;
            }
            let ours = answer.text();
            if let Err(difference) = compared(recorded.answer.get(), &ours) {
                faults.push(format!("{name}: {difference}: {ours}"));
            } else if recorded.status >= 400 {
                let ours: Value = serde_json::from_str(&ours).unwrap();
                if !is_told(&recorded.json(), &ours) {
                    faults.push(format!("{name}: {} instead of {}", ours, recorded.json()));
                }
            }
        }
        assert!(faults.is_empty(), "{}\n{}", faults.len(), faults.join("\n"));
    }
}
