//! Histograms of durations that many threads record into without a lock.
//!
//! Log-linear buckets in microseconds: eight to each doubling, so a percentile is at most 12.5 %
//! above the true one; below 16 µs each microsecond has its own. What was recorded between two
//! moments is the difference of their counts.

use std::fmt;
use std::sync::Arc;
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

/// Durations in short, in microseconds.
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

/// The durations recorded up to one moment, bucket by bucket. A clone shares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramCounts {
    /// The bucket of the first count; those outside hold nothing.
    first: usize,
    counts: Arc<[u64]>,
    sum_us: u64,
    max_us: u64,
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
        self.counts().summary().fmt(f)
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

    /// All that was recorded so far.
    pub(crate) fn counts(&self) -> HistogramCounts {
        let counts = std::array::from_fn(|index| self.buckets[index].load(Ordering::Relaxed));
        HistogramCounts::new(
            &counts,
            self.sum_us.load(Ordering::Relaxed),
            self.max_us.load(Ordering::Relaxed),
        )
    }
}

impl HistogramCounts {
    fn new(buckets: &[u64; BUCKETS], sum_us: u64, max_us: u64) -> Self {
        let used = |count: &u64| *count > 0;
        let first = buckets.iter().position(used).unwrap_or(0);
        let end = buckets.iter().rposition(used).map_or(0, |last| last + 1);
        Self {
            first,
            counts: buckets[first..end].into(),
            sum_us,
            max_us,
        }
    }

    /// How many were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The longest: exact when counted from the beginning, else at most 12.5 % too high.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// What was recorded after `earlier`, which is an older state of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let left = self.combine(earlier, u64::saturating_sub);
        let sum_us = self.sum_us.saturating_sub(earlier.sum_us);
        let window = Self::new(&left, sum_us, 0);
        let longest = window.last_used().map_or(0, upper_bound);
        Self {
            max_us: longest.min(self.max_us),
            ..window
        }
    }

    /// What was recorded here and in `other`.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        Self::new(
            &self.combine(other, u64::saturating_add),
            self.sum_us.saturating_add(other.sum_us),
            self.max_us.max(other.max_us),
        )
    }

    /// Count, sum and percentiles.
    #[must_use]
    pub fn summary(&self) -> HistogramSnapshot {
        let count = self.count();
        HistogramSnapshot {
            count,
            sum_us: self.sum_us,
            p50_us: self.percentile(count, 50),
            p95_us: self.percentile(count, 95),
            p99_us: self.percentile(count, 99),
            max_us: self.max_us,
        }
    }

    /// How many took at most this long: the count of Prometheus' bucket `le`. Exact at the
    /// [bounds](HistogramCounts::bounds_us); between two of them it is that of the lower one.
    #[must_use]
    pub fn count_at_most(&self, us: u64) -> u64 {
        if us >= self.max_us {
            return self.count();
        }
        let buckets = self.counts.iter().enumerate();
        let within = buckets.take_while(|(index, _)| upper_bound(self.first + index) <= us);
        within.map(|(_, count)| count).sum()
    }

    /// The upper bounds of the buckets, ascending; among them 2^n - 1 for every n up to 40.
    pub fn bounds_us() -> impl Iterator<Item = u64> {
        (0..BUCKETS).map(upper_bound)
    }

    fn percentile(&self, count: u64, percent: u64) -> u64 {
        let rank = (count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = self.counts.iter().position(|n| {
            seen += n;
            seen >= rank
        });
        reached.map_or(0, |index| upper_bound(self.first + index).min(self.max_us))
    }

    fn last_used(&self) -> Option<usize> {
        let last = self.counts.len().checked_sub(1)?;
        Some(self.first + last)
    }

    fn combine(&self, other: &Self, with: fn(u64, u64) -> u64) -> [u64; BUCKETS] {
        std::array::from_fn(|index| with(self.at(index), other.at(index)))
    }

    fn at(&self, index: usize) -> u64 {
        let place = index.checked_sub(self.first);
        let count = place.and_then(|place| self.counts.get(place));
        count.copied().unwrap_or(0)
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

    fn of(values: &[u64]) -> Histogram {
        let histogram = Histogram::default();
        let durations = values.iter().map(|us| Duration::from_micros(*us));
        durations.for_each(|duration| histogram.record(duration));
        histogram
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        let counts = Histogram::default().counts();
        assert_eq!(counts, HistogramCounts::default());
        assert_eq!(counts.summary(), HistogramSnapshot::default());
    }

    #[test]
    fn percentiles_of_a_known_series_are_within_an_eighth() {
        let seen = of(&(1..=10_000).collect::<Vec<_>>()).counts().summary();
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

    #[test]
    fn a_window_of_nothing_is_empty_and_has_no_longest() {
        let counts = of(&[5, 700]).counts();
        assert_eq!(counts.since(&counts), HistogramCounts::default());
    }

    fn durations() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(0_u64..1 << 39, 0..60)
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(us in 0_u64..1 << 39) {
            let index = bucket(us);
            prop_assert!(us <= upper_bound(index));
            prop_assert!(index == 0 || us > upper_bound(index - 1));
        }

        #[test]
        fn a_window_holds_what_came_in_it(before in durations(), within in durations()) {
            let histogram = of(&before);
            let earlier = histogram.counts();
            within.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
            let window = histogram.counts().since(&earlier);
            let alone = of(&within).counts();
            prop_assert_eq!(&window.counts, &alone.counts);
            prop_assert_eq!((window.first, window.sum_us), (alone.first, alone.sum_us));
            let (got, exact) = (window.max_us(), alone.max_us());
            prop_assert!(got >= exact && got <= exact + exact / 8, "{} for {}", got, exact);
        }

        #[test]
        fn merging_is_recording_into_one(a in durations(), b in durations()) {
            let both = of(&[a.clone(), b.clone()].concat()).counts();
            prop_assert_eq!(of(&a).counts().merge(&of(&b).counts()), both);
        }

        #[test]
        fn cumulative_counts_are_exact_at_the_bounds(values in durations()) {
            let counts = of(&values).counts();
            for bound in HistogramCounts::bounds_us() {
                let exact = values.iter().filter(|us| **us <= bound).count() as u64;
                prop_assert_eq!(counts.count_at_most(bound), exact);
            }
            prop_assert_eq!(counts.count_at_most(u64::MAX), counts.count());
        }

        #[test]
        fn a_newer_state_as_the_earlier_one_saturates(a in durations(), b in durations()) {
            let histogram = of(&a);
            let older = histogram.counts();
            b.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
            prop_assert_eq!(older.since(&histogram.counts()).count(), 0);
        }
    }
}
