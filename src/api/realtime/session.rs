//! The conversation with one client: its subscriptions, and the messages to it.
//!
//! It waits for its client alone. While a message cannot be sent because the client does not read,
//! it watches how far the client falls behind, and ends when that is too far.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::MESSAGE_BYTES_MAX;
use super::other_writers;
use super::texts::texts;
use crate::api::error::public_text;
use crate::api::realtime_hub::{Client, EVENTS_BEHIND_MAX, Event};
use crate::api::state::ApiState;
use crate::api::tokens::AcceptedToken;
use crate::api::types::{
    AckData, ClientMessage, ConnectionData, ErrorData, PerformanceData, PongData, SubscriptionBody,
    Topic, message,
};
use crate::repository::instrument;
use crate::timestamp::Timestamp;

/// Subscriptions of one client.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// The interval of looks for a new round of monitoring, and for a sign of life of the client.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A client that says nothing is asked for a sign of life after this time.
const PING_AFTER: Duration = Duration::from_secs(30);
/// A client that says nothing for so long is gone.
const SILENT_MAX: Duration = Duration::from_secs(90);
/// Time that a client has to take one message.
const SEND_MAX: Duration = Duration::from_secs(30);
/// Time that a client has to take the reason why it is dropped.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// `Try Again Later` of the registry of close codes.
const TRY_AGAIN_LATER: u16 = 1013;

/// Why a conversation ends.
enum SessionEnd {
    /// The client went, or its connection broke.
    Gone,
    /// The server goes.
    Closing,
    /// The client does not read fast enough.
    Slow,
    /// The client says nothing any more.
    Silent,
    /// The token that the client came with is accepted no more.
    Revoked,
}

struct RealtimeSession {
    state: ApiState,
    client: Client,
    /// The token of the client, where reads need one.
    token: Option<Arc<AcceptedToken>>,
    socket: WebSocket,
    events: Receiver<Arc<Event>>,
    closing: watch::Receiver<bool>,
    subscriptions: HashSet<(Topic, Option<i64>)>,
    /// The round of monitoring that was sent last.
    performance_at: Option<Timestamp>,
    heard: Instant,
    pinged: Instant,
}

pub(super) async fn run(
    state: ApiState,
    client: Client,
    token: Option<Arc<AcceptedToken>>,
    socket: WebSocket,
) {
    let (events, closing) = (client.hub.events(), client.hub.closing());
    // Before the greeting: what is written after it is not missed.
    other_writers::watch(&state).await;
    let now = Instant::now();
    let mut session = RealtimeSession {
        state,
        client,
        token,
        socket,
        events,
        closing,
        subscriptions: HashSet::new(),
        performance_at: None,
        heard: now,
        pinged: now,
    };
    let end = match session.converse().await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    session.part(end).await;
}

enum Never {}

/// Comes true when the server goes.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that the hub itself is gone.
    drop(closing.wait_for(|closing| *closing).await);
}

/// Comes true when the client's token is accepted no more; never for a client without one.
async fn revoked(state: &ApiState, token: Option<&AcceptedToken>) {
    match token {
        Some(token) => state.tokens().revoked(token).await,
        None => std::future::pending().await,
    }
}

impl RealtimeSession {
    async fn converse(&mut self) -> Result<Never, SessionEnd> {
        let data = ConnectionData {
            status: "connected",
            server_version: env!("CARGO_PKG_VERSION"),
            subscription_types: [
                Topic::MarketData,
                Topic::AlertFired,
                Topic::DatabasePerformance,
            ],
            subscriptions_max: SUBSCRIPTIONS_MAX,
            message_bytes_max: MESSAGE_BYTES_MAX,
        };
        self.say("connection_status", &data).await?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = self.closing.clone();
        let (state, token) = (self.state.clone(), self.token.clone());
        loop {
            tokio::select! {
                biased;
                () = closed(&mut closing) => return Err(SessionEnd::Closing),
                () = revoked(&state, token.as_deref()) => return Err(SessionEnd::Revoked),
                heard = self.socket.recv() => match heard {
                    Some(Ok(heard)) => self.hear(heard).await?,
                    Some(Err(_)) | None => return Err(SessionEnd::Gone),
                },
                event = self.events.recv() => match event {
                    Ok(event) => self.tell(&event).await?,
                    Err(RecvError::Lagged(_)) => return Err(SessionEnd::Slow),
                    Err(RecvError::Closed) => return Err(SessionEnd::Closing),
                },
                _ = look.tick() => self.look().await?,
            }
        }
    }

