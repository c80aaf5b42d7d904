//! Indicators, trend figures, levels and patterns of one moment, all from the same bars.

use super::AnalyticsQuestion;
use super::indicators::{BAND, BAND_DEVIATIONS, FAST, SIGNAL, SLOW, SMOOTH, WILDER};
use super::series::{AnalysisWindow, BarsOfInstrument, Extent, Subject, only};
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::services::analytics::{
    Levels, LookbackPeriod, Measured, Missing, PerYear, PriceColumns, indicators as formula,
    levels, returns,
};

/// Bars of the moving averages, shortest first.
pub const AVERAGE_BARS: [u16; 5] = [5, 10, 20, 50, 200];

const AVERAGES: [LookbackPeriod; 5] = [
    LookbackPeriod::known(AVERAGE_BARS[0]),
    LookbackPeriod::known(AVERAGE_BARS[1]),
    LookbackPeriod::known(AVERAGE_BARS[2]),
    LookbackPeriod::known(AVERAGE_BARS[3]),
    LookbackPeriod::known(AVERAGE_BARS[4]),
];

/// Bars of the change of price, and of the channel that a price breaks out of.
const CHANNEL_BARS: usize = 20;

/// The technical figures of an instrument at its newest bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TechnicalQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The bars.
    pub window: AnalysisWindow,
}

/// A pattern at the newest bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PricePattern {
    /// SMA(5) came above SMA(20) with the newest bar.
    ShortCrossUp,
    /// SMA(5) came below SMA(20) with it.
    ShortCrossDown,
    /// It closed above the highest high of the 20 bars before.
    BreakoutHigh(f64),
    /// It closed below the lowest low of the 20 bars before.
    BreakdownLow(f64),
}

/// Technical figures at the newest bar. Volatility is that of the window; the others take in bars
/// before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Technicals {
    /// The instrument.
    pub subject: Subject,
    /// The bars of the window.
    pub extent: Extent,
    /// Close of the newest bar.
    pub close: Measured<f64>,
    /// RSI(14).
    pub rsi: Measured<f64>,
    /// MACD(12, 26, 9): the line, its signal, the histogram.
    pub macd: Measured<[f64; 3]>,
    /// Bollinger bands(20, 2): upper, middle, lower.
    pub bands: Measured<[f64; 3]>,
    /// Simple moving averages of [`AVERAGE_BARS`].
    pub averages: [Measured<f64>; 5],
    /// Slow stochastic(14, 3, 3): K and D.
    pub stochastic: Measured<[f64; 2]>,
    /// Williams %R(14).
    pub williams_r: Measured<f64>,
    /// ATR(14), in units of price.
    pub atr: Measured<f64>,
    /// ADX(14).
    pub adx: Measured<f64>,
    /// The change over 20 bars as a share of the close then.
    pub change_share: Measured<f64>,
    /// Volatility of a year; see [`returns::volatility`].
    pub volatility: Measured<f64>,
    /// Days of trading in a year, for the volatility of a day.
    pub days_per_year: PerYear,
    /// Support and resistance; see [`levels`].
    pub levels: Measured<Levels>,
    /// What happened with the newest bar.
    pub patterns: Vec<PricePattern>,
}

impl AnalyticsQuestion for TechnicalQuestion {
    type Answer = Technicals;

