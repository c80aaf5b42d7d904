//! Batches of soft deletes and the trash, as the API shows them, and how one is asked for.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{DeletedKind, DeletionCounts, DeletionState};
use crate::models::Deletion;
use crate::repository::deletion::{TrashEntry, TrashPage, UndoConflict, UndoOutcome, UndoReport};

/// Why something is deleted, and who says so.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct DeletionQuery {
    /// Why; kept with the batch
    #[param(min_length = 1, max_length = 500)]
    pub(in crate::api) reason: Option<String>,
    /// Who does it; kept beside the name of the token
    #[param(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}

/// How an instrument is deleted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct InstrumentDeletionQuery {
    /// Deletes its rules, alerts, bars and ticks, too, as one batch; without it they stay, and an
    /// active rule is in the way
    #[serde(default)]
    #[param(default = false)]
    pub(in crate::api) cascade: bool,
    /// Why; kept with the batch
    #[param(min_length = 1, max_length = 500)]
    pub(in crate::api) reason: Option<String>,
    /// Who does it; kept beside the name of the token
    #[param(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}

/// Which batches a list holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct DeletionPageQuery {
    /// Batches of one page
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub(in crate::api) limit: Option<usize>,
    /// Only those with a smaller number
    pub(in crate::api) before: Option<i64>,
}

/// How a batch is undone.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct UndoQuery {
    /// Changes nothing, and answers with the same numbers
    #[serde(default)]
    #[param(default = false)]
    pub(in crate::api) dry_run: bool,
    /// Leaves rows in the trash that cannot come back; without it one of them keeps all there
    #[serde(default)]
    #[param(default = false)]
    pub(in crate::api) skip_conflicts: bool,
    /// Who does it, where no token says it
    #[param(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}

/// A batch of soft deletes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deletion)]
pub(in crate::api) struct DeletionItem {
    /// Its number: the microseconds of `deleted_at`.
    id: i64,
    /// The moment of deletion of all its rows.
    #[schema(format = DateTime)]
    deleted_at: String,
    state: DeletionState,
    /// The token of the request, by its name.
    token_name: Option<String>,
    /// Who it was, by their own account.
    actor: Option<String>,
    /// The program with the number of its process; `unknown` when no record was kept.
    process: String,
    reason: Option<String>,
    /// What was asked for.
    request: String,
    /// What it deleted.
    counts: DeletionCounts,
    #[schema(format = DateTime)]
    undone_at: Option<String>,
    undone_by: Option<String>,
    #[schema(format = DateTime)]
    purged_at: Option<String>,
}

impl From<Deletion> for DeletionItem {
    fn from(row: Deletion) -> Self {
        Self {
            id: row.id(),
            deleted_at: row.deleted_at.to_string(),
            state: row.state,
            counts: row.counts(),
            token_name: row.token_name,
            actor: row.actor,
            process: row.process,
            reason: row.reason,
            request: row.request,
            undone_at: row.undone_at.map(|at| at.to_string()),
            undone_by: row.undone_by,
            purged_at: row.purged_at.map(|at| at.to_string()),
        }
    }
}

/// Batches of soft deletes.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DeletionList {
    /// Newest first.
    deletions: Vec<DeletionItem>,
}

impl From<Vec<Deletion>> for DeletionList {
    fn from(rows: Vec<Deletion>) -> Self {
        let deletions = rows.into_iter().map(DeletionItem::from).collect();
        Self { deletions }
    }
}

/// A row that cannot come back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UndoConflict)]
pub(in crate::api) struct ConflictItem {
    kind: DeletedKind,
    id: i64,
    name: String,
    /// What stands in its way, and what to do about it.
    reason: String,
}

/// What became of an undo.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UndoReport)]
pub(in crate::api) struct UndoItem {
    /// The number of the batch.
    id: i64,
    dry_run: bool,
    /// Rows that came back, or would.
    restored: DeletionCounts,
    /// Rows that stay in the trash: the first 100 of them.
    conflicts: Vec<ConflictItem>,
    /// How many they are.
    conflicts_total: usize,
}

