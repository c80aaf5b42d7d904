//! `adopt`: the database of TradeAssist in, and what became of its rows out.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::database::{DatabaseNeed, open};
use crate::output::{grouped, table};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::config::DatabaseUrl;
use tickbase::ingest::adopt::{ADOPTED_SOURCE_NAME, AdoptedGroup, RowTotals};
use tickbase::ingest::{Adopt, AdoptReport, adopt};

/// Rows with another number that are named one by one; JSON has all.
const MOVED_SHOWN_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct AdoptArguments {
    /// The SQLite file of TradeAssist, as a path or as its DATABASE_URL; it is read only
    #[arg(value_name = "OLD.db")]
    old: String,
    /// The database that takes its rows; it is created and migrated if need be
    /// [default: the one of the settings]
    #[arg(long, value_name = "URL")]
    into: Option<String>,
    /// The data source of its ticks and alerts; a second file needs another one
    #[arg(long, value_name = "NAME", default_value = ADOPTED_SOURCE_NAME)]
    source: String,
    /// Where rows go that break a rule, as NDJSON [default: OLD.db.rejected.ndjson in the working
    /// directory]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Do everything, print the report, and undo it
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, arguments: AdoptArguments) -> CommandResult {
    let DatabaseUrl::Sqlite(old) = DatabaseUrl::parse(&arguments.old)? else {
        let text = "TradeAssist keeps its rows in a SQLite file; name that";
        return Err(CommandFailure::Usage(text.to_owned()));
    };
    let mut settings = context.settings.database.clone();
    if let Some(into) = &arguments.into {
        settings.url = DatabaseUrl::parse(into)?;
    }
    if let DatabaseUrl::Sqlite(into) = &settings.url
        && is_same_file(&old, into)
    {
        let text = "the old file cannot take its own rows; name a new database with --into";
        return Err(CommandFailure::Usage(text.to_owned()));
    }
    let mut plan = Adopt::new(old);
    plan.source = arguments.source;
    plan.dry_run = arguments.dry_run;
    if let Some(rejects) = arguments.rejects {
        plan.rejects = rejects;
    }
    if is_same_file(&plan.file, &plan.rejects) {
        let text = "--rejects names the old file, which is not written";
        return Err(CommandFailure::Usage(text.to_owned()));
    }
    // A wrong name makes no new database.
    plan.check()?;
    let database = open(settings, DatabaseNeed::Bare)?;
    database.migrate()?;
    let outcome = adopt(&database, &plan);
    database.close();
    let report = outcome?;
    context.output.result(&report, for_people)?;
    if !report.agrees() {
        let text = "counts or sums of both sides differ; the report says where. The old file is as \
                    it was";
        return Err(CommandFailure::Told(text.to_owned()));
    }
    Ok(())
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

fn for_people(report: &AdoptReport) -> String {
    let trial = if report.dry_run {
        "trial, nothing is stored: "
    } else {
        ""
    };
    let mut text = format!(
        "{trial}{}; its ticks and alerts are of the source {:?}\n",
        report.schema, report.source
    );
    text.push_str(&table(&tables(report)));
    text.push_str(&table(&groups(report)));
    for rejected in &report.rejected {
        text.push_str(&format!(
            "rejected: {} of {}, {}; {}\n",
            grouped(rejected.rows),
            rejected.table,
            rejected.reason,
            rejected.example
        ));
    }
    if let Some(file) = &report.rejects_file {
        text.push_str(&format!("rejected rows, each with its reason: {file}\n"));
    }
    if !report.added_for_bars.is_empty() {
        let added = report.added_for_bars.join(", ");
        text.push_str(&format!("instruments added for bars: {added}\n"));
    }
    if !report.tables_left_out.is_empty() {
        let tables = report.tables_left_out.join(", ");
        text.push_str(&format!("not brought over: tables {tables}\n"));
    }
    if !report.future_last_ticks.is_empty() {
        let of = report.future_last_ticks.join(", ");
        text.push_str(&format!("last ticks in the future, left out: {of}\n"));
    }
    for moved in report.moved.iter().take(MOVED_SHOWN_MAX) {
        text.push_str(&format!(
            "{} {} has the number {} here\n",
            moved.table, moved.old, moved.new
        ));
    }
    let more = report.moved.len().saturating_sub(MOVED_SHOWN_MAX);
    if more > 0 {
        text.push_str(&format!("and {} more; --json has all\n", grouped(more)));
    }
    text
}

fn tables(report: &AdoptReport) -> Vec<Vec<String>> {
    let head = ["table", "read", "brought", "here before", "rejected"];
    let rows = report.tables.iter().map(|of| {
        let counts = [of.read, of.brought, of.present, of.rejected].map(grouped);
        std::iter::once(of.table.clone()).chain(counts).collect()
    });
    std::iter::once(head.map(str::to_owned).to_vec())
        .chain(rows)
        .collect()
}

/// What both sides add up: of ticks price and volume, of bars close and volume, of alerts value and
/// threshold.
fn groups(report: &AdoptReport) -> Vec<Vec<String>> {
    let head = [
        "verified",
        "",
        "old: rows",
        "price",
        "volume",
        "rejected",
        "here: rows",
        "price",
        "volume",
        "",
    ];
    let sums = |of: &RowTotals| [format!("{:.4}", of.first), format!("{:.4}", of.second)];
    let rows = report.groups.iter().map(|of: &AdoptedGroup| {
        let mut row = vec![of.kind.clone(), of.group.clone(), grouped(of.old.rows)];
        row.extend(sums(&of.old));
        row.push(grouped(of.rejected.rows));
        row.push(grouped(of.after.rows));
        row.extend(sums(&of.after));
        row.push(if of.agrees { "agrees" } else { "DIFFERS" }.to_owned());
        row
    });
    std::iter::once(head.map(str::to_owned).to_vec())
        .chain(rows)
        .collect()
}
