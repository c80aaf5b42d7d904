//! Reads ticks of a range of time, as columns: one group of rows after another.

use std::ops::Range;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::serialized_reader::SerializedPageReader;

use super::metadata::{MomentPage, Segment, decoded, unreadable};
use super::pages::{FetchedBytes, RowSpan};
use super::{KEY_COLUMNS, SEQUENCE, SOURCE, SegmentBytes, SegmentKey, SegmentTick, TIMESTAMP};
use crate::error::Result;
use crate::timestamp::Timestamp;

/// The columns that are read beside the moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedColumns {
    /// Source and sequence, without which ticks have no keys.
    pub keys: bool,
    /// The values, in the order of the columns of `market_data`.
    pub values: [bool; 9],
}

impl WantedColumns {
    /// All of them.
    pub const ALL: Self = Self {
        keys: true,
        values: [true; 9],
    };

    /// The keys alone.
    pub(crate) const KEYS: Self = Self {
        keys: true,
        values: [false; 9],
    };

    fn columns(self, segment: &Segment) -> impl Iterator<Item = usize> {
        let source = self.keys && segment.only_source().is_none();
        let keys = [(TIMESTAMP, true), (SOURCE, source), (SEQUENCE, self.keys)];
        let values = self.values.into_iter().enumerate();
        let values = values.map(|(at, wanted)| (KEY_COLUMNS.len() + at, wanted));
        let all = keys.into_iter().chain(values);
        all.filter_map(|(column, wanted)| wanted.then_some(column))
    }
}

/// The rows of one group that are in a range of time, as columns of the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SegmentRows {
    /// Moments, in microseconds, ascending.
    pub moments: Vec<i64>,
    sources: RowSources,
    sequences: Vec<i64>,
    /// The values of the wanted columns; the others are empty.
    pub values: [Vec<Option<f64>>; 9],
}

/// The sources of rows.
#[derive(Debug, Clone, PartialEq)]
enum RowSources {
    One(i64),
    Each(Vec<i64>),
}

impl Default for RowSources {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl SegmentRows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// The source of a row, if sources were wanted.
    pub(crate) fn source_id(&self, row: usize) -> Option<i64> {
        match &self.sources {
            RowSources::One(source) => Some(*source),
            RowSources::Each(sources) => sources.get(row).copied(),
        }
    }

    /// A value of a row, by its place among the nine; `None` when it was not wanted, too.
    pub(crate) fn value(&self, of: usize, row: usize) -> Option<f64> {
        self.values.get(of)?.get(row).copied().flatten()
    }

    /// The key of a row, of which source and sequence were wanted.
    #[must_use]
    pub fn key(&self, row: usize) -> Option<SegmentKey> {
        let moment = Timestamp::from_micros(*self.moments.get(row)?).ok()?;
        let source = match &self.sources {
            RowSources::One(source) => *source,
            RowSources::Each(sources) => *sources.get(row)?,
        };
        Some((moment, source, *self.sequences.get(row)?))
    }

    /// A row as a tick, with the values that were wanted.
    #[must_use]
    pub fn tick(&self, row: usize) -> Option<SegmentTick> {
        let (timestamp, source_id, sequence) = self.key(row)?;
        let value = |of: &Vec<Option<f64>>| of.get(row).copied().flatten();
        Some(SegmentTick {
            timestamp,
            source_id,
            sequence,
            values: self.values.each_ref().map(value),
        })
    }

    /// Leaves the rows of a range of time, both moments included.
    fn cut(&mut self, first: i64, last: i64) {
        let from = self.moments.partition_point(|moment| *moment < first);
        let to = self.moments.partition_point(|moment| *moment <= last);
        fn keep<T>(column: &mut Vec<T>, rows: &Range<usize>) {
            column.truncate(rows.end);
            column.drain(..rows.start.min(column.len()));
        }
        if from == 0 && to == self.moments.len() {
            return;
        }
        let rows = from..to.max(from);
        keep(&mut self.moments, &rows);
        keep(&mut self.sequences, &rows);
        if let RowSources::Each(sources) = &mut self.sources {
            keep(sources, &rows);
        }
        self.values.iter_mut().for_each(|of| keep(of, &rows));
    }
}

