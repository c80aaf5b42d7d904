//! `GET /api/market-data/snapshot`: where instruments stand, for lists of prices.

use axum::extract::State;

use super::{LATEST_MAX, ids};
use crate::api::error::{ApiError, ReadErrors};
use crate::api::extract::Query;
use crate::api::state::ApiState;
use crate::api::types::{LatestQuery, PriceSnapshot, PriceSnapshots};
use crate::services::historical_data::days;

/// The newest price of each instrument, and its day
///
/// The day is that of the newest tick, in UTC; of an instrument without ticks it is that of its
/// newest bar.
#[utoipa::path(
    get,
    path = "/api/market-data/snapshot",
    tag = "market data",
    params(LatestQuery),
    responses((status = 200, body = PriceSnapshots), ReadErrors)
)]
pub(super) async fn snapshot(
    State(state): State<ApiState>,
    Query(query): Query<LatestQuery>,
) -> Result<axum::Json<PriceSnapshots>, ApiError> {
    let cache = state.cache();
    let days = match query.instrument_ids.as_deref().map(ids).transpose()? {
        Some(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            days(state.reads(), cache, &ids).await?
        }
        None => {
            let ids = cache.instrument_ids(LATEST_MAX).await?;
            days(state.reads(), cache, &ids).await?
        }
    };
    Ok(axum::Json(PriceSnapshots {
        snapshots: days.iter().map(PriceSnapshot::new).collect(),
    }))
}
