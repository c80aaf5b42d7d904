//! The probe tells what a new process would find, while the pool's old connections still answer;
//! and it says that all is well again as soon as it is.

use std::time::Duration;

use crate::support::{TestDatabase, on_both};
use diesel::prelude::*;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Database, Probe, ProbeCause};

const LONG: Duration = Duration::from_secs(60);

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

/// Both forms find the same.
fn probe(database: &Database) -> Option<(ProbeCause, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let found = |probe: Probe| {
        let failure = probe.outcome.err()?;
        Some((failure.cause, failure.error.to_string()))
    };
    let blocking = found(database.probe(LONG));
    let asynchronous = found(runtime.block_on(database.probe_async(LONG)));
    assert_eq!(blocking, asynchronous);
    blocking
}

fn cause(database: &Database) -> Option<ProbeCause> {
    probe(database).map(|(cause, error)| {
        assert!(error.starts_with("cannot open "), "{error}");
        assert!(error.contains("; "), "{error} has no remedy");
        cause
    })
}

on_both! {
    fn a_database_without_its_tables_is_none(db: &TestDatabase) {
        let database = open(db);
        assert_eq!(cause(&database), None);
        let rename = |from: &str, to: &str| {
            db.raw(&format!("ALTER TABLE {from} RENAME TO {to}")).unwrap();
        };
        rename("tickbase_schema_migrations", "gone");
        assert_eq!(cause(&database), Some(ProbeCause::NotADatabase));
        rename("gone", "tickbase_schema_migrations");
        assert_eq!(cause(&database), None);
    }

    fn a_database_that_answers_is_told_so(db: &TestDatabase) {
        let database = open(db);
        assert_eq!(probe(&database), None);
        assert!(database.probe(Database::PROBE_TIMEOUT).duration > Duration::ZERO);
    }

    fn nobody_waits_longer_than_he_will(db: &TestDatabase) {
        let database = open(db);
        let failure = database.probe(Duration::ZERO).outcome.err();
        // An answer may be faster than the caller looks at the clock.
        if let Some(failure) = failure {
            assert_eq!(failure.cause, ProbeCause::TimedOut);
        }
        assert_eq!(probe(&database), None);
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn away(path: &Path) -> PathBuf {
        path.with_extension("away")
    }

    /// The old connections go on: the pool does not see what the probe sees.
    fn still_reads(database: &Database) {
        database.migration_status().unwrap();
    }

    #[test]
    fn a_file_that_is_moved_away_is_missing_until_it_is_back() {
        let db = TestDatabase::sqlite();
        let (database, path) = (open(&db), PathBuf::from(db.url()));
        fs::rename(&path, away(&path)).unwrap();
        assert_eq!(cause(&database), Some(ProbeCause::Missing));
        // Neither the probe nor a connection that the pool opens meanwhile leaves a file there.
        database.migration_status().unwrap_err();
        assert!(!path.exists());
        fs::rename(away(&path), &path).unwrap();
        assert_eq!(cause(&database), None);
    }

    #[test]
    fn another_file_in_its_place_is_seen_a_database_or_not() {
        let (db, other) = (TestDatabase::sqlite(), TestDatabase::sqlite());
        let (database, path) = (open(&db), PathBuf::from(db.url()));
        still_reads(&database);
        fs::rename(&path, away(&path)).unwrap();
        fs::copy(other.url(), &path).unwrap();
        assert_eq!(cause(&database), Some(ProbeCause::Replaced));
        fs::write(&path, "no database").unwrap();
        assert_eq!(cause(&database), Some(ProbeCause::Replaced));
        still_reads(&database);
        fs::rename(away(&path), &path).unwrap();
        assert_eq!(cause(&database), None);
    }

    #[test]
    fn garbage_in_the_file_itself_is_no_database() {
        let db = TestDatabase::sqlite();
        let database = open(&db);
        let whole = {
            db.raw("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            fs::read(db.url()).unwrap()
        };
        fs::write(db.url(), vec![b'x'; whole.len()]).unwrap();
        assert_eq!(cause(&database), Some(ProbeCause::NotADatabase));
        fs::write(db.url(), "").unwrap();
        assert_eq!(cause(&database), Some(ProbeCause::NotADatabase));
        fs::write(db.url(), &whole).unwrap();
        assert_eq!(cause(&database), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_damaged_page_that_a_statement_meets_is_told_until_the_database_is_opened_anew() {
        use std::os::unix::fs::FileExt;
        let db = TestDatabase::sqlite();
        db.raw("CREATE TABLE blobs (b BLOB)").unwrap();
        db.raw("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let sound = fs::metadata(db.url()).unwrap().len();
        db.raw(
            "INSERT INTO blobs \
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200) \
             SELECT zeroblob(1000) FROM n; PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
        let file = fs::OpenOptions::new().write(true).open(db.url()).unwrap();
        let rest = fs::metadata(db.url()).unwrap().len() - sound;
        file.write_all_at(&vec![0xff; rest as usize], sound)
            .unwrap();
        drop(file);
        let database = open(&db);
        assert_eq!(cause(&database), None, "a probe reads one page");
        let bytes = |conn: &mut tickbase::database::BackendConnection<'_>| {
            let sum =
                diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT sum(length(b)) FROM blobs");
            Ok(tickbase::on_backend!(conn, |c| sum.get_result::<i64>(c))?)
        };
        let error = database.read("test.blobs", bytes).unwrap_err().chain();
        assert!(error.contains("malformed"), "{error}");
        assert_eq!(cause(&database), Some(ProbeCause::Damaged));
        database.write("test.nothing", |_| Ok(())).unwrap();
        assert_eq!(cause(&database), Some(ProbeCause::Damaged));
        database.close();
        assert_eq!(cause(&open(&db)), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_write_ahead_log_that_is_deleted_is_missing_and_saved_by_a_restart() {
        // A file that tickbase has made itself.
        let db = TestDatabase::sqlite_empty();
        let database = open(&db);
        let insert = |conn: &mut tickbase::database::BackendConnection<'_>| {
            let add = diesel::sql_query("INSERT INTO numbers VALUES (1)");
            tickbase::on_backend!(conn, |c| add.execute(c))?;
            Ok(())
        };
        db.raw("CREATE TABLE numbers (n BIGINT)").unwrap();
        database.write("test.store", insert).unwrap();
        fs::remove_file(format!("{}-wal", db.url())).unwrap();
        assert_eq!(cause(&database), Some(ProbeCause::Missing));
        let refused = database.write("test.store", insert).unwrap_err();
        assert!(refused.to_string().contains("write-ahead log"), "{refused}");
        database.close();
        let stored = db.texts("SELECT CAST(n AS TEXT) AS text FROM numbers");
        assert_eq!(stored, ["1"]);
    }

    #[test]
    fn a_writer_at_work_is_an_answer() {
        let db = TestDatabase::sqlite();
        let database = open(&db);
        let probed = database.clone();
        database
            .write("test.hold", move |_| {
                assert_eq!(probe(&probed), None);
                Ok(())
            })
            .unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn permissions_that_are_taken_away_are_seen() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        // Permissions are void for root: run as somebody else.
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            return as_another_user("probe::sqlite::permissions_that_are_taken_away_are_seen");
        }
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let db = TestDatabase::sqlite();
        let (database, path) = (open(&db), PathBuf::from(db.url()));
        let directory = db.dir().unwrap();
        for (place, taken, given) in [
            (&path, 0o444, 0o644),
            (&path, 0o000, 0o644),
            (&directory, 0o000, 0o755),
        ] {
            mode(place, taken);
            let found = cause(&database);
            mode(place, given);
            let which = format!("{taken:o} of {}", place.display());
            assert_eq!(found, Some(ProbeCause::PermissionDenied), "{which}");
            assert_eq!(cause(&database), None, "{which}");
        }
    }

    /// Runs a test of this binary once more, by a user who is not root.
    #[cfg(target_os = "linux")]
    fn as_another_user(test: &str) {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = place.path().join("probe");
        fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
        let run = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&binary)
            .args(["--exact", test])
            .current_dir("/")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::support::server::Server;

    #[test]
    fn a_server_that_is_stopped_is_unreachable_until_it_is_back() {
        let mut server = Server::start();
        let db = TestDatabase::postgres_empty_on(&server);
        let database = open(&db);
        assert_eq!(cause(&database), None);
        server.stop();
        assert_eq!(cause(&database), Some(ProbeCause::Unreachable));
        server.start_again();
        assert_eq!(cause(&database), None);
    }

    #[test]
    fn a_user_who_may_not_come_in_and_a_database_that_is_gone_are_told_apart() {
        let server = Server::start();
        let db = TestDatabase::postgres_empty_on(&server);
        let name = db.url().rsplit('/').next().unwrap();
        let admin = |sql: &str| {
            use diesel::connection::SimpleConnection;
            use diesel::{Connection, PgConnection};
            let mut admin = PgConnection::establish(&server.url("postgres")).unwrap();
            admin.batch_execute(sql).unwrap();
        };
        let url = server.url_with_password("right", name);
        let database = Database::open(DatabaseConfig::new(&url).unwrap()).unwrap();
        assert_eq!(cause(&database), None);
        admin("ALTER ROLE tickbase_password PASSWORD 'other'");
        assert_eq!(cause(&database), Some(ProbeCause::PermissionDenied));
        assert!(!probe(&database).unwrap().1.contains("right"));
        admin("ALTER ROLE tickbase_password PASSWORD 'right'");
        assert_eq!(cause(&database), None);
        admin(&format!("DROP DATABASE {name} WITH (FORCE)"));
        assert_eq!(cause(&database), Some(ProbeCause::Missing));
    }
}
