//! `retention`: policies as people set, list and move them, and what becomes of ticks and bars.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::{DeletionState, Frequency};
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::deletion;

use super::{Files, run, sample, says};
use crate::support::{TestDatabase, flat_bar, insert_bars, on_both};

fn import(db: &TestDatabase) {
    let told = run(db, &["import", &sample(), "--symbol", "ES"]);
    assert_eq!(told.code, Some(0), "{told:?}");
}

fn set(db: &TestDatabase, arguments: &[&str]) -> String {
    let told = run(db, &[&["retention", "set"], arguments].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    told.out
}

on_both! {
    fn policies_are_set_listed_moved_and_removed(db: &TestDatabase) {
        let files = Files::new();
        import(db);
        says(run(db, &["retention", "list"]).out, "no policy: everything stays for ever");
        says(set(db, &["ticks", "--archive-after", "90d", "--delete-after", "260w"]), "policy 1: ticks are archived after 90d and are moved to the trash after 1820d");
        says(set(db, &["bars", "--frequency", "1min", "--symbol", "ES", "--delete-after", "30d"]), "policy 2: 1min bars of ES are moved to the trash after 30d");
        says(set(db, &["bars", "--frequency", "1min", "--symbol", "ES"]), "policy 2: 1min bars of ES stay for ever");
        let listed = run(db, &["retention", "list"]).out;
        assert!(listed.contains("archive after") && listed.contains("1820d"), "{listed}");
        let exported = run(db, &["retention", "export"]).out;
        let file = files.write("policies.toml", &exported);
        says(run(db, &["retention", "import", &file]).out, "policies: 0 added, 0 changed, 2 unchanged, 0 removed");
        says(run(db, &["retention", "remove", "2"]).out, "policy 2 is removed");
        says(run(db, &["retention", "import", &file, "--dry-run"]).out, "policies: would be 1 added, 0 changed, 1 unchanged, 0 removed");
        assert_eq!(run(db, &["retention", "list", "--json"]).json().as_array().unwrap().len(), 1);
        says(run(db, &["retention", "import", &file]).out, "policies: 1 added, 0 changed, 1 unchanged, 0 removed");
        assert_eq!(run(db, &["retention", "export"]).out, exported);
        let empty = files.write("none.toml", "policies = []\n");
        says(run(db, &["retention", "import", &empty]).out, "policies: 0 added, 0 changed, 0 unchanged, 2 removed");

        let wrong = files.write("wrong.toml", "[[policies]]\nkind = \"ticks\"\nkeep = \"1d\"\n");
        assert!(run(db, &["retention", "import", &wrong]).err.contains("keep"));
        assert!(run(db, &["retention", "import", "none/there.toml"]).failure().contains("none/there.toml"));
        assert!(run(db, &["retention", "remove", "99"]).failure().contains("retention policy 99 not found"));
        assert_eq!(run(db, &["retention", "set", "quotes"]).code, Some(2));
        for (arguments, text) in [
            (&["ticks", "--delete-after", "30m"][..], "delete_after: 30m cannot be an age"),
            (&["ticks", "--archive-after", "1y"], "differ in length"),
            (&["ticks", "--source", "tickbase"], "a file of the archive has the ticks of all sources"),
            (&["bars", "--archive-after", "30d"], "bars are not archived"),
            (&["bars", "--symbol", "EX"], "instrument EX not found"),
            (&["ticks", "--archive-after", "9d", "--delete-after", "9d"], "is not above archive_after"),
        ] {
            let told = run(db, &[&["retention", "set"], arguments].concat());
            assert!(told.failure().contains(text), "{told:?}");
        }
        says(run(db, &["retention", "list"]).out, "no policy: everything stays for ever");
    }

    fn what_is_due_is_shown_done_and_undone(db: &TestDatabase) {
        import(db);
        set(db, &["ticks", "--delete-after", "1d"]);
        says(run(db, &["retention", "run"]).out, "nothing is due");
        // A tick of October ends the month of the others, and their age is counted back from it.
        let files = Files::new();
        let later = files.write("later.csv", "timestamp,price\n2013-10-05T10:00:00Z,1641\n");
        assert_eq!(run(db, &["import", &later, "--symbol", "ES"]).code, Some(0));
        assert_eq!(run(db, &["bars", "build", "--symbol", "ES", "--frequency", "1h"]).code, Some(0));
        let hours = || run(db, &["bars", "list", "--symbol", "ES", "--frequency", "1h", "--limit", "500"]).out;
        let before = hours();
        let figures = |report: &Value| -> Vec<Value> {
            let lines = report["lines"].as_array().unwrap();
            lines.iter().map(|of| json!([of["symbol"], of["step"], of["rows"], of["bytes"], of["periods"]])).collect()
        };
        let dry = run(db, &["retention", "run", "--dry-run", "--json"]).json();
        assert_eq!((&dry["lines"][1]["outcome"], &dry["deletion_id"]), (&json!("would be done"), &json!(null)));
        says(run(db, &["archive", "list"]).out, "nothing is archived");
        let done = run(db, &["retention", "run", "--json", "--reason", "old"]).json();
        assert_eq!(figures(&done), figures(&dry));
        assert_eq!(figures(&done)[1], json!(["ES", "delete ticks", 20_009, done["lines"][0]["bytes"], 1]));
        assert_eq!(done["lines"][1]["bars_that_stay"], json!(["1h"]));
        assert_eq!(hours(), before);
        let left = run(db, &["export", "--symbol", "ES", "--format", "csv"]).out;
        assert_eq!(left.lines().count(), 2, "{left}");
        let id = done["deletion_id"].to_string();
        let shown = run(db, &["deletions", "show", &id, "--json"]).json();
        assert_eq!((&shown["deletion"]["reason"], &shown["deletion"]["request"]), (&json!("old"), &json!("tickbase retention run")));
        let purged = run(db, &["retention", "run", "--purge-after", "1d", "--dry-run"]).out;
        assert!(purged.contains("nothing is due") && purged.contains("archive_segments"), "{purged}");
        says(run(db, &["undo", &id]).out, "restored 20,009 ticks");
        // They follow their ticks again, and are made anew.
        assert_eq!(run(db, &["bars", "build", "--symbol", "ES", "--frequency", "1h"]).code, Some(0));
        assert_eq!(hours(), before);
        let again = run(db, &["retention", "run"]);
        assert!(again.out.contains("deleted 20,009 rows as one batch; `tickbase undo "), "{again:?}");
        assert!(again.err.contains("retention.purge_after"), "{again:?}");
    }

    fn a_run_that_is_killed_is_undone_and_the_next_one_ends_it(db: &TestDatabase) {
        const MINUTES: usize = 100_000;
        import(db);
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let first = Timestamp::from_micros(1_262_304_000_000_000).unwrap();
        let moments = (0..MINUTES as i64).map(|n| first.saturating_add_micros(n * 60_000_000));
        let bars: Vec<_> = moments.map(|at| flat_bar(1, Frequency::OneMinute, at, 1.0)).collect();
        for bars in bars.chunks(20_000) {
            insert_bars(&database, bars.to_vec()).unwrap();
        }
        set(db, &["bars", "--delete-after", "1d"]);
        let active = || {
            let range = BarRange::all(1, Frequency::OneMinute);
            usize::try_from(database.read("test.count", |conn| bar::count(conn, &range)).unwrap()).unwrap()
        };
        let mut killed = Command::new(env!("CARGO_BIN_EXE_tickbase"))
            .args(["retention", "run", "--database-url", db.url()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let newest = || database.read("test.newest", |conn| deletion::list(conn, None, 1)).unwrap();
        // Between the first of its transactions and the last.
        let id = loop {
            if let Some(of) = newest().into_iter().find(|of| of.state == DeletionState::Running) {
                break of.id().to_string();
            }
            assert_eq!(killed.try_wait().unwrap(), None, "it was done before it was seen");
            std::thread::sleep(Duration::from_millis(1));
        };
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!((1..MINUTES).contains(&active()), "{}", active());
        assert_eq!(run(db, &["undo", &id]).code, Some(0));
        assert_eq!(active(), MINUTES);
        let done = run(db, &["retention", "run", "--json"]).json();
        assert_eq!((&done["lines"][0]["rows"], active()), (&json!(MINUTES), 0));
    }
}
