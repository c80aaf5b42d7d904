//! The server of PostgreSQL goes away under load and comes back: the process lives on, callers get
//! errors, writing resumes, and what was acknowledged is there.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tickbase::Error;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::alert_rule;
use tickbase::services::{AlertEngine, Service};

use crate::crash::journal::{Batch, Journal, Stored, Word, rule};
use crate::crash::load::{Chance, Load, Next};
use crate::support::chaos::{report, scaled};
use crate::support::server::Server;
use crate::support::{TestDatabase, db_write, eventually};

/// Times that the server is taken away in one test of the suite, and under `scripts/chaos`.
const CRASHES: (usize, usize) = (5, 100);
const PRODUCERS: usize = 12;
/// Batches that must be acknowledged before a crash, and after the server is back.
const BATCHES: usize = 25;
/// What a producer waits for before it sends a batch again.
const PAUSE: Duration = Duration::from_millis(10);

/// What the producers have met.
#[derive(Default)]
struct Notes {
    journal: Mutex<Journal>,
    acknowledged: AtomicUsize,
    errors: Mutex<BTreeMap<&'static str, usize>>,
}

impl Notes {
    fn say(&self, batch: Batch, word: Word) {
        self.journal.lock().unwrap().note(batch, word);
        if word == Word::Stored {
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    fn failed(&self, error: &Error) -> Next {
        let kind = match error {
            Error::Connect { .. } => "Connect",
            Error::Query { .. } => "Query",
            Error::CommitUnknown { .. } => "CommitUnknown",
            other => panic!("no producer should see {}", other.chain()),
        };
        *self.errors.lock().unwrap().entry(kind).or_default() += 1;
        // A producer that asks without pause takes the processor from the server.
        std::thread::sleep(PAUSE);
        Next::Again
    }

    fn errors(&self) -> usize {
        self.errors.lock().unwrap().values().sum()
    }
}

/// Lets the producers end, also when the test fails.
struct Stop<'a>(&'a Load<'a>);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Takes the server away under load, again and again, and compares.
fn crashes(fault: &str, take_away: fn(&mut Server, &TestDatabase), bring_back: fn(&mut Server)) {
    let crashes = scaled(CRASHES.0, CRASHES.1);
    let mut server = Server::start_durable();
    let db = TestDatabase::postgres_empty_on(&server);
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let sql = format!("SELECT current_setting('{setting}') AS text");
        assert_eq!(db.texts(&sql), ["on"], "{setting}");
    }
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    db_write!(database, |now| alert_rule::insert(&rule(), now)).unwrap();
    let engine = AlertEngine::new(database.clone());
    engine.start().unwrap();
    let notes = Notes::default();
    let say = |batch, word| notes.say(batch, word);
    let failed = |error: &Error| notes.failed(error);
    let load = Load::new(&database, 0, Chance::new(1), &say, &failed);
    std::thread::scope(|scope| {
        scope.spawn(|| load.run(PRODUCERS));
        let _stop = Stop(&load);
        for _ in 0..crashes {
            let acknowledged = notes.acknowledged();
            eventually("writing", || notes.acknowledged() >= acknowledged + BATCHES);
            let errors = notes.errors();
            take_away(&mut server, &db);
            eventually("an error", || notes.errors() > errors);
            bring_back(&mut server);
        }
        let acknowledged = notes.acknowledged();
        eventually("writing again", || {
            notes.acknowledged() >= acknowledged + BATCHES
        });
    });
    let journal = notes.journal.into_inner().unwrap();
    let errors = notes.errors.into_inner().unwrap();
    println!("{journal}; errors: {errors:?}");
    let stored = Stored::of(&db);
    let found = journal.contradictions(&stored);
    assert!(found.is_empty(), "{found:#?}");
    assert!(stored.alerts() > 0);
    report(
        format!("PostgreSQL goes away: {fault}"),
        format!(
            "{PRODUCERS} producers, {} acknowledged batches",
            journal.count(Word::Stored)
        ),
        format!("{crashes} times"),
        "0 lost, 0 doubled, 0 torn",
    );
}

#[test]
fn a_server_that_crashes_under_load_has_lost_nothing_that_was_acknowledged() {
    crashes(
        "it crashes",
        |server, _| server.crash(),
        Server::start_again,
    );
}

#[test]
fn a_server_that_is_stopped_under_load_has_lost_nothing_that_was_acknowledged() {
    crashes(
        "it is stopped",
        |server, _| server.stop(),
        Server::start_again,
    );
}

/// A session that dies takes all others along, and the server recovers by itself.
#[test]
fn a_session_that_is_killed_under_load_has_lost_nothing_that_was_acknowledged() {
    let kill = |_: &mut Server, db: &TestDatabase| {
        let pids = db.texts(
            "SELECT CAST(pid AS TEXT) AS text FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid() \
             ORDER BY state = 'active' DESC LIMIT 1",
        );
        let killed = Command::new("kill").arg("-KILL").args(&pids).status();
        assert!(killed.unwrap().success());
    };
    crashes("a session is killed", kill, |_| {});
}
