//! The sizes that an Arrow stream claims, looked at before it is read: its reader asks for as much memory
//! as a few bytes claim, and none of that can be had ends the process.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use arrow_ipc::{Buffer, MessageHeader, RecordBatch, root_as_message};

/// Bytes that one batch of rows may unpack to.
const BATCH_BYTES_MAX: i64 = 1 << 30;
/// Stands before each message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Stands before a packed buffer: the bytes that it unpacks to.
const CLAIM_BYTES: usize = 8;
/// Claims that the buffer is not packed.
const NOT_PACKED: i64 = -1;

/// Goes through the messages of a stream that begins at a place of a file.
///
/// # Errors
/// What is wrong with it, also that it is cut off.
pub(super) fn check(file: &mut File, begin: u64) -> Result<(), String> {
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let mut messages = Messages {
        file,
        at: begin,
        size,
    };
    while messages.check_next()? {}
    Ok(())
}

struct Messages<'f> {
    file: &'f mut File,
    at: u64,
    size: u64,
}

impl Messages<'_> {
    /// So many bytes from a place on.
    fn bytes(&mut self, at: u64, count: usize) -> Result<Vec<u8>, String> {
        if at
            .checked_add(count as u64)
            .is_none_or(|end| end > self.size)
        {
            return Err("it is cut off".to_owned());
        }
        let mut bytes = vec![0; count];
        let read = self
            .file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self, at: u64) -> Result<[u8; N], String> {
        let bytes = self.bytes(at, N)?;
        bytes.try_into().map_err(|_| "it is cut off".to_owned())
    }

    /// Checks the next message; false at the end of the stream.
    fn check_next(&mut self) -> Result<bool, String> {
        if self.number(self.at)? != CONTINUATION {
            return Err("it is of a version before 1.0, or its bytes make no sense".to_owned());
        }
        let length = i32::from_le_bytes(self.number(self.at + 4)?);
        let length = usize::try_from(length).map_err(|_| "a message has no length".to_owned())?;
        if length == 0 {
            return Ok(false);
        }
        let head = self.bytes(self.at + 8, length)?;
        let message = root_as_message(&head).map_err(|error| error.to_string())?;
        let body = self.at + 8 + length as u64;
        let body_bytes = u64::try_from(message.bodyLength());
        let body_bytes = body_bytes.map_err(|_| "a message has no length".to_owned())?;
        let end = body.checked_add(body_bytes).filter(|end| *end <= self.size);
        let end = end.ok_or_else(|| "it is cut off".to_owned())?;
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                dictionary.and_then(|of| of.data())
            }
            _ => None,
        };
        if let Some(batch) = batch {
            self.check_batch(batch, body, body_bytes)?;
        }
        self.at = end;
        Ok(true)
    }

    fn check_batch(
        &mut self,
        batch: RecordBatch<'_>,
        body: u64,
        body_bytes: u64,
    ) -> Result<(), String> {
        if batch.compression().is_none() {
            return Ok(());
        }
        let mut unpacked = 0_i64;
        for buffer in batch.buffers().iter().flatten() {
            let claimed = self.claimed_bytes(buffer, body, body_bytes)?;
            unpacked = unpacked.saturating_add(claimed);
            if unpacked > BATCH_BYTES_MAX {
                let most = BATCH_BYTES_MAX;
                return Err(format!(
                    "a batch of its rows unpacks to more than {most} bytes"
                ));
            }
        }
        Ok(())
    }

    /// The bytes that a packed buffer claims to unpack to.
    fn claimed_bytes(&mut self, of: &Buffer, body: u64, body_bytes: u64) -> Result<i64, String> {
        let (offset, length) = (of.offset(), of.length());
        if length == 0 {
            return Ok(0);
        }
        let within = |(offset, length): (u64, u64)| {
            let end = offset.checked_add(length)?;
            (length >= CLAIM_BYTES as u64 && end <= body_bytes).then_some(offset)
        };
        let place = u64::try_from(offset).ok().zip(u64::try_from(length).ok());
        let offset = place.and_then(within);
        let offset = offset.ok_or_else(|| "a buffer lies outside of its message".to_owned())?;
        match i64::from_le_bytes(self.number(body + offset)?) {
            NOT_PACKED => Ok(length),
            claimed if claimed >= 0 => Ok(claimed),
            _ => Err("a buffer claims a negative size".to_owned()),
        }
    }
}
