//! Settings of monitoring: how often it looks, what it remembers, and from which values on it
//! raises an alert.
//!
//! Owns the values, their defaults with reasons, and their limits. Where they come from is in
//! `settings`; what is compared with them is in `monitoring`.

use std::time::Duration;

use serde::Deserialize;

use super::limits::within;
use super::read::{millis, seconds};
use crate::error::{Error, Result};

/// All settings of monitoring.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MonitoringConfig {
    /// Time between two rounds, 1 s to 1 h. Default 30 s.
    #[serde(rename = "interval_seconds", deserialize_with = "seconds")]
    pub interval: Duration,
    /// Snapshots that are kept, 2 to 100,000; older ones go. Default 1,000: more than 8 hours of
    /// the default interval, some 10 MB.
    pub history_snapshots_max: usize,
    /// How long the probe of each round, a fresh connection, may take, 100 ms to 60 s. Default 5 s.
    #[serde(rename = "probe_timeout_ms", deserialize_with = "millis")]
    pub probe_timeout: Duration,
    /// Rounds in a row that a value must be past a threshold before the alert is raised, 1 to 100.
    /// Default 2: a burst within one round is no alert. A failed probe is raised at once.
    pub raise_rounds: u32,
    /// Rounds in a row that a value must be back before the alert is cleared, 1 to 100. Default 2.
    pub clear_rounds: u32,
    /// Share of its threshold below which a value must fall to be back, 0.1 to 1. Default 0.9: a
    /// value that hangs about its threshold raises one alert, not many.
    pub clear_share: f64,
    /// Connections lent, as a share of base + overflow, from which on an alert is raised. Default
    /// 0.70. In each upper threshold `f64::INFINITY` (`inf` in the file) switches a level off, in
    /// each lower one 0.
    pub pool_utilization_warning: f64,
    /// The critical level of it. Default 0.85.
    pub pool_utilization_critical: f64,
    /// Time of 95 % of the calls of a round, all operations together, in milliseconds. Default 100.
    pub query_ms_warning: f64,
    /// The critical level of it. Default 500.
    pub query_ms_critical: f64,
    /// Calls that a round must have seen before their times are judged. Default 20: 95 % of fewer
    /// calls is the slowest single one.
    pub query_calls_min: u64,
    /// Time in which 95 % of the callers of a round got their connection, in milliseconds. Default
    /// 50.
    pub acquire_ms_warning: f64,
    /// The critical level of it. Default 200.
    pub acquire_ms_critical: f64,
    /// Rows inserted per second over the last minute, below which a feed that must never rest is
    /// taken for ill. Default 0, which is off.
    pub insert_rate_floor_warning: f64,
    /// The critical level of it. Default 0, which is off.
    pub insert_rate_floor_critical: f64,
    /// Rows inserted per second over the last minute, as a share of the usual rate: the median of
    /// the 5 minutes before. Default 0.5.
    pub insert_rate_drop_warning: f64,
    /// The critical level of it. Default 0.2.
    pub insert_rate_drop_critical: f64,
    /// The usual rows per second from which on a drop is judged. Default 10: a feed that is quiet
    /// anyway cannot drop.
    pub insert_rate_drop_usual_min: f64,
    /// Ticks stored late in the last 5 minutes, as a share of those stored. Default `inf`, which is
    /// off: an import of old ticks is late as a whole.
    pub late_share_warning: f64,
    /// The critical level of it. Default `inf`, which is off.
    pub late_share_critical: f64,
    /// Bytes of SQLite's WAL. Default 512 MiB: twice the size past which the writer begins it anew,
    /// unless a reader does not end.
    pub wal_bytes_warning: f64,
    /// The critical level of it. Default 2 GiB.
    pub wal_bytes_critical: f64,
    /// Rows that wait for the writer, as a share of the queue's bound. Default 0.5.
    pub write_queue_warning: f64,
    /// The critical level of it. Default 0.9.
    pub write_queue_critical: f64,
    /// Calls per minute that ended in an error. Default 30.
    pub errors_per_minute_warning: f64,
    /// The critical level of it. Default 300.
    pub errors_per_minute_critical: f64,
}

