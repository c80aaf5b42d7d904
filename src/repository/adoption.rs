//! Writes of rows that another program's database brings along with their numbers and stamps, and
//! the sums by which it is seen that they came.
//!
//! A row keeps its number where the table has none with it, so that links to it go on working; else
//! the table gives it the next one. A row in the trash has its number, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::dsl;
use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::domain::Frequency;
use crate::error::Result;
use crate::models::{NewAlertLog, NewAlertRule, NewInstrument, NewSavedQuery};
use crate::repository::bar::BarKey;
use crate::repository::{KEYS_PER_STATEMENT_MAX, instrument};
use crate::soft_delete::SoftDeletable;
use crate::tables::{
    alert_logs, alert_rules, instrument_state, instruments, market_data, market_data_bars,
    saved_queries,
};
use crate::timestamp::Timestamp;

/// Why deleted rows are looked at here.
const EVERY_ROW: &str = "what was brought over once stays, deleted or not";

/// When a row was added and changed, where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowStamps {
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Whether a table has a row of this number.
macro_rules! is_taken {
    ($conn:expr, $table:ident, $id:expr) => {{
        let rows = $table::table.with_deleted(EVERY_ROW);
        let query = diesel::select(dsl::exists(rows.filter($table::id.eq($id))));
        crate::on_backend!(&mut *$conn, |c| query.get_result::<bool>(c))?
    }};
}

/// Stores a row under its number where that is free, else under the next one; returns which.
macro_rules! insert_numbered {
    ($conn:expr, $table:ident, $id:expr, $values:expr) => {{
        let insert = $table::table.insert();
        let wanted: Option<i64> = $id;
        match wanted.filter(|id| *id <= KEPT_NUMBER_MAX) {
            Some(id) if !is_taken!($conn, $table, id) => {
                let insert = insert.values(($table::id.eq(id), $values));
                crate::on_backend!(&mut *$conn, |c| insert.returning($table::id).get_result(c))?
            }
            _ => {
                let insert = insert.values($values);
                crate::on_backend!(&mut *$conn, |c| insert.returning($table::id).get_result(c))?
            }
        }
    }};
}

/// The greatest number that is kept: what JSON's readers hold exactly. Behind the greatest of all a
/// table could give no more.
const KEPT_NUMBER_MAX: i64 = (1 << 53) - 1;

/// A table whose rows keep their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberedTable {
    Instruments,
    AlertRules,
    AlertLogs,
    SavedQueries,
}

impl NumberedTable {
    const fn name(self) -> &'static str {
        match self {
            Self::Instruments => instruments::table::NAME,
            Self::AlertRules => alert_rules::table::NAME,
            Self::AlertLogs => alert_logs::table::NAME,
            Self::SavedQueries => saved_queries::table::NAME,
        }
    }
}

/// Has a table give only numbers behind this one, so that a row which cannot keep its number takes
/// none that another row will want. It never goes backwards.
pub(crate) fn reserve_numbers(
    conn: &mut BackendConnection<'_>,
    table: NumberedTable,
    highest: i64,
) -> Result<()> {
    let (name, highest) = (table.name(), highest.clamp(0, KEPT_NUMBER_MAX));
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => {
            // A table that never had a row has no line here.
            let add = format!(
                "INSERT INTO sqlite_sequence (name, seq) SELECT '{name}', 0 \
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = '{name}')"
            );
            diesel::sql_query(add).execute(*c)?;
            let raise =
                format!("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = '{name}'");
            let query = diesel::sql_query(raise).bind::<diesel::sql_types::BigInt, _>(highest);
            query.execute(*c)?;
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            let sequence = format!("pg_get_serial_sequence('{name}', 'id')");
            let sql = format!(
                "SELECT setval({sequence}, $1) \
                 WHERE $1 > coalesce(pg_sequence_last_value({sequence}::regclass), 0)"
            );
            let query = diesel::sql_query(sql).bind::<diesel::sql_types::BigInt, _>(highest);
            query.execute(*c)?;
        }
    }
    Ok(())
}

/// Adds an instrument; one without a number gets the next one.
pub(crate) fn insert_instrument(
    conn: &mut BackendConnection<'_>,
    id: Option<i64>,
    new: &NewInstrument,
    stamps: RowStamps,
) -> Result<i64> {
    let said = conn.invalidates(Invalidation::Nothing);
    let stamps = (
        instruments::created_at.eq(stamps.created_at),
        instruments::updated_at.eq(stamps.updated_at),
    );
    let id: i64 = insert_numbered!(conn, instruments, id, (new, stamps));
    drop(said);
    drop(conn.invalidates(Invalidation::Instruments(&[id])));
    Ok(id)
}

