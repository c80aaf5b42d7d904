//! The two doors of a database, through the public interface, on both backends.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::support::chaos::{report, scaled};
use crate::support::{TestDatabase, on_both};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Backend, BackendConnection, Database};
use tickbase::{Error, Result, on_backend};

fn config(db: &TestDatabase) -> DatabaseConfig {
    DatabaseConfig::new(db.url()).unwrap()
}

fn open(db: &TestDatabase) -> Database {
    Database::open(config(db)).unwrap()
}

fn with_numbers(db: &TestDatabase) -> Database {
    db.raw("CREATE TABLE numbers (n BIGINT NOT NULL)").unwrap();
    open(db)
}

fn store(conn: &mut BackendConnection<'_>, n: i64) -> Result<()> {
    on_backend!(conn, |c| {
        let insert = match Backend::of(c) {
            Backend::Postgres => "INSERT INTO numbers VALUES ($1)",
            _ => "INSERT INTO numbers VALUES (?)",
        };
        diesel::sql_query(insert).bind::<BigInt, _>(n).execute(c)
    })?;
    Ok(())
}

fn stored(database: &Database) -> (i64, i64) {
    let count = diesel::dsl::sql::<BigInt>("SELECT count(*) FROM numbers");
    let sum = diesel::dsl::sql::<BigInt>("SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM numbers");
    database
        .read("test.stored", move |conn| {
            Ok(on_backend!(conn, |c| (
                count.clone().get_result(c)?,
                sum.clone().get_result(c)?
            )))
        })
        .unwrap()
}

fn count(conn: &mut BackendConnection<'_>) -> Result<i64> {
    let count = diesel::dsl::sql::<BigInt>("SELECT count(*) FROM numbers");
    Ok(on_backend!(conn, |c| count.get_result(c))?)
}

on_both! {
    fn the_reads_of_a_snapshot_see_one_moment(db: &TestDatabase) {
        let database = with_numbers(db);
        let write = || database.write("test.write", |conn| store(conn, 1));
        let read = |conn: &mut BackendConnection<'_>| {
            conn.snapshot(|conn| {
                let before = count(conn)?;
                write()?;
                let nested = conn.snapshot(count)?;
                assert_eq!((nested, count(conn)?), (before, before));
                Ok(())
            })?;
            assert_eq!(count(conn)?, 1, "what follows a snapshot sees what was committed");
            let failed = conn.snapshot(|conn| {
                count(conn)?;
                Err::<(), _>(Error::invalid("n", "it is wrong", "give another"))
            });
            assert!(matches!(failed, Err(Error::Invalid { .. })));
            write()?;
            assert_eq!(count(conn)?, 2, "what failed is ended, too");
            Ok(())
        };
        database.read("test.snapshot", read).unwrap();
    }

    fn a_snapshot_in_a_write_is_part_of_it(db: &TestDatabase) {
        let database = with_numbers(db);
        let write = |conn: &mut BackendConnection<'_>| {
            store(conn, 1)?;
            conn.snapshot(|conn| {
                assert_eq!(count(conn)?, 1);
                store(conn, 2)
            })
        };
        database.write("test.write", write).unwrap();
        assert_eq!(stored(&database), (2, 3));
    }
}

/// Each of 64 threads writes distinct numbers; what is stored equals what was acknowledged.
fn many_writers(db: &TestDatabase, writes_each: i64) {
    let database = with_numbers(db);
    let (acknowledged, sum) = (AtomicI64::new(0), AtomicI64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let (database, acknowledged, sum) = (&database, &acknowledged, &sum);
            scope.spawn(move || {
                for i in 0..writes_each {
                    let n = thread * writes_each + i;
                    database
                        .write("test.store", move |conn| store(conn, n))
                        .unwrap();
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    sum.fetch_add(n, Ordering::Relaxed);
                }
            });
        }
    });
    let acknowledged = (acknowledged.into_inner(), sum.into_inner());
    assert_eq!(acknowledged.0, 64 * writes_each);
    assert_eq!(stored(&database), acknowledged);
    let operations = database.operations();
    let store = operations
        .iter()
        .find(|operation| operation.op == "test.store")
        .unwrap();
    assert_eq!((store.calls as i64, store.errors), (acknowledged.0, 0));
    let backend = db.backend();
    report(
        format!("64 threads write at once, {backend}"),
        format!("{} writes", acknowledged.0),
        "none",
        "0 lost, 0 doubled, none met a lock",
    );
}

