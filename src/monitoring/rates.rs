//! Rates, from counts at known moments. Moments are of the monotonic clock, so that setting the
//! time of day changes no rate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::snapshot::{Rates, WindowRates};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// Samples nearer to each other are not kept: it bounds them to one per second of the last hour.
const GAP_MIN: Duration = Duration::from_secs(1);
/// Minutes before the last one whose median is the usual rate.
const LEVEL_MINUTES: u32 = 5;
/// The fewest of them that make a usual rate.
// With two, the median would be one of them, burst or not.
const LEVEL_MINUTES_MIN: usize = 3;

/// Counts since the database was opened, at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) at: Instant,
    /// Rows inserted.
    pub(super) inserted: u64,
    /// Ticks among them.
    pub(super) ticks: u64,
    /// Ticks that were late.
    pub(super) late: u64,
    /// Calls that ended, those of monitoring itself left out.
    pub(super) calls: u64,
    /// Calls that ended in an error.
    pub(super) errors: u64,
    /// Calls that were slow.
    pub(super) slow: u64,
}

/// The samples of the last hour, oldest first, and one that is older.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(VecDeque<Sample>);

impl Samples {
    pub(super) fn push(&mut self, sample: Sample) {
        let near = |last: &Sample| sample.at.duration_since(last.at) < GAP_MIN;
        if self.0.back().is_some_and(near) {
            return;
        }
        self.0.push_back(sample);
        let old = |kept: &Sample| sample.at.duration_since(kept.at) >= HOUR;
        while self.0.get(1).is_some_and(old) {
            self.0.pop_front();
        }
    }

    /// The rates up to `now`, which need not be among the samples.
    pub(super) fn rates(&self, now: &Sample) -> Rates {
        let hour = |of: fn(&Sample) -> u64| {
            let before = self.before(now, HOUR).map_or(of(now), of);
            of(now).saturating_sub(before)
        };
        let per_minute = |rates: WindowRates| WindowRates {
            now: rates.now.map(|rate| rate * 60.0),
            one_minute: rates.one_minute.map(|rate| rate * 60.0),
            five_minutes: rates.five_minutes.map(|rate| rate * 60.0),
        };
        Rates {
            insert_rows_per_second: self.windows(now, |sample| sample.inserted),
            insert_rows_per_second_usual: self.usual(now, |sample| sample.inserted),
            late_share: self.late_share(now),
            queries_per_second: self.windows(now, |sample| sample.calls),
            errors_per_minute: per_minute(self.windows(now, |sample| sample.errors)),
            errors_last_hour: hour(|sample| sample.errors),
            slow_queries_last_hour: hour(|sample| sample.slow),
        }
    }

    fn windows(&self, now: &Sample, of: fn(&Sample) -> u64) -> WindowRates {
        let rate = |window| per_second(self.before(now, window)?, now, of);
        WindowRates {
            now: rate(GAP_MIN),
            one_minute: rate(MINUTE),
            five_minutes: rate(5 * MINUTE),
        }
    }

    /// Late ticks among those stored in the last five minutes.
    fn late_share(&self, now: &Sample) -> Option<f64> {
        let before = self.before(now, 5 * MINUTE)?;
        let ticks = now.ticks.saturating_sub(before.ticks);
        let late = now.late.saturating_sub(before.late);
        (ticks > 0).then(|| late as f64 / ticks as f64)
    }

    /// The median of the minutes before the last one: one burst, such as an import, does not move
    /// it.
    fn usual(&self, now: &Sample, of: fn(&Sample) -> u64) -> Option<f64> {
        let minute = |index: u32| {
            let newer = self.reaching(now, MINUTE * index)?;
            let older = self.reaching(now, MINUTE * (index + 1))?;
            per_second(older, newer, of)
        };
        let mut minutes: Vec<f64> = (1..=LEVEL_MINUTES).map_while(minute).collect();
        if minutes.len() < LEVEL_MINUTES_MIN {
            return None;
        }
        minutes.sort_by(f64::total_cmp);
        minutes.get(minutes.len() / 2).copied()
    }

    /// The newest sample that is at least so old.
    fn reaching(&self, now: &Sample, age: Duration) -> Option<&Sample> {
        let old = |sample: &&Sample| now.at.duration_since(sample.at) >= age;
        self.0.iter().rev().find(old)
    }

    /// The newest sample that is at least so old, else the oldest that there is.
    fn before(&self, now: &Sample, age: Duration) -> Option<&Sample> {
        self.reaching(now, age).or(self.0.front())
    }

    /// True when the samples reach back over a whole window.
    pub(super) fn know(&self, now: &Sample, age: Duration) -> bool {
        self.reaching(now, age).is_some()
    }
}

fn per_second(older: &Sample, newer: &Sample, of: fn(&Sample) -> u64) -> Option<f64> {
    let seconds = newer.at.duration_since(older.at).as_secs_f64();
    let count = of(newer).saturating_sub(of(older));
    (seconds > 0.0).then(|| count as f64 / seconds)
}

#[cfg(test)]
mod tests;
