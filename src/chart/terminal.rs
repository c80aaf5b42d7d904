//! A chart of characters: half rows of box drawing for candles, eighths of blocks for volume.

mod cells;

use console::{measure_text_width, truncate_str};

use super::ChartData;
use super::calendar::clock;
use super::figures::{ChartTexts, alerts_legend};
use super::merge::{Drawn, fitted};
use super::price_axis::{AxisTicks, PriceRange, price_text, volume_text};
use super::time_axis::{Room, TimeTick, ticks};
use cells::{Color, Grid, paint};

/// The least columns that a chart is drawn in, whatever is asked for.
const COLUMNS_MIN: usize = 40;
const COLUMNS_MAX: usize = 1_000;
const ROWS_MIN: usize = 4;
const ROWS_MAX: usize = 500;
/// Rows of the volumes.
const VOLUME_ROWS: usize = 4;
/// From one candle to the next where there is room.
const SLOT_MAX: usize = 3;
/// The characters and colours of moving averages, in order.
const LINES: [(char, Color); 4] = [
    ('·', Color::Cyan),
    ('×', Color::Yellow),
    ('+', Color::Blue),
    ('°', Color::White),
];
/// Alerts that are written out under the chart, newest last.
const ALERTS_MAX: usize = 3;

/// The room of a chart in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns of the whole; 40 to 1000 are drawn.
    pub columns: usize,
    /// Rows of the prices, 4 to 500; the whole has about ten more.
    pub rows: usize,
    /// True to colour it; rising and falling candles differ without colours, too.
    pub color: bool,
}

impl TerminalSize {
    /// Candles that surely have room beside the axis, without being merged.
    #[must_use]
    pub fn candles(self) -> usize {
        /// The axis and the longest price that is usual.
        const AXIS: usize = 14;
        self.columns.saturating_sub(AXIS).max(1)
    }
}

impl Default for TerminalSize {
    /// 100 columns, 16 rows, no colours: what a file or a pipe is given.
    fn default() -> Self {
        Self {
            columns: 100,
            rows: 16,
            color: false,
        }
    }
}

/// The layout that all parts of a chart share.
struct TerminalFrame {
    drawn: Drawn,
    size: TerminalSize,
    range: PriceRange,
    ticks: AxisTicks,
    /// Places of prices.
    places: usize,
    last: String,
    volume_max: f64,
    /// Columns from a candle to the next.
    slot: usize,
    /// Columns before the axis.
    plot: usize,
}

impl TerminalFrame {
    fn column(&self, candle: usize) -> usize {
        candle * self.slot + (self.slot - 1) / 2
    }
}

