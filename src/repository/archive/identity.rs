//! Whether keys are archived, for those who store ticks: a key of the archive is taken.

use std::collections::HashMap;

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType};

use super::cold::all_segments;
use super::parts::PartBytes;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::market_data::TickKey;
use crate::repository::tick_key_list::{TICK_KEYS_PER_STATEMENT_MAX, push_tick_keys};
use crate::segment::{Segment, SegmentKey};
use crate::sql_types;
use crate::timestamp::Timestamp;

/// What lies under a key that is archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFate {
    /// A tick of the same values.
    Same,
    /// A tick of other values.
    Other,
    /// A deleted tick.
    Deleted,
}

/// What lies under the keys of an instrument, which ascend; `None` of those that the archive has not.
pub(crate) fn fates(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    ticks: &[(SegmentKey, [Option<f64>; 9])],
) -> Result<Vec<Option<KeyFate>>> {
    let mut fates = vec![None; ticks.len()];
    let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else {
        return Ok(fates);
    };
    let mut taken = Vec::new();
    for file in all_segments(conn, instrument_id, (first.0.0, last.0.0))? {
        let from = ticks.partition_point(|(key, _)| key.0 < file.starts_at);
        let to = ticks.partition_point(|(key, _)| key.0 < file.ends_at);
        let of_file = ticks.get(from..to).unwrap_or_default();
        let keys: Vec<SegmentKey> = of_file.iter().map(|(key, _)| *key).collect();
        let mut bytes = PartBytes::of(conn, &file);
        let segment = Segment::open(&mut bytes)?;
        for (at, found) in (from..to).zip(segment.find(&mut bytes, &keys)?) {
            if let (Some(found), Some((key, values))) = (found, ticks.get(at)) {
                taken.push(TakenKey {
                    at,
                    key: *key,
                    is_same: found.values == *values,
                    is_in_trash: file.deleted_at.is_some(),
                });
            }
        }
    }
    for taken in taken.chunks(TICK_KEYS_PER_STATEMENT_MAX) {
        let keys: Vec<TickKey> = taken
            .iter()
            .map(|taken| TickKey::at(instrument_id, taken.key))
            .collect();
        let query = HotRowsOf(&keys);
        let rows: Vec<HotRow> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
        let hot: HashMap<SegmentKey, bool> = rows.into_iter().collect();
        for taken in taken {
            // A hot row has the values of the file, and says whether the tick is deleted.
            let is_deleted = hot.get(&taken.key).copied();
            fates[taken.at] = Some(match is_deleted.unwrap_or(taken.is_in_trash) {
                true => KeyFate::Deleted,
                false if taken.is_same => KeyFate::Same,
                false => KeyFate::Other,
            });
        }
    }
    Ok(fates)
}

/// A key that a file has.
struct TakenKey {
    /// Its place among those that are asked for.
    at: usize,
    key: SegmentKey,
    /// Whether the values are those of the file.
    is_same: bool,
    /// Whether the file is in the trash.
    is_in_trash: bool,
}

/// The first free sequence of each stamp that the archive has ticks of.
pub(crate) fn next_sequences(
    conn: &mut BackendConnection<'_>,
    stamps: &[(i64, Timestamp, i64)],
) -> Result<HashMap<(i64, Timestamp, i64), i64>> {
    let mut next = HashMap::new();
    let mut stamps = stamps.to_vec();
    stamps.sort_unstable();
    for stamps in stamps.chunk_by(|a, b| a.0 == b.0) {
        let (Some(first), Some(last)) = (stamps.first(), stamps.last()) else {
            continue;
        };
        for file in all_segments(conn, first.0, (first.1, last.1))? {
            let from = stamps.partition_point(|stamp| stamp.1 < file.starts_at);
            let to = stamps.partition_point(|stamp| stamp.1 < file.ends_at);
            let of_file = stamps.get(from..to).unwrap_or_default();
            let keys: Vec<_> = of_file
                .iter()
                .map(|(_, at, source)| (*at, *source))
                .collect();
            let mut bytes = PartBytes::of(conn, &file);
            let found = Segment::open(&mut bytes)?.last_sequences(&mut bytes, &keys)?;
            let found = of_file.iter().zip(found);
            next.extend(found.filter_map(|(stamp, last)| Some((*stamp, last?.saturating_add(1)))));
        }
    }
    Ok(next)
}

/// A key, and whether its row is deleted.
type HotRow = (SegmentKey, bool);

/// Which of some keys have hot rows.
struct HotRowsOf<'k>(&'k [TickKey]);

impl QueryId for HotRowsOf<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for HotRowsOf<'_> {
    type SqlType = ((sql_types::Timestamp, BigInt, BigInt), Bool);
}

impl<C: Connection> RunQueryDsl<C> for HotRowsOf<'_> {}

impl<DB> QueryFragment<DB> for HotRowsOf<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "SELECT \"timestamp\", source_id, sequence, deleted_at IS NOT NULL FROM market_data WHERE ",
        );
        push_tick_keys(&mut out, self.0)
    }
}
