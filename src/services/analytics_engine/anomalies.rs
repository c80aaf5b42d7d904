//! The bars of an instrument that stand apart, with what was seen beside them. The formula is
//! [`outliers`](crate::services::analytics::outliers)'s.

use super::AnalyticsQuestion;
use super::indicators::WILDER;
use super::series::{AnalysisWindow, BarsOfInstrument, Subject, only};
use crate::database::BackendConnection;
use crate::domain::Candle;
use crate::error::Result;
use crate::services::analytics::{
    LookbackPeriod, PriceColumns, indicators as formula, outliers, returns,
};

/// The most anomalies of an answer.
const ANOMALIES_MAX: usize = 10;

const AVERAGES: [LookbackPeriod; 3] = [
    LookbackPeriod::known(5),
    LookbackPeriod::known(10),
    LookbackPeriod::known(20),
];
/// Bars of the deviation and the range beside a bar.
const RANGE_BARS: usize = 20;

/// The bars of an instrument that stand apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnomalyQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The bars.
    pub window: AnalysisWindow,
}

/// What is seen at a bar; `None` where bars before it are too few, or there is no range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnomalyFeatures {
    /// Simple moving averages of the closes of 5, 10 and 20 bars.
    pub averages: [Option<f64>; 3],
    /// RSI(14).
    pub rsi: Option<f64>,
    /// Changes over 1, 5 and 10 bars, as shares of the close then.
    pub changes: [Option<f64>; 3],
    /// The mean volume of 10 bars, this one with them.
    pub mean_volume: Option<f64>,
    /// The volume over that mean.
    pub volume_ratio: Option<f64>,
    /// The deviation of 20 closes, in units of price.
    pub deviation: Option<f64>,
    /// The place of the close between the lowest and the highest of 20 closes: 0 to 1.
    pub price_position: Option<f64>,
}

/// A bar that stands apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// The bar.
    pub candle: Candle,
    /// How far; see [`OutlyingBar::score`](crate::services::analytics::OutlyingBar::score).
    pub score: f64,
    /// What is seen beside it.
    pub features: AnomalyFeatures,
}

/// The bars of an instrument that stand apart.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyAnswer {
    /// The instrument.
    pub subject: Subject,
    /// Ten at most, the farthest first. None where bars are too few to tell.
    pub found: Vec<Anomaly>,
}

impl AnalyticsQuestion for AnomalyQuestion {
    type Answer = AnomalyAnswer;

    const OPERATION: &'static str = "analytics.anomalies";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let series = BarsOfInstrument::read(conn, self.instrument_id, self.window)?;
        Ok(vec![series])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<AnomalyAnswer> {
        let series = only(series)?;
        let candles = series.with_warm_up();
        let before = candles.len() - series.window().len();
        let mut outliers = outliers(series.window()).unwrap_or_default();
        outliers.truncate(ANOMALIES_MAX);
        let lines = FeatureLines::of(candles);
        let found = outliers.into_iter().map(|outlier| Anomaly {
            candle: candles[before + outlier.bar],
            score: outlier.score,
            features: lines.at(before + outlier.bar),
        });
        Ok(AnomalyAnswer {
            found: found.collect(),
            subject: series.subject,
        })
    }
}

/// What features are taken from, for all bars.
struct FeatureLines {
    close: Vec<f64>,
    volume: Vec<f64>,
    averages: [Option<formula::IndicatorLine>; 3],
    rsi: Option<formula::IndicatorLine>,
    mean_volume: Option<formula::IndicatorLine>,
}

impl FeatureLines {
    fn of(candles: &[Candle]) -> Self {
        let close = PriceColumns::of(candles).close;
        let volume: Vec<f64> = candles.iter().map(|candle| candle.volume).collect();
        Self {
            averages: AVERAGES.map(|bars| formula::sma(&close, bars).ok()),
            rsi: formula::rsi(&close, WILDER).ok(),
            mean_volume: formula::sma(&volume, AVERAGES[1]).ok(),
            close,
            volume,
        }
    }

    fn at(&self, bar: usize) -> AnomalyFeatures {
        let at = |line: &Option<formula::IndicatorLine>| line.as_ref()?.at(bar);
        let closes = |bars: usize| self.close.get((bar + 1).checked_sub(bars)?..=bar);
        let change = |bars: usize| returns::total(closes(bars + 1)?).ok();
        let mean_volume = at(&self.mean_volume);
        let range = closes(RANGE_BARS);
        AnomalyFeatures {
            averages: [0, 1, 2].map(|which| at(&self.averages[which])),
            rsi: at(&self.rsi),
            changes: [1, 5, 10].map(change),
            mean_volume,
            volume_ratio: mean_volume
                .filter(|mean| *mean > 0.0)
                .map(|mean| self.volume[bar] / mean),
            deviation: range.and_then(|closes| returns::deviation(closes).ok()),
            price_position: range.and_then(|closes| position(closes, self.close[bar])),
        }
    }
}

fn position(closes: &[f64], close: f64) -> Option<f64> {
    let highest = closes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = closes.iter().copied().fold(f64::INFINITY, f64::min);
    (highest > lowest).then(|| (close - lowest) / (highest - lowest))
}
