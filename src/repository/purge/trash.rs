//! Deletion and counting of tables that nothing refers to: ticks, bars and saved queries.

use diesel::backend::Backend as DieselBackend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use crate::database::{Backend, BackendConnection, Invalidation};
use crate::error::Result;
use crate::soft_delete::SoftDeletable;
use crate::sql_types;
use crate::tables::{market_data, market_data_bars, saved_queries};
use crate::timestamp::Timestamp;

/// A table that nothing refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafTable {
    MarketData,
    MarketDataBars,
    SavedQueries,
}

impl LeafTable {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::MarketData => market_data::table::NAME,
            Self::MarketDataBars => market_data_bars::table::NAME,
            Self::SavedQueries => saved_queries::table::NAME,
        }
    }

    /// The columns of the primary key, as SQL writes them on both sides of IN.
    const fn key(self) -> &'static str {
        match self {
            Self::MarketDataBars | Self::SavedQueries => "id",
            Self::MarketData => "instrument_id, \"timestamp\", source_id, sequence",
        }
    }
}

/// Deletes the oldest rows of the trash, `limit` at most; returns how many.
pub(super) fn delete_chunk(
    conn: &mut BackendConnection<'_>,
    leaf: LeafTable,
    cut_off: Timestamp,
    limit: i64,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    #[cfg(feature = "postgres")]
    if let (LeafTable::MarketData, BackendConnection::Postgres(c)) = (leaf, &mut *conn) {
        use diesel::connection::SimpleConnection;
        // Nobody begins to archive a period before the commit.
        c.batch_execute("LOCK TABLE archive_segments IN SHARE MODE")?;
    }
    let delete = DeleteTrash {
        leaf,
        cut_off,
        limit,
        locked: conn.backend() == Backend::Postgres,
    };
    Ok(crate::on_backend!(conn, |c| delete.execute(c))?)
}

/// Counts the rows of the trash that are old enough.
pub(super) fn count(
    conn: &mut BackendConnection<'_>,
    leaf: LeafTable,
    cut_off: Timestamp,
) -> Result<i64> {
    macro_rules! count {
        ($table:ident) => {{
            let query = $table::table
                .deleted()
                .filter($table::deleted_at.le(cut_off))
                .count();
            crate::on_backend!(conn, |c| query.get_result(c))?
        }};
    }
    Ok(match leaf {
        LeafTable::MarketData => count!(market_data),
        LeafTable::MarketDataBars => count!(market_data_bars),
        LeafTable::SavedQueries => count!(saved_queries),
    })
}

/// `DELETE FROM .. WHERE (key) IN (SELECT key .. WHERE deleted_at <= .. LIMIT ..)`: Diesel has no
/// row values, and no DELETE with a limit.
///
/// PostgreSQL looks again at a row that another transaction has just changed, if it is locked: a row
/// that was restored in that moment stays. On SQLite nobody else writes. Locked rows also keep
/// their place (`ctid`), by which PostgreSQL deletes them in a fifth of the time that their keys
/// take. A place is unique within a partition only, so the conditions are asked again, that of the moment
/// in words that do not lead the planner to the trash index: it would compare each row of it with each place.
pub(super) struct DeleteTrash {
    pub(super) leaf: LeafTable,
    pub(super) cut_off: Timestamp,
    pub(super) limit: i64,
    /// True when the rows are locked and deleted by their places: on PostgreSQL.
    pub(super) locked: bool,
}

impl QueryId for DeleteTrash {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Connection> RunQueryDsl<C> for DeleteTrash {}

impl<DB> QueryFragment<DB> for DeleteTrash
where
    DB: DieselBackend + HasSqlType<BigInt> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let (table, key) = (self.leaf.name(), self.leaf.key());
        for part in ["DELETE FROM ", table, " WHERE "] {
            out.push_sql(part);
        }
        if self.locked {
            out.push_sql("ctid = ANY (ARRAY(SELECT ctid");
        } else {
            for part in ["(", key, ") IN (SELECT ", key] {
                out.push_sql(part);
            }
        }
        for part in [" FROM ", table, " WHERE deleted_at <= "] {
            out.push_sql(part);
        }
        out.push_bind_param::<sql_types::Timestamp, _>(&self.cut_off)?;
        // Those of a period that has a file, or gets one, are not deleted before the file is asked.
        let without_file = match self.leaf {
            LeafTable::MarketData => {
                " AND NOT EXISTS (SELECT 1 FROM archive_segments AS s \
                 WHERE s.instrument_id = market_data.instrument_id \
                 AND s.starts_at <= market_data.\"timestamp\" \
                 AND s.ends_at > market_data.\"timestamp\")"
            }
            LeafTable::MarketDataBars | LeafTable::SavedQueries => "",
        };
        out.push_sql(without_file);
        out.push_sql(" ORDER BY deleted_at LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        if self.locked {
            out.push_sql(" FOR UPDATE)) AND coalesce(deleted_at <= ");
            out.push_bind_param::<sql_types::Timestamp, _>(&self.cut_off)?;
            out.push_sql(", FALSE)");
            out.push_sql(without_file);
        } else {
            out.push_sql(")");
        }
        Ok(())
    }
}
