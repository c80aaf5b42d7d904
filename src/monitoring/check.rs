//! Levels: what is compared with which threshold, and when an alert is raised and cleared.
//!
//! All of it is [`evaluate`], a pure function of what was known, what was seen and the settings.
//! It is pure: `collect` measures, `service` notifies.
//!
//! A level is raised when the value has been past its threshold in `raise_rounds` rounds in a row,
//! and left when it has been back for `clear_rounds`. Back means a tenth (`clear_share`) better than
//! the threshold. So a value that hangs about its threshold, and a burst within one round, raise
//! nothing again and again. When there is nothing to judge (too few calls, no feed, no WAL on
//! PostgreSQL), that counts as back.
//!
//! **A quiet feed.** [`Check::InsertRateDrop`] compares the last minute with the median of the 5
//! minutes before it (so that one import is not taken for the usual rate), and only while that has
//! at least `insert_rate_drop_usual_min` rows per second. A feed that ends, as every market does in
//! the evening, raises it once; some 3 minutes later the median has followed, and it is cleared. All
//! night there is no usual rate, and so no alert. It tells that the rate has changed, not that it
//! is low: for a feed that must never rest there is [`Check::InsertRateFloor`], which is off unless
//! it is set.

mod judge;

use crate::config::MonitoringConfig;
use crate::timestamp::Timestamp;
pub use judge::Facts;
use judge::{judge, past, past_eased};

/// A value that is compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// Connections lent, as a share of base + overflow.
    PoolUtilization,
    /// The time in which 95 % of the calls of the round were answered, all operations together.
    /// Not their mean: one import of minutes among thousands of reads would be all of it, and a
    /// tenth of the callers that wait half a second would be hardly seen.
    QueryTime,
    /// The time in which 95 % of the callers of the round got a connection, both doors together.
    AcquireTime,
    /// Rows inserted per second over the last minute.
    InsertRateFloor,
    /// That rate as a share of the usual one, the median of the 5 minutes before.
    InsertRateDrop,
    /// Ticks stored late in the last 5 minutes, as a share of those stored. Off unless it is set: an
    /// import of old ticks is late as a whole. Late ticks fire no rule.
    LateShare,
    /// Bytes of SQLite's WAL.
    WalBytes,
    /// Rows that wait for SQLite's writer, as a share of the queue's bound.
    WriteQueue,
    /// Calls per minute that ended in an error, over the last minute.
    Errors,
    /// Replicas of PostgreSQL that are late or do not answer, and so are not read.
    Replicas,
    /// The probe: a fresh connection could be opened and asked.
    Probe,
}

impl Check {
    /// All checks, in the order in which they are reported.
    pub const ALL: [Self; 11] = [
        Self::PoolUtilization,
        Self::QueryTime,
        Self::AcquireTime,
        Self::InsertRateFloor,
        Self::InsertRateDrop,
        Self::LateShare,
        Self::WalBytes,
        Self::WriteQueue,
        Self::Errors,
        Self::Replicas,
        Self::Probe,
    ];

    /// Its name, as logs, metrics and responses write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PoolUtilization => "pool_utilization",
            Self::QueryTime => "query_time",
            Self::AcquireTime => "acquire_time",
            Self::InsertRateFloor => "insert_rate_floor",
            Self::InsertRateDrop => "insert_rate_drop",
            Self::LateShare => "late_share",
            Self::WalBytes => "wal_bytes",
            Self::WriteQueue => "write_queue",
            Self::Errors => "errors",
            Self::Replicas => "replicas",
            Self::Probe => "probe",
        }
    }

    /// Its value in words, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::PoolUtilization => "the share of connections that are lent",
            Self::QueryTime => "the time of 95 % of the calls",
            Self::AcquireTime => "the wait for a connection of 95 % of the callers",
            Self::InsertRateFloor => "the rate of stored rows",
            Self::InsertRateDrop => "the share of the usual rate of stored rows",
            Self::LateShare => "the share of ticks that came late",
            Self::WalBytes => "the size of the write-ahead log",
            Self::WriteQueue => "the share of the writer's queue that is full",
            Self::Errors => "calls a minute that failed",
            Self::Replicas => "replicas that are not read",
            Self::Probe => "new connections that failed",
        }
    }

    /// The first thing to do when it is past its threshold.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::PoolUtilization => {
                "find the operations that keep connections, or raise pool.overflow"
            }
            Self::QueryTime => "look at the slow statements and at their plans",
            Self::AcquireTime => "ask for less at once, or raise pool.base or pool.overflow",
            Self::InsertRateFloor => "look at the feed: it brings less than it must",
            Self::InsertRateDrop => {
                "look at the feed; after the close of a market this clears by itself"
            }
            Self::LateShare => {
                "look at the order and the clock of the feed: late ticks fire no rule"
            }
            Self::WalBytes => {
                "find the reader that does not end: the log tells how long the oldest one has read"
            }
            Self::WriteQueue => "look for a slow disk, or another process that writes",
            Self::Errors => "see which operations fail; the log says why",
            Self::Replicas => "see connection_pool.replicas: each says why it is not read",
            Self::Probe => "check that the database runs and can be reached",
        }
    }

    /// The unit of its values and thresholds.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::PoolUtilization | Self::InsertRateDrop | Self::LateShare | Self::WriteQueue => {
                "ratio"
            }
            Self::QueryTime | Self::AcquireTime => "ms",
            Self::InsertRateFloor => "rows/s",
            Self::WalBytes => "bytes",
            Self::Errors => "errors/min",
            Self::Replicas => "replicas",
            Self::Probe => "failures",
        }
    }
}

