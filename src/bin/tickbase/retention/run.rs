//! `retention run`: what the policies ask for, done and shown.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::deletions::{DeletionArguments, undo_hint};
use crate::output::{bytes, counted, grouped, table, to_stderr};
use crate::purge::{PurgedTables, purged_text, readable};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::config::RetentionConfig;
use tickbase::database::Database;
use tickbase::error::Result;
use tickbase::models::Deletion;
use tickbase::repository::archive::Archiver;
use tickbase::repository::data_source;
use tickbase::repository::instrument::{self, InstrumentFilter};
use tickbase::repository::retention::{
    self, RetentionLine, RetentionOutcome, RetentionReport, RetentionRequest, RetentionStep,
};
use tickbase::timestamp::parse_span;

#[derive(Debug, Args)]
pub(crate) struct PolicyRunArguments {
    /// Change nothing, and show what would be; bars that a run would build first are not counted
    #[arg(long)]
    dry_run: bool,
    /// The age at which what is in the trash is removed for good [default: the setting
    /// retention.purge_after]
    #[arg(long, value_name = "AGE", value_parser = purge_age, allow_hyphen_values = true)]
    purge_after: Option<Duration>,
    #[command(flatten)]
    deletion: DeletionArguments,
}

/// The age of what is purged: as the setting, a day at least.
fn purge_age(text: &str) -> Result<Duration> {
    let age = parse_span(text)?;
    let config = RetentionConfig::default().with(|config| config.purge_after = Some(age));
    config.validate()?;
    Ok(age)
}

#[derive(Serialize)]
struct RetentionRun {
    dry_run: bool,
    lines: Vec<RunLine>,
    failures: Vec<FailedInstrument>,
    /// The batch of what was deleted.
    deletion_id: Option<i64>,
    purged: Option<PurgedTables>,
}

#[derive(Serialize)]
struct FailedInstrument {
    symbol: String,
    error: String,
}

#[derive(Serialize)]
struct RunLine {
    symbol: String,
    step: &'static str,
    frequency: Option<String>,
    source: Option<String>,
    before: String,
    outcome: &'static str,
    rows: i64,
    bytes: i64,
    periods: i64,
    bars_that_stay: Vec<String>,
}

pub(super) fn run_policies(context: &Context, arguments: &PolicyRunArguments) -> CommandResult {
    let purge_after = arguments.purge_after;
    let dry = if arguments.dry_run { " --dry-run" } else { "" };
    let request = RetentionRequest {
        period: context.settings.archive.period,
        purge_after: purge_after.or(context.settings.retention.purge_after),
        dry_run: arguments.dry_run,
        deletion: arguments
            .deletion
            .of(format!("tickbase retention run{dry}")),
    };
    let database = context.open(DatabaseNeed::Existing)?;
    let report = retention::run(&database, &Archiver::default(), &request, &|| true)?;
    let names = Names::of(&database)?;
    database.close();
    let shown = RetentionRun {
        dry_run: report.dry_run,
        lines: report.lines.iter().map(|line| names.line(line)).collect(),
        failures: report
            .failures
            .iter()
            .map(|of| FailedInstrument {
                symbol: names.symbol(of.instrument_id),
                error: of.error.clone(),
            })
            .collect(),
        deletion_id: report.deletion.as_ref().map(Deletion::id),
        purged: report.purge.as_ref().map(readable),
    };
    context
        .output
        .result(&shown, |shown| run_text(shown, &report))?;
    if report.deletion.is_some() && request.purge_after.is_none() && !context.output.is_json() {
        to_stderr(
            "tickbase: what was deleted lies in the trash, and keeps its space: set \
             retention.purge_after, or run `tickbase purge`",
        );
    }
    match shown.failures.first() {
        None => Ok(()),
        Some(first) => Err(CommandFailure::Told(format!(
            "{} left out; see them by `tickbase archive verify --symbol {}`",
            counted(shown.failures.len(), "instrument"),
            first.symbol
        ))),
    }
}

fn name(names: &HashMap<i64, String>, id: i64) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

/// Instruments and data sources by their numbers.
struct Names {
    symbols: HashMap<i64, String>,
    sources: HashMap<i64, String>,
}

impl Names {
    fn of(database: &Database) -> Result<Self> {
        database.read("retention.names", |conn| {
            let instruments = instrument::list(conn, InstrumentFilter::default())?;
            let sources = data_source::list(conn, false)?;
            let symbol = |of: tickbase::models::Instrument| (of.id, of.symbol.to_string());
            Ok(Self {
                symbols: instruments.into_iter().map(symbol).collect(),
                sources: sources.into_iter().map(|of| (of.id, of.name)).collect(),
            })
        })
    }

    fn symbol(&self, id: i64) -> String {
        name(&self.symbols, id)
    }

    fn line(&self, of: &RetentionLine) -> RunLine {
        let (step, frequency, source) = match of.step {
            RetentionStep::ArchiveTicks => ("archive ticks", None, None),
            RetentionStep::DeleteTicks => ("delete ticks", None, None),
            RetentionStep::DeleteBars {
                frequency,
                data_source_id,
            } => (
                "delete bars",
                Some(frequency.to_string()),
                Some(name(&self.sources, data_source_id)),
            ),
        };
        RunLine {
            symbol: self.symbol(of.instrument_id),
            step,
            frequency,
            source,
            before: of.before.to_string(),
            outcome: match of.outcome {
                RetentionOutcome::Done => "done",
                RetentionOutcome::WouldBeDone => "would be done",
                RetentionOutcome::Busy => "kept: being archived",
                RetentionOutcome::BarsWait => "kept: bars wait",
            },
            rows: of.rows,
            bytes: of.bytes,
            periods: of.periods,
            bars_that_stay: of.bars_that_stay.iter().map(ToString::to_string).collect(),
        }
    }
}

fn run_text(shown: &RetentionRun, report: &RetentionReport) -> String {
    let mut text = match shown.lines.is_empty() {
        true => "nothing is due".to_owned(),
        false => line_table(&shown.lines),
    };
    for of in &shown.failures {
        text.push_str(&format!("\n{} is left out: {}", of.symbol, of.error));
    }
    if let Some(deletion) = &report.deletion {
        text.push_str(&format!(
            "\ndeleted {} as one batch{}",
            counted(deletion.counts().total(), "row"),
            undo_hint(deletion)
        ));
    }
    if let Some(purged) = &shown.purged {
        text.push_str(&format!("\n\n{}", purged_text(purged)));
    }
    text
}

fn line_table(lines: &[RunLine]) -> String {
    let heads = [
        "symbol",
        "step",
        "before",
        "outcome",
        "rows",
        "bytes",
        "periods",
        "bars that stay",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|of| {
        let is_of_bars = of.frequency.is_some();
        let number = |count: i64| match is_of_bars {
            true => "-".to_owned(),
            false => grouped(count),
        };
        let step = match (&of.frequency, &of.source) {
            (Some(frequency), Some(source)) => format!("{} {frequency}, {source}", of.step),
            _ => of.step.to_owned(),
        };
        vec![
            of.symbol.clone(),
            step,
            of.before.clone(),
            of.outcome.to_owned(),
            grouped(of.rows),
            match is_of_bars {
                true => "-".to_owned(),
                false => bytes(of.bytes),
            },
            number(of.periods),
            match of.bars_that_stay.as_slice() {
                [] => "-".to_owned(),
                frequencies => frequencies.join(", "),
            },
        ]
    }));
    table(&rows)
}
