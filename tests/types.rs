//! Decimals and timestamps in the database: what is stored comes back, and SQL compares, orders
//! and sums it as Rust does, on both backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;

use diesel::dsl::{max, min, sum};
use diesel::prelude::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{TestDatabase, on_both};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::Frequency;
use tickbase::models::NewMarketDataBar;
use tickbase::repository::bar::BarRepository;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::market_data_bars as bars;
use tickbase::{Decimal, Timestamp, on_backend};

/// Cases of a property; each is some statements on a database.
const CASES: u32 = 48;
/// So that the sum of [`ROWS_MAX`] values is a decimal, too.
const SCALED_MAX: i64 = i64::MAX / ROWS_MAX as i64;
const ROWS_MAX: usize = 40;

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

/// A bar that is one price all the time.
fn bar(timestamp: Timestamp, price: &Decimal) -> NewMarketDataBar {
    NewMarketDataBar {
        instrument_id: 1,
        timestamp,
        frequency: Frequency::OneMinute,
        open_price: *price,
        high_price: *price,
        low_price: *price,
        close_price: *price,
        volume: 0.0,
        open_interest: None,
        contract_month: None,
        data_source_id: 1,
        is_adjusted: false,
        quality_score: None,
        turnover: None,
        tick_count: None,
    }
}

fn store(db: &TestDatabase, database: &Database, rows: &BTreeMap<Timestamp, Decimal>) {
    // Rows of the case before.
    db.raw("UPDATE market_data_bars SET deleted_at = updated_at; DELETE FROM market_data_bars")
        .unwrap();
    let rows: Vec<_> = rows.iter().map(|(at, price)| bar(*at, price)).collect();
    let report = BarRepository::new(database)
        .insert_batch(rows.clone())
        .unwrap();
    assert_eq!(report.inserted, rows.len());
}

/// Runs a property on rows of any moments and prices, those at the ends of their ranges included.
fn with_rows(db: &TestDatabase, property: impl Fn(&Database, &BTreeMap<Timestamp, Decimal>)) {
    let database = open(db);
    let moments = prop_oneof![
        Timestamp::MIN.micros()..=Timestamp::MAX.micros(),
        Just(Timestamp::MIN.micros()),
        Just(Timestamp::MAX.micros()),
        -1_000_i64..1_000,
    ];
    let prices = prop_oneof![
        -SCALED_MAX..=SCALED_MAX,
        -1_000_000_000_i64..1_000_000_000,
        Just(0),
        Just(1),
        Just(-1),
    ];
    let rows = proptest::collection::btree_map(moments, prices, 1..ROWS_MAX);
    let cases = Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(CASES));
    runner
        .run(&rows, |rows| {
            let rows = rows.into_iter().map(|(at, scaled)| {
                (
                    Timestamp::from_micros(at).unwrap(),
                    Decimal::from_scaled(scaled),
                )
            });
            let rows = rows.collect();
            store(db, &database, &rows);
            property(&database, &rows);
            cases.set(cases.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(cases.get() >= CASES);
}

on_both! {
    fn what_is_stored_comes_back(db: &TestDatabase) {
        with_rows(db, |database, rows| {
            let query = bars::table.active().order(bars::timestamp)
                .select((bars::timestamp, bars::close_price));
            let stored: Vec<(Timestamp, Decimal)> = database
                .read("test.all", |conn| Ok(on_backend!(conn, |c| query.load(c))?))
                .unwrap();
            let expected: Vec<_> = rows.iter().map(|(at, price)| (*at, *price)).collect();
            assert_eq!(stored, expected);
        });
    }

    fn sql_orders_and_compares_decimals_as_rust_does(db: &TestDatabase) {
        with_rows(db, |database, rows| {
            let mut sorted: Vec<Decimal> = rows.values().cloned().collect();
            sorted.sort();
            let query = bars::table.active().order(bars::close_price).select(bars::close_price);
            let ordered: Vec<Decimal> = database
                .read("test.ordered", |conn| Ok(on_backend!(conn, |c| query.load(c))?))
                .unwrap();
            assert_eq!(ordered, sorted);
            let pivot = &sorted[sorted.len() / 2];
            let below = bars::table.active().filter(bars::close_price.lt(pivot)).count();
            let equal = bars::table.active().filter(bars::close_price.eq(pivot)).count();
            let counts: (i64, i64) = database
                .read("test.compared", |conn| {
                    Ok(on_backend!(conn, |c| (below.get_result(c)?, equal.get_result(c)?)))
                })
                .unwrap();
            let count = |holds: fn(&Decimal, &Decimal) -> bool| {
                i64::try_from(sorted.iter().filter(|price| holds(price, pivot)).count()).unwrap()
            };
            assert_eq!(counts, (count(|a, b| a < b), count(|a, b| a == b)));
        });
    }

    fn sql_sums_decimals_exactly(db: &TestDatabase) {
        with_rows(db, |database, rows| {
            let query = bars::table.active()
                .select((sum(bars::close_price), min(bars::close_price), max(bars::close_price)));
            let folded: (Option<Decimal>, Option<Decimal>, Option<Decimal>) = database
                .read("test.sum", |conn| Ok(on_backend!(conn, |c| query.get_result(c))?))
                .unwrap();
            let total: i64 = rows.values().map(Decimal::scaled).sum();
            let expected =
                (Some(Decimal::from_scaled(total)), rows.values().min().cloned(), rows.values().max().cloned());
            assert_eq!(folded, expected);
        });
    }

    fn sql_orders_and_compares_timestamps_as_rust_does(db: &TestDatabase) {
        with_rows(db, |database, rows| {
            let moments: Vec<Timestamp> = rows.keys().copied().collect();
            let pivot = moments[moments.len() / 2];
            let later = bars::table.active().filter(bars::timestamp.ge(pivot))
                .order(bars::timestamp.desc()).select(bars::timestamp);
            let ends = bars::table.active().select((min(bars::timestamp), max(bars::timestamp)));
            let (later, ends): (Vec<Timestamp>, (Option<Timestamp>, Option<Timestamp>)) = database
                .read("test.moments", |conn| {
                    Ok(on_backend!(conn, |c| (later.load(c)?, ends.get_result(c)?)))
                })
                .unwrap();
            let mut expected = moments[moments.len() / 2..].to_vec();
            expected.reverse();
            assert_eq!(later, expected);
            assert_eq!(ends, (moments.first().copied(), moments.last().copied()));
        });
    }

    fn a_sum_beyond_the_range_is_an_error_and_no_wrong_number(db: &TestDatabase) {
        let database = open(db);
        let largest = Decimal::from_scaled(i64::MAX);
        let rows = (0..2).map(|i| (Timestamp::from_micros(i).unwrap(), largest)).collect();
        store(db, &database, &rows);
        let query = bars::table.active().select(sum(bars::close_price));
        let total = database.read("test.sum", |conn| {
            Ok(on_backend!(conn, |c| query.get_result::<Option<Decimal>>(c))?)
        });
        assert!(total.is_err(), "{total:?}");
    }
}
