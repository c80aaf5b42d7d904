//! How many rows the result of a query stands for, recorded with the operation that ran it.

use crate::database::{BackendConnection, Page};
use crate::error::Result;
use crate::models::{
    AlertDelivery, AlertLog, AlertRule, DataSource, Instrument, MarketData, MarketDataBar,
};

/// A result that stands for rows.
pub(crate) trait Rows {
    /// Rows read or written.
    fn rows(&self) -> usize;
}

macro_rules! one_row {
    ($($model:ident),+) => {
        $(impl Rows for $model {
            fn rows(&self) -> usize {
                1
            }
        })+
    };
}
// The last is a count that was asked for: one row.
one_row!(
    AlertDelivery,
    AlertLog,
    AlertRule,
    DataSource,
    Instrument,
    MarketData,
    MarketDataBar,
    i64
);

/// Rows that a statement changed.
impl Rows for usize {
    fn rows(&self) -> usize {
        *self
    }
}

impl<T: Rows> Rows for Vec<T> {
    fn rows(&self) -> usize {
        self.iter().map(Rows::rows).sum()
    }
}

impl<T: Rows> Rows for Option<T> {
    fn rows(&self) -> usize {
        self.as_ref().map_or(0, Rows::rows)
    }
}

impl<T: Rows, K> Rows for Page<T, K> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }
}

/// A row and those that belong to it.
impl<T: Rows, U: Rows> Rows for (T, Vec<U>) {
    fn rows(&self) -> usize {
        self.0.rows() + self.1.rows()
    }
}

/// Records the rows of a result.
pub(crate) trait Recorded {
    /// The result, its rows recorded with the operation that runs on the connection.
    fn recorded(self, conn: &mut BackendConnection<'_>) -> Self;
}

impl<T: Rows> Recorded for Result<T> {
    fn recorded(self, conn: &mut BackendConnection<'_>) -> Self {
        self.inspect(|answer| conn.record_rows(answer.rows()))
    }
}
