//! Batches and pages from 1 to 100,000 ticks: what a call costs, and what a row costs in it.
//!
//! ```sh
//! cargo bench --bench sizes
//! ```
//!
//! SQLite, a temporary file, WAL, synchronous NORMAL. Each insertion is one `insert_batch`, which
//! returns after its commit; its ticks are new, and the report is checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(missing_docs)] // The macros of criterion document nothing.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};

const SIZES: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
const INSTRUMENTS: i64 = 12;

/// New ticks, one after the other.
struct Feed {
    next: i64,
}

impl Feed {
    fn batch(&mut self, size: usize) -> Vec<Tick> {
        (0..size)
            .map(|_| {
                self.next += 1;
                Tick::try_from(RawTick {
                    instrument_id: Some(self.next % INSTRUMENTS + 1),
                    timestamp: Some(
                        Timestamp::from_micros(1_378_000_000_000_000 + self.next).unwrap(),
                    ),
                    sequence: Some(0),
                    price: Some(1640.25),
                    volume: Some(8.0),
                    ..RawTick::default()
                })
                .unwrap()
            })
            .collect()
    }
}

fn insert_batch(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    let database = Database::open(DatabaseConfig::new(path.to_str().unwrap()).unwrap()).unwrap();
    let mut feed = Feed { next: 0 };
    let mut group = criterion.benchmark_group("insert_batch");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for size in SIZES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, size| {
            bencher.iter_batched(
                || feed.batch(*size),
                |ticks| {
                    let report = MarketDataRepository::new(&database)
                        .insert_batch(ticks, InsertOptions::default())
                        .unwrap();
                    assert_eq!(report.inserted, *size);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn range(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    let database = Database::open(DatabaseConfig::new(path.to_str().unwrap()).unwrap()).unwrap();
    let mut feed = Feed { next: 0 };
    let ticks = MarketDataRepository::new(&database);
    for _ in 0..2 {
        let batch = feed.batch(100_000);
        assert_eq!(
            ticks
                .insert_batch(batch, InsertOptions::default())
                .unwrap()
                .inserted,
            100_000
        );
    }
    let mut group = criterion.benchmark_group("range");
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for size in SIZES.into_iter().filter(|size| *size <= PAGE_ROWS_MAX) {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, size| {
            let query = RangeQuery::new(TickRange::all(1), *size);
            bencher.iter(|| assert_eq!(ticks.range(&query).unwrap().rows.len(), *size));
        });
    }
    group.finish();
}

criterion_group!(benches, insert_batch, range);
criterion_main!(benches);