#[cfg(feature = "sqlite")]
#[test]
fn sixty_four_threads_write_and_none_sees_a_lock() {
    many_writers(&TestDatabase::sqlite(), scaled(1_000, 10_000));
}

#[cfg(feature = "postgres")]
#[test]
fn sixty_four_threads_write_through_the_pool_of_postgresql() {
    many_writers(&TestDatabase::postgres(), scaled(100, 2_000));
}

on_both! {
    fn a_write_that_fails_leaves_nothing_and_names_its_operation(db: &TestDatabase) {
        let database = with_numbers(db);
        let error = database
            .write("test.fails", |conn| {
                store(conn, 1)?;
                on_backend!(conn, |c| diesel::sql_query("SELECT nonsense").execute(c))?;
                Ok(())
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "test.fails failed");
        assert!(error.chain().contains("nonsense"), "{}", error.chain());
        assert_eq!(stored(&database), (0, 0));
    }

    fn a_write_inside_a_write_is_refused_by_each_door(db: &TestDatabase) {
        let database = with_numbers(db);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let inner = database.clone();
        let inside = move |asynchronous| match asynchronous {
            false => inner.write("test.inner", |conn| store(conn, 2)),
            true => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(inner.write_async("test.inner", |conn| store(conn, 2))),
        };
        for (outer, inner) in [(false, false), (false, true), (true, false), (true, true)] {
            let inside = inside.clone();
            let work = move |conn: &mut BackendConnection<'_>| {
                store(conn, 1)?;
                inside(inner)
            };
            // A runtime cannot wait in another one, so the asynchronous door waits outside of it.
            let answer = match outer {
                false => database.write("test.outer", work),
                true => runtime.block_on(database.write_async("test.outer", work)),
            };
            let error = answer.unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
            assert!(error.to_string().contains("inside another write"), "{error}");
            assert_eq!(stored(&database), (0, 0), "{outer} {inner}");
        }
        let kept = database.write("test.outer", move |conn| {
            inside(false).unwrap_err();
            assert_eq!(count(conn)?, 0);
            store(conn, 1)
        });
        kept.unwrap();
        assert_eq!(stored(&database), (1, 1));
        // The threads are free for other writes.
        database.write("test.later", |conn| store(conn, 3)).unwrap();
        assert_eq!(stored(&database), (2, 4));
    }

    fn a_read_inside_a_write_sees_what_was_committed(db: &TestDatabase) {
        let database = with_numbers(db);
        let inner = database.clone();
        let write = move |conn: &mut BackendConnection<'_>| {
            store(conn, 1)?;
            Ok((count(conn)?, inner.read("test.inner", count)?))
        };
        assert_eq!(database.write("test.outer", write).unwrap(), (1, 0));
    }

    fn the_read_door_cannot_write(db: &TestDatabase) {
        let database = with_numbers(db);
        let error = database.read("test.sneaks", |conn| store(conn, 1)).unwrap_err();
        let text = error.chain();
        assert!(text.contains("readonly") || text.contains("read-only"), "{text}");
        assert_eq!(stored(&database), (0, 0));
    }

    fn both_doors_have_asynchronous_forms(db: &TestDatabase) {
        let database = with_numbers(db);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let writes = (0..200).map(|n| {
                let database = database.clone();
                tokio::spawn(async move {
                    database.write_async("test.store", move |conn| store(conn, n)).await
                })
            });
            for write in writes.collect::<Vec<_>>() {
                write.await.unwrap().unwrap();
            }
            let count = database
                .read_async("test.count", |conn| {
                    let count = diesel::dsl::sql::<BigInt>("SELECT count(*) FROM numbers");
                    Ok(on_backend!(conn, |c| count.get_result::<i64>(c))?)
                })
                .await
                .unwrap();
            assert_eq!(count, 200);
        });
        drop(runtime);
        assert_eq!(stored(&database), (200, 199 * 200 / 2));
    }

    fn a_panic_in_an_asynchronous_read_is_an_error_of_that_caller(db: &TestDatabase) {
        let database = with_numbers(db);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let outcome: Result<()> =
            runtime.block_on(database.read_async("test.panics", |_| panic!("on purpose")));
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Panicked { .. }), "{error}");
        assert!(error.to_string().contains("on purpose"), "{error}");
        assert_eq!(database.pool_snapshot().closed.panicked, 1);
        assert_eq!(stored(&database), (0, 0));
    }

    fn after_close_every_door_says_so_and_nothing_hangs(db: &TestDatabase) {
        let database = with_numbers(db);
        database.write("test.store", |conn| store(conn, 7)).unwrap();
        database.close();
        let write = database.write("test.store", |conn| store(conn, 8));
        assert!(matches!(write, Err(Error::Closed)), "{write:?}");
        let read = database.read("test.read", |_| Ok(()));
        assert!(matches!(read, Err(Error::Closed)), "{read:?}");
        assert_eq!(stored(&open(db)), (1, 7));
    }

    fn two_that_open_a_new_database_at_once_migrate_it_once(db: &TestDatabase) {
        let fresh = db.empty_sibling();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let database = Database::open(config(&fresh)).unwrap();
                    let status = database.migration_status().unwrap();
                    assert!(status.iter().all(|m| m.applied_at.is_some()), "{status:?}");
                });
            }
        });
    }

    fn without_leave_to_migrate_an_old_schema_is_refused_with_the_remedy(db: &TestDatabase) {
        let fresh = db.empty_sibling();
        let error = Database::open(config(&fresh).with(|c| c.migrate = false)).unwrap_err();
        assert!(matches!(error, Error::SchemaOlder { .. }), "{error}");
        assert!(error.to_string().contains("tickbase migrate run"), "{error}");
        Database::open(config(&fresh)).unwrap();
        Database::open(config(&fresh).with(|c| c.migrate = false)).unwrap();
    }
}

