//! Every digit of a price comes back, whichever way it came in and whichever way it is asked for:
//! prices far below 1e-8, prices of five places, thresholds.
#![cfg(feature = "cli")]

use std::process::Command;

use crate::api::client::{self, Api};
use crate::support::{TestDatabase, on_both};
use serde_json::{Value, json};

/// An instrument with prices of a kind, and the texts of two bars, hours of 2024-05-01: open, high,
/// low and close.
struct Kind {
    symbol: &'static str,
    instrument_type: &'static str,
    bars: [[&'static str; 4]; 2],
}

const KINDS: [Kind; 3] = [
    Kind {
        symbol: "TINY",
        instrument_type: "crypto",
        bars: [
            [
                "0.0000000042137",
                "0.0000000042199",
                "0.0000000042011",
                "0.0000000042155",
            ],
            [
                "0.0000000042155",
                "0.000000004305",
                "0.00000000421",
                "0.0000000042987",
            ],
        ],
    },
    Kind {
        symbol: "EURUSD",
        instrument_type: "fx",
        bars: [
            ["1.07127", "1.07144", "1.06904", "1.06935"],
            ["1.06935", "1.07128", "1.06921", "1.07127"],
        ],
    },
    Kind {
        symbol: "LONG",
        instrument_type: "equity",
        bars: [
            [
                "256.880004882812",
                "257.079986572265",
                "1e-20",
                "257.035003662109",
            ],
            [
                "98765432.1012345",
                "98765432.1012346",
                "0.1",
                "98765432.1012344",
            ],
        ],
    },
];

impl Kind {
    fn stamp(bar: usize) -> String {
        format!("2024-05-01T0{bar}:00:00Z")
    }

    fn prices(&self) -> Vec<[f64; 4]> {
        let bar = |texts: &[&str; 4]| texts.map(|text| text.parse().unwrap());
        self.bars.iter().map(bar).collect()
    }

    fn csv(&self) -> String {
        let line = |(number, bar): (usize, &[&str; 4])| {
            format!("{},{},100\n", Self::stamp(number), bar.join(","))
        };
        let lines: String = self.bars.iter().enumerate().map(line).collect();
        format!("timestamp,open,high,low,close,volume\n{lines}")
    }

    /// Ticks whose hours have the same four prices as the bars.
    fn ticks(&self, symbol: &str) -> String {
        let mut ticks = Vec::new();
        for (number, bar) in self.bars.iter().enumerate() {
            // The order of the day: high and low lie between open and close.
            for (minute, price) in bar.iter().enumerate() {
                let stamp = format!("2024-05-01T0{number}:0{minute}:00Z");
                ticks.push(format!(
                    r#"{{"symbol":"{symbol}","timestamp":"{stamp}","price":{price},"volume":25}}"#
                ));
            }
        }
        format!("[{}]", ticks.join(","))
    }

    fn add(&self, api: &Api, symbol: &str) -> Value {
        let new = json!({"symbol": symbol, "name": symbol, "type": self.instrument_type});
        let added = api.post("/api/instruments", &new).json(201);
        assert_eq!(added["price_decimals"], Value::Null);
        added["id"].clone()
    }
}

fn run(db: &TestDatabase, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickbase"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("TICKBASE_") || name == "DATABASE_URL" || name == "RUST_LOG" {
            command.env_remove(&*name);
        }
    }
    command.args(["--database-url", db.url()]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Open, high, low and close of each bar of an answer.
fn prices_of(bars: &Value) -> Vec<[f64; 4]> {
    let price = |bar: &Value, name: &str| bar[name].as_f64().unwrap();
    let bar = |bar: &Value| ["open", "high", "low", "close"].map(|name| price(bar, name));
    bars.as_array().unwrap().iter().map(bar).collect()
}

fn fetched(api: &Api, symbol: &str) -> Vec<[f64; 4]> {
    let body = json!({"symbols": [symbol], "frequency": "1h"});
    let answer = api.post("/api/historical-data/fetch", &body).json(200);
    prices_of(&answer["data"][0]["bars"])
}

/// What the command line and the API say of bars that came in, or that are made of ticks.
fn assert_bars_keep_every_digit(db: &TestDatabase, kind: &Kind, symbol: &str) {
    let expected = kind.prices();
    let of = ["--symbol", symbol, "--frequency", "1h"];
    let listed = run(db, &[&["bars", "list", "--json"][..], &of].concat());
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(prices_of(&listed["bars"]), expected, "{symbol}");
    let table = run(db, &[&["bars", "list"][..], &of].concat());
    let csv = run(db, &[&["export", "--kind", "bars"][..], &of].concat());
    let ndjson = [&["export", "--kind", "bars", "--format", "ndjson"][..], &of].concat();
    let ndjson = run(db, &ndjson);
    let exported: Vec<Value> = ndjson
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(prices_of(&json!(exported)), expected, "{symbol}");
    let chart = run(db, &[&["chart"][..], &of].concat());
    for text in kind.bars.iter().flatten() {
        let plain = text.parse::<f64>().unwrap().to_string();
        assert!(table.contains(&plain), "{plain}: {table}");
        assert!(csv.contains(&plain), "{plain}: {csv}");
    }
    let last = kind.bars[1][3];
    assert!(chart.contains(&format!("last {last}")), "{chart}");
    assert!(chart.contains(&format!("◀ {last}")), "{chart}");
    assert_eq!(fetched(&Api::new(db), symbol), expected, "{symbol}");
}

on_both! {
    fn bars_that_came_in_keep_every_digit(db: &TestDatabase) {
        let files = tempfile::tempdir().unwrap();
        for kind in &KINDS {
            kind.add(&Api::new(db), kind.symbol);
            let path = files.path().join("bars.csv");
            std::fs::write(&path, kind.csv()).unwrap();
            let of = ["--symbol", kind.symbol, "--kind", "bars", "--frequency", "1h"];
            run(db, &[&["import", path.to_str().unwrap()][..], &of].concat());
            assert_bars_keep_every_digit(db, kind, kind.symbol);
            // What an export writes is what an import reads.
            let csv = run(db, &[&["export", "--kind", "bars"][..], &of[..2], &of[4..]].concat());
            std::fs::write(&path, csv).unwrap();
            let again = run(db, &[&["import", path.to_str().unwrap(), "--json"][..], &of].concat());
            let again: Value = serde_json::from_str(&again).unwrap();
            assert_eq!((&again["duplicates"], &again["conflicts"]), (&json!(2), &json!(0)));
        }
    }

    fn ticks_and_the_bars_that_are_made_of_them_keep_every_digit(db: &TestDatabase) {
        for kind in &KINDS {
            let api = Api::new(db);
            let id = kind.add(&api, kind.symbol);
            let path = "/api/market-data";
            let answer = api.send(client::post(path, "application/json", kind.ticks(kind.symbol)));
            assert_eq!(answer.json(200)["inserted"], 8);
            let stored = api.get(&format!("{path}/{id}")).json(200);
            let price = |tick: &Value| tick["price"].as_f64().unwrap();
            let stored = stored["ticks"].as_array().unwrap().iter().rev(); // Newest first.
            let stored: Vec<f64> = stored.map(price).collect();
            assert_eq!(stored, kind.prices().concat());
            let last = *stored.last().unwrap();
            let instrument = api.get(&format!("/api/instruments/{id}")).json(200);
            assert_eq!(instrument["last_price"].as_f64(), Some(last));
            drop(api);
            assert_bars_keep_every_digit(db, kind, kind.symbol);
            run(db, &["bars", "build", "--symbol", kind.symbol, "--frequency", "1h"]);
            assert_bars_keep_every_digit(db, kind, kind.symbol);
            let csv = run(db, &["export", "--symbol", kind.symbol]);
            for text in kind.bars.iter().flatten() {
                let plain = text.parse::<f64>().unwrap().to_string();
                assert!(csv.contains(&plain), "{plain}: {csv}");
            }
        }
    }

    fn a_rule_at_a_tiny_threshold_fires_and_says_the_digits(db: &TestDatabase) {
        let tiny = &KINDS[0];
        tiny.add(&Api::new(db), tiny.symbol);
        let add = ["rules", "add", "--symbol", tiny.symbol, "--cooldown", "0"];
        for (condition, threshold) in [("above", "0.0000000042986"), ("equals", "4.2155e-9")] {
            let of = ["--condition", condition, "--threshold", threshold];
            run(db, &[&add[..], &of].concat());
        }
        let listed: Value = serde_json::from_str(&run(db, &["rules", "list", "--json"])).unwrap();
        assert!(listed.to_string().contains("4.2155e-9") || listed.to_string().contains("0.0000000042155"));
        let exported = run(db, &["rules", "export"]);
        assert!(exported.contains("0.0000000042155"), "{exported}");
        let api = Api::new(db);
        let rules = api.get("/api/rules");
        assert!(rules.text().contains("\"threshold\":0.0000000042155,"), "{}", rules.text());
        let ticks = tiny.ticks(tiny.symbol);
        api.send(client::post("/api/market-data", "application/json", ticks)).json(200);
        let alerts = api.get("/api/alerts").json(200);
        let messages = alerts["alerts"].as_array().unwrap().iter();
        let messages: Vec<&str> = messages.map(|it| it["alert_message"].as_str().unwrap()).collect();
        let above = "Price 0.0000000042987 above threshold 0.0000000042986";
        let equals = "Price 0.0000000042155 equals threshold 0.0000000042155";
        let count = |text: &str| messages.iter().filter(|message| message.contains(text)).count();
        // The high of the second hour, 0.000000004305, is above as well.
        assert_eq!((messages.len(), count(above), count(equals)), (4, 1, 2), "{messages:?}");
    }

    fn a_set_number_of_places_rounds_answers_and_keeps_what_is_stored(db: &TestDatabase) {
        let fx = &KINDS[1];
        let api = Api::new(db);
        let id = fx.add(&api, fx.symbol);
        let ticks = fx.ticks(fx.symbol);
        api.send(client::post("/api/market-data", "application/json", ticks)).json(200);
        let path = format!("/api/instruments/{id}");
        api.put(&path, &json!({"price_decimals": 4})).json(200);
        assert_eq!(fetched(&api, fx.symbol)[0], [1.0713, 1.0714, 1.069, 1.0694]);
        let checked = run(db, &["check"]);
        assert!(checked.contains("EURUSD rounds to 4 places and has prices with 5"), "{checked}");
        api.put(&path, &json!({"price_decimals": null})).json(200);
        assert_eq!(fetched(&api, fx.symbol), fx.prices());
        assert!(!run(db, &["check"]).contains("EURUSD"));
    }
}
