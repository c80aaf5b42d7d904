//! The cache behind the API: an answer after an acknowledged write is never the one before it, also
//! while a read that began before it is still on its way; and its figures are shown.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tickbase::services::cache::read_latest;

use crate::api::client::Api;
use crate::support::on_both;

const LATEST: &str = "/api/market-data/latest?instrument_ids=1";

/// Nothing grows old while a test runs.
fn api(db: &crate::support::TestDatabase) -> Api {
    Api::with(db, |settings| {
        let long = Duration::from_secs(3_600);
        settings.cache.latest_ttl = long;
        settings.cache.instruments_ttl = long;
    })
}

fn price(api: &Api) -> Option<f64> {
    api.get(LATEST).json(200)["ticks"][0]["price"].as_f64()
}

fn tick(second: u64) -> Value {
    json!([{
        "instrument_id": 1,
        "timestamp": format!("2013-09-03T10:00:{second:02}Z"),
        "sequence": 0,
        "price": second,
    }])
}

fn key(second: u64) -> Value {
    let timestamp = format!("2013-09-03T10:00:{second:02}Z");
    json!({"keys": [
        {"instrument_id": 1, "timestamp": timestamp, "source_id": 1, "sequence": 0}
    ]})
}

/// Writes while a read of the newest tick, which has what was there before, pauses on its way.
fn write_beside_a_paused_read(api: &Api, path: &str, body: &Value, new: f64) {
    let (has_read, reads) = mpsc::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            let read = |ids: Vec<i64>| {
                let read = api
                    .app
                    .database()
                    .read("test.paused", |conn| read_latest(conn, &ids));
                has_read.send(()).unwrap();
                gate.recv().unwrap();
                async { read }
            };
            runtime
                .block_on(api.app.cache().latest_by(&[1], read))
                .unwrap();
        });
        reads.recv().unwrap();
        api.post(path, body).json(200);
        assert_eq!(price(api), Some(new), "{path}, beside the old read");
        go_on.send(()).unwrap();
    });
    assert_eq!(price(api), Some(new), "{path}, after the old read");
}

on_both! {
    fn an_answer_after_a_write_is_not_the_one_before_it(db: &TestDatabase) {
        let api = api(db);
        let writes = [
            ("/api/market-data", tick(1), 1.0),
            ("/api/market-data", tick(2), 2.0),
            ("/api/market-data/delete", key(2), 1.0),
            ("/api/market-data/restore", key(2), 2.0),
        ];
        for (path, body, new) in writes {
            // What is in memory is not read again: this write leaves nothing there.
            api.app.database().write("test.own", |_| Ok(())).unwrap();
            write_beside_a_paused_read(&api, path, &body, new);
            let shown = api.get("/api/instruments/1").json(200);
            assert_eq!(shown["last_price"], new);
            let listed = api.get("/api/instruments").json(200);
            let listed = listed.as_array().unwrap().iter().find(|row| row["id"] == 1).cloned();
            assert_eq!(listed.unwrap()["last_price"], new);
        }
        api.put("/api/instruments/1", &json!({"name": "other"})).json(200);
        assert_eq!(api.get("/api/instruments/1").json(200)["name"], "other");
    }

    fn its_figures_are_shown(db: &TestDatabase) {
        let api = api(db);
        price(&api);
        price(&api);
        let text = String::from_utf8(api.get("/metrics").body).unwrap();
        for sample in [
            "tickbase_cache_requests_total{cache=\"latest\",result=\"hit\"} 1\n",
            "tickbase_cache_requests_total{cache=\"latest\",result=\"miss\"} 1\n",
            "tickbase_cache_fills_total{cache=\"latest\",outcome=\"success\"} 1\n",
            "tickbase_cache_entries{cache=\"latest\"} 1\n",
            "tickbase_cache_size_max_bytes 67108864\n",
        ] {
            assert!(text.contains(sample), "{sample} is not in {text}");
        }
        let question = json!({"symbols": ["ES"]});
        for _ in 0..3 {
            api.post("/api/historical-data/fetch", &question).json(200);
        }
        let health = api.get("/api/health").json(200);
        assert_eq!(health["historical_data_service"]["cache_size"], 1);
        assert_eq!(health["historical_data_service"]["total_requests"], 3);
        let stats = api.get("/api/historical-data/stats").json(200);
        assert_eq!(stats["total_requests"], 3);
    }
}
