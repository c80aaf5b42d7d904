//! What the database tells of itself: rows, insertions, slow statements and their plans, the
//! writer's figures, estimates.

use std::time::Duration;

use crate::support::{TestDatabase, db_read, on_both};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Backend, BackendConnection, Database, QueryPlan, SlowQuery};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickKey, TickRange};
use tickbase::repository::{RangeQuery, check, storage};
use tickbase::{Error, Result, Timestamp, on_backend};

/// A value that must not be seen anywhere.
const MARKER: &str = "marker-d2f7";

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn tick(instrument_id: i64, stamp: i64, price: f64) -> Tick {
    Tick::try_from(RawTick {
        instrument_id: Some(instrument_id),
        timestamp: Some(at(stamp)),
        sequence: Some(0),
        price: Some(price),
        ..RawTick::default()
    })
    .unwrap()
}

fn ticks(stamps: std::ops::Range<i64>) -> Vec<Tick> {
    stamps.map(|stamp| tick(1, stamp, 1.0)).collect()
}

fn open(db: &TestDatabase, slow_after: Duration) -> Database {
    let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
        config.observe.slow_query_after = slow_after;
    });
    Database::open_with_clock(config, Clock::manual(at(7_000_000))).unwrap()
}

fn rows(database: &Database, op: &str) -> u64 {
    let operations = database.operations();
    let found = operations.iter().find(|operation| operation.op == op);
    found.map_or(0, |operation| operation.rows)
}

