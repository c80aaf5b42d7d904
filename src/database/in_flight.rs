//! The writes under way on PostgreSQL: closing waits for them and lets no other begin, and what
//! became of them is counted. It runs none itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::PgConnection;

use super::attachments::Attachments;
use super::histogram::Histogram;
use super::instrumentation::CommitSnapshot;
use super::log_position::RequiredPosition;
use super::{nested_write, replicas};
use crate::error::{Error, Result};

/// The writes of one database.
#[derive(Default)]
pub(super) struct InFlightWrites {
    /// What their transactions find attached to the database.
    pub(super) attachments: Arc<Attachments>,
    /// How they begin.
    pub(super) begin: String,
    /// Where the last commit lies, for reads on replicas; `None` without replicas.
    position: Option<Arc<RequiredPosition>>,
    /// Whether the last write or probe met a server that takes no writes.
    read_only: AtomicBool,
    state: Mutex<InFlightState>,
    ended: Condvar,
    committed_rows: AtomicU64,
    commits_unknown: AtomicU64,
    commit: Histogram,
}

#[derive(Debug, Default)]
struct InFlightState {
    under_way: usize,
    closed: bool,
}

/// A write under way.
pub(super) struct InFlightWrite(Arc<InFlightWrites>);

impl InFlightWrites {
    pub(super) fn new(
        attachments: Arc<Attachments>,
        begin: String,
        position: Option<Arc<RequiredPosition>>,
    ) -> Self {
        Self {
            attachments,
            begin,
            position,
            ..Self::default()
        }
    }

    /// Asks the server of a connection, on which something was committed, how far its log is written. Only
    /// then is the commit acknowledged: reads on replicas that begin later see it.
    pub(super) fn note_position(&self, conn: &mut PgConnection) {
        let Some(position) = &self.position else {
            return;
        };
        let before = position.asking();
        match replicas::position_of_primary(conn) {
            Ok(written) => position.answered(before, written),
            Err(error) => {
                tracing::debug!(%error, "the position of a commit is not known");
                position.lose();
            }
        }
    }

    /// Counts a transaction of which nobody can know whether it was committed.
    pub(super) fn commit_unknown(&self) {
        self.commits_unknown.fetch_add(1, Ordering::Relaxed);
        self.lose_position();
    }

    /// Something was committed, or may be, and where is not known: replicas answer when the primary was
    /// asked again.
    pub(super) fn lose_position(&self) {
        if let Some(position) = &self.position {
            position.lose();
        }
    }

    /// Remembers whether the server was found to take no writes.
    pub(super) fn found_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// Counts a write until the answer is dropped; [`Error::Closed`] after [`InFlightWrites::close`].
    pub(super) fn begin(self: &Arc<Self>) -> Result<InFlightWrite> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        state.under_way += 1;
        drop(state);
        Ok(InFlightWrite(Arc::clone(self)))
    }

    /// Lets no other begin, and waits for those under way, but not for ever: a server that does
    /// not answer must not keep a process from ending.
    pub(super) fn close(&self, wait_max: Duration) {
        let mut state = self.lock();
        state.closed = true;
        // A write that closes its database would wait for itself.
        if nested_write::is_in_write() {
            return;
        }
        let waited = self
            .ended
            .wait_timeout_while(state, wait_max, |state| state.under_way > 0);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let writes = state.under_way;
            tracing::warn!(
                writes,
                waited_seconds = wait_max.as_secs_f64(),
                "closing did not wait for these any longer"
            );
        }
    }

    /// Counts a transaction that was committed.
    pub(super) fn committed(&self, rows: u64, began: Instant) {
        self.commit.record(began.elapsed());
        self.committed_rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> CommitSnapshot {
        CommitSnapshot {
            rows: self.committed_rows.load(Ordering::Relaxed),
            commit: self.commit.counts(),
            unknown: self.commits_unknown.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, InFlightState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightWrite {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn closing_waits_for_what_is_under_way_and_refuses_what_comes() {
        let writes = Arc::new(InFlightWrites::default());
        let (begun, has_begun) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let writer = {
            let writes = Arc::clone(&writes);
            std::thread::spawn(move || {
                let _under_way = writes.begin().unwrap();
                begun.send(()).unwrap();
                ends.recv().unwrap_err();
            })
        };
        has_begun.recv().unwrap();
        writes.close(Duration::from_millis(20));
        assert_eq!(writes.lock().under_way, 1, "it waits no longer than it may");
        assert!(matches!(writes.begin(), Err(Error::Closed)));
        drop(end);
        writes.close(LONG);
        assert_eq!(writes.lock().under_way, 0);
        writer.join().unwrap();
    }

    #[test]
    fn a_write_that_closes_does_not_wait_for_itself() {
        let writes = Arc::new(InFlightWrites::default());
        let under_way = writes.begin().unwrap();
        let inside = nested_write::WriteClosure::enter();
        writes.close(LONG);
        drop((inside, under_way));
        assert!(!nested_write::is_in_write());
    }
}
