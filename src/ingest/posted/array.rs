//! The rows of a posted JSON text, each still a text of its own: what is inside one is its own
//! affair.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::PostedError;

/// The rows of an array, or of `{"ticks": [..]}`. Of a text with more than `rows_max` no more than
/// tells that is kept.
pub(super) fn rows(text: &[u8], rows_max: usize) -> Result<Vec<&RawValue>, PostedError> {
    let refuse = |reason: &str| PostedError::NotTicks(reason.to_owned());
    let mut json = serde_json::Deserializer::from_slice(text);
    let kept_max = rows_max.saturating_add(1);
    let rows = match text.trim_ascii_start().first() {
        Some(b'[') => Array { kept_max }.deserialize(&mut json),
        Some(b'{') => json.deserialize_map(PostedEnvelope { kept_max }),
        Some(_) => return Err(refuse("it is neither an array nor an object")),
        None => return Err(refuse("it is empty")),
    };
    rows.and_then(|rows| json.end().map(|()| rows))
        .map_err(|error| refuse(&format!("invalid JSON of ticks: {error}")))
}

/// `[..]`
struct Array {
    kept_max: usize,
}

impl<'de> DeserializeSeed<'de> for Array {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Array {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of ticks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while rows.len() < self.kept_max {
            match elements.next_element()? {
                Some(row) => rows.push(row),
                None => return Ok(rows),
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(rows)
    }
}

/// `{"ticks": [..]}`
struct PostedEnvelope {
    kept_max: usize,
}

impl<'de> Visitor<'de> for PostedEnvelope {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with ticks")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut rows = None;
        while let Some(name) = members.next_key::<String>()? {
            if name != "ticks" {
                return Err(A::Error::unknown_field(&name, &["ticks"]));
            }
            if rows.is_some() {
                return Err(A::Error::duplicate_field("ticks"));
            }
            let kept_max = self.kept_max;
            rows = Some(members.next_value_seed(Array { kept_max })?);
        }
        rows.ok_or_else(|| A::Error::missing_field("ticks"))
    }
}
