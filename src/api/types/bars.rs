//! Selections of bars to delete and restore, and what became of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Frequency;
use crate::ingest::whole;

/// The bars of an instrument that came in and start from `start` (included) to `end` (excluded).
/// It names its instrument by symbol or by id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BarSelection)]
pub(in crate::api) struct BarSelectionBody {
    pub(in crate::api) symbol: Option<String>,
    #[serde(default, deserialize_with = "whole::optional")]
    pub(in crate::api) instrument_id: Option<i64>,
    pub(in crate::api) frequency: Frequency,
    /// The name of a data source; every one that brought bars when absent.
    #[schema(min_length = 1)]
    pub(in crate::api) source: Option<String>,
    /// From the beginning when absent.
    #[schema(format = DateTime)]
    pub(in crate::api) start: Option<String>,
    /// To the end when absent.
    #[schema(format = DateTime)]
    pub(in crate::api) end: Option<String>,
    /// Why they are deleted; kept with the batch.
    #[schema(min_length = 1, max_length = 500)]
    pub(in crate::api) reason: Option<String>,
    /// Who deletes them; kept beside the name of the token.
    #[schema(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}

/// How many bars were deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DeletedBars {
    /// Bars that were active.
    pub(in crate::api) deleted: usize,
    /// The batch that they are, by which they can be restored; null when there were none.
    pub(in crate::api) deletion_id: Option<i64>,
}

/// How many bars were restored.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RestoredBars {
    /// Bars that were deleted.
    restored: usize,
    /// Bars that stay deleted: their period has an active bar, or one that was deleted later.
    conflicts: usize,
    /// What to do about conflicts; null when there are none.
    message: Option<String>,
}

impl RestoredBars {
    pub(in crate::api) fn new(restored: usize, conflicts: usize) -> Self {
        let remedy = "the periods of the conflicts have an active bar; delete that one first to \
                      restore the other, or leave it deleted";
        Self {
            restored,
            conflicts,
            message: (conflicts > 0).then(|| remedy.to_owned()),
        }
    }
}
