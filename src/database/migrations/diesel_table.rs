//! The table of Diesel's own runners, the diesel CLI and `MigrationHarness`, which share it with
//! the migrations of tickbase's users.
//!
//! When it names one of tickbase's migrations, such a runner has run it, or was told of it: then
//! what the embedded runner does stands there, too, so that each goes on where the other stopped.
//! When it names none, it is the user's, and is left alone: a runner stops at a version that it
//! does not know.

use std::collections::BTreeSet;

use diesel::migration::MigrationConnection;
use diesel::prelude::*;

use super::{EmbeddedMigration, table_exists};
use crate::database::connection::BackendConnection;
use crate::error::Result;

const NAME: &str = "__diesel_schema_migrations";

diesel::table! {
    /// As Diesel makes it.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}
use self::__diesel_schema_migrations::dsl;

/// Whether it names one of these migrations.
pub(super) fn names_one_of(
    conn: &mut BackendConnection<'_>,
    steps: &[EmbeddedMigration],
) -> Result<bool> {
    if !table_exists(conn, NAME)? {
        return Ok(false);
    }
    let query = dsl::__diesel_schema_migrations.select(dsl::version);
    let named: Vec<String> = crate::on_backend!(conn, |c| query.load(c))?;
    let named: BTreeSet<String> = named.into_iter().collect();
    Ok(steps.iter().any(|step| named.contains(&step.version)))
}

/// Writes these migrations down as applied; those that stand there stay as they are.
pub(super) fn insert<'a>(
    conn: &mut BackendConnection<'_>,
    versions: impl IntoIterator<Item = &'a str>,
) -> Result<usize> {
    crate::on_backend!(conn, |c| c.setup())?;
    let mut new = 0;
    for version in versions {
        let row = dsl::version.eq(version);
        new += crate::on_backend!(conn, |c| diesel::insert_into(
            dsl::__diesel_schema_migrations
        )
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    }
    Ok(new)
}

/// Takes a migration out, if it stands there.
pub(super) fn delete(conn: &mut BackendConnection<'_>, version: &str) -> Result<()> {
    if table_exists(conn, NAME)? {
        let row = dsl::__diesel_schema_migrations.filter(dsl::version.eq(version));
        crate::on_backend!(conn, |c| diesel::delete(row).execute(c))?;
    }
    Ok(())
}
