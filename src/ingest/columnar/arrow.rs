//! The rows of an Arrow file or stream.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};

use super::arrow_sizes;
use super::values::{
    ColumnarRows, MomentUnit, append_day, append_moment, append_shown, append_text,
};

/// `ARROW1` and two bytes that bring what follows to a multiple of eight.
const FILE_HEAD_BYTES: u64 = 8;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

pub(super) struct ArrowRows {
    schema: SchemaRef,
    batches: Batches,
}

impl ArrowRows {
    /// A file holds a stream behind its first bytes. Its end, which has the places of the batches once
    /// more, is not needed.
    pub(super) fn of_file(file: File) -> Result<Self, String> {
        Self::of_stream_at(file, FILE_HEAD_BYTES)
    }

    pub(super) fn of_stream(file: File) -> Result<Self, String> {
        Self::of_stream_at(file, 0)
    }

    fn of_stream_at(mut file: File, begin: u64) -> Result<Self, String> {
        arrow_sizes::check(&mut file, begin)?;
        let at_begin = file.seek(SeekFrom::Start(begin));
        at_begin.map_err(|error| error.to_string())?;
        let reader = StreamReader::try_new(BufReader::new(file), None);
        let reader = reader.map_err(|error| error.to_string())?;
        Self::of(reader.schema(), Box::new(reader))
    }

    fn of(schema: SchemaRef, batches: Batches) -> Result<Self, String> {
        for field in schema.fields() {
            if field.data_type().is_nested() {
                let name = field.name();
                return Err(format!("its column {name:?} holds lists or structures"));
            }
        }
        Ok(Self { schema, batches })
    }
}

impl ColumnarRows for ArrowRows {
    fn names(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    fn append(&mut self, out: &mut String) -> Result<bool, String> {
        let Some(batch) = self.batches.next() else {
            return Ok(false);
        };
        let batch = batch.map_err(|error| error.to_string())?;
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|of| BatchColumn::of(of))
            .collect();
        for row in 0..batch.num_rows() {
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                column.append(row, out)?;
            }
            out.push('\n');
        }
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
    macro_rules! shown {
        ($type:ty) => {
            append_shown(column.as_primitive::<$type>().value(row), out)
        };
    }
    macro_rules! number {
        ($type:ty) => {{
            let number = column.as_primitive::<$type>().value(row);
            // NaN stands for no value in the dataframes that such files come from.
            if !number.is_nan() {
                append_shown(number, out);
            }
        }};
    }
    macro_rules! moment {
        ($type:ty, $unit:ident) => {
            append_moment(
                column.as_primitive::<$type>().value(row),
                MomentUnit::$unit,
                out,
            )
        };
    }
    if column.is_null(row) {
        return Ok(());
    }
    match column.data_type() {
        DataType::Null => {}
        DataType::Utf8 => append_text(column.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => append_text(column.as_string::<i64>().value(row), out),
        DataType::Utf8View => append_text(column.as_string_view().value(row), out),
        DataType::Timestamp(TimeUnit::Second, _) => moment!(TimestampSecondType, Seconds),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            moment!(TimestampMillisecondType, Milliseconds);
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            moment!(TimestampMicrosecondType, Microseconds);
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            moment!(TimestampNanosecondType, Nanoseconds);
        }
        DataType::Date32 => {
            append_day(column.as_primitive::<Date32Type>().value(row).into(), out);
        }
        DataType::Date64 => moment!(Date64Type, Milliseconds),
        DataType::Float64 => number!(Float64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float16 => number!(Float16Type),
        DataType::Int8 => shown!(Int8Type),
        DataType::Int16 => shown!(Int16Type),
        DataType::Int32 => shown!(Int32Type),
        DataType::Int64 => shown!(Int64Type),
        DataType::UInt8 => shown!(UInt8Type),
        DataType::UInt16 => shown!(UInt16Type),
        DataType::UInt32 => shown!(UInt32Type),
        DataType::UInt64 => shown!(UInt64Type),
        DataType::Boolean => append_shown(column.as_boolean().value(row), out),
        other => return Err(format!("a column of {other} holds no values of a feed")),
    }
    Ok(())
}
