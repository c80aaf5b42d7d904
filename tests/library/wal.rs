//! The WAL stays bounded while readers come and go; a reader that does not end is seen and named.
#![cfg(feature = "sqlite")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::TestDatabase;
use diesel::connection::SimpleConnection;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Database, WriterSnapshot};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::{Timestamp, on_backend};

const WAL_BYTES_MAX: u64 = 2 * 1_024 * 1_024;

fn open(db: &TestDatabase) -> Database {
    let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
        config.sqlite.wal_autocheckpoint_pages = 100;
        config.sqlite.journal_size_limit_bytes = 0;
        config.sqlite.wal_bytes_max = WAL_BYTES_MAX;
    });
    Database::open(config).unwrap()
}

/// Writes batches until the state of the writer is the wanted one.
fn write_until(database: &Database, next: &mut i64, wanted: impl Fn(&WriterSnapshot) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let ticks = (*next..*next + 1_000).map(|n| {
            Tick::try_from(RawTick {
                instrument_id: Some(1),
                timestamp: Some(Timestamp::from_micros(n).unwrap()),
                price: Some(1.0),
                ..RawTick::default()
            })
            .unwrap()
        });
        MarketDataRepository::new(database)
            .insert_batch(ticks.collect(), InsertOptions::default())
            .unwrap();
        *next += 1_000;
        let snapshot = database.writer_snapshot().unwrap();
        if wanted(&snapshot) {
            return;
        }
        assert!(Instant::now() < deadline, "{snapshot:?}");
    }
}

#[test]
fn a_reader_that_does_not_end_is_seen_and_the_wal_shrinks_when_it_goes() {
    let db = TestDatabase::sqlite();
    let database = open(&db);
    let (started, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let reader = {
        let database = database.clone();
        std::thread::spawn(move || {
            database.read("test.long_read", move |conn| {
                on_backend!(conn, |c| c
                    .batch_execute("BEGIN; SELECT count(*) FROM market_data"))?;
                started.send(()).unwrap();
                let _ = held.recv();
                Ok(on_backend!(conn, |c| c.batch_execute("ROLLBACK"))?)
            })
        })
    };
    begun.recv().unwrap();
    let mut next = 0;
    write_until(&database, &mut next, |writer| writer.wal_starved);
    let starved = database.writer_snapshot().unwrap();
    assert!(starved.wal_bytes > WAL_BYTES_MAX, "{starved:?}");
    assert!(starved.wal_starvations > 0);

    drop(release);
    reader.join().unwrap().unwrap();
    // Without a further write: the writer looks again on its own.
    let deadline = Instant::now() + Duration::from_secs(60);
    while database.writer_snapshot().unwrap().wal_starved {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = database.writer_snapshot().unwrap();
    assert!(
        after.wal_bytes <= WAL_BYTES_MAX && after.wal_resets > 0,
        "{after:?}"
    );
}

#[test]
fn readers_that_overlap_all_the_time_do_not_let_the_wal_grow() {
    let db = TestDatabase::sqlite();
    let database = open(&db);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let overlapping = database.read("test.read", |conn| {
                        // A short read, however large the table has become.
                        let begin = "BEGIN; SELECT price FROM market_data LIMIT 1";
                        on_backend!(conn, |c| c.batch_execute(begin))?;
                        std::thread::sleep(Duration::from_millis(10));
                        Ok(on_backend!(conn, |c| c.batch_execute("ROLLBACK"))?)
                    });
                    overlapping.unwrap();
                }
            });
        }
        let mut next = 0;
        let begun = Instant::now();
        write_until(&database, &mut next, |_| {
            begun.elapsed() > Duration::from_secs(4)
        });
        // On a busy machine the writer may miss the moment between two readers once, and takes
        // another one a second later.
        let resets = database.writer_snapshot().unwrap().wal_resets;
        write_until(&database, &mut next, |writer| {
            let is_small = writer.wal_bytes <= WAL_BYTES_MAX || writer.wal_resets > resets;
            is_small && !writer.wal_starved
        });
        done.store(true, Ordering::Relaxed);
    });
}
