//! What becomes of rows whose keys the archive has. A hot row of the key says more than the file.

use super::tick_store::{InsertOutcome, KeyedTick};
use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::archive::{self, KeyFate};

/// `None` of rows that the archive has not. All of them are of one instrument, in key order.
pub(super) fn archived_fates(
    conn: &mut BackendConnection<'_>,
    rows: &[KeyedTick<'_>],
) -> Result<Vec<Option<InsertOutcome>>> {
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let ticks: Vec<_> = rows
        .iter()
        .map(|row| {
            let key = (row.key.timestamp, row.key.source_id, row.key.sequence);
            (key, row.tick.values())
        })
        .collect();
    let fates = archive::fates(conn, first.key.instrument_id, &ticks)?;
    let outcome = |fate: KeyFate| match fate {
        KeyFate::Same => InsertOutcome::Same,
        KeyFate::Other => InsertOutcome::Other,
        KeyFate::Deleted => InsertOutcome::Deleted,
    };
    Ok(fates.into_iter().map(|fate| fate.map(outcome)).collect())
}