/// The level of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CheckLevel {
    /// Nothing to tell.
    #[default]
    Ok,
    /// Somebody should look at it.
    Warning,
    /// Somebody must.
    Critical,
}

impl CheckLevel {
    /// The level as responses and logs write it: `ok`, `warning`, `critical`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A check at its level, as of the last round.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CheckStatus {
    /// The check.
    pub check: Check,
    /// Its level.
    pub level: CheckLevel,
    /// Since when it is at this level; `None` before it has first changed.
    pub since: Option<Timestamp>,
    /// The last value; `None` when there was nothing to judge.
    pub value: Option<f64>,
    /// The threshold of its level, that of a warning when it is `Ok`; `None` as above.
    pub threshold: Option<f64>,
}

/// A check that is not `Ok`: an alert that is raised.
pub type Alert = CheckStatus;

/// A check that went from one level to another.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LevelChange {
    /// The check.
    pub check: Check,
    /// Its level before.
    pub from: CheckLevel,
    /// Its level now.
    pub to: CheckLevel,
    /// The value; `None` when there is nothing to judge any more.
    pub value: Option<f64>,
    /// The threshold that it passed: that of the new level when it is a worse one, else the eased
    /// one of the old level.
    pub threshold: Option<f64>,
    /// When, by the database's clock.
    pub at: Timestamp,
}

/// The state of every check after the rounds so far.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckState([CheckRecord; Check::ALL.len()]);

#[derive(Debug, Clone, Copy, PartialEq)]
struct CheckRecord {
    status: (CheckLevel, Option<Timestamp>),
    seen: (Option<f64>, Option<f64>),
    /// The level that it is about to take, and the rounds in a row that spoke for it.
    pending: Option<(CheckLevel, u32)>,
}

impl Default for CheckState {
    /// Every check is `Ok`.
    fn default() -> Self {
        let known = CheckRecord {
            status: (CheckLevel::Ok, None),
            seen: (None, None),
            pending: None,
        };
        Self([known; Check::ALL.len()])
    }
}

impl CheckState {
    /// Every check at its level, in the order of [`Check::ALL`].
    pub fn statuses(&self) -> impl Iterator<Item = CheckStatus> {
        let pairs = Check::ALL.into_iter().zip(self.0);
        pairs.map(|(check, known)| CheckStatus {
            check,
            level: known.status.0,
            since: known.status.1,
            value: known.seen.0,
            threshold: known.seen.1,
        })
    }
}

/// One round: what is known after it, and what changed in it.
#[must_use]
pub fn evaluate(
    before: &CheckState,
    facts: &Facts,
    config: &MonitoringConfig,
    now: Timestamp,
) -> (CheckState, Vec<LevelChange>) {
    let mut after = before.clone();
    let mut changes = Vec::new();
    for (check, known) in Check::ALL.into_iter().zip(&mut after.0) {
        changes.extend(step(check, known, facts, config, now));
    }
    (after, changes)
}

fn step(
    check: Check,
    known: &mut CheckRecord,
    facts: &Facts,
    config: &MonitoringConfig,
    now: Timestamp,
) -> Option<LevelChange> {
    let judged = judge(check, facts, config);
    let from = known.status.0;
    let target = judged.map_or(CheckLevel::Ok, |judged| {
        let speaks_for = |level: &CheckLevel| {
            past(judged, *level)
                || (from >= *level && past_eased(judged, *level, config.clear_share))
        };
        let worst_first = [CheckLevel::Critical, CheckLevel::Warning];
        worst_first.into_iter().find(speaks_for).unwrap_or_default()
    });
    let to = settle(check, known, target, config);
    let value = judged.map(|judged| judged.value);
    let level = to.max(CheckLevel::Warning);
    known.seen = (value, judged.map(|judged| judged.threshold(level)));
    if to == from {
        return None;
    }
    known.status = (to, Some(now));
    let threshold = judged.map(|judged| match to > from {
        true => judged.threshold(to),
        false => judged.eased(from, config.clear_share),
    });
    Some(LevelChange {
        check,
        from,
        to,
        value,
        threshold,
        at: now,
    })
}

/// The level after a round that speaks for `target`: it must have been spoken for often enough.
fn settle(
    check: Check,
    known: &mut CheckRecord,
    target: CheckLevel,
    config: &MonitoringConfig,
) -> CheckLevel {
    let level = known.status.0;
    if target == level {
        known.pending = None;
        return level;
    }
    let worse = target > level;
    let needed = match (worse, check) {
        (true, Check::Probe) => 1,
        (true, _) => config.raise_rounds,
        (false, _) => config.clear_rounds,
    };
    // Several levels may have been spoken for: the one nearest to today's holds for all rounds.
    let (to, rounds) = match known.pending {
        Some((to, rounds)) if (to > level) == worse && worse => (to.min(target), rounds + 1),
        Some((to, rounds)) if (to > level) == worse => (to.max(target), rounds + 1),
        _ => (target, 1),
    };
    if rounds < needed {
        known.pending = Some((to, rounds));
        return level;
    }
    known.pending = None;
    to
}

#[cfg(test)]
mod tests;
