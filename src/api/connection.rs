//! A connection that waits for its client only so long.
//!
//! Who takes no byte of its answer within the time loses it, so that a client that never reads
//! keeps neither the answer in memory nor the connection. Who still sends when its answer is
//! written is heard out a little: closing on unread bytes would make TCP throw the answer away,
//! and a client would see a broken connection instead of 413 or 503.

use std::future::{Future, Ready, ready};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready as done};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::readiness::{Phase, Readiness};

/// How long a client is heard out after its answer.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// Bytes that are read and thrown away at a time.
const LINGER_READ_BYTES: usize = 16 * 1_024;

/// Gives every connection its patience.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// How long a client may take no byte of what is written to it.
    pub(super) write_timeout: Duration,
    /// A process that ends hears out only who is sending.
    pub(super) readiness: Readiness,
}

impl<S> Accept<TcpStream, S> for Patience {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let connection = Connection {
            stream,
            patience: self.clone(),
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
    /// Set while the client takes nothing.
    stalls_at: Option<Pin<Box<Sleep>>>,
    /// Set once all is written.
    lingers_until: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// What a write came to, or that it has waited too long.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<Result<T>>,
    ) -> Poll<Result<T>> {
        if written.is_ready() {
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
        Pin::new(&mut self.stream).poll_read(cx, buffer)
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
            done!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.linger(cx)
    }
}
