//! Writes a segment, row group by row group.

use std::collections::BTreeMap;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::metadata::{
    FORMAT, FORMAT_KEY, FROM_KEY, INSTRUMENT_KEY, ROWS_KEY, SOURCES_KEY, TO_KEY,
};
use super::settings::{GROUP_ROWS, PAGE_ROWS, settings};
use super::{KEY_COLUMNS, SegmentKey, SegmentTick, TIMESTAMP, VALUE_NAMES};
use crate::error::{Error, Result};

/// Writes the ticks of one instrument, which come ascending by key.
#[allow(missing_debug_implementations)] // Its parts have none.
pub struct SegmentWriter {
    writer: SerializedFileWriter<Vec<u8>>,
    instrument_id: i64,
    symbol: ByteArray,
    /// The names of the sources that ticks may name.
    names: BTreeMap<i64, String>,
    /// The same, and whether one of the ticks has named it.
    sources: BTreeMap<i64, (ByteArray, bool)>,
    group: Vec<SegmentTick>,
    group_rows: usize,
    first: Option<SegmentKey>,
    last: Option<SegmentKey>,
    rows: u64,
}

/// A segment that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSegment {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many ticks it has.
    pub rows: u64,
    /// The first key and the last one.
    pub keys: Option<(SegmentKey, SegmentKey)>,
}

impl SegmentWriter {
    /// A segment of this instrument, with the names of the sources that its ticks may name.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the encoder cannot be made.
    pub fn new(
        instrument_id: i64,
        symbol: &str,
        sources: impl IntoIterator<Item = (i64, String)>,
    ) -> Result<Self> {
        Self::with_sizes(instrument_id, symbol, sources, (GROUP_ROWS, PAGE_ROWS))
    }

    /// [`SegmentWriter::new`] with the rows of a group and of a page.
    pub(super) fn with_sizes(
        instrument_id: i64,
        symbol: &str,
        sources: impl IntoIterator<Item = (i64, String)>,
        (group_rows, page_rows): (usize, usize),
    ) -> Result<Self> {
        let names: BTreeMap<i64, String> = sources.into_iter().collect();
        let begin = || {
            let properties = settings([KEY_COLUMNS[TIMESTAMP], "sequence"].into_iter())?
                .set_data_page_row_count_limit(page_rows)
                // Pages end where their rows do: values are counted when a batch is written.
                .set_write_batch_size(page_rows.min(1_024))
                .set_sorting_columns(Some(vec![SortingColumn {
                    column_idx: TIMESTAMP as i32,
                    descending: false,
                    nulls_first: false,
                }]));
            let properties = Arc::new(properties.build());
            SerializedFileWriter::new(Vec::new(), Arc::new(schema()?), properties)
        };
        let bytes = |name: &String| (ByteArray::from(name.as_str()), false);
        Ok(Self {
            writer: begin().map_err(|error| cannot_write(&error))?,
            instrument_id,
            symbol: ByteArray::from(symbol),
            sources: names.iter().map(|(id, name)| (*id, bytes(name))).collect(),
            names,
            group: Vec::new(),
            group_rows,
            first: None,
            last: None,
            rows: 0,
        })
    }

