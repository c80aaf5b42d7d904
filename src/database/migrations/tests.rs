//! Migrations against real databases: repeated, undone, refused, beside a user's own.

use diesel::connection::SimpleConnection;

use super::*;
use crate::database::Backend;
use crate::test_support::on_both;

fn execute(conn: &mut BackendConnection<'_>, sql: &str) {
    crate::on_backend!(conn, |c| c.batch_execute(sql)).unwrap();
}

/// A connection of SQLite asks it for a path, which names the lock's holder in the log.
fn config(conn: &BackendConnection<'_>) -> DatabaseConfig {
    let url = match conn.backend() {
        Backend::Sqlite => "test.db",
        Backend::Postgres => "postgres://test",
    };
    DatabaseConfig::new(url).unwrap()
}

pub(crate) fn run(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    super::run(conn, &config(conn))
}

fn revert(conn: &mut BackendConnection<'_>) -> Result<Option<String>> {
    super::revert(conn, &config(conn), RowsOnRevert::Deleted)
}

fn versions_in(conn: &mut BackendConnection<'_>) -> Vec<String> {
    applied(conn).unwrap().into_keys().collect()
}

#[test]
fn a_second_run_finds_nothing_to_do() {
    on_both(|conn| {
        assert_eq!(run(conn).unwrap(), Vec::<String>::new());
        verify(conn).unwrap();
        let all = status(conn).unwrap();
        assert!(
            all.len() >= 3 && all.iter().all(|m| m.applied_at.is_some()),
            "{all:?}"
        );
    });
}

#[test]
fn reverting_everything_and_running_again_restores_the_schema() {
    on_both(|conn| {
        let all = versions_in(conn);
        let mut reverted = Vec::new();
        while let Some(name) = revert(conn).unwrap() {
            reverted.push(name);
        }
        assert_eq!(reverted.len(), all.len());
        assert!(!table_exists(conn, VERSIONS).unwrap());
        assert!(
            matches!(verify(conn), Err(Error::SchemaOlder { pending, .. }) if pending == all.len())
        );
        assert_eq!(run(conn).unwrap().len(), all.len());
        assert_eq!(versions_in(conn), all);
    });
}

#[test]
fn a_newer_database_is_refused_by_name_and_left_alone() {
    on_both(|conn| {
        execute(
            conn,
            "INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20991231000000', 'x')",
        );
        for refused in [
            run(conn).map(|_| ()),
            verify(conn),
            revert(conn).map(|_| ()),
        ] {
            let error = refused.unwrap_err().to_string();
            assert!(
                error.contains("20991231000000") && error.contains("newer"),
                "{error}"
            );
        }
        assert_eq!(versions_in(conn).len(), embedded(conn).unwrap().len() + 1);
    });
}

#[test]
fn a_failing_migration_leaves_nothing_behind() {
    on_both(|conn| {
        while revert(conn).unwrap().is_some() {}
        // In the way of the third migration.
        execute(
            conn,
            "CREATE TABLE others (x INTEGER); CREATE INDEX alert_logs_trash ON others (x)",
        );
        let error = run(conn).unwrap_err();
        assert!(
            matches!(&error, Error::Migration { name, .. } if name.contains("alerts")),
            "{error}"
        );
        assert!(
            !table_exists(conn, VERSIONS).unwrap(),
            "the earlier ones were undone with it"
        );
        execute(conn, "DROP TABLE others");
        run(conn).unwrap();
    });
}

#[test]
fn tables_of_another_program_are_refused_before_the_first_migration() {
    on_both(|conn| {
        for table in foreign_tables::TABLES {
            assert!(
                table_exists(conn, table).unwrap(),
                "{table} is none of ours"
            );
        }
        while revert(conn).unwrap().is_some() {}
        for table in foreign_tables::TABLES {
            execute(conn, &format!("CREATE TABLE {table} (x INTEGER)"));
            let error = run(conn).unwrap_err().to_string();
            assert!(
                error.contains(&format!("tickbase's are: {table};")),
                "{error}"
            );
            assert!(
                error.contains("`tickbase adopt OLD.db --into NEW.db`"),
                "{error}"
            );
            execute(conn, &format!("DROP TABLE {table}"));
        }
        run(conn).unwrap();
    });
}

#[test]
fn the_tables_of_the_diesel_cli_are_not_touched() {
    on_both(|conn| {
        execute(
            conn,
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000001')",
        );
        run(conn).unwrap();
        while revert(conn).unwrap().is_some() {}
        let count = diesel::dsl::sql::<diesel::sql_types::BigInt>(
            "SELECT count(*) FROM __diesel_schema_migrations",
        );
        let count: i64 = crate::on_backend!(conn, |c| count.get_result(c)).unwrap();
        assert_eq!(count, 1);
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn a_parent_table_with_children_can_be_rebuilt() {
    crate::test_support::on_sqlite(|conn| {
        execute(
            conn,
            "INSERT INTO market_data (instrument_id, timestamp, source_id, sequence) VALUES (1, 1, 1, 0)",
        );
        let config = config(conn);
        locked(conn, &config, |conn| {
            execute(
                conn,
                // While a view reads the old table, no other one takes its name.
                "DROP VIEW v_ticks; DROP VIEW v_bars; DROP VIEW v_alerts; DROP VIEW v_instruments; \
                 DROP VIEW v_archived; \
                 CREATE TABLE rebuilt (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, symbol TEXT); \
                 INSERT INTO rebuilt SELECT id, symbol FROM instruments; \
                 DROP TABLE instruments; ALTER TABLE rebuilt RENAME TO instruments",
            );
            Ok(())
        })
        .unwrap();
        let orphan = locked(conn, &config, |conn| {
            execute(conn, "DELETE FROM instruments WHERE id = 1");
            Ok(())
        });
        let error = orphan.unwrap_err().to_string();
        assert!(error.contains("refers to no row of instruments"), "{error}");
    });
}
