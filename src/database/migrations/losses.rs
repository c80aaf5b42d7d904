//! What taking a migration back deletes: found by taking it back in a savepoint and looking.

use std::collections::{BTreeMap, BTreeSet};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::database::connection::BackendConnection;
use crate::error::{Error, Result};

/// Tables that a way back drops after it has copied their rows into another one: `instrument_state`
/// into `instruments`.
const COPIED_BACK: [&str; 1] = ["instrument_state"];

/// Tables whose rows the way up makes anew: what is lost of `tickbase_database` is that older backups
/// know the database.
const MADE_ANEW: [&str; 2] = ["archive_permit", "tickbase_database"];

/// The columns of each table.
type Tables = BTreeMap<String, BTreeSet<String>>;
/// The rows of each table.
type RowCounts = BTreeMap<String, i64>;

#[derive(QueryableByName)]
struct SchemaColumn {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    column: String,
}

/// A sequence of PostgreSQL.
#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
struct Sequence {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

/// Of what rows are lost, each in a few words: `7 rows of bars`, `volume in 7 rows of bars`. It
/// counts the rows of every table, and leaves the database as it is.
pub(super) fn of(
    conn: &mut BackendConnection<'_>,
    take_back: impl Fn(&mut BackendConnection<'_>) -> Result<()>,
) -> Result<Vec<String>> {
    let before = tables(conn)?;
    #[cfg(feature = "postgres")]
    let sequences = sequences(conn)?;
    let tried = undone(conn, |conn| {
        take_back(conn)?;
        let after = tables(conn)?;
        let left = counts(conn, &after)?;
        Ok((after, left))
    });
    #[cfg(feature = "postgres")]
    advance(conn, &sequences)?;
    let (after, left) = tried?;
    let had = counts(conn, &before)?;
    let mut lost = Vec::new();
    for (table, columns) in &before {
        let rows = had.get(table).copied().unwrap_or(0);
        let rows_left = left.get(table).copied().unwrap_or(0);
        let comes_back = |tables: &[&str]| tables.contains(&table.as_str());
        if rows > rows_left && !comes_back(&COPIED_BACK) && !comes_back(&MADE_ANEW) {
            lost.push(format!("{} of {table}", in_words(rows - rows_left)));
        }
        let Some(columns_left) = after.get(table) else {
            continue;
        };
        for column in columns.difference(columns_left) {
            let values = values(conn, table, column)?;
            if values > 0 {
                lost.push(format!("{column} in {} of {table}", in_words(values)));
            }
        }
    }
    Ok(lost)
}

fn in_words(rows: i64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    }
}

/// Runs `work` and undoes it.
fn undone<T>(
    conn: &mut BackendConnection<'_>,
    work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    let mut found = None;
    let ended: Result<()> = conn.savepoint(|conn| {
        found = Some(work(conn)?);
        Err(diesel::result::Error::RollbackTransaction.into())
    });
    match (found, ended) {
        (Some(found), _) => Ok(found),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(Error::Closed), // Work that succeeds has found something.
    }
}

/// How far sequences are; none on SQLite, where they are rows.
#[cfg(feature = "postgres")]
fn sequences(conn: &mut BackendConnection<'_>) -> Result<Vec<Sequence>> {
    Ok(match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => Vec::new(),
        BackendConnection::Postgres(c) => diesel::sql_query(
            "SELECT format('%I.%I', schemaname, sequencename) AS name, last_value AS last \
             FROM pg_sequences WHERE last_value IS NOT NULL",
        )
        .load(*c)?,
    })
}

/// Has sequences go on from where they were: what sets one back is not undone with a transaction,
/// and numbers would be given twice.
#[cfg(feature = "postgres")]
fn advance(conn: &mut BackendConnection<'_>, to: &[Sequence]) -> Result<()> {
    let now = sequences(conn)?;
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {}
        BackendConnection::Postgres(c) => {
            for Sequence { name, last } in to {
                let is_back = |other: &Sequence| other.name == *name && other.last < *last;
                if now.iter().any(is_back) {
                    diesel::sql_query("SELECT setval($1::regclass, $2)")
                        .bind::<Text, _>(name)
                        .bind::<BigInt, _>(*last)
                        .execute(*c)?;
                }
            }
        }
    }
    Ok(())
}

/// The tables that the code sees, without those of the migrations' own.
fn tables(conn: &mut BackendConnection<'_>) -> Result<Tables> {
    let columns: Vec<SchemaColumn> = match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => diesel::sql_query(
            "SELECT t.name AS \"table\", c.name AS \"column\" \
             FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             AND t.sql NOT LIKE 'CREATE VIRTUAL%'",
        )
        .load(*c)?,
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => diesel::sql_query(
            "SELECT t.relname::text AS \"table\", c.attname::text AS \"column\" \
             FROM pg_class AS t JOIN pg_attribute AS c ON c.attrelid = t.oid \
             WHERE t.relkind IN ('r', 'p') AND pg_table_is_visible(t.oid) \
             AND t.relnamespace <> 'pg_catalog'::regnamespace AND t.relpersistence <> 't' \
             AND has_table_privilege(t.oid, 'SELECT') AND c.attnum > 0 AND NOT c.attisdropped",
        )
        .load(*c)?,
    };
    let mut tables = Tables::new();
    for SchemaColumn { table, column } in columns {
        if !table.ends_with("_schema_migrations") {
            tables.entry(table).or_default().insert(column);
        }
    }
    Ok(tables)
}

fn counts(conn: &mut BackendConnection<'_>, tables: &Tables) -> Result<RowCounts> {
    let mut counts = RowCounts::new();
    for table in tables.keys() {
        let rows = count(conn, &format!("SELECT count(*) FROM {}", quoted(table)))?;
        counts.insert(table.clone(), rows);
    }
    Ok(counts)
}

fn values(conn: &mut BackendConnection<'_>, table: &str, column: &str) -> Result<i64> {
    let (table, column) = (quoted(table), quoted(column));
    count(conn, &format!("SELECT count({column}) FROM {table}"))
}

fn count(conn: &mut BackendConnection<'_>, query: &str) -> Result<i64> {
    let count = sql::<BigInt>(query);
    Ok(crate::on_backend!(conn, |c| count.get_result(c))?)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
