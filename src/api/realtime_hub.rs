//! What was committed, on its way to the clients of `/ws/realtime`: it hears of every commit of its
//! database, and is given alerts and the writes of others.
//!
//! Publishing never waits: it puts what it is given into a ring that all clients share, and a
//! client that falls behind the whole ring is dropped, with a reason and a count.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{OnceCell, broadcast, watch};
use tokio::task::JoinHandle;

use super::realtime_versions::DataVersions;
use super::types::Topic;
use crate::database::Database;
use crate::domain::tick::Tick;
use crate::models::AlertLog;
use crate::repository::data_change::{self, ChangedSpan, DataChange, DataListener};

/// Clients that may be connected at once.
pub(super) const CLIENTS_MAX: usize = 1_000;
/// Rows of an event: with the events, it bounds the memory of the ring.
const EVENT_ROWS_MAX: usize = 256;
/// Events that a client may be behind before it is dropped.
pub(super) const EVENTS_BEHIND_MAX: usize = 1_024;

/// The clients of `/ws/realtime`. Cloning shares it.
#[derive(Clone)]
pub struct RealtimeHub {
    inner: Arc<HubInner>,
}

struct HubInner {
    events: broadcast::Sender<Arc<Event>>,
    closing: watch::Sender<bool>,
    clients: AtomicUsize,
    clients_dropped: AtomicU64,
    /// Told when a client goes.
    gone: watch::Sender<()>,
    /// Which versions it has heard of since there are clients.
    versions: Mutex<DataVersions>,
    /// Looks for what others write, while there are clients.
    watcher: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// Some rows of one kind, in the order of their commit.
pub(super) struct Event {
    pub(super) rows: EventRows,
    /// Their messages in tickbase's own contract, written once for all its clients, by the first
    /// that needs them.
    pub(super) native_texts: OnceCell<Vec<EventText>>,
    /// Likewise those in the contract that is served beside it.
    pub(super) contract_texts: OnceCell<Vec<EventText>>,
}

pub(super) enum EventRows {
    Ticks(Vec<(Tick, i64)>),
    Alerts(Vec<AlertLog>),
    Acknowledgements(Vec<AlertLog>),
    Changes(Vec<InstrumentSpan>),
}

/// An instrument, and where its data changed; any of all instruments when there is none.
pub(super) type InstrumentSpan = (Option<i64>, ChangedSpan);

/// A message, and the instrument that it is about; without one it is for every subscriber.
pub(super) struct EventText {
    pub(super) instrument_id: Option<i64>,
    pub(super) text: Utf8Bytes,
}

impl DataListener for HubInner {
    fn is_listening(&self) -> bool {
        self.clients.load(Ordering::Acquire) > 0
    }

    fn committed(&self, changes: &[DataChange]) {
        let mut versions = self.versions();
        for change in changes {
            versions.hear(change.instrument_id, change.version);
        }
        drop(versions);
        let ticks = changes.iter().flat_map(|change| &change.ticks);
        self.publish(ticks.cloned(), EventRows::Ticks);
        let spans = changes
            .iter()
            .filter_map(|change| Some((Some(change.instrument_id), change.span?)));
        self.publish(spans, EventRows::Changes);
    }
}

impl HubInner {
    fn versions(&self) -> MutexGuard<'_, DataVersions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish<T>(&self, mut rows: impl Iterator<Item = T>, event: impl Fn(Vec<T>) -> EventRows) {
        if self.events.receiver_count() == 0 {
            return;
        }
        loop {
            let some: Vec<T> = rows.by_ref().take(EVENT_ROWS_MAX).collect();
            if some.is_empty() {
                return;
            }
            let event = Event {
                rows: event(some),
                native_texts: OnceCell::new(),
                contract_texts: OnceCell::new(),
            };
            // The last client may have gone just now.
            let _ = self.events.send(Arc::new(event));
        }
    }
}