impl Segment {
    /// The ticks of a range of time, both moments included: those of a group at a time, in order.
    ///
    /// # Errors
    /// Each group: [`Error::Corrupt`](crate::Error::Corrupt) when it is damaged; those of the bytes.
    pub fn rows_of<'s>(
        &'s self,
        bytes: &'s mut dyn SegmentBytes,
        (first, last): (Timestamp, Timestamp),
        wanted: WantedColumns,
    ) -> impl Iterator<Item = Result<SegmentRows>> + 's {
        let (first, last) = (first.micros(), last.micros());
        self.spans(first, last).into_iter().map(move |span| {
            let mut rows = self.read_span(bytes, &span, wanted)?;
            rows.cut(first, last);
            Ok(rows)
        })
    }

    /// The pages among which are all ticks of a range of time, both moments included, in order.
    pub(crate) fn pages_of(&self, (first, last): (Timestamp, Timestamp)) -> Vec<SegmentPage> {
        let (first, last) = (first.micros(), last.micros());
        let overlaps = |page: &&MomentPage| page.last >= first && page.first <= last;
        let pages = self.pages().iter().enumerate().flat_map(|(group, pages)| {
            let pages = pages.iter().filter(overlaps);
            pages.map(move |page| {
                SegmentPage(RowSpan {
                    group,
                    rows: page.rows.clone(),
                })
            })
        });
        pages.collect()
    }

    /// [`Segment::pages_of`], those of a group as one.
    pub(crate) fn groups_of(&self, (first, last): (Timestamp, Timestamp)) -> Vec<SegmentPage> {
        let spans = self.spans(first.micros(), last.micros());
        spans.into_iter().map(SegmentPage).collect()
    }

    /// How many ticks the pages have among which are all of a range of time, in order, and their first and
    /// last moments.
    pub(crate) fn page_counts(&self, (first, last): (Timestamp, Timestamp)) -> Vec<PageCount> {
        let (first, last) = (first.micros(), last.micros());
        let overlaps = |page: &&MomentPage| page.last >= first && page.first <= last;
        let pages = self.pages().iter().flatten().filter(overlaps);
        let count = |page: &MomentPage| PageCount {
            rows: page.rows.len(),
            first: Timestamp::from_micros_clamped(page.first),
            last: Timestamp::from_micros_clamped(page.last),
        };
        pages.map(count).collect()
    }

    /// The ticks of a page that are in a range of time, both moments included.
    pub(crate) fn page(
        &self,
        bytes: &mut dyn SegmentBytes,
        page: &SegmentPage,
        (first, last): (Timestamp, Timestamp),
        wanted: WantedColumns,
    ) -> Result<SegmentRows> {
        let mut rows = self.read_span(bytes, &page.0, wanted)?;
        rows.cut(first.micros(), last.micros());
        Ok(rows)
    }

    /// Rows as they are.
    pub(super) fn read_span(
        &self,
        bytes: &mut dyn SegmentBytes,
        span: &RowSpan,
        wanted: WantedColumns,
    ) -> Result<SegmentRows> {
        let fetched = self.fetch(bytes, span, wanted.columns(self))?;
        let column = SpanColumns {
            segment: self,
            fetched,
            span,
        };
        decoded(|| column.rows(wanted))
    }

    /// The nine values of rows, without what they are the values of.
    pub(super) fn read_values(
        &self,
        bytes: &mut dyn SegmentBytes,
        span: &RowSpan,
    ) -> Result<[Vec<Option<f64>>; 9]> {
        let columns = KEY_COLUMNS.len()..KEY_COLUMNS.len() + 9;
        let fetched = self.fetch(bytes, span, columns.clone())?;
        let column = SpanColumns {
            segment: self,
            fetched,
            span,
        };
        let mut values = <[Vec<Option<f64>>; 9]>::default();
        for (of, values) in columns.zip(&mut values) {
            *values = decoded(|| column.numbers(of))?;
        }
        Ok(values)
    }
}

/// A page of a segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentPage(RowSpan);

