//! Batches of soft deletes and the trash, as clients of the API use them.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tickbase::config::{NamedToken, Token, TokenRights};

use crate::api::client::Api;
use crate::support::on_both;

fn ticks(api: &Api, seconds: std::ops::Range<i64>) {
    let tick = |second| json!({"symbol": "ES", "timestamp": 1_378_202_400 + second, "price": 1640});
    let ticks: Vec<Value> = seconds.map(tick).collect();
    let report = api.post("/api/market-data", &json!(ticks)).json(200);
    assert_eq!(report["inserted"], ticks.len());
}

fn rule(api: &Api) -> i64 {
    let rule = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
                      "threshold": 99_999, "name": "far"});
    let added = api.post("/api/rules", &rule).json(201);
    added["id"].as_i64().unwrap()
}

fn count(api: &Api) -> usize {
    let page = api.get("/api/market-data/1").json(200);
    page["ticks"].as_array().map_or(0, Vec::len)
}

on_both! {
    fn a_deletion_says_who_and_why_and_is_undone_by_its_number(db: &TestDatabase) {
        let api = Api::new(db);
        ticks(&api, 0..5);
        let range = json!({"instrument_id": 1, "end": "2013-09-03T10:00:03Z", "reason": "test ticks", "by": "desk"});
        let deleted = api.post("/api/market-data/delete", &range).json(200);
        assert_eq!(deleted["deleted"], 3);
        let id = deleted["deletion_id"].as_i64().unwrap();
        let none = api.post("/api/market-data/delete", &range).json(200);
        assert_eq!(none, json!({"deleted": 0, "deletion_id": null}));
        let rule = rule(&api);
        let removed = api.delete(&format!("/api/rules/{rule}?reason=too%20far")).json(200);
        let second = removed["deletion_id"].as_i64().unwrap();

        let listed = api.get("/api/deletions").json(200);
        let of = &listed["deletions"];
        assert_eq!(json!([of[0]["id"], of[1]["id"], of[2]]), json!([second, id, null]));
        assert_eq!(of[0]["request"], format!("DELETE /api/rules/{rule}"));
        assert_eq!((&of[0]["reason"], &of[0]["actor"], &of[0]["token_name"]), (&json!("too far"), &json!(null), &json!(null)));
        let one = api.get(&format!("/api/deletions/{id}")).json(200);
        assert_eq!((&one, &one["state"], &one["counts"]["ticks"]), (&of[1], &json!("done"), &json!(3)));
        assert_eq!((&one["reason"], &one["actor"]), (&json!("test ticks"), &json!("desk")));
        assert_eq!(one["request"], "POST /api/market-data/delete instrument 1 to 2013-09-03T10:00:03.000000Z");
        assert!(one["process"].as_str().unwrap().contains(&std::process::id().to_string()));
        assert_eq!(api.get("/api/deletions?limit=1").json(200)["deletions"][0]["id"], second);
        let before = api.get(&format!("/api/deletions?before={second}")).json(200);
        assert_eq!(before["deletions"][0]["id"], id);

        let trash = api.get("/api/trash").json(200);
        let entry = |n: usize| { let of = &trash["trash"][n]; json!([of["kind"], of["id"], of["name"], of["rows"], of["deletion_id"], of["deleted_by"]]) };
        assert_eq!(entry(0), json!(["rule", rule, "ES far", 1, second, null]));
        assert_eq!(entry(1), json!(["tick", null, "ES", 3, id, "desk"]));
        assert_eq!((&trash["trash"][1]["to"], &trash["next"]), (&json!("2013-09-03T10:00:02.000000Z"), &json!(null)));

        let undo = format!("/api/deletions/{id}/undo");
        let dry = api.post(&format!("{undo}?dry_run=true"), &json!({})).json(200);
        assert_eq!((&dry["dry_run"], &dry["restored"]["ticks"], count(&api)), (&json!(true), &json!(3), 2));
        let undone = api.post(&format!("{undo}?by=risk"), &json!({})).json(200);
        assert_eq!((&undone["restored"]["ticks"], &undone["conflicts"], count(&api)), (&json!(3), &json!([]), 5));
        let one = api.get(&format!("/api/deletions/{id}")).json(200);
        assert_eq!((&one["state"], &one["undone_by"]), (&json!("undone"), &json!("risk")));
        assert!(api.post(&undo, &json!({})).detail(409).contains("it was undone at"));
        assert!(api.post("/api/deletions/5/undo", &json!({})).detail(404).contains("deletion 5 not found"));
        assert!(api.get("/api/deletions/5").detail(404).contains("deletion 5 not found"));
        assert_eq!(api.get("/api/trash").json(200)["trash"].as_array().unwrap().len(), 1);
    }

    fn an_instrument_goes_with_all_that_is_its_and_a_conflict_is_listed(db: &TestDatabase) {
        let api = Api::new(db);
        ticks(&api, 0..5);
        let rule = rule(&api);
        assert!(api.delete("/api/instruments/1").detail(409).contains("active rule"));
        let deleted = api.delete("/api/instruments/1?cascade=true&by=desk&reason=expired").json(200);
        let id = deleted["deletion_id"].as_i64().unwrap();
        let one = api.get(&format!("/api/deletions/{id}")).json(200);
        assert_eq!(one["counts"], json!({"instruments": 1, "rules": 1, "alerts": 0, "bars": 0, "ticks": 5, "saved_queries": 0}));
        assert_eq!((&one["request"], &one["actor"]), (&json!("DELETE /api/instruments/1?cascade=true"), &json!("desk")));
        assert_eq!((api.get("/api/instruments/1").status.as_u16(), api.get(&format!("/api/rules/{rule}")).status.as_u16()), (404, 404));
        assert_eq!(api.delete("/api/instruments/1?cascade=true").status, 404);

        let new = json!({"symbol": "ES", "name": "another", "type": "future"});
        let holder = api.post("/api/instruments", &new).json(201)["id"].as_i64().unwrap();
        let undo = format!("/api/deletions/{id}/undo");
        let refused = api.post(&undo, &json!({}));
        assert_eq!(refused.status, 409);
        let refused = refused.json(409);
        assert_eq!((&refused["conflicts_total"], &refused["conflicts"][0]["kind"], &refused["conflicts"][0]["name"]),
            (&json!(2), &json!("instrument"), &json!("ES")));
        assert!(refused["detail"].as_str().unwrap().contains("skip_conflicts=true"));
        api.delete(&format!("/api/instruments/{holder}")).json(200);
        let undone = api.post(&undo, &json!({})).json(200);
        assert_eq!((&undone["restored"]["instruments"], count(&api)), (&json!(1), 5));
        assert_eq!(api.get("/api/instruments/1").json(200)["last_tick"], "2013-09-03T10:00:04.000000Z");
        assert_eq!(api.get(&format!("/api/rules/{rule}")).json(200)["name"], "far");
    }

    fn what_is_wrong_is_refused_at_its_place(db: &TestDatabase) {
        let api = Api::new(db);
        ticks(&api, 0..1);
        let long = "x".repeat(501);
        for (answer, place) in [
            (api.delete(&format!("/api/instruments/2?reason={long}")), json!(["query", "reason"])),
            (api.delete("/api/instruments/2?by="), json!(["query", "by"])),
            (api.delete("/api/instruments/2?because=x"), json!(["query", "because"])),
            (api.get("/api/deletions?limit=0"), json!(["query", "limit"])),
            (api.get("/api/trash?limit=1001"), json!(["query", "limit"])),
            (api.post("/api/deletions/x/undo", &json!({})), json!(["path", "id"])),
            (api.post("/api/deletions/5/undo?by=", &json!({})), json!(["query", "by"])),
            (api.post("/api/market-data/delete", &json!({"instrument_id": 1, "reason": long})), json!(["body", "reason"])),
            (api.post("/api/market-data/restore", &json!({"instrument_id": 1, "reason": "x"})), json!(["body", "reason"])),
            (api.post("/api/bars/restore", &json!({"symbol": "ES", "frequency": "1d", "by": "x"})), json!(["body", "by"])),
        ] {
            let refused = answer.json(422);
            assert_eq!(refused["detail"][0]["loc"], place, "{refused}");
        }
        assert_eq!(api.get("/api/deletions").json(200)["deletions"], json!([]));
        assert_eq!(count(&api), 1);
    }

    fn a_token_is_who_deletes_and_undoes(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            let token = Token::new("0123456789abcdef").unwrap();
            settings.server.tokens = vec![NamedToken::new("robot", token, TokenRights::Write).unwrap()];
        });
        let send = |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).header("authorization", "Bearer 0123456789abcdef");
            api.send(request.body(Body::empty()).unwrap()).json(200)
        };
        let id = send("DELETE", "/api/instruments/2?by=desk")["deletion_id"].as_i64().unwrap();
        let one = send("GET", &format!("/api/deletions/{id}"));
        assert_eq!((&one["token_name"], &one["actor"]), (&json!("robot"), &json!("desk")));
        assert_eq!(send("GET", "/api/trash")["trash"][0]["deleted_by"], "robot");
        send("POST", &format!("/api/deletions/{id}/undo?by=desk"));
        assert_eq!(send("GET", &format!("/api/deletions/{id}"))["undone_by"], "robot");
        assert_eq!(api.post(&format!("/api/deletions/{id}/undo"), &json!({})).status, 401);
    }
}
