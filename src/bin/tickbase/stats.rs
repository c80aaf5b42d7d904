//! `stats`: how large the database is and what it holds.

use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::output::{bytes, counted, grouped, table};
use crate::{CommandResult, Context};
use tickbase::repository::storage::{self, TickCoverage};

#[derive(Serialize)]
struct StatsReport {
    database: String,
    database_bytes: i64,
    free_bytes: i64,
    tables: Vec<TableStats>,
    archive: ArchiveStats,
    ticks: Vec<TickStats>,
}

#[derive(Serialize)]
struct ArchiveStats {
    periods: i64,
    ticks: i64,
    bytes: i64,
    bytes_per_tick: Option<f64>,
}

#[derive(Serialize)]
struct TableStats {
    table: &'static str,
    active: i64,
    deleted: i64,
}

#[derive(Serialize)]
struct TickStats {
    symbol: String,
    ticks: i64,
    first: String,
    last: String,
    ticks_per_second: Option<f64>,
}

pub(super) fn run(context: &Context) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let size = database.read("storage.size", storage::size)?;
    let counts = database.read("storage.counts", storage::counts)?;
    let coverage = database.read("storage.coverage", storage::coverage)?;
    let archive = database.read("storage.archive", storage::archive)?;
    let tables = counts.into_iter().map(|count| TableStats {
        table: count.table,
        active: count.active,
        deleted: count.deleted,
    });
    let report = StatsReport {
        database: database.config().url.to_string(),
        database_bytes: size.database_bytes,
        free_bytes: size.free_bytes,
        tables: tables.collect(),
        archive: ArchiveStats {
            periods: archive.periods,
            ticks: archive.ticks,
            bytes: archive.bytes,
            bytes_per_tick: (archive.ticks > 0)
                .then(|| archive.bytes as f64 / archive.ticks as f64),
        },
        ticks: coverage.iter().map(ticks).collect(),
    };
    context.output.result(&report, for_people)
}

fn ticks(coverage: &TickCoverage) -> TickStats {
    TickStats {
        symbol: coverage.symbol.to_string(),
        ticks: coverage.ticks,
        first: coverage.first.to_string(),
        last: coverage.last.to_string(),
        ticks_per_second: coverage.ticks_per_second(),
    }
}

fn for_people(report: &StatsReport) -> String {
    let text = |parts: &[&str]| {
        parts
            .iter()
            .map(|part| (*part).to_owned())
            .collect::<Vec<_>>()
    };
    let mut tables = vec![text(&["table", "active", "deleted"])];
    tables.extend(report.tables.iter().map(|count| {
        vec![
            count.table.to_owned(),
            grouped(count.active),
            grouped(count.deleted),
        ]
    }));
    let mut ticks = vec![text(&["ticks of", "active", "per second", "first", "last"])];
    ticks.extend(report.ticks.iter().map(|of| {
        let rate = of
            .ticks_per_second
            .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.3}"));
        vec![
            of.symbol.clone(),
            grouped(of.ticks),
            rate,
            of.first.clone(),
            of.last.clone(),
        ]
    }));
    let mut text = format!(
        "{}: {}, of them {} free\n\n{}",
        report.database,
        bytes(report.database_bytes),
        bytes(report.free_bytes),
        table(&tables),
    );
    if let (of, Some(per_tick)) = (&report.archive, report.archive.bytes_per_tick) {
        text.push_str(&format!(
            "\narchived: {} ticks of {} in {}, {per_tick:.2} B a tick\n",
            grouped(of.ticks),
            counted(of.periods, "period"),
            bytes(of.bytes)
        ));
    }
    if !report.ticks.is_empty() {
        text.push_str(&format!("\n{}", table(&ticks)));
    }
    text
}
