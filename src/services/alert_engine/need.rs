//! How much of the past rules need to be evaluated as if they had always run.

use std::collections::BTreeSet;

use crate::domain::Trigger;

/// The past that a set of rules needs before its next tick: the newest ticks that hold all of it.
///
/// It is what a loader fetches first. Two questions can need more, and only a look at the ticks
/// tells: [`Evaluator::is_unsettled`](super::Evaluator::is_unsettled).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryNeed {
    /// So many of the newest ticks with a price: the longest mean of prices; 2 for a crossing of
    /// a threshold.
    pub prices: usize,
    /// So many of the newest ticks with a volume: the longest mean of volumes.
    pub volumes: usize,
    /// All ticks of so many seconds before the newest: the longest window.
    pub window_seconds: i64,
}

impl HistoryNeed {
    /// The need of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            prices: self.prices.max(other.prices),
            volumes: self.volumes.max(other.volumes),
            window_seconds: self.window_seconds.max(other.window_seconds),
        }
    }

    /// Whether no tick of the past matters.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    pub(super) fn of_triggers<'a>(triggers: impl Iterator<Item = &'a Trigger>) -> Self {
        triggers.fold(Self::default(), |need, trigger| {
            need.and(Self::of(*trigger))
        })
    }

    fn of(trigger: Trigger) -> Self {
        let mut need = Self::default();
        match trigger {
            Trigger::Above | Trigger::Below | Trigger::Equals | Trigger::VolumeAbove => {}
            Trigger::CrossesAbove | Trigger::CrossesBelow => need.prices = 2,
            Trigger::CrossesAboveMean(period) | Trigger::CrossesBelowMean(period) => {
                need.prices = period;
            }
            Trigger::ChangeUp(micros) | Trigger::ChangeDown(micros) => {
                need.window_seconds = micros / 1_000_000;
            }
            Trigger::VolumeAboveMean(period) => need.volumes = period,
        }
        need
    }
}

/// The means and windows that a set of triggers reads, each once, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) price_periods: Vec<usize>,
    pub(super) volume_periods: Vec<usize>,
    pub(super) windows_micros: Vec<i64>,
}

impl Parameters {
    pub(super) fn of<'a>(triggers: impl Iterator<Item = &'a Trigger>) -> Self {
        let [mut prices, mut volumes] = [BTreeSet::new(), BTreeSet::new()];
        let mut windows = BTreeSet::new();
        for trigger in triggers {
            match *trigger {
                Trigger::CrossesAboveMean(period) | Trigger::CrossesBelowMean(period) => {
                    prices.insert(period);
                }
                Trigger::VolumeAboveMean(period) => {
                    volumes.insert(period);
                }
                Trigger::ChangeUp(micros) | Trigger::ChangeDown(micros) => {
                    windows.insert(micros);
                }
                _ => {}
            }
        }
        Self {
            price_periods: prices.into_iter().collect(),
            volume_periods: volumes.into_iter().collect(),
            windows_micros: windows.into_iter().collect(),
        }
    }

    /// The place of a trigger's mean or window in its list.
    pub(super) fn place(&self, trigger: Trigger) -> usize {
        let place = match trigger {
            Trigger::CrossesAboveMean(period) | Trigger::CrossesBelowMean(period) => {
                self.price_periods.binary_search(&period)
            }
            Trigger::VolumeAboveMean(period) => self.volume_periods.binary_search(&period),
            Trigger::ChangeUp(micros) | Trigger::ChangeDown(micros) => {
                self.windows_micros.binary_search(&micros)
            }
            _ => Ok(0),
        };
        place.unwrap_or_default()
    }
}
