//! `adopt`: the commands that docs/migrating.md names, what they print, and their exit codes.

use super::{Files, clean, done, run, tickbase};
use crate::support::on_both;
use crate::support::tradeassist::OldFile;

fn path(old: &OldFile) -> String {
    old.path().to_str().unwrap().to_owned()
}

fn rejects(old: &OldFile) -> String {
    old.rejects().to_str().unwrap().to_owned()
}

on_both! {
    fn the_three_commands_of_the_page_bring_a_file_over(db: &TestDatabase) {
        let (db, old) = (db.empty_sibling(), OldFile::new("last", 1_000));
        let (file, rejects) = (path(&old), rejects(&old));
        let adopt = ["adopt", &file, "--into", db.url(), "--rejects", &rejects];
        // Another database is named beside it; --into wins.
        let elsewhere = Files::new();
        let other = elsewhere.path("other.db");
        let command = |arguments: &[&str]| {
            done(tickbase(other.to_str().unwrap()).args(adopt).args(arguments))
        };
        let trial = command(&["--dry-run", "--json"]).json();
        assert_eq!((&trial["dry_run"], &trial["schema"]), (&true.into(), &"bars, saved queries and soft delete".into()));
        let empty = run(&db, &["stats", "--json"]).json();
        assert_eq!(empty["tables"][1]["active"], 0);
        let people = command(&[]);
        assert_eq!((people.code, people.err.as_str()), (Some(0), ""), "{people:?}");
        let one_space = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = people.out.lines().map(one_space).collect();
        for line in [
            "market_data 1,014 1,000 0 14",
            "rejected: 8 of market_data, orphan; row 1001: instrument 99 is not in the file, or was not brought over",
            "instruments added for bars: $SPX (index), /NQ (future), AAPL (equity)",
            "instruments 21 has the number 1 here",
        ] {
            assert!(lines.iter().any(|one| one == line), "{line}\n{}", people.out);
        }
        assert!(people.out.contains("agrees") && !people.out.contains("DIFFERS"), "{}", people.out);
        assert!(people.out.contains(&rejects));
        assert_eq!(run(&db, &["check"]).code, Some(0));
        let again = command(&["--json"]).json();
        assert!(again["tables"].as_array().unwrap().iter().all(|table| table["brought"] == 0), "{again}");
        assert!(!other.exists());
    }

    fn a_difference_ends_with_1(db: &TestDatabase) {
        let old = OldFile::new("first", 20);
        db.raw(if db.dir().is_some() {
            "CREATE TRIGGER spoil AFTER INSERT ON alert_logs WHEN NEW.sequence = 900 \
             BEGIN UPDATE alert_logs SET trigger_value = 1 WHERE id = NEW.id; END"
        } else {
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             NEW.trigger_value = 1; RETURN NEW; END $$; \
             CREATE TRIGGER spoil BEFORE INSERT ON alert_logs FOR EACH ROW EXECUTE FUNCTION spoil()"
        }).unwrap();
        let done = run(db, &["adopt", &path(&old), "--rejects", &rejects(&old)]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.out.contains("DIFFERS"), "{}", done.out);
        assert!(done.err.starts_with("tickbase: counts or sums of both sides differ"), "{}", done.err);
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn the_old_file_itself_is_refused_with_the_command_that_helps() {
    let old = OldFile::new("last", 100);
    let (file, before) = (path(&old), old.bytes());
    let help = "`tickbase adopt OLD.db --into NEW.db`";
    for arguments in [
        &["migrate", "run"][..],
        &["migrate", "status"],
        &["serve", "--bind", "127.0.0.1:0"],
        &["stats"],
        &["check"],
    ] {
        let refused = done(tickbase(&file).args(arguments));
        assert_eq!(refused.code, Some(1), "{arguments:?} {refused:?}");
        let names = "alert_logs, alert_rules, instruments, market_data;";
        assert!(
            refused.err.contains(help) && refused.err.contains(names),
            "{refused:?}"
        );
    }
    let itself = done(tickbase(&file).args(["adopt", &file]));
    assert_eq!(itself.code, Some(2), "{itself:?}");
    assert!(itself.err.contains("--into"), "{itself:?}");
    let written = done(tickbase("x.db").args(["adopt", &file, "--rejects", &file]));
    assert_eq!(written.code, Some(2), "{written:?}");
    assert!(old.bytes() == before, "the file is as it was");
}

#[cfg(feature = "sqlite")]
#[test]
fn databases_are_named_as_sqlalchemy_names_them() {
    let (old, files) = (OldFile::new("reference", 100), Files::new());
    let there = format!("sqlite+aiosqlite:///{}", path(&old));
    let mut command = std::process::Command::new(super::BINARY);
    clean(&mut command);
    command.current_dir(files.path(""));
    command.env("DATABASE_URL", "sqlite+aiosqlite:///./new.db");
    let report = done(command.args(["adopt", &there, "--json"])).json();
    assert_eq!(report["tables"][2]["brought"], 100, "{report}");
    assert_eq!(
        report["rejects_file"], "trade_assist.db.rejected.ndjson",
        "{report}"
    );
    assert!(files.path("new.db").exists());
    assert!(files.path("trade_assist.db.rejected.ndjson").exists());
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_that_is_not_tradeassists_makes_no_new_database() {
    let files = Files::new();
    let (old, new) = (files.write("x.db", ""), files.path("new.db"));
    let new_url = new.to_str().unwrap();
    let refused = done(tickbase(new_url).args(["adopt", &old]));
    assert!(
        refused.failure().contains("no table instruments"),
        "{refused:?}"
    );
    assert!(!new.exists());
}
