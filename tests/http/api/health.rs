//! `/api/health`, on live figures: each fault shows, and is over when its cause is.

use serde_json::{Value, json};

use crate::api::client::Api;
use crate::support::{TestDatabase, on_both};
use tickbase::services::Service;

on_both! {
    fn without_a_feed_all_is_well(db: &TestDatabase) {
        let api = Api::new(db);
        let health = api.get("/api/health").json(200);
        assert_eq!(health["status"], "healthy");
        assert_eq!(health["ingestion_active"], false);
        assert_eq!(health["api_connected"], false);
        assert_eq!(health["last_tick"], Value::Null);
        assert_eq!(health["active_instruments"], 12);
        assert_eq!(health["total_rules"], 0);
        let history = &health["historical_data_service"];
        assert_eq!(history["database_healthy"], true);
        assert_eq!(history["service_running"], true);
        Service::stop(&**api.app.history());
        let health = api.get("/api/health").json(200);
        assert_eq!(health["historical_data_service"]["service_running"], false);
    }

    fn a_feed_shows_at_once(db: &TestDatabase) {
        let api = Api::new(db);
        // Old ticks that arrive now are a feed, too.
        let tick = json!([{"symbol": "ES", "timestamp": "2013-09-03T10:00:00.000000Z", "price": 1640.25}]);
        api.post("/api/market-data", &tick).json(200);
        let health = api.get("/api/health").json(200);
        assert_eq!(health["ingestion_active"], true);
        assert_eq!(health["api_connected"], true);
        assert_eq!(health["last_tick"], "2013-09-03T10:00:00.000000Z");
        let age = health["historical_data_service"]["data_freshness_minutes"].as_f64().unwrap();
        assert!(age > 1e6, "{age}");
    }

    fn the_rounds_of_monitoring_are_there_oldest_first(db: &TestDatabase) {
        let api = Api::new(db);
        let tick = json!([{"symbol": "ES", "timestamp": "2013-09-03T10:00:00Z", "price": 1640.25}]);
        api.post("/api/market-data", &tick).json(200);
        let known: Vec<_> = (0..3).map(|_| api.app.monitoring().check_now()).collect();
        let history = api.get("/api/health/history").json(200);
        assert_eq!(history["interval_seconds"], 30.0);
        let rounds = history["rounds"].as_array().unwrap();
        let stamps: Vec<&str> = rounds.iter().map(|round| round["at"].as_str().unwrap()).collect();
        assert!(stamps.is_sorted(), "{stamps:?}");
        for (round, known) in rounds.iter().rev().zip(known.iter().rev()) {
            assert_eq!(round["at"], known.taken_at.to_string());
            assert_eq!(round["pool"]["capacity"], 70);
            assert_eq!((&round["status"], &round["probe_failed"]), (&json!("healthy"), &json!(false)));
            let is_sqlite = db.backend() == "SQLite";
            assert_eq!(round["writer_queue_rows"].is_number(), is_sqlite, "{round}");
            assert_eq!(round["wal_bytes"].is_number(), is_sqlite, "{round}");
        }
        // The insertion is a transaction of one of these rounds, or of one that was before them.
        let committed = |round: &Value| round["commit_ms"]["max"].as_f64().unwrap() > 0.0;
        assert!(rounds.iter().any(committed), "{history}");
    }

    fn late_ticks_show_as_a_share(db: &TestDatabase) {
        let api = Api::new(db);
        let share = |api: &Api| api.get("/api/health/database").json(200)["performance"]["late_share"].clone();
        assert_eq!(share(&api), Value::Null);
        let tick = |second: usize| json!({"symbol": "ES", "timestamp": format!("2013-09-03T10:00:{second:02}Z"), "price": 1640.25});
        api.post("/api/market-data", &json!([tick(30), tick(31), tick(32)])).json(200);
        api.post("/api/market-data", &json!([tick(10)])).json(200);
        // An answer stands on figures that may be half a second old.
        api.until(|api| (share(api) == json!(0.25)).then_some(()));
        api.app.monitoring().check_now();
        let metrics = api.get("/metrics").text();
        assert!(metrics.contains("\ntickbase_ingest_late_ratio 0.25\n"), "{metrics}");
    }

    fn the_day_is_counted(db: &TestDatabase) {
        let api = Api::new(db);
        let now = api.app.database().clock().now().to_string();
        let ticks = json!([
            {"symbol": "ES", "timestamp": now, "price": 1640.25},
            {"symbol": "NQ", "timestamp": now, "price": 3100},
            {"symbol": "ES", "timestamp": "2013-09-03T10:00:00.000000Z", "price": 1640.25},
        ]);
        api.post("/api/market-data", &ticks).json(200);
        let detailed = api.get("/api/health/detailed").json(200);
        assert_eq!(detailed["database_status"], "healthy");
        assert_eq!(detailed["total_instruments"], 12);
        assert_eq!(detailed["total_ticks_today"], 2);
        assert_eq!(detailed["total_alerts_today"], 0);
        assert_eq!(detailed["avg_evaluation_time_ms"], Value::Null);
    }

    fn slow_statements_are_told_without_their_values(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.database.observe.slow_query_after = std::time::Duration::from_nanos(1);
        });
        api.get("/api/instruments/4711").detail(404);
        let slow = api.until(|api| {
            api.app.monitoring().check_now();
            let _ = api.app.database().explain_slow_queries();
            let told = api.get("/api/health/slow-queries").json(200);
            let of = |entry: &&Value| entry["operation"] == "instrument.get";
            let found = told["queries"].as_array().unwrap().iter().find(of).cloned();
            found.filter(|entry| entry["plan"].is_array())
        });
        assert_eq!(slow["count"], 1);
        let statement = slow["statement"].as_str().unwrap();
        assert!(statement.starts_with("SELECT ") && !statement.contains("4711"), "{statement}");
        assert!(slow["total_ms"].as_f64().unwrap() > 0.0);
        assert!(!slow["plan"].as_array().unwrap().is_empty());
    }

    fn the_database_tells_what_it_does(db: &TestDatabase) {
        let api = Api::new(db);
        api.get("/api/instruments").json(200);
        let health = api.get("/api/health/database").json(200);
        assert_eq!(health["status"], "healthy");
        let pool = &health["connection_pool"];
        assert_eq!(pool["max_capacity"], 70);
        assert_eq!(pool["doors"].as_array().unwrap().len(), 2);
        let operations = health["performance"]["by_operation"].as_array().unwrap();
        let list = operations.iter().find(|of| of["operation"] == "instrument.page").unwrap();
        assert_eq!(list["calls"], 1);
        assert!(list["query_ms"]["p50"].as_f64().unwrap() > 0.0);
        assert!(health["storage"]["database_size_mb"].as_f64().unwrap() > 0.0);
        assert_eq!(health["alerts"], json!([]));
        // Services look into the database now and then; between their looks nothing is lent.
        api.until(|api| {
            let health = api.get("/api/health/database").json(200);
            (health["connection_pool"]["checked_out"] == 0).then_some(())
        });
    }
}

