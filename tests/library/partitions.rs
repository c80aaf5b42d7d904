//! Ticks in a table that its users have partitioned by month: its promises hold for each partition. The rest
//! of the suite runs on such a table when `TICKBASE_TEST_PARTITIONS` is set.
#![cfg(all(feature = "postgres", feature = "archive"))]

use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::{BackendConnection, Database};
use tickbase::diesel::{self, prelude::*};
use tickbase::domain::ArchivePeriod;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::error::Result;
use tickbase::repository::RangeQuery;
use tickbase::repository::archive::{self, Archiver};
use tickbase::repository::check;
use tickbase::repository::market_data::{
    InsertOptions, MarketDataRepository, PricePoint, TickRange, insert_batch, latest, prices, range,
};
use tickbase::repository::{purge, storage};

use crate::support::{TestDatabase, partition_script};

const DAY: i64 = 86_400_000_000;
/// 2013-09-01.
const START: i64 = 1_377_993_600_000_000;

fn at(day: i64, second: i64) -> Timestamp {
    Timestamp::from_micros(START + day * DAY + second * 1_000_000).unwrap()
}

fn ticks(day: i64, count: i64) -> Vec<Tick> {
    let tick = |second| RawTick {
        instrument_id: Some(1),
        timestamp: Some(at(day, second)),
        sequence: Some(0),
        price: Some(1.0),
        ..RawTick::default()
    };
    (0..count)
        .map(|second| Tick::try_from(tick(second)).unwrap())
        .collect()
}

/// A database that had ticks of September 2013 when it was partitioned; those of October and November have
/// partitions of their own.
fn partitioned() -> (TestDatabase, Database, Clock) {
    let place = TestDatabase::postgres_plain();
    let clock = Clock::manual(at(200, 0));
    let open = || {
        Database::open_with_clock(DatabaseConfig::new(place.url()).unwrap(), clock.clone()).unwrap()
    };
    let database = open();
    store(&database, ticks(1, 10));
    database.close();
    place.raw(&partition_script()).unwrap();
    for (name, from, to) in [
        ("2013_10", "2013-10-01", "2013-11-01"),
        ("2013_11", "2013-11-01", "2013-12-01"),
    ] {
        place
            .raw(&format!(
                "CREATE TABLE market_data_{name} PARTITION OF market_data \
                 FOR VALUES FROM ('{from} 00:00+00') TO ('{to} 00:00+00'); \
                 SELECT tickbase_guard_partition('market_data_{name}')"
            ))
            .unwrap();
    }
    let database = open();
    (place, database, clock)
}

fn store(database: &Database, ticks: Vec<Tick>) -> usize {
    let stored = MarketDataRepository::new(database).insert_batch(ticks, InsertOptions::default());
    stored.unwrap().inserted
}

fn count(database: &Database) -> i64 {
    MarketDataRepository::new(database)
        .count(&TickRange::all(1))
        .unwrap()
}

fn problems(database: &Database) -> Vec<String> {
    let all = check::run(database).unwrap();
    all.into_iter()
        .filter_map(|of| Some(format!("{}: {}", of.subject, of.problem?)))
        .collect()
}

#[test]
fn no_statement_against_a_partition_loses_an_active_tick_or_stores_one_of_nobody() {
    let (place, database, _) = partitioned();
    assert_eq!(store(&database, ticks(31, 10)), 10);
    assert_eq!(problems(&database), [""; 0]);
    for (statement, reason) in [
        ("TRUNCATE market_data_2013_10", "cannot be truncated"),
        ("TRUNCATE market_data_before", "cannot be truncated"),
        ("TRUNCATE market_data", "cannot be truncated"),
        (
            "DELETE FROM market_data_2013_10",
            "an active row cannot be deleted",
        ),
        (
            "DELETE FROM market_data_before",
            "an active row cannot be deleted",
        ),
        ("DELETE FROM market_data", "an active row cannot be deleted"),
        (
            "INSERT INTO market_data_2013_10 (instrument_id, \"timestamp\", source_id, sequence) \
             VALUES (99999, '2013-10-05', 1, 0)",
            "instrument 99999 is not there",
        ),
        (
            "UPDATE market_data_2013_10 SET instrument_id = 99999",
            "instrument 99999 is not there",
        ),
        (
            "SELECT tickbase_guard_partition('instruments')",
            "is no partition of market_data",
        ),
        (
            "SELECT tickbase_guard_partition('market_data')",
            "is no partition of market_data",
        ),
    ] {
        let refused = place.raw(statement).unwrap_err().to_string();
        assert!(refused.contains(reason), "{statement}: {refused}");
    }
    assert_eq!(count(&database), 20);
    // A partition that nobody has guarded is named, until it is.
    place
        .raw(
            "CREATE TABLE market_data_2013_12 PARTITION OF market_data \
             FOR VALUES FROM ('2013-12-01 00:00+00') TO ('2014-01-01 00:00+00')",
        )
        .unwrap();
    let found = problems(&database);
    assert!(
        found.len() == 1 && found[0].contains("tickbase_guard_partition('market_data_2013_12')"),
        "{found:?}"
    );
    for _ in 0..2 {
        place
            .raw("SELECT tickbase_guard_partition('market_data_2013_12')")
            .unwrap();
    }
    assert_eq!(problems(&database), [""; 0]);
}

