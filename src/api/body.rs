//! Bodies of requests: taken whole, within time and memory, and unpacked, before a request is
//! worked on. A client that sends slowly therefore keeps nobody waiting but itself.

mod arrival;
mod memory;

use std::io::{Cursor, Read};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};

use super::error::ApiError;
use super::state::ApiState;
use crate::ingest::gzip::Unpacked;
pub(super) use arrival::Arrival;
use arrival::unreadable;
pub(super) use memory::{BodyMemory, TakenMemory, off_runtime};

/// The size that a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodySize {
    /// A question, or one thing to store: 64 KiB are far more than any needs.
    Small,
    /// Many rows: as large as `server.body_bytes_max` allows.
    Batch,
}

/// The encoding of bodies that are unpacked.
pub(super) const GZIP: &str = "gzip";

/// The bytes that a small body may have.
const SMALL_BYTES_MAX: usize = 64 * 1_024;

impl BodySize {
    fn bytes_max(self, state: &ApiState) -> usize {
        let configured = state.config().body_bytes_max;
        match self {
            Self::Small => configured.min(SMALL_BYTES_MAX),
            Self::Batch => configured,
        }
    }

    fn exceeded(self, state: &ApiState) -> ApiError {
        let bytes_max = self.bytes_max(state);
        let detail = match self {
            Self::Small if bytes_max == SMALL_BYTES_MAX => format!(
                "the body, unpacked, has more than {bytes_max} bytes, the most that is taken \
                 here; ask for less at a time"
            ),
            _ => format!(
                "the body, unpacked, has more than {bytes_max} bytes (server.body_bytes_max); \
                 send less at a time"
            ),
        };
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }
}

/// Receives the body whole and unpacks it; returns the request with it, and the memory that it
/// takes. A body that says itself that it is too large is refused before it is sent.
///
/// # Errors
/// 413 when it is too large, 408 when it comes too slowly, 400 when it cannot be read, 503 when
/// other bodies use up the memory.
pub(super) async fn receive(
    state: &ApiState,
    request: Request,
    size: BodySize,
) -> Result<(Request, TakenMemory), ApiError> {
    let (mut head, body) = request.into_parts();
    let bytes_max = size.bytes_max(state);
    // By its `Content-Length`, before a byte is read. The length reserves no memory: who promises
    // bytes and sends none would keep others out.
    if axum::body::HttpBody::size_hint(&body).lower() > bytes_max as u64 {
        return Err(size.exceeded(state));
    }
    let mut memory = state.body_memory().text();
    // The head waits as long as the body comes.
    let head_bytes = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    memory.take(head_bytes.sum()).await?;
    let config = state.config();
    let mut arrival = Arrival::new(body, config.body_idle_timeout, Some(config.request_timeout));
    let mut text = Vec::new();
    while let Some(piece) = arrival.next().await? {
        let needed = text.len() + piece.len();
        if needed > bytes_max {
            return Err(size.exceeded(state));
        }
        // Paid for before it is kept, so that many bodies together stay within the limit.
        memory.make_room(&mut text, needed, bytes_max).await?;
        text.extend_from_slice(&piece);
    }
    if is_gzip(&head.headers) && !text.is_empty() {
        text = unpack(state, text, &mut memory, bytes_max)
            .await?
            .ok_or_else(|| size.exceeded(state))?;
        // The body is plain now; a handler that reads the header would unpack it again.
        head.headers.remove(header::CONTENT_ENCODING);
    }
    Ok((Request::from_parts(head, Body::from(text)), memory))
}

/// Unpacks a body; `None` when it has more than `bytes_max`. What it becomes is paid for as it is
/// unpacked, as some kB may become many MiB.
async fn unpack(
    state: &ApiState,
    packed: Vec<u8>,
    memory: &mut TakenMemory,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, ApiError> {
    // Before memory is taken for the text: those who wait for a turn hold only what came.
    let _turn = state.body_memory().unpacker().await?;
    // One more tells that there are too many.
    let room_max = bytes_max.saturating_add(1);
    let (mut source, mut text) = (Unpacked::new(Cursor::new(packed)), Vec::new());
    loop {
        // The block at the start is what most bodies need in all.
        let needed = (text.len() + 1).max(SMALL_BYTES_MAX.min(room_max));
        memory.make_room(&mut text, needed, room_max).await?;
        let room = text.capacity() - text.len();
        let unpacked = off_runtime(move || {
            let read = source.by_ref().take(room as u64).read_to_end(&mut text);
            read.map(|count| (source, text, count < room))
        });
        let ended;
        (source, text, ended) = unpacked.await?.map_err(|error| unreadable(&error))?;
        if text.len() > bytes_max {
            return Ok(None);
        }
        if ended {
            return Ok(Some(text));
        }
    }
}

/// True when a body is packed.
fn is_gzip(headers: &HeaderMap) -> bool {
    encoding(headers).is_some_and(|text| text == GZIP)
}

pub(super) fn encoding(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_ENCODING)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(text.trim().to_ascii_lowercase())
}
