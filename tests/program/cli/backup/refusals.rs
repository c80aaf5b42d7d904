//! What is not overwritten, and not brought back.

use std::fs;
use std::path::{Path, PathBuf};

use super::sqlite::{LATER, backup, contents_of, import, passes_deep_check};
use super::{Files, TestDatabase, contents, done, run, sample, tickbase};
use crate::support::process::Serving;

#[test]
fn a_backup_overwrites_nothing_but_a_backup_of_the_same_database() {
    let (db, other, files) = (TestDatabase::sqlite(), TestDatabase::sqlite(), Files::new());
    let theirs = files.path("theirs.db");
    backup(&other, &theirs);
    let link = files.path("link.db");
    std::os::unix::fs::symlink(db.url(), &link).unwrap();
    let text = PathBuf::from(files.write("notes.txt", "notes"));
    for (file, reason) in [
        (theirs.clone(), "no backup of this database"),
        (text, "no backup of this database"),
        (PathBuf::from(other.url()), "no backup of this database"),
        (PathBuf::from(db.url()), "it is the database itself"),
        (link, "it is the database itself"),
        (files.path(""), "it is a directory"),
        (files.path("no/such.db"), "there is no such directory"),
    ] {
        let before = fs::read(&file).ok();
        let refused = run(&db, &["backup", file.to_str().unwrap()]);
        assert!(refused.failure().contains(reason), "{refused:?}");
        assert_eq!(fs::read(&file).ok(), before);
    }
    let missing = done(tickbase("/no/such/ticks.db").args(["backup", "x.db"]));
    assert!(
        missing.failure().contains("there is no such file"),
        "{missing:?}"
    );
    let nothing = TestDatabase::sqlite_empty();
    fs::write(nothing.url(), "").unwrap();
    let file = files.path("of-nothing.db");
    let refused = run(&nothing, &["backup", file.to_str().unwrap()]);
    assert!(
        refused.failure().contains("no schema of tickbase"),
        "{refused:?}"
    );
    assert!(!file.exists());
}

#[test]
fn each_kind_of_write_keeps_a_database_from_being_replaced() {
    let later = Files::new();
    let later = later.write("later.csv", LATER);
    let rule = [
        "rules",
        "add",
        "--symbol",
        "ES",
        "--condition",
        "above",
        "--threshold",
        "1600",
    ];
    for (before, write, reason) in [
        (
            &[][..],
            &["import", later.as_str(), "--symbol", "ES"][..],
            "what was written of ES; restore",
        ),
        (&[], &rule, "what was written of ES, newer rules"),
        (&[], &["instruments", "delete", "NQ"], "newer deletions"),
        (
            &rule,
            &[
                "alerts", "silence", "--rule", "1", "--for", "2h", "--by", "desk",
            ],
            "newer silences",
        ),
        (
            &[],
            &["bars", "build", "--symbol", "ES", "--frequency", "1h"],
            "newer built bars",
        ),
    ] {
        let (db, files) = (TestDatabase::sqlite(), Files::new());
        let done = |arguments: &[&str]| {
            let done = run(&db, arguments);
            assert_eq!(done.code, Some(0), "{done:?}");
        };
        if !before.is_empty() {
            done(before);
        }
        import(&db, &sample());
        let file = files.path("ours.db");
        backup(&db, &file);
        done(write);
        let before = contents(&db);
        let refused = run(&db, &["restore", file.to_str().unwrap()]);
        let line = refused.failure();
        assert!(
            line.contains("it has what the backup lacks") && line.contains(reason),
            "{line}"
        );
        assert_eq!(contents(&db), before);
        // Nor does an older state replace the backup of a newer one.
        let (newer, old) = (files.path("newer.db"), file);
        backup(&db, &newer);
        let other = TestDatabase::sqlite_empty();
        fs::copy(&old, other.url()).unwrap();
        let refused = run(&other, &["backup", newer.to_str().unwrap()]);
        assert!(
            refused
                .failure()
                .contains(reason.trim_end_matches("; restore")),
            "{refused:?}"
        );
    }
}

#[test]
fn an_acknowledgement_keeps_a_database_from_being_replaced() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    let rule = [
        "rules",
        "add",
        "--symbol",
        "ES",
        "--condition",
        "above",
        "--threshold",
        "1",
    ];
    assert_eq!(run(&db, &rule).code, Some(0));
    let serving = Serving::start(&db, &[], &[]);
    let tick = r#"[{"symbol":"ES","timestamp":"2026-01-01T00:00:00Z","price":2}]"#;
    assert_eq!(serving.post("/api/market-data", tick).0, 200);
    serving.stop();
    let file = files.path("ours.db");
    assert_eq!(backup(&db, &file)["tables"][4]["active"], 1);
    assert_eq!(
        run(&db, &["alerts", "ack", "1", "--by", "desk"]).code,
        Some(0)
    );
    let refused = run(&db, &["restore", file.to_str().unwrap()]);
    let line = refused.failure();
    assert!(
        line.contains("newer acknowledgements of alerts; restore"),
        "{line}"
    );
}

