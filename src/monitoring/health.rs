//! The verdict in one word, from the probe and the alerts. It is a pure function.

use super::check::{Alert, Check, CheckLevel};

/// The verdict about the database.
///
/// | probe of this moment | alerts raised | verdict |
/// |---|---|---|
/// | failed | any | `Unhealthy` |
/// | good, or none yet | `pool_utilization` critical | `Unhealthy` |
/// | good, or none yet | any other warning or critical | `Degraded` |
/// | good, or none yet | none | `Healthy` |
///
/// `Unhealthy` means that requests cannot be served: the database does not answer, or there is no
/// connection to ask it with. All else is served, if more slowly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[cfg_attr(feature = "server", derive(serde::Serialize, utoipa::ToSchema))]
#[cfg_attr(feature = "server", serde(rename_all = "lowercase"))]
pub enum HealthStatus {
    /// All is well.
    #[default]
    Healthy,
    /// It serves, and an alert is raised.
    Degraded,
    /// It does not serve.
    Unhealthy,
}

impl HealthStatus {
    /// The verdict as responses write it: `healthy`, `degraded`, `unhealthy`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The verdict on a probe (`None` when there was none yet) and the raised alerts.
    #[must_use]
    pub fn of(probe_failed: Option<bool>, alerts: &[Alert]) -> Self {
        let exhausted = |alert: &Alert| {
            alert.check == Check::PoolUtilization && alert.level == CheckLevel::Critical
        };
        let raised = |alert: &Alert| alert.level > CheckLevel::Ok;
        if probe_failed == Some(true) || alerts.iter().any(exhausted) {
            return Self::Unhealthy;
        }
        if alerts.iter().any(raised) {
            return Self::Degraded;
        }
        Self::Healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(check: Check, level: CheckLevel) -> Alert {
        Alert {
            check,
            level,
            since: None,
            value: None,
            threshold: None,
        }
    }

    #[test]
    fn the_verdict_is_that_of_the_table() {
        use HealthStatus::{Degraded, Healthy, Unhealthy};
        let pool_warning = alert(Check::PoolUtilization, CheckLevel::Warning);
        let pool_critical = alert(Check::PoolUtilization, CheckLevel::Critical);
        let wal_critical = alert(Check::WalBytes, CheckLevel::Critical);
        let ok = alert(Check::WalBytes, CheckLevel::Ok);
        // The probe has come back, its alert is not cleared yet.
        let probe_critical = alert(Check::Probe, CheckLevel::Critical);
        for (probe_failed, alerts, verdict) in [
            (None, vec![], Healthy),
            (Some(false), vec![], Healthy),
            (Some(false), vec![ok], Healthy),
            (Some(true), vec![], Unhealthy),
            (Some(true), vec![wal_critical.clone()], Unhealthy),
            (Some(false), vec![pool_warning], Degraded),
            (Some(false), vec![wal_critical.clone()], Degraded),
            (Some(false), vec![probe_critical], Degraded),
            (
                Some(false),
                vec![wal_critical, pool_critical.clone()],
                Unhealthy,
            ),
            (None, vec![pool_critical], Unhealthy),
        ] {
            let found = HealthStatus::of(probe_failed, &alerts);
            assert_eq!(found, verdict, "{probe_failed:?} {alerts:?}");
        }
    }
}
