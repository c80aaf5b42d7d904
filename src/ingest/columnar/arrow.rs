//! The rows of an Arrow file or stream.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};

use super::arrow_sizes;
use super::values::{
    ColumnarRows, MomentKind, MomentUnit, TEXT_AT_ONCE, append_day, append_moment, append_shown,
    append_text, append_time,
};

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

pub(super) struct ArrowRows {
    schema: SchemaRef,
    /// The places of the columns whose values can be those of a feed.
    columns: Vec<usize>,
    batches: Batches,
    /// The batch that is read, and its next row.
    current: Option<(RecordBatch, usize)>,
}

impl ArrowRows {
    pub(super) fn of_file(mut file: File) -> Result<Self, String> {
        arrow_sizes::check_file(&mut file)?;
        let reader = FileReader::try_new_buffered(file, None);
        let reader = reader.map_err(|error| error.to_string())?;
        Ok(Self::of(reader.schema(), Box::new(reader)))
    }

    pub(super) fn of_stream(mut file: File) -> Result<Self, String> {
        arrow_sizes::check_stream(&mut file)?;
        file.rewind().map_err(|error| error.to_string())?;
        let reader = StreamReader::try_new(BufReader::new(file), None);
        let reader = reader.map_err(|error| error.to_string())?;
        Ok(Self::of(reader.schema(), Box::new(reader)))
    }

    fn of(schema: SchemaRef, batches: Batches) -> Self {
        let fields = schema.fields().iter().enumerate();
        let columns = fields.filter(|(_, field)| is_of_feeds(field.data_type()));
        Self {
            columns: columns.map(|(at, _)| at).collect(),
            schema,
            batches,
            current: None,
        }
    }

    /// The batch that is read, from which row on; none at the end.
    fn batch(&mut self) -> Result<Option<(RecordBatch, usize)>, String> {
        if let Some(current) = self.current.take() {
            return Ok(Some(current));
        }
        let next = self.batches.next().transpose();
        let next = next.map_err(|error| error.to_string())?;
        Ok(next.map(|batch| (batch, 0)))
    }
}

/// Whether a value of a feed can be of this type: no list, no structure, no bytes.
fn is_of_feeds(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_of_feeds(values),
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => true,
        other => other.is_integer() || other.is_floating(),
    }
}

impl ColumnarRows for ArrowRows {
    fn names(&self) -> Vec<String> {
        let columns = self.columns.iter();
        columns
            .map(|at| self.schema.field(*at).name().clone())
            .collect()
    }

    fn append(&mut self, out: &mut String) -> Result<bool, String> {
        let Some((batch, mut row)) = self.batch()? else {
            return Ok(false);
        };
        let columns = self.columns.iter();
        let columns: Vec<_> = columns
            .map(|at| BatchColumn::of(batch.column(*at)))
            .collect();
        while row < batch.num_rows() && out.len() < TEXT_AT_ONCE {
            for (nth, column) in columns.iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                let appended = column.append(row, out);
                appended.map_err(|said| {
                    let name = self.schema.field(self.columns[nth]).name();
                    format!("column {name:?}: {said}")
                })?;
            }
            out.push('\n');
            row += 1;
        }
        drop(columns);
        self.current = (row < batch.num_rows()).then_some((batch, row));
        Ok(true)
    }
}

/// A column of a batch.
struct BatchColumn<'a> {
    column: &'a dyn Array,
    /// The place of each row's value among `column`, when these are the words of a dictionary.
    words: Option<(&'a dyn Array, Vec<usize>)>,
}

impl<'a> BatchColumn<'a> {
    fn of(column: &'a dyn Array) -> Self {
        let dictionary = column.as_any_dictionary_opt();
        Self {
            column,
            words: dictionary.map(|of| (of.values().as_ref(), of.normalized_keys())),
        }
    }

    fn append(&self, row: usize, out: &mut String) -> Result<(), String> {
        match &self.words {
            _ if self.column.is_null(row) => Ok(()),
            None => append(self.column, row, out),
            Some((words, keys)) => match keys.get(row) {
                Some(key) => append(*words, *key, out),
                None => Err("a dictionary has no key for a row".to_owned()),
            },
        }
    }
}