    async fn hear(&mut self, heard: Message) -> Result<(), SessionEnd> {
        self.heard = Instant::now();
        match heard {
            Message::Text(text) => self.answer(&text).await,
            Message::Binary(_) => self.refuse("no text", "send JSON as text", None).await,
            // Pings are answered below, and a close is followed by the end of the stream.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), SessionEnd> {
        let heard: ClientMessage = match serde_json::from_str(text) {
            Ok(heard) => heard,
            Err(error) => {
                let said = format!("invalid message: {error}; send an object with messageType");
                return self.refuse("malformed", said, None).await;
            }
        };
        let request_id = heard.request_id();
        let is_more = match heard.message_type.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            "ping" => return self.say("pong", &PongData { request_id }).await,
            "pong" => return Ok(()),
            _ => {
                let said = "messageType must be subscribe, unsubscribe, ping or pong";
                return self.refuse("unknown_type", said, request_id).await;
            }
        };
        match heard.subscription() {
            Ok(asked) if is_more => self.subscribe(asked).await,
            Ok(asked) => self.unsubscribe(asked).await,
            Err(error) => {
                let said = format!("the subscription cannot be read: {error}");
                self.refuse("invalid_subscription", said, request_id).await
            }
        }
    }

    async fn subscribe(&mut self, asked: SubscriptionBody) -> Result<(), SessionEnd> {
        let key = (asked.subscription_type, asked.instrument_id);
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX && !self.subscriptions.contains(&key) {
            let said = format!("there are {SUBSCRIPTIONS_MAX} subscriptions; unsubscribe first");
            return self.refuse("too_many", said, asked.request_id).await;
        }
        if let Some(id) = asked.instrument_id {
            if asked.subscription_type == Topic::DatabasePerformance {
                let said = "database_performance has no instrument; leave out instrumentId";
                let code = "invalid_subscription";
                return self.refuse(code, said, asked.request_id).await;
            }
            let found = self
                .state
                .read("instrument.get", move |conn| instrument::get(conn, id));
            if let Err(error) = found.await {
                let code = match error {
                    crate::error::Error::NotFound { .. } => "not_found",
                    _ => "unavailable",
                };
                if code == "unavailable" {
                    tracing::error!(error = error.chain(), "a subscription failed");
                }
                let said = public_text(&error);
                return self.refuse(code, said, asked.request_id).await;
            }
        }
        self.subscriptions.insert(key);
        self.acknowledge("subscribed", asked).await?;
        if key.0 == Topic::DatabasePerformance {
            // Forgets the last round, so that a new subscriber gets the current one at once.
            self.performance_at = None;
            self.look().await?;
        }
        Ok(())
    }

    async fn unsubscribe(&mut self, asked: SubscriptionBody) -> Result<(), SessionEnd> {
        let key = (asked.subscription_type, asked.instrument_id);
        if !self.subscriptions.remove(&key) {
            let said = "there is no such subscription";
            return self.refuse("not_found", said, asked.request_id).await;
        }
        self.acknowledge("unsubscribed", asked).await
    }

    async fn acknowledge(
        &mut self,
        status: &'static str,
        asked: SubscriptionBody,
    ) -> Result<(), SessionEnd> {
        let data = AckData {
            status,
            subscription_type: asked.subscription_type,
            instrument_id: asked.instrument_id,
            request_id: asked.request_id,
            subscriptions: self.subscriptions.len(),
        };
        self.say("subscription_ack", &data).await
    }

    async fn refuse(
        &mut self,
        code: &'static str,
        said: impl Into<String>,
        request_id: Option<String>,
    ) -> Result<(), SessionEnd> {
        let data = ErrorData {
            code,
            message: said.into(),
            request_id,
        };
        self.say("error", &data).await
    }

