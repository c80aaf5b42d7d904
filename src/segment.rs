//! The ticks of one instrument and one period as a Parquet file: written once, ascending by key, and
//! read by time, by column or by key, from wherever its bytes lie.
//!
//! What is written is what is read, bit by bit, and the same ticks give the same bytes. Other programs
//! read it as any Parquet file: moments in UTC, the symbol and the names of the sources as texts.
//!
//! ```
//! use tickbase::Timestamp;
//! use tickbase::segment::{Segment, SegmentTick, SegmentWriter, WantedColumns};
//! # fn main() -> tickbase::Result<()> {
//! # let place = tempfile::tempdir().unwrap();
//! # let path = place.path().join("es.parquet");
//!
//! let mut writer = SegmentWriter::new(1, "ES", [(1, "tickbase".to_owned())])?;
//! for second in 0..3 {
//!     let mut values = [None; 9];
//!     values[0] = Some(1_640.25); // price
//!     let timestamp = Timestamp::from_micros(1_378_000_000_000_000 + second * 1_000_000)?;
//!     writer.push(SegmentTick { timestamp, source_id: 1, sequence: 0, values })?;
//! }
//! std::fs::write(&path, writer.finish()?.bytes).unwrap();
//!
//! let mut file = std::fs::File::open(&path).unwrap();
//! let segment = Segment::open(&mut file)?;
//! assert_eq!((segment.instrument_id(), segment.rows()), (1, 3));
//! let all = (Timestamp::MIN, Timestamp::MAX);
//! for rows in segment.rows_of(&mut file, all, WantedColumns::ALL) {
//!     assert_eq!(rows?.values[0], [Some(1_640.25); 3]);
//! }
//! # Ok(())
//! # }
//! ```

mod find;
mod metadata;
mod pages;
mod read;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;

pub use metadata::Segment;
pub(crate) use read::SegmentPage;
pub use read::{SegmentRows, WantedColumns};
pub use write::{SegmentWriter, WrittenSegment};

use crate::domain::tick::VALUE_NAMES;
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// The columns before those of the values.
const KEY_COLUMNS: [&str; 4] = ["symbol", "timestamp", "source", "sequence"];
const TIMESTAMP: usize = 1;
const SOURCE: usize = 2;
const SEQUENCE: usize = 3;

/// The key of a tick within its instrument: moment, data source, sequence.
pub type SegmentKey = (Timestamp, i64, i64);

/// A tick, without its instrument, which is that of the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentTick {
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its data source.
    pub source_id: i64,
    /// Its number within the moment and the source.
    pub sequence: i64,
    /// Price, volume, bid, ask, sizes of bid and ask; open, high and low of the session so far.
    pub values: [Option<f64>; 9],
}

impl SegmentTick {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> SegmentKey {
        (self.timestamp, self.source_id, self.sequence)
    }
}

/// The bytes of a file, wherever they lie.
pub trait SegmentBytes {
    /// How many there are.
    ///
    /// # Errors
    /// What the place says.
    fn length(&self) -> Result<u64>;

    /// Those of a range.
    ///
    /// # Errors
    /// What the place says; [`Error::Corrupt`] when the range lies outside of them.
    fn read(&mut self, range: Range<u64>) -> Result<Bytes>;
}

impl SegmentBytes for Bytes {
    fn length(&self) -> Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&mut self, range: Range<u64>) -> Result<Bytes> {
        let place = |at: u64| usize::try_from(at).ok();
        let places = place(range.start).zip(place(range.end));
        let within = places.filter(|(start, end)| start <= end && *end <= self.len());
        let (start, end) = within.ok_or_else(|| metadata::unreadable("it ends too early"))?;
        Ok(self.slice(start..end))
    }
}

impl SegmentBytes for File {
    fn length(&self) -> Result<u64> {
        Ok(self.metadata().map_err(|error| no_file(&error))?.len())
    }

    fn read(&mut self, range: Range<u64>) -> Result<Bytes> {
        if range.end > self.length()? || range.start > range.end {
            return Err(metadata::unreadable("it ends too early"));
        }
        let mut bytes = Vec::new();
        let read = self.seek(SeekFrom::Start(range.start)).and_then(|_| {
            let length = range.end - range.start;
            self.by_ref().take(length).read_to_end(&mut bytes)
        });
        read.map_err(|error| no_file(&error))?;
        Ok(Bytes::from(bytes))
    }
}

fn no_file(error: &std::io::Error) -> Error {
    Error::File {
        path: "the file of a segment".to_owned(),
        reason: error.to_string(),
        remedy: "check that it may be read".to_owned(),
    }
}
