//! NDJSON: one object per line, its keys taken for fields as a header's names would be.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::cells::{Cell, Cells};
use super::columns::{ColumnMap, ColumnSelector};
use super::field::{Field, NameMeaning};
use super::layout::{Layout, NameRules};

/// Keys that are remembered; objects with more different ones look the rest up each time.
const KEYS_REMEMBERED_MAX: usize = 1_000;

/// Maps the keys of an object to fields.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    rules: NameRules,
    /// The fields whose keys the user named or left out: no other key gives them.
    mapped: Vec<Field>,
    layout: Layout,
    known: HashMap<String, Option<Field>>,
    /// The keys of the last object, in their order: most objects of a feed repeat it.
    order: Vec<(String, Option<Field>)>,
}

/// The keys of the first object as the columns of a feed, and its values as texts.
pub(super) fn first_layout(
    line: &[u8],
    map: &ColumnMap,
    rules: NameRules,
) -> Result<(Layout, Vec<String>), String> {
    if map
        .iter()
        .any(|(_, column)| matches!(column, ColumnSelector::Position(_)))
    {
        return Err("the keys of JSON have names, not positions".to_owned());
    }
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(line).map_err(|error| format!("is not a JSON object: {error}"))?;
    let values = object.values().map(|value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let values = values.collect();
    let layout = Layout::of_names(object.keys().cloned().collect(), map, rules)?;
    Ok((layout, values))
}

impl Keys {
    /// The keys of a feed whose first object has this layout.
    pub(super) fn new(layout: Layout, map: &ColumnMap, rules: NameRules) -> Self {
        let known = (0..layout.fields.len())
            .map(|index| (layout.name(index), layout.fields[index]))
            .collect();
        Self {
            rules,
            mapped: map.iter().map(|(field, _)| field).collect(),
            layout,
            known,
            order: Vec::new(),
        }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads the fields of one object.
    pub(super) fn read<'a>(&mut self, text: &'a [u8], cells: &mut Cells<'a>) -> Result<(), String> {
        let mut json = serde_json::Deserializer::from_slice(text);
        RowObject { keys: self, cells }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| error.to_string())
    }

    /// The field of the key at this place of its object; an error for one that is not allowed.
    fn field(&mut self, place: usize, key: &str) -> Result<Option<Field>, String> {
        if let Some((known, field)) = self.order.get(place)
            && known == key
        {
            return Ok(*field);
        }
        let field = match self.known.get(key) {
            Some(field) => *field,
            None => self.new_key(key)?,
        };
        if place < KEYS_REMEMBERED_MAX {
            self.order.truncate(place);
            self.order.push((key.to_owned(), field));
        }
        Ok(field)
    }

    #[cold]
    fn new_key(&mut self, key: &str) -> Result<Option<Field>, String> {
        let meaning = NameMeaning::of(key);
        let field = match self.rules {
            NameRules::OfPosts => Some(
                meaning
                    .filter(|meaning| meaning.is_of_posts())
                    .map(|meaning| meaning.field)
                    .ok_or_else(|| format!("unknown field `{}`: no tick has it", shown(key)))?,
            ),
            NameRules::OfFiles => meaning.map(|meaning| meaning.field).filter(|field| {
                let foreign =
                    matches!(field, Field::InstrumentId | Field::Source | Field::SourceId);
                !foreign && !self.layout.has(*field) && !self.mapped.contains(field)
            }),
        };
        if self.known.len() < KEYS_REMEMBERED_MAX {
            self.known.insert(key.to_owned(), field);
            if self.rules == NameRules::OfFiles {
                self.layout.add(key, field);
            }
        }
        Ok(field)
    }
}

/// The start of a key, for a message.
fn shown(key: &str) -> String {
    key.chars().take(40).collect()
}

struct RowObject<'k, 'c, 'a> {
    keys: &'k mut Keys,
    cells: &'c mut Cells<'a>,
}

impl<'de> DeserializeSeed<'de> for RowObject<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowObject<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(key) = map.next_key::<KeyText<'de>>()? {
            let field = self.keys.field(place, &key.0).map_err(A::Error::custom)?;
            place += 1;
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let cell = map.next_value_seed(CellSeed(field))?;
            if self.cells.has(field) {
                let message = format!("{:?} gives the {} twice", shown(&key.0), field.as_str());
                return Err(A::Error::custom(message));
            }
            self.cells.set(field, cell);
        }
        Ok(())
    }
}

