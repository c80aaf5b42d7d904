//! Sizes and counts of the database: exact ones, and estimates without reading the tables.

mod estimate;
mod postgres_activity;

use std::collections::HashMap;

use diesel::dsl::{count_star, max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::database::BackendConnection;
use crate::domain::Symbol;
use crate::error::Result;
use crate::soft_delete::SoftDeletable;
use crate::tables::{
    alert_logs, alert_rules, alert_silences, archive_segments, data_sources, instruments,
    market_data, market_data_bars, saved_queries,
};
use crate::timestamp::Timestamp;

pub use estimate::{StorageEstimate, TableEstimate, estimate, estimates, refresh_statistics};
pub use postgres_activity::{
    PostgresActivity, PostgresSessions, PostgresTotals, postgres_activity,
};

/// Rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableCount {
    /// The table.
    pub table: &'static str,
    /// Rows that are not deleted.
    pub active: i64,
    /// Rows in the trash.
    pub deleted: i64,
}

/// The space that the database takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageSize {
    /// Bytes of the database, free pages included, without SQLite's WAL.
    pub database_bytes: i64,
    /// Bytes of pages that hold nothing; none are counted on PostgreSQL.
    pub free_bytes: i64,
    /// The number of those pages; `None` on PostgreSQL.
    pub free_pages: Option<i64>,
}

/// The ticks of one instrument.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TickCoverage {
    /// The instrument.
    pub symbol: Symbol,
    /// Active ticks.
    pub ticks: i64,
    /// The first one's time.
    pub first: Timestamp,
    /// The last one's time.
    pub last: Timestamp,
}

impl TickCoverage {
    /// Ticks per second of event time, first tick to last; `None` when they share one moment.
    #[must_use]
    pub fn ticks_per_second(&self) -> Option<f64> {
        let span_us = self.last.micros() - self.first.micros();
        (span_us > 0).then(|| self.ticks as f64 / (span_us as f64 / 1e6))
    }
}

/// What is archived, but for what is in the trash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveSize {
    /// Periods of instruments, each a file.
    pub periods: i64,
    /// Ticks of the files, those included that hot rows hide.
    pub ticks: i64,
    /// Bytes of the files.
    pub bytes: i64,
}

/// What is archived: sums of the catalogue, not of the files.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn archive(conn: &mut BackendConnection<'_>) -> Result<ArchiveSize> {
    // A sum of BIGINT is a NUMERIC on PostgreSQL.
    let sums = archive_segments::table
        .filter(archive_segments::version.gt(0))
        .filter(archive_segments::deleted_at.is_null())
        .select((
            count_star(),
            sql::<BigInt>("CAST(coalesce(sum(rows), 0) AS BIGINT)"),
            sql::<BigInt>("CAST(coalesce(sum(bytes), 0) AS BIGINT)"),
        ));
    let (periods, ticks, bytes) = crate::on_backend!(conn, |c| sums.get_result(c))?;
    Ok(ArchiveSize {
        periods,
        ticks,
        bytes,
    })
}

/// The exact counts of every table: each is read once.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn counts(conn: &mut BackendConnection<'_>) -> Result<Vec<TableCount>> {
    macro_rules! count {
        ($table:ident) => {{
            let (active, deleted) = ($table::table.active(), $table::table.deleted());
            TableCount {
                table: $table::table::NAME,
                active: crate::on_backend!(conn, |c| active.count().get_result(c))?,
                deleted: crate::on_backend!(conn, |c| deleted.count().get_result(c))?,
            }
        }};
    }
    let silences = crate::on_backend!(conn, |c| alert_silences::table.count().get_result(c))?;
    let sources = crate::on_backend!(conn, |c| data_sources::table.count().get_result(c))?;
    Ok(vec![
        count!(instruments),
        count!(market_data),
        count!(market_data_bars),
        count!(alert_rules),
        count!(alert_logs),
        TableCount {
            table: "data_sources",
            active: sources,
            deleted: 0,
        },
        count!(saved_queries),
        TableCount {
            table: "alert_silences",
            active: silences,
            deleted: 0,
        },
        archived_periods(conn)?,
    ])
}

fn archived_periods(conn: &mut BackendConnection<'_>) -> Result<TableCount> {
    let filed = || archive_segments::table.filter(archive_segments::version.gt(0));
    let active = filed().filter(archive_segments::deleted_at.is_null());
    let deleted = filed().filter(archive_segments::deleted_at.is_not_null());
    Ok(TableCount {
        table: "archive_segments",
        active: crate::on_backend!(&mut *conn, |c| active.count().get_result(c))?,
        deleted: crate::on_backend!(conn, |c| deleted.count().get_result(c))?,
    })
}

