//! A process is killed while it writes: what it acknowledged is there, and no batch is torn.
//!
//! `TICKBASE_CRASH_SEED` repeats a sequence of random choices; a failure names its seed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::alert_rule;

use crate::crash::child::Orders;
use crate::crash::journal::{Journal, NUMBERS, Stored, Word, parse, rule};
use crate::crash::load::{Chance, Manner};
use crate::support::chaos::{report, scaled};
use crate::support::{TestDatabase, db_write};

/// Kills of one test in the suite, and under `scripts/chaos`.
const KILLS: (u64, u64) = (200, 5_000);
/// Kills of one database: it grows, and each kill is followed by a look at all of it.
const KILLS_PER_DATABASE: u64 = 5;
/// The kill comes after at most so many acknowledgements of the child ..
const ACKNOWLEDGEMENTS_MAX: u64 = 40;
/// .. and at most this much later.
const DELAY_MAX: Duration = Duration::from_millis(5);
/// Databases that are worked on at the same time: a child mostly waits for the disk.
const LANES: u64 = 3;
/// Of 100 kills so many must land among acknowledged and unanswered batches.
const IN_THE_MIDST_PERCENT: usize = 90;
/// A child that says nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The test that a child starts with.
const CHILD: &str = "crash::kills::a_killed_process_has_lost_nothing_that_it_acknowledged";

/// When a child is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After this many acknowledgements and the delay.
    Acknowledged(u64, Duration),
    /// So long after its start.
    Started(Duration),
}

pub(super) fn seed() -> u64 {
    match std::env::var("TICKBASE_CRASH_SEED") {
        Ok(seed) => seed.parse().expect("TICKBASE_CRASH_SEED is a number"),
        Err(_) => RandomState::new().build_hasher().finish(),
    }
}

fn kills() -> u64 {
    scaled(KILLS.0, KILLS.1)
}

/// A child that writes until it is killed.
struct Victim {
    orders: Orders,
    child: Child,
    /// One for each acknowledgement.
    acknowledgements: mpsc::Receiver<()>,
    /// Returns what the child said, and what else came from it.
    reader: JoinHandle<(Journal, String)>,
}

impl Victim {
    fn start(orders: Orders) -> Self {
        let (name, value) = orders.variable();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture"])
            .env(name, value)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (acknowledged, acknowledgements) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let (mut journal, mut noise) = (Journal::default(), String::new());
            for line in lines {
                let line = line.unwrap();
                match parse(&line) {
                    Some((batch, word)) => {
                        journal.note(batch, word);
                        if word == Word::Stored {
                            acknowledged.send(()).ok();
                        }
                    }
                    None => noise.push_str(&format!("{line}\n")),
                }
            }
            (journal, noise)
        });
        Self {
            orders,
            child,
            acknowledgements,
            reader,
        }
    }

    /// Kills it at the moment, by SIGKILL: it gets no say. Returns what it had said.
    fn killed(mut self, moment: Moment) -> Journal {
        let came_so_far = self.wait(moment);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (journal, noise) = self.reader.join().unwrap();
        assert_eq!(noise, "", "{:?}: the child failed", self.orders);
        assert!(came_so_far.is_ok(), "{:?}: the child hangs", self.orders);
        journal
    }

    /// An error when the child has not come so far: it hangs, or has ended by itself.
    fn wait(&self, moment: Moment) -> Result<(), mpsc::RecvTimeoutError> {
        let delay = match moment {
            Moment::Started(delay) => delay,
            Moment::Acknowledged(count, delay) => {
                for _ in 0..count {
                    self.acknowledgements.recv_timeout(SILENCE_MAX)?;
                }
                delay
            }
        };
        // The moment is the subject of the test; nothing is waited for.
        std::thread::sleep(delay);
        Ok(())
    }

    /// Forgets the acknowledgements so far: the next ones are later than this.
    fn forget(&self) {
        while self.acknowledgements.try_recv().is_ok() {}
    }
}

fn some_time(chance: &mut Chance, most: Duration) -> Duration {
    Duration::from_micros(chance.below(most.as_micros() as u64))
}

/// What the kills of a lane have met.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    kills: usize,
    in_the_midst: usize,
    batches: usize,
    ticks: usize,
    alerts: usize,
}

/// Kills children on one database and returns the contradictions after the first kill that left
/// any.
fn rounds(
    db: &TestDatabase,
    kills: u64,
    manner: Manner,
    chance: &mut Chance,
    tally: &mut Tally,
) -> Vec<String> {
    let mut journal = Journal::default();
    add_rule(db);
    for round in 0..kills {
        let orders = Orders {
            seed: chance.below(u64::MAX),
            // Far behind all that the children before it can have come to.
            first: round as i64 * NUMBERS,
            manner,
            url: db.url().to_owned(),
        };
        let acknowledgements = 1 + chance.below(ACKNOWLEDGEMENTS_MAX);
        let delay = some_time(chance, DELAY_MAX);
        let moment = Moment::Acknowledged(acknowledgements, delay);
        let said = Victim::start(orders).killed(moment);
        tally.kills += 1;
        tally.batches += said.count(Word::Stored);
        if said.count(Word::Stored) > 0 && said.count(Word::Started) > 0 {
            tally.in_the_midst += 1;
        }
        journal.extend(said);
        let stored = reopened(db);
        let found = journal.contradictions(&stored);
        if !found.is_empty() {
            return found;
        }
        tally.ticks = tally.ticks.max(stored.ticks());
        tally.alerts = tally.alerts.max(stored.alerts());
    }
    Vec::new()
}

