//! Databases that cannot do their part: each ends with one line that says so, and what was in
//! them stays.

use super::{Done, Files, clean, done, run, sample, says, tickbase};
use crate::support::TestDatabase;

fn import(db: &TestDatabase, options: &[&str]) -> Done {
    run(
        db,
        &[&["import", &sample(), "--symbol", "ES", "--json"], options].concat(),
    )
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::cli::{BINARY, contents};

    /// The directory of the test database in a message, left out.
    fn plain(db: &TestDatabase, message: &str) -> String {
        message.replace(db.dir().unwrap().to_str().unwrap(), "DIR")
    }

    #[test]
    fn a_full_database_keeps_what_it_had_and_takes_more_when_there_is_room() {
        let db = TestDatabase::sqlite();
        let before = contents(&db);
        let mut command = tickbase(db.url());
        command.env("TICKBASE_SQLITE_MAX_PAGE_COUNT", "120");
        let full = done(command.args(["import", &sample(), "--symbol", "ES"]));
        says(
            full.failure(),
            "tickbase: import.file: the database is full, so nothing of this was stored; free disk space, or raise sqlite.max_page_count: database or disk is full",
        );
        assert_eq!(contents(&db), before);
        assert_eq!(import(&db, &[]).figures(), [20_009, 20_009, 0, 0, 0]);
    }

    #[test]
    fn an_import_that_commits_each_batch_goes_on_where_it_stopped() {
        let db = TestDatabase::sqlite();
        let mut command = tickbase(db.url());
        command.env("TICKBASE_SQLITE_MAX_PAGE_COUNT", "200");
        command.args(["import", &sample(), "--symbol", "ES", "--commit-each-batch"]);
        assert_eq!(done(&mut command).code, Some(1));
        assert_eq!(contents(&db)["tables"][1]["active"], 10_000);
        let rest = import(&db, &["--commit-each-batch"]);
        assert_eq!(rest.figures(), [20_009, 10_009, 10_000, 0, 0]);
    }

    #[test]
    fn a_full_disk_keeps_what_the_database_had() {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("not run: mounting is not allowed here");
            return;
        }
        let path = folder.path().join("small.db");
        let url = path.to_str().unwrap();
        assert_eq!(done(tickbase(url).args(["migrate", "run"])).code, Some(0));
        let full = done(tickbase(url).args(["import", &sample(), "--symbol", "ES"]));
        let stats = done(tickbase(url).args(["stats", "--json"]));
        let unmounted = Command::new("umount").arg(folder.path()).status().unwrap();
        assert!(unmounted.success());
        assert!(full.failure().contains("database is full"), "{full:?}");
        assert_eq!(stats.json()["tables"][1]["active"], 0);
    }

    /// Runs the binary as a user who may not write, also when the tests run as root.
    fn as_another_user(arguments: &[&str]) -> Done {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = place.path().join("tickbase");
        fs::copy(BINARY, &binary).unwrap();
        let is_root = fs::metadata("/proc/self").is_ok_and(|me| {
            use std::os::unix::fs::MetadataExt;
            me.uid() == 0
        });
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
                .arg(&binary);
            command
        } else {
            Command::new(&binary)
        };
        clean(&mut command);
        done(command.args(arguments).current_dir("/"))
    }

    #[test]
    fn a_read_only_database_is_refused_and_not_touched() {
        let db = TestDatabase::sqlite();
        assert_eq!(import(&db, &[]).code, Some(0));
        let dir = db.dir().unwrap();
        // A copy of the trades that the other user may read.
        let trades = dir.join("trades.csv.gz");
        fs::copy(sample(), &trades).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(Path::new(db.url()), 0o444);
        mode(&dir, 0o555);
        let trades = trades.to_str().unwrap();
        let refused = as_another_user(&[
            "--database-url",
            db.url(),
            "import",
            trades,
            "--symbol",
            "ES",
        ]);
        mode(&dir, 0o755);
        mode(Path::new(db.url()), 0o644);
        says(
            plain(&db, refused.failure()),
            "tickbase: cannot open sqlite://DIR/test.db: attempt to write a readonly database; make the file and its directory writable for this user",
        );
        assert_eq!(contents(&db)["tables"][1]["active"], 20_009);
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_not_touched() {
        let db = TestDatabase::sqlite_empty();
        let garbage = "not a database, but long enough to be looked at. ".repeat(100);
        fs::write(db.url(), &garbage).unwrap();
        says(
            plain(&db, import(&db, &[]).failure()),
            "tickbase: cannot open sqlite://DIR/test.db: file is not a database; give the path of a SQLite database, or of a file that does not exist yet",
        );
        assert_eq!(fs::read_to_string(db.url()).unwrap(), garbage);
    }

    #[test]
    fn a_corrupt_database_is_named_as_such() {
        let db = TestDatabase::sqlite();
        assert_eq!(import(&db, &[]).code, Some(0));
        db.raw("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let mut bytes = fs::read(db.url()).unwrap();
        // Every page but the first, which holds the header.
        for page in bytes.chunks_mut(4096).skip(1) {
            page[..64].fill(0xa5);
        }
        fs::write(db.url(), &bytes).unwrap();
        says(
            plain(&db, import(&db, &[]).failure()),
            "tickbase: cannot open sqlite://DIR/test.db: database disk image is malformed; the file is damaged: restore it from a backup, or recover it with `sqlite3 FILE .recover`",
        );
        let check = run(&db, &["check"]);
        assert_eq!(check.code, Some(1), "{check:?}");
    }

    #[test]
    fn a_database_that_is_not_there_is_not_created_by_looking_at_it() {
        let db = TestDatabase::sqlite_empty();
        for command in [
            &["stats"][..],
            &["check"],
            &["migrate", "status"],
            &["migrate", "revert"],
            &["export", "--symbol", "ES"],
            &["purge", "--older-than", "30d"],
        ] {
            let refused = run(&db, command);
            assert!(
                refused.failure().contains("there is no such file"),
                "{refused:?}"
            );
            assert!(!Path::new(db.url()).exists());
        }
    }

    #[test]
    fn a_url_that_cannot_work_is_refused_with_the_remedy() {
        for (url, part) in [
            ("mysql://x/y", "use sqlite:// or postgres://"),
            (":memory:", "give the path of a file"),
            ("", "it is empty"),
            ("/no/such/folder/at/all.db", "create the directory first"),
        ] {
            let refused = done(tickbase(url).args(["migrate", "run"]));
            assert!(refused.failure().contains(part), "{refused:?}");
        }
        let files = Files::new();
        let config = files.write("tickbase.toml", "[pool]\nbase = 0\n");
        let mut command = tickbase(files.path("x.db").to_str().unwrap());
        let refused = done(command.args(["--config", &config, "stats"]));
        assert!(refused.failure().contains("pool.base"), "{refused:?}");
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::support::server::Server;

    /// Not the 30 seconds of a checkout, and time to start a process on a busy machine.
    const SOON: Duration = Duration::from_secs(15);

    fn refused_soon(url: &str) -> String {
        let start = Instant::now();
        let refused = done(tickbase(url).args(["import", &sample(), "--symbol", "ES"]));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        refused.failure().to_owned()
    }

    #[test]
    fn a_wrong_password_is_refused_and_never_shown() {
        let server = Server::start();
        let refused = refused_soon(&server.url_with_password("hunter2secret", "postgres"));
        assert!(
            refused.contains("password authentication failed"),
            "{refused}"
        );
        assert!(!refused.contains("hunter2secret"), "{refused}");
    }

    #[test]
    fn a_server_that_is_down_fails_at_once() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let refused = refused_soon(&format!("postgres://postgres@127.0.0.1:{port}/x"));
        assert!(refused.contains("Connection refused"), "{refused}");
    }

    #[test]
    fn a_server_that_does_not_answer_fails_in_the_time_that_the_url_gives() {
        // It takes connections and never says a word.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let url = format!("postgres://postgres@127.0.0.1:{port}/x?connect_timeout=2");
        let refused = refused_soon(&url);
        assert!(refused.contains("timeout expired"), "{refused}");
    }

    #[test]
    fn a_database_that_is_not_there_is_named() {
        let db = TestDatabase::postgres();
        let url = format!("{}_not_there", db.url().split('?').next().unwrap());
        let refused = refused_soon(&url);
        assert!(refused.contains("does not exist"), "{refused}");
    }
}
