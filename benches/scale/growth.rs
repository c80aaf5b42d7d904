//! What a tick costs as the table grows. The rows are made inside the database, in the order in
//! which `insert_batch` leaves them: batches of 10,000, each sorted by key.

use std::time::{Duration, Instant};

use tickbase::Timestamp;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::repository::RangeQuery;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};

use crate::server::Server;
use crate::store::{Engine, ScaleStore, Totals};
use crate::{millis, percentile};

const SIZES: [i64; 5] = [1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000];
const INSTRUMENTS: i64 = 100;
/// 2024-01-01, in UTC.
const START_MICROS: i64 = 1_704_067_200_000_000;
/// Ticks that an instrument has on a day.
const TICKS_A_DAY: i64 = 10_000;
const DAY_MICROS: i64 = 86_400_000_000;
const STEP_MICROS: i64 = DAY_MICROS / TICKS_A_DAY;
/// Ticks of an instrument in a batch, of those that are made and of those that are measured.
const MADE_AT_ONCE: i64 = 100;
const APPENDED_AT_ONCE: i64 = 10;
const BATCHES: i64 = 50;
const DAYS: i64 = 9;
const PARTITIONS: i64 = 12;
const ROWS_PER_STATEMENT: i64 = 1_000_000;
/// So much of the disk stays free, and so much does a row take at the most, with the WAL beside it.
const FREE_MIN: u64 = 20_000_000_000;
const BYTES_A_ROW_MAX: u64 = 250;

fn price(instrument: i64, index: i64) -> f64 {
    1_000.0 + ((index * 7_919 + instrument * 104_729) % 100_000) as f64 / 100.0
}

/// A table that grows, and what is in it.
struct Growth<'a> {
    store: ScaleStore,
    server: &'a Server,
    /// Ticks of each instrument, but for the late ones.
    done: i64,
    totals: Totals,
    random: u64,
}

impl<'a> Growth<'a> {
    fn new(engine: Engine, server: &'a Server, rows_max: i64) -> Self {
        let store = ScaleStore::new(engine, server, INSTRUMENTS);
        let mut growth = Self {
            store,
            server,
            done: 0,
            totals: Totals::default(),
            random: 0x9e37_79b9_7f4a_7c15,
        };
        if engine == Engine::Partitioned {
            growth.partition(rows_max);
        }
        growth
    }

