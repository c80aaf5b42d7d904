//! Batches of soft deletes: the row, and who asks for a new one.

use diesel::prelude::*;

use super::alert_silence::{check_length, check_who};
use crate::domain::{DeletionCounts, DeletionState};
use crate::error::{Error, Result};
use crate::tables::deletions;
use crate::timestamp::Timestamp;

/// A batch of soft deletes. Each of its rows has [`Deletion::deleted_at`] as its moment of deletion,
/// and no row of another batch has.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = deletions)]
#[non_exhaustive]
pub struct Deletion {
    /// When it was asked for: its key, in microseconds.
    pub deleted_at: Timestamp,
    /// The token of the request, by its name.
    pub token_name: Option<String>,
    /// Who it was, by their own account.
    pub actor: Option<String>,
    /// The program, and the number of its process.
    pub process: String,
    /// Why.
    pub reason: Option<String>,
    /// What was asked for.
    pub request: String,
    /// What has become of it.
    pub state: DeletionState,
    /// Instruments that it deleted.
    pub instruments: i64,
    /// Rules that it deleted.
    pub rules: i64,
    /// Alerts that it deleted.
    pub alerts: i64,
    /// Bars that it deleted.
    pub bars: i64,
    /// Ticks that it deleted.
    pub ticks: i64,
    /// Saved queries that it deleted.
    pub saved_queries: i64,
    /// When it was taken back.
    pub undone_at: Option<Timestamp>,
    /// Who took it back.
    pub undone_by: Option<String>,
    /// When it was removed for good.
    pub purged_at: Option<Timestamp>,
}

impl Deletion {
    /// Its number: the microseconds of [`Deletion::deleted_at`].
    #[must_use]
    pub fn id(&self) -> i64 {
        self.deleted_at.micros()
    }

    /// What it deleted.
    #[must_use]
    pub fn counts(&self) -> DeletionCounts {
        let count = |rows: i64| usize::try_from(rows).unwrap_or(0);
        DeletionCounts {
            instruments: count(self.instruments),
            rules: count(self.rules),
            alerts: count(self.alerts),
            bars: count(self.bars),
            ticks: count(self.ticks),
            saved_queries: count(self.saved_queries),
        }
    }

    /// A batch of which nothing but its moment is known: its rows were deleted by another program, or
    /// before batches were kept.
    pub(crate) fn unknown(deleted_at: Timestamp, counts: DeletionCounts) -> Self {
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        Self {
            deleted_at,
            token_name: None,
            actor: None,
            process: Self::UNKNOWN.to_owned(),
            reason: None,
            request: Self::UNKNOWN.to_owned(),
            state: DeletionState::Done,
            instruments: count(counts.instruments),
            rules: count(counts.rules),
            alerts: count(counts.alerts),
            bars: count(counts.bars),
            ticks: count(counts.ticks),
            saved_queries: count(counts.saved_queries),
            undone_at: None,
            undone_by: None,
            purged_at: None,
        }
    }

    /// Stands where nobody has said who deleted rows, and what they asked for.
    pub const UNKNOWN: &'static str = "unknown";
}

/// Who asks for a soft delete, why, and what is asked.
///
/// ```
/// use tickbase::models::NewDeletion;
///
/// let new = NewDeletion::of("close the book of ES").by("desk").because("the contract expired");
/// assert_eq!(new.actor.as_deref(), Some("desk"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeletion {
    /// The token of the request, by its name.
    pub token_name: Option<String>,
    /// Who it is, 1 to 100 characters.
    pub actor: Option<String>,
    /// Why, 1 to 500 characters.
    pub reason: Option<String>,
    /// What is asked for; what is longer than 1,000 characters is cut off.
    pub request: String,
}

impl NewDeletion {
    /// The longest reason, in characters.
    pub const REASON_LENGTH_MAX: usize = 500;
    /// The longest request that is kept, in characters.
    pub const REQUEST_LENGTH_MAX: usize = 1_000;

    /// Asks for this.
    pub fn of(request: impl Into<String>) -> Self {
        Self {
            token_name: None,
            actor: None,
            reason: None,
            request: request.into(),
        }
    }

    /// Says who it is.
    #[must_use]
    pub fn by(self, actor: impl Into<String>) -> Self {
        Self {
            actor: Some(actor.into()),
            ..self
        }
    }

    /// Says why.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }

    /// The request as it is kept.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or a reason that is empty, too long, or that PostgreSQL cannot store.
    pub(crate) fn checked_request(&self) -> Result<String> {
        for (name, who) in [("by", &self.actor), ("token_name", &self.token_name)] {
            who.as_deref().map_or(Ok(()), |who| check_who(name, who))?;
        }
        if let Some(reason) = &self.reason {
            if reason.trim().is_empty() {
                let remedy = "say why, or leave it out";
                return Err(Error::invalid("reason", "it is empty", remedy));
            }
            check_length("reason", reason, Self::REASON_LENGTH_MAX)?;
        }
        let request = self.request.chars().take(Self::REQUEST_LENGTH_MAX);
        let request: String = request.collect();
        match request.contains('\0') {
            true => Err(Error::invalid(
                "request",
                "it has the character NUL",
                "leave the character NUL out",
            )),
            false => Ok(request),
        }
    }
}
