//! Bulk insertion of ticks on SQLite: `insert_batch` against the raw C API and Diesel's own ways.
//!
//! ```sh
//! cargo bench --bench ingest_sqlite                 # 1,000,000 rows, 5 rounds
//! cargo bench --bench ingest_sqlite -- 200000 3     # rows, rounds
//! cargo bench --bench ingest_sqlite -- insert_batch # contenders whose names start so
//! ```
//!
//! All contenders store the same ticks (100 instruments in random order, rising stamps, all nine
//! values) into the migrated table, 10,000 rows a transaction, on a connection with the pragmas of
//! the write connection, and ignore what is stored already. They take turns in each round; shown are the
//! median rate and the median of the ratios to the raw loops. Each
//! run's rows and sums are checked. The second table sends half of the stored ticks once more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

mod common;

use common::raw;
use common::{
    Place, ROWS_PER_TRANSACTION, Stopwatch, Times, Took, batches, sizes, takes_part, ticks,
};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tickbase::database::PragmaState;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};

diesel::table! {
    market_data (instrument_id, timestamp, source_id, sequence) {
        instrument_id -> BigInt,
        timestamp -> BigInt,
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

/// The columns of a tick as Diesel derives them, with `None` as NULL or as DEFAULT.
macro_rules! new_tick {
    ($name:ident, $none_is_default:literal) => {
        #[derive(Insertable)]
        #[diesel(table_name = market_data, treat_none_as_default_value = $none_is_default)]
        struct $name {
            instrument_id: i64,
            timestamp: i64,
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

        impl From<&Tick> for $name {
            fn from(tick: &Tick) -> Self {
                Self {
                    instrument_id: tick.instrument_id(),
                    timestamp: tick.timestamp().micros(),
                    source_id: tick.source_id(),
                    sequence: tick.sequence().unwrap_or(0),
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
    };
}
new_tick!(NullTick, false);
new_tick!(DefaultTick, true);

/// Rows of one statement of Diesel's: 13 binds each, within SQLite's 32,766.
const ROWS_PER_STATEMENT: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Contender {
    RawAsGiven,
    RawInKeyOrder,
    InsertBatch,
    InsertBatchWithOutcomes,
    InsertBatchUnnumbered,
    DieselValues,
    DieselValuesDefault,
}

use Contender::*;

impl Contender {
    const ALL: [Self; 7] = [
        RawAsGiven,
        RawInKeyOrder,
        InsertBatch,
        InsertBatchWithOutcomes,
        InsertBatchUnnumbered,
        DieselValues,
        DieselValuesDefault,
    ];

    fn name(self) -> &'static str {
        match self {
            RawAsGiven => "raw C loop, rows as given",
            RawInKeyOrder => "raw C loop, batches sorted by key before",
            InsertBatch => "insert_batch",
            InsertBatchWithOutcomes => "insert_batch, outcome of each row",
            InsertBatchUnnumbered => "insert_batch, ticks without a sequence",
            DieselValues => "Diesel values(&vec) of 1,000, None is NULL",
            DieselValuesDefault => "Diesel values(&vec) of 1,000, as derived",
        }
    }

    /// Stores the batches; how long it took, from the ticks in memory to the last commit.
    fn store(self, place: &Place, batches: Vec<Vec<Tick>>, pragmas: &[PragmaState]) -> Took {
        match self {
            RawAsGiven => store_raw(place, batches, pragmas),
            RawInKeyOrder => {
                let mut batches = batches;
                batches
                    .iter_mut()
                    .for_each(|batch| batch.sort_by_key(raw::key));
                store_raw(place, batches, pragmas)
            }
            InsertBatch | InsertBatchWithOutcomes => {
                store_ours(place, batches, self == InsertBatchWithOutcomes)
            }
            InsertBatchUnnumbered => {
                let rows = batches.iter().map(Vec::len).sum();
                let batches = common::batches(&ticks(rows, false));
                store_ours(place, batches, false)
            }
            DieselValues => store_diesel(place, batches, pragmas, |conn, rows| {
                let rows: Vec<NullTick> = rows.iter().map(Into::into).collect();
                diesel::insert_or_ignore_into(market_data::table)
                    .values(&rows)
                    .execute(conn)
            }),
            DieselValuesDefault => store_diesel(place, batches, pragmas, |conn, rows| {
                let rows: Vec<DefaultTick> = rows.iter().map(Into::into).collect();
                diesel::insert_or_ignore_into(market_data::table)
                    .values(&rows)
                    .execute(conn)
            }),
        }
    }
}

fn store_raw(place: &Place, batches: Vec<Vec<Tick>>, pragmas: &[PragmaState]) -> Took {
    let conn = raw::Connection::open(place.url(), pragmas);
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

fn store_ours(place: &Place, batches: Vec<Vec<Tick>>, outcomes: bool) -> Took {
    let db = place.open();
    let market_data = MarketDataRepository::new(&db);
    let watch = Stopwatch::start();
    for batch in batches {
        let rows = batch.len();
        let options = InsertOptions {
            outcomes,
            ..InsertOptions::default()
        };
        let report = market_data.insert_batch(batch, options).unwrap();
        assert_eq!((report.inserted, report.late), (rows, 0));
        assert_eq!(report.outcomes.map_or(rows, |all| all.len()), rows);
    }
    let took = watch.stop();
    db.close();
    took
}

fn store_diesel(
    place: &Place,
    batches: Vec<Vec<Tick>>,
    pragmas: &[PragmaState],
    insert: impl Fn(&mut SqliteConnection, &[Tick]) -> QueryResult<usize>,
) -> Took {
    let mut conn = SqliteConnection::establish(place.url()).unwrap();
    for pragma in pragmas.iter().filter(|pragma| pragma.role == "writer") {
        let pragma = format!("PRAGMA {} = {}", pragma.name, pragma.actual);
        conn.batch_execute(&pragma).unwrap();
    }
    let watch = Stopwatch::start();
    for batch in batches {
        let stored = conn.immediate_transaction(|conn| {
            let chunks = batch.chunks(ROWS_PER_STATEMENT);
            chunks
                .map(|rows| insert(conn, rows))
                .sum::<QueryResult<usize>>()
        });
        assert_eq!(stored.unwrap(), batch.len());
    }
    watch.stop()
}

/// Counts and sums of what is stored against the ticks.
fn verify(place: &Place, ticks: &[Tick]) {
    let mut conn = SqliteConnection::establish(place.url()).unwrap();
    let columns: String = VALUES
        .map(|name| format!(", total({name}) AS {name}"))
        .concat();
    let sql = format!(
        "SELECT count(*) AS rows, sum(instrument_id) AS instruments, \
         sum(\"timestamp\" - 1700000000000000) AS stamps{columns} FROM market_data"
    );
    let sums: Sums = diesel::sql_query(sql).get_result(&mut conn).unwrap();
    let whole = |number: fn(&Tick) -> i64| ticks.iter().map(number).sum::<i64>();
    assert_eq!(sums.rows, ticks.len() as i64);
    assert_eq!(sums.instruments, whole(Tick::instrument_id));
    assert_eq!(
        sums.stamps,
        whole(|tick| tick.timestamp().micros() - 1_700_000_000_000_000)
    );
    let stored = [
        sums.price,
        sums.volume,
        sums.bid,
        sums.ask,
        sums.bid_size,
        sums.ask_size,
        sums.open_price,
        sums.high_price,
        sums.low_price,
    ];
    for (column, stored) in stored.into_iter().enumerate() {
        let given: f64 = ticks
            .iter()
            .filter_map(|tick| raw::values(tick)[column])
            .sum();
        // The order of the additions differs.
        assert!(
            (stored / given - 1.0).abs() < 1e-9,
            "{}: {stored}, {given}",
            VALUES[column]
        );
    }
}

const VALUES: [&str; 9] = [
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

#[derive(QueryableByName)]
#[diesel(table_name = sums)]
struct Sums {
    rows: i64,
    instruments: i64,
    stamps: i64,
    price: f64,
    volume: f64,
    bid: f64,
    ask: f64,
    bid_size: f64,
    ask_size: f64,
    open_price: f64,
    high_price: f64,
    low_price: f64,
}

diesel::table! {
    sums (rows) {
        rows -> BigInt,
        instruments -> BigInt,
        stamps -> BigInt,
        price -> Double,
        volume -> Double,
        bid -> Double,
        ask -> Double,
        bid_size -> Double,
        ask_size -> Double,
        open_price -> Double,
        high_price -> Double,
        low_price -> Double,
    }
}

/// Sends ticks that are stored once more: nothing is stored, each is compared.
fn resend(place: &Place, sent: &[Tick], pragmas: &[PragmaState], times: &mut Times) {
    let conn = raw::Connection::open(place.url(), pragmas);
    let (insert, find) = (conn.prepare(raw::INSERT), conn.prepare(raw::FIND));
    let watch = Stopwatch::start();
    for batch in sent.chunks(ROWS_PER_TRANSACTION) {
        conn.execute("BEGIN IMMEDIATE");
        let same = batch
            .iter()
            .filter(|tick| !insert.insert(tick) && find.holds(tick));
        assert_eq!(same.count(), batch.len());
        conn.execute("COMMIT");
    }
    times.add(0, watch.stop());
    drop((insert, find));
    drop(conn);

    let db = place.open();
    let market_data = MarketDataRepository::new(&db);
    let batches = batches(sent);
    let watch = Stopwatch::start();
    for batch in batches {
        let rows = batch.len();
        let report = market_data
            .insert_batch(batch, InsertOptions::default())
            .unwrap();
        assert_eq!(report.duplicates, rows);
    }
    times.add(1, watch.stop());
    db.close();
}

fn main() {
    let (rows, rounds) = sizes(1_000_000, 5);
    let ticks = ticks(rows, true);
    let pragmas = {
        let place = Place::new();
        let db = place.open();
        db.sqlite_pragmas().unwrap()
    };
    let contenders = Contender::ALL;
    let mut times = Times::new(&contenders.map(Contender::name), rows);
    let names = ["raw C loop: insert, then compare", "insert_batch"];
    let mut times_resent = Times::new(&names, rows / 2);
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            if !takes_part(contenders[index].name()) {
                continue;
            }
            let place = Place::new();
            times.add(
                index,
                contenders[index].store(&place, batches(&ticks), &pragmas),
            );
            verify(&place, &ticks);
            if contenders[index] == InsertBatch {
                resend(&place, &ticks[..rows / 2], &pragmas, &mut times_resent);
                verify(&place, &ticks);
            }
        }
    }
    times.print(
        &format!("{rows} new ticks (ratios to the two raw loops)"),
        2,
    );
    times_resent.print(
        &format!("{} ticks resent (ratio to the raw loop)", rows / 2),
        1,
    );
}
