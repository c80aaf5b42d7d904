//! The fields of one record, as they came.

use std::borrow::Cow;

use super::field::{FIELDS, Field};

/// One field of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Cell<'a> {
    #[default]
    Absent,
    Text(&'a [u8]),
    Owned(String),
    Integer(i64),
    Float(f64),
}

impl Cell<'_> {
    /// The text, or the number as one writes it.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Absent => (&[][..]).into(),
            Self::Text(text) => (*text).into(),
            Self::Owned(text) => text.as_bytes().into(),
            Self::Integer(number) => number.to_string().into_bytes().into(),
            Self::Float(number) => number.to_string().into_bytes().into(),
        }
    }

    /// The whole number that this is. `7.0` is one, too: dataframes write ids that way as soon as
    /// one of a column is missing.
    pub(super) fn whole(&self) -> Option<i64> {
        /// Up to here every whole number has a double of its own.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        let of_float = |number: f64| {
            (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
        };
        match self {
            Self::Absent => None,
            Self::Integer(number) => Some(*number),
            Self::Float(number) => of_float(*number),
            Self::Text(_) | Self::Owned(_) => {
                let text = self.bytes();
                let text = std::str::from_utf8(&text).ok()?;
                let written_as_float = |text: &str| {
                    let zeros = text.split_once('.')?.1;
                    let plain = !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0');
                    plain.then(|| text.parse().ok().and_then(of_float))?
                };
                text.parse().ok().or_else(|| written_as_float(text))
            }
        }
    }
}

/// The fields of one record.
#[derive(Debug, Default)]
pub(super) struct Cells<'a>([Cell<'a>; FIELDS]);

impl<'a> Cells<'a> {
    pub(super) fn set(&mut self, field: Field, cell: Cell<'a>) {
        self.0[field as usize] = cell;
    }

    pub(super) fn get(&self, field: Field) -> &Cell<'a> {
        &self.0[field as usize]
    }

    /// Stores a text; one of blanks alone is absent.
    pub(super) fn set_text(&mut self, field: Field, text: &'a [u8]) {
        let text = text.trim_ascii();
        if !text.is_empty() {
            self.set(field, Cell::Text(text));
        }
    }

    pub(super) fn has(&self, field: Field) -> bool {
        *self.get(field) != Cell::Absent
    }

    /// The text of the moment: one cell, or a date and a time with a space between.
    pub(super) fn stamp(&self) -> Option<Cow<'_, [u8]>> {
        if self.has(Field::Timestamp) {
            return Some(self.get(Field::Timestamp).bytes());
        }
        match (self.has(Field::Date), self.has(Field::Time)) {
            (false, false) => None,
            (true, false) => Some(self.get(Field::Date).bytes()),
            (false, true) => Some(self.get(Field::Time).bytes()),
            (true, true) => {
                let (date, time) = (self.get(Field::Date).bytes(), self.get(Field::Time).bytes());
                Some([&*date, b" ", &*time].concat().into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_have_a_point() {
        for (cell, whole) in [
            (Cell::Integer(-7), Some(-7)),
            (Cell::Float(7.0), Some(7)),
            (Cell::Float(7.5), None),
            (Cell::Float(9_007_199_254_740_994.0), None),
            (Cell::Text(b"00311445"), Some(311_445)),
            (Cell::Text(b"7.00"), Some(7)),
            (Cell::Text(b"7."), None),
            (Cell::Text(b"7.5"), None),
            (Cell::Text(b"x"), None),
            (Cell::Text(b"\xff"), None),
            (Cell::Absent, None),
        ] {
            assert_eq!(cell.whole(), whole, "{cell:?}");
        }
    }

    #[test]
    fn the_moment_is_one_cell_or_two() {
        let mut cells = Cells::default();
        assert_eq!(cells.stamp(), None);
        cells.set_text(Field::Time, b" 17:00 ");
        assert_eq!(cells.stamp().as_deref(), Some(&b"17:00"[..]));
        cells.set(Field::Date, Cell::Integer(20_240_102));
        assert_eq!(cells.stamp().as_deref(), Some(&b"20240102 17:00"[..]));
        cells.set_text(Field::Timestamp, b"1704153600");
        assert_eq!(cells.stamp().as_deref(), Some(&b"1704153600"[..]));
    }
}
