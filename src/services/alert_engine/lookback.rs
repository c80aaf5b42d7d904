//! What a tick says about the means and windows of its instrument: on which side of its mean the
//! price is, how large the volume is beside its mean, how far the price moved within a window.

use super::recent_values::RecentValues;
use super::sum::{Sum, Units};

/// Above or below a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Above,
    Below,
}

/// The mean of the newest `period` prices, the tick's own included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PriceMean {
    pub(super) period: usize,
    sum: Sum,
    /// Prices summed so far, up to `period`.
    count: usize,
    /// Where the price was last; equality keeps it. None before the first side.
    pub(super) side: Option<Side>,
    /// The side that the newest tick came to, if it came from the other one.
    pub(super) crossed: Option<Side>,
}

impl PriceMean {
    /// As if it had followed the prices on the tape.
    pub(super) fn on_tape(period: usize, prices: &RecentValues<Units>) -> Self {
        let mut mean = Self {
            period,
            sum: Sum::default(),
            count: 0,
            side: None,
            crossed: None,
        };
        for position in prices.start()..prices.end() {
            let leaving = position.checked_sub(period as u64);
            if let Some(price) = prices.get(position) {
                mean.add(price, leaving.and_then(|at| prices.get(at)));
            }
        }
        mean.crossed = None;
        mean
    }

    /// Follows a price; `leaving` is the price `period` places before it.
    pub(super) fn add(&mut self, price: Units, leaving: Option<Units>) {
        self.sum.add(price);
        match leaving {
            Some(leaving) => self.sum.remove(leaving),
            None => self.count += 1,
        }
        self.crossed = None;
        if !self.is_full() {
            return;
        }
        let excess = self.sum.excess_of(price, self.period);
        let side = match excess {
            0.0 => return,
            _ if excess > 0.0 => Side::Above,
            _ => Side::Below,
        };
        self.crossed = self.side.filter(|before| *before != side).map(|_| side);
        self.side = Some(side);
    }

    pub(super) fn is_full(&self) -> bool {
        self.count == self.period
    }

    pub(super) fn value(&self) -> f64 {
        self.sum.mean(self.period)
    }
}

/// The mean of the `period` volumes before the tick's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VolumeMean {
    pub(super) period: usize,
    sum: Sum,
    count: usize,
    /// The newest tick's volume beside the mean, if the tick has one and the mean is full.
    pub(super) reading: Option<VolumeReading>,
}

/// A volume beside its mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VolumeReading {
    /// The volume exceeds every multiple of the mean below this one.
    pub(super) exceeds_under: f64,
    pub(super) mean: f64,
}

/// By how much a multiple must be exceeded, relative to it: what decimals lose as doubles on the
/// way. So a volume of 0.6 is not more than 3 times a mean of 0.2.
const RATIO_ERROR: f64 = 4.0 * f64::EPSILON;

impl VolumeMean {
    /// As if it had followed the volumes on the tape.
    pub(super) fn on_tape(period: usize, volumes: &RecentValues<Units>) -> Self {
        let count = period.min(volumes.len());
        let newest = (0..count).filter_map(|back| volumes.back(back));
        Self {
            period,
            sum: Sum::of(newest),
            count,
            reading: None,
        }
    }

    /// Compares a volume with those before it, then counts it among them; `leaving` is the
    /// volume `period` places before it.
    #[allow(clippy::cast_precision_loss)] // A period is at most 1,000.
    pub(super) fn add(&mut self, volume: f64, units: Units, leaving: Option<Units>) {
        self.reading = self.is_full().then(|| {
            let mean = self.sum.mean(self.period);
            let exceeds_under = if mean == 0.0 {
                // Every multiple of nothing is nothing.
                if volume > 0.0 {
                    f64::INFINITY
                } else {
                    f64::NEG_INFINITY
                }
            } else {
                volume * self.period as f64 / self.sum.to_f64() * (1.0 - RATIO_ERROR)
            };
            VolumeReading {
                exceeds_under,
                mean,
            }
        });
        self.sum.add(units);
        match leaving {
            Some(leaving) => self.sum.remove(leaving),
            None => self.count += 1,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.count == self.period
    }
}

/// The window of a rate of change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChangeWindow {
    pub(super) micros: i64,
    /// The position of the earliest stamp that was in the window of the newest tick.
    pub(super) first: u64,
    /// The newest tick's change, if it has one.
    pub(super) change: Option<PercentChange>,
}

/// A change in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PercentChange {
    pub(super) percent: f64,
    /// What decimals lose as doubles on the way: a change counts as having reached a threshold
    /// when no more than this is lacking. So 1656.4 after 1640 is a change of 1 %.
    pub(super) error: f64,
}

impl ChangeWindow {
    pub(super) fn on_tape(micros: i64, stamps: &RecentValues<(i64, f64)>) -> Self {
        Self {
            micros,
            first: stamps.start(),
            change: None,
        }
    }

    /// Compares a price with the earliest one in its window.
    pub(super) fn read(&mut self, at: i64, price: f64, stamps: &RecentValues<(i64, f64)>) {
        let from = at.saturating_sub(self.micros);
        self.first = self.first.max(stamps.start());
        while stamps
            .get(self.first)
            .is_some_and(|(stamp, _)| stamp < from)
        {
            self.first += 1;
        }
        self.change = stamps
            .get(self.first)
            .and_then(|(_, reference)| change(price, reference));
    }
}

fn change(price: f64, reference: f64) -> Option<PercentChange> {
    if reference == 0.0 {
        return None;
    }
    let percent = (price - reference) / reference * 100.0;
    let sizes = 100.0 * (price.abs() / reference.abs() + 1.0) + percent.abs();
    let error = sizes * 2.0 * f64::EPSILON;
    (percent.is_finite() && error.is_finite()).then_some(PercentChange { percent, error })
}