#[test]
fn a_purge_deletes_what_it_means_where_rows_of_two_partitions_have_the_same_place() {
    let (place, database, clock) = partitioned();
    let repository = MarketDataRepository::new(&database);
    let range = |day: i64| TickRange {
        instrument_id: 1,
        start: Some(at(day, 0)),
        end: Some(at(day + 1, 0)),
    };
    // Of the same places in their partitions: the ticks of September lie in the trash, those of October in
    // the trash over a file, which has them still, and those of November are active.
    assert_eq!(
        store(&database, ticks(31, 10)) + store(&database, ticks(62, 10)),
        20
    );
    Archiver::default()
        .archive_period(&database, 1, ArchivePeriod::Month.bounds(at(31, 0)))
        .unwrap();
    assert_eq!(repository.soft_delete_range(range(1)).unwrap(), 10);
    assert_eq!(
        repository
            .soft_delete_range(TickRange {
                end: Some(at(31, 5)),
                ..range(31)
            })
            .unwrap(),
        5
    );
    assert_eq!(count(&database), 15);
    // Somebody works at the period of October: a purge leaves it alone.
    let claim = "UPDATE archive_segments SET owner = 'another', claimed_until = '2100-01-01'";
    place.raw(claim).unwrap();
    clock.set(at(300, 0));
    purge::run(&database, at(299, 0), false).unwrap();
    assert_eq!(
        count(&database),
        15,
        "ticks of the file are back: what hid them is purged"
    );
    assert_eq!(repository.restore_range(range(1)).unwrap(), 0);
    assert_eq!(problems(&database), [""; 0]);
}

#[test]
fn estimates_are_the_sums_of_the_partitions() {
    let (place, database, _) = partitioned();
    store(&database, ticks(31, 10));
    store(&database, ticks(62, 10));
    MarketDataRepository::new(&database)
        .soft_delete_range(TickRange {
            instrument_id: 1,
            start: Some(at(62, 0)),
            end: Some(at(62, 4)),
        })
        .unwrap();
    place.raw("ANALYZE market_data").unwrap();
    let estimate = storage::estimate(&database).unwrap();
    let of = estimate
        .tables
        .iter()
        .find(|of| of.table == "market_data")
        .unwrap();
    assert_eq!((of.active, of.deleted), (Some(26), Some(4)));
}

#[test]
fn the_newest_tick_of_partitions_is_found_in_the_rows_and_in_files() {
    let (_place, database, _) = partitioned();
    let repository = MarketDataRepository::new(&database);
    let newest = || repository.latest(&[1, 2]).unwrap()[0].timestamp;
    assert_eq!(store(&database, ticks(31, 10)), 10);
    assert_eq!(newest(), at(31, 9));
    let october = ArchivePeriod::Month.bounds(at(31, 0));
    Archiver::default()
        .archive_period(&database, 1, october)
        .unwrap();
    assert_eq!(newest(), at(31, 9), "it is in a file");
    assert_eq!(store(&database, ticks(45, 1)), 1);
    assert_eq!(newest(), at(45, 0), "a late one is a row over the file");
    let files = database.read("test.list", |conn| archive::list(conn, None));
    Archiver::default()
        .restore_period(&database, &files.unwrap()[0])
        .unwrap();
    assert_eq!(newest(), at(45, 0), "the file is rows again");
    let late = TickRange {
        instrument_id: 1,
        start: Some(at(45, 0)),
        end: Some(at(46, 0)),
    };
    repository.soft_delete_range(late).unwrap();
    assert_eq!(newest(), at(31, 9));
}

/// Partitions that the statements of this transaction have planned or read: PostgreSQL locks those, and
/// holds the locks until the commit.
fn partitions_touched(conn: &mut BackendConnection<'_>) -> i64 {
    #[allow(irrefutable_let_patterns)] // There may be one backend alone.
    let BackendConnection::Postgres(conn) = conn else {
        panic!("the database is one of PostgreSQL");
    };
    let count = diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "SELECT count(DISTINCT c.oid) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation \
         WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.relname LIKE 'market\\_data\\_m%'",
    );
    count.get_result(*conn).unwrap()
}

