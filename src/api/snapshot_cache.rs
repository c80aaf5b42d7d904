//! The snapshot of the database's health that answers of the same moment share: frequent questions
//! do not make the database do more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::monitoring::{DatabaseMonitoringService, MonitoringSnapshot};

/// The oldest probe that an answer stands on.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_millis(500);

/// The snapshot that answers of the same moment share.
#[derive(Debug, Default)]
pub(super) struct SnapshotCache(Mutex<Option<(Instant, Arc<MonitoringSnapshot>)>>);

impl SnapshotCache {
    /// A snapshot of this moment. Who comes while one is taken waits for that one.
    pub(super) async fn take(
        &self,
        monitoring: &Arc<DatabaseMonitoringService>,
    ) -> Result<Arc<MonitoringSnapshot>> {
        // Held during the look: requests of the same moment wait for one probe instead of starting
        // more. An asynchronous lock, as they wait for a database.
        let mut last = self.0.lock().await;
        if let Some((at, snapshot)) = &*last
            && at.elapsed() < SNAPSHOT_AGE_MAX
        {
            return Ok(Arc::clone(snapshot));
        }
        let monitoring = Arc::clone(monitoring);
        let look = tokio::task::spawn_blocking(move || monitoring.snapshot_now());
        let snapshot = Arc::new(look.await.map_err(|_| Error::Closed)?);
        if !snapshot.errors.is_empty() {
            // Clients are told the kind alone.
            let errors = snapshot.errors.join("; ");
            tracing::warn!(errors, "the database does not answer as it should");
        }
        *last = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}
