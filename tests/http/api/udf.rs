//! `/udf`: what a chart asks for, in TradingView's protocol.

use serde_json::{Value, json};
use tickbase::config::Token;
use tickbase::domain::{Bar, Frequency, RawBar};
use tickbase::timestamp::Timestamp;

use crate::api::client::Api;
use crate::support::{insert_bars, on_both};

/// 2013-09-02T00:00:00Z, a Monday.
const MONDAY: i64 = 1_378_080_000;

fn get(api: &Api, question: &str) -> Value {
    api.get(&format!("/udf/{question}")).json(200)
}

/// Bars of a minute of ES from these moments on, each at the price of its place.
fn minutes(api: &Api, starts: impl Iterator<Item = i64>) {
    let price = |number: i64| Some(number.to_string().parse().unwrap());
    let bar = |(place, start): (i64, i64)| RawBar {
        instrument_id: 1,
        timestamp: Timestamp::from_micros(start * 1_000_000).unwrap(),
        frequency: Frequency::OneMinute,
        source_id: None,
        open: price(1_000 + place),
        high: price(1_002 + place),
        low: price(999 + place),
        close: price(1_001 + place),
        volume: Some(place as f64),
        open_interest: None,
    };
    let bars: Vec<Bar> = (0..)
        .zip(starts)
        .map(|it| Bar::try_from(bar(it)).unwrap())
        .collect();
    insert_bars(api.app.database(), &bars).unwrap();
}

/// Two hundred minutes of a Monday, and two hundred of the Tuesday after it.
fn two_days(api: &Api) {
    let day = |day: i64| (0..200).map(move |minute| MONDAY + day * 86_400 + minute * 60);
    minutes(api, day(0).chain(day(1)));
}

fn times(answer: &Value) -> Vec<i64> {
    assert_eq!(answer["s"], "ok", "{answer}");
    let column = |name: &str| answer[name].as_array().unwrap().len();
    let count = column("t");
    for name in ["o", "h", "l", "c", "v"] {
        assert_eq!(column(name), count, "{name}");
    }
    answer["t"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t.as_i64().unwrap())
        .collect()
}

