//! What the ingest benches share: synthetic ticks, databases, rounds. No contender.
#![allow(dead_code)] // Each bench uses its part.

pub mod raw;

use std::time::Duration;

use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{InstrumentType, Symbol};
use tickbase::models::NewInstrument;
use tickbase::repository::instrument::InstrumentRepository;
use tickbase::testing::TemporaryDatabase;

pub const INSTRUMENTS: i64 = 100;
pub const ROWS_PER_TRANSACTION: usize = 10_000;

/// A small generator of our own, so that every build makes the same ticks.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Ticks with all nine values: 100 instruments in random order, rising stamps, the feed's own
/// sequence when `numbered`.
pub fn ticks(rows: usize, numbered: bool) -> Vec<Tick> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut micros = 1_700_000_000_000_000;
    let mut all = Vec::with_capacity(rows);
    for index in 0..rows {
        micros += 1 + random.below(2_000) as i64;
        let price = 1_000.0 + random.below(100_000) as f64 / 100.0;
        let spread = 0.01 * (1 + random.below(10)) as f64;
        let tick = Tick::try_from(RawTick {
            instrument_id: Some(1 + random.below(INSTRUMENTS as u64) as i64),
            timestamp: Some(Timestamp::from_micros(micros).unwrap()),
            source_id: None,
            sequence: numbered.then_some(index as i64),
            price: Some(price),
            volume: Some((1 + random.below(500)) as f64),
            bid: Some(price - spread),
            ask: Some(price + spread),
            bid_size: Some((1 + random.below(100)) as f64),
            ask_size: Some((1 + random.below(100)) as f64),
            open_price: Some(1_500.25),
            high_price: Some(price.max(1_900.0)),
            low_price: Some(price.min(1_100.0)),
        });
        all.push(tick.unwrap());
    }
    all
}

/// The ticks, a transaction's rows each.
pub fn batches(ticks: &[Tick]) -> Vec<Vec<Tick>> {
    ticks
        .chunks(ROWS_PER_TRANSACTION)
        .map(<[Tick]>::to_vec)
        .collect()
}

/// An empty, migrated SQLite database with 100 instruments, closed; it is removed at the end.
pub struct Place(TemporaryDatabase);

impl Place {
    pub fn new() -> Self {
        let place = TemporaryDatabase::sqlite().unwrap();
        let instruments = InstrumentRepository::new(&place);
        for id in 13..=INSTRUMENTS {
            let symbol = Symbol::new(&format!("BENCH{id}")).unwrap();
            let new = NewInstrument::new(symbol, "bench", InstrumentType::Equity);
            assert_eq!(instruments.insert(new).unwrap().id, id);
        }
        place.close();
        Self(place)
    }

    pub fn file(&self) -> &str {
        self.0.url()
    }

    pub fn open(&self) -> Database {
        Database::open(DatabaseConfig::new(self.file()).unwrap()).unwrap()
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// What each contender took in each round, in the order of the contenders.
pub struct Times {
    pub names: Vec<String>,
    pub seconds: Vec<Vec<f64>>,
    pub rows: usize,
}

impl Times {
    pub fn new(names: Vec<String>, rows: usize) -> Self {
        let seconds = vec![Vec::new(); names.len()];
        Self {
            names,
            seconds,
            rows,
        }
    }

    pub fn add(&mut self, contender: usize, took: Duration) {
        self.seconds[contender].push(took.as_secs_f64());
    }

    /// Medians of the rates, and of the ratios within a round to each of the first `bases`
    /// contenders.
    pub fn print(&self, title: &str, bases: usize) {
        println!("\n{title}");
        for (contender, name) in self.names.iter().enumerate() {
            let seconds = &self.seconds[contender];
            if seconds.is_empty() {
                continue;
            }
            let rate = median(seconds.iter().map(|s| self.rows as f64 / s).collect());
            print!("{name:<44} {rate:>10.0} rows/s");
            for base in self.seconds[..bases].iter().filter(|base| !base.is_empty()) {
                let ratios = base.iter().zip(seconds).map(|(base, s)| base / s);
                print!("  {:>5.2}", median(ratios.collect()));
            }
            println!();
        }
    }
}

/// The numbers among the arguments: rows, then rounds.
pub fn sizes(rows: usize, rounds: usize) -> (usize, usize) {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    (
        numbers.next().unwrap_or(rows),
        numbers.next().unwrap_or(rounds),
    )
}
