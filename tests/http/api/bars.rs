//! `/api/bars`: soft delete and restore of bars that came in.

use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::domain::{Bar, Frequency, ProviderType, RawBar};
use tickbase::models::{NewDataSource, NewMarketDataBar};
use tickbase::repository::data_source;

use crate::api::client::Api;
use crate::support::{build_bars, db_write, insert_bars, on_both};

const ES: i64 = 1;

/// An hourly bar of ES on 3 September 2013.
fn hour(hour: u32, close: &str) -> NewMarketDataBar {
    let start: Timestamp = format!("2013-09-03T{hour:02}:00:00Z").parse().unwrap();
    let bar = RawBar {
        instrument_id: ES,
        timestamp: start,
        frequency: Frequency::OneHour,
        open: close.parse().ok(),
        high: close.parse().ok(),
        low: close.parse().ok(),
        close: close.parse().ok(),
        volume: Some(1.0),
        open_interest: None,
        source_id: None,
    };
    (&Bar::try_from(bar).unwrap()).into()
}

fn closes(api: &Api, frequency: &str) -> Vec<Value> {
    let body = json!({"symbols": ["ES"], "frequency": frequency});
    let answer = api.post("/api/historical-data/fetch", &body).json(200);
    let bars = answer["data"][0]["bars"].as_array().unwrap();
    bars.iter().map(|bar| bar["close"].clone()).collect()
}

on_both! {
    fn bars_are_deleted_and_restored_by_range(db: &TestDatabase) {
        let api = Api::new(db);
        let vendor = NewDataSource::new("vendor", ProviderType::File);
        let vendor = db_write!(api.app.database(), |now| data_source::insert(&vendor, now)).unwrap().id;
        let of_vendor = NewMarketDataBar { data_source_id: vendor, ..hour(11, "9") };
        insert_bars(api.app.database(), [hour(10, "1"), hour(11, "2"), hour(12, "3"), of_vendor]).unwrap();
        let second = json!({"symbol": "es", "frequency": "1h",
            "start": "2013-09-03T11:00:00Z", "end": "2013-09-03T12:00:00Z"});
        assert_eq!(api.post("/api/bars/delete", &second).json(200)["deleted"], 2);
        assert_eq!(closes(&api, "1h"), [1.0, 3.0]);
        assert_eq!(api.post("/api/bars/delete", &second).json(200)["deleted"], 0);
        // Its period is taken meanwhile: the other source's returns, the conflict is told.
        insert_bars(api.app.database(), [hour(11, "4")]).unwrap();
        let report = api.post("/api/bars/restore", &second).json(200);
        assert_eq!((&report["restored"], &report["conflicts"]), (&json!(1), &json!(1)));
        assert!(report["message"].as_str().unwrap().contains("delete that one first"), "{report}");
        let only = json!({"instrument_id": ES, "frequency": "1h", "source": "vendor"});
        assert_eq!(api.post("/api/bars/delete", &only).json(200)["deleted"], 1);
        let restored = json!({"restored": 1, "conflicts": 0, "message": null});
        assert_eq!(api.post("/api/bars/restore", &only).json(200), restored);
        assert_eq!(closes(&api, "1h"), [1.0, 4.0, 3.0]);
    }

    fn built_bars_are_no_part_of_it(db: &TestDatabase) {
        let api = Api::new(db);
        let ticks: Vec<Value> = (0..3)
            .map(|n| json!({"symbol": "ES", "timestamp": format!("2013-09-03T{}:00:00Z", 10 + n), "price": 10 + n}))
            .collect();
        api.post("/api/market-data", &json!(ticks)).json(200);
        build_bars(api.app.database(), ES, Frequency::OneHour);
        assert_eq!(closes(&api, "1h").len(), 3);
        let all = json!({"symbol": "ES", "frequency": "1h"});
        assert_eq!(api.post("/api/bars/delete", &all).json(200)["deleted"], 0);
        assert_eq!(closes(&api, "1h").len(), 3);
        let built = json!({"symbol": "ES", "frequency": "1h", "source": "tickbase-bars"});
        let said = api.post("/api/bars/delete", &built).detail(422);
        assert!(said.starts_with("body.source: its bars are built from ticks"), "{said}");
    }

    fn what_names_no_bars_is_refused_with_its_place(db: &TestDatabase) {
        let api = Api::new(db);
        for path in ["/api/bars/delete", "/api/bars/restore"] {
            for (body, place) in [
                (json!({"frequency": "1h"}), "body"),
                (json!({"symbol": "ES", "instrument_id": 1, "frequency": "1h"}), "body"),
                (json!({"symbol": "ES"}), "body"),
                (json!({"symbol": "E  S", "frequency": "1h"}), "body.symbol"),
                (json!({"symbol": "ES", "frequency": "2h"}), "body.frequency"),
                (json!({"symbol": "ES", "frequency": "1h", "start": "soon"}), "body.start"),
                (json!({"symbol": "ES", "frequency": "1h", "start": "2013-09-04", "end": "2013-09-03"}), "body.start"),
                (json!({"symbol": "ES", "frequency": "1h", "colour": 1}), "body.colour"),
            ] {
                let said = api.post(path, &body).detail(422);
                assert!(said.starts_with(&format!("{place}: ")), "{body}: {said}");
            }
            for (body, said) in [
                (json!({"symbol": "NOSUCH", "frequency": "1h"}), "instrument NOSUCH"),
                (json!({"instrument_id": 999, "frequency": "1h"}), "instrument 999"),
                (json!({"symbol": "ES", "frequency": "1h", "source": "nobody"}), "data source \"nobody\""),
            ] {
                assert!(api.post(path, &body).detail(404).starts_with(said));
            }
        }
    }
}
