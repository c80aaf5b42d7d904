//! The families of the backups that are made by themselves, as of the last look at their directory.

use super::exposition::{Exposition, MetricKind};
use crate::services::backup::BackupSnapshot;

/// The newest backup: when it was begun, its bytes, how long it took; and how often one is made.
pub fn backup_metrics(text: &mut Exposition, snapshot: &BackupSnapshot) {
    let seconds_of = |at: crate::timestamp::Timestamp| at.micros() as f64 / 1e6;
    let families = [
        (
            "tickbase_backup_last_timestamp_seconds",
            "When the newest backup was begun, in seconds since 1970.",
            snapshot.backed_up_at.map(seconds_of),
        ),
        (
            "tickbase_backup_size_bytes",
            "Size of the newest backup.",
            snapshot.bytes.map(|bytes| bytes as f64),
        ),
        (
            "tickbase_backup_duration_seconds",
            "Time that the last backup of this process took, checks included.",
            snapshot.took.map(|took| took.as_secs_f64()),
        ),
        (
            "tickbase_backup_interval_seconds",
            "Time between two backups, by the settings.",
            Some(snapshot.every.as_secs_f64()),
        ),
        (
            "tickbase_backup_files",
            "Backups in the directory.",
            Some(snapshot.count as f64),
        ),
    ];
    for (name, help, value) in families {
        if let Some(value) = value {
            text.family(MetricKind::Gauge, name, help)
                .sample(&[], value);
        }
    }
}
