//! `/api/v1/analytics`: the original's questions, put to the engine of the native API.
//!
//! Shapes and refusals are the original's, figures the engine's: `docs/migrating.md` says how
//! each is computed. A figure that data are too few for is null.

mod correlation;
mod engine;
mod indicators;
mod market;
mod microstructure;
mod prediction;
mod risk;
mod signals;
mod stress;
mod volume;

use axum::routing::{get, post};

use super::{Access, Resource};

pub(super) fn resources() -> Vec<Resource> {
    let read = |path, methods| Resource::new(path, Access::Read, methods);
    let question = |path, methods| Resource::new(path, Access::Question, methods);
    vec![
        read(
            "/api/v1/analytics/market-analysis/{instrument_id}",
            get(market::analysis),
        ),
        read(
            "/api/v1/analytics/real-time-indicators/{instrument_id}",
            get(market::real_time),
        ),
        read(
            "/api/v1/analytics/risk-metrics/{instrument_id}",
            get(risk::metrics),
        ),
        read(
            "/api/v1/analytics/correlation-matrix",
            get(correlation::matrix),
        ),
        read(
            "/api/v1/analytics/anomaly-detection/{instrument_id}",
            get(signals::anomalies),
        ),
        read(
            "/api/v1/analytics/trend-classification/{instrument_id}",
            get(signals::trend),
        ),
        read(
            "/api/v1/analytics/market-microstructure/{instrument_id}",
            get(microstructure::costs),
        ),
        read("/api/v1/analytics/health", get(prediction::health)),
        question("/api/v1/analytics/calculate-var", post(risk::value_at_risk)),
        question("/api/v1/analytics/stress-test", post(stress::test)),
        question("/api/v1/analytics/volume-profile", post(volume::profile)),
        question("/api/v1/analytics/predict-price", post(prediction::predict)),
    ]
}
