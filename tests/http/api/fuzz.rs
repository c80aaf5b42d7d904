//! The API holds what its own description promises, whatever it is sent.
//!
//! Requests are made from the OpenAPI document of the running router, right ones and ones with one
//! thing wrong. Each answer must have a status that the document names for its operation, a body
//! that is what the document says, and the request's id; none may be a failure of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use axum::http::StatusCode;
use flate2::read::GzDecoder;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tickbase::domain::{ArchivePeriod, Bar, Condition, Frequency, RawBar, RuleType};
use tickbase::models::{NewAlertRule, NewDeletion};
use tickbase::repository::archive::{self, ArchiveRequest, Archiver};
use tickbase::repository::{alert_rule, deletion};
use tickbase::timestamp::Timestamp;

use crate::api::client::{Answer, Api};
use crate::api::document::{Document, Operation};
use crate::api::generate::{Parts, fitting};
use crate::api::spoil::unfitting;
use crate::support::chaos::scaled;
use crate::support::{insert_bars, on_both};

/// How often all of it is done.
const ROUNDS: u64 = 2;
/// Requests of each kind for an operation without parameters and body: they differ in headers alone.
const CASES_PLAIN: u32 = 15;

/// Why an answer is not what the document promises.
fn broken_promise(document: &Document, operation: &Operation, answer: &Answer) -> Option<String> {
    if !answer.headers.contains_key("x-request-id") {
        return Some("there is no x-request-id".to_owned());
    }
    if answer.status.is_server_error() {
        return Some("the server failed".to_owned());
    }
    let beside = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&answer.status);
    let Some(contents) = operation.response(answer.status.as_u16()) else {
        // The path was another one after it was broken.
        let said = answer.text();
        let is_aside =
            beside && (said.contains("there is nothing at") || said.contains("takes no"));
        return (!is_aside).then(|| "the status is not described".to_owned());
    };
    if contents.is_empty() {
        return (!answer.body.is_empty()).then(|| "it has a body".to_owned());
    }
    let kind = answer.header("content-type").unwrap_or_default();
    let Some(schema) = contents
        .get(kind)
        .or_else(|| contents.get(kind.split(';').next()?))
    else {
        return Some(format!(
            "the content-type {kind:?} is not described: {:?}",
            contents.keys()
        ));
    };
    if document.resolved(schema)["format"] == "binary" {
        return None;
    }
    if kind != "application/json" {
        return (!is_text(&answer.body)).then(|| "it is no text".to_owned());
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(body) => document.check(schema, &body).err(),
        Err(error) => Some(format!("it is no JSON: {error}")),
    }
}

fn unpacked(mut answer: Answer) -> Answer {
    if answer.header("content-encoding") == Some("gzip") {
        let packed = std::mem::take(&mut answer.body);
        GzDecoder::new(&packed[..])
            .read_to_end(&mut answer.body)
            .unwrap();
    }
    answer
}

fn is_text(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok()
}

fn runner(cases: u32, round: u64) -> TestRunner {
    // The same requests in each run: a failure comes again, and nothing fails by chance.
    TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(20_130_903 + round),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    })
}

/// Statuses that were seen.
fn statuses(api: &Api, document: &Document, operation: &Operation, round: u64) -> BTreeSet<u16> {
    let is_plain = operation.parameters.is_empty() && operation.bodies.is_empty();
    // Requests of each kind for each operation with parameters or a body.
    let cases = if is_plain {
        CASES_PLAIN
    } else {
        scaled(60, 1_000)
    };
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let send = &|(parts, packed): (Parts, u8)| {
        let Some(request) = parts.request(packed == 0) else {
            return Ok(());
        };
        let answer = unpacked(api.send(request));
        seen.borrow_mut().insert(answer.status.as_u16());
        match broken_promise(document, operation, &answer) {
            None => Ok(()),
            Some(why) => Err(TestCaseError::fail(format!(
                "{why}: {} {}",
                answer.status,
                shown(&answer)
            ))),
        }
    };
    for requests in [fitting(document, operation), unfitting(document, operation)] {
        let done = runner(cases, round).run(&(requests, 0..10_u8), send);
        done.unwrap_or_else(|error| panic!("{}: {error}", operation.name()));
    }
    seen.into_inner()
}

/// Alerts with the ids that requests ask for: nobody can post one.
fn alerts(api: &Api) {
    let rule = json!({"instrument_id": 1, "rule_type": "threshold", "condition": "above",
                      "threshold": 0, "cooldown_seconds": 0});
    api.post("/api/rules", &rule).json(201);
    let tick = |n: i64| json!({"symbol": "ES", "timestamp": 1_378_202_400 + n, "price": 1640});
    let ticks: Vec<Value> = (0..14).map(tick).collect();
    api.post("/api/market-data", &json!(ticks)).json(200);
    assert_eq!(api.get("/api/alerts").json(200)["total"], 14);
}

