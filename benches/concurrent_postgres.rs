//! Many producers at once on PostgreSQL: `insert_batch` on as many threads, against as many psql
//! with `\copy`, into the same table.
//!
//! ```sh
//! cargo bench --bench concurrent_postgres --features postgres -- postgres://user@host/name
//! cargo bench --bench concurrent_postgres --features postgres -- postgres://.. --rows 80000 --rounds 3
//! ```
//!
//! The user of the URL must be a superuser: each run gets a database of its own, which is dropped
//! after it. One stream of ticks (100 instruments in random order, rising stamps, all nine values)
//! is cut into batches, each a transaction. Either they are dealt out in turn, so that all
//! producers write all instruments, or each producer has instruments of its own. Contenders take
//! turns in each round; all connections stand before the clock starts. Shown are the median rate and
//! the median of the ratios to `\copy` within a round. The count and the sums of all columns are
//! checked after each run, no call may fail, and the attempts beyond the first are counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs)] // Nobody imports a bench.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "ingest_postgres/place.rs"]
mod place;
#[path = "ingest_postgres/ticks.rs"]
#[allow(dead_code)] // The other bench uses the rest.
mod ticks;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use arguments::option;
use diesel::prelude::*;
use place::{Place, median, psql};
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use ticks::{VALUES, binary};

const PRODUCERS: [usize; 4] = [1, 2, 4, 8];
const ROWS_PER_BATCH: [usize; 2] = [1_000, 10_000];

/// The batches of each producer.
type Shares = Vec<Vec<Vec<Tick>>>;

#[derive(Debug, Clone, Copy)]
enum Contender {
    Copy,
    AllInstruments,
    OwnInstruments,
}

impl Contender {
    const ALL: [Self; 3] = [Self::Copy, Self::AllInstruments, Self::OwnInstruments];

    const fn name(self) -> &'static str {
        match self {
            Self::Copy => "`\\copy`, binary",
            Self::AllInstruments => "`insert_batch`, all write all instruments",
            Self::OwnInstruments => "`insert_batch`, each its own instruments",
        }
    }

    fn shares(self, ticks: &[Tick], producers: usize, rows: usize) -> Shares {
        let mut shares = vec![Vec::new(); producers];
        if matches!(self, Self::OwnInstruments) {
            for (producer, share) in shares.iter_mut().enumerate() {
                let own = |tick: &&Tick| tick.instrument_id() as usize % producers == producer;
                let own: Vec<Tick> = ticks.iter().filter(own).copied().collect();
                share.extend(own.chunks(rows).map(<[Tick]>::to_vec));
            }
        } else {
            for (number, batch) in ticks.chunks(rows).enumerate() {
                shares[number % producers].push(batch.to_vec());
            }
        }
        shares
    }

    /// Stores the ticks in an empty database: how long that took, and the retries.
    fn run(self, admin: &str, ticks: &[Tick], producers: usize, rows: usize) -> (Duration, u64) {
        let place = Place::new(admin);
        let shares = self.shares(ticks, producers, rows);
        let done = match self {
            Self::Copy => (copy(&place, &shares), 0),
            _ => insert(&place.0, shares),
        };
        place.verify(ticks, true);
        done
    }
}

