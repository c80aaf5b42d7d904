//! Lays out a picture: header, prices, volumes, axes.

use super::alerts::alerts;
use super::candles::{averages, candles, volumes};
use super::font::Font;
use super::frame::{
    Area, BACKGROUND, FALLING, FRAME, GRID, INK, MUTED, PictureFrame, RISING, crisp,
};
use super::header::header;
use super::merge::fitted;
use super::price_axis::{AxisTicks, PriceRange, price_text, volume_text};
use super::scene::{Anchor, DrawnShape, Scene};
use super::time_axis::{Room, TimeTick, ticks};
use super::{ChartData, figures::ChartTexts};
use crate::error::{Error, Result};

/// Width and height in pixels: 320 to 8000 wide and 240 to 8000 high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    width: u32,
    height: u32,
}

impl PictureSize {
    /// The least width; below, axes leave no room for candles.
    pub const WIDTH_MIN: u32 = 320;
    /// The least height.
    pub const HEIGHT_MIN: u32 = 240;
    /// The greatest width and height.
    pub const MAX: u32 = 8_000;

    /// A size in pixels.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the side that is out of range.
    pub fn new(width: u32, height: u32) -> Result<Self> {
        for (name, value, least) in [
            ("width", width, Self::WIDTH_MIN),
            ("height", height, Self::HEIGHT_MIN),
        ] {
            if !(least..=Self::MAX).contains(&value) {
                let reason = format!("{value} pixels is out of range");
                let remedy = format!("choose {least} to {}", Self::MAX);
                return Err(Error::invalid(name, reason, remedy));
            }
        }
        Ok(Self { width, height })
    }

    /// Pixels from left to right.
    #[must_use]
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    #[must_use]
    pub const fn height(self) -> u32 {
        self.height
    }
}

impl Default for PictureSize {
    /// 1200 by 700 pixels.
    fn default() -> Self {
        Self {
            width: 1_200,
            height: 700,
        }
    }
}

/// The picture of a chart.
pub(super) fn scene(data: &ChartData<'_>, size: PictureSize) -> Result<Scene> {
    let font = Font::embedded()?;
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let letters = 13.0 * (width / 1_200.0).min(height / 700.0).clamp(0.85, 6.0);
    let lines = data
        .averages
        .iter()
        .flat_map(|line| line.values.iter().flatten().copied());
    let marks = data.alerts.iter().filter_map(|alert| alert.price);
    let prices = data
        .candles
        .iter()
        .flat_map(|candle| [candle.high, candle.low]);
    let range = PriceRange::of(prices.chain(lines).chain(marks)).padded(0.05);
    let ticks = AxisTicks::of(range, ((height / letters / 5.0) as usize).clamp(3, 14));
    let last = data.candles[data.candles.len() - 1].close;
    let places = data.places();
    let last = price_text(last, places, ticks.places);
    let labels = ticks.values.iter().map(|tick| ticks.text(*tick));
    let label = labels.chain([last.clone(), "999K".to_owned()]);
    let label = label
        .map(|text| font.width(&text, letters))
        .fold(0.0, f64::max);
    let plot = Area {
        left: letters,
        top: 0.0,
        right: (width - label - letters * 1.6).round(),
        bottom: (height - letters * 2.2).round(),
    };
    // A candle of one pixel and its gap.
    let drawn = fitted(data, (plot.width() / 2.0) as usize);
    let head = header(
        &ChartTexts::of(data, &drawn, places),
        &drawn,
        &font,
        letters,
        width,
    );
    let volume_max = drawn
        .candles
        .iter()
        .fold(0.0, |max: f64, candle| max.max(candle.volume));
    let top = (head.bottom + letters * 0.6).round();
    let (prices, volumes) = panels(Area { top, ..plot }, letters, volume_max > 0.0);
    let frame = PictureFrame {
        slot: plot.width() / drawn.candles.len() as f64,
        drawn,
        font,
        size: letters,
        range,
        prices,
        volumes,
        volume_max,
        places,
    };
    let mut shapes = head.shapes;
    shapes.extend(time_axis(&frame));
    shapes.extend(price_axis(&frame, &ticks));
    shapes.extend(volumes_of(&frame));
    shapes.push(candles(&frame));
    shapes.extend(averages(&frame));
    shapes.extend(last_price(&frame, &last));
    shapes.extend(alerts(&frame));
    Ok(Scene {
        width: size.width,
        height: size.height,
        background: BACKGROUND,
        title: head.title,
        shapes,
    })
}

/// The areas of prices and of volumes, one above the other.
fn panels(plot: Area, letters: f64, has_volume: bool) -> (Area, Option<Area>) {
    if !has_volume {
        return (plot, None);
    }
    let height = (plot.height() * 0.2).max(letters * 3.0);
    let top = (plot.bottom - height).round();
    let prices = Area {
        bottom: (top - letters * 0.8).round(),
        ..plot
    };
    (prices, Some(Area { top, ..plot }))
}

