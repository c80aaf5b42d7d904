//! Insertion against its plain definition, row by row, on both backends and both ways of SQLite.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use proptest::prelude::*;

use super::super::*;
use crate::domain::tick::RawTick;
use crate::repository::test_rows::gone_at;
use crate::soft_delete::SoftDeletable;
use crate::tables::{instrument_state, market_data};
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

type Values = [Option<f64>; 9];

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// The rules as one would write them down, with nothing but maps.
#[derive(Default)]
struct Plain {
    stored: HashMap<TickKey, Values>,
    deleted: HashSet<TickKey>,
    last: HashMap<i64, (Timestamp, Option<f64>)>,
}

impl Plain {
    fn insert(&mut self, ticks: &[Tick]) -> (Vec<RowOutcome>, usize) {
        let known = |tick: &Tick| (1..=12).contains(&tick.instrument_id()) && tick.source_id() == 1;
        let mut outcomes = vec![RowOutcome::Rejected; ticks.len()];
        let accepted = || ticks.iter().enumerate().filter(|(_, tick)| known(tick));
        for (index, tick) in accepted() {
            if let Some(sequence) = tick.sequence() {
                outcomes[index] = self.store(tick, sequence);
            }
        }
        for (index, tick) in accepted().filter(|(_, tick)| tick.sequence().is_none()) {
            let taken = self.stored.keys().filter(|key| {
                (key.instrument_id, key.timestamp) == (tick.instrument_id(), tick.timestamp())
            });
            let next = taken.map(|key| key.sequence + 1).max().unwrap_or(0);
            outcomes[index] = self.store(tick, next);
        }
        let inserted = ticks.iter().zip(&outcomes);
        let mut inserted: Vec<&Tick> = inserted
            .filter(|(_, outcome)| matches!(outcome, RowOutcome::Inserted { .. }))
            .map(|(tick, _)| tick)
            .collect();
        // In the order of their keys, as far as it says what is late.
        inserted.sort_by_key(|tick| tick.timestamp());
        let late = inserted.into_iter().filter(|tick| self.is_late(tick));
        let late = late.count();
        (outcomes, late)
    }

    fn store(&mut self, tick: &Tick, sequence: i64) -> RowOutcome {
        let key = TickKey {
            instrument_id: tick.instrument_id(),
            timestamp: tick.timestamp(),
            source_id: tick.source_id(),
            sequence,
        };
        match self.stored.get(&key) {
            Some(_) if self.deleted.contains(&key) => RowOutcome::Deleted,
            Some(stored) if *stored == tick.values() => RowOutcome::Duplicate,
            Some(_) => RowOutcome::Conflict,
            None => {
                self.stored.insert(key, tick.values());
                RowOutcome::Inserted { sequence }
            }
        }
    }

    fn active(&self) -> HashMap<TickKey, Values> {
        let mut active = self.stored.clone();
        active.retain(|key, _| !self.deleted.contains(key));
        active
    }

    /// Moves the ticks of an instrument from `first` on to the trash.
    fn delete_from(&mut self, id: i64, first: Timestamp) {
        let of = |key: &&TickKey| key.instrument_id == id && key.timestamp >= first;
        self.deleted.extend(self.stored.keys().filter(of));
        self.last.remove(&id);
        let left = self.active();
        let left = left.keys().filter(|key| key.instrument_id == id);
        if let Some(at) = left.map(|key| key.timestamp).max() {
            self.last.insert(id, (at, None));
        }
    }

    fn is_late(&mut self, tick: &Tick) -> bool {
        let price = match self.last.get(&tick.instrument_id()) {
            Some((at, _)) if tick.timestamp() < *at => return true,
            last => tick.price().or(last.and_then(|(_, price)| *price)),
        };
        let last = (tick.timestamp(), price);
        self.last.insert(tick.instrument_id(), last);
        false
    }
}

fn tick() -> impl Strategy<Value = Tick> {
    let instrument = prop_oneof![6 => 1i64..4, 1 => Just(99)];
    let source = prop_oneof![9 => Just(1i64), 1 => Just(55)];
    let price = prop_oneof![Just(Some(1.0)), Just(Some(2.5)), Just(None)];
    let key = (instrument, 0i64..6, source, proptest::option::of(0i64..4));
    (key, price, 0i64..2).prop_map(|((instrument, micros, source, sequence), price, low)| {
        Tick::try_from(RawTick {
            instrument_id: Some(instrument),
            timestamp: Some(at(micros)),
            source_id: Some(source),
            sequence,
            price,
            low_price: Some(low as f64),
            ..RawTick::default()
        })
        .unwrap()
    })
}

/// A batch, and an instrument with a stamp from which its ticks are deleted afterwards.
type Step = (Vec<Tick>, Option<(i64, i64)>);

