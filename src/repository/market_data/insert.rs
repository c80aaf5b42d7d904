//! Insertion of ticks by the rules of identity, the same on both backends.
//!
//! Each backend says how rows are stored in bulk ([`TickStore`]); what a duplicate, a conflict
//! or a late tick is, stands here once. It runs inside the transaction of the write door. Work
//! per row is array work: the maps are by instrument, not by row.

#[cfg(test)]
mod tests;

use diesel::prelude::*;

use super::changes;
use super::future_limit::FutureLimit;
use super::insert_order::{IdSlots, in_key_order};
use super::insert_report::{InsertReport, RowOutcome, RowRejection};
use super::tick_hook;
use super::tick_store::KeyedTick;
use super::tick_store::{Followed, InsertOutcome, KnownInstrument, TickStore};
use crate::database::{BackendConnection, BatchSize, InsertCounts, Invalidation, WhenFull};
use crate::domain::tick::Tick;
use crate::domain::{TickPrices, TraceId};
use crate::error::Result;
use crate::repository::bar_series::Marks;
use crate::repository::{KEYS_PER_STATEMENT_MAX, data_change, ingest_batch};
use crate::tables::data_sources;
use crate::timestamp::Timestamp;

/// Options of an insertion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsertOptions {
    /// True when the report says of each row what became of it.
    pub outcomes: bool,
    /// Makes resending safe: within 24 hours the same key stores nothing and returns the first
    /// report (without outcomes).
    pub idempotency_key: Option<String>,
    /// The choice when too many rows wait for the writer: wait, or fail.
    pub when_full: WhenFull,
    /// The trace that the ticks belong to: alerts that they fire keep it.
    pub trace: Option<TraceId>,
}

impl InsertOptions {
    pub(super) fn size_of(&self, ticks: &[Tick]) -> BatchSize {
        BatchSize {
            rows: ticks.len(),
            when_full: self.when_full,
        }
    }
}

/// Stores ticks; see [`super::MarketDataRepository::insert_batch`].
///
/// # Errors
/// [`Error::Query`](crate::Error::Query); the caller's transaction must be undone then.
pub fn insert_batch(
    conn: &mut BackendConnection<'_>,
    ticks: &[Tick],
    options: &InsertOptions,
    now: Timestamp,
) -> Result<InsertReport> {
    let _said = conn.invalidates(Invalidation::Nothing);
    if let Some(key) = &options.idempotency_key
        && let Some(first) = ingest_batch::find(conn, key, now)?
    {
        conn.record_ticks(&replayed(ticks.len()));
        return Ok(first);
    }
    let limit = FutureLimit::of(conn, now);
    // Locks the instruments: from here to the commit no other writer changes their rules, ticks or
    // last sequence.
    let mut batch = TickBatch::new(conn, ticks)?;
    let known = batch.instruments.iter().map(|followed| followed.known);
    // Before anything is stored: a watcher that must read the past may not find this batch in it.
    let watched = tick_hook::prepare(conn, known)?;
    let rows = with_store(conn, |store| {
        let (rows, too_new) = in_key_order(
            ticks,
            &batch.places,
            &batch.instruments,
            limit.newest_allowed,
            store,
        )?;
        if !too_new.is_empty() {
            batch.refuse_future(&too_new, &limit);
        }
        batch.store(&rows, store)?;
        batch.follow_last_ticks(&rows);
        // Raises `ticks_version`, too, so it includes instruments whose ticks were all late.
        store.update_last_ticks(&batch.changed())?;
        Ok(rows)
    })?;
    drop(conn.invalidates(Invalidation::Ticks(&batch.changed_ids())));
    data_change::record(conn, |ticks_max| {
        let instrument = |row: &KeyedTick<'_>| Some(batch.followed(row)?.known);
        changes::of_batch(&rows, &batch.outcomes, instrument, ticks_max)
    });
    batch.mark_built(conn, &rows)?;
    if let Some(watched) = watched {
        watched.evaluate(conn, &rows, &batch.outcomes, options.trace)?;
    }
    let report = batch.report(options.outcomes);
    if let Some(key) = &options.idempotency_key {
        // In the same transaction: a key without its ticks, or ticks without their key, would break
        // a resend.
        ingest_batch::remember(conn, key, &report, now)?;
    }
    conn.record_rows(report.inserted);
    conn.record_ticks(&counts(&report));
    Ok(report)
}

