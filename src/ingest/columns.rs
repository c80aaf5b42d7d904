//! Which column of a feed is which field: by the header's names, or as the user maps them.

use std::str::FromStr;

use crate::error::{Error, Result};

/// A field that a feed can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The moment, whole.
    Timestamp,
    /// The date of the moment, joined with `Time`.
    Date,
    /// The time of day of the moment, joined with `Date`; alone it is the whole moment.
    Time,
    /// Price of a trade.
    Price,
    /// Volume or size.
    Volume,
    /// Best bid.
    Bid,
    /// Best ask.
    Ask,
    /// Size at the bid.
    BidSize,
    /// Size at the ask.
    AskSize,
    /// Open of a period.
    Open,
    /// High of a period.
    High,
    /// Low of a period.
    Low,
    /// Close of a period; the price of a tick that has no other.
    Close,
    /// Open interest.
    OpenInterest,
    /// The feed's own trade id or sequence.
    Sequence,
}

/// How many fields there are.
pub(super) const FIELDS: usize = Field::ALL.len();

impl Field {
    /// Every field.
    pub const ALL: [Self; 15] = [
        Self::Timestamp,
        Self::Date,
        Self::Time,
        Self::Price,
        Self::Volume,
        Self::Bid,
        Self::Ask,
        Self::BidSize,
        Self::AskSize,
        Self::Open,
        Self::High,
        Self::Low,
        Self::Close,
        Self::OpenInterest,
        Self::Sequence,
    ];

    /// The name in `--columns`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Time => "time",
            Self::Price => "price",
            Self::Volume => "volume",
            Self::Bid => "bid",
            Self::Ask => "ask",
            Self::BidSize => "bid_size",
            Self::AskSize => "ask_size",
            Self::Open => "open",
            Self::High => "high",
            Self::Low => "low",
            Self::Close => "close",
            Self::OpenInterest => "open_interest",
            Self::Sequence => "sequence",
        }
    }

    /// Column names that mean this field, in lower case without separators.
    const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Timestamp => &["timestamp", "datetime", "ts"],
            Self::Date => &["date"],
            Self::Time => &["time"],
            Self::Price => &["price", "last", "lastprice", "tradeprice"],
            Self::Volume => &["volume", "vol", "size", "qty", "quantity"],
            Self::Bid => &["bid", "bidprice"],
            Self::Ask => &["ask", "askprice"],
            Self::BidSize => &["bidsize", "bidvolume", "bidqty"],
            Self::AskSize => &["asksize", "askvolume", "askqty"],
            Self::Open => &["open", "openprice"],
            Self::High => &["high", "highprice"],
            Self::Low => &["low", "lowprice"],
            Self::Close => &["close", "closeprice"],
            Self::OpenInterest => &["openinterest"],
            Self::Sequence => &["sequence", "seq", "tradeid"],
        }
    }

    /// The field that a column's name means, whatever its case and separators.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(|c| !matches!(c, ' ' | '_' | '-' | '.'))
            .flat_map(char::to_lowercase)
            .collect();
        Self::ALL
            .into_iter()
            .find(|field| field.aliases().contains(&plain.as_str()))
    }
}

/// A column, as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By the header's name, in any case.
    Name(String),
    /// By its position, from 1.
    Position(usize),
}

/// What the user maps: `timestamp=DateTime,price=Price,volume=3`. Only mapped columns are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMap(pub(super) Vec<(Field, Column)>);

/// The most columns that a file may have.
pub(super) const COLUMNS_MAX: usize = 10_000;

impl FromStr for ColumnMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut map: Vec<(Field, Column)> = Vec::new();
        for part in text.split(',') {
            let (field, column) = pair(part.trim())?;
            if map.iter().any(|(mapped, _)| *mapped == field) {
                return Err(refuse(format!("{} is mapped twice", field.as_str())));
            }
            map.push((field, column));
        }
        Ok(Self(map))
    }
}

