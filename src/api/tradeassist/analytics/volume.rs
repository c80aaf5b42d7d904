//! The volume by price.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::engine::{AnswerHead, ask, instrument, missing, price};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;
use crate::services::analytics::Buckets;
use crate::services::analytics_engine::{AnalysisWindow, VolumeQuestion};

#[derive(Debug, Serialize)]
pub(super) struct VolumeByPriceAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    analysis_period_hours: u32,
    point_of_control: f64,
    value_area_high: f64,
    value_area_low: f64,
    total_volume: i64,
    /// The edges of the ranges: one more than there are volumes.
    price_levels: Vec<f64>,
    volume_at_price: Vec<i64>,
    price_bins: usize,
}

pub(super) async fn profile(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<VolumeByPriceAnswer>, Refusal> {
    let body = FieldLocation::Body;
    let id = fields.required(body, "instrument_id", values::integer);
    let hours = fields.or(body, "lookback_hours", 24, values::within(1..=168));
    let bins = fields.or(body, "price_bins", 100, values::within(10..=1_000));
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    let lookback_hours = u32::try_from(hours).unwrap_or(u32::MAX);
    let question = VolumeQuestion {
        instrument_id: id,
        window: AnalysisWindow::new(lookback_hours, None)?,
        // So many edges have one range less between them.
        buckets: Buckets::new(u32::try_from(bins - 1).unwrap_or(u32::MAX))?,
    };
    let of = ask(&state, question).await?;
    let unable = || missing("Unable to generate volume profile");
    let profile = of.profile.as_ref().map_err(|_| unable())?;
    let buckets = &profile.buckets;
    let control = buckets[profile.point_of_control];
    let first = buckets.first().map(|bucket| bucket.low);
    let edges = first
        .into_iter()
        .chain(buckets.iter().map(|bucket| bucket.high));
    let price_levels: Vec<f64> = edges.map(price).collect();
    Ok(Json(VolumeByPriceAnswer {
        head: AnswerHead::new(&state, &instrument),
        analysis_period_hours: lookback_hours,
        point_of_control: price(f64::midpoint(control.low, control.high)),
        value_area_high: price(buckets[profile.value_area_last].high),
        value_area_low: price(buckets[profile.value_area_first].low),
        total_volume: whole(profile.total_volume),
        volume_at_price: buckets.iter().map(|bucket| whole(bucket.volume)).collect(),
        price_bins: price_levels.len(),
        price_levels,
    }))
}

/// Volumes of this contract are whole numbers.
fn whole(volume: f64) -> i64 {
    volume.round_ties_even() as i64
}
