//! The owners of a row: the instrument and the data source that it names. Each pair is looked up
//! once.

use std::collections::HashMap;
use std::io::Write;

use super::cells::{Cell, Cells};
use super::field::Field;
use super::layout::Layout;
use crate::domain::Symbol;

/// The instrument of a row, as the row names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum InstrumentName {
    /// By id.
    Id(i64),
    /// By symbol.
    Symbol(Symbol),
}

/// The data source of a row, as the row names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceName {
    /// By id.
    Id(i64),
    /// By name.
    Name(String),
}

/// The series that a row belongs to; `None` where the row does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct RowOwner {
    /// The instrument of the row.
    pub instrument: Option<InstrumentName>,
    /// The data source of the row.
    pub source: Option<SourceName>,
}

/// Rows of other symbols than the one that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnerOfRow {
    /// The index of the row's owner.
    Known(u32),
    /// The row is of another symbol.
    OtherSymbol,
}

/// The columns that name a row's owner, and the owners that were met.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    fields: Vec<Field>,
    needs_instrument: bool,
    /// The only symbol whose rows are read.
    only: Option<Symbol>,
    key: Vec<u8>,
    last: Option<(Vec<u8>, OwnerOfRow)>,
    known: HashMap<Vec<u8>, Result<OwnerOfRow, String>>,
    owners: Vec<RowOwner>,
    /// Other symbols in the order in which they came, with their rows.
    others: Vec<(String, u64)>,
    other_indexes: HashMap<Vec<u8>, usize>,
}

impl Owners {
    /// The owners of a feed with these columns.
    pub(super) fn new(layout: &Layout, only: Option<Symbol>) -> Self {
        const FIELDS: [Field; 4] = [
            Field::Symbol,
            Field::InstrumentId,
            Field::Source,
            Field::SourceId,
        ];
        let named = FIELDS.into_iter().filter(|field| layout.has(*field));
        Self {
            fields: named.collect(),
            needs_instrument: layout.has(Field::Symbol) || layout.has(Field::InstrumentId),
            only,
            ..Self::default()
        }
    }

    /// The owners of posted rows, each of which names its instrument.
    pub(super) fn posted() -> Self {
        Self {
            fields: vec![
                Field::Symbol,
                Field::InstrumentId,
                Field::SourceId,
                Field::Source,
            ],
            needs_instrument: true,
            ..Self::default()
        }
    }

    /// True when rows name their owners.
    pub(super) fn are_named(&self) -> bool {
        !self.fields.is_empty()
    }

    /// The owners so far; a row's owner is an index of them.
    pub(super) fn all(&self) -> &[RowOwner] {
        &self.owners
    }

    /// Gives the owners away.
    pub(super) fn into_all(self) -> Vec<RowOwner> {
        self.owners
    }

    /// The other symbols, in the order in which they came, with their rows.
    pub(super) fn others(&self) -> &[(String, u64)] {
        &self.others
    }

    /// The owner of a row.
    pub(super) fn of(&mut self, cells: &Cells<'_>) -> Result<OwnerOfRow, String> {
        if self.fields.is_empty() {
            return Ok(OwnerOfRow::Known(0));
        }
        self.key.clear();
        for field in &self.fields {
            // Written in place: an id of JSON costs no text of its own.
            match cells.get(*field) {
                Cell::Integer(number) => {
                    let _ = write!(self.key, "{number}");
                }
                cell => self.key.extend_from_slice(&cell.bytes()),
            }
            // Between fields, so that `A` and `BC` are another owner than `AB` and `C`.
            self.key.push(b'\n');
        }
        // Rows of one owner stand together in most files: a comparison of bytes replaces a look
        // into the map.
        if let Some((key, owner)) = &self.last
            && *key == self.key
        {
            let owner = *owner;
            self.count_other(owner);
            return Ok(owner);
        }
        let owner = match self.known.get(&self.key) {
            Some(owner) => owner.clone(),
            None => self.add(cells),
        }?;
        self.last = Some((self.key.clone(), owner));
        self.count_other(owner);
        Ok(owner)
    }

