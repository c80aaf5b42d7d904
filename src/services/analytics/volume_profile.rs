//! The volume by price instead of by time.

use super::missing::{Measured, Missing, enough};
use super::parameters::Buckets;
use crate::domain::Candle;

/// The share of the volume that the value area holds at least.
pub const VALUE_AREA: f64 = 0.7;

/// The volume of a range of prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The lower end of the range.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The volume traded in it.
    pub volume: f64,
}

/// The volume by price.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeProfile {
    /// The ranges, lowest first; one follows on the other.
    pub buckets: Vec<Bucket>,
    /// All volume.
    pub total_volume: f64,
    /// Index of the bucket with the most volume: the point of control.
    pub point_of_control: usize,
    /// Index of the lowest bucket of the value area.
    pub value_area_first: usize,
    /// Index of its highest bucket.
    pub value_area_last: usize,
    /// The volume traded in the value area.
    pub value_area_volume: f64,
}

/// The volume profile: the prices from the lowest low to the highest high in equal buckets, each
/// bar's volume spread evenly over its own range from low to high. (Within a bar nobody knows where
/// it was traded.) When all prices are the same there is one bucket.
///
/// The point of control is the bucket with the most volume, of equals the one nearest the middle,
/// then the lower. The value area begins with it and takes in, again and again, the two buckets
/// above or the two below, whichever hold more (of equals those above; at an end what is left),
/// until it holds [`VALUE_AREA`] of the volume.
///
/// J. P. Steidlmayer, S. B. Hawkins, *Steidlmayer on Markets* (2003), and the *CBOT Market Profile*
/// handbook (1991), for point of control and value area.
///
/// # Errors
/// [`Missing::NotEnough`] without a bar; [`Missing::NoVolume`]; [`Missing::NotFinite`].
pub fn volume_profile(candles: &[Candle], buckets: Buckets) -> Measured<VolumeProfile> {
    enough(candles.len(), 1)?;
    let low = candles
        .iter()
        .map(|candle| candle.low)
        .fold(f64::INFINITY, f64::min);
    let high = candles
        .iter()
        .map(|candle| candle.high)
        .fold(f64::NEG_INFINITY, f64::max);
    let total_volume: f64 = candles.iter().map(|candle| candle.volume).sum();
    if !(high - low).is_finite() || !total_volume.is_finite() {
        return Err(Missing::NotFinite);
    }
    if total_volume <= 0.0 {
        return Err(Missing::NoVolume);
    }
    let mut rows = empty(low, high, buckets);
    for candle in candles {
        spread(&mut rows, candle);
    }
    let point_of_control = busiest(&rows);
    let (first, last) = value_area(&rows, point_of_control, VALUE_AREA * total_volume);
    let value_area_volume = rows[first..=last].iter().map(|row| row.volume).sum();
    Ok(VolumeProfile {
        buckets: rows,
        total_volume,
        point_of_control,
        value_area_first: first,
        value_area_last: last,
        value_area_volume,
    })
}

fn empty(low: f64, high: f64, buckets: Buckets) -> Vec<Bucket> {
    let count = if high > low { buckets.rows() } else { 1 };
    let edge = |at: usize| {
        if at == count {
            high // Exactly, or the highest price would be in none.
        } else {
            low + (high - low) * at as f64 / count as f64
        }
    };
    let row = |at| Bucket {
        low: edge(at),
        high: edge(at + 1),
        volume: 0.0,
    };
    (0..count).map(row).collect()
}

/// Adds a bar's volume to the buckets of its range.
fn spread(rows: &mut [Bucket], candle: &Candle) {
    let range = candle.high - candle.low;
    let first = rows
        .partition_point(|row| row.high <= candle.low)
        .min(rows.len() - 1);
    if range <= 0.0 {
        rows[first].volume += candle.volume;
        return;
    }
    for row in &mut rows[first..] {
        if row.low >= candle.high {
            break;
        }
        let shared = row.high.min(candle.high) - row.low.max(candle.low);
        row.volume += candle.volume * (shared / range);
    }
}

fn busiest(rows: &[Bucket]) -> usize {
    let most = rows.iter().map(|row| row.volume).fold(0.0, f64::max);
    // Twice the distance from the middle, in whole numbers.
    let distance = |at: usize| (2 * at + 1).abs_diff(rows.len());
    let equal = (0..rows.len()).filter(|at| rows[*at].volume == most);
    equal.min_by_key(|at| distance(*at)).unwrap_or(0)
}

fn value_area(rows: &[Bucket], control: usize, wanted: f64) -> (usize, usize) {
    let volume = |rows: &[Bucket]| rows.iter().map(|row| row.volume).sum::<f64>();
    let (mut first, mut last) = (control, control);
    while volume(&rows[first..=last]) < wanted {
        let above = &rows[last + 1..rows.len().min(last + 3)];
        let below = &rows[first.saturating_sub(2)..first];
        if above.is_empty() && below.is_empty() {
            break;
        }
        if below.is_empty() || (!above.is_empty() && volume(above) >= volume(below)) {
            last += above.len();
        } else {
            first -= below.len();
        }
    }
    (first, last)
}
