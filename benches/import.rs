//! Import end to end (read, parse, validate, store) beside `insert_batch` alone, on SQLite.
//!
//! ```sh
//! cargo bench --bench import                # 500,000 rows, 5 rounds
//! cargo bench --bench import -- 200000 3    # rows, rounds
//! cargo bench --bench import -- import      # contenders whose names start so
//! ```
//!
//! The rows are real trades (see `import/files.rs`). `insert_batch` stores the very ticks that the
//! import reads, parsed before the clock starts, 10,000 a statement, in one transaction or in one
//! each; the import does the same from a file. Contenders take turns in each round, each on a new
//! database; shown are the median rate, the medians of the ratios within a round to the two ways
//! of `insert_batch`, and processor time: of the thread that reads, and of those that store. Count
//! and sums are checked after each. Then comes the peak memory of a process that does nothing but
//! the import, of 1, 4 and 16 times the rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

mod common;
#[path = "import/files.rs"]
mod files;
#[path = "common/real_data.rs"]
mod real_data;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::{Place, ROWS_PER_TRANSACTION, Stopwatch, batches, median, sizes, takes_part};
use diesel::prelude::*;
use files::Trades;
use tickbase::domain::Symbol;
use tickbase::domain::tick::Tick;
use tickbase::ingest::{Feed, FeedOptions, FeedTarget, Import, ImportCommit, Input, import, pump};
use tickbase::repository::market_data::{self, InsertOptions, MarketDataRepository};

/// How many times the rows the files of the memory table have. The page cache of the writer is full
/// (64 MiB) somewhat before the second; what grows after it would be the import's.
const TIMES_LARGER: [usize; 3] = [1, 4, 16];
/// The first argument of a process that only imports, for its peak memory.
const ONLY_IMPORT: &str = "--only-import";

const TARGET: FeedTarget = FeedTarget {
    instrument_id: 1,
    source_id: 1,
    frequency: None,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Insert(ImportCommit),
    Import(File, ImportCommit),
    /// Reads and validates, and stores nothing.
    Parse(File),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Csv,
    Gzip,
}

use Contender::{Import as ImportOf, Insert, Parse};
use File::{Csv, Gzip};
use ImportCommit::{EachBatch, Once};

impl Contender {
    const ALL: [Self; 8] = [
        Insert(Once),
        Insert(EachBatch),
        ImportOf(Csv, Once),
        ImportOf(Csv, EachBatch),
        ImportOf(Gzip, Once),
        ImportOf(Gzip, EachBatch),
        Parse(Csv),
        Parse(Gzip),
    ];

    const fn name(self) -> &'static str {
        match self {
            Insert(Once) => "insert_batch, one transaction",
            Insert(EachBatch) => "insert_batch, 10,000 a transaction",
            ImportOf(Csv, Once) => "import, CSV, one transaction",
            ImportOf(Csv, EachBatch) => "import, CSV, commit each batch",
            ImportOf(Gzip, Once) => "import, gzip, one transaction",
            ImportOf(Gzip, EachBatch) => "import, gzip, commit each batch",
            Parse(Csv) => "parse alone, CSV",
            Parse(Gzip) => "parse alone, gzip",
        }
    }

    fn run(self, trades: &Trades, ticks: &[Tick]) -> Took {
        match self {
            Insert(commit) => {
                let place = Place::new();
                let took = store(&place, batches(ticks), commit);
                verify(&place, trades);
                took
            }
            ImportOf(file, commit) => {
                let place = Place::new();
                let took = import_file(&place, &file.of(trades), commit, trades.rows);
                verify(&place, trades);
                took
            }
            Parse(file) => parse(&file.of(trades), trades.rows),
        }
    }
}

impl File {
    fn of(self, trades: &Trades) -> std::path::PathBuf {
        match self {
            Csv => trades.csv(),
            Gzip => trades.gzip(),
        }
    }
}

/// Seconds: on the clock, and on the processors, of the thread that reads and of the others.
#[derive(Debug, Clone, Copy)]
struct Took {
    wall: f64,
    read: f64,
    store: f64,
}

/// Runs a piece of work; the thread that reads a feed has ended after it, the others live.
fn time(work: impl FnOnce()) -> Took {
    let all_before = process_seconds();
    let watch = Stopwatch::start();
    work();
    let took = watch.stop();
    let all = process_seconds() - all_before;
    let store = took.cpu.unwrap_or(all);
    Took {
        wall: took.wall,
        read: (all - store).max(0.0),
        store,
    }
}

/// Processor time of the process, ended threads too, in steps of 10 ms; 0 where Linux does not
/// tell it.
fn process_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // Fields 14 and 15 of the line, user and system; the third follows the name.
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

fn store(place: &Place, batches: Vec<Vec<Tick>>, commit: ImportCommit) -> Took {
    let db = place.open();
    let repository = MarketDataRepository::new(&db);
    let now = db.clock().now();
    let took = time(|| match commit {
        Once => db
            .write("bench.insert", move |conn| {
                for batch in &batches {
                    let options = InsertOptions::default();
                    let report = market_data::insert_batch(conn, batch, &options, now)?;
                    assert_eq!(report.inserted, batch.len());
                }
                Ok(())
            })
            .unwrap(),
        EachBatch => batches.into_iter().for_each(|batch| {
            let rows = batch.len();
            let report = repository.insert_batch(batch, InsertOptions::default());
            assert_eq!(report.unwrap().inserted, rows);
        }),
    });
    db.close();
    took
}

