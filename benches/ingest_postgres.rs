//! Bulk insertion of ticks on PostgreSQL: `insert_batch` against `\copy` of psql and Diesel's own
//! ways, into the same table.
//!
//! ```sh
//! cargo bench --bench ingest_postgres --features postgres -- postgres://user@host/name
//! cargo bench --bench ingest_postgres --features postgres -- postgres://.. --rows 200000 --rounds 5
//! ```
//!
//! The user of the URL must be a superuser: each contender gets a database of its own, which is
//! dropped after it. All store the same ticks (100 instruments in random order, rising stamps, the
//! feed's own sequence, all nine values), 10,000 a transaction; `\copy` reads them from files
//! written before. They take turns in each round, each after a checkpoint and without autovacuum;
//! shown are the median rate and the medians of the ratios within a round. The count and the sums
//! of every column are checked after each run, exactly: all values are multiples of 1/4.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs)] // Nobody imports a bench.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "ingest_postgres/place.rs"]
mod place;
#[path = "ingest_postgres/ticks.rs"]
mod ticks;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use arguments::option;
use diesel::prelude::*;
use place::{Place, median, psql};
use tickbase::Timestamp;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use ticks::{Files, ROWS_PER_TRANSACTION, batches, sequence, unnumbered};

/// A statement of Diesel's has 13 binds a row, and PostgreSQL takes 65,535.
const ROWS_PER_VALUES: usize = 1_000;
/// The loops of small statements store this part of the rows.
const LOOP_PART: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    CopyCsv,
    CopyBinary,
    CopyForeignKeys,
    CopyBare,
    InsertBatch,
    InsertUnnumbered,
    InsertResent,
    DieselValues,
    RowLoop,
}

use Contender::*;

impl Contender {
    const ALL: [Self; 9] = [
        CopyCsv,
        CopyBinary,
        CopyForeignKeys,
        CopyBare,
        InsertBatch,
        InsertUnnumbered,
        InsertResent,
        DieselValues,
        RowLoop,
    ];

    const fn name(self) -> &'static str {
        match self {
            CopyCsv => "\\copy, CSV",
            CopyBinary => "\\copy, binary",
            CopyForeignKeys => "\\copy, binary, foreign keys instead",
            CopyBare => "\\copy, binary, no triggers at all",
            InsertBatch => "insert_batch",
            InsertUnnumbered => "insert_batch, ticks without a sequence",
            InsertResent => "insert_batch, all rows resent",
            DieselValues => "Diesel values(&vec) of 1,000",
            RowLoop => "Diesel, a row a statement",
        }
    }

    /// The part of the ticks that it stores, 1 in so many.
    const fn part(self) -> usize {
        match self {
            RowLoop => LOOP_PART,
            _ => 1,
        }
    }

    /// Stores the ticks in an empty database; how long that took.
    fn run(self, admin: &str, ticks: &[Tick], files: &Files) -> Duration {
        let place = Place::new(admin);
        let ticks = &ticks[..ticks.len() / self.part()];
        let took = match self {
            CopyCsv => place.psql(&files.csv),
            CopyBinary => place.psql(&files.binary),
            CopyForeignKeys => {
                place.execute(FOREIGN_KEYS);
                place.psql(&files.binary)
            }
            CopyBare => {
                place.execute("ALTER TABLE market_data DISABLE TRIGGER ALL");
                place.psql(&files.binary)
            }
            InsertBatch => place.insert(batches(ticks), false),
            InsertUnnumbered => place.insert(batches(&unnumbered(ticks)), false),
            InsertResent => {
                place.insert(batches(ticks), false);
                place.insert(batches(ticks), true)
            }
            DieselValues => place.values(ticks, ROWS_PER_VALUES, ROWS_PER_TRANSACTION),
            RowLoop => place.values(ticks, 1, ROWS_PER_TRANSACTION),
        };
        place.verify(ticks, self != InsertUnnumbered);
        took
    }
}

/// The foreign keys in whose place the triggers of `market_data` stand.
const FOREIGN_KEYS: &str = "DROP TRIGGER market_data_refers_insert ON market_data; \
    DROP TRIGGER market_data_refers_update ON market_data; \
    ALTER TABLE market_data ADD FOREIGN KEY (instrument_id) REFERENCES instruments (id), \
    ADD FOREIGN KEY (source_id) REFERENCES data_sources (id)";

impl Place {
    fn psql(&self, script: &Path) -> Duration {
        let mut psql = Command::new(psql());
        psql.args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file"]);
        let began = Instant::now();
        let status = psql.arg(script).arg(self.0.url()).status().unwrap();
        assert!(status.success(), "psql: {status}");
        began.elapsed()
    }

    /// Through `insert_batch`; every row must be new, or none.
    fn insert(&self, batches: Vec<Vec<Tick>>, resent: bool) -> Duration {
        let ticks = MarketDataRepository::new(&self.0);
        let began = Instant::now();
        for batch in batches {
            let rows = batch.len();
            let report = ticks.insert_batch(batch, InsertOptions::default()).unwrap();
            let expected = if resent { (0, rows) } else { (rows, 0) };
            assert_eq!((report.inserted, report.duplicates), expected);
        }
        began.elapsed()
    }

