//! `/api/historical-data/coverage`.

use serde_json::{Value, json};

use crate::api::client::Api;
use crate::support::on_both;

const COVERAGE: &str = "/api/historical-data/coverage";

/// Minutes of ES, of which two are empty, and one with a slip of the pen.
fn store(api: &Api) {
    let minutes = [
        (0, 1640.0),
        (1, 1640.25),
        (2, 1640.0),
        (5, 1640.25),
        (6, 16402.5),
        (7, 1640.0),
    ];
    let ticks = minutes.map(|(minute, price)| {
        let at = format!("2013-09-03T10:0{minute}:30Z");
        json!({"symbol": "ES", "timestamp": at, "price": price, "volume": 1})
    });
    assert_eq!(
        api.post("/api/market-data", &json!(ticks)).json(200)["inserted"],
        6
    );
}

on_both! {
    fn gaps_and_outliers_are_told_for_each_symbol(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let path = format!("{COVERAGE}?symbols=es&symbols=NQ&symbols=NOSUCH&symbols=a%20%20b&frequency=1min");
        let answer = api.get(&path).json(200);
        let [es, nq, unknown, none] = &answer["data"].as_array().unwrap()[..] else {
            panic!("{answer}")
        };
        assert_eq!((&es["symbol"], &es["frequency"], &es["calendar"]),
            (&json!("es"), &json!("1min"), &json!("weekdays")));
        assert_eq!([&es["expected"], &es["present"], &es["missing"]], [8, 6, 2]);
        assert_eq!(es["completeness_percent"], 75.0);
        assert_eq!((&es["first"], &es["last"]),
            (&json!("2013-09-03T10:00:00.000000Z"), &json!("2013-09-03T10:07:00.000000Z")));
        assert_eq!(es["gaps"], json!([{"start": "2013-09-03T10:03:00.000000Z",
            "end": "2013-09-03T10:05:00.000000Z", "missing": 2}]));
        assert_eq!(es.get("missing_periods"), None, "they were not asked for");
        let with = api.get(&format!("{path}&with_missing=true&limit=0")).json(200);
        assert_eq!(with["data"][0]["missing_periods"],
            json!(["2013-09-03T10:03:00.000000Z", "2013-09-03T10:04:00.000000Z"]));
        assert_eq!((&with["data"][0]["gaps"], &with["data"][2]["missing_periods"]), (&json!([]), &Value::Null));
        assert_eq!((&es["outlier_count"], &es["duplicates"], &es["message"]),
            (&json!(2), &json!(0), &Value::Null));
        assert_eq!(es["outliers"][0]["close"], 16402.5);
        assert_eq!((&nq["present"], &nq["completeness_percent"]), (&json!(0), &Value::Null));
        for (item, said) in [(nq, "no 1min bar"), (unknown, "NOSUCH"), (none, "symbol")] {
            assert!(item["message"].as_str().unwrap().contains(said), "{item}");
        }
    }

    fn a_range_counts_what_it_lacks(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let day = format!("{COVERAGE}?symbols=ES&frequency=1min&start_date=2013-09-03&end_date=2013-09-03&limit=1");
        let es = api.get(&day).json(200)["data"][0].clone();
        assert_eq!([&es["expected"], &es["missing"], &es["gap_count"]], [1440, 1434, 3]);
        assert_eq!(es["gaps"].as_array().unwrap().len(), 1);
        let week = format!("{COVERAGE}?symbols=ES&start_date=2013-09-02&end_date=2013-09-08");
        assert_eq!(api.get(&week).json(200)["data"][0]["expected"], 5);
        let always = api.get(&format!("{week}&calendar=24x7")).json(200);
        assert_eq!(always["data"][0]["expected"], 7);
    }

    fn what_cannot_be_surveyed_is_refused_by_name(db: &TestDatabase) {
        let api = Api::new(db);
        for (query, name) in [
            ("symbols=ES&frequency=2min", "frequency"),
            ("symbols=ES&calendar=nyse", "calendar"),
            ("symbols=ES&outlier_score=0", "outlier_score"),
            ("symbols=ES&limit=1001", "limit"),
            ("symbols=ES&start_date=soon", "start_date"),
            ("symbols=ES&start_date=2013-09-04&end_date=2013-09-02", "start_date"),
            ("symbols=ES&start_date=2013-09-04&end_date=2013-09-03", "start_date"),
            ("symbols=ES&start_date=2013-09-04T00:00:00.000000Z&end_date=2013-09-04T00:00:00.000000Z", "start_date"),
            ("symbols=", "symbols"),
            ("symbols=ES&end_date=", "end_date"),
            ("symbols=ES&colour=red", "colour"),
        ] {
            let said = api.get(&format!("{COVERAGE}?{query}")).detail(422);
            assert!(said.starts_with(&format!("query.{name}: ")), "{query}: {said}");
        }
        for (query, wanted) in [
            ("limit=x", "query.limit: not an integer within its range; write it in digits, like 24"),
            ("limit=-1", "query.limit: not an integer within its range; write it in digits, like 24"),
            ("limit=", "query.limit: it has no value; give it one, or leave it out"),
            ("outlier_score=x", "query.outlier_score: not a number; write it like 1.5"),
            ("end_date=2013-09-03&end_date=2013-09-04", "query.end_date: it is there more than once; give it once"),
        ] {
            assert_eq!(api.get(&format!("{COVERAGE}?symbols=ES&{query}")).detail(422), wanted);
        }
        assert!(api.get(COVERAGE).detail(422).contains("symbols"));
    }
}
