//! `GET /api/market-data/snapshot`: where instruments stand.

use serde_json::{Value, json};

use crate::api::client::Api;
use crate::support::on_both;

fn of(api: &Api, symbol: &str) -> Value {
    let all = api.get("/api/market-data/snapshot").json(200);
    let all = all["snapshots"].as_array().unwrap();
    let found = all.iter().find(|item| item["symbol"] == symbol);
    found.cloned().unwrap_or(Value::Null)
}

fn store(api: &Api, ticks: &Value) {
    api.post("/api/market-data", ticks).json(200);
}

on_both! {
    fn the_day_is_that_of_the_newest_tick(db: &TestDatabase) {
        let api = Api::new(db);
        let tick = |stamp: &str, price: f64, volume: u32| {
            json!({"symbol": "ES", "timestamp": stamp, "price": price, "volume": volume})
        };
        store(&api, &json!([
            tick("2013-09-02T23:59:59Z", 1600.0, 9),
            tick("2013-09-03T00:00:00Z", 1640.0, 5),
            tick("2013-09-03T00:14:00Z", 1638.5, 2),
            tick("2013-09-03T00:15:00Z", 1644.25, 3),
            {"symbol": "ES", "timestamp": "2013-09-03T00:16:00Z", "bid": 1644.0, "ask": 1644.25},
        ]));
        assert_eq!(of(&api, "ES"), json!({
            "instrument_id": 1, "symbol": "ES", "name": "E-mini S&P 500", "type": "future",
            "status": "active", "price_decimals": 4,
            "timestamp": "2013-09-03T00:16:00.000000Z", "price": 1644.25, "bid": 1644.0, "ask": 1644.25,
            "day": {"date": "2013-09-03", "of": "last", "open": 1640.0, "high": 1644.25,
                    "low": 1638.5, "close": 1644.25, "volume": 10, "change": 4.25,
                    "change_percent": 0.2591},
            "closes": [1638.5, 1644.25],
        }));
        // A day without a price shows the one before.
        store(&api, &json!([{"symbol": "ES", "timestamp": "2013-09-04T07:00:00Z", "bid": 1649.75}]));
        let quoted = of(&api, "ES");
        assert_eq!((&quoted["day"]["date"], &quoted["price"]), (&json!("2013-09-03"), &json!(1644.25)));
        assert_eq!((&quoted["timestamp"], &quoted["ask"]), (&json!("2013-09-04T07:00:00.000000Z"), &Value::Null));
        // A new day begins with its first tick, also when the answer was kept.
        store(&api, &json!([tick("2013-09-04T08:00:00Z", 1650.0, 1)]));
        let day = &of(&api, "ES")["day"];
        assert_eq!((&day["date"], &day["open"], &day["volume"]), (&json!("2013-09-04"), &json!(1650.0), &json!(1)));
        assert_eq!((&day["change"], &day["change_percent"]), (&json!(0.0), &json!(0.0)));
    }

    fn quotes_bars_and_nothing_have_their_answer_too(db: &TestDatabase) {
        let api = Api::new(db);
        let euro = json!({"symbol": "EURUSD", "name": "Euro in dollars", "type": "fx", "price_decimals": 5});
        api.post("/api/instruments", &euro).json(201);
        store(&api, &json!([
            {"symbol": "EURUSD", "timestamp": "2020-01-02T10:00:00Z", "bid": 1.1, "ask": 1.2},
            {"symbol": "EURUSD", "timestamp": "2020-01-02T10:01:00Z", "bid": 1.2, "ask": 1.4},
        ]));
        let quotes = of(&api, "EURUSD");
        assert_eq!((&quotes["day"]["of"], &quotes["day"]["open"]), (&json!("mid"), &json!(1.15)));
        assert_eq!((&quotes["price"], &quotes["bid"]), (&json!(1.3), &json!(1.2)), "the close stands for a price");
        assert_eq!(quotes["day"]["volume"], 0);

        let bars = "symbol,timestamp,open,high,low,close,volume\nSPX,2018-12-31,2498.94,2509.24,2482.82,2506.85,100\n";
        let import = crate::api::client::post("/api/import?kind=bars&frequency=1d", "text/csv", bars);
        assert_eq!(api.send(import).json(200)["inserted"], 1);
        let index = of(&api, "SPX");
        assert_eq!((&index["timestamp"], &index["price"]), (&Value::Null, &json!(2506.85)));
        assert_eq!((&index["day"]["date"], &index["day"]["change"]), (&json!("2018-12-31"), &json!(7.91)));
        assert_eq!(index["closes"], json!([2506.85]));

        let none = of(&api, "NQ");
        assert_eq!((&none["price"], &none["day"], &none["closes"]), (&Value::Null, &Value::Null, &json!([])));
    }

    fn only_those_are_answered_that_are_asked_for_and_not_deleted(db: &TestDatabase) {
        let api = Api::new(db);
        let ids = |query: &str| -> Vec<Value> {
            let answer = api.get(&format!("/api/market-data/snapshot{query}")).json(200);
            let all = answer["snapshots"].as_array().unwrap();
            all.iter().map(|item| item["instrument_id"].clone()).collect()
        };
        assert_eq!(ids("?instrument_ids=3,1,3,999"), [1, 3]);
        assert_eq!(ids("").len(), 12);
        api.delete("/api/instruments/3").json(200);
        assert_eq!(ids("?instrument_ids=3,1"), [1]);
        assert_eq!(ids("").len(), 11);
        let refused = api.get("/api/market-data/snapshot?instrument_ids=x").detail(422);
        assert!(refused.contains("list of ids"), "{refused}");
    }
}
