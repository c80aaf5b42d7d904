//! Whether the database really answers now, asked over a connection of the probe's own.
//!
//! The pool's connections prove nothing: an open SQLite file goes on answering when it has been
//! moved away. The probe opens what a new process would open, and is never waited for longer than
//! it may take. Nor does a fresh connection prove that there is room, or that every page is good:
//! what statements found is an answer, too. It repairs nothing and creates nothing.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::faults::Faults;
#[cfg(feature = "sqlite")]
use super::files::DatabaseFiles;
use super::probe_cause::ProbeCause;
use super::{Database, block_on};
use crate::config::{DatabaseConfig, DatabaseUrl};
use crate::error::Error;

/// Probes of one database that may wait for an answer at once: one that hangs keeps a thread.
const UNDER_WAY_MAX: usize = 8;

/// What a probe found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// From asking to the answer, or until it was given up.
    pub duration: Duration,
    /// Whether the database answers; else why not.
    pub outcome: Result<(), ProbeFailure>,
}

/// Why the database does not answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct ProbeFailure {
    /// The kind of failure.
    pub cause: ProbeCause,
    /// What was found, where, and what to do.
    pub error: Error,
}

impl fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ProbeFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl ProbeFailure {
    fn new(config: &DatabaseConfig, cause: ProbeCause, reason: &str, remedy: &str) -> Self {
        let error = Error::Connect {
            target: match &config.url {
                DatabaseUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
                DatabaseUrl::Postgres(_) => format!("{:?}", config.url),
            },
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        Self { cause, error }
    }
}

/// What is asked, by a thread that may outlive its caller.
#[derive(Clone)]
struct ProbeTask {
    config: Arc<DatabaseConfig>,
    #[cfg(feature = "sqlite")]
    files: Option<Arc<DatabaseFiles>>,
    faults: Arc<Faults>,
}

/// The probes of one database.
pub(super) struct Prober {
    question: ProbeTask,
    under_way: Arc<AtomicUsize>,
}

/// A probe under way, while its thread lives.
struct ProbeInFlight(Arc<AtomicUsize>);

impl Database {
    /// How long a probe may take unless the caller says otherwise.
    pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

    /// Asks over a new connection, outside the pool, whether the database answers. On SQLite: the
    /// file that was opened still lies at its path, and its write-ahead log beside it, can be
    /// opened for reading and writing, and is a database with tickbase's tables; on PostgreSQL: a
    /// connection is made and answers a query, and the server takes writes. On both: no write has
    /// found it full since the last one that succeeded, and no statement has found it damaged.
    ///
    /// It blocks the thread for no longer than `timeout`.
    #[must_use]
    pub fn probe(&self, timeout: Duration) -> Probe {
        let began = Instant::now();
        let prober = &self.inner.prober;
        let outcome = prober.ask(timeout).and_then(|answer| {
            let answer = block_on::block_until(answer, began + timeout);
            prober.judge(answer, timeout)
        });
        self.probed(began, outcome)
    }

    /// [`Database::probe`] without blocking the thread.
    pub async fn probe_async(&self, timeout: Duration) -> Probe {
        let began = Instant::now();
        let prober = &self.inner.prober;
        let outcome = match prober.ask(timeout) {
            Ok(answer) => {
                let answer = tokio::time::timeout(timeout, answer).await;
                prober.judge(answer.ok(), timeout)
            }
            Err(failure) => Err(failure),
        };
        self.probed(began, outcome)
    }

    fn probed(&self, began: Instant, outcome: ProbeResult) -> Probe {
        #[cfg(feature = "postgres")]
        match &outcome {
            Ok(()) => self.inner.writes.found_read_only(false),
            Err(failure) if failure.cause == ProbeCause::ReadOnly => {
                self.inner.writes.found_read_only(true);
            }
            // Who does not answer may take writes when it does.
            Err(_) => {}
        }
        Probe {
            duration: began.elapsed(),
            outcome,
        }
    }

