//! The way to the engine, and what every answer about an instrument begins with.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::Serialize;

use crate::api::ApiState;
use crate::api::tradeassist::PRICE_PLACES;
use crate::api::tradeassist::moments::NaiveMoment;
use crate::api::tradeassist::refusal::Refusal;
use crate::api::types::rounded;
use crate::error::Error;
use crate::models::Instrument;
use crate::services::analytics_engine::{AnalyticsEngine, KeptQuestion};

const NOT_FOUND: &str = "Instrument not found";

/// Days with a bar that figures of risk look back on unless told otherwise: those of a year.
pub(super) const YEAR_DAYS: i64 = 252;

/// The first fields of an answer about one instrument.
#[derive(Debug, Serialize)]
pub(super) struct AnswerHead {
    pub(super) timestamp: NaiveMoment,
    instrument_id: i64,
    instrument_symbol: String,
}

impl AnswerHead {
    pub(super) fn new(state: &ApiState, instrument: &Instrument) -> Self {
        Self {
            timestamp: now(state),
            instrument_id: instrument.id,
            instrument_symbol: instrument.symbol.to_string(),
        }
    }
}

pub(super) fn now(state: &ApiState) -> NaiveMoment {
    NaiveMoment(state.db().clock().now())
}

/// The instrument, before anything else is looked at.
pub(super) async fn instrument(state: &ApiState, id: i64) -> Result<Arc<Instrument>, Refusal> {
    let row = state.cache().instrument(id).await;
    row.map_err(|error| Refusal::or_missing(error, NOT_FOUND))
}

pub(super) fn engine(state: &ApiState) -> Result<&Arc<AnalyticsEngine>, Refusal> {
    let service = "analytics_engine";
    let engine = state.analytics();
    engine.ok_or_else(|| Error::NotRunning { service }.into())
}

/// Asks the engine, by the cache.
pub(super) async fn ask<Q: KeptQuestion>(
    state: &ApiState,
    question: Q,
) -> Result<Arc<Q::Answer>, Refusal> {
    let answer = engine(state)?.ask_cached(state.cache(), question).await;
    let answer = answer.map_err(|error| Refusal::or_missing(error, NOT_FOUND))?;
    Ok(answer.value)
}

/// What the original answers where data are too few.
pub(super) fn missing(detail: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, detail)
}

/// A price as this contract writes it.
pub(super) fn price(price: f64) -> f64 {
    rounded(price, PRICE_PLACES)
}