pub(super) fn draw(data: &ChartData<'_>, size: TerminalSize) -> String {
    let size = TerminalSize {
        columns: size.columns.clamp(COLUMNS_MIN, COLUMNS_MAX),
        rows: size.rows.clamp(ROWS_MIN, ROWS_MAX),
        ..size
    };
    let frame = frame(data, size);
    let figures = ChartTexts::of(data, &frame.drawn, frame.places);
    let mut lines = header(&figures, size);
    lines.extend(prices(&frame));
    lines.extend(alert_row(&frame));
    lines.extend(volumes(&frame));
    lines.extend(time_axis(&frame));
    lines.extend(legend(&frame));
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn frame(data: &ChartData<'_>, size: TerminalSize) -> TerminalFrame {
    let lines = data
        .averages
        .iter()
        .flat_map(|line| line.values.iter().flatten());
    let prices = data
        .candles
        .iter()
        .flat_map(|candle| [candle.high, candle.low]);
    let range = PriceRange::of(prices.chain(lines.copied()));
    let ticks = AxisTicks::of(range, (size.rows / 2).max(2));
    let close = data.candles[data.candles.len() - 1].close;
    let places = data.places();
    let last = price_text(close, places, ticks.places);
    let labels = ticks.values.iter().map(|tick| ticks.text(*tick));
    // `1000K` is as long as a volume gets.
    let label = labels
        .chain([last.clone()])
        .map(|text| text.len())
        .max()
        .unwrap_or(0)
        .max(5);
    let room = size.columns.saturating_sub(label + 2).max(1);
    let drawn = fitted(data, room);
    let slot = (room / drawn.candles.len()).clamp(1, SLOT_MAX);
    // Room for the label of a single candle.
    let plot = (drawn.candles.len() * slot).max(24).min(room);
    let volume_max = drawn
        .candles
        .iter()
        .fold(0.0, |max: f64, candle| max.max(candle.volume));
    TerminalFrame {
        drawn,
        size,
        range,
        ticks,
        places,
        last,
        volume_max,
        slot,
        plot,
    }
}

/// Title, range and figures, on as few lines as they need.
fn header(figures: &ChartTexts, size: TerminalSize) -> Vec<String> {
    let title = truncate_str(&figures.title, size.columns, "…").into_owned();
    let direction = if figures.is_rise {
        Color::Green
    } else {
        Color::Red
    };
    let change = paint(&figures.change, direction, size.color);
    let parts = [
        &figures.range,
        &figures.last,
        &change,
        &figures.high,
        &figures.low,
    ];
    let mut lines = vec![paint(&title, Color::Bold, size.color)];
    lines.extend(flow(parts.into_iter().cloned(), size.columns));
    lines.push(String::new());
    lines
}

/// Parts side by side, on further lines where they do not fit.
fn flow(parts: impl Iterator<Item = String>, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let part = truncate_str(&part, columns, "…").into_owned();
        let width = measure_text_width(&part);
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 3 + width <= columns => {
                line.push_str("   ");
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}

fn prices(frame: &TerminalFrame) -> Vec<String> {
    let mut grid = Grid::new(frame.plot, frame.size.rows);
    for (line, (mark, color)) in frame.drawn.averages.iter().zip(LINES.into_iter().cycle()) {
        for (index, value) in line.values.iter().enumerate() {
            if let Some(value) = value {
                let row = half_row(frame, *value) / 2;
                grid.set(frame.column(index), row, mark, color);
            }
        }
    }
    for (index, candle) in frame.drawn.candles.iter().enumerate() {
        let half = |price| half_row(frame, price);
        let spans = cells::CandleRows {
            wick: (half(candle.high), half(candle.low)),
            body: (
                half(candle.open.max(candle.close)),
                half(candle.open.min(candle.close)),
            ),
        };
        let falls = candle.close < candle.open;
        grid.candle(frame.column(index), &spans, falls, frame.size.color);
    }
    let row_of = |price| half_row(frame, price) / 2;
    let mut labels = vec![("│", String::new()); frame.size.rows];
    for tick in frame.ticks.values.iter() {
        labels[row_of(*tick)] = ("┤", frame.ticks.text(*tick));
    }
    let close = frame.drawn.candles[frame.drawn.candles.len() - 1].close;
    let last = paint(&frame.last, Color::Bold, frame.size.color);
    labels[row_of(close)] = ("◀", last);
    with_axis(grid.lines(frame.size.color), labels)
}

fn with_axis(lines: Vec<String>, labels: Vec<(&str, String)>) -> Vec<String> {
    let line = |(line, (mark, label))| format!("{line}{mark} {label}");
    lines.into_iter().zip(labels).map(line).collect()
}

/// The half row of a price: the highest is in the first, the lowest in the last.
fn half_row(frame: &TerminalFrame, price: f64) -> usize {
    let halves = frame.size.rows * 2;
    let share = frame.range.share_from_top(price).clamp(0.0, 1.0);
    ((share * halves as f64) as usize).min(halves - 1)
}

/// A mark under each candle that has alerts; their number where there are more.
fn alert_row(frame: &TerminalFrame) -> Option<String> {
    if frame.drawn.alerts.is_empty() {
        return None;
    }
    let mut counts = vec![0_u32; frame.drawn.candles.len()];
    for alert in &frame.drawn.alerts {
        counts[alert.candle] += 1;
    }
    let mut grid = Grid::new(frame.plot, 1);
    for (index, count) in counts.into_iter().enumerate() {
        let mark = match count {
            0 => continue,
            1 => '▲',
            count => char::from_digit(count, 10).unwrap_or('#'),
        };
        grid.set(frame.column(index), 0, mark, Color::Magenta);
    }
    let row = grid.lines(frame.size.color).remove(0);
    Some(format!("{row}│"))
}

fn volumes(frame: &TerminalFrame) -> Vec<String> {
    if frame.volume_max <= 0.0 {
        return Vec::new();
    }
    let mut grid = Grid::new(frame.plot, VOLUME_ROWS);
    for (index, candle) in frame.drawn.candles.iter().enumerate() {
        let color = if candle.close < candle.open {
            Color::Red
        } else {
            Color::Green
        };
        grid.column_of_blocks(frame.column(index), candle.volume / frame.volume_max, color);
    }
    let mut labels = vec![("│", String::new()); VOLUME_ROWS];
    labels[0] = ("┤", volume_text(frame.volume_max));
    labels[VOLUME_ROWS - 1] = ("┤", "vol".to_owned());
    let mut lines = vec![format!("{}┤", "╌".repeat(frame.plot))];
    lines.extend(with_axis(grid.lines(frame.size.color), labels));
    lines
}

fn time_axis(frame: &TerminalFrame) -> Vec<String> {
    let found = ticks(
        &frame.drawn.candles,
        &Room {
            slot: frame.slot as f64,
            before: 0.0,
            width: frame.plot as f64,
            gap: 2.0,
            measure: &|label| measure_text_width(label) as f64,
        },
    );
    let mut line = vec!['─'; frame.plot];
    let mut labels = vec![' '; frame.plot];
    for TimeTick {
        candle,
        label,
        left,
        ..
    } in found
    {
        line[frame.column(candle)] = '┴';
        for (offset, letter) in label.chars().enumerate() {
            if let Some(cell) = labels.get_mut(left as usize + offset) {
                *cell = letter;
            }
        }
    }
    let (line, labels): (String, String) = (line.iter().collect(), labels.iter().collect());
    vec![format!("{line}┘"), format!("{labels}  UTC")]
}

/// Explains the marks, and lists the newest alerts.
fn legend(frame: &TerminalFrame) -> Vec<String> {
    let color = frame.size.color;
    let mut parts = Vec::new();
    if !color {
        parts.push("┃ rising  █ falling".to_owned());
    }
    for (line, (mark, hue)) in frame.drawn.averages.iter().zip(LINES.into_iter().cycle()) {
        parts.push(format!(
            "{} {}",
            paint(&mark.to_string(), hue, color),
            line.label
        ));
    }
    let alerts = alerts_legend(&frame.drawn);
    parts.extend(alerts.map(|text| format!("{} {text}", paint("▲", Color::Magenta, color))));
    let mut lines = flow(parts.into_iter(), frame.size.columns);
    let skipped = frame.drawn.alerts.len().saturating_sub(ALERTS_MAX);
    let mut newest = frame.drawn.alerts[skipped..].iter();
    lines.extend(newest.by_ref().map(|alert| {
        let line = format!("  {} {}", clock(alert.timestamp, true), alert.message);
        truncate_str(&line, frame.size.columns, "…").into_owned()
    }));
    lines
}
