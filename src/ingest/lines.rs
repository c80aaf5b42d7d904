//! Lines with their numbers, none of them longer than a limit in memory.

use std::io::{self, BufRead};

use memchr::memchr;

/// The longest line that is read, in bytes; a longer one is rejected and passed over.
pub const LINE_BYTES_MAX: usize = 1 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One line, without its end (`\n` or `\r\n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a [u8]),
    /// Longer than [`LINE_BYTES_MAX`]; its bytes were dropped as they came.
    TooLong,
}

/// Reads lines; a byte order mark at the start is dropped.
pub(super) struct Lines<R> {
    reader: R,
    /// Bytes of the reader's buffer that the last line lay in.
    lent: usize,
    /// A line that did not lie in the reader's buffer as a whole.
    joined: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self::after(reader, 0)
    }

    /// The lines of a text that goes on after the line of this number.
    pub(super) const fn after(reader: R, number: u64) -> Self {
        Self {
            reader,
            lent: 0,
            joined: Vec::new(),
            number,
            bytes: 0,
        }
    }

    /// Returns the reader at the byte after the last line.
    pub(super) fn into_reader(mut self) -> R {
        self.consume_lent();
        self.reader
    }

    /// The number of the last line, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of text up to and with the last line.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.consume_lent();
        let available = fill(&mut self.reader)?;
        if available.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let first = self.number == 1;
        let Some(end) = memchr(b'\n', available) else {
            return self.next_joined(first);
        };
        self.lent = end + 1;
        self.bytes += self.lent as u64;
        if end > LINE_BYTES_MAX {
            return Ok(Some(Line::TooLong));
        }
        // The buffer still holds the line: nothing is read here.
        let line = self.reader.fill_buf()?.get(..end).unwrap_or_default();
        Ok(Some(Line::Text(clean(line, first))))
    }

    /// A line that goes on past the reader's buffer.
    fn next_joined(&mut self, first: bool) -> io::Result<Option<Line<'_>>> {
        self.joined.clear();
        let mut too_long = false;
        loop {
            self.consume_lent();
            let available = fill(&mut self.reader)?;
            let end = memchr(b'\n', available);
            let part = available
                .get(..end.unwrap_or(available.len()))
                .unwrap_or_default();
            too_long |= self.joined.len() + part.len() > LINE_BYTES_MAX;
            if !too_long {
                self.joined.extend_from_slice(part);
            }
            let at_end = available.is_empty();
            self.lent = end.map_or(available.len(), |end| end + 1);
            self.bytes += self.lent as u64;
            if end.is_some() || at_end {
                break;
            }
        }
        if too_long {
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Text(clean(&self.joined, first))))
    }

    fn consume_lent(&mut self) {
        self.reader.consume(std::mem::take(&mut self.lent));
    }
}

fn fill(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Filled above: this reads nothing, unless the source is at its end.
    reader.fill_buf()
}

fn clean(line: &[u8], first: bool) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if first {
        line.strip_prefix(BOM).unwrap_or(line)
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], buffer: usize) -> Vec<Option<Vec<u8>>> {
        let reader = BufReader::with_capacity(buffer, Cursor::new(text.to_vec()));
        let mut lines = Lines::new(reader);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                Line::Text(text) => Some(text.to_vec()),
                Line::TooLong => None,
            });
        }
        assert_eq!(lines.number(), all.len() as u64);
        assert_eq!(lines.bytes(), text.len() as u64);
        all
    }

    #[test]
    fn windows_ends_a_byte_order_mark_and_a_missing_last_end_are_no_part_of_a_line() {
        for buffer in [1, 2, 3, 5, 100] {
            let lines = read(b"\xef\xbb\xbfa,b\r\n\r\n1,2", buffer);
            assert_eq!(
                lines,
                [Some(b"a,b".to_vec()), Some(vec![]), Some(b"1,2".to_vec())]
            );
        }
    }

    #[test]
    fn a_line_past_the_limit_is_passed_over_and_the_next_is_read() {
        let mut text = vec![b'x'; 10 * LINE_BYTES_MAX];
        text.extend_from_slice(b"\nnext\n");
        for buffer in [4096, 20 * LINE_BYTES_MAX] {
            assert_eq!(read(&text, buffer), [None, Some(b"next".to_vec())]);
        }
    }

    #[test]
    fn the_line_of_exactly_the_limit_is_read() {
        let text = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read(&text, 4096), [Some(text.clone())]);
        let longer = vec![b'x'; LINE_BYTES_MAX + 1];
        assert_eq!(read(&longer, 4096), [None]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_split_whatever_the_buffer(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'\r')], 0..60),
            buffer in 1usize..20,
        ) {
            let mut expected: Vec<Option<Vec<u8>>> = text
                .split(|byte| *byte == b'\n')
                .map(|line| Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
                .collect();
            if text.is_empty() || text.ends_with(b"\n") {
                expected.pop();
            }
            prop_assert_eq!(read(&text, buffer), expected);
        }
    }
}
