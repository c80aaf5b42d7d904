//! Figures of risk, and value at risk.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::engine::{AnswerHead, YEAR_DAYS, ask, instrument, missing};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::moments::NaiveMoment;
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;
use crate::services::analytics::{
    Confidence, Horizon, Measured, RiskMethod, Simulation, ValueAtRisk,
};
use crate::services::analytics_engine::{
    DailyRisk, DailyRiskQuestion, DailyValueAtRisk, DailyValueAtRiskQuestion,
};

/// Returns below which there is no figure of risk.
const RETURNS_MIN: usize = 30;
/// The risk-free rate of a year.
const RISK_FREE_RATE: f64 = 0.02;
/// The value of the position that amounts stand for.
const POSITION: f64 = 10_000.0;
const POSITION_MIN: f64 = 100.0;
/// The levels of confidence that the original knows.
const CONFIDENCES: [f64; 3] = [0.95, 0.99, 0.999];

#[derive(Debug, Serialize)]
pub(super) struct MetricsAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    /// The original has no portfolios; it names the field.
    portfolio_id: Option<i64>,
    risk_metrics: MetricFigures,
    analysis_details: AnalysisDetails,
}

#[derive(Debug, Serialize)]
struct MetricFigures {
    var_95: Option<f64>,
    var_99: Option<f64>,
    cvar_95: Option<f64>,
    volatility_annual: Option<f64>,
    max_drawdown: Option<f64>,
    sharpe_ratio: Option<f64>,
    sortino_ratio: Option<f64>,
    beta: Option<f64>,
    correlation_to_market: Option<f64>,
    tracking_error: Option<f64>,
    skewness: Option<f64>,
    kurtosis: Option<f64>,
    downside_deviation: Option<f64>,
    calmar_ratio: Option<f64>,
}

impl From<&DailyRisk> for MetricFigures {
    fn from(of: &DailyRisk) -> Self {
        let amount = |of: Measured<ValueAtRisk>, share: fn(ValueAtRisk) -> f64| {
            of.ok().map(|of| share(of) * POSITION)
        };
        let beta = of.metrics.beta.as_ref();
        Self {
            var_95: amount(of.risk_95, |of| of.value_at_risk),
            var_99: amount(of.risk_99, |of| of.value_at_risk),
            cvar_95: amount(of.risk_95, |of| of.expected_shortfall),
            volatility_annual: of.metrics.volatility.ok(),
            max_drawdown: of.metrics.drawdown.ok().map(|of| of.depth),
            sharpe_ratio: of.metrics.sharpe.ok(),
            sortino_ratio: of.sortino.ok(),
            beta: beta.and_then(|(_, of)| of.ok()).map(|of| of.beta),
            correlation_to_market: of.market.and_then(|of| of.correlation.ok()),
            tracking_error: of.market.and_then(|of| of.tracking_error.ok()),
            skewness: of.skewness.ok(),
            kurtosis: of.kurtosis.ok(),
            downside_deviation: of.downside_deviation.ok(),
            calmar_ratio: of.calmar.ok(),
        }
    }
}

#[derive(Debug, Serialize)]
struct AnalysisDetails {
    data_period_days: usize,
    lookback_days_requested: i64,
    benchmark_id: Option<i64>,
    last_updated: NaiveMoment,
}

pub(super) async fn metrics(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<MetricsAnswer>, Refusal> {
    let id = fields.id("instrument_id");
    let days = values::within(30..=1_000);
    let days = fields.or(FieldLocation::Query, "lookback_days", YEAR_DAYS, days);
    let benchmark_id = fields.optional(FieldLocation::Query, "benchmark_id", values::integer);
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    // 0 is no id there; the answer repeats it.
    let benchmark = benchmark_id.filter(|id| *id != 0);
    if let Some(benchmark) = benchmark {
        let found = state.cache().instrument(benchmark).await;
        found.map_err(|error| Refusal::or_missing(error, "Benchmark instrument not found"))?;
    }
    let question = DailyRiskQuestion {
        instrument_id: id,
        days: u16::try_from(days).unwrap_or(u16::MAX),
        risk_free_rate: RISK_FREE_RATE,
        benchmark_id: benchmark,
    };
    let of = ask(&state, question).await?;
    if of.returns < RETURNS_MIN {
        return Err(missing("Unable to calculate risk metrics"));
    }
    let head = AnswerHead::new(&state, &instrument);
    Ok(Json(MetricsAnswer {
        analysis_details: AnalysisDetails {
            data_period_days: of.returns,
            lookback_days_requested: days,
            benchmark_id,
            last_updated: head.timestamp,
        },
        head,
        portfolio_id: None,
        risk_metrics: MetricFigures::from(of.as_ref()),
    }))
}

#[derive(Debug, Serialize)]
pub(super) struct PositionRiskAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    var_amount: f64,
    confidence_level: f64,
    time_horizon_days: u16,
    method: String,
    current_position: f64,
    portfolio_value: f64,
    volatility: Option<f64>,
    metadata: ReturnFigures,
}

