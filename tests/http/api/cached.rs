//! Answers that stand on bars, from memory: only while nothing that they stand on has changed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tickbase::domain::{Bar, Frequency, RawBar};
use tickbase::repository::bar::{self, BarRange};
use tickbase::services::Service;

use crate::api::client::Api;
use crate::support::{build_bars, db_delete, db_write, insert_bars, on_both, upsert_bars};

const FETCH: &str = "/api/historical-data/fetch";
const ES: i64 = 1;
const NQ: i64 = 2;

/// What is written, how, and what is seen after it.
type Write<'a> = (&'a str, &'a dyn Fn(), Option<f64>);

/// Nothing grows old while a test runs.
fn api(db: &crate::support::TestDatabase) -> Api {
    Api::with(db, |settings| {
        let long = Duration::from_secs(3_600);
        settings.cache.instruments_ttl = long;
        settings.cache.bars_ttl = long;
        settings.cache.analytics_ttl = long;
    })
}

fn stamp(second: usize) -> String {
    format!("2013-09-03T10:{:02}:{:02}Z", second / 60, second % 60)
}

/// A tick whose price is its second.
fn insert(api: &Api, second: usize) {
    let tick = json!([{"instrument_id": ES, "timestamp": stamp(second), "sequence": 0,
        "price": second, "volume": 1}]);
    assert_eq!(api.post("/api/market-data", &tick).json(200)["inserted"], 1);
}

fn mark(api: &Api, verb: &str, second: usize) {
    let keys = json!({"keys": [
        {"instrument_id": ES, "timestamp": stamp(second), "source_id": 1, "sequence": 0}
    ]});
    api.post(&format!("/api/market-data/{verb}"), &keys)
        .json(200);
}

fn day(close: &str) -> Bar {
    let price = || close.parse().ok();
    let raw = RawBar {
        instrument_id: ES,
        timestamp: "2013-09-03T00:00:00Z".parse().unwrap(),
        frequency: Frequency::OneDay,
        source_id: None,
        open: price(),
        high: price(),
        low: price(),
        close: price(),
        volume: Some(1.0),
        open_interest: None,
    };
    Bar::try_from(raw).unwrap()
}

fn fetch(api: &Api, frequency: &str) -> Value {
    let body = json!({"symbols": ["ES"], "frequency": frequency});
    api.post(FETCH, &body).json(200)["data"][0].clone()
}

/// The answer to the same question twice, of which the second one comes from memory.
#[track_caller]
fn twice(api: &Api, frequency: &str, what: &str) -> Value {
    let first = fetch(api, frequency);
    assert_eq!(first["cached"], false, "{what}");
    let mut second = fetch(api, frequency);
    assert_eq!(second["cached"], true, "{what}");
    second["cached"] = json!(false);
    assert_eq!(second, first, "{what}");
    first
}

/// The close of the newest bar.
fn close(answer: &Value) -> Option<f64> {
    answer["bars"].as_array().unwrap().last()?["close"].as_f64()
}