    const OPERATION: &'static str = "analytics.technicals";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let series = BarsOfInstrument::read(conn, self.instrument_id, self.window)?;
        Ok(vec![series])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<Technicals> {
        let series = only(series)?;
        let closes: Vec<f64> = series.window().iter().map(|it| it.close).collect();
        let of = PriceColumns::of(series.with_warm_up());
        let close = &of.close;
        let last = |line: &formula::IndicatorLine| line.last();
        let kind = series.subject.instrument_type;
        Ok(Technicals {
            extent: series.extent(),
            close: close.last().copied().ok_or(Missing::NotEnough {
                needed: 1,
                given: 0,
            }),
            rsi: formula::rsi(close, WILDER).map(|line| line.last()),
            macd: formula::macd(close, FAST, SLOW, SIGNAL)
                .map(|of| [&of.macd, &of.signal, &of.histogram].map(last)),
            bands: formula::bollinger(close, BAND, BAND_DEVIATIONS)
                .map(|of| [&of.upper, &of.middle, &of.lower].map(last)),
            averages: AVERAGES.map(|bars| formula::sma(close, bars).map(|line| line.last())),
            stochastic: formula::stochastic(&of, WILDER, SMOOTH, SMOOTH)
                .map(|of| [&of.k, &of.d].map(last)),
            williams_r: formula::williams_r(&of, WILDER).map(|line| line.last()),
            atr: formula::atr(&of, WILDER).map(|line| line.last()),
            adx: formula::adx(&of, WILDER).map(|line| line.last()),
            change_share: newest(close, CHANNEL_BARS + 1).and_then(returns::total),
            volatility: returns::volatility(&closes, series.per_year()),
            days_per_year: PerYear::of(0, 0, 0, Frequency::OneDay, kind),
            levels: levels(&of),
            patterns: patterns(&of),
            subject: series.subject,
        })
    }
}

/// The last values, so many of them.
fn newest(values: &[f64], needed: usize) -> Measured<&[f64]> {
    let given = values.len();
    let from = given.checked_sub(needed);
    from.map(|from| &values[from..])
        .ok_or(Missing::NotEnough { needed, given })
}

fn patterns(of: &PriceColumns) -> Vec<PricePattern> {
    let found = [short_cross(&of.close), breakout(of)];
    found.into_iter().flatten().collect()
}

fn short_cross(closes: &[f64]) -> Option<PricePattern> {
    let [short, long] = [AVERAGES[0], AVERAGES[2]].map(|bars| formula::sma(closes, bars));
    let (short, long) = (short.ok()?, long.ok()?);
    let newest = closes.len().checked_sub(1)?;
    let distance = |bar: usize| Some(short.at(bar)? - long.at(bar)?);
    let (before, now) = (distance(newest.checked_sub(1)?)?, distance(newest)?);
    if now > 0.0 && before <= 0.0 {
        Some(PricePattern::ShortCrossUp)
    } else if now < 0.0 && before >= 0.0 {
        Some(PricePattern::ShortCrossDown)
    } else {
        None
    }
}

/// A close beyond the channel of the bars before it: R. D. Donchian, "High finance in copper",
/// *Financial Analysts Journal* 16 (1960).
fn breakout(of: &PriceColumns) -> Option<PricePattern> {
    let newest = of.close.len().checked_sub(1)?;
    let channel = newest.checked_sub(CHANNEL_BARS)?..newest;
    let highs = of.high[channel.clone()].iter().copied();
    let highest = highs.fold(f64::NEG_INFINITY, f64::max);
    let lowest = of.low[channel]
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let close = of.close[newest];
    if close > highest {
        Some(PricePattern::BreakoutHigh(highest))
    } else if close < lowest {
        Some(PricePattern::BreakdownLow(lowest))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(close: Vec<f64>) -> PriceColumns {
        PriceColumns {
            high: close.iter().map(|it| it + 1.0).collect(),
            low: close.iter().map(|it| it - 1.0).collect(),
            close,
        }
    }

    #[test]
    fn a_close_beyond_the_channel_breaks_out_and_averages_cross_once() {
        let mut close = vec![100.0; 40];
        assert_eq!(patterns(&around(close.clone())), []);
        close.push(110.0);
        let (up, high) = (
            PricePattern::ShortCrossUp,
            PricePattern::BreakoutHigh(101.0),
        );
        assert_eq!(patterns(&around(close.clone())), [up, high]);
        // The cross was at the bar before, and the channel has its high.
        close.push(110.5);
        assert_eq!(patterns(&around(close.clone())), []);
        close.push(80.0);
        let (down, low) = (
            PricePattern::ShortCrossDown,
            PricePattern::BreakdownLow(99.0),
        );
        let found = patterns(&around(close));
        assert!(found.contains(&low), "{found:?}");
        // (110 + 110.5 + 80 + 200) / 5 against the longer average.
        assert_eq!(
            found.contains(&down),
            500.5 / 5.0 < (1_700.0 + 300.5) / 20.0
        );
        assert_eq!(patterns(&around(vec![100.0; 3])), []);
    }
}
