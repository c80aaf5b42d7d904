//! Correlations of instruments.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::engine::{YEAR_DAYS, ask, missing, now};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::moments::NaiveMoment;
use crate::api::tradeassist::problem::Fault;
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;
use crate::error::Error;
use crate::services::analytics_engine::JointCorrelationQuestion;

/// The most instruments: each is a thousand bars to read. The original has no limit.
const INSTRUMENTS_MAX: usize = 100;

#[derive(Debug, Serialize)]
pub(super) struct MatrixAnswer {
    timestamp: NaiveMoment,
    instrument_ids: Vec<i64>,
    instrument_symbols: Vec<String>,
    correlation_matrix: Vec<Vec<f64>>,
    eigenvalues: Vec<f64>,
    condition_number: Option<f64>,
    analysis_period_days: usize,
    requested_lookback_days: i64,
}

pub(super) async fn matrix(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<MatrixAnswer>, Refusal> {
    let name = "instrument_ids";
    // That it is there, then what it is.
    let _ = fields.required(FieldLocation::Query, name, |_| Ok(()));
    let ids = fields.all_of(name, values::integer);
    if let Some(many) = ids
        .as_ref()
        .map(Vec::len)
        .filter(|it| *it > INSTRUMENTS_MAX)
    {
        fields.refuse(FieldLocation::Query, name, too_many(many));
    }
    let days = values::within(30..=1_000);
    let days = fields.or(FieldLocation::Query, "lookback_days", YEAR_DAYS, days);
    let ids = fields.complete(ids)?;
    if ids.len() < 2 {
        let detail = "At least 2 instruments required";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
    }
    let mut unknown = BTreeSet::new();
    for id in &ids {
        match state.cache().instrument(*id).await {
            Ok(_) => {}
            Err(Error::NotFound { .. }) => _ = unknown.insert(*id),
            Err(error) => return Err(error.into()),
        }
    }
    if !unknown.is_empty() {
        let unknown: Vec<String> = unknown.iter().map(i64::to_string).collect();
        return Err(missing(&format!(
            "Instruments not found: [{}]",
            unknown.join(", ")
        )));
    }
    let question = JointCorrelationQuestion {
        instrument_ids: ids,
        days: u16::try_from(days).unwrap_or(u16::MAX),
    };
    let of = ask(&state, question).await?;
    let unable = |_| missing("Unable to calculate correlation matrix");
    let subjects = of.subjects.iter();
    Ok(Json(MatrixAnswer {
        timestamp: now(&state),
        instrument_ids: subjects.clone().map(|it| it.instrument_id).collect(),
        instrument_symbols: subjects.map(|it| it.symbol.to_string()).collect(),
        correlation_matrix: of.rows.clone().map_err(unable)?,
        eigenvalues: of.eigenvalues.clone().map_err(unable)?,
        condition_number: of.condition_number.ok(),
        analysis_period_days: of.returns,
        requested_lookback_days: days,
    }))
}

fn too_many(given: usize) -> Fault {
    let msg =
        format!("List should have at most {INSTRUMENTS_MAX} items after validation, not {given}");
    let fault = Fault::new("too_long", msg).with("field_type", "List");
    fault
        .with("max_length", INSTRUMENTS_MAX)
        .with("actual_length", given)
}
