//! The memory that bodies share: a request that wants more than is free waits a little, then is
//! told to come again. Memory is taken before it is used, so that many bodies together never hold
//! more.
//!
//! Texts and the rows that are read from them have a half each. Rows are the last that a request
//! takes, so whoever waits for some waits for requests that need nothing more to end.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::error::ApiError;
use crate::config::ServerConfig;
use crate::error::Error;

/// The time that a request waits for memory: others end in less, and a client hears in time that it
/// must wait longer.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// A permit of the semaphores stands for so many bytes: they count up to 2^32.
const UNIT_BYTES: usize = 1_024;
/// The bytes of a row while it is stored: the tick, the name of its instrument, and a copy for
/// those who listen.
const ROW_BYTES: usize = 400;

/// The memory of all bodies, and the processors that work on them.
#[derive(Debug)]
pub(in crate::api) struct BodyMemory {
    texts: MemoryShare,
    rows: MemoryShare,
    /// Permits to unpack. Each holder keeps its memory while it waits for more, so there are only
    /// few.
    unpackers: Arc<Semaphore>,
    /// Permits to read rows.
    readers: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
struct MemoryShare {
    free: Arc<Semaphore>,
    wait_max: Duration,
    units: u32,
    bytes_max: usize,
}

/// Memory that a request has taken, until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct TakenMemory {
    half: MemoryShare,
    permit: Option<OwnedSemaphorePermit>,
}

impl BodyMemory {
    pub(in crate::api) fn new(config: &ServerConfig) -> Self {
        let bytes_max = config.body_memory_bytes_max;
        let units = u32::try_from(bytes_max / 2 / UNIT_BYTES).unwrap_or(u32::MAX);
        // Two halves, not one pot: bodies that fill it all while they wait for rows would wait for
        // each other.
        let half = || MemoryShare {
            free: Arc::new(Semaphore::new(units as usize)),
            wait_max: WAIT_MAX,
            units,
            bytes_max,
        };
        // Unpacking and reading keep a processor busy: more at once would only hold memory longer.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            texts: half(),
            rows: half(),
            unpackers: Arc::new(Semaphore::new(processors)),
            readers: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Memory for a text, none yet.
    pub(in crate::api) fn text(&self) -> TakenMemory {
        self.texts.nothing()
    }

    /// Memory for rows.
    ///
    /// # Errors
    /// 503 when it does not come free in time.
    pub(in crate::api) async fn rows(&self, count: usize) -> Result<TakenMemory, ApiError> {
        let mut taken = self.rows.nothing();
        taken.take(count.saturating_mul(ROW_BYTES)).await?;
        Ok(taken)
    }

    /// A turn to unpack.
    pub(super) async fn unpacker(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        turn(&self.unpackers).await
    }

    /// Reads rows on a thread that may be kept busy.
    pub(in crate::api) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _turn = turn(&self.readers).await?;
        off_runtime(work).await
    }
}

async fn turn(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let turn = Arc::clone(of).acquire_owned().await;
    turn.map_err(|_| Error::Closed.into())
}

/// Works on a thread that may be kept busy, unlike those of the runtime.
pub(in crate::api) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Closed.into())
}

impl MemoryShare {
    fn nothing(&self) -> TakenMemory {
        TakenMemory {
            half: self.clone(),
            permit: None,
        }
    }
}

