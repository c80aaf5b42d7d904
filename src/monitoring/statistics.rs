//! Keeps the statistics fresh from which SQLite's row estimates come.
//!
//! Refreshing takes the write lane for some milliseconds, and a long import may hold that for
//! minutes: it runs on a thread of its own, so that no round waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::database::Database;
use crate::repository::storage;

/// Time between two refreshes: tables grow by less than they hold in it.
const REFRESH_EVERY: Duration = Duration::from_secs(600);

/// When the statistics were refreshed, and whether they are being.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    begun: Option<Instant>,
    under_way: Arc<AtomicBool>,
}

impl Statistics {
    /// Begins a refresh when one is due and none is under way; does not wait for it.
    pub(super) fn refresh_if_due(&mut self, db: &Database) {
        let fresh = self.begun.is_some_and(|at| at.elapsed() < REFRESH_EVERY);
        if fresh || self.under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        // From the begin, also of a refresh that fails: a broken one is not repeated in each round.
        self.begun = Some(Instant::now());
        let (db, under_way) = (db.clone(), Arc::clone(&self.under_way));
        let started = std::thread::Builder::new()
            .name("tickbase-statistics".to_owned())
            .spawn(move || {
                refresh(&db);
                under_way.store(false, Ordering::Release);
            });
        if let Err(error) = started {
            tracing::debug!(%error, "no thread to refresh the statistics with");
            self.under_way.store(false, Ordering::Release);
        }
    }
}

/// Statistics that stay old are no fault: they only make estimates worse.
fn refresh(db: &Database) {
    if let Err(error) = storage::refresh_statistics(db) {
        tracing::debug!(error = error.chain(), "statistics not refreshed");
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::testing::TemporaryDatabase;

    #[test]
    fn a_refresh_makes_estimates_known_and_is_not_repeated_at_once() {
        let db = TemporaryDatabase::sqlite().unwrap();
        let mut statistics = Statistics::default();
        statistics.refresh_if_due(&db);
        let begun = statistics.begun;
        let deadline = Instant::now() + Duration::from_secs(60);
        let known = || {
            let estimate = storage::estimate(&db).unwrap();
            estimate.tables[0].active
        };
        while known() != Some(12) {
            assert!(Instant::now() < deadline, "{:?}", known());
            std::thread::yield_now();
        }
        statistics.refresh_if_due(&db);
        assert_eq!(statistics.begun, begun);
    }
}
