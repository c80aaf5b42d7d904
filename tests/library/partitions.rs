//! Ticks in a table that its users have partitioned by month: its promises hold for each partition. The rest
//! of the suite runs on such a table when `TICKBASE_TEST_PARTITIONS` is set.
#![cfg(all(feature = "postgres", feature = "archive"))]

use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::ArchivePeriod;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::repository::archive::Archiver;
use tickbase::repository::check;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
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
