//! Reads: the newest tick of 100 instruments, a day of one instrument, minute bars of one and of
//! all, beside DuckDB and pandas on the same ticks.
//!
//! ```sh
//! cargo bench --bench history                       # 1,000,000 ticks, a day of them; 7 rounds
//! cargo bench --bench history -- 10000000 5         # ten days
//! python3 -m venv venv && venv/bin/pip install duckdb pandas
//! PEERS_PYTHON=venv/bin/python cargo bench --bench history      # with DuckDB and pandas
//! ```
//!
//! tickbase reads its SQLite file; DuckDB has its table and pandas its frame in memory, in the
//! order of arrival, and both hand over numpy arrays, where tickbase makes rows and bars with
//! exact decimals. All take turns in each round. Count and sums of what was read must be the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use common::{INSTRUMENTS, Place, ROWS_PER_TRANSACTION, Ticks, median, sizes};
use tickbase::Timestamp;
use tickbase::database::Database;
use tickbase::domain::{Aggregator, Frequency, TickFold};
use tickbase::repository::bar_series::{BarSeriesRepository, BuildSpan};
use tickbase::repository::market_data::{
    self, InsertOptions, MarketDataRepository, RangeQuery, TickRange,
};
use tickbase::services::historical_data::{BarQuery, bars};

/// The Python that has DuckDB and pandas.
const PYTHON: &str = "PEERS_PYTHON";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/history.py");
const DAY_MICROS: i64 = 86_400_000_000;
/// A million ticks are a day.
const STEP_MAX_MICROS: u64 = 2 * 86_400;

/// The four reads, and what they are called in the script.
const WORKS: [(&str, &str); 4] = [
    ("latest", "newest tick of 100 instruments"),
    ("range", "a day of one instrument, all columns"),
    ("bars_of_one", "minute bars of one instrument"),
    ("bars_of_all", "minute bars of 100 instruments"),
];

/// What was read: how many rows or bars, and sums of some columns.
type Sums = Vec<f64>;

/// The day of the range: the last whole one that has ticks, or the first.
fn day(rows: usize) -> (i64, i64) {
    let days = (rows as i64 / 1_000_000).max(1);
    let first = Ticks::BEGIN_MICROS + (days - 1) * DAY_MICROS;
    (first, first + DAY_MICROS)
}

fn fill(db: &Database, rows: usize) {
    let ticks = MarketDataRepository::new(db);
    let mut feed = Ticks::new(true, STEP_MAX_MICROS).take(rows).peekable();
    while feed.peek().is_some() {
        let batch: Vec<_> = feed.by_ref().take(ROWS_PER_TRANSACTION).collect();
        let stored = batch.len();
        let report = ticks.insert_batch(batch, InsertOptions::default()).unwrap();
        assert_eq!(report.inserted, stored);
    }
}

fn latest(db: &Database) -> Sums {
    let ids: Vec<i64> = (1..=INSTRUMENTS).collect();
    let rows = MarketDataRepository::new(db).latest(&ids).unwrap();
    let prices: f64 = rows.iter().filter_map(|tick| tick.price).sum();
    vec![rows.len() as f64, prices]
}

fn range(db: &Database, (first, last): (i64, i64)) -> Sums {
    let moment = |micros| Some(Timestamp::from_micros(micros).unwrap());
    let range = TickRange {
        instrument_id: 1,
        start: moment(first),
        end: moment(last),
    };
    let mut query = RangeQuery::new(range, RangeQuery::LIMIT_MAX);
    let mut sums = vec![0.0; 4];
    loop {
        let page = MarketDataRepository::new(db).range(&query).unwrap();
        for tick in &page.rows {
            let values = [Some(1.0), tick.price, tick.volume, tick.bid];
            let values = values.map(Option::unwrap);
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return sums,
        }
    }
}

fn bars_of_one(db: &Database) -> Sums {
    let query = BarQuery::all(1, Frequency::OneMinute);
    let history = db.read("bench.bars", |conn| bars(conn, &query)).unwrap();
    let mut sums = vec![0.0; 6];
    for bar in &history.bars {
        let values = bar.values.as_ref().unwrap();
        let prices = [&values.open, &values.high, &values.low, &values.close];
        let [open, high, low, close] = prices.map(|price| price.to_f64());
        let values = [1.0, open, high, low, close, values.volume];
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
    }
    sums
}

