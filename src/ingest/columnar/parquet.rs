//! The rows of a Parquet file.

use std::fs::File;
use std::sync::Arc;

use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};

use super::values::{
    ColumnarRows, MomentUnit, append_day, append_moment, append_shown, append_text,
};

/// Rows that are appended at once.
const ROWS_AT_ONCE: usize = 1_000;

pub(super) struct ParquetRows {
    names: Vec<String>,
    /// For each column whether it holds moments in nanoseconds, which the reader takes for numbers.
    is_nanoseconds: Vec<bool>,
    rows: RowIter<'static>,
}

impl ParquetRows {
    pub(super) fn open(file: File) -> Result<Self, String> {
        let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
        let schema = Arc::new(reader.metadata().file_metadata().schema().clone());
        let (mut names, mut is_nanoseconds) = (Vec::new(), Vec::new());
        for field in schema.get_fields() {
            if !field.is_primitive() {
                let name = field.name();
                return Err(format!("its column {name:?} holds lists or structures"));
            }
            names.push(field.name().to_owned());
            let info = field.get_basic_info();
            is_nanoseconds.push(matches!(
                info.logical_type_ref(),
                Some(LogicalType::Timestamp(of)) if of.unit == TimeUnit::NANOS
            ));
        }
        Ok(Self {
            names,
            is_nanoseconds,
            rows: RowIter::from_file_into(Box::new(reader)),
        })
    }

    fn line(&self, row: &Row, out: &mut String) -> Result<(), String> {
        for (at, (name, value)) in row.get_column_iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let is_nanoseconds = self.is_nanoseconds.get(at).copied().unwrap_or(false);
            append(value, is_nanoseconds, out).map_err(|()| {
                format!("its column {name:?} holds {value}, which is no value of a feed")
            })?;
        }
        out.push('\n');
        Ok(())
    }
}

impl ColumnarRows for ParquetRows {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn append(&mut self, out: &mut String) -> Result<bool, String> {
        for _ in 0..ROWS_AT_ONCE {
            let Some(row) = self.rows.next() else {
                return Ok(false);
            };
            let row = row.map_err(|error| error.to_string())?;
            self.line(&row, out)?;
        }
        Ok(true)
    }
}

fn append(value: &Field, is_nanoseconds: bool, out: &mut String) -> Result<(), ()> {
    match value {
        Field::Null => {}
        Field::Str(text) => append_text(text, out),
        Field::Bytes(bytes) => append_text(bytes.as_utf8().map_err(drop)?, out),
        Field::Long(count) if is_nanoseconds => {
            append_moment(*count, MomentUnit::Nanoseconds, out);
        }
        Field::TimestampMillis(count) => append_moment(*count, MomentUnit::Milliseconds, out),
        Field::TimestampMicros(count) => append_moment(*count, MomentUnit::Microseconds, out),
        Field::Date(days) => append_day(i64::from(*days), out),
        // NaN stands for no value in the dataframes that such files come from.
        Field::Double(number) if number.is_nan() => {}
        Field::Float(number) if number.is_nan() => {}
        Field::Double(number) => append_shown(number, out),
        Field::Float(number) => append_shown(number, out),
        Field::Float16(number) => append_shown(number, out),
        Field::Byte(whole) => append_shown(whole, out),
        Field::Short(whole) => append_shown(whole, out),
        Field::Int(whole) => append_shown(whole, out),
        Field::Long(whole) => append_shown(whole, out),
        Field::UByte(whole) => append_shown(whole, out),
        Field::UShort(whole) => append_shown(whole, out),
        Field::UInt(whole) => append_shown(whole, out),
        Field::ULong(whole) => append_shown(whole, out),
        Field::Bool(flag) => append_shown(flag, out),
        Field::Decimal(_) => append_text(&value.to_string(), out),
        _ => return Err(()),
    }
    Ok(())
}
