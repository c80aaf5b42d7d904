//! `import`: files in, with a progress bar on a terminal, and a summary out.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::output::{grouped, to_stderr};
use super::{Context, Failure, Outcome};
use crate::app::Need;
use crate::domain::bar::Frequency;
use crate::domain::{InstrumentType, Symbol};
use crate::ingest::{
    ColumnMap, FeedFormat, FeedOptions, Import, ImportCommit, ImportEvent, ImportKind,
    ImportListener, ImportReport, import,
};
use crate::timestamp::TimestampFormat;

/// Rejected rows, and conflicts, that are shown one by one.
const SHOWN_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// CSV or NDJSON, plain or gzip; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The instrument of the rows
    #[arg(long)]
    symbol: String,
    /// Add the instrument, of this type, when there is none of the symbol
    #[arg(long, value_name = "TYPE")]
    create: Option<InstrumentType>,
    /// The data source of the rows, by its name: each source has bars and ticks of its own [default: tickbase]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Add the data source when there is none of the name
    #[arg(long, requires = "source")]
    create_source: bool,
    /// What the rows are
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// The period of bars: 1min 5min 15min 30min 1h 4h 1d 1w 1M
    #[arg(long, value_name = "PERIOD", required_if_eq("kind", "bars"))]
    frequency: Option<Frequency>,
    /// auto, csv or ndjson
    #[arg(long, default_value = "auto")]
    format: FeedFormat,
    /// Which column is which field, by the header's name or by position from 1:
    /// timestamp=DateTime,price=3
    #[arg(long, value_name = "FIELD=COLUMN,..")]
    columns: Option<ColumnMap>,
    /// auto, unix_s, unix_ms, unix_us, unix_ns or a strftime pattern like "%Y%m%d %H%M%S%3f"
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    timestamp_format: TimestampFormat,
    /// Store nothing when any row is rejected
    #[arg(long, conflicts_with = "commit_each_batch")]
    strict: bool,
    /// Commit every 10,000 rows and let other writers in between, instead of all or nothing;
    /// run again after a failure, it goes on where it stopped
    #[arg(long)]
    commit_each_batch: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    #[default]
    Ticks,
    Bars,
}

#[derive(Serialize)]
struct Summary {
    read: u64,
    inserted: u64,
    updated: u64,
    duplicates: u64,
    conflicts: u64,
    rejected: u64,
    late: u64,
    timestamps_truncated: u64,
    elapsed_seconds: f64,
    rows_per_second: f64,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Outcome {
    let plan = plan(&arguments)?;
    let database = context.open(Need::Prepared)?;
    let watch = Arc::new(Watch::new());
    let heard = Arc::clone(&watch);
    let listener: ImportListener = Arc::new(move |event| heard.hear(event));
    let start = Instant::now();
    let outcome = import(&database, arguments.files, &plan, listener);
    let elapsed = start.elapsed();
    database.close();
    watch.end();
    let report = outcome?;
    context
        .output
        .result(&summary(&report, elapsed), for_people)
}

fn plan(arguments: &Arguments) -> std::result::Result<Import, Failure> {
    let kind = match (arguments.kind, arguments.frequency) {
        (Kind::Ticks, None) => ImportKind::Ticks,
        (Kind::Bars, Some(frequency)) => ImportKind::Bars(frequency),
        (Kind::Ticks, Some(_)) => {
            return Err(Failure::Usage(
                "ticks have no --frequency; add --kind bars".to_owned(),
            ));
        }
        (Kind::Bars, None) => {
            return Err(Failure::Usage(
                "bars need a --frequency, like 1min".to_owned(),
            ));
        }
    };
    let mut plan = Import::ticks(Symbol::new(&arguments.symbol)?);
    plan.create = arguments.create;
    plan.source.clone_from(&arguments.source);
    plan.create_source = arguments.create_source;
    plan.kind = kind;
    plan.feed = FeedOptions {
        format: arguments.format,
        columns: arguments.columns.clone().unwrap_or_default(),
        timestamp_format: arguments.timestamp_format.clone(),
        ..FeedOptions::default()
    };
    plan.strict = arguments.strict;
    if arguments.commit_each_batch {
        plan.commit = ImportCommit::EachBatch;
    }
    Ok(plan)
}

fn summary(report: &ImportReport, elapsed: Duration) -> Summary {
    let seconds = elapsed.as_secs_f64();
    Summary {
        read: report.read,
        inserted: report.inserted,
        updated: report.updated,
        duplicates: report.duplicates,
        conflicts: report.conflicts,
        rejected: report.rejected,
        late: report.late,
        timestamps_truncated: report.timestamps_truncated,
        elapsed_seconds: (seconds * 1e3).round() / 1e3,
        rows_per_second: (report.read as f64 / seconds.max(1e-9)).round(),
    }
}

fn for_people(summary: &Summary) -> String {
    let mut text = format!(
        "read {}, inserted {}, duplicates {}, conflicts {}, rejected {} in {:.2} s ({} rows/s)",
        grouped(summary.read),
        grouped(summary.inserted),
        grouped(summary.duplicates),
        grouped(summary.conflicts),
        grouped(summary.rejected),
        summary.elapsed_seconds,
        grouped(summary.rows_per_second as i64),
    );
    for (count, what) in [
        (summary.updated, "bars updated: other values were stored"),
        (
            summary.late,
            "stored late: older than the newest tick of the instrument",
        ),
        (
            summary.timestamps_truncated,
            "timestamps cut to microseconds",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!("\n{} {what}", grouped(count)));
        }
    }
    text
}

/// What the import tells: the bar, and the first rows that did not get in.
struct Watch {
    bar: ProgressBar,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    lines: Vec<String>,
    rejected: usize,
    conflicts: usize,
}

/// Whether a row was rejected for a stamp whose form is not known.
fn is_odd_stamp(reason: &str) -> bool {
    reason.starts_with("timestamp: ") && reason.contains("write it like")
}

impl Watch {
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
            ImportEvent::Started => *self.shown() = Shown::default(),
            ImportEvent::File { name, size_bytes } => self.start_bar(name, size_bytes),
            ImportEvent::Batch { rows, bytes_read } => {
                self.bar.set_position(bytes_read);
                self.bar.set_message(format!("{} rows", grouped(rows)));
            }
            ImportEvent::Rejected { name, line, reason } => {
                let mut shown = self.shown();
                shown.rejected += 1;
                if shown.rejected <= SHOWN_MAX {
                    let also = if is_odd_stamp(reason) {
                        " or name its form with --timestamp-format"
                    } else {
                        ""
                    };
                    shown
                        .lines
                        .push(format!("{name} line {line}: {reason}{also}"));
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
        ] {
            if count > SHOWN_MAX {
                to_stderr(&format!("and {} more {what}", grouped(count - SHOWN_MAX)));
            }
        }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
