//! `demo`: real trades through the whole path, and what happened.

use std::io::Cursor;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::chart::PictureKind;
use crate::database::{DatabaseNeed, open};
use crate::output::{grouped, micros, table, to_stderr};
use crate::{CommandResult, Context, serve};
use tickbase::config::DatabaseUrl;
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::domain::{ArchivePeriod, DEFAULT_SOURCE_ID, Symbol};
use tickbase::error::{Error, Result};
use tickbase::ingest::{Feed, FeedOptions, FeedTarget, Input, pump};
use tickbase::models::{Instrument, MarketData};
use tickbase::repository::archive::{Archiver, PeriodOutcome};
use tickbase::repository::instrument;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::services::{AlertEngine, Service};

mod chart;
mod live;
mod rules;

use live::LiveFeed;

/// Real trades of the E-mini S&P 500 future; `data/README.md` has their origin and licence.
const SAMPLE: &[u8] = include_bytes!("../../../data/es-trades-sample.csv.gz");
const SYMBOL: &str = "ES";
/// Ticks that are stored at once, as a busy feed would deliver them.
const BATCH_TICKS: usize = 500;
/// Threads that read the latest prices meanwhile.
const READERS: usize = 4;

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// End after the replay
    #[arg(long)]
    no_serve: bool,
    /// Address to listen to after it
    #[arg(long, value_name = "ADDR", conflicts_with = "no_serve")]
    bind: Option<SocketAddr>,
    /// Also draw the replayed trades as a picture: chart.svg or chart.png
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

#[derive(Serialize)]
struct DemoReport {
    database: String,
    rows: usize,
    inserted: usize,
    duplicates: usize,
    elapsed_seconds: f64,
    rows_per_second: f64,
    latest: Vec<DemoLatest>,
    alerts: rules::Alerts,
    pool: Pool,
    writer: Option<DemoWriter>,
    operations: Vec<DemoOperation>,
    archive: Option<DemoArchive>,
    #[serde(skip)]
    chart: String,
}

#[derive(Serialize)]
struct DemoLatest {
    symbol: String,
    timestamp: String,
    price: Option<f64>,
}

#[derive(Serialize)]
struct Pool {
    base: usize,
    capacity: usize,
    opened: u64,
    idle: usize,
    timeouts: u64,
    acquisitions: u64,
    acquire_us_p50: u64,
    acquire_us_p99: u64,
}

#[derive(Serialize)]
struct DemoWriter {
    jobs: u64,
    commits: u64,
    commit_us_p50: u64,
    commit_us_p99: u64,
}

#[derive(Serialize)]
struct DemoOperation {
    op: &'static str,
    calls: u64,
    errors: u64,
    p50_us: u64,
    p99_us: u64,
}

/// What the ticks would take in the archive.
#[derive(Serialize)]
struct DemoArchive {
    ticks: i64,
    bytes: i64,
    bytes_per_tick: f64,
}

/// What the replay stored, and how long it took.
#[derive(Default)]
struct Replay {
    rows: usize,
    inserted: usize,
    duplicates: usize,
    seconds: f64,
}

pub(super) fn run(context: &Context, arguments: &DemoArguments) -> CommandResult {
    let picture = arguments.chart.as_deref();
    let picture = picture.map(|path| PictureKind::of(path).map(|kind| (path, kind)));
    let picture = picture.transpose()?;
    let mut settings = context.settings.clone();
    let place = if context.named {
        None
    } else {
        Some(Temporary::new()?)
    };
    if let Some(place) = &place {
        settings.database.url = DatabaseUrl::Sqlite(place.0.join("demo.db"));
    }
    if let Some(bind) = arguments.bind {
        settings.server.bind = bind;
    }
    let database = open(settings.database.clone(), DatabaseNeed::Prepared)?;
    let report = demonstrate(&database)?;
    context.output.result(&report, for_people)?;
    if let Some((path, kind)) = picture {
        chart::of(&database, &instrument(&database)?)?.write(kind, path)?;
    }
    if arguments.no_serve {
        database.close();
        return Ok(());
    }
    let feed = LiveFeed::new(database.clone(), instrument(&database)?.id)?;
    let mut running = None;
    let served = serve::until_signal(database, &settings, &context.source, |address| {
        // Not before: rules are evaluated from here on.
        running = Some(feed.start());
        to_stderr(&format!(
            "tickbase: http://{address}/#/instrument/{SYMBOL} shows its trades, its alerts and the \
             database's health, live until Ctrl-C;\n  the trades come again and again, as if they \
             came now; the API is at /api/docs"
        ));
    });
    drop(running);
    Ok(served?)
}

