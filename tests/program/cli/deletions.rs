//! `deletions`, `trash`, `undo`, and `instruments delete`.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::DeletionState;
use tickbase::domain::tick::Tick;
use tickbase::repository::deletion;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};

use super::{Files, run, says};
use crate::support::{TestDatabase, on_both};

const TICKS: &str =
    "timestamp,price\n2013-09-03T10:00:00Z,1\n2013-09-03T10:00:01Z,2\n2013-09-03T10:00:02Z,3\n";

fn with_ticks(db: &TestDatabase, files: &Files) {
    let file = files.write("ticks.csv", TICKS);
    assert_eq!(run(db, &["import", &file, "--symbol", "ES"]).code, Some(0));
}

on_both! {
    fn an_instrument_is_deleted_with_all_that_is_its_and_comes_back(db: &TestDatabase) {
        let files = Files::new();
        with_ticks(db, &files);
        says(run(db, &["deletions", "list"]).out, "no deletions");
        says(run(db, &["trash", "list"]).out, "the trash is empty");
        let delete = ["instruments", "delete", "ES", "--cascade", "--reason", "expired", "--by", "desk"];
        let told = run(db, &delete).out;
        let id = run(db, &["deletions", "list", "--json"]).json()[0]["id"].as_i64().unwrap().to_string();
        says(told, &format!("deleted 1 instrument, 3 ticks; `tickbase undo {id}` takes it back"));
        let gone = run(db, &delete);
        assert!(gone.failure().contains("instrument ES not found"), "{gone:?}");

        let listed = run(db, &["deletions", "list"]).out;
        for word in [&id, "done", "desk", "4", "expired", "tickbase instruments delete ES --cascade"] {
            assert!(listed.contains(word), "{listed}");
        }
        let shown = run(db, &["deletions", "show", &id]).out;
        for line in ["request  tickbase instruments delete ES --cascade", "by       desk", "reason   expired",
                     "deleted  1 instrument, 3 ticks", "in the trash:"] {
            assert!(shown.lines().any(|of| of == line), "{line}: {shown}");
        }
        let one = run(db, &["deletions", "show", &id, "--json"]).json();
        assert_eq!((&one["deletion"]["counts"]["ticks"], one["in_trash"].as_array().unwrap().len()), (&json!(3), 2));
        let trash = run(db, &["trash", "list", "--json"]).json();
        let kinds: Vec<_> = trash["trash"].as_array().unwrap().iter().map(|of| (of["kind"].clone(), of["name"].clone())).collect();
        assert_eq!(kinds, [(json!("instrument"), json!("ES")), (json!("tick"), json!("ES"))]);
        assert!(run(db, &["trash", "list"]).out.contains("instrument"));

        says(run(db, &["undo", &id, "--dry-run"]).out, "would restore 1 instrument, 3 ticks");
        says(run(db, &["undo", &id, "--by", "risk"]).out, "restored 1 instrument, 3 ticks");
        let shown = run(db, &["deletions", "show", &id]).out;
        assert!(shown.contains("undone by risk") && !shown.contains("in the trash"), "{shown}");
        assert!(run(db, &["undo", &id]).failure().contains("it was undone at"));
        assert!(run(db, &["undo", "5"]).failure().contains("deletion 5 not found"));
        assert!(run(db, &["deletions", "resume", &id]).failure().contains("it is undone"));
        assert_eq!(run(db, &["undo", "soon"]).code, Some(2));
    }

    fn an_undo_that_meets_a_conflict_lists_it_and_fails(db: &TestDatabase) {
        let files = Files::new();
        with_ticks(db, &files);
        let rule = ["rules", "add", "--symbol", "ES", "--condition", "above", "--threshold", "9", "--name", "far"];
        assert_eq!(run(db, &rule).code, Some(0));
        let refused = run(db, &["instruments", "delete", "ES"]);
        assert!(refused.failure().contains("active rule 1"), "{refused:?}");
        let removed = run(db, &["rules", "remove", "1", "--json"]).json();
        assert_eq!(removed["removed"], 1);
        let rule = removed["deletion_id"].to_string();
        let whole = run(db, &["instruments", "delete", "ES", "--json"]).json();
        assert_eq!(whole["deleted"], 1);
        let refused = run(db, &["undo", &rule]);
        assert_eq!(refused.code, Some(1));
        assert!(refused.out.contains("1 cannot come back:\n  rule 1 far: its instrument 1 ES is deleted; restore it first"), "{refused:?}");
        assert!(refused.err.contains("--skip-conflicts"), "{refused:?}");
        let skipped = run(db, &["undo", &rule, "--skip-conflicts", "--json"]).json();
        assert_eq!((&skipped["restored"]["rules"], &skipped["refused"]), (&json!(0), &json!(false)));
        assert_eq!(run(db, &["undo", &whole["deletion_id"].to_string()]).code, Some(0));
        says(run(db, &["undo", &rule]).out, "restored 1 rule");
    }

    fn one_that_is_killed_goes_on_or_is_undone_whole(db: &TestDatabase) {
        const TICKS: i64 = 250_000;
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let repository = MarketDataRepository::new(&database);
        let at = |n: i64| Timestamp::from_micros(n * 1_000).unwrap();
        let ticks: Vec<Tick> = (0..TICKS).map(|n| Tick::trade(1, at(n), 1.0, 1.0).unwrap()).collect();
        repository.insert_batch(ticks, InsertOptions::default()).unwrap();
        let active = || repository.count(&TickRange::all(1)).unwrap();
        for (goes_on, left) in [(false, TICKS), (true, 0)] {
            let mut killed = Command::new(env!("CARGO_BIN_EXE_tickbase"))
                .args(["instruments", "delete", "ES", "--cascade", "--database-url", db.url()])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let newest = || database.read("test.newest", |conn| deletion::list(conn, None, 1)).unwrap();
            // Between the first of its transactions and the last.
            let id = loop {
                if let Some(of) = newest().into_iter().find(|of| of.state == DeletionState::Running) {
                    break of.id();
                }
                let ended = killed.try_wait().unwrap();
                assert_eq!(ended, None, "it was done before it was seen");
                std::thread::sleep(Duration::from_millis(1));
            };
            killed.kill().unwrap();
            killed.wait().unwrap();
            assert!((1..TICKS).contains(&active()), "{}", active());
            let id = id.to_string();
            if goes_on {
                let resumed = run(db, &["deletions", "resume", &id]).out;
                assert!(resumed.contains("done: 1 instrument, 250,000 ticks"), "{resumed}");
            } else {
                assert_eq!(run(db, &["undo", &id]).code, Some(0));
            }
            assert_eq!(active(), left);
        }
    }
}