/// A key, borrowed where the text has no escapes.
#[derive(serde::Deserialize)]
struct KeyText<'a>(#[serde(borrow)] Cow<'a, str>);

struct CellSeed(Field);

impl<'de> DeserializeSeed<'de> for CellSeed {
    type Value = Cell<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cell<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Field::Timestamp => {
                f.write_str("a timestamp as ISO 8601 text or as a number since 1970")
            }
            _ => f.write_str("a number, a text or null"),
        }
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
        let text = text.as_bytes().trim_ascii();
        Ok(if text.is_empty() {
            Cell::Absent
        } else {
            Cell::Text(text)
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let text = text.trim();
        Ok(if text.is_empty() {
            Cell::Absent
        } else {
            Cell::Owned(text.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(first: &str, map: &str, rules: NameRules) -> Result<Keys, String> {
        let map: ColumnMap = if map.is_empty() {
            ColumnMap::default()
        } else {
            map.parse().unwrap()
        };
        let (layout, _) = first_layout(first.as_bytes(), &map, rules)?;
        Ok(Keys::new(layout, &map, rules))
    }

    fn read(line: &str) -> Result<Cells<'_>, String> {
        let mut cells = Cells::default();
        keys("{}", "", NameRules::OfFiles)?.read(line.as_bytes(), &mut cells)?;
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
    fn objects_in_any_order_and_with_keys_that_come_later_are_read_alike() {
        let mut keys = keys(r#"{"ts":1,"price":2,"last":9}"#, "", NameRules::OfFiles).unwrap();
        for line in [
            r#"{"ts":1,"price":2,"last":9}"#,
            r#"{"price":2,"ts":1}"#,
            r#"{"qty":3,"last":9,"x":1,"ts":1,"price":2}"#,
            r#"{"ts":1,"price":2,"last":9}"#,
        ] {
            let mut cells = Cells::default();
            keys.read(line.as_bytes(), &mut cells).unwrap();
            assert_eq!(*cells.get(Field::Price), Cell::Integer(2), "{line}");
            assert_eq!(*cells.get(Field::Timestamp), Cell::Integer(1), "{line}");
            assert_eq!(cells.has(Field::Volume), line.contains("qty"), "{line}");
        }
        assert_eq!(keys.layout().unused(), ["last", "x"]);
    }

    #[test]
    fn what_is_no_object_of_fields_is_refused() {
        for (line, why) in [
            (r#"{"price":1,"price":2}"#, "gives the price twice"),
            (r#"{"price":[1]}"#, "number, a text or null"),
            (r#"{"price":true}"#, "number, a text or null"),
            (r#"{"ts":true}"#, "ISO 8601"),
            (r#"{"price":1} x"#, "trailing"),
            (r#"{"price":1"#, "EOF"),
            ("[1]", "an object"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
        let mut posted = keys("{}", "", NameRules::OfPosts).unwrap();
        let error = posted
            .read(br#"{"prise":1}"#, &mut Cells::default())
            .unwrap_err();
        assert!(error.contains("unknown field `prise`"), "{error}");
    }

    #[test]
    fn mapped_keys_must_be_in_the_first_object() {
        let refused = |map| keys(r#"{"T":1,"q":2}"#, map, NameRules::OfFiles).unwrap_err();
        let error = refused("timestamp=T,price=p");
        assert!(
            error.contains("no column \"p\": the file has T, q"),
            "{error}"
        );
        assert!(refused("price=1").contains("not positions"));
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic(line: Vec<u8>, text in "[{}\":,a-z0-9\\[\\]\\\\.-]{0,40}") {
            for line in [line.as_slice(), text.as_bytes()] {
                for rules in [NameRules::OfFiles, NameRules::OfPosts] {
                    let _ = first_layout(line, &ColumnMap::default(), rules);
                    let _ = keys("{}", "", rules).unwrap().read(line, &mut Cells::default());
                }
            }
        }
    }
}
