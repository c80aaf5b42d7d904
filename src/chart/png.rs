//! A scene as PNG: shapes are filled by tiny-skia, the file is written by the crate `png`.

use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash};
use tiny_skia::{LineJoin, Transform};

use super::font::Font;
use super::scene::{DrawnShape, Rgb, Scene};
use crate::error::{Error, Result};

pub(super) fn write(scene: &Scene) -> Result<Vec<u8>> {
    let mut canvas = Canvas {
        pixmap: Pixmap::new(scene.width, scene.height).ok_or_else(|| {
            let size = format!("{} by {} pixels cannot be drawn", scene.width, scene.height);
            Error::invalid("chart", size, "choose a smaller size")
        })?,
        font: Font::embedded()?,
    };
    canvas.pixmap.fill(color(scene.background, 1.0));
    for shape in &scene.shapes {
        canvas.draw(shape);
    }
    encode(&canvas.pixmap).map_err(|error| {
        Error::invalid(
            "chart",
            format!("encoding failed: {error}"),
            "report this as a defect",
        )
    })
}

struct Canvas {
    pixmap: Pixmap,
    font: Font,
}

impl Canvas {
    fn draw(&mut self, shape: &DrawnShape) {
        match shape {
            DrawnShape::Rectangle {
                x,
                y,
                width,
                height,
                fill,
                opacity,
            } => {
                let [x, y, width, height] = [x, y, width, height].map(|value| *value as f32);
                if let Some(rect) = Rect::from_xywh(x, y, width, height) {
                    let paint = paint(*fill, *opacity);
                    self.pixmap
                        .fill_rect(rect, &paint, Transform::identity(), None);
                }
            }
            DrawnShape::Line {
                points,
                stroke,
                width,
                is_dashed,
            } => self.line(points, *stroke, *width, *is_dashed),
            DrawnShape::Circle {
                x,
                y,
                radius,
                fill,
                stroke,
            } => {
                let circle = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
                self.fill(circle.as_ref(), *fill);
                self.stroke(circle.as_ref(), *stroke, &Stroke::default());
            }
            DrawnShape::Text(text) => {
                let outline = self.font.outline(text);
                self.fill(outline.as_ref(), text.fill);
            }
            DrawnShape::Group { shapes, .. } => shapes.iter().for_each(|shape| self.draw(shape)),
        }
    }

    fn line(&mut self, points: &[(f64, f64)], color: Rgb, width: f64, is_dashed: bool) {
        let mut path = PathBuilder::new();
        for (index, (x, y)) in points.iter().enumerate() {
            match index {
                0 => path.move_to(*x as f32, *y as f32),
                _ => path.line_to(*x as f32, *y as f32),
            }
        }
        let stroke = Stroke {
            width: width as f32,
            line_join: LineJoin::Round,
            dash: is_dashed
                .then(|| StrokeDash::new(vec![4.0, 3.0], 0.0))
                .flatten(),
            ..Stroke::default()
        };
        self.stroke(path.finish().as_ref(), color, &stroke);
    }

    fn fill(&mut self, path: Option<&Path>, fill: Rgb) {
        if let Some(path) = path {
            let paint = paint(fill, 1.0);
            self.pixmap
                .fill_path(path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    fn stroke(&mut self, path: Option<&Path>, color: Rgb, stroke: &Stroke) {
        if let Some(path) = path {
            let paint = paint(color, 1.0);
            self.pixmap
                .stroke_path(path, &paint, stroke, Transform::identity(), None);
        }
    }
}

fn paint(rgb: Rgb, opacity: f64) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(color(rgb, opacity));
    paint
}

fn color(rgb: Rgb, opacity: f64) -> Color {
    let [_, red, green, blue] = rgb.to_be_bytes();
    Color::from_rgba8(red, green, blue, (opacity * 255.0).round() as u8)
}

/// The bytes of a PNG file. The background is opaque, and so is everything over it: the file has no
/// alpha channel. Most rows of a chart differ little from the one above: filter `Up`.
fn encode(pixmap: &Pixmap) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, pixmap.width(), pixmap.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::Up);
    let pixels = pixmap.pixels().iter();
    let bytes: Vec<u8> = pixels
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    writer.finish()?;
    Ok(file)
}
