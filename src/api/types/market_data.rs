//! Ticks as the API writes and reads them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{JsonObject, Rounding, quantity};
use crate::domain::{PriceDecimals, Symbol};
use crate::ingest::whole;
use crate::models::MarketData;
use crate::repository::SortOrder;

/// A stored tick.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tick)]
pub(in crate::api) struct TickItem {
    instrument_id: i64,
    symbol: String,
    /// Event time.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The data source; 1 is tickbase's own.
    source_id: i64,
    /// The number within instrument, timestamp and source.
    sequence: i64,
    price: Option<f64>,
    #[serde(serialize_with = "quantity")]
    volume: Option<f64>,
    bid: Option<f64>,
    ask: Option<f64>,
    #[serde(serialize_with = "quantity")]
    bid_size: Option<f64>,
    #[serde(serialize_with = "quantity")]
    ask_size: Option<f64>,
    open_price: Option<f64>,
    high_price: Option<f64>,
    low_price: Option<f64>,
}

impl TickItem {
    pub(in crate::api) fn new(
        row: &MarketData,
        symbol: &Symbol,
        places: Option<PriceDecimals>,
    ) -> Self {
        let rounding = Rounding::from(places);
        Self {
            instrument_id: row.instrument_id,
            symbol: symbol.to_string(),
            timestamp: row.timestamp.to_string(),
            source_id: row.source_id,
            sequence: row.sequence,
            price: rounding.price(row.price),
            volume: row.volume,
            bid: rounding.price(row.bid),
            ask: rounding.price(row.ask),
            bid_size: row.bid_size,
            ask_size: row.ask_size,
            open_price: rounding.price(row.open_price),
            high_price: rounding.price(row.high_price),
            low_price: rounding.price(row.low_price),
        }
    }
}

/// Ticks of one instrument.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TickPage {
    pub(in crate::api) instrument_id: i64,
    pub(in crate::api) symbol: String,
    pub(in crate::api) ticks: Vec<TickItem>,
    /// Goes on after the last tick; null at the end.
    pub(in crate::api) next_cursor: Option<String>,
}

/// The newest tick of each instrument.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct LatestTicks {
    /// By instrument; one without ticks is absent.
    pub(in crate::api) ticks: Vec<TickItem>,
}

/// Which ticks a page holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct TickQuery {
    /// The first moment, ISO 8601
    #[param(format = DateTime)]
    pub(in crate::api) start: Option<String>,
    /// The moment that is no longer part of it, ISO 8601
    #[param(format = DateTime)]
    pub(in crate::api) end: Option<String>,
    /// Ticks of one page
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    pub(in crate::api) limit: Option<usize>,
    /// Newest first (`desc`, unless asked otherwise), or oldest first
    #[param(inline)]
    pub(in crate::api) order: Option<SortOrder>,
    /// Goes on where the page before ended: its `next_cursor`
    #[param(pattern = r"^-?[0-9]{1,18}\.-?[0-9]{1,19}\.-?[0-9]{1,19}$")]
    pub(in crate::api) cursor: Option<String>,
}

/// Whose newest ticks are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct LatestQuery {
    /// Ids with commas between them, at most 1,000; all active instruments when absent
    #[param(
        example = "1,2",
        pattern = r"^ *[0-9]{1,18} *(, *[0-9]{1,18} *){0,999}$"
    )]
    pub(in crate::api) instrument_ids: Option<String>,
}

/// Ticks as CSV, for the document.
pub(in crate::api) const CSV_EXAMPLE: &str = "symbol,timestamp,sequence,price,volume\n\
    ES,2013-09-03T10:31:01Z,1,1642.25,3\n\
    ES,2013-09-03T10:31:02Z,1,1642,5\n";

/// Ticks as NDJSON, for the document.
pub(in crate::api) const NDJSON_EXAMPLE: &str = r#"{"symbol": "ES", "timestamp": "2013-09-03T10:31:03Z", "sequence": 1, "price": 1642.5, "volume": 2}
{"symbol": "ES", "timestamp": "2013-09-03T10:31:04Z", "sequence": 1, "price": 1642.25, "volume": 1}
"#;

