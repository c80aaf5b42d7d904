//! `export`: the ticks or the bars of an instrument as a file, page by page.
//!
//! What it writes, `import` reads back: the columns are named as the feeds know them, and the
//! sequence comes along, so that an import of an export inserts nothing.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::database::DatabaseNeed;
use crate::named::{self, moment};
use crate::output::{cannot_write, grouped, to_file, to_stderr};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::database::Database;
use tickbase::domain::{Frequency, Symbol};
use tickbase::export::{self, ExportedBars, ExportedInstrument, Selection, Table, TableFormat};
use tickbase::timestamp::Timestamp;

/// The columns of a file of bars.
const BAR_COLUMNS: Selection<'_> = Selection::Named(&[
    "timestamp",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "open_interest",
]);

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
    /// The form of the file
    #[arg(long, value_enum, default_value_t)]
    format: FileFormat,
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

impl ExportKind {
    fn name(self) -> &'static str {
        match self {
            Self::Ticks => "ticks",
            Self::Bars => "bars",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// Comma-separated values with a line of names
    #[default]
    Csv,
    /// A JSON object a line
    Ndjson,
    /// The stream of Arrow's IPC, for pandas, polars and others
    Arrow,
    /// A Parquet file with zstd
    Parquet,
}

impl From<FileFormat> for TableFormat {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Csv => Self::Csv,
            FileFormat::Ndjson => Self::Ndjson,
            FileFormat::Arrow => Self::Arrow,
            FileFormat::Parquet => Self::Parquet,
        }
    }
}

pub(super) fn run(context: &Context, arguments: &ExportArguments) -> CommandResult {
    let symbol = Symbol::new(&arguments.symbol)?;
    let database = context.open(DatabaseNeed::Existing)?;
    let instrument = named::instrument(&database, &symbol)?;
    let instrument = ExportedInstrument {
        id: instrument.id,
        symbol,
    };
    let rows = table(arguments, instrument)?;
    let format = TableFormat::from(arguments.format);
    let Some(path) = &arguments.out else {
        if context.output.is_json() {
            return Err(CommandFailure::Usage(
                "the rows themselves go to standard output; give --out FILE with --json, or \
                 --format ndjson"
                    .to_owned(),
            ));
        }
        let mut out = BufWriter::new(io::stdout().lock());
        return write(&database, rows, format, &mut out, "standard output").map(drop);
    };
    let name = path.display().to_string();
    let count = to_file(path, |out| write(&database, rows, format, out, &name))?;
    if context.output.is_json() {
        let result = serde_json::json!({ "exported": count });
        return context.output.result(&result, |_| String::new());
    }
    to_stderr(&format!(
        "exported {} {} to {}",
        grouped(count),
        arguments.kind.name(),
        path.display()
    ));
    Ok(())
}

/// The rows that are written.
fn table(
    arguments: &ExportArguments,
    instrument: ExportedInstrument,
) -> Result<Table, CommandFailure> {
    let (start, end) = (arguments.start, arguments.end);
    let of = vec![instrument];
    match (arguments.kind, arguments.frequency) {
        (ExportKind::Ticks, None) => {
            let ticks = Table::ticks(of, start, end, Selection::WithoutSymbol);
            ticks.map_err(Into::into)
        }
        (ExportKind::Bars, Some(frequency)) => {
            let bars = ExportedBars::of_trades(frequency);
            Table::bars(of, start, end, bars, BAR_COLUMNS).map_err(Into::into)
        }
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
    rows: Table,
    format: TableFormat,
    out: &mut dyn Write,
    name: &str,
) -> Result<u64, CommandFailure> {
    let failed = |error: io::Error| cannot_write(name, &error);
    let count = export::write(database, rows, format, |piece| {
        out.write_all(piece).map_err(failed)
    })?;
    out.flush().map_err(failed)?;
    Ok(count)
}
