//! A picture as shapes in pixels, before it is SVG or PNG.

/// A colour, as `#rrggbb` is read.
pub(super) type Rgb = u32;

/// A picture: shapes over a background, later ones over earlier ones.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) background: Rgb,
    /// A description of the picture for people who cannot see it.
    pub(super) title: String,
    pub(super) shapes: Vec<DrawnShape>,
}

/// The point of a text that stands at its coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
}

/// A letter's place, size and colour.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SceneText {
    pub(super) x: f64,
    /// The line on which letters stand.
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) anchor: Anchor,
    pub(super) fill: Rgb,
    pub(super) text: String,
}

/// A shape of the picture.
#[derive(Debug, Clone)]
pub(super) enum DrawnShape {
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        fill: Rgb,
        opacity: f64,
    },
    /// Points joined by lines.
    Line {
        points: Vec<(f64, f64)>,
        stroke: Rgb,
        width: f64,
        is_dashed: bool,
    },
    Circle {
        x: f64,
        y: f64,
        radius: f64,
        fill: Rgb,
        stroke: Rgb,
    },
    Text(SceneText),
    /// Shapes that belong together, with a class for style sheets and a text to point at.
    Group {
        class: &'static str,
        title: Option<String>,
        shapes: Vec<DrawnShape>,
    },
}

impl DrawnShape {
    /// A straight line.
    pub(super) fn line(from: (f64, f64), to: (f64, f64), stroke: Rgb, width: f64) -> Self {
        Self::Line {
            points: vec![from, to],
            stroke,
            width,
            is_dashed: false,
        }
    }

    /// A rectangle without transparency.
    pub(super) fn rectangle(x: f64, y: f64, width: f64, height: f64, fill: Rgb) -> Self {
        Self::Rectangle {
            x,
            y,
            width,
            height,
            fill,
            opacity: 1.0,
        }
    }

    /// Shapes of one class.
    pub(super) fn group(class: &'static str, shapes: Vec<DrawnShape>) -> Self {
        Self::Group {
            class,
            title: None,
            shapes,
        }
    }
}