fn demonstrate(database: &Database) -> Result<DemoReport> {
    let instrument = instrument(database)?;
    let watching = rules::prepare(database, instrument.id)?;
    let engine = AlertEngine::new(database.clone());
    engine.start()?;
    let replay = replay_beside_readers(database, &instrument);
    engine.stop();
    let replay = replay?;
    let ticks = MarketDataRepository::new(database);
    let latest = ticks.latest(&[instrument.id])?;
    let chart = chart::of(database, &instrument)?.text()?;
    let pool = database.pool_snapshot();
    let acquire = pool.doors[0].acquire.summary();
    Ok(DemoReport {
        database: database.config().url.to_string(),
        rows: replay.rows,
        inserted: replay.inserted,
        duplicates: replay.duplicates,
        elapsed_seconds: (replay.seconds * 1e3).round() / 1e3,
        rows_per_second: (replay.rows as f64 / replay.seconds.max(1e-9)).round(),
        latest: latest
            .iter()
            .map(|tick| DemoLatest {
                symbol: instrument.symbol.to_string(),
                timestamp: tick.timestamp.to_string(),
                price: tick.price,
            })
            .collect(),
        alerts: rules::fired(database, &watching)?,
        pool: Pool {
            base: pool.base,
            capacity: pool.capacity,
            opened: pool.opened,
            idle: pool.idle,
            timeouts: pool.timeouts,
            acquisitions: acquire.count,
            acquire_us_p50: acquire.p50_us,
            acquire_us_p99: acquire.p99_us,
        },
        writer: writer(database),
        operations: operations(database),
        archive: archived(database, &latest)?,
        chart,
    })
}

fn instrument(database: &Database) -> Result<Instrument> {
    let symbol = Symbol::new(SYMBOL)?;
    let found = database.read("instrument.by_symbol", |conn| {
        instrument::by_symbol(conn, &symbol)
    })?;
    found.ok_or_else(|| {
        let remedy = "restore it, or name another database with --database-url";
        Error::not_found(format!("instrument {SYMBOL}"), remedy)
    })
}

/// Stores the sample while other threads read the latest price.
fn replay_beside_readers(database: &Database, instrument: &Instrument) -> Result<Replay> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| read_latest(database, instrument.id, &done)))
            .collect();
        let replay = replay(database, instrument);
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        replay
    })
}

