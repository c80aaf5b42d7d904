//! The source of a feed's bytes: a file, standard input or any reader, plain or gzip, a text or the
//! columns of Parquet or Arrow.
//!
//! What it is is known by its first bytes, never by a name. It does not look at what the text means.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::columnar::{self, ColumnarForm};
use super::gzip::{self, Unpacked};
use crate::error::{Error, Result};

/// Bytes that are read, or unpacked, at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// A file without a path, such as an upload: it can be read from its start again and again.
#[derive(Debug, Clone)]
pub(super) struct PathlessFile {
    file: Arc<Mutex<File>>,
    unpacked_bytes_max: u64,
}

impl PathlessFile {
    /// A file that unpacks to no more than this, if it is gzip.
    pub(super) fn new(file: File, unpacked_bytes_max: u64) -> Self {
        Self {
            file: Arc::new(Mutex::new(file)),
            unpacked_bytes_max,
        }
    }

    pub(super) fn open(&self, name: &str) -> Result<Input> {
        let cannot = |error: io::Error| file_error(name, error.to_string(), "check the disk");
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let size = file.metadata().map_err(cannot)?.len();
        drop(file);
        let from_start = FromStart {
            file: Arc::clone(&self.file),
            offset: 0,
        };
        let mut input = Input::limited(name, from_start, self.unpacked_bytes_max)?;
        input.size = Some(size);
        input.pathless = Some(self.clone());
        Ok(input)
    }
}

/// Reads a file from its start, whoever else reads it meanwhile.
struct FromStart {
    file: Arc<Mutex<File>>,
    offset: u64,
}

impl Read for FromStart {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.offset))?;
        let count = file.read(into)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Fails with [`io::ErrorKind::FileTooLarge`] behind the last byte that is taken.
struct AtMost<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.left = self
            .left
            // An error and not an end: a cut file would be imported as if it were whole.
            .checked_sub(count as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

/// An opened source of text.
pub struct Input {
    pub(super) name: String,
    pub(super) reader: Box<dyn BufRead + Send>,
    pub(super) gzip: bool,
    /// The kind of the input, when it has no path.
    pub(super) pathless: Option<PathlessFile>,
    read: Arc<AtomicU64>,
    size: Option<u64>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// [`Error::File`] when it is absent, a directory, not readable or empty.
    pub fn open(path: &str) -> Result<Self> {
        if path == "-" {
            return Self::from_reader("standard input", io::stdin());
        }
        let file = File::open(path).map_err(|error| cannot_open(path, &error))?;
        let about = file.metadata().map_err(|error| cannot_open(path, &error))?;
        if about.is_dir() {
            return Err(file_error(path, "is a directory", "name the files in it"));
        }
        let mut input = Self::from_reader(path, file)?;
        input.size = about.is_file().then_some(about.len());
        Ok(input)
    }

    /// Takes any reader; `name` stands in messages.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read or has no bytes.
    pub fn from_reader(name: &str, reader: impl Read + Send + 'static) -> Result<Self> {
        Self::limited(name, reader, u64::MAX)
    }

    fn limited(
        name: &str,
        reader: impl Read + Send + 'static,
        unpacked_bytes_max: u64,
    ) -> Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let mut reader = Counted {
            inner: reader,
            read: Arc::clone(&read),
        };
        // By the first bytes and not by the name: a pipe has no name, and names lie.
        let mut start = Vec::with_capacity(columnar::MAGIC_BYTES);
        Read::by_ref(&mut reader)
            .take(columnar::MAGIC_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(|error| file_error(name, error.to_string(), "check the file"))?;
        if start.is_empty() {
            return Err(file_error(name, "is empty", "check where it came from"));
        }
        let is_gzip = start.starts_with(&gzip::MAGIC);
        let form = ColumnarForm::of(&start);
        let bytes = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(start).chain(reader));
        let unpacked: Box<dyn Read + Send> = match form {
            Some(form) => columnar::as_csv(form, bytes)
                .map_err(|of| file_error(name, of.reason, of.remedy))?,
            None if is_gzip => Box::new(Unpacked::new(bytes)),
            None => return Ok(Self::of(name, Box::new(bytes), false, read)),
        };
        let unpacked = AtMost {
            inner: unpacked,
            left: unpacked_bytes_max,
        };
        let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked));
        Ok(Self::of(name, reader, is_gzip, read))
    }

    fn of(name: &str, reader: Box<dyn BufRead + Send>, gzip: bool, read: Arc<AtomicU64>) -> Self {
        Self {
            name: name.to_owned(),
            reader,
            gzip,
            pathless: None,
            read,
            size: None,
        }
    }

    /// The file's name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the file, as it lies on disk, if that is known.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.size
    }

    /// Counts the bytes read so far, as they lie on disk; for progress.
    #[must_use]
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }
}

fn cannot_open(path: &str, error: &io::Error) -> Error {
    let (reason, remedy) = match error.kind() {
        io::ErrorKind::NotFound => ("there is no such file".to_owned(), "check the path"),
        io::ErrorKind::PermissionDenied => (
            "may not be read by this user".to_owned(),
            "check its permissions",
        ),
        _ => (error.to_string(), "check the file"),
    };
    file_error(path, reason, remedy)
}

pub(super) fn file_error(
    path: impl Into<String>,
    reason: impl Into<String>,
    remedy: impl Into<String>,
) -> Error {
    Error::File {
        path: path.into(),
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