/// From now on watched ticks fire.
fn add_rule(db: &TestDatabase) {
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    db_write!(database, |now| alert_rule::insert(&rule(), now)).unwrap();
    database.close();
}

/// What the next process finds.
fn reopened(db: &TestDatabase) -> Stored {
    if db.dir().is_none() {
        alone(db);
    }
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    let stored = Stored::of(db);
    database.close();
    stored
}

/// Waits until the sessions of a killed client have ended; one of them may be in its COMMIT.
fn alone(db: &TestDatabase) {
    let others = "SELECT CAST(pid AS TEXT) AS text FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while !db.texts(others).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// One database after the other; panics at the first contradiction.
fn lane(new: fn() -> TestDatabase, kills: u64, seed: u64) -> Tally {
    let mut chance = Chance::new(seed);
    let mut tally = Tally::default();
    let mut left = kills;
    while left > 0 {
        let some = left.min(KILLS_PER_DATABASE);
        left -= some;
        let found = rounds(&new(), some, Manner::Honest, &mut chance, &mut tally);
        assert!(found.is_empty(), "{tally:?}: {found:#?}");
    }
    tally
}

fn assert_nothing_is_lost(backend: &str, new: fn() -> TestDatabase, kills: u64) {
    let seed = seed();
    println!("TICKBASE_CRASH_SEED={seed}");
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|n| {
                let share = (kills + n) / LANES;
                scope.spawn(move || lane(new, share, seed.wrapping_add(n)))
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    println!("{tallies:#?}");
    let sum = |figure: fn(&Tally) -> usize| tallies.iter().map(figure).sum::<usize>();
    assert_eq!(sum(|tally| tally.kills), kills as usize);
    assert!(tallies.iter().all(|tally| tally.alerts > 0), "{tallies:#?}");
    let wanted = kills as usize * IN_THE_MIDST_PERCENT;
    assert!(
        sum(|tally| tally.in_the_midst) * 100 >= wanted,
        "{tallies:#?}"
    );
    report(
        format!("a writing process is killed, {backend}"),
        format!("{} acknowledged batches", sum(|tally| tally.batches)),
        format!("{kills} SIGKILLs"),
        "0 lost, 0 doubled, 0 torn",
    );
}

#[cfg(feature = "sqlite")]
#[test]
fn a_killed_process_has_lost_nothing_that_it_acknowledged() {
    if let Some(orders) = Orders::of_this_process() {
        orders.obey();
    }
    assert_nothing_is_lost("SQLite", TestDatabase::sqlite, kills());
}

#[cfg(all(feature = "sqlite", feature = "postgres"))]
#[test]
fn a_killed_client_of_postgresql_has_lost_nothing_that_it_acknowledged() {
    assert_nothing_is_lost("PostgreSQL", TestDatabase::postgres, kills() / 10);
}

#[cfg(feature = "sqlite")]
#[test]
fn the_harness_finds_an_acknowledgement_that_comes_too_early() {
    let seed = seed();
    println!("TICKBASE_CRASH_SEED={seed}");
    let mut chance = Chance::new(seed);
    let mut tally = Tally::default();
    let lost = (0..40).any(|_| {
        let db = TestDatabase::sqlite();
        let found = rounds(
            &db,
            KILLS_PER_DATABASE,
            Manner::Early,
            &mut chance,
            &mut tally,
        );
        found
            .iter()
            .any(|one| one.ends_with("was acknowledged and is gone"))
    });
    assert!(lost, "{} kills found nothing", tally.kills);
    println!("found by kill {}", tally.kills);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_process_killed_while_it_makes_its_database_leaves_one_that_opens() {
    let seed = seed();
    println!("TICKBASE_CRASH_SEED={seed}");
    let mut chance = Chance::new(seed);
    for _ in 0..30 {
        let db = TestDatabase::sqlite_empty();
        let orders = Orders {
            seed: chance.below(u64::MAX),
            first: 0,
            manner: Manner::Honest,
            url: db.url().to_owned(),
        };
        let moment = Moment::Started(some_time(&mut chance, Duration::from_millis(60)));
        let journal = Victim::start(orders).killed(moment);
        let found = journal.contradictions(&reopened(&db));
        assert!(found.is_empty(), "{moment:?}: {found:#?}");
    }
}

/// Each child panics at any error, and the test then fails.
#[cfg(feature = "sqlite")]
#[test]
fn a_process_that_is_killed_does_not_disturb_another_one_that_writes() {
    let seed = seed();
    println!("TICKBASE_CRASH_SEED={seed}");
    let mut chance = Chance::new(seed);
    for _ in 0..8 {
        let db = TestDatabase::sqlite();
        add_rule(&db);
        // The stamp of the watched ticks is the same for both.
        let [one, other] = [0, NUMBERS / 2].map(|first| {
            Victim::start(Orders {
                seed: chance.below(u64::MAX),
                first,
                manner: Manner::Honest,
                url: db.url().to_owned(),
            })
        });
        let moment = |chance: &mut Chance| {
            let delay = some_time(chance, DELAY_MAX);
            Moment::Acknowledged(1 + chance.below(ACKNOWLEDGEMENTS_MAX), delay)
        };
        let mut journal = one.killed(moment(&mut chance));
        other.forget();
        journal.extend(other.killed(moment(&mut chance)));
        let found = journal.contradictions(&reopened(&db));
        assert!(found.is_empty(), "{found:#?}");
    }
}
