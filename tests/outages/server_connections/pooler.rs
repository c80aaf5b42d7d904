//! pgbouncer before the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tickbase::Error;
use tickbase::config::Pooler;
use tickbase::database::{Database, QueryPlan};
use tickbase::domain::{Bar, Condition, Frequency, RawBar, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::repository::alert_delivery;
use tickbase::repository::alert_log::{self, AlertFilter, PageQuery};
use tickbase::repository::alert_rule;
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::bar_series;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::purge;
use tickbase::services::{AlertEngine, Service};

use super::{DOORS, open, runtime, text_of, tick, tickbase};
use crate::support::pgbouncer::Pgbouncer;
use crate::support::process::Serving;
use crate::support::{
    TestDatabase, build_bars, db_delete, db_read, db_write, insert_bars, upsert_bars,
};

/// Connections to the server that a pooler of the tests has: fewer than callers, so that they are
/// shared.
const CONNECTIONS: u32 = 3;

/// What a session is told elsewhere, and what another program must not find.
const SETTINGS: &str = "SELECT concat_ws(',', current_setting('statement_timeout'), \
     current_setting('default_transaction_read_only'), current_setting('jit'), \
     current_setting('TimeZone'), current_setting('application_name'), \
     (SELECT count(*) FROM pg_prepared_statements))";

fn stranger(url: &str) -> PgConnection {
    PgConnection::establish(&format!("{url}?application_name=stranger")).unwrap()
}

fn settings(conn: &mut PgConnection) -> String {
    diesel::dsl::sql::<diesel::sql_types::Text>(SETTINGS)
        .get_result(conn)
        .unwrap()
}

#[test]
fn a_pooler_that_is_not_named_is_refused_before_any_session_is_told_anything() {
    let place = TestDatabase::postgres();
    for mode in ["session", "transaction"] {
        let pooler = Pgbouncer::start(place.url(), mode, 1);
        let url = pooler.url_of(place.url());
        let before = settings(&mut stranger(&url));
        let refused = open(&url, |_| {}).unwrap_err();
        assert!(matches!(refused, Error::Config { .. }), "{mode}: {refused}");
        for part in [
            "postgres.pooler: ",
            "pooler stands",
            "`session` or `transaction`",
        ] {
            assert!(refused.to_string().contains(part), "{mode}: {refused}");
        }
        assert_eq!(settings(&mut stranger(&url)), before, "{mode}");
        let (ok, _, err) = tickbase(&url, &["stats"], &[]);
        assert!(
            !ok && err.contains("tickbase: postgres.pooler: "),
            "{mode}: {err}"
        );
        // Another value is none.
        let (ok, _, err) = tickbase(&url, &["stats"], &[("TICKBASE_POSTGRES_POOLER", "some")]);
        assert!(!ok && err.contains("transaction"), "{err}");
    }
}

#[test]
fn a_pooler_that_is_not_what_it_is_named_is_refused() {
    let place = TestDatabase::postgres();
    let pooler = Pgbouncer::start(place.url(), "transaction", CONNECTIONS);
    let named =
        |c: &mut tickbase::config::DatabaseConfig| c.postgres.pooler = Some(Pooler::Session);
    let refused = open(&pooler.url_of(place.url()), named)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("postgres.pooler: it is `session`, but"),
        "{refused}"
    );
}

#[test]
fn sessions_of_a_pooler_have_the_settings_that_sessions_have_without_one() {
    let place = TestDatabase::postgres();
    let pooler = Pgbouncer::start(place.url(), "session", CONNECTIONS);
    let database = open(&pooler.url_of(place.url()), |c| {
        c.postgres.pooler = Some(Pooler::Session);
        (c.pool.base, c.pool.overflow) = (2, 0);
    })
    .unwrap();
    let runtime = runtime();
    for door in DOORS {
        let found = door
            .read(&runtime, &database, |conn| text_of(conn, SETTINGS))
            .unwrap();
        assert!(
            found.starts_with("30s,on,off,UTC,tickbase,"),
            "{door:?}: {found}"
        );
    }
    let ticks = (0..500).map(|n| tick(1, n)).collect();
    let report = MarketDataRepository::new(&database).insert_batch(ticks, InsertOptions::default());
    assert_eq!(report.unwrap().inserted, 500);
    database.close();
}

