//! What the end of a segment says of it: whose it is, and where its rows are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::DecodeResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use super::{KEY_COLUMNS, SegmentBytes, TIMESTAMP, VALUE_NAMES};
use crate::error::{Error, Result};

/// The version of the format, which readers of another one refuse.
pub(super) const FORMAT: &str = "1";
pub(super) const FORMAT_KEY: &str = "tickbase.format";
pub(super) const INSTRUMENT_KEY: &str = "tickbase.instrument_id";
pub(super) const SOURCES_KEY: &str = "tickbase.sources";
pub(super) const ROWS_KEY: &str = "tickbase.rows";
/// The moments of the first tick and of the last one, for people and for other programs.
pub(super) const FROM_KEY: &str = "tickbase.from";
pub(super) const TO_KEY: &str = "tickbase.to";

/// The bytes at the end that are read first: they hold the description of most files.
const TAIL_BYTES: u64 = 64 * 1_024;

/// A page of the moments of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MomentPage {
    /// Its rows within the group.
    pub(super) rows: Range<usize>,
    /// Its first moment and its last one, in microseconds.
    pub(super) first: i64,
    pub(super) last: i64,
}

/// A segment that is open: its description, without its rows.
#[derive(Debug)]
pub struct Segment {
    metadata: ParquetMetaData,
    instrument_id: i64,
    /// The numbers of its sources, by name.
    sources: BTreeMap<String, i64>,
    /// The pages of the moments, group by group.
    pages: Vec<Vec<MomentPage>>,
}

impl Segment {
    /// Reads the description of a segment.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is none of tickbase's, or damaged; those of the bytes.
    pub fn open(bytes: &mut dyn SegmentBytes) -> Result<Self> {
        let metadata = read(bytes)?;
        decoded(|| Self::of(metadata))
    }

    fn of(metadata: ParquetMetaData) -> Result<Self> {
        let value = |key: &str| {
            let values = metadata.file_metadata().key_value_metadata();
            let found = values.and_then(|all| all.iter().find(|of| of.key == key));
            found.and_then(|of| of.value.clone())
        };
        match value(FORMAT_KEY).as_deref() {
            Some(FORMAT) => {}
            Some(_) => return Err(unreadable("a newer tickbase has written it")),
            None => return Err(unreadable("it is no segment of tickbase")),
        }
        let number = |key: &str| value(key).and_then(|text| text.parse::<i64>().ok());
        let sources = value(SOURCES_KEY).and_then(|text| serde_json::from_str(&text).ok());
        let columns = metadata.file_metadata().schema_descr().columns();
        let names = columns.iter().map(|column| column.name());
        if !names.eq(KEY_COLUMNS.into_iter().chain(VALUE_NAMES)) {
            return Err(unreadable("it has other columns"));
        }
        // Asked here, where a place that cannot be is found.
        let groups = metadata.row_groups().iter();
        let columns = groups.flat_map(|group| group.columns());
        columns.for_each(|column| {
            column.byte_range();
        });
        let (instrument_id, rows) = (number(INSTRUMENT_KEY), number(ROWS_KEY));
        if rows != Some(metadata.file_metadata().num_rows()) {
            return Err(unreadable("it has not as many rows as it says"));
        }
        Ok(Self {
            instrument_id: instrument_id.ok_or_else(|| unreadable("it names no instrument"))?,
            sources: sources.ok_or_else(|| unreadable("it names no sources"))?,
            pages: pages(&metadata)?,
            metadata,
        })
    }

    /// The instrument of its ticks.
    #[must_use]
    pub fn instrument_id(&self) -> i64 {
        self.instrument_id
    }

    /// How many ticks it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let rows = self.metadata.file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    /// The pages of the moments, group by group.
    pub(super) fn pages(&self) -> &[Vec<MomentPage>] {
        &self.pages
    }

    /// Its only source; `None` when it has several.
    pub(super) fn only_source(&self) -> Option<i64> {
        let mut ids = self.sources.values();
        ids.next().copied().filter(|_| self.sources.len() == 1)
    }

    /// The number of a source by its name in the file.
    pub(super) fn source_id(&self, name: &[u8]) -> Result<i64> {
        let name = std::str::from_utf8(name).ok();
        let id = name.and_then(|name| self.sources.get(name));
        id.copied()
            .ok_or_else(|| unreadable("a tick names an unknown source"))
    }
}

fn read(bytes: &mut dyn SegmentBytes) -> Result<ParquetMetaData> {
    let length = bytes.length()?;
    let damaged = |error: ParquetError| unreadable(&error.to_string());
    let mut decoder = ParquetMetaDataPushDecoder::try_new(length)
        .map_err(damaged)?
        .with_page_index_policy(PageIndexPolicy::Required);
    let tail = length.saturating_sub(TAIL_BYTES)..length;
    let pushed = decoder.push_range(tail.clone(), bytes.read(tail)?);
    pushed.map_err(damaged)?;
    loop {
        match decoder.try_decode().map_err(damaged)? {
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::Finished => return Err(unreadable("it has no description")),
            DecodeResult::NeedsData(ranges) => {
                for range in ranges {
                    if range.end > length || range.is_empty() {
                        return Err(unreadable("its description lies outside of it"));
                    }
                    let more = bytes.read(range.clone())?;
                    decoder.push_range(range, more).map_err(damaged)?;
                }
            }
        }
    }
}

/// The pages of the moments of each group, with their first and last moments.
fn pages(metadata: &ParquetMetaData) -> Result<Vec<Vec<MomentPage>>> {
    let mut all = Vec::new();
    for (group, about) in metadata.row_groups().iter().enumerate() {
        let index = metadata.page_index_for_row_group(group);
        let places = index.page_locations(TIMESTAMP);
        let (Some(places), Some(ColumnIndexMetaData::INT64(bounds))) =
            (places, index.column_index(TIMESTAMP))
        else {
            return Err(unreadable("its pages have no index"));
        };
        let ends = places.iter().skip(1).map(|place| place.first_row_index);
        let ends = ends.chain([about.num_rows()]);
        let mut pages = Vec::new();
        for (at, (place, end)) in places.iter().zip(ends).enumerate() {
            let rows = usize::try_from(place.first_row_index)
                .ok()
                .zip(usize::try_from(end).ok());
            let moments = bounds.min_value(at).zip(bounds.max_value(at));
            let (Some((from, to)), Some((first, last))) = (rows, moments) else {
                return Err(unreadable("a page has no bounds"));
            };
            pages.push(MomentPage {
                rows: from..to,
                first: *first,
                last: *last,
            });
        }
        all.push(pages);
    }
    Ok(all)
}

/// Decodes bytes. Of some that are damaged the decoder does not say so: it panics.
pub(super) fn decoded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    outcome.unwrap_or_else(|_| Err(unreadable("its bytes are damaged")))
}

pub(super) fn unreadable(reason: &str) -> Error {
    Error::Corrupt {
        what: "a segment of the archive",
        value: "a file".to_owned(),
        reason: format!("cannot be read: {reason}"),
    }
}
