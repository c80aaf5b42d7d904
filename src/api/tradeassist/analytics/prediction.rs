//! Predictions, which are refused as the original refuses them without a model, and whether the
//! services of analytics are there.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::engine::{instrument, missing, now};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::moments::NaiveMoment;
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;
use crate::services::{Service, ServiceState};

const MODELS: [&str; 5] = [
    "lstm_price_predictor",
    "random_forest_predictor",
    "anomaly_detector",
    "volatility_predictor",
    "trend_classifier",
];
const HORIZONS: [&str; 3] = ["5_minutes", "1_hour", "1_day"];

/// No model is shipped: what is asked for is checked, and then not there.
pub(super) async fn predict(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Response, Refusal> {
    let body = FieldLocation::Body;
    let id = fields.required(body, "instrument_id", values::integer);
    let model = fields.or(body, "model_type", MODELS[0].to_owned(), values::text);
    // The original's own default is none of its words.
    let horizon = fields.or(body, "horizon", "short_term".to_owned(), values::text);
    let threshold = values::number_within(0.0..=1.0);
    let _ = fields.optional(body, "confidence_threshold", threshold);
    let id = fields.complete(id)?;
    instrument(&state, id).await?;
    for (given, words, name) in [
        (&model, &MODELS[..], "ModelType"),
        (&horizon, &HORIZONS[..], "PredictionHorizon"),
    ] {
        if !words.contains(&given.as_str()) {
            let detail = format!("Invalid parameter: '{given}' is not a valid {name}");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
        }
    }
    Err(missing("Unable to generate prediction"))
}

#[derive(Debug, Serialize)]
struct AnalyticsHealth {
    status: &'static str,
    timestamp: NaiveMoment,
    services: ServiceStates,
}

#[derive(Debug, Serialize)]
struct ServiceStates {
    analytics_engine: &'static str,
    ml_service: &'static str,
    risk_calculator: &'static str,
    market_data_processor: &'static str,
}

#[derive(Debug, Serialize)]
struct AnalyticsFailure {
    status: &'static str,
    timestamp: NaiveMoment,
    error: &'static str,
}

/// One engine stands behind all of the original's services.
pub(super) async fn health(State(state): State<ApiState>) -> Response {
    let timestamp = now(&state);
    let engine = state.analytics().map(|engine| engine.status().state);
    if engine != Some(ServiceState::Running) {
        let failure = AnalyticsFailure {
            status: "unhealthy",
            timestamp,
            error: "analytics_engine does not run",
        };
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(failure)).into_response();
    }
    Json(AnalyticsHealth {
        status: "healthy",
        timestamp,
        services: ServiceStates {
            analytics_engine: "available",
            ml_service: "available",
            risk_calculator: "available",
            market_data_processor: "available",
        },
    })
    .into_response()
}
