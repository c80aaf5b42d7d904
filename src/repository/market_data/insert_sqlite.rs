//! Bulk insertion on SQLite: one statement per batch that reads the rows from memory.
//!
//! `tickbase_rows` shows the batch to SQLite as a table, so that nothing is bound and stepped per
//! row, and the rows come in key order, so that the leaves of the clustered table are filled one
//! after the other. A few rows, and connections without that table, go through one-row statements
//! that stay prepared.

mod statements;

use std::collections::HashMap;

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::result::QueryResult;

#[cfg(feature = "archive")]
use super::archived_keys::archived_fates;
use super::tick_store::KeyedTick;
use super::tick_store::{InsertOutcome, KnownInstrument, Stamp, TickStore};
#[cfg(feature = "archive")]
use crate::database::BackendConnection;
use crate::database::row_table::{self, RowCells};
use crate::error::{Error, Result};
#[cfg(feature = "archive")]
use crate::repository::archive;
use crate::timestamp::Timestamp;
use statements::{
    FindTick, FindTicks, InsertTick, InsertTicks, KnownInstrumentById, KnownInstruments, KnownRow,
    LastSequence, UpdateLastTick, UpdateLastTicks,
};

/// From so many rows on, one statement over the batch is faster than one per row.
const ROWS_IN_BULK_MIN: usize = 8;
/// Rows of one statement: what is copied for it stays in the processor's cache (10,000 rows at once
/// are some 5 % slower), and small, whatever the batch.
const ROWS_IN_BULK_MAX: usize = 1_024;

pub(super) struct SqliteStore<'a>(pub(super) &'a mut SqliteConnection);