#[test]
fn another_or_a_damaged_database_stays_unless_it_is_to_be_replaced() {
    let (db, other, files) = (TestDatabase::sqlite(), TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    let (file, foreign) = (files.path("ours.db"), files.path("foreign.db"));
    let made = backup(&db, &file);
    backup(&other, &foreign);
    let file = file.to_str().unwrap();
    let refused = run(&db, &["restore", foreign.to_str().unwrap()]);
    assert!(
        refused.failure().contains("it is another database ("),
        "{refused:?}"
    );
    let replaced = run(&db, &["restore", file, "--replace", "--json"]).json();
    assert_eq!(contents(&db)["tables"], made["tables"]);
    passes_deep_check(Path::new(replaced["kept"].as_str().unwrap()));
    // A damaged database is kept as it is.
    fs::write(db.url(), "damaged").unwrap();
    let refused = run(&db, &["restore", file]);
    assert!(
        refused.failure().contains("it cannot be read"),
        "{refused:?}"
    );
    let replaced = run(&db, &["restore", file, "--replace", "--json"]).json();
    assert_eq!(
        fs::read(replaced["kept"].as_str().unwrap()).unwrap(),
        b"damaged"
    );
    // What is no backup brings nothing back.
    for (backup, reason) in [
        (files.write("notes.txt", "notes"), "file is not a database"),
        (
            files.path("none.db").display().to_string(),
            "there is no such file",
        ),
        (db.url().to_owned(), "it is the database itself"),
    ] {
        let refused = run(&db, &["restore", &backup, "--replace"]);
        assert!(refused.failure().contains(reason), "{refused:?}");
    }
    assert_eq!(contents(&db)["tables"], made["tables"]);
}

#[test]
fn what_lies_beside_is_neither_taken_over_nor_replayed() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    let file = files.path("ours.db");
    // A file of the user's with the name of one that is being made, and a link.
    let theirs = files.write("ours.db.tmp", "precious");
    std::os::unix::fs::symlink(&theirs, files.path("ours.db.tmp-0123456789abcdef")).unwrap();
    backup(&db, &file);
    assert_eq!(fs::read(&theirs).unwrap(), b"precious");
    // A log of another file would be replayed onto the backup.
    for log in ["ours.db-wal", "ours.db-journal"] {
        let log = files.write(log, "a log");
        let refused = run(&db, &["backup", file.to_str().unwrap()]);
        let line = refused.failure();
        assert!(
            line.contains(&log) && line.contains("would be replayed"),
            "{line}"
        );
        fs::remove_file(log).unwrap();
    }
    backup(&db, &file);
    // A database may be named like one that is being made.
    let odd = TestDatabase::sqlite_empty();
    let odd = format!("{}.tmp-0123456789abcdef", odd.url());
    fs::copy(&file, &odd).unwrap();
    let copy = files.path("of-odd.db");
    let done = done(tickbase(&odd).args(["backup", copy.to_str().unwrap()]));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(contents_of(Path::new(&odd)), contents_of(&copy));
}

#[test]
fn a_backup_of_an_older_schema_comes_back_and_one_of_a_newer_does_not() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    let file = files.path("ours.db");
    db.raw(
        "DROP TABLE tickbase_database; \
         DELETE FROM tickbase_schema_migrations WHERE version = '20261130000070'",
    )
    .unwrap();
    let made = backup(&db, &file);
    assert_eq!(made["database_id"], serde_json::Value::Null);
    let place = files.path("older.db");
    let told = done(tickbase(place.to_str().unwrap()).args(["restore", file.to_str().unwrap()]));
    assert!(told.out.contains("it lacks 1 migration"), "{told:?}");
    let refused = run(&db, &["restore", file.to_str().unwrap()]);
    assert!(
        refused
            .failure()
            .contains("nothing tells whether it is the same"),
        "{refused:?}"
    );
    assert_eq!(
        done(tickbase(place.to_str().unwrap()).args(["migrate", "run"])).code,
        Some(0)
    );
    passes_deep_check(&place);
    db.raw("INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20990101000000', 'x')")
        .unwrap();
    let newer = files.path("newer.db");
    let refused = run(&db, &["backup", newer.to_str().unwrap()]);
    assert!(
        refused.failure().contains("use a newer tickbase"),
        "{refused:?}"
    );
    assert!(!newer.exists());
}
