//! One replica: its connections, whether it is read, and how far it has replayed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::database::connection::{BackendConnection, postgres_of};
use crate::database::log_position::LogPosition;
use crate::database::pool::Pools;
use crate::database::replica_snapshot::{FallbackCause, ReplicaSnapshot, ReplicaState};
use crate::database::retry::{AttemptFailure, classify_query};
use crate::error::{Error, Result};

/// The first pause of a read that waits for its replica; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// Where the log of a server that takes writes is, behind all that it has committed. What is written
/// counts, not what is inserted: that may lie past all that a standby gets for a while. Where a commit
/// does not wait until it is written, only what is inserted lies behind it.
macro_rules! committed {
    () => {
        "CASE current_setting('synchronous_commit') WHEN 'off' \
         THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_lsn() END"
    };
}

/// How far a server is. One that was promoted replays nothing, and is as far as its own log.
const POSITION: &str = concat!(
    "(CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE ",
    committed!(),
    " END - '0/0')::bigint AS position"
);

/// What a server says of itself.
#[derive(Debug, QueryableByName)]
pub(super) struct ServerPosition {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = Bool)]
    pub(super) is_standby: bool,
    /// Which database it has; `None` when somebody has deleted the row.
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) identity: Option<String>,
}

impl ServerPosition {
    /// Asks a server.
    pub(super) fn ask(conn: &mut PgConnection) -> QueryResult<Self> {
        diesel::sql_query(format!(
            "SELECT {POSITION}, pg_is_in_recovery() AS is_standby, \
             (SELECT id FROM tickbase_database) AS identity"
        ))
        .get_result(conn)
    }

    pub(super) fn position(&self) -> LogPosition {
        of_bigint(self.position)
    }
}

/// The position of the primary, behind all that it has committed.
pub(in crate::database) fn position_of_primary(
    conn: &mut PgConnection,
) -> QueryResult<LogPosition> {
    let position =
        diesel::dsl::sql::<BigInt>(concat!("SELECT (", committed!(), " - '0/0')::bigint"));
    position.get_result(conn).map(of_bigint)
}

fn of_bigint(position: i64) -> LogPosition {
    LogPosition::of_byte(u64::try_from(position).unwrap_or(0))
}

#[derive(Debug)]
struct Rotation {
    state: ReplicaState,
    reason: Option<String>,
    lag_bytes: Option<u64>,
    /// Where the primary was at the last looks, oldest first.
    primary: VecDeque<(Instant, LogPosition)>,
}

pub(super) struct Replica {
    pub(super) name: String,
    pub(super) pools: Pools,
    rotation: Mutex<Rotation>,
    reads: AtomicU64,
}

impl Replica {
    pub(super) fn new(name: String, pools: Pools) -> Self {
        Self {
            name,
            pools,
            rotation: Mutex::new(Rotation {
                state: ReplicaState::Starting,
                reason: None,
                lag_bytes: None,
                primary: VecDeque::new(),
            }),
            reads: AtomicU64::new(0),
        }
    }

    pub(super) fn is_serving(&self) -> bool {
        self.rotation().state == ReplicaState::Serving
    }

    pub(super) fn answered(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Puts it into a state; a change is logged once.
    pub(super) fn found(&self, state: ReplicaState, reason: Option<String>) {
        let mut rotation = self.rotation();
        let before = std::mem::replace(&mut rotation.state, state);
        rotation.reason = reason.clone();
        drop(rotation);
        let replica = &*self.name;
        match state {
            _ if state == before => {}
            ReplicaState::Serving => tracing::info!(replica, "the replica is read"),
            _ => {
                let reason = reason.unwrap_or_default();
                tracing::warn!(replica, %state, reason, "the replica is not read");
            }
        }
    }

    /// Notes down where the primary is.
    pub(super) fn primary_was_at(&self, position: LogPosition) {
        let mut rotation = self.rotation();
        rotation.primary.push_back((Instant::now(), position));
    }

    /// Where the primary was so long ago, at a look; what is older is forgotten.
    pub(super) fn primary_before(&self, age: Duration) -> Option<LogPosition> {
        let mut rotation = self.rotation();
        let old = rotation
            .primary
            .partition_point(|(at, _)| at.elapsed() >= age);
        rotation.primary.drain(..old.saturating_sub(1));
        rotation
            .primary
            .front()
            .filter(|_| old > 0)
            .map(|(_, position)| *position)
    }

    /// How much of the log it lacks.
    pub(super) fn lags(&self, primary: LogPosition, replica: LogPosition) {
        self.rotation().lag_bytes = Some(primary.byte().saturating_sub(replica.byte()));
    }

    pub(super) fn snapshot(&self) -> ReplicaSnapshot {
        let pool = self.pools.snapshot();
        let rotation = self.rotation();
        ReplicaSnapshot {
            name: self.name.clone(),
            state: rotation.state,
            reason: rotation.reason.clone(),
            lag_bytes: rotation.lag_bytes,
            reads: self.reads.load(Ordering::Relaxed),
            pool,
        }
    }

    fn rotation(&self) -> MutexGuard<'_, Rotation> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the replica of a connection has replayed the log up to a position, but not for longer
/// than `wait_max`. What is read on the connection after that sees all of it.
pub(super) fn wait_until_replayed(
    conn: &mut BackendConnection<'_>,
    needed: LogPosition,
    wait_max: Duration,
) -> Result<(), FallbackCause> {
    let Ok(conn) = postgres_of(conn) else {
        return Err(FallbackCause::NoReplica); // No other connection is one of a replica.
    };
    let deadline = Instant::now() + wait_max;
    let mut pause = FIRST_PAUSE;
    loop {
        let replayed = diesel::sql_query(format!("SELECT {POSITION}"));
        let replayed: ReplayedPosition =
            replayed
                .get_result(&mut *conn)
                .map_err(|error| match classify_query(&error) {
                    AttemptFailure::Serialization => FallbackCause::Conflict,
                    _ => FallbackCause::Unreachable,
                })?;
        if of_bigint(replayed.position) >= needed {
            return Ok(());
        }
        if Instant::now() + pause > deadline {
            return Err(FallbackCause::Late);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[derive(QueryableByName)]
struct ReplayedPosition {
    #[diesel(sql_type = BigInt)]
    position: i64,
}

/// Why no connection to a replica could be had.
pub(super) fn cause_of(error: &Error) -> FallbackCause {
    match error {
        Error::PoolTimeout { .. } | Error::TooManyConnections { .. } => FallbackCause::Busy,
        // So is the primary's pool: a server that is well must not be said to be gone.
        Error::Closed => FallbackCause::NoReplica,
        _ => FallbackCause::Unreachable,
    }
}