/// Through `insert_batch`, a thread for each producer; every row must be new.
fn insert(db: &Database, shares: Shares) -> (Duration, u64) {
    let (connected, start) = (Barrier::new(shares.len()), Barrier::new(shares.len() + 1));
    let took = std::thread::scope(|scope| {
        let producers: Vec<_> = shares
            .into_iter()
            .map(|batches| {
                let (connected, start) = (&connected, &start);
                scope.spawn(move || {
                    // All hold a connection at once, so there are as many.
                    db.read("bench.connect", |_| {
                        connected.wait();
                        Ok(())
                    })
                    .unwrap();
                    start.wait();
                    for batch in batches {
                        let rows = batch.len();
                        let ticks = MarketDataRepository::new(db);
                        let report = ticks.insert_batch(batch, InsertOptions::default()).unwrap();
                        assert_eq!(report.inserted, rows);
                    }
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        producers.into_iter().for_each(|p| p.join().unwrap());
        began.elapsed()
    });
    (took, db.operations().iter().map(|op| op.retries).sum())
}

/// Through `\copy`, a psql for each producer. They connect, then wait for a lock of ours.
fn copy(place: &Place, shares: &Shares) -> Duration {
    const LOCK: &str = "pg_advisory_lock(1)";
    let folder = tempfile::tempdir().unwrap();
    let mut gate = place.connect();
    diesel::sql_query(format!("SELECT {LOCK}"))
        .execute(&mut gate)
        .unwrap();
    let producers: Vec<Child> = shares
        .iter()
        .enumerate()
        .map(|(number, batches)| {
            let script = script(folder.path(), number, batches);
            let mut psql = Command::new(psql());
            psql.args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]);
            psql.args(["--output=/dev/null", "--file"]);
            psql.arg(script).arg(place.0.url()).spawn().unwrap()
        })
        .collect();
    let waiting = diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    );
    while waiting.clone().get_result::<i64>(&mut gate).unwrap() < shares.len() as i64 {
        std::thread::yield_now();
    }
    let began = Instant::now();
    drop(gate);
    for mut producer in producers {
        assert!(producer.wait().unwrap().success());
    }
    began.elapsed()
}

fn script(folder: &Path, producer: usize, batches: &[Vec<Tick>]) -> std::path::PathBuf {
    let mut lines = "SELECT pg_advisory_lock_shared(1);\n".to_owned();
    for (number, batch) in batches.iter().enumerate() {
        let file = folder.join(format!("{producer}-{number}.binary"));
        std::fs::write(&file, binary(batch)).unwrap();
        let (columns, file) = (VALUES.join(", "), file.display());
        writeln!(
            lines,
            "\\copy market_data (instrument_id, \"timestamp\", source_id, sequence, {columns}) \
             FROM '{file}' WITH (FORMAT binary)"
        )
        .unwrap();
    }
    let script = folder.join(format!("{producer}.sql"));
    std::fs::write(&script, lines).unwrap();
    script
}

fn cell(admin: &str, ticks: &[Tick], producers: usize, rows: usize, rounds: usize) {
    let mut rates = vec![Vec::new(); Contender::ALL.len()];
    let mut retries = [0; Contender::ALL.len()];
    for round in 0..rounds {
        for turn in 0..Contender::ALL.len() {
            let index = (round + turn) % Contender::ALL.len();
            let (took, again) = Contender::ALL[index].run(admin, ticks, producers, rows);
            rates[index].push(ticks.len() as f64 / took.as_secs_f64());
            retries[index] += again;
        }
    }
    for (index, contender) in Contender::ALL.iter().enumerate() {
        let rate = median(rates[index].iter().copied());
        let pairs = rates[index].iter().zip(&rates[0]);
        let ratio = median(pairs.map(|(own, copy)| own / copy));
        let (name, retries) = (contender.name(), retries[index]);
        println!("| {rows} | {producers} | {name} | {rate:.0} | {ratio:.2} | {retries} |");
    }
}

fn main() {
    let Some(admin) = std::env::args().find(|argument| argument.starts_with("postgres")) else {
        println!("give the URL of a PostgreSQL server: -- postgres://user@host/name");
        return;
    };
    let (rows, rounds) = (option("--rows", 320_000), option("--rounds", 5));
    let ticks = ticks::ticks(rows);
    println!("{rows} ticks, {rounds} rounds");
    println!("| rows a batch | producers | contender | rows/s | to `\\copy` | retries |");
    println!("|---|---|---|---|---|---|");
    for rows_per_batch in ROWS_PER_BATCH {
        for producers in PRODUCERS {
            cell(&admin, &ticks, producers, rows_per_batch, rounds);
        }
    }
}
