//! Requests made from the API's own description, such as it asks for. `spoil` makes them wrong.

use std::io::Write;

use axum::body::Body;
use axum::http::Request;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::api::document::{Document, Operation, types};

/// A request in parts.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) method: String,
    /// With its parameters filled in, and encoded.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Texts that are not what a parameter asks for, or only just.
pub(crate) const ODD_TEXTS: [&str; 24] = [
    "",
    " ",
    "0",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "x",
    "null",
    "true",
    "NaN",
    "\0",
    "\u{1}\n",
    "é",
    "１",
    "\u{202e}abc",
    "\u{1f600}",
    "'; DROP TABLE instruments; --",
    "%",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "../../etc",
    "0000-00-00T00:00:00Z",
];
pub(crate) const MOMENTS: [&str; 12] = [
    "2013-09-03T10:00:00Z",
    "2013-09-03T10:00:00.123456Z",
    "2013-09-03T10:00:00.123456789Z",
    "2013-09-03T12:00:00+02:00",
    "0001-01-01T00:00:00Z",
    "9999-12-30T21:59:59Z",
    "9999-12-31T23:59:59Z",
    "1969-12-31T23:59:59.999999Z",
    "2016-12-31T23:59:60Z",
    "2013-02-29T00:00:00Z",
    "0000-12-31T23:59:59Z",
    "2013-09-03t10:00:00z",
];

const DAYS: [&str; 5] = [
    "2013-09-03",
    "0001-01-01",
    "9999-12-31",
    "2012-02-29",
    "2013-02-29",
];

/// Requests that fit the description.
pub(crate) fn fitting(document: &Document, operation: &Operation) -> BoxedStrategy<Parts> {
    let beside = operation.parameters.iter().map(|parameter| {
        let (name, place) = (parameter.name.clone(), parameter.place.clone());
        let schema = document.resolved(&parameter.schema);
        let value =
            value(document, &name, &schema).prop_map(move |value| given(&place, &name, &value));
        if parameter.required {
            value.prop_map(Some).boxed()
        } else {
            proptest::option::of(value).boxed()
        }
    });
    let bodies = operation.bodies.iter().map(|(kind, schema)| {
        let kind = kind.clone();
        let body = match kind.as_str() {
            "application/json" => json_body(document, schema).boxed(),
            "application/x-ndjson" => vec(json_body(document, &tick(document)), 0..4)
                .prop_map(|lines| lines.join(&b'\n'))
                .boxed(),
            "text/csv" | "application/octet-stream" => csv().boxed(),
            "text/plain" => lines().boxed(),
            other => panic!("{other} is a type of body that this test cannot write"),
        };
        body.prop_map(move |body| Some((kind.clone(), body)))
            .boxed()
    });
    let mut bodies: Vec<_> = bodies.collect();
    if bodies.is_empty() {
        bodies.push(Just(None).boxed());
    }
    let (method, template) = (operation.method.clone(), operation.path.clone());
    let made = (
        beside.collect::<Vec<_>>(),
        proptest::strategy::Union::new(bodies),
    );
    made.prop_map(move |(beside, body)| {
        parts(
            &method,
            &template,
            beside.into_iter().flatten().flatten(),
            body,
        )
    })
    .boxed()
}

/// A parameter with its place, once for each value of a list.
fn given(place: &str, name: &str, value: &Value) -> Vec<(String, String, String)> {
    let one = |value: &Value| (place.to_owned(), name.to_owned(), text(value));
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => vec![one(value)],
    }
}