/// How many ticks a page has, and from when to when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageCount {
    pub(crate) rows: usize,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

/// The columns of some rows, whose bytes are there.
struct SpanColumns<'s> {
    segment: &'s Segment,
    fetched: Arc<FetchedBytes>,
    span: &'s RowSpan,
}

impl SpanColumns<'_> {
    fn rows(&self, wanted: WantedColumns) -> Result<SegmentRows> {
        let mut rows = SegmentRows {
            moments: self.wholes(TIMESTAMP)?,
            ..SegmentRows::default()
        };
        if wanted.keys {
            rows.sequences = self.wholes(SEQUENCE)?;
            rows.sources = match self.segment.only_source() {
                Some(source) => RowSources::One(source),
                None => RowSources::Each(self.sources()?),
            };
        }
        let wanted = wanted.values.into_iter().enumerate();
        for ((at, wanted), values) in wanted.zip(&mut rows.values) {
            if wanted {
                *values = self.numbers(KEY_COLUMNS.len() + at)?;
            }
        }
        Ok(rows)
    }

    fn reader(&self, column: usize) -> Result<ColumnReader, ParquetError> {
        let metadata = self.segment.metadata();
        let group = metadata.row_group(self.span.group);
        let index = metadata.page_index_for_row_group(self.span.group);
        let rows = usize::try_from(group.num_rows())?;
        let pages = SerializedPageReader::new(
            Arc::clone(&self.fetched),
            group.column(column),
            rows,
            index.page_locations(column).cloned(),
        )?;
        let about = metadata.file_metadata().schema_descr().column(column);
        Ok(get_column_reader(about, Box::new(pages)))
    }

    /// The values that there are, and for each row whether it has one where it need not.
    fn values<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        levels: Option<&mut Vec<i16>>,
    ) -> Result<Vec<T::T>, ParquetError> {
        let (skipped, rows) = (self.span.rows.start, self.span.rows.len());
        let mut values = Vec::with_capacity(rows);
        let found = reader.skip_records(skipped)?;
        let (read, _, _) = reader.read_records(rows, levels, None, &mut values)?;
        match found == skipped && read == rows {
            true => Ok(values),
            false => Err(ParquetError::EOF("a column ends too early".to_owned())),
        }
    }

    fn wholes(&self, column: usize) -> Result<Vec<i64>> {
        let read = || match self.reader(column)? {
            ColumnReader::Int64ColumnReader(mut of) => self.values::<Int64Type>(&mut of, None),
            _ => Err(ParquetError::General("another kind of column".to_owned())),
        };
        read().map_err(|error| unreadable(&error.to_string()))
    }

    fn sources(&self) -> Result<Vec<i64>> {
        let read = || match self.reader(SOURCE)? {
            ColumnReader::ByteArrayColumnReader(mut of) => self.values(&mut of, None),
            _ => Err(ParquetError::General("another kind of column".to_owned())),
        };
        let names: Vec<ByteArray> = read().map_err(|error| unreadable(&error.to_string()))?;
        // Neighbours are mostly of one source.
        let mut last: Option<(&ByteArray, i64)> = None;
        let ids = names.iter().map(|name| {
            if let Some((known, id)) = last
                && known == name
            {
                return Ok(id);
            }
            let id = self.segment.source_id(name.data())?;
            last = Some((name, id));
            Ok(id)
        });
        ids.collect()
    }

    fn numbers(&self, column: usize) -> Result<Vec<Option<f64>>> {
        let read = || match self.reader(column)? {
            ColumnReader::DoubleColumnReader(mut of) => {
                let mut levels = Vec::with_capacity(self.span.rows.len());
                let values = self.values::<DoubleType>(&mut of, Some(&mut levels))?;
                Ok((values, levels))
            }
            _ => Err(ParquetError::General("another kind of column".to_owned())),
        };
        let (values, levels) = read().map_err(|error| unreadable(&error.to_string()))?;
        let mut values = values.into_iter();
        let number = |level: i16| if level == 0 { None } else { values.next() };
        Ok(levels.into_iter().map(number).collect())
    }
}
