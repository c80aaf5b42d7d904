//! What trades cost, from stored quotes.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::engine::{AnswerHead, engine, instrument, missing};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;

#[derive(Debug, Serialize)]
pub(super) struct MicrostructureAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    analysis_period_minutes: u32,
    microstructure_metrics: CostFigures,
}

#[derive(Debug, Serialize)]
struct CostFigures {
    bid_ask_spread: f64,
    market_impact: f64,
    order_flow_imbalance: f64,
    effective_spread: f64,
    price_improvement: f64,
    fill_rate: f64,
}

pub(super) async fn costs(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<MicrostructureAnswer>, Refusal> {
    let id = fields.id("instrument_id");
    let minutes = values::within(5..=1_440);
    let minutes = fields.or(FieldLocation::Query, "lookback_minutes", 60, minutes);
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
    let found = engine(&state)?.microstructure_async(id, minutes).await?;
    let of = found.map_err(|_| missing("Unable to calculate market microstructure"))?;
    Ok(Json(MicrostructureAnswer {
        head: AnswerHead::new(&state, &instrument),
        analysis_period_minutes: minutes,
        microstructure_metrics: CostFigures {
            bid_ask_spread: of.quoted_spread,
            market_impact: of.price_impact,
            order_flow_imbalance: of.order_imbalance,
            effective_spread: of.effective_spread,
            price_improvement: of.price_improvement,
            fill_rate: of.share_within_quotes,
        },
    }))
}
