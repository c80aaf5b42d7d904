//! What the pool costs and saves: 20 + 50 against a connection opened per request and against
//! r2d2's defaults, with 1, 20, 64 and 200 callers.
//!
//! ```sh
//! cargo bench --bench pool                                    # SQLite, a temporary file
//! cargo bench --bench pool --features postgres -- postgres://user@host/name
//! ```
//!
//! Each request gets a connection, reads the latest tick of one instrument and gives the
//! connection back. All contenders make the same requests on the same database with the same
//! session settings; the answers are checked. The contenders take turns in three rounds, and the
//! round with the median throughput is shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, R2D2Connection};
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{self, InsertOptions, MarketDataRepository};

const REQUESTS: u64 = 20_000;
const CALLERS: [u64; 4] = [1, 20, 64, 200];
const ROUNDS: usize = 3;
const PRICE: f64 = 1641.5;

/// What one request is: a connection for a moment.
trait Contender: Sync {
    fn name(&self) -> &'static str;
    /// Runs `work` on a connection and returns how long it took to get one.
    fn request(&self, work: &dyn Fn(&mut BackendConnection<'_>)) -> Duration;
    fn opened(&self) -> u64;
    /// The most connections that it holds; none when it has no bound.
    fn capacity(&self) -> Option<u32>;
}

struct Tickbase(Database);

impl Contender for Tickbase {
    fn name(&self) -> &'static str {
        "20 + 50"
    }

    fn request(&self, work: &dyn Fn(&mut BackendConnection<'_>)) -> Duration {
        let start = Instant::now();
        let read = self.0.read("bench.request", |conn| {
            let acquired = start.elapsed();
            work(conn);
            Ok(acquired)
        });
        read.unwrap()
    }

    fn opened(&self) -> u64 {
        self.0.pool_snapshot().opened
    }

    fn capacity(&self) -> Option<u32> {
        Some(70)
    }
}

/// Opens a session with the settings that a reader of tickbase has.
trait Session: R2D2Connection + Sized + 'static {
    const SETTINGS: &'static str;
    fn lend(&mut self) -> BackendConnection<'_>;

    fn prepare(&mut self) {
        self.batch_execute(Self::SETTINGS).unwrap();
    }
}

impl Session for SqliteConnection {
    const SETTINGS: &'static str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; \
        PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192; PRAGMA mmap_size = 268435456; \
        PRAGMA temp_store = MEMORY";

    fn lend(&mut self) -> BackendConnection<'_> {
        BackendConnection::from(self)
    }
}

#[cfg(feature = "postgres")]
impl Session for PgConnection {
    const SETTINGS: &'static str = "SET default_transaction_read_only = on; SET TimeZone = 'UTC'; \
        SET statement_timeout = 30000";

    fn lend(&mut self) -> BackendConnection<'_> {
        BackendConnection::from(self)
    }
}

/// A connection opened for each request, and closed after it.
struct PerRequest<C> {
    url: String,
    opened: AtomicU64,
    connection: std::marker::PhantomData<fn() -> C>,
}

impl<C: Session> Contender for PerRequest<C> {
    fn name(&self) -> &'static str {
        "per request"
    }

    fn request(&self, work: &dyn Fn(&mut BackendConnection<'_>)) -> Duration {
        let start = Instant::now();
        let mut conn = C::establish(&self.url).unwrap();
        conn.prepare();
        let acquired = start.elapsed();
        self.opened.fetch_add(1, Ordering::Relaxed);
        work(&mut conn.lend());
        acquired
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn capacity(&self) -> Option<u32> {
        None
    }
}

/// r2d2 as it comes: 10 connections, all opened at the start, tested at each checkout.
struct Defaults<C: Session>(Pool<ConnectionManager<C>>, std::sync::Arc<AtomicU64>);

#[derive(Debug)]
struct Prepare(std::sync::Arc<AtomicU64>);

impl<C: Session> CustomizeConnection<C, diesel::r2d2::Error> for Prepare {
    fn on_acquire(&self, conn: &mut C) -> Result<(), diesel::r2d2::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        conn.prepare();
        Ok(())
    }
}

