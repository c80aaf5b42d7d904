//! What the ingest benches share: synthetic ticks, databases, rounds. No contender.
#![allow(dead_code)] // Each bench uses its part.

pub mod raw;

use std::time::{Duration, Instant};

use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{InstrumentType, Symbol};
use tickbase::models::NewInstrument;
use tickbase::repository::instrument;
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
    Ticks::new(numbered, 2_000).take(rows).collect()
}

/// The same without an end, whose stamps lie up to so many microseconds apart.
pub struct Ticks {
    random: Random,
    micros: i64,
    index: i64,
    instruments: i64,
    numbered: bool,
    step_max: u64,
}

impl Ticks {
    /// The stamp before the first one: 2023-11-14T22:13:20Z.
    pub const BEGIN_MICROS: i64 = 1_700_000_000_000_000;

    pub fn new(numbered: bool, step_max: u64) -> Self {
        Self {
            random: Random(0x9e37_79b9_7f4a_7c15),
            micros: Self::BEGIN_MICROS,
            index: 0,
            instruments: INSTRUMENTS,
            numbered,
            step_max,
        }
    }

    /// The same of so many instruments.
    pub fn among(self, instruments: i64) -> Self {
        Self {
            instruments,
            ..self
        }
    }
}

impl Iterator for Ticks {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        let (random, index) = (&mut self.random, self.index);
        self.index += 1;
        self.micros += 1 + random.below(self.step_max) as i64;
        let price = 1_000.0 + random.below(100_000) as f64 / 100.0;
        let spread = 0.01 * (1 + random.below(10)) as f64;
        let tick = Tick::try_from(RawTick {
            instrument_id: Some(1 + random.below(self.instruments as u64) as i64),
            timestamp: Some(Timestamp::from_micros(self.micros).unwrap()),
            source_id: None,
            sequence: self.numbered.then_some(index),
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
        Some(tick.unwrap())
    }
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
        Self::of(TemporaryDatabase::sqlite().unwrap())
    }

    /// The same on a PostgreSQL server whose superuser the URL names. Autovacuum does not come in
    /// between.
    #[cfg(feature = "postgres")]
    pub fn postgres(admin: &str) -> Self {
        let place = Self::of(TemporaryDatabase::postgres(admin).unwrap());
        for table in ["market_data", "market_data_bars"] {
            place.execute(&format!(
                "ALTER TABLE {table} SET (autovacuum_enabled = off)"
            ));
        }
        place
    }

    fn of(place: TemporaryDatabase) -> Self {
        let now = place.clock().now();
        for id in 13..=INSTRUMENTS {
            let symbol = Symbol::new(&format!("BENCH{id}")).unwrap();
            let new = NewInstrument::new(symbol, "bench", InstrumentType::Equity);
            let added = place.write("instrument.insert", move |conn| {
                instrument::insert(conn, &new, now)
            });
            assert_eq!(added.unwrap().id, id);
        }
        place.close();
        Self(place)
    }

    /// The file on SQLite.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// No statement is cancelled for its length.
    pub fn open(&self) -> Database {
        let config = DatabaseConfig::new(self.url()).unwrap().with(|config| {
            config.postgres.statement_timeout = Duration::ZERO;
        });
        Database::open(config).unwrap()
    }

    /// What autovacuum does on PostgreSQL in the minutes after a load; nothing on SQLite.
    pub fn settle(&self) {
        #[cfg(feature = "postgres")]
        if self.0.backend() == tickbase::database::Backend::Postgres {
            self.execute("VACUUM (ANALYZE)");
        }
    }

    #[cfg(feature = "postgres")]
    fn execute(&self, sql: &str) {
        use diesel::connection::{Connection, SimpleConnection};
        let mut conn = diesel::PgConnection::establish(self.url()).unwrap();
        conn.batch_execute(sql).unwrap();
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Time on the clock, and time on the processors, all threads together. The first counts what the
/// disk takes and what others on the machine take; the second is steadier.
#[derive(Clone, Copy)]
pub struct Took {
    pub wall: f64,
    pub cpu: Option<f64>,
}

pub struct Stopwatch {
    began: Instant,
    cpu: Option<f64>,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self {
            cpu: cpu_seconds(),
            began: Instant::now(),
        }
    }

    pub fn stop(&self) -> Took {
        let wall = self.began.elapsed().as_secs_f64();
        let used = |now| self.cpu.map(|began| now - began);
        Took {
            wall,
            cpu: cpu_seconds().and_then(used),
        }
    }
}

/// Processor time of the threads that live; only Linux tells it as files.
fn cpu_seconds() -> Option<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let file = thread.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(file).ok()?;
        nanoseconds += text.split(' ').next()?.parse::<f64>().ok()?;
    }
    Some(nanoseconds / 1e9)
}

/// What each contender took in each round, in the order of the contenders.
pub struct Times {
    names: Vec<String>,
    took: Vec<Vec<Took>>,
    rows: usize,
}

impl Times {
    pub fn new(names: &[&str], rows: usize) -> Self {
        Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            took: vec![Vec::new(); names.len()],
            rows,
        }
    }

    pub fn add(&mut self, contender: usize, took: Took) {
        self.took[contender].push(took);
    }

    /// Medians of the rates, and of the ratios within a round to each of the first `bases`
    /// contenders: by the clock, then by processor time.
    pub fn print(&self, title: &str, bases: usize) {
        println!("\n{title}");
        let wall = |took: &Took| Some(took.wall);
        let cpu = |took: &Took| took.cpu;
        for (contender, name) in self.names.iter().enumerate() {
            println!(
                "{name:<44} {} | {}",
                self.column(contender, bases, wall),
                self.column(contender, bases, cpu),
            );
        }
    }

    fn column(&self, contender: usize, bases: usize, of: fn(&Took) -> Option<f64>) -> String {
        let seconds =
            |contender: usize| -> Vec<f64> { self.took[contender].iter().filter_map(of).collect() };
        let own = seconds(contender);
        if own.is_empty() {
            return String::new();
        }
        let rate = median(own.iter().map(|s| self.rows as f64 / s).collect());
        let mut column = format!("{rate:>9.0}/s");
        for base in (0..bases)
            .map(seconds)
            .filter(|base| base.len() == own.len())
        {
            let ratios = base.iter().zip(&own).map(|(base, own)| base / own);
            column += &format!(" {:>5.2}", median(ratios.collect()));
        }
        column
    }
}

/// Rows and rounds: the numbers after `--rows` and `--rounds`, else those among the arguments.
pub fn sizes(rows: usize, rounds: usize) -> (usize, usize) {
    let arguments: Vec<String> = std::env::args().collect();
    let named = |name: &str| {
        let mut after = arguments.iter().skip_while(|argument| *argument != name);
        after.nth(1).map(|number| number.parse().unwrap())
    };
    let named = (named("--rows"), named("--rounds"));
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let mut next = || numbers.next().filter(|_| named == (None, None));
    let unnamed = (next(), next());
    (
        named.0.or(unnamed.0).unwrap_or(rows),
        named.1.or(unnamed.1).unwrap_or(rounds),
    )
}

/// Whether a contender takes part: those whose name starts with an argument, else all.
pub fn takes_part(name: &str) -> bool {
    let is_name = |text: &String| !text.starts_with('-') && text.parse::<usize>().is_err();
    let wanted: Vec<String> = std::env::args().skip(1).filter(is_name).collect();
    wanted.is_empty()
        || wanted
            .iter()
            .any(|wanted| name.starts_with(wanted.as_str()))
}
