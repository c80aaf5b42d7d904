//! `/ws/realtime`: everything that happens, sent to every client; there is nothing to subscribe to.
//!
//! Who may connect and who is dropped is decided as for the native WebSocket. What its `data_changed`
//! tells has no message here: the original's pages read again when they are opened.

mod messages;
mod rounds;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::Utf8Bytes;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use serde_json::{Value, json};

use super::moments::NaiveMoment;
use super::refusal::Refusal;
use super::{Access, Resource};
use crate::api::ApiState;
use crate::api::auth::Caller;
use crate::api::error::public_text;
use crate::api::realtime::{self, Dialect, Handshake};
use crate::api::realtime_hub::Event;
use crate::timestamp::Timestamp;
use messages::{message, texts};
use rounds::RoundTexts;

/// The messages that a client may send.
const SUPPORTED: [&str; 2] = ["ping", "subscribe"];

/// What the clients of a router share.
#[derive(Default)]
struct Broadcast {
    /// Clients that have come since the start.
    connections: AtomicU64,
    rounds: RoundTexts,
}

/// The original's messages to one client.
struct BroadcastDialect {
    broadcast: Arc<Broadcast>,
    /// The round of monitoring that was sent last.
    round: Option<Timestamp>,
}

/// `connection_established`.
#[derive(Debug, Serialize)]
struct ConnectionEstablished {
    connection_id: u64,
    server_time: NaiveMoment,
    /// Of both WebSockets that the server has.
    active_connections: usize,
}

/// `subscription_acknowledged`: that, and nothing else, is what a subscription does there.
#[derive(Debug, Serialize)]
struct SubscriptionAcknowledged {
    subscribed_to: Value,
    status: &'static str,
}

pub(super) fn resources() -> Vec<Resource> {
    let broadcast = Arc::<Broadcast>::default();
    let connect = get(connect).layer(Extension(broadcast));
    vec![Resource::new("/ws/realtime", Access::Read, connect)]
}

async fn connect(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(broadcast): Extension<Arc<Broadcast>>,
    uri: Uri,
    headers: HeaderMap,
    Handshake(upgrade): Handshake,
) -> Result<Response, Refusal> {
    let dialect = BroadcastDialect {
        broadcast,
        round: None,
    };
    let accepted = realtime::accept(state, &caller, &uri, &headers, upgrade, dialect);
    Ok(accepted?)
}

impl Dialect for BroadcastDialect {
    fn greet(&mut self, state: &ApiState) -> Vec<Utf8Bytes> {
        let before = self.broadcast.connections.fetch_add(1, Ordering::Relaxed);
        let now = now(state);
        let data = ConnectionEstablished {
            connection_id: before + 1,
            server_time: now,
            active_connections: state.realtime().clients(),
        };
        vec![message("connection_established", now, &data)]
    }

    async fn answer(&mut self, state: &ApiState, text: &str) -> Vec<Utf8Bytes> {
        let Ok(Value::Object(mut heard)) = serde_json::from_str(text) else {
            let data = json!({"message": "Invalid JSON format", "received": text});
            return vec![message("error", now(state), &data)];
        };
        let message_type = match heard.remove("type") {
            None => "unknown".to_owned(),
            Some(Value::String(word)) => word,
            Some(other) => other.to_string(),
        };
        let now = now(state);
        vec![match message_type.as_str() {
            "ping" => message("pong", now, &json!({ "server_time": now })),
            "subscribe" => {
                let data = SubscriptionAcknowledged {
                    subscribed_to: heard.remove("data").unwrap_or_else(|| json!({})),
                    status: "active",
                };
                message("subscription_acknowledged", now, &data)
            }
            _ => refusal(now, &format!("Unknown message type: {message_type}")),
        }]
    }

    fn answer_binary(&mut self, state: &ApiState) -> Vec<Utf8Bytes> {
        vec![refusal(now(state), "a message must be text; send JSON")]
    }

    async fn tell(&mut self, state: &ApiState, event: &Event) -> Vec<Utf8Bytes> {
        match texts(event, state).await {
            Ok(texts) => texts.iter().map(|told| told.text.clone()).collect(),
            Err(error) => {
                let topic = event.topic().as_str();
                tracing::error!(topic, error = error.chain(), "messages were lost");
                let lost = format!("{topic} messages were lost: {}", public_text(&error));
                vec![refusal(now(state), &lost)]
            }
        }
    }

    fn look(&mut self, state: &ApiState) -> Vec<Utf8Bytes> {
        self.broadcast.rounds.write(state);
        self.broadcast.rounds.newer_than(&mut self.round)
    }
}

fn now(state: &ApiState) -> NaiveMoment {
    NaiveMoment(state.db().clock().now())
}

fn refusal(now: NaiveMoment, text: &str) -> Utf8Bytes {
    message(
        "error",
        now,
        &json!({"message": text, "supported_types": SUPPORTED}),
    )
}
