//! Bulk insertion on PostgreSQL: COPY of the rows whose keys are free.
//!
//! COPY is the fastest way in, but it knows no ON CONFLICT: one key that is taken undoes all of
//! it. So the keys are looked at first, which costs little: one descent of the key at either end
//! of each instrument's rows tells that nothing is stored between them, as with every feed that
//! moves on in time, and only rows among stored ones are looked up one by one. The instruments
//! are locked, so that what was seen stays true; a program that writes without that lock makes
//! the COPY fail, which a savepoint undoes, and the rows go the slower way. That way, which is
//! also that of few rows, is one statement with ON CONFLICT over arrays.

mod copy;
mod statements;

use std::collections::{HashMap, HashSet};

use diesel::PgConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

#[cfg(feature = "archive")]
use super::archived_keys::archived_fates;
use super::tick_store::KeyedTick;
use super::tick_store::{InsertOutcome, KnownInstrument, Stamp, TickStore};
use crate::database::BackendConnection;
use crate::error::{Error, Result};
#[cfg(feature = "archive")]
use crate::repository::archive;
use crate::tables::instrument_state;
use crate::timestamp::Timestamp;
use statements::{
    FindTicks, InsertTicks, KeyColumns, LastSequences, LastTicks, StoredKey, StoredSpans,
    TickArrays, TickSpan, TickSpanArrays,
};

/// Rows of one statement: the copies of them that the server keeps for the trigger of the table,
/// some 1.5 MB, stay within its `work_mem`.
const ROWS_PER_STATEMENT_MAX: usize = 10_000;
/// From so many rows on, COPY and what goes before it are faster than one statement: they are six
/// round trips more, and 4 us a row less.
const ROWS_IN_BULK_MIN: usize = 128;

/// An instrument: id, last tick, last price, versions of rules and ticks, end of built bars.
type LockedRow = (
    i64,
    Option<Timestamp>,
    Option<f64>,
    i64,
    i64,
    Option<Timestamp>,
    Option<Timestamp>,
);

pub(super) struct PostgresStore<'a>(pub(super) &'a mut PgConnection);

impl TickStore for PostgresStore<'_> {
    /// Writers of one instrument take turns: the next free sequence and the last tick are theirs
    /// alone until the commit. In id order, so that nobody waits in a circle.
    fn known_instruments(&mut self, ids: &[i64]) -> Result<Vec<KnownInstrument>> {
        let locked: Vec<LockedRow> = instrument_state::table
            .filter(instrument_state::instrument_id.eq_any(ids))
            .filter(instrument_state::is_deleted.eq(false))
            .select((
                instrument_state::instrument_id,
                instrument_state::last_tick,
                instrument_state::last_price,
                instrument_state::rules_version,
                instrument_state::ticks_version,
                instrument_state::bars_to,
                instrument_state::archived_to,
            ))
            .order(instrument_state::instrument_id)
            // Not FOR UPDATE: the statement trigger of `market_data` takes FOR KEY SHARE on the same
            // row, and must not wait for another batch.
            .for_no_key_update()
            .load(self.0)?;
        let known = |row: LockedRow| KnownInstrument {
            id: row.0,
            last_tick: row.1,
            last_price: row.2,
            rules_version: row.3,
            ticks_version: row.4,
            bars_to: row.5,
            archived_to: row.6,
            // Not looked up: the batch is compared with what is stored within its own stamps.
            newest: Some(Timestamp::MAX),
        };
        Ok(locked.into_iter().map(known).collect())
    }

    fn store(&mut self, rows: &[KeyedTick<'_>]) -> Result<Vec<InsertOutcome>> {
        let mut fates = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_PER_STATEMENT_MAX) {
            fates.append(&mut if rows.len() < ROWS_IN_BULK_MIN {
                self.store_few(rows)?
            } else {
                self.store_many(rows)?
            });
        }
        Ok(fates)
    }

    fn next_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>> {
        let mut next = HashMap::new();
        for stamps in stamps.chunks(ROWS_PER_STATEMENT_MAX) {
            let taken = self.taken(stamps, |(id, at, _)| (*id, *at))?;
            let stamps = KeyColumns::of_stamps(taken.into_iter().map(|at| stamps[at]));
            if stamps.is_empty() {
                continue;
            }
            let rows: Vec<StoredKey> = LastSequences(&stamps).load(self.0)?;
            let after = |(instrument_id, at, source_id, last): StoredKey| {
                ((instrument_id, at, source_id), last.saturating_add(1))
            };
            next.extend(rows.into_iter().map(after));
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
        if !changed.is_empty() {
            LastTicks::of(changed).execute(self.0)?;
        }
        Ok(())
    }
}

