//! Brings archived ticks back among the hot rows, as they are: whoever marks them as deleted then finds
//! them, and a period that is restored has no file any more. A hot row that is equal to the tick of the
//! file changes nothing for readers.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Double, HasSqlType, Nullable};

use super::catalogue::{self, Claimed, SegmentPeriod};
use super::cold::{ColdChunk, ColdTicks, deleted_segments, segments};
use super::parts::PartBytes;
use super::run::{Archiver, ClaimedWork};
use crate::database::{BackendConnection, Database, Invalidation};
use crate::error::{Error, Result};
use crate::models::ArchiveSegment;
use crate::repository::SortOrder;
use crate::segment::{Segment, SegmentKey, SegmentTick, WantedColumns};
use crate::sql_types;
use crate::timestamp::Timestamp;

/// Rows of one statement: thirteen binds each.
const ROWS_PER_STATEMENT: usize = 1_000;
/// Rows of one transaction of a restoration: the writer is held for some 20 ms.
const ROWS_PER_TRANSACTION: usize = 5_000;

/// Those of these keys, which ascend; returns how many came back. The instrument is locked. Ticks of
/// files in the trash come back as active ones, if they are asked for.
pub(crate) fn bring_back_keys(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    keys: &[SegmentKey],
    files: FilesOf,
) -> Result<usize> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return Ok(0);
    };
    let mut brought_back = 0;
    for file in files.of(conn, instrument_id, (first.0, last.0))? {
        let from = keys.partition_point(|key| key.0 < file.starts_at);
        let to = keys.partition_point(|key| key.0 < file.ends_at);
        let of_file = keys.get(from..to).unwrap_or_default();
        let mut bytes = PartBytes::of(conn, &file);
        let segment = Segment::open(&mut bytes)?;
        let found = segment.find(&mut bytes, of_file)?;
        let ticks: Vec<SegmentTick> = found.into_iter().flatten().collect();
        brought_back += insert(conn, instrument_id, &ticks)?;
    }
    Ok(brought_back)
}

/// Those of a range of time, both moments included. As [`bring_back_keys`].
pub(crate) fn bring_back_range(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    bounds: (Timestamp, Timestamp),
    files: FilesOf,
) -> Result<usize> {
    let files = files.of(conn, instrument_id, bounds)?;
    let order = (SortOrder::Ascending, ColdChunk::Page);
    let mut cold = ColdTicks::new(files, bounds, order, WantedColumns::ALL);
    let mut brought_back = 0;
    while let Some(rows) = cold.next(conn)? {
        let ticks: Vec<SegmentTick> = (0..rows.len()).filter_map(|row| rows.tick(row)).collect();
        brought_back += insert(conn, instrument_id, &ticks)?;
    }
    Ok(brought_back)
}

/// Which files ticks are brought back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilesOf {
    /// Those that are read.
    Archive,
    /// Those in the trash.
    Trash,
}

impl FilesOf {
    fn of(
        self,
        conn: &mut BackendConnection<'_>,
        instrument_id: i64,
        bounds: (Timestamp, Timestamp),
    ) -> Result<Vec<ArchiveSegment>> {
        match self {
            Self::Archive => segments(conn, instrument_id, bounds),
            Self::Trash => deleted_segments(conn, instrument_id, bounds),
        }
    }
}

impl Archiver {
    /// Brings the ticks of an archived period back among the hot rows, and deletes its file; returns how
    /// many came back. Ticks that are deleted stay so.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another process works at it, or it is in the trash, or goes there
    /// meanwhile: what came back until then is deleted with it, and undone with it; those of
    /// [`Database::write`].
    pub fn restore_period(&self, db: &Database, segment: &ArchiveSegment) -> Result<usize> {
        let span = (segment.starts_at, segment.ends_at);
        let period = SegmentPeriod::new(segment.instrument_id, span);
        let work = self.work();
        let segment = match work.claim_period(db, period)? {
            Claimed::Ours(segment) => segment,
            Claimed::Others(segment) => return Err(not_free(&segment)),
        };
        let restored = work.restore_claimed(db, &segment);
        work.given_back(db, segment.id, restored)
    }
}

