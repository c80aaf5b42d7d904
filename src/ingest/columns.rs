//! The user's own map of columns to fields: `--columns timestamp=DateTime,price=3,high=`.

use std::str::FromStr;

use super::field::Field;
use crate::error::{Error, Result};

/// A column, as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSelector {
    /// By the header's name, in any case.
    Name(String),
    /// By its position, from 1.
    Position(usize),
    /// The field is left out, whatever the header says.
    Absent,
}

/// The user's map of columns: `timestamp=DateTime,price=Price,volume=3,high=`. It adds to what the
/// header says; a field without a column (`high=`) is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap(Vec<(Field, ColumnSelector)>);

/// The most columns that a file may have.
pub(super) const COLUMNS_MAX: usize = 10_000;

impl ColumnMap {
    /// A map of these pairs; of two pairs of one field the first counts.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (Field, ColumnSelector)>) -> Self {
        let mut map = Self::default();
        for (field, column) in pairs {
            if map.get(field).is_none() {
                map.0.push((field, column));
            }
        }
        map
    }

    /// This map, and of `other` what this one does not say.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::new(self.0.into_iter().chain(other.0))
    }

    /// The column of a field, if the map names the field.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&ColumnSelector> {
        let pair = self.0.iter().find(|(mapped, _)| *mapped == field);
        pair.map(|(_, column)| column)
    }

    /// True when there are columns, and all of them are named by their positions.
    #[must_use]
    pub fn is_by_position(&self) -> bool {
        let mut columns = self
            .0
            .iter()
            .filter(|(_, column)| *column != ColumnSelector::Absent);
        columns.clone().next().is_some()
            && columns.all(|(_, column)| matches!(column, ColumnSelector::Position(_)))
    }

    /// The pairs, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &ColumnSelector)> {
        self.0.iter().map(|(field, column)| (*field, column))
    }
}

impl FromStr for ColumnMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut map = Self::default();
        for part in text.split(',') {
            let (field, column) = pair(part.trim())?;
            if map.get(field).is_some() {
                return Err(refuse(format!("{} is mapped twice", field.as_str())));
            }
            map.0.push((field, column));
        }
        Ok(map)
    }
}

fn pair(part: &str) -> Result<(Field, ColumnSelector)> {
    let (name, column) = part
        .split_once('=')
        .ok_or_else(|| refuse(format!("{part:?} is not field=column")))?;
    let (name, column) = (name.trim(), column.trim());
    let field = Field::ALL
        .into_iter()
        .find(|field| field.as_str().eq_ignore_ascii_case(name));
    let field = field.ok_or_else(|| {
        let known = Field::ALL.map(Field::as_str).join(", ");
        refuse(format!("{name:?} is not a field (fields are {known})"))
    })?;
    let column = match column.parse::<usize>() {
        Ok(position) if (1..=COLUMNS_MAX).contains(&position) => ColumnSelector::Position(position),
        Ok(position) => return Err(refuse(format!("position {position} is not from 1 up"))),
        Err(_) if column.is_empty() => ColumnSelector::Absent,
        Err(_) => ColumnSelector::Name(column.to_owned()),
    };
    Ok((field, column))
}

fn refuse(reason: String) -> Error {
    Error::invalid(
        "columns",
        reason,
        "write field=column pairs like timestamp=DateTime,price=Price or timestamp=1,price=2",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_map_that_is_none_is_refused() {
        for (map, why) in [
            ("timestamp", "not field=column"),
            ("when=1", "not a field (fields are symbol"),
            ("price=1,price=2", "mapped twice"),
            ("price=0", "not from 1 up"),
            ("", "not field=column"),
        ] {
            let error = map.parse::<ColumnMap>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_map_takes_from_another_what_it_does_not_say() {
        let own: ColumnMap = "price=last, high=".parse().unwrap();
        let map = own.or("timestamp=1,high=2,price=3".parse().unwrap());
        assert_eq!(
            map.get(Field::Price),
            Some(&ColumnSelector::Name("last".to_owned()))
        );
        assert_eq!(map.get(Field::High), Some(&ColumnSelector::Absent));
        assert_eq!(
            map.get(Field::Timestamp),
            Some(&ColumnSelector::Position(1))
        );
        assert_eq!((map.get(Field::Low), map.iter().count()), (None, 3));
    }

    proptest! {
        #[test]
        fn arbitrary_maps_never_panic(map: String) {
            let _ = map.parse::<ColumnMap>();
        }
    }
}
