//! `/api/historical-data`: bars of symbols, and what there is to ask for.

use serde_json::{Value, json};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::{Bar, Frequency, RawBar};

use crate::api::client::{Api, post, post_gzip};
use crate::support::{TestDatabase, insert_bars, on_both};

const FETCH: &str = "/api/historical-data/fetch";

/// Three ticks of ES in two minutes, with an empty one between, and one on the next day.
fn store(api: &Api) {
    let tick = |at: &str, price: f64, volume: f64| json!({"symbol": "ES", "timestamp": at, "price": price, "volume": volume});
    let batch = json!([
        tick("2013-09-03T10:00:01.000000Z", 1640.0, 1.0),
        tick("2013-09-03T10:00:59.999000Z", 1641.123456, 3.0),
        tick("2013-09-03T10:02:00.000000Z", 1639.5, 2.0),
        tick("2013-09-04T00:00:00.000000Z", 1650.0, 1.0),
    ]);
    assert_eq!(
        api.post("/api/market-data", &batch).json(200)["inserted"],
        4
    );
}

fn import_days(place: &TestDatabase) {
    let db = Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap();
    let day = |stamp: &str| {
        let price = |text: &str| Some(text.parse().unwrap());
        Bar::try_from(RawBar {
            instrument_id: 1,
            timestamp: stamp.parse().unwrap(),
            frequency: Frequency::OneDay,
            source_id: None,
            open: price("1600"),
            high: price("1700.5"),
            low: price("1600"),
            close: price("1650.25"),
            volume: Some(12.5),
            open_interest: Some(7.0),
        })
        .unwrap()
    };
    let days = [
        day("2013-09-02T00:00:00.000000Z"),
        day("2013-09-03T00:00:00.000000Z"),
    ];
    assert_eq!(insert_bars(&db, &days).unwrap().inserted, 2);
}

fn fetch(api: &Api, body: Value) -> Value {
    api.post(FETCH, &body).json(200)
}

/// Start, close and volume of each bar of a symbol.
fn bars(item: &Value) -> Vec<(String, Value, Value)> {
    let bar = |bar: &Value| {
        let start = bar["timestamp"].as_str().unwrap().to_owned();
        (start, bar["close"].clone(), bar["volume"].clone())
    };
    item["bars"].as_array().unwrap().iter().map(bar).collect()
}

