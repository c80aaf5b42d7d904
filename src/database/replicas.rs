//! Replicas: servers that follow the primary, and answer the reads that opt in by
//! [`Database::on_replicas`].
//!
//! Such a read sees at least what this process has committed: each commit asks the primary how far its
//! log is written, and a replica answers once it has replayed as much. A read waits for that a moment,
//! and goes to the primary then. A thread for each replica looks every second how far it is: one that is
//! late, or does not answer, leaves the rotation, and comes back. Of what other processes commit it lacks
//! no more than `postgres.replica_lag_max_ms`. Nothing that writes, or decides what is written, reads here.

mod replica;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::connection::{BackendConnection, postgres_of};
use super::instrumentation::OperationHandle;
use super::log_position::{LogPosition, RequiredPosition};
use super::operation_counts::OperationCounts;
use super::pool::{Cause, Pools};
use super::postgres;
use super::replica_snapshot::{FallbackCause, ReplicaState, ReplicasSnapshot};
use super::retry::{AttemptFailure, classify};
use super::slow_query::SlowQueryTable;
use crate::config::{DatabaseConfig, DatabaseUrl};
use crate::error::{Error, Result};
pub(super) use replica::position_of_primary;
use replica::{Replica, ServerPosition, cause_of, wait_until_replayed};

/// How often each replica is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a read waits for a connection to a replica: the primary answers sooner.
const ACQUIRE_TIMEOUT_MAX: Duration = Duration::from_secs(1);
/// The operation of the looks.
const LOOK: &str = "monitoring.replicas";

/// The replicas of a database.
pub(super) struct Replicas {
    all: Vec<Replica>,
    /// Whose turn it is.
    next: AtomicUsize,
    position: Arc<RequiredPosition>,
    primary: Arc<Pools>,
    /// Which database the primary has.
    identity: Mutex<Option<String>>,
    wait_max: Duration,
    lag_max: Duration,
    begin_read: Option<Arc<str>>,
    fallbacks: [AtomicU64; FallbackCause::ALL.len()],
    /// The threads that look at the replicas end when these go.
    keepers: OnceLock<Vec<Sender<Infallible>>>,
}

/// What a read on a replica came to: its answer, or why the primary has to answer.
type ReplicaAttempt<T> = std::result::Result<(Result<T>, OperationCounts), FallbackCause>;

impl Replicas {
    /// Those of the settings, which are looked at from now on; `None` when the settings name none.
    pub(super) fn new(
        config: &DatabaseConfig,
        slow: &Arc<SlowQueryTable>,
        primary: &Arc<Pools>,
    ) -> Result<Option<Arc<Self>>> {
        if config.postgres.replica_urls.is_empty() {
            return Ok(None);
        }
        if !matches!(config.url, DatabaseUrl::Postgres(_)) {
            return Err(Error::config(
                "postgres.replica_urls",
                "database.url is a SQLite file, which has no replicas",
                "leave it out, or give the URL of a PostgreSQL server",
            ));
        }
        let urls = &config.postgres.replica_urls;
        let replicas = (1..).zip(urls).map(|(place, url)| {
            let pools = Pools::new(&config_of(config, url), slow)?;
            let name = url.host_and_port();
            // A name is a label of metrics, so each has one of its own.
            let is_another = |other: &&DatabaseUrl| other.host_and_port() == name;
            let name = match name.is_empty() || urls.iter().filter(is_another).count() > 1 {
                true => format!("{name}#{place}"),
                false => name,
            };
            Ok(Replica::new(name, pools))
        });
        let replicas = Arc::new(Self {
            all: replicas.collect::<Result<_>>()?,
            next: AtomicUsize::new(0),
            position: Arc::default(),
            primary: Arc::clone(primary),
            identity: Mutex::default(),
            wait_max: config.postgres.replica_wait,
            lag_max: config.postgres.replica_lag_max,
            begin_read: postgres::begin_read(&config.postgres).map(Arc::from),
            fallbacks: Default::default(),
            keepers: OnceLock::new(),
        });
        let keepers = (0..replicas.all.len()).map(|place| keep(Arc::downgrade(&replicas), place));
        let keepers = keepers.collect::<Result<_>>()?;
        drop(replicas.keepers.set(keepers));
        Ok(Some(replicas))
    }

    /// What reads must see.
    pub(super) fn position(&self) -> &Arc<RequiredPosition> {
        &self.position
    }

