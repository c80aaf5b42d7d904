//! Writes that this process has not made, noticed while clients are connected.
//!
//! Every write of ticks and bars raises a version of its instrument, in every process; a commit of
//! this one says which it has made. A version that is there and that no commit has told of is of
//! another writer: the instrument changed, and where is not known. To look at the versions is the
//! same on both backends, and costs writers nothing, as a NOTIFY in each of their commits would.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::api::state::ApiState;
use crate::database::CacheTag;
use crate::repository::data_change::{self, ChangedSpan};

/// Between two looks. What one look sees the next one tells of, by when the commits of this process
/// have told of theirs: so twice this time is the longest, and well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the first client waits for the first look: a database that does not answer must not
/// keep it from what it can get.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(1);

/// Looks from now on, until the last client has gone; does nothing when somebody looks already.
pub(super) async fn watch(state: &ApiState) {
    let hub = state.realtime();
    let mut watcher = hub.watcher().lock().await;
    // One that ended with its runtime is finished, too.
    if watcher.as_ref().is_some_and(|task| !task.is_finished()) {
        return;
    }
    let mut look = WriterLook::default();
    if timeout(FIRST_LOOK_MAX, look.again(state)).await.is_err() {
        tracing::warn!("the database does not answer; writes of other processes show later");
    }
    let state = state.clone();
    *watcher = Some(tokio::spawn(async move {
        let mut rounds = interval(LOOK_EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let hub = state.realtime();
            // Under the lock: a client that comes now starts another one.
            let mut watcher = hub.watcher().lock().await;
            if hub.clients() == 0 {
                *watcher = None;
                return;
            }
            drop(watcher);
            look.again(&state).await;
        }
    }));
}

/// What the last look has seen.
#[derive(Default)]
struct WriterLook {
    /// The version of each instrument.
    versions: Option<Vec<(i64, i64)>>,
    /// That of writes which do not say what they change.
    everything: Option<u64>,
}

impl WriterLook {
    async fn again(&mut self, state: &ApiState) {
        let hub = state.realtime();
        let everything = state.db().version(CacheTag::Everything);
        if self
            .everything
            .replace(everything)
            .is_some_and(|last| last != everything)
        {
            hub.publish_changes([(None, ChangedSpan::default())]);
        }
        // Of the primary: what a replica has not replayed yet would be told of too late.
        let read = state
            .db()
            .read_async("realtime.versions", data_change::versions);
        let versions = match read.await {
            Ok(versions) => versions,
            Err(error) => {
                tracing::debug!(error = error.chain(), "the versions could not be read");
                return;
            }
        };
        let unheard = match &self.versions {
            Some(seen) => hub.versions().unheard(seen),
            None => {
                hub.versions().begin(&versions);
                Vec::new()
            }
        };
        self.versions = Some(versions);
        // Whoever hears of a change and asks for it must not get what a replica had before it.
        if !unheard.is_empty()
            && let Err(error) = state.db().read_after_all().await
        {
            tracing::debug!(error = error.chain(), "replicas may be behind what is told");
        }
        let change = |id| (Some(id), ChangedSpan::default());
        hub.publish_changes(unheard.into_iter().map(change));
    }
}