/// Vertical lines with their times under the lowest panel.
fn time_axis(frame: &PictureFrame) -> Vec<DrawnShape> {
    let plot = frame.prices;
    let bottom = frame.volumes.map_or(plot.bottom, |area| area.bottom);
    let found = ticks(
        &frame.drawn.candles,
        &Room {
            slot: frame.slot,
            before: plot.left * 0.7,
            width: plot.width(),
            gap: frame.size * 1.5,
            measure: &|label| frame.font.width(label, frame.size),
        },
    );
    let baseline = (bottom + frame.size * 1.45).round();
    let (mut grid, mut labels) = (Vec::new(), Vec::new());
    for tick in found {
        let x = crisp(frame.x(tick.candle));
        let stroke = if tick.is_major { FRAME } else { GRID };
        grid.push(DrawnShape::line(
            (x, plot.top),
            (x, plot.bottom),
            stroke,
            1.0,
        ));
        if let Some(area) = frame.volumes {
            grid.push(DrawnShape::line(
                (x, area.top),
                (x, area.bottom),
                stroke,
                1.0,
            ));
        }
        grid.push(DrawnShape::line((x, bottom), (x, bottom + 4.0), FRAME, 1.0));
        labels.push(time_label(frame, &tick, baseline));
    }
    let zone = frame.text(
        plot.right + frame.size * 0.6,
        baseline,
        Anchor::Start,
        MUTED,
        "UTC",
    );
    labels.push(zone);
    vec![
        DrawnShape::group("grid", grid),
        DrawnShape::group("times", labels),
    ]
}

fn time_label(frame: &PictureFrame, tick: &TimeTick, baseline: f64) -> DrawnShape {
    let width = frame.font.width(&tick.label, frame.size);
    let x = frame.prices.left + tick.left + width / 2.0;
    let fill = if tick.is_major { INK } else { MUTED };
    frame.text(x, baseline, Anchor::Middle, fill, &tick.label)
}

/// Horizontal lines with their prices, but where the last price stands.
fn price_axis(frame: &PictureFrame, ticks: &AxisTicks) -> Vec<DrawnShape> {
    let area = frame.prices;
    let (mut grid, mut labels) = (Vec::new(), Vec::new());
    let taken = last_label(frame).1;
    for tick in &ticks.values {
        let y = frame.y(*tick);
        grid.push(DrawnShape::line(
            (area.left, crisp(y)),
            (area.right, crisp(y)),
            GRID,
            1.0,
        ));
        if (y - taken).abs() >= frame.size * 1.35 {
            labels.push(axis_label(frame, y, &ticks.text(*tick)));
        }
    }
    vec![
        DrawnShape::group("grid", grid),
        border(area),
        DrawnShape::group("prices", labels),
    ]
}

fn axis_label(frame: &PictureFrame, y: f64, text: &str) -> DrawnShape {
    let x = frame.prices.right + frame.size * 0.6;
    frame.text(x, y + frame.size * 0.36, Anchor::Start, MUTED, text)
}

fn border(area: Area) -> DrawnShape {
    let (left, right) = (crisp(area.left), crisp(area.right));
    let (top, bottom) = (crisp(area.top), crisp(area.bottom));
    DrawnShape::Line {
        points: vec![
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
        ],
        stroke: FRAME,
        width: 1.0,
        is_dashed: false,
    }
}

/// The panel of volumes with its own axis.
fn volumes_of(frame: &PictureFrame) -> Vec<DrawnShape> {
    let Some(area) = frame.volumes else {
        return Vec::new();
    };
    let range = PriceRange {
        low: 0.0,
        high: frame.volume_max / 0.94,
    };
    let ticks = AxisTicks::of(
        range,
        ((area.height() / frame.size / 2.0) as usize).clamp(2, 4),
    );
    let (mut grid, mut labels) = (Vec::new(), Vec::new());
    for tick in ticks.values.iter().filter(|tick| **tick > 0.0) {
        let y = area.top + range.share_from_top(*tick) * area.height();
        grid.push(DrawnShape::line(
            (area.left, crisp(y)),
            (area.right, crisp(y)),
            GRID,
            1.0,
        ));
        labels.push(axis_label(frame, y, &volume_text(*tick)));
    }
    let name = (area.left + frame.size * 0.5, area.top + frame.size * 1.2);
    vec![
        DrawnShape::group("grid", grid),
        volumes(frame, area, range),
        border(area),
        DrawnShape::group("volume-axis", labels),
        frame.text(name.0, name.1, Anchor::Start, MUTED, "Volume"),
    ]
}

/// Height and middle of the label of the last price.
fn last_label(frame: &PictureFrame) -> (f64, f64) {
    let height = (frame.size * 1.5).round();
    let candles = &frame.drawn.candles;
    (height, frame.y(candles[candles.len() - 1].close))
}

/// A dashed line at the last price, and the price on the axis.
fn last_price(frame: &PictureFrame, text: &str) -> Vec<DrawnShape> {
    let candles = &frame.drawn.candles;
    let last = candles[candles.len() - 1];
    let fill = if last.close < last.open {
        FALLING
    } else {
        RISING
    };
    let (height, y) = last_label(frame);
    let x = frame.prices.right + frame.size * 0.6;
    let width = frame.font.width(text, frame.size) + frame.size * 0.6;
    let shapes = vec![
        DrawnShape::Line {
            points: vec![
                (frame.prices.left, crisp(y)),
                (frame.prices.right, crisp(y)),
            ],
            stroke: fill,
            width: 1.0,
            is_dashed: true,
        },
        DrawnShape::rectangle(
            x - frame.size * 0.3,
            (y - height / 2.0).round(),
            width,
            height,
            fill,
        ),
        frame.text(x, y + frame.size * 0.36, Anchor::Start, BACKGROUND, text),
    ];
    vec![DrawnShape::group("last", shapes)]
}
