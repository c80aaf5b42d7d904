//! Insertion of ticks by the rules of identity, the same on both backends.
//!
//! Each backend says how rows are stored in bulk ([`TickStore`]); what a duplicate, a conflict
//! or a late tick is, stands here once. It runs inside the transaction of the write door.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::keys::TickKey;
use crate::database::{BackendConnection, BatchSize, WhenFull};
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::models::MarketData;
use crate::repository::{KEYS_PER_STATEMENT_MAX, ingest_batch};
use crate::soft_delete::SoftDeletable;
use crate::tables::{data_sources, instruments};
use crate::timestamp::Timestamp;

/// What the caller of an insertion wants beside the counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsertOptions {
    /// Whether the report says of each row what became of it.
    pub outcomes: bool,
    /// Makes resending safe: within 24 hours the same key stores nothing and returns the first
    /// report (without outcomes).
    pub idempotency_key: Option<String>,
    /// What to do when too many rows wait for the writer.
    pub when_full: WhenFull,
}

impl InsertOptions {
    pub(super) fn size_of(&self, ticks: &[Tick]) -> BatchSize {
        BatchSize {
            rows: ticks.len(),
            when_full: self.when_full,
        }
    }
}

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowOutcome {
    /// Stored, under this sequence.
    Inserted {
        /// The number within (instrument, timestamp, source).
        sequence: i64,
    },
    /// The same values are stored under its key, deleted or not.
    Duplicate,
    /// Other values are stored under its key; they stay.
    Conflict,
    /// It breaks a rule; the report has the reason.
    Rejected,
}

/// A row that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRejection {
    /// The row's index in the batch, from 0.
    pub index: usize,
    /// The rule, and what to do.
    pub reason: String,
}

/// What became of a batch: `received = inserted + duplicates + conflicts + rejected.len()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InsertReport {
    /// Rows in the batch.
    pub received: usize,
    /// Rows stored.
    pub inserted: usize,
    /// Rows whose key holds the same values already.
    pub duplicates: usize,
    /// Rows whose key holds other values.
    pub conflicts: usize,
    /// Stored rows that are older than the newest tick of their instrument.
    pub late: usize,
    /// Rows that break a rule.
    pub rejected: Vec<RowRejection>,
    /// What became of each row, if it was asked for.
    #[serde(skip)]
    pub outcomes: Option<Vec<RowOutcome>>,
}

/// (instrument, timestamp, source): where sequences are counted.
pub(super) type Stamp = (i64, Timestamp, i64);

/// A tick with its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) key: TickKey,
    pub(super) tick: &'a Tick,
}

