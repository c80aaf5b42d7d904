//! The same over HTTP: the served binary is killed, its PostgreSQL goes away, many write at once.
//! Clients send each batch again, with the same idempotency key, until it is acknowledged: in the
//! end every batch is there, and once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::alert_rule;

use crate::crash::journal::{Batch, Journal, Stored, Word, rule};
use crate::crash::load::Chance;
use crate::support::chaos::{report, scaled};
use crate::support::process::{PATIENCE, Serving};
#[cfg(feature = "postgres")]
use crate::support::server::Server;
use crate::support::{TestDatabase, db_write, eventually, on_both};

/// Kills of the served binary in the suite, and under `scripts/chaos`.
const KILLS: (usize, usize) = (3, 40);
/// Times that the server of PostgreSQL is taken away.
#[cfg(feature = "postgres")]
const OUTAGES: (usize, usize) = (2, 35);
/// Requests of many writers at once.
const REQUESTS: (usize, usize) = (256, 20_000);
const CLIENTS: usize = 12;
const WRITERS: usize = 64;
/// Ticks of a batch, at most.
const BATCH_TICKS_MAX: u64 = 20;
/// Batches that must be acknowledged before a fault.
const BATCHES: usize = 25;
/// The fault comes at most so long after them.
const DELAY_MAX: Duration = Duration::from_millis(30);
/// What a client waits for before it sends a batch again.
const PAUSE: Duration = Duration::from_millis(10);

/// Clients, and what they have met.
#[derive(Default)]
struct Clients {
    /// Where each of the served processes is.
    bases: RwLock<Vec<String>>,
    journal: Mutex<Journal>,
    next: AtomicI64,
    acknowledged: AtomicUsize,
    rows: AtomicI64,
    stopped: AtomicBool,
    /// Answers that were none, by what came instead.
    refusals: Mutex<BTreeMap<String, usize>>,
}

/// Lets the clients end, also when the test fails.
struct Stop<'a>(&'a Clients);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::SeqCst);
    }
}

impl Clients {
    fn of(bases: &[&Serving]) -> Self {
        let clients = Self::default();
        clients.go_to(bases);
        clients
    }

    /// From now on these processes serve.
    fn go_to(&self, serving: &[&Serving]) {
        let bases = serving.iter().map(|one| one.base().to_owned());
        *self.bases.write().unwrap() = bases.collect();
    }

    /// Writes until the clients are stopped, or `most` batches were begun by all of them.
    fn write(&self, client: usize, most: usize) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.timeout_global(Some(PATIENCE)).build().into();
        let mut chance = Chance::new(client as u64);
        while !self.stopped.load(Ordering::SeqCst) {
            let size = 1 + chance.below(BATCH_TICKS_MAX) as i64;
            let first = self.next.fetch_add(size, Ordering::SeqCst);
            let batch = Batch { first, size };
            {
                let mut journal = self.journal.lock().unwrap();
                if journal.batches() >= most {
                    return;
                }
                journal.note(batch, Word::Started);
            }
            self.deliver(&agent, client, batch);
            self.journal.lock().unwrap().note(batch, Word::Stored);
            self.rows.fetch_add(size, Ordering::SeqCst);
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Sends a batch again and again until it is acknowledged.
    fn deliver(&self, agent: &ureq::Agent, client: usize, batch: Batch) {
        let body = body(batch);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let refusal = match self.send(agent, client, batch, &body) {
                Ok((200, report)) => {
                    assert_eq!(report["inserted"], batch.size, "{batch:?}: {report}");
                    return;
                }
                Ok((503, answer)) => {
                    assert!(!answer.to_string().contains("locked"), "{answer}");
                    "503".to_owned()
                }
                Ok((status, answer)) => panic!("{batch:?}: {status} {answer}"),
                Err(error) => error.to_string(),
            };
            assert!(Instant::now() < deadline, "{batch:?}: {refusal}");
            *self.refusals.lock().unwrap().entry(refusal).or_default() += 1;
            // A client that asks without pause takes the processor from the server.
            std::thread::sleep(PAUSE);
        }
    }

    fn send(
        &self,
        agent: &ureq::Agent,
        client: usize,
        batch: Batch,
        body: &str,
    ) -> Result<(u16, Value), ureq::Error> {
        let base = {
            let bases = self.bases.read().unwrap();
            bases[client % bases.len()].clone()
        };
        let request = agent.post(format!("{base}/api/market-data"));
        let request = request.header("content-type", "application/json");
        let request = request.header("idempotency-key", format!("batch-{}", batch.first));
        let mut answer = request.send(body)?;
        let text = answer.body_mut().read_to_string()?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((answer.status().as_u16(), value))
    }

    /// Waits until so many batches more are acknowledged.
    fn until_more(&self, batches: usize) {
        let wanted = self.acknowledged.load(Ordering::SeqCst) + batches;
        eventually("writing", || {
            self.acknowledged.load(Ordering::SeqCst) >= wanted
        });
    }

