//! Deleted hot rows in periods that have files. One whose key a file holds hides the tick of the file:
//! without it, that tick would be there again.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use super::parts::PartBytes;
use crate::database::{BackendConnection, Invalidation};
use crate::error::Result;
use crate::models::ArchiveSegment;
use crate::repository::market_data::{TickKey, behind_key};
use crate::repository::tick_key_list::{TICK_KEYS_PER_STATEMENT_MAX, push_tick_keys};
use crate::segment::{Segment, SegmentKey};
use crate::soft_delete::SoftDeletable;
use crate::sql_types;
use crate::tables::{archive_segments, market_data};
use crate::timestamp::Timestamp;

/// Rows of one transaction.
const ROWS_PER_TRANSACTION: i64 = TICK_KEYS_PER_STATEMENT_MAX as i64;

/// What became of some deleted rows of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PurgedPage {
    /// Some were deleted for good; of the others the file holds the keys.
    Purged {
        deleted: usize,
        held: usize,
        last: SegmentKey,
    },
    /// There are no more.
    End,
    /// Somebody works at the period, and has perhaps read a row before it was deleted: all of its rows
    /// stay.
    Claimed,
}

/// The periods of which the trash has rows that are old enough, by instrument and time.
pub(crate) fn periods_over_trash(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
) -> Result<Vec<ArchiveSegment>> {
    let all = archive_segments::table.order((
        archive_segments::instrument_id.asc(),
        archive_segments::starts_at.asc(),
    ));
    let all: Vec<ArchiveSegment> = crate::on_backend!(&mut *conn, |c| {
        all.select(ArchiveSegment::as_select()).load(c)
    })?;
    let mut over = Vec::new();
    for segment in all {
        if !old_keys(conn, &segment, cut_off, None, 1)?.is_empty() {
            over.push(segment);
        }
    }
    Ok(over)
}

/// The archived periods that hot rows lie over: ticks that came after the file was made, or deleted ones
/// that it holds.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(crate) fn overlaid(conn: &mut BackendConnection<'_>) -> Result<Vec<ArchiveSegment>> {
    let mut overlaid = Vec::new();
    for segment in super::list(conn, None)? {
        let last = segment.ends_at.saturating_add_micros(-1);
        let active = market_data::table
            .active()
            .filter(market_data::instrument_id.eq(segment.instrument_id))
            .filter(market_data::timestamp.between(segment.starts_at, last))
            .select(market_data::timestamp);
        let active: Option<Timestamp> =
            crate::on_backend!(&mut *conn, |c| active.first(c).optional())?;
        if active.is_some() || hides_some(conn, &segment)? {
            overlaid.push(segment);
        }
    }
    Ok(overlaid)
}

/// Whether a deleted row hides a tick of the file.
fn hides_some(conn: &mut BackendConnection<'_>, segment: &ArchiveSegment) -> Result<bool> {
    let mut after = None;
    loop {
        let keys = old_keys(conn, segment, Timestamp::MAX, after, ROWS_PER_TRANSACTION)?;
        let Some(last) = keys.last().copied() else {
            return Ok(false);
        };
        if held_by_file(conn, segment, &keys)?.contains(&true) {
            return Ok(true);
        }
        after = Some(last);
    }
}

/// Deletes rows for good that were soft-deleted up to a moment, of a period and behind a key, unless its
/// file holds their keys.
pub(crate) fn purge_page(
    conn: &mut BackendConnection<'_>,
    id: i64,
    cut_off: Timestamp,
    after: Option<SegmentKey>,
) -> Result<PurgedPage> {
    let _said = conn.invalidates(Invalidation::Nothing);
    // Nobody begins to archive it before the commit.
    let Some(segment) = locked(conn, id)? else {
        return Ok(PurgedPage::End);
    };
    if segment.owner.is_some() {
        return Ok(PurgedPage::Claimed);
    }
    let keys = old_keys(conn, &segment, cut_off, after, ROWS_PER_TRANSACTION)?;
    let Some(last) = keys.last().copied() else {
        return Ok(PurgedPage::End);
    };
    let held = held_by_file(conn, &segment, &keys)?;
    let free: Vec<TickKey> = keys
        .iter()
        .zip(&held)
        .filter(|(_, held)| !**held)
        .map(|(key, _)| TickKey::at(segment.instrument_id, *key))
        .collect();
    let delete = DeleteOldRows {
        cut_off,
        keys: &free,
    };
    let deleted = match free.is_empty() {
        true => 0,
        false => crate::on_backend!(conn, |c| delete.execute(c))?,
    };
    let held = held.into_iter().filter(|held| *held).count();
    Ok(PurgedPage::Purged {
        deleted,
        held,
        last,
    })
}

