//! `/ws/realtime`: what was committed, sent to those who subscribed to it.
//!
//! Says who may connect. What they are sent comes from the hub; one client's conversation is in
//! [`session`], its words in a [`Dialect`].

mod dialect;
mod native;
mod other_writers;
mod session;
mod texts;

use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::error::{ApiError, ErrorBody, ReadErrors};
use super::hosts;
use super::realtime_hub::CLIENTS_MAX;
use super::state::ApiState;
use crate::error::Result;
pub(super) use dialect::Dialect;
use native::NativeDialect;

/// Bytes of a client's message.
const MESSAGE_BYTES_MAX: usize = 16 * 1_024;
/// The protocol that the server speaks, for clients that must name one.
const PROTOCOL: &str = "tickbase.v1";

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(connect))
}

/// Ticks, alerts and the database's performance as they come, over a WebSocket
///
/// Messages are JSON in both directions: `{"messageType", "version": "1.0", "timestamp", "data"}`.
/// The client sends `subscribe` and `unsubscribe` with `{"subscriptionType": "market_data" |
/// "alert_fired" | "database_performance", "instrumentId"?, "requestId"?}` as data, and `ping`.
/// The server sends `connection_status`, `subscription_ack`, `market_data`, `data_changed`,
/// `alert_fired`, `alert_acknowledged` (for the subscribers of `alert_fired`, when it is acknowledged over
/// this server), `database_performance`, `pong` and `error`; only what was subscribed to, and what
/// was committed. Of a batch of up to 256 ticks every tick comes as `market_data`; of a larger one
/// the newest of each instrument that is not late, and `data_changed` with `{"instrumentId",
/// "symbol", "from", "to", "rows"}`, for the subscribers of `market_data`. So do ticks that are
/// deleted or restored, bars that come in or go, and within a second writes of other processes, of
/// which no more is known than the instrument. An instrument of `null` says that anything may have
/// changed.
/// A client that does not read is dropped. Where reads need a token, it is the header
/// `authorization`, or for browsers the protocol `tickbase.bearer.<token>`, percent-encoded, beside `tickbase.v1`;
/// a client whose token is taken away is dropped, too.
#[utoipa::path(
    get,
    path = "/ws/realtime",
    tag = "realtime",
    security((), ("bearer" = [])),
    responses(
        (status = 101, description = "The protocol is WebSocket from here on"),
        (status = 400, body = ErrorBody, description = "Not a WebSocket handshake"),
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
    accept(
        state,
        &caller,
        &uri,
        &headers,
        upgrade,
        NativeDialect::default(),
    )
}

/// Lets a client in that may connect, and speaks with it in this dialect from then on.
pub(super) fn accept(
    state: ApiState,
    caller: &Caller,
    uri: &Uri,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
    dialect: impl Dialect,
) -> Result<Response, ApiError> {
    let token = match state.config().protect_reads {
        true => Some(Arc::clone(caller.token()?)),
        false => None,
    };
    // Browsers let every page connect to every address, and do not ask whether it may.
    hosts::permit_origin(&state, uri, headers)?;
    let hub = state.realtime();
    let refuse = |detail: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    if hub.is_closing() {
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
    Ok(upgrade
        .on_upgrade(|socket| session::run(dialect, state, client, token, socket).instrument(id)))
}

/// A handshake; anything else is refused in the form of all refusals.
pub(super) struct Handshake(pub(super) WebSocketUpgrade);

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
