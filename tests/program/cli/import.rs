//! Imports and exports: real trades, quotes and bars, each file in its own form.

use serde_json::Value;

use super::{Files, gzip, run, run_with_input, sample, says};
use crate::support::on_both;

const NOTHING: [u64; 5] = [0; 5];

/// The first lines of three public feeds, in the form in which they come.
const QUOTES: &str = "20200101 170000065,1.121200,1.121720,0\n\
    20200101 170010447,1.121200,1.121920,0\n\
    20200101 170010498,1.121170,1.121610,0\n";
const MINUTES: &str = "date,open,high,low,close,volume\n\
    2022-05-18 16:00:00+00:00,256.8800048828125,257.0799865722656,256.8599853515625,257.0350036621094,36494.0\n\
    2022-05-18 16:01:00+00:00,257.0299987792969,257.2099914550781,256.98999778296875,257.0799865722656,72866.0\n";
const DAYS: &str = "Date,Open,High,Low,Close,Adj Close,Volume\n\
    1/14/1999,1229.22998,1248.810059,1219.099976,1228.099976,1228.099976,877000000\n\
    1/15/1999,1228.099976,1246.109985,1228.099976,1244.780029,1244.780029,775000000\n";

fn ndjson(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

on_both! {
    fn the_sample_goes_in_once_and_comes_out_as_it_was(db: &TestDatabase) {
        let arguments = ["import", &sample(), "--symbol", "es", "--json"];
        let first = run(db, &arguments);
        assert_eq!(first.figures(), [20_009, 20_009, 0, 0, 0], "{first:?}");
        assert_eq!(first.err, "", "no progress bar in a pipe");
        assert!(first.json()["rows_per_second"].as_f64().unwrap() > 0.0);
        assert_eq!(run(db, &arguments).figures(), [20_009, 0, 20_009, 0, 0]);

        let exported = run(db, &["export", "--symbol", "ES"]);
        assert_eq!((exported.code, exported.out.lines().count()), (Some(0), 20_010));
        let (mut volume, mut price) = (0.0, 0.0);
        for line in exported.out.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            price += cells[3].parse::<f64>().unwrap();
            volume += cells[4].parse::<f64>().unwrap();
        }
        assert_eq!((volume, price), (89_406.0, 32_811_739.0), "the figures of data/README.md");

        // What was exported is imported again without a change, in both forms.
        let again = run_with_input(db, &["import", "-", "--symbol", "ES", "--json"], exported.out.as_bytes());
        assert_eq!(again.figures(), [20_009, 0, 20_009, 0, 0]);
        let lines = run(db, &["export", "--symbol", "ES", "--format", "ndjson"]).out;
        let other = ["import", "-", "--symbol", "ES2", "--create", "future", "--json"];
        assert_eq!(run_with_input(db, &other, &gzip(lines.as_bytes())).figures(), [20_009, 20_009, 0, 0, 0]);
    }

    fn bars_are_replaced_within_their_source_alone(db: &TestDatabase) {
        let day = |close: &str| format!("date,open,high,low,close\n2024-01-02,1,9,1,{close}\n");
        let bars = ["import", "-", "--symbol", "ES", "--kind", "bars", "--frequency", "1d", "--json"];
        let vendor = [&bars[..], &["--source", "vendor"]].concat();
        let import = |arguments: &[&str], close: &str| {
            let done = run_with_input(db, arguments, day(close).as_bytes());
            let of = done.json();
            ["inserted", "updated", "duplicates"].map(|name| of[name].as_i64().unwrap())
        };
        assert_eq!(import(&bars, "2"), [1, 0, 0]);
        says(
            run_with_input(db, &vendor, day("3").as_bytes()).failure(),
            "tickbase: data source \"vendor\" not found; check the name, or add the source with --create-source",
        );
        let created = [&vendor[..], &["--create-source"]].concat();
        assert_eq!(import(&created, "3"), [1, 0, 0]);
        assert_eq!(import(&vendor, "4"), [0, 1, 0]);
        assert_eq!(import(&created, "4"), [0, 0, 1]);
        assert_eq!(import(&bars, "2"), [0, 0, 1], "the other source's stayed as it was");
        let list = ["bars", "list", "--symbol", "ES", "--frequency", "1d", "--json"];
        let listed = run(db, &list).json();
        assert_eq!((listed["bars"].as_array().unwrap().len(), &listed["bars"][0]["close"]), (1, &2.0.into()));
        // Built bars are nobody else's.
        let built = [&bars[..], &["--source", "tickbase-bars"]].concat();
        let refused = run_with_input(db, &built, day("5").as_bytes());
        assert!(refused.err.contains("holds the bars that are built from ticks"), "{refused:?}");
        assert!(refused.out.contains("\"rejected\":1"), "{refused:?}");
    }

    fn other_values_under_a_stored_key_are_conflicts_and_stay_out(db: &TestDatabase) {
        let text = |price: &str| format!("timestamp,sequence,price\n2013-09-01 17:00:00,7,{price}\n");
        let arguments = ["import", "-", "--symbol", "ES", "--json"];
        assert_eq!(run_with_input(db, &arguments, text("1").as_bytes()).figures(), [1, 1, 0, 0, 0]);
        let conflict = run_with_input(db, &arguments, text("2").as_bytes());
        assert_eq!((conflict.code, conflict.figures()), (Some(0), [1, 0, 0, 1, 0]));
        says(conflict.err, "standard input line 2: conflict: other values are stored under its key, and stay");
        let kept = ndjson(&run(db, &["export", "--symbol", "ES", "--format", "ndjson"]).out);
        assert_eq!((kept.len(), &kept[0]["price"]), (1, &Value::from(1)));
    }

    fn a_doubled_quote_within_a_quoted_symbol_is_one(db: &TestDatabase) {
        let text = "symbol,timestamp,price\n\"Q\"\"X\",2024-01-01T00:00:00Z,1.5\n";
        let import = ["import", "-", "--create", "equity", "--json"];
        assert_eq!(run_with_input(db, &import, text.as_bytes()).figures(), [1, 1, 0, 0, 0]);
        assert_eq!(run(db, &["export", "--symbol", "q\"x"]).out.lines().count(), 2);
    }

    fn quotes_without_a_header_are_read_as_they_are_described(db: &TestDatabase) {
        let arguments = [
            "import", "-", "--symbol", "EURUSD", "--create", "fx", "--json",
            "--columns", "timestamp=1,bid=2,ask=3", "--timestamp-format", "%Y%m%d %H%M%S%3f",
        ];
        let done = run_with_input(db, &arguments, QUOTES.as_bytes());
        assert_eq!(done.figures(), [3, 3, 0, 0, 0], "{done:?}");
        let ticks = ndjson(&run(db, &["export", "--symbol", "EURUSD", "--format", "ndjson"]).out);
        assert_eq!(ticks[0]["timestamp"], "2020-01-01T17:00:00.065000Z");
        assert_eq!((&ticks[2]["bid"], &ticks[2]["ask"]), (&Value::from(1.12117), &Value::from(1.12161)));
        assert_eq!(ticks[0].get("price"), None);
    }

    fn bars_are_stored_under_their_period(db: &TestDatabase) {
        let bars = |text: &str, symbol: &str, frequency: &str| {
            let arguments = [
                "import", "-", "--symbol", symbol, "--create", "equity", "--kind", "bars",
                "--frequency", frequency, "--json",
            ];
            run_with_input(db, &arguments, text.as_bytes())
        };
        assert_eq!(bars(MINUTES, "MSFT", "1min").figures(), [2, 2, 0, 0, 0]);
        assert_eq!(bars(MINUTES, "MSFT", "1min").figures(), [2, 0, 2, 0, 0]);
        assert_eq!(bars(DAYS, "SPX", "1d").figures(), [2, 2, 0, 0, 0]);
        let other = MINUTES.replace("36494.0", "1");
        let updated = bars(&other, "MSFT", "1min");
        assert_eq!(updated.figures(), [2, 0, 1, 0, 0]);
        assert_eq!(updated.json()["updated"], 1);
        let crossed = "date,open,high,low,close\n2022-05-18 16:02:00+00:00,1,0.5,0.1,1\n";
        let done = bars(crossed, "MSFT", "1min");
        assert_eq!(done.figures(), [1, 0, 0, 0, 1]);
        says(done.err.lines().next().unwrap(), "standard input line 2: high: 0.5 is below the open 1; high must be the greatest and low the least of the four prices");
        assert_eq!(run(db, &["stats", "--json"]).json()["tables"][2]["active"], 4);
    }

    fn exported_bars_are_imported_again_without_a_change(db: &TestDatabase) {
        let import = |text: &str, symbol: &str, more: &[&str]| {
            let arguments = ["import", "-", "--symbol", symbol, "--kind", "bars", "--json", "--frequency"];
            run_with_input(db, &[&arguments[..], more].concat(), text.as_bytes())
        };
        let export = |symbol: &str, more: &[&str]| {
            let arguments = ["export", "--kind", "bars", "--symbol", symbol, "--frequency"];
            run(db, &[&arguments[..], more].concat())
        };
        assert_eq!(import(MINUTES, "MSFT", &["1min", "--create", "equity"]).figures(), [2, 2, 0, 0, 0]);
        let minutes = export("MSFT", &["1min"]);
        assert_eq!(minutes.out.lines().count(), 3, "{minutes:?}");
        assert_eq!(import(&minutes.out, "MSFT", &["1min"]).figures(), [2, 0, 2, 0, 0]);
        let lines = export("MSFT", &["1min", "--format", "ndjson"]).out;
        assert_eq!(import(&lines, "MSFT", &["1min"]).figures(), [2, 0, 2, 0, 0]);
        // Bars that ticks make become bars that came in, and stay what they are.
        run(db, &["import", &sample(), "--symbol", "ES"]);
        let made = export("ES", &["1min"]).out;
        assert_eq!(made.lines().count(), 9, "{made}");
        says(made.lines().nth(1).unwrap(), "2013-09-03T10:23:00.000000Z,1641.5,1642,1640.25,1640.75,15878,");
        assert_eq!(import(&made, "ES", &["1min"]).figures(), [8, 8, 0, 0, 0]);
        assert_eq!(export("ES", &["1min"]).out, made);
        let range = ["1min", "--start", "2013-09-03T10:24:30.000000Z", "--end", "2013-09-03T10:26:00.000000Z"];
        assert_eq!(export("ES", &range).out.lines().count(), 2);
        assert_eq!(export("ES", &["1M"]).out.lines().count(), 1 + 1);
        assert_eq!(export("NQ", &["1d"]).out.lines().count(), 1);
        assert_eq!(run(db, &["export", "--kind", "bars", "--symbol", "ES"]).code, Some(2));
        assert_eq!(run(db, &["export", "--symbol", "ES", "--frequency", "1d"]).code, Some(2));
    }

    fn several_files_are_one_import(db: &TestDatabase) {
        let files = Files::new();
        let part = |name: &str, hour: u8| {
            files.write(name, format!("time,price\n2013-09-01 {hour}:00:00,1\n"))
        };
        let (first, second) = (part("a.csv", 10), part("b.csv", 11));
        let missing = files.path("c.csv").to_str().unwrap().to_owned();
        let refused = run(db, &["import", &first, &missing, "--symbol", "ES"]);
        assert!(refused.failure().contains("c.csv: there is no such file"), "{refused:?}");
        let done = run(db, &["import", &first, &second, "--symbol", "ES", "--json"]);
        assert_eq!(done.figures(), [2, 2, 0, 0, 0]);
        assert_ne!(done.figures(), NOTHING);
    }

    fn an_instrument_that_is_to_be_created_is_not_when_the_import_fails(db: &TestDatabase) {
        let text = "time,price\n2013-09-01 10:00:00,x\n";
        let arguments = ["import", "-", "--symbol", "NEW", "--create", "crypto", "--strict"];
        assert_eq!(run_with_input(db, &arguments, text.as_bytes()).code, Some(1));
        let gone = run(db, &["export", "--symbol", "NEW"]);
        says(gone.failure(), "tickbase: instrument NEW not found; check the symbol; `tickbase instruments` lists all");
    }

    fn an_export_has_the_range_that_was_asked_for_and_replaces_its_file_at_the_end(db: &TestDatabase) {
        let files = Files::new();
        let text = "time,price\n2013-09-01,1\n2013-09-02,2.5\n2013-09-03,3\n";
        run_with_input(db, &["import", "-", "--symbol", "ES"], text.as_bytes());
        let out = files.write("ticks.csv", "old");
        let done = run(db, &[
            "export", "--symbol", "ES", "--start", "2013-09-02", "--end", "2013-09-03T00:00:00.000000Z", "--out", &out,
        ]);
        assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{done:?}");
        says(std::fs::read_to_string(&out).unwrap(), "timestamp,source_id,sequence,price,volume,bid,ask,bid_size,ask_size,open,high,low\n\
             2013-09-02T00:00:00.000000Z,1,0,2.5,,,,,,,,");
        let refused = run(db, &["export", "--symbol", "ES", "--out", "/no/such/folder/x.csv"]);
        assert!(refused.failure().starts_with("tickbase: /no/such/folder/x.csv: "), "{refused:?}");
        let crossed = run(db, &["export", "--symbol", "ES", "--start", "2013-09-03", "--end", "2013-09-02"]);
        assert!(crossed.err.contains("is after end"), "{crossed:?}");
    }
}
