//! The messages of tickbase's own contract: those that a client subscribed to.

use std::collections::HashSet;

use axum::extract::ws::Utf8Bytes;

use super::MESSAGE_BYTES_MAX;
use super::dialect::Dialect;
use super::texts::texts;
use crate::api::error::public_text;
use crate::api::realtime_hub::Event;
use crate::api::state::ApiState;
use crate::api::types::{
    AckData, ClientMessage, ConnectionData, ErrorData, PerformanceData, PongData, SubscriptionBody,
    Topic, message,
};
use crate::error::Error;
use crate::repository::instrument;
use crate::timestamp::Timestamp;

/// Subscriptions of one client.
const SUBSCRIPTIONS_MAX: usize = 1_000;

/// The subscriptions of a client.
#[derive(Default)]
pub(super) struct NativeDialect {
    subscriptions: HashSet<(Topic, Option<i64>)>,
    /// The round of monitoring that was sent last.
    performance_at: Option<Timestamp>,
}

impl Dialect for NativeDialect {
    fn greet(&mut self, state: &ApiState) -> Vec<Utf8Bytes> {
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
        vec![said(state, "connection_status", &data)]
    }

    async fn answer(&mut self, state: &ApiState, text: &str) -> Vec<Utf8Bytes> {
        let heard: ClientMessage = match serde_json::from_str(text) {
            Ok(heard) => heard,
            Err(error) => {
                let said = format!("invalid message: {error}; send an object with messageType");
                return refusal(state, "malformed", said, None);
            }
        };
        let request_id = heard.request_id();
        let is_more = match heard.message_type.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            "ping" => return vec![said(state, "pong", &PongData { request_id })],
            "pong" => return Vec::new(),
            _ => {
                let said = "messageType must be subscribe, unsubscribe, ping or pong";
                return refusal(state, "unknown_type", said, request_id);
            }
        };
        match heard.subscription() {
            Ok(asked) if is_more => self.subscribe(state, asked).await,
            Ok(asked) => self.unsubscribe(state, asked),
            Err(error) => {
                let said = format!("the subscription cannot be read: {error}");
                refusal(state, "invalid_subscription", said, request_id)
            }
        }
    }

    fn answer_binary(&mut self, state: &ApiState) -> Vec<Utf8Bytes> {
        refusal(state, "no text", "send JSON as text", None)
    }

    /// Those messages of an event that the client subscribed to.
    async fn tell(&mut self, state: &ApiState, event: &Event) -> Vec<Utf8Bytes> {
        let topic = event.topic();
        let all = self.subscriptions.contains(&(topic, None));
        let is_wanted = |id: Option<i64>| match id {
            Some(_) => all || self.subscriptions.contains(&(topic, id)),
            None => self.subscriptions.iter().any(|(of, _)| *of == topic),
        };
        if !event.instrument_ids().into_iter().any(is_wanted) {
            return Vec::new();
        }
        match texts(event, state).await {
            Ok(texts) => {
                let wanted = texts.iter().filter(|told| is_wanted(told.instrument_id));
                wanted.map(|told| told.text.clone()).collect()
            }
            Err(error) => {
                // What is lost is said: the client can read it over HTTP.
                let topic = topic.as_str();
                tracing::error!(topic, error = error.chain(), "messages were lost");
                let said = format!("{topic} messages were lost: {}", public_text(&error));
                refusal(state, "unavailable", said, None)
            }
        }
    }

    /// What a new round of monitoring saw.
    fn look(&mut self, state: &ApiState) -> Vec<Utf8Bytes> {
        if !self
            .subscriptions
            .contains(&(Topic::DatabasePerformance, None))
        {
            return Vec::new();
        }
        let Some(latest) = state.monitoring().latest() else {
            return Vec::new();
        };
        if self.performance_at.replace(latest.taken_at) == Some(latest.taken_at) {
            return Vec::new();
        }
        let data = PerformanceData::new(&latest);
        vec![said(state, Topic::DatabasePerformance.as_str(), &data)]
    }
}

impl NativeDialect {
    async fn subscribe(&mut self, state: &ApiState, asked: SubscriptionBody) -> Vec<Utf8Bytes> {
        let key = (asked.subscription_type, asked.instrument_id);
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX && !self.subscriptions.contains(&key) {
            let said = format!("there are {SUBSCRIPTIONS_MAX} subscriptions; unsubscribe first");
            return refusal(state, "too_many", said, asked.request_id);
        }
        if let Some(id) = asked.instrument_id {
            if asked.subscription_type == Topic::DatabasePerformance {
                let said = "database_performance has no instrument; leave out instrumentId";
                return refusal(state, "invalid_subscription", said, asked.request_id);
            }
            let found = state.read("instrument.get", move |conn| instrument::get(conn, id));
            if let Err(error) = found.await {
                let code = match error {
                    Error::NotFound { .. } => "not_found",
                    _ => "unavailable",
                };
                if code == "unavailable" {
                    tracing::error!(error = error.chain(), "a subscription failed");
                }
                return refusal(state, code, public_text(&error), asked.request_id);
            }
        }
        self.subscriptions.insert(key);
        let mut answers = vec![self.acknowledgement(state, "subscribed", asked)];
        if key.0 == Topic::DatabasePerformance {
            // Forgets the last round, so that a new subscriber gets the current one at once.
            self.performance_at = None;
            answers.extend(self.look(state));
        }
        answers
    }

    fn unsubscribe(&mut self, state: &ApiState, asked: SubscriptionBody) -> Vec<Utf8Bytes> {
        let key = (asked.subscription_type, asked.instrument_id);
        if !self.subscriptions.remove(&key) {
            let said = "there is no such subscription";
            return refusal(state, "not_found", said, asked.request_id);
        }
        vec![self.acknowledgement(state, "unsubscribed", asked)]
    }

    fn acknowledgement(
        &self,
        state: &ApiState,
        status: &'static str,
        asked: SubscriptionBody,
    ) -> Utf8Bytes {
        let data = AckData {
            status,
            subscription_type: asked.subscription_type,
            instrument_id: asked.instrument_id,
            request_id: asked.request_id,
            subscriptions: self.subscriptions.len(),
        };
        said(state, "subscription_ack", &data)
    }
}

fn said<T: serde::Serialize>(state: &ApiState, message_type: &'static str, data: &T) -> Utf8Bytes {
    message(message_type, state.db().clock().now(), data).into()
}

fn refusal(
    state: &ApiState,
    code: &'static str,
    text: impl Into<String>,
    request_id: Option<String>,
) -> Vec<Utf8Bytes> {
    let data = ErrorData {
        code,
        message: text.into(),
        request_id,
    };
    vec![said(state, "error", &data)]
}
