//! Eight producers at once, through the public interface: whatever they send, in whatever order and
//! cut, each tick is stored once, each call gets the whole truth, and nobody sees an error.
//!
//! Half of them block their threads, half are asynchronous. Batches are of both sizes that
//! PostgreSQL distinguishes, few rows and many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

use crate::support::{TestDatabase, db_read, on_both};
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Database, OperationSnapshot};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::models::MarketData;
use tickbase::repository::instrument::{self, InstrumentFilter};
use tickbase::repository::market_data::{
    InsertOptions, InsertReport, MarketDataRepository, RowOutcome, TickKey, TickRange,
};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};

const PRODUCERS: usize = 8;
const INSTRUMENTS: i64 = 12;
/// Ticks of one producer.
const TICKS: usize = 840;

fn open(place: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap()
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn tick(instrument_id: i64, micros: i64, sequence: Option<i64>, price: f64) -> Tick {
    Tick::try_from(RawTick {
        instrument_id: Some(instrument_id),
        timestamp: Some(at(micros)),
        sequence,
        price: Some(price),
        ..RawTick::default()
    })
    .unwrap()
}

/// The same ticks for everybody, each with a sequence of its own.
fn shared_ticks(price: impl Fn(usize) -> f64) -> Vec<Tick> {
    let tick = |n: usize| {
        let number = n as i64;
        tick(
            1 + number * 7 % INSTRUMENTS,
            number / 4,
            Some(number),
            price(n),
        )
    };
    (0..TICKS).map(tick).collect()
}

/// The ticks in the order and the cuts of a producer, no two of which agree.
fn batches(producer: usize, ticks: &[Tick]) -> Vec<Vec<Tick>> {
    /// Each has no divisor in common with the number of ticks, so that every tick has its turn.
    const STRIDES: [usize; PRODUCERS] = [1, 11, 13, 17, 19, 23, 29, 839];
    assert_eq!(ticks.len(), TICKS);
    let in_its_order = |n| ticks[n * STRIDES[producer] % TICKS];
    let ticks: Vec<Tick> = (0..TICKS).map(in_its_order).collect();
    ticks
        .chunks(60 + 40 * producer)
        .map(<[Tick]>::to_vec)
        .collect()
}

/// Stores one producer's batches, one call after the other.
fn send(
    db: &Database,
    producer: usize,
    batches: Vec<Vec<Tick>>,
    options: &InsertOptions,
) -> Vec<InsertReport> {
    let ticks = MarketDataRepository::new(db);
    if producer.is_multiple_of(2) {
        let call = |batch| ticks.insert_batch(batch, options.clone()).unwrap();
        return batches.into_iter().map(call).collect();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let call = |batch| {
        let stored = ticks.insert_batch_async(batch, options.clone());
        runtime.block_on(stored).unwrap()
    };
    batches.into_iter().map(call).collect()
}

/// What each producer got, when all of them start at the same moment.
fn all_send(
    db: &Database,
    options: &InsertOptions,
    batches: impl Fn(usize) -> Vec<Vec<Tick>>,
) -> Vec<Vec<InsertReport>> {
    let start = Barrier::new(PRODUCERS);
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let (batches, start) = (batches(producer), &start);
                scope.spawn(move || {
                    start.wait();
                    send(db, producer, batches, options)
                })
            })
            .collect();
        producers.into_iter().map(|p| p.join().unwrap()).collect()
    })
}

/// All stored ticks, in key order.
fn stored(db: &Database) -> Vec<MarketData> {
    let ticks = MarketDataRepository::new(db);
    let page = |id| ticks.range(&RangeQuery::new(TickRange::all(id), PAGE_ROWS_MAX));
    (1..=INSTRUMENTS)
        .flat_map(|id| page(id).unwrap().rows)
        .collect()
}

/// Key and price: all that these ticks have.
fn given(tick: &Tick) -> (TickKey, Option<f64>) {
    let key = TickKey {
        instrument_id: tick.instrument_id(),
        timestamp: tick.timestamp(),
        source_id: tick.source_id(),
        sequence: tick.sequence().unwrap(),
    };
    (key, tick.price())
}

fn found(row: &MarketData) -> (TickKey, Option<f64>) {
    let key = TickKey {
        instrument_id: row.instrument_id,
        timestamp: row.timestamp,
        source_id: row.source_id,
        sequence: row.sequence,
    };
    (key, row.price)
}

/// Inserted, duplicates, conflicts and rejected, over all reports.
fn totals(reports: &[Vec<InsertReport>]) -> [usize; 4] {
    let mut totals = [0; 4];
    for report in reports.iter().flatten() {
        let counts = [report.inserted, report.duplicates, report.conflicts];
        assert_eq!(
            report.received,
            counts.iter().sum::<usize>() + report.rejected.len()
        );
        totals[..3]
            .iter_mut()
            .zip(counts)
            .for_each(|(total, count)| *total += count);
        totals[3] += report.rejected.len();
    }
    totals
}

