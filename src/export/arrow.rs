//! A table as a stream of Arrow's IPC format: one record batch for each batch of rows.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use super::columns::{Column, ColumnKind, ColumnValues, RowBatch};
use super::format::{TableFormat, cannot_hold};
use crate::error::Result;

const UTC: &str = "UTC";

pub(super) struct ArrowEncoder {
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
}

fn failed(error: &ArrowError) -> crate::error::Error {
    cannot_hold(TableFormat::Arrow, error)
}

impl ArrowEncoder {
    pub(super) fn begin(columns: &[Column], out: &mut Vec<u8>) -> Result<Self> {
        let fields = columns.iter().map(|column| {
            let kind = match column.kind {
                ColumnKind::Word => {
                    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
                }
                ColumnKind::Moment => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
                ColumnKind::Whole => DataType::Int64,
                ColumnKind::Number => DataType::Float64,
            };
            Field::new(column.name, kind, column.nullable)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let writer = StreamWriter::try_new(Vec::new(), &schema);
        let mut encoder = Self {
            writer: writer.map_err(|error| failed(&error))?,
            schema,
        };
        out.append(encoder.writer.get_mut());
        Ok(encoder)
    }

    pub(super) fn write(&mut self, batch: &RowBatch, out: &mut Vec<u8>) -> Result<()> {
        if batch.rows() == 0 {
            return Ok(());
        }
        let arrays = batch.columns().iter().map(array).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        let written = batch.and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| failed(&error))?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish().map_err(|error| failed(&error))?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}

fn array(values: &ColumnValues) -> ArrayRef {
    match values {
        ColumnValues::Words(words) => {
            let words = words.iter().map(|word| &**word);
            Arc::new(words.collect::<DictionaryArray<Int32Type>>())
        }
        ColumnValues::Moments(moments) => {
            let micros = moments.iter().map(|moment| moment.micros());
            let array = TimestampMicrosecondArray::from_iter_values(micros);
            Arc::new(array.with_timezone(UTC))
        }
        ColumnValues::Wholes(wholes) => Arc::new(wholes.iter().copied().collect::<Int64Array>()),
        ColumnValues::Numbers(numbers) => {
            Arc::new(numbers.iter().copied().collect::<Float64Array>())
        }
    }
}
