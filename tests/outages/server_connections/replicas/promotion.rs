//! A primary dies, and one of its standbys is promoted: what was acknowledged is there.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use tickbase::Error;
use tickbase::database::Database;
use tickbase::domain::{Condition, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::repository::alert_rule;
use tickbase::repository::market_data::{InsertOptions, InsertReport, insert_batch};
use tickbase::services::{AlertEngine, Service};

use super::super::{DOORS, open, runtime, text_of, tick};
use super::{Cluster, STORED, run};
use crate::support::chaos::{report, scaled};
use crate::support::forwarder::Forwarder;
use crate::support::process::Serving;
use crate::support::server::Server;
use crate::support::{TestDatabase, db_write, eventually};

const WRITERS: i64 = 4;
/// Within this time after a promotion there is an acknowledgement, if the machine does nothing else.
const RECOVERY_MAX: Duration = Duration::from_secs(2);

/// What writers have heard of their ticks.
#[derive(Default)]
struct Heard {
    ends: AtomicBool,
    acknowledged: Mutex<BTreeSet<(i64, i64)>>,
    refused: Mutex<BTreeSet<(i64, i64)>>,
    unknown: AtomicU64,
    reads: AtomicU64,
}

impl Heard {
    fn total(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Stores tick after tick; one whose outcome is unknown is sent again, one that was refused is not.
    fn write(&self, database: &Database, writer: i64) {
        let (runtime, door, mut n) = (runtime(), DOORS[writer as usize % 2], 0);
        // Of a tick whose outcome was unknown once, a later refusal says nothing.
        let mut is_unknown = false;
        while !self.ends.load(Ordering::SeqCst) {
            let stored = door.write(&runtime, database, move |conn| {
                let now = tickbase::Timestamp::from_micros(1_800_000_000_000_000).unwrap();
                insert_batch(conn, &[tick(writer + 1, n)], &InsertOptions::default(), now)
            });
            match stored {
                Ok(_) => {
                    self.acknowledged.lock().unwrap().insert((writer + 1, n));
                    (n, is_unknown) = (n + 1, false);
                }
                Err(Error::CommitUnknown { .. }) => {
                    self.unknown.fetch_add(1, Ordering::SeqCst);
                    is_unknown = true;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(
                    Error::ReadOnlyServer { .. }
                    | Error::Connect { .. }
                    | Error::Query { .. }
                    | Error::PoolTimeout { .. },
                ) => {
                    if !is_unknown {
                        self.refused.lock().unwrap().insert((writer + 1, n));
                    }
                    (n, is_unknown) = (n + 1, false);
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(other) => panic!("no writer should see {}", other.chain()),
            }
        }
    }

    fn read(&self, shown: &Database) {
        let mut most = 0;
        while !self.ends.load(Ordering::SeqCst) {
            let acknowledged = self.total() as i64;
            // While there is no primary, a read may be refused; it is never wrong.
            if let Ok(count) = shown.read("test.count", |conn| text_of(conn, STORED)) {
                let count: i64 = count.parse().unwrap();
                assert!(count >= acknowledged, "{count} of {acknowledged} are read");
                most = count.max(most);
                self.reads.fetch_add(1, Ordering::SeqCst);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(most > 0);
    }
}

/// Lets the threads end, also when the test fails.
struct End<'a>(&'a Heard);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::SeqCst);
    }
}

/// A rule that fires with each tick of an instrument.
fn fires_with_each_tick(database: &Database, instrument_id: i64) {
    let rule = NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("1".parse().unwrap()),
        cooldown_seconds: 0,
        ..NewAlertRule::new(instrument_id, RuleType::Threshold)
    };
    db_write!(database, |now| alert_rule::insert(&rule, now)).unwrap();
}

/// Promotes the standby that has all that was acknowledged, and has the other one follow it, as a program
/// that watches them would; the port of the new primary, and when it was one.
fn promote_one([first, second]: &mut [Server; 2]) -> (u16, Instant) {
    let received = |standby: &Server| -> i64 {
        let mut conn = PgConnection::establish(&standby.url("postgres")).unwrap();
        let sql = "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint";
        let query = diesel::dsl::sql::<diesel::sql_types::BigInt>(sql);
        query.get_result(&mut conn).unwrap()
    };
    let (new, other) = match received(first) >= received(second) {
        true => (first, second),
        false => (second, first),
    };
    new.promote();
    let promoted = Instant::now();
    run(
        new,
        "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()",
    );
    let follow = format!(
        "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={} user=postgres'; SELECT pg_reload_conf()",
        new.port()
    );
    run(other, &follow);
    (new.port(), promoted)
}

/// Instrument and number of each tick that is stored.
fn stored_keys(database: &Database) -> BTreeSet<(i64, i64)> {
    let of = |sql: &str| -> BTreeSet<(i64, i64)> {
        let lines = database
            .read("test.keys", |conn| text_of(conn, sql))
            .unwrap();
        let pair = |line: &str| {
            let (id, n) = line.split_once(' ').unwrap();
            (id.parse().unwrap(), n.parse().unwrap())
        };
        lines.lines().map(pair).collect()
    };
    let key = "instrument_id || ' ' || round(extract(epoch from \"timestamp\") * 1000000 - 1700000000000000)::bigint";
    of(&format!(
        "SELECT string_agg({key}, E'\\n') FROM market_data"
    ))
}

/// What is stored is what was acknowledged, and nothing that was refused; each tick has fired once.
fn nothing_is_lost(heard: &Heard, database: &Database) {
    let ticks = stored_keys(database);
    let lost: Vec<_> = heard
        .acknowledged
        .lock()
        .unwrap()
        .difference(&ticks)
        .copied()
        .collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    let refused = heard.refused.lock().unwrap();
    let though_refused: Vec<_> = refused.intersection(&ticks).collect();
    assert!(
        though_refused.is_empty(),
        "refused, and there: {though_refused:?}"
    );
    // Each tick fires, once.
    let alerts = "SELECT count(*)::text FROM alert_logs";
    let alerts = database
        .read("test.alerts", |conn| text_of(conn, alerts))
        .unwrap();
    assert_eq!(alerts, ticks.len().to_string());
}

#[test]
fn nothing_acknowledged_is_lost_when_the_primary_dies_and_a_standby_is_promoted() {
    let mut cluster = Cluster::start();
    let name = Forwarder::to(cluster.primary.port());
    let database = cluster.open(&name.url(cluster.name()));
    // From now on a commit is acknowledged when a standby has it.
    run(
        &cluster.primary,
        "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'; SELECT pg_reload_conf()",
    );
    (1..=WRITERS).for_each(|id| fires_with_each_tick(&database, id));
    let engine = AlertEngine::new(database.clone());
    engine.start().unwrap();
    let heard = Heard::default();
    let recovered = std::thread::scope(|scope| {
        let _end = End(&heard);
        for writer in 0..WRITERS {
            let (heard, database) = (&heard, &database);
            scope.spawn(move || heard.write(database, writer));
        }
        let shown = database.on_replicas();
        let read = &heard;
        scope.spawn(move || read.read(&shown));
        eventually("writing", || heard.total() >= scaled(200, 2_000));
        cluster.primary.crash();
        let (port, promoted) = promote_one(&mut cluster.standbys);
        let before = heard.total();
        name.lead_to(port);
        eventually("writing again", || heard.total() > before);
        let recovered = promoted.elapsed();
        eventually("all write again", || {
            heard.total() >= before + scaled(200, 2_000)
        });
        recovered
    });
    engine.stop();
    nothing_is_lost(&heard, &database);
    assert!(
        recovered <= RECOVERY_MAX.mul_f64(scaled(5.0, 1.0)),
        "{recovered:?}"
    );
    report(
        "the primary of two standbys is killed, and one of them promoted",
        format!(
            "{WRITERS} writers, {} acknowledged ticks, {} reads on replicas",
            heard.total(),
            heard.reads.load(Ordering::SeqCst)
        ),
        format!(
            "{} refused, {} outcomes unknown",
            heard.refused.lock().unwrap().len(),
            heard.unknown.load(Ordering::SeqCst)
        ),
        format!(
            "0 lost, 0 stored though refused, one alert a tick; first acknowledgement {:.1} s after the promotion",
            recovered.as_secs_f64()
        ),
    );
}

/// Sessions that wait for a standby.
fn waiting(server: &Server) -> i64 {
    let mut conn = PgConnection::establish(&server.url("postgres")).unwrap();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let query = diesel::dsl::sql::<diesel::sql_types::BigInt>(sql);
    query.get_result(&mut conn).unwrap()
}

/// Writes through both doors and by HTTP, whose server dies while their commits wait.
fn writes_that_wait(
    server: &mut Server,
    database: &Database,
    serving: &Serving,
) -> ([tickbase::Result<InsertReport>; 2], (u16, String)) {
    std::thread::scope(|scope| {
        let writes = DOORS.map(|door| {
            scope.spawn(move || {
                let n = door as i64;
                door.write(&runtime(), database, move |conn| {
                    let now = tickbase::Timestamp::from_micros(1_800_000_000_000_000).unwrap();
                    insert_batch(conn, &[tick(n + 1, n)], &InsertOptions::default(), now)
                })
            })
        });
        let posted = scope.spawn(move || {
            let body = r#"[{"symbol":"YM","timestamp":1700000000000000,"sequence":0,"price":1}]"#;
            serving.post("/api/market-data", body)
        });
        eventually("all of them wait", || waiting(server) == 3);
        server.crash();
        let outcomes = writes.map(|write| write.join().unwrap());
        (outcomes, posted.join().unwrap())
    })
}

/// A primary commits before it waits for its standbys: a server that dies then says a last word, which is no
/// answer.
#[test]
fn the_outcome_of_a_commit_that_waits_when_the_server_dies_is_unknown() {
    let mut server = Server::start();
    let place = TestDatabase::postgres_empty_on(&server);
    let database = open(place.url(), |_| {}).unwrap();
    let serving = Serving::start(&place, &[], &[]);
    run(
        &server,
        "ALTER SYSTEM SET synchronous_commit = 'on'; \
         ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()",
    );
    let (outcomes, answer) = writes_that_wait(&mut server, &database, &serving);
    for outcome in outcomes {
        let unknown = outcome.unwrap_err();
        assert!(matches!(unknown, Error::CommitUnknown { .. }), "{unknown}");
    }
    assert_eq!(database.commit_snapshot().unknown, 2);
    assert_eq!(answer.0, 503, "{}", answer.1);
    assert!(answer.1.contains(r#""outcome":"unknown""#), "{}", answer.1);
    server.start_again();
    run(
        &server,
        "ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()",
    );
    eventually("it is counted", || {
        let (status, metrics) = serving.get("/metrics");
        status == 200 && metrics.contains("tickbase_commits_unknown_total 1\n")
    });
    // They were stored; sent again, they are duplicates.
    let stored = database.read("test.count", |conn| text_of(conn, STORED));
    assert_eq!(stored.unwrap(), "3");
}
