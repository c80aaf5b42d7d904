//! A row or two of each vendor, read by its preset alone.

use std::io::Cursor;

use super::*;
use crate::domain::bar::Bar;
use crate::domain::tick::Tick;
use crate::ingest::{Feed, FeedBatch, FeedOptions, FeedRecord, FeedTarget, Input, pump};

fn options(name: &str, zone: Option<&str>) -> FeedOptions {
    let by_user = FeedOptions {
        timezone: zone.map(|zone| zone.parse().unwrap()),
        ..FeedOptions::default()
    };
    Preset::of_name(name).unwrap().options(by_user).unwrap()
}

fn read<T: FeedRecord>(
    name: &str,
    text: &str,
    zone: Option<&str>,
    frequency: Option<Frequency>,
) -> Result<Vec<T>> {
    let input = Input::from_reader("vendor.csv", Cursor::new(text.as_bytes().to_vec()))?;
    let mut feed = Feed::open::<T>(input, &options(name, zone))?;
    let target = FeedTarget {
        instrument_id: 7,
        source_id: 1,
        frequency,
    };
    let mut rows = Vec::new();
    pump(&mut feed, &target, |batch: FeedBatch<T>| {
        assert_eq!(batch.rejected, [], "{name}");
        rows.extend(batch.rows);
        Ok(())
    })?;
    Ok(rows)
}

/// The first tick in words, and how many there are.
fn ticks(name: &str, text: &str, zone: Option<&str>) -> (String, usize) {
    let rows = read::<Tick>(name, text, zone, None).unwrap();
    let tick = &rows[0];
    let mut words = tick.timestamp().to_string();
    for (field, value) in [
        ("price", tick.price()),
        ("volume", tick.volume()),
        ("bid", tick.bid()),
        ("ask", tick.ask()),
        ("bid_size", tick.bid_size()),
        ("ask_size", tick.ask_size()),
    ] {
        if let Some(value) = value {
            words.push_str(&format!(" {field}={value}"));
        }
    }
    if let Some(sequence) = tick.sequence().filter(|sequence| *sequence != 0) {
        words.push_str(&format!(" sequence={sequence}"));
    }
    (words, rows.len())
}

/// The first bar in words, and how many there are.
fn bars(name: &str, text: &str, zone: Option<&str>, frequency: Frequency) -> (String, usize) {
    let rows = read::<Bar>(name, text, zone, Some(frequency)).unwrap();
    let bar = &rows[0];
    let words = format!(
        "{} {} {} {} {} {}",
        bar.timestamp(),
        bar.open(),
        bar.high(),
        bar.low(),
        bar.close(),
        bar.volume()
    );
    (words, rows.len())
}

const POLYGON_TRADES: &str = "ticker,conditions,correction,exchange,id,participant_timestamp,\
    price,sequence_number,sip_timestamp,size,tape,trf_id,trf_timestamp\n\
    AAPL,\"12,37\",0,11,1,1744790400000000000,201.1,100,1744790400001000000,5,3,0,0\n";
const DATABENTO_TRADES: &str = "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,\
    depth,price,size,flags,ts_in_delta,sequence,symbol\n\
    2024-01-02T14:30:00.000Z,2024-01-02T14:30:00.000123456Z,0,1,42140864,T,A,0,4785.250000000,3,\
    0,17000,1234,ESH4\n\
    2024-01-02T14:30:00.000Z,2024-01-02T14:30:00.000123456Z,0,1,42140864,T,A,0,4785.500000000,1,\
    0,17000,1234,ESH4\n";

