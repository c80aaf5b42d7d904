//! A server whose messages are not English.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tickbase::Error;
use tickbase::database::{BackendConnection, Database};

use super::{DOORS, Door, open, runtime};
use crate::support::TestDatabase;
use crate::support::chaos::{report, scaled};
use crate::support::server::Server;

/// Deadlocks in the suite, and under `scripts/chaos`.
const DEADLOCKS: (usize, usize) = (4, 500);

fn run(conn: &mut BackendConnection<'_>, sql: &str) -> tickbase::Result<()> {
    Ok(tickbase::on_backend!(conn, |c| c.batch_execute(sql))?)
}

fn german() -> (Server, TestDatabase) {
    let server = Server::start_german();
    let place = TestDatabase::postgres_empty_on(&server);
    let words = place.raw("SELECT 1 / 0").unwrap_err().to_string();
    assert!(words.contains("Division durch Null"), "{words}");
    (server, place)
}

/// Two writes lock two rows in opposite order, each the first one before the other has its second.
/// Returns how often they ran in all.
fn deadlock(door: Door, database: &Database) -> usize {
    let (runs, both) = (AtomicUsize::new(0), Barrier::new(2));
    let (runs, both) = (std::sync::Arc::new(runs), std::sync::Arc::new(both));
    let runtime = runtime();
    std::thread::scope(|scope| {
        for order in [[1, 2], [2, 1]] {
            let (runs, both, runtime) = (runs.clone(), both.clone(), &runtime);
            scope.spawn(move || {
                let mut first = true;
                door.write(runtime, database, move |conn| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    for (n, id) in order.into_iter().enumerate() {
                        run(
                            conn,
                            &format!("UPDATE instruments SET name = name WHERE id = {id}"),
                        )?;
                        if n == 0 && std::mem::take(&mut first) {
                            both.wait();
                        }
                    }
                    Ok(())
                })
                .unwrap_or_else(|error| panic!("{door:?}: {}", error.chain()));
            });
        }
    });
    runs.load(Ordering::SeqCst)
}

#[test]
fn a_deadlock_is_resolved_whatever_the_language_of_the_server() {
    let (_server, place) = german();
    let database = open(place.url(), |_| {}).unwrap();
    place
        .raw("ALTER SYSTEM SET deadlock_timeout = '10ms'")
        .unwrap();
    place.raw("SELECT pg_reload_conf()").unwrap();
    let deadlocks = scaled(DEADLOCKS.0, DEADLOCKS.1);
    for n in 0..deadlocks {
        let runs = deadlock(DOORS[n % 2], &database);
        assert!(runs >= 3, "{runs} runs: there was none");
    }
    report(
        "two writes deadlock on a server whose messages are German",
        format!("{deadlocks} pairs of writes"),
        format!("{deadlocks} deadlocks"),
        "0 failed",
    );
}

#[test]
fn a_session_that_the_server_ends_is_replaced_whatever_its_language() {
    let (_server, place) = german();
    let database = open(place.url(), |_| {}).unwrap();
    let runtime = runtime();
    for door in DOORS {
        let runs = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&runs);
        door.write(&runtime, &database, move |conn| {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                run(conn, "SELECT pg_terminate_backend(pg_backend_pid())")?;
            }
            run(conn, "SELECT 1")
        })
        .unwrap_or_else(|error| panic!("{door:?}: {}", error.chain()));
        assert_eq!(runs.load(Ordering::SeqCst), 2, "{door:?}");
    }
}

#[test]
fn a_refused_connection_has_its_remedy_whatever_the_language_of_the_server() {
    let (server, _place) = german();
    let role = "CREATE ROLE full LOGIN CONNECTION LIMIT 0";
    PgConnection::establish(&server.url("postgres"))
        .unwrap()
        .batch_execute(role)
        .unwrap();
    for (url, said) in [
        (server.url("nowhere"), "create the database"),
        (
            server.url_with_password("wrong", "postgres"),
            "check user and password",
        ),
        (
            server.url("postgres").replace("postgres@", "nobody@"),
            "check user and password",
        ),
        (
            server.url("postgres").replace("postgres@", "full@"),
            "max_connections",
        ),
    ] {
        let error: Error = open(&url, |_| {}).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let database = open(&server.url("postgres"), |c| {
        c.postgres.connect_timeout = Duration::from_secs(20);
    })
    .unwrap();
    assert!(database.probe(Duration::from_secs(20)).outcome.is_ok());
}
