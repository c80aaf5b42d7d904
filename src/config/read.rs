//! Reads values as files and variables write them: times as counts, texts that may be secret,
//! lists. It knows no setting.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Result};
use crate::timestamp::parse_span;

/// A time in milliseconds.
pub(super) fn millis<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

/// A time in seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_secs)
}

/// A time with its unit: `24h`.
pub(super) fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse_span(&text(from)?).map_err(refused)
}

/// The same, where there may be none.
pub(super) fn optional_span<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    span(from).map(Some)
}

/// A word of a list.
pub(super) fn word<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err = Error>,
    D: Deserializer<'de>,
{
    text(from)?.parse().map_err(refused)
}

/// A text; a variable that reads as a number arrives as one. It may be secret, so the error does
/// not repeat it as serde's own would.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match toml::Value::deserialize(from)? {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        _ => Err(D::Error::custom("it is not a text; write it in quotes")),
    }
}

/// A list of texts; in a variable with commas.
pub(super) fn commas<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let split = |text: &str| {
        let parts = text.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        Ok(parts.map(str::to_owned).collect())
    };
    list_or_text(from, "a list of texts", split)
}

/// A list; in a variable a text, from which `split` makes one.
pub(super) fn list_or_text<'de, T, D>(
    from: D,
    expected: &'static str,
    split: fn(&str) -> Result<Vec<T>>,
) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    from.deserialize_any(ListOrText { expected, split })
}

struct ListOrText<T> {
    expected: &'static str,
    split: fn(&str) -> Result<Vec<T>>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListOrText<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        (self.split)(text).map_err(refused)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }
}

/// A table. serde's own error would repeat a text in its place, which may be a secret.
pub(super) fn table<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    from.deserialize_any(TableAlone(PhantomData))
}

struct TableAlone<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableAlone<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<T, E> {
        Err(E::custom("it is not a table"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// An error of this crate as one of serde; whoever has the path of the value adds its name.
pub(super) fn refused<E: serde::de::Error>(error: Error) -> E {
    match error {
        Error::Config { reason, remedy, .. } | Error::Invalid { reason, remedy, .. } => {
            E::custom(format_args!("{reason}; {remedy}"))
        }
        other => E::custom(other),
    }
}
