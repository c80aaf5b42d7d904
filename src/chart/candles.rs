//! Candles, volumes and moving averages of a picture.

use super::calendar::moment;
use super::frame::{Area, FALLING, LINES, PictureFrame, RISING, crisp};
use super::price_axis::{PriceRange, price_text, volume_text};
use super::scene::{DrawnShape, Rgb};
use crate::domain::Candle;

/// The candles, each with its figures as a text to point at.
pub(super) fn candles(frame: &PictureFrame) -> DrawnShape {
    let drawn = &frame.drawn.candles;
    let shapes = drawn.iter().enumerate().map(|(index, candle)| {
        let x = crisp(frame.x(index));
        let fill = color(candle);
        let (top, bottom) = (frame.y(candle.high), frame.y(candle.low));
        let open = frame.y(candle.open.max(candle.close));
        let close = frame.y(candle.open.min(candle.close));
        let width = body_width(frame);
        // Open and close at one price are a line; so thin a body would not be seen.
        let height = (close - open).max(1.0);
        let middle = (open + close) / 2.0;
        DrawnShape::Group {
            class: if candle.close < candle.open {
                "candle falling"
            } else {
                "candle rising"
            },
            title: Some(figures(frame, candle)),
            shapes: vec![
                DrawnShape::line((x, top), (x, bottom), wick(fill, width), wick_width(frame)),
                DrawnShape::rectangle(x - width / 2.0, middle - height / 2.0, width, height, fill),
            ],
        }
    });
    DrawnShape::group("candles", shapes.collect())
}

/// An odd number of pixels, so that the wick is in the middle of the body and both are sharp.
fn body_width(frame: &PictureFrame) -> f64 {
    let widest = (frame.slot * 0.72).min(frame.size * 1.6);
    let odd = ((widest - 1.0) / 2.0).floor() * 2.0 + 1.0;
    odd.max(1.0)
}

/// A wick as wide as its body is lighter, or one would not be told from the other.
fn wick(fill: Rgb, body_width: f64) -> Rgb {
    if body_width > 1.0 {
        return fill;
    }
    let [_, red, green, blue] = fill.to_be_bytes();
    let [red, green, blue] = [red, green, blue].map(|part| part / 2 + 0x7f);
    Rgb::from_be_bytes([0, red, green, blue])
}

fn wick_width(frame: &PictureFrame) -> f64 {
    if body_width(frame) > 12.0 && frame.size > 20.0 {
        3.0
    } else {
        1.0
    }
}

fn color(candle: &Candle) -> Rgb {
    if candle.close < candle.open {
        FALLING
    } else {
        RISING
    }
}

fn figures(frame: &PictureFrame, candle: &Candle) -> String {
    let price = |price| price_text(price, frame.places, 0);
    let moments = frame.drawn.candles.iter().map(|candle| candle.timestamp);
    format!(
        "{}  open {}  high {}  low {}  close {}  volume {}",
        moment(candle.timestamp, moments.take(2).chain([candle.timestamp])),
        price(candle.open),
        price(candle.high),
        price(candle.low),
        price(candle.close),
        volume_text(candle.volume)
    )
}

/// Volumes from the bottom of their panel.
pub(super) fn volumes(frame: &PictureFrame, area: Area, range: PriceRange) -> DrawnShape {
    let drawn = frame.drawn.candles.iter().enumerate();
    let bar = |(index, candle): (usize, &Candle)| {
        let width = body_width(frame);
        let share = 1.0 - range.share_from_top(candle.volume);
        // What is traded is seen, however little.
        let height = (share * area.height()).max(1.0);
        DrawnShape::Rectangle {
            x: crisp(frame.x(index)) - width / 2.0,
            y: area.bottom - height,
            width,
            height,
            fill: color(candle),
            opacity: 0.6,
        }
    };
    let traded = drawn.filter(|(_, candle)| candle.volume > 0.0);
    DrawnShape::group("volumes", traded.map(bar).collect())
}

/// A line for each moving average, with gaps where it has no value.
pub(super) fn averages(frame: &PictureFrame) -> Vec<DrawnShape> {
    let lines = frame.drawn.averages.iter().zip(LINES.into_iter().cycle());
    let line = |(average, stroke): (&super::AverageLine, Rgb)| {
        let places: Vec<Option<(f64, f64)>> = average
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| value.map(|value| (frame.x(index), frame.y(value))))
            .collect();
        let parts = places.split(Option::is_none).filter(|part| part.len() > 1);
        let shapes = parts.map(|part| DrawnShape::Line {
            points: part.iter().copied().flatten().collect(),
            stroke,
            width: frame.size * 0.12,
            is_dashed: false,
        });
        DrawnShape::group("average", shapes.collect())
    };
    lines.map(line).collect()
}
