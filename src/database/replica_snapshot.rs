//! The replicas at one moment, for those who watch.

use std::fmt;

use super::pool::PoolSnapshot;

/// Whether a replica is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplicaState {
    /// It was not asked yet.
    Starting,
    /// It is read.
    Serving,
    /// It has not replayed what this process has committed, within the time that a read waits.
    Late,
    /// It does not answer.
    Unreachable,
    /// It has another database than the primary.
    Foreign,
}

impl ReplicaState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Serving,
        Self::Late,
        Self::Unreachable,
        Self::Foreign,
    ];

    /// The word for it, as health and metrics have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Late => "late",
            Self::Unreachable => "unreachable",
            Self::Foreign => "foreign",
        }
    }
}

impl fmt::Display for ReplicaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the primary answered a read that could have been a replica's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackCause {
    /// No replica was in the rotation.
    NoReplica,
    /// Where the last commit lies in the log was not known.
    UnknownPosition,
    /// The replica was not far enough.
    Late,
    /// The replica did not answer, or broke.
    Unreachable,
    /// No connection to the replica was free.
    Busy,
    /// The replica ended the read, as it stood in the way of what it replays.
    Conflict,
}

impl FallbackCause {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoReplica,
        Self::UnknownPosition,
        Self::Late,
        Self::Unreachable,
        Self::Busy,
        Self::Conflict,
    ];

    /// The word for it, as metrics have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoReplica => "no_replica",
            Self::UnknownPosition => "unknown_position",
            Self::Late => "late",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Conflict => "conflict",
        }
    }
}

/// A replica at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReplicaSnapshot {
    /// Host and port of its URL.
    pub name: String,
    /// Whether it is read.
    pub state: ReplicaState,
    /// Why it is not, in words.
    pub reason: Option<String>,
    /// Bytes of the primary's log that it had not replayed when both were asked last, about a second
    /// ago; `None` before that.
    pub lag_bytes: Option<u64>,
    /// Reads that it has answered.
    pub reads: u64,
    /// Its connections.
    pub pool: PoolSnapshot,
}

/// The replicas of a database at one moment.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReplicasSnapshot {
    /// Each, in the order of the settings.
    pub replicas: Vec<ReplicaSnapshot>,
    /// Reads that the primary answered in their place, by the cause; empty without replicas.
    pub fallbacks: Vec<(FallbackCause, u64)>,
}

impl ReplicasSnapshot {
    /// How many of them are not read.
    #[must_use]
    pub fn out_of_rotation(&self) -> usize {
        let is_out = |replica: &&ReplicaSnapshot| replica.state != ReplicaState::Serving;
        self.replicas.iter().filter(is_out).count()
    }
}
