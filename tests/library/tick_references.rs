//! Every tick refers to an instrument and a data source that exist, also when another program
//! writes: foreign keys hold that on SQLite, triggers on PostgreSQL. Two connections at once
//! cannot get around them.

use crate::support::{TestDatabase, on_both};
use diesel::result::{DatabaseErrorKind, Error};

/// Adds ticks as another program would, each given as `instrument, second, source`.
fn insert(ticks: &[(i64, i64, i64)], on_sqlite: bool) -> String {
    let row = |(instrument, second, source): &(i64, i64, i64)| {
        let at = if on_sqlite {
            second.to_string()
        } else {
            format!("to_timestamp({second})")
        };
        format!("({instrument}, {at}, {source}, 0, 1.0)")
    };
    let rows: Vec<String> = ticks.iter().map(row).collect();
    format!(
        "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price) \
         VALUES {}",
        rows.join(", ")
    )
}

/// The statements of another program, which on SQLite must ask for foreign keys itself.
fn run(db: &TestDatabase, sql: &str) -> Result<(), Error> {
    let ask = if db.dir().is_some() {
        "PRAGMA foreign_keys = ON; "
    } else {
        ""
    };
    db.raw(&format!("{ask}{sql}"))
}

/// That the statements break a reference, and what PostgreSQL says of it. SQLite says always the
/// same, and calls it a violation of a foreign key only when a row is added.
fn assert_refused(db: &TestDatabase, sql: &str, says: &str) {
    let Err(Error::DatabaseError(kind, reason)) = run(db, sql) else {
        panic!("{sql}: it was not refused");
    };
    if db.dir().is_some() {
        assert_eq!(reason.message(), "FOREIGN KEY constraint failed", "{sql}");
    } else {
        assert_eq!(reason.message(), says, "{sql}");
        assert!(
            matches!(kind, DatabaseErrorKind::ForeignKeyViolation),
            "{kind:?}"
        );
    }
}

fn ticks(db: &TestDatabase) -> Vec<String> {
    let columns = "instrument_id || ' ' || source_id";
    db.texts(&format!(
        "SELECT {columns} AS text FROM market_data ORDER BY 1"
    ))
}

on_both! {
    fn a_tick_of_an_unknown_instrument_or_source_is_refused_with_all_of_its_statement(
        db: &TestDatabase
    ) {
        let on_sqlite = db.dir().is_some();
        run(db, &insert(&[(1, 1, 1), (2, 1, 1)], on_sqlite)).unwrap();
        for (rows, says) in [
            (&[(99, 1, 1)][..], "market_data: instrument 99 is not there; add it first"),
            (&[(1, 2, 7)], "market_data: data source 7 is not there; add it first"),
            (
                &[(3, 1, 1), (99, 1, 1), (98, 1, 1), (99, 2, 7)],
                "market_data: instrument 98 is not there; add it first",
            ),
            (&[(3, 1, 1), (3, 2, 7)], "market_data: data source 7 is not there; add it first"),
        ] {
            assert_refused(db, &insert(rows, on_sqlite), says);
        }
        assert_eq!(ticks(db), ["1 1", "2 1"]);
    }

    fn a_tick_cannot_be_moved_to_an_unknown_instrument_or_source(db: &TestDatabase) {
        run(db, &insert(&[(1, 1, 1)], db.dir().is_some())).unwrap();
        assert_refused(
            db,
            "UPDATE market_data SET instrument_id = 99",
            "market_data: instrument 99 is not there; add it first",
        );
        assert_refused(
            db,
            "UPDATE market_data SET source_id = 7",
            "market_data: data source 7 is not there; add it first",
        );
        run(db, "UPDATE market_data SET instrument_id = 2, price = 3.0").unwrap();
        assert_eq!(ticks(db), ["2 1"]);
    }

    fn what_ticks_refer_to_is_neither_deleted_nor_renumbered(db: &TestDatabase) {
        run(db, &insert(&[(1, 1, 1)], db.dir().is_some())).unwrap();
        // In the trash, as are its ticks: they refer to it all the same.
        run(db, "UPDATE instruments SET deleted_at = created_at WHERE id <= 2").unwrap();
        run(db, "UPDATE market_data SET deleted_at = \"timestamp\"").unwrap();
        let instrument = "instruments: ticks refer to row 1; soft-delete and purge them first";
        let source = "data_sources: ticks refer to row 1; soft-delete and purge them first";
        for (sql, says) in [
            ("DELETE FROM instruments WHERE id <= 2", instrument),
            ("UPDATE instruments SET id = 77 WHERE id = 1", instrument),
            ("DELETE FROM data_sources", source),
            ("UPDATE data_sources SET id = 77 WHERE id = 1", source),
        ] {
            assert_refused(db, sql, says);
        }
        run(db, "DELETE FROM instruments WHERE id = 2").unwrap();
        run(db, "DELETE FROM market_data").unwrap();
        run(db, "DELETE FROM instruments WHERE id = 1").unwrap();
        run(db, "UPDATE data_sources SET id = 77 WHERE id = 1").unwrap();
    }
}

