//! Soft delete and restore of bars, by ids and by range. Exact counts; the first `deleted_at`
//! stays.
//!
//! The instruments are locked first, as by those who build bars: one that is built and goes at the
//! same time would else take the mark along that tells of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::dsl;
use diesel::prelude::*;

use super::keys::{BarKey, BarRange};
use super::read::{between_query, of_keys, of_source};
use super::store::BAR_KEYS_PER_STATEMENT_MAX;
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DeletedKind, Frequency};
use crate::error::{Error, Result};
use crate::models::MarketDataBar;
use crate::repository::bar_series::{self, BuiltSources, Marks, SeriesKey};
use crate::repository::data_change::{self, ChangedSpan};
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::pass::each_row;
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, data_source, instrument, or_conflict};
use crate::soft_delete::{Active, Deleted, SoftDeletable};
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

#[dsl::auto_type(no_type_alias)]
pub(super) fn active_query<'a>(ids: &'a [i64]) -> _ {
    let active: Active<market_data_bars::table> = market_data_bars::table.active();
    active.filter(market_data_bars::id.eq_any(ids))
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn deleted_query<'a>(ids: &'a [i64]) -> _ {
    let deleted: Deleted<market_data_bars::table> = market_data_bars::table.deleted();
    deleted.filter(market_data_bars::id.eq_any(ids))
}

/// The keys of some bars, in the order of time: those that go, or those that return. What was built
/// of them is marked, so it must look before they do.
macro_rules! touch_bars {
    ($conn:expr, $marks:expr, $bars:expr) => {{
        let built = BuiltSources::load($conn)?;
        let keys = $bars
            .order((
                market_data_bars::timestamp.asc(),
                market_data_bars::data_source_id.asc(),
            ))
            .select((
                market_data_bars::instrument_id,
                market_data_bars::frequency,
                market_data_bars::timestamp,
                market_data_bars::data_source_id,
            ));
        each_row!(&mut *$conn, keys, KeyRow, |row: KeyRow| {
            $marks.touch_bar(&key_of(row), &built);
            Ok(())
        })?;
    }};
}

/// The columns of a key.
type KeyRow = (i64, Frequency, Timestamp, i64);

fn key_of((instrument_id, frequency, timestamp, data_source_id): KeyRow) -> BarKey {
    BarKey {
        instrument_id,
        frequency,
        timestamp,
        data_source_id,
    }
}

/// Locks the instruments of some bars, and says which they are.
fn lock_instruments(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<Vec<i64>> {
    let mut instruments = BTreeSet::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = market_data_bars::table
            .with_deleted("they are restored, too")
            .filter(market_data_bars::id.eq_any(ids))
            .select(market_data_bars::instrument_id)
            .distinct();
        let some: Vec<i64> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
        instruments.extend(some);
    }
    let instruments: Vec<i64> = instruments.into_iter().collect();
    instrument::lock(conn, &instruments)?;
    Ok(instruments)
}

/// Moves the bars with these ids to the trash; returns how many were active.
///
/// # Errors
/// [`Error::Query`].
pub fn soft_delete(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let instruments = lock_instruments(conn, ids)?;
    drop(conn.invalidates(Invalidation::Bars(&instruments)));
    let mut marks = Marks::of(conn, &instruments)?;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        touch_bars!(conn, marks, active_query(ids));
    }
    marks.store(conn)?;
    let changed = remove(conn, ids, batch).recorded(conn)?;
    say_changed(conn, &instruments, changed, ChangedSpan::default())?;
    Ok(changed)
}

/// Says that this many bars of the instruments are others; of several it is not known how many are
/// whose.
fn say_changed(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
    changed: usize,
    span: ChangedSpan,
) -> Result<()> {
    if changed == 0 {
        return Ok(());
    }
    let rows = (instrument_ids.len() == 1).then_some(changed as u64);
    let spans = instrument_ids
        .iter()
        .map(|id| (*id, ChangedSpan { rows, ..span }));
    data_change::bars_changed(conn, &spans.collect())
}

/// [`soft_delete`] by those who build bars: what is built without them stays built.
pub(crate) fn remove(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let update = diesel::update(active_query(ids))
            .set(market_data_bars::deleted_at.eq(batch.deleted_at()));
        changed += crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    }
    batch.add(DeletedKind::Bar, changed);
    Ok(changed)
}

