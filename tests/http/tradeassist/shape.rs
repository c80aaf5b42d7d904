//! Answers of TradeAssist as they were recorded, and whether an answer has the shape of one: names
//! in their order, and types. It keeps the order of fields, which the maps of `serde_json` do not.

use std::fmt;

use axum::body::Body;
use axum::http::Request;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::client::{Answer, Api};

const ORIGINAL: &str = include_str!("../../fixtures/tradeassist/original.jsonl");

/// A request to the original, and what it answered. Its lists are cut to three items.
#[derive(Debug, Deserialize)]
pub(super) struct Recorded {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) status: u16,
    pub(super) answer: Box<RawValue>,
}

impl Recorded {
    /// Those of these paths, in the order in which they were asked.
    pub(super) fn all(is_of: impl Fn(&str) -> bool) -> Vec<Self> {
        let lines = ORIGINAL.lines();
        let all = lines.map(|line| serde_json::from_str::<Self>(line).unwrap());
        all.filter(|recorded| is_of(&recorded.path)).collect()
    }

    /// Asks the same again.
    pub(super) fn ask(&self, api: &Api) -> Answer {
        let request = Request::builder()
            .method(self.method.as_str())
            .uri(&self.path);
        let request = request.header("content-type", "application/json");
        let body = match &self.body {
            Value::Null => Body::empty(),
            // It was no JSON.
            Value::String(text) => text.clone().into(),
            body => body.to_string().into(),
        };
        api.send(request.body(body).unwrap())
    }

    /// What was answered.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(self.answer.get()).unwrap()
    }
}

/// Fails unless `ours` has the names of `recorded`, in its order, and its types: whole numbers and
/// fractions are two, and a moment is a text of its own form. An object or a list that is empty in
/// the record says nothing of its items; lists are compared as far as both go.
#[track_caller]
pub(super) fn same_shape(recorded: &str, ours: &str) {
    if let Err(difference) = compared(recorded, ours) {
        panic!("{difference}\nrecorded: {recorded}\nours: {ours}");
    }
}

pub(super) fn compared(recorded: &str, ours: &str) -> Result<(), String> {
    let read = |text| serde_json::from_str::<Ordered>(text).map_err(|error| error.to_string());
    differ("$", &read(recorded)?, &read(ours)?)
}

/// JSON with the fields of its objects in their order.
#[derive(Debug, PartialEq)]
enum Ordered {
    Null,
    Truth,
    Whole,
    Fraction,
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Ordered {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Truth => "a truth value",
            Self::Whole => "a whole number",
            Self::Fraction => "a number with a point",
            Self::Text(text) if is_moment(text) => "a moment without an offset",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// What stands in a recorded list for the items that were left out.
    fn is_cut(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with("... ") && text.ends_with(" items in all"))
    }
}

/// As Python writes moments: `2026-11-28T17:59:33`, with six digits of a fraction or none.
fn is_moment(text: &str) -> bool {
    let form: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    ["0000-00-00T00:00:00", "0000-00-00T00:00:00.000000"].contains(&&*form)
}

fn differ(at: &str, recorded: &Ordered, ours: &Ordered) -> Result<(), String> {
    // What may be null was so by the data, not by the contract.
    if [recorded, ours].contains(&&Ordered::Null) {
        return Ok(());
    }
    if recorded.kind() != ours.kind() {
        let (one, other) = (recorded.kind(), ours.kind());
        return Err(format!("{at}: it was {one}, and is {other}"));
    }
    match (recorded, ours) {
        (Ordered::Object(before), Ordered::Object(now)) if !before.is_empty() => {
            let names = |of: &[(String, Ordered)]| -> Vec<String> {
                of.iter().map(|(name, _)| name.clone()).collect()
            };
            if names(before) != names(now) {
                let (before, now) = (names(before), names(now));
                return Err(format!("{at}: its fields were {before:?}, and are {now:?}"));
            }
            let mut fields = before.iter().zip(now);
            fields.try_for_each(|((name, before), (_, now))| {
                differ(&format!("{at}.{name}"), before, now)
            })
        }
        (Ordered::List(before), Ordered::List(now)) => {
            if now.is_empty() && !before.is_empty() {
                return Err(format!("{at}: it had items, and has none"));
            }
            let items = before.iter().filter(|item| !item.is_cut()).zip(now);
            items.enumerate().try_for_each(|(index, (before, now))| {
                differ(&format!("{at}[{index}]"), before, now)
            })
        }
        _ => Ok(()),
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Ordered, E> {
        Ok(Ordered::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Ordered, E> {
        Ok(Ordered::Truth)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Ordered, E> {
        Ok(Ordered::Whole)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Ordered, E> {
        Ok(Ordered::Whole)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Ordered, E> {
        Ok(Ordered::Fraction)
    }

    fn visit_str<E>(self, text: &str) -> Result<Ordered, E> {
        Ok(Ordered::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ordered, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Ordered::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Ordered, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Ordered::Object(object))
    }
}

#[test]
fn a_shape_is_names_in_their_order_and_types() {
    let recorded = r#"{"a": 1, "b": 2.0, "c": [{"x": null}, "... 9 items in all"], "d": {}}"#;
    let same = r#"{"a": 7, "b": 0.5, "c": [{"x": null}, {"x": 1}], "d": {"any": true}}"#;
    same_shape(recorded, same);
    for (other, said) in [
        (
            r#"{"b": 0.5, "a": 7, "c": [{"x": null}], "d": {}}"#,
            "$: its fields were",
        ),
        (
            r#"{"a": 7.0, "b": 0.5, "c": [{"x": null}], "d": {}}"#,
            "$.a: it was a whole number",
        ),
        (
            r#"{"a": 7, "b": 0.5, "c": [], "d": {}}"#,
            "$.c: it had items",
        ),
    ] {
        let difference = compared(recorded, other).unwrap_err();
        assert!(difference.starts_with(said), "{difference}");
    }
    let moments = compared(r#""2026-11-28T17:59:33""#, r#""2026-11-28T17:59:33Z""#).unwrap_err();
    assert!(
        moments.contains("a moment without an offset, and is a text"),
        "{moments}"
    );
}
