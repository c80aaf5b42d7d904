//! The files of a SQLite database are deleted, moved away or replaced under load: from then on
//! nothing is acknowledged, and what was acknowledged before is there when the file is back, or
//! when the process has ended.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tickbase::Error;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Database, ProbeCause};

use crate::crash::journal::{Journal, Stored, Word};
use crate::crash::load::{Chance, Load, Next};
use crate::support::TestDatabase;
use crate::support::chaos::{report, scaled};

const PRODUCERS: usize = 6;
/// Rounds of each fault in the suite, and under `scripts/chaos`.
const ROUNDS: (u64, u64) = (1, 200);
const NUMBERS_OF_A_LOAD: i64 = 1_000_000;

/// What somebody does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Deleted,
    MovedAway,
    Replaced,
}

/// The files: the database itself, its write-ahead log, the index of that.
const DATABASE: &str = "";
const INDEX: &str = "-shm";
const FILES: [&str; 3] = [DATABASE, "-wal", INDEX];
/// The age of a look at all files with which a commit is content.
const INDEX_LOOK_AGE_MAX: Duration = Duration::from_millis(10);

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

impl Fault {
    const ALL: [Self; 3] = [Self::Deleted, Self::MovedAway, Self::Replaced];

    /// Does it; another name of the file is kept.
    fn happens(self, file: &Path, other: &Path) {
        match self {
            Self::Deleted => fs::remove_file(file).unwrap(),
            Self::MovedAway => fs::rename(file, file.with_extension("away")).unwrap(),
            Self::Replaced => {
                let copy = file.with_extension("copy");
                fs::copy(other, &copy).unwrap();
                fs::rename(copy, file).unwrap();
            }
        }
    }

    fn cause(self) -> ProbeCause {
        match self {
            Self::Deleted | Self::MovedAway => ProbeCause::Missing,
            Self::Replaced => ProbeCause::Replaced,
        }
    }
}

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

/// Writes under load; `fault` happens after `before` acknowledgements, and every producer must
/// then be refused. A call that begins later must not be acknowledged.
fn load(database: &Database, first: i64, before: usize, fault: impl FnOnce()) -> Journal {
    let journal = Mutex::new(Journal::default());
    let (happened, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begun_later = Mutex::new(BTreeSet::new());
    let say = |batch, word| {
        let mut later = begun_later.lock().unwrap();
        if word == Word::Started && happened.load(Ordering::SeqCst) {
            later.insert(batch);
        }
        let lost = word == Word::Stored && later.contains(&batch);
        assert!(
            !lost,
            "{batch:?} began after the fault and was acknowledged"
        );
        journal.lock().unwrap().note(batch, word);
    };
    let failed = |error: &Error| {
        assert!(
            matches!(error, Error::FileChanged { .. }),
            "{}",
            error.chain()
        );
        refused.fetch_add(1, Ordering::SeqCst);
        Next::Stop
    };
    let load = Load::new(database, first, Chance::new(first as u64), &say, &failed);
    std::thread::scope(|scope| {
        let producers = scope.spawn(|| load.run(PRODUCERS));
        while journal.lock().unwrap().count(Word::Stored) < before {
            assert!(!producers.is_finished());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        fault();
        happened.store(true, Ordering::SeqCst);
        producers.join().unwrap();
    });
    assert_eq!(refused.load(Ordering::SeqCst), PRODUCERS);
    journal.into_inner().unwrap()
}

/// Returns how many batches were acknowledged.
fn round(fault: Fault, suffix: &str, other: &TestDatabase, chance: &mut Chance) -> usize {
    let db = TestDatabase::sqlite();
    let database = open(&db);
    let path = PathBuf::from(db.url());
    let file = beside(&path, suffix);
    let kept = path.with_extension("kept");
    fs::hard_link(&file, &kept).unwrap();
    let some = 1 + chance.below(30) as usize;
    let mut journal = load(&database, 0, some, || {
        fault.happens(&file, &beside(Path::new(other.url()), suffix));
        if suffix == INDEX {
            // It holds no rows, so it is not looked at after each commit.
            std::thread::sleep(INDEX_LOOK_AGE_MAX);
        }
    });
    let probe = database.probe(Database::PROBE_TIMEOUT).outcome.unwrap_err();
    assert_eq!(probe.cause, fault.cause(), "{probe}");
    if suffix == DATABASE {
        // Nothing was made in its place.
        assert_eq!(path.exists(), fault == Fault::Replaced);
        fs::rename(&kept, &path).unwrap();
        assert!(database.probe(Database::PROBE_TIMEOUT).outcome.is_ok());
        let again = load(&database, NUMBERS_OF_A_LOAD, some, || {
            fs::rename(&path, &kept).unwrap();
        });
        assert!(again.count(Word::Stored) >= some, "{again}");
        journal.extend(again);
        fs::rename(&kept, &path).unwrap();
    }
    database.close();
    let found = journal.contradictions(&Stored::of(&db));
    assert!(found.is_empty(), "{fault:?} {file:?}: {found:#?}");
    journal.count(Word::Stored)
}

#[test]
fn nothing_is_acknowledged_that_goes_into_a_file_that_is_gone() {
    let rounds = scaled(ROUNDS.0, ROUNDS.1);
    let (mut chance, mut acknowledged, mut faults) = (Chance::new(rounds), 0, 0);
    let other = TestDatabase::sqlite();
    // While it is open, it has a log.
    let _open = open(&other);
    for _ in 0..rounds {
        for suffix in FILES {
            for fault in Fault::ALL {
                acknowledged += round(fault, suffix, &other, &mut chance);
                faults += 1;
            }
        }
    }
    report(
        "the database file or its write-ahead log is deleted, moved away or replaced, SQLite",
        format!("{acknowledged} acknowledged batches"),
        format!("{faults} files"),
        "0 acknowledged after it, 0 lost",
    );
}