impl RealtimeHub {
    /// Hears of what this handle of the database and its clones commit, for as long as it lives.
    pub(super) fn new(db: &Database) -> Self {
        let inner = Arc::new(HubInner {
            events: broadcast::Sender::new(EVENTS_BEHIND_MAX),
            closing: watch::Sender::new(false),
            clients: AtomicUsize::new(0),
            clients_dropped: AtomicU64::new(0),
            gone: watch::Sender::new(()),
            versions: Mutex::default(),
            watcher: tokio::sync::Mutex::default(),
        });
        data_change::listen(db, &inner);
        Self { inner }
    }

    /// Sends alerts to those who subscribed to them; it returns at once.
    pub(super) fn publish_alerts(&self, alerts: impl IntoIterator<Item = AlertLog>) {
        self.inner.publish(alerts.into_iter(), EventRows::Alerts);
    }

    /// Says that these alerts were acknowledged, to those who subscribed to alerts, likewise.
    pub(super) fn publish_acknowledgements(&self, alerts: impl IntoIterator<Item = AlertLog>) {
        let alerts = alerts.into_iter();
        self.inner.publish(alerts, EventRows::Acknowledgements);
    }

    /// Says that the data of these instruments changed, likewise.
    pub(super) fn publish_changes(&self, changes: impl IntoIterator<Item = InstrumentSpan>) {
        self.inner.publish(changes.into_iter(), EventRows::Changes);
    }

    /// Which versions it has heard of.
    pub(super) fn versions(&self) -> MutexGuard<'_, DataVersions> {
        self.inner.versions()
    }

    /// Who looks for what others write.
    pub(super) fn watcher(&self) -> &tokio::sync::Mutex<Option<JoinHandle<()>>> {
        &self.inner.watcher
    }

    /// Clients that are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.inner.clients.load(Ordering::Acquire)
    }

    /// Clients that were dropped because they did not read fast enough.
    #[must_use]
    pub fn clients_dropped(&self) -> u64 {
        self.inner.clients_dropped.load(Ordering::Acquire)
    }

    /// Tells every client that the server goes, and takes no new one.
    pub(crate) fn close(&self) {
        self.inner.closing.send_replace(true);
    }

    /// Comes true when the server goes.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.inner.closing.subscribe()
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.inner.closing.borrow()
    }

    pub(super) fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.inner.events.subscribe()
    }

    pub(super) fn count_dropped(&self) {
        self.inner.clients_dropped.fetch_add(1, Ordering::AcqRel);
    }

    /// Comes true when every client has gone, or the time is up.
    pub(super) async fn closed(&self, deadline: Duration) {
        let mut gone = self.inner.gone.subscribe();
        let all = async { while self.clients() > 0 && gone.changed().await.is_ok() {} };
        // Who has not gone by then is cut off with the process.
        let _ = tokio::time::timeout(deadline, all).await;
    }

    pub(super) fn join(&self) -> Option<Client> {
        let clients = &self.inner.clients;
        let more = |count: usize| (count < CLIENTS_MAX).then_some(count + 1);
        let joined = clients.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        joined.ok().map(|_| Client { hub: self.clone() })
    }
}

/// A place among the clients, until it is dropped.
pub(super) struct Client {
    pub(super) hub: RealtimeHub,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.inner.clients.fetch_sub(1, Ordering::AcqRel);
        self.hub.inner.gone.send_replace(());
    }
}

impl Event {
    pub(super) fn topic(&self) -> Topic {
        match self.rows {
            EventRows::Ticks(_) | EventRows::Changes(_) => Topic::MarketData,
            EventRows::Alerts(_) | EventRows::Acknowledgements(_) => Topic::AlertFired,
        }
    }

    /// The instruments that it is about; none among them is all of them.
    pub(super) fn instrument_ids(&self) -> BTreeSet<Option<i64>> {
        match &self.rows {
            EventRows::Ticks(ticks) => {
                let ids = ticks.iter().map(|(tick, _)| tick.instrument_id());
                ids.map(Some).collect()
            }
            EventRows::Alerts(alerts) | EventRows::Acknowledgements(alerts) => {
                alerts.iter().map(|it| Some(it.instrument_id)).collect()
            }
            EventRows::Changes(changes) => changes.iter().map(|(id, _)| *id).collect(),
        }
    }
}