/// How many of the rows that are old enough a purge would leave, of a period: all while somebody works at
/// it, and those that a file in the trash holds, which is not made anew.
pub(crate) fn count_kept(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    cut_off: Timestamp,
) -> Result<usize> {
    let (mut kept, mut after) = (0, None);
    loop {
        let keys = old_keys(conn, segment, cut_off, after, ROWS_PER_TRANSACTION)?;
        let Some(last) = keys.last().copied() else {
            return Ok(kept);
        };
        after = Some(last);
        kept += match (&segment.owner, segment.deleted_at) {
            (Some(_), _) => keys.len(),
            (None, Some(_)) => {
                let held = held_by_file(conn, segment, &keys)?;
                held.into_iter().filter(|held| *held).count()
            }
            (None, None) => 0,
        };
    }
}

/// The period, which nobody claims before the commit.
fn locked(conn: &mut BackendConnection<'_>, id: i64) -> Result<Option<ArchiveSegment>> {
    let query = archive_segments::table.find(id);
    Ok(match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => query
            .select(ArchiveSegment::as_select())
            .first(*c)
            .optional()?,
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => query
            .select(ArchiveSegment::as_select())
            .for_update()
            .first(*c)
            .optional()?,
    })
}

/// The next keys of deleted rows of a period that are old enough.
fn old_keys(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    cut_off: Timestamp,
    after: Option<SegmentKey>,
    limit: i64,
) -> Result<Vec<SegmentKey>> {
    let id = segment.instrument_id;
    let from = match after {
        Some(key) => TickKey::at(id, key),
        None => TickKey::before_all(id, segment.starts_at),
    };
    let last = segment.ends_at.saturating_add_micros(-1);
    let query = market_data::table
        .deleted()
        .filter(market_data::deleted_at.le(cut_off))
        .filter(market_data::instrument_id.eq(id))
        .filter(market_data::timestamp.between(from.timestamp, last))
        .filter(behind_key(from))
        .order((
            market_data::timestamp.asc(),
            market_data::source_id.asc(),
            market_data::sequence.asc(),
        ))
        .select((
            market_data::timestamp,
            market_data::source_id,
            market_data::sequence,
        ))
        .limit(limit);
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// Which of these keys the file of a period holds.
fn held_by_file(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    keys: &[SegmentKey],
) -> Result<Vec<bool>> {
    if segment.version == 0 {
        return Ok(vec![false; keys.len()]);
    }
    let mut bytes = PartBytes::of(conn, segment);
    let found = Segment::open(&mut bytes)?.find(&mut bytes, keys)?;
    Ok(found.into_iter().map(|tick| tick.is_some()).collect())
}

/// `DELETE FROM market_data WHERE deleted_at <= .. AND <key> IN (VALUES ..)`. PostgreSQL looks again at a
/// row that another transaction has just restored.
struct DeleteOldRows<'k> {
    cut_off: Timestamp,
    keys: &'k [TickKey],
}

impl QueryId for DeleteOldRows<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Connection> RunQueryDsl<C> for DeleteOldRows<'_> {}

impl<DB> QueryFragment<DB> for DeleteOldRows<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        // In words that do not lead the planner to the trash index: it would compare each row of it with
        // each key.
        out.push_sql("DELETE FROM market_data WHERE coalesce(deleted_at <= ");
        out.push_bind_param::<sql_types::Timestamp, _>(&self.cut_off)?;
        out.push_sql(", FALSE) AND ");
        push_tick_keys(&mut out, self.keys)
    }
}
