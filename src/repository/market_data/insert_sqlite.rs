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
use crate::database::row_table::{self, RowSource, Value};
use crate::error::{Error, Result};
use statements::{
    FindTick, FindTicks, InsertTick, InsertTicks, KnownInstrumentById, KnownInstruments, KnownRow,
    LastSequence, UpdateLastTick, UpdateLastTicks,
};

/// From so many rows on, one statement over the batch is faster than one per row.
const ROWS_IN_BULK_MIN: usize = 8;

pub(super) struct SqliteStore<'a>(pub(super) &'a mut SqliteConnection);

impl TickStore for SqliteStore<'_> {
    /// The write lane is the lock.
    fn known_instruments(&mut self, ids: &[i64]) -> Result<Vec<KnownInstrument>> {
        let bulk = self.in_bulk(&Ids(ids), |conn| KnownInstruments.load(conn))?;
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
        if let Some(fates) = self.store_in_bulk(rows)? {
            return Ok(fates);
        }
        rows.iter().map(|row| self.store_one(row)).collect()
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
        let bulk = self.in_bulk(&LastTicks(changed), |conn| UpdateLastTicks.execute(conn))?;
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
        rows: &dyn RowSource,
        statement: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<Option<T>> {
        if rows.rows() < ROWS_IN_BULK_MIN {
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
        let doubtful: Vec<usize> = (0..rows.len()).filter(|at| !rows[*at].fresh).collect();
        if doubtful.is_empty() {
            return Ok(self.insert(rows)?.then_some(fates));
        }
        let asked: Vec<Row<'_>> = doubtful.iter().map(|at| rows[*at]).collect();
        let found = self.in_bulk(&Ticks(&asked), |conn| FindTicks.load::<(i64, bool)>(conn))?;
        let Some(found) = found else {
            return Ok(None);
        };
        for (at, same) in &found {
            let fate = if *same { Fate::Same } else { Fate::Other };
            let at = usize::try_from(*at).ok().and_then(|at| doubtful.get(at));
            if let Some(at) = at {
                fates[*at] = fate;
            }
        }
        if found.len() == rows.len() {
            return Ok(Some(fates));
        }
        let free = rows.iter().zip(&fates);
        let free = free.filter(|(_, fate)| **fate == Fate::Inserted);
        let free: Vec<Row<'_>> = free.map(|(row, _)| *row).collect();
        if !self.insert(&free)? {
            for row in &free {
                self.store_one(row)?;
            }
        }
        Ok(Some(fates))
    }

    /// Stores rows whose keys are free; `false` when they are too few to be stored in bulk.
    fn insert(&mut self, rows: &[Row<'_>]) -> Result<bool> {
        let stored = self.in_bulk(&Ticks(rows), |conn| InsertTicks.execute(conn))?;
        match stored {
            None => Ok(false),
            Some(count) if count == rows.len() => Ok(true),
            // Nobody else writes in this transaction, so the look-up was wrong.
            Some(count) => Err(Error::Corrupt {
                what: "market_data",
                value: format!("{} free keys", rows.len()),
                reason: format!("only {count} of them could be stored; check the database"),
            }),
        }
    }

    fn store_one(&mut self, row: &Row<'_>) -> Result<Fate> {
        if InsertTick::new(row).execute(self.0)? == 1 {
            return Ok(Fate::Inserted);
        }
        let same: bool = FindTick::new(row).get_result(self.0)?;
        Ok(if same { Fate::Same } else { Fate::Other })
    }
}

/// Ids, in the first column.
struct Ids<'a>(&'a [i64]);

impl RowSource for Ids<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn value(&self, row: usize, _column: usize) -> Value {
        self.0
            .get(row)
            .map_or(Value::Null, |id| Value::Integer(*id))
    }
}

/// Ticks, in the order of the columns of the table.
struct Ticks<'a>(&'a [Row<'a>]);

impl RowSource for Ticks<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let Some(Row { key, tick, .. }) = self.0.get(row) else {
            return Value::Null;
        };
        match column {
            0 => Value::Integer(key.instrument_id),
            1 => Value::Integer(key.timestamp.micros()),
            2 => Value::Integer(key.source_id),
            3 => Value::Integer(key.sequence),
            _ => real(tick.value(column - 4)),
        }
    }
}

/// Instruments with their last ticks.
struct LastTicks<'a>(&'a [KnownInstrument]);

impl RowSource for LastTicks<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let Some(last) = self.0.get(row) else {
            return Value::Null;
        };
        match column {
            0 => Value::Integer(last.id),
            1 => last
                .last_tick
                .map_or(Value::Null, |at| Value::Integer(at.micros())),
            _ => real(last.last_price),
        }
    }
}

fn real(number: Option<f64>) -> Value {
    number.map_or(Value::Null, Value::Real)
}
