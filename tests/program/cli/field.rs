//! Files as people have them: each kind goes in right, or is refused with the reason and the
//! remedy. Rows are our own, in the layouts of vendors.

use serde_json::{Value, json};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::instrument;
use tickbase::repository::market_data::{MarketDataRepository, TickRange};

use super::{Done, contents, run, run_with_input};
use crate::support::{TestDatabase, db_read, on_both};

/// Imports a text; the instrument is added when the arguments name one.
fn import(db: &TestDatabase, text: &str, arguments: &[&str]) -> Done {
    let all = [&["import", "-", "--create", "equity", "--json"], arguments].concat();
    run_with_input(db, &all, text.as_bytes())
}

/// The one line that says why a file is refused; nothing of it is stored.
fn refused(db: &TestDatabase, text: &str, arguments: &[&str]) -> String {
    let before = contents(db);
    let done = import(db, text, arguments);
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{done:?}");
    assert_eq!(contents(db), before, "{done:?}");
    done.err
}

fn ticks(db: &TestDatabase, symbol: &str) -> Vec<Value> {
    let done = run(db, &["export", "--symbol", symbol, "--format", "ndjson"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    done.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn prices(db: &TestDatabase, symbol: &str) -> Vec<(String, i64, f64)> {
    let row = |tick: &Value| {
        let stamp = tick["timestamp"].as_str().unwrap()[..19].to_owned();
        (
            stamp,
            tick["sequence"].as_i64().unwrap(),
            tick["price"].as_f64().unwrap(),
        )
    };
    ticks(db, symbol).iter().map(row).collect()
}

/// Stamp, open, high, low, close and volume of bars, stored or made of finer ones.
fn bars(db: &TestDatabase, symbol: &str, frequency: &str) -> Vec<(String, [f64; 5])> {
    let list = [
        "bars",
        "list",
        "--symbol",
        symbol,
        "--frequency",
        frequency,
        "--json",
    ];
    let listed = run(db, &list).json();
    let bar = |bar: &Value| {
        let values = ["open", "high", "low", "close", "volume"];
        let values = values.map(|name| bar[name].as_f64().unwrap());
        (bar["timestamp"].as_str().unwrap()[..19].to_owned(), values)
    };
    listed["bars"].as_array().unwrap().iter().map(bar).collect()
}

const MANY_SYMBOLS: &str = "time,symbol,price,day_volume\n\
    2022-05-24 13:30:00+00,AAA,138.11,1000\n\
    2022-05-24 13:30:00+00,bbb,655.12,500\n\
    2022-05-24 13:30:01+00,AAA,138.13,1100\n\
    2022-05-24 13:30:01+00,CCC,2151.60,90\n";
const WITH_OFFSET: &str = "Date,Open,High,Low,Close,Volume,Dividends\n\
    2024-01-04 00:00:00+09:00,2450.0,2500.0,2440.0,2490.0,1000,0.0\n\
    2024-01-05 00:00:00+09:00,2490.0,2520.0,2480.0,2510.0,1100,0.0\n\
    2024-01-09 00:00:00+09:00,2510.0,2530.0,2500.0,2520.0,1200,0.0\n\
    2024-02-01 00:00:00+09:00,2520.0,2560.0,2510.0,2550.0,1300,0.0\n\
    2024-02-05 00:00:00+09:00,2550.0,2570.0,2540.0,2560.0,1400,0.0\n";
const NEWEST_FIRST: &str = "time,price,size\n\
    2024-01-02T10:01:03Z,103,1\n\
    2024-01-02T10:00:59Z,102,1\n\
    2024-01-02T10:00:59Z,101,1\n\
    2024-01-02T10:00:30Z,100,1\n\
    2024-01-02T10:00:00Z,99,1\n\
    2024-01-02T10:00:00Z,98,1\n";
const DAY_FIRST: &str = "Date,Open,High,Low,Close,Volume\n\
    01/04/2020,100,101,99,100.5,1100\n\
    02/04/2020,101,102,100,101.5,1101\n\
    14/04/2020,109,110,108,109.5,1109\n";
const THOUSANDS: &str = "\"Date\",\"Price\",\"Open\",\"High\",\"Low\",\"Vol.\"\n\
    \"01/22/2019\",\"21,940.5\",\"22,080.5\",\"22,150.0\",\"21,910.0\",\"151.20K\"\n";

/// A text with its rows the other way round, under the same header.
fn upside_down(text: &str) -> String {
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().rev().collect();
    format!("{header}\n{}\n", rows.join("\n"))
}

on_both! {
    fn rows_go_to_the_instruments_that_they_name_and_never_to_another(db: &TestDatabase) {
        let one = import(db, MANY_SYMBOLS, &["--symbol", "aaa"]);
        assert_eq!(one.figures(), [4, 2, 0, 0, 0]);
        let report = one.json();
        assert_eq!(report["other_symbols"]["rows"], 2);
        assert_eq!(report["other_symbols"]["symbols"], json!([{"symbol": "BBB", "rows": 1}, {"symbol": "CCC", "rows": 1}]));
        assert_eq!(report["unused"], json!(["day_volume"]));
        assert_eq!(ticks(db, "AAA").len(), 2);
        assert_eq!(ticks(db, "AAA")[0].get("volume"), None, "a day's volume is no size of a trade");

        // The same rows are the same ticks when each goes to its own.
        let missing = run_with_input(db, &["import", "-"], MANY_SYMBOLS.as_bytes());
        assert_eq!(
            missing.failure(),
            "tickbase: instruments BBB, CCC not found; check the symbols, or add the instruments with --create TYPE"
        );
        let all = import(db, MANY_SYMBOLS, &[]);
        assert_eq!(all.figures(), [4, 2, 2, 0, 0]);
        assert_eq!(["AAA", "BBB", "CCC"].map(|symbol| ticks(db, symbol).len()), [2, 1, 1]);

        let none = import(db, MANY_SYMBOLS, &["--symbol", "DDD"]);
        assert_eq!((none.code, none.figures()), (Some(1), [4, 0, 0, 0, 0]));
        assert!(none.err.contains("all are of other symbols"), "{none:?}");
        let left_out = import(db, MANY_SYMBOLS, &["--symbol", "DDD", "--columns", "symbol="]);
        assert_eq!(left_out.figures(), [4, 4, 0, 0, 0]);
        let nobody = refused(db, "time,price\n2024-01-02,1\n", &[]);
        assert!(nobody.contains("no column of symbols; name the instrument with --symbol"), "{nobody}");
    }

    fn each_batch_goes_to_its_instruments_too(db: &TestDatabase) {
        let all = import(db, MANY_SYMBOLS, &["--commit-each-batch"]);
        assert_eq!(all.figures(), [4, 4, 0, 0, 0]);
        assert_eq!(["AAA", "BBB", "CCC"].map(|symbol| ticks(db, symbol).len()), [2, 1, 1]);
    }

    fn sources_and_ids_of_a_file_are_used_when_they_are_mapped(db: &TestDatabase) {
        let text = "time,instrument_id,source,price\n2024-01-02,1,vendor,5\n2024-01-02,1,other,6\n";
        let plain = import(db, text, &["--symbol", "AAA"]).json();
        assert_eq!(plain["unused"], json!(["instrument_id", "source"]));
        let map = ["--columns", "instrument_id=instrument_id,source=source"];
        let lacks = refused(db, text, &map);
        assert!(lacks.contains("data source \"vendor\" not found"), "{lacks}");
        let done = import(db, text, &[&map[..], &["--create-source"]].concat());
        assert_eq!(done.figures(), [2, 2, 0, 0, 0]);
        assert_eq!(ticks(db, "ES").len(), 2, "instrument 1 is ES");
        assert_eq!(prices(db, "ES")[1].1, 0, "each source numbers its own rows");
    }

    fn days_at_a_local_midnight_are_the_local_dates(db: &TestDatabase) {
        let done = import(db, WITH_OFFSET, &["--symbol", "T"]);
        assert_eq!(done.json()["frequency"], "1d");
        let months = bars(db, "T", "1M");
        assert_eq!(months[0].1[3..], [2520.0, 3300.0]);
        assert_eq!(months[1].1[3..], [2560.0, 2700.0]);
        assert_eq!(bars(db, "T", "1w").last().unwrap().0, "2024-02-05T00:00:00");
        let plain = WITH_OFFSET.replace(" 00:00:00+09:00", "");
        let again = import(db, &plain, &["--symbol", "T", "--kind", "bars", "--frequency", "1d"]);
        assert_eq!(again.figures(), [5, 0, 5, 0, 0]);
    }

    fn days_that_are_written_in_utc_are_the_dates_of_the_zone(db: &TestDatabase) {
        let text = "t,open,high,low,close\n2024-01-04T05:00:00Z,1,1,1,1\n2024-01-05T05:00:00Z,2,2,2,2\n";
        let map = ["--symbol", "W", "--columns", "timestamp=t", "--frequency", "1d"];
        let refused = import(db, text, &map);
        assert_eq!((refused.code, refused.figures()), (Some(1), [2, 0, 0, 0, 2]));
        let zone = import(db, text, &[&map[..], &["--timezone", "America/New_York"]].concat());
        assert_eq!(zone.figures(), [2, 2, 0, 0, 0], "{zone:?}");
        assert_eq!(bars(db, "W", "1d")[0].0, "2024-01-04T00:00:00");
    }

    fn both_directions_of_a_file_are_the_same_ticks(db: &TestDatabase) {
        let done = import(db, NEWEST_FIRST, &["--symbol", "N"]);
        assert_eq!(done.json()["newest_first"], true);
        let bar = &bars(db, "N", "1min")[0];
        assert_eq!((bar.1[0], bar.1[3]), (98.0, 102.0));
        let up = upside_down(NEWEST_FIRST);
        assert_eq!(import(db, &up, &["--symbol", "N"]).figures(), [6, 0, 6, 0, 0]);
        assert_eq!(import(db, &up, &["--symbol", "M"]).figures(), [6, 6, 0, 0, 0]);
        assert_eq!(import(db, NEWEST_FIRST, &["--symbol", "M", "--commit-each-batch"]).figures(), [6, 0, 6, 0, 0]);
        assert_eq!(prices(db, "M"), prices(db, "N"));
    }

    fn the_dates_of_a_file_have_one_order_or_are_refused(db: &TestDatabase) {
        let done = import(db, DAY_FIRST, &["--symbol", "D"]).json();
        assert_eq!((&done["timestamp_form"], &done["inserted"]), (&json!("day/month/year"), &json!(3)));
        assert_eq!(bars(db, "D", "1d")[1].0, "2020-04-02T00:00:00");
        let ambiguous: String = DAY_FIRST.lines().take(3).map(|line| format!("{line}\n")).collect();
        let refusal = refused(db, &ambiguous, &["--symbol", "D"]);
        assert!(refusal.contains("--timestamp-format '%d/%m/%Y'"), "{refusal}");
        for named in [["--date-order", "day"], ["--timestamp-format", "%d/%m/%Y"]] {
            let done = import(db, &ambiguous, &[&["--symbol", "D"], &named[..]].concat());
            assert_eq!(done.figures(), [2, 0, 2, 0, 0]);
        }
        let month = ["--symbol", "E", "--date-order", "month", "--frequency", "1d"];
        assert_eq!(import(db, &ambiguous, &month).figures(), [2, 2, 0, 0, 0]);
        assert_eq!(bars(db, "E", "1d")[1].0, "2020-02-04T00:00:00");
        let both = format!("{DAY_FIRST}04/15/2020,1,1,1,1,1\n");
        assert!(refused(db, &both, &["--symbol", "D"]).contains("\"04/15/2020\""));
    }

    fn open_high_low_and_close_are_bars_and_never_flat_candles(db: &TestDatabase) {
        let text = "Date,Open,High,Low,Close,Adj Close,Volume\n\
            2024-05-13,10.0,14.0,9.0,11.0,11.0,1000\n\
            2024-05-14,11.0,12.5,8.0,9.5,9.5,1500\n\
            2024-05-15,null,null,null,null,null,null\n";
        let done = import(db, text, &["--symbol", "G"]);
        assert_eq!((done.code, done.figures()), (Some(0), [3, 2, 0, 0, 1]));
        assert!(done.err.contains("line 4: open: \"null\" is not a number"), "{done:?}");
        assert_eq!(bars(db, "G", "1d")[1].1, [11.0, 12.5, 8.0, 9.5, 1500.0]);
        let single = "date,open,high,low,close\n2024-05-13,1,1,1,1\n";
        assert!(refused(db, single, &["--symbol", "G"]).contains("name it, like --frequency 1d"));
        for (frequency, why) in [("1min", "rows are 1d apart"), ("1w", "rows are 1d apart")] {
            let refusal = refused(db, text, &["--symbol", "G", "--frequency", frequency]);
            assert!(refusal.contains(why), "{refusal}");
        }
        let friday = "date,open,high,low,close\n2024-05-10,1,1,1,1\n2024-05-17,1,1,1,1\n";
        let done = import(db, friday, &["--symbol", "G", "--frequency", "1w"]);
        assert_eq!((done.code, done.figures()), (Some(1), [2, 0, 0, 0, 2]));
        assert!(done.err.contains("is not the start of a period of 1w"), "{done:?}");
        let ends = import(db, friday, &["--symbol", "G", "--frequency", "1w", "--stamps-are", "end"]);
        assert_eq!(ends.figures(), [2, 2, 0, 0, 0]);
        let as_ticks = import(db, text, &["--symbol", "F", "--kind", "ticks"]);
        assert_eq!(as_ticks.figures(), [3, 2, 0, 0, 1]);
    }

    fn which_column_became_what_is_told_in_one_line(db: &TestDatabase) {
        let text = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n\
            exa,btcusdt,1577836800123456,1577836800125000,1,buy,7189.4,0.05\n\
            exa,btcusdt,1577836800123456,1577836800125100,2,buy,7189.5,0.10\n";
        let told = run_with_input(db, &["import", "-", "--create", "crypto"], text.as_bytes());
        assert_eq!(
            told.out.lines().last().unwrap(),
            "ticks: symbol=symbol, timestamp=timestamp, sequence=id, price=price, volume=amount; \
             not used: exchange, local_timestamp, side; timestamps: Unix microseconds, UTC"
        );
        let stored = ticks(db, "BTCUSDT");
        assert_eq!((&stored[0]["volume"], &stored[1]["volume"]), (&json!(0.05), &json!(0.10)));
        let report = import(db, text, &["--symbol", "BTCUSDT"]).json();
        assert_eq!(report["columns"]["volume"], "amount");
        assert_eq!(report["unused"], json!(["exchange", "local_timestamp", "side"]));
        assert_eq!((&report["kind"], &report["timezone"]), (&json!("ticks"), &json!("UTC")));
        assert_eq!(report["timestamp_form"], "Unix microseconds");
    }

    fn a_map_of_some_columns_keeps_the_others(db: &TestDatabase) {
        let text = "DateTime,Price,Volume\n2013-09-01 17:00:00,1640.25,8\n";
        import(db, text, &["--symbol", "K", "--columns", "timestamp=DateTime,volume=Volume"]).json();
        assert_eq!(ticks(db, "K")[0]["price"], 1640.25);
    }

    fn lines_before_the_header_are_passed_over_and_told(db: &TestDatabase) {
        let rows = "DATE,OPEN,HIGH,LOW,CLOSE\n2006-02-07,13.1,13.8,13.0,13.6\n2006-02-08,13.1,13.8,13.0,13.7\n";
        for (above, lines) in [
            ("Provided as it is, no promise\n", 1),
            ("https://www.example.com/data\n\nSecond, line\n", 2),
            ("sep=,\n", 0),
            ("# comment, with a comma\n", 0),
        ] {
            let done = import(db, &format!("{above}{rows}"), &["--symbol", "H"]).json();
            assert_eq!(done["lines_before_header"], lines, "{above}");
            assert_eq!(done["read"], 2, "{above}");
        }
        let semicolons = format!("sep=;\n{}", rows.replace(',', ";"));
        assert_eq!(import(db, &semicolons, &["--symbol", "H"]).figures(), [2, 0, 2, 0, 0]);
        let skipped = import(db, &format!("2006,1\n{rows}"), &["--symbol", "H", "--skip-lines", "1"]);
        assert_eq!(skipped.figures(), [2, 0, 2, 0, 0]);
        // Rows are never taken for such lines.
        let above = "2006-02-06,1,1,1,1\n";
        let refusal = refused(db, &format!("{above}{rows}"), &["--symbol", "H"]);
        assert!(refusal.contains("there is no header"), "{refusal}");
    }

    fn numbers_that_are_no_stamps_refuse_the_file(db: &TestDatabase) {
        let text = "34200123,4324500,100\n34200456,4324600,200\n34201001,4324600,200\n";
        let refusal = refused(db, text, &["--symbol", "L", "--columns", "timestamp=1,price=2,volume=3"]);
        assert!(refusal.contains("34200123"), "{refusal}");
    }

    fn numbers_are_written_as_an_option_says_or_refused_with_it(db: &TestDatabase) {
        let options = ["--symbol", "I", "--frequency", "1d"];
        for known in [&options[..2], &options] {
            let refusal = refused(db, THOUSANDS, known);
            let remedy = "\"22,080.5\" is not a number; read it with --thousands ,";
            assert!(refusal.contains(remedy), "{refusal}");
        }
        let comma = [&options[..], &["--thousands", ","]].concat();
        let refusal = refused(db, THOUSANDS, &comma);
        assert!(refusal.contains("--suffixes"), "{refusal}");
        let done = import(db, THOUSANDS, &[&comma[..], &["--suffixes"]].concat());
        assert_eq!(done.figures(), [1, 1, 0, 0, 0], "{done:?}");
        assert_eq!(bars(db, "I", "1d")[0].1, [22080.5, 22150.0, 21910.0, 21940.5, 151_200.0]);
        let german = "Datum;Schluss\n2024-01-02;1.234,5\n";
        let map = ["--symbol", "J", "--columns", "timestamp=Datum,price=Schluss"];
        assert!(refused(db, german, &map).contains("--decimal-comma --thousands ."));
        import(db, german, &[&map[..], &["--decimal-comma", "--thousands", "."]].concat()).json();
        assert_eq!(ticks(db, "J")[0]["price"], 1234.5);
    }

    fn a_file_whose_rows_share_a_key_says_so_and_names_the_ids(db: &TestDatabase) {
        let text = "price,sequence_number,sip_timestamp,size,id\n\
            51.40,200417,1680090840123000000,100,00311445\n\
            51.40,200417,1680090840123000000,100,00311446\n";
        let done = run_with_input(db, &["import", "-", "--symbol", "S", "--create", "equity"], text.as_bytes());
        assert!(
            done.out.contains("1 row of the file has the key of an earlier row: name the column of ids, --columns sequence=id"),
            "{done:?}"
        );
        let named = import(db, text, &["--symbol", "S2", "--columns", "sequence=id"]);
        assert_eq!((named.figures(), &named.json()["repeated_keys"]), ([2, 2, 0, 0, 0], &json!(0)));
    }

    fn a_price_of_zero_is_stored_and_told(db: &TestDatabase) {
        let text = "timestamp,price,amount\n1759300000000,100.5,1\n1759300001000,0,1\n1759300002000,100.7,2\n";
        let done = run_with_input(db, &["import", "-", "--symbol", "ES"], text.as_bytes());
        assert!(done.out.contains("\n1 price is 0\n"), "{done:?}");
        assert_eq!(ticks(db, "ES").len(), 3);
    }

    fn an_unnamed_first_column_of_dates_is_the_time(db: &TestDatabase) {
        let text = ",Open,High,Low,Close,Volume\n2004-08-19,100,104,96,100.5,2200\n";
        let done = import(db, text, &["--symbol", "U", "--frequency", "1d"]).json();
        assert_eq!((&done["columns"]["timestamp"], &done["inserted"]), (&json!("column 1"), &json!(1)));
        let index = ",price\n0,5\n";
        assert!(refused(db, index, &["--symbol", "U"]).contains("no timestamp column"));
    }

    fn the_hour_that_exists_twice_is_two_hours(db: &TestDatabase) {
        let text = "datetime,open,high,low,close,volume\n\
            2023-11-05 01:00:00,1.0715,1.0725,1.0710,1.0720,11\n\
            2023-11-05 01:00:00,1.0720,1.0730,1.0715,1.0725,12\n";
        let zone = ["--symbol", "Z", "--frequency", "1h", "--timezone", "America/New_York"];
        let done = import(db, text, &zone).json();
        assert_eq!((&done["timezone"], &done["inserted"]), (&json!("America/New_York"), &json!(2)));
        let hours: Vec<String> = bars(db, "Z", "1h").into_iter().map(|bar| bar.0).collect();
        assert_eq!(hours, ["2023-11-05T05:00:00", "2023-11-05T06:00:00"]);
        assert_eq!(import(db, &upside_down(text), &zone).figures()[0], 2);
        // Without a zone it is UTC, and told; the second bar of the hour takes the place of the first.
        let utc = run_with_input(
            db,
            &["import", "-", "--symbol", "Y", "--create", "fx", "--frequency", "1h"],
            text.as_bytes(),
        );
        assert!(utc.out.contains("ISO 8601, UTC where none is written"), "{utc:?}");
        assert!(utc.out.contains("name the --timezone"), "{utc:?}");
    }

    fn a_trial_reports_and_stores_nothing(db: &TestDatabase) {
        let before = contents(db);
        let trial = import(db, MANY_SYMBOLS, &["--dry-run"]).json();
        assert_eq!((&trial["inserted"], &trial["dry_run"]), (&json!(4), &json!(true)));
        assert_eq!(contents(db), before);
        assert_eq!(import(db, MANY_SYMBOLS, &[]).figures(), [4, 4, 0, 0, 0]);
    }

    fn rows_that_meet_deleted_rows_are_counted_apart(db: &TestDatabase) {
        let text = "time,price\n2024-01-02 10:00:00,1\n2024-01-02 10:00:01,2\n";
        assert_eq!(import(db, text, &["--symbol", "R"]).figures(), [2, 2, 0, 0, 0]);
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let symbol = "R".parse().unwrap();
        let instrument = db_read!(database, instrument::by_symbol(&symbol)).unwrap().unwrap();
        let deleted = MarketDataRepository::new(&database).soft_delete_range(TickRange::all(instrument.id));
        assert_eq!(deleted.unwrap(), 2);
        database.close();
        let done = import(db, text, &["--symbol", "R"]);
        assert_eq!(done.code, Some(1), "none of the rows is stored: {done:?}");
        let report: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!((&report["deleted"], &report["duplicates"]), (&json!(2), &json!(0)));
        assert!(done.err.contains("line 2: deleted: a deleted row has its key"), "{done:?}");
        let people = run_with_input(db, &["import", "-", "--symbol", "R"], text.as_bytes());
        assert!(people.out.contains("restore them, or purge them and import again"), "{people:?}");
        let strict = refused(db, text, &["--symbol", "R", "--strict"]);
        assert!(strict.contains("meet deleted rows"), "{strict}");
    }

    fn an_import_that_stores_nothing_fails(db: &TestDatabase) {
        let rows = "time,price\n2024-01-02,x\n2024-01-03,y\n";
        let done = import(db, rows, &["--symbol", "ES"]);
        assert_eq!((done.code, done.figures()), (Some(1), [2, 0, 0, 0, 2]));
        assert!(done.err.ends_with("tickbase: no row was stored, of 2 that were read\n"), "{done:?}");
        let empty = import(db, "time,price\n", &["--symbol", "ES"]);
        assert_eq!((empty.code, empty.figures()), (Some(0), [0; 5]));
        let some = import(db, "time,price\n2024-01-02,x\n2024-01-03,1\n", &["--symbol", "ES"]);
        assert_eq!((some.code, some.figures()), (Some(0), [2, 1, 0, 0, 1]));
    }

    fn layouts_of_vendors_with_a_header_go_in_as_they_are(db: &TestDatabase) {
        for (text, kind, rows) in [
            ("Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,187.15,188.44,183.89,185.64,184.73,82488700\n2024-01-03,1,1,1,1,1,1\n", "bars", 2),
            ("date,open,high,low,close,volume\n2024-01-02 00:00:00+00:00,42280.1,42300.0,42270.0,42290.5,12.5\n2024-01-02 01:00:00+00:00,1,1,1,1,1\n", "bars", 2),
            ("time,open,high,low,close,Volume\n1704153600,42280.1,42300.0,42270.0,42290.5,12.5\n1704153660,1,1,1,1,1\n", "bars", 2),
            ("agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n26129,0.01633102,4.70443515,27781,27781,1498793709153,true\n", "ticks", 1),
            ("exchange,symbol,timestamp,local_timestamp,id,side,price,amount\nbinance,V,1704153600061000,1704153600067253,3353811515,buy,42314.0,0.006\n", "ticks", 1),
            ("ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,ts_in_delta,sequence,symbol\n2024-01-02T14:30:00.000Z,2024-01-02T14:30:00.000123456Z,0,1,42140864,T,A,0,4785.25,3,0,17000,1234,V\n", "ticks", 1),
            ("ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,trf_id,trf_timestamp\nV,\"12,37\",0,11,1,1744790400000000000,201.1,100,1744790400001000000,5,3,0,0\n", "ticks", 1),
            ("<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n2024.01.02\t00:00:00\t1.10427\t1.10429\t1.10426\t1.10429\t5\t0\t12\n2024.01.02\t00:01:00\t1.1\t1.1\t1.1\t1.1\t7\t0\t12\n", "bars", 2),
        ] {
            let done = import(db, text, &["--symbol", "V"]);
            let report = done.json();
            assert_eq!((&report["kind"], &report["read"]), (&json!(kind), &json!(rows)), "{text}");
            assert_eq!(report["rejected"], 0, "{text}");
        }
        let meta = bars(db, "V", "1min");
        let first = meta.iter().find(|bar| bar.0 == "2024-01-02T00:00:00").unwrap();
        assert_eq!(first.1, [1.10427, 1.10429, 1.10426, 1.10429, 5.0]);
        let minute = "ticker,volume,open,close,high,low,window_start,transactions\n\
            AAPL,4930,200.29,200.5,200.63,200.29,1744792500000000000,129\n\
            A,1815,100.29,100.5,100.63,100.29,1744792560000000000,57\n";
        let done = import(db, minute, &["--frequency", "1min"]);
        assert_eq!(done.figures(), [2, 2, 0, 0, 0], "{done:?}");
        assert_eq!(bars(db, "A", "1min")[0].1[3], 100.5);
    }
}
