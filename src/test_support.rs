//! Migrated databases of both backends for the unit tests of queries.

use diesel::prelude::*;

use crate::database::{BackendConnection, migrate_connection};

/// Runs a test on a fresh, migrated database of each backend of the build.
pub(crate) fn on_both(test: impl Fn(&mut BackendConnection<'_>)) {
    #[cfg(feature = "sqlite")]
    on_sqlite(&test);
    #[cfg(feature = "postgres")]
    on_postgres(&test);
}

/// Runs a test on a fresh, migrated SQLite file.
#[cfg(feature = "sqlite")]
pub(crate) fn on_sqlite(test: impl Fn(&mut BackendConnection<'_>)) {
    use crate::database::opening::ConnectionRole;
    use crate::database::opening::open;
    let open = |name: &str| open(&format!("file:{name}?mode=rwc"), ConnectionRole::Writer);
    on_sqlite_of(open, test);
}

/// [`on_sqlite`], on a connection that was not opened by the write lane.
#[cfg(feature = "sqlite")]
pub(crate) fn on_plain_sqlite(test: impl Fn(&mut BackendConnection<'_>)) {
    on_sqlite_of(SqliteConnection::establish, test);
}

#[cfg(feature = "sqlite")]
fn on_sqlite_of(
    open: impl Fn(&str) -> ConnectionResult<SqliteConnection>,
    test: impl Fn(&mut BackendConnection<'_>),
) {
    use diesel::connection::SimpleConnection;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let mut conn = open(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON")
        .unwrap();
    let mut conn = BackendConnection::from(&mut conn);
    migrate_connection(&mut conn).unwrap();
    test(&mut conn);
}

/// Runs a test on a fresh, migrated PostgreSQL database.
#[cfg(feature = "postgres")]
pub(crate) fn on_postgres(test: impl Fn(&mut BackendConnection<'_>)) {
    let database = postgres::Fresh::create();
    let mut conn = PgConnection::establish(&database.url).unwrap();
    let mut conn = BackendConnection::from(&mut conn);
    migrate_connection(&mut conn).unwrap();
    test(&mut conn);
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::sync::atomic::{AtomicU32, Ordering};

    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;

    static NUMBER: AtomicU32 = AtomicU32::new(0);

    /// A database of its own in the tests' cluster, dropped at the end.
    pub(super) struct Fresh {
        admin: String,
        name: String,
        pub(super) url: String,
    }

    impl Fresh {
        pub(super) fn create() -> Self {
            let admin = std::env::var("TICKBASE_TEST_POSTGRES_URL")
                .expect("run the tests by scripts/test, which starts a private PostgreSQL");
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("unit_{}_{number}", std::process::id());
            let mut conn = PgConnection::establish(&admin).unwrap();
            conn.batch_execute(&format!("CREATE DATABASE {name}"))
                .unwrap();
            let (server, options) = admin.split_once('?').unwrap_or((&admin, ""));
            let server = server.rsplit_once('/').unwrap().0;
            let url = format!("{server}/{name}?{options}");
            Self { admin, name, url }
        }
    }

    impl Drop for Fresh {
        fn drop(&mut self) {
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            let dropped = PgConnection::establish(&self.admin).map(|mut c| c.batch_execute(&sql));
            if !matches!(dropped, Ok(Ok(()))) && !std::thread::panicking() {
                panic!("cannot drop {}", self.name);
            }
        }
    }
}

/// The plan of a query, as the backend explains it; PostgreSQL with sequential scans off.
#[cfg(feature = "sqlite")]
pub(crate) fn sqlite_plan(conn: &mut SqliteConnection, sql: &str) -> String {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let lines: Vec<Line> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
        .load(conn)
        .unwrap();
    lines
        .into_iter()
        .map(|line| line.detail)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The generic plan of a statement with parameters, sequential scans off.
#[cfg(feature = "postgres")]
pub(crate) fn postgres_plan(conn: &mut PgConnection, sql: &str, parameters: usize) -> String {
    use diesel::connection::SimpleConnection;
    conn.batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        .unwrap();
    postgres_plan_as_it_is(conn, sql, parameters)
}

/// The generic plan that the planner takes by itself.
#[cfg(feature = "postgres")]
pub(crate) fn postgres_plan_as_it_is(
    conn: &mut PgConnection,
    sql: &str,
    parameters: usize,
) -> String {
    use diesel::connection::SimpleConnection;
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
        line: String,
    }
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if parameters == 0 {
        String::new()
    } else {
        format!("({nulls})")
    };
    conn.batch_execute(&format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE explained AS {sql}"
    ))
    .unwrap();
    let lines: Vec<Line> = diesel::sql_query(format!("EXPLAIN EXECUTE explained{arguments}"))
        .load(conn)
        .unwrap();
    conn.batch_execute("DEALLOCATE explained").unwrap();
    lines
        .into_iter()
        .map(|line| line.line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The SQL of a query without its bind values.
pub(crate) fn sql_of<DB, T>(query: &T) -> String
where
    DB: diesel::backend::Backend + Default,
    DB::QueryBuilder: Default,
    T: diesel::query_builder::QueryFragment<DB>,
{
    use diesel::query_builder::QueryBuilder;
    let mut builder = DB::QueryBuilder::default();
    query.to_sql(&mut builder, &DB::default()).unwrap();
    builder.finish()
}
