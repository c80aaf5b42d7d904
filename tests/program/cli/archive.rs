//! `archive`: what the other commands say is the same before and after.

use std::path::Path;

use serde_json::{Value, json};

use super::{Files, run, sample, says};
use crate::support::{TestDatabase, on_both};

/// What people read of the ticks, each by its command.
fn readings(db: &TestDatabase) -> Vec<String> {
    let commands: [&[&str]; 6] = [
        &["export", "--symbol", "ES", "--format", "csv"],
        &[
            "bars",
            "list",
            "--symbol",
            "ES",
            "--frequency",
            "5min",
            "--limit",
            "500",
        ],
        &[
            "bars",
            "list",
            "--symbol",
            "ES",
            "--frequency",
            "1d",
            "--price",
            "last",
        ],
        &["instruments", "--with-data"],
        &["coverage", "--symbol", "ES", "--frequency", "1h", "--json"],
        &[
            "export",
            "--symbol",
            "ES",
            "--start",
            "2013-09-03T10:25:00Z",
            "--end",
            "2013-09-03T10:28:00Z",
        ],
    ];
    let read = |command: &&[&str]| {
        let told = run(db, command);
        assert_eq!(told.code, Some(0), "{command:?}: {told:?}");
        told.out
    };
    commands.iter().map(read).collect()
}

