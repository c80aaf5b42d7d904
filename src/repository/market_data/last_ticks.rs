//! What instruments show as their last tick, after ticks went or came back.

use diesel::prelude::*;

use super::latest::newest_of_all;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::data_change::{self, ChangedSpan, DataChange};
use crate::tables::instrument_state;

/// Sets what each instrument shows as its last tick to its newest active one, and says that its
/// ticks are others.
pub(super) fn refresh_last_ticks(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    span: ChangedSpan,
) -> Result<()> {
    let newest = newest_of_all(conn, ids)?;
    for id in ids {
        let tick = newest.iter().find(|tick| tick.instrument_id == *id);
        // Of a deleted instrument, too: it shows the same ticks when it is restored.
        let update = diesel::update(instrument_state::table.find(id))
            .set((
                instrument_state::last_tick.eq(tick.map(|tick| tick.timestamp)),
                instrument_state::last_price.eq(tick.and_then(|tick| tick.price)),
                instrument_state::ticks_version.eq(instrument_state::ticks_version + 1),
            ))
            .returning((
                instrument_state::ticks_version,
                instrument_state::is_deleted,
            ));
        let state: Option<(i64, bool)> =
            crate::on_backend!(&mut *conn, |c| update.get_result(c).optional())?;
        let active = state.filter(|(_, is_deleted)| !is_deleted);
        let change = active.map(|(version, _)| DataChange {
            instrument_id: *id,
            version,
            ticks: Vec::new(),
            span: Some(span),
        });
        data_change::record(conn, |_| change.into_iter().collect());
    }
    Ok(())
}