    fn count_other(&mut self, owner: OwnerOfRow) {
        if owner == OwnerOfRow::OtherSymbol
            && let Some(index) = self.other_indexes.get(&self.key)
        {
            self.others[*index].1 += 1;
        }
    }

    #[cold]
    fn add(&mut self, cells: &Cells<'_>) -> Result<OwnerOfRow, String> {
        let owner = self.owner(cells).map(|owner| match owner {
            Some(owner) => {
                let before = self.owners.iter().position(|other| *other == owner);
                let index = before.unwrap_or_else(|| {
                    self.owners.push(owner);
                    self.owners.len() - 1
                });
                OwnerOfRow::Known(u32::try_from(index).unwrap_or(u32::MAX))
            }
            None => {
                self.add_other(cells);
                OwnerOfRow::OtherSymbol
            }
        });
        // Refusals are kept, too: a bad symbol is parsed once, not for each of its rows.
        self.known.insert(self.key.clone(), owner.clone());
        owner
    }

    fn add_other(&mut self, cells: &Cells<'_>) {
        let symbol = String::from_utf8_lossy(&cells.get(Field::Symbol).bytes()).to_uppercase();
        let before = self.others.iter().position(|(other, _)| *other == symbol);
        let index = before.unwrap_or_else(|| {
            self.others.push((symbol, 0));
            self.others.len() - 1
        });
        self.other_indexes.insert(self.key.clone(), index);
    }

    /// Reads the owner that a row names; `None` for one of another symbol.
    fn owner(&self, cells: &Cells<'_>) -> Result<Option<RowOwner>, String> {
        let whole = |field: Field| match cells.get(field) {
            Cell::Absent => Ok(None),
            cell => cell.whole().map(Some).ok_or_else(|| {
                let text = cell.bytes();
                let shown = String::from_utf8_lossy(text.get(..40).unwrap_or(&text));
                format!("{}: {shown:?} is not a whole number", field.as_str())
            }),
        };
        let text = |field: Field| {
            let cell = cells.get(field);
            let text = String::from_utf8_lossy(&cell.bytes()).into_owned();
            let text = match cell {
                // Of a quoted field of CSV; in texts of JSON a quote is escaped otherwise.
                Cell::Text(_) => text.replace("\"\"", "\""),
                _ => text,
            };
            cells.has(field).then_some(text)
        };
        let instrument = match (whole(Field::InstrumentId)?, text(Field::Symbol)) {
            (Some(id), None) => Some(InstrumentName::Id(id)),
            (None, Some(symbol)) => match &self.only {
                Some(only) if is_same_symbol(&symbol, only.as_str()) => {
                    Some(InstrumentName::Symbol(only.clone()))
                }
                Some(_) => return Ok(None),
                None => {
                    let symbol = Symbol::new(&symbol).map_err(|error| error.to_string())?;
                    Some(InstrumentName::Symbol(symbol))
                }
            },
            (None, None) if self.needs_instrument => {
                return Err(
                    "symbol: it is missing; name the symbol or the instrument_id".to_owned(),
                );
            }
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err("symbol: it is given beside instrument_id; give one of them".to_owned());
            }
        };
        let source = match (whole(Field::SourceId)?, text(Field::Source)) {
            (Some(id), None) => Some(SourceName::Id(id)),
            (None, name) => name.map(SourceName::Name),
            (Some(_), Some(_)) => {
                return Err("source: it is given beside source_id; give one of them".to_owned());
            }
        };
        Ok(Some(RowOwner { instrument, source }))
    }
}

