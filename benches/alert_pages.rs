//! Alert history at 1,000,000 alerts: the first page, a deep page by its number and the same rows
//! by cursor, and what the total costs.
//!
//! ```sh
//! cargo bench --bench alert_pages               # alerts: 1000000
//! cargo bench --bench alert_pages -- 100000
//! ```
//!
//! On SQLite, 50 alerts a page as the API has by default, medians of 50 reads. The bench ends with
//! an error when a page has other rows than it should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

use std::time::{Duration, Instant};

use tickbase::Timestamp;
use tickbase::database::{BackendConnection, Cursor, Database};
use tickbase::domain::{Condition, DeliveryStatus, FiredStatus, RuleType};
use tickbase::models::{AlertLog, NewAlertLog, NewAlertRule};
use tickbase::repository::alert_log::{self, AlertFilter, AlertKey, NumberedPage, PageQuery};
use tickbase::repository::alert_rule;
use tickbase::testing::TemporaryDatabase;

const INSTRUMENTS: i64 = 12;
const PER_PAGE: usize = 50;
const DEEP_PAGE: u64 = 1_000;
const ROWS_PER_TRANSACTION: i64 = 10_000;
const READS: usize = 50;

fn alert(number: i64, rules: &[i64]) -> NewAlertLog {
    let instrument = number % INSTRUMENTS;
    NewAlertLog {
        timestamp: Timestamp::from_micros(1_378_000_000_000_000 + number * 1_000).unwrap(),
        source_id: 1,
        sequence: 0,
        rule_id: rules[instrument as usize],
        instrument_id: instrument + 1,
        trigger_value: 1650.25,
        threshold_value: Some(1650.0),
        fired_status: FiredStatus::Fired,
        delivery_status: DeliveryStatus::AllDelivered,
        evaluation_time_us: 3,
        rule_condition: "above".to_owned(),
        alert_message: "Alert: ES threshold - Price 1650.25 above threshold 1650.0000".to_owned(),
        error_message: None,
    }
}

fn fill(db: &Database, alerts: i64) {
    let rule = |instrument: i64| {
        let new = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("1650".parse().unwrap()),
            ..NewAlertRule::new(instrument, RuleType::Threshold)
        };
        let now = db.clock().now();
        let add = move |conn: &mut BackendConnection<'_>| alert_rule::insert(conn, &new, now);
        db.write("alert_rule.insert", add).unwrap().id
    };
    let rules: Vec<i64> = (1..=INSTRUMENTS).map(rule).collect();
    for first in (0..alerts).step_by(ROWS_PER_TRANSACTION as usize) {
        let rules = rules.clone();
        let last = (first + ROWS_PER_TRANSACTION).min(alerts);
        db.write("bench.fill", move |conn| {
            for number in first..last {
                alert_log::insert(conn, &alert(number, &rules))?;
            }
            Ok(())
        })
        .unwrap();
    }
}

/// The median of some reads, and what the last one found.
fn median<T>(mut read: impl FnMut() -> T) -> (Duration, T) {
    let mut times = Vec::with_capacity(READS);
    let mut found = None;
    for _ in 0..READS {
        let began = Instant::now();
        found = Some(read());
        times.push(began.elapsed());
    }
    times.sort_unstable();
    (times[READS / 2], found.unwrap())
}

fn report(name: &str, time: Duration) {
    println!("| {name} | {:.3} ms |", time.as_secs_f64() * 1e3);
}

/// A page by its number.
fn numbered(db: &Database, number: u64) -> (Duration, Vec<AlertLog>) {
    let page = NumberedPage {
        filter: AlertFilter::default(),
        limit: PER_PAGE,
        number,
    };
    median(|| {
        let read = |conn: &mut BackendConnection<'_>| alert_log::numbered(conn, &page);
        db.read("bench.numbered", read).unwrap().rows
    })
}

fn main() {
    let arguments = std::env::args().skip(1);
    let alerts: i64 = arguments
        .filter_map(|a| a.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let db = TemporaryDatabase::sqlite().unwrap();
    fill(&db, alerts);
    println!("{alerts} alerts of {INSTRUMENTS} instruments, {PER_PAGE} a page, SQLite\n");
    println!("| read | median |\n|---|---|");

    let (time, first) = numbered(&db, 1);
    assert_eq!(first.len(), PER_PAGE);
    report("page 1", time);

    let (time, deep) = numbered(&db, DEEP_PAGE);
    report(&format!("page {DEEP_PAGE}, by its number"), time);

    let before: AlertKey = {
        let last = numbered(&db, DEEP_PAGE - 1).1;
        last.last().unwrap().key()
    };
    let mut by_cursor = PageQuery::new(AlertFilter::default(), PER_PAGE);
    by_cursor.cursor = Some(Cursor::After(before));
    let (time, same) = median(|| {
        db.read("bench.cursor", |conn| alert_log::page(conn, &by_cursor))
            .unwrap()
    });
    assert_eq!(same.rows, deep, "the same rows by cursor and by number");
    report(&format!("page {DEEP_PAGE}, by cursor"), time);

    let all = AlertFilter::default();
    let (time, total) = median(|| {
        db.read("bench.count", |conn| alert_log::count(conn, all))
            .unwrap()
    });
    assert_eq!(total, alerts);
    report("the total", time);

    let one = AlertFilter {
        instrument_id: Some(1),
        ..all
    };
    let (time, found) = median(|| {
        let query = PageQuery::new(one, PER_PAGE);
        db.read("bench.instrument", |conn| alert_log::page(conn, &query))
            .unwrap()
    });
    assert!(found.rows.iter().all(|row| row.instrument_id == 1));
    report("page 1 of one instrument", time);
}