    /// Whether the server was found to be a standby, which takes no writes, by the last write or
    /// probe; never on SQLite.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        #[cfg(feature = "postgres")]
        return self.inner.writes.is_read_only();
        #[cfg(not(feature = "postgres"))]
        false
    }
}

type ProbeResult = Result<(), ProbeFailure>;

impl Prober {
    pub(super) fn new(
        config: &DatabaseConfig,
        #[cfg(feature = "sqlite")] files: Option<Arc<DatabaseFiles>>,
        faults: Arc<Faults>,
    ) -> Self {
        Self {
            question: ProbeTask {
                config: Arc::new(config.clone()),
                #[cfg(feature = "sqlite")]
                files,
                faults,
            },
            under_way: Arc::default(),
        }
    }

    /// Asks on a thread of its own, which a caller can leave behind: opening a file on a storage
    /// that is gone may never return, and a thread of a runtime's pool would keep that from ending.
    fn ask(&self, timeout: Duration) -> Result<oneshot::Receiver<ProbeResult>, ProbeFailure> {
        let one_more = |under_way: usize| (under_way < UNDER_WAY_MAX).then_some(under_way + 1);
        let begun = self
            .under_way
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        if begun.is_err() {
            let reason = format!("{UNDER_WAY_MAX} earlier probes still wait for an answer");
            return Err(self.timed_out(&reason));
        }
        let under_way = ProbeInFlight(Arc::clone(&self.under_way));
        let (answered, answer) = oneshot::channel();
        let question = self.question.clone();
        let thread = std::thread::Builder::new()
            .name("tickbase-probe".to_owned())
            .spawn(move || {
                let found = question.ask(timeout);
                drop(under_way);
                // A caller that waits no longer wants no answer.
                drop(answered.send(found));
            });
        match thread {
            Ok(_) => Ok(answer),
            Err(error) => Err(self.timed_out(&format!("the probe's thread: {error}"))),
        }
    }

    fn judge(
        &self,
        answer: Option<Result<ProbeResult, oneshot::error::RecvError>>,
        timeout: Duration,
    ) -> ProbeResult {
        match answer {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err(self.timed_out("the probe ended without an answer")),
            None => Err(self.timed_out(&format!("no answer within {timeout:?}"))),
        }
    }

    fn timed_out(&self, reason: &str) -> ProbeFailure {
        let remedy = "check the storage or the server, and the load on them";
        ProbeFailure::new(&self.question.config, ProbeCause::TimedOut, reason, remedy)
    }
}

impl ProbeTask {
    fn ask(&self, timeout: Duration) -> ProbeResult {
        let found = self.ask_database(timeout).and_then(|()| {
            let Some((cause, reason, remedy)) = self.faults.gravest() else {
                return Ok(());
            };
            Err(ProbeFinding::new(cause, reason, remedy))
        });
        found.map_err(|found| found.of(&self.config))
    }

    fn ask_database(&self, timeout: Duration) -> Result<(), ProbeFinding> {
        let config = &self.config;
        match &config.url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) => sqlite::ask(config, path, self.files.as_deref(), timeout),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => postgres::ask(config, timeout),
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            _ => {
                let _ = timeout;
                let reason = "this build has no such backend";
                Err(ProbeFinding::new(ProbeCause::Unreachable, reason, ""))
            }
        }
    }
}

/// A failure before it is known of which database.
struct ProbeFinding {
    cause: ProbeCause,
    reason: String,
    remedy: &'static str,
}

impl ProbeFinding {
    fn new(cause: ProbeCause, reason: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            cause,
            reason: reason.into(),
            remedy,
        }
    }

    fn of(self, config: &DatabaseConfig) -> ProbeFailure {
        ProbeFailure::new(config, self.cause, &self.reason, self.remedy)
    }
}

impl Drop for ProbeInFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
