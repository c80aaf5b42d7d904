//! NDJSON: one object per line, its keys taken for fields as a header's names would be.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::columns::{Column, ColumnMap};
use super::field::Field;
use super::layout::{Layout, NameRules};
use super::record::{Cell, Cells};

/// Which key is which field.
#[derive(Debug)]
pub(super) struct Keys {
    known: HashMap<String, Option<Field>>,
    /// The user's map names every key that is read.
    closed: bool,
}

/// Keys that are remembered; objects with more different ones look the rest up each time.
const KEYS_REMEMBERED_MAX: usize = 1_000;

impl Keys {
    pub(super) fn new(map: &ColumnMap) -> Result<Self, String> {
        let mut known = HashMap::new();
        for (field, column) in map.iter() {
            let Column::Name(name) = column else {
                return Err("the keys of JSON have names, not positions".to_owned());
            };
            known.insert(name.clone(), Some(field));
        }
        Ok(Self {
            known,
            closed: map.iter().next().is_some(),
        })
    }

    /// Checks the first object: every mapped key is there.
    pub(super) fn layout(&mut self, line: &[u8]) -> Result<Layout, String> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(line).map_err(|error| format!("is no JSON object: {error}"))?;
        for name in self.known.keys() {
            if !object.contains_key(name) {
                let keys = object
                    .keys()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(format!(
                    "there is no key {name:?}: the first object has {keys}"
                ));
            }
        }
        let names: Vec<String> = object.keys().cloned().collect();
        Layout::of_names(names, &ColumnMap::default(), NameRules::OfFiles)
    }

    /// Reads the fields of one object.
    pub(super) fn read<'a>(&mut self, line: &'a [u8], cells: &mut Cells<'a>) -> Result<(), String> {
        let mut json = serde_json::Deserializer::from_slice(line);
        Object { keys: self, cells }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| format!("is no JSON object that can be read: {error}"))
    }

    fn field(&mut self, key: &str) -> Option<Field> {
        if let Some(field) = self.known.get(key) {
            return *field;
        }
        let field = if self.closed {
            None
        } else {
            Field::of_name(key)
        };
        if self.known.len() < KEYS_REMEMBERED_MAX {
            self.known.insert(key.to_owned(), field);
        }
        field
    }
}

struct Object<'k, 'c, 'a> {
    keys: &'k mut Keys,
    cells: &'c mut Cells<'a>,
}

impl<'de> DeserializeSeed<'de> for Object<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let Some(field) = self.keys.field(&key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let cell = map.next_value_seed(CellSeed)?;
            if *self.cells.get(field) != Cell::Absent {
                let message = format!("{key:?} gives the {} twice", field.as_str());
                return Err(serde::de::Error::custom(message));
            }
            self.cells.set(field, cell);
        }
        Ok(())
    }
}

struct CellSeed;

impl<'de> DeserializeSeed<'de> for CellSeed {
    type Value = Cell<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cell<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a text or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cell::Absent)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cell::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Cell::Float(number as f64), Cell::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Cell::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cell::Text(text.as_bytes().trim_ascii()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cell::Owned(text.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Result<Cells<'_>, String> {
        let mut cells = Cells::default();
        Keys::new(&ColumnMap::default())?.read(line.as_bytes(), &mut cells)?;
        Ok(cells)
    }

    #[test]
    fn keys_are_fields_and_others_are_passed_over() {
        let cells = read(
            r#"{"DateTime":"2013-09-01","price":1640.25,"Volume":8,"x":{"y":[1]},"bid":null}"#,
        )
        .unwrap();
        assert_eq!(*cells.get(Field::Timestamp), Cell::Text(b"2013-09-01"));
        assert_eq!(*cells.get(Field::Price), Cell::Float(1640.25));
        assert_eq!(*cells.get(Field::Volume), Cell::Integer(8));
        assert_eq!(*cells.get(Field::Bid), Cell::Absent);
    }

    #[test]
    fn what_is_no_object_of_fields_is_refused() {
        for (line, why) in [
            (r#"{"price":1,"price":2}"#, "gives the price twice"),
            (r#"{"price":[1]}"#, "number, a text or null"),
            (r#"{"price":true}"#, "number, a text or null"),
            (r#"{"price":1} x"#, "trailing"),
            (r#"{"price":1"#, "EOF"),
            ("[1]", "an object"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn mapped_keys_must_be_in_the_first_object() {
        let map: ColumnMap = "timestamp=T,price=p".parse().unwrap();
        let mut keys = Keys::new(&map).unwrap();
        let error = keys.layout(br#"{"T":1,"q":2}"#).unwrap_err();
        assert!(
            error.contains("no key \"p\": the first object has T, q"),
            "{error}"
        );
        assert!(Keys::new(&"price=1".parse().unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic(line: Vec<u8>, text in "[{}\":,a-z0-9\\[\\]\\\\.-]{0,40}") {
            for line in [line.as_slice(), text.as_bytes()] {
                let mut keys = Keys::new(&ColumnMap::default()).unwrap();
                let _ = keys.layout(line);
                let _ = keys.read(line, &mut Cells::default());
            }
        }
    }
}
