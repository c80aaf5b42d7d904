//! Soft delete and restore of instruments.

use std::collections::{BTreeMap, BTreeSet};

use diesel::dsl;
use diesel::prelude::*;

use super::write::symbol_taken;
use crate::database::{BackendConnection, Invalidation};
use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::models::Instrument;
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, or_conflict};
use crate::soft_delete::{Active, ActiveOn, Deleted, SoftDeletable};
use crate::tables::{alert_rules, instrument_state, instruments};
use crate::timestamp::Timestamp;

/// Moves the instruments with these ids to the trash; returns how many were active.
///
/// # Errors
/// [`Error::Conflict`] naming a rule that still watches one of them; [`Error::Query`]. The
/// caller's transaction must be undone then.
pub fn soft_delete(conn: &mut BackendConnection<'_>, ids: &[i64], now: Timestamp) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Instruments(ids));
    lock(conn, ids)?;
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        // Under the lock: no rule can be added between the look and the deletion.
        refuse_watched(conn, ids)?;
        let update = diesel::update(active_query(ids)).set(instruments::deleted_at.eq(now));
        changed += crate::on_backend!(conn, |c| update.execute(c))?;
    }
    rules_changed(conn, ids)?;
    Ok(changed).recorded(conn)
}

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

#[dsl::auto_type(no_type_alias)]
pub(super) fn active_query<'a>(ids: &'a [i64]) -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    active.filter(instruments::id.eq_any(ids))
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn deleted_query<'a>(ids: &'a [i64]) -> _ {
    let deleted: Deleted<instruments::table> = instruments::table.deleted();
    deleted.filter(instruments::id.eq_any(ids))
}

type RulesOfInstrument = dsl::Eq<alert_rules::instrument_id, instruments::id>;

/// The rules that are evaluated for these instruments.
#[dsl::auto_type(no_type_alias)]
pub(super) fn watching_query<'a>(ids: &'a [i64]) -> _ {
    let rules: Active<alert_rules::table> = alert_rules::table.active();
    let on: RulesOfInstrument = alert_rules::instrument_id.eq(instruments::id);
    let watched: ActiveOn<instruments::table, RulesOfInstrument> = instruments::table.active_on(on);
    rules
        .inner_join(watched)
        .filter(alert_rules::instrument_id.eq_any(ids))
        .filter(alert_rules::active.eq(true))
        .order((instruments::id.asc(), alert_rules::id.asc()))
}

fn refuse_watched(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<()> {
    let query = watching_query(ids).select((
        instruments::id,
        instruments::symbol,
        alert_rules::id,
        alert_rules::name,
    ));
    let found: Option<(i64, Symbol, i64, Option<String>)> =
        crate::on_backend!(conn, |c| query.first(c).optional())?;
    let Some((id, symbol, rule_id, name)) = found else {
        return Ok(());
    };
    let name = name.map_or(String::new(), |name| format!(" {name:?}"));
    Err(Error::Conflict {
        what: format!("instrument {id} {symbol} cannot be deleted"),
        existing: format!(
            "active rule {rule_id}{name} watches it; delete or deactivate its rules first"
        ),
    })
}

/// Takes the instruments with these ids out of the trash; returns how many were in it.
///
/// # Errors
/// [`Error::Conflict`] naming the active instrument that took a symbol meanwhile;
/// [`Error::Query`]. The caller's transaction must be undone then.
pub fn restore(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Instruments(ids));
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        refuse_taken_symbols(conn, ids)?;
        let update =
            diesel::update(deleted_query(ids)).set(instruments::deleted_at.eq(None::<Timestamp>));
        let restored = crate::on_backend!(conn, |c| update.execute(c));
        // Another writer may take the symbol between the look and the update: the unique index
        // decides.
        changed += restored.map_err(|error| or_conflict(error, "instruments to restore"))?;
    }
    rules_changed(conn, ids)?;
    Ok(changed).recorded(conn)
}

/// The active instruments with one of these symbols.
#[dsl::auto_type(no_type_alias)]
pub(super) fn holders_query<'a>(symbols: &'a [Symbol]) -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    active
        .filter(instruments::symbol.eq_any(symbols))
        .order(instruments::symbol.asc())
}

fn refuse_taken_symbols(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<()> {
    let query = deleted_query(ids)
        .select((instruments::id, instruments::symbol))
        .order(instruments::id);
    let rows: Vec<(i64, Symbol)> = crate::on_backend!(conn, |c| query.load(c))?;
    let mut by_symbol = BTreeMap::new();
    for (id, symbol) in rows {
        if let Some(other) = by_symbol.insert(symbol.clone(), id) {
            return Err(Error::Conflict {
                what: format!("instrument {id} {symbol} cannot be restored"),
                existing: format!(
                    "instrument {other} in the trash has the same symbol; restore one of them"
                ),
            });
        }
    }
    let symbols: Vec<Symbol> = by_symbol.keys().cloned().collect();
    let holder: Option<Instrument> = crate::on_backend!(conn, |c| {
        let query = holders_query(&symbols)
            .inner_join(instrument_state::table)
            .select(Instrument::as_select());
        query.first(c).optional()
    })?;
    match holder.map(|holder| (by_symbol.get(&holder.symbol).copied(), holder)) {
        Some((Some(id), holder)) => {
            let what = format!("instrument {id} {} cannot be restored", holder.symbol);
            Err(symbol_taken(what, &holder))
        }
        _ => Ok(()),
    }
}
