//! Turns the text of a row into fields: the cells of a CSV, or the keys of an object.

use super::cells::Cells;
use super::csv;
use super::json::Keys;
use super::layout::Layout;

/// The form of a feed's rows.
#[derive(Debug, Clone)]
pub(super) enum RowFormat {
    Csv { delimiter: u8, layout: Layout },
    Json(Keys),
}

impl RowFormat {
    pub(super) fn layout(&self) -> &Layout {
        match self {
            Self::Csv { layout, .. } => layout,
            Self::Json(keys) => keys.layout(),
        }
    }

    /// Reads the fields of one row.
    pub(super) fn split<'a>(&mut self, row: &'a [u8], cells: &mut Cells<'a>) -> Result<(), String> {
        match self {
            Self::Csv { delimiter, layout } => split_csv(row, *delimiter, layout, cells),
            Self::Json(keys) => keys
                .read(row, cells)
                .map_err(|error| format!("is not a JSON object that can be read: {error}")),
        }
    }

    /// True when a line holds no row: it is blank, or a comment of a CSV.
    pub(super) fn passes_over(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii_start();
        line.is_empty() || (matches!(self, Self::Csv { .. }) && line.starts_with(b"#"))
    }
}

fn split_csv<'a>(
    row: &'a [u8],
    delimiter: u8,
    layout: &Layout,
    cells: &mut Cells<'a>,
) -> Result<(), String> {
    let mut beyond = false;
    let count = csv::split(row, delimiter, |index, text| {
        match layout.fields.get(index) {
            Some(Some(field)) => cells.set_text(*field, text),
            Some(None) => {}
            None => beyond |= !text.trim_ascii().is_empty(),
        }
    })?;
    // Delimiters too many at the end are common and harmless; too few mean a row cut short.
    if beyond || count < layout.fields.len() {
        return Err(format!("has {count} fields, not {}", layout.fields.len()));
    }
    Ok(())
}
