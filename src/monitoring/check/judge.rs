//! The value that each check looks at, and its comparison with the thresholds.

use super::{Check, CheckLevel};
use crate::config::{MonitoringConfig, Threshold};

/// The values of a round that checks look at. `None` where there was nothing to see.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// Connections lent / capacity.
    pub pool_utilization: f64,
    /// Calls that ended in the window.
    pub query_calls: u64,
    /// 95 % of them took at most this long.
    pub query_ms_p95: f64,
    /// Callers that got a connection in the window.
    pub acquisitions: u64,
    /// 95 % of them waited at most this long.
    pub acquire_ms_p95: f64,
    /// Rows inserted per second over the last minute; `None` before a whole one is known.
    pub insert_rate_1m: Option<f64>,
    /// The usual rate: the median of the 5 minutes before, each taken for itself.
    pub insert_rate_usual: Option<f64>,
    /// Late ticks / ticks stored in the last 5 minutes; `None` when none were stored.
    pub late_share: Option<f64>,
    /// Bytes of the WAL; `None` on PostgreSQL.
    pub wal_bytes: Option<u64>,
    /// Rows that wait for the writer / bound of the queue; `None` on PostgreSQL.
    pub write_queue: Option<f64>,
    /// Calls per minute that ended in an error, over the last minute.
    pub errors_per_minute: Option<f64>,
    /// Replicas that are not read; `None` where there are none.
    pub replicas_out: Option<usize>,
    /// True when the probe failed; `None` when there was none.
    pub probe_failed: Option<bool>,
}

/// A value beside its threshold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) value: f64,
    levels: Threshold,
    /// True when small values are the bad ones.
    lower: bool,
}

/// The value of a check; `None` when there is nothing to judge.
pub(super) fn judge(check: Check, facts: &Facts, config: &MonitoringConfig) -> Option<Judged> {
    let upper = |value, levels| Judged {
        value,
        levels,
        lower: false,
    };
    let lower = |value, levels| Judged {
        value,
        levels,
        lower: true,
    };
    match check {
        Check::PoolUtilization => Some(upper(facts.pool_utilization, config.pool_utilization())),
        Check::QueryTime => (facts.query_calls >= config.query_calls_min.max(1))
            .then(|| upper(facts.query_ms_p95, config.query_ms())),
        Check::AcquireTime => {
            (facts.acquisitions > 0).then(|| upper(facts.acquire_ms_p95, config.acquire_ms()))
        }
        Check::InsertRateFloor => {
            let rate = facts.insert_rate_1m?;
            Some(lower(rate, config.insert_rate_floor()))
        }
        Check::InsertRateDrop => {
            let (now, usual) = (facts.insert_rate_1m?, facts.insert_rate_usual?);
            let judged = usual > 0.0 && usual >= config.insert_rate_drop_usual_min;
            judged.then(|| lower(now / usual, config.insert_rate_drop()))
        }
        Check::LateShare => Some(upper(facts.late_share?, config.late_share())),
        Check::WalBytes => Some(upper(facts.wal_bytes? as f64, config.wal_bytes())),
        Check::WriteQueue => Some(upper(facts.write_queue?, config.write_queue())),
        Check::Errors => Some(upper(facts.errors_per_minute?, config.errors_per_minute())),
        // The primary answers in their place: it is slower, and nothing fails.
        Check::Replicas => {
            let (warning, critical) = (1.0, f64::INFINITY);
            Some(upper(
                facts.replicas_out? as f64,
                Threshold { warning, critical },
            ))
        }
        Check::Probe => {
            let failures = if facts.probe_failed? { 1.0 } else { 0.0 };
            let (warning, critical) = (1.0, 1.0);
            Some(upper(failures, Threshold { warning, critical }))
        }
    }
}

impl Judged {
    /// The threshold of a level; that of a warning for `Ok`.
    pub(super) fn threshold(self, level: CheckLevel) -> f64 {
        match level {
            CheckLevel::Critical => self.levels.critical,
            CheckLevel::Ok | CheckLevel::Warning => self.levels.warning,
        }
    }

    /// The threshold behind which a value must be to leave a level.
    pub(super) fn eased(self, level: CheckLevel, clear_share: f64) -> f64 {
        match self.lower {
            true => self.threshold(level) / clear_share,
            false => self.threshold(level) * clear_share,
        }
    }

    fn beyond(self, threshold: f64) -> bool {
        match self.lower {
            true => self.value < threshold,
            false => self.value >= threshold,
        }
    }
}

/// True when a value is past the threshold of a level.
pub(super) fn past(judged: Judged, level: CheckLevel) -> bool {
    judged.beyond(judged.threshold(level))
}

/// True when a value that was past the threshold of a level has not come back yet.
pub(super) fn past_eased(judged: Judged, level: CheckLevel, clear_share: f64) -> bool {
    judged.beyond(judged.eased(level, clear_share))
}
