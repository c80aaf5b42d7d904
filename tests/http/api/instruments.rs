//! `/api/instruments`.

use serde_json::{Value, json};
use tickbase::domain::{Condition, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::repository::alert_rule;

use crate::api::client::{Answer, Api};
use crate::support::{db_write, on_both};

fn symbols(answer: &Answer) -> Vec<String> {
    let items = answer.json(200);
    let symbol = |item: &Value| item["symbol"].as_str().unwrap().to_owned();
    items.as_array().unwrap().iter().map(symbol).collect()
}

on_both! {
    fn a_list_is_by_symbol_and_narrows(db: &TestDatabase) {
        let api = Api::new(db);
        assert_eq!(symbols(&api.get("/api/instruments")).len(), 12);
        assert_eq!(symbols(&api.get("/api/instruments?type=index")), ["NDX", "RUT", "SPX"]);
        api.put("/api/instruments/7", &json!({"status": "inactive"})).json(200);
        assert_eq!(symbols(&api.get("/api/instruments?status=inactive")), ["NDX"]);
        let active = api.get("/api/instruments?type=index&active_only=true");
        assert_eq!(symbols(&active), ["RUT", "SPX"]);
        let none = api.get("/api/instruments?status=inactive&active_only=true");
        assert_eq!(symbols(&none), Vec::<String>::new());
    }

    fn a_list_goes_on_where_its_link_says(db: &TestDatabase) {
        let api = Api::new(db);
        let mut seen = Vec::new();
        let mut next = Some("/api/instruments?limit=5&type=future".to_owned());
        let mut pages = 0;
        while let Some(path) = next {
            let page = api.get(&path);
            seen.extend(symbols(&page));
            next = page.header("link").map(|link| {
                let (target, relation) = link.split_once("; ").unwrap();
                assert_eq!(relation, "rel=\"next\"");
                target.trim_matches(['<', '>']).to_owned()
            });
            pages += 1;
        }
        assert_eq!(seen, ["CL", "ES", "GC", "NQ", "YM"]);
        assert_eq!(pages, 1, "a page that ends the list has no link");
        let first = api.get("/api/instruments?limit=5");
        let link = first.header("link").unwrap();
        assert!(link.starts_with("</api/instruments?limit=5&cursor="), "{link}");
    }

    fn an_instrument_is_added_changed_deleted_and_restored(db: &TestDatabase) {
        let api = Api::new(db);
        let new = json!({"symbol": "eurusd", "name": "Euro", "type": "fx", "price_decimals": 5});
        let added = api.post("/api/instruments", &new).json(201);
        assert_eq!(added["symbol"], "EURUSD");
        assert_eq!(added["status"], "active");
        assert_eq!(added["last_tick"], Value::Null);
        let path = format!("/api/instruments/{}", added["id"]);
        assert_eq!(api.get(&path).json(200), added);
        let taken = api.post("/api/instruments", &new).detail(409);
        assert!(taken.contains("EURUSD is that of active instrument"), "{taken}");

        let change = json!({"name": "Euro / US dollar", "status": "inactive"});
        let changed = api.put(&path, &change).json(200);
        assert_eq!(changed["name"], "Euro / US dollar");
        assert_eq!(changed["status"], "inactive");
        assert_eq!(changed["price_decimals"], 5);
        let open = api.put(&path, &json!({"price_decimals": null})).json(200);
        assert_eq!(open["price_decimals"], Value::Null, "null is written");
        let same = api.put(&path, &json!({})).json(200);
        assert_eq!(same["price_decimals"], Value::Null, "what is absent stays");

        let id = added["id"].to_string();
        let deleted = api.delete(&path).json(200);
        assert_eq!(deleted["message"], format!("Instrument {id} deleted successfully"));
        for answer in [api.get(&path), api.delete(&path), api.put(&path, &change)] {
            assert!(answer.detail(404).starts_with(&format!("instrument {id} not found")));
        }
        let restored = api.post(&format!("{path}/restore"), &json!({})).json(200);
        assert_eq!(restored["name"], "Euro / US dollar");
        assert_eq!(api.get(&path).json(200), restored);
    }

    fn an_instrument_has_the_calendar_that_it_is_given(db: &TestDatabase) {
        let api = Api::new(db);
        assert_eq!(api.get("/api/instruments/6").json(200)["calendar"], "XNYS");
        assert_eq!(api.get("/api/instruments/1").json(200)["calendar"], Value::Null);
        let new = json!({"symbol": "AAPL", "name": "Apple", "type": "equity", "calendar": "XNAS"});
        let added = api.post("/api/instruments", &new).json(201);
        assert_eq!(added["calendar"], "XNAS");
        let path = format!("/api/instruments/{}", added["id"]);
        let change = |body: Value| api.put(&path, &body).json(200)["calendar"].clone();
        assert_eq!(change(json!({"calendar": "24x7"})), "24x7");
        assert_eq!(change(json!({"name": "Apple Inc."})), "24x7", "what is absent stays");
        let day = "/api/historical-data/coverage?symbols=AAPL&start_date=2018-11-17&end_date=2018-11-25";
        let expected = || api.get(day).json(200)["data"][0]["expected"].clone();
        assert_eq!(expected(), 9);
        assert_eq!(change(json!({"calendar": "XNYS"})), "XNYS");
        assert_eq!(expected(), 4, "without Thanksgiving");
        assert_eq!(change(json!({"calendar": null})), Value::Null);
        assert_eq!(expected(), 5);
        let said = api.put(&path, &json!({"calendar": "NYSE"})).detail(422);
        assert!(said.starts_with("body.calendar: ") && said.contains("XNYS"), "{said}");
    }

    fn a_watched_instrument_is_not_deleted(db: &TestDatabase) {
        let api = Api::new(db);
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("1650".parse().unwrap()),
            ..NewAlertRule::new(1, RuleType::Threshold)
        };
        db_write!(api.app.database(), |now| alert_rule::insert(&rule, now)).unwrap();
        let refused = api.delete("/api/instruments/1").detail(409);
        assert!(refused.contains("rule"), "{refused}");
        api.get("/api/instruments/1").json(200);
    }

    fn what_is_none_is_refused_with_its_place(db: &TestDatabase) {
        let api = Api::new(db);
        for (body, place, reason) in [
            (json!({"symbol": "E  S", "name": "x", "type": "fx"}), "body.symbol", "two in a row"),
            (json!({"symbol": "", "name": "x", "type": "fx"}), "body.symbol", "it is empty"),
            (json!({"symbol": "A", "name": " ", "type": "fx"}), "body.name", "it is empty"),
            (json!({"symbol": "A", "name": "a\u{0}", "type": "fx"}), "body.name", "control"),
            (json!({"symbol": "A", "name": "x", "type": "bond"}), "body.type", "unknown variant"),
            (json!({"symbol": "A", "name": "x"}), "body", "missing field `type`"),
            (json!({"symbol": 7, "name": "x", "type": "fx"}), "body.symbol", "invalid type"),
            (json!({"symbol": "A", "name": "x", "type": "fx", "price_decimals": 16}),
                "body.price_decimals", "16 is not 0 to 15"),
            (json!({"symbol": "A", "name": "x", "type": "fx", "typ": 1}), "body.typ", "unknown field"),
            (json!([]), "body", "invalid"),
        ] {
            let said = api.post("/api/instruments", &body).detail(422);
            let (at, why) = said.split_once(": ").unwrap();
            assert_eq!(at, place, "{body}: {said}");
            assert!(why.contains(reason), "{body}: {said}");
        }
        assert_eq!(symbols(&api.get("/api/instruments")).len(), 12, "nothing was stored");
        for (query, place) in [
            ("type=bond", "query.type"),
            ("limit=0", "query.limit"),
            ("limit=10001", "query.limit"),
            ("limit=x", "query.limit"),
            ("active_only=1", "query.active_only"),
            ("cursor=%20", "query.cursor"),
            // Nothing is inactive and active at once, and what is no cursor is none all the same.
            ("active_only=true&status=inactive&cursor=%20", "query.cursor"),
            ("active_only=true&status=inactive&limit=0", "query.limit"),
            ("colour=red", "query.colour"),
        ] {
            let said = api.get(&format!("/api/instruments?{query}")).detail(422);
            assert!(said.starts_with(&format!("{place}: ")), "{query}: {said}");
        }
        for id in ["x", "1.5", "99999999999999999999", "%00"] {
            let said = api.get(&format!("/api/instruments/{id}")).detail(422);
            assert!(said.starts_with("path.id: "), "{id}: {said}");
        }
    }
}