    /// Writes a tick.
    ///
    /// # Errors
    /// [`Error::Invalid`] when its key is not behind that of the last one, or it names an unknown source.
    pub fn push(&mut self, tick: SegmentTick) -> Result<()> {
        let key = tick.key();
        if self.last.is_some_and(|last| last >= key) {
            let name = format!("ticks of instrument {}", self.instrument_id);
            return Err(Error::invalid(
                name,
                "they do not ascend",
                "sort them by their keys",
            ));
        }
        let Some((_, is_used)) = self.sources.get_mut(&tick.source_id) else {
            let reason = format!("the source {} has no name", tick.source_id);
            return Err(Error::invalid(
                "sources",
                reason,
                "give the name of each source",
            ));
        };
        *is_used = true;
        // Ticks of one moment stay in one group, so that a moment is looked for in one.
        let is_new_moment = self.last.is_none_or(|(last, ..)| last < tick.timestamp);
        if self.group.len() >= self.group_rows && is_new_moment {
            self.end_group()?;
        }
        self.first = self.first.or(Some(key));
        self.last = Some(key);
        self.rows += 1;
        self.group.push(tick);
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the encoder fails.
    pub fn finish(mut self) -> Result<WrittenSegment> {
        if !self.group.is_empty() {
            self.end_group()?;
        }
        let is_used = |id: &i64| self.sources.get(id).is_some_and(|(_, is_used)| *is_used);
        let used = self.names.iter().filter(|(id, _)| is_used(id));
        let used: BTreeMap<&String, i64> = used.map(|(id, name)| (name, *id)).collect();
        let used = serde_json::to_string(&used)
            .map_err(|error| Error::invalid("sources", error.to_string(), "give their names"))?;
        let moment = |key: Option<SegmentKey>| key.map(|key| key.0.to_string()).unwrap_or_default();
        for (key, value) in [
            (FROM_KEY, moment(self.first)),
            (TO_KEY, moment(self.last)),
            (FORMAT_KEY, FORMAT.to_owned()),
            (INSTRUMENT_KEY, self.instrument_id.to_string()),
            (SOURCES_KEY, used),
            (ROWS_KEY, self.rows.to_string()),
        ] {
            let value = KeyValue::new(key.to_owned(), value);
            self.writer.append_key_value_metadata(value);
        }
        let bytes = self
            .writer
            .into_inner()
            .map_err(|error| cannot_write(&error))?;
        Ok(WrittenSegment {
            bytes,
            rows: self.rows,
            keys: self.first.zip(self.last),
        })
    }

    fn end_group(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let mut write = || {
            let mut columns = self.writer.next_row_group()?;
            write_keys(&mut columns, &self.symbol, &self.sources, &group)?;
            for at in 0..VALUE_NAMES.len() {
                write_values(&mut columns, &group, at)?;
            }
            columns.close().map(drop)
        };
        let written = write().map_err(|error| cannot_write(&error));
        // Its memory is that of the next group.
        self.group = group;
        self.group.clear();
        written
    }
}

type GroupWriter<'w> = SerializedRowGroupWriter<'w, Vec<u8>>;

fn write_keys(
    columns: &mut GroupWriter<'_>,
    symbol: &ByteArray,
    sources: &BTreeMap<i64, (ByteArray, bool)>,
    group: &[SegmentTick],
) -> ParquetResult<()> {
    let symbols = vec![symbol.clone(); group.len()];
    write_column::<ByteArrayType>(columns, &symbols, None)?;
    let moments: Vec<i64> = group.iter().map(|tick| tick.timestamp.micros()).collect();
    write_column::<Int64Type>(columns, &moments, None)?;
    let name = |tick: &SegmentTick| {
        let source = sources.get(&tick.source_id);
        source.map(|(name, _)| name.clone()).unwrap_or_default()
    };
    let names: Vec<ByteArray> = group.iter().map(name).collect();
    write_column::<ByteArrayType>(columns, &names, None)?;
    let sequences: Vec<i64> = group.iter().map(|tick| tick.sequence).collect();
    write_column::<Int64Type>(columns, &sequences, None)
}

/// The values that there are, and for each row whether it has one.
fn write_values(
    columns: &mut GroupWriter<'_>,
    group: &[SegmentTick],
    at: usize,
) -> ParquetResult<()> {
    let value = |tick: &SegmentTick| tick.values.get(at).copied().flatten();
    let levels: Vec<i16> = group
        .iter()
        .map(|tick| i16::from(value(tick).is_some()))
        .collect();
    let values: Vec<f64> = group.iter().filter_map(value).collect();
    write_column::<DoubleType>(columns, &values, Some(&levels))
}

fn write_column<T: parquet::data_type::DataType>(
    columns: &mut GroupWriter<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> ParquetResult<()> {
    let missing = || ParquetError::General("a column too many".to_owned());
    let mut column = columns.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn schema() -> ParquetResult<Type> {
    let field = |name: &str, physical, logical, repetition| {
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical);
        field.build().map(Arc::new)
    };
    let [symbol, timestamp, source, sequence] = KEY_COLUMNS;
    let micros = LogicalType::timestamp(true, TimeUnit::MICROS);
    let required = Repetition::REQUIRED;
    let mut fields = vec![
        field(
            symbol,
            PhysicalType::BYTE_ARRAY,
            Some(LogicalType::String),
            required,
        )?,
        field(timestamp, PhysicalType::INT64, Some(micros), required)?,
        field(
            source,
            PhysicalType::BYTE_ARRAY,
            Some(LogicalType::String),
            required,
        )?,
        field(sequence, PhysicalType::INT64, None, required)?,
    ];
    for name in VALUE_NAMES {
        fields.push(field(
            name,
            PhysicalType::DOUBLE,
            None,
            Repetition::OPTIONAL,
        )?);
    }
    Type::group_type_builder("tick").with_fields(fields).build()
}

fn cannot_write(error: &ParquetError) -> Error {
    Error::invalid("segment", error.to_string(), "report this as a defect")
}
