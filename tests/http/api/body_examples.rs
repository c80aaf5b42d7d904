//! The examples of bodies in the OpenAPI document are valid: "Try it out" of `/api/docs` works at
//! once, on a database that is new but for some trades.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::api::client::{Api, post};
use crate::api::document::Document;
use crate::support::on_both;

/// What others need: sent first.
const ADDED: [&str; 3] = ["/api/instruments", "/api/rules", "/api/market-data"];

/// Trades of ES, one a day: risk is judged by returns.
fn trade(api: &Api) {
    let ticks: Vec<Value> = (1..=28)
        .map(|day| {
            let at = format!("2013-08-{day:02}T10:00:00Z");
            json!({"symbol": "ES", "timestamp": at, "price": 1600 + day * day % 17, "volume": 1})
        })
        .collect();
    // What is acknowledged has fired.
    let rule =
        json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 1});
    api.post("/api/rules", &rule).json(201);
    let stored = api.post("/api/market-data", &json!(ticks)).json(200);
    assert_eq!(stored["inserted"], 28);
}

on_both! {
    fn each_example_of_a_body_is_accepted(db: &TestDatabase) {
        let api = Api::new(db);
        trade(&api);
        let document = Document::of(&api);
        let mut examples = document.body_examples();
        assert!(examples.len() >= 14, "{examples:?}");
        examples.sort_by_key(|(method, path, ..)| {
            (method != "POST" || !ADDED.contains(&path.as_str()), path.clone())
        });

        let mut refused = Vec::new();
        for (method, path, kind, example) in examples {
            // A packed file is no text.
            if kind == "application/octet-stream" {
                continue;
            }
            let Some(example) = example else {
                refused.push(format!("{method} {path} {kind}: it has no example"));
                continue;
            };
            let body = match &example {
                Value::String(text) => text.clone(),
                json => json.to_string(),
            };
            let request = Request::builder()
                .method(method.as_str())
                .uri(path.replace("{id}", "1"))
                .header("content-type", &kind)
                .body(Body::from(body))
                .unwrap();
            let answer = api.send(request);
            let text = String::from_utf8_lossy(&answer.body);
            if ![StatusCode::OK, StatusCode::CREATED, StatusCode::NO_CONTENT].contains(&answer.status) {
                refused.push(format!("{method} {path} {kind}: {} {text}", answer.status));
            }
            for schema in document.operations().iter().filter(|of| of.method == method && of.path == path) {
                let schema = &schema.bodies[&kind];
                if let Err(error) = document.check(schema, &example) {
                    refused.push(format!("{method} {path} {kind}: not as its schema: {error}"));
                }
            }
        }
        assert!(refused.is_empty(), "\n{}\n", refused.join("\n"));
    }

    fn the_examples_of_ticks_are_stored_and_none_is_rejected(db: &TestDatabase) {
        let api = Api::new(db);
        let examples = Document::of(&api).body_examples();
        let of_ticks = examples.into_iter().filter(|(_, path, ..)| path == "/api/market-data");
        for (_, path, kind, example) in of_ticks {
            let body = match example.unwrap() {
                Value::String(text) => text,
                json => json.to_string(),
            };
            let answer = api.send(post(&path, &kind, body)).json(200);
            assert_eq!(answer["inserted"], 2, "{kind}: {answer}");
        }
    }
}
