//! The disk fills up under load: callers are told so, what was acknowledged is there, and writing
//! resumes when there is room.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use tickbase::Error;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Database, ProbeCause};
use tickbase::repository::alert_rule;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::purge;
use tickbase::services::{AlertEngine, Service};

use crate::crash::journal::{Batch, INSTRUMENTS, Journal, Stored, Word, rule};
use crate::crash::load::{Chance, Load, Next};
use crate::support::{TestDatabase, db_write};

const PRODUCERS: usize = 12;
/// Ticks that are deleted before the disk is full, and purged to make room.
const TRASH: Batch = Batch {
    first: -20_000,
    size: 20_000,
};
/// Pages beyond those.
const FREE_PAGES: u32 = 200;

fn open(db: &TestDatabase, change: impl FnOnce(&mut DatabaseConfig)) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap().with(change)).unwrap()
}

/// Writes until each producer has met a full disk, or until `enough` batches are acknowledged;
/// where there is a rule, some of the ticks fire.
fn write(database: &Database, first: i64, enough: usize) -> Journal {
    let engine = AlertEngine::new(database.clone());
    engine.start().unwrap();
    let journal = Mutex::new(Journal::default());
    let errors = Mutex::new(BTreeMap::<String, usize>::new());
    let say = |batch, word| journal.lock().unwrap().note(batch, word);
    let failed = |error: &Error| {
        if !matches!(error, Error::Full { .. }) {
            *errors.lock().unwrap().entry(error.chain()).or_default() += 1;
        }
        Next::Stop
    };
    let load = Load::new(database, first, Chance::new(3), &say, &failed);
    std::thread::scope(|scope| {
        let producers = scope.spawn(|| load.run(PRODUCERS));
        while !producers.is_finished() && journal.lock().unwrap().count(Word::Stored) < enough {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        load.stop();
    });
    let errors = errors.into_inner().unwrap();
    assert!(
        errors.is_empty(),
        "not one should be told anything else: {errors:#?}"
    );
    let journal = journal.into_inner().unwrap();
    println!("{journal}");
    journal
}

/// Writes until the disk is full and compares.
fn fill(db: &TestDatabase, database: &Database, first: i64, journal: &mut Journal) {
    let said = write(database, first, usize::MAX);
    assert_eq!(said.count(Word::Refused), PRODUCERS, "{said}");
    assert!(said.count(Word::Stored) > 0, "{said}");
    assert_eq!(probe(database), Some(ProbeCause::Full));
    journal.extend(said);
    compare(db, journal);
}

/// Writes more than nothing, and compares.
fn resume(db: &TestDatabase, database: &Database, first: i64, journal: &mut Journal) {
    let later = write(database, first, 20);
    assert!(later.count(Word::Stored) >= 20, "{later}");
    assert_eq!(probe(database), None);
    journal.extend(later);
    compare(db, journal);
}

/// What the probe says of the disk.
fn probe(database: &Database) -> Option<ProbeCause> {
    let failure = database.probe(Duration::from_secs(60)).outcome.err()?;
    Some(failure.cause)
}

fn compare(db: &TestDatabase, journal: &Journal) {
    let found = journal.contradictions(&Stored::of(db));
    assert!(found.is_empty(), "{found:#?}");
}

fn pages(db: &TestDatabase) -> u32 {
    let pages = db.texts("SELECT CAST(page_count AS TEXT) AS text FROM pragma_page_count");
    pages[0].parse().unwrap()
}

#[test]
fn a_file_that_may_not_grow_refuses_what_has_no_room_and_loses_nothing() {
    let db = TestDatabase::sqlite();
    let database = open(&db, |_| {});
    let ticks = MarketDataRepository::new(&database);
    ticks
        .insert_batch(TRASH.ticks(), InsertOptions::default())
        .unwrap();
    for instrument in 1..=INSTRUMENTS {
        ticks.soft_delete_range(TickRange::all(instrument)).unwrap();
    }
    database.close();
    let limit = pages(&db) + FREE_PAGES;

    let database = open(&db, |config| config.sqlite.max_page_count = Some(limit));
    let mut journal = Journal::default();
    fill(&db, &database, 0, &mut journal);
    let purged = purge::run(&database, database.clock().now(), false).unwrap();
    assert_eq!(purged.deleted(), TRASH.size as usize);
    resume(&db, &database, 1_000_000_000, &mut journal);
    fill(&db, &database, 2_000_000_000, &mut journal);
    database.close();

    let database = open(&db, |config| config.sqlite.max_page_count = Some(2 * limit));
    resume(&db, &database, 3_000_000_000, &mut journal);
}

/// A file system in memory, as small as one likes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` when this process may not mount.
    fn mount(directory: &Path, mebibytes: u32) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(directory)
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        mounted.then(|| Self(directory.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status()
            .ok();
    }
}

#[test]
fn a_disk_that_fills_up_refuses_what_has_no_room_and_loses_nothing() {
    for checkpoint_pages in [10_000, 100] {
        let directory = tempfile::tempdir().unwrap();
        let Some(disk) = SmallDisk::mount(directory.path(), 8) else {
            // Not by `eprintln`, which the harness would swallow.
            let note = "NOT RUN: a disk that fills up: this process may not mount a tmpfs\n";
            std::io::stderr().write_all(note.as_bytes()).unwrap();
            return;
        };
        let ballast = disk.0.join("ballast");
        std::fs::write(&ballast, vec![1; 4 << 20]).unwrap();
        let db = TestDatabase::sqlite_empty_in(&disk.0);
        let database = open(&db, |config| {
            config.sqlite.wal_autocheckpoint_pages = checkpoint_pages;
        });
        db_write!(database, |now| alert_rule::insert(&rule(), now)).unwrap();
        let mut journal = Journal::default();
        fill(&db, &database, 0, &mut journal);
        std::fs::remove_file(&ballast).unwrap();
        resume(&db, &database, 1_000_000_000, &mut journal);
        database.close();
        compare(&db, &journal);
        assert!(Stored::of(&db).alerts() > 0);
    }
}