/// A tick to store. It names its instrument by symbol or by id, has a timestamp and at least one
/// value. Numbers may be written as texts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the document reads the fields; the reader of feeds reads the body"
)]
pub(in crate::api) struct PostedTick {
    symbol: Option<String>,
    instrument_id: Option<i64>,
    /// ISO 8601, or a number since 1970 in seconds, milli-, micro- or nanoseconds.
    timestamp: Moment,
    /// 1 unless given.
    source_id: Option<i64>,
    /// The feed's own trade id or sequence; without it the server gives the next free number.
    #[schema(minimum = 0)]
    sequence: Option<i64>,
    price: Option<f64>,
    #[schema(minimum = 0)]
    volume: Option<f64>,
    bid: Option<f64>,
    ask: Option<f64>,
    #[schema(minimum = 0)]
    bid_size: Option<f64>,
    #[schema(minimum = 0)]
    ask_size: Option<f64>,
    open_price: Option<f64>,
    high_price: Option<f64>,
    low_price: Option<f64>,
}

/// A moment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "the document reads the variants; the reader of feeds reads the body"
)]
pub(in crate::api) enum Moment {
    /// ISO 8601.
    Text(String),
    /// Since 1970.
    Number(i64),
}

/// Ticks to store: a list, or an object around it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "the document reads the variants; the reader of feeds reads the body"
)]
pub(in crate::api) enum PostedTicks {
    List(Vec<PostedTick>),
    Object(PostedObject),
}

/// An object around the ticks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the document reads the fields; the reader of feeds reads the body"
)]
pub(in crate::api) struct PostedObject {
    ticks: Vec<PostedTick>,
}

/// What became of a batch: `received = inserted + duplicates + conflicts + deleted + rejected`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct IngestReport {
    pub(in crate::api) received: usize,
    /// Stored.
    pub(in crate::api) inserted: usize,
    /// Stored before, with the same values.
    pub(in crate::api) duplicates: usize,
    /// Stored before, with other values, which stay.
    pub(in crate::api) conflicts: usize,
    /// Not stored: a deleted tick holds their key; `message` says what to do.
    pub(in crate::api) deleted: usize,
    /// Stored, and older than the newest tick of their instrument.
    pub(in crate::api) late: usize,
    /// Not stored: they break a rule.
    pub(in crate::api) rejected: usize,
    /// Stamps that lost digits finer than a microsecond.
    pub(in crate::api) timestamps_truncated: u64,
    /// The first 100 that were rejected.
    pub(in crate::api) errors: Vec<RowError>,
    /// What to do about ticks whose key is that of a deleted one; null when there are none.
    pub(in crate::api) message: Option<String>,
}

/// A tick that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct RowError {
    /// Its place in the batch, from 0.
    pub(in crate::api) index: usize,
    /// The rule that it breaks, and what to do.
    pub(in crate::api) reason: String,
}

/// The identity of a tick.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TickKey)]
pub(in crate::api) struct KeyBody {
    #[serde(deserialize_with = "whole::number")]
    pub(in crate::api) instrument_id: i64,
    #[schema(format = DateTime)]
    pub(in crate::api) timestamp: String,
    #[serde(deserialize_with = "whole::number")]
    pub(in crate::api) source_id: i64,
    #[serde(deserialize_with = "whole::number")]
    pub(in crate::api) sequence: i64,
}

/// Ticks by their keys, or those of an instrument from `start` (included) to `end` (excluded).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TickSelection)]
pub(in crate::api) struct SelectionBody {
    /// At most 100,000.
    #[schema(value_type = Option<Vec<KeyBody>>)]
    pub(in crate::api) keys: Option<Vec<JsonObject<KeyBody>>>,
    #[serde(default, deserialize_with = "whole::optional")]
    pub(in crate::api) instrument_id: Option<i64>,
    #[schema(format = DateTime)]
    pub(in crate::api) start: Option<String>,
    #[schema(format = DateTime)]
    pub(in crate::api) end: Option<String>,
    /// Why they are deleted; kept with the batch.
    #[schema(min_length = 1, max_length = 500)]
    pub(in crate::api) reason: Option<String>,
    /// Who deletes them; kept beside the name of the token.
    #[schema(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}

/// How many ticks were deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DeletedTicks {
    /// Ticks that were active.
    pub(in crate::api) deleted: usize,
    /// The batch that they are, by which they can be restored; null when there were none.
    pub(in crate::api) deletion_id: Option<i64>,
}

/// How many ticks were restored.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RestoredTicks {
    /// Ticks that were deleted.
    pub(in crate::api) restored: usize,
}