/// Preset, text, the first tick in words, and how many ticks there are.
const TICK_FILES: &[(&str, &str, &str, usize)] = &[
    (
        "binance-aggtrades",
        "26129,0.01633102,4.70443515,27781,27781,1498793709153,true,true\n\
             26130,0.01633103,1.5,27782,27782,1498793709253,true,true\n",
        "2017-06-30T03:35:09.153000Z price=0.01633102 volume=4.70443515 sequence=26129",
        2,
    ),
    (
        "binance-aggtrades",
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n\
             26129,0.01633102,4.70443515,27781,27781,1498793709153,true\n",
        "2017-06-30T03:35:09.153000Z price=0.01633102 volume=4.70443515 sequence=26129",
        1,
    ),
    (
        "binance-trades",
        "51175358,17.80180000,5.69000000,101.29224200,1736700000123456,True,True\n",
        "2025-01-12T16:40:00.123456Z price=17.8018 volume=5.69 sequence=51175358",
        1,
    ),
    (
        "binance-trades",
        "id,price,qty,quote_qty,time,is_buyer_maker\n\
             5053880937,68402.6,0.024,1641.6624,1717113600031,false\n",
        "2024-05-31T00:00:00.031000Z price=68402.6 volume=0.024 sequence=5053880937",
        1,
    ),
    (
        "kraken-trades",
        "1381095255,122.00000,0.10000000\n1381179030,123.61000,0.10000000\n",
        "2013-10-06T21:34:15.000000Z price=122 volume=0.1",
        2,
    ),
    (
        "histdata-ticks",
        "20120701 000003660,1.306600,1.306770,0\n",
        "2012-07-01T05:00:03.660000Z bid=1.3066 ask=1.30677",
        1,
    ),
    (
        "truefx",
        "EUR/USD,20240102 00:00:00.123,1.10427,1.10429\n",
        "2024-01-02T00:00:00.123000Z bid=1.10427 ask=1.10429",
        1,
    ),
    (
        "polygon-trades",
        POLYGON_TRADES,
        "2025-04-16T08:00:00.001000Z price=201.1 volume=5 sequence=100",
        1,
    ),
    (
        "polygon-quotes",
        "ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,\
             indicators,participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp\n\
             AAPL,11,201.2,3,12,201.1,2,1,,1744790400000000000,77,1744790400001000000,3,0\n",
        "2025-04-16T08:00:00.001000Z bid=201.1 ask=201.2 bid_size=2 ask_size=3 sequence=77",
        1,
    ),
    (
        "databento-trades",
        DATABENTO_TRADES,
        "2024-01-02T14:30:00.000123Z price=4785.25 volume=3",
        2,
    ),
    (
        "databento-mbp-1",
        "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,\
             ts_in_delta,sequence,bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,bid_ct_00,ask_ct_00,symbol\n\
             1704205800000200000,1704205800000123456,1,1,42140864,A,B,0,4785.000000000,7,0,17000,\
             1234,4785.000000000,4785.250000000,7,3,1,1,ESH4\n",
        "2024-01-02T14:30:00.000123Z bid=4785 ask=4785.25 bid_size=7 ask_size=3",
        1,
    ),
    (
        "alpaca-trades",
        "{\"t\":\"2024-01-02T14:30:00.123456789Z\",\"x\":\"V\",\"p\":187.15,\"s\":100,\
             \"c\":[\"@\"],\"i\":52983525029461,\"z\":\"C\"}\n",
        "2024-01-02T14:30:00.123456Z price=187.15 volume=100",
        1,
    ),
    (
        "alpaca-quotes",
        "{\"t\":\"2024-01-02T14:30:00.1Z\",\"ax\":\"V\",\"ap\":187.2,\"as\":1,\"bx\":\"V\",\
             \"bp\":187.1,\"bs\":2,\"c\":[\"R\"]}\n",
        "2024-01-02T14:30:00.100000Z bid=187.1 ask=187.2 bid_size=2 ask_size=1",
        1,
    ),
    (
        "tardis-trades",
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n\
             binance,BTCUSDT,1704153600061000,1704153600067253,3353811515,buy,42314.0,0.006\n",
        "2024-01-02T00:00:00.061000Z price=42314 volume=0.006",
        1,
    ),
    (
        "tardis-quotes",
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n\
             binance,BTCUSDT,1640995200000000,1640995200100000,1.0,50000.5,49999.0,1.5\n",
        "2022-01-01T00:00:00.000000Z bid=49999 ask=50000.5 bid_size=1.5 ask_size=1",
        1,
    ),
    (
        "finnhub-trades",
        "{\"c\":[\"1\",\"8\"],\"p\":122.1,\"s\":\"TSLA\",\"t\":1672348887195,\"v\":1}\n",
        "2022-12-29T21:21:27.195000Z price=122.1 volume=1",
        1,
    ),
    (
        "dukascopy-ticks",
        "Gmt time,Ask,Bid,AskVolume,BidVolume\n\
             01.02.2024 00:00:05.123,1.05236,1.05148,0.75,1.5\n",
        "2024-02-01T00:00:05.123000Z bid=1.05148 ask=1.05236 bid_size=1.5 ask_size=0.75",
        1,
    ),
];

