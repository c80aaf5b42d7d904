//! `deletions`, `trash` and `undo`: batches of soft deletes, what is in the trash, and taking a batch
//! back.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::ByArgument;
use crate::output::{grouped, table};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::domain::{DeletedKind, DeletionCounts};
use tickbase::models::{Deletion, NewDeletion};
use tickbase::repository::deletion::{
    self, TrashEntry, TrashPage, UndoOptions, UndoOutcome, UndoReport,
};
use tickbase::timestamp::Timestamp;

/// Conflicts that are shown one by one.
const CONFLICTS_SHOWN: usize = 20;

/// Who deletes something, and why: kept with the batch.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeletionArguments {
    /// Why; kept with the batch, beside who and what
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    by: ByArgument,
}

impl DeletionArguments {
    /// Asks for this.
    pub(crate) fn of(&self, request: String) -> NewDeletion {
        NewDeletion {
            actor: self.by.given(),
            reason: self.reason.clone(),
            ..NewDeletion::of(request)
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum DeletionsAction {
    /// List batches of soft deletes, newest first
    List(PageArguments),
    /// Show one batch, and what of it is in the trash
    Show(OneArguments),
    /// Go on with one that a crash has cut off
    Resume(OneArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum TrashAction {
    /// List what is in the trash, by the batch that deleted it, newest first
    List(PageArguments),
}

#[derive(Debug, Args)]
pub(super) struct PageArguments {
    /// Batches at most, up to 1000
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only those with a smaller number
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
}

#[derive(Debug, Args)]
pub(super) struct OneArguments {
    /// The number of the batch
    #[arg(value_name = "ID")]
    id: i64,
}

#[derive(Debug, Args)]
pub(super) struct UndoArguments {
    /// The number of the batch
    #[arg(value_name = "ID")]
    id: i64,
    /// Change nothing, and show the same numbers
    #[arg(long)]
    dry_run: bool,
    /// Leave rows in the trash that cannot come back; without it one of them keeps all there
    #[arg(long)]
    skip_conflicts: bool,
    #[command(flatten)]
    by: ByArgument,
}

#[derive(Serialize)]
struct ListedDeletion {
    id: i64,
    deleted_at: String,
    state: String,
    token_name: Option<String>,
    actor: Option<String>,
    process: String,
    reason: Option<String>,
    request: String,
    counts: DeletionCounts,
    undone_at: Option<String>,
    undone_by: Option<String>,
    purged_at: Option<String>,
}

impl From<&Deletion> for ListedDeletion {
    fn from(row: &Deletion) -> Self {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: row.id(),
            deleted_at: row.deleted_at.to_string(),
            state: row.state.to_string(),
            token_name: row.token_name.clone(),
            actor: row.actor.clone(),
            process: row.process.clone(),
            reason: row.reason.clone(),
            request: row.request.clone(),
            counts: row.counts(),
            undone_at: moment(row.undone_at),
            undone_by: row.undone_by.clone(),
            purged_at: moment(row.purged_at),
        }
    }
}

#[derive(Serialize)]
struct ListedEntry {
    kind: String,
    id: Option<i64>,
    name: String,
    rows: usize,
    from: Option<String>,
    to: Option<String>,
    deleted_at: String,
    deletion_id: i64,
}

#[derive(Serialize)]
struct ListedTrash {
    trash: Vec<ListedEntry>,
    /// Further ones: `--before` this.
    next: Option<i64>,
}

#[derive(Serialize)]
struct ShownDeletion {
    deletion: ListedDeletion,
    in_trash: Vec<ListedEntry>,
}

#[derive(Serialize)]
struct Undone {
    id: i64,
    dry_run: bool,
    refused: bool,
    restored: DeletionCounts,
    conflicts: Vec<String>,
}

pub(super) fn run(context: &Context, action: &DeletionsAction) -> CommandResult {
    match action {
        DeletionsAction::List(page) => list(context, page),
        DeletionsAction::Show(of) => show(context, of.id),
        DeletionsAction::Resume(of) => {
            let database = context.open(DatabaseNeed::Existing)?;
            let deletion = deletion::resume(&database, of.id)?;
            database.close();
            context
                .output
                .result(&ListedDeletion::from(&deletion), |_| {
                    format!(
                        "{} {}: {}",
                        deletion.id(),
                        deletion.state,
                        summary(&deletion)
                    )
                })
        }
    }
}

fn before(page: &PageArguments) -> Result<Option<Timestamp>, CommandFailure> {
    Ok(page.before.map(Timestamp::from_micros).transpose()?)
}

fn list(context: &Context, page: &PageArguments) -> CommandResult {
    let (before, limit) = (before(page)?, page.limit);
    let database = context.open(DatabaseNeed::Existing)?;
    let rows = database.read("deletion.list", |conn| deletion::list(conn, before, limit))?;
    let listed: Vec<ListedDeletion> = rows.iter().map(ListedDeletion::from).collect();
    context.output.result(&listed, |_| {
        if rows.is_empty() {
            return "no deletions".to_owned();
        }
        let heads = ["id", "state", "by", "rows", "reason", "request"];
        let mut lines = vec![heads.map(str::to_owned).to_vec()];
        lines.extend(rows.iter().map(|row| {
            let by = row.token_name.as_ref().or(row.actor.as_ref());
            vec![
                row.id().to_string(),
                row.state.to_string(),
                by.cloned().unwrap_or_else(|| "-".to_owned()),
                grouped(row.counts().total()),
                row.reason.clone().unwrap_or_else(|| "-".to_owned()),
                row.request.clone(),
            ]
        }));
        table(&lines)
    })
}

/// What a batch deleted: `1 instrument, 4 bars`.
fn summary(deletion: &Deletion) -> String {
    counted(deletion.counts())
}

fn counted(counts: DeletionCounts) -> String {
    let of = |kind: &DeletedKind| {
        let rows = counts.of(*kind);
        let (one, many) = match kind {
            DeletedKind::Instrument => ("instrument", "instruments"),
            DeletedKind::Rule => ("rule", "rules"),
            DeletedKind::Alert => ("alert", "alerts"),
            DeletedKind::Bar => ("bar", "bars"),
            DeletedKind::Tick => ("tick", "ticks"),
            DeletedKind::SavedQuery => ("saved query", "saved queries"),
        };
        (rows > 0).then(|| format!("{} {}", grouped(rows), if rows == 1 { one } else { many }))
    };
    let parts: Vec<String> = DeletedKind::ALL.iter().filter_map(of).collect();
    match parts.is_empty() {
        true => "nothing".to_owned(),
        false => parts.join(", "),
    }
}

/// Says what a deletion did, and how to take it back.
pub(crate) fn told(deletion: &Deletion) -> String {
    format!("deleted {}{}", summary(deletion), undo_hint(deletion))
}

/// Says how to take a deletion back.
pub(crate) fn undo_hint(deletion: &Deletion) -> String {
    format!("; `tickbase undo {}` takes it back", deletion.id())
}

fn show(context: &Context, id: i64) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let (row, page) = database.read("deletion.show", |conn| {
        conn.snapshot(|conn| {
            let row = deletion::get(conn, id)?;
            let next = row.deleted_at.saturating_add_micros(1);
            Ok((row, deletion::trash(conn, Some(next), 1)?))
        })
    })?;
    let entries = entries(&page);
    let shown = ShownDeletion {
        deletion: ListedDeletion::from(&row),
        in_trash: entries
            .into_iter()
            .filter(|of| of.deletion_id == id)
            .collect(),
    };
    context.output.result(&shown, |of| {
        let line = |name: &str, value: &Option<String>| {
            value
                .as_ref()
                .map_or_else(String::new, |value| format!("{name:<9}{value}\n"))
        };
        let mut text = format!("deletion {} of {}: {}\n", id, row.deleted_at, row.state);
        text.push_str(&line("request", &Some(row.request.clone())));
        text.push_str(&line("token", &row.token_name));
        text.push_str(&line("by", &row.actor));
        text.push_str(&line("process", &Some(row.process.clone())));
        text.push_str(&line("reason", &row.reason));
        text.push_str(&line("deleted", &Some(summary(&row))));
        text.push_str(&line("undone", &of.deletion.undone_at));
        text.push_str(&line(
            "undone by",
            &row.undone_by.as_ref().map(|by| format!(" {by}")),
        ));
        text.push_str(&line("purged", &of.deletion.purged_at));
        if !of.in_trash.is_empty() {
            text.push_str("in the trash:\n");
            text.push_str(&entry_table(&of.in_trash));
        }
        text
    })
}

fn entries(page: &TrashPage) -> Vec<ListedEntry> {
    let mut entries = Vec::new();
    for (deletion, of_batch) in &page.batches {
        let entry = |of: &TrashEntry| ListedEntry {
            kind: of.kind.to_string(),
            id: of.id,
            name: of.name.clone(),
            rows: of.rows,
            from: of.span.map(|(first, _)| first.to_string()),
            to: of.span.map(|(_, last)| last.to_string()),
            deleted_at: deletion.deleted_at.to_string(),
            deletion_id: deletion.id(),
        };
        entries.extend(of_batch.iter().map(entry));
    }
    entries
}

fn entry_table(entries: &[ListedEntry]) -> String {
    let heads = ["kind", "id", "name", "rows", "deleted at", "deletion"];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    lines.extend(entries.iter().map(|of| {
        vec![
            of.kind.clone(),
            of.id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            of.name.clone(),
            grouped(of.rows),
            of.deleted_at.clone(),
            of.deletion_id.to_string(),
        ]
    }));
    table(&lines)
}

pub(super) fn trash(context: &Context, action: &TrashAction) -> CommandResult {
    let TrashAction::List(page) = action;
    let (before, limit) = (before(page)?, page.limit);
    let database = context.open(DatabaseNeed::Existing)?;
    let found = database.read("deletion.trash", |conn| {
        deletion::trash(conn, before, limit)
    })?;
    let listed = ListedTrash {
        trash: entries(&found),
        next: found.next.map(Timestamp::micros),
    };
    context.output.result(&listed, |listed| {
        if listed.trash.is_empty() {
            return "the trash is empty".to_owned();
        }
        let mut text = entry_table(&listed.trash);
        if let Some(next) = listed.next {
            text.push_str(&format!("there may be more: --before {next}\n"));
        }
        text
    })
}

pub(super) fn undo(context: &Context, arguments: &UndoArguments) -> CommandResult {
    let options = UndoOptions {
        dry_run: arguments.dry_run,
        skip_conflicts: arguments.skip_conflicts,
        by: arguments.by.given(),
    };
    let database = context.open(DatabaseNeed::Existing)?;
    let report = deletion::undo(&database, arguments.id, &options)?;
    database.close();
    let undone = Undone {
        id: report.id,
        dry_run: report.outcome == UndoOutcome::DryRun,
        refused: report.outcome == UndoOutcome::Refused,
        restored: report.restored,
        conflicts: report.conflicts.iter().map(ToString::to_string).collect(),
    };
    context
        .output
        .result(&undone, |undone| outcome_text(&report, &undone.conflicts))?;
    if report.outcome == UndoOutcome::Refused {
        return Err(CommandFailure::Told(format!(
            "deletion {} was not undone: take what stands in the way away, or undo it with \
             --skip-conflicts, which leaves those rows in the trash",
            report.id
        )));
    }
    Ok(())
}

fn outcome_text(report: &UndoReport, conflicts: &[String]) -> String {
    let restored = counted(report.restored);
    let mut text = match report.outcome {
        UndoOutcome::Undone => format!("restored {restored}\n"),
        UndoOutcome::DryRun => format!("would restore {restored}\n"),
        UndoOutcome::Refused => String::new(),
    };
    if !conflicts.is_empty() {
        text.push_str(&format!("{} cannot come back:\n", grouped(conflicts.len())));
    }
    for conflict in conflicts.iter().take(CONFLICTS_SHOWN) {
        text.push_str(&format!("  {conflict}\n"));
    }
    if conflicts.len() > CONFLICTS_SHOWN {
        let more = grouped(conflicts.len() - CONFLICTS_SHOWN);
        text.push_str(&format!("  and {more} more\n"));
    }
    text
}