    /// The script lets the first partition end with the month of the newest tick, so there is one tick
    /// before the others; they get partitions of equal length.
    fn partition(&mut self, rows_max: i64) {
        self.store.execute(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price) \
             VALUES (1, '2023-12-15 00:00+00', 1, 0, 1000)",
        );
        let micros = START_MICROS - 17 * DAY_MICROS;
        self.totals.add_values(1, micros, 0, 1_000.0);
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/deploy/partition-market-data.sql"
        );
        self.store
            .execute(&std::fs::read_to_string(script).unwrap());
        let length = rows_max / INSTRUMENTS * STEP_MICROS / PARTITIONS;
        for number in 0..PARTITIONS {
            let bound = |number: i64| {
                let micros = START_MICROS + number * length;
                format!("'{}'", Timestamp::from_micros(micros).unwrap())
            };
            let to = match number + 1 {
                PARTITIONS => "MAXVALUE".to_owned(),
                next => bound(next),
            };
            let (name, from) = (format!("market_data_{number}"), bound(number));
            self.store.execute(&format!(
                "CREATE TABLE {name} PARTITION OF market_data FOR VALUES FROM ({from}) TO ({to}); \
                 SELECT tickbase_guard_partition('{name}')"
            ));
        }
    }

    /// Whether there is room for so many rows.
    fn has_room(&self, rows: i64) -> bool {
        let more = (rows - self.totals.rows).max(0).unsigned_abs();
        self.store.free(self.server) > FREE_MIN + more * BYTES_A_ROW_MAX
    }

    fn grow(&mut self, rows: i64) {
        // Whole batches.
        let wanted = (rows / INSTRUMENTS - self.done) / MADE_AT_ONCE * MADE_AT_ONCE;
        let end = self.done + wanted;
        while self.done < end {
            let count = (end - self.done).min(ROWS_PER_STATEMENT / INSTRUMENTS);
            self.store.execute(&self.statement(count));
            for index in self.done..self.done + count {
                for instrument in 1..=INSTRUMENTS {
                    let micros = START_MICROS + index * STEP_MICROS;
                    let price = price(instrument, index);
                    self.totals.add_values(instrument, micros, index, price);
                }
            }
            self.done += count;
        }
        let newest = START_MICROS + (self.done - 1) * STEP_MICROS;
        let stamp = match self.store.engine {
            Engine::Sqlite => newest.to_string(),
            _ => format!("'{}'", Timestamp::from_micros(newest).unwrap()),
        };
        self.store.execute(&format!(
            "UPDATE instrument_state SET last_tick = {stamp}, ticks_version = ticks_version + 1, \
             last_price = 1000 + CAST((CAST({} AS BIGINT) * 7919 + instrument_id * 104729) % 100000 \
             AS DOUBLE PRECISION) / 100 WHERE instrument_id <= {INSTRUMENTS}",
            self.done - 1
        ));
        self.store.settle();
    }

    /// Makes so many ticks more of each instrument.
    fn statement(&self, count: i64) -> String {
        let (rows, done) = (count * INSTRUMENTS, self.done);
        let (series, stamp) = match self.store.engine {
            Engine::Sqlite => (
                format!(
                    "WITH RECURSIVE series (n) AS \
                     (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {rows})"
                ),
                format!("{START_MICROS} + i * {STEP_MICROS}"),
            ),
            _ => (
                // Not each statement of a million looks for the instruments of its rows.
                format!(
                    "SET session_replication_role = replica; \
                     WITH series AS (SELECT generate_series(0::bigint, {rows} - 1) AS n)"
                ),
                format!(
                    "'epoch'::timestamptz + ({START_MICROS} + i * {STEP_MICROS}) * \
                     INTERVAL '1 microsecond'"
                ),
            ),
        };
        format!(
            "{series}, places AS (SELECT n / {MADE_AT_ONCE} % {INSTRUMENTS} + 1 AS k, \
             {done} + n / {} * {MADE_AT_ONCE} + n % {MADE_AT_ONCE} AS i FROM series), \
             prices AS (SELECT k, i, 1000 + CAST((i * 7919 + k * 104729) % 100000 \
             AS DOUBLE PRECISION) / 100 AS p FROM places) \
             INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price, \
             volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price) \
             SELECT k, {stamp}, 1, i, p, 1 + i % 500, p - 0.05, p + 0.05, 1 + i % 100, \
             1 + i * 3 % 100, 1500.25, CASE WHEN p > 1900 THEN p ELSE 1900 END, \
             CASE WHEN p < 1100 THEN p ELSE 1100 END FROM prices",
            MADE_AT_ONCE * INSTRUMENTS
        )
    }

    fn append(&mut self, db: &Database) -> Duration {
        let mut batch = Vec::new();
        for index in self.done..self.done + APPENDED_AT_ONCE {
            let micros = START_MICROS + index * STEP_MICROS;
            batch.extend((1..=INSTRUMENTS).map(|instrument| tick(instrument, micros, index)));
        }
        self.done += APPENDED_AT_ONCE;
        self.insert(db, batch)
    }

    /// Ticks of any instrument and any moment, between stored ones.
    fn late(&mut self, db: &Database) -> Duration {
        let mut batch = Vec::new();
        for _ in 0..APPENDED_AT_ONCE * INSTRUMENTS {
            let (instrument, index) = (1 + self.below(INSTRUMENTS), self.below(self.done));
            let micros = START_MICROS + index * STEP_MICROS + 1 + self.below(STEP_MICROS - 1);
            batch.push(tick(instrument, micros, index));
        }
        self.insert(db, batch)
    }

    fn insert(&mut self, db: &Database, batch: Vec<Tick>) -> Duration {
        batch.iter().for_each(|tick| self.totals.add(tick));
        let (rows, began) = (batch.len(), Instant::now());
        let ticks = MarketDataRepository::new(db);
        let report = ticks.insert_batch(batch, InsertOptions::default()).unwrap();
        assert_eq!(report.inserted, rows);
        began.elapsed()
    }

    fn below(&mut self, bound: i64) -> i64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound.unsigned_abs()).cast_signed()
    }

    /// A day of an instrument: another one each time, as users ask for it.
    fn read_day(&mut self, db: &Database) -> Duration {
        let first = self.below(self.done / TICKS_A_DAY) * TICKS_A_DAY;
        let stamp = |index: i64| Timestamp::from_micros(START_MICROS + index * STEP_MICROS);
        let range = TickRange {
            instrument_id: 1 + self.below(INSTRUMENTS),
            start: Some(stamp(first).unwrap()),
            end: Some(stamp(first + TICKS_A_DAY).unwrap()),
        };
        let (page, began) = (RangeQuery::new(range, 10_000), Instant::now());
        let read = MarketDataRepository::new(db).range(&page).unwrap();
        assert_eq!(read.rows.len(), 10_000);
        began.elapsed()
    }

    fn measure(&mut self) {
        let (rows, bytes) = (self.totals.rows, self.store.bytes());
        let db = self.store.open();
        // Connections and plans are made before anything is measured.
        self.append(&db);
        self.late(&db);
        let ids: Vec<i64> = (1..=INSTRUMENTS).collect();
        let read_latest = || {
            let began = Instant::now();
            let newest = MarketDataRepository::new(&db).latest(&ids).unwrap();
            assert_eq!(newest.len(), ids.len());
            began.elapsed()
        };
        let mut days: Vec<_> = (0..DAYS).map(|_| self.read_day(&db)).collect();
        let mut latest: Vec<_> = (0..BATCHES).map(|_| read_latest()).collect();
        let mut appended: Vec<_> = (0..BATCHES).map(|_| self.append(&db)).collect();
        let mut late: Vec<_> = (0..BATCHES).map(|_| self.late(&db)).collect();
        db.close();
        // A batch has 1,000 ticks: its milliseconds are the microseconds of a tick.
        println!(
            "| {} | {:.1} | {} | {} | {} | {} | {} | {} | {:.0} | {:.2} |",
            self.store.engine.name(),
            rows as f64 / 1e6,
            millis(percentile(&mut appended, 50)),
            millis(percentile(&mut appended, 100)),
            millis(percentile(&mut late, 50)),
            millis(percentile(&mut late, 100)),
            millis(percentile(&mut latest, 50)),
            millis(percentile(&mut days, 50)),
            bytes as f64 / rows as f64,
            bytes as f64 / 1e9,
        );
    }
}

