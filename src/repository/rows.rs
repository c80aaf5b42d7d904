//! Counts the rows that the result of a query stands for, and records them with the operation that
//! ran it.
//!
//! A public function of a repository records the rows that it returns or changes itself. The doors
//! cannot: they would have to ask that the answer of every closure says how many rows it is, which
//! those of users do not, and Rust has no "if it does". What is read on the way to a write is not
//! recorded: the rows of an insertion are those that it inserts.

use crate::database::{BackendConnection, Page};
use crate::models::{
    AlertDelivery, AlertLog, AlertRule, AlertSilence, DataSource, Deletion, Instrument, MarketData,
    MarketDataBar, SavedQuery,
};

/// A result that stands for rows.
pub(crate) trait CountRows {
    /// Rows read or written.
    fn rows(&self) -> usize;
}

macro_rules! one_row {
    ($($model:ident),+) => {
        $(impl CountRows for $model {
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
    AlertSilence,
    DataSource,
    Deletion,
    Instrument,
    MarketData,
    MarketDataBar,
    SavedQuery,
    i64
);

/// Rows that a statement changed.
impl CountRows for usize {
    fn rows(&self) -> usize {
        *self
    }
}

impl<T: CountRows> CountRows for Vec<T> {
    fn rows(&self) -> usize {
        self.iter().map(CountRows::rows).sum()
    }
}

impl<T: CountRows> CountRows for Option<T> {
    fn rows(&self) -> usize {
        self.as_ref().map_or(0, CountRows::rows)
    }
}

impl<T: CountRows, K> CountRows for Page<T, K> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }
}

/// Records the rows of a result with the operation that runs on the connection.
pub(crate) trait Recorded {
    /// The result, its rows recorded.
    fn recorded(self, conn: &mut BackendConnection<'_>) -> Self;
}

impl<T: CountRows, E> Recorded for Result<T, E> {
    fn recorded(self, conn: &mut BackendConnection<'_>) -> Self {
        self.inspect(|answer| conn.record_rows(answer.rows()))
    }
}