fn parts(
    method: &str,
    template: &str,
    beside: impl Iterator<Item = (String, String, String)>,
    body: Option<(String, Vec<u8>)>,
) -> Parts {
    let mut parts = Parts {
        method: method.to_owned(),
        path: template.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    for (place, name, value) in beside {
        match place.as_str() {
            "path" => {
                parts.path = parts
                    .path
                    .replace(&format!("{{{name}}}"), &encoded(value.as_bytes()))
            }
            "query" => parts.query.push((name, value)),
            "header" => parts.headers.push((name, value.into_bytes())),
            other => panic!("{other} is no place of a parameter"),
        }
    }
    if let Some((kind, body)) = body {
        parts
            .headers
            .push(("content-type".to_owned(), kind.into_bytes()));
        parts.body = body;
    }
    parts
}

/// The schema of one tick to store.
fn tick(document: &Document) -> Value {
    document.resolved(&json!({"$ref": "#/components/schemas/PostedTick"}))
}

fn json_body(document: &Document, schema: &Value) -> impl Strategy<Value = Vec<u8>> + use<> {
    let value = value(document, "", &document.resolved(schema));
    value.prop_map(|value| value.to_string().into_bytes())
}

fn csv() -> impl Strategy<Value = Vec<u8>> {
    let cell = prop_oneof![
        4 => select(&["ES", "1640.25", "2013-09-03T10:00:00Z", "7", ""][..]).prop_map(str::to_owned),
        1 => select(&ODD_TEXTS[..]).prop_map(str::to_owned),
    ];
    let header = select(
        &[
            "symbol,timestamp,price,sequence",
            "symbol;timestamp;price;sequence",
            "symbol,timestamp",
            "a,b",
            "",
        ][..],
    );
    (header, vec(vec(cell, 4), 0..4)).prop_map(|(header, rows)| {
        let good = "ES,2013-09-03T10:00:01Z,1640.25,1".to_owned();
        let rows = rows.iter().map(|cells| cells.join(","));
        let lines: Vec<String> = [header.to_owned(), good].into_iter().chain(rows).collect();
        lines.join("\n").into_bytes()
    })
}

/// Ticks in the line protocol, mostly.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    // Of few digits: moments of the past in every unit.
    let good =
        (0..9_999_i64).prop_map(|stamp| format!("ticks,symbol=ES price=1640.25,volume=8i {stamp}"));
    let odd = select(&ODD_TEXTS[..]).prop_map(|text| format!("ticks,symbol=ES price=1 {text}"));
    let line = prop_oneof![8 => good, 1 => odd, 1 => Just("# a comment".to_owned())];
    vec(line, 0..4).prop_map(|lines| lines.join("\n").into_bytes())
}

/// Values that fit a schema; the name tells what will be found.
pub(crate) fn value(document: &Document, name: &str, schema: &Value) -> BoxedStrategy<Value> {
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let choices = choices
            .iter()
            .map(|choice| value(document, name, &document.resolved(choice)));
        return proptest::strategy::Union::new(choices).boxed();
    }
    if let Some(words) = schema["enum"].as_array() {
        return select(words.clone()).boxed();
    }
    let of_types = types(&schema["type"])
        .into_iter()
        .map(|kind| match kind.as_str() {
            "null" => Just(Value::Null).boxed(),
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            "integer" => integer(name, schema).prop_map(Value::from).boxed(),
            "number" => number(schema).prop_map(Value::from).boxed(),
            "string" => string(name, schema).prop_map(Value::from).boxed(),
            "array" => {
                let item = value(document, name, &document.resolved(&schema["items"]));
                let least = schema["minItems"].as_u64().unwrap_or(0) as usize;
                vec(item, least..4).prop_map(Value::from).boxed()
            }
            "object" => object(document, schema),
            other => panic!("{other} is no type of JSON"),
        });
    proptest::strategy::Union::new(of_types).boxed()
}

/// Objects that the document leaves open: the conditions of a rule, and what is none.
fn open_object() -> BoxedStrategy<Value> {
    let conditions = [
        json!({"all": [{"condition": "above", "threshold": "1650"}]}),
        json!({"any": [{"condition": "volume_above", "threshold": 100}]}),
        json!({}),
        json!({"all": []}),
        json!({"all": [{"any": [{"condition": "above"}]}], "any": 7}),
    ];
    select(conditions.to_vec()).boxed()
}

