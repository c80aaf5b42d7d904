//! What takes a pass over the whole database: after a restoration, or when something seems wrong.

use diesel::dsl::sql;
use diesel::prelude::*;
#[cfg(feature = "postgres")]
use diesel::sql_types::BigInt;
use diesel::sql_types::Text;

#[cfg(feature = "sqlite")]
use super::DAMAGED;
use super::Finding;
#[cfg(feature = "postgres")]
use super::{names, table_ids};
use crate::database::{Backend, BackendConnection, Database};
use crate::error::Result;

/// [`run`](super::run), and what takes a pass over every table: pages and indexes, and the state of
/// instruments against their ticks and bars. It may take minutes where there are many rows.
///
/// # Errors
/// As [`run`](super::run).
pub fn run_deep(db: &Database) -> Result<Vec<Finding>> {
    let mut all = super::run(db)?;
    if all.iter().any(|finding| finding.problem.is_some()) {
        // The rest stands on what is wrong already.
        return Ok(all);
    }
    let deep = match db.backend() {
        Backend::Sqlite => db.read("check.deep", passes)?,
        // Beside the pool: a pass takes longer than a statement of its connections may.
        Backend::Postgres => db.exclusive_untold(|conn| {
            without_timeout(conn)?;
            passes(conn)
        })?,
    };
    all.extend(deep);
    Ok(all)
}

fn without_timeout(conn: &mut BackendConnection<'_>) -> Result<()> {
    let set = diesel::sql_query("SET statement_timeout = 0");
    crate::on_backend!(conn, |c| set.execute(c))?;
    Ok(())
}

fn passes(conn: &mut BackendConnection<'_>) -> Result<Vec<Finding>> {
    let mut all = vec![pages(conn)?];
    // Rows can be judged only where they can be read.
    if all.iter().all(|finding| finding.problem.is_none()) {
        all.push(newest_ticks(conn)?);
        all.push(ends_of_bars(conn)?);
        #[cfg(feature = "archive")]
        all.push(super::archive::files(conn)?);
        #[cfg(feature = "postgres")]
        if conn.backend() == Backend::Postgres {
            all.push(sequences(conn)?);
        }
    }
    Ok(all)
}

fn pages(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    const SUBJECT: &str = "pages and indexes";
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => {
            let found = sql::<Text>("PRAGMA integrity_check(5)").load::<String>(*c);
            let problem = match found {
                Ok(found) if found == ["ok"] => None,
                Ok(found) => Some(found.join("; ")),
                Err(error) => Some(error.to_string()),
            };
            let problem = problem.map(|found| format!("{found}; {DAMAGED}"));
            Ok(Finding::new(SUBJECT, problem))
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(_) => postgres_pages(conn, SUBJECT),
    }
}

/// Reads every row of every table, which finds pages with a wrong checksum; and with the extension
/// amcheck compares each index with its table.
#[cfg(feature = "postgres")]
fn postgres_pages(conn: &mut BackendConnection<'_>, subject: &str) -> Result<Finding> {
    let count = |conn: &mut BackendConnection<'_>, statement: &str| {
        let query = sql::<BigInt>(statement);
        crate::on_backend!(conn, |c| query.get_result::<i64>(c))
    };
    let remedy = "restore a backup, or rebuild the index by REINDEX";
    for table in super::TABLES {
        // The row as a whole: a bare count may be had of an index.
        if let Err(error) = count(conn, &format!("SELECT count(t.*) FROM {table} AS t")) {
            let problem = format!("{table}: {error}; {remedy}");
            return Ok(Finding::new(subject, Some(problem)));
        }
    }
    let extension = "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'";
    if count(conn, extension)? == 0 {
        let mut finding = Finding::new(subject, None);
        finding.note = Some(
            "every row was read; after CREATE EXTENSION amcheck the indexes are compared with \
             them, too"
                .to_owned(),
        );
        return Ok(finding);
    }
    let compared = count(
        conn,
        &format!(
            "SELECT count(checked) FROM (SELECT bt_index_check(i.indexrelid, true)::text AS checked \
             FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
             JOIN pg_am AS a ON a.oid = c.relam \
             WHERE a.amname = 'btree' AND i.indisvalid AND i.indrelid IN ({})) AS all_of_them",
            table_ids()
        ),
    );
    let problem = compared.err().map(|error| format!("{error}; {remedy}"));
    Ok(Finding::new(subject, problem))
}

/// The symbols that a query finds, as a problem with what is wrong of them.
fn symbols(
    conn: &mut BackendConnection<'_>,
    subject: &str,
    query: &str,
    wrong: &str,
) -> Result<Finding> {
    let found = sql::<Text>(query);
    let found: Vec<String> = crate::on_backend!(conn, |c| found.load(c))?;
    let problem = (!found.is_empty()).then(|| format!("of {} {wrong}", found.join(", ")));
    Ok(Finding::new(subject, problem))
}