/// The two levels of a threshold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threshold {
    /// From here on somebody should look at it.
    pub(crate) warning: f64,
    /// From here on somebody must.
    pub(crate) critical: f64,
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        const MIB: f64 = 1_048_576.0;
        Self {
            interval: Duration::from_secs(30),
            history_snapshots_max: 1_000,
            probe_timeout: Duration::from_secs(5),
            raise_rounds: 2,
            clear_rounds: 2,
            clear_share: 0.9,
            pool_utilization_warning: 0.70,
            pool_utilization_critical: 0.85,
            query_ms_warning: 100.0,
            query_ms_critical: 500.0,
            query_calls_min: 20,
            acquire_ms_warning: 50.0,
            acquire_ms_critical: 200.0,
            insert_rate_floor_warning: 0.0,
            insert_rate_floor_critical: 0.0,
            insert_rate_drop_warning: 0.5,
            insert_rate_drop_critical: 0.2,
            insert_rate_drop_usual_min: 10.0,
            late_share_warning: f64::INFINITY,
            late_share_critical: f64::INFINITY,
            wal_bytes_warning: 512.0 * MIB,
            wal_bytes_critical: 2_048.0 * MIB,
            write_queue_warning: 0.5,
            write_queue_critical: 0.9,
            errors_per_minute_warning: 30.0,
            errors_per_minute_critical: 300.0,
        }
    }
}

/// Gives the two levels of each threshold one name.
macro_rules! thresholds {
    ($($name:ident = $warning:ident, $critical:ident;)+) => {
        impl MonitoringConfig {
            $(pub(crate) fn $name(&self) -> Threshold {
                let (warning, critical) = (self.$warning, self.$critical);
                Threshold { warning, critical }
            })+
        }
    };
}

thresholds! {
    pool_utilization = pool_utilization_warning, pool_utilization_critical;
    query_ms = query_ms_warning, query_ms_critical;
    acquire_ms = acquire_ms_warning, acquire_ms_critical;
    insert_rate_floor = insert_rate_floor_warning, insert_rate_floor_critical;
    insert_rate_drop = insert_rate_drop_warning, insert_rate_drop_critical;
    late_share = late_share_warning, late_share_critical;
    wal_bytes = wal_bytes_warning, wal_bytes_critical;
    write_queue = write_queue_warning, write_queue_critical;
    errors_per_minute = errors_per_minute_warning, errors_per_minute_critical;
}

impl MonitoringConfig {
    /// Changes settings in a chain: `MonitoringConfig::default().with(|c| c.raise_rounds = 1)`.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Checks every setting against its limits, and that the levels of each threshold are in
    /// order.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that cannot work, why, and what would.
    pub fn validate(&self) -> Result<()> {
        let interval = self.interval.as_secs();
        within("monitoring.interval_seconds", interval, 1..=3_600)?;
        let history = self.history_snapshots_max;
        within("monitoring.history_snapshots_max", history, 2..=100_000)?;
        let probe_ms = self.probe_timeout.as_millis();
        within("monitoring.probe_timeout_ms", probe_ms, 100..=60_000)?;
        within("monitoring.raise_rounds", self.raise_rounds, 1..=100)?;
        within("monitoring.clear_rounds", self.clear_rounds, 1..=100)?;
        if !(0.1..=1.0).contains(&self.clear_share) {
            let reason = format!("{} is not a share between 0.1 and 1", self.clear_share);
            let remedy = "use 0.9 to clear an alert 10 % below its threshold";
            return Err(Error::config("monitoring.clear_share", reason, remedy));
        }
        self.check_thresholds()
    }

