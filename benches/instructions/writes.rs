//! The workloads that write.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use std::io::Read;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use tickbase::Timestamp;
use tickbase::database::Database;
use tickbase::diesel::prelude::*;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Condition, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::repository::alert_rule;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::services::{AlertEngine, Service};
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{alert_logs, market_data};

use super::common::{self, ROWS_PER_TRANSACTION};
use super::insert;

pub const INGEST_TICKS: usize = ROWS_PER_TRANSACTION;
pub const INGEST_ROUNDS: usize = 5;
pub const GROUP_CALLS: usize = 64;
pub const GROUP_ROUNDS: usize = 15;
pub const FIRING_TICKS: usize = 1_000;
pub const FIRING_ROUNDS: usize = 19;

const TICKS_PER_CALL: usize = 10;
const RULES: usize = 200;
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");

/// The rows of all rounds; those of a round that does not run are prepared, too.
fn rounds_of(ticks: &[Tick], rows: usize) -> impl Iterator<Item = Vec<Tick>> {
    ticks.chunks(rows).map(<[Tick]>::to_vec)
}

fn stored(database: &Database) -> i64 {
    let count = database.read("bench.stored", |conn| {
        let query = market_data::table.active().count();
        Ok(tickbase::on_backend!(conn, |c| query.get_result(c))?)
    });
    count.unwrap()
}

pub fn ingest(database: &Database, rounds: usize) {
    let ticks = common::ticks((INGEST_ROUNDS + 1) * INGEST_TICKS, true);
    for batch in rounds_of(&ticks, INGEST_TICKS).take(rounds) {
        insert(database, batch);
    }
    assert_eq!(stored(database), (rounds * INGEST_TICKS) as i64);
}

pub fn group_commit(database: &Database, rounds: usize) {
    let rows = GROUP_CALLS * TICKS_PER_CALL;
    let ticks = common::ticks((GROUP_ROUNDS + 1) * rows, true);
    let before = database.writer_snapshot().unwrap();
    for group in rounds_of(&ticks, rows).take(rounds) {
        commit_together(database, &group);
    }
    assert_eq!(stored(database), (rounds * rows) as i64);
    let after = database.writer_snapshot().unwrap();
    // Of each round the job that holds the writer, and the group.
    assert_eq!(after.commits - before.commits, 2 * rounds as u64);
    assert_eq!(after.group_jobs_max_seen, GROUP_CALLS as u64);
}

/// Calls that share one commit. How many calls meet by themselves is a matter of time, so a job
/// holds the writer until all of them wait.
fn commit_together(database: &Database, group: &[Tick]) {
    let (hold, is_held) = mpsc::channel();
    let (release, is_released) = mpsc::channel();
    let mut holder = Box::pin(database.write_async("bench.hold", move |_| {
        hold.send(()).unwrap();
        is_released.recv().unwrap();
        Ok(())
    }));
    assert!(poll(holder.as_mut()).is_pending());
    is_held.recv().unwrap();
    let ticks = MarketDataRepository::new(database);
    let call = |rows| Box::pin(ticks.insert_batch_async(rows, InsertOptions::default()));
    let mut calls: Vec<_> = rounds_of(group, TICKS_PER_CALL).map(call).collect();
    for call in &mut calls {
        assert!(poll(call.as_mut()).is_pending());
    }
    release.send(()).unwrap();
    // Answers come in the order of the calls: who waits for the last one is woken once, and not as
    // often as the two threads happen to take turns.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let mut inserted = 0;
    while let Some(call) = calls.pop() {
        inserted += runtime.block_on(call).unwrap().inserted;
    }
    runtime.block_on(holder).unwrap();
    assert_eq!(inserted, group.len());
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

pub fn firing(database: &Database, rounds: usize) {
    let trades = trades();
    for number in 0..RULES {
        let rule = crossing(number);
        let now = database.clock().now();
        let add = database.write("bench.rule", move |conn| {
            alert_rule::insert(conn, &rule, now)
        });
        add.unwrap();
    }
    let engine = AlertEngine::new(database.clone());
    engine.start().unwrap();
    for batch in rounds_of(&trades, FIRING_TICKS).take(rounds) {
        insert(database, batch);
    }
    let totals = engine.totals();
    assert_eq!(totals.evaluated, (rounds * FIRING_TICKS) as u64);
    if rounds == FIRING_ROUNDS + 1 {
        assert_eq!((totals.fired, totals.suppressed), (349, 4_938));
    }
    let alerts: i64 = database
        .read("bench.alerts", |conn| {
            let query = alert_logs::table.active().count();
            Ok(tickbase::on_backend!(conn, |c| query.get_result(c))?)
        })
        .unwrap();
    assert_eq!(alerts, totals.fired as i64);
}

/// Crossings of prices all over the range of the trades, 1637.25 to 1642, in any order.
fn crossing(number: usize) -> NewAlertRule {
    let conditions = [Condition::CrossesAbove, Condition::CrossesBelow];
    let threshold = 1_637.25 + (number * 617 % 1_000) as f64 * 0.004_75;
    NewAlertRule {
        condition: Some(conditions[number % 2]),
        threshold: Some(format!("{threshold:.5}").parse().unwrap()),
        ..NewAlertRule::new(1, RuleType::Crossover)
    }
}

/// The real trades that the project ships: time, price, volume.
fn trades() -> Vec<Tick> {
    let mut text = String::new();
    let file = std::fs::File::open(SAMPLE).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let trade = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.split(',').collect();
        let stamp = format!("{}Z", fields[0].replace(' ', "T"));
        let tick = RawTick {
            instrument_id: Some(1),
            timestamp: Some(Timestamp::parse(stamp.as_bytes()).unwrap().0),
            sequence: Some(number as i64),
            price: Some(fields[1].parse().unwrap()),
            volume: Some(fields[2].parse().unwrap()),
            ..RawTick::default()
        };
        Tick::try_from(tick).unwrap()
    };
    text.lines().skip(1).enumerate().map(trade).collect()
}
