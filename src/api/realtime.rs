//! `/ws/realtime`: what was committed, sent to those who subscribed to it.
//!
//! Owns the [`RealtimeHub`], where ticks and alerts go in after their commit, and who may connect.
//! Publishing never waits: it puts what it is given into a ring that all clients share, and a
//! client that falls behind the whole ring is dropped, with a reason and a count.
//! One client's conversation is in [`session`].

mod session;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{Utf8Bytes, WebSocketUpgrade};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use tokio::sync::{OnceCell, broadcast, watch};
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::alerts;
use super::auth::Caller;
use super::error::{ApiError, ErrorBody, ReadErrors};
use super::hosts;
use super::state::ApiState;
use super::types::{AlertData, AlertItem, TickData, Topic, message};
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::models::AlertLog;
use crate::repository::instrument;

/// Clients that may be connected at once.
const CLIENTS_MAX: usize = 1_000;
/// Bytes of a client's message.
const MESSAGE_BYTES_MAX: usize = 16 * 1_024;
/// Events that a client may be behind before it is dropped.
const EVENTS_BEHIND_MAX: usize = 1_024;
/// Rows of an event: with the events, it bounds the memory of the ring.
const EVENT_ROWS_MAX: usize = 256;
/// The protocol that the server speaks, for clients that must name one.
const PROTOCOL: &str = "tickbase.v1";

/// Where committed ticks and alerts go in, for the clients of `/ws/realtime`. Cloning shares it.
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
struct Event {
    rows: EventRows,
    /// Their messages, written once for all clients, by the first that needs them.
    texts: OnceCell<Vec<EventText>>,
}

enum EventRows {
    Ticks(Vec<(Tick, i64)>),
    Alerts(Vec<AlertLog>),
}

/// A message, and whom it is for.
struct EventText {
    instrument_id: i64,
    text: Utf8Bytes,
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

    /// Whether somebody would get what is published.
    #[must_use]
    pub fn has_clients(&self) -> bool {
        self.inner.events.receiver_count() > 0
    }

    /// Tells every client that the server goes, and takes no new one.
    pub(crate) fn close(&self) {
        self.inner.closing.send_replace(true);
    }

    /// Comes true when every client has gone, or the time is up.
    pub(super) async fn closed(&self, deadline: Duration) {
        let mut gone = self.inner.gone.subscribe();
        let all = async { while self.clients() > 0 && gone.changed().await.is_ok() {} };
        // Who has not gone by then is cut off with the process.
        let _ = tokio::time::timeout(deadline, all).await;
    }

    fn join(&self) -> Option<Client> {
        let clients = &self.inner.clients;
        let more = |count: usize| (count < CLIENTS_MAX).then_some(count + 1);
        let joined = clients.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        joined.ok().map(|_| Client { hub: self.clone() })
    }
}

/// A place among the clients, until it is dropped.
struct Client {
    hub: RealtimeHub,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.inner.clients.fetch_sub(1, Ordering::AcqRel);
        self.hub.inner.gone.send_replace(());
    }
}

impl Event {
    fn topic(&self) -> Topic {
        match self.rows {
            EventRows::Ticks(_) => Topic::MarketData,
            EventRows::Alerts(_) => Topic::AlertFired,
        }
    }

    /// The instruments that it is about.
    fn instrument_ids(&self) -> BTreeSet<i64> {
        match &self.rows {
            EventRows::Ticks(ticks) => ticks.iter().map(|(it, _)| it.instrument_id()).collect(),
            EventRows::Alerts(alerts) => alerts.iter().map(|it| it.instrument_id).collect(),
        }
    }

    async fn texts(&self, state: &ApiState) -> Result<&[EventText]> {
        let texts = self.texts.get_or_try_init(|| async {
            match &self.rows {
                EventRows::Ticks(ticks) => tick_texts(state, ticks, self.instrument_ids()).await,
                EventRows::Alerts(alerts) => alert_texts(state, alerts.clone()).await,
            }
        });
        texts.await.map(Vec::as_slice)
    }
}

