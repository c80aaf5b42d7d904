//! `import`: files in, with a progress bar on a terminal, and a summary out.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::output::{grouped, table, to_stderr};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::domain::bar::Frequency;
use tickbase::domain::{InstrumentType, Symbol};
use tickbase::error::Result;
use tickbase::ingest::{
    BarStamps, ColumnMap, FeedFormat, FeedOptions, FileReading, Import, ImportCommit, ImportEvent,
    ImportKind, ImportListener, ImportReport, NumberFormat, Preset, import, presets,
};
use tickbase::timestamp::{DateOrder, FeedZone, TimestampFormat};

/// Rejected rows, and conflicts, that are shown one by one.
const SHOWN_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// CSV or NDJSON, plain or gzip, Parquet or Arrow; `-` is standard input
    #[arg(required_unless_present = "preset", value_name = "FILE")]
    files: Vec<String>,
    /// The instrument of the rows; of a file with a column of symbols only its rows are stored
    /// [default: each row's own]
    #[arg(long)]
    symbol: Option<String>,
    /// Add the instruments, of this type, when there is none of a symbol
    #[arg(long, value_name = "TYPE")]
    create: Option<InstrumentType>,
    /// The data source of the rows, by its name: each source has bars and ticks of its own [default: tickbase]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Add the data source when there is none of the name
    #[arg(long)]
    create_source: bool,
    /// What the rows are [default: bars when there are open, high, low and close, else ticks]
    #[arg(long, value_enum)]
    kind: Option<KindArgument>,
    /// The period of bars: 1min 5min 15min 30min 1h 4h 1d 1w 1M [default: as they are spaced]
    #[arg(long, value_name = "PERIOD")]
    frequency: Option<Frequency>,
    /// Which end of its period a bar is named by: start or end
    #[arg(long, value_name = "END", default_value = "start")]
    stamps_are: BarStamps,
    /// auto, csv or ndjson
    #[arg(long, default_value = "auto")]
    format: FeedFormat,
    /// The layout of a vendor's files: which column is which field, the form and zone of timestamps;
    /// `list` shows all
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Lines to pass over before anything is looked at
    #[arg(long, value_name = "N", default_value_t)]
    skip_lines: u64,
    /// Which column is which field, by the header's name or by position from 1, beside what the
    /// header says: timestamp=DateTime,price=3; high= leaves a field out
    #[arg(long, value_name = "FIELD=COLUMN,..")]
    columns: Option<ColumnMap>,
    /// auto, iso, unix_s, unix_ms, unix_us, unix_ns or a strftime pattern like "%Y%m%d %H%M%S%3f"
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    timestamp_format: TimestampFormat,
    /// What comes first in dates like 01/02/2024: year, month or day [default: what the dates of
    /// the file prove]
    #[arg(long, value_name = "FIRST")]
    date_order: Option<DateOrder>,
    /// The zone of timestamps without an offset, like America/New_York [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<FeedZone>,
    /// Numbers have a decimal comma: 1,5
    #[arg(long)]
    decimal_comma: bool,
    /// What stands between thousands: , . ' _ or a space
    #[arg(long, value_name = "CHARACTER")]
    thousands: Option<String>,
    /// Numbers may end with K, M or B: 151.20K
    #[arg(long)]
    suffixes: bool,
    /// Store nothing when any row is rejected or meets a deleted row
    #[arg(long, conflicts_with = "commit_each_batch")]
    strict: bool,
    /// Commit every 10,000 rows and let other writers in between, instead of all or nothing;
    /// run again after a failure, it goes on where it stopped
    #[arg(long)]
    commit_each_batch: bool,
    /// Read, judge and look up everything, and store nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArgument {
    Ticks,
    Bars,
}

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    report: ImportReport,
    /// What the first file was read as; `files` has all of them.
    #[serde(flatten)]
    reading: Option<FileReading>,
    elapsed_seconds: f64,
    rows_per_second: f64,
}

pub(super) fn run(context: &Context, arguments: ImportArguments) -> CommandResult {
    if arguments.preset.as_deref() == Some("list") {
        return context.output.result(&presets(), |all| list(all));
    }
    if arguments.files.is_empty() {
        return Err(CommandFailure::Usage(
            "name a FILE, or - for standard input".to_owned(),
        ));
    }
    let plan = plan(&arguments)?;
    let database = context.open(DatabaseNeed::Prepared)?;
    let watch = Arc::new(ImportProgress::new());
    let heard = Arc::clone(&watch);
    let listener: ImportListener = Arc::new(move |event| heard.hear(event));
    let start = Instant::now();
    let outcome = import(&database, arguments.files, &plan, listener);
    let elapsed = start.elapsed();
    database.close();
    watch.end();
    let summary = summary(outcome?, elapsed);
    context.output.result(&summary, for_people)?;
    if summary.report.stored_nothing() {
        return Err(CommandFailure::Told(nothing_stored(&summary.report)));
    }
    Ok(())
}

