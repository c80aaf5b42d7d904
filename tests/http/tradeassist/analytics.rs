//! `/api/v1/analytics` in the contract of TradeAssist: what was recorded, asked again; and figures
//! that nobody recorded.

use serde_json::{Value, json};
use tickbase::config::ApiContract;
use tickbase::domain::{Bar, Frequency, RawBar};

use super::shape::{Recorded, same_shape};
use crate::api::client::{Api, post};
use crate::support::{TestDatabase, insert_bars, on_both};

const MSFT: &str = include_str!("../../fixtures/analytics/msft-1min.csv");
const SP500: &str = include_str!("../../fixtures/analytics/sp500-daily.csv");
const EXPECTED: &str = include_str!("../../fixtures/analytics/expected.json");
const BASE: &str = "/api/v1/analytics";
/// Seeded instruments: ES gets minutes, NQ and YM get days, RTY gets nothing.
const ES: i64 = 1;
const NQ: i64 = 2;
const YM: i64 = 3;

pub(super) fn tradeassist(db: &TestDatabase) -> Api {
    Api::with(db, |settings| {
        settings.server.contract = ApiContract::TradeAssist;
    })
}

fn bar(instrument_id: i64, frequency: Frequency, stamp: &str, values: [&str; 5]) -> Bar {
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
        volume: Some(values[4].parse().unwrap()),
        open_interest: None,
    };
    Bar::try_from(raw).unwrap()
}

/// Days of the S&P 500 by their fields, oldest first.
fn days() -> Vec<(String, Vec<&'static str>)> {
    let lines = SP500.lines().skip(1).map(|line| {
        let (date, values) = line.split_once(',').unwrap();
        let date: Vec<u16> = date.split('/').map(|part| part.parse().unwrap()).collect();
        let stamp = format!("{}-{:02}-{:02}T00:00:00Z", date[2], date[0], date[1]);
        (stamp, values.split(',').collect())
    });
    lines.collect()
}

/// A thousand minutes for ES, four years of days for NQ, and for YM the days of NQ, closed at their
/// lows.
pub(super) fn fill(api: &Api) {
    let minutes = MSFT.lines().skip(1).map(|line| {
        let values: Vec<&str> = line.split(',').collect();
        let stamp = values[0].replace(' ', "T");
        bar(
            ES,
            Frequency::OneMinute,
            &stamp,
            values[1..6].try_into().unwrap(),
        )
    });
    let days = days();
    let closed_at = |id, column: usize| {
        days.iter().map(move |(stamp, of)| {
            let values = [of[0], of[1], of[2], of[column], of[5]];
            bar(id, Frequency::OneDay, stamp, values)
        })
    };
    let bars = minutes.chain(closed_at(NQ, 3)).chain(closed_at(YM, 2));
    let bars: Vec<Bar> = bars.collect();
    let report = insert_bars(api.app.database(), &bars).unwrap();
    assert_eq!(report.inserted, bars.len());
}

/// Closes of the last days.
fn closes(days_back: usize) -> Vec<f64> {
    let days = days();
    let days = days[days.len() - days_back..].iter();
    days.map(|(_, of)| of[3].parse().unwrap()).collect()
}

#[track_caller]
fn near(found: &Value, expected: f64, difference: f64) {
    let found = found.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= difference,
        "{found}, expected {expected}"
    );
}

/// Values that follow from the request alone.
const ECHOED: [&str; 18] = [
    "/instrument_id",
    "/instrument_symbol",
    "/instrument_ids",
    "/instrument_symbols",
    "/lookback_hours",
    "/portfolio_id",
    "/analysis_details/lookback_days_requested",
    "/analysis_details/benchmark_id",
    "/requested_lookback_days",
    "/confidence_level",
    "/time_horizon_days",
    "/method",
    "/current_position",
    "/portfolio_value",
    "/scenarios_tested",
    "/status",
    "/services",
    "/detail",
];