impl<C: Session> Contender for Defaults<C> {
    fn name(&self) -> &'static str {
        "r2d2 defaults"
    }

    fn request(&self, work: &dyn Fn(&mut BackendConnection<'_>)) -> Duration {
        let start = Instant::now();
        let mut conn = self.0.get().unwrap();
        let acquired = start.elapsed();
        work(&mut conn.lend());
        acquired
    }

    fn opened(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    fn capacity(&self) -> Option<u32> {
        Some(self.0.max_size())
    }
}

fn contenders<C: Session>(url: &str) -> [Box<dyn Contender>; 3] {
    let opened = std::sync::Arc::new(AtomicU64::new(0));
    let customizer = Box::new(Prepare(std::sync::Arc::clone(&opened)));
    let pool = Pool::builder().connection_customizer(customizer);
    [
        Box::new(Tickbase(
            Database::open(DatabaseConfig::new(url).unwrap()).unwrap(),
        )),
        Box::new(PerRequest::<C> {
            url: url.to_owned(),
            opened: AtomicU64::new(0),
            connection: std::marker::PhantomData,
        }),
        Box::new(Defaults::<C>(
            pool.build(ConnectionManager::new(url)).unwrap(),
            opened,
        )),
    ]
}

struct Round {
    requests_per_second: f64,
    acquire_p50: Duration,
    acquire_p99: Duration,
    opened: u64,
    /// Share of the capacity that was in use, on average.
    utilisation: Option<f64>,
}

fn round(contender: &dyn Contender, callers: u64) -> Round {
    let (acquired, held) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let mut own = Vec::new();
                for _ in 0..REQUESTS / callers {
                    own.push(contender.request(&|conn| {
                        let begin = Instant::now();
                        let latest = market_data::latest(conn, &[1]).unwrap();
                        assert_eq!(latest[0].price, Some(PRICE));
                        let nanos = begin.elapsed().as_nanos();
                        held.fetch_add(u64::try_from(nanos).unwrap(), Ordering::Relaxed);
                    }));
                }
                acquired.lock().unwrap().append(&mut own);
            });
        }
    });
    let elapsed = start.elapsed();
    let mut acquired = acquired.into_inner().unwrap();
    acquired.sort_unstable();
    let at = |percent: usize| acquired[(acquired.len() - 1) * percent / 100];
    let held = Duration::from_nanos(held.into_inner()).as_secs_f64();
    Round {
        requests_per_second: acquired.len() as f64 / elapsed.as_secs_f64(),
        acquire_p50: at(50),
        acquire_p99: at(99),
        opened: contender.opened(),
        utilisation: contender
            .capacity()
            .map(|capacity| held / elapsed.as_secs_f64() / f64::from(capacity)),
    }
}

fn run<C: Session>(url: &str) {
    seed(url);
    println!(
        "{:>7} {:<14} {:>10} {:>12} {:>12} {:>8} {:>12}",
        "callers", "contender", "requests/s", "acquire p50", "acquire p99", "opened", "utilisation"
    );
    for callers in CALLERS {
        let mut rounds: [Vec<Round>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for (index, contender) in contenders::<C>(url).iter().enumerate() {
                rounds[index].push(round(contender.as_ref(), callers));
            }
        }
        for (contender, mut rounds) in contenders::<C>(url).iter().zip(rounds) {
            rounds.sort_by(|a, b| a.requests_per_second.total_cmp(&b.requests_per_second));
            show(callers, contender.name(), &rounds[ROUNDS / 2]);
        }
    }
}

fn show(callers: u64, name: &str, round: &Round) {
    let utilisation = round
        .utilisation
        .map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    println!(
        "{callers:>7} {name:<14} {:>10.0} {:>12} {:>12} {:>8} {utilisation:>12}",
        round.requests_per_second,
        format!("{:.1?}", round.acquire_p50),
        format!("{:.1?}", round.acquire_p99),
        round.opened,
    );
}

fn seed(url: &str) {
    let database = Database::open(DatabaseConfig::new(url).unwrap()).unwrap();
    let (at, _) = Timestamp::parse(b"2013-09-03T10:23:00Z").unwrap();
    let tick = Tick::trade(1, at, PRICE, 8.0).unwrap();
    MarketDataRepository::new(&database)
        .insert_batch(vec![tick], InsertOptions::default())
        .unwrap();
}

fn main() {
    let url = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    match url {
        #[cfg(feature = "postgres")]
        Some(url) if url.starts_with("postgres") => run::<PgConnection>(&url),
        Some(url) => run::<SqliteConnection>(&url),
        None => {
            let folder = tempfile::tempdir().unwrap();
            run::<SqliteConnection>(folder.path().join("bench.db").to_str().unwrap());
        }
    }
}
