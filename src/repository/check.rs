//! Checks that the database is as the code needs it: rights, columns, indexes, plans, foreign keys.
//!
//! Every check reads; none repairs. It looks at the tables that the code's own statements meet, in
//! whichever schema, and at no other's. A remedy follows from what the database is found to be, not
//! from the words of its messages.

mod archive;
mod deep;
mod digits;
mod partitions;
#[cfg(feature = "postgres")]
mod rights;
#[cfg(test)]
mod tests;

pub use deep::run_deep;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

#[cfg(feature = "sqlite")]
use crate::database::unsound_pages;
use crate::database::{Backend, BackendConnection, Database};
use crate::error::Result;
use crate::repository::database_identity;
#[cfg(feature = "sqlite")]
use crate::repository::market_data::plan_samples;
use crate::soft_delete::SoftDeletable;
use crate::tables::{
    alert_deliveries, alert_silences, archive_parts, archive_permit, archive_segments, bar_series,
    deletions, instrument_state, market_data_bars, retention_policies, retention_spans,
    saved_queries, stale_bars, tickbase_database,
};
use crate::tables::{alert_logs, alert_rules, data_sources, instruments, market_data};

/// The tables of the schema, but for that of the migrations.
const TABLES: [&str; 20] = [
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

/// The indexes that named queries need; the migrations say which.
const INDEXES: [&str; 20] = [
    "alert_deliveries_dead",
    "alert_deliveries_due",
    "alert_logs_instrument_active",
    "alert_logs_newest_active",
    "alert_logs_rule_active",
    "alert_logs_trash",
    "alert_logs_unqueued",
    "alert_rules_instrument_active",
    "alert_rules_trash",
    "alert_silences_open",
    "archive_segments_trash",
    "ingest_batches_created",
    "instruments_symbol_active",
    "instruments_trash",
    "market_data_bars_period_active",
    "market_data_bars_trash",
    "market_data_trash",
    "retention_policies_subject",
    "retention_spans_batch",
    "saved_queries_trash",
];

/// They add the state of an instrument, and tell it of deletions.
const STATE_TRIGGERS: [&str; 2] = ["instruments_add_state", "instruments_follow_deletion"];

/// On PostgreSQL they stand for the foreign keys of `market_data`.
const REFERENCE_TRIGGERS: [&str; 6] = [
    "data_sources_referred_delete",
    "data_sources_referred_update",
    "instruments_referred_delete",
    "instruments_referred_update",
    "market_data_refers_insert",
    "market_data_refers_update",
];

/// What to do about a damaged file of SQLite.
#[cfg(feature = "sqlite")]
const DAMAGED: &str = "bring a backup back (`tickbase restore FILE`), or save what can be read with \
                       `sqlite3 FILE .recover`; a copy of the file alone that was made while it was \
                       in use is damaged like this";

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The subject: `columns of market_data`.
    pub subject: String,
    /// The problem and its remedy; `None` when there is none.
    pub problem: Option<String>,
    /// A note, when nothing is wrong and somebody may want to change it.
    pub note: Option<String>,
}

impl Finding {
    /// A finding; `problem` says what is wrong and what to do.
    pub fn new(subject: impl Into<String>, problem: Option<String>) -> Self {
        Self {
            subject: subject.into(),
            problem,
            note: None,
        }
    }
}

/// Looks at the schema, the indexes, the plans and the foreign keys of a database, and on SQLite at
/// its pragmas and build options; returns every finding, right and wrong.
///
/// # Errors
/// Those of [`Database::read`]: what cannot be looked at is an error, not a finding.
pub fn run(db: &Database) -> Result<Vec<Finding>> {
    let findings = db.read("check.run", findings)?;
    #[cfg(feature = "sqlite")]
    let mut findings = findings;
    #[cfg(feature = "sqlite")]
    if db.backend() == Backend::Sqlite {
        findings.extend(pragmas(db)?);
        findings.push(compile_options(db)?);
    }
    Ok(findings)
}