fn read_latest(database: &Database, instrument_id: i64, done: &AtomicBool) -> Result<()> {
    let ticks = MarketDataRepository::new(database);
    while !done.load(Ordering::Relaxed) {
        ticks.latest(&[instrument_id])?;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(())
}

fn replay(database: &Database, instrument: &Instrument) -> Result<Replay> {
    let ticks = MarketDataRepository::new(database);
    let mut replay = Replay::default();
    let start = Instant::now();
    read_sample(instrument.id, |trades| {
        for batch in trades.chunks(BATCH_TICKS) {
            let report = ticks.insert_batch(batch.to_vec(), InsertOptions::default())?;
            replay.rows += report.received;
            replay.inserted += report.inserted;
            replay.duplicates += report.duplicates;
        }
        Ok(())
    })?;
    replay.seconds = start.elapsed().as_secs_f64();
    Ok(replay)
}

/// Reads the trades of the sample, as those of an instrument, and hands them over in their order.
fn read_sample(instrument_id: i64, mut take: impl FnMut(Vec<Tick>) -> Result<()>) -> Result<()> {
    let input = Input::from_reader("the sample", Cursor::new(SAMPLE))?;
    let mut feed = Feed::open::<Tick>(input, &FeedOptions::default())?;
    let target = FeedTarget {
        instrument_id,
        source_id: DEFAULT_SOURCE_ID,
        frequency: None,
    };
    pump::<Tick>(&mut feed, &target, |batch| take(batch.rows))?;
    Ok(())
}

#[cfg(feature = "sqlite")]
fn writer(database: &Database) -> Option<DemoWriter> {
    let writer = database.writer_snapshot()?;
    let commit = writer.commit.summary();
    Some(DemoWriter {
        jobs: writer.committed_jobs,
        commits: writer.commits,
        commit_us_p50: commit.p50_us,
        commit_us_p99: commit.p99_us,
    })
}

#[cfg(not(feature = "sqlite"))]
fn writer(_database: &Database) -> Option<DemoWriter> {
    None
}

fn operations(database: &Database) -> Vec<DemoOperation> {
    let operation = |of: tickbase::database::OperationSnapshot| {
        let duration = of.duration.summary();
        DemoOperation {
            op: of.op,
            calls: of.calls,
            errors: of.errors,
            p50_us: duration.p50_us,
            p99_us: duration.p99_us,
        }
    };
    database.operations().into_iter().map(operation).collect()
}

/// The file of the month of the replayed trades, made in memory.
fn archived(database: &Database, latest: &[MarketData]) -> Result<Option<DemoArchive>> {
    let Some(tick) = latest.first() else {
        return Ok(None);
    };
    let month = ArchivePeriod::Month.bounds(tick.timestamp);
    let file = Archiver::default().preview_period(database, tick.instrument_id, month)?;
    Ok(match file {
        PeriodOutcome::Previewed { rows, bytes } => Some(DemoArchive {
            ticks: rows,
            bytes,
            bytes_per_tick: bytes as f64 / rows as f64,
        }),
        _ => None,
    })
}

fn for_people(report: &DemoReport) -> String {
    let mut text = format!(
        "{SYMBOL} trades of 2013-09-03, replayed into {}\n\n{}\n\
         rows        {} in {:.2} s: {} rows/s, committed {BATCH_TICKS} at a time beside {READERS} readers\n\
         stored      {} inserted, {} duplicates\n",
        report.database,
        report.chart,
        grouped(report.rows as u64),
        report.elapsed_seconds,
        grouped(report.rows_per_second as i64),
        grouped(report.inserted as u64),
        grouped(report.duplicates as u64),
    );
    for latest in &report.latest {
        let price = latest
            .price
            .map_or_else(|| "-".to_owned(), |price| price.to_string());
        text.push_str(&format!(
            "latest      {} {price} at {}\n",
            latest.symbol, latest.timestamp
        ));
    }
    text.push_str(&rules::for_people(&report.alerts));
    let pool = &report.pool;
    text.push_str(&format!(
        "pool        {} + {}: {} opened, {} acquisitions, p50 {}, p99 {}, {} timeouts\n",
        pool.base,
        pool.capacity - pool.base,
        pool.opened,
        grouped(pool.acquisitions),
        micros(pool.acquire_us_p50),
        micros(pool.acquire_us_p99),
        pool.timeouts,
    ));
    text.push_str(&match &report.writer {
        Some(writer) => format!(
            "writer      {} jobs in {} commits, p50 {}, p99 {}\n\n",
            grouped(writer.jobs),
            grouped(writer.commits),
            micros(writer.commit_us_p50),
            micros(writer.commit_us_p99),
        ),
        None => "writer      none: PostgreSQL writes through the pool\n\n".to_owned(),
    });
    text.push_str(&operations_table(&report.operations));
    if let Some(of) = &report.archive {
        text.push_str(&format!(
            "\nthe same ticks archived: {} bytes, {:.2} B a tick (`tickbase archive run`)\n",
            grouped(of.bytes),
            of.bytes_per_tick
        ));
    }
    text
}

fn operations_table(operations: &[DemoOperation]) -> String {
    let header = ["operation", "calls", "errors", "p50", "p99"].map(str::to_owned);
    let mut rows = vec![header.to_vec()];
    rows.extend(operations.iter().map(|of| {
        vec![
            of.op.to_owned(),
            grouped(of.calls),
            grouped(of.errors),
            micros(of.p50_us),
            micros(of.p99_us),
        ]
    }));
    table(&rows)
}

/// A directory of this process alone; gone at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tickbase-demo-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| Error::File {
            path: path.display().to_string(),
            reason: error.to_string(),
            remedy: "remove it, or name a database with --database-url".to_owned(),
        })?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the demo's files stay behind");
        }
    }
}
