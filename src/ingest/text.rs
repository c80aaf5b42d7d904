//! The lines of a feed, some of which were looked at before they are read, and how a feed is read
//! a second time: from its file, from memory when it is short, else from a temporary copy.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::input::{Input, PathlessFile, file_error};
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use crate::error::{Error, Result};

/// A line with its number, from 1; `None` for one that was too long.
pub(super) type NumberedLine = (u64, Option<Vec<u8>>);

/// The place where the text can be read again.
#[derive(Debug)]
enum Origin {
    /// A file, by its path.
    Path(String),
    /// A file without a path, which has the lines after the one of this number.
    Pathless(PathlessFile, u64),
    /// Nowhere: it came from a pipe.
    Nowhere,
}

/// The text of a feed.
pub(super) struct FeedText {
    name: String,
    gzip: bool,
    origin: Origin,
    lines: Lines<Box<dyn BufRead + Send>>,
    /// Lines that were looked at, and are still to be read.
    ahead: VecDeque<NumberedLine>,
    /// True when `ahead` reaches to the end of the text.
    ended: bool,
    current: Vec<u8>,
    size: Option<u64>,
    read: Arc<AtomicU64>,
}

impl FeedText {
    pub(super) fn new(input: Input) -> Self {
        let (size, read) = (input.size_bytes(), input.bytes_read());
        let Input {
            name,
            reader,
            gzip,
            pathless,
            ..
        } = input;
        // What has a size is a file: pipes and devices have none, and give their bytes once.
        let origin = match (pathless, size) {
            (Some(file), _) => Origin::Pathless(file, 0),
            (None, Some(_)) => Origin::Path(name.clone()),
            (None, None) => Origin::Nowhere,
        };
        Self {
            name,
            gzip,
            origin,
            lines: Lines::new(reader),
            ahead: VecDeque::new(),
            ended: false,
            current: Vec::new(),
            size,
            read,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn size_bytes(&self) -> Option<u64> {
        self.size
    }

    pub(super) fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// The lines that were looked at.
    pub(super) const fn ahead(&self) -> &VecDeque<NumberedLine> {
        &self.ahead
    }

    /// True when nothing comes after the lines that were looked at.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// Looks at one line more; `false` at the end.
    pub(super) fn look_ahead(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let (number, bytes) = (self.lines.number() + 1, self.lines.bytes());
        match self.lines.next() {
            Ok(Some(line)) => {
                let line = match line {
                    Line::Text(text) => Some(text.to_vec()),
                    Line::TooLong => None,
                };
                self.ahead.push_back((number, line));
                Ok(true)
            }
            Ok(None) => {
                self.ended = true;
                Ok(false)
            }
            Err(error) => Err(broken(&self.name, self.gzip, number - 1, bytes, &error)),
        }
    }

    /// Passes over the lines up to the one of this number.
    pub(super) fn skip_to(&mut self, number: u64) -> Result<()> {
        while self.next_number() <= number {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn next_number(&self) -> u64 {
        let ahead = self.ahead.front().map(|(number, _)| *number);
        ahead.unwrap_or_else(|| self.lines.number() + 1)
    }

    /// The next line with its number.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Line<'_>)>> {
        if let Some((number, line)) = self.ahead.pop_front() {
            return Ok(Some(match line {
                Some(line) => {
                    self.current = line;
                    (number, Line::Text(&self.current))
                }
                None => (number, Line::TooLong),
            }));
        }
        if self.ended {
            return Ok(None);
        }
        // The number and the bytes before the line, for the message when it cannot be read.
        let (number, bytes) = (self.lines.number() + 1, self.lines.bytes());
        match self.lines.next() {
            Ok(line) => Ok(line.map(|line| (number, line))),
            Err(error) => Err(broken(&self.name, self.gzip, number - 1, bytes, &error)),
        }
    }

    /// Makes a text that can be read only once one that can be read again. Its rest is copied to
    /// a temporary file, unless all of it was looked at.
    pub(super) fn keep(&mut self) -> Result<()> {
        // A file can be opened again, and a short text lies in memory as a whole.
        if self.ended || !matches!(self.origin, Origin::Nowhere) {
            return Ok(());
        }
        let failed = |error: io::Error| {
            file_error(
                "temporary file",
                // Its text may name a folder of the server to a client.
                error.kind().to_string(),
                "free some space in the folder for temporary files (TMPDIR), or import from a file",
            )
        };
        // The copy begins behind the lines that were passed, and keeps their numbers for messages.
        let before = self.next_number() - 1;
        let mut file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
        while let Some((_, line)) = self.next()? {
            match line {
                Line::Text(text) => file.write_all(text),
                // A line that is too long again.
                Line::TooLong => file.write_all(&[b'x'; LINE_BYTES_MAX + 1]),
            }
            .and_then(|()| file.write_all(b"\n"))
            .map_err(failed)?;
        }
        let file = file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        self.size = Some(file.metadata().map_err(failed)?.len());
        self.origin = Origin::Pathless(PathlessFile::new(file, u64::MAX), before);
        *self = self.again_after(before)?;
        Ok(())
    }

    /// Opens the text again, at the place where this one stands.
    pub(super) fn again(&self) -> Result<Self> {
        self.again_after(self.next_number() - 1)
    }

    fn again_after(&self, before: u64) -> Result<Self> {
        if self.ended {
            return Ok(Self {
                name: self.name.clone(),
                gzip: self.gzip,
                origin: Origin::Nowhere,
                lines: Lines::after(Box::new(io::empty()), self.lines.number()),
                ahead: self.ahead.clone(),
                ended: true,
                current: Vec::new(),
                size: self.size,
                read: Arc::clone(&self.read),
            });
        }
        match &self.origin {
            Origin::Path(path) => {
                let mut text = Self::new(Input::open(path)?);
                text.skip_to(before)?;
                Ok(text)
            }
            Origin::Pathless(file, first) => {
                let mut text = Self::new(file.open(&self.name)?);
                let lines =
                    std::mem::replace(&mut text.lines, Lines::after(Box::new(io::empty()), 0));
                text.lines = Lines::after(lines.into_reader(), *first);
                text.origin = Origin::Pathless(file.clone(), *first);
                text.skip_to(before)?;
                Ok(text)
            }
            Origin::Nowhere => Err(file_error(
                &self.name,
                "cannot be read again",
                "import from a file",
            )),
        }
    }
}

/// The file ended or broke in the middle.
fn broken(name: &str, gzip: bool, line: u64, bytes: u64, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return Error::FileTooLarge {
            path: name.to_owned(),
            bytes,
        };
    }
    let place = format!("after line {line} ({bytes} bytes of text)");
    if !gzip {
        let reason = format!("cannot be read {place}: {error}");
        return file_error(name, reason, "check the disk");
    }
    let reason = if error.kind() == io::ErrorKind::UnexpectedEof {
        format!("the gzip data ends too early, {place}")
    } else {
        format!("the gzip data is damaged {place}: {error}")
    };
    file_error(name, reason, "fetch the file again")
}
