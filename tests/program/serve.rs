//! `tickbase serve` as operators run it: a process with an address, a log and signals.
#![cfg(all(feature = "cli", unix))]

mod abuse;
#[cfg(feature = "sqlite")]
mod beside_writer;
mod bodies;
mod deploy;
#[cfg(feature = "sqlite")]
mod lost_file;
mod operations;
mod realtime;
mod service_manager;
mod shutdown;
mod strangers;
mod tokens;
mod wire;

use std::path::Path;
use std::process::Command;

use crate::support::on_both;
use crate::support::process::{self, Serving};

on_both! {
    fn every_endpoint_answers_curl(db: &TestDatabase) {
        let serving = Serving::start(db, &[], &[]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/serve/endpoints.sh");
        let done = Command::new("bash").arg(script).arg(serving.base()).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{out}{err}\n{}", serving.stop().log);
        assert!(out.contains(" passed, 0 failed"), "{out}");
    }

    fn a_fresh_database_is_migrated_and_served(db: &TestDatabase) {
        let empty = db.empty_sibling();
        let serving = Serving::start(&empty, &[], &[]);
        assert_eq!(serving.get("/readyz"), (200, "ready\n".to_owned()));
        let ended = serving.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("migrated"), "{}", ended.log);
    }

    fn a_json_log_has_one_object_per_event_and_no_values(db: &TestDatabase) {
        let serving = Serving::start(db, &["--log-format", "json", "--log-level", "debug"], &[]);
        serving.get("/api/instruments/1");
        serving.post("/api/instruments", r#"{"symbol":"SECRETSYM","name":"Secretname","type":"fx"}"#);
        let ended = serving.stop();
        let (mut answered, mut draining) = (0, 0);
        for line in ended.log.lines() {
            let event: serde_json::Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
            assert!(event.get("span").is_none(), "a span is there twice: {line}");
            let fields = &event["fields"];
            for (name, value) in fields.as_object().unwrap() {
                let text = value.as_str().unwrap_or_default().trim_end_matches(['s', 'm', 'µ', 'n']);
                let is_ours = event["target"].as_str().unwrap().starts_with("tickbase");
                assert!(!is_ours || name == "version" || text.parse::<f64>().is_err(), "{name} is a text: {line}");
            }
            if fields["message"] == "answered" {
                answered += 1;
                assert!(fields["duration_ms"].is_f64() && fields["status"].is_u64(), "{line}");
                assert!(event["spans"][0]["id"].is_string(), "{line}");
            }
            draining += usize::from(fields["message"] == "draining" && fields["deadline_seconds"] == 30.0);
        }
        assert_eq!((answered, draining), (2, 1), "{}", ended.log);
        assert!(!ended.log.contains("SECRETSYM"), "{}", ended.log);
        assert!(!ended.log.contains("Secretname"), "{}", ended.log);
    }

    fn the_lines_of_a_request_have_its_trace(db: &TestDatabase) {
        let serving = Serving::start(db, &["--log-format", "json"], &[]);
        let trace = "0af7651916cd43dd8448eb211c80319c";
        for traceparent in [format!("00-{trace}-b7ad6b7169203331-01"), format!("00-{trace}-1-01")] {
            let url = format!("{}/api/instruments/1", serving.base());
            let header = format!("traceparent: {traceparent}");
            let done = Command::new("curl").args(["-sSf", "-H", &header, &url]).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        }
        let ended = serving.stop();
        let lines = ended.log.lines().filter(|line| line.contains("\"answered\""));
        let traces = lines.map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["spans"][0]["trace_id"].clone()
        });
        let traces: Vec<serde_json::Value> = traces.collect();
        assert_eq!(traces, [trace.into(), serde_json::Value::Null], "{}", ended.log);
    }

    fn an_address_that_is_taken_is_a_clear_error(db: &TestDatabase) {
        let serving = Serving::start(db, &[], &[]);
        let address = serving.base().trim_start_matches("http://").to_owned();
        let refused = process::command(db, &["--bind", &address]).output().unwrap();
        let err = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{err}");
        let last = err.lines().last().unwrap();
        assert!(last.starts_with("tickbase: server.bind: "), "{err}");
        assert!(last.contains(&address) && last.contains("--bind"), "{err}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn settings_that_cannot_work_end_the_start() {
    let db = crate::support::TestDatabase::sqlite();
    for (name, value, said) in [
        ("TICKBASE_SERVER_TOKEN", "short", "server.token"),
        ("TICKBASE_SERVER_BIND", "everywhere", "server.bind"),
        ("TICKBASE_SERVER_PORT", "80", "unknown field"),
        (
            "TICKBASE_MONITORING_INTERVAL_SECONDS",
            "0",
            "monitoring.interval_seconds",
        ),
    ] {
        let refused = process::command(&db, &[])
            .env(name, value)
            .output()
            .unwrap();
        let err = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{err}");
        assert!(err.contains(said), "{name}: {err}");
    }
    let refused = process::command(&db, &["--bind", "nowhere"])
        .output()
        .unwrap();
    assert_eq!(
        refused.status.code(),
        Some(2),
        "an argument that is none is usage"
    );
}

#[cfg(feature = "postgres")]
#[test]
fn the_password_of_the_database_is_in_no_log() {
    let server = crate::support::server::Server::start();
    let db = crate::support::TestDatabase::postgres_empty_on(&server);
    let name = db.url().rsplit('/').next().unwrap();
    let url = server.url_with_password("right", name);
    let serving = Serving::start_url(&url, &["--log-level", "trace"], &[]);
    serving.get("/api/health/database");
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains(":right@"), "{}", ended.log);
    assert!(
        ended.log.contains("tickbase_password"),
        "the user is named: {}",
        ended.log
    );
}
