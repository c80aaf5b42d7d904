//! The frame that the parts of a picture share: colours, areas, the x of a candle and the y of a
//! price.

use super::font::Font;
use super::merge::Drawn;
use super::price_axis::PriceRange;
use super::scene::{Anchor, DrawnShape, Rgb, SceneText};

pub(super) const BACKGROUND: Rgb = 0xff_ffff;
pub(super) const INK: Rgb = 0x1b_2733;
pub(super) const MUTED: Rgb = 0x5b_6875;
pub(super) const GRID: Rgb = 0xe9_edf1;
pub(super) const FRAME: Rgb = 0xc3_ccd5;
pub(super) const RISING: Rgb = 0x1f_9d87;
pub(super) const FALLING: Rgb = 0xe0_4f4b;
pub(super) const ALERT: Rgb = 0x8e_24aa;
/// Lines of moving averages, one after the other.
pub(super) const LINES: [Rgb; 5] = [0x2f_6fed, 0xf0_8c00, 0x6d_4c41, 0x00_838f, 0xad_1457];

/// A part of the picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(self) -> f64 {
        self.bottom - self.top
    }
}

/// The layout that all parts of a picture share.
pub(super) struct PictureFrame {
    pub(super) drawn: Drawn,
    pub(super) font: Font,
    /// Size of most letters.
    pub(super) size: f64,
    pub(super) range: PriceRange,
    pub(super) prices: Area,
    /// Nothing when nothing was traded.
    pub(super) volumes: Option<Area>,
    pub(super) volume_max: f64,
    /// From one candle to the next.
    pub(super) slot: f64,
    pub(super) places: usize,
}

impl PictureFrame {
    /// The middle of a candle.
    pub(super) fn x(&self, candle: usize) -> f64 {
        self.prices.left + (candle as f64 + 0.5) * self.slot
    }

    /// The height of a price.
    pub(super) fn y(&self, price: f64) -> f64 {
        self.prices.top + self.range.share_from_top(price) * self.prices.height()
    }

    pub(super) fn text(&self, x: f64, y: f64, anchor: Anchor, fill: Rgb, text: &str) -> DrawnShape {
        DrawnShape::Text(SceneText {
            x,
            y,
            size: self.size,
            anchor,
            fill,
            text: text.to_owned(),
        })
    }
}

/// The nearest place where a line of one pixel is sharp.
pub(super) fn crisp(place: f64) -> f64 {
    place.floor() + 0.5
}