    pub(super) fn snapshot(&self) -> ReplicasSnapshot {
        let counts = FallbackCause::ALL.into_iter().zip(&self.fallbacks);
        ReplicasSnapshot {
            replicas: self.all.iter().map(Replica::snapshot).collect(),
            fallbacks: counts
                .map(|(cause, count)| (cause, count.load(Ordering::Relaxed)))
                .collect(),
        }
    }

    pub(super) fn close(&self) {
        self.all.iter().for_each(|replica| replica.pools.close());
    }

    /// Runs a read on a replica; `None` when the primary has to answer.
    pub(super) fn read<T>(
        &self,
        account: &OperationHandle,
        work: &mut impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Option<Result<T>> {
        let (replica, needed) = self.choose()?;
        let attempt = match replica.pools.checkout(account.op()) {
            Err(error) => Err(cause_of(&error)),
            Ok(mut checkout) => {
                let attempt =
                    checkout.with(|conn| Ok(self.attempt(conn, account, needed, &mut *work)));
                let attempt = attempt.unwrap_or_else(|error| Err(cause_of(&error)));
                if matches!(attempt, Err(FallbackCause::Unreachable)) {
                    checkout.close(Cause::Dead);
                }
                attempt
            }
        };
        self.settle(replica, account, attempt)
    }

    /// [`Replicas::read`] without blocking the thread; gives the work back.
    pub(super) async fn read_async<T, F>(
        self: &Arc<Self>,
        account: &OperationHandle,
        mut work: F,
    ) -> Result<(Option<Result<T>>, F)>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let Some((replica, needed)) = self.choose() else {
            return Ok((None, work));
        };
        let attempt = match replica.pools.checkout_async(account.op()).await {
            Err(error) => Err(cause_of(&error)),
            Ok(mut checkout) => {
                let (replicas, run_as) = (Arc::clone(self), account.clone());
                let (attempt, back) = checkout
                    .interact(account.op(), move |conn| {
                        (replicas.attempt(conn, &run_as, needed, &mut work), work)
                    })
                    .await?;
                work = back;
                if matches!(attempt, Err(FallbackCause::Unreachable)) {
                    checkout.close(Cause::Dead);
                }
                attempt
            }
        };
        Ok((self.settle(replica, account, attempt), work))
    }

    /// The replica whose turn it is, and what it must have replayed.
    fn choose(&self) -> Option<(&Replica, LogPosition)> {
        let Some(needed) = self.position.get() else {
            self.falls_back(FallbackCause::UnknownPosition);
            return None;
        };
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.all.len();
        let in_turn = (0..count).filter_map(|more| self.all.get(first.wrapping_add(more) % count));
        let chosen = in_turn.into_iter().find(|replica| replica.is_serving());
        if chosen.is_none() {
            self.falls_back(FallbackCause::NoReplica);
        }
        chosen.map(|replica| (replica, needed))
    }

    fn attempt<T>(
        &self,
        conn: &mut BackendConnection<'_>,
        account: &OperationHandle,
        needed: LogPosition,
        work: &mut impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
    ) -> ReplicaAttempt<T> {
        wait_until_replayed(conn, needed, self.wait_max)?;
        let begin = self.begin_read.as_deref();
        let (outcome, counts) = account.run(conn, |conn| conn.reads(begin, work));
        match outcome.as_ref().err().map(classify) {
            Some(AttemptFailure::ConnectionLost) => Err(FallbackCause::Unreachable),
            Some(AttemptFailure::Serialization) => Err(FallbackCause::Conflict),
            _ => Ok((outcome, counts)),
        }
    }

    fn settle<T>(
        &self,
        replica: &Replica,
        account: &OperationHandle,
        attempt: ReplicaAttempt<T>,
    ) -> Option<Result<T>> {
        match attempt {
            Ok((outcome, counts)) => {
                replica.answered();
                if outcome.is_ok() {
                    account.add_counts(&counts);
                }
                Some(outcome)
            }
            Err(cause) => {
                self.falls_back(cause);
                match cause {
                    FallbackCause::Late => replica.found(ReplicaState::Late, Some(self.is_late())),
                    FallbackCause::Unreachable => {
                        let reason = "a read on it failed".to_owned();
                        replica.found(ReplicaState::Unreachable, Some(reason));
                    }
                    _ => {}
                }
                None
            }
        }
    }

