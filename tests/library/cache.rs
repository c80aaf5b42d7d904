//! No read of the cache that begins after an acknowledged write returns what was there before it:
//! with readers and writers at once, with a read that pauses on its way, for every kind of write.
//! And the other way round: what a write did not touch is still answered from memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{TestDatabase, db_delete, db_write, flat_bar, on_both, upsert_bars};
use diesel::prelude::*;
use tickbase::config::{CacheConfig, DatabaseConfig};
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Frequency, InstrumentType, Symbol};
use tickbase::models::{InstrumentChange, NewInstrument};
use tickbase::repository::RangeQuery;
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::instrument::{self, InstrumentPage};
use tickbase::repository::market_data::{
    self, InsertOptions, MarketDataRepository, TickKey, TickRange,
};
use tickbase::repository::storage;
use tickbase::services::cache::{Cache, CacheKind, LatestTick, read_latest};
use tickbase::{Error, Timestamp, on_backend};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

fn open(place: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap()
}

/// Nothing in it grows old while a test runs.
fn cache(db: &Database) -> Cache {
    let long = Duration::from_secs(3_600);
    let config = CacheConfig::default().with(|config| {
        config.latest_ttl = long;
        config.instruments_ttl = long;
        config.bars_ttl = long;
    });
    Cache::new(db.clone(), config).unwrap()
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(4).enable_all().build().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

/// A tick whose price is its second.
fn tick(instrument_id: i64, second: i64) -> Tick {
    Tick::try_from(RawTick {
        instrument_id: Some(instrument_id),
        timestamp: Some(at(second)),
        sequence: Some(0),
        price: Some(second as f64),
        ..RawTick::default()
    })
    .unwrap()
}

fn key(instrument_id: i64, second: i64) -> TickKey {
    TickKey {
        instrument_id,
        timestamp: at(second),
        source_id: 1,
        sequence: 0,
    }
}

fn insert(db: &Database, instrument_id: i64, second: i64) {
    let ticks = vec![tick(instrument_id, second)];
    let report = MarketDataRepository::new(db).insert_batch(ticks, InsertOptions::default());
    assert_eq!(report.unwrap().inserted, 1);
}

fn price(latest: &[Arc<LatestTick>]) -> Option<f64> {
    latest.first().and_then(|of| of.tick.price)
}

fn latest(runtime: &Runtime, cache: &Cache, id: i64) -> Option<f64> {
    price(&runtime.block_on(cache.latest(&[id])).unwrap())
}

/// A read of the newest tick of instrument 1 that has what the database holds, and pauses there.
struct Paused {
    read: tokio::task::JoinHandle<Option<f64>>,
    go_on: oneshot::Sender<()>,
}

fn pause(runtime: &Runtime, db: &Database, cache: &Cache) -> Paused {
    let (go_on, gate) = oneshot::channel();
    let (has_read, reads) = oneshot::channel();
    let (db, cache) = (db.clone(), cache.clone());
    let read = runtime.spawn(async move {
        let mut hooks = Some((has_read, gate));
        let found = cache.latest_by(&[1], move |ids| {
            let (db, (has_read, gate)) = (db.clone(), hooks.take().unwrap());
            async move {
                let read = move |conn: &mut BackendConnection<'_>| read_latest(conn, &ids);
                let found = db.read_async("test.paused", read).await?;
                has_read.send(()).unwrap();
                gate.await.unwrap();
                Ok(found)
            }
        });
        price(&found.await.unwrap())
    });
    runtime.block_on(reads).unwrap();
    Paused { read, go_on }
}

impl Paused {
    fn finish(self, runtime: &Runtime) -> Option<f64> {
        self.go_on.send(()).unwrap();
        runtime.block_on(self.read).unwrap()
    }
}

/// What the newest tick is after so many steps: each second it is inserted, deleted, restored.
fn after(steps: usize) -> f64 {
    let (second, step) = (steps.div_ceil(3), (steps + 2) % 3);
    (if step == 1 { second - 1 } else { second }) as f64
}

fn step(db: &Database, steps: usize) {
    let second = steps.div_ceil(3) as i64;
    let ticks = MarketDataRepository::new(db);
    let changed = match (steps + 2) % 3 {
        0 => return insert(db, 1, second),
        1 => ticks.soft_delete_keys(vec![key(1, second)]),
        _ => ticks.restore_keys(vec![key(1, second)]),
    };
    assert_eq!(changed.unwrap(), 1);
}

on_both! {
    fn a_paused_read_does_not_bring_back_what_a_write_has_replaced(db: &TestDatabase) {
        let (db, runtime) = (open(db), runtime());
        let cache = cache(&db);
        let ticks = MarketDataRepository::new(&db);
        let range = TickRange { instrument_id: 1, start: Some(at(2)), end: Some(at(3)) };
        type Write<'a> = (&'a dyn Fn(), Option<f64>);
        let writes: [Write<'_>; 6] = [
            (&|| insert(&db, 1, 1), Some(1.0)),
            (&|| insert(&db, 1, 2), Some(2.0)),
            (&|| assert_eq!(ticks.soft_delete_keys(vec![key(1, 2)]).unwrap(), 1), Some(1.0)),
            (&|| assert_eq!(ticks.restore_keys(vec![key(1, 2)]).unwrap(), 1), Some(2.0)),
            (&|| assert_eq!(ticks.soft_delete_range(range).unwrap(), 1), Some(1.0)),
            (&|| assert_eq!(ticks.restore_range(range).unwrap(), 1), Some(2.0)),
        ];
        let mut before = None;
        for (number, (write, new)) in writes.into_iter().enumerate() {
            let paused = pause(&runtime, &db, &cache);
            write();
            // Acknowledged: who begins now waits for no older read, and does not get its answer.
            assert_eq!(latest(&runtime, &cache, 1), new, "write {number}");
            assert_eq!(paused.finish(&runtime), before, "write {number}: it began before it");
            assert_eq!(latest(&runtime, &cache, 1), new, "write {number}, after the old read");
            // For the next one the answer must not be in memory.
            db.write("test.own", |_| Ok(())).unwrap();
            before = new;
        }
    }

    fn readers_and_writers_at_once_never_go_back(db: &TestDatabase) {
        const STEPS: usize = 150;
        let (db, runtime) = (open(db), runtime());
        let cache = cache(&db);
        insert(&db, 1, 0);
        let (begun, acknowledged) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (reads, done) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        let least = acknowledged.load(Ordering::SeqCst);
                        let seen = latest(&runtime, &cache, 1).unwrap();
                        let most = begun.load(Ordering::SeqCst);
                        let allowed = (least..=most).map(after).any(|price| price == seen);
                        assert!(allowed, "{seen} after {least} to {most} steps");
                        reads.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            // Keeps the lane of SQLite busy, so that writes are committed in groups.
            scope.spawn(|| {
                let mut second = 0;
                while !done.load(Ordering::SeqCst) {
                    second += 1;
                    insert(&db, 2, second);
                }
            });
            for steps in 1..=STEPS {
                begun.store(steps, Ordering::SeqCst);
                step(&db, steps);
                acknowledged.store(steps, Ordering::SeqCst);
                // The readers keep pace: between two steps each may answer from memory.
                let seen = reads.load(Ordering::SeqCst);
                while reads.load(Ordering::SeqCst) < seen + 8 && !std::thread::panicking() {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        assert_eq!(latest(&runtime, &cache, 1), Some(after(STEPS)));
        assert!(cache.snapshot().of(CacheKind::Latest).hits > 0);
    }

    fn each_of_many_producers_finds_its_own_tick(db: &TestDatabase) {
        let (db, runtime) = (open(db), runtime());
        let cache = cache(&db);
        let producers = (1..=8).map(|id| {
            let (db, cache) = (db.clone(), cache.clone());
            runtime.spawn(async move {
                for second in 1..=25 {
                    let options = InsertOptions::default();
                    let ticks = MarketDataRepository::new(&db);
                    let stored = ticks.insert_batch_async(vec![tick(id, second)], options);
                    assert_eq!(stored.await.unwrap().inserted, 1);
                    let all = cache.latest(&[8, 7, 6, 5, 4, 3, 2, 1]).await.unwrap();
                    let own = all.iter().find(|of| of.tick.instrument_id == id).unwrap();
                    assert_eq!(own.tick.price, Some(second as f64));
                }
            })
        });
        let producers: Vec<_> = producers.collect();
        for producer in producers {
            runtime.block_on(producer).unwrap();
        }
    }

    fn what_was_not_touched_is_answered_from_memory(db: &TestDatabase) {
        let (db, runtime) = (open(db), runtime());
        let cache = cache(&db);
        insert(&db, 1, 5);
        let is_hit = |what: &str, wanted: bool, write: &dyn Fn()| {
            latest(&runtime, &cache, 1);
            write();
            let before = *cache.snapshot().of(CacheKind::Latest);
            assert_eq!(latest(&runtime, &cache, 1), Some(5.0));
            let after = *cache.snapshot().of(CacheKind::Latest);
            assert_eq!(after.hits - before.hits, u64::from(wanted), "{what}");
            assert_eq!(after.fills - before.fills, u64::from(!wanted), "{what}");
        };
        is_hit("a tick of another instrument", true, &|| insert(&db, 2, 9));
        is_hit("bars", true, &|| upsert(&db, 1, 1.0));
        is_hit("a resent tick", true, &|| {
            let again = vec![tick(1, 5)];
            let report = MarketDataRepository::new(&db).insert_batch(again, InsertOptions::default());
            assert_eq!(report.unwrap().duplicates, 1);
        });
        is_hit("a write that fails", true, &|| {
            let failed = db.write("test.failed", |conn| -> tickbase::Result<()> {
                market_data::insert_batch(conn, &[tick(1, 8)], &InsertOptions::default(), at(0))?;
                Err(Error::Closed)
            });
            assert!(failed.is_err());
        });
        is_hit("a savepoint that is undone", true, &|| {
            db.write("test.savepoint", |conn| {
                let undone = conn.savepoint(|conn| -> tickbase::Result<()> {
                    let options = InsertOptions::default();
                    market_data::insert_batch(conn, &[tick(1, 8)], &options, at(0))?;
                    Err(Error::Closed)
                });
                assert!(undone.is_err());
                market_data::insert_batch(conn, &[tick(2, 1)], &InsertOptions::default(), at(0))
            })
            .unwrap();
        });
        is_hit("fresh statistics", true, &|| {
            storage::refresh_statistics(&db).unwrap();
        });
        is_hit("a tick of its own", false, &|| insert(&db, 1, 4));
        is_hit("a write that says nothing", false, &|| db.write("test.own", |_| Ok(())).unwrap());
        is_hit("what runs alone", false, &|| assert!(db.migrate().unwrap().is_empty()));
    }

    fn a_users_own_statements_are_seen_also_beside_the_crates(db: &TestDatabase) {
        let (db, runtime) = (open(db), runtime());
        let cache = cache(&db);
        insert(&db, 1, 1);
        for (beside, price) in [(false, 41.0), (true, 42.0)] {
            latest(&runtime, &cache, 1).unwrap();
            db.write("test.own", move |conn| {
                if beside {
                    let options = InsertOptions::default();
                    market_data::insert_batch(conn, &[tick(2, 7)], &options, at(0))?;
                }
                let sql = format!("UPDATE market_data SET price = {price} WHERE instrument_id = 1");
                on_backend!(conn, |c| diesel::sql_query(sql).execute(c))?;
                Ok(())
            })
            .unwrap();
            assert_eq!(latest(&runtime, &cache, 1), Some(price));
        }
    }

    fn instruments_and_their_lists_follow_their_rows(db: &TestDatabase) {
        let (db, runtime) = (open(db), runtime());
        let cache = cache(&db);
        let page = InstrumentPage { filter: Default::default(), limit: 100, after: None };
        let names = || -> Vec<String> {
            let page = runtime.block_on(cache.instruments(page.clone())).unwrap();
            page.rows.iter().map(|row| row.name.clone()).collect()
        };
        let one = |id: i64| runtime.block_on(cache.instrument(id));
        let ids = || runtime.block_on(cache.instrument_ids(100)).unwrap().len();
        assert_eq!((names().len(), ids()), (12, 12));
        assert!(matches!(one(13), Err(Error::NotFound { .. })));
        let new = NewInstrument::new(Symbol::new("AA").unwrap(), "new", InstrumentType::Fx);
        let id = db_write!(db, |now| instrument::insert(&new, now)).unwrap().id;
        assert_eq!((names()[0].as_str(), ids()), ("new", 13));
        assert_eq!(one(id).unwrap().name, "new");
        let change = InstrumentChange { name: Some("other".into()), ..Default::default() };
        db_write!(db, |now| instrument::update(id, &change, now)).unwrap();
        assert_eq!((names()[0].as_str(), one(id).unwrap().name.as_str()), ("other", "other"));
        insert(&db, id, 3);
        assert_eq!(one(id).unwrap().last_price, Some(3.0));
        let listed = runtime.block_on(cache.instruments(page.clone())).unwrap();
        assert_eq!(listed.rows[0].last_price, Some(3.0), "lists show last ticks, too");
        assert_eq!(latest(&runtime, &cache, id), Some(3.0));
        db_delete!(db, instrument::soft_delete(&[id])).unwrap();
        assert_eq!((names().len(), ids()), (12, 12));
        assert!(one(id).is_err());
        assert_eq!(latest(&runtime, &cache, id), None);
        db_write!(db, instrument::restore(&[id])).unwrap();
        assert_eq!((names().len(), ids()), (13, 13));
        assert_eq!(latest(&runtime, &cache, id), Some(3.0));
    }

    fn bars_follow_their_rows_and_their_ticks(db: &TestDatabase) {
        let (db, runtime) = (open(db), runtime());
        let cache = cache(&db);
        let read = || {
            let of = range();
            let fill = || db.read_async("test.bars", move |conn| {
                let found = bar::range(conn, &RangeQuery::new(of, 100))?;
                Ok(found.rows)
            });
            let answer = runtime.block_on(cache.bars(1, "1d", fill)).unwrap();
            let closes = answer.value.iter().map(|bar| bar.close_price);
            (closes.collect::<Vec<f64>>(), answer.cached)
        };
        assert_eq!(read(), (vec![], false));
        assert_eq!(read(), (vec![], true));
        upsert(&db, 1, 1.5);
        assert_eq!(read(), (vec![1.5], false));
        upsert(&db, 1, 2.5);
        assert_eq!(read(), (vec![2.5], false));
        assert_eq!(read(), (vec![2.5], true));
        upsert(&db, 2, 2.5);
        assert_eq!(read(), (vec![2.5], true), "another instrument's");
        insert(&db, 1, 1);
        assert_eq!(read(), (vec![2.5], false), "they may stand on ticks");
        db_delete!(db, bar::soft_delete_range(&range())).unwrap();
        assert_eq!(read(), (vec![], false));
        db_write!(db, bar::restore_range(&range())).unwrap();
        assert_eq!(read(), (vec![2.5], false));
    }
}

fn range() -> BarRange {
    BarRange::all(1, Frequency::OneDay)
}

fn upsert(db: &Database, instrument_id: i64, close: f64) {
    let bar = flat_bar(instrument_id, Frequency::OneDay, at(0), close);
    upsert_bars(db, vec![bar]).unwrap();
}
