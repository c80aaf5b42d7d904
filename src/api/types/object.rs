//! Values that must be written as JSON objects. Serde takes an array of a struct's values in their
//! order for the struct, too: `["ES", "E-mini"]` would be an instrument, and `[null]` a change of
//! nothing.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

/// A value that was written as an object.
#[derive(Debug, Clone)]
pub(in crate::api) struct JsonObject<T>(pub(in crate::api) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inner = deserializer.deserialize_map(OfMap(PhantomData));
        inner.map(Self)
    }
}

struct OfMap<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for OfMap<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}