impl ClaimedWork {
    fn restore_claimed(&self, db: &Database, segment: &ArchiveSegment) -> Result<usize> {
        let (mut restored, mut after) = (0, None);
        loop {
            // Nobody replaces the file while it is ours: it is read on from page to page.
            let of = segment.clone();
            let ticks = db.read("archive.read_page", move |conn| {
                conn.snapshot(|conn| page_after(conn, &of, after))
            })?;
            let Some(last) = ticks.last() else {
                break;
            };
            after = Some(last.key());
            for ticks in ticks.chunks(ROWS_PER_TRANSACTION) {
                let (ticks, is_ours) = (ticks.to_vec(), self.holds(db, segment.id));
                let id = segment.instrument_id;
                restored += db.write("archive.restore_rows", move |conn| {
                    let _said = conn.invalidates(Invalidation::Nothing);
                    catalogue::lock(conn, id)?;
                    is_ours(conn)?;
                    insert(conn, id, &ticks)
                })?;
            }
        }
        self.forget(db, segment)?;
        Ok(restored)
    }
}

/// The ticks of the next page of a file that has ticks behind a key.
fn page_after(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    after: Option<SegmentKey>,
) -> Result<Vec<SegmentTick>> {
    if segment.version == 0 {
        return Ok(Vec::new());
    }
    let from = after.map_or(segment.starts_at, |(moment, ..)| moment);
    let bounds = (from, segment.ends_at.saturating_add_micros(-1));
    let files = vec![segment.clone()];
    let order = (SortOrder::Ascending, ColdChunk::Page);
    let mut cold = ColdTicks::new(files, bounds, order, WantedColumns::ALL);
    while let Some(rows) = cold.next(conn)? {
        let ticks = (0..rows.len()).filter_map(|row| rows.tick(row));
        let behind = |tick: &SegmentTick| after.is_none_or(|after| after < tick.key());
        let ticks: Vec<SegmentTick> = ticks.filter(behind).collect();
        if !ticks.is_empty() {
            return Ok(ticks);
        }
    }
    Ok(Vec::new())
}

fn not_free(segment: &ArchiveSegment) -> Error {
    let existing = match (&segment.owner, segment.claimed_until) {
        _ if segment.deleted_at.is_some() => "it is in the trash; undo its deletion".to_owned(),
        (Some(owner), Some(until)) => {
            format!("{owner} works at it; wait for it, or until {until}")
        }
        _ => "it changes just now; run it again".to_owned(),
    };
    Error::Conflict {
        what: format!(
            "restoring the period from {} of instrument {}",
            segment.starts_at, segment.instrument_id
        ),
        existing,
    }
}

fn insert(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    ticks: &[SegmentTick],
) -> Result<usize> {
    let mut inserted = 0;
    for ticks in ticks.chunks(ROWS_PER_STATEMENT) {
        let insert = InsertHotTicks {
            instrument_id,
            ticks,
        };
        inserted += crate::on_backend!(&mut *conn, |c| insert.execute(c))?;
    }
    Ok(inserted)
}

/// Rows whose keys are free: those that are hot already say what counts.
struct InsertHotTicks<'t> {
    instrument_id: i64,
    ticks: &'t [SegmentTick],
}

impl QueryId for InsertHotTicks<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Connection> RunQueryDsl<C> for InsertHotTicks<'_> {}

impl<DB> QueryFragment<DB> for InsertHotTicks<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Double> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Option<f64>: ToSql<Nullable<Double>, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        // Not cached: the text differs with the number of rows, and each would stay prepared.
        out.unsafe_to_cache_prepared();
        out.push_sql(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price, \
             volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price) VALUES ",
        );
        for (at, tick) in self.ticks.iter().enumerate() {
            out.push_sql(if at == 0 { "(" } else { ", (" });
            out.push_bind_param::<BigInt, _>(&self.instrument_id)?;
            out.push_sql(", ");
            out.push_bind_param::<sql_types::Timestamp, _>(&tick.timestamp)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&tick.source_id)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&tick.sequence)?;
            for value in &tick.values {
                out.push_sql(", ");
                out.push_bind_param::<Nullable<Double>, _>(value)?;
            }
            out.push_sql(")");
        }
        out.push_sql(" ON CONFLICT DO NOTHING");
        Ok(())
    }
}