fn counts(report: &InsertReport) -> InsertCounts {
    InsertCounts {
        received: report.received as u64,
        inserted: report.inserted as u64,
        duplicates: report.duplicates as u64,
        conflicts: report.conflicts as u64,
        deleted: report.deleted as u64,
        rejected: report.rejected.len() as u64,
        late: report.late as u64,
        ..InsertCounts::default()
    }
}

/// Counts a batch that was answered before: none of it is stored again.
fn replayed(ticks: usize) -> InsertCounts {
    InsertCounts {
        received: ticks as u64,
        replayed: ticks as u64,
        ..InsertCounts::default()
    }
}

/// The batch on its way.
struct TickBatch<'a> {
    ticks: &'a [Tick],
    /// The place of each tick's instrument in `instruments`; `None` for a rejected tick.
    places: Vec<Option<u32>>,
    instruments: Vec<Followed>,
    outcomes: Vec<RowOutcome>,
    rejected: Vec<RowRejection>,
    late: usize,
}

impl<'a> TickBatch<'a> {
    /// Loads the instruments and sources that the ticks name, and rejects what names none.
    fn new(conn: &mut BackendConnection<'_>, ticks: &'a [Tick]) -> Result<Self> {
        let instruments = IdSlots::of(ticks.iter().map(Tick::instrument_id));
        let sources = IdSlots::of(ticks.iter().map(Tick::source_id));
        let known = with_store(conn, |store| store.known_instruments(instruments.ids()))?;
        let mut batch = Self {
            ticks,
            places: Vec::with_capacity(ticks.len()),
            instruments: known.iter().map(|known| Followed::new(*known)).collect(),
            outcomes: vec![RowOutcome::Rejected; ticks.len()],
            rejected: Vec::new(),
            late: 0,
        };
        let places = instruments.places(known.iter().map(|known| known.id));
        let known_sources = sources.places(known_sources(conn, sources.ids())?.into_iter());
        for (index, (instrument, source)) in instruments.iter().zip(sources.iter()).enumerate() {
            let place = places[instrument].filter(|_| known_sources[source].is_some());
            if place.is_none() {
                batch.reject(index, places[instrument].is_some());
            }
            batch.places.push(place);
        }
        Ok(batch)
    }

    #[cold]
    fn reject(&mut self, index: usize, instrument_is_known: bool) {
        let tick = &self.ticks[index];
        let reason = if instrument_is_known {
            format!("data source {} is unknown; add it first", tick.source_id())
        } else {
            let id = tick.instrument_id();
            format!("instrument {id} is unknown or deleted; add it first")
        };
        self.rejected.push(RowRejection { index, reason });
    }

    #[cold]
    fn refuse_future(&mut self, too_new: &[usize], limit: &FutureLimit) {
        for index in too_new {
            let reason = limit.reason(self.ticks[*index].timestamp());
            let index = *index;
            self.rejected.push(RowRejection { index, reason });
        }
        // Rows that name nothing known were rejected first; the report has all in the order of the
        // batch.
        self.rejected.sort_by_key(|row| row.index);
    }