fn object(document: &Document, schema: &Value) -> BoxedStrategy<Value> {
    if !schema["properties"].is_object() {
        return open_object();
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let members = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, inner)| {
            let member = value(document, name, &document.resolved(inner)).prop_map({
                let name = name.clone();
                move |value| (name.clone(), value)
            });
            if required.contains(&name.as_str()) {
                member.prop_map(Some).boxed()
            } else {
                proptest::option::of(member).boxed()
            }
        });
    let members: Vec<_> = members.collect();
    members
        .prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>()))
        .boxed()
}

fn integer(name: &str, schema: &Value) -> BoxedStrategy<i64> {
    let limit = |name: &str, other: i64| schema[name].as_i64().unwrap_or(other);
    let (least, most) = match schema["format"].as_str() {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let (least, most) = (limit("minimum", least), limit("maximum", most));
    if name.trim_end_matches('s').ends_with("id") {
        // The seeded instruments, and a source that there is.
        let known = if name == "source_id" {
            1..=1
        } else {
            1..=14_i64
        };
        return prop_oneof![8 => known, 1 => select(vec![least, -1, 0, most]), 1 => least..=most]
            .boxed();
    }
    prop_oneof![
        least..=most,
        select(vec![least, most]),
        least.max(0)..=most.min(least.max(0).saturating_add(9))
    ]
    .boxed()
}

fn number(schema: &Value) -> BoxedStrategy<f64> {
    let least = &schema["minimum"];
    let least = least.as_f64().or(schema["exclusiveMinimum"].as_f64());
    let least = least.unwrap_or(f64::NEG_INFINITY);
    if let Some(most) = schema["maximum"].as_f64() {
        return prop_oneof![least..=most, select(vec![least, most])].boxed();
    }
    let edges = select(vec![
        0.0,
        -0.0,
        1.5,
        0.1 + 0.2,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        9_007_199_254_740_993.0,
        1e300,
    ]);
    let any = prop_oneof![
        edges,
        -1e6..1e6_f64,
        proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL
    ];
    any.prop_map(move |number| if number < least { -number } else { number })
        .boxed()
}

fn string(name: &str, schema: &Value) -> BoxedStrategy<String> {
    let most = schema["maxLength"]
        .as_u64()
        .map_or(20, |most| most as usize);
    if schema["format"] == "date-time" || name == "timestamp" {
        return select(&MOMENTS[..]).prop_map(str::to_owned).boxed();
    }
    if schema["format"] == "date" {
        return select(&DAYS[..]).prop_map(str::to_owned).boxed();
    }
    if name == "symbol" || name == "symbols" {
        return prop_oneof![4 => select(&["ES", "nq", "Cl"][..]).prop_map(str::to_owned), 1 => "[!-~]{1,32}"].boxed();
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let plain = pattern.trim_start_matches('^').trim_end_matches('$');
        // Lists of a thousand and names of any length are not where the defects are.
        let plain = plain.replace("{0,999}", "{0,3}").replace("]*", "]{0,9}");
        return proptest::string::string_regex(&plain).unwrap().boxed();
    }
    prop_oneof![
        "[ -~]{1,20}".prop_map(String::from),
        select(&ODD_TEXTS[..]).prop_map(str::to_owned)
    ]
    .prop_map(move |text| text.chars().take(most).collect())
    .boxed()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    bytes
        .iter()
        .map(|byte| {
            if plain(byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

impl Parts {
    /// The request, packed by gzip if asked; nothing for headers that HTTP itself cannot carry.
    pub(crate) fn request(&self, packed: bool) -> Option<Request<Body>> {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| {
                format!("{}={}", encoded(name.as_bytes()), encoded(value.as_bytes()))
            })
            .collect();
        let uri = if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, query.join("&"))
        };
        let mut request = Request::builder().method(self.method.as_str()).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        if !packed {
            return request.body(self.body.clone().into()).ok();
        }
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&self.body).unwrap();
        let body = packer.finish().unwrap();
        request
            .header("content-encoding", "gzip")
            .body(body.into())
            .ok()
    }
}
