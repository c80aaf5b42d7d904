//! What is asked of the tables of ticks and bars.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::{BarPrice, Frequency};
use crate::export::TableFormat;
use crate::services::historical_data::Fill;

/// Which ticks a table has.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct TickTableQuery {
    /// One symbol
    #[param(example = "ES")]
    pub(in crate::api) symbol: Option<String>,
    /// Several symbols with commas between them, at most 50, instead of one
    pub(in crate::api) symbols: Option<String>,
    /// The first moment: ISO 8601, or a number since 1970
    pub(in crate::api) start: Option<String>,
    /// The moment that is no longer part of it
    pub(in crate::api) end: Option<String>,
    /// Rows of a page, whose header `link` leads to the next; all of the range without it
    #[param(minimum = 1, maximum = 10000)]
    pub(in crate::api) limit: Option<usize>,
    /// Goes on where the page before ended: from its `link`
    pub(in crate::api) cursor: Option<String>,
    /// Names of columns with commas between them; all when absent
    #[param(example = "timestamp,price,volume")]
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
    #[param(example = "ES")]
    pub(in crate::api) symbol: Option<String>,
    /// Several symbols with commas between them, at most 50, instead of one
    pub(in crate::api) symbols: Option<String>,
    /// The length of the periods
    #[param(inline, example = "1min")]
    pub(in crate::api) frequency: Frequency,
    /// The first moment at which a bar may start: ISO 8601, or a number since 1970
    pub(in crate::api) start: Option<String>,
    /// The moment before which a bar starts
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
    pub(in crate::api) cursor: Option<String>,
    /// Names of columns with commas between them; all when absent
    #[param(example = "timestamp,close")]
    pub(in crate::api) columns: Option<String>,
    /// The form of the answer; else the header `accept` tells it, else it is JSON
    #[param(inline)]
    pub(in crate::api) format: Option<TableFormat>,
}