on_both! {
    fn bars_after_a_write_are_not_those_before_it(db: &TestDatabase) {
        let api = api(db);
        let writes: [Write<'_>; 9] = [
            ("nothing", &|| (), None),
            ("a tick", &|| insert(&api, 1), Some(1.0)),
            ("the next tick", &|| insert(&api, 2), Some(2.0)),
            ("a deletion", &|| mark(&api, "delete", 2), Some(1.0)),
            ("a restoration", &|| mark(&api, "restore", 2), Some(2.0)),
            ("a bar", &|| drop(insert_bars(api.app.database(), &[day("7")]).unwrap()), Some(7.0)),
            ("the bar anew", &|| drop(upsert_bars(api.app.database(), &[day("8.5")]).unwrap()), Some(8.5)),
            (
                "a deletion of bars",
                &|| assert_eq!(db_delete!(api.app.database(), bar::soft_delete_range(&BarRange::all(ES, Frequency::OneDay))).unwrap(), 1),
                Some(2.0),
            ),
            (
                "a restoration of bars",
                &|| assert_eq!(db_write!(api.app.database(), bar::restore_range(&BarRange::all(ES, Frequency::OneDay))).unwrap().restored, 1),
                Some(8.5),
            ),
        ];
        for (what, write, wanted) in writes {
            write();
            assert_eq!(close(&twice(&api, "1d", what)), wanted, "{what}");
        }
    }

    fn built_bars_take_the_place_of_those_that_were_made_for_an_answer(db: &TestDatabase) {
        let api = api(db);
        insert(&api, 1);
        insert(&api, 60);
        let until = json!({"symbols": ["ES"], "frequency": "1min", "end_date": stamp(60)});
        let source = || api.post(FETCH, &until).json(200)["data"][0]["data_source"].clone();
        assert_eq!((source(), source()), (json!("aggregated"), json!("aggregated")));
        build_bars(api.app.database(), ES, Frequency::OneMinute);
        assert_eq!(source(), "stored");
        insert(&api, 2);
        let late = api.post(FETCH, &until).json(200)["data"][0].clone();
        assert_eq!((close(&late), &late["data_source"]), (Some(2.0), &json!("aggregated")));
        build_bars(api.app.database(), ES, Frequency::OneMinute);
        assert_eq!(source(), "stored");
    }

    fn a_symbol_leads_to_the_instrument_that_has_it(db: &TestDatabase) {
        let api = api(db);
        insert(&api, 1);
        twice(&api, "1d", "the first one");
        api.delete("/api/instruments/1").json(200);
        let unknown = |what: &str| {
            let answer = fetch(&api, "1d");
            assert_eq!((&answer["cached"], &answer["total_bars"]), (&json!(false), &json!(0)));
            let message = answer["message"].as_str().unwrap();
            assert_eq!(message, "no active instrument is named ES", "{what}");
        };
        unknown("deleted");
        unknown("deleted, asked again");
        let new = json!({"symbol": "ES", "name": "another", "type": "future"});
        let id = api.post("/api/instruments", &new).json(201)["id"].clone();
        assert_eq!(twice(&api, "1d", "another one")["total_bars"], 0);
        api.delete(&format!("/api/instruments/{id}")).json(200);
        unknown("both deleted");
        api.post("/api/instruments/1/restore", &json!({})).json(200);
        assert_eq!(close(&twice(&api, "1d", "restored")), Some(1.0));
        // Names that nobody has take no place.
        let held = || api.app.cache().snapshot().bytes();
        let before = held();
        let nobody: Vec<String> = (0..50).map(|n| format!("NOBODY{n}")).collect();
        api.post(FETCH, &json!({"symbols": nobody})).json(200);
        assert_eq!(held(), before);
        // How prices are shown is part of the answer.
        api.put("/api/instruments/1", &json!({"name": "E-mini"})).json(200);
        twice(&api, "1d", "another name");
    }

    fn figures_after_a_write_are_not_those_before_it(db: &TestDatabase) {
        let api = api(db);
        let one = || api.get("/api/v1/analytics/market-analysis/1?frequency=1min").json(200);
        let runs = || api.app.analytics().status().runs;
        let steps: [Write<'_>; 5] = [
            ("nothing", &|| (), None),
            ("a tick", &|| insert(&api, 1), Some(1.0)),
            ("the next tick", &|| insert(&api, 2), Some(2.0)),
            ("a deletion", &|| mark(&api, "delete", 2), Some(1.0)),
            ("a restoration", &|| mark(&api, "restore", 2), Some(2.0)),
        ];
        for (what, write, wanted) in steps {
            write();
            let (before, first) = (runs(), one());
            assert_eq!(first["current_price"].as_f64(), wanted, "{what}: {first}");
            assert_eq!((one(), runs()), (first, before + 1), "{what}");
        }
        let text = String::from_utf8(api.get("/metrics").body).unwrap();
        let hits = "tickbase_cache_requests_total{cache=\"analytics\",result=\"hit\"} 5\n";
        assert!(text.contains(hits), "{text}");
        api.app.analytics().stop();
        api.get("/api/v1/analytics/market-analysis/1?frequency=1min").json(503);
    }

    fn a_question_about_what_does_not_exist_is_no_failure_of_the_cache(db: &TestDatabase) {
        let api = api(db);
        let body = json!({"instrument_id": 99, "confidence_level": 0.95});
        for _ in 0..2 {
            api.get("/api/v1/analytics/market-analysis/99").json(404);
            api.get("/api/v1/analytics/correlation-matrix?instrument_ids=1&instrument_ids=99").json(404);
            api.post("/api/v1/analytics/calculate-var", &body).json(404);
        }
        let text = String::from_utf8(api.get("/metrics").body).unwrap();
        for sample in [
            "tickbase_cache_requests_total{cache=\"analytics\",result=\"miss\"} 6\n",
            "tickbase_cache_fills_total{cache=\"analytics\",outcome=\"success\"} 6\n",
            "tickbase_cache_fills_total{cache=\"analytics\",outcome=\"error\"} 0\n",
            "tickbase_cache_entries{cache=\"analytics\"} 0\n",
        ] {
            assert!(text.contains(sample), "{sample} is not in {text}");
        }
    }

    fn figures_of_several_instruments_follow_each_of_them(db: &TestDatabase) {
        let api = api(db);
        let runs = || api.app.analytics().status().runs;
        let beta = "/api/v1/analytics/risk-metrics/1?benchmark_id=2";
        let matrix = "/api/v1/analytics/correlation-matrix?instrument_ids=1&instrument_ids=2";
        let matrix_the_other_way =
            "/api/v1/analytics/correlation-matrix?instrument_ids=2&instrument_ids=1";
        for path in [beta, matrix, matrix_the_other_way] {
            let of = |instrument_id: i64, second: usize| {
                let tick = json!([{"instrument_id": instrument_id, "timestamp": stamp(second),
                    "price": 5}]);
                api.post("/api/market-data", &tick).json(200);
            };
            let computed = |what: &str, wanted: u64| {
                let before = runs();
                api.get(path).json(200);
                assert_eq!(runs() - before, wanted, "{path}: {what}");
            };
            computed("at first", 1);
            computed("again", 0);
            of(ES, 1);
            computed("a tick of the first one", 1);
            of(NQ, 1);
            computed("a tick of the other one", 1);
            of(3, 1);
            computed("a tick of a third one", 0);
        }
    }

    fn bars_never_go_back_while_ticks_come_and_go_and_bars_are_built(db: &TestDatabase) {
        const STEPS: usize = 60;
        let api = api(db);
        insert(&api, 0);
        // Each tick is inserted, deleted, restored, and half a minute lies between two of them.
        let second = |steps: usize| steps.div_ceil(3) * 30;
        let after = |steps: usize| {
            let is_deleted = (steps + 2) % 3 == 1;
            (second(steps) - if is_deleted { 30 } else { 0 }) as f64
        };
        let (begun, acknowledged) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (reads, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        let least = acknowledged.load(Ordering::SeqCst);
                        let seen = close(&fetch(&api, "1d")).unwrap();
                        let most = begun.load(Ordering::SeqCst);
                        let allowed = (least..=most).map(after).any(|price| price == seen);
                        assert!(allowed, "{seen} after {least} to {most} steps");
                        reads.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    build_bars(api.app.database(), ES, Frequency::OneMinute);
                }
            });
            for steps in 1..=STEPS {
                begun.store(steps, Ordering::SeqCst);
                match (steps + 2) % 3 {
                    0 => insert(&api, second(steps)),
                    1 => mark(&api, "delete", second(steps)),
                    _ => mark(&api, "restore", second(steps)),
                }
                acknowledged.store(steps, Ordering::SeqCst);
                let seen = reads.load(Ordering::SeqCst);
                while reads.load(Ordering::SeqCst) < seen + 6 && !std::thread::panicking() {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        assert_eq!(close(&fetch(&api, "1d")), Some(after(STEPS)));
    }
}