    /// Compares what was acknowledged with what is there, and reports.
    fn judge(self, db: &TestDatabase, test: &str, faults: String) {
        let refusals = self.refusals.into_inner().unwrap();
        let journal = self.journal.into_inner().unwrap();
        println!("{journal}; {refusals:?}");
        assert_eq!(
            journal.count(Word::Started),
            0,
            "all were sent until they were acknowledged"
        );
        let stored = Stored::of(db);
        let found = journal.contradictions(&stored);
        assert!(found.is_empty(), "{found:#?}");
        assert!(stored.alerts() > 0);
        let backend = db.backend();
        let (batches, rows) = (journal.count(Word::Stored), self.rows.into_inner());
        report(
            format!("over HTTP: {test}, {backend}"),
            format!("{batches} acknowledged requests, {rows} rows"),
            faults,
            "0 lost, 0 doubled, 0 torn",
        );
    }
}

/// The ticks as a client sends them.
fn body(batch: Batch) -> String {
    let ticks = batch.ticks();
    let tick = ticks.iter().map(|tick| {
        json!({"instrument_id": tick.instrument_id(), "timestamp": tick.timestamp().to_string(),
               "price": tick.price(), "volume": tick.volume()})
    });
    Value::from_iter(tick).to_string()
}

/// From now on watched ticks fire.
fn add_rule(db: &TestDatabase) {
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    db_write!(database, |now| alert_rule::insert(&rule(), now)).unwrap();
    database.close();
}

/// Runs clients while faults happen.
fn under_load(clients: &Clients, faults: impl FnOnce()) {
    std::thread::scope(|scope| {
        let _stop = Stop(clients);
        for client in 0..CLIENTS {
            scope.spawn(move || clients.write(client, usize::MAX));
        }
        faults();
        clients.until_more(BATCHES);
    });
}

on_both! {
    fn a_served_process_that_is_killed_has_lost_nothing_that_it_acknowledged(db: &TestDatabase) {
        add_rule(db);
        let kills = scaled(KILLS.0, KILLS.1);
        let first = Serving::start(db, &[], &[]);
        let clients = Clients::of(&[&first]);
        let mut serving = Some(first);
        let mut chance = Chance::new(1);
        under_load(&clients, || {
            for _ in 0..kills {
                clients.until_more(BATCHES);
                // The moment is the subject of the test; nothing is waited for.
                let delay = chance.below(DELAY_MAX.as_micros() as u64);
                std::thread::sleep(Duration::from_micros(delay));
                // SIGKILL: it gets no say.
                drop(serving.take());
                let next = Serving::start(db, &[], &[]);
                clients.go_to(&[&next]);
                serving = Some(next);
            }
        });
        let refused: usize = clients.refusals.lock().unwrap().values().sum();
        assert!(refused >= kills, "the kills hit requests under way: {refused}");
        drop(serving);
        clients.judge(db, "the served process is killed", format!("{kills} SIGKILLs"));
    }

    fn many_writers_at_two_processes_are_never_told_of_a_lock(db: &TestDatabase) {
        add_rule(db);
        // Other tests share the server of PostgreSQL: its connections are not what this is about.
        let few = [("TICKBASE_POOL_BASE", "8"), ("TICKBASE_POOL_OVERFLOW", "8")];
        let serving = [(); 2].map(|()| Serving::start(db, &[], &few));
        let clients = Clients::of(&[&serving[0], &serving[1]]);
        let requests = scaled(REQUESTS.0, REQUESTS.1);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let clients = &clients;
                scope.spawn(move || clients.write(writer, requests));
            }
        });
        for one in serving {
            let ended = one.stop();
            assert_eq!(ended.code, Some(0), "{}", ended.log);
            assert!(!ended.log.contains("locked"), "{}", ended.log);
        }
        let refusals = clients.refusals.lock().unwrap().clone();
        assert!(refusals.is_empty(), "{refusals:?}");
        clients.judge(db, &format!("{WRITERS} writers at two processes"), "none".to_owned());
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_that_crashes_under_requests_has_lost_nothing_that_was_acknowledged() {
    let mut server = Server::start_durable();
    let db = TestDatabase::postgres_empty_on(&server);
    let outages = scaled(OUTAGES.0, OUTAGES.1);
    let serving = Serving::start(&db, &[], &[]);
    add_rule(&db);
    let clients = Clients::of(&[&serving]);
    under_load(&clients, || {
        for outage in 0..outages {
            clients.until_more(BATCHES);
            let refusals = || clients.refusals.lock().unwrap().values().sum::<usize>();
            let before = refusals();
            if outage % 2 == 0 {
                server.crash();
            } else {
                server.stop();
            }
            eventually("an answer that is none", || refusals() > before);
            server.start_again();
        }
    });
    drop(serving);
    let faults = format!("{outages} times PostgreSQL crashes or is stopped");
    clients.judge(&db, "PostgreSQL goes away", faults);
}
