//! After any sequence of insertions, deletions, restorations, builds and repairs a series is true,
//! and once repaired it is what the ticks give.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::on_both;
use crate::world::{DAY, HOUR, World, at, open};
use tickbase::domain::Frequency;
use tickbase::repository::bar::{BarRange, BarRepository};
use tickbase::repository::bar_series::BuildSpan;
use tickbase::repository::market_data::{InsertOptions, RangeQuery, TickRange};

/// Every case is an instrument of its own in one database.
const CASES: u32 = 40;

#[derive(Debug, Clone)]
enum Step {
    /// Seconds and quarters of a price, or none.
    Insert(Vec<(i64, Option<i32>)>),
    DeleteRange(i64, i64),
    RestoreRange(i64, i64),
    /// Every n-th tick.
    DeleteKeys(usize),
    RestoreKeys,
    Build(Frequency, Option<i64>, Option<i64>),
    Refresh(Frequency),
    DeleteBars(Frequency),
}

/// Dense about some moments, over six weeks.
fn second() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..2 * HOUR,
        2 => 29 * DAY..32 * DAY,
        1 => -DAY..42 * DAY,
    ]
}

fn frequency() -> impl Strategy<Value = Frequency> {
    proptest::sample::select(Frequency::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    let price = proptest::option::weighted(0.9, -1_000..1_000_i32);
    let ticks = proptest::collection::vec((second(), price), 1..30);
    let bound = || proptest::option::weighted(0.3, second());
    prop_oneof![
        4 => ticks.prop_map(Step::Insert),
        1 => (second(), second()).prop_map(|(a, b)| Step::DeleteRange(a.min(b), a.max(b))),
        1 => (second(), second()).prop_map(|(a, b)| Step::RestoreRange(a.min(b), a.max(b))),
        1 => (1..5_usize).prop_map(Step::DeleteKeys),
        1 => Just(Step::RestoreKeys),
        4 => (frequency(), bound(), bound()).prop_map(|(of, a, b)| match (a, b) {
            (Some(a), Some(b)) => Step::Build(of, Some(a.min(b)), Some(a.max(b))),
            _ => Step::Build(of, a, b),
        }),
        2 => frequency().prop_map(Step::Refresh),
        1 => frequency().prop_map(Step::DeleteBars),
    ]
}

fn take(world: &World<'_>, step: &Step, ticks_max: usize) {
    let series = world.series().ticks_per_transaction_max(ticks_max);
    match step {
        Step::Insert(rows) => {
            let tick = |(n, (second, quarters)): (usize, &(i64, Option<i32>))| {
                let price = quarters.map(|quarters| f64::from(quarters) / 4.0);
                world.tick(*second, (n % 3) as i64, price)
            };
            let ticks = rows.iter().enumerate().map(tick).collect();
            let options = InsertOptions::default();
            world.ticks().insert_batch(ticks, options).unwrap();
        }
        Step::DeleteRange(from, to) => {
            world
                .ticks()
                .soft_delete_range(world.range(*from, *to))
                .unwrap();
        }
        Step::RestoreRange(from, to) => {
            world
                .ticks()
                .restore_range(world.range(*from, *to))
                .unwrap();
        }
        Step::DeleteKeys(nth) => {
            let query = RangeQuery::new(TickRange::all(world.id), RangeQuery::LIMIT_MAX);
            let page = world.ticks().range(&query).unwrap();
            let keys = page.rows.iter().step_by(*nth).map(|tick| tick.key());
            world.ticks().soft_delete_keys(keys.collect()).unwrap();
        }
        Step::RestoreKeys => {
            world
                .ticks()
                .restore_range(TickRange::all(world.id))
                .unwrap();
        }
        Step::Build(frequency, start, end) => {
            let span = BuildSpan {
                start: start.map(at),
                end: end.map(at),
            };
            series.build(world.id, *frequency, span).unwrap();
        }
        Step::Refresh(frequency) => {
            series.refresh(world.id, *frequency, &|| true).unwrap();
            assert_eq!(world.stale(*frequency), [0_i64; 0]);
        }
        Step::DeleteBars(frequency) => {
            let all = BarRange::all(world.id, *frequency);
            BarRepository::new(world.db).soft_delete_range(all).unwrap();
        }
    }
}

on_both! {
    fn built_bars_are_what_the_ticks_give_after_any_sequence(place: &TestDatabase) {
        let db = open(place);
        let number = Cell::new(0);
        let steps = proptest::collection::vec(step(), 1..14);
        let cases = (steps, proptest::sample::select(vec![1, 5, 40, 250_000_usize]));
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&cases, |(steps, ticks_max)| {
            number.set(number.get() + 1);
            let world = World::new(&db, &format!("C{}", number.get()));
            for step in &steps {
                take(&world, step, ticks_max);
                world.assert_true();
            }
            for frequency in Frequency::ALL {
                // A coarse one first, now and then: finer series are then no basis.
                let frequency = if ticks_max == 5 { Frequency::ALL[8 - frequency as usize] } else { frequency };
                let report = world.build(frequency);
                assert_eq!(world.stale(frequency), [0_i64; 0]);
                let Some(series) = report.series else { continue };
                let plain = world.plain(frequency, at(-100 * DAY), at(100 * DAY));
                let closed = plain.iter().filter(|(start, _)| **start < series.built_to);
                let closed: Vec<_> = closed.map(|(_, bar)| bar.clone()).collect();
                let stored: Vec<_> = world.stored(frequency).into_values().collect();
                assert_eq!(stored, closed, "{frequency}");
            }
            world.assert_true();
            Ok(())
        });
        outcome.unwrap();
    }
}