/// A program of others that shares the pooler's connections: it writes, and finds the settings that
/// it would find alone.
fn with_stranger(url: &str, work: impl FnOnce()) {
    let ends = AtomicBool::new(false);
    let mut conn = stranger(url);
    conn.batch_execute("CREATE TABLE IF NOT EXISTS strangers (n bigint)")
        .unwrap();
    let alone = settings(&mut conn);
    assert!(alone.starts_with("0,off,on,"), "{alone}");
    std::thread::scope(|scope| {
        let rounds = scope.spawn(|| {
            let mut rounds = 0;
            while !ends.load(Ordering::SeqCst) {
                // A new client gets whichever connection is free, as an old one does.
                let mut conn = stranger(url);
                for n in 0..20 {
                    conn.batch_execute(&format!("INSERT INTO strangers VALUES ({n})"))
                        .unwrap();
                    assert_eq!(settings(&mut conn), alone);
                }
                rounds += 1;
            }
            rounds
        });
        // Also when the work fails.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let end = End(&ends);
        work();
        drop(end);
        assert!(rounds.join().unwrap() > 0);
    });
}

fn bars(count: i64) -> Vec<Bar> {
    let price = Some("1".parse().unwrap());
    let bar = |n: i64| RawBar {
        instrument_id: 2,
        timestamp: tickbase::Timestamp::from_micros(1_600_000_000_000_000 + n * 60_000_000)
            .unwrap(),
        frequency: Frequency::OneMinute,
        source_id: None,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Some(1.0),
        open_interest: None,
    };
    (0..count).map(|n| Bar::try_from(bar(n)).unwrap()).collect()
}

fn ticks_and_alerts(database: &Database) {
    let rule = NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("99".parse().unwrap()),
        ..NewAlertRule::new(1, RuleType::Threshold)
    };
    db_write!(database, |now| alert_rule::insert(&rule, now)).unwrap();
    let engine = AlertEngine::new(database.clone());
    engine.start().unwrap();
    let store = MarketDataRepository::new(database);
    let insert = |range: std::ops::Range<i64>, key: Option<&str>| {
        let options = InsertOptions {
            idempotency_key: key.map(str::to_owned),
            ..InsertOptions::default()
        };
        store
            .insert_batch(range.map(|n| tick(1, n)).collect(), options)
            .unwrap()
    };
    // One statement; COPY; keys that are taken; a key that was sent before.
    assert_eq!(insert(0..10, None).inserted, 10);
    assert_eq!(insert(10..5_000, None).inserted, 4_990);
    let again = insert(4_000..6_000, None);
    assert_eq!((again.inserted, again.duplicates), (1_000, 1_000));
    assert_eq!(insert(6_000..6_200, Some("once")).inserted, 200);
    assert_eq!(insert(6_000..6_200, Some("once")).inserted, 200);
    let all = TickRange::all(1);
    assert_eq!(store.count(&all).unwrap(), 6_200);
    assert_eq!(store.latest(&[1]).unwrap().len(), 1);
    engine.stop();
    let page = db_read!(
        database,
        alert_log::page(&PageQuery::new(AlertFilter::default(), 10))
    )
    .unwrap();
    assert!(!page.rows.is_empty());
    let depth = database.read("alert_delivery.depth", |conn| {
        let now = conn.shared_now()?;
        alert_delivery::depth(conn, now)
    });
    assert!(depth.unwrap().is_empty());
    assert_eq!(store.soft_delete_range(all).unwrap(), 6_200);
    assert_eq!(store.restore_range(all).unwrap(), 6_200);
}

fn bars_and_trash(database: &Database) {
    insert_bars(database, &bars(600)).unwrap();
    upsert_bars(database, &bars(600)).unwrap();
    let of = BarRange::all(2, Frequency::OneMinute);
    assert_eq!(db_read!(database, bar::count(&of)).unwrap(), 600);
    build_bars(database, 1, Frequency::OneMinute);
    assert!(!db_read!(database, bar_series::list()).unwrap().is_empty());
    db_delete!(database, bar::soft_delete_range(&of)).unwrap();
    let cut_off = tickbase::Timestamp::from_micros(4_000_000_000_000_000).unwrap();
    let purged = purge::run(database, cut_off, false).unwrap();
    assert!(format!("{purged:?}").contains("600"), "{purged:?}");
}

fn transactional(c: &mut tickbase::config::DatabaseConfig) {
    c.postgres.pooler = Some(Pooler::Transaction);
}