/// Conflicts that an answer names one by one.
const CONFLICTS_MAX: usize = 100;

impl From<UndoReport> for UndoItem {
    fn from(report: UndoReport) -> Self {
        let conflict = |of: UndoConflict| ConflictItem {
            kind: of.kind,
            id: of.id,
            name: of.name,
            reason: of.reason,
        };
        Self {
            id: report.id,
            dry_run: report.outcome == UndoOutcome::DryRun,
            restored: report.restored,
            conflicts_total: report.conflicts.len(),
            conflicts: report
                .conflicts
                .into_iter()
                .take(CONFLICTS_MAX)
                .map(conflict)
                .collect(),
        }
    }
}

/// An undo that would leave rows in the trash.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UndoRefusal {
    /// The first three of them, and what to do.
    detail: String,
    /// Rows that cannot come back: the first 100 of them; absent when the batch was undone or purged.
    #[schema(required = false)]
    conflicts: Vec<ConflictItem>,
    /// How many they are.
    #[schema(required = false)]
    conflicts_total: usize,
}

/// Conflicts that the words of a refusal have.
const CONFLICTS_IN_WORDS: usize = 3;

impl From<UndoReport> for UndoRefusal {
    fn from(report: UndoReport) -> Self {
        let first = report.conflicts.iter().take(CONFLICTS_IN_WORDS);
        let first: Vec<String> = first.map(ToString::to_string).collect();
        let first = first.join("; ");
        let UndoItem {
            id,
            conflicts,
            conflicts_total,
            ..
        } = report.into();
        Self {
            detail: format!(
                "deletion {id} was not undone: {conflicts_total} of its rows cannot come back ({first}); \
                 take what stands in their way away, or undo it with skip_conflicts=true, which \
                 leaves them in the trash"
            ),
            conflicts,
            conflicts_total,
        }
    }
}

/// Rows in the trash that one batch deleted: a row that has a name, or the alerts, bars or ticks of
/// an instrument.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrashEntry)]
pub(in crate::api) struct TrashItem {
    kind: DeletedKind,
    /// The number of the row; null where it is several.
    id: Option<i64>,
    /// A symbol, a name, and of bars the frequency.
    name: String,
    instrument_id: Option<i64>,
    rows: usize,
    /// The moment of the first row, of alerts, bars and ticks.
    #[schema(format = DateTime)]
    from: Option<String>,
    /// The moment of the last one.
    #[schema(format = DateTime)]
    to: Option<String>,
    #[schema(format = DateTime)]
    deleted_at: String,
    /// The batch that deleted it.
    deletion_id: i64,
    /// Who deleted it: the name of the token, or what the caller says of itself.
    deleted_by: Option<String>,
    reason: Option<String>,
}

impl TrashItem {
    fn new(deletion: &Deletion, entry: TrashEntry) -> Self {
        let by = deletion.token_name.as_ref().or(deletion.actor.as_ref());
        Self {
            kind: entry.kind,
            id: entry.id,
            name: entry.name,
            instrument_id: entry.instrument_id,
            rows: entry.rows,
            from: entry.span.map(|(first, _)| first.to_string()),
            to: entry.span.map(|(_, last)| last.to_string()),
            deleted_at: deletion.deleted_at.to_string(),
            deletion_id: deletion.id(),
            deleted_by: by.cloned(),
            reason: deletion.reason.clone(),
        }
    }
}

/// What is in the trash.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TrashList {
    /// Newest first.
    trash: Vec<TrashItem>,
    /// Where the next page begins: its parameter `before`; null when there is none.
    next: Option<i64>,
}

impl From<TrashPage> for TrashList {
    fn from(page: TrashPage) -> Self {
        let mut trash = Vec::new();
        for (deletion, entries) in page.batches {
            let item = |entry| TrashItem::new(&deletion, entry);
            trash.extend(entries.into_iter().map(item));
        }
        let next = page.next.map(crate::timestamp::Timestamp::micros);
        Self { trash, next }
    }
}
