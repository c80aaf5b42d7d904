//! `bars`: builds, lists, tells.

use serde_json::Value;

use super::{Files, run, sample, says};
use crate::support::on_both;

on_both! {
    fn bars_are_built_from_an_import_and_told(db: &TestDatabase) {
        says(run(db, &["bars", "status"]).out, "nothing is built; begin with `tickbase bars build`");
        assert_eq!(run(db, &["import", &sample(), "--symbol", "ES"]).code, Some(0));
        let build = ["bars", "build", "--symbol", "ES", "--frequency", "5min", "--frequency", "1min"];
        let built = run(db, &[&build[..], &["--json"]].concat()).json();
        let minutes = &built[0];
        assert_eq!((&minutes["symbol"], &minutes["frequency"]), (&"ES".into(), &"1min".into()));
        let bars = minutes["bars_written"].as_i64().unwrap();
        assert_eq!(bars, 7, "{minutes}");
        assert!(minutes["ticks_read"].as_i64().unwrap() > 10_000, "{minutes}");
        assert_eq!(built[1]["ticks_read"], 0, "the longer ones are made of the minutes: {built}");
        let again = run(db, &[&build[..], &["--json"]].concat()).json();
        assert_eq!((&again[0]["bars_written"], &again[0]["transactions"]), (&0.into(), &0.into()));
        let status = run(db, &["bars", "status", "--json"]).json();
        assert_eq!(status.as_array().unwrap().len(), 2);
        assert_eq!(status[0]["built_to"], minutes["built_to"]);
        assert_eq!((&status[0]["stale_periods"], &status[0]["due"]), (&0.into(), &false.into()));
        let told = run(db, &["bars", "status"]).out;
        assert!(told.contains("ES 1min"), "{told}");
        let end = minutes["built_to"].as_str().unwrap();
        let list = ["bars", "list", "--symbol", "ES", "--frequency", "1min", "--limit", "10000"];
        let listed = run(db, &[&list[..], &["--end", end, "--json"]].concat()).json();
        assert_eq!(listed["bars"].as_array().unwrap().len() as i64, bars);
        let all = run(db, &[&list[..], &["--json"]].concat()).json();
        assert_eq!(all["data_source"], "aggregated", "the last minute is not closed");
        assert_eq!(all["bars"].as_array().unwrap().len() as i64, bars + 1);
        let one = run(db, &["bars", "list", "--symbol", "ES", "--frequency", "1min", "--limit", "1"]);
        assert!(one.out.contains("there are older ones"), "{}", one.out);
    }

    fn what_foreign_sql_changed_is_built_anew_when_it_is_asked_for(db: &TestDatabase) {
        assert_eq!(run(db, &["import", &sample(), "--symbol", "ES"]).code, Some(0));
        let build = ["bars", "build", "--symbol", "ES", "--frequency", "1min", "--json"];
        assert_eq!(run(db, &build).json()[0]["bars_written"], 7);
        db.raw("UPDATE market_data SET price = price + 1").unwrap();
        assert_eq!(run(db, &build).json()[0]["bars_written"], 0, "nothing tells of it");
        let anew = run(db, &[&build[..], &["--anew"]].concat()).json();
        // The period of the first tick to that of the last one, with its empty ones.
        assert_eq!((&anew[0]["bars_written"], &anew[0]["periods_repaired"]), (&7.into(), &7.into()));
        let status = run(db, &["bars", "status", "--json"]).json();
        assert_eq!(status[0]["stale_periods"], 0);
    }

    fn a_schema_that_goes_back_takes_built_bars_along_and_no_others(db: &TestDatabase) {
        assert_eq!(run(db, &["import", &sample(), "--symbol", "ES"]).code, Some(0));
        let build = ["bars", "build", "--symbol", "ES", "--frequency", "1min"];
        assert_eq!(run(db, &build).code, Some(0));
        let bars = |db| run(db, &["stats", "--json"]).json()["tables"][2]["active"].clone();
        assert_eq!(bars(db), 7);
        db.raw("UPDATE market_data_bars SET data_source_id = 1 WHERE id = 1").unwrap();
        let mut reverted = String::new();
        while !reverted.contains("20261124000006_bar_series") {
            let done = run(db, &["migrate", "revert", "--yes"]);
            assert_eq!(done.code, Some(0), "{done:?}");
            reverted = done.out;
        }
        assert_eq!(run(db, &["migrate", "run"]).code, Some(0));
        assert_eq!(bars(db), 1);
        assert_eq!(run(db, &["check"]).code, Some(0));
        assert_eq!(run(db, &["bars", "status", "--json"]).json(), serde_json::json!([]));
    }

    fn an_instrument_without_ticks_has_no_series(db: &TestDatabase) {
        let build = ["bars", "build", "--symbol", "NQ", "--frequency", "1d"];
        let built = run(db, &[&build[..], &["--json"]].concat()).json();
        assert_eq!(built[0]["built_from"], Value::Null);
        assert!(run(db, &build).out.contains("no ticks"));
        let list = ["bars", "list", "--symbol", "NQ", "--frequency", "1d"];
        says(run(db, &list).out, "no 1d bars of NQ there: there are neither ticks nor bars; import some first");
    }

    fn a_day_of_minutes_that_came_in_stays_what_it_is_when_ticks_follow(db: &TestDatabase) {
        let files = Files::new();
        let mut minutes = "timestamp,open,high,low,close,volume\n".to_owned();
        for n in 0..390 {
            let (hour, minute) = (14 + (30 + n) / 60, (30 + n) % 60);
            let tenths = |of: i64| (1_000 + n + of) as f64 / 10.0;
            let prices = [0, 2, -1, 1].map(|of| format!("{:.2}", tenths(of))).join(",");
            minutes.push_str(&format!("2024-01-02T{hour}:{minute:02}:00Z,{prices},100\n"));
        }
        let ticks = (5..10).map(|n| format!("2024-01-02T20:5{n}:30Z,13{n}.55,7\n"));
        let ticks: String = std::iter::once("timestamp,price,volume\n".to_owned()).chain(ticks).collect();
        let (minutes, ticks) = (files.write("minutes.csv", minutes), files.write("ticks.csv", ticks));
        let bars = ["import", &minutes, "--symbol", "NQ", "--kind", "bars", "--frequency", "1min"];
        assert_eq!(run(db, &bars).code, Some(0));
        let list = ["bars", "list", "--symbol", "NQ", "--frequency", "1d"];
        let day = || {
            let listed = run(db, &[&list[..], &["--json"]].concat()).json();
            let bar = listed["bars"][0].clone();
            ["open", "high", "low", "close", "volume"].map(|name| bar[name].as_f64().unwrap())
        };
        assert_eq!(day(), [100.0, 139.1, 99.9, 139.0, 39_000.0]);
        assert_eq!(run(db, &["import", &ticks, "--symbol", "NQ"]).code, Some(0));
        assert_eq!(day(), [100.0, 139.1, 99.9, 139.0, 39_000.0]);
        let listed = run(db, &list).out;
        assert!(listed.contains("made of tickbase\n"), "{listed}");
        let coverage = run(db, &["coverage", "--symbol", "NQ", "--frequency", "1min", "--json"]).json();
        assert_eq!(coverage[0]["present"], 390, "{coverage}");
    }

    fn quotes_make_bars_when_they_are_asked_for(db: &TestDatabase) {
        let files = Files::new();
        let file = files.write("quotes.csv", "timestamp,bid,ask\n2020-01-01T22:00:00.123Z,1.12160,1.12170\n\
            2020-01-01T22:00:01.456Z,1.12161,1.12172\n2020-01-01T22:05:00Z,1.12,1.13\n");
        assert_eq!(run(db, &["import", &file, "--symbol", "NQ"]).code, Some(0));
        let list = ["bars", "list", "--symbol", "NQ", "--frequency", "1min"];
        says(
            run(db, &list).out,
            "no 1min bars of NQ there: the ticks have quotes but no trades; --price mid makes bars of them",
        );
        let chart = run(db, &["chart", "--symbol", "NQ", "--frequency", "1min"]);
        assert!(chart.failure().contains("--price mid"), "{}", chart.failure());
        let drawn = run(db, &["chart", "--symbol", "NQ", "--frequency", "1min", "--price", "mid"]);
        assert_eq!(drawn.code, Some(0), "{}", drawn.err);
        let listed = run(db, &[&list[..], &["--price", "bid", "--json"]].concat()).json();
        assert_eq!((&listed["price"], &listed["sources"]), (&"bid".into(), &serde_json::json!(["ticks"])));
        assert_eq!((&listed["bars"][0]["open"], &listed["bars"][0]["close"]), (&1.1216.into(), &1.12161.into()));
        let of_source = |name| run(db, &[&list[..], &["--price", "bid", "--source", name]].concat());
        assert_eq!(of_source("tickbase").code, Some(0));
        assert!(of_source("nobody").failure().contains("data source \"nobody\" not found"));
        let build = ["bars", "build", "--symbol", "NQ", "--frequency", "1min", "--price", "bid"];
        assert_eq!(run(db, &[&build[..], &["--json"]].concat()).json()[0]["bars_written"], 1);
        let status = run(db, &["bars", "status"]).out;
        assert!(status.contains("NQ 1min bid"), "{status}");
        let listed = run(db, &[&list[..], &["--price", "bid"]].concat()).out;
        assert!(listed.contains("made of tickbase-bars-bid, ticks"), "{listed}");
    }

    fn bars_that_came_in_are_deleted_and_restored_by_range(db: &TestDatabase) {
        let files = Files::new();
        let minutes = |closes: &[(u32, u32)]| -> String {
            let row = |(minute, close): &(u32, u32)| format!("2024-03-04T10:{minute:02}:00Z,{close},{close},{close},{close},1\n");
            closes.iter().map(row).collect::<String>()
        };
        let import = |name: &str, closes: &[(u32, u32)], more: &[&str]| {
            let text = format!("date,open,high,low,close,volume\n{}", minutes(closes));
            let file = files.write(name, text);
            let arguments = ["import", &file, "--symbol", "ES", "--kind", "bars", "--frequency", "1min"];
            assert_eq!(run(db, &[&arguments[..], more].concat()).code, Some(0));
        };
        import("own.csv", &[(0, 1), (1, 2), (2, 3)], &[]);
        import("other.csv", &[(1, 9)], &["--source", "vendor", "--create-source"]);
        let of = ["--symbol", "ES", "--frequency", "1min"];
        let count = || run(db, &[&["bars", "list"], &of[..], &["--json"]].concat()).json()["bars"].as_array().map_or(0, Vec::len);
        let to_trash = |action: &str, more: &[&str]| run(db, &[&["bars", action], &of[..], more].concat());
        let told = to_trash("delete", &["--source", "vendor"]).out;
        assert!(told.starts_with("1 bars deleted; `tickbase undo "), "{told}");
        assert_eq!(count(), 3);
        let second = ["--start", "2024-03-04T10:01:00Z", "--end", "2024-03-04T10:02:00Z"];
        assert_eq!(to_trash("delete", &[&second[..], &["--json"]].concat()).json()["deleted"], 1);
        assert_eq!(count(), 2);
        // The period is taken again: the deleted bar stays where it is.
        import("again.csv", &[(1, 5)], &[]);
        says(to_trash("restore", &[]).out, "1 bars restored\n1 stay deleted: their periods have an active bar; delete that one first to restore the other");
        assert_eq!(to_trash("delete", &["--json"]).json()["deleted"], 4);
        assert_eq!(to_trash("restore", &["--json"]).json(), serde_json::json!({"restored": 4, "conflicts": 1}));
        for (more, said) in [
            (&["--source", "tickbase-bars"][..], "source: its bars are built from ticks"),
            (&["--source", "nobody"], "data source \"nobody\" not found"),
            (&["--start", "2024-03-05", "--end", "2024-03-04"], "start"),
        ] {
            let refused = to_trash("delete", more);
            assert!(refused.failure().contains(said), "{refused:?}");
        }
    }

    fn what_cannot_be_built_is_refused(db: &TestDatabase) {
        let unknown = run(db, &["bars", "build", "--symbol", "XX", "--frequency", "1d"]);
        says(unknown.failure(), "tickbase: instrument XX not found; check the symbol; `tickbase instruments` lists all");
        let build = ["bars", "build", "--symbol", "ES"];
        assert_eq!(run(db, &[&build[..], &["--frequency", "1m"]].concat()).code, Some(2));
        assert_eq!(run(db, &build).code, Some(2));
        let turned = ["--frequency", "1d", "--start", "2014-01-02", "--end", "2014-01-01"];
        let turned = run(db, &[&build[..], &turned].concat());
        assert!(turned.failure().contains("is after end"), "{turned:?}");
        let list = ["bars", "list", "--symbol", "ES", "--frequency", "1d", "--limit", "0"];
        assert_eq!(run(db, &list).code, Some(2));
    }
}
