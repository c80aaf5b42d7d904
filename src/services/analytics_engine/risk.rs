//! The risk of a position in an instrument, and the return for it.

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Extent, Subject};
use crate::database::BackendConnection;
use crate::error::{Error, Result};
use crate::services::analytics::{
    Beta, Confidence, Drawdown, Horizon, Measured, PerYear, PriceColumns, RiskMethod, ValueAtRisk,
    beta, max_drawdown, returns, value_at_risk,
};

/// The risk of an instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The bars.
    pub window: AnalysisWindow,
    /// The risk-free rate of a year: 0.02 for 2 %.
    pub risk_free_rate: f64,
    /// The instrument that beta is taken against.
    pub benchmark_id: Option<i64>,
}

impl RiskQuestion {
    /// The least and the greatest risk-free rate.
    pub const RATES: [f64; 2] = [-0.5, 1.0];

    /// With a rate of 0 and no benchmark.
    #[must_use]
    pub const fn new(instrument_id: i64, window: AnalysisWindow) -> Self {
        Self {
            instrument_id,
            window,
            risk_free_rate: 0.0,
            benchmark_id: None,
        }
    }
}

/// Risk and what was gained for it, from the closes of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskMetrics {
    /// The instrument.
    pub subject: Subject,
    /// The bars of the window.
    pub extent: Extent,
    /// The number of bars in a year.
    pub per_year: PerYear,
    /// Last close over first, less one.
    pub total_return: Measured<f64>,
    /// The mean simple return of a bar.
    pub mean_return: Measured<f64>,
    /// Volatility of a year; see [`returns::volatility`].
    pub volatility: Measured<f64>,
    /// Sharpe ratio of a year; see [`returns::sharpe`].
    pub sharpe: Measured<f64>,
    /// The deepest fall; see [`max_drawdown`].
    pub drawdown: Measured<Drawdown>,
    /// Historical value at risk of one bar with a confidence of 95 %; see [`value_at_risk`].
    pub risk_95: Measured<ValueAtRisk>,
    /// The value at risk with 99 %.
    pub risk_99: Measured<ValueAtRisk>,
    /// Beta against the benchmark; see [`beta`]. `None` when there is no benchmark.
    pub beta: Option<(Subject, Measured<Beta>)>,
}

impl AnalyticsQuestion for RiskQuestion {
    type Answer = RiskMetrics;

    const OPERATION: &'static str = "analytics.risk_metrics";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let ids = [Some(self.instrument_id), self.benchmark_id];
        let ids = ids.into_iter().flatten();
        ids.map(|id| BarsOfInstrument::read(conn, id, self.window))
            .collect()
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<RiskMetrics> {
        let [least, most] = Self::RATES;
        if !(least..=most).contains(&self.risk_free_rate) {
            let reason = format!("{} is out of range", self.risk_free_rate);
            let remedy = format!("write {least} to {most}, like 0.02 for 2 % a year");
            return Err(Error::invalid("risk_free_rate", reason, remedy));
        }
        let mut series = series.into_iter();
        let own = super::series::only(series.by_ref().take(1).collect())?;
        let closes = PriceColumns::of(own.window()).close;
        let per_year = own.per_year();
        let risk = |confidence| {
            let confidence = Confidence::known(confidence);
            value_at_risk(
                &closes,
                RiskMethod::Historical,
                confidence,
                Horizon::default(),
            )
        };
        Ok(RiskMetrics {
            extent: own.extent(),
            per_year,
            total_return: returns::total(&closes),
            mean_return: returns::simple(&closes).and_then(|returns| returns::mean(&returns)),
            volatility: returns::volatility(&closes, per_year),
            sharpe: returns::sharpe(&closes, self.risk_free_rate, per_year),
            drawdown: max_drawdown(own.window()),
            risk_95: risk(0.95),
            risk_99: risk(0.99),
            beta: series.next().map(|market| {
                let found = beta(own.window(), market.window());
                (market.subject, found)
            }),
            subject: own.subject,
        })
    }
}

/// The value at risk of an instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueAtRiskQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The bars.
    pub window: AnalysisWindow,
    /// The method.
    pub method: RiskMethod,
    /// With which probability the loss stays below it.
    pub confidence: Confidence,
    /// In how many bars the loss may come.
    pub horizon: Horizon,
}

/// The value at risk of one unit of value.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueAtRiskAnswer {
    /// The instrument.
    pub subject: Subject,
    /// The bars of the window.
    pub extent: Extent,
    /// The loss.
    pub risk: Measured<ValueAtRisk>,
}

impl AnalyticsQuestion for ValueAtRiskQuestion {
    type Answer = ValueAtRiskAnswer;

    const OPERATION: &'static str = "analytics.value_at_risk";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        Ok(vec![BarsOfInstrument::read(
            conn,
            self.instrument_id,
            self.window,
        )?])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<ValueAtRiskAnswer> {
        let series = super::series::only(series)?;
        let closes = PriceColumns::of(series.window()).close;
        Ok(ValueAtRiskAnswer {
            extent: series.extent(),
            risk: value_at_risk(&closes, self.method, self.confidence, self.horizon),
            subject: series.subject,
        })
    }
}
