//! Ticks and bars as tables for other programs: CSV, NDJSON, JSON, Arrow IPC streams, Parquet.
//!
//! A [`Table`] reads its rows page by page, each page in a transaction of its own, so that neither
//! memory nor a connection is held however long it takes to send them. A [`TableEncoder`] writes
//! them in a [`TableFormat`]. Prices and sizes are what is stored, digit by digit.
//!
//! ```
//! # fn main() -> tickbase::Result<()> {
//! use tickbase::export::{self, ExportedInstrument, Selection, Table, TableFormat};
//! # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
//! let instrument = ExportedInstrument { id: 1, symbol: "ES".parse()? };
//! let ticks = Table::ticks(vec![instrument], None, None, Selection::All)?;
//! let mut csv = Vec::new();
//! let rows = export::write::<tickbase::Error>(&db, ticks, TableFormat::Csv, |piece| {
//!     csv.extend_from_slice(piece);
//!     Ok(())
//! })?;
//! assert_eq!(rows, 0);
//! assert!(csv.starts_with(b"symbol,timestamp,source_id,sequence,price,"));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "arrow")]
mod arrow;
mod bars;
mod columns;
mod encoder;
mod format;
#[cfg(feature = "parquet")]
mod parquet;
mod place;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod ticks;

pub use bars::{BarTable, ExportedBars};
pub use columns::{Column, ColumnKind, ColumnValues, RowBatch, Selection};
pub use encoder::TableEncoder;
pub use format::TableFormat;
pub use place::{ExportedInstrument, RowKey};
pub use table::Table;
pub use ticks::TickTable;

use crate::database::Database;
use crate::error::Error;
use crate::repository::PAGE_ROWS_MAX;

/// Hands the whole of a table to `out`, piece by piece; returns how many rows there were.
///
/// # Errors
/// Those of [`Database::read`] and [`TableEncoder::begin`]; those of `out`, after which no more is
/// read.
pub fn write<E: From<Error>>(
    db: &Database,
    table: Table,
    format: TableFormat,
    mut out: impl FnMut(&[u8]) -> std::result::Result<(), E>,
) -> std::result::Result<u64, E> {
    let (mut bytes, mut rows) = (Vec::new(), 0);
    let mut encoder = TableEncoder::begin(format, table.columns(), &mut bytes)?;
    let mut rest = Some(table);
    while let Some(table) = rest {
        let (batch, after) = db.read(table.operation(), |conn| table.read(conn, PAGE_ROWS_MAX))?;
        rows += batch.rows() as u64;
        encoder.write(batch, &mut bytes)?;
        out(&bytes)?;
        bytes.clear();
        rest = after;
    }
    encoder.finish(&mut bytes)?;
    out(&bytes)?;
    Ok(rows)
}
