//! The past of one instrument, as far as its rules read it, and what its newest tick says.
//!
//! It follows ticks; which rules that matches is not its business. All that a batch changes can be
//! taken back: the small parts are copied once, the tapes are cut.
//!
//! Memory: 48 bytes for each price and volume of the longest mean, 16 bytes for each distinct stamp
//! within the longest window (a feed with millisecond stamps writes at most 3.6 million an hour),
//! and what an open batch adds.

use super::lookback::{ChangeWindow, PercentChange, PriceMean, Side, VolumeMean};
use super::need::Parameters;
use super::recent_values::RecentValues;
use super::sum::Units;
use super::threshold_range::ThresholdRange;
use crate::domain::{StoredTick, Trigger};
use crate::timestamp::Timestamp;

/// The past of an instrument.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    now: Now,
    prices: RecentValues<Units>,
    volumes: RecentValues<Units>,
    /// The first price of each stamp: no later one of the same stamp can be a reference.
    stamps: RecentValues<(i64, f64)>,
}

/// What is small.
#[derive(Debug, Clone, Default)]
struct Now {
    /// The stamp of the newest tick.
    newest: Option<Timestamp>,
    /// No tick between this stamp and the newest is missing on `stamps`.
    since: Option<i64>,
    last_price: Option<f64>,
    /// The last price that was not `last_price`: where the price came to it from.
    price_before: Option<f64>,
    tick: TickReading,
    price_means: Vec<PriceMean>,
    volume_means: Vec<VolumeMean>,
    windows: Vec<ChangeWindow>,
}

/// The newest tick's own values, and how it moved the price.
#[derive(Debug, Clone, Copy)]
struct TickReading {
    price: Option<f64>,
    volume: Option<f64>,
    up: ThresholdRange,
    down: ThresholdRange,
}

impl Default for TickReading {
    fn default() -> Self {
        Self {
            price: None,
            volume: None,
            up: ThresholdRange::Nothing,
            down: ThresholdRange::Nothing,
        }
    }
}

/// What is needed to take a batch back.
#[derive(Debug)]
pub(super) struct SavedHistory {
    now: Now,
    ends: [u64; 3],
}

impl History {
    /// Nothing but the stamp before which ticks are late.
    pub(super) fn starting_at(newest: Option<Timestamp>, parameters: &Parameters) -> Self {
        let mut history = Self::default();
        history.now.newest = newest;
        history.configure(parameters);
        history
    }

    /// Follows the means and windows that rules read from now on. Those that it followed before
    /// stay as they are; new ones start with what the tapes hold.
    pub(super) fn configure(&mut self, parameters: &Parameters) {
        let (now, prices, volumes) = (&mut self.now, &self.prices, &self.volumes);
        let old = std::mem::take(&mut now.price_means);
        let kept = |period| old.iter().find(|mean| mean.period == period).copied();
        now.price_means = (parameters.price_periods.iter())
            .map(|period| kept(*period).unwrap_or_else(|| PriceMean::on_tape(*period, prices)))
            .collect();
        let old = std::mem::take(&mut now.volume_means);
        let kept = |period| old.iter().find(|mean| mean.period == period).copied();
        now.volume_means = (parameters.volume_periods.iter())
            .map(|period| kept(*period).unwrap_or_else(|| VolumeMean::on_tape(*period, volumes)))
            .collect();
        if now.windows.is_empty() {
            now.since = None; // The stamps were not followed until now.
        }
        now.windows = (parameters.windows_micros.iter())
            .map(|micros| ChangeWindow::on_tape(*micros, &self.stamps))
            .collect();
    }

    /// Follows a tick. A late one, older than the newest, changes nothing and gives `false`.
    pub(super) fn observe(&mut self, tick: &StoredTick) -> bool {
        if self.is_late(tick) {
            return false;
        }
        let at = tick.timestamp.micros();
        self.now.newest = Some(tick.timestamp);
        self.now.since.get_or_insert(at);
        self.now.tick = TickReading::default();
        self.observe_price(at, tick.price.filter(|price| price.is_finite()));
        self.observe_volume(tick.volume.filter(|volume| volume.is_finite()));
        true
    }

