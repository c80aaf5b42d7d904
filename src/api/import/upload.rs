//! A body on its way to code that reads as from a file: the runtime sends its pieces, a blocking
//! thread reads them. A body that breaks off is an error there, never the end of a file.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces on their way; the client waits when there are as many.
const PIECES_MAX: usize = 8;

/// What the runtime sends to the reader.
enum Piece {
    Bytes(Bytes),
    /// The body is whole: only then the reader may take it for a file.
    End,
}

/// Sends the pieces of a body.
pub(super) struct UploadSender(Sender<Piece>);

/// The body, as a file is read.
pub(super) struct UploadReader {
    pieces: Receiver<Piece>,
    piece: Bytes,
    is_whole: bool,
}

/// Why a body was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UploadError {
    /// It has more bytes than are taken.
    TooLarge,
    /// No byte came for this long.
    Idle(Duration),
    /// The client broke off, or sent what is no body.
    Broken(String),
}

/// The two ends of an upload.
pub(super) fn upload() -> (UploadSender, UploadReader) {
    let (sender, pieces) = channel(PIECES_MAX);
    let reader = UploadReader {
        pieces,
        piece: Bytes::new(),
        is_whole: false,
    };
    (UploadSender(sender), reader)
}

impl UploadSender {
    /// Sends a body of at most `bytes_max` bytes whose pieces come at most `idle` apart. When the
    /// reader has gone, what is left of the body is read and dropped, so that the client hears
    /// the reader's answer instead of a broken connection.
    pub(super) async fn send(
        self,
        body: Body,
        bytes_max: u64,
        idle: Duration,
    ) -> Result<(), UploadError> {
        if body.size_hint().lower() > bytes_max {
            return Err(UploadError::TooLarge);
        }
        let mut stream = body.into_data_stream();
        let mut bytes = 0_u64;
        loop {
            let piece = match tokio::time::timeout(idle, stream.next()).await {
                Err(_) => return Err(UploadError::Idle(idle)),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(UploadError::Broken(error.to_string())),
                Ok(Some(Ok(piece))) => piece,
            };
            bytes += piece.len() as u64;
            if bytes > bytes_max {
                return Err(UploadError::TooLarge);
            }
            // A reader that has gone has its answer already.
            let _ = self.0.send(Piece::Bytes(piece)).await;
        }
        let _ = self.0.send(Piece::End).await;
        Ok(())
    }
}

impl Read for UploadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if self.is_whole {
                return Ok(0);
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(piece)) => self.piece = piece,
                Some(Piece::End) => self.is_whole = true,
                None => {
                    let reason = "the upload broke off before its end";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason));
                }
            }
        }
        let count = buffer.len().min(self.piece.len());
        let taken = self.piece.split_to(count);
        buffer[..count].copy_from_slice(&taken);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives of a body, and how the sending ended.
    async fn sent(body: Body, bytes_max: u64) -> (io::Result<String>, Result<(), UploadError>) {
        let (sender, mut reader) = upload();
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        let idle = Duration::from_millis(50);
        let sent = sender.send(body, bytes_max, idle).await;
        (read.await.unwrap(), sent)
    }

    fn pieces(pieces: Vec<Result<&'static str, io::Error>>) -> Body {
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_whole_body_is_a_whole_file() {
        let (read, sent) = sent(pieces(vec![Ok("a,b\n"), Ok(""), Ok("1,2\n")]), 100).await;
        assert_eq!((read.unwrap().as_str(), sent), ("a,b\n1,2\n", Ok(())));
        let (read, _) = super::tests::sent(Body::empty(), 100).await;
        assert_eq!(read.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_file() {
        let broken = io::Error::other("reset");
        let (read, sent) = sent(pieces(vec![Ok("a,b\n"), Err(broken)]), 100).await;
        assert!(read.unwrap_err().to_string().contains("broke off"));
        assert!(matches!(sent, Err(UploadError::Broken(_))));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_or_stalls_is_no_file() {
        let (read, sent) = sent(pieces(vec![Ok("12345"), Ok("6789")]), 8).await;
        assert!(read.is_err());
        assert_eq!(sent, Err(UploadError::TooLarge));
        let stalls = futures_util::stream::iter([Ok::<_, io::Error>("1")])
            .chain(futures_util::stream::pending());
        let (read, sent) = super::tests::sent(Body::from_stream(stalls), 8).await;
        assert!(read.is_err());
        assert!(matches!(sent, Err(UploadError::Idle(_))));
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_lets_the_rest_of_the_body_pass() {
        let (sender, reader) = upload();
        drop(reader);
        let many = vec![Ok("x"); 100].into_iter().map(|ok: Result<_, ()>| ok);
        let body = pieces(many.map(|piece| Ok(piece.unwrap_or("x"))).collect());
        assert_eq!(
            sender.send(body, 1_000, Duration::from_secs(1)).await,
            Ok(())
        );
    }
}