/// Moves the active bars of a range to the trash; returns how many there were.
///
/// # Errors
/// [`Error::Invalid`] for a start after the end; [`Error::Query`].
pub fn soft_delete_range(
    conn: &mut BackendConnection<'_>,
    of: &BarRange,
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let (first, last) = of.bounds()?;
    let _said = conn.invalidates(Invalidation::Bars(&[of.instrument_id]));
    instrument::lock(conn, &[of.instrument_id])?;
    let mut marks = Marks::of(conn, &[of.instrument_id])?;
    touch_bars!(conn, marks, between_query(*of, first, last));
    marks.store(conn)?;
    let rows = between_query(*of, first, last);
    let update = diesel::update(rows).set(market_data_bars::deleted_at.eq(batch.deleted_at()));
    let changed = crate::on_backend!(&mut *conn, |c| update.execute(c)).recorded(conn)?;
    batch.add(DeletedKind::Bar, changed);
    let span = ChangedSpan {
        from: of.start,
        to: of.end.map(|_| last),
        rows: None,
    };
    say_changed(conn, &[of.instrument_id], changed, span)?;
    Ok(changed)
}

/// Moves all bars of an instrument to the trash; returns how many were active.
pub(crate) fn soft_delete_all(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Bars(&[instrument_id]));
    instrument::lock(conn, &[instrument_id])?;
    let of = || {
        market_data_bars::table
            .active()
            .filter(market_data_bars::instrument_id.eq(instrument_id))
    };
    let mut marks = Marks::of(conn, &[instrument_id])?;
    touch_bars!(conn, marks, of());
    marks.store(conn)?;
    let update = diesel::update(of()).set(market_data_bars::deleted_at.eq(batch.deleted_at()));
    let changed = crate::on_backend!(&mut *conn, |c| update.execute(c)).recorded(conn)?;
    batch.add(DeletedKind::Bar, changed);
    say_changed(conn, &[instrument_id], changed, ChangedSpan::default())?;
    Ok(changed)
}

/// Takes the bars with these ids out of the trash; returns how many were in it.
///
/// # Errors
/// [`Error::Conflict`] naming the active bar that took a period meanwhile; [`Error::Query`]. The
/// caller's transaction must be undone then.
pub fn restore(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let instruments = lock_instruments(conn, ids)?;
    drop(conn.invalidates(Invalidation::Bars(&instruments)));
    begin_earlier(conn, ids)?;
    let mut marks = Marks::of(conn, &instruments)?;
    let mut changed = 0;
    for ids in ids.chunks(BAR_KEYS_PER_STATEMENT_MAX) {
        refuse_taken_periods(conn, ids)?;
        touch_bars!(conn, marks, deleted_query(ids));
        let update = diesel::update(deleted_query(ids))
            .set(market_data_bars::deleted_at.eq(None::<Timestamp>));
        let restored = crate::on_backend!(&mut *conn, |c| update.execute(c));
        changed += restored.map_err(|error| or_conflict(error, "bars to restore"))?;
    }
    marks.store(conn)?;
    say_changed(conn, &instruments, changed, ChangedSpan::default())?;
    Ok(changed).recorded(conn)
}

/// Has series of built bars begin earlier again, where retention had them begin later as it deleted these.
fn begin_earlier(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<()> {
    type Series = (i64, Frequency, i64);
    let mut firsts = BTreeMap::<Series, Timestamp>::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let series = (
            market_data_bars::instrument_id,
            market_data_bars::frequency,
            market_data_bars::data_source_id,
        );
        let query = deleted_query(ids)
            .group_by(series)
            .select((series, dsl::min(market_data_bars::timestamp)));
        let some: Vec<(Series, Option<Timestamp>)> =
            crate::on_backend!(&mut *conn, |c| query.load(c))?;
        for (series, first) in some {
            if let Some(first) = first {
                let least = firsts.entry(series).or_insert(first);
                *least = first.min(*least);
            }
        }
    }
    let built = BuiltSources::load(conn)?;
    for ((instrument_id, frequency, source_id), first) in firsts {
        if let Some(price) = built.price(source_id) {
            let key = SeriesKey {
                instrument_id,
                frequency,
                price,
            };
            bar_series::begin_before(conn, key, first)?;
        }
    }
    Ok(())
}

/// The report of a restoration: the trash had `restored + conflicts` bars of the range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreReport {
    /// Bars that were taken out of the trash.
    pub restored: usize,
    /// Bars that stay in it: an active bar has their period, or another deleted bar of it was
    /// restored.
    pub conflicts: usize,
}