    fn check_thresholds(&self) -> Result<()> {
        upper("pool_utilization", self.pool_utilization())?;
        upper("query_ms", self.query_ms())?;
        upper("acquire_ms", self.acquire_ms())?;
        lower("insert_rate_floor", self.insert_rate_floor())?;
        lower("insert_rate_drop", self.insert_rate_drop())?;
        upper("late_share", self.late_share())?;
        upper("wal_bytes", self.wal_bytes())?;
        upper("write_queue", self.write_queue())?;
        upper("errors_per_minute", self.errors_per_minute())?;
        let usual = self.insert_rate_drop_usual_min;
        if self.insert_rate_drop_warning > 1.0 {
            let remedy = "give a share below 1, or 0 to switch it off";
            return Err(refuse(
                "insert_rate_drop_warning",
                "is a rise, not a drop",
                remedy,
            ));
        }
        if usual.is_finite() && usual >= 0.0 {
            return Ok(());
        }
        let remedy = "give rows per second, 0 or more";
        Err(refuse(
            "insert_rate_drop_usual_min",
            "is not a rate",
            remedy,
        ))
    }
}

/// A value is the worse the greater it is.
fn upper(name: &str, levels: Threshold) -> Result<()> {
    // A comparison with NaN is false.
    if levels.warning > 0.0 && levels.critical >= levels.warning {
        return Ok(());
    }
    let remedy = "give a warning above 0, and a critical level that is not below it";
    Err(refuse(&format!("{name}_warning"), &order(levels), remedy))
}

/// A value is the worse the smaller it is.
fn lower(name: &str, levels: Threshold) -> Result<()> {
    if levels.critical >= 0.0 && levels.warning >= levels.critical && levels.warning.is_finite() {
        return Ok(());
    }
    let remedy = "give a critical level of 0 or more, and a warning that is not below it";
    Err(refuse(&format!("{name}_warning"), &order(levels), remedy))
}

fn order(levels: Threshold) -> String {
    format!(
        "{} does not go with a critical level of {}",
        levels.warning, levels.critical
    )
}

fn refuse(name: &str, reason: &str, remedy: &str) -> Error {
    Error::config(format!("monitoring.{name}"), reason, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        MonitoringConfig::default().validate().unwrap();
    }

    #[test]
    fn a_level_may_be_switched_off() {
        let config = MonitoringConfig::default().with(|config| {
            config.query_ms_warning = f64::INFINITY;
            config.query_ms_critical = f64::INFINITY;
            config.insert_rate_drop_warning = 0.0;
            config.insert_rate_drop_critical = 0.0;
        });
        config.validate().unwrap();
    }

    #[test]
    fn each_setting_that_cannot_work_is_named() {
        type Change = fn(&mut MonitoringConfig);
        let cases: [(&str, Change); 12] = [
            ("interval_seconds", |c| c.interval = Duration::ZERO),
            ("interval_seconds", |c| {
                c.interval = Duration::from_secs(3_601)
            }),
            ("history_snapshots_max", |c| c.history_snapshots_max = 1),
            ("probe_timeout_ms", |c| c.probe_timeout = Duration::ZERO),
            ("raise_rounds", |c| c.raise_rounds = 0),
            ("clear_rounds", |c| c.clear_rounds = 0),
            ("clear_share", |c| c.clear_share = f64::NAN),
            ("pool_utilization_warning", |c| {
                c.pool_utilization_warning = 0.9;
            }),
            ("query_ms_warning", |c| c.query_ms_warning = f64::NAN),
            ("insert_rate_floor_warning", |c| {
                c.insert_rate_floor_critical = 2.0;
            }),
            ("insert_rate_drop_warning", |c| {
                c.insert_rate_drop_warning = 1.1;
            }),
            ("insert_rate_drop_usual_min", |c| {
                c.insert_rate_drop_usual_min = -1.0;
            }),
        ];
        for (name, change) in cases {
            let error = MonitoringConfig::default().with(change).validate();
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(&format!("monitoring.{name}")), "{error}");
            assert!(error.contains("; "), "{error} has no remedy");
        }
    }
}
