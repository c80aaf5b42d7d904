//! After any sequence of insertions, deletions, restorations, builds and repairs, of ticks and of
//! bars of several frequencies and sources, a series is true, answers are what the plain definition
//! makes of what is stored, and a series that is repaired is, too.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bar_series::model::{Model, PlainBar};
use crate::bar_series::world::{DAY, HOUR, World, at, open};
use crate::support::chaos::scaled;
use crate::support::{db_delete, db_write, on_both, upsert_bars};
use tickbase::domain::Frequency;
use tickbase::models::NewMarketDataBar;
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::bar_series::BuildSpan;
use tickbase::repository::market_data::{InsertOptions, TickRange};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};
use tickbase::services::historical_data::{BarQuery, bars};

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
    /// Of the first source or of another one.
    Import(Frequency, bool, Vec<ImportedBar>),
    DeleteBarsBetween(Frequency, i64, i64),
    /// All that can be.
    RestoreBars(Frequency),
}

/// Second, quarters of open and close, what lies above and below them, volume, open interest.
type ImportedBar = (i64, [i32; 2], [u8; 2], u8, Option<u8>);

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
        4 => import(),
        1 => (frequency(), second(), second())
            .prop_map(|(of, a, b)| Step::DeleteBarsBetween(of, a.min(b), a.max(b))),
        1 => frequency().prop_map(Step::RestoreBars),
    ]
}

fn import() -> impl Strategy<Value = Step> {
    let prices = [-1_000..1_000_i32, -1_000..1_000];
    let bar = (
        second(),
        prices,
        any::<[u8; 2]>(),
        any::<u8>(),
        any::<Option<u8>>(),
    );
    let bars = proptest::collection::vec(bar, 1..20);
    (frequency(), any::<bool>(), bars).prop_map(|(of, first, bars)| Step::Import(of, first, bars))
}

fn imported(of: &ImportedBar, id: i64, frequency: Frequency, source_id: i64) -> NewMarketDataBar {
    let (second, prices, [above, below], volume, interest) = of;
    let price = |quarters: i32| f64::from(quarters) / 4.0;
    let [open, close] = prices;
    NewMarketDataBar {
        instrument_id: id,
        timestamp: frequency.period_start(at(*second)),
        frequency,
        open_price: price(*open),
        high_price: price(*open.max(close) + i32::from(*above)),
        low_price: price(*open.min(close) - i32::from(*below)),
        close_price: price(*close),
        volume: f64::from(*volume),
        open_interest: interest.map(f64::from),
        contract_month: None,
        data_source_id: source_id,
        is_adjusted: false,
        quality_score: None,
        turnover: None,
        tick_count: None,
    }
}

/// The answers of every frequency, whole and the newest of it, of all sources and of each.
fn assert_answers(world: &World<'_>) {
    let model = world.model();
    let of_source = |id: i64| (Some(id), model.clone().of_source(id));
    let mut asked: Vec<(Option<i64>, Model)> = vec![(None, model.clone())];
    asked.extend(model.sources().into_iter().map(of_source));
    for (source, model) in asked {
        for frequency in Frequency::ALL {
            let expected = model.all(frequency);
            for max_records in [None, Some(1), Some(7)] {
                let query = BarQuery {
                    max_records,
                    source,
                    ..BarQuery::all(world.id, frequency)
                };
                let history = world
                    .db
                    .read("test.bars", |conn| bars(conn, &query))
                    .unwrap();
                let answer: Vec<PlainBar> = history.bars.iter().map(PlainBar::of_answer).collect();
                let count = max_records.unwrap_or(usize::MAX);
                let from = expected.len().saturating_sub(count);
                let asked = (frequency, max_records, source);
                assert_eq!(answer, expected[from..], "{asked:?}");
                assert_eq!(history.has_more, from > 0, "{asked:?}");
            }
        }
    }
}

fn take(world: &World<'_>, step: &Step, ticks_max: usize) {
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
            let query = RangeQuery::new(TickRange::all(world.id), PAGE_ROWS_MAX);
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
            world.build_by(ticks_max, *frequency, span).unwrap();
        }
        Step::Refresh(frequency) => {
            world.refresh_by(ticks_max, *frequency, &|| true);
            assert_eq!(world.stale(*frequency), [0_i64; 0]);
        }
        bars => change_bars(world, bars),
    }
}

fn change_bars(world: &World<'_>, step: &Step) {
    match step {
        Step::DeleteBars(frequency) => {
            let all = BarRange::all(world.id, *frequency);
            db_delete!(world.db, bar::soft_delete_range(&all)).unwrap();
        }
        Step::Import(frequency, is_first, bars) => {
            let source = if *is_first { 1 } else { world.vendor() };
            let bars = bars
                .iter()
                .map(|bar| imported(bar, world.id, *frequency, source));
            let report = upsert_bars(world.db, bars).unwrap();
            assert_eq!(report.rejected, []);
        }
        Step::DeleteBarsBetween(frequency, from, to) => {
            let of = BarRange {
                start: Some(at(*from)),
                end: Some(at(*to)),
                ..BarRange::all(world.id, *frequency)
            };
            db_delete!(world.db, bar::soft_delete_range(&of)).unwrap();
        }
        Step::RestoreBars(frequency) => {
            let all = BarRange::all(world.id, *frequency);
            match db_write!(world.db, bar::restore_range(&all)) {
                Ok(_) | Err(tickbase::Error::Conflict { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?} changes no bars"),
    }
}

on_both! {
    fn bars_are_what_the_plain_definition_makes_after_any_sequence(place: &TestDatabase) {
        let db = open(place);
        let number = Cell::new(0);
        let steps = proptest::collection::vec(step(), 1..14);
        let cases = (steps, proptest::sample::select(vec![1, 5, 40, 250_000_usize]));
        // Every case is an instrument of its own in one database.
        let config = Config { cases: scaled(16, 400), failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&cases, |(steps, ticks_max)| {
            number.set(number.get() + 1);
            let world = World::new(&db, &format!("C{}", number.get()));
            for step in &steps {
                take(&world, step, ticks_max);
                world.assert_true();
            }
            assert_answers(&world);
            for frequency in Frequency::ALL {
                // A coarse one first, now and then: finer series are then no basis.
                let frequency = if ticks_max == 5 { Frequency::ALL[8 - frequency as usize] } else { frequency };
                let report = world.build(frequency);
                assert_eq!(world.stale(frequency), [0_i64; 0]);
                let Some(series) = report.series else { continue };
                let parts = world.model().all_parts(frequency).into_iter();
                let closed = parts.filter(|(start, _)| *start < series.built_to);
                let closed: Vec<_> = closed.map(|(_, bar)| bar).collect();
                let stored: Vec<_> = world.stored(frequency).into_values().collect();
                assert_eq!(stored, closed, "{frequency}");
            }
            world.assert_true();
            assert_answers(&world);
            Ok(())
        });
        outcome.unwrap();
    }
}