fn plan(arguments: &ImportArguments) -> std::result::Result<Import, CommandFailure> {
    let kind = arguments.kind.map(|kind| match kind {
        KindArgument::Ticks => ImportKind::Ticks,
        KindArgument::Bars => ImportKind::Bars,
    });
    if kind == Some(ImportKind::Ticks) && arguments.frequency.is_some() {
        return Err(CommandFailure::Usage(
            "ticks have no --frequency; leave it out, or name --kind bars".to_owned(),
        ));
    }
    let by_user = Import {
        symbol: arguments.symbol.as_deref().map(Symbol::new).transpose()?,
        create: arguments.create,
        source: arguments.source.clone(),
        create_source: arguments.create_source,
        kind,
        frequency: arguments.frequency,
        feed: feed_options(arguments)?,
        strict: arguments.strict,
        commit: if arguments.commit_each_batch {
            ImportCommit::EachBatch
        } else {
            ImportCommit::Once
        },
        dry_run: arguments.dry_run,
    };
    Ok(match &arguments.preset {
        Some(name) => Preset::of_name(name)?.import(by_user)?,
        None => by_user,
    })
}

/// The presets, a line each.
fn list(presets: &[Preset]) -> String {
    let rows = presets
        .iter()
        .map(|preset| vec![preset.name.to_owned(), preset.about.to_owned()]);
    table(&rows.collect::<Vec<_>>())
}

fn feed_options(arguments: &ImportArguments) -> Result<FeedOptions> {
    let thousands = arguments.thousands.as_deref();
    let numbers = NumberFormat {
        decimal_comma: arguments.decimal_comma,
        thousands: thousands.map(NumberFormat::thousands_of).transpose()?,
        suffixes: arguments.suffixes,
    };
    numbers.check()?;
    Ok(FeedOptions {
        format: arguments.format,
        skip_lines: arguments.skip_lines,
        columns: arguments.columns.clone().unwrap_or_default(),
        timestamp_format: arguments.timestamp_format.clone(),
        date_order: arguments.date_order,
        timezone: arguments.timezone.clone(),
        numbers,
        bar_stamps: arguments.stamps_are,
        ..FeedOptions::default()
    })
}

fn summary(report: ImportReport, elapsed: Duration) -> Summary {
    let seconds = elapsed.as_secs_f64();
    Summary {
        elapsed_seconds: (seconds * 1e3).round() / 1e3,
        rows_per_second: (report.read as f64 / seconds.max(1e-9)).round(),
        reading: report.files.first().cloned(),
        report,
    }
}

/// Why an import whose rows were read stored none of them.
fn nothing_stored(report: &ImportReport) -> String {
    let others = report.other_symbols.rows;
    if others == report.read {
        return "no row was stored: all are of other symbols; name one of them with --symbol, none \
                to store each, or leave the column out with --columns symbol="
            .to_owned();
    }
    format!(
        "no row was stored, of {} that were read",
        grouped(report.read)
    )
}

fn for_people(summary: &Summary) -> String {
    let report = &summary.report;
    let trial = if report.dry_run {
        "trial, nothing is stored: "
    } else {
        ""
    };
    let mut text = format!(
        "{trial}read {}, inserted {}, duplicates {}, conflicts {}, rejected {} in {:.2} s ({} rows/s)",
        grouped(report.read),
        grouped(report.inserted),
        grouped(report.duplicates),
        grouped(report.conflicts),
        grouped(report.rejected),
        summary.elapsed_seconds,
        grouped(summary.rows_per_second as i64),
    );
    for (count, what) in [
        (report.updated, "bars updated: other values were stored"),
        (
            report.deleted,
            "meet deleted rows, which stay deleted: restore them, or purge them and import again",
        ),
        (
            report.late,
            "stored late: older than the newest tick of the instrument",
        ),
        (
            report.timestamps_truncated,
            "timestamps cut to microseconds",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!("\n{} {what}", grouped(count)));
        }
    }
    if report.other_symbols.rows > 0 {
        text.push_str(&format!("\n{}", other_symbols(report)));
    }
    for file in &report.files {
        for line in findings(file) {
            text.push_str(&format!("\n{line}"));
        }
        let name = if report.files.len() > 1 {
            format!("{}: ", file.file)
        } else {
            String::new()
        };
        text.push_str(&format!("\n{name}{file}"));
    }
    text
}

