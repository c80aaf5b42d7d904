//! What is asked of the tables of ticks and bars.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::domain::{BarPrice, Frequency};
use crate::export::TableFormat;
use crate::services::historical_data::Fill;

/// Which ticks a table has.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct TickTableQuery {
    /// One symbol
    #[param(min_length = 1, example = "ES")]
    pub(in crate::api) symbol: Option<String>,
    /// Several symbols with commas between them, at most 50, instead of one
    #[param(min_length = 1)]
    pub(in crate::api) symbols: Option<String>,
    /// The first moment: ISO 8601, or a number since 1970
    #[param(min_length = 1)]
    pub(in crate::api) start: Option<String>,
    /// The moment that is no longer part of it
    #[param(min_length = 1)]
    pub(in crate::api) end: Option<String>,
    /// Rows of a page, whose header `link` leads to the next; all of the range without it
    #[param(minimum = 1, maximum = 10000)]
    pub(in crate::api) limit: Option<usize>,
    /// Goes on where the page before ended: from its `link`
    #[param(min_length = 1)]
    pub(in crate::api) cursor: Option<String>,
    /// Names of columns with commas between them; all when absent
    #[param(min_length = 1, example = "timestamp,price,volume")]
    pub(in crate::api) columns: Option<String>,
    /// The form of the answer; else the header `accept` tells it, else it is JSON
    #[param(inline)]
    pub(in crate::api) format: Option<TableFormat>,
}

/// Which bars a table has.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct BarTableQuery {
    /// One symbol
    #[param(min_length = 1, example = "ES")]
    pub(in crate::api) symbol: Option<String>,
    /// Several symbols with commas between them, at most 50, instead of one
    #[param(min_length = 1)]
    pub(in crate::api) symbols: Option<String>,
    /// The length of the periods
    #[param(inline, example = "1min")]
    pub(in crate::api) frequency: Frequency,
    /// The first moment at which a bar may start: ISO 8601, or a number since 1970
    #[param(min_length = 1)]
    pub(in crate::api) start: Option<String>,
    /// The moment before which a bar starts
    #[param(min_length = 1)]
    pub(in crate::api) end: Option<String>,
    /// Of which price of ticks; of trades when absent
    #[serde(default)]
    #[param(inline)]
    pub(in crate::api) price: BarPrice,
    /// What stands for empty periods between two bars; nothing when absent
    #[serde(default)]
    #[param(inline)]
    pub(in crate::api) fill: Fill,
    /// Rows of a page, whose header `link` leads to the next; all of the range without it
    #[param(minimum = 1, maximum = 10000)]
    pub(in crate::api) limit: Option<usize>,
    /// Goes on where the page before ended: from its `link`
    #[param(min_length = 1)]
    pub(in crate::api) cursor: Option<String>,
    /// Names of columns with commas between them; all when absent
    #[param(min_length = 1, example = "timestamp,close")]
    pub(in crate::api) columns: Option<String>,
    /// The form of the answer; else the header `accept` tells it, else it is JSON
    #[param(inline)]
    pub(in crate::api) format: Option<TableFormat>,
}

/// A tick as a row of a table. With `columns` it has those alone.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the document reads the fields; the encoder of tables writes rows"
)]
pub(in crate::api) struct TickRow {
    symbol: Option<String>,
    #[schema(format = DateTime)]
    timestamp: Option<String>,
    /// The data source; 1 is tickbase's own.
    source_id: Option<i64>,
    /// The number within instrument, timestamp and source.
    sequence: Option<i64>,
    price: Option<f64>,
    volume: Option<f64>,
    bid: Option<f64>,
    ask: Option<f64>,
    bid_size: Option<f64>,
    ask_size: Option<f64>,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
}

/// A bar as a row of a table. With `columns` it has those alone.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the document reads the fields; the encoder of tables writes rows"
)]
pub(in crate::api) struct BarRow {
    symbol: Option<String>,
    /// Start of the period.
    #[schema(format = DateTime)]
    timestamp: Option<String>,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    close: Option<f64>,
    /// Traded size; 0 in bars of quotes.
    volume: Option<f64>,
    open_interest: Option<f64>,
    /// The volume-weighted average price, where it is known.
    vwap: Option<f64>,
    /// Ticks with a price, where it is known.
    tick_count: Option<i64>,
}

/// A file of bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "the document reads the type")]
pub(in crate::api) struct TableBytes(Vec<u8>);
