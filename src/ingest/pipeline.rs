//! Two threads: one reads and checks batches, the caller's stores them.

use std::sync::mpsc::{SyncSender, sync_channel};

use super::feed::{Feed, FeedBatch};
use super::record::{FeedRecord, FeedTarget};
use crate::error::{Error, Result};

/// Batches that wait between the threads; the reader waits when there are as many.
// Two keep both threads busy: one batch is stored while the next one waits. More would only take
// memory.
pub const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// Reads a feed to its end on a thread of its own and calls `store` with each batch, in order,
/// on this one.
///
/// # Errors
/// The first error of the feed or of `store`; nothing is read or stored after it.
pub fn pump<T: FeedRecord>(
    feed: &mut Feed,
    target: &FeedTarget,
    mut store: impl FnMut(FeedBatch<T>) -> Result<()>,
) -> Result<()> {
    let (sender, batches) = sync_channel(BATCHES_IN_FLIGHT_MAX);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn_scoped(scope, move || read_all(feed, target, &sender))
            .map_err(|error| {
                Error::invalid(
                    "feed",
                    format!("no thread to read it: {error}"),
                    "free memory",
                )
            })?;
        // When `store` fails, the receiver is dropped here, and the reader stops.
        let stored = batches.into_iter().try_for_each(&mut store);
        let read = reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        stored.and(read)
    })
}

fn read_all<T: FeedRecord>(
    feed: &mut Feed,
    target: &FeedTarget,
    batches: &SyncSender<FeedBatch<T>>,
) -> Result<()> {
    while let Some(batch) = feed.next_batch(target)? {
        if batches.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}
