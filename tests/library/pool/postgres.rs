//! What is the pool's on PostgreSQL alone: sessions, cut connections, passwords.

use super::*;
use crate::support::server::Server;
use diesel::sql_types::BigInt;

#[test]
fn every_session_is_read_only_named_and_limited() {
    let db = TestDatabase::postgres();
    for door in DOORS {
        let database = open(&db, |c| {
            c.postgres.application_name = "it's tested".to_owned();
            c.postgres.statement_timeout = Duration::from_millis(1_234);
        });
        for (setting, wanted) in [
            ("default_transaction_read_only", "on"),
            ("application_name", "it's tested"),
            ("statement_timeout", "1234ms"),
            ("TimeZone", "UTC"),
        ] {
            let sql = format!("SELECT current_setting('{setting}')");
            let got = read(door, &runtime(), &database, move |conn| text_of(conn, &sql));
            assert_eq!(got.unwrap(), wanted, "{door:?}");
        }
    }
}

#[test]
fn a_statement_that_takes_too_long_is_cancelled() {
    let db = TestDatabase::postgres();
    let database = open(&db, |c| {
        c.postgres.statement_timeout = Duration::from_millis(50)
    });
    let error = database
        .read("test.slow", |conn| {
            Ok(on_backend!(conn, |c| c.batch_execute("SELECT pg_sleep(30)"))?)
        })
        .unwrap_err();
    assert!(
        error.chain().contains("statement timeout"),
        "{}",
        error.chain()
    );
}

#[test]
fn dead_idle_connections_are_found_by_the_ping_and_replaced() {
    let db = TestDatabase::postgres();
    for door in DOORS {
        let runtime = Arc::new(runtime());
        let database = open(&db, |c| c.pool.pre_ping_after = Duration::ZERO);
        drop(Holders::new(&database, &runtime, door, 3));
        at_rest(&database);
        db.raw(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .unwrap();
        let pid = read(door, &runtime, &database, |conn| {
            let pid = diesel::dsl::sql::<BigInt>("SELECT pg_backend_pid()::bigint");
            Ok(on_backend!(conn, |c| pid.get_result::<i64>(c))?)
        });
        assert!(pid.unwrap() > 0);
        let snapshot = at_rest(&database);
        assert!(snapshot.closed.dead >= 1, "{door:?} {snapshot:?}");
        let retries: u64 = database.operations().iter().map(|o| o.retries).sum();
        assert_eq!(retries, 0, "the caller noticed nothing");
    }
}

/// Else each caller would meet one dead connection after the other, and run out of attempts.
#[test]
fn after_a_restart_of_the_server_one_dead_connection_warns_of_the_others() {
    let mut server = Server::start();
    let db = TestDatabase::postgres_empty_on(&server);
    let runtime = Arc::new(runtime());
    for door in DOORS {
        let database = open(&db, |_| {});
        drop(Holders::new(&database, &runtime, door, 12));
        assert_eq!(at_rest(&database).idle, 12);
        server.stop();
        server.start_again();
        read(door, &runtime, &database, |conn| {
            text_of(conn, "SELECT 'back'")
        })
        .unwrap();
        let retries: u64 = database.operations().iter().map(|o| o.retries).sum();
        assert_eq!(retries, 1, "{door:?}");
        let snapshot = at_rest(&database);
        assert_eq!((snapshot.open, snapshot.closed.dead), (1, 12), "{door:?}");
    }
}

#[test]
fn a_wrong_password_is_refused_without_being_shown() {
    let server = Server::start();
    let url = server.url_with_password("wr0ng-s3cret", "postgres");
    let error = Database::open(DatabaseConfig::new(&url).unwrap()).unwrap_err();
    assert!(
        error.to_string().contains("password authentication failed"),
        "{error}"
    );
    assert!(!error.chain().contains("wr0ng"), "{}", error.chain());
    let right = server.url_with_password("right", "postgres");
    assert!(!format!("{:?}", DatabaseConfig::new(&right).unwrap()).contains("right"));
}

#[test]
fn ordinary_work_leaves_no_error_in_the_log_of_the_server() {
    let server = Server::start();
    let database = Database::open(DatabaseConfig::new(&server.url("postgres")).unwrap()).unwrap();
    let runtime = runtime();
    for door in DOORS {
        for _ in 0..5 {
            read(door, &runtime, &database, |conn| {
                Ok(on_backend!(conn, |c| c.batch_execute("SELECT 1"))?)
            })
            .unwrap();
        }
    }
    database
        .write("test.write", |conn| {
            Ok(on_backend!(conn, |c| c.batch_execute("SELECT 1"))?)
        })
        .unwrap();
    database.close();
    let log = std::fs::read_to_string(server.directory().join("log")).unwrap();
    assert!(log.contains("ready to accept connections"), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("WARNING"), "{log}");
}

#[test]
fn a_write_that_does_not_want_to_wait_fails_at_once_when_no_connection_is_free() {
    use tickbase::database::{BatchSize, WhenFull};
    let db = TestDatabase::postgres();
    let database = open(&db, |c| (c.pool.base, c.pool.overflow) = (1, 0));
    let runtime = Arc::new(runtime());
    let size = BatchSize {
        rows: 1,
        when_full: WhenFull::Fail,
    };
    let work =
        |conn: &mut BackendConnection<'_>| Ok(on_backend!(conn, |c| c.batch_execute("SELECT 1"))?);
    let holder = Holders::new(&database, &runtime, Door::Blocking, 1);
    let begun = Instant::now();
    let blocking = database.write_batch("test.write", size, work);
    let asynchronous = runtime.block_on(database.write_batch_async("test.write", size, work));
    // Waiting would take the acquire timeout, 30 s.
    assert!(begun.elapsed() < Duration::from_secs(5));
    for refused in [blocking, asynchronous] {
        assert!(
            matches!(refused, Err(Error::PoolTimeout { .. })),
            "{refused:?}"
        );
    }
    drop(holder);
    database.write_batch("test.write", size, work).unwrap();
}
