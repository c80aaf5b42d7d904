//! The newest tick of instruments whose ticks are archived, as far as the hot rows do not have it.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::cold::segments;
use super::merged::MergedTicks;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::MarketData;
use crate::repository::{KEYS_PER_STATEMENT_MAX, SortOrder};
use crate::tables::{archive_segments, instrument_state};
use crate::timestamp::Timestamp;

/// An instrument that has archived ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArchivedInstrument {
    pub(crate) id: i64,
    /// The end of what may be archived.
    pub(crate) archived_to: Timestamp,
    pub(crate) is_deleted: bool,
}

/// Whether nothing is archived at all, which is told by one look.
pub(crate) fn is_empty(conn: &mut BackendConnection<'_>) -> Result<bool> {
    let any = archive_segments::table
        .select(archive_segments::id)
        .limit(1);
    let any: Option<i64> = crate::on_backend!(conn, |c| any.first(c).optional())?;
    Ok(any.is_none())
}

/// Those of the instruments that have archived ticks; all of them without a list.
pub(crate) fn archived(
    conn: &mut BackendConnection<'_>,
    instrument_ids: Option<&[i64]>,
) -> Result<Vec<ArchivedInstrument>> {
    macro_rules! those {
        ($rows:expr) => {{
            let query = $rows
                .filter(instrument_state::archived_to.is_not_null())
                .order(instrument_state::instrument_id.asc())
                .select((
                    instrument_state::instrument_id,
                    instrument_state::archived_to.assume_not_null(),
                    instrument_state::is_deleted,
                ));
            let found: Vec<(i64, Timestamp, bool)> =
                crate::on_backend!(&mut *conn, |c| query.load(c))?;
            found
        }};
    }
    if is_empty(conn)? {
        return Ok(Vec::new());
    }
    let mut found: Vec<(i64, Timestamp, bool)> = Vec::new();
    match instrument_ids {
        None => found = those!(instrument_state::table),
        Some(ids) => {
            for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
                found.extend(those!(
                    instrument_state::table.filter(instrument_state::instrument_id.eq_any(ids))
                ));
            }
        }
    }
    let found = found
        .into_iter()
        .map(|(id, archived_to, is_deleted)| ArchivedInstrument {
            id,
            archived_to,
            is_deleted,
        });
    Ok(found.collect())
}

/// Puts the newest active tick of each of these instruments in the place of the newest hot one, where
/// it is newer. In a snapshot of the caller's, in which the hot ones were read, too.
pub(crate) fn with_archived(
    conn: &mut BackendConnection<'_>,
    archived: impl Iterator<Item = ArchivedInstrument>,
    newest: &mut BTreeMap<i64, MarketData>,
) -> Result<()> {
    for ArchivedInstrument {
        id, archived_to, ..
    } in archived
    {
        let hot = newest.get(&id);
        if hot.is_some_and(|tick| tick.timestamp >= archived_to) {
            continue;
        }
        let bounds = (Timestamp::MIN, archived_to.saturating_add_micros(-1));
        let files = segments(conn, id, bounds)?;
        if files.is_empty() {
            continue;
        }
        let mut ticks = MergedTicks::new(id, files, bounds, SortOrder::Descending, None);
        if let Some(tick) = ticks.next(conn)?
            && newest.get(&id).is_none_or(|hot| hot.key() < tick.key())
        {
            newest.insert(id, tick);
        }
    }
    Ok(())
}
