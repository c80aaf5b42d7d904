//! The rows of a Parquet file.

use std::fs::File;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};

use super::values::{
    ColumnarRows, MomentKind, MomentUnit, TEXT_AT_ONCE, append_day, append_moment, append_shown,
    append_text, append_time,
};

pub(super) struct ParquetRows {
    columns: Vec<ParquetColumn>,
    rows: RowIter<'static>,
}

/// A column whose values can be those of a feed.
struct ParquetColumn {
    name: String,
    /// Whether its moments are of UTC; those of files before version 2.4 are.
    is_utc: bool,
    /// Whether it holds moments in nanoseconds, which the reader takes for numbers.
    is_nanoseconds: bool,
}

impl ParquetColumn {
    /// None for lists, structures and others that no field of a feed can be.
    fn of(field: &Type) -> Result<Option<Self>, String> {
        let name = field.name().to_owned();
        if !field.is_primitive() {
            return Ok(None);
        }
        let info = field.get_basic_info();
        let is_list = info.has_repetition() && info.repetition() == Repetition::REPEATED;
        if is_list || info.converted_type() == ConvertedType::INTERVAL {
            return Ok(None);
        }
        if field.get_physical_type() == PhysicalType::INT96 {
            // Its reader cuts them to milliseconds.
            return Err(format!(
                "its column {name:?} holds moments as INT96, which Parquet has given up; write \
                 them as INT64"
            ));
        }
        let (is_utc, unit) = match info.logical_type_ref() {
            Some(LogicalType::Timestamp(of)) => (of.is_adjusted_to_u_t_c, Some(of.unit)),
            _ => (true, None),
        };
        Ok(Some(Self {
            name,
            is_utc,
            is_nanoseconds: unit == Some(TimeUnit::NANOS),
        }))
    }

    fn append(&self, value: &Field, out: &mut String) -> Result<(), String> {
        let kind = |unit| MomentKind {
            unit,
            is_utc: self.is_utc,
        };
        match value {
            Field::Str(text) => append_text(text, out)?,
            Field::Bytes(bytes) => append_text(bytes.as_utf8().unwrap_or_default(), out)?,
            Field::Long(count) if self.is_nanoseconds => {
                append_moment(*count, kind(MomentUnit::Nanoseconds), out);
            }
            Field::TimestampMillis(count) => {
                append_moment(*count, kind(MomentUnit::Milliseconds), out);
            }
            Field::TimestampMicros(count) => {
                append_moment(*count, kind(MomentUnit::Microseconds), out);
            }
            Field::TimeMillis(count) => {
                append_time(i64::from(*count), MomentUnit::Milliseconds, out);
            }
            Field::TimeMicros(count) => append_time(*count, MomentUnit::Microseconds, out),
            Field::Date(days) => append_day(i64::from(*days), out),
            other => append_number(other, out)?,
        }
        Ok(())
    }
}

fn append_number(value: &Field, out: &mut String) -> Result<(), String> {
    match value {
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
        Field::Decimal(_) => append_text(&value.to_string(), out)?,
        _ => {} // Nothing, as null is.
    }
    Ok(())
}

impl ParquetRows {
    pub(super) fn open(file: File) -> Result<Self, String> {
        let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
        let schema = reader.metadata().file_metadata().schema();
        let (mut columns, mut fields) = (Vec::new(), Vec::<TypePtr>::new());
        for field in schema.get_fields() {
            if let Some(column) = ParquetColumn::of(field)? {
                columns.push(column);
                fields.push(Arc::clone(field));
            }
        }
        let read = Type::group_type_builder(schema.name()).with_fields(fields);
        let read = read.build().map_err(|error| error.to_string())?;
        let rows = RowIter::from_file_into(Box::new(reader)).project(Some(read));
        Ok(Self {
            columns,
            rows: rows.map_err(|error| error.to_string())?,
        })
    }

    fn line(&self, row: &Row, out: &mut String) -> Result<(), String> {
        for (at, (column, (_, value))) in self.columns.iter().zip(row.get_column_iter()).enumerate()
        {
            if at > 0 {
                out.push(',');
            }
            let appended = column.append(value, out);
            appended.map_err(|said| format!("column {:?}: {said}", column.name))?;
        }
        out.push('\n');
        Ok(())
    }
}

impl ColumnarRows for ParquetRows {
    fn names(&self) -> Vec<String> {
        let columns = self.columns.iter();
        columns.map(|column| column.name.clone()).collect()
    }

    fn append(&mut self, out: &mut String) -> Result<bool, String> {
        while out.len() < TEXT_AT_ONCE {
            let Some(row) = self.rows.next() else {
                return Ok(false);
            };
            let row = row.map_err(|error| error.to_string())?;
            self.line(&row, out)?;
        }
        Ok(true)
    }
}