impl TakenMemory {
    fn units(&self) -> usize {
        self.permit
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Takes so many bytes more. Nobody takes more than there is, so that one alone always gets on.
    ///
    /// # Errors
    /// 503 when they do not come free in time.
    pub(in crate::api) async fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        let left = self
            .half
            .units
            .saturating_sub(u32::try_from(self.units()).unwrap_or(u32::MAX));
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES))
            .unwrap_or(u32::MAX)
            .min(left);
        // The semaphore is fair: a large request is not overtaken by small ones for ever.
        let free = Arc::clone(&self.half.free).acquire_many_owned(units);
        let Ok(taken) = tokio::time::timeout(self.half.wait_max, free).await else {
            return Err(self.half.used_up());
        };
        let taken = taken.map_err(|_| Error::Closed)?;
        match &mut self.permit {
            // One permit for all of it: it goes back whole, wherever the request ends.
            Some(permit) => permit.merge(taken),
            None => self.permit = Some(taken),
        }
        Ok(())
    }

    /// Gives back what more than so many rows would need.
    pub(in crate::api) fn keep_rows(&mut self, count: usize) {
        let needed = count.saturating_mul(ROW_BYTES).div_ceil(UNIT_BYTES);
        let surplus = self.units().saturating_sub(needed);
        if let Some(permit) = &mut self.permit {
            drop(permit.split(surplus));
        }
    }

    /// Makes room in `text` for `needed` bytes, of which there are `bytes_max` at most. It grows
    /// twofold, so that it is seldom moved.
    ///
    /// # Errors
    /// As [`TakenMemory::take`].
    pub(in crate::api) async fn make_room(
        &mut self,
        text: &mut Vec<u8>,
        needed: usize,
        bytes_max: usize,
    ) -> Result<(), ApiError> {
        let before = text.capacity();
        if needed > before {
            let after = needed.max(before.saturating_mul(2).min(bytes_max));
            self.take(after - before).await?;
            text.reserve_exact(after - text.len());
        }
        Ok(())
    }
}

impl MemoryShare {
    fn used_up(&self) -> ApiError {
        let detail = format!(
            "the bodies of other requests use up the memory for them ({} bytes, \
             server.body_memory_bytes_max); nothing was stored; send it again, or less at a time",
            self.bytes_max
        );
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: usize) -> BodyMemory {
        let mut memory = BodyMemory::new(&ServerConfig {
            body_memory_bytes_max: bytes,
            ..ServerConfig::default()
        });
        memory.texts.wait_max = Duration::from_millis(50);
        memory.rows.wait_max = Duration::from_millis(50);
        memory
    }

    #[tokio::test]
    async fn who_wants_more_than_is_free_waits_and_is_told_to_come_again() {
        let memory = memory(64 * 1_024);
        let mut first = memory.text();
        first.take(30 * 1_024).await.unwrap();
        let mut second = memory.text();
        second.take(2 * 1_024).await.unwrap();
        let began = tokio::time::Instant::now();
        let refused = second.take(1).await.unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(50));
        let ApiError::Status(StatusCode::SERVICE_UNAVAILABLE, detail) = refused else {
            panic!("{refused:?}");
        };
        assert!(detail.contains("server.body_memory_bytes_max"), "{detail}");
        let waits = second.take(10 * 1_024);
        drop(first);
        waits.await.unwrap();
    }

    #[tokio::test]
    async fn texts_that_fill_their_half_leave_the_other_to_rows() {
        let memory = memory(64 * 1_024);
        let mut text = memory.text();
        // More than there is: it gets all of it, and what it has does not stand in its way.
        text.take(1 << 20).await.unwrap();
        text.take(1 << 20).await.unwrap();
        assert_eq!(text.units(), 32);
        let rows = memory.rows(80).await.unwrap();
        memory.rows(80).await.unwrap_err();
        drop(rows);
        memory.rows(80).await.unwrap();
    }

    #[tokio::test]
    async fn room_is_paid_for_before_it_is_made() {
        let memory = memory(64 * 1_024);
        let (mut taken, mut text) = (memory.text(), Vec::new());
        for needed in [1, 5_000, 5_001, 9_000] {
            taken.make_room(&mut text, needed, 12_000).await.unwrap();
            text.resize(needed, 0);
            assert!(text.capacity() <= 12_000, "{}", text.capacity());
            assert!(taken.units() * UNIT_BYTES >= text.capacity());
        }
    }
}
