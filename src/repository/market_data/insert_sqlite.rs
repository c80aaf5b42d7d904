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

use super::insert::{Fate, KnownInstrument, Stamp, TickStore};
use super::insert_order::Row;
use crate::database::row_table::{self, Cells};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;
use statements::{
    FindTick, FindTicks, InsertTick, InsertTicks, KnownInstrumentById, KnownInstruments, KnownRow,
    LastSequence, UpdateLastTick, UpdateLastTicks,
};

/// From so many rows on, one statement over the batch is faster than one per row.
const ROWS_IN_BULK_MIN: usize = 8;
/// Rows of one statement: what is copied for it stays small, whatever the batch.
const ROWS_IN_BULK_MAX: usize = 16_384;

pub(super) struct SqliteStore<'a>(pub(super) &'a mut SqliteConnection);

impl TickStore for SqliteStore<'_> {
    /// The write lane is the lock.
    fn known_instruments(&mut self, ids: &[i64]) -> Result<Vec<KnownInstrument>> {
        let cells: Vec<Cells> = ids.iter().map(|id| of_id(*id)).collect();
        let bulk = self.in_bulk(&cells, |conn| KnownInstruments.load(conn))?;
        let rows: Vec<KnownRow> = match bulk {
            Some(rows) => rows,
            None => {
                let each = ids.iter().map(|id| KnownInstrumentById(*id).load(self.0));
                each.collect::<QueryResult<Vec<Vec<_>>>>()?.concat()
            }
        };
        let known = |(id, last_tick, last_price, newest)| KnownInstrument {
            id,
            last_tick,
            last_price,
            newest,
        };
        Ok(rows.into_iter().map(known).collect())
    }

    fn store(&mut self, rows: &[Row<'_>]) -> Result<Vec<Fate>> {
        let mut fates = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_IN_BULK_MAX) {
            match self.store_in_bulk(rows)? {
                Some(stored) => fates.extend(stored),
                None => {
                    for row in rows {
                        fates.push(self.store_one(row)?);
                    }
                }
            }
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

    fn update_last_ticks(&mut self, changed: &[KnownInstrument]) -> Result<()> {
        let cells: Vec<Cells> = changed.iter().map(of_last_tick).collect();
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
        rows: &[Cells],
        statement: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<Option<T>> {
        if rows.len() < ROWS_IN_BULK_MIN {
            return Ok(None);
        }
        match row_table::show(rows, || statement(self.0)) {
            Err(error) if row_table::is_missing(&error) => Ok(None),
            done => Ok(Some(done?)),
        }
    }

    /// Looks up the keys that may be stored, then stores all others at once.
    fn store_in_bulk(&mut self, rows: &[Row<'_>]) -> Result<Option<Vec<Fate>>> {
        let mut fates = vec![Fate::Inserted; rows.len()];
        let mut cells: Vec<Cells> = rows.iter().map(of_row).collect();
        let doubtful: Vec<usize> = (0..rows.len()).filter(|at| !rows[*at].fresh).collect();
        if !doubtful.is_empty() {
            let asked: Vec<Cells> = doubtful.iter().map(|at| cells[*at]).collect();
            let found = self.in_bulk(&asked, |conn| FindTicks.load::<(i64, bool)>(conn))?;
            let Some(found) = found else {
                return Ok(None);
            };
            for (at, same) in found {
                let at = usize::try_from(at).ok().and_then(|at| doubtful.get(at));
                if let Some(at) = at {
                    fates[*at] = if same { Fate::Same } else { Fate::Other };
                }
            }
            let mut fate = fates.iter();
            cells.retain(|_| fate.next() == Some(&Fate::Inserted));
        }
        if cells.is_empty() {
            return Ok(Some(fates));
        }
        let insert = InsertTicks::with_values_of(&cells);
        let Some(count) = self.in_bulk(&cells, |conn| insert.execute(conn))? else {
            return Ok(None);
        };
        if count == cells.len() {
            return Ok(Some(fates));
        }
        // Nobody else writes in this transaction, so the look-up was wrong.
        Err(Error::Corrupt {
            what: "market_data",
            value: format!("{} free keys", cells.len()),
            reason: format!("only {count} of them could be stored; check the database"),
        })
    }

    fn store_one(&mut self, row: &Row<'_>) -> Result<Fate> {
        if InsertTick::new(row).execute(self.0)? == 1 {
            return Ok(Fate::Inserted);
        }
        let same: bool = FindTick::new(row).get_result(self.0)?;
        Ok(if same { Fate::Same } else { Fate::Other })
    }
}

fn of_id(id: i64) -> Cells {
    Cells {
        integers: [id, 0, 0, 0],
        reals: [f64::NAN; 9],
    }
}

/// A tick, in the order of the columns of the table.
fn of_row(row: &Row<'_>) -> Cells {
    let key = &row.key;
    Cells {
        integers: [
            key.instrument_id,
            key.timestamp.micros(),
            key.source_id,
            key.sequence,
        ],
        reals: row.tick.values().map(Cells::real),
    }
}

fn of_last_tick(last: &KnownInstrument) -> Cells {
    let mut cells = of_id(last.id);
    // An instrument that changed has a last tick.
    cells.integers[1] = last.last_tick.map_or(0, Timestamp::micros);
    cells.reals[0] = Cells::real(last.last_price);
    cells
}
