//! The direction of an instrument's price, and how straight it goes there.

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Subject, only};
use crate::database::BackendConnection;
use crate::error::Result;
use crate::services::analytics::{
    Measured, Missing, PriceColumns, Trend, TrendLine, returns, trend, trend_line,
};

/// Bars of the line that is laid through closes.
const LINE_BARS: usize = 20;
/// Bars of the momentum.
const MOMENTUM_BARS: usize = 10;

/// The direction of an instrument's price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrendQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The bars.
    pub window: AnalysisWindow,
}

/// The direction of an instrument's price at its newest bar.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendAnswer {
    /// The instrument.
    pub subject: Subject,
    /// The trend; see [`trend`].
    pub trend: Measured<Trend>,
    /// The line through the last 20 closes.
    pub line: Measured<TrendLine>,
    /// The deviation of the simple returns of the window.
    pub deviation: Measured<f64>,
    /// The change over ten bars as a share of the close then: TA-Lib `ROCP`.
    pub momentum: Measured<f64>,
}

impl AnalyticsQuestion for TrendQuestion {
    type Answer = TrendAnswer;

    const OPERATION: &'static str = "analytics.trend";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let series = BarsOfInstrument::read(conn, self.instrument_id, self.window)?;
        Ok(vec![series])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<TrendAnswer> {
        let series = only(series)?;
        let of = PriceColumns::of(series.with_warm_up());
        let newest = |bars: usize| {
            let from = of.close.len().checked_sub(bars);
            let found = from.map(|from| &of.close[from..]);
            found.ok_or(Missing::NotEnough {
                needed: bars,
                given: of.close.len(),
            })
        };
        let closes: Vec<f64> = series.window().iter().map(|it| it.close).collect();
        let simple = returns::simple(&closes);
        Ok(TrendAnswer {
            trend: trend(&of),
            line: newest(LINE_BARS).and_then(trend_line),
            deviation: simple.and_then(|returns| returns::deviation(&returns)),
            momentum: newest(MOMENTUM_BARS + 1).and_then(returns::total),
            subject: series.subject,
        })
    }
}
