//! `export`: the ticks or the bars of an instrument as CSV or NDJSON, page by page.
//!
//! What it writes, `import` reads back: the columns are named as the feeds know them, and the
//! sequence comes along, so that an import of an export inserts nothing.

mod bars;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::{self, moment};
use crate::output::{cannot_write, grouped, to_file, to_stderr};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::database::Database;
use tickbase::domain::{Frequency, Symbol};
use tickbase::models::MarketData;
use tickbase::repository::market_data::{MarketDataRepository, TickRange};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};
use tickbase::timestamp::Timestamp;

/// The names of the columns, in the order of [`cells`].
const COLUMNS: [&str; 12] = [
    "timestamp",
    "source_id",
    "sequence",
    "price",
    "volume",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "open",
    "high",
    "low",
];

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// What is written
    #[arg(long, value_enum, default_value_t)]
    kind: ExportKind,
    /// The period of bars: 1min 5min 15min 30min 1h 4h 1d 1w 1M
    #[arg(long, value_name = "PERIOD", required_if_eq("kind", "bars"))]
    frequency: Option<Frequency>,
    /// The first moment: 2013-09-01, 2013-09-01T17:00:00Z, ..
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which it ends
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
    /// csv or ndjson
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The file to write; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ExportKind {
    /// As they are stored
    #[default]
    Ticks,
    /// Stored ones, and what ticks make where there are none
    Bars,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Csv,
    Ndjson,
}

pub(super) fn run(context: &Context, arguments: &ExportArguments) -> CommandResult {
    let symbol = Symbol::new(&arguments.symbol)?;
    let database = context.open(DatabaseNeed::Existing)?;
    let instrument = named::instrument(&database, &symbol)?;
    let rows = rows(arguments, instrument.id)?;
    let Some(path) = &arguments.out else {
        if context.output.is_json() {
            return Err(CommandFailure::Usage(
                "the rows themselves go to standard output; give --out FILE with --json, or \
                 --format ndjson"
                    .to_owned(),
            ));
        }
        let out = BufWriter::new(io::stdout().lock());
        return write(&database, &rows, arguments.format, out, "standard output").map(drop);
    };
    let name = path.display().to_string();
    let count = to_file(path, |out| {
        write(&database, &rows, arguments.format, out, &name)
    })?;
    if context.output.is_json() {
        let result = serde_json::json!({ "exported": count });
        return context.output.result(&result, |_| String::new());
    }
    to_stderr(&format!(
        "exported {} {} to {}",
        grouped(count),
        rows.name(),
        path.display()
    ));
    Ok(())
}

/// What is written.
enum ExportSource {
    Ticks(TickRange),
    Bars(bars::Bars),
}

impl ExportSource {
    fn name(&self) -> &'static str {
        match self {
            Self::Ticks(_) => "ticks",
            Self::Bars(_) => "bars",
        }
    }
}

fn rows(arguments: &ExportArguments, instrument_id: i64) -> Result<ExportSource, CommandFailure> {
    let (start, end) = (arguments.start, arguments.end);
    match (arguments.kind, arguments.frequency) {
        (ExportKind::Ticks, None) => Ok(ExportSource::Ticks(TickRange {
            instrument_id,
            start,
            end,
        })),
        (ExportKind::Bars, Some(frequency)) => Ok(ExportSource::Bars(bars::Bars {
            instrument_id,
            frequency,
            start,
            end,
        })),
        (ExportKind::Ticks, Some(_)) => Err(CommandFailure::Usage(
            "ticks have no --frequency; add --kind bars".to_owned(),
        )),
        (ExportKind::Bars, None) => Err(CommandFailure::Usage(
            "bars need a --frequency, like 1min".to_owned(),
        )),
    }
}

fn write(
    database: &Database,
    rows: &ExportSource,
    format: Format,
    mut out: impl Write,
    name: &str,
) -> Result<u64, CommandFailure> {
    match rows {
        ExportSource::Ticks(range) => write_ticks(database, *range, format, &mut out, name),
        ExportSource::Bars(of) => bars::write(database, of, format, &mut out, name),
    }
}

fn write_ticks(
    database: &Database,
    range: TickRange,
    format: Format,
    mut out: &mut dyn Write,
    name: &str,
) -> Result<u64, CommandFailure> {
    let failed = |error: io::Error| cannot_write(name, &error);
    let ticks = MarketDataRepository::new(database);
    let mut query = RangeQuery::new(range, PAGE_ROWS_MAX);
    let mut rows = 0;
    if format == Format::Csv {
        writeln!(out, "{}", COLUMNS.join(",")).map_err(failed)?;
    }
    loop {
        let page = ticks.range(&query)?;
        for tick in &page.rows {
            match format {
                Format::Csv => csv_line(&mut out, tick),
                Format::Ndjson => json_line(&mut out, tick),
            }
            .map_err(failed)?;
        }
        rows += page.rows.len() as u64;
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    out.flush().map_err(failed)?;
    Ok(rows)
}

fn csv_line(out: &mut impl Write, tick: &MarketData) -> io::Result<()> {
    write!(
        out,
        "{},{},{}",
        tick.timestamp, tick.source_id, tick.sequence
    )?;
    for value in tick.values() {
        match value {
            Some(value) => write!(out, ",{value}")?,
            None => write!(out, ",")?,
        }
    }
    writeln!(out)
}

/// A tick as one object; absent values are left out.
#[derive(Serialize)]
struct TickLine {
    timestamp: String,
    source_id: i64,
    sequence: i64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    volume: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    bid: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    ask: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    bid_size: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    ask_size: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    open: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    high: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    low: Option<f64>,
}

/// Writes a whole number without a point.
fn plain<S: serde::Serializer>(value: &Option<f64>, out: S) -> Result<S::Ok, S::Error> {
    /// Up to here every whole f64 is exactly its integer.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Some(value) if value.fract() == 0.0 && value.abs() <= EXACT_MAX => {
            out.serialize_i64(*value as i64)
        }
        value => value.serialize(out),
    }
}

fn json_line(out: &mut impl Write, tick: &MarketData) -> io::Result<()> {
    let line = TickLine {
        timestamp: tick.timestamp.to_string(),
        source_id: tick.source_id,
        sequence: tick.sequence,
        price: tick.price,
        volume: tick.volume,
        bid: tick.bid,
        ask: tick.ask,
        bid_size: tick.bid_size,
        ask_size: tick.ask_size,
        open: tick.open_price,
        high: tick.high_price,
        low: tick.low_price,
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}
