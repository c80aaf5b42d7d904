//! What is backed up and brought back, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Files, TestDatabase, contents, done, run, sample, tickbase};
use crate::support::process::Serving;

pub(super) const LATER: &str = "timestamp,price\n2013-09-04T10:00:00Z,1\n";

pub(super) fn import(db: &TestDatabase, file: &str) {
    assert_eq!(run(db, &["import", file, "--symbol", "ES"]).code, Some(0));
}

pub(super) fn backup(db: &TestDatabase, file: &Path) -> serde_json::Value {
    run(db, &["backup", file.to_str().unwrap(), "--json"]).json()
}

/// The contents of a file, as `stats` counts them.
pub(super) fn contents_of(path: &Path) -> serde_json::Value {
    let stats = done(tickbase(path.to_str().unwrap()).args(["stats", "--json"]));
    stats.json()["tables"].clone()
}

pub(super) fn passes_deep_check(path: &Path) {
    let check = done(tickbase(path.to_str().unwrap()).args(["check", "--deep"]));
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(check.out.contains("ok      pages and indexes"), "{check:?}");
}

#[test]
fn what_was_backed_up_comes_back_where_nothing_is() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    let file = files.path("ticks backup.db");
    let made = backup(&db, &file);
    assert_eq!(made["tables"], contents(&db)["tables"]);
    assert_eq!(made["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(made["warnings"], serde_json::json!([]));
    let beside = fs::read_dir(files.path("")).unwrap().count();
    assert_eq!(beside, 1, "nothing is left beside it");

    let place = files.path("restored.db");
    let restore = |arguments: &[&str]| {
        let mut command = tickbase(place.to_str().unwrap());
        done(
            command
                .args(["restore", file.to_str().unwrap()])
                .args(arguments),
        )
    };
    let told = restore(&[]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let at = made["backed_up_at"].as_str().unwrap();
    assert!(
        told.out.contains("20,009 ticks") && told.out.contains(at),
        "{told:?}"
    );
    passes_deep_check(&place);
    assert_eq!(contents_of(&place), made["tables"]);
    // What was restored has a history of its own, of which nothing tells what the backup lacks.
    let again = restore(&[]);
    let line = again.failure();
    assert!(
        line.contains("goes on from a restoration") && line.contains("--replace"),
        "{line}"
    );
    let again = restore(&["--replace", "--json"]).json();
    let kept = again["kept"].as_str().unwrap();
    assert_eq!(contents_of(Path::new(kept)), made["tables"]);
    assert_eq!(again["database_id"], made["database_id"]);
    // A second backup replaces the first, and is newer.
    let second = backup(&db, &file);
    assert!(second["backed_up_at"].as_str() > Some(at));
    let noted = done(tickbase(file.to_str().unwrap()).args(["check"]));
    assert!(
        noted
            .out
            .contains("identity of the database: this is a backup of"),
        "{noted:?}"
    );
}

#[test]
fn a_restored_file_is_its_users_and_a_link_stays_one() {
    use std::os::unix::fs::PermissionsExt;
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    let file = files.path("ours.db");
    backup(&db, &file);
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file.to_str().unwrap()), 0o600);
    fs::set_permissions(db.url(), fs::Permissions::from_mode(0o640)).unwrap();
    let link = files.path("link.db");
    std::os::unix::fs::symlink(db.url(), &link).unwrap();
    let mut command = tickbase(link.to_str().unwrap());
    let restored = done(command.args(["restore", file.to_str().unwrap(), "--json"])).json();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode(db.url()), 0o640);
    let kept = Path::new(restored["kept"].as_str().unwrap());
    assert_eq!(kept.parent(), db.dir().as_deref());
    // What a restoration that was cut off has left is not covered by an empty database.
    fs::remove_file(db.url()).unwrap();
    let refused = run(&db, &["migrate", "run"]);
    let line = refused.failure();
    assert!(
        line.contains(".replaced-") && line.contains("a restoration was cut off"),
        "{line}"
    );
    assert!(!Path::new(db.url()).exists());
}

#[test]
fn a_database_in_use_is_backed_up_and_never_replaced() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    let serving = Serving::start(&db, &[], &[]);
    let file = files.path("beside.db");
    let made = backup(&db, &file);
    assert_eq!(made["tables"], contents(&db)["tables"]);
    for arguments in [&["--replace"][..], &[]] {
        let restore = [&["restore", file.to_str().unwrap()], arguments].concat();
        let refused = run(&db, &restore);
        let line = refused.failure();
        assert!(
            line.contains("another process has this database open; stop it first"),
            "{line}"
        );
    }
    // A server has a backup open as its database: it is none that may be replaced.
    let of_backup = Serving::start_url(file.to_str().unwrap(), &[], &[]);
    let refused = run(&db, &["backup", file.to_str().unwrap()]);
    assert!(
        refused
            .failure()
            .contains("another process has this database open"),
        "{refused:?}"
    );
    assert_eq!(of_backup.stop().code, Some(0));
    let still = serving.stop();
    assert_eq!(still.code, Some(0), "{}", still.log);
    passes_deep_check(Path::new(db.url()));
}

