//! Many producers, each of which wants its ticks durable before it goes on: the write lane against
//! a pool with BEGIN IMMEDIATE and busy_timeout, and against a mutex around one connection.
//!
//! ```sh
//! cargo bench --bench group_commit                    # all cells, about 3 minutes
//! cargo bench --bench group_commit -- 64 100 normal   # some: threads, ticks per call, synchronous
//! ```
//!
//! All three store the same ticks by the same `insert_batch` into the same migrated file with the
//! same pragmas; each contender has a file of its own, and they take turns cell by cell. What was
//! acknowledged is counted and compared with what is stored. A contender's own error (locked) is
//! tried again and counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use tickbase::Timestamp;
use tickbase::config::{DatabaseConfig, Synchronous};
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, insert_batch};

const THREADS: [usize; 4] = [1, 4, 16, 64];
const TICKS: [usize; 3] = [1, 10, 100];
const SYNCHRONOUS: [(&str, Synchronous); 2] =
    [("normal", Synchronous::Normal), ("full", Synchronous::Full)];
const CELL: Duration = Duration::from_millis(1_500);
const INSTRUMENTS: i64 = 12;

/// Stores a batch; returns how often it had to try again.
trait Contender: Sync {
    fn name(&self) -> &'static str;
    fn store(&self, ticks: Vec<Tick>) -> u64;
}

struct Lane(Database);

impl Contender for Lane {
    fn name(&self) -> &'static str {
        "write lane"
    }

    fn store(&self, ticks: Vec<Tick>) -> u64 {
        let count = ticks.len();
        let report = MarketDataRepository::new(&self.0)
            .insert_batch(ticks, InsertOptions::default())
            .unwrap();
        assert_eq!(report.inserted, count);
        0
    }
}

fn pragmas(synchronous: &str) -> String {
    format!(
        "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
         PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA cache_size = -65536; \
         PRAGMA temp_store = MEMORY; \
         PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 10000"
    )
}

/// One transaction, as a program without a writer would do it; an error is undone.
fn transaction(conn: &mut SqliteConnection, ticks: &[Tick]) -> Result<(), String> {
    conn.batch_execute("BEGIN IMMEDIATE")
        .map_err(|error| error.to_string())?;
    let now = Timestamp::from_micros(0).unwrap();
    let stored = insert_batch(
        &mut BackendConnection::from(&mut *conn),
        ticks,
        &InsertOptions::default(),
        now,
    );
    let ended = match stored {
        Ok(report) if report.inserted == ticks.len() => conn
            .batch_execute("COMMIT")
            .map_err(|error| error.to_string()),
        Ok(report) => Err(format!("{report:?}")),
        Err(error) => Err(error.to_string()),
    };
    if ended.is_err() {
        conn.batch_execute("ROLLBACK").unwrap();
    }
    ended
}

struct OneMutex(Mutex<SqliteConnection>);

impl Contender for OneMutex {
    fn name(&self) -> &'static str {
        "mutex"
    }

    fn store(&self, ticks: Vec<Tick>) -> u64 {
        let mut conn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        transaction(&mut conn, &ticks).unwrap();
        0
    }
}

struct WritablePool(Pool<ConnectionManager<SqliteConnection>>);

#[derive(Debug)]
struct Prepare(String);

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Prepare {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        conn.batch_execute(&self.0)
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

impl Contender for WritablePool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn store(&self, ticks: Vec<Tick>) -> u64 {
        let mut conn = self.0.get().unwrap();
        let mut again = 0;
        while let Err(error) = transaction(&mut conn, &ticks) {
            assert!(error.contains("locked"), "{error}");
            again += 1;
        }
        again
    }
}

/// A contender with its own file, and the connection that counts what it stored.
struct Entry {
    contender: Box<dyn Contender>,
    counter: Mutex<SqliteConnection>,
    next: AtomicU64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

impl Entry {
    fn stored(&self) -> u64 {
        let count: Count = diesel::sql_query("SELECT count(*) AS n FROM market_data")
            .get_result(&mut *self.counter.lock().unwrap())
            .unwrap();
        u64::try_from(count.n).unwrap()
    }

