//! Receives a file into a temporary one; it counts as a file only when all of it has come.

use std::fs::File;
use std::io::{self, Write};

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;

use crate::api::body::{Arrival, off_runtime};
use crate::api::error::ApiError;
use crate::api::state::ApiState;
use crate::error::Error;

/// Bytes that are written at once: each piece alone would be too little to change threads for.
const BLOCK_BYTES: usize = 256 * 1_024;

/// The whole body as a temporary file without a name.
///
/// # Errors
/// 413 when it has more than `server.import_bytes_max`, 408 when it comes too slowly, 400 when it
/// breaks off, 503 when bodies use up their memory.
pub(super) async fn upload(state: &ApiState, body: Body) -> Result<File, ApiError> {
    let config = state.config();
    let bytes_max = config.import_bytes_max;
    if body.size_hint().lower() > bytes_max {
        return Err(too_large(bytes_max));
    }
    let mut memory = state.body_memory().text();
    let mut file = off_runtime(tempfile::tempfile).await?.map_err(not_kept)?;
    let mut arrival = Arrival::new(body, config.body_idle_timeout, None);
    let (mut block, mut written) = (Vec::new(), 0);
    while let Some(piece) = arrival.next().await? {
        let needed = block.len() + piece.len();
        if written + needed as u64 > bytes_max {
            return Err(too_large(bytes_max));
        }
        memory.make_room(&mut block, needed, BLOCK_BYTES).await?;
        block.extend_from_slice(&piece);
        if block.len() >= BLOCK_BYTES {
            written += block.len() as u64;
            (file, block) = write(file, block).await?;
        }
    }
    write(file, block).await.map(|(file, _)| file)
}

async fn write(mut file: File, mut block: Vec<u8>) -> Result<(File, Vec<u8>), ApiError> {
    let written = off_runtime(move || {
        file.write_all(&block)?;
        block.clear();
        Ok((file, block))
    });
    written.await?.map_err(not_kept)
}

fn not_kept(error: io::Error) -> ApiError {
    let remedy = "free some space in the folder for temporary files (TMPDIR)";
    Error::File {
        path: "temporary file".to_owned(),
        reason: error.to_string(),
        remedy: remedy.to_owned(),
    }
    .into()
}

fn too_large(bytes_max: u64) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "the file has more than {bytes_max} bytes (server.import_bytes_max); send it in \
             parts, or import it with the command line"
        ),
    )
}
