//! Files that are not what they should be: each ends with a message that names the file, the
//! reason and the remedy, and leaves the database as it was.

use super::{Files, contents, gzip, run, run_with_input, sample, says};
use crate::support::{TestDatabase, on_both};

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
        says(
            refused(missing.to_str().unwrap()),
            "missing.csv: there is no such file; check the path"
        );
        says(refused(&format!("{}/", files.0.path().display())), ": is a directory; name the files in it");
        says(text("empty.csv", b""), "empty.csv: is empty; check where it came from");
        says(text("blank.csv", b"\n\n  \n"), "blank.csv: has no text; check where it came from");
        says(text("prose.csv", b"Dear customer\nplease find attached\n"), "prose.csv: line 1: not a CSV: there is no comma, tab, semicolon or bar between fields; check the file, or --columns");
        says(text("garbage.csv", &[0x00, 0x9f, 0x92, 0x96, 0xff, 0x0a]), "garbage.csv: is not a CSV: binary data (byte 0x00 at 0); give CSV or NDJSON");
        says(text("page.csv", b"<html><body>404, not found</body></html>\n"), "page.csv: line 1: there is no timestamp column (timestamp, datetime, date or time); check the file, or --columns");
        says(text("array.json", b"[{\"timestamp\":1}]"), "array.json: is not a CSV: a JSON array (write one object per line, NDJSON); give CSV or NDJSON");
        says(text("no-stamp.csv", b"Price,Volume\n1,2\n"), "no-stamp.csv: line 1: there is no timestamp column (timestamp, datetime, date or time); check the file, or --columns");
        says(text("no-value.csv", b"DateTime,Comment\n2013-09-01,x\n"), "no-value.csv: line 1: there is no column of a price, volume, bid or ask; check the file, or --columns");
        says(text("no-header.csv", b"2013-09-01 17:00:00,1640.25,8\n"), "no-header.csv: line 1: there is no header: name the columns by position, like --columns timestamp=1,price=2, or the vendor with --preset; check the file, or --columns");
        says(text("twice.csv", b"DateTime,Price,Price\n2013-09-01,1,2\n"), "twice.csv: line 1: the header names \"Price\" twice (columns 2 and 3): map by position; check the file, or --columns");
    }

    fn a_gzip_that_ends_too_early_stores_nothing(db: &TestDatabase) {
        let files = Files::new();
        let whole = std::fs::read(sample()).unwrap();
        let cut = files.write("cut.csv.gz", &whole[..whole.len() - 9]);
        says(refused(db, &files, &cut, &[]), "cut.csv.gz: the gzip data ends too early, after line 20010 (672959 bytes of text); fetch the file again");
        let mut flipped = whole.clone();
        flipped[20_000] ^= 0xff;
        let damaged = refused(db, &files, &files.write("flipped.csv.gz", flipped), &[]);
        assert!(damaged.starts_with("flipped.csv.gz: the gzip data is damaged"), "{damaged}");
        // Plain rows that were appended to a packed file.
        let appended = [&gzip(format!("{HEADER}2013-09-01 17:00:00,1640.25,8\n").as_bytes())[..], b"2013-09-01 17:00:01,1640.5,1\n"].concat();
        let refusal = refused(db, &files, &files.write("appended.csv.gz", appended), &[]);
        says(refusal, "appended.csv.gz: the gzip data is damaged after line 2 (52 bytes of text): bytes that are not gzip follow its last member; fetch the file again");
    }

    fn columns_and_symbols_that_are_not_there_are_named(db: &TestDatabase) {
        let files = Files::new();
        let path = files.write("trades.csv", format!("{HEADER}2013-09-01 17:00:00,1640.25,8\n"));
        let options = ["--columns", "timestamp=DateTime,price=Last"];
        says(refused(db, &files, &path, &options), "trades.csv: line 1: there is no column \"Last\": the file has DateTime, Price, Volume; check the file, or --columns");
        let before = contents(db);
        let unknown = run(db, &["import", &path, "--symbol", "NOPE"]);
        says(unknown.failure(), "tickbase: instrument NOPE not found; check the symbol, or add the instrument with --create TYPE");
        let long = run(db, &["import", &path, "--symbol", &"X".repeat(33)]);
        says(long.failure(), "tickbase: symbol: it has 33 characters; use 1 to 32 printable ASCII characters, single spaces within");
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
        says(done.err.replace(&folder, ""), "mixed.csv line 3: timestamp: \"99999-09-01 17:00:00\" has a year of more than four digits: outside the years 1 to 9999; write it like 2013-09-01T17:00:00.083Z\n\
             mixed.csv line 4: price: NaN is not a finite number; leave it out if unknown\n\
             mixed.csv line 5: price: inf is not a finite number; leave it out if unknown\n\
             mixed.csv line 6: volume: -8 is negative; it must be 0 or more\n\
             mixed.csv line 7: the line has 2 fields, not 3\n\
             mixed.csv line 8: timestamp: \"DateTime\" is not a date and time; write it like 2013-09-01T17:00:00.083Z\n\
             mixed.csv line 9: tick: it has no value at all; give at least one of price, volume, bid, ask, sizes, open, high or low\n\
             stamps of another form are read with --timestamp-format");
        says(strict.err.replace(&folder, "").lines().last().unwrap(), "tickbase: 7 of 9 rows were rejected, so nothing was stored; mend them, or import without --strict");
        assert_eq!(contents(db)["tables"][1]["active"], 2);
    }

    fn only_the_first_twenty_rejected_rows_are_shown(db: &TestDatabase) {
        let rows: String = (0..60).map(|i| format!("2013-09-01 17:00:{i:02},x,1\n")).collect();
        let input = format!("{HEADER}{rows}");
        let arguments = ["import", "-", "--symbol", "ES", "--json"];
        let done = run_with_input(db, &arguments, input.as_bytes());
        assert_eq!((done.code, done.figures()), (Some(1), [60, 0, 0, 0, 60]));
        let shown: Vec<&str> = done.err.lines().collect();
        assert_eq!(shown.len(), 22, "{}", done.err);
        assert_eq!(shown[20..], ["and 40 more rejected rows", "tickbase: no row was stored, of 60 that were read"]);
    }

    fn a_line_of_ten_megabytes_is_rejected_and_the_next_one_read(db: &TestDatabase) {
        let long = "9".repeat(10_000_000);
        let input = format!("{HEADER}2013-09-01 17:00:00,1,1\n2013-09-01 17:00:01,{long},1\n2013-09-01 17:00:02,2,1\n");
        let arguments = ["import", "-", "--symbol", "ES", "--json"];
        let done = run_with_input(db, &arguments, &gzip(input.as_bytes()));
        assert_eq!((done.code, done.figures()), (Some(0), [3, 2, 0, 0, 1]));
        says(done.err, "standard input line 3: the line is longer than 1048576 bytes");
        let files = Files::new();
        says(refused(db, &files, &files.write("long.csv", long), &[]), "long.csv: is not a CSV: no line end in 1048576 bytes; give CSV or NDJSON");
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
            &["import", "x.csv", "--symbol", "ES", "--kind", "ticks", "--frequency", "1min"],
            &["import", "x.csv", "--symbol", "ES", "--stamps-are", "middle"],
            &["import", "x.csv", "--symbol", "ES", "--timezone", "Mars/Olympus"],
            &["import", "x.csv", "--symbol", "ES", "--date-order", "hour"],
            &["import", "x.csv", "--symbol", "ES", "--skip-lines", "-1"],
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