fn insertions(db: &Database) -> OperationSnapshot {
    let mut operations = db.operations().into_iter();
    operations
        .find(|operation| operation.op == "market_data.insert_batch")
        .unwrap()
}

/// Every call was answered, none with an error.
fn assert_all_answered(db: &Database, reports: &[Vec<InsertReport>]) {
    let calls = reports.iter().flatten().count() as u64;
    let insertions = insertions(db);
    assert_eq!((insertions.calls, insertions.errors), (calls, 0));
}

/// What each instrument shows as its last tick is the newest stored one.
fn assert_last_ticks_are_right(db: &Database) {
    let ticks = MarketDataRepository::new(db);
    for instrument in db_read!(db, instrument::list(InstrumentFilter::default())).unwrap() {
        let newest = ticks.latest(&[instrument.id]).unwrap();
        let newest = newest.first().map(|tick| tick.timestamp);
        assert_eq!(instrument.last_tick, newest, "{}", instrument.symbol);
    }
}

fn distinct_ticks_are_stored_once(place: &TestDatabase) {
    let db = open(place);
    // Of all instruments and at the same stamps as those of the others.
    let own = |producer: usize| {
        let numbered = |n: usize| (n * PRODUCERS + producer) as i64;
        let tick = |n| tick(1 + n % INSTRUMENTS, n / 100, Some(n), n as f64);
        (0..TICKS).map(numbered).map(tick).collect::<Vec<Tick>>()
    };
    let reports = all_send(&db, &InsertOptions::default(), |producer| {
        batches(producer, &own(producer))
    });
    assert_eq!(totals(&reports), [PRODUCERS * TICKS, 0, 0, 0]);
    assert_all_answered(&db, &reports);
    let mut sent: Vec<_> = (0..PRODUCERS)
        .flat_map(own)
        .map(|tick| given(&tick))
        .collect();
    sent.sort_by_key(|(key, _)| *key);
    assert_eq!(stored(&db).iter().map(found).collect::<Vec<_>>(), sent);
    assert_last_ticks_are_right(&db);
}