/// How a backend stores rows in bulk.
pub(super) trait TickStore {
    /// Locks the instruments against other writers of this process and others, where a backend
    /// has such.
    fn lock_instruments(&mut self, ids: &[i64]) -> Result<()>;
    /// Stores the rows whose key is free; says of each whether it was.
    fn insert(&mut self, rows: &[Row<'_>]) -> Result<Vec<bool>>;
    /// What is stored under the keys, deleted rows included.
    fn stored(&mut self, keys: &[TickKey]) -> Result<HashMap<TickKey, MarketData>>;
    /// The first free sequence of each stamp that has ticks.
    fn next_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>>;
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
    if let Some(key) = &options.idempotency_key
        && let Some(first) = ingest_batch::find(conn, key, now)?
    {
        return Ok(first);
    }
    let mut batch = Batch::new(conn, ticks)?;
    let rows = batch.rows_with_sequences(conn)?;
    batch.store(conn, &rows)?;
    batch.update_instruments(conn)?;
    let report = batch.report(options.outcomes);
    if let Some(key) = &options.idempotency_key {
        ingest_batch::remember(conn, key, &report, now)?;
    }
    Ok(report)
}

/// The batch on its way.
struct Batch<'a> {
    ticks: &'a [Tick],
    outcomes: Vec<RowOutcome>,
    rejected: Vec<RowRejection>,
    instruments: BTreeMap<i64, LastTick>,
    late: usize,
}

/// What an instrument shows as its last tick.
#[derive(Debug, Clone, Copy, Default)]
struct LastTick {
    at: Option<Timestamp>,
    price: Option<f64>,
    changed: bool,
}

impl<'a> Batch<'a> {
    /// Loads the instruments and sources that the ticks name, and rejects what names none.
    fn new(conn: &mut BackendConnection<'_>, ticks: &'a [Tick]) -> Result<Self> {
        let instrument_ids: BTreeSet<i64> = ticks.iter().map(Tick::instrument_id).collect();
        let source_ids: BTreeSet<i64> = ticks.iter().map(Tick::source_id).collect();
        let instruments = known_instruments(conn, &instrument_ids)?;
        let sources = known_sources(conn, &source_ids)?;
        let mut batch = Self {
            ticks,
            outcomes: Vec::new(),
            rejected: Vec::new(),
            instruments,
            late: 0,
        };
        batch.outcomes = ticks
            .iter()
            .enumerate()
            .map(|(index, tick)| {
                let reason = if !batch.instruments.contains_key(&tick.instrument_id()) {
                    format!(
                        "instrument {} is unknown or deleted; add it first",
                        tick.instrument_id()
                    )
                } else if !sources.contains(&tick.source_id()) {
                    format!("data source {} is unknown; add it first", tick.source_id())
                } else {
                    return RowOutcome::Inserted {
                        sequence: tick.sequence().unwrap_or_default(),
                    };
                };
                batch.rejected.push(RowRejection { index, reason });
                RowOutcome::Rejected
            })
            .collect();
        Ok(batch)
    }

    /// The accepted rows, those with a sequence of their own first: the numbers that the writer
    /// gives out must not meet them. Each comes with its index in the batch.
    fn rows_with_sequences(
        &self,
        conn: &mut BackendConnection<'_>,
    ) -> Result<Vec<(usize, Row<'a>)>> {
        let accepted = || {
            let outcomes = self.outcomes.iter();
            let rows = self.ticks.iter().zip(outcomes).enumerate();
            rows.filter(|(_, (_, outcome))| **outcome != RowOutcome::Rejected)
                .map(|(index, (tick, _))| (index, tick))
        };
        let mut rows = Vec::with_capacity(self.ticks.len());
        let mut next: HashMap<Stamp, i64> = HashMap::new();
        for (index, tick) in accepted() {
            if let Some(sequence) = tick.sequence() {
                let free = next.entry(stamp(tick)).or_default();
                *free = (*free).max(sequence.saturating_add(1));
                rows.push((
                    index,
                    Row {
                        key: key(tick, sequence),
                        tick,
                    },
                ));
            }
        }
        let unnumbered: BTreeSet<Stamp> = accepted()
            .filter(|(_, tick)| tick.sequence().is_none())
            .map(|(_, t)| stamp(t))
            .collect();
        if unnumbered.is_empty() {
            return Ok(rows);
        }
        let stamps: Vec<Stamp> = unnumbered.into_iter().collect();
        for (stamp, stored) in with_store(conn, |store| store.next_sequences(&stamps))? {
            let free = next.entry(stamp).or_default();
            *free = (*free).max(stored);
        }
        for (index, tick) in accepted().filter(|(_, tick)| tick.sequence().is_none()) {
            let free = next.entry(stamp(tick)).or_default();
            rows.push((
                index,
                Row {
                    key: key(tick, *free),
                    tick,
                },
            ));
            *free += 1;
        }
        Ok(rows)
    }