/// The same of the items of a list.
const ECHOED_OF_ITEMS: [(&str, &[&str]); 3] = [
    ("/technical_indicators", &["type", "metadata"]),
    ("/indicators", &["type", "metadata"]),
    (
        "/stress_test_results",
        &["scenario_name", "shock_magnitude"],
    ),
];

fn is_cut(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("... "))
}

/// Whether they are the same, as far as lists were not cut, and where something was recorded.
fn agree(recorded: &Value, ours: &Value) -> bool {
    match (recorded, ours) {
        (Value::Array(before), Value::Array(now)) => {
            let pairs = before
                .iter()
                .zip(now)
                .take_while(|(before, _)| !is_cut(before));
            let is_complete = before.len() == now.len() || before.last().is_some_and(is_cut);
            is_complete && pairs.into_iter().all(|(before, now)| agree(before, now))
        }
        (Value::Object(before), Value::Object(now)) => before
            .iter()
            .all(|(name, before)| agree(before, &now[name])),
        (before, now) => before == now,
    }
}

#[track_caller]
fn assert_echoed(recorded: &Value, ours: &Value) {
    for place in ECHOED {
        if let Some(before) = recorded.pointer(place) {
            let now = ours.pointer(place).unwrap_or(&Value::Null);
            assert!(agree(before, now), "{place}: {before}, and now {now}");
        }
    }
    for (list, names) in ECHOED_OF_ITEMS {
        let items = recorded.pointer(list).and_then(Value::as_array);
        let items = items.into_iter().flatten().filter(|item| !is_cut(item));
        for (at, before) in items.enumerate() {
            for name in names {
                let now = &ours.pointer(list).unwrap()[at][name];
                assert!(agree(&before[name], now), "{list} {at} {name}: {now}");
            }
        }
    }
}

/// What the original never answered, but says in its code: its volume profile had no ticks.
const PROFILE: &str = r#"{"timestamp": "2026-11-28T17:59:33.934631", "instrument_id": 1,
    "instrument_symbol": "ES", "analysis_period_hours": 24, "point_of_control": 1.0,
    "value_area_high": 1.0, "value_area_low": 1.0, "total_volume": 1, "price_levels": [1.0],
    "volume_at_price": [1], "price_bins": 100}"#;
const CLASSIFIED: &str = r#"{"timestamp": "2026-11-28T17:59:33.934631", "instrument_id": 1,
    "instrument_symbol": "ES", "trend": "bullish", "confidence": 1.0, "trend_slope": 1.0,
    "volatility": 1.0, "momentum": 1.0, "analysis_period": "20_periods"}"#;
const UNCLASSIFIED: &str = r#"{"timestamp": "2026-11-28T17:59:33.934631", "instrument_id": 1,
    "instrument_symbol": "ES", "trend": "unknown", "confidence": 0.0}"#;
const COSTS: &str = r#"{"timestamp": "2026-11-28T17:59:33.934631", "instrument_id": 1,
    "instrument_symbol": "ES", "analysis_period_minutes": 60, "microstructure_metrics":
    {"bid_ask_spread": 1.0, "market_impact": 1.0, "order_flow_imbalance": 0.0,
    "effective_spread": 1.0, "price_improvement": 0.0, "fill_rate": 1.0}}"#;

