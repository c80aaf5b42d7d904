//! The report of an import, and the events of a running one.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use crate::ingest::reading::FileReading;

/// The outcome of the rows: `read = inserted + updated + duplicates + conflicts + deleted +
/// rejected + other_symbols.rows`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ImportReport {
    /// Rows of the files, headers, comments and blank lines left out.
    pub read: u64,
    /// Rows stored.
    pub inserted: u64,
    /// Bars that replaced other values of the same period and source.
    pub updated: u64,
    /// Rows that were stored before, with the same values.
    pub duplicates: u64,
    /// Rows whose key holds other values, which stay.
    pub conflicts: u64,
    /// Rows whose key is that of a deleted row, which stays deleted.
    pub deleted: u64,
    /// Rows that break a rule.
    pub rejected: u64,
    /// Stored ticks that are older than the newest one of the instrument.
    pub late: u64,
    /// Rows whose stamp lost digits finer than a microsecond.
    pub timestamps_truncated: u64,
    /// Rows whose key an earlier row of their file has.
    pub repeated_keys: u64,
    /// Rows with a price of 0.
    pub zero_prices: u64,
    /// Rows of other symbols than the one that was asked for; none is stored.
    pub other_symbols: OtherSymbols,
    /// How each file was read.
    pub files: Vec<FileReading>,
    /// True when nothing was stored because the import was a trial.
    pub dry_run: bool,
}

/// Rows of other symbols than the one that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct OtherSymbols {
    /// The number of rows.
    pub rows: u64,
    /// The number of symbols.
    pub count: u64,
    /// The first 20 symbols with their rows.
    pub symbols: Vec<SymbolRows>,
    /// Every symbol, so that none is counted again for a further file.
    #[serde(skip)]
    all: HashSet<String>,
}

/// A symbol with the rows that a file has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SymbolRows {
    /// The symbol.
    pub symbol: String,
    /// The number of rows.
    pub rows: u64,
}

impl OtherSymbols {
    /// Symbols that are named.
    const NAMED_MAX: usize = 20;

    fn add(&mut self, others: &[(String, u64)]) {
        for (symbol, rows) in others {
            self.rows += rows;
            if self.all.insert(symbol.clone()) {
                self.count += 1;
                if self.symbols.len() < Self::NAMED_MAX {
                    let symbol = symbol.clone();
                    self.symbols.push(SymbolRows {
                        symbol,
                        rows: *rows,
                    });
                }
            } else if let Some(named) = self.symbols.iter_mut().find(|of| of.symbol == *symbol) {
                named.rows += rows;
            }
        }
    }
}

impl ImportReport {
    /// True when rows were read, and none of them is stored or known. A duplicate, an unchanged bar
    /// and a conflict are known: an active row holds their key.
    #[must_use]
    pub const fn stored_nothing(&self) -> bool {
        self.read > 0 && self.inserted + self.updated + self.duplicates + self.conflicts == 0
    }

    /// Adds what a file was read as.
    pub(super) fn add(&mut self, file: FileReading) {
        self.repeated_keys += file.repeated_keys;
        self.zero_prices += file.zero_prices;
        self.other_symbols.add(&file.other_symbols);
        self.files.push(file);
    }
}

/// An event of a running import.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportEvent<'a> {
    /// The import begins, or begins again because the transaction must: earlier events are void.
    Started,
    /// A file is opened.
    File {
        /// Its name.
        name: &'a str,
        /// Its bytes on disk, if they are known.
        size_bytes: Option<u64>,
    },
    /// A batch was stored (not committed, with [`ImportCommit::Once`](super::ImportCommit::Once)).
    Batch {
        /// Rows read so far, of all files.
        rows: u64,
        /// Bytes of this file read so far.
        bytes_read: u64,
    },
    /// A row was rejected.
    Rejected {
        /// Its file.
        name: &'a str,
        /// Its line, from 1.
        line: u64,
        /// The rule that it breaks.
        reason: &'a str,
        /// Whether its stamp was not read: the form of the file's stamps can be named.
        is_stamp: bool,
    },
    /// A row's key holds other values.
    Conflict {
        /// Its file.
        name: &'a str,
        /// Its line, from 1.
        line: u64,
    },
    /// A row's key is that of a deleted row.
    Deleted {
        /// Its file.
        name: &'a str,
        /// Its line, from 1.
        line: u64,
    },
}

/// Hears what an import tells; it is called on the threads that store.
pub type ImportListener = Arc<dyn Fn(&ImportEvent<'_>) + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_symbols_are_added_over_the_files_and_the_first_are_named() {
        let mut others = OtherSymbols::default();
        for _ in 0..2 {
            let file: Vec<_> = (0..30).map(|index| (format!("S{index}"), 2)).collect();
            others.add(&file);
        }
        assert_eq!(
            (others.rows, others.count, others.symbols.len()),
            (120, 30, 20)
        );
        let first = SymbolRows {
            symbol: "S0".to_owned(),
            rows: 4,
        };
        assert_eq!(others.symbols[0], first);
    }

    #[test]
    fn duplicates_and_conflicts_are_known_and_deleted_rows_are_not() {
        let report = |duplicates, conflicts, deleted| ImportReport {
            read: 2,
            duplicates,
            conflicts,
            deleted,
            ..ImportReport::default()
        };
        assert!(!report(1, 0, 1).stored_nothing());
        assert!(!report(0, 2, 0).stored_nothing());
        assert!(report(0, 0, 2).stored_nothing());
        assert!(
            !ImportReport::default().stored_nothing(),
            "nothing was read"
        );
    }
}
