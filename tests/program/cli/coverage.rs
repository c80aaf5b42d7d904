//! `coverage`.

use serde_json::json;

use super::{Files, run, sample, says};
use crate::support::on_both;

/// A day of bars that lacks an hour, and has a slip of the pen in it.
const HOURS: &str = "date,open,high,low,close,volume
2024-03-04T00:00:00.000000Z,10,10.5,9.5,10,1
2024-03-04T01:00:00.000000Z,10,10.5,9.5,10.25,1
2024-03-04T02:00:00.000000Z,10,10.5,9.5,10,1
2024-03-04T04:00:00.000000Z,10,10.5,9.5,10.25,1
2024-03-04T05:00:00.000000Z,10,105,9.5,102.5,1
2024-03-04T06:00:00.000000Z,10,10.5,9.5,10,1
";

on_both! {
    fn gaps_duplicates_and_outliers_of_bars_are_told(db: &TestDatabase) {
        let files = Files::new();
        let file = files.write("hours.csv", HOURS);
        run(db, &["import", &file, "--symbol", "ES", "--kind", "bars", "--frequency", "1h", "--json"]).json();
        let found = run(db, &["coverage", "--symbol", "es", "--frequency", "1h", "--json"]).json();
        let [series] = &found.as_array().unwrap()[..] else { panic!("{found}") };
        assert_eq!(series["calendar"], "weekdays");
        assert_eq!([&series["expected"], &series["present"], &series["missing"]], [7, 6, 1]);
        assert_eq!(series["gaps"], json!([{"start": "2024-03-04T03:00:00.000000Z",
            "end": "2024-03-04T04:00:00.000000Z", "missing": 1}]));
        assert_eq!((&series["duplicates"], &series["outlier_count"]), (&json!(0), &json!(2)));
        assert_eq!(series["outliers"][0]["timestamp"], "2024-03-04T05:00:00.000000Z");
        assert_eq!(series["outliers"][0]["close"], 102.5);
        let people = run(db, &["coverage", "--symbol", "ES", "--frequency", "1h"]).out;
        for said in ["85.71 %", "1 missing from 2024-03-04T03:00:00.000000Z", "102.5 after 10.25"] {
            assert!(people.contains(said), "{people}");
        }
        let day = run(db, &["coverage", "--symbol", "ES", "--frequency", "1h", "--json",
            "--start", "2024-03-04", "--end", "2024-03-05", "--list", "0"]).json();
        assert_eq!((&day[0]["missing"], &day[0]["gap_count"]), (&json!(18), &json!(2)));
        assert_eq!((&day[0]["gaps"], &day[0]["outliers"]), (&json!([]), &json!([])));
    }

    fn bars_that_ticks_make_are_surveyed_too(db: &TestDatabase) {
        says(run(db, &["coverage"]).out, "no instrument has bars of this frequency; import some, or ticks");
        run(db, &["import", &sample(), "--symbol", "ES", "--json"]).json();
        let found = run(db, &["coverage", "--frequency", "1min", "--frequency", "1h", "--json"]).json();
        let series = found.as_array().unwrap();
        assert_eq!(series.len(), 2, "those without a bar are left out");
        for of in series {
            let [expected, present, missing] = ["expected", "present", "missing"]
                .map(|name| of[name].as_u64().unwrap());
            assert_eq!(expected, present + missing);
            assert!(present > 0, "{of}");
        }
        let none = run(db, &["coverage", "--symbol", "NQ", "--json"]).json();
        assert_eq!((&none[0]["present"], &none[0]["completeness_percent"]), (&json!(0), &json!(null)));
    }

    fn the_holidays_of_the_exchange_are_not_missing(db: &TestDatabase) {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/analytics/sp500-daily.csv");
        let import = ["import", file, "--symbol", "SPX", "--kind", "bars", "--frequency", "1d"];
        let month_first = ["--timestamp-format", "%m/%d/%Y"];
        assert_eq!(run(db, &[&import[..], &month_first].concat()).code, Some(0));
        let survey = |more: &[&str]| run(db, &[&["coverage", "--symbol", "SPX", "--json"], more].concat()).json()[0].clone();
        let found = survey(&[]);
        assert_eq!((&found["calendar"], &found["completeness_percent"]), (&json!("XNYS"), &json!(100.0)));
        assert_eq!([&found["expected"], &found["missing"], &found["unexpected"], &found["gap_count"]], [1_006, 0, 0, 0]);
        assert_eq!(found.get("holidays_known"), None);
        let weekdays = survey(&["--calendar", "weekdays"]);
        assert_eq!((&weekdays["calendar"], &weekdays["missing"]), (&json!("weekdays"), &json!(36)));
        let later = survey(&["--calendar", "XNAS", "--start", "2018-12-24", "--end", "2019-01-01"]);
        assert_eq!([&later["expected"], &later["missing"]], [5, 0]);
    }

    fn what_cannot_be_surveyed_is_refused(db: &TestDatabase) {
        let unknown = run(db, &["coverage", "--symbol", "NOSUCH"]);
        assert!(unknown.failure().contains("instrument NOSUCH not found"), "{unknown:?}");
        for arguments in [
            &["--frequency", "2min"][..],
            &["--calendar", "nyse"],
            &["--outlier-score", "0"],
            &["--outlier-score", "NaN"],
            &["--start", "2024-03-05", "--end", "2024-03-04"],
            &["--list", "-1"],
        ] {
            let refused = run(db, &[&["coverage"], arguments].concat());
            assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        }
    }
}
