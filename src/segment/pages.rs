//! Which rows of a segment are read for a range of time, or for some keys; and which bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::SegmentBytes;
use super::metadata::{MomentPage, Segment, unreadable};
use crate::error::Result;

/// Rows of one group, whole pages of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowSpan {
    pub(super) group: usize,
    pub(super) rows: Range<usize>,
}

impl RowSpan {
    /// Some of its rows, counted from its first one.
    pub(super) fn part(&self, rows: Range<usize>) -> Self {
        let start = self.rows.start;
        Self {
            group: self.group,
            rows: start + rows.start..start + rows.end,
        }
    }
}

impl Segment {
    /// The rows among which are all of a range of time, both moments included; one span of a group at
    /// most.
    pub(super) fn spans(&self, first: i64, last: i64) -> Vec<RowSpan> {
        let overlaps = |page: &&MomentPage| page.last >= first && page.first <= last;
        let spans = self
            .pages()
            .iter()
            .enumerate()
            .filter_map(|(group, pages)| {
                let mut found = pages.iter().filter(overlaps);
                let start = found.next()?;
                let end = found.next_back().unwrap_or(start);
                Some(RowSpan {
                    group,
                    rows: start.rows.start..end.rows.end,
                })
            });
        spans.collect()
    }

    /// The rows among which are those of some moments, which ascend.
    pub(super) fn spans_of(&self, moments: &[i64]) -> Vec<RowSpan> {
        let mut spans: Vec<RowSpan> = Vec::new();
        for (group, pages) in self.pages().iter().enumerate() {
            for page in pages {
                let next = moments.partition_point(|moment| *moment < page.first);
                if moments.get(next).is_none_or(|moment| *moment > page.last) {
                    continue;
                }
                match spans.last_mut() {
                    Some(span) if span.group == group && span.rows.end == page.rows.start => {
                        span.rows.end = page.rows.end;
                    }
                    _ => spans.push(RowSpan {
                        group,
                        rows: page.rows.clone(),
                    }),
                }
            }
        }
        spans
    }

    /// Reads the bytes of some columns of some rows.
    pub(super) fn fetch(
        &self,
        bytes: &mut dyn SegmentBytes,
        span: &RowSpan,
        columns: impl Iterator<Item = usize>,
    ) -> Result<Arc<FetchedBytes>> {
        let index = self.metadata().page_index_for_row_group(span.group);
        let group = self.metadata().row_group(span.group);
        let mut fetched = FetchedBytes {
            length: bytes.length()?,
            ranges: BTreeMap::new(),
        };
        for column in columns {
            let places = index.page_locations(column);
            let places = places.ok_or_else(|| unreadable("its pages have no index"))?;
            let (start, _) = group.column(column).byte_range();
            let at = |place: i64| u64::try_from(place).unwrap_or(0);
            // What lies before the first page is the dictionary, which each of them needs.
            if let Some(first) = places.first() {
                if at(first.offset) < start {
                    return Err(unreadable("a page lies before its column"));
                }
                fetched.add(bytes, start..at(first.offset))?;
            }
            let row = |row: usize| i64::try_from(row).unwrap_or(i64::MAX);
            let from = places.partition_point(|of| of.first_row_index <= row(span.rows.start));
            let to = places.partition_point(|of| of.first_row_index < row(span.rows.end));
            let needed = places.get(from.saturating_sub(1)..to).unwrap_or_default();
            if let [first, ..] = needed
                && let [.., last] = needed
            {
                let end = at(last.offset) + at(last.compressed_page_size.into());
                fetched.add(bytes, at(first.offset)..end)?;
            }
        }
        Ok(Arc::new(fetched))
    }
}

/// Bytes of a file that were read, by where they begin.
#[derive(Debug)]
pub(super) struct FetchedBytes {
    length: u64,
    ranges: BTreeMap<u64, Bytes>,
}

impl FetchedBytes {
    fn add(&mut self, bytes: &mut dyn SegmentBytes, range: Range<u64>) -> Result<()> {
        if range.end > self.length {
            return Err(unreadable("a page lies outside of it"));
        }
        if !range.is_empty() {
            let start = range.start;
            self.ranges.insert(start, bytes.read(range)?);
        }
        Ok(())
    }

    /// What was read from here on.
    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let missing = || ParquetError::General("bytes that were not asked for".to_owned());
        let (begin, range) = self
            .ranges
            .range(..=start)
            .next_back()
            .ok_or_else(missing)?;
        let at = usize::try_from(start - begin)
            .ok()
            .filter(|at| *at < range.len());
        at.map(|at| range.slice(at..)).ok_or_else(missing)
    }
}

impl Length for FetchedBytes {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for FetchedBytes {
    type T = std::io::Cursor<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.from(start).map(std::io::Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let found = self.from(start)?;
        if length > found.len() {
            let reason = "bytes that were not asked for".to_owned();
            return Err(ParquetError::General(reason));
        }
        Ok(found.slice(..length))
    }
}