on_both! {
    fn distinct_ticks_of_the_same_instruments_are_all_stored_once(place: &TestDatabase) {
        distinct_ticks_are_stored_once(place);
    }

    fn of_the_same_ticks_sent_by_all_each_is_inserted_once(place: &TestDatabase) {
        let db = open(place);
        let ticks = shared_ticks(|n| n as f64);
        let reports = all_send(&db, &InsertOptions::default(), |producer| {
            batches(producer, &ticks)
        });
        assert_eq!(totals(&reports), [TICKS, (PRODUCERS - 1) * TICKS, 0, 0]);
        assert_all_answered(&db, &reports);
        let mut sent: Vec<_> = ticks.iter().map(given).collect();
        sent.sort_by_key(|(key, _)| *key);
        assert_eq!(stored(&db).iter().map(found).collect::<Vec<_>>(), sent);
        assert_last_ticks_are_right(&db);
    }

    fn of_differing_values_under_one_key_one_wins_and_the_others_are_told(place: &TestDatabase) {
        let db = open(place);
        let options = InsertOptions { outcomes: true, ..InsertOptions::default() };
        let sent = |producer: usize| {
            batches(producer, &shared_ticks(|n| (n * PRODUCERS + producer) as f64))
        };
        let reports = all_send(&db, &options, sent);
        assert_eq!(totals(&reports), [TICKS, 0, (PRODUCERS - 1) * TICKS, 0]);
        assert_all_answered(&db, &reports);
        let mut winners = BTreeMap::new();
        for (producer, reports) in reports.iter().enumerate() {
            for (batch, report) in sent(producer).iter().zip(reports) {
                for (tick, outcome) in batch.iter().zip(report.outcomes.as_ref().unwrap()) {
                    if matches!(outcome, RowOutcome::Inserted { .. }) {
                        let (key, price) = given(tick);
                        assert_eq!(winners.insert(key, price), None, "{key:?} was won twice");
                    }
                }
            }
        }
        assert_eq!(stored(&db).iter().map(found).collect::<Vec<_>>(),
            winners.into_iter().collect::<Vec<_>>());
    }

    fn ticks_without_a_sequence_are_never_taken_for_each_other(place: &TestDatabase) {
        let db = open(place);
        let options = InsertOptions { outcomes: true, ..InsertOptions::default() };
        // Ten stamps of all instruments, at which everybody has ticks; each has a price of its own.
        let sent = |producer: usize| {
            let tick = |n: usize| {
                let price = (n * PRODUCERS + producer) as f64;
                tick(1 + n as i64 % INSTRUMENTS, n as i64 / 84, None, price)
            };
            batches(producer, &(0..TICKS).map(tick).collect::<Vec<Tick>>())
        };
        let reports = all_send(&db, &options, sent);
        assert_eq!(totals(&reports), [PRODUCERS * TICKS, 0, 0, 0]);
        assert_all_answered(&db, &reports);
        let mut told = BTreeMap::new();
        for (producer, reports) in reports.iter().enumerate() {
            for (batch, report) in sent(producer).iter().zip(reports) {
                for (tick, outcome) in batch.iter().zip(report.outcomes.as_ref().unwrap()) {
                    let RowOutcome::Inserted { sequence } = *outcome else {
                        panic!("{tick:?} is {outcome:?}");
                    };
                    let key = TickKey {
                        instrument_id: tick.instrument_id(),
                        timestamp: tick.timestamp(),
                        source_id: tick.source_id(),
                        sequence,
                    };
                    assert_eq!(told.insert(key, tick.price()), None, "{key:?} was given twice");
                }
            }
        }
        let rows = stored(&db);
        assert_eq!(rows.iter().map(found).collect::<Vec<_>>(),
            told.into_iter().collect::<Vec<_>>());
        // The numbers of a stamp have no gap.
        for of_stamp in rows.chunk_by(|a, b| {
            (a.instrument_id, a.timestamp) == (b.instrument_id, b.timestamp)
        }) {
            let sequences = of_stamp.iter().map(|row| row.sequence);
            assert!(sequences.eq(0..of_stamp.len() as i64), "{:?}", of_stamp[0]);
        }
        assert_last_ticks_are_right(&db);
    }

    fn one_idempotency_key_sent_by_all_stores_one_batch_and_tells_all_the_same(
        place: &TestDatabase
    ) {
        const ROUNDS: usize = 10;
        let db = open(place);
        for round in 0..ROUNDS {
            let options = InsertOptions {
                idempotency_key: Some(format!("round {round}")),
                ..InsertOptions::default()
            };
            // Without a sequence: only the key tells that it is the same batch.
            let rows = if round.is_multiple_of(2) { 30 } else { 300 };
            let tick = |n: i64| tick(1 + n % INSTRUMENTS, round as i64, None, n as f64);
            let batch: Vec<Tick> = (0..rows).map(tick).collect();
            let reports = all_send(&db, &options, |_| vec![batch.clone()]);
            for report in reports.iter().flatten() {
                assert_eq!(report, &reports[0][0]);
                assert_eq!((report.received, report.inserted), (batch.len(), batch.len()));
            }
            let at_stamp = |row: &&MarketData| row.timestamp == at(round as i64);
            let rows = stored(&db);
            let prices: Vec<_> = rows.iter().filter(at_stamp).filter_map(|row| row.price).collect();
            assert_eq!(prices.len(), batch.len());
            let distinct: BTreeSet<i64> = prices.iter().map(|price| *price as i64).collect();
            assert_eq!(distinct.len(), batch.len());
        }
        let insertions = insertions(&db);
        assert_eq!((insertions.calls, insertions.errors), ((ROUNDS * PRODUCERS) as u64, 0));
    }
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;

    use super::*;
    use crate::support::until_somebody_waits;

    /// What a server takes for granted is not what the rules of insertion count on.
    #[test]
    fn a_stricter_default_isolation_of_the_server_makes_no_difference() {
        for isolation in ["repeatable read", "serializable"] {
            let place = TestDatabase::postgres();
            place
                .raw(&format!(
                    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I \
                     SET default_transaction_isolation = ''{isolation}''', current_database()); \
                     END $$"
                ))
                .unwrap();
            distinct_ticks_are_stored_once(&place);
        }
    }

    /// Another program locks instruments in the other order. Its own patience is longer, so that
    /// it is our transaction that PostgreSQL undoes.
    #[test]
    fn a_deadlock_with_another_program_is_retried_and_counted() {
        let place = TestDatabase::postgres();
        place
            .raw(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''2s''', \
                 current_database()); END $$",
            )
            .unwrap();
        let db = open(&place);
        let mut other = PgConnection::establish(place.url()).unwrap();
        other
            .batch_execute(
                "SET deadlock_timeout = '20s'; BEGIN; \
                 SELECT FROM instrument_state WHERE instrument_id = 2 FOR UPDATE",
            )
            .unwrap();
        let report = std::thread::scope(|scope| {
            let ours = scope.spawn(|| {
                let batch = vec![tick(1, 0, None, 1.0), tick(2, 0, None, 2.0)];
                MarketDataRepository::new(&db).insert_batch(batch, InsertOptions::default())
            });
            until_somebody_waits(place.url());
            other
                .batch_execute(
                    "SELECT FROM instrument_state WHERE instrument_id = 1 FOR UPDATE; COMMIT",
                )
                .unwrap();
            ours.join().unwrap()
        });
        assert_eq!(report.unwrap().inserted, 2);
        let insertions = insertions(&db);
        assert_eq!(
            (insertions.calls, insertions.errors, insertions.retries),
            (1, 0, 1)
        );
    }
}
