//! The analysis of a market: its moves in a window, and its state at the end.

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Extent, Subject, only};
use crate::database::BackendConnection;
use crate::domain::Candle;
use crate::error::Result;
use crate::services::analytics::{
    CrossKind, LONG, Levels, LookbackPeriod, MIDDLE, Measured, Missing, PerYear, PriceColumns,
    SHORT, Trend, cross, indicators, levels, returns, trend,
};
use crate::timestamp::Timestamp;

const WILDER: LookbackPeriod = LookbackPeriod::known(14);

/// The analysis of an instrument's market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The bars.
    pub window: AnalysisWindow,
}

/// A golden or death cross, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossAt {
    /// The direction.
    pub kind: CrossKind,
    /// Start of the bar that completed it.
    pub at: Timestamp,
    /// Bars since then: 0 for the newest.
    pub bars_ago: usize,
}

/// The analysis of a market. Prices and volumes are those of the window; indicators, trend, levels
/// and cross stand at its end and take in bars before it.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketAnalysis {
    /// The instrument.
    pub subject: Subject,
    /// The bars of the window.
    pub extent: Extent,
    /// Close of the last bar.
    pub price: Measured<f64>,
    /// Open of the first bar.
    pub open: Measured<f64>,
    /// The highest price.
    pub high: Measured<f64>,
    /// The lowest price.
    pub low: Measured<f64>,
    /// Last close less first open.
    pub change: Measured<f64>,
    /// The change as a share of the first open: 0.01 for 1 %.
    pub change_share: Measured<f64>,
    /// All volume.
    pub volume: Measured<f64>,
    /// The mean volume of a bar.
    pub mean_volume: Measured<f64>,
    /// Volatility of a year; see [`returns::volatility`].
    pub volatility: Measured<f64>,
    /// The number of bars in a year.
    pub per_year: PerYear,
    /// The trend; see [`trend`].
    pub trend: Measured<Trend>,
    /// ADX(14): its strength.
    pub adx: Measured<f64>,
    /// RSI(14).
    pub rsi: Measured<f64>,
    /// ATR(14), in units of price.
    pub atr: Measured<f64>,
    /// SMA(20), SMA(50), SMA(200).
    pub sma: [Measured<f64>; 3],
    /// The last golden or death cross among the bars; `None` when there was none.
    pub cross: Measured<Option<CrossAt>>,
    /// Support and resistance; see [`levels`].
    pub levels: Measured<Levels>,
}

impl AnalyticsQuestion for MarketQuestion {
    type Answer = MarketAnalysis;

    const OPERATION: &'static str = "analytics.market_analysis";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        Ok(vec![BarsOfInstrument::read(
            conn,
            self.instrument_id,
            self.window,
        )?])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<MarketAnalysis> {
        let series = only(series)?;
        let (window, before_too) = (series.window(), series.with_warm_up());
        let closes: Vec<f64> = window.iter().map(|candle| candle.close).collect();
        let of = PriceColumns::of(before_too);
        let open = first(window).map(|candle| candle.open);
        let price = last(window).map(|candle| candle.close);
        let ends = open.and_then(|open| Ok([open, price?]));
        let per_year = series.per_year();
        Ok(MarketAnalysis {
            extent: series.extent(),
            price,
            open,
            high: most(window, |candle| candle.high, f64::max),
            low: most(window, |candle| candle.low, f64::min),
            change: ends.map(|[open, close]| close - open),
            change_share: ends.and_then(|ends| returns::total(&ends)),
            volume: most(window, |candle| candle.volume, |sum, volume| sum + volume),
            mean_volume: returns::mean(&volumes(window)),
            volatility: returns::volatility(&closes, per_year),
            per_year,
            trend: trend(&of),
            adx: indicators::adx(&of, WILDER).map(|line| line.last()),
            rsi: indicators::rsi(&of.close, WILDER).map(|line| line.last()),
            atr: indicators::atr(&of, WILDER).map(|line| line.last()),
            sma: [SHORT, MIDDLE, LONG]
                .map(|period| indicators::sma(&of.close, period).map(|line| line.last())),
            cross: cross_at(before_too, &of.close),
            levels: levels(&of),
            subject: series.subject,
        })
    }
}

const NONE: Missing = Missing::NotEnough {
    needed: 1,
    given: 0,
};

fn first(candles: &[Candle]) -> Measured<&Candle> {
    candles.first().ok_or(NONE)
}

fn last(candles: &[Candle]) -> Measured<&Candle> {
    candles.last().ok_or(NONE)
}

/// One number of all candles: their highest, their lowest, their sum.
fn most(
    candles: &[Candle],
    of: impl Fn(&Candle) -> f64,
    fold: impl Fn(f64, f64) -> f64,
) -> Measured<f64> {
    candles.iter().map(of).reduce(fold).ok_or(NONE)
}

fn volumes(candles: &[Candle]) -> Vec<f64> {
    candles.iter().map(|candle| candle.volume).collect()
}

fn cross_at(candles: &[Candle], closes: &[f64]) -> Measured<Option<CrossAt>> {
    let found = cross(closes)?;
    Ok(found.map(|cross| CrossAt {
        kind: cross.kind,
        at: candles[cross.bar].timestamp,
        bars_ago: candles.len() - 1 - cross.bar,
    }))
}
