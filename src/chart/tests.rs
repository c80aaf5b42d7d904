//! Charts as a whole: what is drawn where.

use super::*;
use crate::domain::PriceDecimals;

/// One-minute candles of 2013-09-03 from a minute after ten on, each a little higher.
pub(super) fn minutes(first: i64, count: i64) -> Vec<Candle> {
    let hour = Timestamp::parse(b"2013-09-03T10:00:00Z").unwrap().0;
    let candle = |index: i64| {
        let open = 1640.0 + index as f64 * 0.25;
        let close = open + if index % 3 == 2 { -0.5 } else { 0.5 };
        Candle {
            timestamp: hour.saturating_add_micros((first + index) * calendar::MINUTE),
            open,
            high: open.max(close) + 0.25,
            low: open.min(close) - 0.5,
            close,
            volume: 100.0 + (index % 7) as f64 * 50.0,
        }
    };
    (0..count).map(candle).collect()
}

pub(super) fn data(candles: &[Candle]) -> ChartData<'_> {
    ChartData {
        title: Title {
            symbol: "ES".to_owned(),
            name: "E-mini S&P 500".to_owned(),
            frequency: "1min".to_owned(),
        },
        price_decimals: PriceDecimals::new(4).ok(),
        candles,
        averages: Vec::new(),
        alerts: Vec::new(),
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text.as_bytes()).unwrap().0
}

fn alert(at: Timestamp, price: Option<f64>, label: &str) -> AlertMark {
    AlertMark {
        timestamp: at,
        price,
        label: label.to_owned(),
        message: format!("Alert: {label} - <&>"),
    }
}

fn text(data: &ChartData<'_>, columns: usize, color: bool) -> String {
    let size = TerminalSize {
        columns,
        rows: 10,
        color,
    };
    terminal(data, size).unwrap()
}

#[test]
fn a_chart_of_text() {
    let candles = minutes(23, 40);
    let mut data = data(&candles);
    data.averages = vec![AverageLine::simple(&candles, 5)];
    data.alerts = vec![
        alert(at("2013-09-03T10:30:07Z"), Some(1642.0), "price"),
        alert(at("2013-09-03T10:45:00Z"), None, "block"),
        alert(at("2013-09-03T10:45:59.9Z"), None, "fall"),
        alert(at("2013-09-03T10:22:59Z"), None, "before"),
    ];
    insta::assert_snapshot!(text(&data, 60, false));
}

#[test]
fn a_chart_of_text_whose_candles_are_merged() {
    let candles = minutes(23, 200);
    insta::assert_snapshot!(text(&data(&candles), 60, false));
}

#[test]
fn a_chart_of_text_of_one_candle_below_zero_without_volume() {
    let candle = Candle {
        open: -1.0,
        high: 0.5,
        low: -40.32,
        close: -37.63,
        volume: 0.0,
        ..minutes(0, 1)[0]
    };
    insta::assert_snapshot!(text(&data(&[candle]), 60, false));
}

#[test]
fn the_highest_price_is_in_the_first_row_and_the_lowest_in_the_last() {
    let mut candles = minutes(0, 30);
    candles[7].high = 1_700.0;
    candles[20].low = 1_600.0;
    let text = text(&data(&candles), 60, false);
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.is_empty())
        .skip(1)
        .collect();
    let letters = |row: usize| {
        rows[row]
            .chars()
            .take_while(|letter| *letter != '┤' && *letter != '│')
    };
    // A thin wick is at the edge of both rows; nothing else is so high or so low.
    assert_eq!(rows[0].chars().position(|letter| letter == '│'), Some(7));
    assert_eq!(rows[9].chars().position(|letter| letter == '│'), Some(20));
    assert_eq!((letters(0).count(), letters(9).count()), (7, 20));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let candles = minutes(0, 500);
    let mut data = data(&candles);
    data.title.name = "Ein sehr langer Name 長い名前 ".repeat(20);
    data.averages = vec![
        AverageLine::simple(&candles, 50),
        AverageLine::simple(&candles, 7),
    ];
    data.alerts = vec![alert(candles[40].timestamp, None, &"long ".repeat(99))];
    for columns in [40, 60, 80, 100, 143, 200] {
        for color in [false, true] {
            let text = text(&data, columns, color);
            let widest = text.lines().map(console::measure_text_width).max();
            assert!(widest <= Some(columns), "{columns}: {widest:?}\n{text}");
            assert_eq!(text.contains('\u{1b}'), color);
        }
    }
}

#[test]
fn a_name_cannot_command_the_terminal() {
    let candles = minutes(0, 5);
    let mut data = data(&candles);
    data.title.name = "\u{1b}[2J\u{7}bell\nline".to_owned();
    let text = text(&data, 80, false);
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{7}'),
        "{text:?}"
    );
    assert!(text.starts_with("ES  [2J bell line · 1min\n"), "{text}");
}

