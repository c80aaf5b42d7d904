//! A scene as SVG: text stays text, and each candle says its figures when pointed at.
//!
//! A viewer may have another font than ours: each text says how long it is, and is fitted.

use super::font::Font;
use super::scene::{Anchor, DrawnShape, Rgb, Scene, SceneText};
use crate::error::Result;

pub(super) fn write(scene: &Scene) -> Result<String> {
    let font = Font::embedded()?;
    let Scene { width, height, .. } = *scene;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"Roboto, 'Helvetica Neue', Arial, sans-serif\">\n\
         <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
        escaped(&scene.title),
        color(scene.background)
    );
    for shape in &scene.shapes {
        element(&mut out, shape, &font);
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn element(out: &mut String, shape: &DrawnShape, font: &Font) {
    let text = match shape {
        DrawnShape::Rectangle {
            x,
            y,
            width,
            height,
            fill,
            opacity,
        } => {
            let opacity = match *opacity {
                1.0 => String::new(),
                opacity => format!(" fill-opacity=\"{}\"", number(opacity)),
            };
            let [x, y, width, height] = [x, y, width, height].map(|value| number(*value));
            format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                 fill=\"{}\"{opacity}/>",
                color(*fill)
            )
        }
        DrawnShape::Line {
            points,
            stroke,
            width,
            is_dashed,
        } => {
            let dashes = if *is_dashed {
                " stroke-dasharray=\"4 3\""
            } else {
                ""
            };
            format!(
                "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
                 stroke-linejoin=\"round\"{dashes}/>",
                path(points),
                color(*stroke),
                number(*width)
            )
        }
        DrawnShape::Circle {
            x,
            y,
            radius,
            fill,
            stroke,
        } => {
            let [x, y, radius] = [x, y, radius].map(|value| number(*value));
            let (fill, stroke) = (color(*fill), color(*stroke));
            format!(
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{stroke}\"/>"
            )
        }
        DrawnShape::Text(text) => letters(text, font),
        DrawnShape::Group {
            class,
            title,
            shapes,
        } => {
            out.push_str(&format!("<g class=\"{class}\">"));
            if let Some(title) = title {
                out.push_str(&format!("<title>{}</title>", escaped(title)));
            }
            out.push('\n');
            shapes.iter().for_each(|shape| element(out, shape, font));
            "</g>".to_owned()
        }
    };
    out.push_str(&text);
    out.push('\n');
}

fn letters(text: &SceneText, font: &Font) -> String {
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
    };
    format!(
        "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{anchor} \
         textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
        number(text.x),
        number(text.y),
        number(text.size),
        color(text.fill),
        number(font.width(&text.text, text.size)),
        escaped(&text.text)
    )
}

fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        path.push_str(&format!("{command}{} {}", number(*x), number(*y)));
    }
    path
}

/// A number with at most two places.
fn number(value: f64) -> String {
    // Adding 0 makes a zero of a minus zero.
    ((value * 100.0).round() / 100.0 + 0.0).to_string()
}

fn color(rgb: Rgb) -> String {
    format!("#{rgb:06x}")
}

/// A text without what XML reads as its own, or does not allow at all.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => safe.push(' '),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_reads_as_its_own_is_escaped() {
        assert_eq!(
            escaped("S&P <500> \"x\"\u{1b}"),
            "S&amp;P &lt;500&gt; &quot;x&quot; "
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 0.125, -0.001].map(number), ["1", "0.13", "0"]);
    }
}
