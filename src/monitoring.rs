//! The watcher: what the database does and how it is, in numbers, in levels, and in the formats
//! that others read.
//!
//! [`snapshot`] has the numbers of one moment, [`check`] compares them with thresholds (a pure
//! function), [`health`] sums both up in one word, [`service`] is the loop that does so, and
//! [`metrics`] writes what Prometheus scrapes. It only reads: it runs no SQL of its own, and takes
//! no lock that a reader or a writer of the database waits for.
//!
//! The reasons are in docs/decisions/0022.

pub mod check;
mod collect;
pub mod health;
pub mod metrics;
mod notifier;
mod process;
mod rates;
pub mod service;
pub mod snapshot;
mod statistics;

pub use crate::services::Registration;
pub use check::{Alert, Check, CheckLevel, CheckStatus, LevelChange};
pub use health::HealthStatus;
pub use service::DatabaseMonitoringService;
pub use snapshot::{
    CommitWindow, MonitoringSnapshot, OperationWindow, ProbeOutcome, ProcessSnapshot, Rates,
    WindowRates,
};
