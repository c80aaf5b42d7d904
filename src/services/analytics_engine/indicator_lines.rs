//! Indicators beside the bars of a range, for charts. The formulas are
//! [`analytics::indicators`](crate::services::analytics::indicators)'s.

use super::AnalyticsQuestion;
use super::indicators::{Indicator, NamedLine};
use super::series::{AnalysisWindow, BarsOfInstrument, Subject, only};
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::services::analytics::{Missing, PriceColumns};
use crate::timestamp::Timestamp;

/// Indicators at each bar of a range.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorLinesQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The length of the bars' periods.
    pub frequency: Frequency,
    /// The first moment at which a bar may start; `None` for the beginning.
    pub start: Option<Timestamp>,
    /// The moment before which a bar starts; `None` for the end.
    pub end: Option<Timestamp>,
    /// The newest so many bars of the range, [`AnalysisWindow::BARS_MAX`] at most.
    pub bars_max: usize,
    /// The indicators, in the order of the answer.
    pub indicators: Vec<Indicator>,
}

/// Indicators at each bar of a range.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorLines {
    /// The instrument.
    pub subject: Subject,
    /// The length of the bars' periods.
    pub frequency: Frequency,
    /// The start of each bar, oldest first.
    pub timestamps: Vec<Timestamp>,
    /// The lines.
    pub lines: Vec<IndicatorValues>,
}

/// A line of an indicator: one place for each bar.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorValues {
    /// `rsi`, `macd_signal`, `sma_20` and so on.
    pub name: &'static str,
    /// True when it is in units of price.
    pub is_price: bool,
    /// `None` at bars before the first that has a value.
    pub values: Vec<Option<f64>>,
    /// Why no bar has a value, when none has.
    pub missing: Option<Missing>,
}

impl AnalyticsQuestion for IndicatorLinesQuestion {
    type Answer = IndicatorLines;

    const OPERATION: &'static str = "analytics.indicator_lines";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let window = AnalysisWindow::of_range(self.frequency, self.start, self.end, self.bars_max);
        let read = BarsOfInstrument::read(conn, self.instrument_id, window);
        Ok(vec![read?])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<IndicatorLines> {
        let series = only(series)?;
        let columns = PriceColumns::of(series.with_warm_up());
        let shown = series.window();
        let first = series.with_warm_up().len() - shown.len();
        let lines = self.indicators.iter().flat_map(|of| of.lines(&columns));
        Ok(IndicatorLines {
            frequency: self.frequency,
            timestamps: shown.iter().map(|candle| candle.timestamp).collect(),
            lines: lines.map(|line| values(line, first, shown.len())).collect(),
            subject: series.subject,
        })
    }
}

/// The part of a line from the bar with this index on.
fn values(of: NamedLine, first: usize, bars: usize) -> IndicatorValues {
    let (values, missing) = match of.line {
        Ok(line) => (
            (first..first + bars).map(|bar| line.at(bar)).collect(),
            None,
        ),
        Err(missing) => (vec![None; bars], Some(missing)),
    };
    IndicatorValues {
        name: of.name,
        is_price: of.is_price,
        values,
        missing,
    }
}
