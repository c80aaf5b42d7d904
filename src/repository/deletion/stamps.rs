//! The moments at which rows of a table were deleted, newest first: one descent of its trash index for
//! each, however many rows share it.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Nullable};

use crate::sql_types;
use crate::timestamp::Timestamp;

/// The tables that have a trash.
pub(super) const TABLES: [&str; 7] = [
    "instruments",
    "alert_rules",
    "alert_logs",
    "market_data_bars",
    "market_data",
    "archive_segments",
    "saved_queries",
];

/// The newest `limit` moments of a table before a moment. Diesel has no recursion.
pub(super) struct NewestStamps {
    pub(super) table: &'static str,
    pub(super) before: Timestamp,
    pub(super) limit: i64,
}

impl QueryId for NewestStamps {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for NewestStamps {
    type SqlType = Nullable<sql_types::Timestamp>;
}

impl<C: Connection> RunQueryDsl<C> for NewestStamps {}

impl<DB> QueryFragment<DB> for NewestStamps
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let newest = |out: &mut AstPass<'_, 'b, DB>| {
            out.push_sql("SELECT max(deleted_at) FROM ");
            out.push_sql(self.table);
            out.push_sql(" WHERE deleted_at IS NOT NULL AND deleted_at < ");
        };
        out.push_sql("WITH RECURSIVE stamps(stamp) AS (");
        newest(&mut out);
        out.push_bind_param::<sql_types::Timestamp, _>(&self.before)?;
        out.push_sql(" UNION ALL SELECT (");
        newest(&mut out);
        out.push_sql(
            "stamps.stamp) FROM stamps WHERE stamps.stamp IS NOT NULL) \
             SELECT stamp FROM stamps WHERE stamp IS NOT NULL LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}
