//! Risk in days: of daily bars, a number of which is looked back on.

use super::AnalyticsQuestion;
use super::risk::{RiskMetrics, RiskQuestion, ValueAtRiskAnswer, ValueAtRiskQuestion};
use super::series::{AnalysisWindow, BarsOfInstrument, only};
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::services::analytics::{
    Confidence, Horizon, Measured, Missing, PriceColumns, RiskMethod, ValueAtRisk, calmar,
    correlations, downside_deviation, kurtosis, returns, skewness, sortino, tracking_error,
    value_at_risk,
};
use crate::timestamp::Timestamp;

/// The newest days of a series.
fn window(days: u16) -> AnalysisWindow {
    AnalysisWindow::newest(Frequency::OneDay, days)
}

/// The risk of an instrument in days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DailyRiskQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// Days with a bar that it looks back on.
    pub days: u16,
    /// The risk-free rate of a year: 0.02 for 2 %.
    pub risk_free_rate: f64,
    /// The instrument that stands for the market.
    pub benchmark_id: Option<i64>,
}

impl DailyRiskQuestion {
    fn metrics(&self) -> RiskQuestion {
        RiskQuestion {
            risk_free_rate: self.risk_free_rate,
            benchmark_id: self.benchmark_id,
            ..RiskQuestion::new(self.instrument_id, window(self.days))
        }
    }
}

/// The risk of an instrument together with the market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarketRisk {
    /// Pearson's coefficient of the returns of both.
    pub correlation: Measured<f64>,
    /// See [`tracking_error`].
    pub tracking_error: Measured<f64>,
}

/// The risk of an instrument in days.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyRisk {
    /// Volatility, drawdown, Sharpe ratio, beta.
    pub metrics: RiskMetrics,
    /// The number of returns.
    pub returns: usize,
    /// Historical value at risk of a day with 95 %, of however few returns.
    pub risk_95: Measured<ValueAtRisk>,
    /// The value at risk with 99 %.
    pub risk_99: Measured<ValueAtRisk>,
    /// See [`sortino`].
    pub sortino: Measured<f64>,
    /// See [`skewness`].
    pub skewness: Measured<f64>,
    /// See [`kurtosis`].
    pub kurtosis: Measured<f64>,
    /// See [`downside_deviation`].
    pub downside_deviation: Measured<f64>,
    /// See [`calmar`].
    pub calmar: Measured<f64>,
    /// Beside a benchmark.
    pub market: Option<MarketRisk>,
}

impl AnalyticsQuestion for DailyRiskQuestion {
    type Answer = DailyRisk;

    const OPERATION: &'static str = "analytics.daily_risk";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        self.metrics().read(conn)
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<DailyRisk> {
        let market = series.get(1).cloned();
        let own = only(series.clone())?;
        let metrics = self.metrics().answer(series)?;
        let year = metrics.per_year;
        let candles = own.window();
        let closes = PriceColumns::of(candles).close;
        let risk = |confidence| {
            let method = RiskMethod::HistoricalOfFew;
            let confidence = Confidence::known(confidence);
            value_at_risk(&closes, method, confidence, Horizon::default())
        };
        let simple = returns::simple(&closes);
        let of_returns = |formula: fn(&[f64]) -> Measured<f64>| {
            let returns = simple.as_ref().map_err(|missing| *missing);
            returns.and_then(|returns| formula(returns))
        };
        Ok(DailyRisk {
            returns: candles.len().saturating_sub(1),
            risk_95: risk(0.95),
            risk_99: risk(0.99),
            sortino: sortino(&closes, year),
            skewness: of_returns(skewness),
            kurtosis: of_returns(kurtosis),
            downside_deviation: downside_deviation(&closes, year),
            calmar: calmar(candles, year),
            market: market.map(|market| MarketRisk {
                correlation: correlations(&[candles, market.window()]).rows[0][1].coefficient,
                tracking_error: tracking_error(candles, market.window(), year),
            }),
            metrics,
        })
    }
}

/// The value at risk of an instrument in days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DailyValueAtRiskQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// Days with a bar that it looks back on.
    pub days: u16,
    /// The method.
    pub method: RiskMethod,
    /// With which probability the loss stays below it.
    pub confidence: Confidence,
    /// In how many days the loss may come.
    pub horizon: Horizon,
}

impl DailyValueAtRiskQuestion {
    fn value_at_risk(&self) -> ValueAtRiskQuestion {
        ValueAtRiskQuestion {
            instrument_id: self.instrument_id,
            window: window(self.days),
            method: self.method,
            confidence: self.confidence,
            horizon: self.horizon,
        }
    }
}

/// The value at risk of one unit of value, and the returns that it stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyValueAtRisk {
    /// The loss.
    pub answer: ValueAtRiskAnswer,
    /// The number of returns.
    pub returns: usize,
    /// Start of the day of the first return, and of the last.
    pub between: Measured<[Timestamp; 2]>,
    /// The mean simple return.
    pub mean: Measured<f64>,
    /// Their deviation.
    pub deviation: Measured<f64>,
    /// Volatility of a year; see [`returns::volatility`].
    pub volatility: Measured<f64>,
}

impl AnalyticsQuestion for DailyValueAtRiskQuestion {
    type Answer = DailyValueAtRisk;

    const OPERATION: &'static str = "analytics.daily_value_at_risk";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        self.value_at_risk().read(conn)
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<DailyValueAtRisk> {
        let own = only(series.clone())?;
        let candles = own.window();
        let closes = PriceColumns::of(candles).close;
        let simple = returns::simple(&closes);
        let of_returns = |formula: fn(&[f64]) -> Measured<f64>| {
            let returns = simple.as_ref().map_err(|missing| *missing);
            returns.and_then(|returns| formula(returns))
        };
        let between = match candles {
            [_, first, .., last] => Ok([first.timestamp, last.timestamp]),
            few => Err(Missing::NotEnough {
                needed: 3,
                given: few.len(),
            }),
        };
        Ok(DailyValueAtRisk {
            returns: candles.len().saturating_sub(1),
            between,
            mean: of_returns(returns::mean),
            deviation: of_returns(returns::deviation),
            volatility: returns::volatility(&closes, own.per_year()),
            answer: self.value_at_risk().answer(series)?,
        })
    }
}