#[cfg(feature = "sqlite")]
fn pragmas(db: &Database) -> Result<Vec<Finding>> {
    let states = db.sqlite_pragmas()?.into_iter().map(|state| {
        let subject = format!("pragma {} of the {}", state.name, state.role);
        let problem = (!state.took()).then(|| {
            format!(
                "is {}, not {}; check the settings",
                state.actual, state.wanted
            )
        });
        Finding::new(subject, problem)
    });
    Ok(states.collect())
}

/// The one build option that costs every connection: see docs/configuration.md on SQLite's build flags.
#[cfg(feature = "sqlite")]
fn compile_options(db: &Database) -> Result<Finding> {
    let options = db.sqlite_compile_options()?;
    let slow = options
        .iter()
        .any(|option| option == "ENABLE_MEMORY_MANAGEMENT");
    let problem = slow.then(|| {
        "ENABLE_MEMORY_MANAGEMENT puts one mutex over the page caches of all connections; \
         build with LIBSQLITE3_FLAGS=-USQLITE_ENABLE_MEMORY_MANAGEMENT"
            .to_owned()
    });
    Ok(Finding::new("compile options of SQLite", problem))
}

fn findings(conn: &mut BackendConnection<'_>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    #[cfg(feature = "sqlite")]
    if conn.backend() == Backend::Sqlite {
        let damage = unsound_pages(conn)?;
        let is_sound = damage.is_none();
        let problem = damage.map(|found| format!("{found}; {DAMAGED}"));
        findings.push(Finding::new("pages", problem));
        if !is_sound {
            // What damaged pages say is worth nothing.
            return Ok(findings);
        }
    }
    #[cfg(feature = "postgres")]
    {
        let rights = rights::of_user(conn)?;
        let may_read = rights.may_read;
        findings.extend(rights.finding);
        if !may_read {
            // The rest cannot be judged.
            return Ok(findings);
        }
    }
    // An empty database has one finding, that of its migrations, which the caller adds.
    if tables(conn)?.is_empty() {
        return Ok(findings);
    }
    let columns = columns(conn);
    let readable = columns.iter().all(|finding| finding.problem.is_none());
    findings.extend(columns);
    findings.push(indexes(conn)?);
    findings.push(triggers(conn)?);
    findings.extend(partitions::guarded(conn)?);
    findings.extend(plans(conn)?);
    // Rows can be read only where the columns are.
    if readable {
        findings.push(foreign_keys(conn)?);
        findings.push(instrument_states(conn)?);
        findings.push(identity(conn)?);
        findings.extend(archive::description(conn)?);
    }
    // A note about digits would only distract from a problem.
    if findings.iter().all(|finding| finding.problem.is_none()) {
        findings.push(digits::finding(conn)?);
    }
    Ok(findings)
}

/// Asks for every column that the code reads, and no row.
fn columns(conn: &mut BackendConnection<'_>) -> Vec<Finding> {
    macro_rules! readable {
        ($name:expr, $table:expr) => {{
            let asked = crate::on_backend!(conn, |c| $table.limit(0).execute(c));
            let remedy = "run `tickbase migrate run`, or restore the column";
            Finding::new(
                format!("columns of {}", $name),
                asked.err().map(|error| format!("{error}; {remedy}")),
            )
        }};
    }
    macro_rules! gated {
        ($table:ident) => {
            readable!(
                $table::table::NAME,
                $table::table.with_deleted("columns, not rows")
            )
        };
    }
    vec![
        gated!(instruments),
        gated!(market_data),
        gated!(market_data_bars),
        gated!(alert_rules),
        gated!(alert_logs),
        gated!(saved_queries),
        readable!("data_sources", data_sources::table),
        readable!("alert_deliveries", alert_deliveries::table),
        readable!("alert_silences", alert_silences::table),
        readable!("archive_parts", archive_parts::table),
        readable!("archive_permit", archive_permit::table),
        readable!("archive_segments", archive_segments::table),
        readable!("bar_series", bar_series::table),
        readable!("deletions", deletions::table),
        readable!("instrument_state", instrument_state::table),
        readable!("retention_policies", retention_policies::table),
        readable!("retention_spans", retention_spans::table),
        readable!("stale_bars", stale_bars::table),
        readable!("tickbase_database", tickbase_database::table),
    ]
}

