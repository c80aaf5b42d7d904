//! The other commands: migrate, check, stats, purge, demo; settings and streams.

use std::process::{Command, Stdio};

use super::{BINARY, Files, clean, done, run, sample, says, tickbase};
use crate::support::on_both;

on_both! {
    fn migrations_go_up_and_down_and_are_listed(db: &TestDatabase) {
        let db = db.empty_sibling();
        let up = run(&db, &["migrate", "run", "--json"]).json();
        let applied = up["applied"].as_array().unwrap();
        let count = applied.len();
        assert!(count >= 6, "{up}");
        assert_eq!(run(&db, &["migrate", "run", "--json"]).json()["applied"].as_array().unwrap().len(), 0);
        let status = run(&db, &["migrate", "status", "--json"]).json();
        assert_eq!(status.as_array().unwrap().len(), count);
        assert!(status[count - 1]["applied_at"].is_string());
        // While their tables are empty nothing would be lost, and nothing is asked.
        let mut taken = 0;
        let refused = loop {
            let down = run(&db, &["migrate", "revert"]);
            if down.code != Some(0) {
                break down;
            }
            taken += 1;
            says(down.out, &format!("reverted {}", applied[count - taken].as_str().unwrap()));
        };
        assert!(taken >= 2, "{refused:?}");
        let last = applied[count - taken - 1].as_str().unwrap();
        let text = refused.failure();
        assert!(text.contains(last) && text.contains("rows of data_sources") && text.contains("--yes"), "{text}");
        let down = run(&db, &["migrate", "revert", "--yes", "--json"]).json();
        assert_eq!(down["reverted"], last);
        assert!(run(&db, &["migrate", "status", "--json"]).json()[count - taken - 1]["applied_at"].is_null());

        let behind = run(&db, &["stats"]);
        says(behind.failure(), &format!("tickbase: the database lacks {} migration(s), the first is {last}; run `tickbase migrate run`", taken + 1));
        let check = run(&db, &["check"]);
        assert_eq!(check.code, Some(1));
        assert!(check.out.contains(&format!("WRONG   migrations: {} are missing", taken + 1)), "{check:?}");
        assert_eq!(run(&db, &["migrate", "run"]).code, Some(0));
        assert_eq!(run(&db, &["check"]).code, Some(0));
        for _ in 0..count {
            assert_eq!(run(&db, &["migrate", "revert", "--yes"]).code, Some(0));
        }
        says(run(&db, &["migrate", "revert"]).out, "there is nothing to revert");
    }

    fn the_diesel_cli_can_be_told_of_the_migrations(db: &TestDatabase) {
        let all = run(db, &["migrate", "status", "--json"]).json().as_array().unwrap().len();
        let told = run(db, &["migrate", "record-for-diesel"]);
        says(told.out, &format!("{all} migrations recorded in __diesel_schema_migrations"));
        let again = run(db, &["migrate", "record-for-diesel", "--json"]).json();
        assert_eq!(again["recorded"], 0);
    }

    fn processes_that_migrate_at_once_apply_each_migration_once(db: &TestDatabase) {
        let db = db.empty_sibling();
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = tickbase(db.url());
                command.args(["migrate", "run", "--json"]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut applied = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            applied += answer["applied"].as_array().unwrap().len();
        }
        let status = run(&db, &["migrate", "status", "--json"]).json();
        assert_eq!(applied, status.as_array().unwrap().len());
        assert_eq!(run(&db, &["check"]).code, Some(0));
    }

    fn a_sound_database_passes_its_check_and_an_unsound_one_does_not(db: &TestDatabase) {
        let sound = run(db, &["check"]);
        assert_eq!(sound.code, Some(0), "{sound:?}");
        assert!(sound.out.trim_end().ends_with("checks passed"), "{sound:?}");
        db.raw("DROP INDEX instruments_trash").unwrap();
        let unsound = run(db, &["check", "--json"]);
        assert_eq!(unsound.code, Some(1));
        let report: serde_json::Value = serde_json::from_str(&unsound.out).unwrap();
        assert_eq!(report["ok"], false);
        assert!(unsound.err.contains("1 of"), "{unsound:?}");
    }

    fn stats_count_active_and_deleted_rows(db: &TestDatabase) {
        run(db, &["import", &sample(), "--symbol", "ES"]);
        let stats = run(db, &["stats", "--json"]).json();
        assert_eq!(stats["tables"][1], serde_json::json!({"table": "market_data", "active": 20_009, "deleted": 0}));
        assert_eq!(stats["ticks"][0]["symbol"], "ES");
        assert_eq!(stats["ticks"][0]["first"], "2013-09-03T10:23:00.074000Z");
        assert!((stats["ticks"][0]["ticks_per_second"].as_f64().unwrap() - 44.2).abs() < 0.1);
        let text = run(db, &["stats"]).out;
        assert!(text.contains("market_data       20,009        0"), "{text}");
    }

    fn purge_removes_only_what_was_deleted_long_ago(db: &TestDatabase) {
        run(db, &["import", &sample(), "--symbol", "ES"]);
        db.raw("UPDATE market_data SET deleted_at = \"timestamp\" WHERE sequence = 0").unwrap();
        let young = run(db, &["purge", "--older-than", "36500d", "--json"]).json();
        assert_eq!(young["deleted"], 0);
        let dry = run(db, &["purge", "--older-than", "30d", "--dry-run", "--json"]).json();
        assert_eq!((&dry["deleted"], &dry["dry_run"]), (&3_058.into(), &true.into()));
        let real = run(db, &["purge", "--older-than", "30d", "--json"]).json();
        assert_eq!(real["deleted"], 3_058);
        let stats = run(db, &["stats", "--json"]).json();
        assert_eq!(stats["tables"][1], serde_json::json!({"table": "market_data", "active": 16_951, "deleted": 0}));
    }

    fn the_demo_shows_what_happened(db: &TestDatabase) {
        let report = run(db, &["demo", "--no-serve", "--json"]).json();
        assert_eq!((&report["rows"], &report["inserted"]), (&20_009.into(), &20_009.into()));
        assert_eq!(report["latest"][0]["price"], 1637.75);
        let fired = report["alerts"]["fired"].as_u64().unwrap();
        assert!(fired >= 5, "each kind of rule fires on the sample: {report}");
        for of in report["alerts"]["by_rule"].as_array().unwrap() {
            assert!(of[1].as_u64().unwrap() > 0, "{of}");
        }
        assert!(report["pool"]["opened"].as_u64().unwrap() > 0);
        let files = Files::new();
        let picture = files.path("demo.png");
        let text = run(db, &["demo", "--no-serve", "--chart", picture.to_str().unwrap()]);
        assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
        assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
        assert!(!text.out.contains('\u{1b}'), "{}", text.out);
        let alerts = format!("▲ {fired} alerts");
        for part in ["ES E-mini S&P 500 · 5s\n", "◀ 1637.75", "· MA 12", &alerts, "rows        20,009", "20,009 duplicates", "latest      ES 1637.75", &*format!("alerts      {fired} fired by 5 rules"), "pool ", "writer "] {
            assert!(text.out.contains(part), "{part}: {}", text.out);
        }
    }

    fn a_reader_that_goes_away_is_no_failure(db: &TestDatabase) {
        run(db, &["import", &sample(), "--symbol", "ES"]);
        let mut command = tickbase(db.url());
        command.args(["export", "--symbol", "ES"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    }

    fn the_environment_names_the_database_and_an_option_wins_over_it(db: &TestDatabase) {
        let mut command = Command::new(BINARY);
        clean(&mut command);
        command.env("DATABASE_URL", db.url()).args(["stats", "--json"]);
        assert!(done(&mut command).json()["database_bytes"].is_i64());
        let mut command = tickbase(db.url());
        command.env("DATABASE_URL", "mysql://nonsense").args(["stats", "--json"]);
        assert!(done(&mut command).json()["database_bytes"].is_i64());
    }

    fn logs_go_to_standard_error_in_the_chosen_form(db: &TestDatabase) {
        let db = db.empty_sibling();
        let mut command = tickbase(db.url());
        command.env("RUST_LOG", "tickbase=info").args(["--log-format", "json", "demo", "--no-serve", "--json"]);
        let done = done(&mut command);
        let line: serde_json::Value = serde_json::from_str(done.err.lines().next().unwrap()).unwrap();
        assert_eq!((&line["level"], &line["fields"]["message"]), (&"INFO".into(), &"migrated".into()));
    }
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let files = Files::new();
    let mut command = Command::new(BINARY);
    clean(&mut command);
    let folder = files.0.path();
    command
        .args(["demo", "--no-serve"])
        .current_dir(folder)
        .env("TMPDIR", folder);
    assert_eq!(done(&mut command).code, Some(0));
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn help_and_version_are_no_errors() {
    for (arguments, part) in [
        (&["--help"][..], "Usage: tickbase"),
        (
            &["--version"],
            concat!("tickbase ", env!("CARGO_PKG_VERSION")),
        ),
        (&["import", "--help"], "--timestamp-format"),
    ] {
        let mut command = Command::new(BINARY);
        clean(&mut command);
        let done = done(command.args(arguments));
        assert_eq!(
            (done.code, done.err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
        assert!(done.out.contains(part), "{}", done.out);
    }
}