fn import(db: &TestDatabase) -> Value {
    let told = run(db, &["import", &sample(), "--symbol", "ES", "--json"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    told.json()
}

fn counts(report: &Value) -> (i64, i64, i64) {
    let of = |name: &str| report[name].as_i64().unwrap();
    (of("inserted"), of("duplicates"), of("conflicts"))
}

/// The files below a directory, by name.
fn files_below(directory: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(directory).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

on_both! {
    fn what_is_archived_reads_as_before(db: &TestDatabase) {
        assert_eq!(counts(&import(db)), (20_009, 0, 0));
        says(run(db, &["archive", "list"]).out, "nothing is archived");
        let before = readings(db);
        let previewed = run(db, &["archive", "run", "--dry-run", "--json"]).json();
        says(run(db, &["archive", "list"]).out, "nothing is archived");
        let archived = run(db, &["archive", "run", "--json"]).json();
        assert_eq!((&previewed["ticks"], &previewed["bytes"]), (&archived["ticks"], &archived["bytes"]));
        assert_eq!(archived["periods"][0]["outcome"], "archived");
        assert_eq!((&archived["ticks"], &archived["periods"][0]["rows_removed"]), (&json!(20_009), &json!(20_009)));
        assert_eq!(readings(db), before);
        let stats = run(db, &["stats", "--json"]).json();
        let table = |name: &str| {
            let all = stats["tables"].as_array().unwrap();
            all.iter().find(|of| of["table"] == name).unwrap()["active"].clone()
        };
        assert_eq!((table("market_data"), table("archive_segments")), (json!(0), json!(1)));
        assert_eq!((&stats["archive"]["ticks"], &stats["ticks"][0]["ticks"]), (&json!(20_009), &json!(20_009)));
        assert_eq!(stats["archive"]["bytes"], archived["bytes"]);
        assert!(run(db, &["stats"]).out.contains("archived: 20,009 ticks of 1 period in"));
        says(run(db, &["archive", "run"]).out, "nothing to archive: no whole period that is over has ticks in the table");
        says(run(db, &["archive", "verify"]).out, "1 file with 20,009 ticks, 0 damaged");
        assert_eq!(run(db, &["check", "--deep"]).code, Some(0));

        assert_eq!(counts(&import(db)), (0, 20_009, 0), "each is a duplicate");
        let delete = run(db, &["instruments", "delete", "ES", "--cascade", "--json"]).json();
        let trash = run(db, &["trash", "list", "--json"]).json();
        assert_eq!(trash["trash"][1]["rows"], 20_009, "{trash}");
        let id = delete["deletion_id"].to_string();
        let shown = run(db, &["deletions", "show", &id, "--json"]).json();
        assert_eq!(shown["deletion"]["counts"]["ticks"], 20_009, "{shown}");
        says(run(db, &["undo", &id, "--dry-run"]).out, "would restore 1 instrument, 20,009 ticks");
        says(run(db, &["undo", &id]).out, "restored 1 instrument, 20,009 ticks");
        assert_eq!(readings(db), before);

        says(run(db, &["archive", "restore", "--symbol", "ES"]).out, "20,009 ticks of ES are back in the table, those of 1 period");
        assert_eq!(readings(db), before);
        says(run(db, &["archive", "list"]).out, "nothing is archived");
    }

    fn a_deleted_instrument_leaves_with_its_archive(db: &TestDatabase) {
        import(db);
        assert_eq!(run(db, &["archive", "run"]).code, Some(0));
        assert_eq!(run(db, &["instruments", "delete", "ES", "--cascade"]).code, Some(0));
        let purge = |arguments: &[&str]| {
            let report = run(db, &[&["purge", "--older-than", "0s", "--json"], arguments].concat()).json();
            let tables = report["tables"].as_array().unwrap();
            let of = |name: &str| tables.iter().find(|of| of["table"] == name).unwrap()["deleted"].clone();
            (of("archive_segments"), of("instruments"))
        };
        assert_eq!(purge(&["--dry-run"]), (json!(1), json!(1)));
        assert_eq!(purge(&[]), (json!(1), json!(1)));
        assert_eq!(db.texts("SELECT count(*) || '' AS text FROM archive_parts"), ["0"]);
    }

    fn an_instrument_with_archived_ticks_is_kept_by_a_purge(db: &TestDatabase) {
        import(db);
        assert_eq!(run(db, &["archive", "run"]).code, Some(0));
        assert_eq!(run(db, &["instruments", "delete", "ES"]).code, Some(0));
        let purged = run(db, &["purge", "--older-than", "0s"]);
        assert_eq!(purged.code, Some(0), "{purged:?}");
        assert!(purged.out.contains("is referred to by 1 archived period"), "{purged:?}");
    }

    fn a_mirror_follows_the_archive(db: &TestDatabase) {
        let files = Files::new();
        let place = files.path("mirror");
        let (directory, mirror) = (place.as_path(), ["archive", "sync", place.to_str().unwrap()]);
        import(db);
        assert_eq!(run(db, &["archive", "run"]).code, Some(0));
        let said = run(db, &mirror).out;
        assert!(said.contains("1 file written, 0 there already, 0 removed"), "{said}");
        let name = |version: i64| {
            let hash = run(db, &["archive", "list", "--json"]).json()[0]["sha256"].as_str().unwrap()[..8].to_owned();
            format!("ticks/instrument=ES/year=2013/month=09/1-v{version}-{hash}.parquet")
        };
        let owner = "ticks/.tickbase-database".to_owned();
        assert_eq!(files_below(directory), [owner.clone(), name(1)]);
        std::fs::write(directory.join("ticks/notes.txt"), "mine").unwrap();
        let said = run(db, &mirror).out;
        assert!(said.contains("0 files written, 1 there already, 0 removed"), "{said}");

        // A late tick and a deleted one: the file is made anew, and has another name.
        let late = files.write("late.csv", "timestamp,price\n2013-09-03T10:00:00.5Z,1641\n");
        assert_eq!(counts(&run(db, &["import", &late, "--symbol", "ES", "--json"]).json()).0, 1);
        let said = run(db, &[&mirror[..], &["--json"]].concat()).json();
        assert_eq!((&said["made_anew"], &said["written"], &said["removed"]), (&json!(1), &json!(1), &json!(1)), "{said}");
        assert_eq!(files_below(directory), [owner.clone(), name(2), "ticks/notes.txt".to_owned()]);
        assert_eq!(run(db, &["archive", "list", "--json"]).json()[0]["ticks"], 20_010);

        assert_eq!(run(db, &["archive", "restore", "--symbol", "ES"]).code, Some(0));
        let said = run(db, &mirror).out;
        assert!(said.contains("0 files written, 0 there already, 1 removed"), "{said}");
        assert_eq!(files_below(directory), [&*owner, "ticks/notes.txt"]);
        // Another database has nothing to do there.
        let other = db.empty_sibling();
        assert_eq!(run(&other, &["migrate", "run"]).code, Some(0));
        let refused = run(&other, &mirror);
        assert!(refused.failure().contains("it is the mirror of another database"), "{refused:?}");
    }

    fn a_damaged_file_is_found(db: &TestDatabase) {
        import(db);
        assert_eq!(run(db, &["archive", "run"]).code, Some(0));
        let spoil = if db.url().starts_with("postgres") {
            "UPDATE archive_parts SET content = set_byte(content, 5000, get_byte(content, 5000) # 1)"
        } else {
            "UPDATE archive_parts SET content = CAST(substr(content, 1, 5000) || x'00' || substr(content, 5002) AS BLOB)"
        };
        db.raw(spoil).unwrap();
        let verified = run(db, &["archive", "verify"]);
        assert_eq!(verified.code, Some(1));
        assert!(verified.out.contains("1 damaged") && verified.out.contains("has another hash"), "{verified:?}");
        let deep = run(db, &["check", "--deep"]);
        assert!(deep.out.contains("contents of the archive"), "{deep:?}");
        db.raw("DELETE FROM archive_parts").unwrap();
        let lacking = run(db, &["check"]);
        assert!(lacking.out.contains("1 archived periods lack bytes of their files"), "{lacking:?}");
    }

    fn what_is_asked_wrongly_is_refused(db: &TestDatabase) {
        import(db);
        assert_eq!(run(db, &["archive", "run", "--before", "soon"]).code, Some(2));
        assert_eq!(run(db, &["archive", "run", "--period", "week"]).code, Some(2));
        assert!(run(db, &["archive", "run", "--symbol", "EX"]).failure().contains("instrument EX not found"));
        let early = run(db, &["archive", "run", "--before", "2013-09-30"]).out;
        says(early, "nothing to archive: no whole period that is over has ticks in the table");
        let days = run(db, &["archive", "run", "--period", "day", "--before", "2013-09-04", "--json"]).json();
        let periods = days["periods"].as_array().unwrap();
        assert!(periods.iter().all(|of| of["to"].as_str().unwrap() <= "2013-09-04T00:00:00Z"), "{days}");
        assert!(!periods.is_empty(), "{days}");
    }
}
