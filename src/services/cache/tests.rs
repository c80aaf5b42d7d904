//! What the cache keeps and for how long, who reads and who waits: without a word about writes,
//! which `tests/library/cache.rs` is about.
#![cfg(feature = "sqlite")]

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::testing::TemporaryDatabase;

const LONG: Duration = Duration::from_secs(3_600);

struct World {
    runtime: Runtime,
    cache: Cache,
    _db: TemporaryDatabase,
}

fn world(change: impl FnOnce(&mut CacheConfig)) -> World {
    let db = TemporaryDatabase::sqlite().unwrap();
    let config = CacheConfig::default().with(|config| {
        config.bars_ttl = LONG;
        change(config);
    });
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    World {
        runtime: builder.worker_threads(4).enable_all().build().unwrap(),
        cache: Cache::new(db.database().clone(), config).unwrap(),
        _db: db,
    }
}

impl World {
    /// Asks, and tells whether it was read.
    fn ask(&self, query: &str, bytes: usize) -> bool {
        let mut is_read = false;
        let read = || {
            is_read = true;
            async move { Ok("x".repeat(bytes)) }
        };
        let answer = self.runtime.block_on(self.cache.bars(1, query, read));
        let answer = answer.unwrap();
        assert_eq!(answer.value.len(), bytes);
        assert_eq!(answer.cached, !is_read);
        is_read
    }

    fn bars(&self) -> CacheKindSnapshot {
        *self.cache.snapshot().of(CacheKind::Bars)
    }
}

#[test]
fn an_answer_is_kept_until_its_time_is_over() {
    let world = world(|_| ());
    assert!(world.ask("a", 3));
    assert!(!world.ask("a", 3));
    assert!(world.ask("b", 3));
    let bars = world.bars();
    assert_eq!(
        (bars.entries, bars.hits, bars.misses, bars.fills),
        (2, 1, 2, 2)
    );
    let short = self::world(|config| config.bars_ttl = Duration::from_millis(1));
    assert!(short.ask("a", 3));
    while !short.ask("a", 3) {}
    while short.bars().expired == 0 {
        std::thread::yield_now();
    }
    assert_eq!(short.bars().evicted, 0);
}

#[test]
fn time_runs_from_when_the_reading_began() {
    let world = world(|_| ());
    let age = |begun: Duration| {
        let began = Instant::now().checked_sub(begun).unwrap();
        let key = world.cache.key::<String>(
            CacheKind::Bars,
            CacheSubject::Instrument(1),
            CacheTag::Members,
        );
        let store = &world.cache.inner.store;
        store.insert(&key, &CacheEntry::new(&key, String::new(), began));
        store.get(&key).is_some()
    };
    assert!(age(Duration::ZERO));
    assert!(!age(LONG), "it was read an hour ago");
}

#[test]
fn a_kind_that_is_switched_off_reads_each_time() {
    let world = world(|config| config.bars_ttl = Duration::ZERO);
    assert!(world.ask("a", 3));
    assert!(world.ask("a", 3));
    let bars = world.bars();
    assert_eq!((bars.entries, bars.misses, bars.fills), (0, 2, 2));
}

#[test]
fn no_more_bytes_are_held_than_the_bound() {
    const BOUND: u64 = 256 * 1_024;
    let world = world(|config| config.bytes_max = BOUND);
    for number in 0..200 {
        assert!(world.ask(&format!("query {number}"), 5_000));
        // What is used stays.
        assert!(!world.ask("query 0", 5_000), "{number}");
        let bars = world.bars();
        assert!(bars.bytes <= BOUND, "{bars:?}");
        assert!(bars.bytes >= bars.entries * 5_000, "{bars:?}");
        assert_eq!(
            world.cache.inner.store.kept_bytes(),
            (bars.entries, bars.bytes)
        );
    }
    let bars = world.bars();
    assert!(bars.entries >= 40, "{bars:?}");
    assert_eq!(bars.evicted, 200 - bars.entries);
    assert!(world.ask("large", 70_000), "more than a quarter of all");
    assert!(world.ask("large", 70_000));
    assert_eq!(
        (world.bars().oversized, world.bars().evicted),
        (2, bars.evicted)
    );
}

#[test]
fn many_who_ask_together_share_one_read() {
    let world = world(|_| ());
    let (gate, reads) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let ask = |_| {
        let (cache, gate, reads) = (world.cache.clone(), Arc::clone(&gate), Arc::clone(&reads));
        world.runtime.spawn(async move {
            let read = || async {
                reads.fetch_add(1, Ordering::SeqCst);
                gate.notified().await;
                Ok(String::from("once"))
            };
            cache.bars(1, "same", read).await.unwrap().value
        })
    };
    let asked: Vec<_> = (0..32).map(ask).collect();
    // The one who reads, and all others in its flight: then it may go on.
    let waiting = || world.cache.inner.flights.waiting();
    while waiting() < 31 {
        std::thread::yield_now();
    }
    gate.notify_one();
    for one in asked {
        assert_eq!(*world.runtime.block_on(one).unwrap(), "once");
    }
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    let bars = world.bars();
    assert_eq!((bars.misses, bars.joined, bars.fills), (1, 31, 1));
    assert_eq!(waiting(), 0);
}

/// One begins to read and does not end; another one joins it.
fn two(world: &World) -> [tokio::task::JoinHandle<Result<Cached<String>>>; 2] {
    let (has_begun, begun) = oneshot::channel();
    let cache = world.cache.clone();
    let first = world.runtime.spawn(async move {
        let read = || async {
            has_begun.send(()).unwrap();
            pending().await
        };
        cache.bars(1, "same", read).await
    });
    world.runtime.block_on(begun).unwrap();
    let cache = world.cache.clone();
    let read = || async { Ok(String::from("second")) };
    let second = world
        .runtime
        .spawn(async move { cache.bars(1, "same", read).await });
    while world.cache.inner.flights.waiting() < 1 {
        std::thread::yield_now();
    }
    [first, second]
}

