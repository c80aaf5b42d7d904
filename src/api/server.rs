//! The server: listens, serves, and ends in order. What is served is the caller's router.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum_server::Handle;

use tokio::sync::Semaphore;
use tower::service_fn;

use super::connection::{Admitted, Patience};
use super::state::ApiState;
use crate::config::ServerConfig;
use crate::error::{Error, Result};

/// Bytes of a head that are always taken. What comes with the last of them is taken, too: at most
/// as many again. Browsers and proxies send a few kB.
const HEAD_BYTES_MAX: usize = 32 * 1_024;
/// Requests of one HTTP/2 connection at once: the fewest that its specification recommends.
const STREAMS_MAX: u32 = 100;
/// Bytes of bodies that a client of HTTP/2 may send before they are read, in all its requests. They
/// lie in memory outside the limit of bodies.
const WINDOW_BYTES: u32 = 128 * 1_024;

/// Opens the address of a setting.
///
/// # Errors
/// [`Error::Config`] when it is taken, or not this machine's.
pub(crate) fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener> {
    let refuse = |error: std::io::Error| {
        let remedy = "stop what listens there, or choose another address with --bind, server.bind or \
                      server.native_bind";
        Error::config(setting, format!("{address}: {error}"), remedy)
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
        // In this order: `/readyz` tells the balancer first, WebSockets get their reason, then no
        // connection is taken any more. The deadline counts from here.
        readiness.draining();
        let connections = stopping.connection_count();
        tracing::info!(
            connections,
            deadline_seconds = deadline.as_secs_f64(),
            "draining"
        );
        realtime.close();
        stopping.graceful_shutdown(None);
        tokio::time::sleep(deadline).await;
        let connections = stopping.connection_count();
        tracing::warn!(
            connections,
            deadline_seconds = deadline.as_secs_f64(),
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
            idle_timeout: state.config().header_timeout,
            write_timeout: state.config().request_timeout,
            readiness: state.readiness().clone(),
        })
        .handle(handle);
    let builder = server.http_builder();
    builder
        .http1()
        .header_read_timeout(state.config().header_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(WINDOW_BYTES as usize);
    let connections = Arc::new(Semaphore::new(connections_max(state.config())));
    let admit =
        service_fn(move |_: SocketAddr| Admitted::new(router.clone(), Arc::clone(&connections)));
    let served = server.serve(admit).await;
    // All is answered: the deadline must not fire on a server that has ended.
    waits.abort();
    // Upgraded connections are the server's no more: their goodbyes are waited for here.
    state.realtime().close();
    state.realtime().closed(deadline).await;
    served.map_err(refuse)
}

/// Connections at once. Those of the database and files need the other half of what the process
/// may open: a server that has none left can neither read nor write.
fn connections_max(config: &ServerConfig) -> usize {
    let wanted = config.connections_max;
    let Some(files) = open_files_max() else {
        return wanted;
    };
    let possible = (files / 2).max(1);
    if wanted > possible {
        tracing::info!(
            connections = possible,
            wanted,
            "the process may open {files} files, so fewer connections are taken than \
             server.connections_max; raise the limit of open files (ulimit -n)"
        );
    }
    wanted.min(possible)
}

#[cfg(unix)]
fn open_files_max() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn open_files_max() -> Option<usize> {
    None
}
