//! The volume by price as the API writes it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{ExtentBody, PERCENT_PLACES, RoundedFigures, Unavailable};
use crate::api::types::{Rounding, quantity, rounded};
use crate::services::analytics_engine::VolumeAnswer;

/// The volume of a range of prices.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VolumeBucket)]
struct BucketBody {
    price_low: f64,
    price_high: f64,
    volume: f64,
}

/// The volume by price.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VolumeProfile)]
pub(in crate::api) struct VolumeProfileAnswerBody {
    instrument_id: i64,
    instrument_symbol: String,
    #[serde(flatten)]
    extent: ExtentBody,
    #[serde(serialize_with = "quantity")]
    total_volume: Option<f64>,
    /// The middle of the bucket with the most volume.
    point_of_control: Option<f64>,
    /// The lower end of the value area: buckets around it with 70 % of the volume.
    value_area_low: Option<f64>,
    value_area_high: Option<f64>,
    value_area_volume: Option<f64>,
    /// Lowest first.
    buckets: Vec<BucketBody>,
    /// Each figure that is null, and why.
    unavailable: Vec<Unavailable>,
}

impl From<VolumeAnswer> for VolumeProfileAnswerBody {
    fn from(of: VolumeAnswer) -> Self {
        let rounding = Rounding::from(of.subject.price_decimals);
        let price = |price: f64| rounding.price(Some(price)).unwrap_or(price);
        let mut figures = RoundedFigures::new(rounding);
        let profile = figures.any("total_volume", of.profile);
        let profile = profile.as_ref();
        let control = profile.map(|of| of.buckets[of.point_of_control]);
        let buckets = profile.into_iter().flat_map(|of| &of.buckets);
        let body = buckets.map(|bucket| BucketBody {
            price_low: price(bucket.low),
            price_high: price(bucket.high),
            volume: rounded(bucket.volume, PERCENT_PLACES),
        });
        Self {
            instrument_id: of.subject.instrument_id,
            instrument_symbol: of.subject.symbol.to_string(),
            extent: of.extent.into(),
            total_volume: profile.map(|of| of.total_volume),
            point_of_control: control.map(|bucket| price(f64::midpoint(bucket.low, bucket.high))),
            value_area_low: profile.map(|of| price(of.buckets[of.value_area_first].low)),
            value_area_high: profile.map(|of| price(of.buckets[of.value_area_last].high)),
            value_area_volume: profile.map(|of| rounded(of.value_area_volume, PERCENT_PLACES)),
            buckets: body.collect(),
            unavailable: figures.unavailable,
        }
    }
}
