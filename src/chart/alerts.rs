//! Alerts of a picture: a mark each, and the text of those that have room.

use super::frame::{ALERT, Area, BACKGROUND, PictureFrame};
use super::merge::Placed;
use super::scene::{Anchor, DrawnShape};

/// Texts of a picture; one with more would be a list.
const LABELS_MAX: usize = 12;

/// The marks, and texts that cover neither a candle nor a mark nor each other.
pub(super) fn alerts(frame: &PictureFrame) -> Vec<DrawnShape> {
    let alerts = &frame.drawn.alerts;
    let places: Vec<(f64, f64)> = alerts.iter().map(|alert| place(frame, alert)).collect();
    let radius = (frame.slot * 0.6).clamp(frame.size * 0.22, frame.size * 0.36);
    let marks = alerts
        .iter()
        .zip(&places)
        .map(|(alert, (x, y))| DrawnShape::Group {
            class: "alert",
            title: Some(format!("{}  {}", alert.timestamp, alert.message)),
            shapes: vec![DrawnShape::Circle {
                x: *x,
                y: *y,
                radius,
                fill: ALERT,
                stroke: BACKGROUND,
            }],
        });
    let marks = DrawnShape::group("alerts", marks.collect());
    vec![labels(frame, &places, radius), marks]
}

/// At its price; above its candle when it has none.
fn place(frame: &PictureFrame, alert: &Placed) -> (f64, f64) {
    let x = frame.x(alert.candle);
    let y = match alert.price {
        Some(price) => frame.y(price),
        None => frame.y(frame.drawn.candles[alert.candle].high) - frame.size * 0.6,
    };
    // Above the highest candle there is no more room.
    (x, y.max(frame.prices.top + frame.size * 0.4))
}

fn labels(frame: &PictureFrame, places: &[(f64, f64)], radius: f64) -> DrawnShape {
    let marks = places.len();
    let mut taken: Vec<Area> = places.iter().map(|place| around(*place, radius)).collect();
    let mut shapes = Vec::new();
    // The newest are what one looks for first.
    let newest = frame.drawn.alerts.iter().zip(places).rev();
    let mut labels = 0;
    for (alert, place) in newest {
        if labels == LABELS_MAX {
            break;
        }
        let text = frame
            .font
            .fitted(&alert.label, frame.size * 0.9, frame.size * 15.0);
        let Some(area) = free(frame, &text, *place, radius, taken.split_at(marks)) else {
            continue;
        };
        labels += 1;
        taken.push(area);
        taken.extend(way(*place, area));
        shapes.extend(leader(*place, area, radius));
        shapes.push(DrawnShape::Rectangle {
            x: area.left,
            y: area.top,
            width: area.width(),
            height: area.height(),
            fill: BACKGROUND,
            opacity: 0.85,
        });
        let baseline = area.bottom - frame.size * 0.35;
        let left = area.left + frame.size * 0.2;
        let mut label = frame.text(left, baseline, Anchor::Start, ALERT, &text);
        if let DrawnShape::Text(text) = &mut label {
            text.size = frame.size * 0.9;
        }
        shapes.push(label);
    }
    DrawnShape::group("alert-labels", shapes)
}

/// Points on the way from a mark to its text, which no other text may cover.
fn way((x, y): (f64, f64), area: Area) -> impl Iterator<Item = Area> {
    // Points nearer to each other than the smallest text is high.
    const STEPS: u32 = 8;
    let right = x.clamp(area.left, area.right) - x;
    let down = y.clamp(area.top, area.bottom) - y;
    (0..STEPS).map(move |step| {
        let share = f64::from(step) / f64::from(STEPS);
        around((x + right * share, y + down * share), 0.5)
    })
}

/// From a mark to its text, where that is not beside it.
fn leader((x, y): (f64, f64), area: Area, radius: f64) -> Option<DrawnShape> {
    let to = (
        x.clamp(area.left, area.right),
        y.clamp(area.top, area.bottom),
    );
    let (right, down) = (to.0 - x, to.1 - y);
    let length = right.hypot(down);
    let from = (x + right / length * radius, y + down / length * radius);
    (length > radius * 3.0).then(|| DrawnShape::line(from, to, ALERT, 0.75))
}

fn around((x, y): (f64, f64), radius: f64) -> Area {
    Area {
        left: x - radius,
        top: y - radius,
        right: x + radius,
        bottom: y + radius,
    }
}

/// A place beside a mark, or not far from it, where a text covers nothing.
fn free(
    frame: &PictureFrame,
    text: &str,
    (x, y): (f64, f64),
    radius: f64,
    (marks, labels): (&[Area], &[Area]),
) -> Option<Area> {
    let width = frame.font.width(text, frame.size * 0.9) + frame.size * 0.4;
    let height = frame.size * 1.3;
    let gap = radius + frame.size * 0.25;
    let beside = [x + gap, x - gap - width, x - width / 2.0];
    let heights = [1.0, 2.0, 3.0, 4.0];
    let above = heights.map(|steps| y - gap - height * steps);
    let below = heights.map(|steps| y + gap + height * (steps - 1.0));
    let tops = [y - height / 2.0].into_iter().chain(above).chain(below);
    let areas = tops.flat_map(|top| beside.map(|left| (left, top)));
    areas
        .map(|(left, top)| Area {
            left,
            top,
            right: left + width,
            bottom: top + height,
        })
        .find(|area| {
            within(area, &frame.prices)
                && !marks.iter().chain(labels).any(|other| overlap(area, other))
                && !way((x, y), *area).any(|point| labels.iter().any(|of| overlap(&point, of)))
                && !covers_chart(frame, area)
        })
}

fn within(inner: &Area, outer: &Area) -> bool {
    inner.left >= outer.left
        && inner.right <= outer.right
        && inner.top >= outer.top
        && inner.bottom <= outer.bottom
}

fn overlap(one: &Area, other: &Area) -> bool {
    one.left < other.right
        && other.left < one.right
        && one.top < other.bottom
        && other.top < one.bottom
}

fn covers_chart(frame: &PictureFrame, area: &Area) -> bool {
    let candle = |x: f64| ((x - frame.prices.left) / frame.slot).max(0.0) as usize;
    let candles = &frame.drawn.candles;
    // One more to each side, as lines go on to them.
    let last = (candle(area.right) + 1).min(candles.len() - 1);
    let first = candle(area.left).saturating_sub(1).min(last);
    let is_hit =
        |high: f64, low: f64| area.top < frame.y(low) + 2.0 && frame.y(high) - 2.0 < area.bottom;
    let averages = frame.drawn.averages.iter();
    let mut lines = averages.flat_map(|line| line.values[first..=last].windows(2));
    candles[first..=last]
        .iter()
        .any(|candle| is_hit(candle.high, candle.low))
        || lines.any(|part| match *part {
            [Some(from), Some(to)] => is_hit(from.max(to), from.min(to)),
            _ => false,
        })
}
