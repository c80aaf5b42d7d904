//! Replays a file of trades through the library as a live feed without sequences would deliver
//! them, in batches of 1, 100 and 10,000, and checks that every one was stored.
//!
//! ```sh
//! cargo run --release --example replay -- data/es-trades-sample.csv.gz
//! cargo run --release --features postgres --example replay -- trades.csv.gz postgres://user@host/empty
//! ```
//!
//! Each batch size writes to an instrument of its own, `REPLAY1`, `REPLAY100` and `REPLAY10000`.
#![allow(clippy::print_stdout)] // It is its output.

use std::time::Instant;

use tickbase::config::DatabaseConfig;
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{InstrumentType, Symbol};
use tickbase::ingest::{Feed, FeedOptions, FeedTarget, Input};
use tickbase::models::NewInstrument;
use tickbase::repository::instrument;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};
use tickbase::{Error, Result};

/// What was replayed, or what is stored: ticks, sum of prices, sum of volumes.
pub type Figures = (usize, f64, f64);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = || Error::invalid("arguments", "there is no FILE", "replay FILE [URL]");
    let path = arguments.next().ok_or_else(usage)?;
    let temporary = std::env::temp_dir().join(format!("replay-{}.db", std::process::id()));
    let url = arguments.next();
    let url = url.unwrap_or_else(|| temporary.to_string_lossy().into_owned());
    let db = Database::open(DatabaseConfig::new(&url)?)?;
    for batch in [1, 100, 10_000] {
        let start = Instant::now();
        let (sent, stored) = replay(&db, &path, batch)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("batches of {batch}: sent {sent:?}, stored {stored:?}, {seconds:.1} s");
        if sent != stored {
            return Err(Error::invalid(
                "replay",
                "not all was stored",
                "report this as a defect",
            ));
        }
    }
    db.close();
    for end in ["", "-wal", "-shm"] {
        // Only the temporary database of this process has this name.
        let _ = std::fs::remove_file(format!("{}{end}", temporary.display()));
    }
    Ok(())
}

/// Sends the trades of a file in batches, without sequences; returns what was sent and what the
/// database holds then.
///
/// # Errors
/// Those of reading the file and of the database.
pub fn replay(db: &Database, path: &str, batch: usize) -> Result<(Figures, Figures)> {
    let symbol = Symbol::new(&format!("REPLAY{batch}"))?;
    let new = NewInstrument::new(symbol, "Replayed trades", InstrumentType::Future);
    let now = db.clock().now();
    let insert = move |conn: &mut BackendConnection<'_>| instrument::insert(conn, &new, now);
    let instrument_id = db.write("instrument.insert", insert)?.id;
    let ticks = MarketDataRepository::new(db);
    let mut sent = (0, 0.0, 0.0);
    for rows in trades(path, instrument_id)?.chunks(batch) {
        let report = ticks.insert_batch(rows.to_vec(), InsertOptions::default())?;
        if report.inserted != rows.len() {
            let reason = format!("{report:?}");
            return Err(Error::invalid("batch", reason, "report this as a defect"));
        }
        for tick in rows {
            add(&mut sent, tick.price(), tick.volume());
        }
    }
    Ok((sent, stored(&ticks, instrument_id)?))
}

/// The trades of a file as a live feed has them: in their order, without sequences.
fn trades(path: &str, instrument_id: i64) -> Result<Vec<Tick>> {
    let mut feed = Feed::open::<Tick>(Input::open(path)?, &FeedOptions::default())?;
    let target = FeedTarget {
        instrument_id,
        source_id: tickbase::domain::DEFAULT_SOURCE_ID,
        frequency: None,
    };
    let mut ticks = Vec::new();
    while let Some(batch) = feed.next_batch::<Tick>(&target)? {
        for tick in batch.rows {
            ticks.push(Tick::try_from(RawTick {
                instrument_id: Some(instrument_id),
                timestamp: Some(tick.timestamp()),
                price: tick.price(),
                volume: tick.volume(),
                ..RawTick::default()
            })?);
        }
    }
    Ok(ticks)
}

fn stored(ticks: &MarketDataRepository<'_>, instrument_id: i64) -> Result<Figures> {
    let mut query = RangeQuery::new(TickRange::all(instrument_id), PAGE_ROWS_MAX);
    let mut figures = (0, 0.0, 0.0);
    loop {
        let page = ticks.range(&query)?;
        for tick in &page.rows {
            add(&mut figures, tick.price, tick.volume);
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(figures);
        }
    }
}

fn add(figures: &mut Figures, price: Option<f64>, volume: Option<f64>) {
    figures.0 += 1;
    figures.1 += price.unwrap_or_default();
    figures.2 += volume.unwrap_or_default();
}
