//! Market analysis and indicators as the API writes them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ExtentBody, PERCENT_PLACES, PeriodsPerYearBasis, RoundedFigures, Unavailable, written,
};
use crate::api::types::{Rounding, quantity, rounded};
use crate::services::analytics::{CrossKind, Missing, PriceLevel, Trend};
use crate::services::analytics_engine::{Indicators, MarketAnalysis};

/// Levels of each side in an answer, the nearest.
const LEVELS_MAX: usize = 5;

/// A price at which the market has turned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PriceLevel)]
struct LevelBody {
    price: f64,
    /// How often it has turned there.
    touches: usize,
}

/// What a market did in a window, and where it stands at its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MarketAnalysis)]
pub(in crate::api) struct MarketAnalysisBody {
    instrument_id: i64,
    instrument_symbol: String,
    #[serde(flatten)]
    extent: ExtentBody,
    /// Close of the last bar.
    current_price: Option<f64>,
    /// Open of the first bar.
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    /// Last close less first open.
    price_change: Option<f64>,
    /// The same in percent of the first open.
    price_change_percent: Option<f64>,
    #[serde(serialize_with = "quantity")]
    volume: Option<f64>,
    /// The mean volume of a bar.
    average_volume: Option<f64>,
    /// Deviation of logarithmic returns, for a year: 0.2 for 20 %.
    volatility: Option<f64>,
    /// Bars of a year, by which it was scaled.
    periods_per_year: f64,
    periods_per_year_basis: PeriodsPerYearBasis,
    /// Up when close > SMA(20) > SMA(50) and ADX(14) is at least 25, down the other way round.
    trend: Option<Trend>,
    /// ADX(14), 0 to 100.
    trend_strength: Option<f64>,
    /// RSI(14), 0 to 100.
    rsi: Option<f64>,
    /// ATR(14), in units of price.
    atr: Option<f64>,
    sma_20: Option<f64>,
    sma_50: Option<f64>,
    sma_200: Option<f64>,
    /// The last cross of SMA(50) and SMA(200); null when there was none.
    cross: Option<CrossKind>,
    /// Start of the bar that completed it.
    #[schema(format = DateTime)]
    cross_date: Option<String>,
    /// Bars since then.
    cross_bars_ago: Option<usize>,
    /// The nearest 5 below the last close.
    support_levels: Option<Vec<LevelBody>>,
    /// The nearest 5 above it.
    resistance_levels: Option<Vec<LevelBody>>,
    /// Each figure that is null, and why.
    unavailable: Vec<Unavailable>,
}

impl From<MarketAnalysis> for MarketAnalysisBody {
    fn from(of: MarketAnalysis) -> Self {
        let rounding = Rounding::from(of.subject.price_decimals);
        let mut figures = RoundedFigures::new(rounding);
        let volume = figures.any("volume", of.volume);
        let cross = figures.any("cross", of.cross).flatten();
        let levels = |of: Vec<PriceLevel>| {
            let nearest = of.into_iter().take(LEVELS_MAX);
            let body = |level: PriceLevel| LevelBody {
                price: rounding.price(Some(level.price)).unwrap_or(level.price),
                touches: level.touches,
            };
            nearest.map(body).collect::<Vec<_>>()
        };
        let support = figures.any("support_levels", of.levels.clone().map(|of| of.support));
        let resistance = figures.any("resistance_levels", of.levels.map(|of| of.resistance));
        let change = of.change_share.map(|share| share * 100.0);
        let [sma_20, sma_50, sma_200] = of.sma;
        Self {
            instrument_id: of.subject.instrument_id,
            instrument_symbol: of.subject.symbol.to_string(),
            extent: of.extent.into(),
            current_price: figures.price("current_price", of.price),
            open: figures.price("open", of.open),
            high: figures.price("high", of.high),
            low: figures.price("low", of.low),
            price_change: figures.price("price_change", of.change),
            price_change_percent: figures.percent("price_change_percent", change),
            volume,
            average_volume: figures.percent("average_volume", of.mean_volume),
            volatility: figures.ratio("volatility", of.volatility),
            periods_per_year: rounded(of.per_year.bars(), PERCENT_PLACES),
            periods_per_year_basis: of.per_year.into(),
            trend: figures.any("trend", of.trend),
            trend_strength: figures.percent("trend_strength", of.adx),
            rsi: figures.percent("rsi", of.rsi),
            atr: figures.price("atr", of.atr),
            sma_20: figures.price("sma_20", sma_20),
            sma_50: figures.price("sma_50", sma_50),
            sma_200: figures.price("sma_200", sma_200),
            cross: cross.map(|cross| cross.kind),
            cross_date: cross.map(|cross| written(cross.at)),
            cross_bars_ago: cross.map(|cross| cross.bars_ago),
            support_levels: support.map(levels),
            resistance_levels: resistance.map(levels),
            unavailable: figures.unavailable,
        }
    }
}

/// Indicators at the newest bar.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RealTimeIndicators)]
pub(in crate::api) struct IndicatorsBody {
    instrument_id: i64,
    instrument_symbol: String,
    #[serde(flatten)]
    extent: ExtentBody,
    /// Close of the newest bar.
    current_price: Option<f64>,
    /// By name: rsi, macd, macd_signal, macd_histogram, bollinger_upper, bollinger_middle,
    /// bollinger_lower, sma_20, sma_50, sma_200, ema_20, ema_50, ema_200, stochastic_k,
    /// stochastic_d, atr, williams_r, adx.
    indicators: BTreeMap<String, Option<f64>>,
    /// Each figure that is null, and why.
    unavailable: Vec<Unavailable>,
}

impl From<Indicators> for IndicatorsBody {
    fn from(of: Indicators) -> Self {
        let rounding = Rounding::from(of.subject.price_decimals);
        let mut figures = RoundedFigures::new(rounding);
        let values = of.values.into_iter().map(|found| {
            let value = if found.is_price {
                figures.price(found.name, found.value)
            } else {
                figures.percent(found.name, found.value)
            };
            (found.name.to_owned(), value)
        });
        let indicators = values.collect();
        let none = Missing::NotEnough {
            needed: 1,
            given: 0,
        };
        Self {
            instrument_id: of.subject.instrument_id,
            instrument_symbol: of.subject.symbol.to_string(),
            extent: of.extent.into(),
            current_price: figures.price("current_price", of.price.ok_or(none)),
            indicators,
            unavailable: figures.unavailable,
        }
    }
}
