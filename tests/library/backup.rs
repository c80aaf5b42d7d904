//! Backups beside writers, given up, and made by the service.
#![cfg(feature = "sqlite")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use diesel::dsl::{count_star, max};
use diesel::prelude::*;
use tickbase::clock::Clock;
use tickbase::config::{BackupConfig, DatabaseConfig};
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{InstrumentType, Symbol};
use tickbase::models::NewInstrument;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::repository::{check, instrument};
use tickbase::services::backup::{self, WhatIsThere};
use tickbase::services::{BackupService, Service, ServiceState};
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::market_data;
use tickbase::{Timestamp, on_backend};

use crate::support::{TestDatabase, db_write, eventually};

fn ticks(from: i64, count: i64) -> Vec<Tick> {
    let tick = |n: i64| {
        Tick::try_from(RawTick {
            instrument_id: Some(1),
            timestamp: Some(Timestamp::from_micros(n).unwrap()),
            price: Some(n as f64),
            ..RawTick::default()
        })
    };
    (from..from + count).map(|n| tick(n).unwrap()).collect()
}

fn store(database: &Database, ticks: Vec<Tick>) {
    let repository = MarketDataRepository::new(database);
    repository
        .insert_batch(ticks, InsertOptions::default())
        .unwrap();
}

/// How many ticks there are, and the newest of them.
fn extent(database: &Database) -> (i64, Option<Timestamp>) {
    let extent = database.read("test.extent", |conn| {
        let query = market_data::table
            .active()
            .select((count_star(), max(market_data::timestamp)));
        Ok(on_backend!(conn, |c| query.get_result(c))?)
    });
    extent.unwrap()
}

#[test]
fn a_backup_beside_a_writer_is_the_database_of_one_moment() {
    const BATCH: i64 = 100;
    let db = TestDatabase::sqlite();
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    store(&database, ticks(0, 20_000));
    let (stored, stop) = (AtomicI64::new(20_000), AtomicBool::new(false));
    let files = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let next = stored.load(Ordering::SeqCst);
                store(&database, ticks(next, BATCH));
                stored.store(next + BATCH, Ordering::SeqCst);
            }
        });
        for round in 0..5 {
            let (file, place) = (
                files.path().join("backup.db"),
                files.path().join(format!("{round}.db")),
            );
            let acknowledged = stored.load(Ordering::SeqCst);
            let made = backup::make(database.config(), &file, &Clock::system()).unwrap();
            let later = stored.load(Ordering::SeqCst) + BATCH;
            assert_eq!(made.warnings, Vec::<String>::new());
            let config = DatabaseConfig::new(place.to_str().unwrap()).unwrap();
            let done = backup::restore(&file, &config, WhatIsThere::Protected, &Clock::system());
            assert_eq!(done.unwrap().backed_up_at, Some(made.backed_up_at));
            let restored = Database::open(config).unwrap();
            // Whole batches, one after another, and at least what was acknowledged before.
            let (count, newest) = extent(&restored);
            assert_eq!(count % BATCH, 0);
            assert_eq!(newest, Some(Timestamp::from_micros(count - 1).unwrap()));
            assert!(
                (acknowledged..=later).contains(&count),
                "{acknowledged} {count} {later}"
            );
            let wrong = check::run_deep(&restored).unwrap();
            assert!(wrong.iter().all(|of| of.problem.is_none()), "{wrong:?}");
            // It goes on as a database of its own.
            store(&restored, ticks(count, BATCH));
            let symbol = Symbol::new("NEW").unwrap();
            let new = NewInstrument::new(symbol, "New", InstrumentType::Fx);
            db_write!(restored, |now| instrument::insert(&new, now)).unwrap();
        }
    });
}