on_both! {
    fn the_statements_of_migrations_are_not_slow(db: &TestDatabase) {
        let empty = db.empty_sibling();
        let database = open(&empty, Duration::from_nanos(1));
        let changes = |query: &SlowQuery| {
            let words = ["CREATE", "ALTER", "DROP", "tickbase_schema_migrations"];
            words.iter().any(|word| query.normalized.contains(word))
        };
        let slow = database.slow_queries();
        assert!(!slow.iter().any(changes), "{slow:#?}");
        database.migrate_revert().unwrap();
        let slow = database.slow_queries();
        assert!(!slow.iter().any(changes), "{slow:#?}");
        database.migrate().unwrap();
        // Others are kept as ever.
        database.read("test.slow", slow_query).unwrap();
        assert!(database.slow_queries().iter().any(|query| query.op == "test.slow"));
    }

    fn an_operation_counts_the_rows_that_it_read_and_wrote(db: &TestDatabase) {
        let database = open(db, Duration::ZERO);
        let repository = MarketDataRepository::new(&database);
        repository.insert_batch(ticks(0..300), InsertOptions::default()).unwrap();
        repository.insert_batch(ticks(290..310), InsertOptions::default()).unwrap();
        assert_eq!(rows(&database, "market_data.insert_batch"), 310);
        repository.range(&RangeQuery::new(TickRange::all(1), 40)).unwrap();
        repository.range(&RangeQuery::new(TickRange::all(1), 500)).unwrap();
        assert_eq!(rows(&database, "market_data.range"), 350);
        repository.latest(&[1, 2]).unwrap();
        assert_eq!(rows(&database, "market_data.latest"), 1);
        repository.soft_delete_range(TickRange::all(1)).unwrap();
        assert_eq!(rows(&database, "market_data.soft_delete_range"), 310);
    }

    fn rows_of_runs_that_do_not_stand_are_not_counted(db: &TestDatabase) {
        let database = open(db, Duration::ZERO);
        let failed: Result<()> = database.write("test.failed", |conn| {
            conn.record_rows(9);
            Err(Error::not_found("it", "expect this"))
        });
        failed.unwrap_err();
        assert_eq!(rows(&database, "test.failed"), 0);
        database.write("test.savepoint", |conn| {
            conn.record_rows(1);
            let undone: Result<()> = conn.savepoint(|conn| {
                conn.record_rows(90);
                Err(Error::not_found("it", "expect this"))
            });
            undone.unwrap_err();
            conn.savepoint(|conn| {
                conn.record_rows(2);
                Ok(())
            })
        }).unwrap();
        assert_eq!(rows(&database, "test.savepoint"), 3);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let read = database.read_async("test.async", |conn| {
            conn.record_rows(4);
            Ok(())
        });
        runtime.block_on(read).unwrap();
        let write = database.write_async("test.async", |conn| {
            conn.record_rows(3);
            Ok(())
        });
        runtime.block_on(write).unwrap();
        assert_eq!(rows(&database, "test.async"), 7);
    }

    fn insertions_are_totalled_when_they_are_committed(db: &TestDatabase) {
        let database = open(db, Duration::ZERO);
        assert_eq!(database.insert_totals().last_ticks_at, None);
        let mut batch = ticks(100..200);
        batch.push(tick(1, 100, 1.0));
        batch.push(tick(1, 101, 2.0));
        batch.push(tick(77, 1, 1.0));
        batch.push(tick(1, 5, 1.0));
        let repository = MarketDataRepository::new(&database);
        let keyed = InsertOptions {
            idempotency_key: Some("k".to_owned()),
            ..InsertOptions::default()
        };
        repository.insert_batch(batch.clone(), keyed.clone()).unwrap();
        let first = database.insert_totals();
        assert_eq!((first.ticks.received, first.ticks.inserted), (104, 101));
        assert_eq!((first.ticks.duplicates, first.ticks.conflicts), (1, 1));
        // The old one is not late: a batch counts in the order of time.
        assert_eq!((first.ticks.rejected, first.ticks.late), (1, 0));
        assert_eq!(first.last_ticks_at, Some(at(7_000_000)));
        // The same batch once more stores nothing, and was received.
        database.clock().set(at(8_000_000));
        repository.insert_batch(batch, keyed).unwrap();
        let second = database.insert_totals();
        assert_eq!((second.ticks.received, second.ticks.replayed), (208, 104));
        assert_eq!(second.ticks.inserted, 101);
        assert_eq!(second.last_ticks_at, Some(at(8_000_000)));
        // A batch whose transaction is undone was not inserted.
        database.clock().set(at(9_000_000));
        let undone: Result<()> = database.write("test.undone", |conn| {
            let options = InsertOptions::default();
            let now = at(9_000_000);
            tickbase::repository::market_data::insert_batch(conn, &ticks(900..950), &options, now)?;
            Err(Error::not_found("it", "expect this"))
        });
        undone.unwrap_err();
        assert_eq!(database.insert_totals(), second);
        // A batch that is older than what is stored is late.
        let late = vec![tick(1, 6, 1.0)];
        repository.insert_batch(late, InsertOptions::default()).unwrap();
        assert_eq!(database.insert_totals().ticks.late, 1);
        // Two rows with the key of a deleted tick, whatever their values.
        repository.soft_delete_range(TickRange::all(1)).unwrap();
        repository.insert_batch(vec![tick(1, 100, 1.0), tick(1, 101, 2.0)], InsertOptions::default()).unwrap();
        assert_eq!(database.insert_totals().ticks.deleted, 2);
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A statement that takes some milliseconds on any machine, with a bound text in it.
fn slow_query(conn: &mut BackendConnection<'_>) -> Result<i64> {
    let sql = match conn.backend() {
        Backend::Sqlite => {
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL \
             SELECT n + 1 FROM numbers WHERE n < 300000) \
             SELECT count(*) AS count FROM numbers WHERE ? <> 'plain text'"
        }
        _ => "SELECT count(*) AS count FROM pg_sleep(0.02) WHERE $1 <> 'plain text'",
    };
    let query = diesel::sql_query(sql).bind::<Text, _>(MARKER);
    let count: Count = on_backend!(conn, |c| query.get_result(c))?;
    conn.record_rows(1);
    Ok(count.count)
}

fn of_op(database: &Database, op: &str) -> Vec<SlowQuery> {
    let all = database.slow_queries().into_iter();
    all.filter(|query| query.op == op).collect()
}

on_both! {
    fn a_slow_statement_is_kept_once_without_its_values_and_gets_a_plan(db: &TestDatabase) {
        let database = open(db, Duration::from_millis(1));
        for _ in 0..2 {
            database.read("test.slow", slow_query).unwrap();
        }
        let [slow] = of_op(&database, "test.slow").try_into().unwrap();
        assert_eq!((slow.count, slow.rows, &slow.plan), (2, Some(1), &QueryPlan::Pending));
        assert!(slow.total_us >= slow.max_us && slow.max_us >= 1_000, "{slow:?}");
        assert_eq!(slow.last_seen, at(7_000_000));
        assert!(slow.sql.contains("'?'") && !slow.sql.contains("plain text"), "{slow:?}");
        assert!(database.explain_slow_queries().unwrap() >= 1);
        let [slow] = of_op(&database, "test.slow").try_into().unwrap();
        let QueryPlan::Lines(lines) = &slow.plan else {
            panic!("{slow:?}");
        };
        let step = match database.backend() {
            Backend::Sqlite => "SCAN numbers",
            _ => "Function Scan on pg_sleep",
        };
        assert!(lines.iter().any(|line| line.contains(step)), "{lines:?}");
        let everything = format!("{:?}", database.slow_queries());
        assert!(!everything.contains(MARKER), "{everything}");
        // Each is asked for once, and asking is not observed.
        assert_eq!(database.explain_slow_queries().unwrap(), 0);
        assert!(of_op(&database, "slow_query.explain").is_empty());
    }

    fn a_slow_write_has_the_rows_of_its_run(db: &TestDatabase) {
        let database = open(db, Duration::from_nanos(1));
        let repository = MarketDataRepository::new(&database);
        repository.insert_batch(ticks(0..500), InsertOptions::default()).unwrap();
        let slow = of_op(&database, "market_data.insert_batch");
        assert!(slow.iter().any(|query| query.rows == Some(500)), "{slow:?}");
        database.explain_slow_queries().unwrap();
        let slow = of_op(&database, "market_data.insert_batch");
        assert!(slow.iter().all(|query| query.plan != QueryPlan::Pending), "{slow:?}");
        // What has no plan says why: the table in memory on SQLite, COPY on PostgreSQL.
        let unknown = slow.iter().any(|query| matches!(query.plan, QueryPlan::Unknown(_)));
        assert!(unknown, "{slow:?}");
        assert_eq!(repository.count(&TickRange::all(1)).unwrap(), 500);
    }

    fn lists_of_any_length_are_one_statement(db: &TestDatabase) {
        let database = open(db, Duration::from_nanos(1));
        let repository = MarketDataRepository::new(&database);
        let keys = |stamps: std::ops::Range<i64>| {
            let key = |stamp| TickKey {
                instrument_id: 1,
                timestamp: at(stamp),
                source_id: 1,
                sequence: 0,
            };
            stamps.map(key).collect::<Vec<_>>()
        };
        repository.insert_batch(ticks(0..50), InsertOptions::default()).unwrap();
        repository.soft_delete_keys(keys(0..1)).unwrap();
        repository.soft_delete_keys(keys(1..40)).unwrap();
        let slow = of_op(&database, "market_data.soft_delete_keys");
        let marks = slow.iter().filter(|query| query.normalized.starts_with("UPDATE market_data"));
        assert_eq!(marks.map(|query| query.count).collect::<Vec<_>>(), [2]);
    }

    fn explaining_runs_nothing(db: &TestDatabase) {
        let database = open(db, Duration::from_nanos(1));
        db.raw("CREATE TABLE numbers (n BIGINT); INSERT INTO numbers VALUES (1)").unwrap();
        database.write("test.several", |conn| {
            use diesel::connection::SimpleConnection;
            let sql = "INSERT INTO numbers VALUES (2); DELETE FROM numbers WHERE n = 1";
            Ok(on_backend!(conn, |c| c.batch_execute(sql))?)
        }).unwrap();
        database.write("test.one", |conn| {
            let insert = diesel::sql_query("INSERT INTO numbers SELECT n + 1 FROM numbers");
            Ok(on_backend!(conn, |c| insert.execute(c))?)
        }).unwrap();
        database.explain_slow_queries().unwrap();
        let [several] = of_op(&database, "test.several").try_into().unwrap();
        let reason = "it is more than one statement".to_owned();
        assert_eq!(several.plan, QueryPlan::Unknown(reason));
        let one = of_op(&database, "test.one");
        let insert = one.iter().find(|query| query.sql.starts_with("INSERT")).unwrap();
        assert!(matches!(insert.plan, QueryPlan::Lines(_)), "{insert:?}");
        let numbers = "SELECT CAST(n AS TEXT) AS text FROM numbers ORDER BY n";
        assert_eq!(db.texts(numbers), ["2", "3"]);
    }

    fn a_full_table_gives_up_what_took_least(db: &TestDatabase) {
        let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
            config.observe.slow_query_after = Duration::from_nanos(1);
            config.observe.slow_queries_max = 2;
        });
        let database = Database::open(config).unwrap();
        database.read("test.slow", slow_query).unwrap();
        MarketDataRepository::new(&database).latest(&[1]).unwrap();
        MarketDataRepository::new(&database).count(&TickRange::all(1)).unwrap();
        assert_eq!(database.slow_queries().len(), 2);
        assert_eq!(of_op(&database, "test.slow").len(), 1, "{:?}", database.slow_queries());
        let totals = database.slow_query_totals();
        assert!(totals.evicted >= 1 && totals.observed > totals.evicted, "{totals:?}");
    }

    fn nothing_is_observed_when_the_threshold_is_zero(db: &TestDatabase) {
        let database = open(db, Duration::ZERO);
        database.read("test.slow", slow_query).unwrap();
        assert_eq!(database.slow_queries(), []);
    }

    fn commits_are_counted_with_their_rows(db: &TestDatabase) {
        let database = open(db, Duration::ZERO);
        let before = database.commit_snapshot();
        let repository = MarketDataRepository::new(&database);
        repository.insert_batch(ticks(0..300), InsertOptions::default()).unwrap();
        repository.insert_batch(ticks(300..400), InsertOptions::default()).unwrap();
        let after = database.commit_snapshot();
        assert_eq!(after.rows - before.rows, 400);
        assert_eq!(after.commit.since(&before.commit).count(), 2);
    }

    fn estimates_follow_the_statistics_and_read_no_table(db: &TestDatabase) {
        let database = open(db, Duration::ZERO);
        let repository = MarketDataRepository::new(&database);
        repository.insert_batch(ticks(0..5_000), InsertOptions::default()).unwrap();
        let early = TickRange { end: Some(at(1_000)), ..TickRange::all(1) };
        repository.soft_delete_range(early).unwrap();
        storage::refresh_statistics(&database).unwrap();
        if database.backend() == Backend::Postgres {
            db.raw("ANALYZE").unwrap();
        }
        // A sample is enough for the plans, too.
        let findings = check::run(&database).unwrap();
        assert!(findings.iter().all(|finding| finding.problem.is_none()), "{findings:?}");
        let estimate = storage::estimate(&database).unwrap();
        let of = |table| *estimate.tables.iter().find(|of| of.table == table).unwrap();
        let ticks = of("market_data");
        let (active, deleted) = (ticks.active.unwrap(), ticks.deleted.unwrap());
        assert!((2_000..8_000).contains(&active), "{ticks:?}");
        assert!((500..2_000).contains(&deleted), "{ticks:?}");
        assert_eq!(of("instruments").active, Some(12));
        assert!(estimate.size.database_bytes > 0);
        let is_sqlite = database.backend() == Backend::Sqlite;
        assert_eq!(estimate.wal_bytes.is_some_and(|bytes| bytes > 0), is_sqlite);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn rows_of_a_run_that_postgresql_undid_are_counted_once() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    let db = TestDatabase::postgres();
    let database = open(&db, Duration::ZERO);
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    database
        .write("test.undone", move |conn| {
            conn.record_rows(5);
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                let sql = "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40001'; END $$";
                on_backend!(conn, |c| diesel::sql_query(sql).execute(c))?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(
        (runs.load(Ordering::Relaxed), rows(&database, "test.undone")),
        (2, 5)
    );
}

#[cfg(feature = "postgres")]
#[test]
fn postgresql_tells_of_its_work_on_the_database() {
    use diesel::connection::SimpleConnection;
    let db = TestDatabase::postgres();
    let database = open(&db, Duration::ZERO);
    let activity = || {
        let activity = db_read!(database, storage::postgres_activity());
        activity.unwrap().unwrap()
    };
    let before = activity();
    assert!(before.sessions.active >= 1, "{before:?}");
    assert_eq!(before.sessions.oldest_transaction_seconds, None);
    let share = before.totals.cache_hit_ratio();
    assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
    let mut stranger = PgConnection::establish(db.url()).unwrap();
    stranger.batch_execute("BEGIN").unwrap();
    let sessions = activity().sessions;
    assert_eq!(sessions.idle_in_transaction, 1, "{sessions:?}");
    assert!(
        sessions
            .oldest_transaction_seconds
            .is_some_and(|age| age >= 0.0)
    );
}

#[cfg(feature = "sqlite")]
#[test]
fn the_writer_tells_of_the_locks_that_it_waited_for() {
    use diesel::connection::SimpleConnection;
    let db = TestDatabase::sqlite();
    let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
        config.sqlite.busy_timeout = Duration::from_millis(5);
    });
    let database = Database::open(config).unwrap();
    let mut stranger = SqliteConnection::establish(db.url()).unwrap();
    stranger.batch_execute("BEGIN IMMEDIATE").unwrap();
    let writer = {
        let database = database.clone();
        std::thread::spawn(move || {
            let repository = MarketDataRepository::new(&database);
            repository.insert_batch(ticks(0..10), InsertOptions::default())
        })
    };
    while database.writer_snapshot().unwrap().busy_waits == 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    stranger.batch_execute("ROLLBACK").unwrap();
    writer.join().unwrap().unwrap();
    let snapshot = database.writer_snapshot().unwrap();
    assert!(snapshot.lock_wait_us >= 5_000, "{snapshot:?}");
    let rows = (snapshot.committed_rows, snapshot.group_rows_max_seen);
    assert_eq!(rows, (10, 10));
}
