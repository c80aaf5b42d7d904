//! The lines above a picture: title, figures, legend.

use super::figures::{ChartTexts, alerts_legend};
use super::font::Font;
use super::frame::{ALERT, BACKGROUND, FALLING, INK, LINES, RISING};
use super::merge::Drawn;
use super::scene::{Anchor, DrawnShape, Rgb, SceneText};

/// The lines above the panels.
pub(super) struct Header {
    pub(super) title: String,
    pub(super) shapes: Vec<DrawnShape>,
    /// The y at which it ends.
    pub(super) bottom: f64,
}

/// The mark before a name in the legend.
enum LegendMark {
    None,
    Line(Rgb),
    Dot(Rgb),
}

struct HeaderPart {
    mark: LegendMark,
    text: String,
    fill: Rgb,
}

/// Lays out the header over the whole width.
pub(super) fn header(
    figures: &ChartTexts,
    drawn: &Drawn,
    font: &Font,
    size: f64,
    width: f64,
) -> Header {
    let large = size * 1.4;
    let room = width - 2.0 * size;
    let mut y = (size * 0.7 + large).round();
    let title = SceneText {
        x: size,
        y,
        size: large,
        anchor: Anchor::Start,
        fill: INK,
        text: font.fitted(&figures.title, large, room),
    };
    let mut flow = Flow {
        font,
        size,
        room,
        shapes: Vec::new(),
    };
    y = flow.lay(figure_parts(figures), y + size * 1.7);
    let legend = legend_parts(drawn);
    if !legend.is_empty() {
        y = flow.lay(legend, y + size * 1.6);
    }
    let mut shapes = vec![DrawnShape::Text(title)];
    shapes.extend(flow.shapes);
    Header {
        title: format!("{}, {}", figures.title, figures.range),
        shapes: vec![DrawnShape::group("header", shapes)],
        bottom: y + size * 0.3,
    }
}

fn figure_parts(figures: &ChartTexts) -> Vec<HeaderPart> {
    let part = |text: &String, fill| HeaderPart {
        mark: LegendMark::None,
        text: text.clone(),
        fill,
    };
    let direction = if figures.is_rise { RISING } else { FALLING };
    vec![
        part(&figures.range, INK),
        part(&figures.last, INK),
        part(&figures.change, direction),
        part(&figures.high, INK),
        part(&figures.low, INK),
    ]
}

fn legend_parts(drawn: &Drawn) -> Vec<HeaderPart> {
    let lines = drawn.averages.iter().zip(LINES.into_iter().cycle());
    let mut parts: Vec<HeaderPart> = lines
        .map(|(line, color)| HeaderPart {
            mark: LegendMark::Line(color),
            text: line.label.clone(),
            fill: INK,
        })
        .collect();
    parts.extend(alerts_legend(drawn).map(|text| HeaderPart {
        mark: LegendMark::Dot(ALERT),
        text,
        fill: INK,
    }));
    parts
}

/// Parts side by side, on further lines where they do not fit.
struct Flow<'a> {
    font: &'a Font,
    size: f64,
    room: f64,
    shapes: Vec<DrawnShape>,
}

impl Flow<'_> {
    /// Lays parts out from a line on; returns the last line.
    fn lay(&mut self, parts: Vec<HeaderPart>, y: f64) -> f64 {
        let (size, left) = (self.size, self.size);
        let (mut x, mut y) = (left, y.round());
        for part in parts {
            let mark = match part.mark {
                LegendMark::None => 0.0,
                LegendMark::Line(_) => size * 2.0,
                LegendMark::Dot(_) => size * 1.1,
            };
            let text = self.font.fitted(&part.text, size, self.room - mark);
            let width = mark + self.font.width(&text, size);
            if x > left && x + width > left + self.room {
                x = left;
                y = (y + size * 1.5).round();
            }
            self.mark(&part.mark, x, y);
            self.shapes.push(DrawnShape::Text(SceneText {
                x: x + mark,
                y,
                size,
                anchor: Anchor::Start,
                fill: part.fill,
                text,
            }));
            x += width + size * 1.4;
        }
        y
    }

    fn mark(&mut self, mark: &LegendMark, x: f64, y: f64) {
        let (size, middle) = (self.size, y - self.size * 0.36);
        match *mark {
            LegendMark::None => {}
            LegendMark::Line(stroke) => {
                let (from, to) = ((x, middle), (x + size * 1.5, middle));
                self.shapes
                    .push(DrawnShape::line(from, to, stroke, size * 0.16));
            }
            LegendMark::Dot(fill) => self.shapes.push(DrawnShape::Circle {
                x: x + size * 0.4,
                y: middle,
                radius: size * 0.32,
                fill,
                stroke: BACKGROUND,
            }),
        }
    }
}
