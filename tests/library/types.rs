//! Decimals and timestamps in the database: what is stored comes back, and SQL compares it as Rust
//! does, on both backends.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::support::{TestDatabase, db_write, flat_bar, insert_bars, on_both};
use diesel::dsl::{max, min};
use diesel::prelude::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::{Condition, Frequency, RuleType};
use tickbase::models::{NewAlertRule, NewMarketDataBar};
use tickbase::repository::alert_rule;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{alert_rules as rules, market_data_bars as bars};
use tickbase::{Decimal, Timestamp, on_backend};

/// Cases of a property; each is some statements on a database.
const CASES: u32 = 48;
const ROWS_MAX: usize = 40;

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

/// A bar that is one price all the time.
fn bar(timestamp: Timestamp) -> NewMarketDataBar {
    flat_bar(1, Frequency::OneMinute, timestamp, 1.0)
}

/// Runs a property on cases of a strategy.
fn each<T: std::fmt::Debug>(cases: impl Strategy<Value = T>, property: impl Fn(T)) {
    let count = Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(CASES));
    runner
        .run(&cases, |case| {
            property(case);
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(count.get() >= CASES);
}

/// Texts of decimals of any magnitude and length that a threshold may have.
fn decimals() -> impl Strategy<Value = Vec<Decimal>> {
    let digits = "[1-9][0-9]{0,20}";
    let texts = prop_oneof![
        (digits, -40..20_i32).prop_map(|(digits, exponent)| format!("{digits}e{exponent}")),
        (digits, -300..280_i32).prop_map(|(digits, exponent)| format!("-{digits}e{exponent}")),
        "-?[0-9]{1,3}[.][0-9]{1,2}",
        Just("0".to_owned()),
    ];
    let decimal = texts.prop_map(|text| text.parse().unwrap());
    proptest::collection::vec(decimal, 1..ROWS_MAX)
}

/// Stores a rule for each threshold, after those of the case before have gone.
fn store_thresholds(db: &TestDatabase, database: &Database, thresholds: &[Decimal]) {
    db.raw("UPDATE alert_rules SET deleted_at = updated_at; DELETE FROM alert_rules")
        .unwrap();
    for threshold in thresholds {
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some(threshold.clone()),
            ..NewAlertRule::new(1, RuleType::Threshold)
        };
        db_write!(database, |now| alert_rule::insert(&rule, now)).unwrap();
    }
}

/// Runs a property on bars of any moments, those at the ends of the range included.
fn with_bars(db: &TestDatabase, property: impl Fn(&Database, Vec<Timestamp>)) {
    let database = open(db);
    let moments = prop_oneof![
        Timestamp::MIN.micros()..=Timestamp::MAX.micros(),
        Just(Timestamp::MIN.micros()),
        Just(Timestamp::MAX.micros()),
        -1_000_i64..1_000,
    ];
    each(
        proptest::collection::btree_set(moments, 1..ROWS_MAX),
        |moments| {
            let moments = moments
                .into_iter()
                .map(|at| Timestamp::from_micros(at).unwrap());
            let moments: Vec<Timestamp> = moments.collect();
            db.raw(
                "UPDATE market_data_bars SET deleted_at = updated_at; DELETE FROM market_data_bars",
            )
            .unwrap();
            let rows: Vec<_> = moments.iter().copied().map(bar).collect();
            let report = insert_bars(&database, rows).unwrap();
            assert_eq!(report.inserted, moments.len());
            property(&database, moments);
        },
    );
}

on_both! {
    fn decimals_come_back_and_sql_finds_them_by_their_value(db: &TestDatabase) {
        let database = open(db);
        each(decimals(), |thresholds| {
            store_thresholds(db, &database, &thresholds);
            let query = rules::table.active().order(rules::id).select(rules::threshold);
            let stored: Vec<Option<Decimal>> = database
                .read("test.all", |conn| Ok(on_backend!(conn, |c| query.load(c))?))
                .unwrap();
            let stored: Vec<Decimal> = stored.into_iter().flatten().collect();
            assert_eq!(stored, thresholds);
            let texts = |of: &[Decimal]| of.iter().map(Decimal::to_string).collect::<Vec<_>>();
            assert_eq!(texts(&stored), texts(&thresholds));
            let mut counts: BTreeMap<Decimal, i64> = BTreeMap::new();
            for threshold in thresholds {
                *counts.entry(threshold).or_default() += 1;
            }
            for (threshold, count) in counts {
                let equal = rules::table.active().filter(rules::threshold.eq(&threshold)).count();
                let found: i64 = database
                    .read("test.equal", |conn| Ok(on_backend!(conn, |c| equal.get_result(c))?))
                    .unwrap();
                assert_eq!(found, count);
            }
        });
    }

    fn sql_orders_and_compares_timestamps_as_rust_does(db: &TestDatabase) {
        with_bars(db, |database, moments| {
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
}
