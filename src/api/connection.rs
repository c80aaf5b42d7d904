//! A connection that waits for its client only so long, and has a place among those of the server.
//!
//! A client that takes no byte of its answer within the time loses the connection, so that one that
//! never reads keeps no answer in memory. A client that still sends when its answer is written is
//! read from a little longer: closing on unread bytes would make TCP throw the answer away, and the
//! client would see a broken connection instead of 413 or 503. A client of HTTP/2 that neither
//! asks nor sends anything loses it, as HTTP/1 does by hyper's own limit.

use std::future::{Future, Ready, ready};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready as done};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tower::Service;

use super::readiness::{Phase, Readiness};

/// The time that is still read from a client after its answer.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// Bytes that are read and thrown away at a time.
const LINGER_READ_BYTES: usize = 16 * 1_024;

/// With this a connection of HTTP/2 begins.
const HTTP2: &[u8] = b"PRI ";

/// The service of one connection, with its place among the connections.
#[derive(Debug, Clone)]
pub(super) struct Admitted<S> {
    service: S,
    place: Arc<OwnedSemaphorePermit>,
    /// Requests that are not answered yet.
    active: Arc<AtomicUsize>,
}

impl<S> Admitted<S> {
    /// Waits for a place: meanwhile the system keeps those who knock.
    pub(super) async fn new(service: S, places: Arc<Semaphore>) -> Result<Self> {
        // Not refused: a connection that is closed at once looks to a probe like a server that is
        // down.
        let place = places.acquire_owned().await.map_err(Error::other)?;
        Ok(Self {
            service,
            place: Arc::new(place),
            active: Arc::default(),
        })
    }
}

/// A request that is not answered yet, until it is dropped.
struct RequestInFlight(Arc<AtomicUsize>);

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<R, S> Service<R> for Admitted<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.active.fetch_add(1, Ordering::Relaxed);
        let active = RequestInFlight(Arc::clone(&self.active));
        let answer = self.service.call(request);
        Box::pin(async move {
            let _active = active;
            answer.await
        })
    }
}

/// Gives every connection its patience.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// The time that a client of HTTP/2 may ask nothing and send nothing.
    pub(super) idle_timeout: Duration,
    /// The time that a client may take no byte of what is written to it.
    pub(super) write_timeout: Duration,
    /// A process that ends hears out only who is sending.
    pub(super) readiness: Readiness,
}

impl<S> Accept<TcpStream, Admitted<S>> for Patience {
    type Stream = Connection;
    type Service = Admitted<S>;
    type Future = Ready<Result<(Connection, Admitted<S>)>>;

    fn accept(&self, stream: TcpStream, service: Admitted<S>) -> Self::Future {
        let connection = Connection {
            stream,
            patience: self.clone(),
            _place: Arc::clone(&service.place),
            active: Arc::clone(&service.active),
            opening: Vec::new(),
            idle_until: None,
            stalls_at: None,
            lingers_until: None,
        };
        ready(Ok((connection, service)))
    }
}

/// A connection with a client.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    patience: Patience,
    /// Its own until it is closed, WebSockets included.
    _place: Arc<OwnedSemaphorePermit>,
    active: Arc<AtomicUsize>,
    /// The first bytes, as many as it takes to tell HTTP/2.
    opening: Vec<u8>,
    /// Set while nothing comes by HTTP/2.
    idle_until: Option<Pin<Box<Sleep>>>,
    /// Set while the client takes nothing.
    stalls_at: Option<Pin<Box<Sleep>>>,
    /// Set once all is written.
    lingers_until: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// Returns the result of a write, or an error when it has waited too long.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<Result<T>>,
    ) -> Poll<Result<T>> {
        if written.is_ready() {
            // Each byte taken sets the clock back: a slow reader is served, a stopped one is not.
            self.stalls_at = None;
            return written;
        }
        let limit = self.patience.write_timeout;
        let timer = self.stalls_at.get_or_insert_with(|| Box::pin(sleep(limit)));
        done!(timer.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(
            ErrorKind::TimedOut,
            "the client takes nothing of its answer",
        )))
    }

    /// Returns the result of a read, or an error when nothing was asked and nothing came for too
    /// long.
    fn unless_idle(
        &mut self,
        cx: &mut Context<'_>,
        read: Poll<Result<()>>,
        came: &[u8],
    ) -> Poll<Result<()>> {
        if read.is_ready() {
            self.idle_until = None;
            let missing = HTTP2.len().saturating_sub(self.opening.len());
            self.opening.extend(came.iter().take(missing));
            return read;
        }
        // The first request has a limit of its own.
        if self.opening != HTTP2 {
            return read;
        }
        let limit = self.patience.idle_timeout;
        let timer = self
            .idle_until
            .get_or_insert_with(|| Box::pin(sleep(limit)));
        while timer.as_mut().poll(cx).is_ready() {
            // A request that is worked on may take its time; the connection is not idle.
            if self.active.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(Err(Error::new(
                    ErrorKind::TimedOut,
                    "the client asks nothing",
                )));
            }
            *timer = Box::pin(sleep(limit));
        }
        Poll::Pending
    }

    /// Reads and throws away what still comes, until the client closes or the time is over.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut scratch = [0; LINGER_READ_BYTES];
        let timer = self
            .lingers_until
            .get_or_insert_with(|| Box::pin(sleep(LINGER_MAX)));
        loop {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut read = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                // Nothing comes and the process ends: a client that sends nothing more needs no
                // more patience.
                Poll::Pending if self.patience.readiness.phase() == Phase::Draining => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.unless_idle(cx, read, &buffer.filled()[before..])
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_stalled(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.lingers_until.is_none() {
            // Our end first: the client sees that the answer is complete while it still sends.
            done!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.linger(cx)
    }
}
