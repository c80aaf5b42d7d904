//! A standby of a complete schema is served and read; it takes no writes and says so.

use tickbase::database::ProbeCause;

use super::{open, tick, tickbase};
use crate::support::process::Serving;
use crate::support::server::Server;
use crate::support::{TestDatabase, eventually};

use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};

/// A database with a tick and an instrument's history, whose server takes no more writes.
fn standby() -> (Server, TestDatabase) {
    let mut server = Server::start();
    let place = TestDatabase::postgres_empty_on(&server);
    let database = open(place.url(), |_| {}).unwrap();
    let ticks = (0..200).map(|n| tick(1, n)).collect();
    MarketDataRepository::new(&database)
        .insert_batch(ticks, InsertOptions::default())
        .unwrap();
    database.close();
    server.stop();
    server.demote();
    (server, place)
}

const NEW: &str = r#"{"symbol": "EURUSD", "name": "Euro", "type": "fx"}"#;

#[test]
fn a_standby_is_served_and_writes_are_taken_as_soon_as_it_is_promoted() {
    let (mut server, place) = standby();
    let serving = Serving::start(
        &place,
        &[],
        &[("TICKBASE_MONITORING_INTERVAL_SECONDS", "1")],
    );
    for path in [
        "/livez",
        "/api/instruments",
        "/api/instruments/1",
        "/metrics",
    ] {
        assert_eq!(serving.get(path).0, 200, "{path}");
    }
    let (status, body) = serving.post("/api/instruments", NEW);
    assert_eq!(status, 503, "{body}");
    assert!(
        body.contains("standby") && body.contains("primary"),
        "{body}"
    );
    assert_eq!(serving.get("/readyz"), (503, "read-only\n".to_owned()));
    let (status, health) = serving.get("/api/health/database");
    assert_eq!(status, 503, "{health}");
    assert!(
        health.contains("standby") && health.contains("promote"),
        "{health}"
    );

    server.promote();
    eventually("it is ready", || serving.get("/readyz").0 == 200);
    assert_eq!(serving.post("/api/instruments", NEW).0, 201);
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// Without a write that would find it out, monitoring does.
#[test]
fn a_standby_that_nobody_writes_to_is_not_ready() {
    let (_server, place) = standby();
    let serving = Serving::start(
        &place,
        &[],
        &[("TICKBASE_MONITORING_INTERVAL_SECONDS", "1")],
    );
    eventually("it is not ready", || serving.get("/readyz").0 == 503);
}

#[test]
fn every_command_that_reads_runs_on_a_standby_and_one_that_writes_says_why_not() {
    let (_server, place) = standby();
    for arguments in [
        &["stats"][..],
        &["check"],
        &["migrate", "status"],
        &["migrate", "run"],
        &["export", "--symbol", "ES"],
        &["coverage", "--symbol", "ES", "--frequency", "1min"],
        &["chart", "--symbol", "ES", "--frequency", "1min"],
        &["rules", "list"],
        &["alerts", "list"],
    ] {
        let (ok, out, err) = tickbase(place.url(), arguments, &[]);
        assert!(ok, "{arguments:?}: {out}{err}");
    }
    for arguments in [
        &["purge", "--older-than", "30d"][..],
        &["migrate", "revert"],
    ] {
        let (ok, _, err) = tickbase(place.url(), arguments, &[]);
        assert!(
            !ok && err.contains("is a standby and takes no writes"),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn the_probe_says_that_the_server_takes_no_writes_and_what_to_do() {
    let (mut server, place) = standby();
    let database = open(place.url(), |_| {}).unwrap();
    let failure = database
        .probe(std::time::Duration::from_secs(20))
        .outcome
        .unwrap_err();
    assert_eq!(failure.cause, ProbeCause::ReadOnly, "{failure}");
    assert!(
        failure.to_string().contains("target_session_attrs"),
        "{failure}"
    );
    assert!(database.is_read_only());
    server.promote();
    assert!(
        database
            .probe(std::time::Duration::from_secs(20))
            .outcome
            .is_ok()
    );
    assert!(!database.is_read_only());
}
