//! Keeps the WAL bounded, and sees when it cannot.
//!
//! SQLite checkpoints by itself every `wal_autocheckpoint` pages, but begins the WAL anew only at a
//! moment when no reader uses it: readers that overlap all the time, or one that stays long, let
//! it grow. Past a limit the writer asks for such a moment and waits a little; when a reader does
//! not end, it says so.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::LaneCounters;
use crate::error::Result;

/// How often the size is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the writer waits for the readers to end.
const READERS_WAIT: Duration = Duration::from_millis(100);
/// How often a starved checkpoint is logged.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// The WAL of one database.
pub(crate) struct Wal {
    path: PathBuf,
    bytes_max: u64,
    busy_timeout: Duration,
    looked: Instant,
    warned: Option<Instant>,
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

impl Wal {
    /// The WAL beside a database file. `busy_timeout` is the connection's own, to be restored.
    pub(crate) fn new(path: PathBuf, bytes_max: u64, busy_timeout: Duration) -> Self {
        Self {
            path,
            bytes_max,
            busy_timeout,
            looked: Instant::now(),
            warned: None,
        }
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&self) -> bool {
        self.looked.elapsed() >= LOOK_EVERY
    }

    /// Looks at the size, and begins the WAL anew when it is past the limit.
    pub(super) fn tend(&mut self, conn: &mut SqliteConnection, counters: &LaneCounters) {
        self.looked = Instant::now();
        if self.bytes(counters) <= self.bytes_max {
            counters.wal_starved.store(false, Ordering::Relaxed);
            return;
        }
        match self.begin_anew(conn, counters) {
            Ok(true) => {
                counters.wal_resets.fetch_add(1, Ordering::Relaxed);
                counters.wal_starved.store(false, Ordering::Relaxed);
                self.bytes(counters);
            }
            Ok(false) => self.starved(counters),
            Err(error) => {
                tracing::warn!(%error, "a checkpoint failed; the next one makes up for it")
            }
        }
    }

    fn bytes(&self, counters: &LaneCounters) -> u64 {
        // No file is no WAL.
        let bytes = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        counters.wal_bytes.store(bytes, Ordering::Relaxed);
        bytes
    }

    fn begin_anew(&self, conn: &mut SqliteConnection, counters: &LaneCounters) -> Result<bool> {
        let wait = |conn: &mut SqliteConnection, time: Duration| {
            conn.batch_execute(&format!("PRAGMA busy_timeout = {}", time.as_millis()))
        };
        wait(conn, READERS_WAIT)?;
        let began = Instant::now();
        let done = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(conn);
        counters.checkpoint.record(began.elapsed());
        wait(conn, self.busy_timeout)?;
        let checkpoint: Checkpoint = done?;
        Ok(checkpoint.busy == 0)
    }

    fn starved(&mut self, counters: &LaneCounters) {
        counters.wal_starvations.fetch_add(1, Ordering::Relaxed);
        counters.wal_starved.store(true, Ordering::Relaxed);
        if self.warned.is_some_and(|at| at.elapsed() < WARN_EVERY) {
            return;
        }
        self.warned = Some(Instant::now());
        tracing::warn!(
            wal_bytes = counters.wal_bytes.load(Ordering::Relaxed),
            limit = self.bytes_max,
            "the WAL grows because a reader does not end; end long reads, in this process or another"
        );
    }
}