/// Shows the last tick of an instrument that has none: its ticks were removed where it comes from.
/// Without a moment its price is shown alone.
pub(crate) fn show_last_tick(
    conn: &mut BackendConnection<'_>,
    id: i64,
    at: Option<Timestamp>,
    price: Option<f64>,
) -> Result<()> {
    let _said = conn.invalidates(Invalidation::Instruments(&[id]));
    let without = instrument_state::table
        .find(id)
        .filter(instrument_state::last_tick.is_null());
    let update = diesel::update(without).set((
        instrument_state::last_tick.eq(at),
        instrument_state::last_price.eq(price),
    ));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}

/// Whether there is a rule of this number, deleted or not.
pub(crate) fn has_rule(conn: &mut BackendConnection<'_>, id: i64) -> Result<bool> {
    Ok(is_taken!(conn, alert_rules, id))
}

/// Adds a rule, which has been checked. Its instrument is locked.
pub(crate) fn insert_rule(
    conn: &mut BackendConnection<'_>,
    id: i64,
    new: &NewAlertRule,
    last_triggered: Option<Timestamp>,
    stamps: RowStamps,
) -> Result<i64> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let stamps = (
        alert_rules::last_triggered.eq(last_triggered),
        alert_rules::created_at.eq(stamps.created_at),
        alert_rules::updated_at.eq(stamps.updated_at),
    );
    let id: i64 = insert_numbered!(conn, alert_rules, Some(id), (new, stamps));
    instrument::rules_changed(conn, &[new.instrument_id])?;
    Ok(id)
}

/// Adds a saved query, which has been checked.
pub(crate) fn insert_query(
    conn: &mut BackendConnection<'_>,
    id: i64,
    new: &NewSavedQuery,
    executions: (i64, Option<Timestamp>),
    stamps: RowStamps,
) -> Result<i64> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let stamps = (
        saved_queries::execution_count.eq(executions.0),
        saved_queries::last_executed.eq(executions.1),
        saved_queries::created_at.eq(stamps.created_at),
        saved_queries::updated_at.eq(stamps.updated_at),
    );
    Ok(insert_numbered!(
        conn,
        saved_queries,
        Some(id),
        (new, stamps)
    ))
}

/// An alert, and what became of it.
#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = alert_logs, treat_none_as_default_value = false)]
pub(crate) struct AlertRecord {
    #[diesel(embed)]
    pub(crate) alert: NewAlertLog,
    pub(crate) delivery_attempted_at: Option<Timestamp>,
    pub(crate) delivery_completed_at: Option<Timestamp>,
    pub(crate) deleted_at: Option<Timestamp>,
}

/// What tells alerts of one source apart: rule, instrument, stamp and number there.
pub(crate) type AdoptedAlertKey = (i64, i64, Timestamp, i64);

impl AlertRecord {
    pub(crate) fn key(&self) -> AdoptedAlertKey {
        let of = &self.alert;
        (of.rule_id, of.instrument_id, of.timestamp, of.sequence)
    }
}

/// Alerts of one statement: 17 binds each, within SQLite's 32,766.
const ALERTS_PER_STATEMENT_MAX: usize = 1_500;

/// Stores alerts with their numbers, each once; returns the keys of those that were not there
/// before, with the numbers that they have.
pub(crate) fn insert_alerts(
    conn: &mut BackendConnection<'_>,
    alerts: &[(i64, AlertRecord)],
) -> Result<BTreeMap<AdoptedAlertKey, i64>> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut stored = BTreeMap::new();
    for alerts in alerts.chunks(ALERTS_PER_STATEMENT_MAX) {
        let ids: Vec<i64> = alerts.iter().map(|(id, _)| *id).collect();
        let rows = alert_logs::table.with_deleted(EVERY_ROW);
        let query = rows
            .filter(alert_logs::id.eq_any(&ids))
            .select(alert_logs::id);
        let taken: Vec<i64> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
        // Also the second of two with one number: the tables of quarters count by themselves.
        let mut taken: BTreeSet<i64> = taken.into_iter().collect();
        let mut is_free = |id: i64| id <= KEPT_NUMBER_MAX && taken.insert(id);
        let (free, others): (Vec<_>, Vec<_>) = alerts.iter().partition(|(id, _)| is_free(*id));
        let free: Vec<_> = free
            .into_iter()
            .map(|(id, alert)| (alert_logs::id.eq(*id), alert))
            .collect();
        let others: Vec<&AlertRecord> = others.into_iter().map(|(_, alert)| alert).collect();
        macro_rules! store {
            ($rows:expr) => {
                if !$rows.is_empty() {
                    let insert = alert_logs::table.insert().values($rows);
                    let insert = insert.on_conflict_do_nothing().returning((
                        alert_logs::rule_id,
                        alert_logs::instrument_id,
                        alert_logs::timestamp,
                        alert_logs::sequence,
                        alert_logs::id,
                    ));
                    let rows: Vec<(i64, i64, Timestamp, i64, i64)> =
                        crate::on_backend!(&mut *conn, |c| insert.get_results(c))?;
                    stored.extend(
                        rows.into_iter()
                            .map(|row| ((row.0, row.1, row.2, row.3), row.4)),
                    );
                }
            };
        }
        store!(free);
        store!(others);
    }
    Ok(stored)
}

