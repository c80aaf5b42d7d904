//! The conversation with one client, in any dialect: what the dialect says is sent, for as long as
//! the client takes it.
//!
//! It waits for its client alone. While a message cannot be sent because the client does not read,
//! it watches how far the client falls behind, and ends when that is too far.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::dialect::Dialect;
use super::other_writers;
use crate::api::realtime_hub::{Client, EVENTS_BEHIND_MAX, Event};
use crate::api::state::ApiState;
use crate::api::tokens::AcceptedToken;

/// The interval of looks for what the dialect has to say, and for a sign of life of the client.
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

struct RealtimeSession<D> {
    state: ApiState,
    client: Client,
    /// The token of the client, where reads need one.
    token: Option<Arc<AcceptedToken>>,
    socket: WebSocket,
    events: Receiver<Arc<Event>>,
    closing: watch::Receiver<bool>,
    dialect: D,
    heard: Instant,
    pinged: Instant,
}

pub(super) async fn run<D: Dialect>(
    dialect: D,
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
        dialect,
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

impl<D: Dialect> RealtimeSession<D> {
    async fn converse(&mut self) -> Result<Never, SessionEnd> {
        let greeting = self.dialect.greet(&self.state);
        self.send(greeting).await?;
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
                    Ok(event) => {
                        let told = self.dialect.tell(&self.state, &event).await;
                        self.send(told).await?;
                    }
                    Err(RecvError::Lagged(_)) => return Err(SessionEnd::Slow),
                    Err(RecvError::Closed) => return Err(SessionEnd::Closing),
                },
                _ = look.tick() => self.look().await?,
            }
        }
    }

    async fn hear(&mut self, heard: Message) -> Result<(), SessionEnd> {
        self.heard = Instant::now();
        let answers = match heard {
            Message::Text(text) => self.dialect.answer(&self.state, &text).await,
            Message::Binary(_) => self.dialect.answer_binary(&self.state),
            // Pings are answered below, and a close is followed by the end of the stream.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Vec::new(),
        };
        self.send(answers).await
    }

    /// Looks after the client, and sends what there is to say besides.
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
        let said = self.dialect.look(&self.state);
        self.send(said).await
    }

    async fn send(&mut self, texts: Vec<Utf8Bytes>) -> Result<(), SessionEnd> {
        for text in texts {
            self.deliver(Message::Text(text)).await?;
        }
        Ok(())
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
