//! A body on its way: its pieces as they come, from a client that must keep up a pace.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::StatusCode;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::api::error::ApiError;

/// Bytes that must come within the idle limit, unless the body ends. A client that sends a byte now
/// and then would keep its connection for ever.
const PACE_BYTES: usize = 1_024;

/// A body whose pieces are waited for only so long.
pub(in crate::api) struct Arrival {
    pieces: BodyDataStream,
    idle: Duration,
    /// When as many bytes as make a pace must have come.
    pace_ends: Instant,
    /// Bytes towards it.
    paced: usize,
    /// When all of it must have come, and how long that is.
    deadline: Option<(Instant, Duration)>,
}

impl Arrival {
    /// A body whose client may be silent for `idle`, and that may take `total`, if anything.
    pub(in crate::api) fn new(body: Body, idle: Duration, total: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            pieces: body.into_data_stream(),
            idle,
            pace_ends: now + idle,
            paced: 0,
            deadline: total.map(|total| (now + total, total)),
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// 408 when it does not come in time, 400 when the body breaks off.
    pub(in crate::api) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let until = self.deadline.map(|(deadline, _)| deadline);
        let until = until.map_or(self.pace_ends, |deadline| deadline.min(self.pace_ends));
        match timeout_at(until, self.pieces.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => {
                self.paced += piece.len();
                // The clock is set back only after a good piece: a byte now and then must not keep
                // a body alive.
                if self.paced >= PACE_BYTES {
                    self.paced = 0;
                    self.pace_ends = Instant::now() + self.idle;
                }
                Ok(Some(piece))
            }
            Ok(Some(Err(error))) => Err(unreadable(&error)),
            Err(_) => Err(self.too_slow(until)),
        }
    }

    fn too_slow(&self, until: Instant) -> ApiError {
        let detail = match self.deadline {
            Some((deadline, total)) if deadline <= until => format!(
                "the body did not come within {} s (server.request_timeout_seconds); send it \
                 again, or less at a time",
                total.as_secs_f64()
            ),
            _ => format!(
                "no more than {} bytes of the body came in {} s \
                 (server.body_idle_timeout_seconds); send it again",
                self.paced,
                self.idle.as_secs_f64()
            ),
        };
        ApiError::new(StatusCode::REQUEST_TIMEOUT, detail)
    }
}

/// A body that broke off, or is none.
pub(super) fn unreadable(error: &dyn std::error::Error) -> ApiError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let deeper_text = deeper.to_string();
        if !text.ends_with(&deeper_text) {
            text.push_str(": ");
            text.push_str(&deeper_text);
        }
        cause = deeper.source();
    }
    let detail = format!("the body cannot be read: {text}");
    ApiError::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    const IDLE: Duration = Duration::from_millis(300);
    const TOTAL: Duration = Duration::from_secs(2);

    /// A piece of so many bytes after each pause, then nothing more or the end.
    fn body(pieces: usize, bytes: usize, pause: Duration, ends: bool) -> Body {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, io::Error>(Bytes::from(vec![b' '; bytes]))
        });
        if ends {
            return Body::from_stream(pieces);
        }
        Body::from_stream(pieces.chain(stream::pending()))
    }

    /// The bytes that came, and the status and text that ended them.
    async fn outcome(body: Body, total: Option<Duration>) -> (usize, Option<(u16, String)>) {
        let mut arrival = Arrival::new(body, IDLE, total);
        let mut bytes = 0;
        loop {
            match arrival.next().await {
                Ok(None) => return (bytes, None),
                Ok(Some(piece)) => bytes += piece.len(),
                Err(ApiError::Status(status, text)) => {
                    return (bytes, Some((status.as_u16(), text)));
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn who_keeps_up_the_pace_is_heard_to_the_end() {
        let slowly = body(5, PACE_BYTES, IDLE / 3, true);
        assert_eq!(outcome(slowly, Some(TOTAL)).await, (5 * PACE_BYTES, None));
        let little = body(1, 2, IDLE / 3, true);
        assert_eq!(outcome(little, Some(TOTAL)).await, (2, None));
    }

    #[tokio::test]
    async fn who_sends_a_byte_now_and_then_is_cut_off() {
        for (came, trickled) in [
            (1, body(1_000, 1, IDLE * 2 / 3, true)),
            (0, body(0, 0, IDLE, false)),
            (PACE_BYTES, body(1, PACE_BYTES, IDLE / 3, false)),
        ] {
            let (bytes, refused) = outcome(trickled, None).await;
            let (status, text) = refused.unwrap();
            assert_eq!((bytes, status), (came, 408), "{text}");
            assert!(text.contains("server.body_idle_timeout_seconds"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_body_that_keeps_up_the_pace_for_ever_is_cut_off_in_the_end() {
        let endless = body(1_000, PACE_BYTES, IDLE / 6, true);
        let (bytes, refused) = outcome(endless, Some(TOTAL)).await;
        let (status, text) = refused.unwrap();
        assert_eq!(status, 408);
        assert!(bytes >= 2 * PACE_BYTES, "{bytes}");
        assert!(
            text.contains("within 2 s (server.request_timeout_seconds)"),
            "{text}"
        );
    }
}
