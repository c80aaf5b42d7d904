//! Instruments with their rules: the related rows of all of them come in one more statement and
//! are grouped in memory, never one statement per instrument.

use std::collections::HashMap;

use super::read::{InstrumentFilter, list};
use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::{AlertRule, Instrument};
use crate::repository::alert_rule;

/// The active instruments that pass the filter, by symbol, each with its rules, by id.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
#[doc(alias = "selectinload")]
pub fn list_with_rules(
    conn: &mut BackendConnection<'_>,
    filter: InstrumentFilter,
) -> Result<Vec<(Instrument, Vec<AlertRule>)>> {
    let instruments = list(conn, filter)?;
    with_rules(conn, instruments)
}

/// Adds to each instrument its active rules, those that are switched off included, by id: one
/// statement for all.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn with_rules(
    conn: &mut BackendConnection<'_>,
    instruments: Vec<Instrument>,
) -> Result<Vec<(Instrument, Vec<AlertRule>)>> {
    let ids: Vec<i64> = instruments.iter().map(|instrument| instrument.id).collect();
    let mut by_instrument: HashMap<i64, Vec<AlertRule>> = HashMap::new();
    for rule in alert_rule::of_instruments(conn, &ids)? {
        by_instrument
            .entry(rule.instrument_id)
            .or_default()
            .push(rule);
    }
    Ok(instruments
        .into_iter()
        .map(|instrument| {
            let rules = by_instrument.remove(&instrument.id).unwrap_or_default();
            (instrument, rules)
        })
        .collect())
}