/// Small batches, of one row too, and such as are stored in bulk.
fn batches() -> impl Strategy<Value = Vec<Step>> {
    let batch = prop_oneof![
        proptest::collection::vec(tick(), 0..4),
        proptest::collection::vec(tick(), 4..60),
    ];
    let deletion = proptest::option::of((1i64..4, 0i64..6));
    proptest::collection::vec((batch, deletion), 1..8)
}

fn check(conn: &mut BackendConnection<'_>, batches: &[Step]) {
    let mut plain = Plain::default();
    let options = InsertOptions {
        outcomes: true,
        ..InsertOptions::default()
    };
    for (batch, deletion) in batches {
        let report = conn
            .savepoint(|conn| insert_batch(conn, batch, &options, at(0)))
            .unwrap();
        let (outcomes, late) = plain.insert(batch);
        assert_eq!((report.late, report.received), (late, batch.len()));
        let count = |wanted| {
            outcomes
                .iter()
                .filter(|outcome| **outcome == wanted)
                .count()
        };
        assert_eq!(report.duplicates, count(RowOutcome::Duplicate));
        assert_eq!(report.conflicts, count(RowOutcome::Conflict));
        assert_eq!(report.deleted, count(RowOutcome::Deleted));
        assert_eq!(report.rejected.len(), count(RowOutcome::Rejected));
        assert_eq!(report.outcomes.unwrap(), outcomes);
        if let Some((id, first)) = deletion {
            let range = TickRange {
                start: Some(at(*first)),
                ..TickRange::all(*id)
            };
            soft_delete_range(conn, &range, &mut gone_at(at(0))).unwrap();
            plain.delete_from(*id, at(*first));
        }
    }
    assert_eq!(stored(conn), plain.active());
    let last: HashMap<_, _> = latest(conn, &[1, 2, 3])
        .unwrap()
        .iter()
        .map(|row| (row.instrument_id, row.timestamp))
        .collect();
    let plain = plain.last.into_iter().map(|(id, (at, _))| (id, at));
    assert_eq!(last, plain.collect());
}

fn stored(conn: &mut BackendConnection<'_>) -> HashMap<TickKey, Values> {
    let query = market_data::table.active();
    let rows: Vec<MarketData> =
        crate::on_backend!(conn, |c| query.select(MarketData::as_select()).load(c)).unwrap();
    rows.iter().map(|row| (row.key(), row.values())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_are_stored_by_the_rules(batches in batches()) {
        on_both(|conn| check(conn, &batches));
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_connection_that_cannot_show_rows_stores_them_the_same(batches in batches()) {
        crate::test_support::on_plain_sqlite(|conn| check(conn, &batches));
    }
}

#[test]
fn last_prices_are_kept_when_a_tick_has_none() {
    on_both(|conn| {
        let quote = |micros: i64| Tick::quote(1, at(micros), 1.0, 2.0).unwrap();
        let mut batch = vec![Tick::trade(1, at(1), 7.5, 1.0).unwrap()];
        batch.extend((2..20).map(quote));
        insert_batch(conn, &batch, &InsertOptions::default(), at(0)).unwrap();
        let query = instrument_state::table
            .find(1_i64)
            .select((instrument_state::last_tick, instrument_state::last_price));
        let last: (Option<Timestamp>, Option<f64>) =
            crate::on_backend!(conn, |c| query.first(c)).unwrap();
        assert_eq!(last, (Some(at(19)), Some(7.5)));
    });
}

#[test]
fn batches_of_several_statements_are_stored_whole_and_in_any_order() {
    on_both(|conn| {
        let numbered = |n: i64| RawTick {
            instrument_id: Some(1 + n % 12),
            timestamp: Some(at(n * 7_919 % 5_000)),
            sequence: Some(n),
            price: Some(n as f64),
            ..RawTick::default()
        };
        let ticks: Vec<Tick> = (0..5_000)
            .map(|n| Tick::try_from(numbered(n)).unwrap())
            .collect();
        let first = insert_batch(conn, &ticks, &InsertOptions::default(), at(0)).unwrap();
        assert_eq!(first.inserted, 5_000);
        // Half of the second batch is stored, in between what is not.
        let shifted: Vec<Tick> = (2_500..7_500)
            .map(|n| Tick::try_from(numbered(n)).unwrap())
            .collect();
        let second = insert_batch(conn, &shifted, &InsertOptions::default(), at(0)).unwrap();
        assert_eq!((second.inserted, second.duplicates), (2_500, 2_500));
        let counts: i64 = (1..=12)
            .map(|id| count(conn, &TickRange::all(id)).unwrap())
            .sum();
        assert_eq!(counts, 7_500);
    });
}
