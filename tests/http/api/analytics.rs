//! `/api/v1/analytics`, on real bars: figures are those of `tests/fixtures/analytics`.

use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::config::Token;
use tickbase::domain::{Bar, Frequency, RawBar};

use crate::api::client::Api;
use crate::support::{insert_bars, on_both};

const MSFT: &str = include_str!("../../fixtures/analytics/msft-1min.csv");
const SP500: &str = include_str!("../../fixtures/analytics/sp500-daily.csv");
const EXPECTED: &str = include_str!("../../fixtures/analytics/expected.json");
/// The S&P 500 index among the seeded instruments.
const SPX: i64 = 6;

fn expected(set: &str) -> Value {
    let all: Value = serde_json::from_str(EXPECTED).unwrap();
    all[set].clone()
}

fn bar(instrument_id: i64, frequency: Frequency, stamp: &str, values: &[&str]) -> Bar {
    let price = |text: &str| text.parse().ok();
    let raw = RawBar {
        instrument_id,
        timestamp: stamp.parse().unwrap(),
        frequency,
        source_id: None,
        open: price(values[0]),
        high: price(values[1]),
        low: price(values[2]),
        close: price(values[3]),
        volume: values.last().map(|volume| volume.parse().unwrap()),
        open_interest: None,
    };
    Bar::try_from(raw).unwrap()
}

fn insert(api: &Api, bars: &[Bar]) {
    let report = insert_bars(api.app.database(), bars).unwrap();
    assert_eq!(report.inserted, bars.len());
}

/// An instrument with a thousand minutes of Microsoft's share.
fn msft(api: &Api) -> i64 {
    let new = json!({"symbol": "MSFT", "name": "Microsoft", "type": "equity"});
    let id = api.post("/api/instruments", &new).json(201)["id"]
        .as_i64()
        .unwrap();
    let lines = MSFT.lines().skip(1).map(|line| {
        let values: Vec<&str> = line.split(',').collect();
        bar(
            id,
            Frequency::OneMinute,
            &values[0].replace(' ', "T"),
            &values[1..],
        )
    });
    insert(api, &lines.collect::<Vec<_>>());
    id
}

/// Four years of the S&P 500.
fn sp500(api: &Api) {
    let lines = SP500.lines().skip(1).map(|line| {
        let values: Vec<&str> = line.split(',').collect();
        let date: Vec<u16> = values[0]
            .split('/')
            .map(|part| part.parse().unwrap())
            .collect();
        let stamp = format!("{}-{:02}-{:02}T00:00:00Z", date[2], date[0], date[1]);
        bar(SPX, Frequency::OneDay, &stamp, &values[1..])
    });
    insert(api, &lines.collect::<Vec<_>>());
}

#[track_caller]
fn near(found: &Value, expected: &Value, difference: f64) {
    let (one, other) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    assert!(
        (one - other).abs() <= difference,
        "{found}, expected {expected}"
    );
}

/// The reasons by field.
fn reason(answer: &Value, field: &str) -> Value {
    let all = answer["unavailable"].as_array().unwrap();
    let found = all.iter().find(|item| item["field"] == field);
    found.cloned().unwrap_or(Value::Null)
}