#[test]
fn a_read_that_is_given_up_is_taken_over() {
    let world = world(|_| ());
    let [first, second] = two(&world);
    first.abort();
    let answer = world.runtime.block_on(second).unwrap().unwrap();
    assert_eq!(*answer.value, "second");
    assert!(!world.ask("same", 6), "it was kept");
}

#[test]
fn a_read_that_panics_is_taken_over() {
    let world = world(|_| ());
    let (go_on, gate) = oneshot::channel::<()>();
    let (cache, begun) = (world.cache.clone(), Arc::new(Notify::new()));
    let has_begun = Arc::clone(&begun);
    let first = world.runtime.spawn(async move {
        let read = || async {
            has_begun.notify_one();
            gate.await.unwrap();
            panic!("expected");
        };
        cache.bars::<String, _, _>(1, "same", read).await
    });
    world.runtime.block_on(begun.notified());
    let cache = world.cache.clone();
    let read = || async { Ok(String::from("second")) };
    let second = world
        .runtime
        .spawn(async move { cache.bars(1, "same", read).await });
    while world.cache.inner.flights.waiting() < 1 {
        std::thread::yield_now();
    }
    go_on.send(()).unwrap();
    assert!(world.runtime.block_on(first).unwrap_err().is_panic());
    let answer = world.runtime.block_on(second).unwrap().unwrap();
    assert_eq!(*answer.value, "second");
}

#[test]
fn an_error_is_that_of_its_caller_and_is_not_kept() {
    let world = world(|_| ());
    let fails = || async { Err::<String, _>(Error::Closed) };
    let failed = world.runtime.block_on(world.cache.bars(1, "a", fails));
    assert!(matches!(failed, Err(Error::Closed)));
    assert!(world.ask("a", 3));
    let bars = world.bars();
    assert_eq!((bars.fills, bars.failed_fills, bars.entries), (1, 1, 1));
}

#[test]
fn what_does_not_exist_is_no_failure_of_its_read() {
    let world = world(|config| config.latest_ttl = LONG);
    let ask = |error: fn() -> Error| {
        let read = || async move { Err::<String, _>(error()) };
        let answer = world.runtime.block_on(world.cache.bars(1, "a", read));
        assert_eq!(answer.unwrap_err().to_string(), error().to_string());
        let bars = world.bars();
        (bars.misses, bars.fills, bars.failed_fills, bars.entries)
    };
    assert_eq!(ask(|| instrument::not_found(1)), (1, 1, 0, 0));
    assert_eq!(ask(|| Error::invalid("a", "b", "c")), (2, 2, 0, 0));
    assert_eq!(ask(|| Error::Closed), (3, 2, 1, 0));
    // A read that leaves out a key that it was given did not do its work.
    let of = CacheSubject::Instrument(1);
    let keys = [world
        .cache
        .key::<i64>(CacheKind::Latest, of, CacheTag::Members)];
    let read = |_| async { Ok(Vec::<i64>::new()) };
    let short = world.runtime.block_on(world.cache.many(&keys, read));
    assert!(short.is_err());
    let latest = *world.cache.snapshot().of(CacheKind::Latest);
    assert_eq!((latest.fills, latest.failed_fills), (0, 1));
}

#[test]
fn who_waited_for_a_read_that_failed_tries_alone() {
    let world = world(|_| ());
    let (go_on, gate) = oneshot::channel::<()>();
    let (cache, begun) = (world.cache.clone(), Arc::new(Notify::new()));
    let has_begun = Arc::clone(&begun);
    let first = world.runtime.spawn(async move {
        let read = || async {
            has_begun.notify_one();
            gate.await.unwrap();
            Err::<String, _>(Error::Closed)
        };
        cache.bars(1, "same", read).await
    });
    world.runtime.block_on(begun.notified());
    let ask = |_| {
        let cache = world.cache.clone();
        let read = || async { Ok(String::from("alone")) };
        world
            .runtime
            .spawn(async move { cache.bars(1, "same", read).await })
    };
    let others: Vec<_> = (0..3).map(ask).collect();
    while world.cache.inner.flights.waiting() < 3 {
        std::thread::yield_now();
    }
    go_on.send(()).unwrap();
    assert!(world.runtime.block_on(first).unwrap().is_err());
    for other in others {
        let answer = world.runtime.block_on(other).unwrap().unwrap();
        assert_eq!(*answer.value, "alone");
    }
}

#[test]
fn of_many_instruments_only_those_that_miss_are_read_and_at_once() {
    let world = world(|config| config.latest_ttl = LONG);
    let asked = std::sync::Mutex::new(Vec::new());
    let read = |ids: Vec<i64>| {
        asked.lock().unwrap().push(ids);
        async { Ok(Vec::new()) }
    };
    let latest = |ids: &[i64]| {
        let found = world.runtime.block_on(world.cache.latest_by(ids, read));
        assert!(found.unwrap().is_empty());
    };
    latest(&[3, 1, 3]);
    latest(&[4, 3, 2, 1]);
    latest(&[1, 2, 3, 4]);
    latest(&[]);
    assert_eq!(*asked.lock().unwrap(), [vec![1, 3], vec![2, 4]]);
    let of = *world.cache.snapshot().of(CacheKind::Latest);
    assert_eq!((of.hits, of.misses, of.fills, of.entries), (6, 4, 2, 4));
}
