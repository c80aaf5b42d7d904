//! Readers while a producer ingests at full speed: latency of reads idle and beside writes, and
//! the size of the WAL.
//!
//! ```sh
//! cargo bench --bench reads_beside_writes
//! ```
//!
//! Two readers ask for the latest tick of twelve instruments and for a page of 1,000 ticks. First
//! nothing writes; then one producer stores batches of 1,000 ticks without a pause; three rounds,
//! taking turns. The bench ends with an error when what was acknowledged is not what is stored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

#[path = "common/rising_ticks.rs"]
mod rising_ticks;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::RangeQuery;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};

use rising_ticks::{INSTRUMENTS, ticks};

const PHASE: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
const READERS: usize = 2;
const BATCH: i64 = 1_000;
const SEEDED: i64 = 200_000;

fn store(database: &Database, next: &AtomicI64) {
    let first = next.fetch_add(BATCH, Ordering::Relaxed);
    let report = MarketDataRepository::new(database)
        .insert_batch(ticks(first, BATCH), InsertOptions::default())
        .unwrap();
    assert_eq!(report.inserted, usize::try_from(BATCH).unwrap());
}

#[derive(Default)]
struct Latencies {
    latest: Vec<Duration>,
    page: Vec<Duration>,
}

/// Reads for a while, beside a producer or alone.
fn phase(database: &Database, next: &AtomicI64, writing: bool, into: &mut Latencies) -> f64 {
    let (over, all) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let before = next.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let own = read_until(database, &over);
                all.lock().unwrap().push(own);
            });
        }
        let start = Instant::now();
        while start.elapsed() < PHASE {
            if writing {
                store(database, next);
            } else {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    for own in all.into_inner().unwrap() {
        into.latest.extend(own.latest);
        into.page.extend(own.page);
    }
    (next.load(Ordering::Relaxed) - before) as f64 / PHASE.as_secs_f64()
}

fn read_until(database: &Database, over: &AtomicBool) -> Latencies {
    let repository = MarketDataRepository::new(database);
    let ids: Vec<i64> = (1..=INSTRUMENTS).collect();
    let page = RangeQuery::new(TickRange::all(1), 1_000);
    let mut own = Latencies::default();
    while !over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        assert_eq!(repository.latest(&ids).unwrap().len(), ids.len());
        own.latest.push(begin.elapsed());
        let begin = Instant::now();
        assert_eq!(repository.range(&page).unwrap().rows.len(), 1_000);
        own.page.push(begin.elapsed());
        // A service answers requests; it does not spin.
        std::thread::sleep(Duration::from_millis(1));
    }
    own
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    let database = Database::open(DatabaseConfig::new(path.to_str().unwrap()).unwrap()).unwrap();
    let next = AtomicI64::new(0);
    while next.load(Ordering::Relaxed) < SEEDED {
        store(&database, &next);
    }
    let (mut idle, mut beside) = (Latencies::default(), Latencies::default());
    let mut rows_per_second = Vec::new();
    let mut wal_bytes_max = 0;
    for _ in 0..ROUNDS {
        phase(&database, &next, false, &mut idle);
        rows_per_second.push(phase(&database, &next, true, &mut beside));
        wal_bytes_max = wal_bytes_max.max(wal_bytes(&path));
    }
    rows_per_second.sort_by(f64::total_cmp);
    println!(
        "producer: {:.0} rows/s beside {READERS} readers",
        rows_per_second[ROUNDS / 2]
    );
    println!(
        "WAL after each round: at most {:.1} MB",
        wal_bytes_max as f64 / 1e6
    );
    println!("| read | idle p50 | idle p99 | beside writes p50 | p99 | ratio of p99 |");
    println!("|---|---|---|---|---|---|");
    show(
        "latest of 12 instruments",
        &mut idle.latest,
        &mut beside.latest,
    );
    show("page of 1,000 ticks", &mut idle.page, &mut beside.page);
    let counted: i64 = (1..=INSTRUMENTS)
        .map(|id| {
            MarketDataRepository::new(&database)
                .count(&TickRange::all(id))
                .unwrap()
        })
        .sum();
    assert_eq!(
        counted,
        next.load(Ordering::Relaxed),
        "what was acknowledged is stored"
    );
}

fn wal_bytes(path: &std::path::Path) -> u64 {
    let wal = format!("{}-wal", path.display());
    std::fs::metadata(wal).map_or(0, |file| file.len())
}

fn show(name: &str, idle: &mut [Duration], beside: &mut [Duration]) {
    idle.sort_unstable();
    beside.sort_unstable();
    let at = |all: &[Duration], percent: usize| all[(all.len() - 1) * percent / 100];
    let ratio = at(beside, 99).as_secs_f64() / at(idle, 99).as_secs_f64();
    println!(
        "| {name} | {:.1?} | {:.1?} | {:.1?} | {:.1?} | {ratio:.1} |",
        at(idle, 50),
        at(idle, 99),
        at(beside, 50),
        at(beside, 99),
    );
}