    fn falls_back(&self, cause: FallbackCause) {
        self.fallbacks[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn is_late(&self) -> String {
        let wait = self.wait_max;
        format!("it does not replay what was committed within {wait:?} (postgres.replica_wait_ms)")
    }

    /// Looks how far the primary and a replica are, and whether the replica is to be read.
    fn look(&self, replica: &Replica) {
        let own = self.position.get();
        let primary = self.look_at_primary();
        if let Some(primary) = primary {
            replica.primary_was_at(primary);
        }
        // What a read must see, and what is too old to be missed.
        let wanted = own.or(primary).max(replica.primary_before(self.lag_max));
        match self.look_at_replica(replica, wanted) {
            Ok((state, reason, position)) => {
                if let Some(primary) = primary {
                    replica.lags(primary, position);
                }
                replica.found(state, reason);
            }
            // It serves others at this moment, or the database was closed.
            Err(Error::PoolTimeout { .. } | Error::Closed) => {}
            Err(error) => replica.found(ReplicaState::Unreachable, Some(error.chain())),
        }
    }

    /// Where the primary is; `None` when it does not tell.
    fn look_at_primary(&self) -> Option<LogPosition> {
        let before = self.position.asking();
        let primary = ask(&self.primary);
        let primary = primary.inspect_err(|error| {
            tracing::debug!(
                error = error.chain(),
                "the primary does not tell its position"
            );
        });
        let primary = primary.ok().filter(|primary| !primary.is_standby)?;
        // Else it would have reads wait for what others have committed, too.
        if self.position.get().is_none() {
            self.position.answered(before, primary.position());
        }
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        identity.clone_from(&primary.identity);
        Some(primary.position())
    }

    fn look_at_replica(
        &self,
        replica: &Replica,
        wanted: Option<LogPosition>,
    ) -> Result<(ReplicaState, Option<String>, LogPosition)> {
        let mut checkout = replica.pools.checkout(LOOK)?;
        let is_late = wanted.is_some_and(|wanted| {
            let waited = checkout.with(|conn| Ok(wait_until_replayed(conn, wanted, self.wait_max)));
            matches!(waited, Ok(Err(FallbackCause::Late)))
        });
        let server = checkout.with(|conn| Ok(ServerPosition::ask(postgres_of(conn)?)?));
        let server = server.inspect_err(|_| checkout.close(Cause::Dead))?;
        let position = server.position();
        let identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = identity.clone();
        if identity.is_some() && server.identity != identity {
            let reason = "it has another database than the primary; name a standby of it in \
                          postgres.replica_urls";
            return Ok((ReplicaState::Foreign, Some(reason.to_owned()), position));
        }
        if wanted.is_none() {
            let reason = "the primary has not told its position yet";
            return Ok((ReplicaState::Starting, Some(reason.to_owned()), position));
        }
        Ok(match is_late {
            true => (ReplicaState::Late, Some(self.is_late()), position),
            false => (ReplicaState::Serving, None, position),
        })
    }
}

/// The settings of a replica: those of the primary, with connections of its own.
fn config_of(config: &DatabaseConfig, url: &DatabaseUrl) -> DatabaseConfig {
    config.clone().with(|config| {
        config.url = url.clone();
        config.pool.base = config.postgres.replica_connections_max;
        config.pool.overflow = 0;
        config.pool.acquire_timeout = config.pool.acquire_timeout.min(ACQUIRE_TIMEOUT_MAX);
    })
}

/// Looks at a replica again and again, on a thread of its own: one that does not answer holds up no other.
fn keep(replicas: Weak<Replicas>, place: usize) -> Result<Sender<Infallible>> {
    let (keeper, ended): (_, Receiver<Infallible>) = channel();
    let work = move || {
        while let Some(replicas) = replicas.upgrade() {
            if let Some(replica) = replicas.all.get(place) {
                replicas.look(replica);
            }
            drop(replicas);
            if ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("tickbase-replica".to_owned());
    match thread.spawn(work) {
        Ok(_) => Ok(keeper),
        Err(error) => Err(Error::Connect {
            target: "the thread that looks at a replica".to_owned(),
            reason: error.to_string(),
            remedy: "raise the limit of threads".to_owned(),
        }),
    }
}

fn ask(pools: &Pools) -> Result<ServerPosition> {
    let mut checkout = pools.checkout(LOOK)?;
    let answer = checkout.with(|conn| Ok(ServerPosition::ask(postgres_of(conn)?)?));
    answer.inspect_err(|_| checkout.close(Cause::Dead))
}