    pub(super) fn is_late(&self, tick: &StoredTick) -> bool {
        self.now
            .newest
            .is_some_and(|newest| tick.timestamp < newest)
    }

    fn observe_price(&mut self, at: i64, price: Option<f64>) {
        let now = &mut self.now;
        let Some(price) = price else {
            now.price_means
                .iter_mut()
                .for_each(|mean| mean.crossed = None);
            now.windows
                .iter_mut()
                .for_each(|window| window.change = None);
            return;
        };
        now.tick.price = Some(price);
        now.follow_price(price);
        if !now.price_means.is_empty() {
            let units = Units::of(price);
            for mean in &mut now.price_means {
                mean.add(units, self.prices.back(mean.period - 1));
            }
            self.prices.push(units);
        }
        for window in &mut now.windows {
            window.read(at, price, &self.stamps);
        }
        if !now.windows.is_empty() && self.stamps.last().is_none_or(|(stamp, _)| stamp < at) {
            self.stamps.push((at, price));
        }
    }

    fn observe_volume(&mut self, volume: Option<f64>) {
        let now = &mut self.now;
        let Some(volume) = volume else {
            // No volume is no observation: the means stay as they are.
            now.volume_means
                .iter_mut()
                .for_each(|mean| mean.reading = None);
            return;
        };
        now.tick.volume = Some(volume);
        if !now.volume_means.is_empty() {
            let units = Units::of(volume);
            for mean in &mut now.volume_means {
                mean.add(volume, units, self.volumes.back(mean.period - 1));
            }
            self.volumes.push(units);
        }
    }

    /// The thresholds of a trigger that the newest tick matches; `place` is that of the trigger's
    /// mean or window.
    pub(super) fn reach(&self, trigger: Trigger, place: usize) -> ThresholdRange {
        let tick = &self.now.tick;
        let of = |value: Option<f64>, reach: fn(f64) -> ThresholdRange| {
            value.map_or(ThresholdRange::Nothing, reach)
        };
        match trigger {
            Trigger::Above => of(tick.price, ThresholdRange::Under),
            Trigger::Below => of(tick.price, ThresholdRange::Over),
            Trigger::Equals => of(tick.price, ThresholdRange::Around),
            Trigger::CrossesAbove => tick.up,
            Trigger::CrossesBelow => tick.down,
            Trigger::CrossesAboveMean(_) => self.crossing(place, Side::Above),
            Trigger::CrossesBelowMean(_) => self.crossing(place, Side::Below),
            Trigger::ChangeUp(_) => of(
                self.change(place)
                    .map(|change| change.percent + change.error),
                ThresholdRange::UpTo,
            ),
            Trigger::ChangeDown(_) => of(
                self.change(place)
                    .map(|change| change.error - change.percent),
                ThresholdRange::UpTo,
            ),
            Trigger::VolumeAbove => of(tick.volume, ThresholdRange::Under),
            Trigger::VolumeAboveMean(_) => of(
                (self.now.volume_means.get(place))
                    .and_then(|mean| mean.reading)
                    .map(|reading| reading.exceeds_under),
                ThresholdRange::Under,
            ),
        }
    }

    fn crossing(&self, place: usize, side: Side) -> ThresholdRange {
        match self.now.price_means.get(place) {
            Some(mean) if mean.crossed == Some(side) => ThresholdRange::Everything,
            _ => ThresholdRange::Nothing,
        }
    }

    fn change(&self, place: usize) -> Option<PercentChange> {
        self.now.windows.get(place)?.change
    }

