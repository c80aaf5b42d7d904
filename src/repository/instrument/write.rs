//! Insertion and changes of instruments.

use diesel::prelude::*;

use super::lock::{lock, rules_changed};
use super::read::{by_id_query, by_symbol, get};
use crate::database::{BackendConnection, Invalidation};
use crate::error::{Error, Result};
use crate::models::{Instrument, InstrumentChange, NewInstrument};
use crate::repository::or_conflict;
use crate::soft_delete::SoftDeletable;
use crate::tables::instruments;
use crate::timestamp::Timestamp;

/// Adds an instrument.
///
/// # Errors
/// [`Error::Conflict`] naming the active instrument that has the symbol; [`Error::Query`].
pub fn insert(
    conn: &mut BackendConnection<'_>,
    new: &NewInstrument,
    now: Timestamp,
) -> Result<Instrument> {
    let _said = conn.invalidates(Invalidation::Nothing);
    // Looked up only for the words of the refusal; the unique index decides a race.
    if let Some(holder) = by_symbol(conn, &new.symbol)? {
        return Err(symbol_taken(
            format!("new instrument {:?}", new.name),
            &holder,
        ));
    }
    let insert = instruments::table.insert().values((
        new,
        instruments::created_at.eq(now),
        instruments::updated_at.eq(now),
    ));
    let insert = insert.returning(instruments::id);
    let id = crate::on_backend!(&mut *conn, |c| insert.get_result::<i64>(c));
    let id = id.map_err(|error| or_conflict(error, format!("instrument {}", new.symbol)))?;
    drop(conn.invalidates(Invalidation::Instruments(&[id])));
    get(conn, id)
}

/// Changes an active instrument; an empty change sets `updated_at` alone.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn update(
    conn: &mut BackendConnection<'_>,
    id: i64,
    change: &InstrumentChange,
    now: Timestamp,
) -> Result<Instrument> {
    let _said = conn.invalidates(Invalidation::Instruments(&[id]));
    lock(conn, &[id])?;
    let update = diesel::update(by_id_query(id)).set((change, instruments::updated_at.eq(now)));
    crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    // Also for a change of places or status: the engine keeps them with the rules.
    rules_changed(conn, &[id])?;
    get(conn, id)
}

/// The symbol belongs to another active instrument.
pub(super) fn symbol_taken(what: String, holder: &Instrument) -> Error {
    Error::Conflict {
        what,
        existing: format!(
            "symbol {} is that of active instrument {} {:?}; delete that one first or use another \
             symbol",
            holder.symbol, holder.id, holder.name
        ),
    }
}
