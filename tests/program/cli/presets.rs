//! Layouts of vendors that tell nothing of themselves, imported by `--preset`. Rows are our own.

use serde_json::Value;

use super::{Done, contents, run, run_with_input};
use crate::support::{TestDatabase, on_both};

fn import(db: &TestDatabase, preset: &str, symbol: &str, text: &str, more: &[&str]) -> Done {
    let arguments = [
        &["import", "-", "--create", "equity", "--json"][..],
        &["--symbol", symbol, "--preset", preset],
        more,
    ];
    run_with_input(db, &arguments.concat(), text.as_bytes())
}

/// The first tick or bar that is stored, as `export` writes it.
fn first(db: &TestDatabase, symbol: &str, frequency: Option<&str>) -> String {
    let mut arguments = vec!["export", "--symbol", symbol];
    if let Some(frequency) = frequency {
        arguments.extend(["--kind", "bars", "--frequency", frequency]);
    }
    let done = run(db, &arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    done.out.lines().nth(1).unwrap_or_default().to_owned()
}

const KLINES: &str = "\
    1378203780000,1641.5,1641.75,1641.25,1641.5,100,1378203839999,1000,10,50,500,0\n\
    1378203840000,1641.5,1641.75,1641.25,1641.5,100,1378203899999,1000,10,50,500,0\n";
const MT5_BARS: &str = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n\
    2024.01.02\t00:00:00\t1.10427\t1.10429\t1.10426\t1.10429\t5\t0\t12\n";
const POLYGON_MINUTE: &str = "ticker,volume,open,close,high,low,window_start,transactions\n\
    AAPL,4930,200.29,200.5,200.63,200.29,1744792500000000000,129\n\
    A,1815,100.29,100.5,100.63,100.29,1744792560000000000,57\n";

on_both! {
    fn ticks_of_vendors_are_imported_by_one_option(db: &TestDatabase) {
        for (preset, symbol, text, more, expected) in [
            ("binance-aggtrades", "BNBBTC",
                "26129,0.01633102,4.70443515,27781,27781,1498793709153,true,true\n",
                &[][..], "2017-06-30T03:35:09.153000Z,1,26129,0.01633102,4.70443515"),
            ("truefx", "EURUSD", "EUR/USD,20240102 00:00:00.123,1.10427,1.10429\n",
                &[], "2024-01-02T00:00:00.123000Z,1,0,,,1.10427,1.10429"),
            ("histdata-ticks", "GBPUSD", "20240702 170000123,1.26427,1.26429,0\n",
                &[], "2024-07-02T22:00:00.123000Z,1,0,,,1.26427,1.26429"),
            ("mt5-ticks", "USDJPY", "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n\
                2024.07.02\t00:00:00.123\t161.427\t161.429\t\t\t6\n",
                &["--timezone", "Europe/Athens"], "2024-07-01T21:00:00.123000Z,1,0,,,161.427,161.429"),
            ("tardis-trades", "BTCUSDT", "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n\
                binance,BTCUSDT,1704153600061000,1704153600067253,3353811515,buy,42314.0,0.006\n",
                &[], "2024-01-02T00:00:00.061000Z,1,0,42314,0.006"),
        ] {
            let done = import(db, preset, symbol, text, more);
            assert_eq!(done.figures(), [1, 1, 0, 0, 0], "{preset}: {done:?}");
            let row = first(db, symbol, None);
            assert!(row.starts_with(expected), "{preset}: {row}");
        }
    }

    fn bars_of_vendors_are_imported_by_one_option(db: &TestDatabase) {
        for (preset, symbol, text, more, frequency, expected) in [
            ("binance-klines", "BTCUSDT", KLINES, &[][..], "1min",
                "2013-09-03T10:23:00.000000Z,1641.5,1641.75,1641.25,1641.5,100"),
            ("histdata-m1", "EURUSD", "20240702 170000;1.10427;1.10429;1.10426;1.10429;0\n",
                &[], "1min", "2024-07-02T22:00:00.000000Z,1.10427,1.10429,1.10426,1.10429,0"),
            ("mt5-bars", "EURJPY", MT5_BARS, &["--timezone", "+02:00", "--frequency", "1h"], "1h",
                "2024-01-01T22:00:00.000000Z,1.10427,1.10429,1.10426,1.10429,5"),
            ("polygon-minute", "AAPL", POLYGON_MINUTE, &[], "1min",
                "2025-04-16T08:35:00.000000Z,200.29,200.63,200.29,200.5,4930"),
            ("kraken-ohlcvt", "XBTUSD", "1381095300,122.0,123.5,121.0,123.0,0.7,4\n",
                &["--frequency", "5min"], "5min", "2013-10-06T21:35:00.000000Z,122,123.5,121,123,0.7"),
        ] {
            let done = import(db, preset, symbol, text, more);
            let summary: Value = serde_json::from_str(&done.out).unwrap_or_default();
            assert_eq!(done.code, Some(0), "{preset}: {done:?}");
            assert_eq!(summary["rejected"], 0, "{preset}: {done:?}");
            let row = first(db, symbol, Some(frequency));
            assert!(row.starts_with(expected), "{preset}: {row}");
        }
    }

    fn a_file_that_does_not_fit_its_preset_is_refused_and_stores_nothing(db: &TestDatabase) {
        let before = contents(db);
        for (preset, text, why) in [
            ("kraken-trades", KLINES, "preset kraken-trades"),
            ("binance-klines", POLYGON_MINUTE, "binance-klines"),
            ("polygon-trades", POLYGON_MINUTE, "sip_timestamp"),
            ("kraken-trades", "122.0,0.1,1381095255\n", "preset kraken-trades"),
            ("mt5-bars", MT5_BARS, "--timezone"),
            ("binance-candles", KLINES, "there are binance-aggtrades, binance-klines"),
        ] {
            let done = import(db, preset, "ES", text, &[]);
            assert!(done.failure().contains(why), "{preset}: {done:?}");
            assert_eq!(contents(db), before, "{preset}");
        }
    }

    fn presets_are_listed_without_a_file(db: &TestDatabase) {
        let listed = run(db, &["import", "--preset", "list"]);
        assert_eq!(listed.code, Some(0), "{listed:?}");
        for name in ["binance-klines", "histdata-m1", "mt5-ticks", "truefx", "daylight saving"] {
            assert!(listed.out.contains(name), "{listed:?}");
        }
        let all = run(db, &["import", "--preset", "list", "--json"]).json();
        let bars = all.as_array().unwrap().iter().find(|it| it["name"] == "polygon-day").unwrap();
        assert_eq!((&bars["kind"], &bars["frequency"]), (&"bars".into(), &"1d".into()));
        assert_eq!(run(db, &["import", "--preset", "truefx"]).code, Some(2), "no file");
    }
}