    /// Sends those messages of an event that the client subscribed to.
    async fn tell(&mut self, event: &Event) -> Result<(), SessionEnd> {
        let topic = event.topic();
        let all = self.subscriptions.contains(&(topic, None));
        let is_wanted = |of: &HashSet<(Topic, Option<i64>)>, id: Option<i64>| match id {
            Some(_) => all || of.contains(&(topic, id)),
            None => of.iter().any(|(wanted, _)| *wanted == topic),
        };
        let mut ids = event.instrument_ids().into_iter();
        if !ids.any(|id| is_wanted(&self.subscriptions, id)) {
            return Ok(());
        }
        let state = self.state.clone();
        let texts = match texts(event, &state).await {
            Ok(texts) => texts,
            Err(error) => {
                // What is lost is said: the client can read it over HTTP.
                let topic = topic.as_str();
                tracing::error!(topic, error = error.chain(), "messages were lost");
                let said = format!("{topic} messages were lost: {}", public_text(&error));
                return self.refuse("unavailable", said, None).await;
            }
        };
        for told in texts {
            if is_wanted(&self.subscriptions, told.instrument_id) {
                self.send(told.text.clone()).await?;
            }
        }
        Ok(())
    }

    /// Sends what a new round of monitoring saw, and looks after the client.
    async fn look(&mut self) -> Result<(), SessionEnd> {
        let silent = self.heard.elapsed();
        if silent > SILENT_MAX {
            return Err(SessionEnd::Silent);
        }
        // Networks drop connections without a word on both sides; an answer to a ping proves that
        // this one is open.
        if silent > PING_AFTER && self.pinged.elapsed() > PING_AFTER {
            self.pinged = Instant::now();
            self.deliver(Message::Ping(axum::body::Bytes::new()))
                .await?;
        }
        if !self
            .subscriptions
            .contains(&(Topic::DatabasePerformance, None))
        {
            return Ok(());
        }
        let Some(latest) = self.state.monitoring().latest() else {
            return Ok(());
        };
        if self.performance_at.replace(latest.taken_at) == Some(latest.taken_at) {
            return Ok(());
        }
        let data = PerformanceData::new(&latest);
        self.say(Topic::DatabasePerformance.as_str(), &data).await
    }

    async fn say<T: serde::Serialize>(
        &mut self,
        message_type: &'static str,
        data: &T,
    ) -> Result<(), SessionEnd> {
        let now = self.state.db().clock().now();
        self.send(message(message_type, now, data).into()).await
    }

    async fn send(&mut self, text: Utf8Bytes) -> Result<(), SessionEnd> {
        self.deliver(Message::Text(text)).await
    }

    /// Sends a message, for as long as the client does not fall behind the ring.
    async fn deliver(&mut self, message: Message) -> Result<(), SessionEnd> {
        let mut further = self.events.resubscribe();
        let mut closing = self.closing.clone();
        let events = &self.events;
        let falls_behind = async {
            // A send that hangs would hide how far the client is behind: the ring is watched beside
            // it.
            while events.len() <= EVENTS_BEHIND_MAX {
                // Another event, or that it missed some: look again.
                if matches!(further.recv().await, Err(RecvError::Closed)) {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            sent = timeout(SEND_MAX, self.socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(SessionEnd::Gone),
                Err(_) => Err(SessionEnd::Slow),
            },
            () = falls_behind => Err(SessionEnd::Slow),
            () = closed(&mut closing) => Err(SessionEnd::Closing),
        }
    }

    /// Says why, as far as the client still listens.
    async fn part(mut self, end: SessionEnd) {
        let (code, reason) = match end {
            SessionEnd::Gone => return,
            SessionEnd::Closing => (close_code::AWAY, "the server is ending; connect again"),
            SessionEnd::Slow => {
                self.client.hub.count_dropped();
                tracing::warn!("a client of /ws/realtime was dropped: it reads too slowly");
                let reason = "too slow: read faster, or subscribe to less";
                (TRY_AGAIN_LATER, reason)
            }
            SessionEnd::Silent => (close_code::POLICY, "nothing was heard for 90 s"),
            SessionEnd::Revoked => (close_code::POLICY, "the token is no longer valid"),
        };
        let goodbye = Message::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }));
        let farewell = async {
            if self.socket.send(goodbye).await.is_ok() {
                // The client's own close ends the stream; cutting it off could lose ours.
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _ = timeout(GOODBYE_MAX, farewell).await;
    }
}
