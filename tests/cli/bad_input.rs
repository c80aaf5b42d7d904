//! Files that are not what they should be: each ends with a message that names the file, the
//! reason and the remedy, and leaves the database as it was.

use crate::support::{TestDatabase, on_both};
use crate::{Files, contents, gzip, run, run_with_input, sample};

const HEADER: &str = "DateTime,Price,Volume\n";

/// Imports ticks of ES that must be refused; the message, without the directory of the files.
fn refused(db: &TestDatabase, files: &Files, path: &str, options: &[&str]) -> String {
    let before = contents(db);
    let done = run(db, &[&["import", path, "--symbol", "ES"], options].concat());
    let message = done.failure().to_owned();
    assert_eq!(contents(db), before, "{message}");
    let folder = format!("{}/", files.0.path().display());
    message
        .replace(&folder, "")
        .trim_start_matches("tickbase: ")
        .to_owned()
}

on_both! {
    fn what_is_no_feed_is_refused_with_the_reason(db: &TestDatabase) {
        let files = Files::new();
        let refused = |path: &str| refused(db, &files, path, &[]);
        let text = |name: &str, bytes: &[u8]| refused(&files.write(name, bytes));
        let missing = files.path("missing.csv");
        insta::assert_snapshot!(
            refused(missing.to_str().unwrap()),
            @""
        );
        insta::assert_snapshot!(refused(&format!("{}/", files.0.path().display())), @"");
        insta::assert_snapshot!(text("empty.csv", b""), @"");
        insta::assert_snapshot!(text("blank.csv", b"\n\n  \n"), @"");
        insta::assert_snapshot!(text("prose.csv", b"Dear customer\nplease find attached\n"), @"");
        insta::assert_snapshot!(text("garbage.csv", &[0x00, 0x9f, 0x92, 0x96, 0xff, 0x0a]), @"");
        insta::assert_snapshot!(text("page.csv", b"<html><body>404, not found</body></html>\n"), @"");
        insta::assert_snapshot!(text("array.json", b"[{\"timestamp\":1}]"), @"");
        insta::assert_snapshot!(text("no-stamp.csv", b"Price,Volume\n1,2\n"), @"");
        insta::assert_snapshot!(text("no-value.csv", b"DateTime,Comment\n2013-09-01,x\n"), @"");
        insta::assert_snapshot!(text("no-header.csv", b"2013-09-01 17:00:00,1640.25,8\n"), @"");
        insta::assert_snapshot!(text("twice.csv", b"DateTime,Price,Price\n2013-09-01,1,2\n"), @"");
    }

    fn a_gzip_that_ends_too_early_stores_nothing(db: &TestDatabase) {
        let files = Files::new();
        let whole = std::fs::read(sample()).unwrap();
        let cut = files.write("cut.csv.gz", &whole[..whole.len() - 9]);
        insta::assert_snapshot!(refused(db, &files, &cut, &[]), @"");
        let mut flipped = whole.clone();
        flipped[20_000] ^= 0xff;
        let damaged = refused(db, &files, &files.write("flipped.csv.gz", flipped), &[]);
        assert!(damaged.starts_with("flipped.csv.gz: the gzip data is damaged"), "{damaged}");
    }

    fn columns_and_symbols_that_are_not_there_are_named(db: &TestDatabase) {
        let files = Files::new();
        let path = files.write("trades.csv", format!("{HEADER}2013-09-01 17:00:00,1640.25,8\n"));
        let options = ["--columns", "timestamp=DateTime,price=Last"];
        insta::assert_snapshot!(refused(db, &files, &path, &options), @"");
        let before = contents(db);
        let unknown = run(db, &["import", &path, "--symbol", "NOPE"]);
        insta::assert_snapshot!(unknown.failure(), @"");
        let long = run(db, &["import", &path, "--symbol", &"X".repeat(33)]);
        insta::assert_snapshot!(long.failure(), @"");
        assert_eq!(contents(db), before);
    }

    fn rows_that_break_a_rule_are_counted_and_shown_and_the_others_stored(db: &TestDatabase) {
        let files = Files::new();
        let rows = "2013-09-01 17:00:00,1640.25,8\n\
             99999-09-01 17:00:00,1640.25,8\n\
             2013-09-01 17:00:01,NaN,8\n\
             2013-09-01 17:00:02,inf,8\n\
             2013-09-01 17:00:03,1640.25,-8\n\
             2013-09-01 17:00:04,1640.25\n\
             DateTime,Price,Volume\n\
             2013-09-01 17:00:05,,\n\
             2013-09-01 17:00:06,-37.63,0\n";
        let path = files.write("mixed.csv", format!("{HEADER}{rows}"));
        let strict = run(db, &["import", &path, "--symbol", "ES", "--strict"]);
        assert_eq!((strict.code, strict.out.as_str()), (Some(1), ""));
        assert_eq!(contents(db)["tables"][1]["active"], 0);

        let done = run(db, &["import", &path, "--symbol", "ES", "--json"]);
        assert_eq!((done.code, done.figures()), (Some(0), [9, 2, 0, 0, 7]));
        let folder = format!("{}/", files.0.path().display());
        insta::assert_snapshot!(done.err.replace(&folder, ""), @"");
        insta::assert_snapshot!(strict.err.replace(&folder, "").lines().last().unwrap(), @"");
        assert_eq!(contents(db)["tables"][1]["active"], 2);
    }

    fn only_the_first_twenty_rejected_rows_are_shown(db: &TestDatabase) {
        let rows: String = (0..60).map(|i| format!("2013-09-01 17:00:{i:02},x,1\n")).collect();
        let input = format!("{HEADER}{rows}");
        let arguments = ["import", "-", "--symbol", "ES", "--json"];
        let done = run_with_input(db, &arguments, input.as_bytes());
        assert_eq!((done.code, done.figures()), (Some(0), [60, 0, 0, 0, 60]));
        assert_eq!(done.err.lines().count(), 21, "{}", done.err);
        insta::assert_snapshot!(done.err.lines().last().unwrap(), @"");
    }

    fn a_line_of_ten_megabytes_is_rejected_and_the_next_one_read(db: &TestDatabase) {
        let long = "9".repeat(10_000_000);
        let input = format!("{HEADER}2013-09-01 17:00:00,1,1\n2013-09-01 17:00:01,{long},1\n2013-09-01 17:00:02,2,1\n");
        let arguments = ["import", "-", "--symbol", "ES", "--json"];
        let done = run_with_input(db, &arguments, &gzip(input.as_bytes()));
        assert_eq!((done.code, done.figures()), (Some(0), [3, 2, 0, 0, 1]));
        insta::assert_snapshot!(done.err, @"");
        let files = Files::new();
        insta::assert_snapshot!(refused(db, &files, &files.write("long.csv", long), &[]), @"");
    }

    fn windows_line_ends_and_a_byte_order_mark_are_read(db: &TestDatabase) {
        let text = "\u{feff}DateTime;Price;Volume\r\n2013-09-01 17:00:00;1640.25;8\r\n\
             2013-09-01 17:00:00;1640.50;1\r\n";
        let arguments = ["import", "-", "--symbol", "ES", "--json"];
        let done = run_with_input(db, &arguments, text.as_bytes());
        assert_eq!((done.code, done.figures(), done.err.as_str()), (Some(0), [2, 2, 0, 0, 0], ""));
    }

    fn arguments_that_do_not_fit_are_usage_errors(db: &TestDatabase) {
        let before = contents(db);
        for arguments in [
            &["import"][..],
            &["import", "x.csv"],
            &["import", "x.csv", "--symbol", "ES", "--frequency", "1min"],
            &["import", "x.csv", "--symbol", "ES", "--kind", "bars"],
            &["import", "x.csv", "--symbol", "ES", "--kind", "bars", "--frequency", "7min"],
            &["import", "x.csv", "--symbol", "ES", "--create", "bond"],
            &["import", "x.csv", "--symbol", "ES", "--columns", "price"],
            &["import", "x.csv", "--symbol", "ES", "--columns", "cost=Price"],
            &["import", "x.csv", "--symbol", "ES", "--timestamp-format", "%Q"],
            &["import", "x.csv", "--symbol", "ES", "--format", "xml"],
            &["import", "x.csv", "--symbol", "ES", "--strict", "--commit-each-batch"],
            &["export"],
            &["export", "--symbol", "ES", "--start", "yesterday"],
            &["purge"],
            &["purge", "--older-than", "soon"],
            &["purge", "--older-than", "-1d"],
            &["migrate"],
            &["frobnicate"],
        ] {
            let done = run(db, arguments);
            assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{arguments:?}: {done:?}");
            assert!(!done.err.is_empty(), "{arguments:?}");
        }
        assert_eq!(contents(db), before);
    }
}
