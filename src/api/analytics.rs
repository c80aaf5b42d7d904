//! `/api/v1/analytics`: market analysis, indicators, risk, volume by price, correlation.
//!
//! The engine decides every figure; here questions and answers are only translated.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, PostedReadErrors, ReadErrors};
use super::extract::{Id, Json, Query};
use super::state::ApiState;
use super::types::{
    CorrelationMatrixBody, CorrelationQuery, IndicatorLinesBody, IndicatorLinesQuery,
    IndicatorQuery, IndicatorsBody, MarketAnalysisBody, MarketQuery, RiskMetricsBody, RiskQuery,
    ValueAtRiskAnswerBody, ValueAtRiskBody, VolumeProfileAnswerBody, VolumeProfileBody,
};
use crate::error::Error;
use crate::services::analytics_engine::KeptQuestion;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(market_analysis))
        .routes(routes!(real_time_indicators))
        .routes(routes!(indicator_series))
        .routes(routes!(risk_metrics))
        .routes(routes!(correlation_matrix))
}

/// Reads whose parameters come in a body.
pub(super) fn posted_reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(calculate_var))
        .routes(routes!(volume_profile))
}

/// Asks the engine, by the cache. What it refuses stands in this part of the request.
async fn ask<Q: KeptQuestion>(
    state: &ApiState,
    part: &str,
    question: Q,
) -> Result<Q::Answer, ApiError> {
    let Some(engine) = state.analytics() else {
        let service = "analytics_engine";
        return Err(Error::NotRunning { service }.into());
    };
    let answer = engine.ask_cached(state.cache(), question).await;
    let answer = answer.map_err(|error| ApiError::within(part, error))?;
    Ok(Arc::unwrap_or_clone(answer.value))
}

/// What a market did, and where it stands
///
/// Figures that too little data gives no value for are null; `unavailable` says why.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/market-analysis/{instrument_id}",
    tag = "analytics",
    params(("instrument_id" = i64, Path), MarketQuery),
    responses(
        (status = 200, body = MarketAnalysisBody),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        ReadErrors,
    )
)]
async fn market_analysis(
    State(state): State<ApiState>,
    Id(id): Id,
    Query(query): Query<MarketQuery>,
) -> Result<axum::Json<MarketAnalysisBody>, ApiError> {
    let question = query
        .question(id)
        .map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(ask(&state, "query", question).await?.into()))
}

/// Indicators at the newest bar
///
/// By TA-Lib, with the settings that the field uses: RSI(14), MACD(12, 26, 9), Bollinger(20, 2),
/// SMA and EMA(20, 50, 200), slow stochastic(14, 3, 3), ATR(14), Williams %R(14), ADX(14).
#[utoipa::path(
    get,
    path = "/api/v1/analytics/real-time-indicators/{instrument_id}",
    tag = "analytics",
    params(("instrument_id" = i64, Path), IndicatorQuery),
    responses(
        (status = 200, body = IndicatorsBody),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        ReadErrors,
    )
)]
async fn real_time_indicators(
    State(state): State<ApiState>,
    Id(id): Id,
    Query(query): Query<IndicatorQuery>,
) -> Result<axum::Json<IndicatorsBody>, ApiError> {
    let answer = ask(&state, "query", query.question(id)).await?;
    Ok(axum::Json(answer.into()))
}

/// Indicators at each bar of a range
///
/// By the formulas of the indicators at the newest bar. Bars before the range count as their past.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/indicator-series/{instrument_id}",
    tag = "analytics",
    params(("instrument_id" = i64, Path), IndicatorLinesQuery),
    responses(
        (status = 200, body = IndicatorLinesBody),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        ReadErrors,
    )
)]
async fn indicator_series(
    State(state): State<ApiState>,
    Id(id): Id,
    Query(query): Query<IndicatorLinesQuery>,
) -> Result<axum::Json<IndicatorLinesBody>, ApiError> {
    let question = query
        .question(id)
        .map_err(|error| ApiError::within("query", error))?;
    let answer = ask(&state, "query", question).await?;
    Ok(axum::Json(answer.into()))
}

/// Volatility, drawdown, Sharpe ratio, value at risk and beta
#[utoipa::path(
    get,
    path = "/api/v1/analytics/risk-metrics/{instrument_id}",
    tag = "analytics",
    params(("instrument_id" = i64, Path), RiskQuery),
    responses(
        (status = 200, body = RiskMetricsBody),
        (status = 404, body = ErrorBody, description = "No active instrument has one of the ids"),
        ReadErrors,
    )
)]
async fn risk_metrics(
    State(state): State<ApiState>,
    Id(id): Id,
    Query(query): Query<RiskQuery>,
) -> Result<axum::Json<RiskMetricsBody>, ApiError> {
    let question = query
        .question(id)
        .map_err(|error| ApiError::within("query", error))?;
    let answer = ask(&state, "query", question).await?;
    Ok(axum::Json(RiskMetricsBody::new(
        answer,
        question.risk_free_rate,
    )))
}

/// Value at risk and expected shortfall of a long position
#[utoipa::path(
    post,
    path = "/api/v1/analytics/calculate-var",
    tag = "analytics",
    request_body(
        content = ValueAtRiskBody,
        example = json!({"instrument_id": 1, "confidence_level": 0.95, "frequency": "1d"})
    ),
    responses(
        (status = 200, body = ValueAtRiskAnswerBody),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        PostedReadErrors,
    )
)]
async fn calculate_var(
    State(state): State<ApiState>,
    Json(body): Json<ValueAtRiskBody>,
) -> Result<axum::Json<ValueAtRiskAnswerBody>, ApiError> {
    let question = body.question()?;
    let answer = ask(&state, "body", question).await?;
    Ok(axum::Json(ValueAtRiskAnswerBody::new(
        answer, &question, &body,
    )))
}

/// The volume by price, with point of control and value area
#[utoipa::path(
    post,
    path = "/api/v1/analytics/volume-profile",
    tag = "analytics",
    request_body(
        content = VolumeProfileBody,
        example = json!({"instrument_id": 1, "lookback_hours": 24})
    ),
    responses(
        (status = 200, body = VolumeProfileAnswerBody),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        PostedReadErrors,
    )
)]
async fn volume_profile(
    State(state): State<ApiState>,
    Json(body): Json<VolumeProfileBody>,
) -> Result<axum::Json<VolumeProfileAnswerBody>, ApiError> {
    let answer = ask(&state, "body", body.question()?).await?;
    Ok(axum::Json(answer.into()))
}

/// Correlations of returns between instruments, at the moments that both of a pair have
#[utoipa::path(
    get,
    path = "/api/v1/analytics/correlation-matrix",
    tag = "analytics",
    params(CorrelationQuery),
    responses(
        (status = 200, body = CorrelationMatrixBody),
        (status = 404, body = ErrorBody, description = "No active instrument has one of the ids"),
        ReadErrors,
    )
)]
async fn correlation_matrix(
    State(state): State<ApiState>,
    Query(query): Query<CorrelationQuery>,
) -> Result<axum::Json<CorrelationMatrixBody>, ApiError> {
    let question = query
        .question()
        .map_err(|error| ApiError::within("query", error))?;
    let answer = ask(&state, "query", question).await?;
    Ok(axum::Json(CorrelationMatrixBody::new(answer)))
}
