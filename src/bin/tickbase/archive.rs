//! `archive`: puts ticks of periods that are over into files within the database, lists, verifies and
//! restores them, and mirrors them in a directory.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::{self, moment, span};
use crate::output::{bytes, counted, grouped, table, to_stderr};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::database::Database;
use tickbase::domain::{ArchivePeriod, Symbol};
use tickbase::error::Result;
use tickbase::models::{ArchiveSegment, Instrument};
use tickbase::repository::archive::{self, ArchiveRequest, Archiver, PeriodOutcome, PeriodReport};
use tickbase::repository::instrument::{self, InstrumentFilter};
use tickbase::services::archive_mirror;
use tickbase::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub(super) enum ArchiveAction {
    /// Put the ticks of whole periods that are over into files; reads find them as before
    Run(RunArguments),
    /// List what is archived
    List(OfArguments),
    /// Read every file, and compare it with what is known of it
    Verify(OfArguments),
    /// Bring archived ticks back into the table of ticks, whole periods of them
    Restore(RestorePeriodArguments),
    /// Bring a directory up to date with the files, for DuckDB, pandas, polars or Spark
    Sync(SyncArguments),
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    of: OfArguments,
    /// Periods that end before this: an age (90d, 12w) or a moment (2013-10-01) [default: now]
    #[arg(long, value_name = "AGE|TIME", value_parser = before, allow_hyphen_values = true)]
    before: Option<BeforeArgument>,
    /// How long a period is where nothing is archived yet: month, or day for more than some 20 million
    /// ticks a month
    #[arg(long, value_name = "PERIOD", default_value = "month", value_parser = str::parse::<ArchivePeriod>)]
    period: ArchivePeriod,
    /// Archive nothing, and show the same numbers
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct OfArguments {
    /// An instrument; give it again for more [default: all]
    #[arg(long = "symbol", value_name = "SYMBOL")]
    symbols: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct RestorePeriodArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// A moment of the first period [default: the first]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which the last period begins [default: the last]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(super) struct SyncArguments {
    /// The directory; it is made if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum BeforeArgument {
    /// Microseconds ago.
    Age(i64),
    Moment(Timestamp),
}

fn before(text: &str) -> Result<BeforeArgument> {
    match span(text) {
        Ok(age) => Ok(BeforeArgument::Age(age)),
        Err(_) => moment(text).map(BeforeArgument::Moment),
    }
}

#[derive(Serialize)]
struct ArchivedNow {
    periods: Vec<PeriodLine>,
    ticks: i64,
    bytes: i64,
    dry_run: bool,
}

#[derive(Serialize)]
struct PeriodLine {
    symbol: String,
    from: String,
    to: String,
    outcome: &'static str,
    ticks: i64,
    bytes: i64,
    /// Rows that left the table of ticks.
    rows_removed: usize,
    /// Who works at it, and until when nobody else may.
    owner: Option<String>,
    claimed_until: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    id: i64,
    symbol: String,
    from: String,
    to: String,
    state: String,
    version: i64,
    ticks: i64,
    bytes: i64,
    sha256: Option<String>,
    owner: Option<String>,
    claimed_until: Option<String>,
}

#[derive(Serialize)]
struct Verified {
    files: usize,
    ticks: i64,
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct RestoredPeriods {
    symbol: String,
    periods: usize,
    ticks: usize,
}

#[derive(Serialize)]
struct Mirrored {
    directory: String,
    made_anew: usize,
    written: usize,
    unchanged: usize,
    removed: usize,
    bytes: u64,
    busy: usize,
}

pub(super) fn run(context: &Context, action: &ArchiveAction) -> CommandResult {
    match action {
        ArchiveAction::Run(arguments) => archive_periods(context, arguments),
        ArchiveAction::List(arguments) => list(context, arguments),
        ArchiveAction::Verify(arguments) => verify(context, arguments),
        ArchiveAction::Restore(arguments) => restore(context, arguments),
        ArchiveAction::Sync(arguments) => sync(context, arguments),
    }
}

/// The instruments that are named, or all active ones.
fn instruments(database: &Database, of: &OfArguments) -> Result<Vec<Instrument>> {
    if of.symbols.is_empty() {
        return database.read("instrument.list", |conn| {
            instrument::list(conn, InstrumentFilter::default())
        });
    }
    let symbols = of.symbols.iter().map(|symbol| Symbol::new(symbol));
    symbols
        .map(|symbol| named::instrument(database, &symbol?))
        .collect()
}

fn archive_periods(context: &Context, arguments: &RunArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let of = instruments(&database, &arguments.of)?;
    let now = database.clock().now();
    let before = match arguments.before {
        None => now,
        Some(BeforeArgument::Age(age)) => now.saturating_add_micros(-age),
        Some(BeforeArgument::Moment(moment)) => moment,
    };
    let request = ArchiveRequest {
        instrument_ids: of.iter().map(|row| row.id).collect(),
        before,
        period: arguments.period,
        dry_run: arguments.dry_run,
    };
    let mut lines = Vec::new();
    archive::run(&database, &Archiver::default(), &request, |report| {
        let row = of.iter().find(|row| row.id == report.instrument_id);
        let symbol = row.map_or_else(String::new, |row| row.symbol.to_string());
        lines.push(line(symbol, report));
        Ok(())
    })?;
    database.close();
    let archived = ArchivedNow {
        ticks: lines.iter().map(|line| line.ticks).sum(),
        bytes: lines.iter().map(|line| line.bytes).sum(),
        periods: lines,
        dry_run: arguments.dry_run,
    };
    context.output.result(&archived, run_text)?;
    if archived.ticks > 0 && !arguments.dry_run && !context.output.is_json() {
        to_stderr(
            "tickbase: your own queries of v_ticks and market_data see the ticks that are left there; \
             v_archived says what is archived",
        );
    }
    Ok(())
}

fn line(symbol: String, report: &PeriodReport) -> PeriodLine {
    let mut line = PeriodLine {
        symbol,
        from: report.starts_at.to_string(),
        to: report.ends_at.to_string(),
        outcome: "empty",
        ticks: 0,
        bytes: 0,
        rows_removed: 0,
        owner: None,
        claimed_until: None,
    };
    match &report.outcome {
        PeriodOutcome::Archived {
            segment,
            rows_removed,
        } => {
            line.outcome = "archived";
            (line.ticks, line.bytes, line.rows_removed) =
                (segment.rows, segment.bytes, *rows_removed);
        }
        PeriodOutcome::Previewed { rows, bytes } => {
            line.outcome = "would be archived";
            (line.ticks, line.bytes) = (*rows, *bytes);
        }
        PeriodOutcome::Empty => {}
        PeriodOutcome::Busy(segment) => {
            line.outcome = "busy";
            line.owner.clone_from(&segment.owner);
            line.claimed_until = segment.claimed_until.map(|at| at.to_string());
        }
        PeriodOutcome::InTrash(_) => line.outcome = "in the trash",
    }
    line
}

/// `2.9`, bytes of a tick.
fn per_tick(bytes: i64, ticks: i64) -> String {
    match ticks {
        0 => "-".to_owned(),
        _ => format!("{:.2}", bytes as f64 / ticks as f64),
    }
}

fn run_text(archived: &ArchivedNow) -> String {
    if archived.periods.is_empty() {
        return "nothing to archive: no whole period that is over has ticks in the table"
            .to_owned();
    }
    let heads = [
        "symbol", "from", "to", "outcome", "ticks", "bytes", "B a tick",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(archived.periods.iter().map(|of| {
        vec![
            of.symbol.clone(),
            of.from.clone(),
            of.to.clone(),
            match &of.claimed_until {
                Some(until) if of.outcome == "busy" => format!("busy until {until}"),
                _ => of.outcome.to_owned(),
            },
            grouped(of.ticks),
            grouped(of.bytes),
            per_tick(of.bytes, of.ticks),
        ]
    }));
    format!(
        "{}{} ticks {}: {}, {} B a tick",
        table(&rows),
        grouped(archived.ticks),
        if archived.dry_run {
            "would be archived"
        } else {
            "archived"
        },
        bytes(archived.bytes),
        per_tick(archived.bytes, archived.ticks),
    )
}

/// The archived periods of the instruments that are named, with their symbols.
fn periods(database: &Database, of: &OfArguments) -> Result<Vec<(String, ArchiveSegment)>> {
    let mut all = Vec::new();
    for row in instruments(database, of)? {
        let id = row.id;
        let of_one = database.read("archive.list", move |conn| archive::list(conn, Some(id)))?;
        all.extend(
            of_one
                .into_iter()
                .map(|period| (row.symbol.to_string(), period)),
        );
    }
    Ok(all)
}

fn list(context: &Context, of: &OfArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let listed = periods(&database, of)?
        .into_iter()
        .map(|(symbol, of)| Listed {
            id: of.id,
            symbol,
            from: of.starts_at.to_string(),
            to: of.ends_at.to_string(),
            state: of.state.to_string(),
            version: of.version,
            ticks: of.rows,
            bytes: of.bytes,
            sha256: of.sha256,
            owner: of.owner,
            claimed_until: of.claimed_until.map(|at| at.to_string()),
        });
    let listed: Vec<Listed> = listed.collect();
    context.output.result(&listed, |listed| {
        if listed.is_empty() {
            return "nothing is archived".to_owned();
        }
        let heads = [
            "id", "symbol", "from", "to", "state", "ticks", "bytes", "B a tick",
        ];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(listed.iter().map(|of| {
            vec![
                of.id.to_string(),
                of.symbol.clone(),
                of.from.clone(),
                of.to.clone(),
                of.state.clone(),
                grouped(of.ticks),
                grouped(of.bytes),
                per_tick(of.bytes, of.ticks),
            ]
        }));
        table(&rows)
    })
}

fn verify(context: &Context, of: &OfArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let mut verified = Verified {
        files: 0,
        ticks: 0,
        damaged: Vec::new(),
    };
    for (_, period) in periods(&database, of)? {
        verified.files += 1;
        verified.ticks += period.rows;
        let checked = database.read("archive.verify", move |conn| {
            // As it is by now.
            conn.snapshot(|conn| {
                let period = archive::get(conn, period.id)?;
                archive::verify(conn, &period)
            })
        });
        verified
            .damaged
            .extend(checked.err().map(|error| error.to_string()));
    }
    let damaged = verified.damaged.len();
    context.output.result(&verified, |of| {
        let mut text = format!(
            "{} with {} ticks, {} damaged",
            counted(of.files, "file"),
            grouped(of.ticks),
            grouped(of.damaged.len())
        );
        of.damaged
            .iter()
            .for_each(|line| text.push_str(&format!("\n{line}")));
        text
    })?;
    match damaged {
        0 => Ok(()),
        _ => Err(CommandFailure::Told(format!(
            "{} of the archive damaged: restore a backup",
            counted(damaged, "file")
        ))),
    }
}

fn restore(context: &Context, arguments: &RestorePeriodArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let symbol = Symbol::new(&arguments.symbol)?;
    let id = named::instrument(&database, &symbol)?.id;
    let mut periods = database.read("archive.list", move |conn| archive::list(conn, Some(id)))?;
    periods.retain(|of| {
        arguments.start.is_none_or(|start| start < of.ends_at)
            && arguments.end.is_none_or(|end| of.starts_at < end)
    });
    let archiver = Archiver::default();
    let mut restored = RestoredPeriods {
        symbol: symbol.to_string(),
        periods: periods.len(),
        ticks: 0,
    };
    for period in &periods {
        restored.ticks += archiver.restore_period(&database, period)?;
    }
    database.close();
    context.output.result(&restored, |of| {
        format!(
            "{} ticks of {} are back in the table, those of {}",
            grouped(of.ticks),
            of.symbol,
            counted(of.periods, "period")
        )
    })
}

fn sync(context: &Context, arguments: &SyncArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let report = archive_mirror::sync(&database, &Archiver::default(), &arguments.directory)?;
    database.close();
    let mirrored = Mirrored {
        directory: arguments.directory.display().to_string(),
        made_anew: report.made_anew,
        written: report.written,
        unchanged: report.unchanged,
        removed: report.removed,
        bytes: report.bytes,
        busy: report.busy,
    };
    context.output.result(&mirrored, |of| {
        let mut text = format!(
            "{}: {} written, {} there already, {} removed; {}",
            of.directory,
            counted(of.written, "file"),
            grouped(of.unchanged),
            grouped(of.removed),
            bytes(i64::try_from(of.bytes).unwrap_or(i64::MAX))
        );
        if of.busy > 0 {
            text.push_str(&format!(
                "\n{} left out, as they are being archived just now: run it again",
                counted(of.busy, "period")
            ));
        }
        text
    })
}
