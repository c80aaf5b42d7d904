//! A table as a Parquet file, written column by column; no arrow crates.
//!
//! It is written as the segments of the archive are ([`settings`]). The same rows give the same bytes.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::columns::{Column, ColumnKind, ColumnValues, RowBatch};
use super::format::{TableFormat, cannot_hold};
use crate::error::Result;
use crate::segment::settings::{GROUP_ROWS, settings};

pub(super) struct ParquetEncoder {
    writer: SerializedFileWriter<Vec<u8>>,
    columns: Vec<Column>,
    /// Batches of the group that is collected.
    group: Vec<RowBatch>,
    rows: usize,
}

fn failed(error: &ParquetError) -> crate::error::Error {
    cannot_hold(TableFormat::Parquet, error)
}

impl ParquetEncoder {
    pub(super) fn begin(columns: &[Column], out: &mut Vec<u8>) -> Result<Self> {
        let begin = || -> ParquetResult<SerializedFileWriter<Vec<u8>>> {
            let properties = Arc::new(properties(columns)?);
            SerializedFileWriter::new(Vec::new(), Arc::new(schema(columns)?), properties)
        };
        let mut encoder = Self {
            writer: begin().map_err(|error| failed(&error))?,
            columns: columns.to_vec(),
            group: Vec::new(),
            rows: 0,
        };
        encoder.hand_over(out)?;
        Ok(encoder)
    }

    pub(super) fn write(&mut self, batch: RowBatch, out: &mut Vec<u8>) -> Result<()> {
        self.rows += batch.rows();
        self.group.push(batch);
        if self.rows >= GROUP_ROWS {
            self.end_group().map_err(|error| failed(&error))?;
            self.hand_over(out)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut end = || {
            if self.rows > 0 {
                self.end_group()?;
            }
            self.writer.finish()
        };
        end().map_err(|error| failed(&error))?;
        self.hand_over(out)
    }

    /// Moves what was written to the caller.
    fn hand_over(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let flushed = self.writer.flush().map_err(ParquetError::from);
        flushed.map_err(|error| failed(&error))?;
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn end_group(&mut self) -> ParquetResult<()> {
        let group = std::mem::take(&mut self.group);
        self.rows = 0;
        let mut writer = self.writer.next_row_group()?;
        for (at, column) in self.columns.iter().enumerate() {
            let missing = || ParquetError::General(format!("no column {}", column.name));
            let mut of = writer.next_column()?.ok_or_else(missing)?;
            for batch in &group {
                let values = batch.columns().get(at).ok_or_else(missing)?;
                write_values(&mut of, column, values)?;
            }
            of.close()?;
        }
        writer.close()?;
        Ok(())
    }
}

fn properties(columns: &[Column]) -> ParquetResult<WriterProperties> {
    let ascending =
        |column: &&Column| column.kind == ColumnKind::Moment || column.name == "sequence";
    let ascending = columns.iter().filter(ascending).map(|column| column.name);
    Ok(settings(ascending)?.build())
}

fn schema(columns: &[Column]) -> ParquetResult<Type> {
    let field = |column: &Column| {
        let (physical, logical) = match column.kind {
            ColumnKind::Word => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnKind::Moment => {
                let micros = LogicalType::timestamp(true, TimeUnit::MICROS);
                (PhysicalType::INT64, Some(micros))
            }
            ColumnKind::Whole => (PhysicalType::INT64, None),
            ColumnKind::Number => (PhysicalType::DOUBLE, None),
        };
        let repetition = match column.nullable {
            true => Repetition::OPTIONAL,
            false => Repetition::REQUIRED,
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical);
        field.build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<ParquetResult<_>>()?;
    Type::group_type_builder("table")
        .with_fields(fields)
        .build()
}

fn write_values(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column,
    values: &ColumnValues,
) -> ParquetResult<()> {
    /// The values that there are, and for each row whether it has one.
    fn present<T: Copy>(values: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
        let levels = values.iter().map(|value| i16::from(value.is_some()));
        (values.iter().copied().flatten().collect(), levels.collect())
    }
    match (writer.untyped(), values) {
        (ColumnWriter::ByteArrayColumnWriter(writer), ColumnValues::Words(words)) => {
            let words = words.iter().map(|word| ByteArray::from(&**word));
            writer.write_batch(&words.collect::<Vec<_>>(), None, None)?;
        }
        (ColumnWriter::Int64ColumnWriter(writer), ColumnValues::Moments(moments)) => {
            let micros: Vec<i64> = moments.iter().map(|moment| moment.micros()).collect();
            writer.write_batch(&micros, None, None)?;
        }
        (ColumnWriter::Int64ColumnWriter(writer), ColumnValues::Wholes(wholes)) => {
            let (wholes, levels) = present(wholes);
            writer.write_batch(&wholes, column.nullable.then_some(&*levels), None)?;
        }
        (ColumnWriter::DoubleColumnWriter(writer), ColumnValues::Numbers(numbers)) => {
            let (numbers, levels) = present(numbers);
            writer.write_batch(&numbers, column.nullable.then_some(&*levels), None)?;
        }
        _ => {
            let reason = format!("values of another kind in the column {}", column.name);
            return Err(ParquetError::General(reason));
        }
    }
    Ok(())
}
