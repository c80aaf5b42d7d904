//! Presets: layouts of vendors' files that tell nothing of themselves, each with one name.
//!
//! A preset fills in what the user does not say. A file whose first row does not fit is refused
//! before anything is stored.

mod layouts;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Serialize, Serializer};

use super::field::Field;
use super::import_kind::ImportKind;
use crate::domain::bar::Frequency;
use crate::error::{Error, Result};
use crate::timestamp::DateOrder;

/// The layout of one kind of a vendor's files.
#[derive(Debug, Serialize)]
pub struct Preset {
    /// The name in `--preset`.
    pub name: &'static str,
    /// The files in a few words.
    pub about: &'static str,
    /// The page on which the vendor describes the layout.
    pub source: &'static str,
    /// The kind of the rows.
    pub kind: ImportKind,
    /// The period of bars, where all files of the layout have the same.
    #[serde(serialize_with = "frequency")]
    pub frequency: Option<Frequency>,
    /// The delimiter of fields.
    #[serde(skip)]
    pub(super) delimiter: Option<u8>,
    #[serde(skip)]
    pub(super) header: PresetHeader,
    #[serde(skip)]
    pub(super) columns: &'static [(Field, ColumnAt)],
    #[serde(skip)]
    pub(super) date_order: Option<DateOrder>,
    #[serde(skip)]
    pub(super) zone: PresetZone,
    #[serde(skip)]
    prices: PriceForm,
}

/// The header of the files: names of columns, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PresetHeader {
    Always,
    /// Old files have none, new files one; a file without it has from so many to so many columns.
    Sometimes(usize, usize),
    /// So many columns.
    Never(usize),
}

/// The column of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnAt {
    /// In the column with this position, from 1.
    Position(usize),
    /// In the column, or under the key, of this name.
    Name(&'static str),
    /// Nowhere: the column that its name would be taken for is something else.
    Nowhere,
}

/// The zone of stamps without an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PresetZone {
    Utc,
    Named(&'static str),
    /// Each server has its own: the user must name it.
    OfTheServer,
}

/// The form of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PriceForm {
    Plain,
    /// Always with a decimal point. A price without one is a count of fractions of the currency.
    WithPoint,
}

/// All presets, in alphabetical order.
#[must_use]
pub fn presets() -> &'static [Preset] {
    &layouts::PRESETS
}

impl Preset {
    /// The preset of a name, in any case, with `_` or `-`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the presets that come nearest.
    pub fn of_name(name: &str) -> Result<&'static Self> {
        let plain = name.to_ascii_lowercase().replace('_', "-");
        if let Some(preset) = presets().iter().find(|preset| preset.name == plain) {
            return Ok(preset);
        }
        let vendor = plain.split('-').next().unwrap_or_default();
        let names = presets().iter().map(|preset| preset.name);
        let near: Vec<&str> = names
            .filter(|name| !vendor.is_empty() && name.starts_with(vendor))
            .collect();
        let remedy = if near.is_empty() {
            "`--preset list` shows all".to_owned()
        } else {
            format!("there are {}; `--preset list` shows all", near.join(", "))
        };
        Err(Error::invalid(
            "preset",
            format!("there is no {name:?}"),
            remedy,
        ))
    }

    /// Checks how many columns the first row of a file without a header has.
    pub(super) fn check_width(&self, columns: usize) -> Result<(), String> {
        let (least, most) = match self.header {
            PresetHeader::Always => {
                return Err(format!(
                    "it is not the header with which files of preset {self} begin"
                ));
            }
            PresetHeader::Sometimes(least, most) => (least, most),
            PresetHeader::Never(width) => (width, width),
        };
        if (least..=most).contains(&columns) {
            return Ok(());
        }
        let expected = if least == most {
            least.to_string()
        } else {
            format!("{least} to {most}")
        };
        Err(format!(
            "it has {columns} columns, and files of preset {self} have {expected}"
        ))
    }

    /// Checks that the prices of the first row are no counts of fractions.
    pub(super) fn check_prices(
        &self,
        fields: &[Option<Field>],
        cells: &[String],
    ) -> Result<(), String> {
        if self.prices == PriceForm::Plain {
            return Ok(());
        }
        let is_count = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let mut prices = fields
            .iter()
            .zip(cells)
            .filter(|(field, _)| field.is_some_and(is_price));
        match prices.find(|(_, text)| is_count(text.trim())) {
            None => Ok(()),
            Some((_, text)) => Err(format!(
                "the price {text:?} is a count of billionths: fetch the file with decimal prices"
            )),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[allow(clippy::ref_option)] // The form that serde calls.
fn frequency<S: Serializer>(of: &Option<Frequency>, serializer: S) -> Result<S::Ok, S::Error> {
    of.map(Frequency::as_str).serialize(serializer)
}

const fn is_price(field: Field) -> bool {
    matches!(
        field,
        Field::Price
            | Field::Bid
            | Field::Ask
            | Field::Open
            | Field::High
            | Field::Low
            | Field::Close
    )
}
