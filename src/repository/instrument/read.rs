//! Reads of active instruments.

use diesel::dsl;
use diesel::prelude::*;

use super::not_found;
use crate::database::{BackendConnection, Cursor, Page};
use crate::domain::{InstrumentStatus, InstrumentType, PriceDecimals, Symbol};
use crate::error::Result;
use crate::models::Instrument;
use crate::repository::optional::{IfSome, if_some};
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, bounds};
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::{instrument_state, instruments};
use crate::timestamp::Timestamp;

/// A filter of instruments; the default takes all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstrumentFilter {
    /// Only those of this type.
    pub instrument_type: Option<InstrumentType>,
    /// Only those with this status.
    pub status: Option<InstrumentStatus>,
}

type InstrumentTypeFilter = IfSome<dsl::Eq<instruments::instrument_type, InstrumentType>>;
type OfStatus = IfSome<dsl::Eq<instruments::status, InstrumentStatus>>;

#[dsl::auto_type(type_case = "PascalCase")]
pub(super) fn list_query(filter: InstrumentFilter) -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    let kind = filter.instrument_type;
    let of_type: InstrumentTypeFilter =
        if_some(kind.map(|kind| instruments::instrument_type.eq(kind)));
    let status = filter.status;
    let of_status: OfStatus = if_some(status.map(|status| instruments::status.eq(status)));
    active
        .filter(of_type)
        .filter(of_status)
        .order(instruments::symbol.asc())
}

/// The active instruments that pass the filter, by symbol.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn list(conn: &mut BackendConnection<'_>, filter: InstrumentFilter) -> Result<Vec<Instrument>> {
    let rows = crate::on_backend!(conn, |c| {
        list_query(filter)
            .inner_join(instrument_state::table)
            .select(Instrument::as_select())
            .load(c)
    });
    Ok(rows.recorded(conn)?)
}

/// The query of a page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstrumentPage {
    /// The filter of the list.
    pub filter: InstrumentFilter,
    /// Instruments of a page, 1 to [`InstrumentPage::LIMIT_MAX`].
    pub limit: usize,
    /// The page begins after this symbol; `None` for the first page.
    pub after: Option<Symbol>,
}

impl InstrumentPage {
    /// The most instruments that one page holds.
    pub const LIMIT_MAX: usize = 10_000;
}

type AfterSymbol<'a> = IfSome<dsl::Gt<instruments::symbol, &'a Symbol>>;

#[dsl::auto_type(no_type_alias)]
pub(super) fn page_query<'a>(filter: InstrumentFilter, after: Option<&'a Symbol>, limit: i64) -> _ {
    let after: AfterSymbol<'a> = if_some(after.map(|symbol| instruments::symbol.gt(symbol)));
    let list: ListQuery = list_query(filter);
    list.filter(after).limit(limit)
}

/// A page of the active instruments that pass the filter, by symbol.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit out of range;
/// [`Error::Query`](crate::Error::Query).
pub fn page(
    conn: &mut BackendConnection<'_>,
    page: &InstrumentPage,
) -> Result<Page<Instrument, Symbol>> {
    let probe = bounds::probe(page.limit, InstrumentPage::LIMIT_MAX)?;
    let rows: Vec<Instrument> = crate::on_backend!(conn, |c| {
        page_query(page.filter, page.after.as_ref(), probe)
            .inner_join(instrument_state::table)
            .select(Instrument::as_select())
            .load(c)
    })?;
    let cursor = page.after.clone().map(Cursor::After);
    let symbol = |row: &Instrument| row.symbol.clone();
    Ok(Page::of(rows, page.limit, cursor.as_ref(), symbol)).recorded(conn)
}

/// The label of an instrument: its name, and the places of its prices.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct InstrumentLabel {
    /// The instrument.
    pub id: i64,
    /// The name under which it trades.
    pub symbol: Symbol,
    /// Places to which its prices are rounded; none where they are shown as they are stored.
    pub price_decimals: Option<PriceDecimals>,
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn labels_query() -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    active.select((
        instruments::id,
        instruments::symbol,
        instruments::price_decimals,
    ))
}

/// The labels of those of the instruments that are active, in no order.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn labels(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<Vec<InstrumentLabel>> {
    let mut labels = Vec::with_capacity(ids.len());
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let found: Vec<InstrumentLabel> = crate::on_backend!(&mut *conn, |c| {
            labels_query().filter(instruments::id.eq_any(ids)).load(c)
        })?;
        labels.extend(found);
    }
    Ok(labels)
}

