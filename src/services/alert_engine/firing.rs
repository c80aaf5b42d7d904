//! What evaluation gives: which rule fired on which tick, and how that is written down.

use std::sync::Arc;
use std::time::Duration;

use super::rule::RuleText;
use crate::domain::{DeliveryStatus, FiredStatus, InstrumentStatus, PriceDecimals, Symbol};
use crate::models::{Instrument, NewAlertLog};
use crate::timestamp::Timestamp;

/// What the engine needs to know of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedInstrument {
    /// Its number.
    pub id: i64,
    /// The name in messages of rules that have none.
    pub symbol: Symbol,
    /// The places to which messages round its prices, and half of whose last one `equals` forgives;
    /// without them both take all digits.
    pub price_decimals: Option<PriceDecimals>,
    /// Whether its rules are evaluated. If not, its ticks are followed all the same.
    pub is_watched: bool,
    /// A tick older than this is late, whatever else the engine knows.
    pub last_tick: Option<Timestamp>,
}

impl From<&Instrument> for WatchedInstrument {
    /// A stored instrument; rules of an inactive or deleted one are not evaluated.
    fn from(row: &Instrument) -> Self {
        Self {
            id: row.id,
            symbol: row.symbol.clone(),
            price_decimals: row.price_decimals,
            is_watched: row.status != InstrumentStatus::Inactive && row.deleted_at.is_none(),
            last_tick: row.last_tick,
        }
    }
}

/// A rule that fired on a tick.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Firing {
    pub(super) rule: Arc<RuleText>,
    pub(super) instrument: Arc<WatchedInstrument>,
    /// Time of the tick.
    pub timestamp: Timestamp,
    /// Source of the tick.
    pub source_id: i64,
    /// Number of the tick within its stamp and source.
    pub sequence: i64,
    /// The value that matched: the price, the change in percent or the volume.
    pub trigger_value: f64,
    /// What it was compared with: the threshold, the mean of the prices, or the threshold times
    /// the mean of the volumes. None for a multi-condition rule.
    pub threshold_value: Option<f64>,
}

impl Firing {
    /// The rule.
    #[must_use]
    pub fn rule_id(&self) -> i64 {
        self.rule.rule_id
    }

    /// The instrument.
    #[must_use]
    pub fn instrument_id(&self) -> i64 {
        self.instrument.id
    }

    /// The word of the rule's condition; the expression of a multi-condition rule.
    #[must_use]
    pub fn condition(&self) -> &str {
        &self.rule.condition_text
    }

    /// The alert to store.
    #[must_use]
    pub fn alert_log(&self, evaluation_time_us: i64) -> NewAlertLog {
        NewAlertLog {
            timestamp: self.timestamp,
            source_id: self.source_id,
            sequence: self.sequence,
            rule_id: self.rule_id(),
            instrument_id: self.instrument_id(),
            trigger_value: finite(self.trigger_value),
            threshold_value: self.threshold_value.map(finite),
            fired_status: FiredStatus::Fired,
            delivery_status: DeliveryStatus::Pending,
            evaluation_time_us,
            rule_condition: self.condition().to_owned(),
            alert_message: self.message(),
            error_message: None,
        }
    }
}

/// The value, or the nearest one that a database keeps: a change in percent from a price next to
/// zero can be larger than any number.
fn finite(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

/// What became of a batch of ticks.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Firings {
    /// What fired, in the order of the ticks, and by the id of the rule within a tick.
    pub fired: Vec<Firing>,
    /// Ticks of watched instruments that were not late.
    pub evaluated: u64,
    /// Ticks older than the newest of their instrument: they evaluate nothing.
    pub late: u64,
    /// Matches that a cooldown held back, exactly.
    pub suppressed: u64,
    /// How long evaluating took.
    pub elapsed: Duration,
}

impl Firings {
    /// The mean time that a tick of the batch took with all rules of its instrument, in
    /// microseconds, rounded up. Rules are matched together, so one rule has no time of its own.
    #[must_use]
    pub fn evaluation_time_us(&self) -> i64 {
        let ticks = u128::from(self.evaluated.max(1));
        let micros = self.elapsed.as_nanos().div_ceil(ticks * 1_000);
        i64::try_from(micros).unwrap_or(i64::MAX)
    }

    /// The alerts to store.
    pub fn alert_logs(&self) -> impl Iterator<Item = NewAlertLog> + '_ {
        let micros = self.evaluation_time_us();
        self.fired
            .iter()
            .map(move |firing| firing.alert_log(micros))
    }

    /// The stamp of the last firing of each rule that fired, by rule: what `last_triggered`
    /// becomes.
    #[must_use]
    pub fn last_triggered(&self) -> Vec<(i64, Timestamp)> {
        let of_all = self
            .fired
            .iter()
            .map(|firing| (firing.rule_id(), firing.timestamp));
        let mut last: Vec<(i64, Timestamp)> = of_all.collect();
        // The latest of a rule comes first, and stays.
        last.sort_unstable_by_key(|(rule, at)| (*rule, std::cmp::Reverse(*at)));
        last.dedup_by_key(|(rule, _)| *rule);
        last
    }
}
