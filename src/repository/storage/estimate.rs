//! Estimates of the rows of each table, from the planner's statistics.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::{ArchiveSize, StorageSize, size};
use crate::database::{Backend, BackendConnection, Database};
use crate::error::Result;

/// Estimates of a whole database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageEstimate {
    /// The tables, in the order of [`counts`](super::counts).
    pub tables: Vec<TableEstimate>,
    /// The space that the database takes; this is exact.
    pub size: StorageSize,
    /// What is archived; this is exact.
    pub archive: ArchiveSize,
    /// Bytes of SQLite's WAL now; `None` on PostgreSQL.
    pub wal_bytes: Option<u64>,
}

/// About how many rows a table holds. On SQLite as of the last
/// [`refresh_statistics`], on PostgreSQL as of its own last ANALYZE or VACUUM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableEstimate {
    /// The table.
    pub table: &'static str,
    /// Rows that are not deleted; `None` while nothing is known.
    pub active: Option<i64>,
    /// Rows in the trash; `None` while nothing is known.
    pub deleted: Option<i64>,
}

/// The tables, and whether they have a trash.
const TABLES: [(&str, bool); 6] = [
    ("instruments", true),
    ("market_data", true),
    ("market_data_bars", true),
    ("alert_rules", true),
    ("alert_logs", true),
    ("data_sources", false),
];

/// Rows of each index that one ANALYZE looks at: enough for a plan, and a few milliseconds
/// whatever the size of the table.
#[cfg(feature = "sqlite")]
const ANALYSIS_ROWS_MAX: u32 = 1_000;

/// What the database holds and how large it is, without reading the tables: cheap enough for every
/// few seconds.
///
/// # Errors
/// Those of [`Database::read`].
pub fn estimate(db: &Database) -> Result<StorageEstimate> {
    let (tables, size, archive) = db.read("storage.estimate", |conn| {
        Ok((estimates(conn)?, size(conn)?, super::archive(conn)?))
    })?;
    Ok(StorageEstimate {
        tables,
        size,
        archive,
        wal_bytes: db.sqlite_wal_bytes(),
    })
}

/// Refreshes the statistics behind [`estimate`] on SQLite, from a sample of each index; it holds the
/// write lane for some milliseconds, so call it every few minutes at most. While another process
/// writes it is an error at once. PostgreSQL's autovacuum does this by itself, so nothing is done
/// there.
///
/// # Errors
/// Those of [`Database::write`].
pub fn refresh_statistics(db: &Database) -> Result<()> {
    match db.backend() {
        Backend::Sqlite => db.exclusive_untold(analyze),
        Backend::Postgres => Ok(()),
    }
}

fn analyze(conn: &mut BackendConnection<'_>) -> Result<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(conn) => {
            use diesel::connection::SimpleConnection;
            let timeout = diesel::dsl::sql::<diesel::sql_types::Integer>("PRAGMA busy_timeout");
            let timeout: i32 = timeout.get_result(*conn)?;
            // Whoever writes in another process goes first: nobody waits for statistics, and a
            // process that ends must not wait for them either.
            conn.batch_execute(&format!(
                "PRAGMA busy_timeout = 0; PRAGMA analysis_limit = {ANALYSIS_ROWS_MAX}"
            ))?;
            let analyzed = conn.batch_execute("ANALYZE");
            conn.batch_execute(&format!("PRAGMA busy_timeout = {timeout}"))?;
            Ok(analyzed?)
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(_) => Ok(()),
    }
}

/// About how many rows each table holds.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn estimates(conn: &mut BackendConnection<'_>) -> Result<Vec<TableEstimate>> {
    let known: HashMap<String, SampledIndex> = known(conn)?
        .into_iter()
        .map(|known| (known.name.clone(), known))
        .collect();
    let of_table = |(table, has_trash): (&'static str, bool)| {
        let known = known.get(table);
        let rows = known.and_then(|known| known.rows);
        let deleted = match has_trash {
            true => known.and_then(|known| known.deleted),
            false => rows.map(|_| 0),
        };
        let active = rows.zip(deleted);
        TableEstimate {
            table,
            active: active.map(|(rows, deleted)| (rows - deleted).max(0)),
            deleted,
        }
    };
    Ok(TABLES.into_iter().map(of_table).collect())
}

#[derive(QueryableByName)]
struct SampledIndex {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    rows: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    deleted: Option<i64>,
}

