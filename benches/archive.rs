//! The files of archived ticks: bytes a tick, and the time to write one, to read it, to fold it into
//! minute bars and to look one tick up; beside DuckDB over the same file, with one thread.
//!
//! ```sh
//! cargo bench --bench archive
//! PEERS_PYTHON=/path/to/python cargo bench --bench archive   # with DuckDB
//! ```
//!
//! A first table is of the files alone, a second one of the archive of a database: all bytes of its file, the
//! time of archiving, the longest write of another producer meanwhile, a late tick, minute bars.
//!
//! The 500,000 trades of ES where they stand (`TICKBASE_REAL_DATA`), else the 20,009 that are shipped;
//! and 1,000,000 generated ticks with all nine values. Times are those of the processor, the median of
//! nine runs, those of writing, reading and folding for a million ticks. The bench ends with an error when what is read is not what was written, or when two ways
//! give different bars.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

#[path = "common/real_data.rs"]
mod real_data;
#[path = "common/segment_ticks.rs"]
mod segment_ticks;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::ArchivePeriod;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::models::ArchiveSegment;
use tickbase::repository::archive::{self, Archiver, PeriodOutcome};
use tickbase::repository::market_data::{
    self, InsertOptions, InsertReport, MarketDataRepository, TickRange,
};
use tickbase::repository::storage;
use tickbase::segment::{Segment, SegmentTick, SegmentWriter, WantedColumns, WrittenSegment};

use segment_ticks::{generated, trades};

const RUNS: usize = 9;
const MINUTE: i64 = 60_000_000;

/// Price and volume alone.
const PRICE_AND_VOLUME: WantedColumns = WantedColumns {
    keys: false,
    values: [true, true, false, false, false, false, false, false, false],
};

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bar {
    minute: i64,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

fn write(ticks: &[SegmentTick]) -> WrittenSegment {
    let mut writer = SegmentWriter::new(1, "ES", [(1, "tickbase".to_owned())]).unwrap();
    for tick in ticks {
        writer.push(*tick).unwrap();
    }
    writer.finish().unwrap()
}

fn read(segment: &Segment, bytes: &mut Bytes, wanted: WantedColumns) -> usize {
    let rows = segment.rows_of(bytes, (Timestamp::MIN, Timestamp::MAX), wanted);
    rows.map(|rows| rows.unwrap().len()).sum()
}

fn fold(segment: &Segment, bytes: &mut Bytes) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for rows in segment.rows_of(bytes, (Timestamp::MIN, Timestamp::MAX), PRICE_AND_VOLUME) {
        let rows = rows.unwrap();
        let values = rows.values[0].iter().zip(&rows.values[1]);
        for (moment, (price, volume)) in rows.moments.iter().zip(values) {
            let Some(price) = *price else { continue };
            let (minute, volume) = (moment.div_euclid(MINUTE) * MINUTE, volume.unwrap_or(0.0));
            match bars.last_mut().filter(|bar| bar.minute == minute) {
                Some(bar) => {
                    bar.high = bar.high.max(price);
                    bar.low = bar.low.min(price);
                    bar.close = price;
                    bar.volume += volume;
                }
                None => bars.push(Bar {
                    minute,
                    open: price,
                    high: price,
                    low: price,
                    close: price,
                    volume,
                }),
            }
        }
    }
    bars
}

/// The processor's time of this process.
fn processor() -> Duration {
    let usage = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(usage.split(' ').next().unwrap().parse().unwrap())
}

