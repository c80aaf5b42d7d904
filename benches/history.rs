//! Reads: the newest tick of 100 instruments, a day of one instrument, minute bars of one and of
//! all and their coverage, beside DuckDB and pandas on the same ticks; and building the bars.
//!
//! ```sh
//! cargo bench --bench history                       # 1,000,000 ticks, a day of them; 7 rounds
//! cargo bench --bench history -- 10000000 5         # ten days
//! python3 -m venv venv && venv/bin/pip install duckdb pandas
//! PEERS_PYTHON=venv/bin/python cargo bench --bench history      # with DuckDB and pandas
//! cargo bench --bench history --features postgres -- postgres://user@host/name \
//!     --rows 10000000 --rounds 3                    # PostgreSQL, beside SQLite
//! ```
//!
//! The user of the URL must be a superuser: the bench makes databases of its own, which are
//! dropped after it. They are vacuumed and analysed before they are read, as autovacuum does within
//! minutes; with `--unanalyzed` they stay as a load leaves them.
//!
//! DuckDB has its table and pandas its frame in memory, in the order of arrival, and both hand over
//! numpy arrays, where tickbase makes rows and bars with exact decimals. They read the ticks out of
//! the SQLite file. All take turns in each round. Count and sums of what was read must be the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

mod common;
#[path = "history/peers.rs"]
mod peers;
#[path = "history/reads.rs"]
mod reads;
#[cfg(feature = "postgres")]
#[path = "history/server_sql.rs"]
mod server_sql;
#[path = "history/sides.rs"]
mod sides;

use std::time::Instant;

use common::{Place, median, sizes};
use peers::Peers;
use reads::{WORKS, Work, day};
use sides::{Side, build_all};

/// What was read: how many rows or bars, and sums of some columns.
type Sums = Vec<f64>;

/// What each contender took in each round, the one first that the others are compared with.
struct Times {
    work: &'static str,
    expected: Sums,
    took: Vec<(String, Vec<f64>)>,
}

impl Times {
    /// Notes down a read, which must have read what is expected.
    fn add(&mut self, contender: &str, seconds: f64, sums: &Sums) {
        let (work, expected) = (self.work, &self.expected);
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
        let all = sums.len() == expected.len() && sums.iter().zip(expected).all(close);
        assert!(all, "{contender}, {work}: {sums:?} and not {expected:?}");
        match self.took.iter_mut().find(|(name, _)| name == contender) {
            Some((_, all)) => all.push(seconds),
            None => self.took.push((contender.to_owned(), vec![seconds])),
        }
    }

    fn time(&mut self, contender: &str, read: impl FnOnce() -> Sums) {
        let began = Instant::now();
        let sums = read();
        self.add(contender, began.elapsed().as_secs_f64(), &sums);
    }

    /// Medians, and the medians of the ratios within a round.
    fn print(&self, title: &str) {
        println!("\n{title}: {} read", self.expected[0]);
        let base = &self.took[0].1;
        for (contender, seconds) in &self.took {
            let ratios = seconds.iter().zip(base).map(|(other, own)| other / own);
            let ratio = median(ratios.collect());
            let millis = median(seconds.clone()) * 1e3;
            println!("{contender:<34} {millis:>9.3} ms {ratio:>8.2}");
        }
    }
}

/// What all contenders need.
struct Bench {
    rows: usize,
    rounds: usize,
    sides: Vec<Side>,
    peers: Option<Peers>,
    #[cfg(feature = "postgres")]
    server: Option<diesel::PgConnection>,
}

impl Bench {
    fn measure(&mut self, work: &Work) {
        let mut times = Times {
            work: work.name,
            expected: (work.run)(&self.sides[0].ticks_db, self.rows),
            took: Vec::new(),
        };
        for _ in 0..self.rounds {
            for side in &self.sides {
                times.time(side.name, || (work.run)(&side.ticks_db, self.rows));
                if work.has_built {
                    let name = format!("{}, built bars", side.name);
                    times.time(&name, || (work.run)(&side.bars_db, self.rows));
                }
            }
            #[cfg(feature = "postgres")]
            if let (Some(server), Some(which)) = (&mut self.server, work.sql) {
                times.time("SQL of the server", || server_sql::bars(server, which));
            }
            if let Some(peers) = self.peers.as_mut().filter(|_| work.has_peers) {
                for contender in peers::CONTENDERS {
                    let (seconds, sums) = peers.run(contender, work.name, day(self.rows));
                    times.add(contender, seconds, &sums);
                }
            }
        }
        times.print(work.title);
    }
}

/// The URL of a PostgreSQL server, if one is given.
fn server() -> Option<String> {
    std::env::args().find(|argument| argument.starts_with("postgres"))
}

#[cfg(feature = "postgres")]
fn postgres(admin: &str, rows: usize) -> Side {
    Side::new("tickbase, PostgreSQL", || Place::postgres(admin), rows)
}

#[cfg(not(feature = "postgres"))]
fn postgres(_admin: &str, _rows: usize) -> Side {
    panic!("a URL needs --features postgres");
}

fn main() {
    let (rows, rounds) = sizes(1_000_000, 7);
    let mut sides: Vec<Side> = Vec::new();
    sides.extend(server().map(|admin| postgres(&admin, rows)));
    sides.push(Side::new("tickbase, SQLite", Place::new, rows));
    let settles = !std::env::args().any(|argument| argument == "--unanalyzed");
    let settle = |sides: &[Side]| sides.iter().filter(|_| settles).for_each(Side::settle);
    println!("{rows} ticks of 100 instruments, {rounds} rounds, medians");
    settle(&sides);
    build_all(&sides);
    settle(&sides);
    let sqlite = sides.last().unwrap().ticks.url();
    let mut bench = Bench {
        rows,
        rounds,
        peers: Peers::start(sqlite, rows),
        #[cfg(feature = "postgres")]
        server: server().map(|_| server_sql::connect(sides[0].ticks.url())),
        sides,
    };
    for work in &WORKS {
        bench.measure(work);
    }
}
