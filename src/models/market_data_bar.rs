//! Bars: the row, and a new one.

use diesel::prelude::*;

use crate::domain::{Bar, Frequency, RawBar};
use crate::error::{Error, Result};
use crate::models::soft_deletable_row;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

/// Open, high, low, close and volume of a period.
#[doc(alias = "HistoricalData")]
#[derive(Debug, Clone, PartialEq, HasQuery)]
#[diesel(table_name = market_data_bars)]
#[diesel(
    base_query = market_data_bars::table.active(),
    base_query_type = Active<market_data_bars::table>
)]
#[non_exhaustive]
pub struct MarketDataBar {
    /// Its number.
    pub id: i64,
    /// The instrument.
    pub instrument_id: i64,
    /// Start of the period.
    pub timestamp: Timestamp,
    /// Length of the period.
    pub frequency: Frequency,
    /// First price.
    pub open_price: f64,
    /// Highest price.
    pub high_price: f64,
    /// Lowest price.
    pub low_price: f64,
    /// Last price.
    pub close_price: f64,
    /// Traded size, in contracts, shares or coins.
    pub volume: f64,
    /// Open contracts at the end of the period.
    pub open_interest: Option<f64>,
    /// The contract's month, such as `2013-12`.
    pub contract_month: Option<String>,
    /// Its data source.
    pub data_source_id: i64,
    /// True when prices are adjusted for splits, dividends or rolls.
    pub is_adjusted: bool,
    /// 0 (worst) to 100.
    pub quality_score: Option<i32>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
    /// Sum of price times volume of its ticks; divided by the volume it is the VWAP.
    pub turnover: Option<f64>,
    /// The number of ticks with a price that it was made of.
    pub tick_count: Option<i64>,
}
soft_deletable_row!(MarketDataBar);
crate::identifiable!(MarketDataBar of market_data_bars by id: i64);

/// A bar to store.
#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = market_data_bars, treat_none_as_default_value = false)]
pub struct NewMarketDataBar {
    /// The instrument.
    pub instrument_id: i64,
    /// Start of the period.
    pub timestamp: Timestamp,
    /// Length of the period.
    pub frequency: Frequency,
    /// First price.
    pub open_price: f64,
    /// Highest price.
    pub high_price: f64,
    /// Lowest price.
    pub low_price: f64,
    /// Last price.
    pub close_price: f64,
    /// Traded size, in contracts, shares or coins.
    pub volume: f64,
    /// Open contracts at the end of the period.
    pub open_interest: Option<f64>,
    /// The contract's month, such as `2013-12`.
    pub contract_month: Option<String>,
    /// Its data source.
    pub data_source_id: i64,
    /// True when prices are adjusted for splits, dividends or rolls.
    pub is_adjusted: bool,
    /// 0 (worst) to 100.
    pub quality_score: Option<i32>,
    /// Sum of price times volume of its ticks, where that is known.
    pub turnover: Option<f64>,
    /// The number of ticks with a price that it was made of, where that is known.
    pub tick_count: Option<i64>,
}

/// The longest contract month, in characters.
const CONTRACT_MONTH_LENGTH_MAX: usize = 32;

impl NewMarketDataBar {
    /// Checks the rules of a bar, and of what the stored row has beyond one.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first field that breaks a rule.
    pub fn check(&self) -> Result<()> {
        Bar::try_from(RawBar {
            instrument_id: self.instrument_id,
            timestamp: self.timestamp,
            frequency: self.frequency,
            source_id: Some(self.data_source_id),
            open: Some(self.open_price),
            high: Some(self.high_price),
            low: Some(self.low_price),
            close: Some(self.close_price),
            volume: Some(self.volume),
            open_interest: self.open_interest,
        })?;
        if let Some(score) = self.quality_score
            && !(0..=100).contains(&score)
        {
            let reason = format!("{score} is out of range");
            return Err(Error::invalid(
                "quality_score",
                reason,
                "use 0 (worst) to 100",
            ));
        }
        if let Some(turnover) = self.turnover
            && !turnover.is_finite()
        {
            let reason = format!("{turnover} is not a finite number");
            return Err(Error::invalid("turnover", reason, "leave it out"));
        }
        if let Some(count) = self.tick_count
            && count < 0
        {
            let reason = format!("{count} is negative");
            return Err(Error::invalid("tick_count", reason, "leave it out"));
        }
        let month = self.contract_month.as_deref().unwrap_or_default();
        if month.len() > CONTRACT_MONTH_LENGTH_MAX
            || !month.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(Error::invalid(
                "contract_month",
                "it is too long or has an odd character",
                format!("write at most {CONTRACT_MONTH_LENGTH_MAX} characters, such as 2013-12"),
            ));
        }
        Ok(())
    }
}

impl From<MarketDataBar> for NewMarketDataBar {
    /// The values of a stored bar, to compare with one that comes.
    fn from(bar: MarketDataBar) -> Self {
        Self {
            instrument_id: bar.instrument_id,
            timestamp: bar.timestamp,
            frequency: bar.frequency,
            open_price: bar.open_price,
            high_price: bar.high_price,
            low_price: bar.low_price,
            close_price: bar.close_price,
            volume: bar.volume,
            open_interest: bar.open_interest,
            contract_month: bar.contract_month,
            data_source_id: bar.data_source_id,
            is_adjusted: bar.is_adjusted,
            quality_score: bar.quality_score,
            turnover: bar.turnover,
            tick_count: bar.tick_count,
        }
    }
}

impl From<&Bar> for NewMarketDataBar {
    /// A bar as it was traded: not adjusted, without contract month, quality score, turnover and
    /// count of ticks.
    fn from(bar: &Bar) -> Self {
        Self {
            instrument_id: bar.instrument_id(),
            timestamp: bar.timestamp(),
            frequency: bar.frequency(),
            open_price: bar.open(),
            high_price: bar.high(),
            low_price: bar.low(),
            close_price: bar.close(),
            volume: bar.volume(),
            open_interest: bar.open_interest(),
            contract_month: None,
            data_source_id: bar.source_id(),
            is_adjusted: false,
            quality_score: None,
            turnover: None,
            tick_count: None,
        }
    }
}
