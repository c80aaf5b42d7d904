//! The families of the last round of monitoring: what the database had to be asked for, and the
//! levels.

use super::super::health::HealthStatus;
use super::super::snapshot::MonitoringSnapshot;
use super::exposition::{Exposition, MetricKind};
use super::seconds;
use crate::repository::storage::{ArchiveSize, PostgresActivity, TableEstimate};

/// The families of a snapshot: when, size, probe, levels, verdict.
pub fn snapshot_metrics(text: &mut Exposition, snapshot: &MonitoringSnapshot) {
    text.single(
        MetricKind::Gauge,
        "tickbase_monitoring_snapshot_timestamp_seconds",
        "When the figures of monitoring were taken, in seconds since the epoch.",
        seconds(snapshot.taken_at.micros()),
    );
    if let Some(storage) = &snapshot.storage {
        text.single(
            MetricKind::Gauge,
            "tickbase_database_bytes",
            "Bytes of the database, free pages included, without the WAL.",
            storage.size.database_bytes as f64,
        );
        text.single(
            MetricKind::Gauge,
            "tickbase_database_free_bytes",
            "Bytes of pages that hold nothing; none are counted on PostgreSQL.",
            storage.size.free_bytes as f64,
        );
        rows(text, &storage.tables);
        archive(text, &storage.archive);
    }
    if let Some(activity) = &snapshot.postgres {
        server(text, activity);
    }
    text.single(
        MetricKind::Gauge,
        "tickbase_probe_success",
        "Whether the last probe, a fresh connection, was answered (1) or not (0).",
        f64::from(u8::from(snapshot.probe.error.is_none())),
    );
    text.single(
        MetricKind::Gauge,
        "tickbase_probe_duration_seconds",
        "Duration of the last probe.",
        snapshot.probe.took.as_secs_f64(),
    );
    if let Some(share) = snapshot.rates.late_share {
        text.single(
            MetricKind::Gauge,
            "tickbase_ingest_late_ratio",
            "Share of the ticks inserted in the last 5 minutes that were late.",
            share,
        );
    }
    levels(text, snapshot);
}

fn rows(text: &mut Exposition, tables: &[TableEstimate]) {
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_table_rows",
        "About how many rows a table holds, as of the last statistics.",
    );
    for table in tables {
        for (state, rows) in [("active", table.active), ("deleted", table.deleted)] {
            if let Some(rows) = rows {
                family.sample(&[("table", table.table), ("state", state)], rows as f64);
            }
        }
    }
}

fn archive(text: &mut Exposition, archive: &ArchiveSize) {
    for (name, help, value) in [
        (
            "tickbase_archive_periods",
            "Archived periods of instruments, each a file within the database.",
            archive.periods,
        ),
        (
            "tickbase_archive_ticks",
            "Ticks of the files; those of the table are rows of tickbase_table_rows.",
            archive.ticks,
        ),
        (
            "tickbase_archive_bytes",
            "Bytes of the files.",
            archive.bytes,
        ),
    ] {
        text.single(MetricKind::Gauge, name, help, value as f64);
    }
}

fn server(text: &mut Exposition, activity: &PostgresActivity) {
    let sessions = &activity.sessions;
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_postgres_sessions",
        "Sessions of all clients on the database, by state.",
    );
    for (state, count) in [
        ("active", sessions.active),
        ("idle", sessions.idle),
        ("idle_in_transaction", sessions.idle_in_transaction),
        ("waiting_for_lock", sessions.waiting_for_lock),
    ] {
        family.sample(&[("state", state)], count as f64);
    }
    if let Some(age) = sessions.oldest_transaction_seconds {
        text.single(
            MetricKind::Gauge,
            "tickbase_postgres_oldest_transaction_seconds",
            "Age of the oldest transaction of another session.",
            age,
        );
    }
    let totals = &activity.totals;
    for (name, help, total) in [
        (
            "tickbase_postgres_deadlocks_total",
            "Deadlocks that the server found in the database.",
            totals.deadlocks,
        ),
        (
            "tickbase_postgres_blocks_read_total",
            "Blocks that the server read from the disk or the system's cache.",
            totals.blocks_read,
        ),
        (
            "tickbase_postgres_blocks_hit_total",
            "Blocks that the server found in its own cache.",
            totals.blocks_hit,
        ),
        (
            "tickbase_postgres_temporary_bytes_total",
            "Bytes of temporary files that queries wrote.",
            totals.temp_bytes,
        ),
    ] {
        text.single(MetricKind::Counter, name, help, total as f64);
    }
}

fn levels(text: &mut Exposition, snapshot: &MonitoringSnapshot) {
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_check_level",
        "CheckLevel of a check: 0 ok, 1 warning, 2 critical.",
    );
    for status in &snapshot.checks {
        let level = f64::from(status.level as u8);
        family.sample(&[("check", status.check.name())], level);
    }
    let mut family = text.family(
        MetricKind::Gauge,
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