/// Partitions that each of ten calls touches, in a transaction of its own.
fn touched_by(
    database: &Database,
    work: impl Fn(&mut BackendConnection<'_>, i64) -> Result<()> + Clone + Send + 'static,
) -> Vec<i64> {
    let calls = (0..10).map(|call| {
        let work = work.clone();
        let touched = database.write("test.touched", move |conn| {
            work(conn, call)?;
            Ok(partitions_touched(conn))
        });
        touched.unwrap()
    });
    calls.collect()
}

/// Its ticks are in two of its 240 partitions; those of another instrument are in all.
fn of_240_partitions() -> (TestDatabase, Database) {
    let place = TestDatabase::postgres_plain();
    let open = || {
        let clock = Clock::manual(at(1_000, 0));
        Database::open_with_clock(DatabaseConfig::new(place.url()).unwrap(), clock).unwrap()
    };
    open().close();
    place.raw(&partition_script()).unwrap();
    place
        .raw(
            "DROP TABLE market_data_before; DO $$ BEGIN FOR n IN 0..239 LOOP \
             EXECUTE format('CREATE TABLE market_data_m%s \
             PARTITION OF market_data FOR VALUES FROM (%L) TO (%L)', n, \
             timestamptz '2013-09-01 00:00+00' + (n - 237) * interval '1 month', \
             timestamptz '2013-09-01 00:00+00' + (n - 236) * interval '1 month'); \
             PERFORM tickbase_guard_partition(format('market_data_m%s', n)::regclass); \
             END LOOP; END $$",
        )
        .unwrap();
    let database = open();
    assert_eq!(store(&database, ticks(1, 300)), 300);
    assert_eq!(store(&database, ticks(40, 300)), 300);
    // Where all partitions but one are empty, a plan for all of them looks cheap.
    place
        .raw(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price) \
             SELECT 3, n, 1, 0, 1 FROM generate_series(timestamptz '1994-01-01 00:00+00', \
             '2013-11-01 00:00+00', interval '2 hours') AS n; ANALYZE market_data",
        )
        .unwrap();
    (place, database)
}

/// A sixth call may try a plan for any values, which is dearer, and is not kept.
fn is_bounded(what: &str, touched: &[i64]) {
    let of_all = touched.iter().filter(|count| **count > 2).count();
    assert!(of_all <= 1, "{what}: {touched:?}");
}

#[test]
fn reads_plan_those_of_240_partitions_that_hold_what_they_ask_for() {
    let (place, database) = of_240_partitions();
    let of_a_day = TickRange {
        instrument_id: 1,
        start: Some(at(40, 0)),
        end: Some(at(41, 0)),
    };
    let newest = touched_by(&database, |conn, _| {
        let newest = latest(conn, &[1, 2])?;
        assert_eq!(newest[0].timestamp, at(40, 299));
        Ok(())
    });
    is_bounded("newest", &newest);
    let page = touched_by(&database, move |conn, _| {
        let query = RangeQuery::new(of_a_day, 10);
        assert_eq!(range(conn, &query)?.rows.len(), 10);
        Ok(())
    });
    is_bounded("a page", &page);
    let shown = touched_by(&database, move |conn, _| {
        let mut count = 0;
        let each = |_: PricePoint| {
            count += 1;
            Ok(())
        };
        prices(conn, &of_a_day, each)?;
        assert_eq!(count, 300);
        Ok(())
    });
    is_bounded("prices", &shown);
    // When the newest tick goes, an older one is the newest.
    let repository = MarketDataRepository::new(&database);
    let newer = TickRange {
        start: Some(at(2, 0)),
        ..TickRange::all(1)
    };
    repository.soft_delete_range(newer).unwrap();
    let newest = || {
        let newest = repository.latest(&[1, 2]).unwrap().into_iter();
        newest
            .map(|tick| (tick.instrument_id, tick.timestamp))
            .collect::<Vec<_>>()
    };
    assert_eq!(newest(), [(1, at(1, 299))]);
    place
        .raw("UPDATE instrument_state SET last_tick = '2014-05-01' WHERE instrument_id = 1")
        .unwrap();
    assert_eq!(
        newest(),
        [(1, at(1, 299))],
        "one that went in between is looked for"
    );
}

#[test]
fn batches_plan_those_of_240_partitions_that_hold_their_ticks() {
    let (_place, database) = of_240_partitions();
    let insert = |conn: &mut BackendConnection<'_>, ticks: Vec<Tick>, inserted| {
        let report = insert_batch(conn, &ticks, &InsertOptions::default(), at(1_000, 0))?;
        assert_eq!(report.inserted, inserted);
        Ok(())
    };
    let few = touched_by(&database, move |conn, call| {
        insert(conn, ticks(50 + call, 3), 3)
    });
    is_bounded("few", &few);
    let many = touched_by(&database, move |conn, call| {
        insert(conn, ticks(70 + call, 300), 300)
    });
    is_bounded("many", &many);
    // Later calls keep a plan for any values, which leaves partitions out when it runs.
    let known = touched_by(&database, move |conn, _| insert(conn, ticks(40, 300), 0));
    is_bounded("known", &known[..5]);
}