/// Appends the value of a row of a plain column.
fn append(column: &dyn Array, row: usize, out: &mut String) -> Result<(), String> {
    macro_rules! number {
        ($type:ty) => {{
            let number = column.as_primitive::<$type>().value(row);
            // NaN stands for no value in the dataframes that such files come from.
            if !number.is_nan() {
                append_shown(number, out);
            }
        }};
    }
    if column.is_null(row) {
        return Ok(());
    }
    match column.data_type() {
        DataType::Null => {}
        DataType::Utf8 => append_text(column.as_string::<i32>().value(row), out)?,
        DataType::LargeUtf8 => append_text(column.as_string::<i64>().value(row), out)?,
        DataType::Utf8View => append_text(column.as_string_view().value(row), out)?,
        DataType::Float64 => number!(Float64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float16 => number!(Float16Type),
        DataType::Boolean => append_shown(column.as_boolean().value(row), out),
        kind if kind.is_integer() => append_whole(column, row, out),
        kind if kind.is_temporal() => append_temporal(column, row, out),
        _ => append_decimal(column, row, out),
    }
    Ok(())
}

fn append_whole(column: &dyn Array, row: usize, out: &mut String) {
    macro_rules! shown {
        ($type:ty) => {
            append_shown(column.as_primitive::<$type>().value(row), out)
        };
    }
    match column.data_type() {
        DataType::Int8 => shown!(Int8Type),
        DataType::Int16 => shown!(Int16Type),
        DataType::Int32 => shown!(Int32Type),
        DataType::Int64 => shown!(Int64Type),
        DataType::UInt8 => shown!(UInt8Type),
        DataType::UInt16 => shown!(UInt16Type),
        DataType::UInt32 => shown!(UInt32Type),
        DataType::UInt64 => shown!(UInt64Type),
        _ => {}
    }
}

fn append_decimal(column: &dyn Array, row: usize, out: &mut String) {
    macro_rules! shown {
        ($type:ty) => {
            append_shown(column.as_primitive::<$type>().value_as_string(row), out)
        };
    }
    match column.data_type() {
        DataType::Decimal32(..) => shown!(Decimal32Type),
        DataType::Decimal64(..) => shown!(Decimal64Type),
        DataType::Decimal128(..) => shown!(Decimal128Type),
        DataType::Decimal256(..) => shown!(Decimal256Type),
        _ => {}
    }
}

/// Appends a moment, a day or a time of day.
fn append_temporal(column: &dyn Array, row: usize, out: &mut String) {
    macro_rules! value {
        ($type:ty) => {
            i64::from(column.as_primitive::<$type>().value(row))
        };
    }
    let moment = |unit, zone: &Option<Arc<str>>| MomentKind {
        unit,
        is_utc: zone.is_some(),
    };
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            let kind = moment(MomentUnit::Seconds, zone);
            append_moment(value!(TimestampSecondType), kind, out);
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let kind = moment(MomentUnit::Milliseconds, zone);
            append_moment(value!(TimestampMillisecondType), kind, out);
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let kind = moment(MomentUnit::Microseconds, zone);
            append_moment(value!(TimestampMicrosecondType), kind, out);
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let kind = moment(MomentUnit::Nanoseconds, zone);
            append_moment(value!(TimestampNanosecondType), kind, out);
        }
        DataType::Date32 => append_day(value!(Date32Type), out),
        DataType::Date64 => append_day(value!(Date64Type).div_euclid(86_400_000), out),
        DataType::Time32(TimeUnit::Second) => {
            append_time(value!(Time32SecondType), MomentUnit::Seconds, out);
        }
        DataType::Time32(_) => {
            append_time(value!(Time32MillisecondType), MomentUnit::Milliseconds, out);
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            append_time(value!(Time64NanosecondType), MomentUnit::Nanoseconds, out);
        }
        DataType::Time64(_) => {
            append_time(value!(Time64MicrosecondType), MomentUnit::Microseconds, out);
        }
        _ => {}
    }
}