impl TickStore for SqliteStore<'_> {
    /// The write lane is the lock.
    fn known_instruments(&mut self, ids: &[i64]) -> Result<Vec<KnownInstrument>> {
        let cells: Vec<RowCells> = ids.iter().map(|id| of_id(*id)).collect();
        let bulk = self.in_bulk(&cells, |conn| KnownInstruments.load(conn))?;
        let rows: Vec<KnownRow> = match bulk {
            Some(rows) => rows,
            None => {
                let each = ids.iter().map(|id| KnownInstrumentById(*id).load(self.0));
                each.collect::<QueryResult<Vec<Vec<_>>>>()?.concat()
            }
        };
        let known = |row: KnownRow| KnownInstrument {
            id: row.0,
            last_tick: row.1,
            last_price: row.2,
            // What is archived left the table, and is no less there.
            newest: row.3.max(row.7.map(|to| to.saturating_add_micros(-1))),
            rules_version: row.4,
            ticks_version: row.5,
            bars_to: row.6,
            archived_to: row.7,
        };
        Ok(rows.into_iter().map(known).collect())
    }

    fn store(&mut self, rows: &[KeyedTick<'_>]) -> Result<Vec<InsertOutcome>> {
        let mut fates = vec![InsertOutcome::Inserted; rows.len()];
        // Find and insert by part, in key order: a later part may meet no key of an earlier one, as
        // keys are distinct here.
        let parts = rows.chunks(ROWS_IN_BULK_MAX);
        for (rows, fates) in parts.zip(fates.chunks_mut(ROWS_IN_BULK_MAX)) {
            self.find(rows, fates)?;
            self.insert(rows, fates)?;
        }
        Ok(fates)
    }

    fn next_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>> {
        let mut next = HashMap::new();
        for stamp in stamps {
            let last: Option<i64> = LastSequence(*stamp).get_result(self.0).optional()?;
            next.extend(last.map(|last| (*stamp, last.saturating_add(1))));
        }
        Ok(next)
    }

    #[cfg(feature = "archive")]
    fn archived_fates(&mut self, rows: &[KeyedTick<'_>]) -> Result<Vec<Option<InsertOutcome>>> {
        archived_fates(&mut BackendConnection::from(&mut *self.0), rows)
    }

    #[cfg(feature = "archive")]
    fn next_archived_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>> {
        archive::next_sequences(&mut BackendConnection::from(&mut *self.0), stamps)
    }

    fn update_last_ticks(&mut self, changed: &[KnownInstrument]) -> Result<()> {
        let cells: Vec<RowCells> = changed.iter().map(of_last_tick).collect();
        let bulk = self.in_bulk(&cells, |conn| UpdateLastTicks.execute(conn))?;
        if bulk.is_none() {
            for last in changed {
                UpdateLastTick(*last).execute(self.0)?;
            }
        }
        Ok(())
    }
}

impl SqliteStore<'_> {
    /// Runs a statement over rows in memory; `None` when they are too few for it, or when the
    /// connection cannot show them.
    fn in_bulk<T>(
        &mut self,
        rows: &[RowCells],
        statement: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<Option<T>> {
        if rows.len() < ROWS_IN_BULK_MIN {
            return Ok(None);
        }
        match row_table::show(rows, || statement(self.0)) {
            // A connection that a user opened has no such table: the rows go one by one.
            Err(_) if matches!(row_table::is_there(self.0), Ok(false)) => Ok(None),
            done => Ok(Some(done?)),
        }
    }

    /// Looks up the keys that may be stored, and writes the fates of those that are.
    fn find(&mut self, rows: &[KeyedTick<'_>], fates: &mut [InsertOutcome]) -> Result<()> {
        // Rows after the newest stored tick cannot meet a key: the usual feed looks nothing up.
        let places: Vec<usize> = (0..rows.len()).filter(|at| !rows[*at].fresh).collect();
        let cells: Vec<RowCells> = places.iter().map(|at| of_row(&rows[*at])).collect();
        let found = match self.in_bulk(&cells, |conn| FindTicks.load::<(i64, bool, bool)>(conn))? {
            Some(found) => found,
            None => self.find_each(places.iter().map(|at| &rows[*at]))?,
        };
        for (number, same, deleted) in found {
            let place = usize::try_from(number).ok().and_then(|at| places.get(at));
            if let Some(place) = place {
                fates[*place] = InsertOutcome::of_taken((same, deleted));
            }
        }
        Ok(())
    }

    fn find_each<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r KeyedTick<'r>>,
    ) -> Result<Vec<(i64, bool, bool)>> {
        let mut found = Vec::new();
        for (number, row) in (0..).zip(rows) {
            let taken: Option<(bool, bool)> = FindTick::new(row).get_result(self.0).optional()?;
            found.extend(taken.map(|(same, deleted)| (number, same, deleted)));
        }
        Ok(found)
    }

    /// Stores the rows whose fate it is to be inserted.
    fn insert(&mut self, rows: &[KeyedTick<'_>], fates: &[InsertOutcome]) -> Result<()> {
        let free = rows.iter().zip(fates);
        let free = free.filter(|(_, fate)| **fate == InsertOutcome::Inserted);
        let cells: Vec<RowCells> = free.clone().map(|(row, _)| of_row(row)).collect();
        let insert = InsertTicks::with_values_of(&cells);
        let count = match self.in_bulk(&cells, |conn| insert.execute(conn))? {
            Some(count) => count,
            None => {
                let each = free.map(|(row, _)| InsertTick::new(row).execute(self.0));
                each.sum::<QueryResult<usize>>()?
            }
        };
        if count == cells.len() {
            return Ok(());
        }
        // In a transaction that holds the write lock this cannot be.
        Err(Error::Conflict {
            what: format!("{} of {} ticks", cells.len() - count, cells.len()),
            existing: "another writer stored their keys during the batch; insert it in a write"
                .to_owned(),
        })
    }
}

fn of_id(id: i64) -> RowCells {
    RowCells {
        integers: [id, 0, 0, 0],
        reals: [f64::NAN; 9],
    }
}

/// A tick, in the order of the columns of the table.
fn of_row(row: &KeyedTick<'_>) -> RowCells {
    let key = &row.key;
    RowCells {
        integers: [
            key.instrument_id,
            key.timestamp.micros(),
            key.source_id,
            key.sequence,
        ],
        reals: row.tick.values().map(RowCells::real),
    }
}

fn of_last_tick(last: &KnownInstrument) -> RowCells {
    let mut cells = of_id(last.id);
    // An instrument that changed has a last tick.
    cells.integers[1] = last.last_tick.map_or(0, Timestamp::micros);
    cells.reals[0] = RowCells::real(last.last_price);
    cells
}
