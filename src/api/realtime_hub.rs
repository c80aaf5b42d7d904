//! The hub of committed ticks and alerts for the clients of `/ws/realtime`.
//!
//! Publishing never waits: it puts what it is given into a ring that all clients share, and a
//! client that falls behind the whole ring is dropped, with a reason and a count.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{OnceCell, broadcast, watch};

use super::types::Topic;
use crate::domain::tick::Tick;
use crate::models::AlertLog;

/// Clients that may be connected at once.
pub(super) const CLIENTS_MAX: usize = 1_000;
/// Rows of an event: with the events, it bounds the memory of the ring.
const EVENT_ROWS_MAX: usize = 256;
/// Events that a client may be behind before it is dropped.
pub(super) const EVENTS_BEHIND_MAX: usize = 1_024;
/// The hub that sends committed ticks and alerts to the clients of `/ws/realtime`. Cloning shares
/// it.
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
}

/// Some rows of one kind, in the order of their commit.
pub(super) struct Event {
    pub(super) rows: EventRows,
    /// Their messages, written once for all clients, by the first that needs them.
    pub(super) texts: OnceCell<Vec<EventText>>,
}

pub(super) enum EventRows {
    Ticks(Vec<(Tick, i64)>),
    Alerts(Vec<AlertLog>),
}

/// A message, and whom it is for.
pub(super) struct EventText {
    pub(super) instrument_id: i64,
    pub(super) text: Utf8Bytes,
}

impl Default for RealtimeHub {
    fn default() -> Self {
        Self {
            inner: Arc::new(HubInner {
                events: broadcast::Sender::new(EVENTS_BEHIND_MAX),
                closing: watch::Sender::new(false),
                clients: AtomicUsize::new(0),
                clients_dropped: AtomicU64::new(0),
                gone: watch::Sender::new(()),
            }),
        }
    }
}

impl RealtimeHub {
    /// Sends ticks, each with the sequence under which it is stored, to those who subscribed to
    /// them. To be called after their commit, from any thread; it returns at once.
    pub fn publish_ticks(&self, ticks: impl IntoIterator<Item = (Tick, i64)>) {
        self.publish(ticks.into_iter(), EventRows::Ticks);
    }

    /// Sends alerts, likewise.
    pub fn publish_alerts(&self, alerts: impl IntoIterator<Item = AlertLog>) {
        self.publish(alerts.into_iter(), EventRows::Alerts);
    }

    fn publish<T>(&self, mut rows: impl Iterator<Item = T>, event: impl Fn(Vec<T>) -> EventRows) {
        if self.inner.events.receiver_count() == 0 {
            return;
        }
        loop {
            let some: Vec<T> = rows.by_ref().take(EVENT_ROWS_MAX).collect();
            if some.is_empty() {
                return;
            }
            let event = Event {
                rows: event(some),
                texts: OnceCell::new(),
            };
            // The last client may have gone just now.
            let _ = self.inner.events.send(Arc::new(event));
        }
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

    /// True when somebody would get what is published.
    #[must_use]
    pub fn has_clients(&self) -> bool {
        self.inner.events.receiver_count() > 0
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
            EventRows::Ticks(_) => Topic::MarketData,
            EventRows::Alerts(_) => Topic::AlertFired,
        }
    }

    /// The instruments that it is about.
    pub(super) fn instrument_ids(&self) -> BTreeSet<i64> {
        match &self.rows {
            EventRows::Ticks(ticks) => ticks.iter().map(|(it, _)| it.instrument_id()).collect(),
            EventRows::Alerts(alerts) => alerts.iter().map(|it| it.instrument_id).collect(),
        }
    }
}