    /// Ticks that nobody has stored yet, of one instrument, a microsecond apart.
    fn ticks(&self, thread: usize, count: usize) -> Vec<Tick> {
        let first = self.next.fetch_add(count as u64, Ordering::Relaxed);
        let instrument = i64::try_from(thread).unwrap() % INSTRUMENTS + 1;
        let tick = |n: u64| {
            let n = i64::try_from(n).unwrap();
            Tick::try_from(RawTick {
                instrument_id: Some(instrument),
                timestamp: Some(Timestamp::from_micros(1_378_000_000_000_000 + n).unwrap()),
                sequence: Some(n),
                price: Some(1640.25),
                volume: Some(8.0),
                ..RawTick::default()
            })
            .unwrap()
        };
        (first..first + count as u64).map(tick).collect()
    }
}

fn entries(folder: &std::path::Path, synchronous: (&str, Synchronous)) -> Vec<Entry> {
    let file = |name: &str| {
        let path = folder.join(format!("{name}-{}.db", synchronous.0));
        let path = path.to_str().unwrap().to_owned();
        let config = DatabaseConfig::new(&path).unwrap();
        let database = Database::open(config.with(|c| c.sqlite.synchronous = synchronous.1));
        (path, database.unwrap())
    };
    let connect = |path: &str| {
        let mut conn = SqliteConnection::establish(path).unwrap();
        conn.batch_execute(&pragmas(synchronous.0)).unwrap();
        conn
    };
    let (lane_path, lane) = file("lane");
    let (mutex_path, mutex) = file("mutex");
    let (pool_path, pool) = file("pool");
    mutex.close();
    pool.close();
    let writable = Pool::builder()
        .max_size(20)
        .connection_timeout(Duration::from_secs(120))
        .connection_customizer(Box::new(Prepare(pragmas(synchronous.0))))
        .build(ConnectionManager::new(&pool_path))
        .unwrap();
    let entry = |contender: Box<dyn Contender>, path: &str| Entry {
        contender,
        counter: Mutex::new(connect(path)),
        next: AtomicU64::new(0),
    };
    vec![
        entry(Box::new(Lane(lane)), &lane_path),
        entry(
            Box::new(OneMutex(Mutex::new(connect(&mutex_path)))),
            &mutex_path,
        ),
        entry(Box::new(WritablePool(writable)), &pool_path),
    ]
}

struct Cell {
    rows_per_second: f64,
    p50: Duration,
    p99: Duration,
    max: Duration,
    again: u64,
}

fn cell(entry: &Entry, threads: usize, ticks: usize) -> Cell {
    let before = entry.stored();
    let (calls, again) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (calls, again, over) = (&calls, &again, &over);
            scope.spawn(move || {
                let mut own = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let batch = entry.ticks(thread, ticks);
                    let begin = Instant::now();
                    let tries = entry.contender.store(batch);
                    own.push(begin.elapsed());
                    again.fetch_add(tries, Ordering::Relaxed);
                }
                calls.lock().unwrap().append(&mut own);
            });
        }
        std::thread::sleep(CELL);
        over.store(true, Ordering::Relaxed);
    });
    let elapsed = start.elapsed().as_secs_f64();
    let mut calls = calls.into_inner().unwrap();
    let rows = (calls.len() * ticks) as u64;
    assert_eq!(
        entry.stored() - before,
        rows,
        "{} lost ticks",
        entry.contender.name()
    );
    calls.sort_unstable();
    let at = |percent: usize| calls[(calls.len() - 1) * percent / 100];
    Cell {
        rows_per_second: rows as f64 / elapsed,
        p50: at(50),
        p99: at(99),
        max: at(100),
        again: again.into_inner(),
    }
}

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let is_wanted = |index: usize, text: &str| wanted.get(index).is_none_or(|w| w == text);
    println!(
        "| threads | ticks per call | synchronous | contender | rows/s | p50 | p99 | max | locked |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for synchronous in SYNCHRONOUS {
        if !is_wanted(2, synchronous.0) {
            continue;
        }
        for threads in THREADS {
            for ticks in TICKS {
                if !is_wanted(0, &threads.to_string()) || !is_wanted(1, &ticks.to_string()) {
                    continue;
                }
                let folder = tempfile::tempdir().unwrap();
                for entry in &entries(folder.path(), synchronous) {
                    let cell = cell(entry, threads, ticks);
                    println!(
                        "| {threads} | {ticks} | {} | {} | {:.0} | {:.1?} | {:.1?} | {:.1?} | {} |",
                        synchronous.0,
                        entry.contender.name(),
                        cell.rows_per_second,
                        cell.p50,
                        cell.p99,
                        cell.max,
                        cell.again,
                    );
                }
            }
        }
    }
}