fn names(conn: &mut BackendConnection<'_>, sqlite: &str, postgres: &str) -> Result<Vec<String>> {
    let _ = (sqlite, postgres);
    Ok(match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => sql::<Text>(sqlite).load(*c)?,
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => sql::<Text>(postgres).load(*c)?,
    })
}

fn missing(present: &[String], wanted: impl Iterator<Item = String>, what: &str) -> Option<String> {
    let gone: Vec<String> = wanted.filter(|name| !present.contains(name)).collect();
    (!gone.is_empty()).then(|| {
        format!(
            "{what} missing: {}; create them as the migrations do",
            gone.join(", ")
        )
    })
}

fn quoted_tables() -> String {
    TABLES.map(|table| format!("'{table}'")).join(", ")
}

/// The tables as PostgreSQL finds them for the code's statements, in the first schema of the search
/// path that has one; those of the same name in others are others' tables.
fn table_ids() -> String {
    TABLES
        .map(|table| format!("to_regclass('{table}')::oid"))
        .join(", ")
}

/// Returns the tables that exist.
fn tables(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    names(
        conn,
        &format!(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({})",
            quoted_tables()
        ),
        &format!(
            "SELECT relname::text FROM pg_class WHERE oid IN ({})",
            table_ids()
        ),
    )
}

fn indexes(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    let present = names(
        conn,
        &format!(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name IN ({})",
            quoted_tables()
        ),
        // One that CREATE INDEX CONCURRENTLY has left half done is of no use.
        &format!(
            "SELECT c.relname::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
             WHERE i.indisvalid AND i.indrelid IN ({})",
            table_ids()
        ),
    )?;
    let wanted = INDEXES.iter().map(|name| (*name).to_owned());
    Ok(Finding::new(
        "indexes",
        missing(&present, wanted, "indexes"),
    ))
}

fn triggers(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    let present = names(
        conn,
        &format!(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({})",
            quoted_tables()
        ),
        &format!(
            "SELECT tgname::text FROM pg_trigger \
             WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgrelid IN ({})",
            table_ids()
        ),
    )?;
    let tables = [
        "instruments",
        "market_data",
        "market_data_bars",
        "alert_rules",
        "alert_logs",
        "saved_queries",
    ];
    let refusals = tables
        .iter()
        .map(|table| format!("{table}_refuse_active_delete"));
    let references: &[&str] = match conn.backend() {
        Backend::Sqlite => &[],
        Backend::Postgres => &REFERENCE_TRIGGERS,
    };
    let others = STATE_TRIGGERS.iter().chain(references);
    let wanted = refusals.chain(others.map(|name| (*name).to_owned()));
    Ok(Finding::new(
        "triggers",
        missing(&present, wanted, "triggers"),
    ))
}

/// Each instrument has its state, which knows whether it is deleted: without it no tick is taken, and
/// no list shows it.
fn instrument_states(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    let states = instruments::table
        .with_deleted("each of them has a state")
        .left_join(instrument_state::table)
        .select((
            instruments::id,
            instruments::deleted_at.is_not_null(),
            instrument_state::is_deleted.nullable(),
        ))
        .order(instruments::id);
    let states: Vec<(i64, bool, Option<bool>)> = crate::on_backend!(conn, |c| states.load(c))?;
    let wrong = states
        .iter()
        .filter(|(_, deleted, state)| *state != Some(*deleted));
    let wrong: Vec<String> = wrong.map(|(id, ..)| id.to_string()).collect();
    let problem = (!wrong.is_empty()).then(|| {
        format!(
            "of instruments {} it is missing, or does not know of their deletion; run INSERT INTO \
             instrument_state (instrument_id, is_deleted) SELECT id, deleted_at IS NOT NULL FROM \
             instruments WHERE true ON CONFLICT (instrument_id) DO UPDATE SET is_deleted = \
             excluded.is_deleted, and create the triggers as the migrations do",
            wrong.join(", ")
        )
    });
    Ok(Finding::new("state of instruments", problem))
}

