//! Bulk insertion of ticks on SQLite: `insert_batch` beside sqlx, SeaORM and SQLAlchemy.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml              # 500,000 rows, 5 times
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- 200000 3  # rows, times
//! PEERS_PYTHON=~/venv/bin/python cargo run --release --manifest-path ..     # with SQLAlchemy
//! ```
//!
//! Run it from the project's root, whose `.cargo/config.toml` says how SQLite is compiled. All
//! contenders store the same ticks (100 instruments in random order, rising stamps, all nine
//! values) into the migrated table, 10,000 rows a transaction, with the pragmas of tickbase's write
//! connection, and ignore what is stored already. The Rust ones have the same SQLite, in this
//! process. They take turns in each round, each on a new file; shown are the median
//! rate and the medians of the ratios to `insert_batch` and to the raw C loop, by the clock and
//! by processor time. The count and the sum of every column are checked after each.

mod by_sea_orm;
mod by_sqlalchemy;
mod by_sqlx;
#[path = "../../common/mod.rs"]
mod common;

use common::raw;
use common::{Place, Stopwatch, Times, Took, batches, sizes, takes_part, ticks};
use tickbase::database::PragmaState;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};

/// The columns that all write, in this order.
const COLUMNS: [&str; 13] = [
    "instrument_id",
    "timestamp",
    "source_id",
    "sequence",
    "price",
    "volume",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "open_price",
    "high_price",
    "low_price",
];

/// Rows of one statement, as one would write it.
const ROWS_PER_STATEMENT: usize = 1_000;
/// Near the most that a statement can have: SQLite takes 32,766 values.
const ROWS_PER_STATEMENT_MAX: usize = 2_500;

#[derive(Debug, Clone, Copy)]
enum Contender {
    InsertBatch,
    RawLoop,
    SqlxValues,
    SqlxValuesMax,
    SqlxRows,
    SeaOrm,
    SeaOrmMax,
    SqlAlchemy,
}

use Contender::*;

impl Contender {
    const ALL: [Self; 8] = [
        InsertBatch,
        RawLoop,
        SqlxValues,
        SqlxValuesMax,
        SqlxRows,
        SeaOrm,
        SeaOrmMax,
        SqlAlchemy,
    ];

    const fn name(self) -> &'static str {
        match self {
            InsertBatch => "tickbase insert_batch",
            RawLoop => "raw C loop",
            SqlxValues => "sqlx, QueryBuilder of 1,000 rows",
            SqlxValuesMax => "sqlx, QueryBuilder of 2,500 rows",
            SqlxRows => "sqlx, one prepared row at a time",
            SeaOrm => "SeaORM, insert_many of 1,000",
            SeaOrmMax => "SeaORM, insert_many of 2,500",
            SqlAlchemy => "SQLAlchemy core, executemany of 10,000",
        }
    }

    fn store(self, place: &Place, given: &[Tick], pragmas: &[(&str, &str)]) -> Took {
        let (file, batches) = (place.file(), batches(given));
        match self {
            InsertBatch => insert_batch(place, batches),
            RawLoop => raw_loop(place, batches, pragmas),
            SqlxValues => by_sqlx::values(file, pragmas, batches, ROWS_PER_STATEMENT),
            SqlxValuesMax => by_sqlx::values(file, pragmas, batches, ROWS_PER_STATEMENT_MAX),
            SqlxRows => by_sqlx::rows(file, pragmas, batches),
            SeaOrm => by_sea_orm::insert_many(file, pragmas, batches, ROWS_PER_STATEMENT),
            SeaOrmMax => by_sea_orm::insert_many(file, pragmas, batches, ROWS_PER_STATEMENT_MAX),
            SqlAlchemy => by_sqlalchemy::executemany(file, pragmas, given),
        }
    }

    fn takes_part(self) -> bool {
        takes_part(self.name()) && (!matches!(self, SqlAlchemy) || by_sqlalchemy::is_there())
    }
}

fn insert_batch(place: &Place, batches: Vec<Vec<Tick>>) -> Took {
    let db = place.open();
    let market_data = MarketDataRepository::new(&db);
    let watch = Stopwatch::start();
    for batch in batches {
        let rows = batch.len();
        let report = market_data.insert_batch(batch, InsertOptions::default());
        assert_eq!(report.unwrap().inserted, rows);
    }
    let took = watch.stop();
    db.close();
    took
}

fn raw_loop(place: &Place, batches: Vec<Vec<Tick>>, pragmas: &[(&str, &str)]) -> Took {
    let conn = raw::Connection::open(place.file(), &[]);
    for (name, value) in pragmas {
        conn.execute(&format!("PRAGMA {name} = {value}"));
    }
    let insert = conn.prepare(raw::INSERT);
    let watch = Stopwatch::start();
    for batch in batches {
        conn.execute("BEGIN IMMEDIATE");
        let stored = batch.iter().filter(|tick| insert.insert(tick)).count();
        assert_eq!(stored, batch.len());
        conn.execute("COMMIT");
    }
    watch.stop()
}

/// The count and the sum of every column of the ticks: stamps since 2023-11-14, as whole numbers.
fn sums(ticks: &[Tick]) -> Vec<f64> {
    let keys = |tick: &Tick| {
        let [instrument, micros, source, sequence] = raw::key(tick);
        [instrument, micros - by_sqlx::STAMP_ORIGIN, source, sequence]
    };
    let mut sums = vec![0.0; COLUMNS.len()];
    for tick in ticks {
        let values = raw::values(tick).map(Option::unwrap_or_default);
        let keys = keys(tick).map(|key| key as f64);
        for (sum, value) in sums.iter_mut().zip(keys.into_iter().chain(values)) {
            *sum += value;
        }
    }
    sums
}

fn verify(place: &Place, rows: usize, given: &[f64]) {
    let (count, stored) = by_sqlx::sums(place.file());
    assert_eq!(count, rows as i64);
    for ((stored, given), column) in stored.iter().zip(given).zip(COLUMNS) {
        // The order of the additions differs.
        let same = (stored / given - 1.0).abs() < 1e-9;
        assert!(same, "{column}: {stored}, {given}");
    }
}

fn main() {
    let (rows, rounds) = sizes(500_000, 5);
    let ticks = ticks(rows, true);
    let sums = sums(&ticks);
    let pragmas: Vec<PragmaState> = Place::new().open().sqlite_pragmas().unwrap();
    let writer = pragmas.iter().filter(|pragma| pragma.role == "writer");
    let pragmas: Vec<(&str, &str)> = writer
        .map(|pragma| (pragma.name, pragma.actual.as_str()))
        .collect();
    println!("SQLite {}, {pragmas:?}", by_sqlx::sqlite_version());
    let contenders = Contender::ALL;
    let mut times = Times::new(&contenders.map(Contender::name), rows);
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            if contenders[index].takes_part() {
                let place = Place::new();
                times.add(index, contenders[index].store(&place, &ticks, &pragmas));
                verify(&place, rows, &sums);
            }
        }
    }
    let title = format!("{rows} ticks (ratios to insert_batch and to the raw loop)");
    times.print(&title, 2);
}
