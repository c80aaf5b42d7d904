//! What FastAPI and pydantic take, and in which words they refuse: values, ranges and lists beside
//! those that were recorded; and texts and figures of alerts.

use serde_json::{Value, json};

use super::analytics::tradeassist;
use crate::api::client::{Api, post};
use crate::support::on_both;

const FETCH: &str = "/api/v1/historical-data/fetch";
const SAVE: &str = "/api/v1/historical-data/queries/save";

/// Type, place and text of each problem of a refusal.
fn problems(answer: &Value) -> Vec<(String, Value, String)> {
    let all = answer["detail"].as_array().unwrap().iter();
    let text = |of: &Value| of.as_str().unwrap().to_owned();
    let all =
        all.inspect(|of| assert!(of.get("input").is_some() && of.get("url").is_some(), "{of}"));
    all.map(|of| (text(&of["type"]), of["loc"].clone(), text(&of["msg"])))
        .collect()
}

/// The only problem of a refusal: its type and text.
fn problem(answer: &Value) -> (String, String) {
    let [(kind, _, text)] = problems(answer).try_into().unwrap();
    (kind, text)
}

fn ticks(native: &Api, ticks: &Value) {
    let request = post("/api/market-data", "application/json", ticks.to_string());
    native.send(request).json(200);
}