fn import_file(place: &Place, file: &Path, commit: ImportCommit, rows: usize) -> Took {
    let db = place.open();
    let mut plan = Import::ticks(Symbol::new("ES").unwrap());
    plan.commit = commit;
    let paths = vec![file.to_str().unwrap().to_owned()];
    let took = time(|| {
        let report = import(&db, paths, &plan, Arc::new(|_| {})).unwrap();
        assert_eq!((report.read, report.inserted), (rows as u64, rows as u64));
    });
    db.close();
    took
}

/// The ticks of a file, in its order.
fn read(file: &Path, mut each: impl FnMut(Vec<Tick>)) {
    let input = Input::open(file.to_str().unwrap()).unwrap();
    let mut feed = Feed::open::<Tick>(input, &FeedOptions::default()).unwrap();
    pump(&mut feed, &TARGET, |batch| {
        assert!(batch.rejected.is_empty());
        each(batch.rows);
        Ok(())
    })
    .unwrap();
}

fn parse(file: &Path, rows: usize) -> Took {
    let mut count = 0;
    let took = time(|| read(file, |ticks| count += ticks.len()));
    assert_eq!(count, rows);
    took
}

#[derive(QueryableByName)]
#[diesel(table_name = sums)]
struct Sums {
    rows: i64,
    volume: f64,
    price: f64,
}

diesel::table! {
    sums (rows) {
        rows -> BigInt,
        volume -> Double,
        price -> Double,
    }
}

/// Count and sums of what is stored against those of the text; all of them are exact.
fn verify(place: &Place, trades: &Trades) {
    let mut conn = SqliteConnection::establish(place.url()).unwrap();
    let sql = "SELECT count(*) AS rows, total(volume) AS volume, total(price) AS price \
               FROM market_data WHERE instrument_id = 1";
    let sums: Sums = diesel::sql_query(sql).get_result(&mut conn).unwrap();
    assert_eq!(sums.rows, trades.rows as i64);
    assert_eq!(sums.volume, trades.sum_of_volume as f64);
    assert_eq!(sums.price, trades.sum_of_price);
}

/// The peak memory of a process that imports a file and does nothing else, in MiB.
fn peak_memory(trades: &Trades, file: File, commit: ImportCommit) -> Option<f64> {
    let commit = if commit == Once { "once" } else { "each" };
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(ONLY_IMPORT)
        .arg(file.of(trades))
        .args([commit, &trades.rows.to_string()])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .ok()
}

/// What the process of [`peak_memory`] does: prints its peak, where Linux tells it.
fn only_import(arguments: &[String]) {
    let [file, commit, rows] = arguments else {
        panic!("{ONLY_IMPORT} FILE once|each ROWS");
    };
    let commit = if commit == "once" { Once } else { EachBatch };
    let place = Place::new();
    import_file(&place, Path::new(file), commit, rows.parse().unwrap());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok());
    println!("{}", kib.map_or(f64::NAN, |kib| kib / 1024.0));
}

fn print_rates(rows: usize, took: &[Vec<Took>]) {
    println!("\ncontender: rows/s, ratio to each insert_batch, CPU s to read, CPU s to store");
    for (contender, rounds) in Contender::ALL.iter().zip(took) {
        if rounds.is_empty() {
            continue;
        }
        let of = |value: fn(&Took) -> f64| median(rounds.iter().map(value).collect());
        let rate = median(rounds.iter().map(|took| rows as f64 / took.wall).collect());
        let ratios = took[..2].iter().filter(|base| base.len() == rounds.len());
        let ratios = ratios.map(|base| {
            let pairs = base.iter().zip(rounds);
            median(pairs.map(|(base, own)| base.wall / own.wall).collect())
        });
        let ratios: String = ratios.map(|ratio| format!(" {ratio:>5.2}")).collect();
        println!(
            "{:<36} {rate:>9.0}/s{ratios} | {:>5.2} {:>5.2}",
            contender.name(),
            of(|took| took.read),
            of(|took| took.store),
        );
    }
}

fn print_memory(rows: usize) {
    let imports = Contender::ALL
        .into_iter()
        .filter_map(|contender| match contender {
            ImportOf(file, commit) => Some((contender.name(), file, commit)),
            Insert(_) | Parse(_) => None,
        });
    for times in TIMES_LARGER {
        let trades = Trades::prepare(times * rows);
        println!("\npeak memory, MiB: {} rows", trades.rows);
        for (name, file, commit) in imports.clone() {
            let peak = peak_memory(&trades, file, commit).unwrap_or(f64::NAN);
            println!("{name:<36} {peak:>6.1}");
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == ONLY_IMPORT) {
        return only_import(&arguments[1..]);
    }
    let (rows, rounds) = sizes(500_000, 5);
    let trades = Trades::prepare(rows);
    println!(
        "{rows} trades of {}, {ROWS_PER_TRANSACTION} a batch",
        trades.origin
    );
    let mut ticks = Vec::with_capacity(rows);
    read(&trades.csv(), |batch| ticks.extend(batch));
    let contenders = Contender::ALL;
    let mut took = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            if takes_part(contenders[index].name()) {
                took[index].push(contenders[index].run(&trades, &ticks));
            }
        }
    }
    print_rates(rows, &took);
    print_memory(rows);
}