    /// The value that matched, and what it was compared with.
    pub(super) fn values(&self, trigger: Trigger, place: usize, threshold: f64) -> (f64, f64) {
        let tick = &self.now.tick;
        let [price, volume] = [tick.price, tick.volume].map(Option::unwrap_or_default);
        match trigger {
            Trigger::CrossesAboveMean(_) | Trigger::CrossesBelowMean(_) => {
                let mean = self.now.price_means.get(place);
                (price, mean.map_or(threshold, PriceMean::value))
            }
            Trigger::ChangeUp(_) | Trigger::ChangeDown(_) => (
                self.change(place).map_or(0.0, |change| change.percent),
                threshold,
            ),
            Trigger::VolumeAbove => (volume, threshold),
            Trigger::VolumeAboveMean(_) => {
                let mean = self.now.volume_means.get(place);
                let mean = mean
                    .and_then(|mean| mean.reading)
                    .map(|reading| reading.mean);
                (volume, mean.unwrap_or_default() * threshold)
            }
            _ => (price, threshold),
        }
    }

    /// The price of the newest tick, if it has one.
    pub(super) fn price(&self) -> Option<f64> {
        self.now.tick.price
    }

    /// The stamp of the newest tick.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.now.newest
    }

    /// Nothing older than this stamp is late.
    pub(super) fn not_before(&mut self, newest: Option<Timestamp>) {
        self.now.newest = self.now.newest.max(newest);
    }

    /// The last price, and the last one that was another.
    pub(super) fn last_prices(&self) -> (Option<f64>, Option<f64>) {
        (self.now.last_price, self.now.price_before)
    }

    /// Whether older ticks, if there are any, could change what a mean or a window says.
    pub(super) fn is_unsettled(&self) -> bool {
        let now = &self.now;
        let newest = now.newest.map_or(i64::MIN, Timestamp::micros);
        let reaches = |window: &ChangeWindow| {
            let from = newest.saturating_sub(window.micros);
            now.since.is_some_and(|since| since < from)
        };
        now.price_means
            .iter()
            .any(|mean| !mean.is_full() || mean.side.is_none())
            || now.volume_means.iter().any(|mean| !mean.is_full())
            || !now.windows.iter().all(reaches)
    }

    pub(super) fn save(&self) -> SavedHistory {
        SavedHistory {
            now: self.now.clone(),
            ends: [self.prices.end(), self.volumes.end(), self.stamps.end()],
        }
    }

    pub(super) fn restore(&mut self, saved: SavedHistory) {
        let [prices, volumes, stamps] = saved.ends;
        self.now = saved.now;
        self.prices.take_off_from(prices);
        self.volumes.take_off_from(volumes);
        self.stamps.take_off_from(stamps);
    }

    /// Drops what no rule reads any more; nothing before this can be restored.
    pub(super) fn forget_old(&mut self) {
        let now = &mut self.now;
        let longest = now.price_means.iter().map(|mean| mean.period).max();
        self.prices.keep_newest(longest.unwrap_or(0));
        let longest = now.volume_means.iter().map(|mean| mean.period).max();
        self.volumes.keep_newest(longest.unwrap_or(0));
        let (Some(longest), Some(newest)) = (
            now.windows.iter().map(|window| window.micros).max(),
            now.newest,
        ) else {
            self.stamps.keep_newest(0);
            now.since = None;
            return;
        };
        let from = newest.micros().saturating_sub(longest);
        let first = self.stamps.partition_point(|(stamp, _)| *stamp < from);
        self.stamps.drop_before(first);
        if let Some(since) = &mut now.since {
            *since = (*since).max(from - 1);
        }
    }
}

impl Now {
    fn follow_price(&mut self, price: f64) {
        let Some(from) = self.last_price.replace(price) else {
            return; // The very first price only says where it is.
        };
        if price == from {
            return;
        }
        let came = self.price_before.replace(from);
        if price > from {
            self.tick.up = ThresholdRange::Up {
                from,
                with_from: came.is_some_and(|came| came < from),
                to: price,
            };
        } else {
            self.tick.down = ThresholdRange::Down {
                from,
                with_from: came.is_some_and(|came| came > from),
                to: price,
            };
        }
    }
}