on_both! {
    fn indicators_are_those_of_the_library_rounded(db: &TestDatabase) {
        let api = Api::new(db);
        let id = msft(&api);
        let path = format!("/api/v1/analytics/real-time-indicators/{id}");
        let answer = api.get(&path).json(200);
        assert_eq!(answer["instrument_symbol"], "MSFT");
        assert_eq!((&answer["frequency"], &answer["bars"]), (&json!("1min"), &json!(1000)));
        assert_eq!(answer["end_date"], "2022-05-20T19:59:00.000000Z");
        assert_eq!(answer["unavailable"], json!([]));
        let lines = expected("msft")["indicators"].clone();
        for (name, line) in lines.as_object().unwrap() {
            let last = line["values"].as_array().unwrap().last().unwrap();
            // Half of the last place, and what is left of the 20 bars that were not taken in.
            near(&answer["indicators"][name], last, 0.000_06);
        }
        assert_eq!(answer["indicators"].as_object().unwrap().len(), 18);
        let close = MSFT.lines().last().unwrap().split(',').nth(4).unwrap();
        near(&answer["current_price"], &json!(close.parse::<f64>().unwrap()), 0.000_05);

        let some = api.get(&format!("{path}?indicators=rsi&indicators=macd&frequency=1min"));
        let some = some.json(200)["indicators"].clone();
        let names: Vec<&String> = some.as_object().unwrap().keys().collect();
        assert_eq!(names, ["macd", "macd_histogram", "macd_signal", "rsi"]);
    }

    fn lines_have_a_value_beside_each_bar_of_the_range(db: &TestDatabase) {
        let api = Api::new(db);
        let id = msft(&api);
        let path = format!("/api/v1/analytics/indicator-series/{id}");
        let all = api.get(&format!("{path}?max_records=10000")).json(200);
        assert_eq!(all["timestamps"].as_array().unwrap().len(), MSFT.lines().count() - 1);
        assert_eq!(all["unavailable"], json!([]));
        for (name, line) in expected("msft")["indicators"].as_object().unwrap() {
            let found = all["lines"][name].as_array().unwrap();
            let start = line["start"].as_u64().unwrap() as usize;
            assert!(found[..start].iter().all(Value::is_null), "{name}");
            assert!(found[start].is_number(), "{name}");
            let (at, values) = (line["at"].as_array().unwrap(), line["values"].as_array().unwrap());
            for (bar, value) in at.iter().zip(values) {
                near(&found[bar.as_u64().unwrap() as usize], value, 0.000_06);
            }
        }
        // The bars before a range are its past: all values are there, and they are the same.
        let range = format!("{path}?indicators=sma&indicators=macd&frequency=1min\
            &start=2022-05-20T15:00:00Z&end=2022-05-20T19:00:00Z");
        let part = api.get(&range).json(200);
        let stamps = part["timestamps"].as_array().unwrap();
        assert_eq!((stamps.len(), &stamps[0]), (240, &json!("2022-05-20T15:00:00.000000Z")));
        let first = all["timestamps"].as_array().unwrap().iter().position(|stamp| *stamp == stamps[0]).unwrap();
        let lines = part["lines"].as_object().unwrap();
        assert_eq!(lines.len(), 6);
        for (name, line) in lines {
            assert_eq!(line.as_array().unwrap()[..], all["lines"][name].as_array().unwrap()[first..first + 240], "{name}");
        }
        let newest = api.get(&format!("{range}&max_records=7")).json(200);
        assert_eq!(newest["timestamps"].as_array().unwrap()[..], stamps[233..]);
        let few = api.get(&format!("{path}?end=2022-05-18T18:00:00Z&indicators=ema")).json(200);
        let of_few = few["lines"]["ema_200"].as_array().unwrap();
        assert_eq!(of_few.len(), few["timestamps"].as_array().unwrap().len());
        assert_eq!(reason(&few, "ema_200")["reason"], "not_enough_data");
    }

    fn lines_of_what_cannot_be_are_refused_by_name(db: &TestDatabase) {
        let api = Api::new(db);
        let path = "/api/v1/analytics/indicator-series/1";
        for (query, place) in [
            ("max_records=0", "query.max_records"),
            ("max_records=10001", "query.max_records"),
            ("start=noon", "query.start"),
            ("end=noon", "query.end"),
            ("start=2022-05-19T00:00:00Z&end=2022-05-18T00:00:00Z", "query.start"),
            ("indicators=luck", "query.indicators"),
        ] {
            let detail = api.get(&format!("{path}?{query}")).detail(422);
            assert!(detail.starts_with(place), "{detail}");
        }
        assert_eq!(api.get("/api/v1/analytics/indicator-series/999").status, 404);
        let none = api.get(path).json(200);
        assert_eq!((&none["timestamps"], &none["lines"]["rsi"]), (&json!([]), &json!([])));
    }

    fn a_market_is_analysed_in_the_hours_before_its_newest_bar(db: &TestDatabase) {
        let api = Api::new(db);
        let id = msft(&api);
        let path = format!("/api/v1/analytics/market-analysis/{id}");
        let day = api.get(&format!("{path}?frequency=1min&lookback_hours=6")).json(200);
        assert_eq!((&day["bars"], &day["start_date"]), (&json!(360), &json!("2022-05-20T14:00:00.000000Z")));
        let of_day: Vec<Vec<f64>> = MSFT.lines().skip(1)
            .filter(|line| *line >= "2022-05-20 14:00")
            .map(|line| line.split(',').skip(1).map(|value| value.parse().unwrap()).collect())
            .collect();
        assert_eq!(of_day.len(), 360);
        let fold = |column: usize, fold: fn(f64, f64) -> f64| {
            json!(of_day.iter().map(|row| row[column]).reduce(fold).unwrap())
        };
        near(&day["high"], &fold(1, f64::max), 0.000_05);
        near(&day["low"], &fold(2, f64::min), 0.000_05);
        assert_eq!(day["volume"], fold(4, |a, b| a + b).as_f64().unwrap() as i64);
        let (open, close) = (of_day[0][0], of_day[359][3]);
        near(&day["open"], &json!(open), 0.000_05);
        near(&day["price_change_percent"], &json!((close / open - 1.0) * 100.0), 0.000_06);
        assert_eq!(day["periods_per_year_basis"], "calendar");
        assert_eq!(day["periods_per_year"], 98_280.0);
        let returns: Vec<f64> = of_day.windows(2).map(|two| (two[1][3] / two[0][3]).ln()).collect();
        let mean = returns.iter().sum::<f64>() / 359.0;
        let squares: f64 = returns.iter().map(|one| (one - mean).powi(2)).sum();
        near(&day["volatility"], &json!((squares / 358.0 * 98_280.0).sqrt()), 1e-7);
        // Indicators take in bars before the window.
        let last = expected("msft")["indicators"]["sma_200"]["values"].as_array().unwrap().last().cloned();
        near(&day["sma_200"], &last.unwrap(), 0.000_06);
        assert!(["up", "down", "sideways"].contains(&day["trend"].as_str().unwrap()));
        assert_eq!(day["cross"], expected("msft")["cross"]["kind"]);
        let ago = 1019 - expected("msft")["cross"]["bar"].as_i64().unwrap();
        assert_eq!(day["cross_bars_ago"], ago);
        let price = day["current_price"].as_f64().unwrap();
        let prices = |name: &str| {
            let levels = day[name].as_array().unwrap();
            levels.iter().map(|level| level["price"].as_f64().unwrap()).collect::<Vec<_>>()
        };
        let (support, resistance) = (prices("support_levels"), prices("resistance_levels"));
        assert!(!support.is_empty() && support.len() <= 5);
        assert!(support.is_sorted_by(|a, b| a > b) && support.iter().all(|one| *one < price));
        assert!(resistance.is_sorted() && resistance.iter().all(|one| *one > price));
        assert_eq!(day["unavailable"], json!([]));
    }

    fn risk_is_that_of_pandas_numpy_and_scipy(db: &TestDatabase) {
        let api = Api::new(db);
        let id = msft(&api);
        let risk = expected("msft")["risk"].clone();
        let base = "/api/v1/analytics";
        let query = "lookback_hours=100&frequency=1min&risk_free_rate=0.02";
        let answer = api.get(&format!("{base}/risk-metrics/{id}?{query}&benchmark_id={id}")).json(200);
        assert_eq!(answer["bars"], 1020);
        near(&answer["total_return"], &risk["total_return"], 1e-8);
        near(&answer["max_drawdown"], &risk["drawdown"]["depth"], 1e-8);
        let peak = answer["max_drawdown_peak_date"].as_str().unwrap();
        let peak: tickbase::Timestamp = peak.parse().unwrap();
        assert_eq!(Some(peak.micros()), risk["drawdown"]["peak_at"].as_i64());
        assert_eq!(answer["max_drawdown_recovery_date"], Value::Null);
        let scale = (98_280.0_f64 / 252.0).sqrt();
        let volatility = risk["volatility"].as_f64().unwrap() * scale;
        near(&answer["volatility"], &json!(volatility), 1e-7);
        near(&answer["beta"], &json!(1.0), 1e-12);
        assert_eq!((&answer["beta_observations"], &answer["benchmark_id"]), (&json!(1019), &json!(id)));
        for case in risk["value_at_risk"].as_array().unwrap() {
            for method in ["historical", "parametric", "monte_carlo"] {
                let body = json!({"instrument_id": id, "method": method, "lookback_hours": 100,
                    "confidence_level": case["confidence"], "horizon_bars": case["horizon"],
                    "frequency": "1min", "position_value": 1_000_000});
                let answer = api.post(&format!("{base}/calculate-var"), &body).json(200);
                near(&answer["value_at_risk"], &case[method][0], 1e-8);
                near(&answer["expected_shortfall"], &case[method][1], 1e-8);
                let amount = case[method][0].as_f64().unwrap() * 1e6;
                near(&answer["value_at_risk_amount"], &json!(amount), 0.01);
                assert_eq!((&answer["method"], &answer["observations"]), (&json!(method), &json!(1019)));
                if case["horizon"] == 1 && method == "historical" && case["confidence"] == 0.95 {
                    let metrics = api.get(&format!("{base}/risk-metrics/{id}?{query}")).json(200);
                    assert_eq!(metrics["var_95"], answer["value_at_risk"]);
                    assert_eq!(metrics["beta"], Value::Null);
                }
            }
        }
    }

    fn a_simulation_is_the_same_for_the_same_seed(db: &TestDatabase) {
        let api = Api::new(db);
        let id = msft(&api);
        let ask = |seed: u64| {
            let body = json!({"instrument_id": id, "method": "monte_carlo", "frequency": "1min",
                "lookback_hours": 100, "simulations": 2000, "seed": seed});
            api.post("/api/v1/analytics/calculate-var", &body).json(200)
        };
        assert_eq!(ask(1), ask(1));
        assert_ne!(ask(1)["value_at_risk"], ask(2)["value_at_risk"]);
    }

    fn a_volume_profile_has_its_control_and_its_area(db: &TestDatabase) {
        let api = Api::new(db);
        let id = msft(&api);
        let profile = &expected("msft")["profile"][0];
        let body = json!({"instrument_id": id, "lookback_hours": 100, "frequency": "1min"});
        let answer = api.post("/api/v1/analytics/volume-profile", &body).json(200);
        let buckets = answer["buckets"].as_array().unwrap();
        assert_eq!(buckets.len(), 24);
        let total = profile["total"].as_f64().unwrap();
        for (bucket, volume) in buckets.iter().zip(profile["volume"].as_array().unwrap()) {
            near(&bucket["volume"], volume, total * 1e-8);
        }
        let bucket = |name: &str| &buckets[profile[name].as_u64().unwrap() as usize];
        assert_eq!(answer["value_area_low"], bucket("first")["price_low"]);
        assert_eq!(answer["value_area_high"], bucket("last")["price_high"]);
        let control = answer["point_of_control"].as_f64().unwrap();
        assert!(bucket("control")["price_low"].as_f64().unwrap() < control);
        assert!(bucket("control")["price_high"].as_f64().unwrap() > control);
        assert!(answer["value_area_volume"].as_f64().unwrap() >= 0.7 * total);
    }

    fn instruments_are_correlated_where_both_have_bars(db: &TestDatabase) {
        let api = Api::new(db);
        sp500(&api);
        let id = msft(&api);
        // The index's own days, every second one and half the price, for another index.
        let halves = SP500.lines().skip(1).step_by(2).map(|line| {
            let values: Vec<&str> = line.split(',').collect();
            let date: Vec<u16> = values[0].split('/').map(|part| part.parse().unwrap()).collect();
            let half = (values[4].parse::<f64>().unwrap() / 2.0).to_string();
            let stamp = format!("{}-{:02}-{:02}T00:00:00Z", date[2], date[0], date[1]);
            bar(7, Frequency::OneDay, &stamp, &[&half, &half, &half, &half, "1"])
        });
        insert(&api, &halves.collect::<Vec<_>>());
        let path = format!("/api/v1/analytics/correlation-matrix?instrument_ids={SPX}&\
            instrument_ids=7&instrument_ids={id}");
        let answer = api.get(&path).json(200);
        assert_eq!(answer["instrument_symbols"], json!(["SPX", "NDX", "MSFT"]));
        let matrix = &answer["matrix"];
        near(&matrix[0][0], &json!(1.0), 1e-8);
        near(&matrix[0][1], &json!(1.0), 1e-8);
        assert_eq!(matrix[0][1], matrix[1][0]);
        assert_eq!(matrix[0][2], Value::Null);
        let why = reason(&answer, "matrix[0][2]");
        assert_eq!((&why["reason"], &why["given"]), (&json!("not_enough_data"), &json!(0)));
        let counts = &answer["observations"];
        let count = |row: usize, column: usize| counts[row][column].as_i64().unwrap();
        assert!(count(0, 1) < count(0, 0) && count(0, 1) <= count(1, 1) && count(0, 1) > 100);
        // A series of a year tells its own bars of a year.
        let year = api.get(&format!("/api/v1/analytics/risk-metrics/{SPX}")).json(200);
        assert_eq!(year["periods_per_year_basis"], "observed");
        near(&year["periods_per_year"], &json!(252.0), 4.0);
    }

    fn too_little_data_is_an_answer_with_its_reasons(db: &TestDatabase) {
        let api = Api::new(db);
        for path in ["market-analysis/1", "risk-metrics/1", "real-time-indicators/1"] {
            let answer = api.get(&format!("/api/v1/analytics/{path}")).json(200);
            assert_eq!((&answer["bars"], &answer["end_date"]), (&json!(0), &Value::Null));
            let reasons = answer["unavailable"].as_array().unwrap();
            assert!(!reasons.is_empty());
            for why in reasons {
                assert_eq!(why["reason"], "not_enough_data", "{why}");
                assert_eq!(why["given"], 0);
                let field = why["field"].as_str().unwrap();
                let value = answer.get(field).unwrap_or(&answer["indicators"][field]);
                assert_eq!(*value, Value::Null, "{field}");
            }
        }
        let rsi = api.get("/api/v1/analytics/real-time-indicators/1?indicators=rsi").json(200);
        assert_eq!(reason(&rsi, "rsi"), json!({"field": "rsi", "reason": "not_enough_data",
            "message": "it takes 15 values, and there are 0", "needed": 15, "given": 0}));
        let body = json!({"instrument_id": 1});
        let risk = api.post("/api/v1/analytics/calculate-var", &body).json(200);
        assert_eq!(reason(&risk, "value_at_risk")["needed"], 21);
        let profile = api.post("/api/v1/analytics/volume-profile", &body).json(200);
        assert_eq!((&profile["buckets"], &profile["total_volume"]), (&json!([]), &Value::Null));
        let same = "instrument_ids=1&instrument_ids=2";
        let matrix = api.get(&format!("/api/v1/analytics/correlation-matrix?{same}")).json(200);
        assert_eq!(matrix["matrix"], json!([[null, null], [null, null]]));
    }

    fn prices_that_stand_still_or_fall_below_zero_have_reasons_too(db: &TestDatabase) {
        let api = Api::new(db);
        let still = |id: i64, price: &'static str| {
            let of = |minute: i32| {
                let stamp = format!("2020-04-20T{:02}:{:02}:00Z", minute / 60, minute % 60);
                bar(id, Frequency::OneMinute, &stamp, &[price, price, price, price, "0"])
            };
            insert(&api, &(0..120).map(of).collect::<Vec<_>>());
        };
        still(1, "5");
        still(4, "-37.63");
        let risk = |id| {
            let query = "frequency=1min&lookback_hours=2";
            api.get(&format!("/api/v1/analytics/risk-metrics/{id}?{query}")).json(200)
        };
        assert_eq!(risk(1)["volatility"], 0.0);
        assert_eq!(reason(&risk(1), "sharpe_ratio")["reason"], "no_variance");
        for field in ["volatility", "total_return", "max_drawdown", "var_95"] {
            assert_eq!(risk(4)[field], Value::Null);
            assert_eq!(reason(&risk(4), field)["reason"], "price_not_positive", "{field}");
        }
        let path = "/api/v1/analytics/volume-profile";
        let body = json!({"instrument_id": 1, "frequency": "1min"});
        let profile = api.post(path, &body).json(200);
        assert_eq!(reason(&profile, "total_volume")["reason"], "no_volume");
    }

    fn oscillators_of_a_flat_series_are_null_because_nothing_varies(db: &TestDatabase) {
        let api = Api::new(db);
        let day = |day: i64| {
            let stamp = Timestamp::from_micros((19_723 + day) * 86_400_000_000).unwrap();
            bar(1, Frequency::OneDay, &stamp.to_string(), &["100", "100", "100", "100", "10"])
        };
        insert(&api, &(0..60).map(day).collect::<Vec<_>>());
        let get = |path: &str| api.get(&format!("/api/v1/analytics/{path}/1?frequency=1d"));
        let answer = get("real-time-indicators");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("-0.0"), "{text}");
        let answer = answer.json(200);
        for field in ["rsi", "stochastic_k", "stochastic_d", "williams_r", "adx"] {
            assert_eq!(answer["indicators"][field], Value::Null, "{answer}");
            let reason = reason(&answer, field);
            assert_eq!((&reason["reason"], &reason["message"]),
                (&json!("no_variance"), &json!("nothing varies")), "{field}");
        }
        assert_eq!(answer["indicators"]["sma_20"], 100.0);
        let market = get("market-analysis").json(200);
        assert_eq!(market["trend"], "sideways");
        assert_eq!(reason(&market, "trend_strength")["reason"], "no_variance");
    }

    fn what_is_asked_wrongly_is_refused_by_name(db: &TestDatabase) {
        let api = Api::new(db);
        let get = |path: &str| api.get(&format!("/api/v1/analytics/{path}"));
        for path in ["market-analysis/99", "real-time-indicators/99", "risk-metrics/99",
            "risk-metrics/1?benchmark_id=99", "correlation-matrix?instrument_ids=1&instrument_ids=99"] {
            assert!(get(path).detail(404).starts_with("instrument 99 not found"), "{path}");
        }
        for (path, name) in [
            ("market-analysis/x", "path.instrument_id"),
            ("market-analysis/1?lookback_hours=0", "query.lookback_hours"),
            ("market-analysis/1?lookback_hours=8761", "query.lookback_hours"),
            ("market-analysis/1?frequency=2min", "query.frequency"),
            ("market-analysis/1?frequency=1min&lookback_hours=8760", "query.frequency"),
            ("market-analysis/1?frequency=1w", "query.frequency"),
            ("market-analysis/1?colour=red", "query.colour"),
            ("real-time-indicators/1?indicators=rsi&indicators=vwap", "query.indicators"),
            ("risk-metrics/1?risk_free_rate=NaN", "query.risk_free_rate"),
            ("risk-metrics/1?risk_free_rate=2", "query.risk_free_rate"),
            ("correlation-matrix?instrument_ids=1", "query.instrument_ids"),
            ("correlation-matrix?instrument_ids=1&instrument_ids=1", "query.instrument_ids"),
            ("correlation-matrix", "query"),
        ] {
            let said = get(path).detail(422);
            assert!(said.starts_with(name), "{path}: {said}");
        }
        for (body, name) in [
            (json!({}), "body"),
            (json!({"instrument_id": 1, "confidence_level": 1}), "body.confidence_level"),
            (json!({"instrument_id": 1, "horizon_bars": 0}), "body.horizon_bars"),
            (json!({"instrument_id": 1, "simulations": 10}), "body.simulations"),
            (json!({"instrument_id": 1, "position_value": -1}), "body.position_value"),
            (json!({"instrument_id": 1, "method": "guess"}), "body.method"),
        ] {
            let said = api.post("/api/v1/analytics/calculate-var", &body).detail(422);
            assert!(said.starts_with(name), "{body}: {said}");
        }
        // JSON knows no difference between 7 and 7.0, and the largest seed is that of the document.
        let whole = json!({"instrument_id": 1.0, "horizon_bars": 2.0, "lookback_hours": 24.0,
            "simulations": 1000.0, "seed": i64::MAX, "method": "monte_carlo"});
        assert_eq!(api.post("/api/v1/analytics/calculate-var", &whole).json(200)["horizon_bars"], 2);
        let whole = json!({"instrument_id": 1.0, "lookback_hours": 24.0, "buckets": 7.0});
        api.post("/api/v1/analytics/volume-profile", &whole).json(200);
        for (name, value) in [("seed", json!(1_u64 << 63)), ("seed", json!(-1)),
            ("simulations", json!(1000.5)), ("horizon_bars", json!(70_000)), ("instrument_id", json!("1"))] {
            let mut body = json!({"instrument_id": 1});
            body[name] = value;
            let said = api.post("/api/v1/analytics/calculate-var", &body).detail(422);
            assert!(said.starts_with(&format!("body.{name}: ")) && said.contains("whole number"), "{said}");
        }
        let body = json!({"instrument_id": 1, "buckets": 1001});
        let said = api.post("/api/v1/analytics/volume-profile", &body).detail(422);
        assert!(said.starts_with("body.buckets"), "{said}");
        assert_eq!(api.post("/api/v1/analytics/volume-profile", &json!({"instrument_id": 99})).status, 404);
    }

    fn questions_with_a_body_are_reads_and_need_no_token_for_writes(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.token = Some(Token::new("0123456789abcdef0123456789abcdef").unwrap());
        });
        let body = json!({"instrument_id": 1});
        assert_eq!(api.post("/api/v1/analytics/calculate-var", &body).status, 200);
        assert_eq!(api.post("/api/v1/analytics/volume-profile", &body).status, 200);
        let add = json!({"symbol": "A", "name": "a", "type": "fx"});
        assert_eq!(api.post("/api/instruments", &add).status, 401);
    }
}