/// The ticks of each active instrument that has some, by symbol: one pass over the ticks, in the
/// order in which they lie, and one query for the symbols.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn coverage(conn: &mut BackendConnection<'_>) -> Result<Vec<TickCoverage>> {
    conn.at_one_moment(covered)
}

fn covered(conn: &mut BackendConnection<'_>) -> Result<Vec<TickCoverage>> {
    let moment = market_data::timestamp;
    let ticks = market_data::table
        .active()
        .group_by(market_data::instrument_id)
        .select((
            market_data::instrument_id,
            count_star(),
            min(moment),
            max(moment),
        ));
    let spans: Vec<InstrumentSpanRow> = crate::on_backend!(conn, |c| ticks.load(c))?;
    let mut spans: HashMap<i64, InstrumentSpanRow> =
        spans.into_iter().map(|span| (span.0, span)).collect();
    #[cfg(feature = "archive")]
    for span in archived_spans(conn)? {
        spans.insert(span.0, span);
    }
    let symbols = instruments::table
        .active()
        .select((instruments::id, instruments::symbol))
        .order(instruments::symbol);
    let symbols: Vec<(i64, Symbol)> = crate::on_backend!(conn, |c| symbols.load(c))?;
    let covered = symbols.into_iter().filter_map(|(id, symbol)| {
        let (_, ticks, first, last) = spans.remove(&id)?;
        Some(TickCoverage {
            symbol,
            ticks,
            first: first?,
            last: last?,
        })
    });
    Ok(covered.collect())
}

/// The spans of instruments that have archived ticks.
#[cfg(feature = "archive")]
fn archived_spans(conn: &mut BackendConnection<'_>) -> Result<Vec<InstrumentSpanRow>> {
    use crate::repository::market_data::{TickRange, count, find_range};
    use crate::repository::{RangeQuery, SortOrder, archive};
    let mut spans = Vec::new();
    for of in archive::archived(conn, None)? {
        let ticks = TickRange::all(of.id);
        let mut outermost = |order| {
            let query = RangeQuery {
                order,
                ..RangeQuery::new(ticks, 1)
            };
            let page = find_range(conn, &query)?;
            Ok::<_, crate::Error>(page.rows.first().map(|tick| tick.timestamp))
        };
        let (first, last) = (
            outermost(SortOrder::Ascending)?,
            outermost(SortOrder::Descending)?,
        );
        spans.push((of.id, count(conn, &ticks)?, first, last));
    }
    Ok(spans)
}

/// Instrument, ticks, first and last moment.
type InstrumentSpanRow = (i64, i64, Option<Timestamp>, Option<Timestamp>);

/// The space that the database takes.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn size(conn: &mut BackendConnection<'_>) -> Result<StorageSize> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => {
            let mut pragma =
                |name: &str| sql::<BigInt>(&format!("PRAGMA {name}")).get_result::<i64>(*c);
            let page = pragma("page_size")?;
            let (pages, free) = (pragma("page_count")?, pragma("freelist_count")?);
            Ok(StorageSize {
                database_bytes: pages * page,
                free_bytes: free * page,
                free_pages: Some(free),
            })
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            let bytes = sql::<BigInt>("SELECT pg_database_size(current_database())");
            Ok(StorageSize {
                database_bytes: bytes.get_result(*c)?,
                free_bytes: 0,
                free_pages: None,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::on_both;

    #[test]
    fn counts_tell_active_from_deleted_rows() {
        on_both(|conn| {
            let now = crate::Timestamp::from_micros(1).unwrap();
            let delete = diesel::update(instruments::table.active().filter(instruments::id.le(2)))
                .set(instruments::deleted_at.eq(now));
            crate::on_backend!(conn, |c| delete.execute(c)).unwrap();
            let counts = counts(conn).unwrap();
            assert_eq!(
                counts[0],
                TableCount {
                    table: "instruments",
                    active: 10,
                    deleted: 2
                }
            );
            assert_eq!(
                counts[5],
                TableCount {
                    table: "data_sources",
                    active: 5,
                    deleted: 0
                }
            );
        });
    }

    #[test]
    fn the_size_is_that_of_whole_pages() {
        on_both(|conn| {
            let size = size(conn).unwrap();
            assert!(size.database_bytes > 50_000, "{size:?}");
            assert!(
                (0..size.database_bytes).contains(&size.free_bytes),
                "{size:?}"
            );
        });
    }
}