/// Open, high, low, close and volume.
pub(crate) type BarValues = [f64; 5];

/// The bars that there are, or were, among those of these instruments and sources.
pub(crate) fn bar_values(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
    source_ids: &[i64],
    (first, last): (Timestamp, Timestamp),
) -> Result<HashMap<BarKey, BarValues>> {
    let mut bars = HashMap::new();
    for ids in instrument_ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let rows = market_data_bars::table.with_deleted(EVERY_ROW);
        let query = rows
            .filter(market_data_bars::instrument_id.eq_any(ids))
            .filter(market_data_bars::data_source_id.eq_any(source_ids))
            .filter(market_data_bars::timestamp.between(first, last))
            .select((
                market_data_bars::instrument_id,
                market_data_bars::frequency,
                market_data_bars::timestamp,
                market_data_bars::data_source_id,
                (
                    market_data_bars::open_price,
                    market_data_bars::high_price,
                    market_data_bars::low_price,
                    market_data_bars::close_price,
                    market_data_bars::volume,
                ),
            ));
        type Columns = (i64, Frequency, Timestamp, i64, (f64, f64, f64, f64, f64));
        let rows: Vec<Columns> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
        bars.extend(rows.into_iter().map(|row| {
            let key = BarKey {
                instrument_id: row.0,
                frequency: row.1,
                timestamp: row.2,
                data_source_id: row.3,
            };
            (key, row.4.into())
        }));
    }
    Ok(bars)
}

/// Count and two sums of rows of one owner.
pub(crate) type OwnerTotals<K> = (K, i64, Option<f64>, Option<f64>);

/// Counts ticks of a source by instrument, and adds up their prices and volumes, deleted ones
/// included.
pub(crate) fn tick_totals(
    conn: &mut BackendConnection<'_>,
    source_id: i64,
) -> Result<Vec<OwnerTotals<i64>>> {
    let rows = market_data::table.with_deleted(EVERY_ROW);
    let query = rows
        .filter(market_data::source_id.eq(source_id))
        .group_by(market_data::instrument_id)
        .select((
            market_data::instrument_id,
            dsl::count_star(),
            dsl::sum(market_data::price),
            dsl::sum(market_data::volume),
        ));
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// Counts bars of these sources by frequency, and adds up their closes and volumes, deleted ones
/// included.
pub(crate) fn bar_totals(
    conn: &mut BackendConnection<'_>,
    source_ids: &[i64],
) -> Result<Vec<OwnerTotals<String>>> {
    let rows = market_data_bars::table.with_deleted(EVERY_ROW);
    let query = rows
        .filter(market_data_bars::data_source_id.eq_any(source_ids))
        .group_by(market_data_bars::frequency)
        .select((
            market_data_bars::frequency,
            dsl::count_star(),
            dsl::sum(market_data_bars::close_price),
            dsl::sum(market_data_bars::volume),
        ));
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// Counts alerts of a source, and adds up their values and thresholds, deleted ones included.
pub(crate) fn alert_totals(
    conn: &mut BackendConnection<'_>,
    source_id: i64,
) -> Result<OwnerTotals<()>> {
    let rows = alert_logs::table.with_deleted(EVERY_ROW);
    let query = rows.filter(alert_logs::source_id.eq(source_id)).select((
        dsl::count_star(),
        dsl::sum(alert_logs::trigger_value),
        dsl::sum(alert_logs::threshold_value),
    ));
    let totals: (i64, Option<f64>, Option<f64>) =
        crate::on_backend!(conn, |c| query.get_result(c))?;
    Ok(((), totals.0, totals.1, totals.2))
}
