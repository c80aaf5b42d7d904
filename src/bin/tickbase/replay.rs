//! `replay`: which rules would have fired on the stored ticks. It writes nothing.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::{self, moment};
use crate::output::grouped;
use crate::rules::{NamedRule, RuleFormat, read_file, with_ids};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::database::Database;
use tickbase::domain::Symbol;
use tickbase::error::{Error, Result};
use tickbase::models::{AlertRule, Instrument};
use tickbase::repository::alert_rule::{self, RuleFilter};
use tickbase::services::alert_engine::{Firing, Rule};
use tickbase::services::replay::{ReplayRange, Replayed, replay};
use tickbase::timestamp::Timestamp;

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// The first moment: 2013-09-01, 2013-09-01T17:00:00Z, ..; what the rules need of the time
    /// before is read, too
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// The moment before which it ends
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// A file of rules, TOML or JSON, in place of those that are stored
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// What the file is, when its ending does not say it
    #[arg(long, value_enum, requires = "rules")]
    format: Option<RuleFormat>,
}

/// A firing; `rule` is its id, or its place in the file.
#[derive(Serialize)]
struct Fired {
    timestamp: String,
    source_id: i64,
    sequence: i64,
    rule: i64,
    condition: String,
    trigger_value: f64,
    threshold_value: Option<f64>,
    message: String,
}

#[derive(Serialize)]
struct RuleReplayReport {
    symbol: String,
    rules: usize,
    ticks: u64,
    warm_up_ticks: u64,
    suppressed: u64,
    elapsed_seconds: f64,
    fired: Vec<Fired>,
}

pub(super) fn run(context: &Context, arguments: &ReplayArguments) -> CommandResult {
    let symbol = Symbol::new(&arguments.symbol)?;
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from > to
    {
        return Err(CommandFailure::Usage(format!(
            "--from {from} is after --to {to}"
        )));
    }
    let named = match &arguments.rules {
        Some(path) => Some(read_file(path, RuleFormat::of(path, arguments.format)?)?),
        None => None,
    };
    let database = context.open(DatabaseNeed::Existing)?;
    let instrument = named::instrument(&database, &symbol)?;
    let rules = match &named {
        Some(named) => of_file(&database, named, &instrument)?,
        None => stored(&database, &instrument)?,
    };
    if rules.is_empty() {
        let remedy = "add one with `tickbase rules add`, or give a file with --rules";
        return Err(Error::not_found(format!("active rule of {symbol}"), remedy).into());
    }
    let began = Instant::now();
    let (count, mut fired) = (rules.len(), Vec::new());
    let range = ReplayRange {
        start: arguments.from,
        end: arguments.to,
        ..ReplayRange::default()
    };
    let replayed = replay(&database, &instrument, rules, range, |firing| {
        fired.push(shown(firing));
        Ok(())
    })?;
    let elapsed = began.elapsed().as_secs_f64();
    let report = report(&symbol, count, replayed, elapsed, fired);
    context.output.result(&report, for_people)
}

/// The rules of the file that watch the instrument, numbered by their places in it. Symbols of
/// others must be known, too: a slip of the pen would else look like a rule that never fires.
fn of_file(database: &Database, named: &[NamedRule], instrument: &Instrument) -> Result<Vec<Rule>> {
    let rules = database.read("instrument.labels_by_symbol", |conn| with_ids(conn, named))?;
    let ours = (1..)
        .zip(&rules)
        .filter(|(_, rule)| rule.instrument_id == instrument.id && rule.active);
    ours.map(|(place, rule)| Rule::new(place, instrument.id, &rule.shape(), true, None))
        .collect()
}

fn stored(database: &Database, instrument: &Instrument) -> Result<Vec<Rule>> {
    let filter = RuleFilter {
        instrument_id: Some(instrument.id),
        active_only: true,
        rule_type: None,
    };
    let rows = database.read("alert_rule.list", |conn| alert_rule::list(conn, filter))?;
    // When it fired last is about live ticks: it would hold back what the replay fires.
    let rule = |row: &AlertRule| Rule::new(row.id, instrument.id, &row.shape(), true, None);
    rows.iter().map(rule).collect()
}

fn shown(firing: &Firing) -> Fired {
    Fired {
        timestamp: firing.timestamp.to_string(),
        source_id: firing.source_id,
        sequence: firing.sequence,
        rule: firing.rule_id(),
        condition: firing.condition().to_owned(),
        trigger_value: firing.trigger_value,
        threshold_value: firing.threshold_value,
        message: firing.message(),
    }
}

fn report(
    symbol: &Symbol,
    rules: usize,
    replayed: Replayed,
    elapsed_seconds: f64,
    fired: Vec<Fired>,
) -> RuleReplayReport {
    RuleReplayReport {
        symbol: symbol.to_string(),
        rules,
        ticks: replayed.ticks,
        warm_up_ticks: replayed.warm_up_ticks,
        suppressed: replayed.suppressed,
        elapsed_seconds,
        fired,
    }
}

fn for_people(report: &RuleReplayReport) -> String {
    let line = |fired: &Fired| format!("{}  {}\n", fired.timestamp, fired.message);
    let mut text: String = report.fired.iter().map(line).collect();
    text.push_str(&format!(
        "{} firings of {} rules over {} ticks of {} in {:.2} s; {} more held back by cooldowns",
        grouped(report.fired.len()),
        report.rules,
        grouped(report.ticks),
        report.symbol,
        report.elapsed_seconds,
        grouped(report.suppressed),
    ));
    text
}
