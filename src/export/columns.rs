//! The columns of a table, and some rows of it, column by column.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// Text with few different values, such as symbols.
    Word,
    /// Moments, in microseconds of UTC.
    Moment,
    /// Whole numbers.
    Whole,
    /// Prices and sizes.
    Number,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name, as an import knows it.
    pub name: &'static str,
    /// What its values are.
    pub kind: ColumnKind,
    /// Whether a row may have no value in it.
    pub nullable: bool,
}

/// The values of one column, a row each.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ColumnValues {
    /// Of a column of words.
    Words(Vec<Arc<str>>),
    /// Of a column of moments.
    Moments(Vec<Timestamp>),
    /// Of a column of whole numbers.
    Wholes(Vec<Option<i64>>),
    /// Of a column of numbers.
    Numbers(Vec<Option<f64>>),
}

/// Some rows of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowBatch {
    rows: usize,
    columns: Vec<ColumnValues>,
}

impl RowBatch {
    /// Rows of other columns than those of a [`Table`](super::Table): so many values in each.
    #[must_use]
    pub fn of(rows: usize, columns: Vec<ColumnValues>) -> Self {
        Self { rows, columns }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The values, in the order of the table's columns.
    #[must_use]
    pub fn columns(&self) -> &[ColumnValues] {
        &self.columns
    }
}

/// Which columns of a table are written, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// All of them.
    All,
    /// All but the symbol: for a file of one instrument, which is named when it is imported.
    WithoutSymbol,
    /// Those that are named, in this order.
    Named(&'a [&'a str]),
}

/// A column, and how its values come from rows.
pub(super) struct RowColumn<R> {
    pub(super) column: Column,
    pub(super) values: fn(&[R], &Arc<str>) -> ColumnValues,
}

/// The columns of rows that were selected.
pub(super) struct SelectedColumns<R: 'static> {
    values: Arc<[&'static RowColumn<R>]>,
    columns: Arc<[Column]>,
}

impl<R> Clone for SelectedColumns<R> {
    fn clone(&self) -> Self {
        Self {
            values: Arc::clone(&self.values),
            columns: Arc::clone(&self.columns),
        }
    }
}

pub(super) const SYMBOL: &str = "symbol";

impl<R> SelectedColumns<R> {
    pub(super) fn new(all: &'static [RowColumn<R>], selection: Selection<'_>) -> Result<Self> {
        let values: Vec<&'static RowColumn<R>> = match selection {
            Selection::All => all.iter().collect(),
            Selection::WithoutSymbol => {
                let others = all.iter().filter(|of| of.column.name != SYMBOL);
                others.collect()
            }
            Selection::Named(names) => named(all, names)?,
        };
        Ok(Self {
            columns: values.iter().map(|of| of.column).collect(),
            values: values.into(),
        })
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The selected values of rows that belong to one symbol.
    pub(super) fn batch(&self, rows: &[R], symbol: &Arc<str>) -> RowBatch {
        let columns = self.values.iter().map(|of| (of.values)(rows, symbol));
        RowBatch {
            rows: rows.len(),
            columns: columns.collect(),
        }
    }
}

fn named<R>(all: &'static [RowColumn<R>], names: &[&str]) -> Result<Vec<&'static RowColumn<R>>> {
    let refuse = |reason: String| {
        let known: Vec<&str> = all.iter().map(|of| of.column.name).collect();
        Error::invalid(
            "columns",
            reason,
            format!("name some of {}", known.join(", ")),
        )
    };
    let mut found: Vec<&'static RowColumn<R>> = Vec::with_capacity(names.len());
    for name in names {
        let column = all.iter().find(|of| of.column.name == *name);
        let column = column.ok_or_else(|| refuse(format!("{name:?} is no column")))?;
        if found.iter().any(|of| of.column == column.column) {
            return Err(refuse(format!("{name:?} is there twice")));
        }
        found.push(column);
    }
    if found.is_empty() {
        return Err(refuse("it names none".to_owned()));
    }
    Ok(found)
}

/// A column that every row has a value in.
pub(super) const fn required(name: &'static str, kind: ColumnKind) -> Column {
    Column {
        name,
        kind,
        nullable: false,
    }
}

/// A column that a row may have no value in.
pub(super) const fn optional(name: &'static str, kind: ColumnKind) -> Column {
    Column {
        name,
        kind,
        nullable: true,
    }
}

/// A column of numbers that come from one field of a row.
macro_rules! number_column {
    ($name:literal, |$row:ident| $value:expr) => {
        $crate::export::columns::RowColumn {
            column: $crate::export::columns::optional(
                $name,
                $crate::export::columns::ColumnKind::Number,
            ),
            values: |rows, _| {
                let values = rows.iter().map(|$row| $value).collect();
                $crate::export::columns::ColumnValues::Numbers(values)
            },
        }
    };
}
pub(super) use number_column;

/// A column of whole numbers that come from one field of a row.
macro_rules! whole_column {
    ($column:expr, |$row:ident| $value:expr) => {
        $crate::export::columns::RowColumn {
            column: $column,
            values: |rows, _| {
                let values = rows.iter().map(|$row| $value).collect();
                $crate::export::columns::ColumnValues::Wholes(values)
            },
        }
    };
}
pub(super) use whole_column;

/// The column of symbols: all rows are of one.
macro_rules! symbol_column {
    () => {
        $crate::export::columns::RowColumn {
            column: $crate::export::columns::required(
                $crate::export::columns::SYMBOL,
                $crate::export::columns::ColumnKind::Word,
            ),
            values: |rows, symbol| {
                let words = vec![std::sync::Arc::clone(symbol); rows.len()];
                $crate::export::columns::ColumnValues::Words(words)
            },
        }
    };
}
pub(super) use symbol_column;

/// The column of moments.
macro_rules! moment_column {
    () => {
        $crate::export::columns::RowColumn {
            column: $crate::export::columns::required(
                "timestamp",
                $crate::export::columns::ColumnKind::Moment,
            ),
            values: |rows, _| {
                let moments = rows.iter().map(|row| row.timestamp).collect();
                $crate::export::columns::ColumnValues::Moments(moments)
            },
        }
    };
}
pub(super) use moment_column;
