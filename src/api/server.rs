//! The server: listens, serves, and ends in order. What is served is the caller's router.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum_server::Handle;

use super::connection::Patience;
use super::state::ApiState;
use crate::error::{Error, Result};

/// Opens the address of the settings.
///
/// # Errors
/// [`Error::Config`] when it is taken, or not this machine's.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener> {
    let refuse = |error: std::io::Error| {
        let remedy =
            "stop what listens there, or choose another address with --bind or server.bind";
        Error::config("server.bind", format!("{address}: {error}"), remedy)
    };
    let listener = TcpListener::bind(address).map_err(refuse)?;
    listener.set_nonblocking(true).map_err(refuse)?;
    Ok(listener)
}

/// Serves `router` on a listener until `shutdown` comes true: then readiness turns to draining,
/// idle connections and WebSockets are closed, requests under way are answered, for as long as
/// `server.shutdown_deadline` allows.
///
/// # Errors
/// [`Error::Config`] when the listener cannot be used.
pub async fn serve(
    state: &ApiState,
    router: Router,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    if let Ok(address) = listener.local_addr() {
        state.listens_to(address);
    }
    let handle = Handle::new();
    let stopping = handle.clone();
    let (readiness, deadline) = (state.readiness().clone(), state.config().shutdown_deadline);
    let realtime = state.realtime().clone();
    let waits = tokio::spawn(async move {
        shutdown.await;
        readiness.draining();
        let connections = stopping.connection_count();
        tracing::info!(connections, ?deadline, "draining");
        realtime.close();
        stopping.graceful_shutdown(None);
        tokio::time::sleep(deadline).await;
        let connections = stopping.connection_count();
        tracing::warn!(
            connections,
            ?deadline,
            "the deadline has passed (server.shutdown_deadline_seconds): connections are cut"
        );
        stopping.shutdown();
    });
    let refuse = |error: std::io::Error| {
        Error::config("server.bind", error.to_string(), "choose another address")
    };
    let mut server = axum_server::from_tcp(listener)
        .map_err(refuse)?
        .first_request_timeout(state.config().header_timeout)
        .acceptor(Patience {
            write_timeout: state.config().request_timeout,
            readiness: state.readiness().clone(),
        })
        .handle(handle);
    let headers = state.config().header_timeout;
    server.http_builder().http1().header_read_timeout(headers);
    let served = server.serve(router.into_make_service()).await;
    waits.abort();
    // Upgraded connections are the server's no more: their goodbyes are waited for here.
    state.realtime().close();
    state.realtime().closed(deadline).await;
    served.map_err(refuse)
}
