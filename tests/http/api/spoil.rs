//! Requests with one thing wrong: a value, a name, a header, bytes of any kind.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::api::document::{Document, Operation};
use crate::api::generate::{MOMENTS, ODD_TEXTS, Parts, encoded, fitting, value};

/// Stands in a JSON text for what a JSON value cannot hold.
const RAW: &str = "@raw@";
/// What no JSON value of ours holds: numbers past every type, and half a character.
const RAW_TEXTS: [&str; 7] = [
    "1e999",
    "-1e999",
    "123456789012345678901234567890",
    "0.1e-400",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
];
/// What is put into the place of a right value.
#[derive(Debug, Clone)]
enum Wrong {
    Value(Value),
    Raw(&'static str),
    Missing,
    Unknown,
}

fn wrong_value() -> impl Strategy<Value = Wrong> {
    let values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(7.0),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(f64::MAX),
        json!(""),
        json!("x".repeat(100_000)),
        json!([]),
        json!({}),
        json!([[]]),
        json!({"a": 1}),
    ];
    prop_oneof![
        4 => select(values).prop_map(Wrong::Value),
        2 => select(&ODD_TEXTS[..]).prop_map(|text| Wrong::Value(json!(text))),
        2 => select(&RAW_TEXTS[..]).prop_map(Wrong::Raw),
        1 => Just(Wrong::Missing),
        1 => Just(Wrong::Unknown),
    ]
}

fn spoiled_json(document: &Document, schema: &Value) -> impl Strategy<Value = Vec<u8>> + use<> {
    let value = value(document, "", &document.resolved(schema));
    (value, any::<Index>(), wrong_value())
        .prop_map(|(value, place, wrong)| broken(value, &place, &wrong).into_bytes())
}

/// A JSON text with one thing wrong somewhere.
fn broken(mut value: Value, place: &Index, wrong: &Wrong) -> String {
    let mut places = vec![String::new()];
    pointers(&value, "", &mut places);
    let place = place.get(&places);
    let (parent, name) = place.rsplit_once('/').unwrap_or(("", ""));
    match wrong {
        Wrong::Value(wrong) => *value.pointer_mut(place).unwrap() = wrong.clone(),
        Wrong::Raw(_) => *value.pointer_mut(place).unwrap() = json!(RAW),
        Wrong::Missing => match value.pointer_mut(parent) {
            Some(Value::Object(members)) => drop(members.remove(name)),
            Some(Value::Array(items)) => drop(items.pop()),
            _ => value = Value::Null,
        },
        Wrong::Unknown => match value.pointer_mut(parent) {
            Some(Value::Object(members)) => {
                drop(members.insert("deleted_at".to_owned(), json!("2013-09-03")))
            }
            _ => value = json!({"unknown": value}),
        },
    }
    match wrong {
        Wrong::Raw(raw) => value.to_string().replace(&format!("\"{RAW}\""), raw),
        _ => value.to_string(),
    }
}

fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut inner = |name: &str, value: &Value| {
        let at = format!("{at}/{name}");
        into.push(at.clone());
        pointers(value, &at, into);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| inner(name, value)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| inner(&index.to_string(), value)),
        _ => {}
    }
}

/// Requests with one thing wrong, anywhere.
pub(crate) fn unfitting(document: &Document, operation: &Operation) -> BoxedStrategy<Parts> {
    let fitting = fitting(document, operation);
    let odd = prop_oneof![
        4 => select(&ODD_TEXTS[..]).prop_map(|text| text.as_bytes().to_vec()),
        2 => select(&MOMENTS[..]).prop_map(|text| text.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 0..40),
        1 => Just(vec![b'9'; 5_000]),
    ];
    const KINDS: &[&str] = &[
        "application/json",
        "application/x-ndjson",
        "text/csv",
        "text/plain",
        "application/vnd.x+json",
        "",
        "application/json; charset=latin1",
    ];
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..200),
        Just(b"[".repeat(5_000)),
        Just(Vec::new()),
        "[\\[\\]{}:,\"a-z0-9 ]{0,40}".prop_map(String::into_bytes)
    ];
    let body: BoxedStrategy<Option<Vec<u8>>> = match operation.bodies.get("application/json") {
        Some(schema) => spoiled_json(document, schema).prop_map(Some).boxed(),
        None => Just(None).boxed(),
    };
    let wrong = (
        any::<u8>(),
        any::<Index>(),
        odd,
        select(KINDS),
        bytes,
        body,
        unfitting_headers(),
    );
    let template = operation.path.clone();
    (fitting, wrong)
        .prop_map(
            move |(mut parts, (which, index, odd, kind, bytes, body, header))| {
                let query: Vec<String> = parts.query.iter().map(|(name, _)| name.clone()).collect();
                match (which % 8, body) {
                    (0..=2, Some(body)) => parts.body = body,
                    (0 | 3, _) => {
                        let content_type = ("content-type".to_owned(), kind.as_bytes().to_vec());
                        parts.headers.retain(|(name, _)| name != "content-type");
                        parts.headers.push(content_type);
                        parts.body = bytes;
                    }
                    (1 | 4, _) if template.contains('{') => {
                        let (before, rest) = template.split_once('{').unwrap();
                        let after = rest.split_once('}').unwrap().1;
                        parts.path = format!("{before}{}{after}", encoded(&odd));
                    }
                    (2 | 5, _) if !query.is_empty() => {
                        parts.query[index.index(query.len())].1 =
                            String::from_utf8_lossy(&odd).into_owned();
                    }
                    (6, _) if !query.is_empty() => {
                        let twice = parts.query[index.index(query.len())].clone();
                        parts.query.push(twice);
                    }
                    (7, _) => parts
                        .query
                        .push((String::from_utf8_lossy(&odd).into_owned(), "1".to_owned())),
                    _ => parts.headers.push(header),
                }
                parts
            },
        )
        .boxed()
}

fn unfitting_headers() -> impl Strategy<Value = (String, Vec<u8>)> {
    let values = [
        ("idempotency-key", &b""[..]),
        ("idempotency-key", b"a\tb"),
        ("idempotency-key", b"\xff\xfe"),
        ("idempotency-key", &[b'k'; 256]),
        ("content-type", b""),
        ("content-type", b"\xff"),
        ("content-encoding", b"gzip"),
        ("content-encoding", b"br"),
        ("content-encoding", b"gzip, gzip"),
        ("content-encoding", b"\xff"),
        ("content-length", b"7"),
        ("accept", b"text/html"),
        ("accept-encoding", b"gzip"),
        ("authorization", b"Bearer \xff"),
        ("origin", b"null"),
        ("x-request-id", b""),
        ("x-request-id", b"\xe9"),
        ("x-request-id", &[b'x'; 4_096]),
        ("if-none-match", b"*"),
        ("range", b"bytes=0-0"),
        ("expect", b"100-continue"),
    ];
    select(values.to_vec()).prop_map(|(name, value)| (name.to_owned(), value.to_vec()))
}
