//! The lock of instruments, which those who write ticks, bars and rules of them take, and the version of
//! their rules. Both are of the row in `instrument_state`.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::KEYS_PER_STATEMENT_MAX;
use crate::tables::instrument_state;

/// Keeps other writers from deleting the instruments, and from adding rules and ticks to them,
/// until the commit. In id order, so that nobody waits in a circle. The write lane of SQLite is
/// such a lock already.
pub(crate) fn lock(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {}
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            let locked: Vec<i64> = instrument_state::table
                .filter(instrument_state::instrument_id.eq_any(ids))
                .filter(instrument_state::is_deleted.eq(false))
                .select(instrument_state::instrument_id)
                .order(instrument_state::instrument_id)
                .for_no_key_update()
                .load(*c)?;
            tracing::trace!(instruments = locked.len(), "locked");
        }
    }
    let _ = ids;
    Ok(())
}

/// Locks those of the instruments that are active, and returns their ids.
pub(crate) fn lock_active(
    conn: &mut BackendConnection<'_>,
    ids: &BTreeSet<i64>,
) -> Result<BTreeSet<i64>> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    lock(conn, &ids)?;
    let mut active = BTreeSet::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = instrument_state::table
            .filter(instrument_state::instrument_id.eq_any(ids))
            .filter(instrument_state::is_deleted.eq(false))
            .select(instrument_state::instrument_id);
        let found: Vec<i64> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
        active.extend(found);
    }
    Ok(active)
}

/// Says that the rules of the instruments, which are locked, are others: whoever has them in memory
/// sees it at the next tick.
pub(crate) fn rules_changed(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<()> {
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let of = instrument_state::table.filter(instrument_state::instrument_id.eq_any(ids));
        let update = diesel::update(of)
            .set(instrument_state::rules_version.eq(instrument_state::rules_version + 1));
        crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    }
    Ok(())
}