fn pair(part: &str) -> Result<(Field, Column)> {
    let (name, column) = part
        .split_once('=')
        .ok_or_else(|| refuse(format!("{part:?} is no field=column")))?;
    let (name, column) = (name.trim(), column.trim());
    let field = Field::ALL
        .into_iter()
        .find(|field| field.as_str().eq_ignore_ascii_case(name));
    let field = field.ok_or_else(|| {
        let known = Field::ALL.map(Field::as_str).join(", ");
        refuse(format!("{name:?} is no field (fields are {known})"))
    })?;
    let column = match column.parse::<usize>() {
        Ok(position) if (1..=COLUMNS_MAX).contains(&position) => Column::Position(position),
        Ok(position) => return Err(refuse(format!("position {position} is not from 1 up"))),
        Err(_) if column.is_empty() => return Err(refuse(format!("{name} has no column"))),
        Err(_) => Column::Name(column.to_owned()),
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

/// The field of each column, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) fields: Vec<Option<Field>>,
}

impl Layout {
    /// From a header, by its names or by the user's map.
    pub(super) fn of_header(names: &[String], map: Option<&ColumnMap>) -> Result<Self, String> {
        let by_name = map.is_none_or(|map| {
            map.0
                .iter()
                .any(|(_, column)| matches!(column, Column::Name(_)))
        });
        if by_name {
            refuse_duplicates(names)?;
        }
        match map {
            Some(map) => Self::mapped(map, names.len(), Some(names)),
            None => Self::by_alias(names),
        }
    }

    /// For a file without a header: positions only.
    pub(super) fn of_positions(map: &ColumnMap, columns: usize) -> Result<Self, String> {
        Self::mapped(map, columns, None)
    }

    fn mapped(map: &ColumnMap, columns: usize, names: Option<&[String]>) -> Result<Self, String> {
        let mut fields = vec![None; columns];
        for (field, column) in &map.0 {
            let index = match column {
                Column::Position(position) => *position - 1,
                Column::Name(name) => position_of(name, names)?,
            };
            let place = fields.get_mut(index).ok_or_else(|| {
                format!("there is no column {}: the file has {columns}", index + 1)
            })?;
            if let Some(taken) = place.replace(*field) {
                let (taken, field) = (taken.as_str(), field.as_str());
                return Err(format!(
                    "column {} is mapped to {taken} and {field}",
                    index + 1
                ));
            }
        }
        Ok(Self { fields })
    }

    fn by_alias(names: &[String]) -> Result<Self, String> {
        let fields: Vec<Option<Field>> = names.iter().map(|name| Field::of_name(name)).collect();
        for (index, field) in fields.iter().enumerate() {
            let earlier = fields.iter().take(index).position(|other| other == field);
            if let (Some(field), Some(earlier)) = (field, earlier) {
                return Err(format!(
                    "columns {:?} and {:?} can both be the {}: choose with --columns",
                    names[earlier],
                    names[index],
                    field.as_str(),
                ));
            }
        }
        Ok(Self { fields })
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.fields.contains(&Some(field))
    }
}

fn refuse_duplicates(names: &[String]) -> Result<(), String> {
    for (index, name) in names.iter().enumerate() {
        let same = |other: &String| other.eq_ignore_ascii_case(name);
        if let Some(earlier) = names.iter().take(index).position(same)
            && !name.is_empty()
        {
            let (first, second) = (earlier + 1, index + 1);
            return Err(format!(
                "the header names {name:?} twice (columns {first} and {second}): map by position"
            ));
        }
    }
    Ok(())
}

fn position_of(name: &str, names: Option<&[String]>) -> Result<usize, String> {
    let Some(names) = names else {
        return Err(format!(
            "there is no header to find {name:?} in: map by position, like timestamp=1,price=2"
        ));
    };
    let exact = names.iter().position(|other| other == name);
    exact
        .or_else(|| {
            names
                .iter()
                .position(|other| other.eq_ignore_ascii_case(name))
        })
        .ok_or_else(|| {
            format!(
                "there is no column {name:?}: the file has {}",
                names.join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn layout(header: &str, map: Option<&str>) -> Result<Vec<Option<Field>>, String> {
        let map = map.map(|map| map.parse().unwrap());
        Layout::of_header(&names(header), map.as_ref()).map(|layout| layout.fields)
    }

    #[test]
    fn names_mean_their_fields_in_any_case_and_with_any_separator() {
        assert_eq!(
            layout(
                "DateTime,PRICE,Bid Size,ask-size,trade_id,Adj Close,OpenInterest",
                None
            )
            .unwrap(),
            [
                Some(Field::Timestamp),
                Some(Field::Price),
                Some(Field::BidSize),
                Some(Field::AskSize),
                Some(Field::Sequence),
                None,
                Some(Field::OpenInterest),
            ]
        );
    }

    #[test]
    fn only_mapped_columns_are_read() {
        let fields = layout("When,Price,Extra", Some("timestamp=when, price=3")).unwrap();
        assert_eq!(fields, [Some(Field::Timestamp), None, Some(Field::Price)]);
    }

    #[test]
    fn what_cannot_be_mapped_is_refused_by_name() {
        for (header, map, why) in [
            (
                "a,b",
                Some("timestamp=When"),
                "no column \"When\": the file has a, b",
            ),
            ("a,b", Some("timestamp=3"), "no column 3: the file has 2"),
            (
                "a,b",
                Some("timestamp=1,price=a"),
                "column 1 is mapped to timestamp and price",
            ),
            (
                "Time,Price,price",
                None,
                "names \"price\" twice (columns 2 and 3)",
            ),
            ("Time,Price,Last", None, "both be the price"),
        ] {
            let error = layout(header, map).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let map: ColumnMap = "timestamp=When".parse().unwrap();
        assert!(
            Layout::of_positions(&map, 2)
                .unwrap_err()
                .contains("no header")
        );
        assert!(
            layout("x,x,y", Some("timestamp=1,price=3")).is_ok(),
            "positions are not names"
        );
    }

    #[test]
    fn a_map_that_is_none_is_refused() {
        for (map, why) in [
            ("timestamp", "no field=column"),
            ("when=1", "no field (fields are timestamp"),
            ("price=1,price=2", "mapped twice"),
            ("price=0", "not from 1 up"),
            ("price=", "no column"),
            ("", "no field=column"),
        ] {
            let error = map.parse::<ColumnMap>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_maps_and_headers_never_panic(map: String, header: String) {
            if let Ok(map) = map.parse::<ColumnMap>() {
                let _ = Layout::of_header(&names(&header), Some(&map));
                let _ = Layout::of_positions(&map, 3);
            }
            let _ = Layout::of_header(&names(&header), None);
        }
    }
}