#[test]
fn what_a_killed_server_had_committed_is_kept_with_its_log() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    let file = files.path("before.db");
    backup(&db, &file);
    let serving = Serving::start(&db, &[], &[]);
    let tick = r#"{"ticks":[{"instrument_id":1,"timestamp":"2026-01-01T00:00:00Z","price":1}]}"#;
    assert_eq!(serving.post("/api/market-data", tick).0, 200);
    drop(serving);
    let log = PathBuf::from(format!("{}-wal", db.url()));
    assert!(
        fs::metadata(&log).unwrap().len() > 0,
        "the tick is in the log alone"
    );
    let refused = run(&db, &["restore", file.to_str().unwrap()]);
    assert!(
        refused.failure().contains("what was written of ES"),
        "{refused:?}"
    );
    let restore = ["restore", file.to_str().unwrap(), "--replace", "--json"];
    let done = run(&db, &restore).json();
    assert!(!log.exists(), "it would be replayed onto the backup");
    assert_eq!(contents(&db)["tables"][1]["active"], 0);
    let kept = contents_of(Path::new(done["kept"].as_str().unwrap()));
    assert_eq!(kept[1]["active"], 1);
    // A log without its database is put aside, too.
    fs::remove_file(db.url()).unwrap();
    fs::write(&log, "a log").unwrap();
    let done = run(&db, &restore).json();
    assert_eq!(fs::read(done["kept"].as_str().unwrap()).unwrap(), b"a log");
    passes_deep_check(Path::new(db.url()));
}

#[test]
fn a_copy_of_the_file_alone_is_found_where_it_can_be() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    // As a copy that was begun before a checkpoint and ended after it.
    let before = fs::read(db.url()).unwrap();
    let ticks: String = (0..40_000)
        .map(|n| format!("{},{n}\n", 1_400_000_000 + n))
        .collect();
    import(
        &db,
        &files.write("more.csv", format!("timestamp,price\n{ticks}")),
    );
    let after = fs::read(db.url()).unwrap();
    let half = before.len() / 2;
    let copy = files.write(
        "copy.db",
        [&before[..half], &after[half..before.len()]].concat(),
    );
    for arguments in [&["check"][..], &["check", "--deep"]] {
        let check = done(tickbase(&copy).args(arguments));
        assert_eq!(check.code, Some(1), "{check:?}");
        assert!(check.out.contains("WRONG   pages: "), "{check:?}");
        assert!(check.out.contains("tickbase restore FILE"), "{check:?}");
    }
    let place = files.path("restored.db");
    let refused = done(tickbase(place.to_str().unwrap()).args(["restore", &copy]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!place.exists(), "a damaged backup brings nothing back");
    let refused = done(tickbase(&copy).args(["backup", place.to_str().unwrap()]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!place.exists(), "a damaged database has no good backup");
}

#[test]
fn a_server_makes_backups_by_itself_and_says_how_old_they_are() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    let directory = files.path("backups");
    let settings = [
        ("TICKBASE_BACKUP_DIRECTORY", directory.to_str().unwrap()),
        ("TICKBASE_BACKUP_EVERY", "1h"),
    ];
    let health = |serving: &Serving| -> serde_json::Value {
        serde_json::from_str(&serving.get("/api/health").1).unwrap()
    };
    let serving = Serving::start(&db, &[], &settings);
    crate::support::eventually("a backup is made", || {
        health(&serving)["backup"]["duration_seconds"].is_f64()
    });
    let made = health(&serving)["backup"].clone();
    assert_eq!(made["status"], "healthy", "{made}");
    assert_eq!(
        (&made["count"], &made["interval_seconds"]),
        (&1.into(), &3_600.0.into())
    );
    let file = fs::read_dir(&directory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(made["size_bytes"], fs::metadata(&file).unwrap().len());
    let metrics = serving.get("/metrics").1;
    for family in [
        "tickbase_backup_last_timestamp_seconds ",
        "tickbase_backup_size_bytes ",
        "tickbase_backup_duration_seconds ",
        "tickbase_backup_interval_seconds 3600",
        "tickbase_service_running{service=\"backup\"} 1",
    ] {
        assert!(
            metrics.lines().any(|line| line.starts_with(family)),
            "{family}"
        );
    }
    serving.stop();
    passes_deep_check(&file);
    // A start finds it young enough.
    let serving = Serving::start(&db, &[], &settings);
    assert_eq!(health(&serving)["backup"]["count"], 1);
    serving.stop();
    // Where none can be written, it is said.
    let unusable = files.write("no-directory", "");
    let settings = [("TICKBASE_BACKUP_DIRECTORY", unusable.as_str())];
    let refused = crate::support::process::command(&db, &["--bind", "127.0.0.1:0"])
        .envs(settings)
        .output()
        .unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("backup.directory") && text.contains("no-directory"),
        "{text}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_whose_backups_fail_is_degraded_and_serves() {
    let db = TestDatabase::sqlite();
    // Where not even root makes a file.
    let settings = [("TICKBASE_BACKUP_DIRECTORY", "/proc/self/task")];
    let serving = Serving::start(&db, &[], &settings);
    let health = || {
        let (status, text) = serving.get("/api/health");
        assert_eq!(status, 200);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    crate::support::eventually("the backup has failed", || {
        health()["backup"]["status"] == "degraded"
    });
    let health = health();
    assert_eq!(health["status"], "degraded", "{health}");
    let remedy = health["backup"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("backup.directory"), "{remedy}");
    let metrics = serving.get("/metrics").1;
    let failed = "tickbase_service_runs_total{service=\"backup\",outcome=\"error\"} 1";
    assert!(metrics.contains(failed), "{metrics}");
    let log = serving.stop().log;
    assert!(
        log.contains("a backup failed") && log.contains("/proc/self/task"),
        "{log}"
    );
}