#[derive(Debug, Serialize)]
struct ReturnFigures {
    data_points: usize,
    return_period_start: Option<NaiveMoment>,
    return_period_end: Option<NaiveMoment>,
    mean_return: Option<f64>,
    std_return: Option<f64>,
}

impl From<&DailyValueAtRisk> for ReturnFigures {
    fn from(of: &DailyValueAtRisk) -> Self {
        let between = of.between.ok();
        Self {
            data_points: of.returns,
            return_period_start: between.map(|[first, _]| NaiveMoment(first)),
            return_period_end: between.map(|[_, last]| NaiveMoment(last)),
            mean_return: of.mean.ok(),
            std_return: of.deviation.ok(),
        }
    }
}

/// The body of a request for a value at risk.
struct PositionRisk {
    instrument_id: i64,
    confidence: f64,
    horizon_days: i64,
    position: f64,
    method: String,
}

impl PositionRisk {
    fn read(mut fields: RequestFields) -> Result<Self, Refusal> {
        let body = FieldLocation::Body;
        let id = fields.required(body, "instrument_id", values::integer);
        let confidence = values::number_within(0.9..=0.999);
        let confidence = fields.or(body, "confidence_level", CONFIDENCES[0], confidence);
        let horizon_days = fields.or(body, "time_horizon_days", 1, values::within(1..=30));
        let position = values::number_within(POSITION_MIN..=f64::MAX);
        let position = fields.or(body, "position_size", POSITION, position);
        let method = fields.or(body, "method", "historical".to_owned(), values::text);
        fields.complete(id.map(|instrument_id| Self {
            instrument_id,
            confidence,
            horizon_days,
            position,
            method,
        }))
    }

    /// The question; none for a method that there is not.
    fn question(&self) -> Result<Option<DailyValueAtRiskQuestion>, Refusal> {
        if !CONFIDENCES.contains(&self.confidence) {
            let detail = "Invalid confidence level";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
        }
        let method = match self.method.as_str() {
            "historical" => RiskMethod::HistoricalOfFew,
            "parametric" => RiskMethod::Parametric,
            "monte_carlo" => RiskMethod::MonteCarlo(Simulation::default()),
            _ => return Ok(None),
        };
        Ok(Some(DailyValueAtRiskQuestion {
            instrument_id: self.instrument_id,
            days: u16::try_from(YEAR_DAYS).unwrap_or(u16::MAX),
            method,
            confidence: Confidence::new(self.confidence)?,
            horizon: Horizon::new(u16::try_from(self.horizon_days).unwrap_or(u16::MAX))?,
        }))
    }
}

pub(super) async fn value_at_risk(
    State(state): State<ApiState>,
    fields: RequestFields,
) -> Result<Json<PositionRiskAnswer>, Refusal> {
    let asked = PositionRisk::read(fields)?;
    let instrument = instrument(&state, asked.instrument_id).await?;
    let unable = || missing("Unable to calculate VaR");
    let question = asked.question()?.ok_or_else(unable)?;
    let of = ask(&state, question).await?;
    let risk = of.answer.risk.map_err(|_| unable())?;
    if of.returns < RETURNS_MIN {
        return Err(unable());
    }
    Ok(Json(PositionRiskAnswer {
        head: AnswerHead::new(&state, &instrument),
        var_amount: risk.value_at_risk * asked.position,
        confidence_level: asked.confidence,
        time_horizon_days: question.horizon.bars(),
        method: asked.method,
        current_position: asked.position,
        portfolio_value: asked.position,
        volatility: of.volatility.ok(),
        metadata: ReturnFigures::from(of.as_ref()),
    }))
}
