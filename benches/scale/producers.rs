//! Rates and latencies against producers and instruments.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::repository::RangeQuery;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};

use crate::common::Ticks;
use crate::server::Server;
use crate::store::{Engine, ScaleStore, Totals};
use crate::{millis, percentile};

const PRODUCERS: [usize; 3] = [1, 2, 4];
const INSTRUMENTS: [i64; 3] = [10, 1_000, 100_000];
const ROWS_PER_PAGE: usize = 1_000;
const READS: usize = 50;

/// The batches of each producer, whose instruments are its own.
type Shares = Vec<Vec<Vec<Tick>>>;

fn shares(ticks: &[Tick], producers: usize, batch: usize) -> Shares {
    let share = |producer: usize| {
        let own = |tick: &&Tick| tick.instrument_id() as usize % producers == producer;
        let own: Vec<Tick> = ticks.iter().filter(own).copied().collect();
        own.chunks(batch).map(<[Tick]>::to_vec).collect()
    };
    (0..producers).map(share).collect()
}

/// Through `insert_batch`, a thread for each producer: how long all took, and each batch.
fn insert(db: &Database, shares: Shares) -> (Duration, Vec<Duration>) {
    let (connected, start) = (Barrier::new(shares.len()), Barrier::new(shares.len() + 1));
    let produce = |batches: Vec<Vec<Tick>>| {
        // All hold a connection at once, so there are as many.
        db.read("bench.connect", |_| {
            connected.wait();
            Ok(())
        })
        .unwrap();
        start.wait();
        let store = |batch: Vec<Tick>| {
            let (rows, began) = (batch.len(), Instant::now());
            let ticks = MarketDataRepository::new(db);
            let report = ticks.insert_batch(batch, InsertOptions::default()).unwrap();
            assert_eq!(report.inserted, rows);
            began.elapsed()
        };
        batches.into_iter().map(store).collect::<Vec<_>>()
    };
    let produce = &produce;
    std::thread::scope(|scope| {
        let spawn = |batches| scope.spawn(move || produce(batches));
        let producers: Vec<_> = shares.into_iter().map(spawn).collect();
        start.wait();
        let began = Instant::now();
        let joined = producers.into_iter().flat_map(|p| p.join().unwrap());
        let batches = joined.collect();
        (began.elapsed(), batches)
    })
}

/// What was measured in one cell of the table.
#[derive(Default)]
struct CellTimes {
    rates: Vec<f64>,
    batches: Vec<Duration>,
    latest: Vec<Duration>,
    pages: Vec<Duration>,
}

impl CellTimes {
    fn read(&mut self, db: &Database, instruments: i64) {
        let ticks = MarketDataRepository::new(db);
        for turn in 0..READS as i64 {
            let first = turn * 997 % instruments;
            let ids: Vec<i64> = (0..instruments.min(100))
                .map(|n| 1 + (first + n * instruments / 100) % instruments)
                .collect();
            let began = Instant::now();
            ticks.latest(&ids).unwrap();
            self.latest.push(began.elapsed());
            let page = RangeQuery::new(TickRange::all(1 + first), ROWS_PER_PAGE);
            let began = Instant::now();
            ticks.range(&page).unwrap();
            self.pages.push(began.elapsed());
        }
    }

    fn print(mut self, engine: Engine, instruments: i64, producers: usize) {
        let rate = crate::common::median(self.rates);
        let (p50, p99) = (
            percentile(&mut self.batches, 50),
            percentile(&mut self.batches, 99),
        );
        let (latest, page) = (
            percentile(&mut self.latest, 50),
            percentile(&mut self.pages, 50),
        );
        println!(
            "| {} | {instruments} | {producers} | {rate:.0} | {} | {} | {} | {} |",
            engine.name(),
            millis(p50),
            millis(p99),
            millis(latest),
            millis(page)
        );
    }
}

pub(crate) fn table(
    server: &Server,
    (rows, batch): (usize, usize),
    rounds: usize,
    engines: &[Engine],
) {
    println!("\n{rows} ticks in batches of {batch}, {rounds} rounds");
    println!(
        "| backend | instruments | producers | rows/s | batch, median ms | 99 % ms | \
         latest of 100, ms | page of one instrument, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    // Partitions are for tables that have grown.
    let plain = engines
        .iter()
        .filter(|engine| **engine != Engine::Partitioned);
    for engine in plain.copied() {
        for instruments in INSTRUMENTS {
            let stream = Ticks::new(true, 2_000).among(instruments);
            let ticks: Vec<Tick> = stream.take(rows).collect();
            let mut given = Totals::default();
            ticks.iter().for_each(|tick| given.add(tick));
            let mut cells = PRODUCERS.map(|_| CellTimes::default());
            // The numbers of producers take turns in each round.
            for _ in 0..rounds {
                for (cell, producers) in cells.iter_mut().zip(PRODUCERS) {
                    let store = ScaleStore::new(engine, server, instruments);
                    let db = store.open();
                    let (took, batches) = insert(&db, shares(&ticks, producers, batch));
                    cell.rates.push(rows as f64 / took.as_secs_f64());
                    cell.batches.extend(batches);
                    db.close();
                    store.settle();
                    let db = store.open();
                    cell.read(&db, instruments);
                    db.close();
                    assert_eq!(store.totals(), given);
                }
            }
            for (cell, producers) in cells.into_iter().zip(PRODUCERS) {
                cell.print(engine, instruments, producers);
            }
        }
    }
}
