//! Indicators at each bar of a range, as the API writes them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Unavailable;
use crate::api::types::rounded;
use crate::domain::Frequency;
use crate::services::analytics_engine::{IndicatorLines, IndicatorValues};

/// Places of values in units of price beyond those of the instrument: a difference of two averages
/// is smaller than the step of a price.
const PLACES_BEYOND_PRICES: i32 = 2;
/// Places of values that are no prices, which lie between -100 and 100.
const FIGURE_PLACES: u32 = 4;

/// Indicators at each bar of a range.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IndicatorSeries)]
pub(in crate::api) struct IndicatorLinesBody {
    instrument_id: i64,
    instrument_symbol: String,
    frequency: Frequency,
    /// The start of each bar, oldest first.
    #[schema(value_type = Vec<String>)]
    timestamps: Vec<String>,
    /// By name, as in the indicators at the newest bar; a value for each bar, null before the first
    /// that has one.
    lines: BTreeMap<&'static str, Vec<Option<f64>>>,
    /// Each line that no bar has a value of, and why.
    unavailable: Vec<Unavailable>,
}

impl From<IndicatorLines> for IndicatorLinesBody {
    fn from(of: IndicatorLines) -> Self {
        let places = of.subject.price_decimals;
        let price_places =
            places.map(|known| (known.places() + PLACES_BEYOND_PRICES).unsigned_abs());
        let unavailable = |line: &IndicatorValues| {
            let missing = line.missing?;
            Some(Unavailable::new(line.name.to_owned(), missing))
        };
        let shown = |line: &IndicatorValues| {
            let places = if line.is_price {
                price_places
            } else {
                Some(FIGURE_PLACES)
            };
            let values = line.values.iter().map(|value| match places {
                Some(places) => value.map(|value| rounded(value, places)),
                None => *value,
            });
            (line.name, values.collect())
        };
        Self {
            instrument_id: of.subject.instrument_id,
            instrument_symbol: of.subject.symbol.to_string(),
            frequency: of.frequency,
            timestamps: of.timestamps.iter().map(ToString::to_string).collect(),
            unavailable: of.lines.iter().filter_map(unavailable).collect(),
            lines: of.lines.iter().map(shown).collect(),
        }
    }
}
