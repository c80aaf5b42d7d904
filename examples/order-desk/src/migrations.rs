//! Our migrations. Diesel lists them in `__diesel_schema_migrations`; tickbase has a list of its own.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tickbase::database::{Backend, Database};
use tickbase::{Error, Result, on_backend};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Applies those that are missing, in one transaction.
pub fn run(database: &Database) -> Result<()> {
    database.write("orders.migrate", |conn| {
        let migrations = match conn.backend() {
            Backend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        let applied = on_backend!(conn, |c| {
            let applied = c.run_pending_migrations(migrations);
            applied.map(|_| ()).map_err(|error| error.to_string())
        });
        applied.map_err(|reason| Error::Migration {
            name: "orders".to_owned(),
            reason,
        })
    })
}
