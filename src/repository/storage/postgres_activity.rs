//! A PostgreSQL server's own figures of its work on this database.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable};

use crate::database::BackendConnection;
use crate::error::Result;

/// Work of the server on this database: counters of `pg_stat_database` since its statistics were
/// last reset, and the sessions of `pg_stat_activity` now.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PostgresActivity {
    /// Counters since the statistics were last reset.
    pub totals: PostgresTotals,
    /// Sessions now, that of the question included.
    pub sessions: PostgresSessions,
}

/// Counters of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
#[non_exhaustive]
pub struct PostgresTotals {
    /// Transactions committed.
    #[diesel(sql_type = BigInt)]
    pub commits: i64,
    /// Transactions rolled back.
    #[diesel(sql_type = BigInt)]
    pub rollbacks: i64,
    /// Blocks read from the disk or the system's cache.
    #[diesel(sql_type = BigInt)]
    pub blocks_read: i64,
    /// Blocks found in the server's own cache.
    #[diesel(sql_type = BigInt)]
    pub blocks_hit: i64,
    /// Rows that scans went over.
    #[diesel(sql_type = BigInt)]
    pub rows_returned: i64,
    /// Rows fetched by indexes.
    #[diesel(sql_type = BigInt)]
    pub rows_fetched: i64,
    /// Rows inserted.
    #[diesel(sql_type = BigInt)]
    pub rows_inserted: i64,
    /// Rows updated.
    #[diesel(sql_type = BigInt)]
    pub rows_updated: i64,
    /// Rows deleted.
    #[diesel(sql_type = BigInt)]
    pub rows_deleted: i64,
    /// Queries cancelled for conflicts with recovery; on standbys only.
    #[diesel(sql_type = BigInt)]
    pub conflicts: i64,
    /// Deadlocks found.
    #[diesel(sql_type = BigInt)]
    pub deadlocks: i64,
    /// Temporary files written by queries.
    #[diesel(sql_type = BigInt)]
    pub temp_files: i64,
    /// Bytes in them.
    #[diesel(sql_type = BigInt)]
    pub temp_bytes: i64,
}

/// Sessions of clients on one database, at one moment. A role without `pg_read_all_stats` sees of
/// the sessions of other roles only that they are there: they are in `total` alone.
#[derive(Debug, Clone, Copy, PartialEq, QueryableByName)]
#[non_exhaustive]
pub struct PostgresSessions {
    /// All of them.
    #[diesel(sql_type = BigInt)]
    pub total: i64,
    /// The most that the server takes, over all databases.
    #[diesel(sql_type = BigInt)]
    pub connections_max: i64,
    /// Sessions that run a statement.
    #[diesel(sql_type = BigInt)]
    pub active: i64,
    /// Sessions that wait for their client, outside a transaction.
    #[diesel(sql_type = BigInt)]
    pub idle: i64,
    /// Sessions that wait for their client inside a transaction, failed ones included.
    #[diesel(sql_type = BigInt)]
    pub idle_in_transaction: i64,
    /// Sessions that wait for a lock.
    #[diesel(sql_type = BigInt)]
    pub waiting_for_lock: i64,
    /// The age of the oldest transaction of another session, in seconds; `None` without one.
    #[diesel(sql_type = Nullable<Double>)]
    pub oldest_transaction_seconds: Option<f64>,
}

impl PostgresTotals {
    /// The share of blocks found in the server's own cache, 0 to 1; `None` before any was asked
    /// for.
    #[must_use]
    pub fn cache_hit_ratio(&self) -> Option<f64> {
        let asked = self.blocks_hit + self.blocks_read;
        (asked > 0).then(|| self.blocks_hit as f64 / asked as f64)
    }
}

/// What the PostgreSQL server says of its work on this database; `None` on SQLite.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn postgres_activity(conn: &mut BackendConnection<'_>) -> Result<Option<PostgresActivity>> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => Ok(None),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(conn) => Ok(Some(PostgresActivity {
            totals: diesel::sql_query(TOTALS).get_result(*conn)?,
            sessions: diesel::sql_query(SESSIONS).get_result(*conn)?,
        })),
    }
}

#[cfg(feature = "postgres")]
const TOTALS: &str = "SELECT xact_commit AS commits, xact_rollback AS rollbacks, \
     blks_read AS blocks_read, blks_hit AS blocks_hit, tup_returned AS rows_returned, \
     tup_fetched AS rows_fetched, tup_inserted AS rows_inserted, tup_updated AS rows_updated, \
     tup_deleted AS rows_deleted, conflicts, deadlocks, temp_files, temp_bytes \
     FROM pg_stat_database WHERE datname = current_database()";

/// The age of a transaction is a duration on the server's own clock, by which it began.
#[cfg(feature = "postgres")]
const SESSIONS: &str = "SELECT count(*) AS total, \
     current_setting('max_connections')::bigint AS connections_max, \
     count(*) FILTER (WHERE state = 'active') AS active, \
     count(*) FILTER (WHERE state = 'idle') AS idle, \
     count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction, \
     count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting_for_lock, \
     max(greatest(0, extract(epoch FROM statement_timestamp() - xact_start))) \
         FILTER (WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid())::double precision \
         AS oldest_transaction_seconds \
     FROM pg_stat_activity \
     WHERE datname = current_database() AND backend_type = 'client backend'";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::on_both;

    #[test]
    fn a_server_tells_of_its_sessions_and_a_file_has_none() {
        on_both(|conn| {
            let activity = postgres_activity(conn).unwrap();
            match conn.backend() {
                crate::database::Backend::Sqlite => assert_eq!(activity, None),
                crate::database::Backend::Postgres => {
                    let sessions = activity.unwrap().sessions;
                    assert_eq!((sessions.total, sessions.active), (1, 1));
                    assert_eq!(sessions.oldest_transaction_seconds, None);
                    assert!(sessions.connections_max >= 1);
                }
            }
        });
    }
}
