//! Figures of risk as the API writes them: of one instrument, and of several together.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ExtentBody, PERCENT_PLACES, PeriodsPerYearBasis, RATIO_PLACES, RiskMethodName, RoundedFigures,
    Unavailable, ValueAtRiskBody, written,
};
use crate::api::types::{Rounding, rounded};
use crate::domain::Frequency;
use crate::services::analytics::{Correlation, Measured, ValueAtRisk};
use crate::services::analytics_engine::{
    CorrelationMatrix, RiskMetrics, ValueAtRiskAnswer, ValueAtRiskQuestion,
};

/// Risk, and what was gained for it. Shares are of 1: 0.02 for 2 %.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RiskMetrics)]
pub(in crate::api) struct RiskMetricsBody {
    instrument_id: i64,
    instrument_symbol: String,
    #[serde(flatten)]
    extent: ExtentBody,
    /// Last close over first, less one.
    total_return: Option<f64>,
    /// The mean simple return of a bar.
    mean_return: Option<f64>,
    /// Deviation of logarithmic returns, for a year.
    volatility: Option<f64>,
    /// Bars of a year, by which figures of a year were scaled.
    periods_per_year: f64,
    periods_per_year_basis: PeriodsPerYearBasis,
    /// Of a year, above the risk-free rate.
    sharpe_ratio: Option<f64>,
    risk_free_rate: f64,
    /// The deepest fall from a high of closes: 0 or below.
    max_drawdown: Option<f64>,
    /// Start of the bar with the high.
    #[schema(format = DateTime)]
    max_drawdown_peak_date: Option<String>,
    /// Start of the bar with the low.
    #[schema(format = DateTime)]
    max_drawdown_trough_date: Option<String>,
    /// Start of the bar that reached the high again; null when none has.
    #[schema(format = DateTime)]
    max_drawdown_recovery_date: Option<String>,
    /// Historical, of one bar: the loss that is not exceeded in 95 % of bars.
    var_95: Option<f64>,
    var_99: Option<f64>,
    /// The mean loss beyond it.
    expected_shortfall_95: Option<f64>,
    expected_shortfall_99: Option<f64>,
    benchmark_id: Option<i64>,
    /// Against the benchmark; null without one.
    beta: Option<f64>,
    /// Returns at moments that both have.
    beta_observations: Option<usize>,
    /// Each figure that is null, and why.
    unavailable: Vec<Unavailable>,
}

impl RiskMetricsBody {
    pub(in crate::api) fn new(of: RiskMetrics, risk_free_rate: f64) -> Self {
        let mut figures = RoundedFigures::new(Rounding::from(of.subject.price_decimals));
        let drawdown = figures.any("max_drawdown", of.drawdown);
        let benchmark_id = of.beta.as_ref().map(|(subject, _)| subject.instrument_id);
        let beta = of.beta.and_then(|(_, beta)| figures.any("beta", beta));
        let [risk_95, risk_99] = [of.risk_95, of.risk_99];
        let shortfall = |risk: Measured<ValueAtRisk>| risk.map(|risk| risk.expected_shortfall);
        Self {
            instrument_id: of.subject.instrument_id,
            instrument_symbol: of.subject.symbol.to_string(),
            extent: of.extent.into(),
            total_return: figures.ratio("total_return", of.total_return),
            mean_return: figures.ratio("mean_return", of.mean_return),
            volatility: figures.ratio("volatility", of.volatility),
            periods_per_year: rounded(of.per_year.bars(), PERCENT_PLACES),
            periods_per_year_basis: of.per_year.into(),
            sharpe_ratio: figures.ratio("sharpe_ratio", of.sharpe),
            risk_free_rate,
            max_drawdown: drawdown.map(|fall| rounded(fall.depth, RATIO_PLACES)),
            max_drawdown_peak_date: drawdown.map(|fall| written(fall.peak_at)),
            max_drawdown_trough_date: drawdown.map(|fall| written(fall.trough_at)),
            max_drawdown_recovery_date: drawdown.and_then(|fall| fall.recovered_at.map(written)),
            var_95: figures.ratio("var_95", risk_95.map(|risk| risk.value_at_risk)),
            var_99: figures.ratio("var_99", risk_99.map(|risk| risk.value_at_risk)),
            expected_shortfall_95: figures.ratio("expected_shortfall_95", shortfall(risk_95)),
            expected_shortfall_99: figures.ratio("expected_shortfall_99", shortfall(risk_99)),
            benchmark_id,
            beta: beta.map(|beta| rounded(beta.beta, RATIO_PLACES)),
            beta_observations: beta.map(|beta| beta.observations),
            unavailable: figures.unavailable,
        }
    }
}