/// What the API says of its health, with the status that goes with it.
fn verdict(api: &Api) -> (u16, String) {
    let answer = api.get("/api/health");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    (
        answer.status.as_u16(),
        body["status"].as_str().unwrap().to_owned(),
    )
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_that_is_gone_or_another_one_shows_until_it_is_back() {
    let db = TestDatabase::sqlite();
    let api = Api::new(&db);
    assert_eq!(verdict(&api), (200, "healthy".to_owned()));
    let (file, aside) = (
        db.dir().unwrap().join("test.db"),
        db.dir().unwrap().join("aside.db"),
    );
    std::fs::rename(&file, &aside).unwrap();
    api.until(|api| (verdict(api).0 == 503).then_some(()));
    std::fs::write(&file, "not a database").unwrap();
    api.until(|api| (verdict(api).0 == 503).then_some(()));
    std::fs::rename(&aside, &file).unwrap();
    api.until(|api| (verdict(api).1 == "healthy").then_some(()));
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_that_is_down_shows_until_it_is_back() {
    let mut server = crate::support::server::Server::start_durable();
    let db = TestDatabase::postgres_empty_on(&server);
    let api = Api::new(&db);
    assert_eq!(verdict(&api), (200, "healthy".to_owned()));
    server.crash();
    api.until(|api| (verdict(api).0 == 503).then_some(()));
    let refused = api.get("/api/instruments");
    assert_eq!(refused.status, 503, "{}", refused.text());
    server.start_again();
    api.until(|api| (verdict(api).1 == "healthy").then_some(()));
    let answer = api.get("/api/instruments");
    let log = server.directory().join("log");
    assert_eq!(
        answer.status,
        200,
        "{}",
        std::fs::read_to_string(log).unwrap()
    );
}
