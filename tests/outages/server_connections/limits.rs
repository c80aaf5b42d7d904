//! Fewer connections of the server than the pool may open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use tickbase::Error;
use tickbase::database::Database;

use super::{DOORS, open, runtime};
use crate::support::TestDatabase;
use crate::support::chaos::{report, scaled};
use crate::support::server::Server;

/// Connections that the user of the tests may have.
const CONNECTIONS: usize = 3;
const CALLERS: usize = 12;
/// Calls of each caller in the suite, and under `scripts/chaos`.
const CALLS: (usize, usize) = (20, 2_000);

/// A server whose user `few` has few connections, and the URL of a database of that user.
fn server() -> (Server, String) {
    let server = Server::start();
    let place = TestDatabase::postgres_empty_on(&server);
    let role = format!("CREATE ROLE few LOGIN CONNECTION LIMIT {CONNECTIONS}");
    place.raw(&role).unwrap();
    place.raw("CREATE DATABASE few OWNER few").unwrap();
    let url = server.url("few").replace("postgres@", "few@");
    (server, url)
}

/// Reads from many threads through both doors; returns how many failed, and how.
fn crowd(database: &Database, calls: usize) -> Vec<Error> {
    let runtime = runtime();
    let errors = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (runtime, errors) = (&runtime, &errors);
            scope.spawn(move || {
                for _ in 0..calls {
                    let read = DOORS[caller % 2].read(runtime, database, |conn| {
                        Ok(tickbase::on_backend!(conn, |c| c
                            .batch_execute("SELECT pg_sleep(0.002)"))?)
                    });
                    errors.lock().unwrap().extend(read.err());
                }
            });
        }
    });
    errors.into_inner().unwrap()
}

#[test]
fn callers_wait_for_a_connection_that_comes_back() {
    let calls = scaled(CALLS.0, CALLS.1);
    let (_server, url) = server();
    let database = open(&url, |_| {}).unwrap();
    let began = Instant::now();
    let errors = crowd(&database, calls);
    assert!(errors.is_empty(), "{}: {}", errors.len(), errors[0].chain());
    let snapshot = database.pool_snapshot();
    // An attempt to open one more may be under way.
    crate::support::eventually("no more are open", || {
        database.pool_snapshot().open <= CONNECTIONS
    });
    assert_eq!(snapshot.timeouts, 0);
    report(
        format!("PostgreSQL gives {CONNECTIONS} connections to a pool of 70"),
        format!(
            "{CALLERS} callers through both doors, {} reads in {:.0?}",
            CALLERS * calls,
            began.elapsed()
        ),
        "each connection beyond them is refused",
        "0 calls failed",
    );
}

struct Release<'a>(&'a AtomicUsize);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(1, Ordering::SeqCst);
    }
}

#[test]
fn who_has_waited_long_enough_learns_whose_limit_it_is() {
    let (_server, url) = server();
    let database = open(&url, |c| {
        c.pool.acquire_timeout = Duration::from_millis(700)
    })
    .unwrap();
    let runtime = runtime();
    let (inside, released) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                database.read("test.hold", |conn| {
                    tickbase::on_backend!(conn, |c| c.batch_execute("SELECT 1"))?;
                    inside.fetch_add(1, Ordering::SeqCst);
                    while released.load(Ordering::SeqCst) == 0 {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    Ok(())
                })
            });
        }
        // Also when the test fails.
        let _release = Release(&released);
        crate::support::eventually("all are lent", || {
            inside.load(Ordering::SeqCst) == CONNECTIONS
        });
        for door in DOORS {
            let began = Instant::now();
            let error = door.read(&runtime, &database, |_| Ok(())).unwrap_err();
            assert!(
                began.elapsed() >= Duration::from_millis(700),
                "{door:?}: {error}"
            );
            let text = error.to_string();
            assert!(
                matches!(error, Error::TooManyConnections { .. }),
                "{door:?}: {text}"
            );
            for part in [
                "max_connections",
                "pool.base + pool.overflow",
                " of the pool",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
    });
    assert_eq!(database.pool_snapshot().timeouts, 2);
    for door in DOORS {
        door.read(&runtime, &database, |_| Ok(())).unwrap();
    }
}