on_both! {
    fn what_was_recorded_is_answered_again(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let all = Recorded::all(|path| path.contains("/analytics/"));
        assert_eq!(all.len(), 33);
        for recorded in all {
            let answer = recorded.ask(&api);
            let asked = format!("{} {} {}", recorded.method, recorded.path, recorded.body);
            if recorded.path.ends_with("/volume-profile") && recorded.status == 404 {
                assert_eq!(answer.status, 200, "{asked}: {}", answer.text());
                continue;
            }
            assert_eq!(answer.status, recorded.status, "{asked}: {}", answer.text());
            same_shape(recorded.answer.get(), &answer.text());
            assert_echoed(&recorded.json(), &answer.json(recorded.status));
        }
    }

    fn what_was_not_recorded_has_the_shape_of_the_code(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let profile = json!({"instrument_id": "1", "price_bins": 100, "unknown": true});
        let profile = api.post(&format!("{BASE}/volume-profile"), &profile);
        same_shape(PROFILE, &profile.text());
        let profile = profile.json(200);
        let list = |name: &str| profile[name].as_array().unwrap().clone();
        assert_eq!((list("price_levels").len(), list("volume_at_price").len()), (100, 99));
        let sum: i64 = list("volume_at_price").iter().map(|it| it.as_i64().unwrap()).sum();
        near(&profile["total_volume"], sum as f64, 50.0);
        let [low, control, high] = ["value_area_low", "point_of_control", "value_area_high"]
            .map(|name| profile[name].as_f64().unwrap());
        assert!(low < control && control < high, "{profile}");

        let trend = api.get(&format!("{BASE}/trend-classification/{ES}"));
        same_shape(CLASSIFIED, &trend.text());
        let nothing = api.get(&format!("{BASE}/trend-classification/5"));
        same_shape(UNCLASSIFIED, &nothing.text());
        assert_eq!(nothing.json(200)["trend"], "unknown");
        for (path, detail) in [
            ("trend-classification/999", "Instrument not found"),
            ("market-microstructure/999", "Instrument not found"),
            ("anomaly-detection/999", "Instrument not found"),
            ("market-microstructure/5", "Unable to calculate market microstructure"),
            ("correlation-matrix?instrument_ids=1&instrument_ids=5", "Unable to calculate correlation matrix"),
            ("correlation-matrix?instrument_ids=999&instrument_ids=1&instrument_ids=998", "Instruments not found: [998, 999]"),
        ] {
            assert_eq!(api.get(&format!("{BASE}/{path}")).detail(404), detail, "{path}");
        }
        let missing = api.get(&format!("{BASE}/correlation-matrix")).detail(422);
        assert_eq!(missing, "query.instrument_ids: Field required");
        let many = "instrument_ids=1&".repeat(101);
        let many = api.get(&format!("{BASE}/correlation-matrix?{many}")).detail(422);
        assert_eq!(many, "query.instrument_ids: List should have at most 100 items after validation, not 101");
    }

    fn predictions_are_refused_in_the_words_of_the_original(db: &TestDatabase) {
        let api = tradeassist(db);
        let predict = |body: Value| api.post(&format!("{BASE}/predict-price"), &body);
        let asked = json!({"instrument_id": 1, "model_type": "oracle", "horizon": "1_day"});
        assert_eq!(predict(asked).detail(400), "Invalid parameter: 'oracle' is not a valid ModelType");
        let asked = json!({"instrument_id": 1, "horizon": "1_day"});
        assert_eq!(predict(asked).detail(404), "Unable to generate prediction");
        assert_eq!(predict(json!({"instrument_id": 999})).detail(404), "Instrument not found");
        let asked = json!({"confidence_threshold": 2});
        assert_eq!(predict(asked).json(422)["detail"].as_array().unwrap().len(), 2);
    }

    fn indicators_are_those_of_the_library(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let names = ["rsi", "macd", "bollinger_bands", "moving_average", "stochastic", "williams_r", "atr", "adx"];
        let query: Vec<String> = names.iter().map(|name| format!("indicators={name}")).collect();
        let path = format!("{BASE}/real-time-indicators/{ES}?{}", query.join("&"));
        let answer = api.get(&path).json(200);
        let expected: Value = serde_json::from_str(EXPECTED).unwrap();
        let last = |name: &str| {
            let values = &expected["msft"]["indicators"][name]["values"];
            values.as_array().unwrap().last().unwrap().as_f64().unwrap()
        };
        let value = |at: usize, name: &str| answer["indicators"][at]["values"][name].clone();
        for (at, name, of) in [
            (0, "rsi", "rsi"), (1, "macd", "macd"), (1, "signal", "macd_signal"),
            (1, "histogram", "macd_histogram"), (2, "upper_band", "bollinger_upper"),
            (2, "middle_band", "bollinger_middle"), (2, "lower_band", "bollinger_lower"),
            (3, "ma_20", "sma_20"), (3, "ma_50", "sma_50"), (3, "ma_200", "sma_200"),
            (4, "k_percent", "stochastic_k"), (4, "d_percent", "stochastic_d"),
            (5, "williams_r", "williams_r"), (6, "atr", "atr"), (7, "adx", "adx"),
        ] {
            // Half of the last place of prices, and what is left of the 20 bars not taken in.
            near(&value(at, name), last(of), 0.000_06);
        }
        let close: f64 = MSFT.lines().last().unwrap().split(',').nth(4).unwrap().parse().unwrap();
        near(&value(6, "atr_percent"), last("atr") / close * 100.0, 1e-6);
        let width = (last("bollinger_upper") - last("bollinger_lower")) / last("bollinger_middle");
        near(&value(2, "bandwidth"), width * 100.0, 1e-6);
        assert_eq!(api.get(&format!("{BASE}/real-time-indicators/5")).json(200)["indicators"], json!([]));
    }

    fn a_market_is_analysed_in_words_and_percent(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let answer = api.get(&format!("{BASE}/market-analysis/{ES}?lookback_hours=16")).json(200);
        let trend = &answer["trend_analysis"];
        let number = |of: &Value| of.as_f64().unwrap();
        for (word, average) in [("short_term", "ma_20"), ("medium_term", "ma_50")] {
            let is_above = number(&trend["current_price"]) > number(&trend[average]);
            assert_eq!(trend[word], if is_above { "bullish" } else { "bearish" });
        }
        let rows: Vec<f64> = MSFT.lines().skip(1).map(|it| it.split(',').nth(4).unwrap().parse().unwrap()).collect();
        let [before, last] = [rows[rows.len() - 21], rows[rows.len() - 1]];
        near(&trend["trend_strength_20d"], (last / before - 1.0) * 100.0, 1e-9);
        let of = &answer["volatility_metrics"];
        // ES is a future: 252 days of 23 hours.
        let a_day = number(&of["volatility_annualized"]) / 252_f64.sqrt();
        near(&of["daily_volatility"], a_day, 1e-9);
        near(&of["volatility_rank"], (number(&of["volatility_annualized"]) / 20.0).min(5.0), 1e-9);
        for (name, is_beyond) in [("support", f64::lt as fn(&f64, &f64) -> bool), ("resistance", f64::gt)] {
            let levels: Vec<f64> = answer["support_resistance"][name].as_array().unwrap().iter().map(number).collect();
            assert!((1..=3).contains(&levels.len()), "{levels:?}");
            assert!(levels.iter().all(|level| is_beyond(level, &last)), "{levels:?}");
        }
    }

    fn risk_is_that_of_the_days(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let path = format!("{BASE}/risk-metrics/{NQ}?lookback_days=252&benchmark_id={NQ}");
        let answer = api.get(&path).json(200);
        assert_eq!(answer["analysis_details"]["data_period_days"], 251);
        let risk = &answer["risk_metrics"];
        near(&risk["beta"], 1.0, 1e-9);
        near(&risk["correlation_to_market"], 1.0, 1e-9);
        near(&risk["tracking_error"], 0.0, 1e-12);
        let closes = closes(252);
        let mut returns: Vec<f64> = closes.windows(2).map(|two| two[1] / two[0] - 1.0).collect();
        let mean = returns.iter().sum::<f64>() / 251.0;
        let moment = |power: i32| returns.iter().map(|it| (it - mean).powi(power)).sum::<f64>();
        let deviation = (moment(2) / 250.0).sqrt();
        near(&risk["skewness"], 251.0 / (250.0 * 249.0) * moment(3) / deviation.powi(3), 1e-9);
        returns.sort_by(f64::total_cmp);
        // The quantile at 0.05 of 251 values is between the 13th and the 14th.
        let quantile = returns[12] + 0.5 * (returns[13] - returns[12]);
        near(&risk["var_95"], -quantile * 1e4, 1e-6);
        near(&risk["cvar_95"], -returns[..13].iter().sum::<f64>() / 13.0 * 1e4, 1e-6);
        let peaks = closes.iter().scan(0.0_f64, |peak, close| {
            *peak = peak.max(*close);
            Some(close / *peak - 1.0)
        });
        near(&risk["max_drawdown"], peaks.fold(0.0, f64::min), 1e-9);

        let ask = |body: Value| api.post(&format!("{BASE}/calculate-var"), &body);
        let at = |confidence: f64, method: &str| {
            let body = json!({"instrument_id": NQ, "confidence_level": confidence, "method": method,
                "time_horizon_days": 4, "position_size": "1000"});
            ask(body).json(200)
        };
        let historical = at(0.95, "historical");
        near(&historical["var_amount"], -quantile * 1e3 * 2.0, 1e-6);
        near(&historical["metadata"]["mean_return"], mean, 1e-12);
        near(&historical["metadata"]["std_return"], deviation, 1e-12);
        for method in ["historical", "parametric", "monte_carlo"] {
            let amounts = [0.95, 0.99, 0.999].map(|it| at(it, method)["var_amount"].as_f64().unwrap());
            assert!(amounts.is_sorted(), "{method}: {amounts:?}");
        }
        let few = json!({"instrument_id": 5});
        assert_eq!(ask(few).detail(404), "Unable to calculate VaR");
    }

    fn a_matrix_stands_on_the_days_that_all_have(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let ids = format!("instrument_ids={NQ}&instrument_ids={YM}");
        let answer = api.get(&format!("{BASE}/correlation-matrix?{ids}&lookback_days=100")).json(200);
        assert_eq!(answer["analysis_period_days"], 99);
        let one = answer["correlation_matrix"][0][1].as_f64().unwrap();
        assert!(one > 0.1 && one < 1.0, "{one}");
        near(&answer["eigenvalues"][0], 1.0 + one, 1e-12);
        near(&answer["eigenvalues"][1], 1.0 - one, 1e-12);
        near(&answer["condition_number"], (1.0 + one) / (1.0 - one), 1e-6);
        // The same twice has no inverse; one without days is left out.
        let twice = format!("{ids}&instrument_ids={NQ}&instrument_ids=5");
        let answer = api.get(&format!("{BASE}/correlation-matrix?{twice}")).json(200);
        assert_eq!(answer["instrument_ids"], json!([NQ, YM, NQ]));
        assert_eq!(answer["condition_number"], Value::Null);
    }

    fn scenarios_shock_the_newest_price(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let ask = |body: Value| api.post(&format!("{BASE}/stress-test"), &body);
        let answer = ask(json!({"instrument_id": NQ})).json(200);
        let results = answer["stress_test_results"].as_array().unwrap();
        let names: Vec<&str> = results.iter().map(|it| it["scenario_name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Market Crash (-20%)", "Market Correction (-10%)", "Flash Crash (-5%)",
            "Volatility Spike (+50%)", "Interest Rate Shock", "Currency Crisis"]);
        let closes = closes(252);
        let last = closes[251];
        near(&results[0]["original_value"], last, 0.000_051);
        near(&results[0]["stressed_value"], last * 0.8, 0.000_051);
        near(&results[0]["loss_percentage"], -0.2, 1e-12);
        let returns: Vec<f64> = closes.windows(2).map(|two| (two[1] / two[0]).ln()).collect();
        let mean = returns.iter().sum::<f64>() / 251.0;
        let deviation = (returns.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 250.0).sqrt();
        near(&results[3]["loss_percentage"], -1.644_853_626_951_472_6 * 1.5 * deviation, 1e-9);
        let days = (-(0.95_f64.ln()) / (0.674_489_750_196_081_7 * deviation)).powi(2).ceil();
        assert_eq!(results[2]["recovery_time_estimate_days"], days as i64);

        let own = json!({"instrument_id": NQ, "scenarios": [{"shock_magnitude": -6.85}, {"name": "up", "type": "multiplicative", "shock_magnitude": 0.1}]});
        let own = ask(own).json(200);
        let [first, second] = [0, 1].map(|at| own["stress_test_results"][at].clone());
        assert_eq!(first["scenario_name"], "Unknown Scenario");
        near(&first["stressed_value"], last - 6.85, 0.000_051);
        assert_eq!((&second["scenario_name"], &second["recovery_time_estimate_days"]), (&json!("up"), &Value::Null));
        let odd = json!({"instrument_id": NQ, "scenarios": [{}, {"shock_magnitude": "much"}, 5]});
        assert!(ask(odd).detail(422).starts_with("body.scenarios.1: Input should be a valid number"));
        let nothing = ask(json!({"instrument_id": 5})).json(200);
        assert_eq!((&nothing["scenarios_tested"], &nothing["stress_test_results"]), (&json!(0), &json!([])));
    }

    fn bars_that_stand_apart_come_first(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let answer = api.get(&format!("{BASE}/anomaly-detection/{ES}?lookback_hours=16")).json(200);
        let found = answer["anomalies"].as_array().unwrap();
        assert!(!found.is_empty() && found.len() <= 10);
        assert_eq!(answer["anomalies_detected"], found.len());
        let scores: Vec<f64> = found.iter().map(|it| it["anomaly_score"].as_f64().unwrap()).collect();
        assert!(scores.is_sorted() && scores.iter().all(|score| *score <= 0.0), "{scores:?}");
        for anomaly in found {
            let is_severe = anomaly["anomaly_score"].as_f64().unwrap() < -0.5;
            assert_eq!(anomaly["severity"], if is_severe { "high" } else { "medium" });
            let stamp = anomaly["timestamp"].as_str().unwrap().replace('T', " ");
            let line = MSFT.lines().find(|line| line.starts_with(&stamp[..16])).unwrap();
            let close: f64 = line.split(',').nth(4).unwrap().parse().unwrap();
            near(&anomaly["features"]["close"], close, 0.000_051);
        }
        let none = api.get(&format!("{BASE}/anomaly-detection/5")).json(200);
        assert_eq!((&none["anomalies_detected"], &none["anomalies"]), (&json!(0), &json!([])));
    }

    fn costs_of_trades_come_from_quotes(db: &TestDatabase) {
        // Two hours before the others, with a spread that would be seen.
        let old = json!({"instrument_id": YM, "timestamp": "2013-09-03T08:00:00Z", "sequence": 0,
            "price": 100, "volume": 9, "bid": 10, "ask": 900});
        let quoted = (0..40).map(|second| {
            let middle = 100.0 + f64::from(second) * 0.5;
            json!({"instrument_id": YM, "timestamp": format!("2013-09-03T10:{:02}:{:02}Z", second / 20, second % 20 * 3),
                "sequence": 0, "price": middle + 0.25, "volume": 2, "bid": middle - 0.25, "ask": middle + 0.25})
        });
        let ticks: Vec<Value> = quoted.chain([old]).collect();
        let native = Api::new(db);
        let body = json!(ticks).to_string();
        let report = native.send(post("/api/market-data", "application/json", body)).json(200);
        assert_eq!(report["inserted"], 41);
        drop(native);
        let api = tradeassist(db);
        let path = format!("{BASE}/market-microstructure/{YM}");
        let answer = api.get(&path);
        same_shape(COSTS, &answer.text());
        let costs = &answer.json(200)["microstructure_metrics"];
        for (name, expected) in [("bid_ask_spread", 0.5), ("effective_spread", 0.5), ("market_impact", 1.0),
            ("order_flow_imbalance", 1.0), ("price_improvement", 0.0), ("fill_rate", 1.0)] {
            near(&costs[name], expected, 1e-9);
        }
        assert_eq!(api.get(&format!("{path}?lookback_minutes=4")).status, 422);
        let day = api.get(&format!("{path}?lookback_minutes=1440")).json(200);
        assert!(day["microstructure_metrics"]["bid_ask_spread"].as_f64().unwrap() > 20.0, "{day}");
    }
}
