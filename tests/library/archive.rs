//! Archived ticks are read as if they were hot, on both backends: pages both ways, counts, the newest,
//! prices, identity of what comes late, deletions and undoing.
#![cfg(feature = "archive")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Cursor, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::models::NewDeletion;
use tickbase::repository::archive::{self, Archiver, PeriodOutcome};
use tickbase::repository::deletion::{self, UndoOptions};
use tickbase::repository::market_data::{
    InsertOptions, MarketDataRepository, TickKey, TickRange, soft_delete_range,
};
use tickbase::repository::{RangeQuery, SortOrder, purge};

use crate::support::on_both;

/// A day of microseconds that the tests use few of: moments collide.
const DAY: i64 = 86_400_000_000;
const START: i64 = 1_378_000_000_000_000 / DAY * DAY;

type Row = (TickKey, Option<f64>, Option<f64>);

#[derive(Debug, Clone)]
enum Step {
    /// Stores ticks: (day, offset, sequence, price).
    Store(Vec<(i64, i64, i64, u8)>),
    /// Archives a day.
    Archive(i64),
    /// Deletes a span of offsets of a day.
    Delete(i64, i64, i64),
    /// Deletes all from the start of a day to the end of another one.
    DeleteDays(i64, i64),
    /// Takes a span of offsets of a day out of the trash.
    RestoreRange(i64, i64, i64),
    /// Takes one tick out of the trash: the n-th of all.
    RestoreKey(prop::sample::Index),
    /// Removes for good what is in the trash.
    Purge,
    /// Brings the ticks of an archived day back into the table.
    RestoreDay(i64),
    /// Undoes the n-th deletion.
    Undo(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let tick = (0_i64..3, 0_i64..12, 0_i64..3, 0_u8..2);
    prop_oneof![
        4 => prop::collection::vec(tick, 1..30).prop_map(Step::Store),
        2 => (0_i64..3).prop_map(Step::Archive),
        2 => (0_i64..3, 0_i64..12, 0_i64..6).prop_map(|(day, from, length)| Step::Delete(day, from, length)),
        1 => (0_i64..3, 0_i64..3).prop_map(|(from, days)| Step::DeleteDays(from, days)),
        1 => (0_i64..3, 0_i64..12, 0_i64..9).prop_map(|(day, from, length)| Step::RestoreRange(day, from, length)),
        1 => any::<prop::sample::Index>().prop_map(Step::RestoreKey),
        1 => Just(Step::Purge),
        1 => (0_i64..3).prop_map(Step::RestoreDay),
        2 => any::<prop::sample::Index>().prop_map(Step::Undo),
    ]
}

/// What the database must hold: the ticks that are stored, and the deletion that each is in.
#[derive(Default)]
struct Model {
    ticks: BTreeMap<TickKey, (Row, Option<i64>)>,
    deletions: Vec<i64>,
}

impl Model {
    fn active(&self) -> Vec<Row> {
        let active = self
            .ticks
            .values()
            .filter(|(_, deletion)| deletion.is_none());
        active.map(|(row, _)| *row).collect()
    }
}

fn at(day: i64, offset: i64) -> Timestamp {
    Timestamp::from_micros(START + day * DAY + offset * 1_000).unwrap()
}

fn run_step(database: &Database, model: &mut Model, step: &Step) {
    match step {
        Step::Store(ticks) => store(database, model, ticks),
        Step::Archive(day) => {
            let period = (at(*day, 0), at(*day + 1, 0));
            let outcome = Archiver::default()
                .archive_period(database, 1, period)
                .unwrap();
            let is_busy = matches!(outcome, PeriodOutcome::Busy(_));
            assert!(!is_busy, "{outcome:?}");
        }
        Step::Delete(day, from, length) => {
            delete(
                database,
                model,
                (at(*day, *from), at(*day, *from + *length)),
            );
        }
        Step::DeleteDays(from, days) => {
            delete(database, model, (at(*from, 0), at(*from + *days, 0)));
        }
        Step::RestoreRange(day, from, length) => {
            restore_range(
                database,
                model,
                (at(*day, *from), at(*day, *from + *length)),
            );
        }
        Step::RestoreKey(index) => restore_key(database, model, index),
        Step::Purge => remove(database, model),
        Step::RestoreDay(day) => {
            let periods = database
                .read("test.list", |conn| archive::list(conn, Some(1)))
                .unwrap();
            let of_day = periods.iter().find(|of| of.starts_at == at(*day, 0));
            if let Some(of_day) = of_day {
                Archiver::default()
                    .restore_period(database, of_day)
                    .unwrap();
            }
        }
        Step::Undo(index) => undo(database, model, index),
    }
}

fn store(database: &Database, model: &mut Model, ticks: &[(i64, i64, i64, u8)]) {
    let all: Vec<Tick> = ticks
        .iter()
        .map(|(day, offset, sequence, price)| {
            Tick::try_from(RawTick {
                instrument_id: Some(1),
                timestamp: Some(at(*day, *offset)),
                sequence: Some(*sequence),
                price: Some(f64::from(*price)),
                volume: Some(1.0),
                ..RawTick::default()
            })
            .unwrap()
        })
        .collect();
    let (mut inserted, mut same, mut other, mut deleted) = (0, 0, 0, 0);
    for tick in &all {
        let key = TickKey {
            instrument_id: 1,
            timestamp: tick.timestamp(),
            source_id: 1,
            sequence: tick.sequence().unwrap(),
        };
        match model.ticks.get(&key) {
            None => {
                inserted += 1;
                model
                    .ticks
                    .insert(key, ((key, tick.price(), tick.volume()), None));
            }
            Some((_, Some(_))) => deleted += 1,
            Some((row, None)) if row.1 == tick.price() => same += 1,
            Some(_) => other += 1,
        }
    }
    let report = MarketDataRepository::new(database)
        .insert_batch(all, InsertOptions::default())
        .unwrap();
    let told = (
        report.inserted,
        report.duplicates,
        report.conflicts,
        report.deleted,
    );
    assert_eq!(told, (inserted, same, other, deleted));
}

fn restore_range(database: &Database, model: &mut Model, (start, end): (Timestamp, Timestamp)) {
    let range = TickRange {
        instrument_id: 1,
        start: Some(start),
        end: Some(end),
    };
    let restored = MarketDataRepository::new(database)
        .restore_range(range)
        .unwrap();
    let mut expected = 0;
    for (row, deletion) in model.ticks.values_mut() {
        let is_within = row.0.timestamp >= start && row.0.timestamp < end;
        if is_within && deletion.take().is_some() {
            expected += 1;
        }
    }
    assert_eq!(restored, expected);
}

fn restore_key(database: &Database, model: &mut Model, index: &prop::sample::Index) {
    if model.ticks.is_empty() {
        return;
    }
    let nth = index.index(model.ticks.len());
    let (key, (_, deletion)) = model.ticks.iter_mut().nth(nth).unwrap();
    let restored = MarketDataRepository::new(database)
        .restore_keys(vec![*key])
        .unwrap();
    assert_eq!(restored, usize::from(deletion.take().is_some()));
}

fn remove(database: &Database, model: &mut Model) {
    let dry = purge::run(database, Timestamp::MAX, true).unwrap();
    let report = purge::run(database, Timestamp::MAX, false).unwrap();
    assert_eq!(report.kept(), 0, "{report:?}");
    assert_eq!(dry.tables, report.tables);
    model.ticks.retain(|_, (_, deletion)| deletion.is_none());
    model.deletions.clear();
}

fn undo(database: &Database, model: &mut Model, index: &prop::sample::Index) {
    if model.deletions.is_empty() {
        return;
    }
    let id = model.deletions.remove(index.index(model.deletions.len()));
    deletion::undo(database, id, &UndoOptions::default()).unwrap();
    for (_, deletion) in model.ticks.values_mut() {
        if *deletion == Some(id) {
            *deletion = None;
        }
    }
}

fn delete(database: &Database, model: &mut Model, (start, end): (Timestamp, Timestamp)) {
    let range = TickRange {
        instrument_id: 1,
        start: Some(start),
        end: Some(end),
    };
    let (new, now) = (NewDeletion::of("a test"), database.clock().now());
    let (deleted, batch) = database
        .write("test.delete", move |conn| {
            deletion::batch(conn, &new, now, |conn, batch| {
                soft_delete_range(conn, &range, batch)
            })
        })
        .unwrap();
    let id = batch.map(|batch| batch.id());
    let mut expected = 0;
    for (row, deletion) in model.ticks.values_mut() {
        if deletion.is_none() && row.0.timestamp >= start && row.0.timestamp < end {
            *deletion = id;
            expected += 1;
        }
    }
    assert_eq!(deleted, expected);
    if expected > 0 {
        model.deletions.extend(id);
    }
}

fn compare(database: &Database, model: &Model) {
    let repository = MarketDataRepository::new(database);
    let expected = model.active();
    for order in [SortOrder::Ascending, SortOrder::Descending] {
        let mut found: Vec<Row> = Vec::new();
        let mut cursor = None;
        loop {
            let query = RangeQuery {
                order,
                cursor,
                ..RangeQuery::new(TickRange::all(1), 7)
            };
            let page = repository.range(&query).unwrap();
            found.extend(
                page.rows
                    .iter()
                    .map(|row| (row.key(), row.price, row.volume)),
            );
            match page.next {
                Some(next @ Cursor::After(_)) => cursor = Some(next),
                _ => break,
            }
        }
        if order == SortOrder::Descending {
            found.reverse();
        }
        assert_eq!(found, expected);
    }
    assert_eq!(
        repository.count(&TickRange::all(1)).unwrap(),
        expected.len() as i64
    );
    let part = TickRange {
        instrument_id: 1,
        start: Some(at(0, 5)),
        end: Some(at(2, 3)),
    };
    let of_part = |row: &&Row| row.0.timestamp >= at(0, 5) && row.0.timestamp < at(2, 3);
    assert_eq!(
        repository.count(&part).unwrap(),
        expected.iter().filter(of_part).count() as i64
    );
    let newest = repository.latest(&[1]).unwrap();
    assert_eq!(
        newest.first().map(|tick| tick.key()),
        expected.last().map(|row| row.0)
    );
    let mut prices = Vec::new();
    database
        .read("test.prices", |conn| {
            prices.clear();
            tickbase::repository::market_data::prices(conn, &TickRange::all(1), |point| {
                prices.push((point.timestamp, point.price));
                Ok(())
            })
        })
        .unwrap();
    let wanted: Vec<_> = expected
        .iter()
        .map(|row| (row.0.timestamp, row.1.unwrap()))
        .collect();
    assert_eq!(prices, wanted);
    let state = database
        .read("test.state", |conn| {
            tickbase::repository::instrument::get(conn, 1)
        })
        .unwrap();
    assert_eq!(state.last_tick, expected.last().map(|row| row.0.timestamp));
}

on_both! {
    fn whatever_happens_reads_are_those_of_a_plain_model(db: &TestDatabase) {
        let steps = prop::collection::vec(step(), 1..25);
        let cases = crate::support::chaos::scaled(20, 1_000);
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        runner.run(&steps, |steps| {
            let place = db.empty_sibling();
            let clock = Clock::manual(Timestamp::from_micros(START + 30 * DAY).unwrap());
            let config = DatabaseConfig::new(place.url()).unwrap();
            let database = Database::open_with_clock(config, clock).unwrap();
            let mut model = Model::default();
            for step in &steps {
                run_step(&database, &mut model, step);
                compare(&database, &model);
            }
            Ok(())
        }).unwrap();
    }
}
