//! What stands in the way of undoing a batch: names and periods that were taken since, and rules
//! whose instrument is in the trash.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::domain::{DeletedKind, Frequency, Symbol};
use crate::error::Result;
use crate::repository::{KEYS_PER_STATEMENT_MAX, instrument};
use crate::soft_delete::SoftDeletable;
use crate::tables::{alert_rules, instruments, market_data_bars};
use crate::timestamp::Timestamp;

crate::soft_delete_alias!(market_data_bars as standing: Standing);

/// A row of a batch that cannot come back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndoConflict {
    /// What it is.
    pub kind: DeletedKind,
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What stands in its way, and what to do about it.
    pub reason: String,
}

impl fmt::Display for UndoConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            id,
            name,
            reason,
        } = self;
        write!(f, "{kind} {id} {name}: {reason}")
    }
}

/// What stands in the way of each row of the batch.
pub(super) fn of(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
) -> Result<Vec<UndoConflict>> {
    let mut conflicts = of_instruments(conn, deleted_at)?;
    let stay: BTreeSet<i64> = conflicts.iter().map(|conflict| conflict.id).collect();
    conflicts.extend(of_rules(conn, deleted_at, &stay)?);
    conflicts.extend(of_bars(conn, deleted_at)?);
    Ok(conflicts)
}

fn of_instruments(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
) -> Result<Vec<UndoConflict>> {
    let query = instruments::table
        .deleted()
        .filter(instruments::deleted_at.eq(deleted_at))
        .select((instruments::id, instruments::symbol))
        .order(instruments::id);
    let rows: Vec<(i64, Symbol)> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let mut conflicts = Vec::new();
    for rows in rows.chunks(KEYS_PER_STATEMENT_MAX) {
        let symbols: Vec<Symbol> = rows.iter().map(|(_, symbol)| symbol.clone()).collect();
        let holders = instrument::labels_by_symbol(conn, &symbols)?;
        let holders: HashMap<&str, i64> = holders
            .iter()
            .map(|label| (label.symbol.as_str(), label.id))
            .collect();
        conflicts.extend(rows.iter().filter_map(|(id, symbol)| {
            let holder = holders.get(symbol.as_str())?;
            Some(UndoConflict {
                kind: DeletedKind::Instrument,
                id: *id,
                name: symbol.to_string(),
                reason: format!(
                    "its symbol is that of active instrument {holder}; delete that one first"
                ),
            })
        }));
    }
    Ok(conflicts)
}

/// Rules of instruments that stay in the trash.
fn of_rules(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
    stay: &BTreeSet<i64>,
) -> Result<Vec<UndoConflict>> {
    let query = alert_rules::table
        .deleted()
        .inner_join(instruments::table.with_deleted("their instrument may be deleted"))
        .filter(alert_rules::deleted_at.eq(deleted_at))
        .select((
            alert_rules::id,
            alert_rules::name,
            instruments::id,
            instruments::symbol,
            instruments::deleted_at,
        ))
        .order(alert_rules::id);
    type DeletedRuleRow = (i64, Option<String>, i64, Symbol, Option<Timestamp>);
    let rows: Vec<DeletedRuleRow> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let conflict = |(id, name, instrument_id, symbol, deleted): DeletedRuleRow| {
        let returns = deleted == Some(deleted_at) && !stay.contains(&instrument_id);
        (deleted.is_some() && !returns).then(|| UndoConflict {
            kind: DeletedKind::Rule,
            id,
            name: name.unwrap_or_else(|| symbol.to_string()),
            reason: format!("its instrument {instrument_id} {symbol} is deleted; restore it first"),
        })
    };
    Ok(rows.into_iter().filter_map(conflict).collect())
}

/// Bars whose period another bar has now.
fn of_bars(conn: &mut BackendConnection<'_>, deleted_at: Timestamp) -> Result<Vec<UndoConflict>> {
    let same = |conn: &mut BackendConnection<'_>| -> Result<Vec<TakenPeriodRow>> {
        let on = standing
            .field(market_data_bars::instrument_id)
            .eq(market_data_bars::instrument_id)
            .and(
                standing
                    .field(market_data_bars::frequency)
                    .eq(market_data_bars::frequency),
            )
            .and(
                standing
                    .field(market_data_bars::timestamp)
                    .eq(market_data_bars::timestamp),
            )
            .and(
                standing
                    .field(market_data_bars::data_source_id)
                    .eq(market_data_bars::data_source_id),
            );
        let query = market_data_bars::table
            .deleted()
            .inner_join(standing.active_on(on))
            .filter(market_data_bars::deleted_at.eq(deleted_at))
            .select((
                market_data_bars::id,
                market_data_bars::instrument_id,
                market_data_bars::frequency,
                market_data_bars::timestamp,
                standing.field(market_data_bars::id),
            ))
            .order(market_data_bars::id);
        Ok(crate::on_backend!(conn, |c| query.load(c))?)
    };
    type TakenPeriodRow = (i64, i64, Frequency, Timestamp, i64);
    let conflict = |(id, instrument_id, frequency, from, holder): TakenPeriodRow| UndoConflict {
        kind: DeletedKind::Bar,
        id,
        name: format!("{frequency} of instrument {instrument_id} from {from}"),
        reason: format!("active bar {holder} has its period; delete that one first, or keep it"),
    };
    Ok(same(conn)?.into_iter().map(conflict).collect())
}
