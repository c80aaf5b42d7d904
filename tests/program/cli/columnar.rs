//! Parquet and Arrow files: those that dataframes write go in, what is exported comes in again.

use std::fs;
use std::path::Path;

use super::{Files, run, sample, says};
use crate::support::on_both;

/// Eight trades of two symbols, as each library writes them.
const FILES: [&str; 7] = [
    "pandas.parquet",
    "pandas.feather",
    "nanoseconds.parquet",
    "milliseconds.parquet",
    "polars.parquet",
    "polars.arrow",
    "polars.arrows",
];

fn fixture(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/columnar");
    directory.join(name).to_str().unwrap().to_owned()
}

fn place(files: &Files, name: &str) -> String {
    files.path(name).to_str().unwrap().to_owned()
}

on_both! {
    fn files_of_dataframes_are_imported_as_they_are(db: &TestDatabase) {
        for name in FILES {
            let db = db.empty_sibling();
            assert_eq!(run(&db, &["migrate", "run"]).code, Some(0));
            let import = ["import", &fixture(name), "--create", "future", "--json"];
            assert_eq!(run(&db, &import).figures(), [8, 8, 0, 0, 0], "{name}");
            assert_eq!(run(&db, &import).figures(), [8, 0, 8, 0, 0], "{name}");
            let exported = run(&db, &["export", "--symbol", "ES"]).out;
            let expected = "timestamp,source_id,sequence,price,volume,bid,ask,bid_size,ask_size,open,high,low\n\
                 2013-09-03T10:31:00.074000Z,1,0,1642.25,3,1642,,,,,,\n\
                 2013-09-03T10:31:00.074000Z,1,1,1642.5,1,,,,,,,\n\
                 2013-09-03T10:31:02.250000Z,1,0,1642.75,8,,,,,,,\n\
                 2013-09-03T10:31:04.000000Z,1,0,1643,4,1642.75,,,,,,\n\
                 2013-09-03T10:32:00.000000Z,1,0,1642,2,,,,,,,\n";
            assert_eq!(exported, expected, "{name}");
        }
    }

    fn an_exported_file_is_imported_again_without_a_change(db: &TestDatabase) {
        let files = Files::new();
        assert_eq!(run(db, &["import", &sample(), "--symbol", "ES", "--json"]).figures()[1], 20_009);
        for format in ["arrow", "parquet"] {
            let path = place(&files, &format!("ticks.{format}"));
            let done = run(db, &["export", "--symbol", "ES", "--format", format, "--out", &path, "--json"]);
            assert_eq!(done.json()["exported"], 20_009);
            let again = run(db, &["import", &path, "--symbol", "ES", "--json"]);
            assert_eq!(again.figures(), [20_009, 0, 20_009, 0, 0], "{format}");

            let bars = place(&files, &format!("bars.{format}"));
            let of = ["export", "--symbol", "ES", "--kind", "bars", "--frequency", "1min"];
            let csv = run(db, &of).out;
            let done = run(db, &[&of[..], &["--format", format, "--out", &bars, "--json"]].concat());
            assert_eq!(done.json()["exported"], csv.lines().count() - 1);
            let symbol = format!("OF{}", format.to_uppercase());
            let import = ["import", &bars, "--symbol", &symbol, "--create", "future", "--json"];
            let stored = run(db, &import).json();
            assert_eq!(stored["frequency"], "1min", "{stored}");
            let of = ["export", "--symbol", &symbol, "--kind", "bars", "--frequency", "1min"];
            assert_eq!(run(db, &of).out, csv, "{format}");
        }
    }

    fn moments_without_a_zone_are_those_of_the_feed(db: &TestDatabase) {
        let zone = ["--symbol", "ES", "--timezone", "America/New_York", "--json"];
        for (name, figures) in [("naive.parquet", [2, 2, 0, 0, 0]), ("naive.feather", [2, 0, 2, 0, 0])] {
            let file = fixture(name);
            let import = [&["import", &file][..], &zone].concat();
            assert_eq!(run(db, &import).figures(), figures, "{name}");
        }
        let exported = run(db, &["export", "--symbol", "ES"]).out;
        let stamps: Vec<&str> = exported.lines().skip(1).map(|line| &line[..27]).collect();
        assert_eq!(stamps, ["2024-01-02T14:30:00.000000Z", "2024-07-02T13:30:00.250000Z"]);
    }

    fn a_broken_file_is_refused_by_its_name_and_stores_nothing(db: &TestDatabase) {
        let files = Files::new();
        for name in FILES {
            let whole = fs::read(fixture(name)).unwrap();
            let cut = place(&files, name);
            fs::write(&cut, &whole[..whole.len() - 40]).unwrap();
            let refused = run(db, &["import", &cut, "--create", "future", "--strict"]);
            assert_eq!(refused.code, Some(1), "{name}: {refused:?}");
            assert!(refused.err.contains(name), "{refused:?}");
        }
        let cut = run(db, &["import", &place(&files, "pandas.parquet")]);
        says(cut.failure().split(", and cannot").next().unwrap(), &format!(
            "tickbase: {}: begins as a Parquet file", place(&files, "pandas.parquet"),
        ));
        let ticks = run(db, &["stats", "--json"]).json();
        assert_eq!(ticks["ticks"].as_array().unwrap().len(), 0, "{ticks}");
    }
}