type EveryInstrument = <instruments::table as SoftDeletable>::Raw;

#[dsl::auto_type(no_type_alias)]
pub(super) fn labels_of_all_query<'a>(ids: &'a [i64]) -> _ {
    let all: EveryInstrument =
        instruments::table.with_deleted("rules and alerts outlive their instrument");
    all.filter(instruments::id.eq_any(ids)).select((
        instruments::id,
        instruments::symbol,
        instruments::price_decimals,
    ))
}

/// The labels of the instruments, deleted ones included, in no order: for rows that outlive
/// their instrument.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn labels_of_all(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
) -> Result<Vec<InstrumentLabel>> {
    let mut labels = Vec::with_capacity(ids.len());
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let found: Vec<InstrumentLabel> =
            crate::on_backend!(&mut *conn, |c| labels_of_all_query(ids).load(c))?;
        labels.extend(found);
    }
    Ok(labels)
}

/// The labels of the active instruments that have one of the symbols, in no order.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn labels_by_symbol(
    conn: &mut BackendConnection<'_>,
    symbols: &[Symbol],
) -> Result<Vec<InstrumentLabel>> {
    let mut labels = Vec::with_capacity(symbols.len());
    for symbols in symbols.chunks(KEYS_PER_STATEMENT_MAX) {
        let found: Vec<InstrumentLabel> = crate::on_backend!(&mut *conn, |c| {
            labels_query()
                .filter(instruments::symbol.eq_any(symbols))
                .load(c)
        })?;
        labels.extend(found);
    }
    Ok(labels)
}

/// The ids of the first `limit` active instruments, by symbol.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn active_ids(conn: &mut BackendConnection<'_>, limit: usize) -> Result<Vec<i64>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(crate::on_backend!(conn, |c| {
        page_query(InstrumentFilter::default(), None, limit)
            .select(instruments::id)
            .load(c)
    })?)
}

/// Counts of instruments, and the newest tick of them all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstrumentSummary {
    /// Instruments that are not deleted.
    pub total: i64,
    /// Instruments that are fed, among those.
    pub active: i64,
    /// Event time of the newest tick.
    pub last_tick: Option<Timestamp>,
}

/// Counts the instruments: one pass over a small table.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn summary(conn: &mut BackendConnection<'_>) -> Result<InstrumentSummary> {
    let by_status = instruments::table
        .active()
        .inner_join(instrument_state::table)
        .group_by(instruments::status)
        .select((
            instruments::status,
            dsl::count_star(),
            dsl::max(instrument_state::last_tick),
        ));
    let rows: Vec<(InstrumentStatus, i64, Option<Timestamp>)> =
        crate::on_backend!(conn, |c| by_status.load(c))?;
    let of_active = rows.iter().filter(|row| row.0 == InstrumentStatus::Active);
    Ok(InstrumentSummary {
        total: rows.iter().map(|row| row.1).sum(),
        active: of_active.map(|row| row.1).sum(),
        last_tick: rows.iter().filter_map(|row| row.2).max(),
    })
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn by_id_query(id: i64) -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    active.filter(instruments::id.eq(id))
}

/// The active instrument with this id.
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound), [`Error::Query`](crate::Error::Query).
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<Instrument> {
    find(conn, id).recorded(conn)
}

/// [`get`] on the way to a write, whose rows are those that it writes.
pub(crate) fn find(conn: &mut BackendConnection<'_>, id: i64) -> Result<Instrument> {
    let found = crate::on_backend!(conn, |c| {
        let query = by_id_query(id)
            .inner_join(instrument_state::table)
            .select(Instrument::as_select());
        query.first(c).optional()
    })?;
    found.ok_or_else(|| not_found(id))
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn by_symbol_query<'a>(symbol: &'a Symbol) -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    active.filter(instruments::symbol.eq(symbol))
}

/// The active instrument with this symbol.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn by_symbol(conn: &mut BackendConnection<'_>, symbol: &Symbol) -> Result<Option<Instrument>> {
    let found = crate::on_backend!(conn, |c| {
        let query = by_symbol_query(symbol)
            .inner_join(instrument_state::table)
            .select(Instrument::as_select());
        query.first(c).optional()
    });
    Ok(found.recorded(conn)?)
}

/// The ids of all instruments, deleted ones included.
#[cfg(feature = "archive")]
pub(crate) fn all_ids(conn: &mut BackendConnection<'_>) -> Result<Vec<i64>> {
    let query = instrument_state::table
        .select(instrument_state::instrument_id)
        .order(instrument_state::instrument_id.asc());
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}
