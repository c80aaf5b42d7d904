//! Bars of the history as the API writes them, and what is asked of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, Schema, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};

use super::{Rounding, quantity};
use crate::domain::{BarPrice, Frequency, ProviderType};
use crate::ingest::whole;
use crate::models::DataSource;
use crate::repository::bar::FrequencyCount;
use crate::services::historical_data::{BarBasis, Fill, HistoryBar, SymbolHistory};

/// A moment, or a day of UTC.
pub(in crate::api) fn moment_or_day() -> RefOr<Schema> {
    any_moment().into()
}

fn moment_or_day_or_null() -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    any_moment().item(null).into()
}

fn any_moment() -> AnyOfBuilder {
    let text = |format| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.format(Some(SchemaFormat::KnownFormat(format)))
    };
    AnyOfBuilder::new()
        .item(text(KnownFormat::DateTime))
        .item(text(KnownFormat::Date))
}

/// Whose bars are asked for. A bar is in the answer if it starts in the range.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HistoryRequest)]
pub(in crate::api) struct FetchBody {
    /// 1 to 50.
    #[schema(min_items = 1, max_items = 50)]
    pub(in crate::api) symbols: Vec<String>,
    /// The first moment, or the first day (2013-09-01); from the beginning when absent.
    #[schema(schema_with = moment_or_day_or_null)]
    pub(in crate::api) start_date: Option<String>,
    /// The moment that is no longer part of it, or the last day; to the end when absent.
    #[schema(schema_with = moment_or_day_or_null)]
    pub(in crate::api) end_date: Option<String>,
    #[serde(default = "one_day")]
    #[schema(default = "1d")]
    pub(in crate::api) frequency: Frequency,
    /// The newest so many bars of each symbol; 10,000 when absent.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 1, maximum = 10000)]
    pub(in crate::api) max_records: Option<i64>,
    /// Of which price of ticks; of trades when absent.
    #[serde(default)]
    #[schema(default = "last")]
    pub(in crate::api) price: BarPrice,
    /// The name of a data source: only what came in from it, its bars of the frequency, else its
    /// shorter bars, else its ticks. Of `tickbase-bars` the built bars as they are stored. Of all
    /// sources when absent: then a period is taken from the one with the lowest id.
    #[serde(default)]
    pub(in crate::api) source: Option<String>,
    /// What stands for empty periods between two bars; nothing when absent.
    #[serde(default)]
    #[schema(default = "none")]
    pub(in crate::api) fill: Fill,
}

fn one_day() -> Frequency {
    Frequency::OneDay
}

/// The bars of each symbol, in the order in which they were asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = History)]
pub(in crate::api) struct FetchAnswer {
    /// True when any symbol has bars.
    pub(in crate::api) success: bool,
    /// How many symbols have bars.
    pub(in crate::api) message: String,
    #[schema(format = DateTime)]
    pub(in crate::api) timestamp: String,
    pub(in crate::api) total_symbols: usize,
    pub(in crate::api) data: Vec<SymbolBars>,
}

/// The bars of a symbol, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SymbolBars {
    pub(in crate::api) symbol: String,
    pub(in crate::api) frequency: Frequency,
    /// The start that was asked for, else that of the first bar.
    #[schema(format = DateTime)]
    pub(in crate::api) start_date: Option<String>,
    /// The end that was asked for (no longer part of it), else that of the last bar.
    #[schema(format = DateTime)]
    pub(in crate::api) end_date: Option<String>,
    pub(in crate::api) total_bars: usize,
    pub(in crate::api) data_source: BarBasis,
    /// The names of the data sources whose bars the answer was made of, `tickbase-bars` for built
    /// ones, and `ticks`.
    pub(in crate::api) sources: Vec<String>,
    /// True when the answer was made for an earlier request.
    pub(in crate::api) cached: bool,
    /// True when the range has older bars than `max_records` let in.
    pub(in crate::api) has_more: bool,
    /// Why there are no bars, when there are none.
    pub(in crate::api) message: Option<String>,
    pub(in crate::api) bars: Vec<BarItem>,
}

/// A bar. Without any values where nothing was traded and that was to be filled with null.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bar)]
pub(in crate::api) struct BarItem {
    /// Start of the period.
    #[schema(format = DateTime)]
    timestamp: String,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    close: Option<f64>,
    /// Traded size; 0 in bars of quotes.
    #[serde(serialize_with = "quantity")]
    volume: Option<f64>,
    #[serde(serialize_with = "quantity")]
    open_interest: Option<f64>,
    /// The volume-weighted average price, where it is known.
    vwap: Option<f64>,
    /// Ticks with a price, where it is known.
    tick_count: Option<i64>,
}

impl BarItem {
    fn new(bar: &HistoryBar, rounding: Rounding) -> Self {
        let values = bar.values.as_ref();
        let price = |price: fn(&crate::domain::PeriodBar) -> f64| rounding.price(values.map(price));
        Self {
            timestamp: bar.timestamp.to_string(),
            open: price(|values| values.open),
            high: price(|values| values.high),
            low: price(|values| values.low),
            close: price(|values| values.close),
            volume: values.map(|values| values.volume),
            open_interest: values.and_then(|values| values.open_interest),
            vwap: rounding.price(values.and_then(|values| values.vwap())),
            tick_count: values.and_then(|values| values.tick_count),
        }
    }

    pub(in crate::api) fn all(of: &SymbolHistory) -> Vec<Self> {
        let rounding = Rounding::from(of.price_decimals);
        let bars = of.history.bars.iter();
        bars.map(|bar| Self::new(bar, rounding)).collect()
    }
}

/// The frequencies of bars.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Frequencies {
    /// Shortest first.
    pub(in crate::api) frequencies: Vec<FrequencyItem>,
}

/// A frequency.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FrequencyItem {
    pub(in crate::api) frequency: Frequency,
    pub(in crate::api) description: &'static str,
    /// The length of each period; null for months, which differ.
    pub(in crate::api) seconds: Option<i64>,
}

/// The origin of ticks and bars.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Sources {
    /// By id.
    pub(in crate::api) sources: Vec<SourceItem>,
}

/// A source. How it is reached stays with the server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DataSource)]
pub(in crate::api) struct SourceItem {
    id: i64,
    name: String,
    provider_type: ProviderType,
    rate_limit_per_minute: i32,
    is_active: bool,
}

impl From<&DataSource> for SourceItem {
    fn from(row: &DataSource) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            provider_type: row.provider_type,
            rate_limit_per_minute: row.rate_limit_per_minute,
            is_active: row.is_active,
        }
    }
}

/// What is stored of the history.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HistoryStats {
    /// Requests for bars since the start of the server.
    pub(in crate::api) total_requests: u64,
    /// Stored bars of active instruments and others, without deleted ones.
    pub(in crate::api) total_bars: i64,
    /// Shortest first; a frequency without stored bars is absent.
    pub(in crate::api) by_frequency: Vec<FrequencyStats>,
}

/// The stored bars of a frequency.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FrequencyStats {
    frequency: Frequency,
    bars: i64,
    /// Instruments that have some.
    instruments: i64,
    /// Start of the oldest one.
    #[schema(format = DateTime)]
    first: Option<String>,
    /// Start of the newest one.
    #[schema(format = DateTime)]
    last: Option<String>,
}

impl From<&FrequencyCount> for FrequencyStats {
    fn from(count: &FrequencyCount) -> Self {
        Self {
            frequency: count.frequency,
            bars: count.bars,
            instruments: count.instruments,
            first: count.first.map(|first| first.to_string()),
            last: count.last.map(|last| last.to_string()),
        }
    }
}