/// The median of the processor's times in ms, of one piece of work.
fn measure(repeated: u32, mut work: impl FnMut()) -> f64 {
    let run = |_| {
        let began = processor();
        (0..repeated).for_each(|_| work());
        (processor() - began).as_secs_f64() * 1e3 / f64::from(repeated)
    };
    let mut times: Vec<f64> = (0..RUNS).map(run).collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// DuckDB over the same file: its time per million ticks, and bars and their sums.
fn duckdb(file: &Path, rows: usize) -> Option<(f64, usize, f64)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/archive.py");
    let mut process = Command::new(std::env::var_os("PEERS_PYTHON")?)
        .args([script, file.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut ask = process.stdin.take().unwrap();
    let mut numbers = Vec::new();
    for _ in 0..RUNS {
        writeln!(ask, "minutes").unwrap();
        let line = lines.next().unwrap().unwrap();
        numbers.push(
            line.split(' ')
                .map(|of| of.parse::<f64>().unwrap())
                .collect::<Vec<_>>(),
        );
    }
    drop(ask);
    assert!(process.wait().unwrap().success());
    numbers.sort_by(|one, other| one[0].total_cmp(&other[0]));
    let of = &numbers[RUNS / 2];
    Some((of[0] * 1e3 * 1e6 / rows as f64, of[1] as usize, of[2]))
}

fn row(name: &str, ticks: &[SegmentTick]) {
    let rows = ticks.len();
    let written = write(ticks);
    let mut bytes = Bytes::from(written.bytes.clone());
    let segment = Segment::open(&mut bytes).unwrap();
    assert_eq!(segment.rows(), rows as u64);
    let million = |ms: f64| ms * 1e6 / rows as f64;
    let writing = million(measure(1, || assert_eq!(write(ticks).rows, rows as u64)));
    let reading = million(measure(5, || {
        assert_eq!(read(&segment, &mut bytes, WantedColumns::ALL), rows);
    }));
    let bars = fold(&segment, &mut bytes);
    let folding = million(measure(20, || {
        assert_eq!(fold(&segment, &mut bytes).len(), bars.len());
    }));
    let key = ticks[rows / 3].key();
    let looking = measure(500, || {
        let opened = Segment::open(&mut bytes).unwrap();
        assert_eq!(
            opened.find(&mut bytes, &[key]).unwrap(),
            [Some(ticks[rows / 3])]
        );
    });
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("ticks.parquet");
    std::fs::write(&file, &written.bytes).unwrap();
    let peer = duckdb(&file, rows).map_or("- | -".to_owned(), |(time, count, volume)| {
        let sum: f64 = bars.iter().map(|bar| bar.volume).sum();
        assert_eq!(
            (count, volume),
            (bars.len(), sum),
            "DuckDB makes other bars"
        );
        format!("{time:.1} ms | {:.1}", time / folding)
    });
    println!(
        "| {name} | {rows} | {:.2} | {writing:.0} ms | {reading:.0} ms | {folding:.1} ms | {:.2} ms | {peer} |",
        written.bytes.len() as f64 / rows as f64,
        looking,
    );
}

/// The processor's time of all threads of this process: in steps of 10 ms.
fn processor_of_all() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn as_tick(instrument_id: i64, of: &SegmentTick) -> Tick {
    let [
        price,
        volume,
        bid,
        ask,
        bid_size,
        ask_size,
        open_price,
        high_price,
        low_price,
    ] = of.values;
    Tick::try_from(RawTick {
        instrument_id: Some(instrument_id),
        timestamp: Some(of.timestamp),
        source_id: Some(of.source_id),
        sequence: Some(of.sequence),
        price,
        volume,
        bid,
        ask,
        bid_size,
        ask_size,
        open_price,
        high_price,
        low_price,
    })
    .unwrap()
}

/// Bytes that the database takes, without free pages.
fn used(database: &Database) -> i64 {
    let size = database.read("bench.size", storage::size).unwrap();
    size.database_bytes - size.free_bytes
}

/// The period that holds all ticks, and their archiving: rows that left the table.
fn archive_all(database: &Database, ticks: &[SegmentTick]) -> usize {
    let period = ArchivePeriod::Month.bounds(ticks[0].timestamp);
    assert!(ticks[ticks.len() - 1].timestamp < period.1, "one month");
    match Archiver::default()
        .archive_period(database, 1, period)
        .unwrap()
    {
        PeriodOutcome::Archived {
            segment,
            rows_removed,
        } => {
            assert_eq!(segment.rows, ticks.len() as i64);
            rows_removed
        }
        other => panic!("{other:?}"),
    }
}

fn period(database: &Database) -> ArchiveSegment {
    let all = database.read("bench.list", |conn| archive::list(conn, Some(1)));
    all.unwrap().pop().unwrap()
}

/// A trade of another instrument.
fn of_another(n: i64) -> Tick {
    let mut values = [None; 9];
    values[0] = Some(1_640.25);
    let timestamp = Timestamp::from_micros(1_700_000_000_000_000 + n).unwrap();
    let tick = SegmentTick {
        timestamp,
        source_id: 1,
        sequence: 0,
        values,
    };
    as_tick(2, &tick)
}

/// The longest write of another producer while `work` goes on: batches of 100 ticks, 2 ms apart.
fn longest_write(database: &Database, next: &mut i64, work: impl FnOnce()) -> Duration {
    let over = AtomicBool::new(false);
    let mut first = *next;
    let longest = std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let ticks = (first..first + 100).map(of_another).collect();
                first += 100;
                let began = Instant::now();
                let report = MarketDataRepository::new(database)
                    .insert_batch(ticks, InsertOptions::default())
                    .unwrap();
                longest = longest.max(began.elapsed());
                assert_eq!(report.inserted, 100);
                std::thread::sleep(Duration::from_millis(2));
            }
            longest
        });
        work();
        over.store(true, Ordering::Relaxed);
        producer.join().unwrap()
    });
    *next = first;
    longest
}