/// True when a row's symbol is the one that was asked for. Vendors write a pair of currencies with
/// a slash or without: `EUR/USD` is `EURUSD`.
fn is_same_symbol(symbol: &str, only: &str) -> bool {
    let letters = |text: &str| text.replace('/', "");
    symbol.eq_ignore_ascii_case(only) || letters(symbol).eq_ignore_ascii_case(&letters(only))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(columns: &str, only: Option<&str>) -> Owners {
        let map = columns.parse().unwrap();
        let layout = Layout::of_positions(4, &map).unwrap();
        let only = only.map(|symbol| Symbol::new(symbol).unwrap());
        Owners::new(&layout, only)
    }

    fn of(owners: &mut Owners, cells: &[(Field, &'static str)]) -> Result<OwnerOfRow, String> {
        let mut row = Cells::default();
        for (field, text) in cells {
            row.set_text(*field, text.as_bytes());
        }
        owners.of(&row)
    }

    #[test]
    fn symbols_are_the_same_in_any_case_and_each_has_one_index() {
        let mut owners = owners("symbol=1,source=2", None);
        let mut index = |symbol, source| {
            of(
                &mut owners,
                &[(Field::Symbol, symbol), (Field::Source, source)],
            )
            .unwrap()
        };
        assert_eq!(index("aaa", "x"), OwnerOfRow::Known(0));
        assert_eq!(index("bbb", "x"), OwnerOfRow::Known(1));
        assert_eq!(index("AAA", "x"), OwnerOfRow::Known(0));
        assert_eq!(index("AAA", "y"), OwnerOfRow::Known(2));
        assert_eq!(index("aaa", "x"), OwnerOfRow::Known(0));
        assert_eq!(owners.all().len(), 3);
    }

    #[test]
    fn rows_of_other_symbols_are_counted_by_name() {
        let mut owners = owners("symbol=1", Some("AAA"));
        for symbol in ["aaa", "BBB", "bbb", "C D", "AAA", "BBB"] {
            let owner = of(&mut owners, &[(Field::Symbol, symbol)]).unwrap();
            assert_eq!(
                owner == OwnerOfRow::OtherSymbol,
                !symbol.eq_ignore_ascii_case("aaa")
            );
        }
        assert_eq!(
            owners.others(),
            [("BBB".to_owned(), 3), ("C D".to_owned(), 1)]
        );
    }

    #[test]
    fn a_pair_is_the_same_with_a_slash_and_without() {
        for (only, symbol) in [("EURUSD", "EUR/USD"), ("eur/usd", "EURUSD")] {
            let mut owners = owners("symbol=1", Some(only));
            let owner = of(&mut owners, &[(Field::Symbol, symbol)]).unwrap();
            assert_eq!(owner, OwnerOfRow::Known(0), "{symbol}");
            let named = owners.all()[0].instrument.clone();
            let asked = Symbol::new(only).unwrap();
            assert_eq!(named, Some(InstrumentName::Symbol(asked)), "{symbol}");
        }
        let mut owners = owners("symbol=1", Some("EURUSD"));
        let other = of(&mut owners, &[(Field::Symbol, "EUR/US")]).unwrap();
        assert_eq!(other, OwnerOfRow::OtherSymbol);
    }

    #[test]
    fn a_row_names_one_instrument() {
        let mut owners = owners("symbol=1,instrument_id=2,source_id=3", None);
        for (cells, why) in [
            (&[][..], "symbol: it is missing"),
            (
                &[(Field::Symbol, "A"), (Field::InstrumentId, "1")],
                "give one of them",
            ),
            (&[(Field::Symbol, "A\tB")], "symbol: it holds '\\t'"),
            (
                &[(Field::InstrumentId, "1.5")],
                "\"1.5\" is not a whole number",
            ),
            (
                &[(Field::Symbol, "A"), (Field::SourceId, "x")],
                "source_id: \"x\" is not",
            ),
        ] {
            for _ in 0..2 {
                let error = of(&mut owners, cells).unwrap_err();
                assert!(error.contains(why), "{error}");
            }
        }
        let by_id = of(&mut owners, &[(Field::InstrumentId, "7.0")]).unwrap();
        assert_eq!(by_id, OwnerOfRow::Known(0));
        assert_eq!(owners.all()[0].instrument, Some(InstrumentName::Id(7)));
    }
}
