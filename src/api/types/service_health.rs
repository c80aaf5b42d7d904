//! Health of the services beside the database, as the API writes it.

#[cfg(feature = "sqlite")]
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::rounded;
use crate::monitoring::HealthStatus;
use crate::services::alert_delivery::{ChannelSnapshot, DeliverySnapshot};
#[cfg(feature = "sqlite")]
use crate::services::backup::BackupSnapshot;
use crate::services::{Service, ServiceState};

/// The backups that are made by themselves, as of the last look at their directory.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct BackupHealth {
    /// `degraded` when the last one failed, or the newest is older than twice the interval.
    pub(in crate::api) status: HealthStatus,
    /// When the newest was begun: what was committed before is in it.
    #[schema(format = DateTime)]
    last_backup_at: Option<String>,
    /// The time since then.
    age_seconds: Option<f64>,
    size_bytes: Option<u64>,
    /// How long the last one of this process took, checks included.
    duration_seconds: Option<f64>,
    interval_seconds: f64,
    /// How many are kept now.
    count: usize,
    /// What to do; null when there is nothing to.
    remedy: Option<&'static str>,
}

#[cfg(feature = "sqlite")]
impl From<&BackupSnapshot> for BackupHealth {
    fn from(of: &BackupSnapshot) -> Self {
        let seconds = |time: Duration| rounded(time.as_secs_f64(), 3);
        let remedy = "see in the log why backups fail: the space and rights of backup.directory";
        Self {
            status: match of.is_overdue {
                true => HealthStatus::Degraded,
                false => HealthStatus::Healthy,
            },
            last_backup_at: of.backed_up_at.map(|at| at.to_string()),
            age_seconds: of.age.map(seconds),
            size_bytes: of.bytes,
            duration_seconds: of.took.map(seconds),
            interval_seconds: seconds(of.every),
            count: of.count,
            remedy: of.is_overdue.then_some(remedy),
        }
    }
}

/// A service that keeps the data in order.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct MaintenanceHealth {
    /// `retention` or `archive mirror`.
    name: &'static str,
    /// `degraded` when its last run failed.
    pub(in crate::api) status: HealthStatus,
    /// When its last run ended.
    #[schema(format = DateTime)]
    last_run_at: Option<String>,
    /// Runs that ended, and those of them that failed.
    runs: u64,
    errors: u64,
    /// What to do; null when there is nothing to.
    remedy: Option<&'static str>,
}

impl MaintenanceHealth {
    pub(in crate::api) fn new(service: &dyn Service) -> Self {
        let status = service.status();
        let fails = status.failing_runs > 0 || status.state == ServiceState::Failed;
        Self {
            name: service.name(),
            status: match fails {
                true => HealthStatus::Degraded,
                false => HealthStatus::Healthy,
            },
            last_run_at: status.last_run.map(|at| at.to_string()),
            runs: status.runs,
            errors: status.errors,
            remedy: fails.then_some("see in the log why it fails"),
        }
    }
}

/// The delivery of alerts, all channels together, as it was some seconds ago.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AlertDeliveryHealth {
    /// `degraded` while there are dead letters.
    pub(in crate::api) status: HealthStatus,
    /// Deliveries that are neither done nor given up.
    pub(in crate::api) pending: i64,
    /// Deliveries that were given up.
    pub(in crate::api) dead_letters: i64,
    /// Channels that send nothing for now, as their receivers asked.
    pub(in crate::api) paused_channels: Vec<String>,
    /// Each channel, by name.
    pub(in crate::api) channels: Vec<ChannelHealth>,
    /// What to do; null when there is nothing to.
    pub(in crate::api) remedy: Option<&'static str>,
}

/// The delivery of alerts on one channel.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ChannelHealth {
    name: String,
    /// Deliveries that are neither done nor given up.
    pending: i64,
    /// Deliveries that were given up.
    dead_letters: i64,
    /// The rest of a pause that its receiver asked for.
    paused_seconds: Option<f64>,
}

impl From<&ChannelSnapshot> for ChannelHealth {
    fn from(of: &ChannelSnapshot) -> Self {
        let pause = of.paused_for.map(|left| rounded(left.as_secs_f64(), 3));
        Self {
            name: of.name.clone(),
            pending: of.pending,
            dead_letters: of.dead_letters,
            paused_seconds: pause,
        }
    }
}

impl AlertDeliveryHealth {
    pub(in crate::api) fn new(snapshot: &DeliverySnapshot) -> Self {
        let sum = |figure: fn(&ChannelSnapshot) -> i64| snapshot.channels.iter().map(figure).sum();
        let dead_letters: i64 = sum(|channel| channel.dead_letters);
        let paused = snapshot
            .channels
            .iter()
            .filter(|of| of.paused_for.is_some());
        let (status, remedy) = if dead_letters > 0 {
            let remedy = "mend the receiver, then send them again: tickbase alerts resend --all; \
                          deleting an alert dismisses its own";
            (HealthStatus::Degraded, Some(remedy))
        } else {
            (HealthStatus::Healthy, None)
        };
        Self {
            status,
            pending: sum(|channel| channel.pending),
            dead_letters,
            paused_channels: paused.map(|of| of.name.clone()).collect(),
            channels: snapshot.channels.iter().map(ChannelHealth::from).collect(),
            remedy,
        }
    }
}

/// The service of historical data.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HistoryHealth {
    pub(in crate::api) status: HealthStatus,
    pub(in crate::api) service_running: bool,
    pub(in crate::api) cache_size: u64,
    pub(in crate::api) total_requests: u64,
    pub(in crate::api) database_healthy: bool,
    /// Minutes since the newest tick's event time.
    pub(in crate::api) data_freshness_minutes: Option<f64>,
}