    /// Stores the rows, which are in key order. Of several with one key the first is stored; the
    /// others are judged by it.
    fn store(&mut self, rows: &[KeyedTick<'_>], store: &mut dyn TickStore) -> Result<()> {
        let repeats = |pair: &[KeyedTick<'_>]| pair[0].key == pair[1].key;
        if !rows.windows(2).any(repeats) {
            return self.store_distinct(rows, store);
        }
        let mut distinct = rows.to_vec();
        // A statement of many rows cannot say which of two rows with one key it has stored.
        distinct.dedup_by_key(|row| row.key);
        self.store_distinct(&distinct, store)?;
        let mut first = &rows[0];
        for row in &rows[1..] {
            if row.key != first.key {
                first = row;
                continue;
            }
            let fate = match self.outcomes[first.index] {
                // The first row lost against a stored tick; this one may still equal it.
                RowOutcome::Conflict => {
                    self.store_distinct(&[*row], store)?;
                    continue;
                }
                RowOutcome::Deleted => InsertOutcome::Deleted,
                _ if first.tick.values() == row.tick.values() => InsertOutcome::Same,
                _ => InsertOutcome::Other,
            };
            self.outcomes[row.index] = outcome(row, fate);
        }
        Ok(())
    }

    fn store_distinct(&mut self, rows: &[KeyedTick<'_>], store: &mut dyn TickStore) -> Result<()> {
        #[cfg(feature = "archive")]
        if let Some(hot) = self.settle_archived(rows, store)? {
            return self.store_hot(&hot, store);
        }
        self.store_hot(rows, store)
    }

    fn store_hot(&mut self, rows: &[KeyedTick<'_>], store: &mut dyn TickStore) -> Result<()> {
        for (row, fate) in rows.iter().zip(store.store(rows)?) {
            self.outcomes[row.index] = outcome(row, fate);
        }
        Ok(())
    }

    /// Judges the rows whose keys the archive has, and returns the others; `None` when no row is from a
    /// time that is archived, as is usual.
    #[cfg(feature = "archive")]
    fn settle_archived<'r>(
        &mut self,
        rows: &[KeyedTick<'r>],
        store: &mut dyn TickStore,
    ) -> Result<Option<Vec<KeyedTick<'r>>>> {
        let archived = |followed: &Followed| followed.known.archived_to.is_some();
        if !self.instruments.iter().any(archived) {
            return Ok(None);
        }
        let is_old = |batch: &Self, row: &KeyedTick<'_>| {
            let known = batch.followed(row).map(|followed| followed.known);
            known.is_some_and(|known| known.is_archived(row.key.timestamp))
        };
        // The first row of an instrument is its oldest: one comparison each.
        let of_instruments = || rows.chunk_by(|a, b| a.key.instrument_id == b.key.instrument_id);
        if !of_instruments().any(|rows| is_old(self, &rows[0])) {
            return Ok(None);
        }
        let mut hot = Vec::with_capacity(rows.len());
        for rows in of_instruments() {
            let old = rows.partition_point(|row| is_old(self, row));
            let (old, new) = rows.split_at(old);
            for (row, fate) in old.iter().zip(store.archived_fates(old)?) {
                match fate {
                    Some(fate) => self.outcomes[row.index] = outcome(row, fate),
                    None => hot.push(*row),
                }
            }
            hot.extend_from_slice(new);
        }
        Ok(Some(hot))
    }

    /// Walks the stored ticks in the order of their keys, in which those who watch them take them:
    /// which are late, what is last. An unordered batch has no late ticks of its own making.
    fn follow_last_ticks(&mut self, rows: &[KeyedTick<'_>]) {
        for row in rows {
            let (RowOutcome::Inserted { .. }, Some(place)) =
                (self.outcomes[row.index], self.places[row.index])
            else {
                continue;
            };
            let (tick, followed) = (row.tick, &mut self.instruments[place as usize]);
            // A late tick is one more, too.
            followed.changed = true;
            let last = &mut followed.known;
            if last.last_tick.is_some_and(|at| tick.timestamp() < at) {
                self.late += 1;
                continue;
            }
            last.last_tick = Some(tick.timestamp());
            last.last_price = tick.price().or(last.last_price);
        }
    }

    /// Marks the built bars that late ticks change. The usual batch has none: its instruments tell
    /// that by their first rows.
    fn mark_built(&self, conn: &mut BackendConnection<'_>, rows: &[KeyedTick<'_>]) -> Result<()> {
        let built = |row: &KeyedTick<'_>| self.followed(row)?.known.bars_to;
        let mut marks = None;
        for rows in rows.chunk_by(|a, b| a.key.instrument_id == b.key.instrument_id) {
            let Some(bars_to) = built(&rows[0]) else {
                continue;
            };
            let is_old = |row: &&KeyedTick<'_>| row.key.timestamp < bars_to;
            let is_stored = |row: &&KeyedTick<'_>| {
                matches!(self.outcomes[row.index], RowOutcome::Inserted { .. })
            };
            // Rows are in key order: the first one that is not old ends the search.
            let old = rows.iter().take_while(is_old).filter(is_stored);
            for row in old {
                let prices = TickPrices {
                    last: row.tick.price().is_some(),
                    bid: row.tick.bid().is_some(),
                    ask: row.tick.ask().is_some(),
                };
                if !prices.is_any() {
                    continue;
                }
                let marks = match &mut marks {
                    Some(marks) => marks,
                    None => marks.insert(Marks::of(conn, &self.ids())?),
                };
                marks.touch(row.key.instrument_id, row.key.timestamp, prices);
            }
        }
        marks.map_or(Ok(()), |marks| marks.store(conn))
    }

    fn followed(&self, row: &KeyedTick<'_>) -> Option<&Followed> {
        Some(&self.instruments[self.places[row.index]? as usize])
    }

    fn ids(&self) -> Vec<i64> {
        let known = self.instruments.iter().map(|followed| followed.known.id);
        known.collect()
    }

    fn changed(&self) -> Vec<KnownInstrument> {
        let changed = self.instruments.iter().filter(|followed| followed.changed);
        changed.map(|followed| followed.known).collect()
    }

    fn changed_ids(&self) -> Vec<i64> {
        let changed = self.instruments.iter().filter(|followed| followed.changed);
        changed.map(|followed| followed.known.id).collect()
    }

    fn report(self, outcomes: bool) -> InsertReport {
        let mut report = InsertReport {
            received: self.ticks.len(),
            late: self.late,
            rejected: self.rejected,
            ..InsertReport::default()
        };
        for outcome in &self.outcomes {
            match outcome {
                RowOutcome::Inserted { .. } => report.inserted += 1,
                RowOutcome::Duplicate => report.duplicates += 1,
                RowOutcome::Conflict => report.conflicts += 1,
                RowOutcome::Deleted => report.deleted += 1,
                RowOutcome::Rejected => {}
            }
        }
        report.outcomes = outcomes.then_some(self.outcomes);
        report
    }
}

impl Followed {
    fn new(known: KnownInstrument) -> Self {
        Self {
            known,
            changed: false,
        }
    }
}

fn outcome(row: &KeyedTick<'_>, fate: InsertOutcome) -> RowOutcome {
    match fate {
        InsertOutcome::Inserted => RowOutcome::Inserted {
            sequence: row.key.sequence,
        },
        InsertOutcome::Same => RowOutcome::Duplicate,
        InsertOutcome::Other => RowOutcome::Conflict,
        InsertOutcome::Deleted => RowOutcome::Deleted,
    }
}

fn with_store<T>(
    conn: &mut BackendConnection<'_>,
    work: impl FnOnce(&mut dyn TickStore) -> Result<T>,
) -> Result<T> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(conn) => work(&mut super::insert_sqlite::SqliteStore(conn)),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(conn) => work(&mut super::insert_postgres::PostgresStore(conn)),
    }
}

fn known_sources(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<Vec<i64>> {
    // The usual batch has one source, and a statement of one bind stays prepared on SQLite.
    if let [id] = ids {
        let query = data_sources::table.find(*id).select(data_sources::id);
        return Ok(crate::on_backend!(conn, |c| query.load(c))?);
    }
    let mut known = Vec::with_capacity(ids.len());
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = data_sources::table
            .filter(data_sources::id.eq_any(ids))
            .select(data_sources::id);
        let rows: Vec<i64> = crate::on_backend!(conn, |c| query.load(c))?;
        known.extend(rows);
    }
    Ok(known)
}
