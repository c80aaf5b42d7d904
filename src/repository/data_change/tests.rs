//! What listeners hear of commits, in which form, and that they hear of nothing else.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::error::Error;
use crate::repository::market_data::{
    InsertOptions, TickKey, TickRange, insert_batch, restore_range, soft_delete_keys,
};
use crate::repository::test_rows::{at, gone_at};
use crate::testing::TemporaryDatabase;

/// Writes down what it hears.
#[derive(Default)]
struct Scribe {
    sleeps: AtomicBool,
    heard: Mutex<Vec<DataChange>>,
}

impl DataListener for Scribe {
    fn is_listening(&self) -> bool {
        !self.sleeps.load(Ordering::Relaxed)
    }

    fn committed(&self, changes: &[DataChange]) {
        self.heard.lock().unwrap().extend(changes.iter().cloned());
    }
}

impl Scribe {
    fn take(&self) -> Vec<DataChange> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

fn database() -> (TemporaryDatabase, Arc<Scribe>) {
    let db = TemporaryDatabase::sqlite().unwrap();
    let scribe = Arc::<Scribe>::default();
    listen(&db, &scribe);
    (db, scribe)
}

fn trade(instrument_id: i64, second: i64) -> Tick {
    Tick::trade(instrument_id, at(second * 1_000_000), 100.0, 1.0).unwrap()
}

fn trades(instrument_id: i64, seconds: std::ops::Range<i64>) -> Vec<Tick> {
    seconds.map(|second| trade(instrument_id, second)).collect()
}

fn store(conn: &mut BackendConnection<'_>, ticks: &[Tick]) -> Result<()> {
    insert_batch(conn, ticks, &InsertOptions::default(), at(0)).map(drop)
}

fn stored(db: &Database, ticks: Vec<Tick>) {
    db.write("test.store", move |conn| store(conn, &ticks))
        .unwrap();
}

fn span(from: i64, to: i64, rows: u64) -> Option<ChangedSpan> {
    Some(ChangedSpan {
        from: Some(at(from * 1_000_000)),
        to: Some(at(to * 1_000_000)),
        rows: Some(rows),
    })
}

fn no() -> Error {
    Error::invalid("test", "it says no", "none")
}

#[test]
fn of_a_small_batch_every_tick_is_told_and_of_a_large_one_the_newest_with_the_span() {
    let (db, scribe) = database();
    let small = BATCH_TICKS_MAX as i64;
    stored(&db, trades(1, 0..small));
    let heard = scribe.take();
    let stamps: Vec<Timestamp> = heard[0]
        .ticks
        .iter()
        .map(|(it, _)| it.timestamp())
        .collect();
    let expected: Vec<Timestamp> = (0..small).map(|second| at(second * 1_000_000)).collect();
    assert_eq!((heard.len(), heard[0].version, heard[0].span), (1, 1, None));
    assert_eq!(stamps, expected);
    // The same rows again are stored by nobody.
    stored(&db, trades(2, 0..1));
    scribe.take();
    let mut ticks = trades(1, small..small + 300);
    ticks.push(trade(2, -5)); // Late.
    ticks.push(trade(3, 7));
    stored(&db, ticks);
    let heard = scribe.take();
    let told: Vec<_> = heard
        .iter()
        .map(|of| (of.instrument_id, of.version, of.ticks.len(), of.span))
        .collect();
    assert_eq!(
        told,
        [
            (1, 2, 1, span(small, small + 299, 300)),
            (2, 2, 0, span(-5, -5, 1)),
            (3, 1, 1, span(7, 7, 1)),
        ]
    );
    assert_eq!(
        heard[0].ticks[0].0.timestamp(),
        at((small + 299) * 1_000_000)
    );
}

#[test]
fn several_large_batches_of_a_transaction_are_one_span() {
    let (db, scribe) = database();
    db.write("test.import", |conn| {
        store(conn, &trades(1, 1_000..2_000))?;
        store(conn, &trades(1, 2_000..3_000))?;
        store(conn, &trades(1, 0..500)) // Late, all of them.
    })
    .unwrap();
    let heard = scribe.take();
    assert_eq!(heard.len(), 3, "each version is told");
    let spans: Vec<_> = heard.iter().filter_map(|of| of.span).collect();
    assert_eq!(spans, [span(0, 2_999, 2_500).unwrap()]);
    let ticks: Vec<_> = heard.iter().flat_map(|of| &of.ticks).collect();
    assert_eq!(ticks.len(), 1);
    assert_eq!(ticks[0].0.timestamp(), at(2_999 * 1_000_000));
}

#[test]
fn what_is_rolled_back_is_told_to_nobody() {
    let (db, scribe) = database();
    db.write("test.savepoint", |conn| {
        store(conn, &trades(1, 0..1))?;
        let undone = conn.savepoint(|conn| {
            store(conn, &trades(1, 1..2))?;
            Err::<(), _>(no())
        });
        assert!(undone.is_err());
        store(conn, &trades(1, 2..3))
    })
    .unwrap();
    let told: Vec<_> = scribe.take().iter().map(|of| of.version).collect();
    assert_eq!(told, [1, 2]);
    let undone: Result<()> = db.write("test.undone", |conn| {
        store(conn, &trades(1, 3..4))?;
        Err(no())
    });
    assert!(undone.is_err());
    assert!(scribe.take().is_empty());
    let read = db.read("test.versions", versions).unwrap();
    assert_eq!(read.iter().find(|(id, _)| *id == 1), Some(&(1, 2)));
}

#[test]
fn deleted_and_restored_ticks_are_a_span() {
    let (db, scribe) = database();
    stored(&db, trades(1, 0..3));
    scribe.take();
    let key = TickKey {
        instrument_id: 1,
        timestamp: at(1_000_000),
        source_id: 1,
        sequence: 0,
    };
    let delete =
        move |conn: &mut BackendConnection<'_>| soft_delete_keys(conn, &[key], &mut gone_at(at(0)));
    assert_eq!(db.write("test.delete", delete).unwrap(), 1);
    assert_eq!(db.write("test.delete", delete).unwrap(), 0);
    let heard = scribe.take();
    assert_eq!(heard.len(), 1, "nothing changed the second time");
    assert_eq!((heard[0].version, heard[0].span), (2, span(1, 1, 1)));
    let all = TickRange::all(1);
    db.write("test.restore", move |conn| restore_range(conn, &all))
        .unwrap();
    let anywhere = ChangedSpan {
        rows: Some(1),
        ..ChangedSpan::default()
    };
    assert_eq!(scribe.take()[0].span, Some(anywhere));
}

#[test]
fn who_does_not_listen_or_has_gone_hears_nothing_and_one_that_panics_stops_nobody() {
    struct Panics;
    impl DataListener for Panics {
        fn is_listening(&self) -> bool {
            true
        }
        fn committed(&self, _: &[DataChange]) {
            panic!("expected");
        }
    }
    let (db, scribe) = database();
    scribe.sleeps.store(true, Ordering::Relaxed);
    stored(&db, trades(1, 0..1));
    assert!(scribe.take().is_empty());
    scribe.sleeps.store(false, Ordering::Relaxed);
    let panics = Arc::new(Panics);
    listen(&db, &panics);
    let (gone, second) = (Arc::<Scribe>::default(), Arc::<Scribe>::default());
    listen(&db, &gone);
    listen(&db, &second);
    drop(gone);
    stored(&db, trades(1, 1..2));
    assert_eq!((scribe.take().len(), second.take().len()), (1, 1));
}