on_both! {
    fn a_range_the_wrong_way_round_holds_nothing(db: &TestDatabase) {
        let api = tradeassist(db);
        let path = "/api/alerts?start_date=2026-12-01&end_date=2026-11-01&page=3&per_page=7";
        let expected = json!({"alerts": [], "total": 0, "has_more": false, "page": 3, "limit": 7});
        assert_eq!(api.get(path).json(200), expected);
        assert_eq!(api.get("/api/alerts?end_date=9999-12-31").json(200)["total"], 0);
        let body = json!({"name": "back", "symbols": ["ES"],
            "start_date": "2026-12-01T00:00:00", "end_date": "2026-11-01T00:00:00"});
        let saved = api.post(SAVE, &body).json(200)["query_id"].clone();
        let loaded = api.get(&format!("/api/v1/historical-data/queries/{saved}")).json(200);
        assert_eq!(loaded["query"]["end_date"], "2026-11-01T00:00:00");
    }

    fn moments_may_be_numbers(db: &TestDatabase) {
        let api = tradeassist(db);
        for (given, shown) in [
            (json!(1_767_312_000_000_i64), "2026-01-02T00:00:00Z"),
            (json!(1_767_312_000), "2026-01-02T00:00:00Z"),
            (json!("1767312000"), "2026-01-02T00:00:00Z"),
            (json!(1.5), "1970-01-01T00:00:01.500000Z"),
            (json!(0), "1970-01-01T00:00:00Z"),
            (json!(-1), "1969-12-31T23:59:59Z"),
        ] {
            let body = json!({"symbols": ["ES"], "start_date": given});
            assert_eq!(api.post(FETCH, &body).json(200)["data"][0]["start_date"], shown, "{given}");
            let body = json!({"name": "of a number", "symbols": ["ES"], "start_date": given});
            api.post(SAVE, &body).json(200);
        }
        for given in [json!(true), json!([]), json!({})] {
            let body = json!({"symbols": ["ES"], "start_date": given});
            let told = problem(&api.post(FETCH, &body).json(422));
            assert_eq!(told, ("datetime_type".to_owned(), "Input should be a valid datetime".to_owned()));
        }
        for day in ["0", "86400", "9999-12-31", "2026-11-28T00:00:00%2B05:00"] {
            api.get(&format!("/api/alerts?start_date={day}")).json(200);
        }
        let told = api.get("/api/alerts?start_date=1").json(422);
        assert_eq!(problem(&told).0, "date_from_datetime_inexact");
        let told = api.get("/api/alerts?start_date=2026-13-01").json(422);
        assert!(problem(&told).1.ends_with("month value is outside expected range of 1-12"));
    }

    fn each_item_of_a_list_is_told_and_the_last_of_a_parameter_counts(db: &TestDatabase) {
        let api = tradeassist(db);
        let told = api.post(FETCH, &json!({"symbols": ["ES", 1, null]})).json(422);
        let places: Vec<Value> = problems(&told).into_iter().map(|it| it.1).collect();
        assert_eq!(places, [json!(["body", "symbols", 1]), json!(["body", "symbols", 2])]);
        let path = "/api/v1/analytics/correlation-matrix?instrument_ids=x&instrument_ids=y";
        assert_eq!(problems(&api.get(path).json(422)).len(), 2);
        assert_eq!(api.get("/api/alerts?page=1&page=2").json(200)["page"], 2);
        assert_eq!(api.get("/api/alerts?page=x&page=2").json(200)["page"], 2);
    }

    fn numbers_are_read_as_pydantic_reads_them(db: &TestDatabase) {
        let api = tradeassist(db);
        let rule = |threshold: Value| {
            let body = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
                "threshold": threshold, "active": false});
            api.post("/api/rules", &body)
        };
        for (given, taken) in [(".5", 0.5), ("+5", 5.0), ("1_000", 1_000.0), ("5.", 5.0), ("1e3", 1_000.0)] {
            assert_eq!(rule(json!(given)).json(200)["threshold"], taken, "{given}");
        }
        for (given, kind) in [(" 60 ", "float_parsing"), ("nan", "greater_than_equal"), ("__1", "float_parsing")] {
            assert_eq!(problem(&rule(json!(given)).json(422)).0, kind, "{given}");
        }
        // What was sent is answered once; later there are the four places of the column.
        let added = rule(json!(1_650.000_05)).json(200);
        assert_eq!(added["threshold"], 1_650.000_05);
        let path = format!("/api/rules/{}", added["id"]);
        assert_eq!(api.get(&path).json(200)["threshold"], 1650.0001);
        assert_eq!(api.put(&path, &json!({"active": false})).json(200)["threshold"], 1650.0001);
        let body = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 1});
        for (name, given, kind) in [
            ("active", json!(1.5), "bool_type"),
            ("instrument_id", json!(1e20), "int_parsing_size"),
            ("cooldown_seconds", json!(" 60 "), "int_parsing"),
        ] {
            let mut body = body.clone();
            body[name] = given;
            assert_eq!(problem(&api.post("/api/rules", &body).json(422)).0, kind, "{name}");
        }
        let blank = json!({"name": "  ", "symbols": ["ES"]});
        assert_eq!(problem(&api.post(SAVE, &blank).json(422)).0, "value_error");
        let odd = json!({"name": "odd", "symbols": ["ES"], "frequency": "sometimes"});
        assert_eq!(problem(&api.post(SAVE, &odd).json(422)).0, "value_error");
    }

    fn zero_is_no_id_and_no_price_and_an_end_to_come_is_now(db: &TestDatabase) {
        let native = Api::new(db);
        let now = native.app.database().clock().now();
        let recent = now.saturating_add_micros(-3_600_000_000).to_string();
        ticks(&native, &json!([
            {"instrument_id": 1, "timestamp": recent, "sequence": 0, "price": 1650.0, "volume": 1},
            {"instrument_id": 2, "timestamp": recent, "sequence": 0, "price": 0.000_01, "volume": 1},
        ]));
        drop(native);
        let api = tradeassist(db);
        assert_eq!(api.get("/api/instruments/1").json(200)["last_price"], 1650.0);
        assert_eq!(api.get("/api/instruments/2").json(200)["last_price"], Value::Null);
        let unknown = api.get("/api/v1/analytics/risk-metrics/1?benchmark_id=0").detail(404);
        assert_eq!(unknown, "Unable to calculate risk metrics");
        let body = json!({"symbols": ["ES"], "frequency": "1h", "end_date": "2199-01-01T00:00:00"});
        assert_eq!(api.post(FETCH, &body).json(200)["data"][0]["total_bars"], 1);
    }

    fn alerts_have_the_texts_of_the_original(db: &TestDatabase) {
        let api = tradeassist(db);
        for (rule_type, condition, threshold, more) in [
            ("threshold", "above", 1649.0, json!({"name": "high - low"})),
            ("rate_of_change", "percent_change_up", 1.5, json!({"time_window_seconds": 300})),
            ("volume_spike", "volume_above", 500.0, json!({})),
        ] {
            let mut body = json!({"instrument_id": 1, "rule_type": rule_type, "condition": condition,
                "threshold": threshold, "cooldown_seconds": 0});
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            api.post("/api/rules", &body).json(200);
        }
        drop(api);
        let native = Api::new(db);
        let now = native.app.database().clock().now();
        // They are of today, also when it is about to end.
        let at = |seconds: i64| now.saturating_add_micros((seconds + 60) * 1_000_000).to_string();
        ticks(&native, &json!([
            {"instrument_id": 1, "timestamp": at(0), "sequence": 0, "price": 1604.0, "volume": 1},
            {"instrument_id": 1, "timestamp": at(1), "sequence": 0, "price": 1650.0, "volume": 501},
        ]));
        drop(native);
        let api = tradeassist(db);
        let answer = api.get("/api/alerts").json(200);
        let alerts = answer["alerts"].as_array().unwrap().iter();
        let mut texts: Vec<&str> = alerts.map(|it| it["alert_message"].as_str().unwrap()).collect();
        texts.sort_unstable();
        assert_eq!(texts, [
            "Alert: ES rate_of_change - 2.87% change in 300s (threshold: 1.5000%)",
            "Alert: ES volume_spike - Volume 501.0 above threshold 500.0000",
            "Alert: high - low - Price 1650.0 above threshold 1649.0000",
        ]);
        // Whole milliseconds: the mean is not above the slowest, and 0 is none.
        let set = |micros: i64| db.raw(&format!("UPDATE alert_logs SET evaluation_time_us = {micros}")).unwrap();
        for (micros, mean, slowest, detailed) in [(400, Value::Null, 0, 0.0), (600, json!(1.0), 1, 1.0)] {
            set(micros);
            let stats = api.get("/api/alerts/stats").json(200);
            assert_eq!((&stats["avg_evaluation_time_ms"], &stats["slowest_evaluation_ms"]), (&mean, &json!(slowest)));
            let health = api.get("/api/health/detailed").json(200);
            let figures = health.to_string();
            assert!(figures.contains(&format!("\"avg_evaluation_time_ms\":{detailed:?}")), "{figures}");
        }
    }
}