#[test]
fn ticks_of_each_vendor_are_read() {
    for &(name, text, expected, count) in TICK_FILES {
        assert_eq!(
            ticks(name, text, None),
            (expected.to_owned(), count),
            "{name}"
        );
    }
    let mt5 = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n\
        2024.01.02\t00:00:00.123\t1.10427\t1.10429\t\t\t6\n";
    let expected = "2024-01-01T22:00:00.123000Z bid=1.10427 ask=1.10429";
    assert_eq!(
        ticks("mt5-ticks", mt5, Some("Europe/Athens")),
        (expected.to_owned(), 1)
    );
}

type BarFile = (
    &'static str,
    &'static str,
    Option<&'static str>,
    Frequency,
    &'static str,
);

/// Preset, text, zone, frequency, and the first bar in words.
const BAR_FILES: &[BarFile] = &[
    (
        "binance-klines",
        "1378203780000,1641.5,1641.75,1641.25,1641.5,100,1378203839999,1000,10,50,500,0\n",
        None,
        Frequency::OneMinute,
        "2013-09-03T10:23:00.000000Z 1641.5 1641.75 1641.25 1641.5 100",
    ),
    (
        "binance-klines",
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,\
             taker_buy_quote_volume,ignore\n\
             1378203780000,1641.5,1641.75,1641.25,1641.5,100,1378203839999,1000,10,50,500,0\n",
        None,
        Frequency::OneMinute,
        "2013-09-03T10:23:00.000000Z 1641.5 1641.75 1641.25 1641.5 100",
    ),
    (
        "kraken-ohlcvt",
        "1381095300,122.0,123.5,121.0,123.0,0.7,4\n",
        None,
        Frequency::FiveMinutes,
        "2013-10-06T21:35:00.000000Z 122 123.5 121 123 0.7",
    ),
    (
        "histdata-m1",
        "20240702 170000;1.10427;1.10429;1.10426;1.10429;0\n",
        None,
        Frequency::OneMinute,
        "2024-07-02T22:00:00.000000Z 1.10427 1.10429 1.10426 1.10429 0",
    ),
    (
        "histdata-mt",
        "2012.02.01,00:01,1.306570,1.306570,1.306470,1.306560,0\n",
        None,
        Frequency::OneMinute,
        "2012-02-01T05:01:00.000000Z 1.30657 1.30657 1.30647 1.30656 0",
    ),
    (
        "mt4-bars",
        "2012.02.01,00:05,1.306570,1.306570,1.306470,1.306560,12\n",
        Some("+02:00"),
        Frequency::FiveMinutes,
        "2012-01-31T22:05:00.000000Z 1.30657 1.30657 1.30647 1.30656 12",
    ),
    (
        "mt5-bars",
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n\
             2024.01.02\t00:05:00\t1.10427\t1.10429\t1.10426\t1.10429\t5\t12\t3\n",
        Some("Europe/Athens"),
        Frequency::FiveMinutes,
        "2024-01-01T22:05:00.000000Z 1.10427 1.10429 1.10426 1.10429 12",
    ),
    (
        "polygon-minute",
        "ticker,volume,open,close,high,low,window_start,transactions\n\
             AAPL,4930,200.29,200.5,200.63,200.29,1744792500000000000,129\n",
        None,
        Frequency::OneMinute,
        "2025-04-16T08:35:00.000000Z 200.29 200.63 200.29 200.5 4930",
    ),
    (
        "polygon-day",
        "ticker,volume,open,close,high,low,window_start,transactions\n\
             AAPL,4930,200.29,200.5,200.63,200.29,1744776000000000000,129\n",
        None,
        Frequency::OneDay,
        "2025-04-16T00:00:00.000000Z 200.29 200.63 200.29 200.5 4930",
    ),
    (
        "databento-ohlcv",
        "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n\
             2024-01-02T14:30:00.000000000Z,33,1,5,4785.250000000,4786.000000000,4785.000000000,\
             4785.750000000,30,ESH4\n",
        None,
        Frequency::OneMinute,
        "2024-01-02T14:30:00.000000Z 4785.25 4786 4785 4785.75 30",
    ),
    (
        "alpaca-bars",
        "{\"t\":\"2024-01-02T14:30:00Z\",\"o\":187.1,\"h\":187.4,\"l\":187,\"c\":187.3,\
             \"v\":1200,\"n\":31,\"vw\":187.2}\n",
        None,
        Frequency::OneMinute,
        "2024-01-02T14:30:00.000000Z 187.1 187.4 187 187.3 1200",
    ),
    (
        "dukascopy-bars",
        "Gmt time,Open,High,Low,Close,Volume\n\
             01.07.2020 00:00:00.000,1.12336,1.12337,1.12275,1.12306,4148.0298\n",
        None,
        Frequency::OneDay,
        "2020-07-01T00:00:00.000000Z 1.12336 1.12337 1.12275 1.12306 4148.0298",
    ),
    (
        "stooq-daily",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n\
             AAA.US,D,20261001,000000,10,11,9,10.5,1000,0\n",
        None,
        Frequency::OneDay,
        "2026-10-01T00:00:00.000000Z 10 11 9 10.5 1000",
    ),
    (
        "stooq-intraday",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n\
             AAA.US,5,20261001,153500,10,11,9,10.5,1000,0\n",
        Some("Europe/Warsaw"),
        Frequency::FiveMinutes,
        "2026-10-01T13:35:00.000000Z 10 11 9 10.5 1000",
    ),
];

