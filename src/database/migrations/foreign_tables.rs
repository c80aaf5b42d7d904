//! A database in which another program has made tables of our names is refused before the first
//! migration: it would fail on the first of them, and say less.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::super::connection::BackendConnection;
use crate::error::{Error, Result};

/// The tables that the migrations make.
pub(super) const TABLES: [&str; 20] = [
    "alert_deliveries",
    "alert_logs",
    "alert_rules",
    "alert_silences",
    "archive_parts",
    "archive_permit",
    "archive_segments",
    "bar_series",
    "data_sources",
    "deletions",
    "ingest_batches",
    "instrument_state",
    "instruments",
    "market_data",
    "market_data_bars",
    "retention_policies",
    "retention_spans",
    "saved_queries",
    "stale_bars",
    "tickbase_database",
];

/// Refuses a database that has one of them, and was never migrated.
pub(super) fn refuse(conn: &mut BackendConnection<'_>) -> Result<()> {
    let found = found(conn)?;
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::config(
        "database.url",
        format!(
            "the database has tables of another program, named as tickbase's are: {}",
            found.join(", ")
        ),
        "use an empty database; when it is TradeAssist's, `tickbase adopt OLD.db --into NEW.db` \
         brings its rows over, and leaves it as it is",
    ))
}

#[derive(QueryableByName)]
struct ForeignTable {
    #[diesel(sql_type = Text)]
    name: String,
}

fn found(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    let names = TABLES.map(|table| format!("'{table}'")).join(", ");
    let tables: Vec<ForeignTable> = match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => diesel::sql_query(format!(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({names}) ORDER BY 1"
        ))
        .load(*c)?,
        // Where the migrations make theirs; those of the same name in other schemas are others'.
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => diesel::sql_query(format!(
            "SELECT tablename::text AS name FROM pg_tables \
             WHERE schemaname = current_schema() AND tablename IN ({names}) ORDER BY 1"
        ))
        .load(*c)?,
    };
    Ok(tables.into_iter().map(|table| table.name).collect())
}
