//! The newest tick of each of many instruments, by descents of the clustered key: how many ticks
//! there are does not matter.

use std::collections::BTreeMap;

#[cfg(feature = "postgres")]
use diesel::dsl;
use diesel::prelude::*;

use crate::database::BackendConnection;
#[cfg(feature = "postgres")]
use crate::database::Topology;
use crate::error::Result;
use crate::models::MarketData;
#[cfg(feature = "postgres")]
use crate::repository::KEYS_PER_STATEMENT_MAX;
#[cfg(feature = "archive")]
use crate::repository::archive;
use crate::repository::rows::Recorded;
#[cfg(feature = "postgres")]
use crate::tables::archive_segments;
use crate::tables::instrument_state;
#[cfg(feature = "postgres")]
use crate::timestamp::Timestamp;

#[cfg(feature = "postgres")]
use super::latest_postgres::latest_query;
#[cfg(feature = "sqlite")]
use super::latest_sqlite::newest_query;

/// The newest active tick of each instrument that passes the filter and has one, by instrument. On
/// PostgreSQL, those from a moment on.
macro_rules! newest {
    ($conn:expr, $instrument_ids:expr, |$query:ident| $filtered:expr) => {
        newest!($conn, $instrument_ids, None, |$query| $filtered)
    };
    ($conn:expr, $instrument_ids:expr, $since:expr, |$query:ident| $filtered:expr) => {{
        let mut by_instrument = BTreeMap::new();
        let mut keep = |row: MarketData| {
            by_instrument.insert(row.instrument_id, row);
        };
        match $conn {
            // A statement that stays prepared costs less here than a list that is prepared each time.
            #[cfg(feature = "sqlite")]
            BackendConnection::Sqlite(_) => $conn.snapshot(|conn| {
                for id in $instrument_ids {
                    let newest = crate::on_backend!(conn, |c| {
                        let $query = newest_query(*id);
                        let newest = $filtered.select(MarketData::as_select());
                        newest.get_result(c).optional()
                    })?;
                    newest.into_iter().for_each(&mut keep);
                }
                Ok(())
            })?,
            // Here each statement would be a round trip.
            #[cfg(feature = "postgres")]
            BackendConnection::Postgres(c) => {
                for ids in $instrument_ids.chunks(KEYS_PER_STATEMENT_MAX) {
                    let $query = latest_query(ids, $since);
                    let newest = $filtered.select(MarketData::as_select());
                    newest.load(*c)?.into_iter().for_each(&mut keep);
                }
            }
        }
        by_instrument
    }};
}

/// The newest active tick of each active instrument that has one, by instrument.
///
/// Descents of the clustered key find the newest tick of an instrument and read it alone, however
/// many ticks share its stamp.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn latest(conn: &mut BackendConnection<'_>, instrument_ids: &[i64]) -> Result<Vec<MarketData>> {
    let newest = newest_with_archived(conn, instrument_ids, true)?;
    Ok(newest).recorded(conn)
}

/// [`latest`] on the way to a write, whose rows are those that it writes; of deleted instruments,
/// too, which show the same ticks when they are restored.
pub(super) fn newest_of_all(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
) -> Result<Vec<MarketData>> {
    newest_with_archived(conn, instrument_ids, false)
}

fn newest_with_archived(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
    active_alone: bool,
) -> Result<Vec<MarketData>> {
    let newest = hot_newest(conn, instrument_ids, active_alone)?;
    #[cfg(feature = "archive")]
    {
        // Looked at last: what leaves the hot rows before it was among them, and what is archived
        // after it still is.
        let archived = archive::archived(conn, Some(instrument_ids))?;
        let is_wanted = |of: &&archive::ArchivedInstrument| {
            let hot = newest.get(&of.id);
            !(active_alone && of.is_deleted)
                && hot.is_none_or(|tick| tick.timestamp < of.archived_to)
        };
        if archived.iter().any(|of| is_wanted(&of)) {
            // Both in one snapshot.
            return conn.snapshot(|conn| {
                let mut newest = hot_newest(conn, instrument_ids, active_alone)?;
                let archived = archive::archived(conn, Some(instrument_ids))?.into_iter();
                let archived = archived.filter(|of| !(active_alone && of.is_deleted));
                archive::with_archived(conn, archived, &mut newest)?;
                Ok(newest.into_values().collect())
            });
        }
    }
    Ok(newest.into_values().collect())
}

/// The newest active hot row of each instrument that has one.
fn hot_newest(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
    active_alone: bool,
) -> Result<BTreeMap<i64, MarketData>> {
    if !active_alone {
        return Ok(newest!(conn, instrument_ids, |ticks| ticks));
    }
    #[cfg(feature = "postgres")]
    if conn.topology() == Topology::Partitioned {
        return newest_of_partitions(conn, instrument_ids);
    }
    Ok(newest!(conn, instrument_ids, |ticks| {
        ticks.filter(instrument_state::is_deleted.eq(false))
    }))
}

/// The same without planning each partition, which takes longer than the reading: what the instruments
/// show as their last tick says where the newest ones are. An instrument whose last tick is archived is
/// left to those who read the files: they look at the hot rows beside these, too.
#[cfg(feature = "postgres")]
fn newest_of_partitions(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
) -> Result<BTreeMap<i64, MarketData>> {
    let last_tick = instrument_state::last_tick.assume_not_null();
    let file = archive_segments::table
        .filter(archive_segments::instrument_id.eq(instrument_state::instrument_id))
        .filter(archive_segments::starts_at.le(last_tick))
        .filter(archive_segments::ends_at.gt(last_tick))
        .filter(archive_segments::version.gt(0))
        .filter(archive_segments::deleted_at.is_null());
    let active = instrument_state::is_deleted.eq(false);
    let shown = instrument_state::table
        .filter(instrument_state::instrument_id.eq_any(instrument_ids))
        .filter(active)
        .filter(instrument_state::last_tick.is_not_null())
        .filter(dsl::not(dsl::exists(file)))
        .select((instrument_state::instrument_id, last_tick));
    // What is shown is that of the rows.
    conn.at_one_moment(|conn| {
        let shown: Vec<(i64, Timestamp)> = crate::on_backend!(&mut *conn, |c| shown.load(c))?;
        let Some(since) = shown.iter().map(|(_, last_tick)| *last_tick).min() else {
            return Ok(BTreeMap::new());
        };
        let ids: Vec<i64> = shown.into_iter().map(|(id, _)| id).collect();
        let mut newest = newest!(conn, &ids, Some(since), |ticks| ticks.filter(active));
        // Where SQL of others has deleted the last tick, an older one is the newest.
        let gone = ids.into_iter().filter(|id| !newest.contains_key(id));
        let gone: Vec<i64> = gone.collect();
        if !gone.is_empty() {
            newest.append(&mut newest!(conn, &gone, |ticks| ticks.filter(active)));
        }
        Ok(newest)
    })
}
