//! Stores the ticks of a text of lines, all of them or none, and says by line why not.

use super::{LineOwner, LineProtocolBatch};
use crate::database::BackendConnection;
use crate::domain::{DEFAULT_SOURCE_ID, InstrumentType};
use crate::error::{Error, Result};
use crate::ingest::import::Import;
use crate::ingest::import::resolve::Ids;
use crate::repository::market_data::{InsertOptions, InsertReport, RowOutcome, insert_batch};
use crate::timestamp::Timestamp;

const DELETED_REMEDY: &str = "restore that one with POST /api/market-data/restore, or remove it for \
    good with `tickbase purge` and send the text again";

/// The way in which a text of lines is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineProtocolStore {
    /// The type of the instruments to add when there is none of a symbol; sources are added with it.
    pub(crate) create: Option<InstrumentType>,
    /// Under which a text that is sent again is known, for 24 hours.
    pub(crate) idempotency_key: Option<String>,
}

impl LineProtocolBatch {
    /// Stores the ticks; the caller's transaction must be undone when this fails.
    ///
    /// # Errors
    /// [`Error::Line`] for the first line that names what is unknown, or whose tick is not stored;
    /// those of [`insert_batch`] and of adding an instrument.
    pub(crate) fn store(
        &self,
        conn: &mut BackendConnection<'_>,
        how: &LineProtocolStore,
        now: Timestamp,
    ) -> Result<InsertReport> {
        let owners = self.owners(conn, how.create, now)?;
        let owners = self.owner_of.iter().map(|owner| owners[*owner as usize]);
        let ticks: Vec<_> = self
            .ticks
            .iter()
            .zip(owners)
            .map(|(tick, (instrument, source))| tick.moved_to(instrument, source))
            .collect();
        let options = InsertOptions {
            outcomes: true,
            idempotency_key: how.idempotency_key.clone(),
            ..InsertOptions::default()
        };
        let report = insert_batch(conn, &ticks, &options, now)?;
        self.refuse_what_was_left(&report)?;
        Ok(report)
    }

    /// The instrument and the source of each owner.
    fn owners(
        &self,
        conn: &mut BackendConnection<'_>,
        create: Option<InstrumentType>,
        now: Timestamp,
    ) -> Result<Vec<(i64, i64)>> {
        let plan = Import {
            create,
            create_source: create.is_some(),
            ..Import::default()
        };
        let mut ids = Ids::default();
        let symbols = self.owners.iter().map(|owner| &owner.symbol);
        ids.look_up(conn, symbols, &plan, now)?;
        let owners = self.owners.iter().map(|owner| {
            let symbol = &owner.symbol;
            let instrument = ids.instrument(symbol).ok_or_else(|| {
                let reason = format!("no active instrument is named {symbol}");
                unknown(owner, reason, "instrument")
            })?;
            let source = match &owner.source {
                None => DEFAULT_SOURCE_ID,
                Some(name) => {
                    let source = ids.source(conn, name, &plan, now);
                    source.map_err(|error| match error {
                        Error::NotFound { .. } => {
                            unknown(owner, format!("no data source is named {name:?}"), "source")
                        }
                        other => other,
                    })?
                }
            };
            Ok((instrument, source))
        });
        owners.collect()
    }

    /// Fails by the first tick that was not stored and is no duplicate. The answer to a text that
    /// was stored before has no outcomes: nothing of it was left then.
    fn refuse_what_was_left(&self, report: &InsertReport) -> Result<()> {
        let outcomes = report.outcomes.iter().flatten().enumerate();
        let is_left =
            |it: &RowOutcome| !matches!(it, RowOutcome::Inserted { .. } | RowOutcome::Duplicate);
        let Some((index, outcome)) = outcomes.into_iter().find(|(_, it)| is_left(it)) else {
            return Ok(());
        };
        let (reason, remedy) = match outcome {
            RowOutcome::Deleted => ("a deleted tick has its key".to_owned(), DELETED_REMEDY),
            RowOutcome::Conflict => (
                "other values are stored under its symbol, timestamp, source and sequence"
                    .to_owned(),
                "send it with a sequence of its own, or delete the stored tick first",
            ),
            _ => {
                let mut rows = report.rejected.iter();
                let row = rows.find(|row| row.index == index);
                let reason = row.map_or("it breaks a rule", |row| &row.reason);
                (reason.to_owned(), "mend the line")
            }
        };
        Err(Error::Line {
            line: self.lines.get(index).copied().unwrap_or_default().into(),
            reason,
            remedy: remedy.to_owned(),
        })
    }
}

fn unknown(owner: &LineOwner, reason: String, what: &str) -> Error {
    Error::Line {
        line: owner.line,
        reason,
        remedy: format!(
            "check the name, or send the text with create=TYPE in the query, like create=equity, \
             which adds the {what}"
        ),
    }
}