/// Five hours of bars of the first instruments, so that figures of analytics have values.
fn bars(api: &Api) {
    let price = |number: i64| Some(number.to_string().parse().unwrap());
    let bar = |at: i64| RawBar {
        instrument_id: 1 + at % 3,
        timestamp: Timestamp::from_micros((1_378_202_400 + at / 3 * 60) * 1_000_000).unwrap(),
        frequency: Frequency::OneMinute,
        source_id: None,
        open: price(1_640),
        high: price(1_641 + at % 7),
        low: price(1_640 - at % 5),
        close: price(1_640 + at % 2),
        volume: Some((at % 11) as f64),
        open_interest: None,
    };
    let bars: Vec<Bar> = (0..900).map(|at| Bar::try_from(bar(at)).unwrap()).collect();
    insert_bars(api.app.database(), &bars[..]).unwrap();
}

/// Deletions with the ids that requests ask for, which are moments just after 1970.
fn deletions(api: &Api) {
    let database = api.app.database();
    for moment in 1..=14 {
        let at = Timestamp::from_micros(moment).unwrap();
        let done = database.write("test.delete", move |conn| {
            let rule = NewAlertRule {
                condition: Some(Condition::Above),
                threshold: Some("1".parse().unwrap()),
                ..NewAlertRule::new(2, RuleType::Threshold)
            };
            let id = alert_rule::insert(conn, &rule, at)?.id;
            deletion::batch(conn, &NewDeletion::of("a test"), at, |conn, batch| {
                alert_rule::soft_delete(conn, &[id], batch)
            })
        });
        assert_eq!(done.unwrap().1.map(|of| of.id()), Some(moment));
    }
}

/// The same ticks as files of a day each, with the numbers that requests ask for.
fn archive(api: &Api) {
    let database = api.app.database();
    let day = |n: i64| 1_262_304_000 + n * 86_400;
    let tick = |n: i64| json!({"symbol": "NQ", "timestamp": day(n), "price": 1640});
    let ticks: Vec<Value> = (0..9).map(tick).collect();
    api.post("/api/market-data", &json!(ticks)).json(200);
    let request = ArchiveRequest {
        instrument_ids: vec![2],
        before: Timestamp::MAX,
        period: ArchivePeriod::Day,
        dry_run: false,
    };
    archive::run(database, &Archiver::default(), &request, |_| Ok(())).unwrap();
}

fn shown(answer: &Answer) -> String {
    answer.text().chars().take(600).collect()
}

on_both! {
    fn the_document_says_that_no_text_of_a_query_is_empty(db: &TestDatabase) {
        let api = Api::new(db);
        let document = Document::of(&api);
        let mut texts = 0;
        for operation in document.operations() {
            for parameter in operation.parameters.iter().filter(|of| of.place == "query") {
                let mut schema = document.resolved(&parameter.schema);
                if schema["type"] == "array" {
                    schema = document.resolved(&schema["items"]);
                }
                if document.check(&schema, &json!("\u{1f600}")).is_err() {
                    continue; // No text, or one of a form.
                }
                texts += 1;
                let empty = document.check(&schema, &json!(""));
                let name = &parameter.name;
                assert!(empty.is_err() || schema["pattern"].is_string(), "{} {name}", operation.name());
            }
        }
        assert!(texts > 3, "{texts}");
    }

    fn every_answer_is_one_that_the_document_promises(db: &TestDatabase) {
        let api = Api::new(db);
        alerts(&api);
        bars(&api);
        deletions(&api);
        archive(&api);
        let document = Document::of(&api);
        let mut operations = document.operations();
        assert!(operations.len() >= 16, "{operations:?}");
        // What deletes comes last, so that there is something to find; and all of it once more,
        // with what was deleted.
        operations.sort_by_key(|operation| operation.method == "DELETE");
        let mut seen: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for round in 0..ROUNDS {
            for operation in &operations {
                let statuses = statuses(&api, &document, operation, round);
                seen.entry(operation.name()).or_default().extend(statuses);
            }
        }
        for operation in &operations {
            let (name, seen) = (operation.name(), &seen[&operation.name()]);
            if operation.response(101).is_some() {
                continue; // A router alone has no connection to hand over.
            }
            // No schema says which texts are a file of prices; `api/import.rs` sends such.
            let takes_a_file = name.contains("/api/import");
            let succeeded = seen.iter().any(|status| (200..300).contains(status));
            assert!(succeeded || takes_a_file, "{name} never succeeded: {seen:?}");
            let refuses = !operation.parameters.is_empty() || !operation.bodies.is_empty();
            // InfluxDB's clients know no 422.
            let refused = seen.contains(&422) || seen.contains(&400);
            // Charts are told in the body.
            let refuses = refuses && !name.contains("/udf/");
            assert!(!refuses || refused, "{name} refused nothing: {seen:?}");
        }
    }
}