/// Minute bars of all ticks, by the pass over prices that history and the building of bars take.
fn fold_database(database: &Database) -> Vec<Bar> {
    let range = TickRange::all(1);
    let read = database.read("bench.prices", |conn| {
        let mut bars: Vec<Bar> = Vec::new();
        market_data::prices(conn, &range, |tick| {
            let minute = tick.timestamp.micros().div_euclid(MINUTE) * MINUTE;
            let volume = tick.volume.unwrap_or(0.0);
            match bars.last_mut().filter(|bar| bar.minute == minute) {
                Some(bar) => {
                    bar.high = bar.high.max(tick.price);
                    bar.low = bar.low.min(tick.price);
                    bar.close = tick.price;
                    bar.volume += volume;
                }
                None => bars.push(Bar {
                    minute,
                    open: tick.price,
                    high: tick.price,
                    low: tick.price,
                    close: tick.price,
                    volume,
                }),
            }
            Ok(())
        })?;
        Ok(bars)
    });
    read.unwrap()
}

/// The median time of a piece of work in ms.
fn median_of(times: usize, mut work: impl FnMut()) -> f64 {
    let run = |_| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64() * 1e3
    };
    let mut times: Vec<f64> = (0..times).map(run).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Ticks of the archived time whose keys no file has: the median time to look one up and store it.
fn late_tick(mut tick: SegmentTick, store: impl Fn(&[SegmentTick]) -> InsertReport) -> f64 {
    let mut later = 0;
    median_of(200, || {
        later += 1;
        tick.sequence = i64::from(i32::MAX) + later;
        assert_eq!(store(std::slice::from_ref(&tick)).inserted, 1);
    })
}

fn database_row(name: &str, ticks: &[SegmentTick]) {
    let rows = ticks.len();
    let million = |value: f64| value * 1e6 / rows as f64;
    let place = tempfile::tempdir().unwrap();
    let url = place.path().join("archive.db");
    let database = Database::open(DatabaseConfig::new(url.to_str().unwrap()).unwrap()).unwrap();
    let empty = used(&database);
    let store = |ticks: &[SegmentTick]| {
        let ticks = ticks.iter().map(|tick| as_tick(1, tick)).collect();
        MarketDataRepository::new(&database)
            .insert_batch(ticks, InsertOptions::default())
            .unwrap()
    };
    for some in ticks.chunks(50_000) {
        assert_eq!(store(some).inserted, some.len());
    }
    let hot_bytes = (used(&database) - empty) as f64 / rows as f64;
    let hot_bars = fold_database(&database);
    let hot_folding = million(measure(1, || {
        assert_eq!(fold_database(&database), hot_bars)
    }));
    let began = processor_of_all();
    assert_eq!(archive_all(&database, ticks), rows);
    let archiving = million(processor_of_all() - began);
    let bytes = (used(&database) - empty) as f64 / rows as f64;
    assert_eq!(
        fold_database(&database),
        hot_bars,
        "the archive makes other bars"
    );
    let folding = million(measure(3, || {
        assert_eq!(fold_database(&database).len(), hot_bars.len());
    }));
    let sent_again = &ticks[rows / 3..=rows / 3];
    let look = median_of(200, || assert_eq!(store(sent_again).duplicates, 1));
    let file = place.path().join("ticks.parquet");
    let segment = period(&database);
    let of = segment.clone();
    let content = database.read("bench.file", move |conn| archive::bytes(conn, &of));
    std::fs::write(&file, content.unwrap()).unwrap();
    let peer = duckdb(&file, rows).map_or("- | -".to_owned(), |(time, count, volume)| {
        let sum: f64 = hot_bars.iter().map(|bar| bar.volume).sum();
        assert_eq!(
            (count, volume),
            (hot_bars.len(), sum),
            "DuckDB makes other bars"
        );
        format!("{time:.1} ms | {:.1}", time / folding)
    });
    // Again, beside a producer: of another instrument.
    Archiver::default()
        .restore_period(&database, &segment)
        .unwrap();
    let mut next = 0;
    let before = database.writer_snapshot().unwrap().commit;
    let longest = longest_write(&database, &mut next, || {
        assert_eq!(archive_all(&database, ticks), rows);
    });
    let held = database.writer_snapshot().unwrap().commit.since(&before);
    let held = held.summary().max_us as f64 / 1e3;
    let alone = longest_write(&database, &mut next, || {
        std::thread::sleep(Duration::from_secs(2));
    });
    let new = late_tick(ticks[rows / 3], store);
    println!(
        "| {name} | {rows} | {hot_bytes:.1} | {bytes:.2} | {archiving:.2} s | {held:.1} ms | {:.1} ms | {:.1} ms | {new:.2} ms | {look:.2} ms | {hot_folding:.1} ms | {folding:.1} ms | {peer} |",
        longest.as_secs_f64() * 1e3,
        alone.as_secs_f64() * 1e3,
    );
}

fn main() {
    println!(
        "| ticks | rows | bytes a tick | writing | reading | minute bars | one key | DuckDB's minute bars | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let (origin, trades) = trades();
    row(&origin, &trades);
    row("generated, nine values", &generated());
    println!(
        "\n| ticks in a database | rows | bytes a tick in the table | archived, all told | archiving a million | writer held at most | longest write beside | without | one late tick | one sent again | minute bars of the table | archived | DuckDB's of the file | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    database_row(&origin, &trades);
    database_row("generated, nine values", &generated());
}
