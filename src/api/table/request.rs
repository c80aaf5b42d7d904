//! A query of a table, checked: its instruments are there, its range, page and columns make sense.

use std::borrow::Cow;

use crate::api::cursor;
use crate::api::error::{ApiError, named};
use crate::api::state::ApiState;
use crate::api::types::{BarTableQuery, TickTableQuery};
use crate::domain::Symbol;
use crate::error::Error;
use crate::export::{ExportedBars, ExportedInstrument, RowKey, Selection, Table};
use crate::repository::PAGE_ROWS_MAX;
use crate::timestamp::Timestamp;

/// Symbols of one table.
const SYMBOLS_MAX: usize = 50;

/// The table that is asked for, and the rows of a page of it.
pub(super) struct TableRequest {
    pub(super) table: Table,
    pub(super) limit: Option<usize>,
}

/// What tables of ticks and of bars are asked for alike.
struct CommonQuery<'a> {
    symbol: Option<&'a str>,
    symbols: Option<&'a str>,
    start: Option<&'a str>,
    end: Option<&'a str>,
    limit: Option<usize>,
    cursor: Option<&'a str>,
    columns: Option<&'a str>,
}

macro_rules! common {
    ($query:expr) => {
        CommonQuery {
            symbol: $query.symbol.as_deref(),
            symbols: $query.symbols.as_deref(),
            start: $query.start.as_deref(),
            end: $query.end.as_deref(),
            limit: $query.limit,
            cursor: $query.cursor.as_deref(),
            columns: $query.columns.as_deref(),
        }
    };
}

impl TableRequest {
    pub(super) async fn of_ticks(
        state: &ApiState,
        query: &TickTableQuery,
    ) -> Result<Self, ApiError> {
        let common = common!(query);
        let instruments = common.instruments(state).await?;
        common.request(|start, end, columns| Table::ticks(instruments, start, end, columns))
    }

    pub(super) async fn of_bars(state: &ApiState, query: &BarTableQuery) -> Result<Self, ApiError> {
        let common = common!(query);
        let instruments = common.instruments(state).await?;
        let of = ExportedBars {
            frequency: query.frequency,
            price: query.price,
            fill: query.fill,
        };
        common.request(|start, end, columns| Table::bars(instruments, start, end, of, columns))
    }
}

impl CommonQuery<'_> {
    async fn instruments(&self, state: &ApiState) -> Result<Vec<ExportedInstrument>, ApiError> {
        let mut instruments = Vec::new();
        for symbol in self.symbols()? {
            let id = state.cache().instrument_id(symbol.clone()).await?;
            let id = id.ok_or_else(|| {
                let remedy = "GET /api/instruments has those that there are";
                Error::not_found(format!("instrument {symbol}"), remedy)
            })?;
            instruments.push(ExportedInstrument { id, symbol });
        }
        Ok(instruments)
    }

    fn symbols(&self) -> Result<Vec<Symbol>, ApiError> {
        let (place, text) = match (self.symbol, self.symbols) {
            (Some(symbol), None) => return Ok(vec![symbol_of("symbol", symbol)?]),
            (None, Some(symbols)) => ("symbols", symbols),
            (None, None) => {
                let msg = "it is missing; name one symbol, or several as symbols=ES,NQ".to_owned();
                return Err(ApiError::violation(["query", "symbol"], msg));
            }
            (Some(_), Some(_)) => {
                let msg = "there is symbol, too; name one of the two".to_owned();
                return Err(ApiError::violation(["query", "symbols"], msg));
            }
        };
        let mut symbols: Vec<Symbol> = Vec::new();
        for part in text.split(',') {
            let symbol = symbol_of(place, part)?;
            if symbols.contains(&symbol) {
                let msg = format!("{symbol} is there twice; name each symbol once");
                return Err(ApiError::violation(["query", place], msg));
            }
            symbols.push(symbol);
        }
        if symbols.len() > SYMBOLS_MAX {
            let msg = format!("it names {}; name at most {SYMBOLS_MAX}", symbols.len());
            return Err(ApiError::violation(["query", place], msg));
        }
        Ok(symbols)
    }

    fn request(
        &self,
        table: impl FnOnce(Option<Timestamp>, Option<Timestamp>, Selection<'_>) -> crate::Result<Table>,
    ) -> Result<TableRequest, ApiError> {
        let moment = |name: &'static str, text: Option<&str>| {
            let moment = text.map(|text| with_plus(text).parse::<Timestamp>());
            moment
                .transpose()
                .map_err(|error| named(["query", name], error))
        };
        let names: Option<Vec<&str>> = self.columns.map(|names| {
            let names = names.split(',').map(str::trim);
            names.collect()
        });
        let selection = names.as_deref().map_or(Selection::All, Selection::Named);
        let (start, end) = (moment("start", self.start)?, moment("end", self.end)?);
        let table =
            table(start, end, selection).map_err(|error| ApiError::within("query", error))?;
        if self
            .limit
            .is_some_and(|rows| !(1..=PAGE_ROWS_MAX).contains(&rows))
        {
            let msg = format!("it is not 1 to {PAGE_ROWS_MAX}; leave it out for all of the range");
            return Err(ApiError::violation(["query", "limit"], msg));
        }
        let table = match self.cursor {
            None => table,
            Some(text) => {
                let key = text.parse::<RowKey>().ok();
                let at = key.and_then(|key| table.resumed_at(key));
                at.ok_or_else(|| cursor::foreign("the header link"))?
            }
        };
        Ok(TableRequest {
            table,
            limit: self.limit,
        })
    }
}

fn symbol_of(place: &'static str, text: &str) -> Result<Symbol, ApiError> {
    Symbol::new(text.trim_matches(' ')).map_err(|error| named(["query", place], error))
}

/// The `+` of an offset that a client has not escaped: in a query it is a space.
fn with_plus(text: &str) -> Cow<'_, str> {
    match text.rsplit_once(' ') {
        Some((moment, offset))
            if moment.contains('T') && offset.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            format!("{moment}+{offset}").into()
        }
        _ => text.into(),
    }
}