/// By it a backup is known as one of this database.
fn identity(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    let of = database_identity::get(conn)?;
    let mut finding = Finding::new("identity of the database", None);
    match of {
        None => {
            let problem = "it has none, so no backup is known as its own; run INSERT INTO \
                           tickbase_database (backed_up_at) VALUES (NULL)";
            finding.problem = Some(problem.to_owned());
        }
        // Served as it is, it would make room for the next backup of this name.
        Some(of) if of.backed_up_at.is_some() => {
            finding.note = of.backed_up_at.map(|at| {
                format!("this is a backup of {at}; bring it back with `tickbase restore`")
            });
        }
        Some(_) => {}
    }
    Ok(finding)
}

/// The hot reads must seek in the key of `market_data`.
fn plans(conn: &mut BackendConnection<'_>) -> Result<Vec<Finding>> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => sqlite_plans(c),
        // Its planner rightly reads a small table as a whole: a plan there proves nothing.
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(_) => Ok(Vec::new()),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite_plans(conn: &mut SqliteConnection) -> Result<Vec<Finding>> {
    #[derive(QueryableByName)]
    struct PlanDetail {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    let mut findings = Vec::new();
    for (name, statement, seek) in plan_samples()? {
        let explain = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"));
        let lines: Vec<PlanDetail> = match explain.load(conn) {
            Ok(lines) => lines,
            // It names a column that is not there, which has a finding of its own.
            Err(error) => {
                let problem = format!("{error}; run `tickbase migrate run`");
                findings.push(Finding::new(format!("plan of {name}"), Some(problem)));
                continue;
            }
        };
        let sorts = |line: &PlanDetail| line.detail.contains("TEMP B-TREE");
        let seeks = lines.iter().any(|line| line.detail.contains(seek)) && !lines.iter().any(sorts);
        let problem = (!seeks).then(|| {
            let plan: Vec<String> = lines.into_iter().map(|line| line.detail).collect();
            format!(
                "does not seek in the key: {}; run ANALYZE",
                plan.join(" / ")
            )
        });
        findings.push(Finding::new(format!("plan of {name}"), problem));
    }
    Ok(findings)
}

pub(crate) fn foreign_keys(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    let broken: i64 = match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => {
            sql::<BigInt>("SELECT count(*) FROM pragma_foreign_key_check").get_result(*c)?
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => sql::<BigInt>(&unsound_on_postgres()).get_result(*c)?,
    };
    let remedy = match conn.backend() {
        Backend::Sqlite => "see PRAGMA foreign_key_check",
        Backend::Postgres => "add the instruments and data sources that ticks name, and validate",
    };
    let problem =
        (broken > 0).then(|| format!("{broken} rows or constraints are unsound; {remedy}"));
    Ok(Finding::new("foreign keys", problem))
}

/// Foreign keys that were never validated, and the instruments and sources that ticks name and
/// that are not there: triggers hold those references, and nothing looks at the rows that came in
/// while they were off. One descent of the key per instrument; the sources take a pass.
#[cfg(feature = "postgres")]
fn unsound_on_postgres() -> String {
    format!(
        "WITH RECURSIVE named (id) AS ( \
         (SELECT instrument_id FROM market_data ORDER BY instrument_id LIMIT 1) \
         UNION ALL \
         SELECT (SELECT instrument_id FROM market_data WHERE instrument_id > named.id \
                 ORDER BY instrument_id LIMIT 1) \
         FROM named WHERE named.id IS NOT NULL) \
         SELECT (SELECT count(*) FROM pg_constraint \
                 WHERE contype = 'f' AND NOT convalidated AND conrelid IN ({})) \
         + (SELECT count(*) FROM named WHERE id NOT IN (SELECT id FROM instruments)) \
         + (SELECT count(*) FROM (SELECT DISTINCT source_id FROM market_data) AS named \
            WHERE source_id NOT IN (SELECT id FROM data_sources))",
        table_ids()
    )
}
