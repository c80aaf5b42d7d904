//! Cells of a terminal: which character shows a part of a candle, and its colour.

/// A colour, by its meaning for ANSI terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    Bold,
    Green,
    Red,
    Cyan,
    Yellow,
    Blue,
    White,
    Magenta,
}

impl Color {
    fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Magenta => 35,
            Self::Cyan => 36,
            Self::White => 37,
        }
    }
}

/// A text in a colour, if there are any.
pub(super) fn paint(text: &str, color: Color, colored: bool) -> String {
    if !colored || text.is_empty() {
        return text.to_owned();
    }
    format!("\u{1b}[{}m{text}\u{1b}[0m", color.code())
}

/// First and last half row of a candle's parts.
pub(super) struct CandleRows {
    pub(super) wick: (usize, usize),
    pub(super) body: (usize, usize),
}

/// The part of a candle in half a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HalfCell {
    Nothing,
    Wick,
    Body,
}

impl CandleRows {
    fn at(&self, half: usize) -> HalfCell {
        let within = |(first, last): (usize, usize)| (first..=last).contains(&half);
        match () {
            () if within(self.body) => HalfCell::Body,
            () if within(self.wick) => HalfCell::Wick,
            () => HalfCell::Nothing,
        }
    }

    /// True when the body fills a cell.
    fn has_full_cell(&self) -> bool {
        let (first, last) = self.body;
        first.div_ceil(2) < last.div_ceil(2)
    }
}

/// The character of a cell. A filled body is drawn by blocks: falling and rising candles differ
/// without colours. A block has no room for a wick in its cell, which is left out only where the
/// body would not be seen as filled at all.
fn character(upper: HalfCell, lower: HalfCell, filled: bool, has_full_cell: bool) -> char {
    use HalfCell::{Body, Nothing, Wick};
    match (upper, lower) {
        (Nothing, Nothing) => ' ',
        (Body, Body) if filled => '█',
        (Body, Nothing) if filled => '▀',
        (Nothing, Body) if filled => '▄',
        (Body, Wick) if filled && !has_full_cell => '▀',
        (Wick, Body) if filled && !has_full_cell => '▄',
        (Body, Body) => '┃',
        (Body, Nothing) => '╹',
        (Nothing, Body) => '╻',
        (Body, Wick) => '╿',
        (Wick, Body) => '╽',
        (Wick, Wick) => '│',
        (Wick, Nothing) => '╵',
        (Nothing, Wick) => '╷',
    }
}

/// A rectangle of cells.
pub(super) struct Grid {
    columns: usize,
    cells: Vec<(char, Option<Color>)>,
}

impl Grid {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            cells: vec![(' ', None); columns * rows],
        }
    }

    pub(super) fn set(&mut self, column: usize, row: usize, character: char, color: Color) {
        if column < self.columns
            && let Some(cell) = self.cells.get_mut(row * self.columns + column)
        {
            *cell = (character, Some(color));
        }
    }

    pub(super) fn candle(&mut self, column: usize, spans: &CandleRows, falls: bool, colored: bool) {
        let color = if falls { Color::Red } else { Color::Green };
        let full = spans.has_full_cell();
        for row in spans.wick.0 / 2..=spans.wick.1 / 2 {
            let (upper, lower) = (spans.at(row * 2), spans.at(row * 2 + 1));
            let cell = character(upper, lower, falls && !colored, full);
            self.set(column, row, cell, color);
        }
    }

    /// A column from the bottom that fills a share of the grid's height.
    pub(super) fn column_of_blocks(&mut self, column: usize, share: f64, color: Color) {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let rows = self.cells.len() / self.columns;
        let eighths = (share * (rows * 8) as f64).round() as usize;
        // What is traded is seen, however little.
        let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
        for row in 0..rows {
            let filled = eighths.saturating_sub((rows - 1 - row) * 8).min(8);
            if filled > 0 {
                self.set(column, row, BLOCKS[filled - 1], color);
            }
        }
    }

    /// The rows as text, neighbours of one colour painted together.
    pub(super) fn lines(&self, colored: bool) -> Vec<String> {
        self.cells
            .chunks(self.columns)
            .map(|row| line(row, colored))
            .collect()
    }
}

fn line(row: &[(char, Option<Color>)], colored: bool) -> String {
    let mut text = String::new();
    for run in row.chunk_by(|one, next| one.1 == next.1) {
        let part: String = run.iter().map(|(character, _)| character).collect();
        match run[0].1 {
            Some(color) => text.push_str(&paint(&part, color, colored)),
            None => text.push_str(&part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(wick: (usize, usize), body: (usize, usize), falls: bool) -> String {
        let mut grid = Grid::new(1, 4);
        grid.candle(0, &CandleRows { wick, body }, falls, false);
        grid.lines(false).concat()
    }

    #[test]
    fn each_half_row_shows_what_is_there() {
        assert_eq!(column((0, 7), (2, 5), false), "│┃┃│");
        assert_eq!(column((1, 6), (3, 4), false), "╷╽╿╵");
        assert_eq!(column((2, 2), (2, 2), false), " ╹  ");
        assert_eq!(column((0, 7), (1, 6), true), "╽██╿");
        assert_eq!(column((3, 4), (3, 4), true), " ▄▀ ");
        assert_eq!(column((0, 7), (3, 4), true), "│▄▀│");
    }

    #[test]
    fn the_least_volume_is_seen_and_none_is_not() {
        let column = |share| {
            let mut grid = Grid::new(1, 2);
            grid.column_of_blocks(0, share, Color::Green);
            grid.lines(false).concat()
        };
        assert_eq!(column(1.0), "██");
        assert_eq!(column(0.5), " █");
        assert_eq!(column(1e-9), " ▁");
        assert_eq!(column(0.0), "  ");
    }

    #[test]
    fn colours_are_written_only_when_wanted() {
        let mut grid = Grid::new(3, 1);
        grid.set(0, 0, '▲', Color::Magenta);
        assert_eq!(grid.lines(false), ["▲  "]);
        assert_eq!(grid.lines(true), ["\u{1b}[35m▲\u{1b}[0m  "]);
    }
}