fn other_symbols(report: &ImportReport) -> String {
    let others = &report.other_symbols;
    let named = others.symbols.iter();
    let named: Vec<String> = named
        .map(|of| format!("{} {}", of.symbol, grouped(of.rows)))
        .collect();
    let more = match others.count - others.symbols.len() as u64 {
        0 => String::new(),
        more => format!(" and {} more symbols", grouped(more)),
    };
    format!(
        "{} rows of other symbols were not stored: {}{more}",
        grouped(others.rows),
        named.join(", ")
    )
}

/// What is odd about the rows of a file.
fn findings(file: &FileReading) -> Vec<String> {
    let mut lines = Vec::new();
    match file.zero_prices {
        0 => {}
        1 => lines.push("1 price is 0".to_owned()),
        count => lines.push(format!("{} prices are 0", grouped(count))),
    }
    if file.repeated_keys > 0 {
        let rows = match file.repeated_keys {
            1 => "1 row of the file has".to_owned(),
            count => format!("{} rows of the file have", grouped(count)),
        };
        let remedy = repeated_key_remedy(file);
        lines.push(format!("{rows} the key of an earlier row: {remedy}"));
    }
    lines
}

/// What makes the rows of a file distinct.
fn repeated_key_remedy(file: &FileReading) -> String {
    if file.kind == ImportKind::Bars {
        return "the last bar of a period stays; where the clocks were set back, name the \
                --timezone"
            .to_owned();
    }
    match file.id_column() {
        Some(id) => format!("name the column of ids, --columns sequence={id}"),
        None => "name a column of ids, --columns sequence=COLUMN, or none, --columns sequence="
            .to_owned(),
    }
}

/// What the import tells: the bar, and the first rows that did not get in.
struct ImportProgress {
    bar: ProgressBar,
    shown: Mutex<ShownRejections>,
}

#[derive(Default)]
struct ShownRejections {
    lines: Vec<String>,
    rejected: usize,
    /// Of the rejected ones, those whose stamp was not read.
    stamps: usize,
    conflicts: usize,
    deleted: usize,
}

impl ImportProgress {
    fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            shown: Mutex::default(),
        }
    }

    fn hear(&self, event: &ImportEvent<'_>) {
        match *event {
            ImportEvent::Started => *self.shown() = ShownRejections::default(),
            ImportEvent::File { name, size_bytes } => self.start_bar(name, size_bytes),
            ImportEvent::Batch { rows, bytes_read } => {
                self.bar.set_position(bytes_read);
                self.bar.set_message(format!("{} rows", grouped(rows)));
            }
            ImportEvent::Rejected {
                name,
                line,
                reason,
                is_stamp,
            } => {
                let mut shown = self.shown();
                shown.rejected += 1;
                shown.stamps += usize::from(is_stamp);
                if shown.rejected <= SHOWN_MAX {
                    shown.lines.push(format!("{name} line {line}: {reason}"));
                }
            }
            ImportEvent::Conflict { name, line } => {
                let mut shown = self.shown();
                shown.conflicts += 1;
                if shown.conflicts <= SHOWN_MAX {
                    let what = "conflict: other values are stored under its key, and stay";
                    shown.lines.push(format!("{name} line {line}: {what}"));
                }
            }
            ImportEvent::Deleted { name, line } => {
                let mut shown = self.shown();
                shown.deleted += 1;
                if shown.deleted <= SHOWN_MAX {
                    let what = "deleted: a deleted row has its key, and stays deleted";
                    shown.lines.push(format!("{name} line {line}: {what}"));
                }
            }
            _ => {}
        }
    }

    fn start_bar(&self, name: &str, size_bytes: Option<u64>) {
        let template = match size_bytes {
            Some(_) => "{prefix} [{bar:30}] {percent}% {msg} {elapsed}",
            None => "{prefix} {spinner} {msg} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        if let Some(size) = size_bytes {
            self.bar.set_length(size);
        }
        self.bar.set_prefix(name.to_owned());
    }

    /// Clears the bar and shows the rows that did not get in.
    fn end(&self) {
        self.bar.finish_and_clear();
        let shown = self.shown();
        for line in &shown.lines {
            to_stderr(line);
        }
        for (count, what) in [
            (shown.rejected, "rejected rows"),
            (shown.conflicts, "conflicts"),
            (shown.deleted, "deleted rows"),
        ] {
            if count > SHOWN_MAX {
                to_stderr(&format!("and {} more {what}", grouped(count - SHOWN_MAX)));
            }
        }
        if shown.stamps > 0 {
            to_stderr("stamps of another form are read with --timestamp-format");
        }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, ShownRejections> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
