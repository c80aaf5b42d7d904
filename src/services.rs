//! Services beside the doors: each is started, stopped and asked for its state in the same way.
//!
//! Owns the [`Service`] trait and the bookkeeping behind a status. It starts nothing on its own:
//! which services run, and in which order, is the composition root's.
//!
//! Begin with [`AlertEngine`] for rules that fire, with [`historical_data::bars`] for bars, and with
//! `AnalyticsEngine` (feature `analytics`) for indicators and risk. [`alert_engine`],
//! [`replay`] and `analytics` are the same without a service around them: functions to embed.

pub mod alert_delivery;
pub mod alert_engine;
pub mod alerts;
#[cfg(feature = "analytics")]
pub mod analytics;
#[cfg(feature = "analytics")]
pub mod analytics_engine;
#[cfg(feature = "archive")]
pub mod archive_mirror;
#[cfg(feature = "sqlite")]
pub mod backup;
pub mod cache;
mod callbacks;
pub mod coverage;
pub mod historical_data;
mod record;
pub mod replay;
#[cfg(feature = "archive")]
mod retention;
mod worker;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use alerts::AlertEngine;
#[cfg(feature = "analytics")]
pub use analytics_engine::AnalyticsEngine;
#[cfg(feature = "archive")]
pub use archive_mirror::ArchiveMirrorService;
#[cfg(feature = "sqlite")]
pub use backup::BackupService;
pub(crate) use callbacks::Callbacks;
pub use callbacks::Registration;
pub use historical_data::HistoricalDataService;
pub(crate) use record::{ServiceRecord, panic_text};
#[cfg(feature = "archive")]
pub use retention::RetentionService;
pub(crate) use worker::{Wakeup, Worker, WorkerText};

use crate::error::Result;
use crate::timestamp::Timestamp;

/// The lifecycle of a service. It needs no runtime: a service has threads of its own, named after
/// it.
///
/// A service is started and stopped as often as one likes, from any thread.
#[doc(alias = "lifecycle")]
pub trait Service: Send + Sync {
    /// Its name, as logs and metrics show it.
    fn name(&self) -> &'static str;

    /// Starts its work and returns.
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) when it runs already, or its thread cannot be
    /// started.
    fn start(&self) -> Result<()>;

    /// Ends its work and returns when that has ended; does nothing when it does not run.
    ///
    /// Called from the service's own thread (out of a callback, say) it cannot wait for that
    /// thread: then the work ends as soon as the call has returned.
    fn stop(&self);

    /// Returns the state of the service and its history.
    fn status(&self) -> ServiceStatus;
}

/// The state of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceState {
    /// The service was not started, or was stopped.
    #[default]
    Stopped,
    /// The service works. Single runs may still fail: see [`ServiceStatus::failing_runs`].
    Running,
    /// Its work ended although nobody stopped it.
    Failed,
}

impl ServiceState {
    /// The state as responses and logs write it: `stopped`, `running`, `failed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Failed => "failed",
        }
    }
}

/// The state of a service at one moment. Counts go on over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// The state of the service.
    pub state: ServiceState,
    /// When it was last started, by the database's clock.
    pub started_at: Option<Timestamp>,
    /// When it last ended a run (a round, a batch, a request), successful or not.
    pub last_run: Option<Timestamp>,
    /// Runs that ended, successful or not.
    pub runs: u64,
    /// Runs that ended in an error or a panic.
    pub errors: u64,
    /// Failed runs since the last successful one: 0 when all is well.
    pub failing_runs: u64,
    /// Panics that it caught, in runs and in callbacks of its users.
    pub panics: u64,
    /// The last error or panic of a run.
    pub last_error: Option<ServiceError>,
}

/// An error of a run of a service, and its moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceError {
    /// The error with its causes, in one line.
    pub text: String,
    /// When the run ended, by the database's clock.
    pub at: Timestamp,
}

/// Locks a mutex, also after a panic of a holder: the values behind the locks of services are whole
/// at every moment at which a holder could panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
