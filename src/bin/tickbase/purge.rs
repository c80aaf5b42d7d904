//! `purge`: removes for good what was deleted long ago, or tells what it would remove.

use clap::Args;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::span;
use crate::output::{grouped, table};
use crate::{CommandResult, Context};
use tickbase::repository::purge::{self, PurgeReport};

#[derive(Debug, Args)]
pub(super) struct PurgeArguments {
    /// How long ago it was deleted, at least: 30d, 12h, 90m, 1w
    #[arg(long, value_name = "AGE", value_parser = span, allow_hyphen_values = true)]
    older_than: i64,
    /// Delete nothing, and show the same numbers
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
pub(super) struct PurgedTables {
    dry_run: bool,
    deleted: usize,
    kept: usize,
    tables: Vec<PurgedTable>,
}

#[derive(Serialize)]
struct PurgedTable {
    table: &'static str,
    deleted: usize,
    kept: usize,
    reasons: Vec<String>,
    kept_rows: Vec<String>,
}

pub(super) fn run(context: &Context, arguments: &PurgeArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let now = database.clock().now();
    let cut_off = now.saturating_add_micros(-arguments.older_than);
    let report = purge::run(&database, cut_off, arguments.dry_run)?;
    database.close();
    context.output.result(&readable(&report), purged_text)
}

pub(super) fn readable(report: &PurgeReport) -> PurgedTables {
    let tables = report.tables.iter().map(|of| PurgedTable {
        table: of.table,
        deleted: of.deleted,
        kept: of.kept,
        reasons: of.reasons.iter().map(ToString::to_string).collect(),
        kept_rows: of.kept_rows.iter().map(ToString::to_string).collect(),
    });
    PurgedTables {
        dry_run: report.dry_run,
        deleted: report.deleted(),
        kept: report.kept(),
        tables: tables.collect(),
    }
}

pub(super) fn purged_text(report: &PurgedTables) -> String {
    let deleted = if report.dry_run {
        "would be deleted"
    } else {
        "deleted"
    };
    let mut rows = vec![["table", deleted, "kept"].map(str::to_owned).to_vec()];
    rows.extend(report.tables.iter().map(|of| {
        vec![
            of.table.to_owned(),
            grouped(of.deleted as u64),
            grouped(of.kept as u64),
        ]
    }));
    let mut text = table(&rows);
    for of in report.tables.iter().filter(|of| of.kept > 0) {
        text.push_str(&format!("\n{}: {}\n", of.table, of.reasons.join(", ")));
        for row in &of.kept_rows {
            text.push_str(&format!("  {row}\n"));
        }
        if of.kept > of.kept_rows.len() {
            let more = grouped((of.kept - of.kept_rows.len()) as u64);
            text.push_str(&format!("  and {more} more\n"));
        }
    }
    text
}
