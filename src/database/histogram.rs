//! Histograms of durations that many threads record into without a lock.
//!
//! Log-linear buckets in microseconds: eight to each doubling, so a percentile is at most 12.5 %
//! above the true one; below 16 µs each microsecond has its own.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Values below this have a bucket each.
const LINEAR: u64 = 16;
/// Buckets to each doubling above.
const PER_DOUBLING: u64 = 8;
/// 16 linear buckets, then eight for each of the 36 doublings from 16 µs to 12 days.
const BUCKETS: usize = 16 + 36 * 8;

/// Counts durations.
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

/// The durations recorded so far, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistogramSnapshot {
    /// How many were recorded.
    pub count: u64,
    /// Their sum.
    pub sum_us: u64,
    /// Half of them were at most this long (at most 12.5 % too high, as all percentiles here).
    pub p50_us: u64,
    /// 95 % were at most this long.
    pub p95_us: u64,
    /// 99 % were at most this long.
    pub p99_us: u64,
    /// The longest, exact.
    pub max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum_us: AtomicU64::new(0),
            max_us: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|b| b.load(Ordering::Relaxed))
            .collect();
        let count: u64 = counts.iter().sum();
        let max_us = self.max_us.load(Ordering::Relaxed);
        let percentile = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let reached = counts.iter().position(|n| {
                seen += n;
                seen >= rank
            });
            reached.map_or(0, |index| upper_bound(index).min(max_us))
        };
        HistogramSnapshot {
            count,
            sum_us: self.sum_us.load(Ordering::Relaxed),
            p50_us: percentile(50),
            p95_us: percentile(95),
            p99_us: percentile(99),
            max_us,
        }
    }
}

fn bucket(us: u64) -> usize {
    if us < LINEAR {
        return us as usize;
    }
    let doubling = u64::from(us.ilog2()) - 4;
    let within = (us >> (doubling + 1)) & (PER_DOUBLING - 1);
    ((LINEAR + doubling * PER_DOUBLING + within) as usize).min(BUCKETS - 1)
}

/// The greatest value of a bucket.
fn upper_bound(index: usize) -> u64 {
    let index = index as u64;
    if index < LINEAR {
        return index;
    }
    let (doubling, within) = (
        (index - LINEAR) / PER_DOUBLING,
        (index - LINEAR) % PER_DOUBLING,
    );
    ((PER_DOUBLING + within + 1) << (doubling + 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(
            Histogram::default().snapshot(),
            HistogramSnapshot::default()
        );
    }

    #[test]
    fn percentiles_of_a_known_series_are_within_an_eighth() {
        let histogram = Histogram::default();
        (1..=10_000).for_each(|us| histogram.record(Duration::from_micros(us)));
        let seen = histogram.snapshot();
        assert_eq!(
            (seen.count, seen.max_us, seen.sum_us),
            (10_000, 10_000, 50_005_000)
        );
        for (got, exact) in [
            (seen.p50_us, 5_000),
            (seen.p95_us, 9_500),
            (seen.p99_us, 9_900),
        ] {
            assert!(
                got >= exact && got <= exact + exact / 8,
                "{got} for {exact}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(us in 0_u64..1 << 39) {
            let index = bucket(us);
            prop_assert!(us <= upper_bound(index));
            prop_assert!(index == 0 || us > upper_bound(index - 1));
        }
    }
}
