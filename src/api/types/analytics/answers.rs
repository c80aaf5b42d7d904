//! Analytics as the API writes them: what is answered.
//!
//! Prices are rounded as an instrument's are, shares and ratios to 8 places, percentages to 4. A
//! figure that there is none of is null, and `unavailable` says why: no NaN gets here.

mod lines;
mod market;
mod risk;
mod volume;

pub(in crate::api) use lines::*;
pub(in crate::api) use market::*;
pub(in crate::api) use risk::*;
pub(in crate::api) use volume::*;

use serde::Serialize;
use utoipa::ToSchema;

use super::{RiskMethodName, ValueAtRiskBody};
use crate::api::types::{Rounding, rounded};
use crate::domain::Frequency;
use crate::services::analytics::{Measured, Missing, PerYear};
use crate::services::analytics_engine::Extent;
use crate::timestamp::Timestamp;

/// Places of shares and ratios: the return of a minute is a few millionths.
const RATIO_PLACES: u32 = 8;
/// Places of percentages and counts.
const PERCENT_PLACES: u32 = 4;

/// Why a figure is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UnavailableReason {
    /// Fewer bars or returns than it takes.
    NotEnoughData,
    /// Nothing varies, and it divides by how much that is.
    NoVariance,
    /// A price is zero or negative, so that returns mean nothing.
    PriceNotPositive,
    /// Nothing was traded.
    NoVolume,
    /// It would be infinite, or no number.
    NotFinite,
}

/// A figure that is null, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Unavailable {
    /// The field.
    field: String,
    reason: UnavailableReason,
    /// The reason for people.
    message: String,
    /// The fewest values that it takes, where there are not enough.
    needed: Option<usize>,
    /// The number of them.
    given: Option<usize>,
}

impl Unavailable {
    fn new(field: String, missing: Missing) -> Self {
        let (reason, counts) = match missing {
            Missing::NotEnough { needed, given } => {
                (UnavailableReason::NotEnoughData, Some((needed, given)))
            }
            Missing::NoVariance => (UnavailableReason::NoVariance, None),
            Missing::PriceNotPositive => (UnavailableReason::PriceNotPositive, None),
            Missing::NoVolume => (UnavailableReason::NoVolume, None),
            Missing::NotFinite => (UnavailableReason::NotFinite, None),
        };
        Self {
            field,
            reason,
            message: missing.to_string(),
            needed: counts.map(|(needed, _)| needed),
            given: counts.map(|(_, given)| given),
        }
    }
}

/// Takes figures apart into values and reasons.
struct RoundedFigures {
    rounding: Rounding,
    unavailable: Vec<Unavailable>,
}

impl RoundedFigures {
    fn new(rounding: Rounding) -> Self {
        Self {
            rounding,
            unavailable: Vec::new(),
        }
    }

    fn any<T>(&mut self, field: &str, figure: Measured<T>) -> Option<T> {
        figure
            .map_err(|missing| {
                self.unavailable
                    .push(Unavailable::new(field.to_owned(), missing))
            })
            .ok()
    }

    fn price(&mut self, field: &str, figure: Measured<f64>) -> Option<f64> {
        let price = self.any(field, figure);
        self.rounding.price(price)
    }

    fn ratio(&mut self, field: &str, figure: Measured<f64>) -> Option<f64> {
        self.any(field, figure)
            .map(|value| rounded(value, RATIO_PLACES))
    }

    fn percent(&mut self, field: &str, figure: Measured<f64>) -> Option<f64> {
        self.any(field, figure)
            .map(|value| rounded(value, PERCENT_PLACES))
    }
}

/// The bars that an answer stands on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsBars)]
pub(in crate::api) struct ExtentBody {
    frequency: Frequency,
    /// How many bars there are.
    bars: usize,
    /// Start of the first bar.
    #[schema(format = DateTime)]
    start_date: Option<String>,
    /// Start of the last bar.
    #[schema(format = DateTime)]
    end_date: Option<String>,
}

impl From<Extent> for ExtentBody {
    fn from(extent: Extent) -> Self {
        Self {
            frequency: extent.frequency,
            bars: extent.bars,
            start_date: extent.first_at.map(written),
            end_date: extent.last_at.map(written),
        }
    }
}

fn written(at: Timestamp) -> String {
    at.to_string()
}

/// Where the bars of a year come from.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum PeriodsPerYearBasis {
    /// Counted in the bars themselves.
    Observed,
    /// By the trading hours of such instruments: the bars span less than four weeks.
    Calendar,
}

impl From<PerYear> for PeriodsPerYearBasis {
    fn from(year: PerYear) -> Self {
        if year.is_observed {
            Self::Observed
        } else {
            Self::Calendar
        }
    }
}
