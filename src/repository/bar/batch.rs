//! Insertion and replacement of bars: what a duplicate, a conflict or a change is, the same on
//! both backends. It runs inside the transaction of the write door.
//!
//! The instruments are locked first, so that between the look at what is stored and the write no
//! other writer comes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::RunQueryDsl;

use super::keys::BarKey;
use super::read::of_keys;
use super::store::WriteBars;
use crate::database::{BackendConnection, InsertCounts, Invalidation};
use crate::error::Result;
use crate::models::NewMarketDataBar;
use crate::repository::bar_series::{BuiltSources, Marks};
use crate::repository::data_change::{self, ChangedSpan};
use crate::repository::market_data::RowRejection;
use crate::repository::{data_source, instrument, or_conflict};
use crate::timestamp::Timestamp;

/// The report of a batch of bars:
/// `received = inserted + duplicates + conflicts.len() + rejected.len()`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BarInsertReport {
    /// Bars in the batch.
    pub received: usize,
    /// Bars stored.
    pub inserted: usize,
    /// Bars whose period holds the same values already.
    pub duplicates: usize,
    /// Bars whose period holds other values, which stay, by their indexes in the batch.
    pub conflicts: Vec<usize>,
    /// Bars that break a rule.
    pub rejected: Vec<RowRejection>,
}

/// The report of a batch of bars that may replace others:
/// `received = inserted + updated + unchanged + rejected.len()`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpsertReport {
    /// Bars in the batch.
    pub received: usize,
    /// Bars of periods that had none.
    pub inserted: usize,
    /// Bars that replaced other values.
    pub updated: usize,
    /// Bars whose period held the same values already.
    pub unchanged: usize,
    /// Bars that break a rule.
    pub rejected: Vec<RowRejection>,
}

/// Stores any number of bars. What is stored stays: a bar of a period that has one is a duplicate if
/// its values are the same, else a conflict; both are counted and not stored. A bar that breaks a
/// rule, or whose instrument or source is unknown, is returned with its index and the reason.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query); the caller's transaction must be undone then.
pub fn insert_batch(
    conn: &mut BackendConnection<'_>,
    bars: &[NewMarketDataBar],
    now: Timestamp,
) -> Result<BarInsertReport> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut batch = BarBatch::new(conn, bars)?;
    let mut report = BarInsertReport {
        received: bars.len(),
        ..BarInsertReport::default()
    };
    for (index, bar) in std::mem::take(&mut batch.accepted) {
        match batch.held(bar) {
            StoredPeriod::Nothing => {
                batch.put(bar);
                report.inserted += 1;
            }
            StoredPeriod::Same => report.duplicates += 1,
            StoredPeriod::Other => report.conflicts.push(index),
        }
    }
    batch.write(conn, false, now)?;
    report.rejected = batch.rejected;
    conn.record_rows(report.inserted);
    conn.record_bars(&InsertCounts {
        received: report.received as u64,
        inserted: report.inserted as u64,
        duplicates: report.duplicates as u64,
        conflicts: report.conflicts.len() as u64,
        rejected: report.rejected.len() as u64,
        ..InsertCounts::default()
    });
    Ok(report)
}

/// Stores any number of bars. A bar of a period that has one replaces its values; of several bars of
/// one period in the batch the last one stays. Rejections are those of [`insert_batch`].
///
/// # Errors
/// [`Error::Query`](crate::Error::Query); the caller's transaction must be undone then.
pub fn upsert_batch(
    conn: &mut BackendConnection<'_>,
    bars: &[NewMarketDataBar],
    now: Timestamp,
) -> Result<UpsertReport> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut batch = BarBatch::new(conn, bars)?;
    let mut report = UpsertReport {
        received: bars.len(),
        ..UpsertReport::default()
    };
    for (_, bar) in std::mem::take(&mut batch.accepted) {
        match batch.held(bar) {
            StoredPeriod::Nothing => report.inserted += 1,
            StoredPeriod::Same => {
                report.unchanged += 1;
                continue;
            }
            StoredPeriod::Other => report.updated += 1,
        }
        batch.put(bar);
    }
    batch.write(conn, true, now)?;
    report.rejected = batch.rejected;
    conn.record_rows(report.inserted + report.updated);
    conn.record_bars(&InsertCounts {
        received: report.received as u64,
        inserted: report.inserted as u64,
        updated: report.updated as u64,
        duplicates: report.unchanged as u64,
        rejected: report.rejected.len() as u64,
        ..InsertCounts::default()
    });
    Ok(report)
}

/// A stored period, compared with a bar that comes.
enum StoredPeriod {
    Nothing,
    Same,
    Other,
}

/// The batch on its way.
struct BarBatch<'a> {
    /// The bars that break no rule, in the order of the batch, with their indexes.
    accepted: Vec<(usize, &'a NewMarketDataBar)>,
    rejected: Vec<RowRejection>,
    /// The bar of each period: stored values, then those of the batch.
    periods: HashMap<BarKey, Cow<'a, NewMarketDataBar>>,
    /// The bars to write, in key order: two writers cannot wait for each other in a circle.
    writes: BTreeMap<BarKey, &'a NewMarketDataBar>,
    built: BuiltSources,
}