    /// Stores the rows and judges those whose key was taken.
    fn store(&mut self, conn: &mut BackendConnection<'_>, rows: &[(usize, Row<'_>)]) -> Result<()> {
        let plain: Vec<Row<'_>> = rows.iter().map(|(_, row)| *row).collect();
        let inserted = with_store(conn, |store| store.insert(&plain))?;
        let taken: Vec<TickKey> = plain
            .iter()
            .zip(&inserted)
            .filter(|(_, inserted)| !**inserted)
            .map(|(row, _)| row.key)
            .collect();
        let stored = if taken.is_empty() {
            HashMap::new()
        } else {
            with_store(conn, |store| store.stored(&taken))?
        };
        for ((index, row), inserted) in rows.iter().zip(inserted) {
            self.outcomes[*index] = match (inserted, stored.get(&row.key)) {
                (true, _) => RowOutcome::Inserted {
                    sequence: row.key.sequence,
                },
                (false, Some(stored)) if same_values(stored, row.tick) => RowOutcome::Duplicate,
                (false, _) => RowOutcome::Conflict,
            };
        }
        self.follow_last_ticks();
        Ok(())
    }

    /// Walks the stored ticks in the order of the batch: which are late, what is last.
    fn follow_last_ticks(&mut self) {
        for (tick, outcome) in self.ticks.iter().zip(&self.outcomes) {
            let RowOutcome::Inserted { .. } = outcome else {
                continue;
            };
            let Some(last) = self.instruments.get_mut(&tick.instrument_id()) else {
                continue;
            };
            if last.at.is_some_and(|at| tick.timestamp() < at) {
                self.late += 1;
                continue;
            }
            last.at = Some(tick.timestamp());
            last.price = tick.price().or(last.price);
            last.changed = true;
        }
    }

    fn update_instruments(&self, conn: &mut BackendConnection<'_>) -> Result<()> {
        for (id, last) in self.instruments.iter().filter(|(_, last)| last.changed) {
            let row = instruments::table.active().filter(instruments::id.eq(id));
            let update = diesel::update(row).set((
                instruments::last_tick.eq(last.at),
                instruments::last_price.eq(last.price),
            ));
            crate::on_backend!(conn, |c| update.execute(c))?;
        }
        Ok(())
    }

    fn report(self, outcomes: bool) -> InsertReport {
        let count = |wanted: fn(&RowOutcome) -> bool| {
            self.outcomes
                .iter()
                .filter(|outcome| wanted(outcome))
                .count()
        };
        InsertReport {
            received: self.ticks.len(),
            inserted: count(|outcome| matches!(outcome, RowOutcome::Inserted { .. })),
            duplicates: count(|outcome| *outcome == RowOutcome::Duplicate),
            conflicts: count(|outcome| *outcome == RowOutcome::Conflict),
            late: self.late,
            rejected: self.rejected,
            outcomes: outcomes.then_some(self.outcomes),
        }
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

fn stamp(tick: &Tick) -> Stamp {
    (tick.instrument_id(), tick.timestamp(), tick.source_id())
}

fn key(tick: &Tick, sequence: i64) -> TickKey {
    TickKey {
        instrument_id: tick.instrument_id(),
        timestamp: tick.timestamp(),
        source_id: tick.source_id(),
        sequence,
    }
}

fn same_values(stored: &MarketData, tick: &Tick) -> bool {
    stored.values() == tick.values()
}

/// The active ones among the instruments, with their last ticks, locked for this transaction.
fn known_instruments(
    conn: &mut BackendConnection<'_>,
    ids: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, LastTick>> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    with_store(conn, |store| store.lock_instruments(&ids))?;
    let mut known = BTreeMap::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = instruments::table
            .active()
            .filter(instruments::id.eq_any(ids))
            .select((
                instruments::id,
                instruments::last_tick,
                instruments::last_price,
            ));
        let rows: Vec<(i64, Option<Timestamp>, Option<f64>)> =
            crate::on_backend!(conn, |c| query.load(c))?;
        known.extend(rows.into_iter().map(|(id, at, price)| {
            (
                id,
                LastTick {
                    at,
                    price,
                    changed: false,
                },
            )
        }));
    }
    Ok(known)
}

fn known_sources(conn: &mut BackendConnection<'_>, ids: &BTreeSet<i64>) -> Result<BTreeSet<i64>> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    let mut known = BTreeSet::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = data_sources::table
            .filter(data_sources::id.eq_any(ids))
            .select(data_sources::id);
        let rows: Vec<i64> = crate::on_backend!(conn, |c| query.load(c))?;
        known.extend(rows);
    }
    Ok(known)
}