on_both! {
    fn a_chart_learns_what_it_may_ask_for(db: &TestDatabase) {
        let api = Api::new(db);
        let config = get(&api, "config");
        assert_eq!(config["supported_resolutions"], json!(["1", "5", "15", "30", "60", "240", "1D", "1W", "1M"]));
        for (name, value) in [("search", true), ("group_request", false), ("marks", true), ("timescale_marks", false), ("time", true)] {
            assert_eq!(config[format!("supports_{name}")], value, "{name}");
        }
        let time = api.get("/udf/time");
        assert!(time.header("content-type").unwrap().starts_with("text/plain"));
        let seconds: i64 = time.text().parse().unwrap();
        let now = api.app.database().clock().now().micros() / 1_000_000;
        assert!((now - 60..=now).contains(&seconds), "{seconds} at {now}");
    }

    fn a_symbol_is_described_with_its_exchange_before_it_or_without(db: &TestDatabase) {
        let api = Api::new(db);
        for name in ["ES", "es", "CME:ES", "tickbase:es", "&unitId=1&symbol=ES&currencyCode="] {
            let es = get(&api, &format!("symbols?symbol={name}"));
            assert_eq!((&es["ticker"], &es["name"], &es["description"]), (&json!("ES"), &json!("ES"), &json!("E-mini S&P 500")), "{name}");
        }
        let es = get(&api, "symbols?symbol=ES");
        for (name, value) in [
            ("type", json!("futures")), ("session", json!("24x7")), ("timezone", json!("Etc/UTC")), ("minmov", json!(1)),
            ("pricescale", json!(10_000)), ("has_intraday", json!(true)), ("has_daily", json!(true)),
            ("has_weekly_and_monthly", json!(true)), ("exchange", json!("tickbase")), ("listed_exchange", json!("tickbase")),
            ("intraday_multipliers", json!(["1", "5", "15", "30", "60", "240"])), ("data_status", json!("streaming")),
        ] {
            assert_eq!(es[name], value, "{name}");
        }
        // By its places, or by those of its newest price.
        let pair = json!({"symbol": "EURUSD", "name": "Euro", "type": "fx", "price_decimals": 5});
        api.post("/api/instruments", &pair).json(201);
        assert_eq!(get(&api, "symbols?symbol=EURUSD")["pricescale"], 100_000);
        api.post("/api/instruments", &json!({"symbol": "BTC", "name": "Bitcoin", "type": "crypto"})).json(201);
        assert_eq!(get(&api, "symbols?symbol=BTC")["pricescale"], 100);
        let tick = json!([{"symbol": "BTC", "timestamp": MONDAY, "price": 3100.065}]);
        api.post("/api/market-data", &tick).json(200);
        assert_eq!(get(&api, "symbols?symbol=BTC")["pricescale"], 1_000);
        // A symbol may have a colon of its own.
        let colon = json!({"symbol": "FX:ES", "name": "Another", "type": "fx"});
        api.post("/api/instruments", &colon).json(201);
        assert_eq!(get(&api, "symbols?symbol=FX:ES")["description"], "Another");
        // The status says nothing to a client: the body does.
        for unknown in ["symbols?symbol=NOPE", "symbols?symbol=CME:NOPE", "symbols?symbol=", "symbols", "symbols?symbol=%00:",
                        "history?symbol=NOPE&resolution=1&from=0&to=9"] {
            assert_eq!(get(&api, unknown), json!({"s": "error", "errmsg": "unknown_symbol"}), "{unknown}");
        }
    }

    fn a_search_finds_by_symbol_and_by_name(db: &TestDatabase) {
        let api = Api::new(db);
        let found = |question: &str| -> Vec<String> {
            let found = get(&api, &format!("search?{question}"));
            let found = found.as_array().unwrap().iter();
            found.map(|find| find["symbol"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(found("query=es&type=&exchange=&limit=30"), ["ES", "ADD", "YM"]);
        assert_eq!(found("query=s")[..2], ["SPX", "ES"]);
        assert_eq!(found("query=gold"), ["GC"]);
        assert_eq!(found("query=CME:NQ"), ["NQ"]);
        assert_eq!(found("query=N&limit=1"), ["NDX"]);
        assert_eq!(found("query=&type=index&limit=3"), ["ADD", "NDX", "RUT"]);
        // It has the calendar of New York.
        assert_eq!(found("exchange=XNYS&query=SPX"), ["SPX"]);
        assert_eq!(found("exchange=tickbase&query=SPX"), Vec::<String>::new());
        assert_eq!(found("").len(), 12);
        assert_eq!(found("query=%00%ff").len(), 0);
        let find = &get(&api, "search?query=gold")[0];
        assert_eq!(*find, json!({"symbol": "GC", "full_name": "tickbase:GC", "ticker": "GC", "description": "Gold",
                                 "exchange": "tickbase", "type": "futures"}));
    }

    fn so_many_bars_as_are_counted_back_come_before_the_end(db: &TestDatabase) {
        let api = Api::new(db);
        two_days(&api);
        let tuesday = MONDAY + 86_400;
        // The range alone has none: so many are told as are asked for, over the night.
        let question = format!("history?symbol=ES&resolution=1&from={}&to={}&countback=50&firstDataRequest=true", tuesday - 600, tuesday);
        let answer = get(&api, &question);
        let expected: Vec<i64> = (150..200).map(|minute| MONDAY + minute * 60).collect();
        assert_eq!(times(&answer), expected);
        assert_eq!((&answer["o"][49], &answer["h"][49], &answer["l"][49], &answer["c"][49], &answer["v"][49]),
                   (&json!(1_199.0), &json!(1_201.0), &json!(1_198.0), &json!(1_200.0), &json!(199.0)));
        // The end is not part of it; a bar that began before it is.
        let ends = |to: i64| times(&get(&api, &format!("history?symbol=ES&resolution=1&to={to}&countback=2")));
        assert_eq!(ends(tuesday + 60), [MONDAY + 199 * 60, tuesday]);
        assert_eq!(ends(tuesday + 61), [tuesday, tuesday + 60]);
        // All there is, when more is asked for; then nothing.
        let all = format!("history?symbol=CME:ES&resolution=1&from=-99999999999999&to={}&countback=9999999", tuesday + 86_400);
        assert_eq!(times(&get(&api, &all)).len(), 400);
        let none = get(&api, &format!("history?symbol=ES&resolution=1&from=0&to={MONDAY}&countback=300"));
        assert_eq!(none, json!({"s": "no_data"}));
    }

    fn a_range_without_a_count_tells_where_older_bars_are(db: &TestDatabase) {
        let api = Api::new(db);
        two_days(&api);
        let (tuesday, last) = (MONDAY + 86_400, MONDAY + 199 * 60);
        let answer = get(&api, &format!("history?symbol=ES&resolution=1&from={}&to={}", last - 60, tuesday));
        assert_eq!(times(&answer), [last - 60, last]);
        let gap = get(&api, &format!("history?symbol=ES&resolution=1&from={}&to={tuesday}", last + 60));
        assert_eq!(gap, json!({"s": "no_data", "nextTime": last}));
        let before = get(&api, &format!("history?symbol=ES&resolution=1&from=0&to={MONDAY}"));
        assert_eq!(before, json!({"s": "no_data"}));
        assert_eq!(get(&api, "history?symbol=NQ&resolution=1&from=0&to=9999999999"), json!({"s": "no_data"}));
    }

    fn every_resolution_has_the_bars_of_its_frequency(db: &TestDatabase) {
        let api = Api::new(db);
        two_days(&api);
        for (resolution, frequency) in [
            ("1", "1min"), ("5", "5min"), ("15", "15min"), ("30", "30min"), ("60", "1h"), ("240", "4h"),
            ("1D", "1d"), ("D", "1d"), ("1W", "1w"), ("W", "1w"), ("1M", "1M"), ("M", "1M"),
        ] {
            let answer = get(&api, &format!("history?symbol=ES&resolution={resolution}&to=1500000000&countback=1000"));
            let asked = json!({"symbols": ["ES"], "frequency": frequency});
            let native = api.post("/api/historical-data/fetch", &asked).json(200);
            let native = native["data"][0]["bars"].as_array().unwrap().clone();
            assert!(!native.is_empty(), "{resolution}");
            let stamp = |bar: &Value| bar["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap().micros() / 1_000_000;
            let expected: Vec<i64> = native.iter().map(stamp).collect();
            assert_eq!(times(&answer), expected, "{resolution}");
            for (column, name) in [("o", "open"), ("h", "high"), ("l", "low"), ("c", "close")] {
                let expected: Vec<Value> = native.iter().map(|bar| bar[name].clone()).collect();
                assert_eq!(answer[column], json!(expected), "{resolution} {name}");
            }
        }
        for question in ["resolution=2&countback=1", "resolution=&countback=1", "countback=1", "resolution=1&countback=x",
                         "resolution=1&to=soon", "resolution=1&from=2&to=1"] {
            let answer = get(&api, &format!("history?symbol=ES&{question}"));
            assert!(answer["s"] == "error" && !answer["errmsg"].as_str().unwrap().is_empty(), "{question}: {answer}");
        }
    }

    fn of_more_bars_than_an_answer_has_the_newest_come(db: &TestDatabase) {
        let api = Api::new(db);
        minutes(&api, (0..5_100).map(|minute| MONDAY + minute * 60));
        let end = MONDAY + 5_100 * 60;
        for question in [format!("from=0&to={end}"), format!("to={end}&countback=6000"), "from=0".to_owned(), String::new()] {
            let found = times(&get(&api, &format!("history?symbol=ES&resolution=1&{question}")));
            assert_eq!((found.len(), found[0], found[4_999]), (5_000, MONDAY + 6_000, end - 60), "{question}");
        }
    }

    fn prices_have_the_places_of_their_instrument(db: &TestDatabase) {
        let api = Api::new(db);
        api.send(axum::http::Request::put("/api/instruments/1").header("content-type", "application/json")
            .body(json!({"price_decimals": 1}).to_string().into()).unwrap()).json(200);
        api.post("/api/market-data", &json!([{"symbol": "ES", "timestamp": MONDAY, "price": 1641.27, "volume": 8}])).json(200);
        let answer = get(&api, "history?symbol=ES&resolution=1D&countback=1");
        assert_eq!((&answer["t"], &answer["c"], &answer["v"]), (&json!([MONDAY]), &json!([1641.3]), &json!([8.0])));
    }

    fn alerts_are_marks_of_the_bars_in_which_they_fired(db: &TestDatabase) {
        let api = Api::new(db);
        let rule = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 100, "cooldown_seconds": 60});
        api.post("/api/rules", &rule).json(201);
        // The second one falls into the cooldown of the first.
        let tick = |after: i64| json!({"symbol": "ES", "timestamp": MONDAY + after, "price": 101});
        api.post("/api/market-data", &json!([tick(30), tick(45), tick(3_630), tick(7_230)])).json(200);
        let marks = |question: &str| get(&api, &format!("marks?symbol=ES&{question}"));
        let all = marks(&format!("from={MONDAY}&to={}&resolution=60", MONDAY + 7_200));
        assert_eq!(all["time"], json!([MONDAY + 30, MONDAY + 3_630, MONDAY + 7_230]));
        for (column, value) in [("color", json!("red")), ("label", json!("A")), ("minSize", json!(14)), ("labelFontColor", json!("white"))] {
            assert_eq!(all[column], json!([value, value, value]), "{column}");
        }
        assert!(all["text"][0].as_str().unwrap().contains("ES") && all["id"].as_array().unwrap().len() == 3, "{all}");
        // The last bar goes on after its start, and ends with its period.
        let one = marks(&format!("from={}&to={}&resolution=60", MONDAY + 60, MONDAY + 3_600));
        assert_eq!(one["time"], json!([MONDAY + 3_630]));
        let nothing = json!({"id": [], "time": [], "color": [], "text": [], "label": [], "labelFontColor": [], "minSize": []});
        for question in ["symbol=NQ", "symbol=NOPE", "symbol=ES&from=2&to=1", ""] {
            assert_eq!(get(&api, &format!("marks?{question}")), nothing, "{question}");
        }
    }

    fn charts_are_read_like_everything_else(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.token = Some(Token::new("0123456789abcdef").unwrap());
            settings.server.protect_reads = true;
        });
        for path in ["config", "time", "symbols?symbol=ES", "search", "history?symbol=ES&resolution=1", "marks?symbol=ES"] {
            api.get(&format!("/udf/{path}")).detail(401);
            let request = axum::http::Request::get(format!("/udf/{path}")).header("authorization", "Bearer 0123456789abcdef");
            let answer = api.send(request.body(axum::body::Body::empty()).unwrap());
            assert_eq!(answer.status, 200, "{path}");
        }
    }
}