impl PostgresStore<'_> {
    /// One statement, and a second one when keys were taken.
    fn store_few(&mut self, rows: &[KeyedTick<'_>]) -> Result<Vec<InsertOutcome>> {
        // ON CONFLICT DO NOTHING returns the rows that it stored; the others met a key that is
        // taken.
        let stored: Vec<StoredKey> = InsertTicks(&TickArrays::of(rows)).load(self.0)?;
        let mut fates = vec![InsertOutcome::Inserted; rows.len()];
        if stored.len() == rows.len() {
            return Ok(fates);
        }
        let stored: HashSet<StoredKey> = stored.into_iter().collect();
        let taken = (0..rows.len()).filter(|at| !stored.contains(&rows[*at].key.into()));
        let taken: Vec<usize> = taken.collect();
        // What was deleted for good meanwhile is in nobody's way, but was not stored either.
        taken
            .iter()
            .for_each(|at| fates[*at] = InsertOutcome::Other);
        self.judge(rows, &taken, &mut fates)?;
        Ok(fates)
    }

    /// Looks at the keys first, then copies the rows whose keys are free.
    fn store_many(&mut self, rows: &[KeyedTick<'_>]) -> Result<Vec<InsertOutcome>> {
        let mut fates = vec![InsertOutcome::Inserted; rows.len()];
        let doubtful = self.taken(rows, |row| (row.key.instrument_id, row.key.timestamp))?;
        if doubtful.is_empty() {
            self.copy(rows, &mut fates)?;
            return Ok(fates);
        }
        // Only keys within stored stamps are compared; an ordinary feed appends and has none.
        self.judge(rows, &doubtful, &mut fates)?;
        let free: Vec<usize> = (0..rows.len())
            .filter(|at| fates[*at] == InsertOutcome::Inserted)
            .collect();
        let rows: Vec<KeyedTick<'_>> = free.iter().map(|at| rows[*at]).collect();
        let mut fates_of_free = vec![InsertOutcome::Inserted; rows.len()];
        self.copy(&rows, &mut fates_of_free)?;
        for (at, fate) in free.into_iter().zip(fates_of_free) {
            fates[at] = fate;
        }
        Ok(fates)
    }

    /// The places of the items whose stamps are among stored ones: the keys of all others are free.
    /// It takes few spans, as long as the items of an instrument follow each other.
    fn taken<T>(
        &mut self,
        items: &[T],
        place: impl Fn(&T) -> (i64, Timestamp),
    ) -> Result<Vec<usize>> {
        let mut spans: Vec<TickSpan> = Vec::new();
        for (id, at) in items.iter().map(&place) {
            match spans.last_mut() {
                Some((last, first_at, last_at)) if *last == id => {
                    (*first_at, *last_at) = ((*first_at).min(at), (*last_at).max(at));
                }
                _ => spans.push((id, at, at)),
            }
        }
        let found: Vec<TickSpan> = StoredSpans(&TickSpanArrays::of(&spans)).load(self.0)?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut stored: HashMap<i64, (Timestamp, Timestamp)> = HashMap::new();
        for (id, first, last) in found {
            let span = stored.entry(id).or_insert((first, last));
            *span = (span.0.min(first), span.1.max(last));
        }
        let is_among = |item: &T| {
            let (id, at) = place(item);
            let span = stored.get(&id);
            span.is_some_and(|(first, last)| (*first..=*last).contains(&at))
        };
        Ok((0..items.len())
            .filter(|at| is_among(&items[*at]))
            .collect())
    }

    /// Compares those of the rows with what is stored under their keys, if anything is.
    fn judge(
        &mut self,
        rows: &[KeyedTick<'_>],
        which: &[usize],
        fates: &mut [InsertOutcome],
    ) -> Result<()> {
        let asked: Vec<KeyedTick<'_>> = which.iter().map(|at| rows[*at]).collect();
        let found: Vec<(i64, bool, bool)> = FindTicks(&TickArrays::of(&asked)).load(self.0)?;
        for (number, same, deleted) in found {
            let at = usize::try_from(number - 1)
                .ok()
                .and_then(|at| which.get(at));
            if let Some(at) = at {
                fates[*at] = InsertOutcome::of_taken((same, deleted));
            }
        }
        Ok(())
    }

    /// Copies rows whose keys were free a moment ago.
    fn copy(&mut self, rows: &[KeyedTick<'_>], fates: &mut [InsertOutcome]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut conn = BackendConnection::from(&mut *self.0);
        // COPY fails as a whole on a taken key, and a failed statement ends the transaction: the
        // savepoint keeps the rest of it. Only a program that does not lock the instrument can take
        // a key in between.
        let copied = conn.savepoint(|conn| match conn {
            BackendConnection::Postgres(conn) => Ok(copy::copy(conn, rows)?),
            #[cfg(feature = "sqlite")]
            BackendConnection::Sqlite(_) => Err(Error::Closed), // It is PostgreSQL's.
        });
        match copied {
            Err(Error::Query {
                source: DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _),
                ..
            }) => {
                tracing::debug!(
                    rows = rows.len(),
                    "another program stored one of them first"
                );
                fates.copy_from_slice(&self.store_few(rows)?);
                Ok(())
            }
            other => other,
        }
    }
}
