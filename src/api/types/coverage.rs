//! The coverage of bars as the API writes it, and what is asked of it.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, Schema, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{IntoParams, ToSchema};

use super::{Rounding, moment_or_day, rounded};
use crate::domain::{Frequency, PriceDecimals};
use crate::services::coverage::{Coverage, Gap, Outlier, SurveyOptions, TradingCalendar};

/// Decimals of percentages and scores.
const FIGURE_PLACES: u32 = 4;

fn symbols() -> RefOr<Schema> {
    let symbol = ObjectBuilder::new().schema_type(Type::String);
    let symbols = ArrayBuilder::new().items(symbol.min_length(Some(1)));
    symbols.min_items(Some(1)).max_items(Some(50)).into()
}

/// Whose coverage is asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct CoverageQuery {
    /// 1 to 50 symbols: `symbols=ES&symbols=NQ`
    #[param(schema_with = symbols)]
    pub(in crate::api) symbols: Vec<String>,
    /// The length of the bars; a day when absent
    #[param(inline)]
    pub(in crate::api) frequency: Option<Frequency>,
    /// The first moment or UTC date; that of the first bar when absent
    #[param(schema_with = moment_or_day)]
    pub(in crate::api) start_date: Option<String>,
    /// The moment before which it ends, or the last UTC date; the end of the last bar when absent
    #[param(schema_with = moment_or_day)]
    pub(in crate::api) end_date: Option<String>,
    /// Which periods should have bars; that of the instrument when absent, else 24x7 for crypto and weekdays for all others
    #[param(inline)]
    pub(in crate::api) calendar: Option<TradingCalendar>,
    /// How many times the usual deviation a change of the close must reach to be an outlier
    #[param(exclusive_minimum = 0.0, default = 20.0)]
    pub(in crate::api) outlier_score: Option<f64>,
    /// Gaps and outliers that are listed for each symbol
    #[param(minimum = 0, maximum = 1000, default = 100)]
    pub(in crate::api) limit: Option<usize>,
    /// Each symbol with its `missing_periods`
    #[serde(default)]
    #[param(default = false)]
    pub(in crate::api) with_missing: bool,
}

/// The coverage of each symbol, in the order in which they were asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CoverageAnswer)]
pub(in crate::api) struct CoverageBody {
    #[schema(format = DateTime)]
    pub(in crate::api) timestamp: String,
    pub(in crate::api) data: Vec<CoverageItem>,
}

/// How complete and how plausible the bars of a symbol are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Coverage)]
pub(in crate::api) struct CoverageItem {
    symbol: String,
    frequency: Frequency,
    /// Which periods should have bars; null for an unknown symbol.
    calendar: Option<TradingCalendar>,
    /// Start of the first bar.
    #[schema(format = DateTime)]
    first: Option<String>,
    /// Start of the last bar.
    #[schema(format = DateTime)]
    last: Option<String>,
    /// Periods of the range that should have a bar by the calendar.
    expected: u64,
    /// Bars that are there.
    present: u64,
    /// Bars of periods that need have none.
    unexpected: u64,
    /// Expected periods without a bar.
    missing: u64,
    /// The share of the expected periods that have a bar; null when none is expected.
    completeness_percent: Option<f64>,
    /// Periods of which more than one source has brought a bar.
    duplicates: u64,
    /// Runs of missing periods.
    gap_count: u64,
    /// The longest of them, in the order of time.
    gaps: Vec<GapItem>,
    /// The starts of the missing periods, the 10,000 oldest; absent unless it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missing_periods: Option<Vec<String>>,
    outlier_count: u64,
    /// The outliers with the greatest scores, in the order of time.
    outliers: Vec<OutlierItem>,
    /// Why there is nothing to tell, when there is not; or that the range goes beyond the years of
    /// which the calendar knows the holidays.
    message: Option<String>,
}

/// Missing periods that follow each other.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CoverageGap)]
pub(in crate::api) struct GapItem {
    #[schema(format = DateTime)]
    start: String,
    /// The start of the next bar, or the end of the range.
    #[schema(format = DateTime)]
    end: String,
    missing: u64,
}

/// A bar whose close lies far from the one before it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CoverageOutlier)]
pub(in crate::api) struct OutlierItem {
    #[schema(format = DateTime)]
    timestamp: String,
    close: Option<f64>,
    previous_close: Option<f64>,
    /// The modified z-score of the change of the close (Iglewicz and Hoaglin).
    score: f64,
}

impl CoverageItem {
    pub(in crate::api) fn new(
        symbol: &str,
        options: &SurveyOptions,
        places: Option<PriceDecimals>,
        found: &Coverage,
    ) -> Self {
        let rounding = Rounding::from(places);
        let empty = found.present == 0;
        let none = || format!("no {} bar starts in the range", options.frequency);
        let beyond = || {
            let (first, last) = found.holidays_known?;
            Some(format!(
                "{} knows holidays from {first} to {last}; in other years every weekday is expected",
                options.calendar
            ))
        };
        let percent = found.completeness_percent();
        Self {
            symbol: symbol.to_owned(),
            frequency: options.frequency,
            calendar: Some(options.calendar),
            first: found.first.map(|first| first.to_string()),
            last: found.last.map(|last| last.to_string()),
            expected: found.expected,
            present: found.present,
            unexpected: found.unexpected,
            missing: found.missing,
            completeness_percent: percent.map(|percent| rounded(percent, FIGURE_PLACES)),
            duplicates: found.duplicates,
            gap_count: found.gap_count,
            gaps: found.gaps.iter().map(GapItem::from).collect(),
            missing_periods: (options.periods_listed_max > 0).then(|| {
                let starts = found.missing_periods.iter();
                starts.map(ToString::to_string).collect()
            }),
            outlier_count: found.outlier_count,
            outliers: found
                .outliers
                .iter()
                .map(|outlier| OutlierItem::new(outlier, rounding))
                .collect(),
            message: empty.then(none).or_else(beyond),
        }
    }

    /// Makes the answer for a symbol that cannot be looked at.
    pub(in crate::api) fn refused(symbol: &str, frequency: Frequency, why: String) -> Self {
        Self {
            symbol: symbol.to_owned(),
            frequency,
            calendar: None,
            first: None,
            last: None,
            expected: 0,
            present: 0,
            unexpected: 0,
            missing: 0,
            completeness_percent: None,
            duplicates: 0,
            gap_count: 0,
            gaps: Vec::new(),
            missing_periods: None,
            outlier_count: 0,
            outliers: Vec::new(),
            message: Some(why),
        }
    }
}

impl From<&Gap> for GapItem {
    fn from(gap: &Gap) -> Self {
        Self {
            start: gap.start.to_string(),
            end: gap.end.to_string(),
            missing: gap.missing,
        }
    }
}

impl OutlierItem {
    fn new(outlier: &Outlier, rounding: Rounding) -> Self {
        Self {
            timestamp: outlier.timestamp.to_string(),
            close: rounding.price(Some(outlier.close)),
            previous_close: rounding.price(Some(outlier.previous_close)),
            score: rounded(outlier.score, FIGURE_PLACES),
        }
    }
}
