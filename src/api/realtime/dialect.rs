//! What a contract says to a client of its WebSocket, and what the client may say to it.

use std::future::Future;

use axum::extract::ws::Utf8Bytes;

use crate::api::realtime_hub::Event;
use crate::api::state::ApiState;

/// The words of a contract for one client: it holds what the client asked for.
///
/// It never sees the socket. The messages that a method returns are sent, in their order; none of
/// them waits for the client.
pub(in crate::api) trait Dialect: Send + Sync + 'static {
    /// The messages to a client that has connected.
    fn greet(&mut self, state: &ApiState) -> Vec<Utf8Bytes>;

    /// The answers to a text of the client.
    fn answer(
        &mut self,
        state: &ApiState,
        text: &str,
    ) -> impl Future<Output = Vec<Utf8Bytes>> + Send;

    /// The answers to a message of the client that is no text.
    fn answer_binary(&mut self, state: &ApiState) -> Vec<Utf8Bytes>;

    /// Those messages of an event that the client gets.
    fn tell(
        &mut self,
        state: &ApiState,
        event: &Event,
    ) -> impl Future<Output = Vec<Utf8Bytes>> + Send;

    /// What there is to say besides, asked for about once a second.
    fn look(&mut self, state: &ApiState) -> Vec<Utf8Bytes>;
}
