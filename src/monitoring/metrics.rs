//! What Prometheus scrapes: the families of the database and of monitoring, and the writer of the
//! text format, which the HTTP server uses for its own.
//!
//! Counters and histograms are those of the moment of the scrape; what the database must be asked
//! for (sizes, rows, the probe, levels) is that of the last round. Names are those of
//! OpenTelemetry's semantic conventions, in their Prometheus form, where they have one
//! (`db_client_*`), and of Prometheus' own client libraries (`process_*`); the rest is
//! `tickbase_*`. Every label has a bounded set of values: operations, tables and checks have static
//! names.
//!
//! The reasons are in docs/decisions/0023.

#[cfg(feature = "sqlite")]
mod backup;
mod cache;
mod database;
mod delivery;
mod exposition;
mod rounds;
#[cfg(test)]
mod tests;

#[cfg(feature = "sqlite")]
pub use backup::backup_metrics;
pub use cache::cache_metrics;
pub use database::{database_metrics, process_metrics};
pub use delivery::delivery_metrics;
pub use exposition::{CONTENT_TYPE, Exposition, Family, MetricKind};
pub use rounds::snapshot_metrics;

use super::DatabaseMonitoringService;
use crate::services::{Service, ServiceState};

/// All families of the database, of monitoring and of the process, as one text.
///
/// ```
/// use tickbase::monitoring::{DatabaseMonitoringService, metrics};
/// # fn main() -> tickbase::Result<()> {
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
/// let monitoring = DatabaseMonitoringService::new(db.database().clone(), Default::default())?;
/// monitoring.check_now();
/// let text = metrics::render(&monitoring);
/// assert!(text.contains("# TYPE db_client_operation_duration_seconds histogram\n"));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn render(monitoring: &DatabaseMonitoringService) -> String {
    let mut text = Exposition::default();
    database_metrics(&mut text, monitoring.database());
    process_metrics(&mut text);
    if let Some(snapshot) = monitoring.latest() {
        snapshot_metrics(&mut text, &snapshot);
    }
    service_metrics(&mut text, &[monitoring]);
    text.finish()
}

/// The lifecycle of services: call it once, with all of them, as every family is written once.
pub fn service_metrics(text: &mut Exposition, services: &[&dyn Service]) {
    let all: Vec<_> = services.iter().map(|s| (s.name(), s.status())).collect();
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_service_running",
        "Whether a service runs (1) or not (0).",
    );
    for (service, status) in &all {
        let running = status.state == ServiceState::Running;
        family.sample(&[("service", service)], f64::from(u8::from(running)));
    }
    let mut family = text.family(
        MetricKind::Counter,
        "tickbase_service_runs_total",
        "Runs of a service that ended, by outcome.",
    );
    for (service, status) in &all {
        let successes = status.runs - status.errors;
        for (outcome, runs) in [("success", successes), ("error", status.errors)] {
            family.sample(&[("service", service), ("outcome", outcome)], runs as f64);
        }
    }
    let mut family = text.family(
        MetricKind::Counter,
        "tickbase_service_panics_total",
        "Panics that a service caught, in runs and in callbacks of its users.",
    );
    for (service, status) in &all {
        family.sample(&[("service", service)], status.panics as f64);
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_service_last_run_timestamp_seconds",
        "When a service last ended a run, in seconds since the epoch.",
    );
    for (service, status) in &all {
        if let Some(at) = status.last_run {
            family.sample(&[("service", service)], seconds(at.micros()));
        }
    }
}

/// Microseconds as seconds.
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