#[cfg(feature = "postgres")]
mod on_a_server {
    use super::*;
    use crate::support::server::Server;

    #[test]
    fn a_read_whose_connection_was_cut_is_run_again_on_another() {
        let db = TestDatabase::postgres();
        let database = with_numbers(&db);
        stored(&database);
        db.raw(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .unwrap();
        assert_eq!(stored(&database), (0, 0));
        let operations = database.operations();
        let read = operations
            .iter()
            .find(|operation| operation.op == "test.stored")
            .unwrap();
        assert_eq!((read.calls, read.errors, read.retries), (2, 0, 1));
    }

    #[test]
    fn a_write_that_postgresql_undid_for_another_is_run_again() {
        let db = TestDatabase::postgres();
        let database = with_numbers(&db);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        database
            .write("test.store", move |conn| {
                store(conn, 1)?;
                if counted.fetch_add(1, Ordering::SeqCst) < 2 {
                    let raise = "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40001'; END $$";
                    on_backend!(conn, |c| diesel::sql_query(raise).execute(c))?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 3);
        assert_eq!(stored(&database), (1, 1));
    }

    #[test]
    fn a_server_that_is_down_is_reported_at_once_and_found_again_when_it_is_back() {
        let mut server = Server::start();
        let url = server.url("postgres");
        let database = Database::open(DatabaseConfig::new(&url).unwrap()).unwrap();
        database.write("test.any", |_| Ok(())).unwrap();
        server.stop();
        for outcome in [
            database.read("test.down", |conn| {
                Ok(on_backend!(conn, |c| diesel::sql_query("SELECT 1").execute(c))?)
            }),
            database.write("test.down", |_| Ok(0)),
            Database::open(DatabaseConfig::new(&url).unwrap()).map(|_| 0),
        ] {
            let began = Instant::now();
            let error = outcome.unwrap_err();
            assert!(
                began.elapsed() < Duration::from_secs(15), // A checkout waits 30.
                "{:?}",
                began.elapsed()
            );
            assert!(matches!(error, Error::Connect { .. }), "{error}");
        }
        // Each of many callers learns it, and none waits for the others.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let began = Instant::now();
        std::thread::scope(|scope| {
            for n in 0..40 {
                let (database, runtime) = (&database, &runtime);
                scope.spawn(move || {
                    let outcome = match n % 2 {
                        0 => database.read("test.down", |_| Ok(())),
                        _ => runtime.block_on(database.read_async("test.down", |_| Ok(()))),
                    };
                    assert!(matches!(outcome, Err(Error::Connect { .. })), "{outcome:?}");
                });
            }
        });
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(database.pool_snapshot().open, 0);
        server.start_again();
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = database.write("test.back", |_| Ok(())) {
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
