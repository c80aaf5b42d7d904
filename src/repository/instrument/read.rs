//! Reads of active instruments.

use diesel::dsl;
use diesel::prelude::*;

use super::not_found;
use crate::database::BackendConnection;
use crate::domain::{InstrumentStatus, InstrumentType, Symbol};
use crate::error::Result;
use crate::models::Instrument;
use crate::repository::optional::{IfSome, if_some};
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::instruments;

/// Which instruments a list holds; the default holds all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstrumentFilter {
    /// Only those of this type.
    pub instrument_type: Option<InstrumentType>,
    /// Only those with this status.
    pub status: Option<InstrumentStatus>,
}

type OfType = IfSome<dsl::Eq<instruments::instrument_type, InstrumentType>>;
type OfStatus = IfSome<dsl::Eq<instruments::status, InstrumentStatus>>;

#[dsl::auto_type(no_type_alias)]
pub(super) fn list_query(filter: InstrumentFilter) -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    let kind = filter.instrument_type;
    let of_type: OfType = if_some(kind.map(|kind| instruments::instrument_type.eq(kind)));
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
    Ok(crate::on_backend!(conn, |c| {
        list_query(filter).select(Instrument::as_select()).load(c)
    })?)
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
    let found = crate::on_backend!(conn, |c| {
        let query = by_id_query(id).select(Instrument::as_select());
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
    Ok(crate::on_backend!(conn, |c| {
        let query = by_symbol_query(symbol).select(Instrument::as_select());
        query.first(c).optional()
    })?)
}