fn known(conn: &mut BackendConnection<'_>) -> Result<Vec<SampledIndex>> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(conn) => {
            let analyzed: Option<String> = diesel::dsl::sql::<Text>(
                "SELECT name FROM sqlite_master WHERE name = 'sqlite_stat1'",
            )
            .get_result(*conn)
            .optional()?;
            match analyzed {
                Some(_) => Ok(diesel::sql_query(KNOWN_ON_SQLITE).load(*conn)?),
                None => Ok(Vec::new()),
            }
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(conn) => Ok(diesel::sql_query(KNOWN_ON_POSTGRES).load(*conn)?),
    }
}

/// `stat` begins with the rows of the index, or of the table. An index that holds nothing has no
/// line, so a table that was analysed and has none for its trash has nothing in it.
#[cfg(feature = "sqlite")]
const KNOWN_ON_SQLITE: &str = "SELECT tbl AS name, max(rows) AS rows, \
     coalesce(max(rows) FILTER (WHERE idx = tbl || '_trash'), 0) AS deleted \
     FROM (SELECT tbl, idx, CAST(stat AS INTEGER) AS rows FROM sqlite_stat1) GROUP BY tbl";

/// The counter of live rows follows every commit, but is zero after a crash; the other figure is
/// that of the last ANALYZE or VACUUM, as is that of the trash index. Those of a table that its users
/// have partitioned are the sums of its partitions'.
#[cfg(feature = "postgres")]
const KNOWN_ON_POSTGRES: &str = "SELECT held.relname::text AS name, \
     (SELECT sum(CASE WHEN seen.n_live_tup > 0 THEN seen.n_live_tup \
                      WHEN leaf.reltuples >= 0 THEN leaf.reltuples::bigint END)::bigint \
      FROM (SELECT held.oid WHERE held.relkind = 'r' \
            UNION ALL SELECT relid FROM pg_partition_tree(held.oid) WHERE isleaf) AS part \
      JOIN pg_class AS leaf ON leaf.oid = part.oid \
      LEFT JOIN pg_stat_user_tables AS seen ON seen.relid = leaf.oid) AS rows, \
     CASE WHEN held.reltuples >= 0 OR held.relkind = 'p' THEN \
          (SELECT sum(leaf.reltuples)::bigint \
           FROM (SELECT trash.oid WHERE trash.relkind = 'i' \
                 UNION ALL SELECT relid FROM pg_partition_tree(trash.oid) WHERE isleaf) AS part \
           JOIN pg_class AS leaf ON leaf.oid = part.oid WHERE leaf.reltuples >= 0) \
          END AS deleted \
     FROM pg_class AS held \
     LEFT JOIN pg_class AS trash ON trash.relname = held.relname || '_trash' \
          AND trash.relnamespace = held.relnamespace \
     WHERE held.relnamespace = current_schema()::regnamespace AND held.relkind IN ('r', 'p') \
     AND NOT held.relispartition";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soft_delete::SoftDeletable;
    use crate::tables::instruments;
    use crate::test_support::on_both;
    use diesel::connection::SimpleConnection;

    fn of(conn: &mut BackendConnection<'_>, table: &str) -> TableEstimate {
        let all = estimates(conn).unwrap();
        *all.iter().find(|of| of.table == table).unwrap()
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_refresh_makes_no_answer_of_a_cache_old() {
        use crate::database::CacheTag;

        let db = crate::testing::TemporaryDatabase::sqlite().unwrap();
        let before = db.version(CacheTag::Members);
        refresh_statistics(&db).unwrap();
        assert_eq!(db.version(CacheTag::Members), before);
    }

    #[test]
    fn what_was_never_analysed_is_unknown_and_then_known() {
        on_both(|conn| {
            let alerts = of(conn, "alert_logs");
            assert_eq!((alerts.active, alerts.deleted), (None, None));
            let now = crate::Timestamp::from_micros(1).unwrap();
            let delete = diesel::update(instruments::table.active().filter(instruments::id.le(2)))
                .set(instruments::deleted_at.eq(now));
            crate::on_backend!(conn, |c| delete.execute(c)).unwrap();
            crate::on_backend!(conn, |c| c.batch_execute("ANALYZE")).unwrap();
            let instruments = of(conn, "instruments");
            assert_eq!(
                (instruments.active, instruments.deleted),
                (Some(10), Some(2))
            );
            let sources = of(conn, "data_sources");
            assert_eq!((sources.active, sources.deleted), (Some(5), Some(0)));
        });
    }
}