/// Takes the deleted bars of a range out of the trash, as far as their periods are free. Of several
/// deleted bars of a period and source that one returns which was deleted last.
///
/// # Errors
/// [`Error::Invalid`] for a start after the end; [`Error::Query`].
pub fn restore_range(conn: &mut BackendConnection<'_>, of: &BarRange) -> Result<RestoreReport> {
    let (first, last) = of.bounds()?;
    let _said = conn.invalidates(Invalidation::Bars(&[of.instrument_id]));
    instrument::lock(conn, &[of.instrument_id])?;
    let query = deleted_between_query(*of, first, last)
        .order((
            market_data_bars::timestamp.asc(),
            market_data_bars::data_source_id.asc(),
            market_data_bars::deleted_at.desc(),
            market_data_bars::id.desc(),
        ))
        .select((
            market_data_bars::id,
            market_data_bars::timestamp,
            market_data_bars::data_source_id,
        ));
    let mut deleted: Vec<(i64, Timestamp, i64)> =
        crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let in_trash = deleted.len();
    deleted.dedup_by_key(|(_, timestamp, source)| (*timestamp, *source));
    let mut ids = Vec::with_capacity(deleted.len());
    for deleted in deleted.chunks(BAR_KEYS_PER_STATEMENT_MAX) {
        let key = |(_, timestamp, source): &(i64, Timestamp, i64)| {
            key_of((of.instrument_id, of.frequency, *timestamp, *source))
        };
        let keys: Vec<BarKey> = deleted.iter().map(key).collect();
        let active = of_keys(conn, &keys)?;
        let taken: BTreeSet<BarKey> = active.iter().map(MarketDataBar::key).collect();
        // A period that was taken meanwhile stays in the trash: it must not keep thousands of
        // others there.
        let free = deleted.iter().filter(|row| !taken.contains(&key(row)));
        ids.extend(free.map(|(id, ..)| *id));
    }
    let restored = restore(conn, &ids)?;
    Ok(RestoreReport {
        restored,
        conflicts: in_trash - restored,
    })
}

/// The ranges of bars that came in, one for each source: of the source that the range names, or of
/// all. Bars that are built from ticks are in none, as they would be built again.
///
/// # Errors
/// [`Error::Invalid`] when the range names the source of built bars; [`Error::Query`].
pub fn imported_ranges(conn: &mut BackendConnection<'_>, of: &BarRange) -> Result<Vec<BarRange>> {
    let built = BuiltSources::load(conn)?;
    match of.data_source_id {
        Some(id) if built.contains(id) => Err(Error::invalid(
            "source",
            "its bars are built from ticks and from other bars, and would be built again",
            "delete the ticks or bars that they are made of, or name another source",
        )),
        Some(_) => Ok(vec![*of]),
        None => {
            let sources = data_source::list(conn, false)?;
            let ids = sources.iter().map(|source| source.id);
            let imported = ids.filter(|id| !built.contains(*id));
            let range = |id| BarRange {
                data_source_id: Some(id),
                ..*of
            };
            Ok(imported.map(range).collect())
        }
    }
}

/// The deleted bars of a range between two moments, both included.
#[dsl::auto_type(no_type_alias)]
pub(super) fn deleted_between_query(of: BarRange, first: Timestamp, last: Timestamp) -> _ {
    let deleted: Deleted<market_data_bars::table> = market_data_bars::table.deleted();
    let (instrument_id, frequency): (i64, Frequency) = (of.instrument_id, of.frequency);
    let source: super::read::BarSourceFilter = of_source(of.data_source_id);
    deleted
        .filter(market_data_bars::instrument_id.eq(instrument_id))
        .filter(market_data_bars::frequency.eq(frequency))
        .filter(market_data_bars::timestamp.between(first, last))
        .filter(source)
}

fn refuse_taken_periods(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<()> {
    let query = deleted_query(ids)
        .select((
            market_data_bars::id,
            market_data_bars::instrument_id,
            market_data_bars::frequency,
            market_data_bars::timestamp,
            market_data_bars::data_source_id,
        ))
        .order(market_data_bars::id);
    let rows: Vec<(i64, i64, Frequency, Timestamp, i64)> =
        crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let mut by_key = HashMap::with_capacity(rows.len());
    for (id, instrument_id, frequency, timestamp, data_source_id) in rows {
        let key = key_of((instrument_id, frequency, timestamp, data_source_id));
        if let Some(other) = by_key.insert(key, id) {
            let obstacle = format!("deleted bar {other}, too; restore one of them by its id");
            return Err(taken(id, key, &obstacle));
        }
    }
    let keys: Vec<BarKey> = by_key.keys().copied().collect();
    let holder = of_keys(conn, &keys)?.into_iter().min_by_key(|bar| bar.id);
    match holder.map(|bar| (bar.id, bar.key())) {
        Some((holder, key)) => {
            let id = by_key.get(&key).copied().unwrap_or_default();
            let obstacle = format!("active bar {holder}; delete that one first or keep it");
            Err(taken(id, key, &obstacle))
        }
        None => Ok(()),
    }
}

fn taken(id: i64, key: BarKey, obstacle: &str) -> Error {
    Error::Conflict {
        what: format!("bar {id} cannot be restored"),
        existing: format!("its period ({key}) is that of {obstacle}"),
    }
}