/// The newest tick that an instrument knows is the newest that is stored.
fn newest_ticks(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    const SUBJECT: &str = "newest ticks";
    const WRONG: &str = "the newest tick is another one than instrument_state says; store one tick, or \
                         set last_tick and last_price to those of the newest row of market_data";
    let finding = symbols(
        conn,
        SUBJECT,
        "SELECT i.symbol FROM instruments AS i \
         JOIN instrument_state AS s ON s.instrument_id = i.id \
         WHERE i.deleted_at IS NULL \
         AND (s.archived_to IS NULL OR s.last_tick >= s.archived_to) AND NOT EXISTS ( \
         SELECT 1 FROM (SELECT (SELECT m.timestamp FROM market_data AS m \
         WHERE m.instrument_id = i.id AND m.deleted_at IS NULL \
         ORDER BY m.timestamp DESC LIMIT 1) AS stored) AS newest \
         WHERE newest.stored = s.last_tick \
         OR (newest.stored IS NULL AND s.last_tick IS NULL)) ORDER BY i.symbol",
        WRONG,
    )?;
    #[cfg(feature = "archive")]
    if finding.problem.is_none() {
        let wrong = newest_archived(conn)?;
        let problem = (!wrong.is_empty()).then(|| format!("of {} {WRONG}", wrong.join(", ")));
        return Ok(Finding::new(SUBJECT, problem));
    }
    Ok(finding)
}

/// Instruments whose newest tick is archived, and is another one than they know.
#[cfg(feature = "archive")]
fn newest_archived(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    use crate::repository::{instrument, market_data};
    let mut wrong = Vec::new();
    for row in instrument::list(conn, instrument::InstrumentFilter::default())? {
        let is_archived = crate::repository::archive::archived(conn, Some(&[row.id]))?
            .iter()
            .any(|of| row.last_tick.is_none_or(|at| at < of.archived_to));
        if !is_archived {
            continue;
        }
        let newest = market_data::latest(conn, &[row.id])?;
        if newest.first().map(|tick| tick.timestamp) != row.last_tick {
            wrong.push(row.symbol.to_string());
        }
    }
    Ok(wrong)
}

/// A tick before the end of the built bars marks them: an end that is too early leaves them wrong.
fn ends_of_bars(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    symbols(
        conn,
        "ends of built bars",
        "SELECT i.symbol FROM instruments AS i \
         JOIN instrument_state AS s ON s.instrument_id = i.id \
         JOIN bar_series AS b ON b.instrument_id = i.id \
         WHERE s.bars_to IS NULL OR s.bars_to < b.built_to GROUP BY i.symbol ORDER BY i.symbol",
        "bars are built past the end that instrument_state says; set bars_to to the largest \
         built_to of bar_series, and build the bars anew",
    )
}

/// The next number that a table gives is above those that it has given.
#[cfg(feature = "postgres")]
fn sequences(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    const NUMBERED: [&str; 8] = [
        "alert_deliveries",
        "alert_logs",
        "alert_rules",
        "alert_silences",
        "data_sources",
        "instruments",
        "market_data_bars",
        "saved_queries",
    ];
    let behind = NUMBERED.map(|table| {
        format!(
            "SELECT '{table}' AS behind WHERE (SELECT max(id) FROM {table}) > \
             coalesce(pg_sequence_last_value(pg_get_serial_sequence('{table}', 'id')::regclass), 0)"
        )
    });
    let found = names(conn, "", &behind.join(" UNION ALL "))?;
    let problem = (!found.is_empty()).then(|| {
        format!(
            "those of {} would give numbers again; run SELECT setval(pg_get_serial_sequence('TABLE', \
             'id'), max(id)) FROM TABLE",
            found.join(", ")
        )
    });
    Ok(Finding::new("sequences", problem))
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;

    use super::super::findings;
    use super::*;
    use crate::test_support::on_both;

    fn problems(conn: &mut BackendConnection<'_>) -> Vec<String> {
        let passes = passes(conn).unwrap().into_iter();
        let wrong = passes.filter(|finding| finding.problem.is_some());
        wrong.map(|finding| finding.subject).collect()
    }

    #[test]
    fn a_migrated_database_has_no_problem() {
        on_both(|conn| {
            assert!(findings(conn).unwrap().iter().all(|f| f.problem.is_none()));
            assert_eq!(problems(conn), Vec::<String>::new());
        });
    }

    #[test]
    fn a_state_that_differs_from_the_rows_is_found() {
        on_both(|conn| {
            for wrong in [
                "UPDATE instrument_state SET last_tick = updated_at FROM instruments \
                 WHERE id = instrument_id AND symbol = 'ES'",
                "INSERT INTO bar_series (instrument_id, frequency, price, built_from, built_to, \
                 updated_at) SELECT id, '1min', 'last', updated_at, updated_at, updated_at \
                 FROM instruments WHERE symbol = 'NQ'",
            ] {
                crate::on_backend!(conn, |c| c.batch_execute(wrong)).unwrap();
            }
            assert_eq!(problems(conn), ["newest ticks", "ends of built bars"]);
        });
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_sequence_that_fell_behind_is_found() {
        crate::test_support::on_postgres(|conn| {
            let wrong = "INSERT INTO saved_queries (id, name, symbols, frequency, created_at, \
                         updated_at) VALUES (7, 'x', '[]', '1d', now(), now())";
            crate::on_backend!(conn, |c| c.batch_execute(wrong)).unwrap();
            assert_eq!(problems(conn), ["sequences"]);
        });
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn with_amcheck_indexes_are_compared() {
        crate::test_support::on_postgres(|conn| {
            assert!(pages(conn).unwrap().note.is_some());
            let extension = "CREATE EXTENSION amcheck";
            crate::on_backend!(conn, |c| c.batch_execute(extension)).unwrap();
            let finding = pages(conn).unwrap();
            assert_eq!((finding.problem, finding.note), (None, None));
        });
    }
}