#[cfg(feature = "postgres")]
mod at_once {
    use std::sync::mpsc;

    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use tickbase::Timestamp;
    use tickbase::config::DatabaseConfig;
    use tickbase::database::Database;
    use tickbase::repository::purge;

    use super::*;
    use crate::support::until_somebody_waits;

    fn connect(db: &TestDatabase) -> PgConnection {
        PgConnection::establish(db.url()).unwrap()
    }

    /// Runs `first` in a transaction that ends with `end` only when `second` waits for it.
    fn one_after_the_other<T: Send>(
        db: &TestDatabase,
        first: &str,
        end: &str,
        second: impl FnOnce() -> T + Send,
    ) -> T {
        let (began, begun) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut conn = connect(db);
                conn.batch_execute("BEGIN").unwrap();
                conn.batch_execute(first).unwrap();
                began.send(()).unwrap();
                until_somebody_waits(db.url());
                conn.batch_execute(end).unwrap();
            });
            begun.recv().unwrap();
            second()
        })
    }

    fn trash_instrument_1(db: &TestDatabase) {
        let sql = "UPDATE instruments SET deleted_at = created_at WHERE id = 1";
        run(db, sql).unwrap();
    }

    const DELETE: &str = "DELETE FROM instruments WHERE id = 1";

    #[test]
    fn a_tick_waits_for_the_deletion_of_its_instrument_and_misses_it() {
        for rows in [&[(1, 1, 1)][..], &[(1, 1, 1), (2, 1, 1)]] {
            let db = TestDatabase::postgres();
            trash_instrument_1(&db);
            let outcome =
                one_after_the_other(&db, DELETE, "COMMIT", || run(&db, &insert(rows, false)));
            assert!(
                matches!(
                    outcome,
                    Err(Error::DatabaseError(
                        DatabaseErrorKind::ForeignKeyViolation,
                        _
                    ))
                ),
                "{outcome:?}"
            );
            assert!(ticks(&db).is_empty());
        }
    }

    #[test]
    fn a_tick_is_stored_when_the_deletion_of_its_instrument_is_undone() {
        let db = TestDatabase::postgres();
        trash_instrument_1(&db);
        let rows = insert(&[(1, 1, 1), (2, 1, 1)], false);
        one_after_the_other(&db, DELETE, "ROLLBACK", || run(&db, &rows)).unwrap();
        assert_eq!(ticks(&db), ["1 1", "2 1"]);
    }

    #[test]
    fn a_purge_waits_for_a_tick_that_is_being_inserted_and_keeps_its_instrument() {
        for rows in [&[(1, 1, 1)][..], &[(1, 1, 1), (2, 1, 1)]] {
            let db = TestDatabase::postgres();
            trash_instrument_1(&db);
            let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
            let purge = || purge::run(&database, Timestamp::MAX, false);
            let outcome = one_after_the_other(&db, &insert(rows, false), "COMMIT", purge);
            let refused = outcome.unwrap_err().chain();
            assert!(refused.contains("ticks refer to row 1"), "{refused}");
            let again = purge().unwrap();
            assert_eq!((again.deleted(), again.kept()), (0, 1));
            assert_eq!(ticks(&db).len(), rows.len());
        }
    }

    #[test]
    fn a_source_is_not_deleted_beside_a_tick_that_is_being_inserted() {
        let db = TestDatabase::postgres();
        let rows = insert(&[(1, 1, 1), (2, 1, 1)], false);
        let delete = || run(&db, "DELETE FROM data_sources WHERE id = 1");
        let outcome = one_after_the_other(&db, &rows, "COMMIT", delete);
        let refused = outcome.unwrap_err().to_string();
        assert!(
            refused.starts_with("data_sources: ticks refer to row 1"),
            "{refused}"
        );
    }

    #[test]
    fn ticks_do_not_wait_for_each_other_nor_for_a_change_of_their_instrument() {
        let db = TestDatabase::postgres();
        let mut first = connect(&db);
        first.batch_execute("BEGIN").unwrap();
        let change = "UPDATE instrument_state SET last_price = 1; UPDATE instruments SET deleted_at = created_at";
        for sql in [&insert(&[(1, 1, 1), (2, 1, 1)], false), change] {
            first.batch_execute(sql).unwrap();
        }
        let second = insert(&[(2, 2, 1), (1, 2, 1)], false);
        run(&db, &format!("SET lock_timeout = '10s'; {second}")).unwrap();
        first.batch_execute("COMMIT").unwrap();
        assert_eq!(ticks(&db).len(), 4);
    }

    /// Its snapshot does not show the tick, and its row of `instrument_state` has not changed: only the
    /// trigger can stop it.
    #[test]
    fn an_older_snapshot_deletes_no_instrument() {
        let db = TestDatabase::postgres();
        trash_instrument_1(&db);
        let mut old = connect(&db);
        old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; TABLE market_data")
            .unwrap();
        run(&db, &insert(&[(1, 1, 1)], false)).unwrap();
        let refused = old.batch_execute(DELETE).unwrap_err().to_string();
        assert!(refused.contains("READ COMMITTED"), "{refused}");
    }

    #[test]
    fn another_search_path_or_a_temporary_table_does_not_hide_the_instruments() {
        let db = TestDatabase::postgres();
        let decoy = "CREATE TEMPORARY TABLE instrument_state AS SELECT 99::bigint AS instrument_id; \
             SET search_path = pg_temp;";
        let row = insert(&[(99, 1, 1)], false).replace("market_data", "public.market_data");
        let refused = run(&db, &format!("{decoy} {row}")).unwrap_err().to_string();
        assert!(refused.contains("instrument 99 is not there"), "{refused}");
        let row = row.replace("99,", "1,");
        run(&db, &format!("{decoy} {row}")).unwrap();
    }

    /// As with a foreign key, it is the owner of the tables who looks.
    #[test]
    fn a_role_that_may_only_insert_ticks_inserts_them() {
        let db = TestDatabase::postgres();
        let role = db
            .url()
            .rsplit('/')
            .next()
            .unwrap()
            .replace(['?', '='], "_");
        let role = format!("feed_{role}");
        db.raw(&format!(
            "CREATE ROLE {role}; GRANT INSERT ON market_data TO {role}"
        ))
        .unwrap();
        let rows = insert(&[(1, 1, 1), (2, 1, 1)], false);
        let stored = run(&db, &format!("SET ROLE {role}; {rows}"));
        db.raw(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .unwrap();
        stored.unwrap();
        assert_eq!(ticks(&db).len(), 2);
    }
}
