//! A database's schema as its users see it: brought up to date, taken back, listed. How a migration
//! runs is in `migrations`.

use super::migrations::{self, MigrationStatus, RowsOnRevert};
use super::slow_query::MIGRATIONS;
use super::{BackendConnection, Database};
#[allow(unused_imports)] // The documentation links to it.
use crate::error::Error;
use crate::error::Result;

impl Database {
    pub(super) fn prepare_schema(&self) -> Result<()> {
        if self.inner.config.migrate {
            let applied = self.migrate()?;
            if !applied.is_empty() {
                tracing::info!(
                    count = applied.len(),
                    names = applied.join(", "),
                    "migrated"
                );
            }
        } else {
            self.exclusive(migrations::verify)?;
        }
        #[cfg(not(feature = "archive"))]
        self.refuse_archived()?;
        Ok(())
    }

    /// Applies the missing migrations, all or none; returns their names.
    ///
    /// # Errors
    /// [`Error::Migration`], [`Error::SchemaNewer`].
    pub fn migrate(&self) -> Result<Vec<String>> {
        let run = |conn: &mut BackendConnection<'_>| migrations::run(conn, self.config());
        self.exclusive(|conn| conn.run_as(MIGRATIONS, run).0)
    }

    /// Undoes the newest migration, with all that its tables hold; returns its name.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub fn migrate_revert(&self) -> Result<Option<String>> {
        self.revert(RowsOnRevert::Deleted)
    }

    fn revert(&self, rows: RowsOnRevert) -> Result<Option<String>> {
        let revert =
            |conn: &mut BackendConnection<'_>| migrations::revert(conn, self.config(), rows);
        self.exclusive(|conn| conn.run_as(MIGRATIONS, revert).0)
    }

    /// [`Database::migrate_revert`], unless it would delete rows, or values of columns. It counts
    /// the rows of every table, which may take minutes where there are many.
    ///
    /// # Errors
    /// As [`Database::migrate`]; [`Error::WouldDelete`], which says what would be lost.
    pub fn migrate_revert_keeping_rows(&self) -> Result<Option<String>> {
        self.revert(RowsOnRevert::Kept)
    }

    /// Writes the applied migrations into `__diesel_schema_migrations`, the table of the diesel CLI
    /// and of `MigrationHarness`, for those who run tickbase's migrations by these, too; returns
    /// how many were not there. From then on tickbase keeps that table up to date.
    ///
    /// # Errors
    /// [`Error::Query`], [`Error::SchemaNewer`].
    pub fn record_migrations_for_diesel(&self) -> Result<usize> {
        self.exclusive(|conn| migrations::record_for_diesel(conn, self.config()))
    }

    /// Every migration of this build and of the database, in order.
    ///
    /// # Errors
    /// [`Error::Query`].
    pub fn migration_status(&self) -> Result<Vec<MigrationStatus>> {
        self.read("migrations.status", migrations::status)
    }

    /// Refuses a database whose ticks are archived in part: this build would not see them.
    #[cfg(not(feature = "archive"))]
    fn refuse_archived(&self) -> Result<()> {
        use diesel::dsl::sql;
        use diesel::prelude::*;
        use diesel::sql_types::BigInt;
        let archived = self.exclusive_untold(|conn| {
            let query = sql::<BigInt>("SELECT count(*) FROM archive_segments");
            Ok(crate::on_backend!(conn, |c| query.get_result::<i64>(c))?)
        })?;
        match archived {
            0 => Ok(()),
            _ => Err(Error::invalid(
                "database",
                "some of its ticks are archived, which this build cannot read",
                "build it with the feature `archive`",
            )),
        }
    }
}
