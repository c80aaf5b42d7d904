//! The families of the last round of monitoring: what the database had to be asked for, and the
//! levels.

use super::super::health::HealthStatus;
use super::super::snapshot::MonitoringSnapshot;
use super::exposition::{Exposition, Kind};
use super::seconds;

/// The families of a snapshot: when, size, probe, levels, verdict.
pub fn snapshot_metrics(text: &mut Exposition, snapshot: &MonitoringSnapshot) {
    text.single(
        Kind::Gauge,
        "tickbase_monitoring_snapshot_timestamp_seconds",
        "When the figures of monitoring were taken, in seconds since the epoch.",
        seconds(snapshot.taken_at.micros()),
    );
    if let Some(storage) = snapshot.storage {
        text.single(
            Kind::Gauge,
            "tickbase_database_bytes",
            "Bytes of the database, free pages included, without the WAL.",
            storage.database_bytes as f64,
        );
        text.single(
            Kind::Gauge,
            "tickbase_database_free_bytes",
            "Bytes of pages that hold nothing; none are counted on PostgreSQL.",
            storage.free_bytes as f64,
        );
    }
    text.single(
        Kind::Gauge,
        "tickbase_probe_success",
        "Whether the last probe, a fresh connection, was answered (1) or not (0).",
        f64::from(u8::from(snapshot.probe.error.is_none())),
    );
    text.single(
        Kind::Gauge,
        "tickbase_probe_duration_seconds",
        "Duration of the last probe.",
        snapshot.probe.took.as_secs_f64(),
    );
    levels(text, snapshot);
}

fn levels(text: &mut Exposition, snapshot: &MonitoringSnapshot) {
    let mut family = text.family(
        Kind::Gauge,
        "tickbase_check_level",
        "Level of a check: 0 ok, 1 warning, 2 critical.",
    );
    for status in &snapshot.checks {
        let level = f64::from(status.level as u8);
        family.sample(&[("check", status.check.name())], level);
    }
    let mut family = text.family(
        Kind::Gauge,
        "tickbase_health_status",
        "Verdict on the database: 1 for the one that holds, 0 for the others.",
    );
    for status in [
        HealthStatus::Healthy,
        HealthStatus::Degraded,
        HealthStatus::Unhealthy,
    ] {
        let holds = f64::from(u8::from(status == snapshot.health));
        family.sample(&[("status", status.as_str())], holds);
    }
}
