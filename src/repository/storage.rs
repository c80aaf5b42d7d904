//! What the database holds and how large it is.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::database::{BackendConnection, Database};
use crate::error::Result;
use crate::soft_delete::SoftDeletable;
use crate::tables::market_data_bars;
use crate::tables::{alert_logs, alert_rules, data_sources, instruments, market_data};

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
}

/// Counts and sizes of the whole database.
#[derive(Debug, Clone, Copy)]
pub struct StorageRepository<'a> {
    db: &'a Database,
}

impl<'a> StorageRepository<'a> {
    /// Of this database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// The exact counts of every table: each is read once.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn counts(&self) -> Result<Vec<TableCount>> {
        self.db.read("storage.counts", counts)
    }

    /// The space that the database takes.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn size(&self) -> Result<StorageSize> {
        self.db.read("storage.size", size)
    }
}

/// The exact counts of every table.
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
    ])
}

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
            })
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            let bytes = sql::<BigInt>("SELECT pg_database_size(current_database())");
            Ok(StorageSize {
                database_bytes: bytes.get_result(*c)?,
                free_bytes: 0,
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
                    active: 1,
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
