//! What the write door answers when the end of a transaction goes wrong.

use diesel::connection::{Connection, SimpleConnection, TransactionManager};
use tickbase::config::DatabaseConfig;
use tickbase::database::{BackendConnection, Database};
use tickbase::{Result, on_backend};

use crate::support::{TestDatabase, on_both};

fn with_numbers(db: &TestDatabase) -> Database {
    db.raw("CREATE TABLE numbers (n BIGINT NOT NULL UNIQUE)")
        .unwrap();
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

fn run(conn: &mut BackendConnection<'_>, sql: &str) -> Result<()> {
    on_backend!(conn, |c| c.batch_execute(sql))?;
    Ok(())
}

fn stored(db: &TestDatabase) -> Vec<String> {
    db.texts("SELECT CAST(n AS TEXT) AS text FROM numbers ORDER BY n")
}

/// Begins a transaction inside the one of the door, and leaves it open.
fn begin<C: Connection>(conn: &mut C) -> Result<()> {
    Ok(C::TransactionManager::begin_transaction(conn)?)
}

on_both! {
    fn a_write_that_leaves_a_transaction_open_is_not_acknowledged(db: &TestDatabase) {
        let database = with_numbers(db);
        let outcome = database.write("test.open", |conn| {
            run(conn, "INSERT INTO numbers VALUES (1)")?;
            on_backend!(conn, |c| begin(c))
        });
        assert!(outcome.is_err(), "its COMMIT was only the release of a savepoint");
        assert_eq!(stored(db), Vec::<String>::new());
        database.write("test.next", |conn| run(conn, "INSERT INTO numbers VALUES (2)")).unwrap();
        assert_eq!(stored(db), ["2"]);
    }

    fn a_write_that_ends_its_transaction_is_not_acknowledged(db: &TestDatabase) {
        let database = with_numbers(db);
        let outcome = database.write("test.ended", |conn| {
            run(conn, "INSERT INTO numbers VALUES (1)")?;
            run(conn, "ROLLBACK")
        });
        assert!(outcome.is_err());
        assert_eq!(stored(db), Vec::<String>::new());
        database.write("test.next", |conn| run(conn, "INSERT INTO numbers VALUES (2)")).unwrap();
        assert_eq!(stored(db), ["2"]);
    }

    fn a_write_that_undoes_what_failed_in_a_savepoint_is_acknowledged(db: &TestDatabase) {
        let database = with_numbers(db);
        database
            .write("test.savepoint", |conn| {
                run(conn, "INSERT INTO numbers VALUES (1)")?;
                let twice = conn.savepoint(|conn| run(conn, "INSERT INTO numbers VALUES (1)"));
                assert!(twice.is_err());
                run(conn, "INSERT INTO numbers VALUES (2)")
            })
            .unwrap();
        assert_eq!(stored(db), ["1", "2"]);
    }
}

/// A full file ends the transaction of SQLite, and the savepoint with it: what the work writes
/// after that would be committed statement by statement.
#[cfg(feature = "sqlite")]
#[test]
fn a_write_whose_savepoint_met_a_full_file_stores_nothing_after_it() {
    let db = TestDatabase::sqlite();
    drop(with_numbers(&db));
    let pages = db.texts("SELECT CAST(page_count + 10 AS TEXT) AS text FROM pragma_page_count");
    let limit = pages[0].parse().unwrap();
    let config = DatabaseConfig::new(db.url()).unwrap();
    let database = Database::open(config.with(|c| c.sqlite.max_page_count = Some(limit))).unwrap();
    let outcome = database.write("test.full", |conn| {
        run(conn, "INSERT INTO numbers VALUES (1)")?;
        let large = "INSERT INTO numbers VALUES (CAST(zeroblob(1000000) AS TEXT))";
        let error = conn.savepoint(|conn| run(conn, large)).unwrap_err();
        assert!(error.chain().contains("full"), "{}", error.chain());
        run(conn, "INSERT INTO numbers VALUES (0)")
    });
    assert!(outcome.is_err(), "its transaction is gone");
    assert_eq!(stored(&db), Vec::<String>::new());
    database
        .write("test.next", |conn| {
            run(conn, "INSERT INTO numbers VALUES (2)")
        })
        .unwrap();
    assert_eq!(stored(&db), ["2"]);
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use tickbase::Error;

    use super::*;

    /// PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and that is no error.
    #[test]
    fn a_write_that_swallows_an_error_is_not_acknowledged() {
        let db = TestDatabase::postgres();
        let database = with_numbers(&db);
        let outcome = database.write("test.swallows", |conn| {
            run(conn, "INSERT INTO numbers VALUES (1)")?;
            run(conn, "INSERT INTO numbers VALUES (1)").unwrap_err();
            Ok(())
        });
        assert!(outcome.is_err(), "it was rolled back");
        assert_eq!(stored(&db), Vec::<String>::new());
        database
            .write("test.next", |conn| {
                run(conn, "INSERT INTO numbers VALUES (2)")
            })
            .unwrap();
        assert_eq!(stored(&db), ["2"]);
    }

    /// A trigger that runs in COMMIT does `body`.
    fn in_commit(db: &TestDatabase, body: &str) {
        db.raw(&format!(
            "CREATE FUNCTION in_commit() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN {body}; RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER in_commit AFTER INSERT ON numbers \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_commit()"
        ))
        .unwrap();
    }

    #[test]
    fn a_connection_that_breaks_in_commit_leaves_the_write_unknown_and_is_not_run_again() {
        let db = TestDatabase::postgres();
        let database = with_numbers(&db);
        in_commit(&db, "PERFORM pg_terminate_backend(pg_backend_pid())");
        let mut runs = 0;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let insert = |conn: &mut BackendConnection<'_>| run(conn, "INSERT INTO numbers VALUES (1)");
        for outcome in [
            database.write("test.cut", insert),
            runtime.block_on(database.write_async("test.cut", insert)),
        ] {
            runs += 1;
            let error = outcome.unwrap_err();
            assert!(
                matches!(error, Error::CommitUnknown { .. }),
                "{}",
                error.chain()
            );
        }
        let operations = database.operations();
        let cut = operations.iter().find(|o| o.op == "test.cut").unwrap();
        assert_eq!((cut.calls, cut.errors, cut.retries), (runs, runs, 0));
        assert_eq!(database.pool_snapshot().closed.dead, 2);
    }

    #[test]
    fn a_rule_that_commit_finds_broken_is_an_error_and_no_doubt() {
        let db = TestDatabase::postgres();
        let database = with_numbers(&db);
        in_commit(&db, "RAISE EXCEPTION 'not on a Sunday'");
        let error = database
            .write("test.rule", |conn| {
                run(conn, "INSERT INTO numbers VALUES (1)")
            })
            .unwrap_err();
        assert!(matches!(error, Error::Query { .. }), "{}", error.chain());
        assert!(
            error.chain().contains("not on a Sunday"),
            "{}",
            error.chain()
        );
        assert_eq!(stored(&db), Vec::<String>::new());
    }

    #[test]
    fn a_write_that_commit_undid_for_another_is_run_again() {
        let db = TestDatabase::postgres();
        let database = with_numbers(&db);
        db.raw("CREATE SEQUENCE attempts").unwrap();
        in_commit(
            &db,
            "IF nextval('attempts') < 3 THEN RAISE EXCEPTION SQLSTATE '40001'; END IF",
        );
        database
            .write("test.again", |conn| {
                run(conn, "INSERT INTO numbers VALUES (1)")
            })
            .unwrap();
        assert_eq!(stored(&db), ["1"]);
    }
}