#[test]
fn bars_of_each_vendor_are_read() {
    for &(name, text, zone, frequency, expected) in BAR_FILES {
        let preset = Preset::of_name(name).unwrap();
        assert_eq!(preset.kind, ImportKind::Bars, "{name}");
        assert!(
            preset.frequency.is_none_or(|fixed| fixed == frequency),
            "{name}"
        );
        assert_eq!(
            bars(name, text, zone, frequency),
            (expected.to_owned(), 1),
            "{name}"
        );
    }
}

#[test]
fn a_file_of_another_layout_is_refused_by_its_first_row() {
    let klines = "1378203780000,1641.5,1641.75,1641.25,1641.5,100,1378203839999,1000,10,50,500,0\n";
    for (name, text) in [
        ("binance-trades", klines),
        ("kraken-trades", klines),
        (
            "binance-klines",
            "26129,0.016,4.7,27781,27781,1498793709153,true,true\n",
        ),
        ("histdata-mt", "20120201 000000,1.3,1.3,1.3,1.3,0\n"),
        // The price stands where the moment should, and the reverse.
        ("kraken-trades", "122.0,0.1,1381095255\n"),
        (
            "binance-aggtrades",
            "26129,x,4.7,27781,27781,1498793709153,true,true\n",
        ),
        ("truefx", "20120201 000003660,1.306600,1.306770,0\n"),
        (
            "histdata-ticks",
            "EUR/USD,20240102 00:00:00.123,1.10427,1.10429\n",
        ),
        (
            "polygon-trades",
            "exchange,symbol,timestamp,price,amount\nx,A,1704153600061000,1,1\n",
        ),
        ("tardis-trades", "1381095255,122.00000,0.10000000\n"),
        (
            "databento-trades",
            &DATABENTO_TRADES.replace("4785.250000000", "4785250000000"),
        ),
    ] {
        let error = if Preset::of_name(name).unwrap().kind == ImportKind::Bars {
            read::<Bar>(name, text, None, Some(Frequency::OneMinute)).unwrap_err()
        } else {
            read::<Tick>(name, text, None, None).unwrap_err()
        };
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
}

#[test]
fn a_zone_that_only_the_user_knows_must_be_named() {
    for name in ["mt5-bars", "mt5-ticks", "mt4-bars", "stooq-intraday"] {
        let preset = Preset::of_name(name).unwrap();
        let error = preset
            .options(FeedOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--timezone") && error.contains(name),
            "{error}"
        );
    }
    assert_eq!(
        options("polygon-day", None).timezone.unwrap().to_string(),
        "America/New_York"
    );
    assert_eq!(
        options("histdata-m1", None).timezone.unwrap().to_string(),
        "EST"
    );
    // What the user says stands before what the preset does.
    assert_eq!(
        options("histdata-m1", Some("UTC"))
            .timezone
            .unwrap()
            .to_string(),
        "UTC"
    );
}

#[test]
fn presets_are_found_by_name_and_others_are_shown_what_there_is() {
    let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    for preset in presets() {
        assert!(preset.source.starts_with("https://"), "{}", preset.name);
    }
    assert_eq!(
        Preset::of_name("Binance_Klines").unwrap().name,
        "binance-klines"
    );
    let error = Preset::of_name("binance-candles").unwrap_err().to_string();
    assert!(
        error.contains("binance-klines") && error.contains("list"),
        "{error}"
    );
    let error = Preset::of_name("nobody").unwrap_err().to_string();
    assert!(error.contains("--preset list"), "{error}");
}
