//! The letters of pictures: widths and outlines of the font that is compiled in, so that a
//! picture is the same on a machine without fonts.

use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, OutlineBuilder};

use super::scene::{Anchor, SceneText};
use crate::error::{Error, Result};

/// Roboto, cut to Latin, Greek and Cyrillic letters; `data/font/README.md` has its origin.
const FONT: &[u8] = include_bytes!("../../data/font/Roboto-subset.ttf");

/// The font of all pictures.
pub(super) struct Font {
    face: Face<'static>,
}

impl Font {
    /// The font that is compiled in.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the program's file is damaged.
    pub(super) fn embedded() -> Result<Self> {
        let face = Face::parse(FONT, 0).map_err(|error| {
            Error::invalid("font", error.to_string(), "install the program again")
        })?;
        Ok(Self { face })
    }

    /// The width of a line of text.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        text.chars().map(|letter| self.advance(letter)).sum::<f64>() * self.scale(size)
    }

    /// The text, or as much of it as is not wider, with an ellipsis.
    pub(super) fn fitted(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let room = width - self.width("…", size);
        let mut taken = 0.0;
        let fits = |letter: &char| {
            taken += self.advance(*letter) * self.scale(size);
            taken <= room
        };
        let kept: String = text.chars().take_while(fits).collect();
        format!("{}…", kept.trim_end())
    }

    /// The outlines of a text; none when it has only spaces.
    pub(super) fn outline(&self, text: &SceneText) -> Option<Path> {
        let width = self.width(&text.text, text.size);
        let mut pen = Pen {
            path: PathBuilder::new(),
            scale: self.scale(text.size),
            x: text.x
                - match text.anchor {
                    Anchor::Start => 0.0,
                    Anchor::Middle => width / 2.0,
                },
            y: text.y,
        };
        for letter in text.text.chars() {
            let glyph = self.face.glyph_index(letter).unwrap_or_default();
            self.face.outline_glyph(glyph, &mut pen);
            pen.x += self.advance(letter) * pen.scale;
        }
        pen.path.finish()
    }

    fn advance(&self, letter: char) -> f64 {
        let glyph = self.face.glyph_index(letter).unwrap_or_default();
        f64::from(self.face.glyph_hor_advance(glyph).unwrap_or_default())
    }

    fn scale(&self, size: f64) -> f64 {
        size / f64::from(self.face.units_per_em().max(1))
    }
}

/// Puts a letter's outline at its place: fonts count upwards, pictures downwards.
struct Pen {
    path: PathBuilder,
    scale: f64,
    x: f64,
    y: f64,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        let x = self.x + f64::from(x) * self.scale;
        let y = self.y - f64::from(y) * self.scale;
        (x as f32, y as f32)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_its_room_with_an_ellipsis() {
        let font = Font::embedded().unwrap();
        let name = "A very long name of an instrument";
        assert_eq!(font.fitted(name, 12.0, 1_000.0), name);
        let cut = font.fitted(name, 12.0, 100.0);
        assert!(
            cut.ends_with('…') && name.starts_with(cut.trim_end_matches('…')),
            "{cut}"
        );
        assert!(font.width(&cut, 12.0) <= 100.0);
    }

    #[test]
    fn digits_are_of_one_width_so_that_labels_stand_under_each_other() {
        let font = Font::embedded().unwrap();
        let widths: Vec<f64> = ('0'..='9')
            .map(|digit| font.width(&digit.to_string(), 12.0))
            .collect();
        assert!(
            widths
                .iter()
                .all(|width| *width == widths[0] && *width > 0.0),
            "{widths:?}"
        );
    }
}
