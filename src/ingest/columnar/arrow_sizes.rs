//! The sizes that an Arrow stream or file claims, looked at before it is read: its reader asks for as much memory
//! as a few bytes claim, and none of that can be had ends the process.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use arrow_ipc::{Buffer, Message, MessageHeader, RecordBatch, root_as_footer, root_as_message};

/// Bytes that one batch of rows may unpack to.
const BATCH_BYTES_MAX: i64 = 1 << 30;
/// Stands before each message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Stands before a packed buffer: the bytes that it unpacks to.
const CLAIM_BYTES: usize = 8;
/// Claims that the buffer is not packed.
const NOT_PACKED: i64 = -1;

/// Behind the end of a file's footer: its length, and once more the first bytes of the file.
const FOOTER_END_BYTES: u64 = 10;

/// Goes through the messages of a stream.
///
/// # Errors
/// What is wrong with it, also that it is cut off.
pub(super) fn check_stream(file: &mut File) -> Result<(), String> {
    let mut messages = Messages::of(file)?;
    while messages.check_next()? {}
    Ok(())
}

/// Goes through the messages that the footer of a file names.
///
/// # Errors
/// As [`check_stream`].
pub(super) fn check_file(file: &mut File) -> Result<(), String> {
    let cut_off = || "it is cut off".to_owned();
    let mut messages = Messages::of(file)?;
    let end = messages
        .size
        .checked_sub(FOOTER_END_BYTES)
        .ok_or_else(cut_off)?;
    if messages.number(end + 4)? != *b"ARROW1" {
        return Err(cut_off());
    }
    let length = u32::from_le_bytes(messages.number(end)?);
    let begin = end.checked_sub(u64::from(length)).ok_or_else(cut_off)?;
    let footer = messages.bytes(begin, length as usize)?;
    let footer = root_as_footer(&footer).map_err(|error| error.to_string())?;
    let dictionaries = footer.dictionaries().into_iter().flatten();
    let batches = footer.recordBatches().into_iter().flatten();
    for block in dictionaries.chain(batches) {
        let number = |of: i64| u64::try_from(of).map_err(|_| "a batch has no place".to_owned());
        let head = usize::try_from(block.metaDataLength());
        let head = head.map_err(|_| "a batch has no length".to_owned())?;
        messages.check_block(number(block.offset())?, head, number(block.bodyLength())?)?;
    }
    Ok(())
}

struct Messages<'f> {
    file: &'f mut File,
    at: u64,
    size: u64,
}

impl<'f> Messages<'f> {
    fn of(file: &'f mut File) -> Result<Self, String> {
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        Ok(Self { file, at: 0, size })
    }

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
        self.check_message(message, body, body_bytes)?;
        self.at = body + body_bytes;
        Ok(true)
    }

    /// Checks a message of a file, whose length stands before it in one of two forms.
    fn check_block(&mut self, at: u64, head: usize, body_bytes: u64) -> Result<(), String> {
        let bytes = self.bytes(at, head)?;
        let begin = if bytes.starts_with(&CONTINUATION) {
            8
        } else {
            4
        };
        let message = bytes.get(begin..).unwrap_or_default();
        let message = root_as_message(message).map_err(|error| error.to_string())?;
        self.check_message(message, at + head as u64, body_bytes)
    }

    fn check_message(
        &mut self,
        message: Message<'_>,
        body: u64,
        body_bytes: u64,
    ) -> Result<(), String> {
        let end = body.checked_add(body_bytes);
        if end.is_none_or(|end| end > self.size) {
            return Err("it is cut off".to_owned());
        }
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                dictionary.and_then(|of| of.data())
            }
            _ => None,
        };
        match batch {
            Some(batch) => self.check_batch(batch, body, body_bytes),
            None => Ok(()),
        }
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