pub(crate) fn table(server: &Server, rows_max: i64, engines: &[Engine]) {
    println!(
        "\nbatches of 1,000 ticks of 100 instruments, {BATCHES} of each kind: the median and the longest"
    );
    println!(
        "| backend | million rows | appended, us a tick | longest | late, us a tick | longest | \
         latest of 100, ms | day of 10,000 ticks, ms | bytes a tick | GB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for engine in engines {
        let mut growth = Growth::new(*engine, server, rows_max);
        for rows in SIZES.into_iter().filter(|rows| *rows <= rows_max) {
            if !growth.has_room(rows) {
                println!("{}: no room for {rows} rows", engine.name());
                break;
            }
            growth.grow(rows);
            growth.measure();
            assert_eq!(growth.store.totals(), growth.totals);
        }
    }
}

fn tick(instrument: i64, micros: i64, index: i64) -> Tick {
    let price = price(instrument, index);
    let raw = RawTick {
        instrument_id: Some(instrument),
        timestamp: Some(Timestamp::from_micros(micros).unwrap()),
        source_id: None,
        sequence: Some(index),
        price: Some(price),
        volume: Some((1 + index % 500) as f64),
        bid: Some(price - 0.05),
        ask: Some(price + 0.05),
        bid_size: Some((1 + index % 100) as f64),
        ask_size: Some((1 + index * 3 % 100) as f64),
        open_price: Some(1_500.25),
        high_price: Some(price.max(1_900.0)),
        low_price: Some(price.min(1_100.0)),
    };
    Tick::try_from(raw).unwrap()
}
