//! `POST /api/rules/replay`: what a rule would have fired, before it is saved.

use serde_json::{Value, json};

use tickbase::repository::purge;

use crate::api::client::Api;
use crate::support::on_both;

const BEGIN: i64 = 1_378_202_400;

/// Two hundred ticks that go up and down across 1640.
fn store(api: &Api) {
    let tick = |n: i64| {
        json!({"symbol": "ES", "timestamp": BEGIN + n, "sequence": 0,
               "price": 1640.0 + f64::from(i32::try_from(n * 7 % 11).unwrap()) - 5.0})
    };
    let ticks: Vec<Value> = (0..200).map(tick).collect();
    assert_eq!(
        api.post("/api/market-data", &json!(ticks)).json(200)["inserted"],
        200
    );
}

fn rules() -> [Value; 3] {
    [
        json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
               "threshold": 1643, "cooldown_seconds": 30, "name": "high"}),
        json!({"instrument_id": 1, "rule_type": "crossover", "condition": "crosses_below",
               "moving_average_period": 5, "cooldown_seconds": 0}),
        json!({"instrument_id": 1, "rule_type": "multi_condition", "cooldown_seconds": 60,
               "expression": {"all": [{"condition": "below", "threshold": "1637"}]}}),
    ]
}

on_both! {
    fn it_finds_what_fires_live_and_stores_nothing(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let replays = rules().map(|rule| api.post("/api/rules/replay", &json!({"rule": rule})).json(200));
        assert_eq!(api.get("/api/rules").json(200), json!([]));
        assert_eq!(api.get("/api/alerts").json(200)["total"], 0);
        // The same ticks once more, live, now with the rules.
        let delete = json!({"instrument_id": 1, "start": "2013-01-01T00:00:00Z"});
        assert_eq!(api.post("/api/market-data/delete", &delete).json(200)["deleted"], 200);
        take_away_what_is_deleted(&api);
        for rule in rules() {
            api.post("/api/rules", &rule).json(201);
        }
        store(&api);
        let alerts = api.get("/api/alerts?per_page=1000").json(200);
        let alerts = alerts["alerts"].as_array().unwrap();
        for (index, replay) in replays.iter().enumerate() {
            let of_rule = alerts.iter().rev().filter(|alert| alert["rule_id"] == index as i64 + 1);
            let live: Vec<Value> = of_rule.map(shown).collect();
            let found: Vec<Value> = replay["firings"].as_array().unwrap().iter().map(shown).collect();
            assert!(!found.is_empty(), "{replay}");
            assert_eq!(found, live, "{index}");
            assert_eq!(replay["fired"], found.len());
            assert_eq!((&replay["ticks"], &replay["has_more"]), (&json!(200), &json!(false)));
        }
        assert!(replays[0]["suppressed"].as_i64().unwrap() > 0, "{}", replays[0]);
    }

    fn a_range_knows_what_was_before_it(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api);
        let [_, crossover, _] = rules();
        let replay = |range: &Value| {
            let mut body = json!({"rule": crossover});
            body.as_object_mut().unwrap().extend(range.as_object().unwrap().clone());
            api.post("/api/rules/replay", &body).json(200)
        };
        let all = replay(&json!({}));
        let later = replay(&json!({"start": "2013-09-03T10:01:00Z", "end": "2013-09-03T10:02:00Z"}));
        assert_eq!(later["ticks"], 60);
        assert!(later["warm_up_ticks"].as_i64().unwrap() > 0, "{later}");
        let within = |firing: &&Value| {
            let stamp = firing["timestamp"].as_str().unwrap();
            ("2013-09-03T10:01:00".."2013-09-03T10:02:00").contains(&stamp)
        };
        let all: Vec<&Value> = all["firings"].as_array().unwrap().iter().filter(within).collect();
        let later: Vec<&Value> = later["firings"].as_array().unwrap().iter().collect();
        assert!(!later.is_empty());
        assert_eq!(later, all);
    }

    fn what_is_wrong_is_named_with_its_place(db: &TestDatabase) {
        let api = Api::new(db);
        let [rule, ..] = rules();
        let changed = |name: &str, value: Value| {
            let mut rule = rule.clone();
            rule[name] = value;
            api.post("/api/rules/replay", &json!({"rule": rule}))
        };
        for (answer, place) in [
            (changed("threshold", Value::Null), "body.rule.threshold"),
            (changed("condition", json!("volume_above")), "body.rule.condition"),
            (changed("cooldown_seconds", json!(-1)), "body.rule.cooldown_seconds"),
            (api.post("/api/rules/replay", &json!({"rule": rule, "start": "yesterday"})), "body.start"),
            (api.post("/api/rules/replay", &json!({"rule": rule, "start": "2013-09-04T00:00:00Z",
                "end": "2013-09-03T00:00:00Z"})), "body.start"),
            (api.post("/api/rules/replay", &json!({"start": "2013-09-04T00:00:00Z"})), "body"),
        ] {
            let detail = answer.detail(422);
            assert!(detail.starts_with(place), "{detail}");
        }
        assert!(changed("instrument_id", json!(999)).detail(404).contains("instrument"));
    }
}

/// What an alert and a firing of a replay have in common.
fn shown(of: &Value) -> Value {
    json!([of["timestamp"], of["trigger_value"], of["threshold_value"]])
}

/// Their keys are free again.
fn take_away_what_is_deleted(api: &Api) {
    let soon = api
        .app
        .database()
        .clock()
        .now()
        .saturating_add_micros(1_000_000);
    purge::run(api.app.database(), soon, false).unwrap();
}