fn bars_of_all(db: &Database) -> Sums {
    let mut sums = vec![0.0; 6];
    let mut count = |bar: TickFold| {
        let values = [1.0, bar.open, bar.high, bar.low, bar.close, bar.volume];
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
    };
    db.read("bench.bars_of_all", |conn| {
        let (mut of, mut fold) = (0, Aggregator::new(Frequency::OneMinute));
        market_data::prices_of_all(conn, None, None, |instrument, tick| {
            if instrument != of {
                fold.finish().into_iter().for_each(&mut count);
                of = instrument;
            }
            let bar = fold.add(tick.timestamp, tick.price, tick.volume);
            bar.into_iter().for_each(&mut count);
            Ok(())
        })?;
        fold.finish().into_iter().for_each(&mut count);
        Ok(())
    })
    .unwrap();
    sums
}

/// DuckDB and pandas, in a process of their own.
struct Peers {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peers {
    fn start(file: &str, rows: usize) -> Option<Self> {
        let mut process = Command::new(std::env::var_os(PYTHON)?)
            .args([SCRIPT, file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (ask, answers) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let mut peers = Self {
            process,
            ask,
            answers: BufReader::new(answers),
        };
        assert_eq!(peers.line(), format!("ready {rows}"));
        Some(peers)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.answers.read_line(&mut line).unwrap() > 0, "it ended");
        line.trim_end().to_owned()
    }

    fn run(&mut self, contender: &str, work: &str, (first, last): (i64, i64)) -> (f64, Sums) {
        writeln!(self.ask, "{contender} {work} {first} {last}").unwrap();
        let line = self.line();
        let mut numbers = line.split(' ').map(|number| number.parse::<f64>().unwrap());
        (numbers.next().unwrap(), numbers.collect())
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn same(contender: &str, work: &str, sums: &Sums, expected: &Sums) {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
    let all = sums.len() == expected.len() && sums.iter().zip(expected).all(close);
    assert!(all, "{contender}, {work}: {sums:?} and not {expected:?}");
}

fn main() {
    let (rows, rounds) = sizes(1_000_000, 7);
    let place = Place::new();
    let db = place.open();
    fill(&db, rows);
    let built = Place::new();
    let with_bars = built.open();
    fill(&with_bars, rows);
    let series = BarSeriesRepository::new(&with_bars);
    for instrument in 1..=INSTRUMENTS {
        series
            .build(instrument, Frequency::OneMinute, BuildSpan::default())
            .unwrap();
    }
    let mut peers = Peers::start(place.file(), rows);
    let day = day(rows);
    println!("{rows} ticks of {INSTRUMENTS} instruments, {rounds} rounds, medians");
    for (work, title) in WORKS {
        let own: &dyn Fn(&Database) -> Sums = match work {
            "latest" => &latest,
            "range" => &|db| range(db, day),
            "bars_of_one" => &bars_of_one,
            _ => &bars_of_all,
        };
        let mut took: Vec<(&str, Vec<f64>)> = Vec::new();
        let mut add =
            |contender, seconds| match took.iter_mut().find(|(name, _)| *name == contender) {
                Some((_, all)) => all.push(seconds),
                None => took.push((contender, vec![seconds])),
            };
        let expected = own(&db);
        for _ in 0..rounds {
            let began = Instant::now();
            let sums = own(&db);
            add("tickbase", began.elapsed().as_secs_f64());
            same("tickbase", work, &sums, &expected);
            if work == "bars_of_one" {
                let began = Instant::now();
                let sums = own(&with_bars);
                add("tickbase, built bars", began.elapsed().as_secs_f64());
                same("tickbase, built bars", work, &sums, &expected);
            }
            for contender in ["duckdb", "pandas"] {
                if let Some(peers) = &mut peers {
                    let (seconds, sums) = peers.run(contender, work, day);
                    add(contender, seconds);
                    same(contender, work, &sums, &expected);
                }
            }
        }
        println!("\n{title}: {} read", expected[0]);
        let base = took[0].1.clone();
        for (contender, seconds) in took {
            let ratios = seconds.iter().zip(&base).map(|(other, own)| other / own);
            let ratio = median(ratios.collect());
            println!(
                "{contender:<24} {:>9.3} ms {ratio:>8.2}",
                median(seconds) * 1e3
            );
        }
    }
}