/// The elements of a class, in the order of the picture.
fn of_class<'a>(svg: &'a roxmltree::Document<'_>, class: &str) -> Vec<roxmltree::Node<'a, 'a>> {
    let is_of = |node: &roxmltree::Node<'_, '_>| {
        let classes = node.attribute("class").unwrap_or_default();
        classes.split(' ').any(|one| one == class)
    };
    svg.descendants().filter(is_of).collect()
}

fn number(node: roxmltree::Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// Height of a price, from two labels of the axis; texts stand a little below their place.
fn scale(svg: &roxmltree::Document<'_>) -> impl Fn(f64) -> f64 {
    let axis = of_class(svg, "prices")[0];
    let label = |node: roxmltree::Node<'_, '_>| -> (f64, f64) {
        let baseline = number(node, "y") - 0.36 * number(node, "font-size");
        (node.text().unwrap().parse().unwrap(), baseline)
    };
    let labels: Vec<_> = axis
        .children()
        .filter(roxmltree::Node::is_element)
        .map(label)
        .collect();
    let (first, last) = (labels[0], labels[labels.len() - 1]);
    let slope = (last.1 - first.1) / (last.0 - first.0);
    move |price| first.1 + (price - first.0) * slope
}

#[test]
fn a_body_reaches_from_open_to_close_and_a_wick_from_high_to_low() {
    let candles = minutes(0, 60);
    let svg = svg(&data(&candles), PictureSize::default()).unwrap();
    let svg = roxmltree::Document::parse(&svg).unwrap();
    let y = scale(&svg);
    let drawn = of_class(&svg, "candle");
    assert_eq!(drawn.len(), candles.len());
    let near = |one: f64, other: f64| assert!((one - other).abs() < 0.05, "{one} {other}");
    let mut right_of_last = 0.0;
    for (node, candle) in drawn.iter().zip(&candles) {
        let falls = candle.close < candle.open;
        assert!(node.attribute("class").unwrap().ends_with(if falls {
            "falling"
        } else {
            "rising"
        }));
        let body = node
            .descendants()
            .find(|node| node.has_tag_name("rect"))
            .unwrap();
        near(number(body, "y"), y(candle.open.max(candle.close)));
        near(
            number(body, "height"),
            y(candle.open.min(candle.close)) - y(candle.open.max(candle.close)),
        );
        assert!(
            number(body, "x") > right_of_last,
            "bodies stand side by side"
        );
        right_of_last = number(body, "x") + number(body, "width");
        let wick = node
            .descendants()
            .find(|node| node.has_tag_name("path"))
            .unwrap();
        let ends = wick.attribute("d").unwrap().replace(['M', 'L'], " ");
        let ends: Vec<f64> = ends
            .split(' ')
            .filter_map(|number| number.parse().ok())
            .collect();
        near(ends[1], y(candle.high));
        near(ends[3], y(candle.low));
        near(ends[0], number(body, "x") + number(body, "width") / 2.0);
    }
}

#[test]
fn an_svg_is_well_formed_and_names_what_it_shows() {
    let candles = minutes(0, 60);
    let mut data = data(&candles);
    data.title.name = "<S&P> \"500\" \u{1b}".to_owned();
    data.averages = vec![
        AverageLine::simple(&candles, 20),
        AverageLine::simple(&candles, 90),
    ];
    data.alerts = vec![alert(candles[9].timestamp, Some(1_641.0), "above & beyond")];
    let text = svg(&data, PictureSize::new(600, 400).unwrap()).unwrap();
    let svg = roxmltree::Document::parse(&text).unwrap();
    assert_eq!(number(svg.root_element(), "width"), 600.0);
    let texts: Vec<&str> = svg.descendants().filter_map(|node| node.text()).collect();
    for expected in [
        "ES <S&P> \"500\"   · 1min",
        "MA 20",
        "MA 90",
        "1 alert",
        "above & beyond",
        "UTC",
    ] {
        assert!(texts.contains(&expected), "{expected}: {texts:?}");
    }
    assert_eq!(of_class(&svg, "alert").len(), 1);
    // The second average has no value yet.
    let lines = of_class(&svg, "average");
    assert_eq!(
        lines
            .iter()
            .map(|line| line.children().filter(|part| part.is_element()).count())
            .collect::<Vec<_>>(),
        [1, 0]
    );
}

/// Left, top, right and bottom of a text.
fn box_of(node: roxmltree::Node<'_, '_>) -> [f64; 4] {
    let (width, size) = (number(node, "textLength"), number(node, "font-size"));
    let left = match node.attribute("text-anchor") {
        Some("middle") => number(node, "x") - width / 2.0,
        _ => number(node, "x"),
    };
    let y = number(node, "y");
    [left, y - size * 0.75, left + width, y + size * 0.2]
}

#[test]
fn no_texts_overlap_at_any_size_and_density() {
    for (count, period) in [(1, 1), (8, 3), (40, 10), (400, 50), (1_000, 200)] {
        let candles = minutes(0, count);
        let mut data = data(&candles);
        data.title.name = "A name that is much longer than any picture is wide ".repeat(9);
        data.averages = vec![
            AverageLine::simple(&candles, period),
            AverageLine::simple(&candles, 2),
        ];
        let marked = candles.iter().step_by(7).enumerate();
        let price = |index: usize, candle: &Candle| index.is_multiple_of(2).then_some(candle.close);
        data.alerts = marked
            .map(|(index, candle)| alert(candle.timestamp, price(index, candle), "some rule"))
            .collect();
        for (width, height) in [(320, 240), (600, 400), (1_200, 700), (2_400, 1_400)] {
            let text = svg(&data, PictureSize::new(width, height).unwrap()).unwrap();
            let svg = roxmltree::Document::parse(&text).unwrap();
            let texts: Vec<_> = svg
                .descendants()
                .filter(|node| node.has_tag_name("text"))
                .collect();
            for (index, one) in texts.iter().enumerate() {
                let [left, top, right, bottom] = box_of(*one);
                let inside = left >= 0.0
                    && top >= 0.0
                    && right <= f64::from(width)
                    && bottom <= f64::from(height);
                assert!(inside, "{width}x{height}, {count}: {:?}", one.text());
                for other in &texts[..index] {
                    let [l, t, r, b] = box_of(*other);
                    let apart = right <= l || r <= left || bottom <= t || b <= top;
                    assert!(
                        apart,
                        "{width}x{height}, {count}: {:?} and {:?}",
                        one.text(),
                        other.text()
                    );
                }
            }
        }
    }
}

#[test]
fn a_png_has_its_size_and_the_colours_of_what_it_shows() {
    let candles = minutes(0, 60);
    let mut data = data(&candles);
    data.alerts = vec![alert(candles[9].timestamp, Some(1_641.0), "price")];
    for (width, height) in [(1_200, 700), (600, 400), (321, 241)] {
        let file = png(&data, PictureSize::new(width, height).unwrap()).unwrap();
        let mut decoder = zune_png::PngDecoder::new(std::io::Cursor::new(&file));
        let pixels = decoder.decode_raw().unwrap();
        assert_eq!(
            decoder.dimensions(),
            Some((width as usize, height as usize))
        );
        assert_eq!(pixels.len(), (width * height * 3) as usize);
        for color in [
            frame::RISING,
            frame::FALLING,
            frame::ALERT,
            frame::BACKGROUND,
        ] {
            let [_, red, green, blue] = color.to_be_bytes();
            assert!(
                pixels.chunks(3).any(|pixel| pixel == [red, green, blue]),
                "{color:06x}"
            );
        }
        assert_eq!(
            file,
            png(&data, PictureSize::new(width, height).unwrap()).unwrap()
        );
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_reason() {
    let candles = minutes(0, 3);
    let refused = |data: &ChartData<'_>| {
        terminal(data, TerminalSize::default())
            .unwrap_err()
            .to_string()
    };
    assert!(
        refused(&data(&[])).contains("there are no candles to draw; choose a range that has bars")
    );
    let twice = [candles[0], candles[0]];
    assert!(refused(&data(&twice)).contains("does not come after 2013-09-03T10:00:00.000000Z"));
    let mut broken = candles.clone();
    broken[1].low = f64::NAN;
    assert!(
        refused(&data(&broken)).contains("the candle of 2013-09-03T10:01:00.000000Z has a number")
    );
    broken[1].low = -1e16;
    assert!(refused(&data(&broken)).contains("too great; leave it out"));
    let mut short = data(&candles);
    short.averages = vec![AverageLine::simple(&candles[1..], 1)];
    assert!(refused(&short).contains("MA 1 has 2 values for 3 candles"));
    let mut nowhere = data(&candles);
    nowhere.alerts = vec![alert(candles[0].timestamp, Some(f64::INFINITY), "x")];
    assert!(refused(&nowhere).contains("an alert has a price that is not finite"));
    let size = PictureSize::new(0, 400).unwrap_err().to_string();
    assert!(
        size.contains("width: 0 pixels is out of range; choose 320 to 8000"),
        "{size}"
    );
    assert!(PictureSize::new(400, 8_001).is_err());
}

#[test]
fn unusual_prices_are_drawn_in_every_form() {
    let equal = |price: f64| Candle {
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 0.0,
        ..minutes(0, 1)[0]
    };
    for price in [0.0, 5.0, -37.63, 1e-8, -1e8, 1e15] {
        let candles = [equal(price)];
        let data = data(&candles);
        terminal(&data, TerminalSize::default()).unwrap();
        let svg = svg(&data, PictureSize::default()).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{price}");
        png(&data, PictureSize::default()).unwrap();
    }
}

#[test]
fn a_simple_average_begins_with_its_period() {
    let candles = minutes(0, 4);
    let closes: Vec<f64> = candles.iter().map(|candle| candle.close).collect();
    let average = AverageLine::simple(&candles, 2);
    assert_eq!(average.values[0], None);
    assert_eq!(average.values[3], Some((closes[2] + closes[3]) / 2.0));
    assert!(
        AverageLine::simple(&candles, 0)
            .values
            .iter()
            .all(Option::is_none)
    );
}