/// Has the writer end, also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn service(database: &Database, directory: &Path) -> BackupService {
    let config = BackupConfig::default().with(|config| {
        config.directory = Some(directory.to_owned());
        config.keep = 2;
    });
    BackupService::new(database, &config).unwrap().unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_service_keeps_the_newest_and_nothing_of_others() {
    let (db, other) = (TestDatabase::sqlite(), TestDatabase::sqlite());
    let clock = Clock::manual(Timestamp::parse(b"2026-11-30T08:00:00Z").unwrap().0);
    let open = |db: &TestDatabase| {
        let config = DatabaseConfig::new(db.url()).unwrap();
        Database::open_with_clock(config, clock.clone()).unwrap()
    };
    let (database, other) = (open(&db), open(&other));
    let files = tempfile::tempdir().unwrap();
    let directory = files.path().join("made/by/it");
    let keeper = service(&database, &directory);
    assert_eq!(keeper.snapshot().age, None);
    // Of a database of the same name; of a clock that was ahead; names of its own; no database; what a
    // killed process has left.
    fs::create_dir_all(&directory).unwrap();
    let left = "test-20261129T080000Z.db.tmp-0123456789abcdef";
    for name in [
        "test-before.db",
        "test-20261120.db",
        "test-20250101T000000Z.db",
        left,
    ] {
        fs::write(directory.join(name), "x").unwrap();
    }
    for stamp in ["20200101T000000Z", "20261130T113000Z"] {
        let theirs = directory.join(format!("test-{stamp}.db"));
        backup::make(other.config(), &theirs, &clock).unwrap();
    }
    let ahead = directory.join("test-20990101T000000Z.db");
    backup::make(database.config(), &ahead, &clock).unwrap();
    // Restored there: a database, and no backup any more.
    let restored = directory.join("test-20240101T000000Z.db");
    let config = DatabaseConfig::new(restored.to_str().unwrap()).unwrap();
    backup::restore(&ahead, &config, WhatIsThere::Protected, &clock).unwrap();
    for hour in 0..4 {
        clock.set(Timestamp::from_micros(clock.now().micros() + 3_600_000_000).unwrap());
        let made = keeper.back_up_now().unwrap();
        assert!(
            made.path
                .ends_with(format!("test-20261130T{:02}0000Z.db", 9 + hour))
        );
    }
    let kept = [
        "20200101T000000Z",
        "20240101T000000Z",
        "20250101T000000Z",
        "20261120",
        "20261130T110000Z",
        "20261130T113000Z",
        "20261130T120000Z",
        "20990101T000000Z",
        "before",
    ];
    assert_eq!(
        names(&directory),
        kept.map(|stamp| format!("test-{stamp}.db"))
    );
    let snapshot = keeper.snapshot();
    assert_eq!((snapshot.count, snapshot.age.unwrap().as_secs()), (2, 0));
    assert!(!snapshot.is_overdue);
    // One that is older than twice the interval is overdue.
    clock.set(Timestamp::from_micros(clock.now().micros() + 48 * 3_600_000_000).unwrap());
    assert!(!keeper.snapshot().is_overdue);
    clock.set(Timestamp::from_micros(clock.now().micros() + 1_000_000).unwrap());
    assert!(keeper.snapshot().is_overdue);
}

#[test]
fn a_service_that_fails_says_so_and_recovers() {
    let db = TestDatabase::sqlite();
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    let files = tempfile::tempdir().unwrap();
    let directory = files.path().join("backups");
    let keeper = service(&database, &directory);
    // A directory in the place of every name: it stands for a disk that takes nothing.
    fs::write(&directory, "").unwrap();
    assert!(
        keeper.start().is_err(),
        "a directory that cannot be read is said at the start"
    );
    assert_eq!(keeper.status().state, ServiceState::Stopped);
    fs::remove_file(&directory).unwrap();
    keeper.start().unwrap();
    eventually("a backup is made", || keeper.status().runs == 1);
    assert!(!keeper.snapshot().is_overdue);
    assert_eq!(names(&directory).len(), 1);
    keeper.stop();
    assert_eq!(keeper.status().state, ServiceState::Stopped);
}

#[test]
fn a_stop_gives_up_a_backup_that_is_under_way() {
    let db = TestDatabase::sqlite();
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    store(&database, ticks(0, 300_000));
    let files = tempfile::tempdir().unwrap();
    let keeper = service(&database, files.path());
    keeper.start().unwrap();
    eventually("a backup is begun", || {
        names(files.path())
            .iter()
            .any(|name| name.contains(".tmp-"))
    });
    keeper.stop();
    let status = keeper.status();
    // The machine may have been faster than the stop.
    if status.runs == 0 {
        assert_eq!(names(files.path()), Vec::<String>::new());
    }
    assert_eq!((status.errors, status.state), (0, ServiceState::Stopped));
}