async fn tick_texts(
    state: &ApiState,
    ticks: &[(Tick, i64)],
    ids: BTreeSet<i64>,
) -> Result<Vec<EventText>> {
    let ids: Vec<i64> = ids.into_iter().collect();
    let labels = state.read("realtime.labels", move |conn| {
        instrument::labels_of_all(conn, &ids)
    });
    let labels: HashMap<i64, _> = labels.await?.into_iter().map(|it| (it.id, it)).collect();
    let now = state.db().clock().now();
    let text = |(tick, sequence): &(Tick, i64)| {
        let label = labels.get(&tick.instrument_id())?;
        let data = TickData::new(tick, *sequence, &label.symbol, label.price_decimals);
        Some(EventText {
            instrument_id: tick.instrument_id(),
            text: message(Topic::MarketData.as_str(), now, &data).into(),
        })
    };
    Ok(ticks.iter().filter_map(text).collect())
}

async fn alert_texts(state: &ApiState, rows: Vec<AlertLog>) -> Result<Vec<EventText>> {
    let keys: Vec<(i64, i64)> = rows
        .iter()
        .map(|row| (row.rule_id, row.instrument_id))
        .collect();
    let labels = state.read("realtime.labels", move |conn| alerts::labels(conn, &keys));
    let labels = labels.await?;
    let now = state.db().clock().now();
    let text = |row: AlertLog| {
        let instrument_id = row.instrument_id;
        let label = labels.of(row.rule_id, instrument_id);
        let data = AlertData::from(AlertItem::new(row, label));
        EventText {
            instrument_id,
            text: message(Topic::AlertFired.as_str(), now, &data).into(),
        }
    };
    Ok(rows.into_iter().map(text).collect())
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(connect))
}

/// Ticks, alerts and the database's performance as they come, over a WebSocket
///
/// Messages are JSON in both directions: `{"messageType", "version": "1.0", "timestamp", "data"}`.
/// The client sends `subscribe` and `unsubscribe` with `{"subscriptionType": "market_data" |
/// "alert_fired" | "database_performance", "instrumentId"?, "requestId"?}` as data, and `ping`.
/// The server sends `connection_status`, `subscription_ack`, `market_data`, `alert_fired`,
/// `database_performance`, `pong` and `error`; only what was subscribed to, and what was committed.
/// A client that does not read is dropped. Where reads need a token, it is the header
/// `authorization`, or for browsers the protocol `tickbase.bearer.<token>` beside `tickbase.v1`;
/// a client whose token is taken away is dropped, too.
#[utoipa::path(
    get,
    path = "/ws/realtime",
    tag = "realtime",
    security((), ("bearer" = [])),
    responses(
        (status = 101, description = "The protocol is WebSocket from here on"),
        (status = 400, body = ErrorBody, description = "It is no WebSocket handshake"),
        (status = 403, body = ErrorBody, description = "The page's origin may not connect"),
        ReadErrors,
    )
)]
async fn connect(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    Handshake(upgrade): Handshake,
) -> Result<Response, ApiError> {
    let token = match state.config().protect_reads {
        true => Some(Arc::clone(caller.token()?)),
        false => None,
    };
    // Browsers let every page connect to every address, and do not ask whether it may.
    hosts::permit_origin(&state, &uri, &headers)?;
    let hub = state.realtime();
    let refuse = |detail: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    if *hub.inner.closing.borrow() {
        return Err(refuse("the server is ending; connect again later"));
    }
    let client = hub.join().ok_or_else(|| {
        let detail = format!("{CLIENTS_MAX} clients are connected already; try again");
        refuse(&detail)
    })?;
    let upgrade = upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .protocols([PROTOCOL]);
    // What a conversation leaves in the log has the id of its handshake.
    let id = tracing::Span::current();
    Ok(upgrade.on_upgrade(|socket| session::run(state, client, token, socket).instrument(id)))
}

/// A handshake; anything else is refused in the form of all refusals.
struct Handshake(WebSocketUpgrade);

impl FromRequestParts<ApiState> for Handshake {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        upgrade.map(Self).map_err(|rejection| {
            let detail = format!("this path speaks WebSocket: {rejection}");
            ApiError::new(StatusCode::BAD_REQUEST, detail)
        })
    }
}