#[test]
fn everything_works_behind_a_pooler_that_lends_for_a_transaction_and_others_see_nothing_of_it() {
    let place = TestDatabase::postgres_empty();
    let pooler = Pgbouncer::start(place.url(), "transaction", CONNECTIONS);
    let url = pooler.url_of(place.url());
    let database = open(&url, transactional).unwrap();
    with_stranger(&url, || {
        ticks_and_alerts(&database);
        bars_and_trash(&database);
        let runtime = runtime();
        std::thread::scope(|scope| {
            for n in 0..8_i64 {
                let (runtime, database) = (&runtime, &database);
                scope.spawn(move || {
                    for _ in 0..20 {
                        let door = DOORS[n as usize % 2];
                        let found = door.read(runtime, database, |conn| text_of(conn, SETTINGS));
                        assert!(found.unwrap().starts_with("30s,off,off,UTC,tickbase,0"));
                        door.write(runtime, database, |conn| text_of(conn, SETTINGS))
                            .unwrap();
                    }
                });
            }
        });
    });
    assert!(database.probe(Duration::from_secs(20)).outcome.is_ok());
    database.close();
}

#[test]
fn a_read_behind_a_pooler_cannot_write_is_of_one_moment_and_takes_no_longer_than_it_may() {
    let place = TestDatabase::postgres();
    let pooler = Pgbouncer::start(place.url(), "transaction", CONNECTIONS);
    let database = open(&pooler.url_of(place.url()), |c| {
        transactional(c);
        c.postgres.statement_timeout = Duration::from_millis(50);
        c.observe.slow_query_after = Duration::from_millis(20);
    })
    .unwrap();
    let runtime = runtime();
    for door in DOORS {
        let refused = door.read(&runtime, &database, |conn| {
            text_of(
                conn,
                "UPDATE instruments SET name = name WHERE id = 1 RETURNING name",
            )
        });
        let refused = refused.unwrap_err().chain();
        assert!(
            refused.contains("read-only transaction"),
            "{door:?}: {refused}"
        );
        for slow in [
            door.read(&runtime, &database, |conn| {
                text_of(conn, "SELECT pg_sleep(30)::text")
            }),
            door.write(&runtime, &database, |conn| {
                text_of(conn, "SELECT pg_sleep(30)::text")
            }),
        ] {
            let slow = slow.unwrap_err().chain();
            assert!(slow.contains("statement timeout"), "{door:?}: {slow}");
        }
        let isolation = door.read(&runtime, &database, |conn| {
            conn.snapshot(|conn| {
                text_of(
                    conn,
                    "SELECT current_setting('transaction_isolation') || \
                               current_setting('enable_sort')",
                )
            })
        });
        assert_eq!(isolation.unwrap(), "repeatable readoff", "{door:?}");
    }
    // The plans of slow statements are asked for with a prepared statement, which is gone then.
    for _ in 0..3 {
        assert!(database.explain_slow_queries().is_ok());
    }
    let slow = database.slow_queries();
    let sleeps = || {
        slow.iter()
            .filter(|query| query.normalized.contains("pg_sleep"))
    };
    assert_eq!(sleeps().count(), 1, "{slow:?}");
    for query in sleeps() {
        assert!(matches!(query.plan, QueryPlan::Lines(_)), "{query:?}");
    }
    let mut conn = stranger(&pooler.url_of(place.url()));
    assert!(settings(&mut conn).ends_with(",stranger,0"));
}

#[test]
fn every_endpoint_and_command_works_behind_a_pooler_that_lends_for_a_transaction() {
    let place = TestDatabase::postgres_empty();
    let pooler = Pgbouncer::start(place.url(), "transaction", CONNECTIONS);
    let url = pooler.url_of(place.url());
    let named = [("TICKBASE_POSTGRES_POOLER", "transaction")];
    for arguments in [&["migrate", "run"][..], &["stats"], &["check"]] {
        let (ok, out, err) = tickbase(&url, arguments, &named);
        assert!(ok, "{arguments:?}: {out}{err}");
    }
    let serving = Serving::start_url(&url, &[], &named);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/program/serve/endpoints.sh"
    );
    let done = std::process::Command::new("bash")
        .args([script, serving.base()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}\n{}", serving.stop().log);
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");
    for arguments in [
        &["import", sample, "--symbol", "ES"][..],
        &["export", "--symbol", "ES"],
        &["coverage", "--symbol", "ES", "--frequency", "1min"],
        &["purge", "--older-than", "30d"],
        &["check"],
    ] {
        let (ok, out, err) = tickbase(&url, arguments, &named);
        assert!(ok, "{arguments:?}: {}{err}", &out[..out.len().min(2_000)]);
    }
}
