//! What there is when an answer has no bars: other prices, other frequencies, another time.

use super::query::{BarQuery, Fill};
use super::read::bars;
use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency};
use crate::error::Result;
use crate::repository::bar;
use crate::repository::market_data::{self, PricesOf};
use crate::timestamp::Timestamp;

/// What an instrument has in the place of the bars that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alternative {
    /// Such bars outside of the range; the newest one starts at this moment.
    OtherTime(Timestamp),
    /// Ticks with this price, but none with the price that was asked for.
    OtherPrice(BarPrice),
    /// Bars of these frequencies, of which those that were asked for cannot be made.
    OtherFrequencies(Vec<Frequency>),
    /// Neither ticks nor bars.
    Nothing,
}

impl Alternative {
    /// A sentence that says what there is and how it is asked for: `option` writes an option by its
    /// name and value, such as `--price mid`.
    #[must_use]
    pub fn text(&self, option: impl Fn(&str, &str) -> String) -> String {
        match self {
            Self::OtherTime(newest) => {
                format!("the newest bar starts at {newest}; choose another range")
            }
            Self::OtherPrice(BarPrice::Last) => {
                let option = option("price", BarPrice::Last.as_str());
                format!("the ticks have trades but no such quotes; {option} makes bars of them")
            }
            Self::OtherPrice(quote) => {
                let option = option("price", quote.as_str());
                format!("the ticks have quotes but no trades; {option} makes bars of them")
            }
            Self::OtherFrequencies(all) => {
                let names: Vec<&str> = all.iter().map(|of| of.as_str()).collect();
                let option = option("frequency", names.first().copied().unwrap_or_default());
                format!(
                    "there are bars of {}; {option} shows them",
                    names.join(", ")
                )
            }
            Self::Nothing => "there are neither ticks nor bars; import some first".to_owned(),
        }
    }
}

/// What there is when the query has no bars. Read it in the snapshot of the answer.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn alternative(conn: &mut BackendConnection<'_>, query: &BarQuery) -> Result<Alternative> {
    let anywhere = BarQuery {
        start: None,
        end: None,
        max_records: Some(1),
        fill: Fill::None,
        ..*query
    };
    if let Some(newest) = bars(conn, &anywhere)?.bars.last() {
        return Ok(Alternative::OtherTime(newest.timestamp));
    }
    let others: &[BarPrice] = match query.price {
        BarPrice::Last => &[BarPrice::Mid, BarPrice::Bid, BarPrice::Ask],
        _ => &[BarPrice::Last],
    };
    for price in others {
        let of = PricesOf {
            instrument_id: query.instrument_id,
            source_id: query.source,
            price: *price,
        };
        if market_data::first_stamp(conn, of)?.is_some() {
            return Ok(Alternative::OtherPrice(*price));
        }
    }
    let stored = bar::stored_frequencies(conn, query.instrument_id)?;
    Ok(match stored.is_empty() {
        true => Alternative::Nothing,
        false => Alternative::OtherFrequencies(stored),
    })
}