impl<'a> BarBatch<'a> {
    /// Rejects what breaks a rule and loads what the periods of the others hold.
    fn new(conn: &mut BackendConnection<'_>, bars: &'a [NewMarketDataBar]) -> Result<Self> {
        let instruments: BTreeSet<i64> = bars.iter().map(|bar| bar.instrument_id).collect();
        let sources: BTreeSet<i64> = bars.iter().map(|bar| bar.data_source_id).collect();
        // Locked before the stored bars are read: what is compared cannot change until the commit.
        let instruments = instrument::lock_active(conn, &instruments)?;
        let sources = data_source::known_ids(conn, &sources)?;
        let built = BuiltSources::load(conn)?;
        let (mut accepted, mut rejected) = (Vec::with_capacity(bars.len()), Vec::new());
        for (index, bar) in bars.iter().enumerate() {
            match objection(bar, &instruments, &sources, &built) {
                Some(reason) => rejected.push(RowRejection { index, reason }),
                None => accepted.push((index, bar)),
            }
        }
        // In key order, and each once: a period that a batch names twice is read once.
        let keys: BTreeSet<BarKey> = accepted.iter().map(|(_, bar)| bar.key()).collect();
        let keys: Vec<BarKey> = keys.into_iter().collect();
        let stored = of_keys(conn, &keys)?;
        let periods = stored
            .into_iter()
            .map(|bar| (bar.key(), Cow::Owned(bar.into())))
            .collect();
        Ok(Self {
            accepted,
            rejected,
            periods,
            writes: BTreeMap::new(),
            built,
        })
    }

    fn held(&self, bar: &NewMarketDataBar) -> StoredPeriod {
        match self.periods.get(&bar.key()) {
            None => StoredPeriod::Nothing,
            Some(held) if **held == *bar => StoredPeriod::Same,
            Some(_) => StoredPeriod::Other,
        }
    }

    fn put(&mut self, bar: &'a NewMarketDataBar) {
        self.periods.insert(bar.key(), Cow::Borrowed(bar));
        self.writes.insert(bar.key(), bar);
    }

    fn write(&self, conn: &mut BackendConnection<'_>, replace: bool, now: Timestamp) -> Result<()> {
        let bars: Vec<&NewMarketDataBar> = self.writes.values().copied().collect();
        write(conn, &bars, replace, now)?;
        let mut spans: BTreeMap<i64, ChangedSpan> = BTreeMap::new();
        for key in self.writes.keys() {
            let bar = ChangedSpan {
                from: Some(key.timestamp),
                to: Some(key.timestamp),
                rows: Some(1),
            };
            let span = spans.entry(key.instrument_id);
            span.and_modify(|span| *span = span.union(bar))
                .or_insert(bar);
        }
        data_change::bars_changed(conn, &spans)?;
        // In the same transaction: a longer built bar must not outlive the part that it was made
        // of.
        Marks::store_of_bars(conn, self.writes.keys(), &self.built)
    }
}

/// Stores bars, each of a period of its own, in the place of those that are there. Their values
/// have been checked, and their instrument is locked.
pub(crate) fn replace(
    conn: &mut BackendConnection<'_>,
    bars: &[NewMarketDataBar],
    now: Timestamp,
) -> Result<()> {
    let bars: Vec<&NewMarketDataBar> = bars.iter().collect();
    write(conn, &bars, true, now)
}

/// On SQLite a one-row statement in the cache, in a loop, beats many rows in one; on PostgreSQL
/// each statement is a round trip.
fn write(
    conn: &mut BackendConnection<'_>,
    bars: &[&NewMarketDataBar],
    replace: bool,
    now: Timestamp,
) -> Result<()> {
    let mut ids: Vec<i64> = bars.iter().map(|bar| bar.instrument_id).collect();
    ids.dedup(); // They come by key.
    let _said = conn.invalidates(Invalidation::Bars(&ids));
    let per_statement = match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => 1,
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(_) => super::store::BARS_PER_STATEMENT_MAX,
    };
    for bars in bars.chunks(per_statement) {
        let write = WriteBars { bars, replace, now };
        let written = crate::on_backend!(&mut *conn, |c| write.execute(c));
        written.map_err(|error| or_conflict(error, "bars"))?;
    }
    Ok(())
}

/// Why a bar is not stored, if it is not.
fn objection(
    bar: &NewMarketDataBar,
    instruments: &BTreeSet<i64>,
    sources: &BTreeSet<i64>,
    built: &BuiltSources,
) -> Option<String> {
    if !instruments.contains(&bar.instrument_id) {
        let id = bar.instrument_id;
        return Some(format!(
            "instrument {id} is unknown or deleted; add it first"
        ));
    }
    if !sources.contains(&bar.data_source_id) {
        let id = bar.data_source_id;
        return Some(format!("data source {id} is unknown; add it first"));
    }
    if built.contains(bar.data_source_id) {
        let id = bar.data_source_id;
        return Some(format!(
            "data source {id} holds the bars that are built from ticks; name another one"
        ));
    }
    bar.check().err().map(|error| error.to_string())
}
