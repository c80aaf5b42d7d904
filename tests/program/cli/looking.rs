//! What there is: the list of instruments, the symbol that was meant, and what a shell and `man`
//! are told.

use serde_json::json;

use super::{Done, done, run, sample, says, tickbase};
use crate::support::{TestDatabase, on_both};

/// The text of a run that ended well.
fn text(done: &Done) -> &str {
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
    &done.out
}

on_both! {
    fn instruments_are_listed_with_what_there_is_of_them(db: &TestDatabase) {
        text(&run(db, &["import", &sample(), "--symbol", "ES"]));
        text(&run(db, &["bars", "build", "--symbol", "ES", "--frequency", "1min"]));
        let listed = run(db, &["instruments"]);
        let line = |symbol: &str| -> Vec<&str> {
            let words = text(&listed).lines().map(|line| line.split_whitespace().collect());
            words.into_iter().find(|words: &Vec<&str>| words.first() == Some(&symbol)).unwrap()
        };
        assert_eq!(
            line("ES"),
            ["ES", "future", "20,009", "1min", "7", "2013-09-03T10:23:00.000000Z", "2013-09-03T10:30:32.668000Z"]
        );
        assert_eq!(line("SPX"), ["SPX", "index", "0", "-", "-", "-"]);

        let found = run(db, &["instruments", "--with-data", "--json"]).json();
        assert_eq!(found.as_array().unwrap().len(), 1);
        assert_eq!((&found[0]["symbol"], &found[0]["ticks"]), (&json!("ES"), &json!(20_009)));
        assert_eq!(found[0]["bars"], json!([{"frequency": "1min", "bars": 7}]));
        let indexes = run(db, &["instruments", "--type", "index", "--json"]).json();
        assert_eq!(indexes.as_array().unwrap().len(), 3);
    }

    fn a_symbol_that_is_not_there_names_the_nearest(db: &TestDatabase) {
        for (given, meant) in [("ESS", "ES"), ("TRINN", "TRIN"), ("SPY", "SPX")] {
            for command in [
                &["chart", "--frequency", "1min"][..],
                &["export"],
                &["bars", "list", "--frequency", "1min"],
            ] {
                let refused = run(db, &[command, &["--symbol", given]].concat());
                let expected = format!(
                    "tickbase: instrument {given} not found; did you mean {meant}? \
                     `tickbase instruments` lists all"
                );
                says(refused.failure(), &expected);
            }
        }
    }
}

#[test]
fn shells_and_man_know_every_command() {
    let db = TestDatabase::sqlite_empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(&db, &["completions", shell]);
        let script = text(&done);
        assert!(
            script.contains("instruments") && script.contains("with-data"),
            "{shell}"
        );
    }
    // Settings that are wrong are no reason to leave a shell without completions.
    let done = done(
        tickbase(db.url())
            .env("TICKBASE_POOL_BASE", "many")
            .args(["completions", "bash"]),
    );
    assert!(text(&done).contains("instruments"));
    let page = run(&db, &["man"]);
    assert!(text(&page).contains("tickbase\\-import"), "{page:?}");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let done = run(&db, &["man", "--out", place]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let pages = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(pages > 20, "{pages}");
    let import = std::fs::read_to_string(folder.path().join("tickbase-import.1")).unwrap();
    assert!(import.contains("date\\-order"), "{import}");
}
