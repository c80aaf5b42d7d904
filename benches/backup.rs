//! A backup beside a writer: how long the longest write takes meanwhile, and how long the backup.
//!
//! ```sh
//! cargo bench --bench backup
//! ```
//!
//! A database of 2,000,000 ticks; one producer stores batches of 100 ticks, each acknowledged before
//! the next, with a pause of 2 ms between them and then without one. Rounds without a backup and with
//! one take turns. The bench ends with an error when a backup is not the whole of one moment, or when
//! what was acknowledged is not stored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

#[path = "common/rising_ticks.rs"]
mod rising_ticks;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::repository::storage;
use tickbase::services::backup;

use rising_ticks::ticks;

const SEEDED: i64 = 2_000_000;
const BATCH: i64 = 100;
const ROUNDS: usize = 3;
/// What the product promises of the longest write.
const PROMISED: Duration = Duration::from_millis(200);

fn store(database: &Database, first: i64, count: i64) {
    let report = MarketDataRepository::new(database)
        .insert_batch(ticks(first, count), InsertOptions::default())
        .unwrap();
    assert_eq!(report.inserted, usize::try_from(count).unwrap());
}

/// Stores batches until `work` has ended; the times of all writes.
fn beside(
    database: &Database,
    next: &AtomicI64,
    pause: Duration,
    work: impl FnOnce(),
) -> Vec<Duration> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let first = next.fetch_add(BATCH, Ordering::Relaxed);
                let began = Instant::now();
                store(database, first, BATCH);
                times.push(began.elapsed());
                std::thread::sleep(pause);
            }
            times
        });
        work();
        over.store(true, Ordering::Relaxed);
        producer.join().unwrap()
    })
}

fn active_ticks(database: &Database) -> i64 {
    let counts = database.read("bench.counts", storage::counts).unwrap();
    counts
        .iter()
        .find(|of| of.table == "market_data")
        .unwrap()
        .active
}

/// Prints a row of the table.
fn row(producer: &str, backup: &str, times: &mut [Duration], of: Option<(Duration, u64)>) {
    times.sort();
    let at = |share: f64| {
        let place = (times.len() - 1) as f64 * share;
        times[place as usize].as_secs_f64() * 1e3
    };
    let of_backup = of.map_or("- | -".to_owned(), |(took, bytes)| {
        format!("{:.2} s | {bytes}", took.as_secs_f64())
    });
    println!(
        "| {producer} | {backup} | {} | {:.2} | {:.2} | {:.1} | {of_backup} |",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("backup.db");
    let config = DatabaseConfig::new(url.to_str().unwrap()).unwrap();
    let database = Database::open(config.clone()).unwrap();
    for first in (0..SEEDED).step_by(100_000) {
        store(&database, first, 100_000);
    }
    let next = AtomicI64::new(SEEDED);
    let file = dir.path().join("copy.db");
    let mut worst = Duration::ZERO;
    println!("{SEEDED} ticks, batches of {BATCH}; times of a write in ms");
    println!("| producer | backup | writes | median | 99 % | longest | backup took | its bytes |");
    println!("|---|---|---|---|---|---|---|---|");
    for pause in [Duration::from_millis(2), Duration::ZERO] {
        let name = if pause.is_zero() {
            "without a pause"
        } else {
            "2 ms apart"
        };
        let (mut alone, mut with, mut took, mut bytes) =
            (Vec::new(), Vec::new(), Duration::ZERO, 0);
        for _ in 0..ROUNDS {
            let (mut one, mut length) = (None, Duration::ZERO);
            let acknowledged = next.load(Ordering::Relaxed);
            with.extend(beside(&database, &next, pause, || {
                let began = Instant::now();
                one = Some(backup::make(&config, &file, &Clock::system()).unwrap());
                length = began.elapsed();
            }));
            let one = one.unwrap();
            let copied = one
                .tables
                .iter()
                .find(|of| of.table == "market_data")
                .unwrap()
                .active;
            assert!(
                copied >= acknowledged && copied % BATCH == 0,
                "{copied} of {acknowledged}"
            );
            (took, bytes) = (took.max(length), one.bytes);
            alone.extend(beside(&database, &next, pause, || {
                std::thread::sleep(length)
            }));
        }
        row(name, "no", &mut alone, None);
        row(name, "yes", &mut with, Some((took, bytes)));
        worst = worst.max(*with.last().unwrap());
    }
    assert_eq!(active_ticks(&database), next.load(Ordering::Relaxed));
    let verdict = if worst < PROMISED {
        "under"
    } else {
        "NOT under"
    };
    println!(
        "longest write beside a backup: {:.1} ms, {verdict} {} ms",
        worst.as_secs_f64() * 1e3,
        PROMISED.as_millis()
    );
}
