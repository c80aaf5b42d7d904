//! The writing of rows in one of the formats.

use super::columns::{Column, RowBatch};
use super::format::TableFormat;
use super::text::{CsvEncoder, JsonEncoder};
use crate::error::Result;

/// Writes the rows of one table. It appends to the bytes that it is given.
pub struct TableEncoder(Encoding);

enum Encoding {
    Csv(CsvEncoder),
    Json(JsonEncoder),
    #[cfg(feature = "arrow")]
    Arrow(Box<super::arrow::ArrowEncoder>),
    #[cfg(feature = "parquet")]
    Parquet(Box<super::parquet::ParquetEncoder>),
}

impl TableEncoder {
    /// Begins a table of these columns.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a format that this build does not have.
    pub fn begin(format: TableFormat, columns: &[Column], out: &mut Vec<u8>) -> Result<Self> {
        Ok(Self(match format {
            TableFormat::Csv => Encoding::Csv(CsvEncoder::begin(columns, out)),
            TableFormat::Json => Encoding::Json(JsonEncoder::list(columns)),
            TableFormat::Ndjson => Encoding::Json(JsonEncoder::lines(columns)),
            #[cfg(feature = "arrow")]
            TableFormat::Arrow => {
                Encoding::Arrow(Box::new(super::arrow::ArrowEncoder::begin(columns, out)?))
            }
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => {
                let encoder = super::parquet::ParquetEncoder::begin(columns, out)?;
                Encoding::Parquet(Box::new(encoder))
            }
            #[cfg(not(all(feature = "arrow", feature = "parquet")))]
            other => {
                let reason = format!("this build cannot write {other}");
                let remedy = format!("build tickbase with the feature {other:?}, or take csv");
                return Err(crate::Error::invalid("format", reason, remedy));
            }
        }))
    }

    /// Writes some rows, which have the columns of the table.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) when the format cannot hold them, or they have other columns.
    pub fn write(&mut self, rows: RowBatch, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Encoding::Csv(csv) => csv.write(&rows, out),
            Encoding::Json(json) => json.write(&rows, out),
            #[cfg(feature = "arrow")]
            Encoding::Arrow(arrow) => arrow.write(&rows, out)?,
            #[cfg(feature = "parquet")]
            Encoding::Parquet(parquet) => parquet.write(rows, out)?,
        }
        Ok(())
    }

    /// Ends the table. Without its end, no reader takes it for whole in any format but CSV and NDJSON.
    ///
    /// # Errors
    /// As [`TableEncoder::write`].
    pub fn finish(self, out: &mut Vec<u8>) -> Result<()> {
        match self.0 {
            Encoding::Csv(_) => {}
            Encoding::Json(json) => json.finish(out),
            #[cfg(feature = "arrow")]
            Encoding::Arrow(arrow) => arrow.finish(out)?,
            #[cfg(feature = "parquet")]
            Encoding::Parquet(parquet) => parquet.finish(out)?,
        }
        Ok(())
    }
}