/// What may be lost. Shares are of 1: 0.02 for 2 %.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValueAtRisk)]
pub(in crate::api) struct ValueAtRiskAnswerBody {
    instrument_id: i64,
    instrument_symbol: String,
    #[serde(flatten)]
    extent: ExtentBody,
    method: RiskMethodName,
    confidence_level: f64,
    horizon_bars: u16,
    /// Returns that it was estimated from.
    observations: Option<usize>,
    /// The loss that is not exceeded with this confidence; negative when even that is a gain.
    value_at_risk: Option<f64>,
    /// The mean loss beyond it.
    expected_shortfall: Option<f64>,
    /// The same of the position's value; null without one, as the next.
    value_at_risk_amount: Option<f64>,
    expected_shortfall_amount: Option<f64>,
    /// Each figure that is null, and why.
    unavailable: Vec<Unavailable>,
}

impl ValueAtRiskAnswerBody {
    pub(in crate::api) fn new(
        of: ValueAtRiskAnswer,
        question: &ValueAtRiskQuestion,
        asked: &ValueAtRiskBody,
    ) -> Self {
        let mut figures = RoundedFigures::new(Rounding::from(of.subject.price_decimals));
        let value = of.risk.map(|risk| risk.value_at_risk);
        let shortfall = of.risk.map(|risk| risk.expected_shortfall);
        let amount = |share: Measured<f64>| {
            let value = asked.position_value?;
            let amount = share.ok()? * value;
            amount.is_finite().then(|| rounded(amount, PERCENT_PLACES))
        };
        Self {
            instrument_id: of.subject.instrument_id,
            instrument_symbol: of.subject.symbol.to_string(),
            extent: of.extent.into(),
            method: asked.method(),
            confidence_level: question.confidence.probability(),
            horizon_bars: question.horizon.bars(),
            observations: of.risk.ok().map(|risk| risk.observations),
            value_at_risk_amount: amount(value),
            expected_shortfall_amount: amount(shortfall),
            value_at_risk: figures.ratio("value_at_risk", value),
            expected_shortfall: figures.ratio("expected_shortfall", shortfall),
            unavailable: figures.unavailable,
        }
    }
}

/// How instruments move together; rows and columns in the order of the instruments.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CorrelationMatrix)]
pub(in crate::api) struct CorrelationMatrixBody {
    instrument_ids: Vec<i64>,
    instrument_symbols: Vec<String>,
    frequency: Frequency,
    /// Bars of each.
    bars: Vec<usize>,
    /// Pearson's coefficients of returns, -1 to 1; null where there is none.
    matrix: Vec<Vec<Option<f64>>>,
    /// Returns at moments that both have.
    observations: Vec<Vec<usize>>,
    /// Each coefficient that is null, as `matrix[row][column]`, and why.
    unavailable: Vec<Unavailable>,
}

impl CorrelationMatrixBody {
    pub(in crate::api) fn new(of: CorrelationMatrix) -> Self {
        let mut figures = RoundedFigures::new(Rounding::default());
        let rows = of.correlations.rows;
        let mut coefficient = |row: usize, column: usize, cell: &Correlation| {
            let field = format!("matrix[{row}][{column}]");
            figures.ratio(&field, cell.coefficient)
        };
        let mut matrix = Vec::with_capacity(rows.len());
        for (row, cells) in rows.iter().enumerate() {
            let cells = cells.iter().enumerate();
            matrix.push(cells.map(|(at, cell)| coefficient(row, at, cell)).collect());
        }
        let counts = rows
            .iter()
            .map(|cells| cells.iter().map(|cell| cell.observations).collect());
        let subjects = &of.subjects;
        Self {
            instrument_ids: subjects
                .iter()
                .map(|(subject, _)| subject.instrument_id)
                .collect(),
            instrument_symbols: subjects
                .iter()
                .map(|(of, _)| of.symbol.to_string())
                .collect(),
            frequency: of.frequency,
            bars: subjects.iter().map(|(_, extent)| extent.bars).collect(),
            matrix,
            observations: counts.collect(),
            unavailable: figures.unavailable,
        }
    }
}
