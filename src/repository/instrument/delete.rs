//! Soft delete and restore of instruments.

use std::collections::BTreeMap;

use diesel::dsl;
use diesel::prelude::*;

use super::lock::{lock, rules_changed};
use super::write::symbol_taken;
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DeletedKind, Symbol};
use crate::error::{Error, Result};
use crate::models::Instrument;
use crate::repository::deletion_batch::DeletionBatch;
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
pub fn soft_delete(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Instruments(ids));
    lock(conn, ids)?;
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        // Under the lock: no rule can be added between the look and the deletion.
        refuse_watched(conn, ids)?;
        let update =
            diesel::update(active_query(ids)).set(instruments::deleted_at.eq(batch.deleted_at()));
        changed += crate::on_backend!(conn, |c| update.execute(c))?;
    }
    rules_changed(conn, ids)?;
    batch.add(DeletedKind::Instrument, changed);
    Ok(changed).recorded(conn)
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
