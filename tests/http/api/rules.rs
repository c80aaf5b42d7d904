//! `/api/rules`.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::api::client::{Answer, Api, post};
use crate::support::on_both;

fn ids(answer: &Answer) -> Vec<i64> {
    let items = answer.json(200);
    let id = |item: &Value| item["id"].as_i64().unwrap();
    items.as_array().unwrap().iter().map(id).collect()
}

fn above(instrument_id: i64, threshold: &str) -> Value {
    json!({"instrument_id": instrument_id, "rule_type": "threshold", "condition": "above",
        "threshold": threshold})
}

fn add(api: &Api, body: &Value) -> i64 {
    let added = api.post("/api/rules", body).json(201);
    added["id"].as_i64().unwrap()
}

on_both! {
    fn a_rule_is_added_changed_deleted_and_restored(db: &TestDatabase) {
        let api = Api::new(db);
        let new = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
            "threshold": 1650.25, "name": "high", "description": "é\nb"});
        let added = api.post("/api/rules", &new).json(201);
        let created = added["created_at"].as_str().unwrap().to_owned();
        assert!(created.ends_with('Z'), "{created}");
        assert_eq!(added, json!({"id": added["id"], "instrument_id": 1, "instrument_symbol": "ES",
            "rule_type": "threshold", "condition": "above", "threshold": 1650.25,
            "expression": null, "active": true, "name": "high", "description": "é\nb",
            "time_window_seconds": null, "moving_average_period": null, "cooldown_seconds": 60,
            "last_triggered": null, "created_at": created}));
        let path = format!("/api/rules/{}", added["id"]);
        assert_eq!(api.get(&path).json(200), added);

        let changed = api.put(&path, &json!({"threshold": "1651", "name": null})).json(200);
        assert_eq!(changed["threshold"], 1651);
        assert_eq!(changed["name"], Value::Null, "null is written");
        assert_eq!(changed["description"], "é\nb", "what is absent stays");
        let off = api.put(&path, &json!({"active": false})).json(200);
        assert_eq!(off["active"], false);

        let id = added["id"].to_string();
        let deleted = api.delete(&path).json(200);
        assert_eq!(deleted["message"], format!("Rule {id} deleted successfully"));
        for answer in [api.get(&path), api.delete(&path), api.put(&path, &json!({}))] {
            assert!(answer.detail(404).starts_with(&format!("rule {id} not found")));
        }
        assert_eq!(ids(&api.get("/api/rules")), Vec::<i64>::new());
        let restored = api.post(&format!("{path}/restore"), &json!({})).json(200);
        assert_eq!(restored, off);
        assert_eq!(api.post("/api/rules/99/restore", &json!({})).status, 404);
    }

    fn a_list_is_newest_first_narrows_and_goes_on(db: &TestDatabase) {
        let api = Api::new(db);
        let a = add(&api, &above(1, "1650"));
        let b = add(&api, &above(2, "3100"));
        let spike = json!({"instrument_id": 1, "rule_type": "volume_spike",
            "condition": "volume_above", "threshold": 500, "active": false});
        let c = add(&api, &spike);
        let d = add(&api, &above(1, "1651"));
        for (query, expected) in [
            ("", &[d, c, b, a][..]),
            ("?instrument_id=1", &[d, c, a]),
            ("?active_only=true", &[d, b, a]),
            ("?instrument_id=1&active_only=true", &[d, a]),
            ("?rule_type=volume_spike", &[c]),
            ("?instrument_id=99", &[]),
        ] {
            assert_eq!(ids(&api.get(&format!("/api/rules{query}"))), expected, "{query}");
        }
        let mut seen = Vec::new();
        let mut next = Some("/api/rules?limit=2&instrument_id=1".to_owned());
        while let Some(path) = next {
            let page = api.get(&path);
            seen.push(ids(&page));
            next = page.header("link").map(|link| {
                let (target, relation) = link.split_once("; ").unwrap();
                assert_eq!(relation, "rel=\"next\"");
                target.trim_matches(['<', '>']).to_owned()
            });
        }
        assert_eq!(seen, [vec![d, c], vec![a]]);
        for query in ["limit=0", "limit=10001", "cursor=x", "rule_type=some", "colour=red"] {
            let said = api.get(&format!("/api/rules?{query}")).detail(422);
            let name = query.split('=').next().unwrap();
            assert!(said.starts_with(&format!("query.{name}: ")), "{query}: {said}");
        }
    }

    fn a_rule_of_each_type_is_stored_and_a_deleted_instrument_is_still_named(db: &TestDatabase) {
        let api = Api::new(db);
        let expression = json!({"all": [{"condition": "above", "threshold": "1650"},
            {"condition": "volume_above", "threshold": "100"}]});
        for body in [
            json!({"rule_type": "threshold", "condition": "equals", "threshold": 0}),
            json!({"rule_type": "crossover", "condition": "crosses_above", "threshold": -37.63}),
            json!({"rule_type": "crossover", "condition": "crosses_below",
                "moving_average_period": 20}),
            json!({"rule_type": "rate_of_change", "condition": "percent_change_up",
                "threshold": 1, "time_window_seconds": 3600}),
            json!({"rule_type": "volume_spike", "condition": "volume_above", "threshold": 2.5,
                "moving_average_period": 1000, "cooldown_seconds": 0}),
            json!({"rule_type": "multi_condition", "expression": expression}),
        ] {
            let mut new = body.clone();
            new["instrument_id"] = json!(2);
            new["active"] = json!(false);
            let added = api.post("/api/rules", &new).json(201);
            for (name, value) in body.as_object().unwrap() {
                assert_eq!(&added[name], value, "{body}");
            }
        }
        api.delete("/api/instruments/2").json(200);
        let listed = api.get("/api/rules?instrument_id=2").json(200);
        assert_eq!(listed.as_array().unwrap().len(), 6);
        assert_eq!(listed[0]["instrument_symbol"], "NQ");
        let id = &listed[0]["id"];
        let refused = api.put(&format!("/api/rules/{id}"), &json!({"active": true})).detail(409);
        assert!(refused.contains("restore the instrument first"), "{refused}");
    }

    fn a_threshold_keeps_its_digits_and_what_it_cannot_keep_is_refused(db: &TestDatabase) {
        let api = Api::new(db);
        for (sent, kept) in [
            ("12345678901.12345678", "12345678901.12345678"),
            ("\"12345678901.12345678\"", "12345678901.12345678"),
            ("0.10", "0.1"),
            ("1e3", "1000"),
            ("-92233720368.54775808", "-92233720368.54775808"),
            ("0.0000000042", "0.0000000042"),
            ("4.2155e-9", "0.0000000042155"),
            ("1.123456789012345678901234567890", "1.12345678901234567890123456789"),
        ] {
            let body = format!(r#"{{"instrument_id": 1, "rule_type": "threshold",
                "condition": "above", "threshold": {sent}}}"#);
            let added = api.send(post("/api/rules", "application/json", body));
            assert_eq!(added.status, 201, "{}", added.text());
            assert!(added.text().contains(&format!("\"threshold\":{kept},")), "{}", added.text());
        }
        for (sent, reason) in [
            ("1e309", "exponent out of range"),
            ("\"1e-400\"", "exponent out of range"),
            (&"7".repeat(65), "64 significant digits"),
            ("\"NaN\"", "not a number"),
            ("\"much\"", "not a number"),
            ("true", "not a number"),
            ("[1]", "not a number"),
            ("1e999999999", ""),
        ] {
            let body = format!(r#"{{"instrument_id": 1, "rule_type": "threshold",
                "condition": "above", "threshold": {sent}}}"#);
            let said = api.send(post("/api/rules", "application/json", body)).detail(422);
            assert!(said.starts_with("body.threshold: ") && said.contains(reason), "{sent}: {said}");
        }
        let body = r#"{"instrument_id": 1, "rule_type": "threshold", "condition": "above",
            "threshold": NaN}"#;
        api.send(post("/api/rules", "application/json", body)).detail(422);
        assert_eq!(ids(&api.get("/api/rules")).len(), 8, "nothing else was stored");
    }

    fn a_rule_that_could_never_fire_is_refused_by_field_and_reason(db: &TestDatabase) {
        let api = Api::new(db);
        let long = "x".repeat(101);
        for (change, place, reason) in [
            (json!({"condition": "volume_above"}), "condition", "does not belong"),
            (json!({"condition": "beyond"}), "condition", "unknown variant"),
            (json!({"condition": null}), "condition", "needs it"),
            (json!({"threshold": null}), "threshold", "needs it"),
            (json!({"rule_type": "gap"}), "rule_type", "unknown variant"),
            (json!({"rule_type": "rate_of_change", "condition": "percent_change_up"}),
                "time_window_seconds", "needs it"),
            (json!({"rule_type": "crossover", "condition": "crosses_above",
                "moving_average_period": 1}), "moving_average_period", "never be crossed"),
            (json!({"rule_type": "multi_condition"}), "condition", "has none"),
            (json!({"rule_type": "multi_condition", "condition": null, "threshold": null,
                "expression": "all"}), "expression", "object"),
            (json!({"rule_type": "multi_condition", "condition": null, "threshold": null,
                "expression": {"all": []}}), "expression", "all or any"),
            (json!({"expression": {"all": [{"condition": "above", "threshold": 1}]}}),
                "expression", "has none"),
            (json!({"cooldown_seconds": -1}), "cooldown_seconds", "-1 is out of range"),
            (json!({"cooldown_seconds": 3601}), "cooldown_seconds", "out of range"),
            (json!({"cooldown_seconds": 1.5}), "cooldown_seconds", "invalid type"),
            (json!({"time_window_seconds": 0}), "time_window_seconds", "use 1 to 3600"),
            (json!({"time_window_seconds": 3601}), "time_window_seconds", "use 1 to 3600"),
            (json!({"moving_average_period": 1001}), "moving_average_period", "use 1 to 1000"),
            (json!({"name": long}), "name", "101 characters"),
            (json!({"name": "a\u{0}"}), "name", "control character"),
            (json!({"description": "a\u{0}"}), "description", "NUL"),
            (json!({"colour": "red"}), "colour", "unknown field"),
            (json!({"active": 1}), "active", "invalid type"),
        ] {
            let mut body = above(1, "1650");
            for (name, value) in change.as_object().unwrap() {
                body[name] = value.clone();
            }
            let said = api.post("/api/rules", &body).detail(422);
            assert!(said.starts_with(&format!("body.{place}: ")), "{change}: {said}");
            assert!(said.contains(reason), "{change}: {said}");
        }
        let unknown = api.post("/api/rules", &above(99, "1")).detail(404);
        assert!(unknown.starts_with("instrument 99 not found"), "{unknown}");
        let nothing = api.post("/api/rules", &json!({})).detail(422);
        assert!(nothing.contains("missing field `instrument_id`"), "{nothing}");
        assert_eq!(ids(&api.get("/api/rules")), Vec::<i64>::new());

        let path = format!("/api/rules/{}", add(&api, &above(1, "1650")));
        for (change, place) in [
            (json!({"threshold": null}), "threshold"),
            (json!({"active": null}), "active"),
            (json!({"cooldown_seconds": null}), "cooldown_seconds"),
            (json!({"condition": "crosses_above"}), "condition"),
            (json!({"instrument_id": 2}), "instrument_id"),
        ] {
            let said = api.put(&path, &change).detail(422);
            assert!(said.starts_with(&format!("body.{place}: ")), "{change}: {said}");
        }
        assert_eq!(api.get(&path).json(200)["threshold"], 1650);
        let plain = Request::put(&path).body(Body::from("{}")).unwrap();
        assert_eq!(api.send(plain).status, 415);
    }
}