    /// Through Diesel's own statement, `rows` at a time.
    fn values(&self, ticks: &[Tick], rows: usize, transaction: usize) -> Duration {
        let mut conn = self.connect();
        let began = Instant::now();
        for batch in ticks.chunks(transaction) {
            let stored = conn.build_transaction().run(|conn| {
                let statements = batch.chunks(rows).map(|rows| {
                    let rows: Vec<NewTick> = rows.iter().map(NewTick::from).collect();
                    let insert = diesel::insert_into(market_data::table).values(rows);
                    insert.on_conflict_do_nothing().execute(conn)
                });
                statements.sum::<QueryResult<usize>>()
            });
            assert_eq!(stored.unwrap(), batch.len());
        }
        began.elapsed()
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Double, Nullable};
    use tickbase::sql_types::Timestamp;

    market_data (instrument_id, timestamp, source_id, sequence) {
        instrument_id -> BigInt,
        timestamp -> Timestamp,
        source_id -> BigInt,
        sequence -> BigInt,
        price -> Nullable<Double>,
        volume -> Nullable<Double>,
        bid -> Nullable<Double>,
        ask -> Nullable<Double>,
        bid_size -> Nullable<Double>,
        ask_size -> Nullable<Double>,
        open_price -> Nullable<Double>,
        high_price -> Nullable<Double>,
        low_price -> Nullable<Double>,
    }
}

#[derive(Insertable)]
#[diesel(table_name = market_data, treat_none_as_default_value = false)]
struct NewTick {
    instrument_id: i64,
    timestamp: Timestamp,
    source_id: i64,
    sequence: i64,
    price: Option<f64>,
    volume: Option<f64>,
    bid: Option<f64>,
    ask: Option<f64>,
    bid_size: Option<f64>,
    ask_size: Option<f64>,
    open_price: Option<f64>,
    high_price: Option<f64>,
    low_price: Option<f64>,
}

impl From<&Tick> for NewTick {
    fn from(tick: &Tick) -> Self {
        Self {
            instrument_id: tick.instrument_id(),
            timestamp: tick.timestamp(),
            source_id: tick.source_id(),
            sequence: sequence(tick),
            price: tick.price(),
            volume: tick.volume(),
            bid: tick.bid(),
            ask: tick.ask(),
            bid_size: tick.bid_size(),
            ask_size: tick.ask_size(),
            open_price: tick.open_price(),
            high_price: tick.high_price(),
            low_price: tick.low_price(),
        }
    }
}

/// Rows of a call, and how many calls are made.
const CALLS: [(usize, usize); 5] = [
    (1, 4_000),
    (10, 2_000),
    (100, 1_000),
    (300, 500),
    (1_000, 200),
];

/// Small batches, each a transaction of its own: microseconds a call.
fn calls(admin: &str, ticks: &[Tick], rounds: usize) {
    println!("\nsmall batches, {rounds} rounds: microseconds a call, ratio");
    for (rows, calls) in CALLS {
        let ticks = &ticks[..ticks.len().min(rows * calls)];
        let calls = ticks.len() / rows;
        let (mut values, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let micros = |took: Duration| took.as_secs_f64() * 1e6 / calls as f64;
            let place = Place::new(admin);
            values.push(micros(place.values(ticks, rows, rows)));
            place.verify(ticks, true);
            let place = Place::new(admin);
            let batches = ticks.chunks(rows).map(<[Tick]>::to_vec).collect();
            ours.push(micros(place.insert(batches, false)));
            place.verify(ticks, true);
        }
        let ratio = median(ours.iter().zip(&values).map(|(ours, values)| ours / values));
        let (values, ours) = (median(values.into_iter()), median(ours.into_iter()));
        println!(
            "{rows:>6} rows  values(&vec) {values:>8.0}  insert_batch {ours:>8.0} {ratio:>6.2}"
        );
    }
}

fn main() {
    let Some(admin) = std::env::args().find(|argument| argument.starts_with("postgres")) else {
        println!("give the URL of a PostgreSQL server: -- postgres://user@host/name");
        return;
    };
    let (rows, rounds) = (option("--rows", 1_000_000), option("--rounds", 3));
    let ticks = ticks::ticks(rows);
    if std::env::args().any(|argument| argument == "--calls") {
        return calls(&admin, &ticks, rounds);
    }
    let folder = tempfile::tempdir().unwrap();
    let files = Files::write(folder.path(), &ticks);
    let mut rates = vec![Vec::new(); Contender::ALL.len()];
    for round in 0..rounds {
        for turn in 0..Contender::ALL.len() {
            let index = (round + turn) % Contender::ALL.len();
            let contender = Contender::ALL[index];
            let took = contender.run(&admin, &ticks, &files).as_secs_f64();
            rates[index].push((rows / contender.part()) as f64 / took);
        }
    }
    println!("\n{rows} ticks, {rounds} rounds: rows/s, ratios to \\copy of CSV and of binary");
    for (contender, own) in Contender::ALL.iter().zip(&rates) {
        let rate = median(own.iter().copied());
        let ratio = |base: &[f64]| median(own.iter().zip(base).map(|(own, base)| own / base));
        let (csv, binary) = (ratio(&rates[0]), ratio(&rates[1]));
        println!(
            "{:<40} {rate:>9.0} {csv:>6.2} {binary:>6.2}",
            contender.name()
        );
    }
}