on_both! {
    fn bars_are_made_of_ticks_and_a_symbol_without_any_says_why(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let symbols = json!({"symbols": ["es", "NOSUCH", "NQ", "not  a symbol"], "frequency": "1min"});
        let answer = fetch(&api, symbols);
        assert_eq!(answer["success"], true);
        assert_eq!(answer["message"], "1 of 4 symbols have bars");
        assert_eq!(answer["total_symbols"], 4);
        let es = &answer["data"][0];
        let rest = |name: &str| es[name].clone();
        assert_eq!(
            [rest("symbol"), rest("frequency"), rest("total_bars"), rest("data_source")],
            [json!("es"), json!("1min"), json!(3), json!("aggregated")]
        );
        assert_eq!([rest("cached"), rest("has_more"), rest("message")], [json!(false), json!(false), json!(null)]);
        assert_eq!(rest("sources"), json!(["ticks"]));
        assert_eq!(rest("start_date"), "2013-09-03T10:00:00.000000Z");
        assert_eq!(rest("end_date"), "2013-09-04T00:01:00.000000Z");
        assert_eq!(
            es["bars"][0],
            json!({"timestamp": "2013-09-03T10:00:00.000000Z", "open": 1640.0, "high": 1641.1235,
                "low": 1640.0, "close": 1641.1235, "volume": 4, "open_interest": null,
                "vwap": 1640.8426, "tick_count": 2})
        );
        for (index, reason) in [(1, "NOSUCH"), (2, "no 1min bar"), (3, "symbol")] {
            let item = &answer["data"][index];
            assert_eq!((&item["data_source"], &item["total_bars"]), (&json!("no_data"), &json!(0)));
            assert!(item["message"].as_str().unwrap().contains(reason), "{item}");
        }
        let none = fetch(&api, json!({"symbols": ["NOSUCH"]}));
        assert_eq!((&none["success"], &none["data"][0]["frequency"]), (&json!(false), &json!("1d")));
    }

    fn quotes_make_bars_when_they_are_asked_for(db: &TestDatabase) {
        let api = Api::new(db);
        let quote = |second: i64, bid: f64| json!({"symbol": "YM", "bid": bid, "ask": bid + 0.5,
            "timestamp": format!("2020-01-01T22:00:0{second}Z")});
        let posted = json!([quote(1, 10.0), quote(2, 11.0)]);
        api.post("/api/market-data", &posted).json(200);
        let trades = fetch(&api, json!({"symbols": ["YM"], "frequency": "1min"}));
        assert_eq!(
            trades["data"][0]["message"],
            "no 1min bar starts in the range: the ticks have quotes but no trades; \"price\": \"mid\" makes bars of them"
        );
        let mid = fetch(&api, json!({"symbols": ["YM"], "frequency": "1min", "price": "mid"}));
        let bar = &mid["data"][0]["bars"][0];
        let prices = ["open", "high", "low", "close"].map(|name| bar[name].clone());
        assert_eq!(prices, [10.25, 11.25, 10.25, 11.25].map(Value::from));
        assert_eq!((&bar["volume"], &bar["vwap"], &bar["tick_count"]), (&json!(0), &json!(null), &json!(2)));
        let of_source = |source: &str| json!({"symbols": ["YM"], "price": "mid", "source": source});
        assert_eq!(fetch(&api, of_source("tickbase"))["data"][0]["total_bars"], 1);
        assert_eq!(fetch(&api, of_source("tickbase-bars"))["data"][0]["total_bars"], 0);
        let unknown = api.post(FETCH, &of_source("nobody")).json(422).to_string();
        assert!(unknown.contains("no data source is named"), "{unknown}");
        let refused = api.post(FETCH, &json!({"symbols": ["YM"], "price": "middle"})).json(422);
        assert!(refused.to_string().contains("middle"), "{refused}");
    }

    fn many_symbols_are_answered_in_the_order_in_which_they_were_asked_for(db: &TestDatabase) {
        let api = Api::new(db);
        // Fifty symbols, each with a tick whose price is its place, asked for from the last one.
        for place in 0..50 {
            let new = json!({"symbol": format!("S{place}"), "name": "one of many", "type": "equity"});
            let id = api.post("/api/instruments", &new).json(201)["id"].clone();
            let tick = json!([{"instrument_id": id, "timestamp": "2013-09-03T10:00:00.000000Z",
                "price": place + 1}]);
            api.post("/api/market-data", &tick).json(200);
        }
        let closes = |symbols: &[String]| {
            let answer = fetch(&api, json!({"symbols": symbols}));
            assert_eq!(answer["total_symbols"], symbols.len());
            let items = answer["data"].as_array().unwrap().clone();
            let told: Vec<&str> = items.iter().map(|item| item["symbol"].as_str().unwrap()).collect();
            assert_eq!(told, symbols);
            items.iter().map(|item| item["bars"][0]["close"].as_f64()).collect::<Vec<_>>()
        };
        let name = |place: usize| format!("S{place}");
        let backwards: Vec<String> = (0..50).rev().map(name).collect();
        let wanted = |place: usize| Some((place + 1) as f64);
        let expected: Vec<_> = (0..50).rev().map(wanted).collect();
        assert_eq!(closes(&backwards), expected);
        assert_eq!(closes(&backwards), expected, "from memory");
        let mut unknown = backwards.clone();
        unknown[23] = "NOSUCH".to_owned();
        let mut without = expected.clone();
        without[23] = None;
        assert_eq!(closes(&unknown), without);
        // Each of ten symbols five times, some of them next to each other.
        let repeated: Vec<String> = (0..50).map(|n| name(n / 2 % 10)).collect();
        let again: Vec<_> = (0..50).map(|n| wanted(n / 2 % 10)).collect();
        assert_eq!(closes(&repeated), again);
        let mut too_many = backwards;
        too_many.push("ES".to_owned());
        let refused = api.post(FETCH, &json!({"symbols": too_many})).detail(422);
        assert_eq!(refused, "body.symbols: it names 51 symbols; name 1 to 50");
    }

    fn what_fails_for_one_symbol_fails_the_request(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        api.app.database().close();
        let symbols: Vec<&str> = ["ES", "NQ"].into_iter().cycle().take(50).collect();
        let refused = api.post(FETCH, &json!({"symbols": symbols})).detail(503);
        assert!(refused.contains("closed"), "{refused}");
    }

    fn a_range_is_of_days_or_of_moments_and_the_newest_bars_are_kept(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let of = |start: Value, end: Value, records: Value| {
            let body = json!({"symbols": ["ES"], "frequency": "1min", "start_date": start,
                "end_date": end, "max_records": records});
            let item = fetch(&api, body)["data"][0].clone();
            let starts: Vec<String> = bars(&item).into_iter().map(|bar| bar.0).collect();
            (starts, item["has_more"] == true)
        };
        let minutes = ["2013-09-03T10:00:00.000000Z", "2013-09-03T10:02:00.000000Z", "2013-09-04T00:00:00.000000Z"];
        let expected = |range: std::ops::Range<usize>| minutes[range].to_vec();
        // The last day is part of it, a moment is not.
        assert_eq!(of(json!("2013-09-03"), json!("2013-09-03"), json!(null)).0, expected(0..2));
        assert_eq!(of(json!("2013-09-03"), json!("2013-09-04"), json!(null)).0, expected(0..3));
        for day in ["20130903", "3 Sep 2013", "2013/09/03", "2013-9-3", " 2013-09-03 "] {
            assert_eq!(of(json!(day), json!(day), json!(null)).0, expected(0..2), "{day}");
        }
        let noon = json!("2013-09-03T12:00:00.000000Z");
        assert!(of(noon.clone(), json!("2013-09-03"), json!(null)).0.is_empty(), "after noon");
        assert!(of(noon.clone(), noon, json!(null)).0.is_empty(), "no time at all");
        let ends = (json!("0001-01-01"), json!("9999-12-30"));
        assert_eq!(of(ends.0, ends.1, json!(null)).0, expected(0..3));
        let body = json!({"symbols": ["ES"], "end_date": "9999-12-30"});
        assert_eq!(fetch(&api, body)["data"][0]["end_date"], "9999-12-30T22:00:00.999999Z");
        let moment = json!("2013-09-03T10:02:00.000000Z");
        assert_eq!(of(json!(null), moment.clone(), json!(null)).0, expected(0..1));
        assert_eq!(of(moment, json!(null), json!(2.0)), (vec![minutes[1].into(), minutes[2].into()], false));
        assert_eq!(of(json!(null), json!(null), json!(2)), (vec![minutes[1].into(), minutes[2].into()], true));
        assert!(of(json!("2014-01-01"), json!(null), json!(null)).0.is_empty());
    }

    fn empty_periods_are_filled_on_request(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let of = |fill: &str| {
            let body = json!({"symbols": ["ES"], "frequency": "1min", "fill": fill,
                "end_date": "2013-09-03"});
            bars(&fetch(&api, body)["data"][0])[1].clone()
        };
        let empty = "2013-09-03T10:01:00.000000Z".to_owned();
        assert_eq!(of("previous"), (empty.clone(), json!(1641.1235), json!(0)));
        assert_eq!(of("null"), (empty, json!(null), json!(null)));
        assert_eq!(of("none").1, json!(1639.5));
    }

    fn stored_bars_stand_before_ticks(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        import_days(db);
        let of = |body: Value| fetch(&api, body)["data"][0].clone();
        let stored = of(json!({"symbols": ["ES"], "end_date": "2013-09-03"}));
        assert_eq!(stored["data_source"], "stored");
        let days = [
            ("2013-09-02T00:00:00.000000Z".to_owned(), json!(1650.25), json!(12.5)),
            ("2013-09-03T00:00:00.000000Z".to_owned(), json!(1650.25), json!(12.5)),
            ("2013-09-04T00:00:00.000000Z".to_owned(), json!(1650.0), json!(1)),
        ];
        assert_eq!(bars(&stored), days[..2]);
        assert_eq!(stored["bars"][0]["open_interest"], 7);
        let mixed = of(json!({"symbols": ["ES"]}));
        assert_eq!((mixed["data_source"].clone(), bars(&mixed)), (json!("aggregated"), days.to_vec()));
    }

    fn what_cannot_be_asked_is_refused_with_its_place(db: &TestDatabase) {
        let api = Api::new(db);
        let refusal = api.post(FETCH, &json!({"symbols": ["ES"], "start_date": "soon"})).detail(422);
        assert_eq!(
            refusal,
            "body.start_date: \"soon\" is not a date and time; write it like \
             2013-09-01T17:00:00.083Z, or a day like 2013-09-01"
        );
        for (body, place) in [
            (json!({"symbols": []}), "symbols"),
            (json!({"symbols": ["ES"], "start_date": "2013-09-04", "end_date": "2013-09-03"}), "start_date"),
            (json!({"symbols": vec!["ES"; 51]}), "symbols"),
            (json!({"symbols": ["ES"], "frequency": "2min"}), "frequency"),
            (json!({"symbols": ["ES"], "max_records": 0}), "max_records"),
            (json!({"symbols": ["ES"], "max_records": 10_001}), "max_records"),
            (json!({"symbols": ["ES"], "start_date": "soon"}), "start_date"),
            (json!({"symbols": ["ES"], "start_date": "2013-09-04", "end_date": "2013-09-02"}), "start_date"),
            (json!({"symbols": ["ES"], "fill": "zero"}), "fill"),
            (json!({"symbols": ["ES"], "sorted": true}), "sorted"),
        ] {
            let refusal = api.post(FETCH, &body).json(422);
            assert_eq!(refusal["detail"][0]["loc"][1], place, "{body}: {refusal}");
        }
        for (body, said) in [
            ("", "body: it is empty; send a JSON object"),
            (r#"{"symbols": ["ES"]"#, "body: invalid JSON: EOF while parsing an object at line 1 column 18; send a JSON object"),
            (r#"{"symbols": ["ES"]} 7"#, "body: it goes on after its end: trailing characters at line 1 column 21; send one object"),
            (r#"{"symbols": ["ES"], "frequency": null}"#,
                "body.frequency: not a text; write one of the words of the OpenAPI document, or leave it out"),
        ] {
            let refusal = api.send(post(FETCH, "application/json", body)).detail(422);
            assert_eq!(refusal, said);
        }
        // What was sent comes back only in part, and the remedy with it.
        for body in [json!({"symbols": ["ES"], "frequency": "x".repeat(60_000)}),
            json!({"symbols": ["ES"], "x".repeat(60_000): 1})] {
            let refusal = api.post(FETCH, &body).detail(422);
            assert!(refusal.len() < 3_000 && refusal.contains("expected one of"), "{}", refusal.len());
        }
        let packed = api.send(post_gzip(FETCH, "application/json", br#"{"symbols": ["ES"]}"#));
        assert_eq!(packed.json(200)["success"], false);
    }

    fn a_price_of_any_magnitude_makes_a_bar(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let absurd = json!([{"symbol": "NQ", "timestamp": "2013-09-03T10:00:00.000000Z", "price": 1e300}]);
        api.post("/api/market-data", &absurd).json(200);
        let answer = fetch(&api, json!({"symbols": ["NQ", "ES"]}));
        assert_eq!(answer["message"], "2 of 2 symbols have bars");
        assert_eq!(answer["data"][0]["bars"][0]["close"], 1e300);
    }

    fn what_there_is_to_ask_for_is_told(db: &TestDatabase) {
        let api = Api::new(db);
        import_days(db);
        fetch(&api, json!({"symbols": ["ES"]}));
        let frequencies = api.get("/api/historical-data/frequencies").json(200);
        let words: Vec<&Value> = frequencies["frequencies"].as_array().unwrap().iter()
            .map(|item| &item["frequency"])
            .collect();
        assert_eq!(words, ["1min", "5min", "15min", "30min", "1h", "4h", "1d", "1w", "1M"]);
        assert_eq!(frequencies["frequencies"][4]["seconds"], 3600);
        let sources = api.get("/api/historical-data/sources").json(200);
        assert_eq!(sources["sources"][0]["name"], "tickbase");
        let stats = api.get("/api/historical-data/stats").json(200);
        assert_eq!((&stats["total_bars"], &stats["total_requests"]), (&json!(2), &json!(1)));
        assert_eq!(
            stats["by_frequency"],
            json!([{"frequency": "1d", "bars": 2, "instruments": 1,
                "first": "2013-09-02T00:00:00.000000Z", "last": "2013-09-03T00:00:00.000000Z"}])
        );
        let health = api.get("/api/historical-data/health").json(200);
        assert_eq!((&health["database_healthy"], &health["total_requests"]), (&json!(true), &json!(1)));
        assert_eq!(api.get("/api/health").json(200)["historical_data_service"], health);
    }
}
