//! The plans of slow statements, asked for outside the hot path and never by running one.
//!
//! Only a single SELECT, INSERT, UPDATE or DELETE is explained, without ANALYZE, on a read-only
//! connection; on PostgreSQL in a transaction.

#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::text::{TokenKind, Words};
use super::{EXPLAIN, QueryPlan, STATEMENT_BYTES_MAX, SlowQueryTable};
use crate::database::BackendConnection;
use crate::database::Database;
use crate::database::retry::{AttemptFailure, classify_query};
#[cfg(feature = "postgres")]
use crate::database::savepoint::atomic;
use crate::error::{Error, Result};

/// How long the server may take to plan a statement, in milliseconds.
#[cfg(feature = "postgres")]
const PLANNING_MS_MAX: u32 = 2_000;

/// Takes the plan of each statement that has none yet; returns how many were asked for.
pub(in crate::database) fn explain(database: &Database, slow: &SlowQueryTable) -> Result<usize> {
    let unexplained = slow.unexplained();
    let asked = unexplained.len();
    for (fingerprint, statement) in unexplained {
        let plan = match statement.as_deref().map_or(Err(too_long()), explainable) {
            Err(reason) => QueryPlan::Unknown(reason),
            Ok(statement) => plan(database, statement)?,
        };
        slow.explained(fingerprint, plan);
    }
    Ok(asked)
}

/// A statement that the database does not explain is an answer; a connection that cannot be had is
/// an error, after which it is asked again.
fn plan(database: &Database, statement: &str) -> Result<QueryPlan> {
    match database.read(EXPLAIN, |conn| lines(conn, statement)) {
        Ok(lines) => Ok(QueryPlan::Lines(lines)),
        Err(Error::Query { source, .. }) if is_of_the_statement(&source) => {
            let reason = format!("the database does not explain it: {source}");
            Ok(QueryPlan::Unknown(reason))
        }
        Err(error) => Err(error),
    }
}

fn is_of_the_statement(error: &diesel::result::Error) -> bool {
    classify_query(error) == AttemptFailure::Lasting
}

fn too_long() -> String {
    format!("it is longer than {STATEMENT_BYTES_MAX} bytes")
}

/// The statement, if it is one that can be explained without running anything; else why not.
pub(super) fn explainable(statement: &str) -> Result<&str, String> {
    let mut words = Words(statement).filter(|(kind, _)| *kind != TokenKind::Blank);
    let verb = words.next().map_or("", |(_, word)| word);
    let known = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
    if !known.iter().any(|known| verb.eq_ignore_ascii_case(known)) {
        return Err(format!("{verb} has no plan"));
    }
    let ends = |(_, word): (TokenKind, &str)| word == ";";
    if words.by_ref().any(ends) && words.next().is_some() {
        return Err("it is more than one statement".to_owned());
    }
    Ok(statement)
}

fn lines(conn: &mut BackendConnection<'_>, statement: &str) -> Result<Vec<String>> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(conn) => sqlite_lines(conn, statement),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(conn) => postgres_lines(conn, statement),
    }
}

/// The lines, indented as they hang together.
#[cfg(feature = "sqlite")]
fn sqlite_lines(conn: &mut SqliteConnection, statement: &str) -> Result<Vec<String>> {
    use diesel::sql_types::Integer;
    use std::collections::HashMap;
    #[derive(QueryableByName)]
    struct PlanStep {
        #[diesel(sql_type = Integer)]
        id: i32,
        #[diesel(sql_type = Integer)]
        parent: i32,
        #[diesel(sql_type = Text)]
        detail: String,
    }
    let query = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"));
    let steps: Vec<PlanStep> = query.load(conn)?;
    let mut depths = HashMap::from([(0, 0)]);
    let lines = steps.into_iter().map(|step| {
        let depth = depths.get(&step.parent).copied().unwrap_or(0);
        depths.insert(step.id, depth + 1);
        format!("{}{}", "  ".repeat(depth), step.detail)
    });
    Ok(lines.collect())
}

#[cfg(feature = "postgres")]
fn postgres_lines(conn: &mut PgConnection, statement: &str) -> Result<Vec<String>> {
    atomic(conn, |conn| {
        conn.batch_execute(&format!(
            "SET LOCAL plan_cache_mode = force_generic_plan; \
             SET LOCAL statement_timeout = {PLANNING_MS_MAX}; SET LOCAL lock_timeout = 100"
        ))?;
        diesel::sql_query(format!("PREPARE tickbase_explained AS {statement}")).execute(conn)?;
        let lines = atomic(conn, |conn| generic_plan(conn, statement));
        // A prepared statement outlives the transaction, and one that failed.
        conn.batch_execute("DEALLOCATE tickbase_explained")?;
        lines
    })
}

/// The plan for all values: NULL stands for each parameter. PREPARE goes by the protocol that takes
/// one statement at a time, so that a second one in the text is refused by the server, too.
#[cfg(feature = "postgres")]
fn generic_plan(conn: &mut PgConnection, statement: &str) -> Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct PlanLine {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        line: String,
    }
    let arguments = match parameters(statement) {
        0 => String::new(),
        count => format!("({})", vec!["NULL"; count].join(", ")),
    };
    let explain = diesel::sql_query(format!("EXPLAIN EXECUTE tickbase_explained{arguments}"));
    let lines: Vec<PlanLine> = explain.load(conn)?;
    Ok(lines.into_iter().map(|line| line.line).collect())
}

/// The greatest number of a parameter.
#[cfg(feature = "postgres")]
fn parameters(statement: &str) -> usize {
    let numbers = Words(statement)
        .filter(|(kind, _)| *kind == TokenKind::Parameter)
        .filter_map(|(_, word)| word[1..].parse().ok());
    numbers.max().unwrap_or(0)
}
