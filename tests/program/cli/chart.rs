//! `chart`: what it draws of what is stored, and what it refuses.

use super::{Done, Files, run, sample, says};
use crate::support::{TestDatabase, on_both};

/// Ticks of the sample, and bars of a day that begins late.
fn stored(db: &TestDatabase, files: &Files) {
    assert_eq!(
        run(db, &["import", &sample(), "--symbol", "ES"]).code,
        Some(0)
    );
    let mut bars = "timestamp,open,high,low,close,volume\n".to_owned();
    for (day, hours) in [(1, 0..24), (2, 9..24)] {
        for hour in hours {
            let price = 1_500 + day * 10 + hour;
            bars.push_str(&format!(
                "2024-03-0{day}T{hour:02}:00:00Z,{price},{},{},{},{}\n",
                price + 2,
                price - 1,
                price + 1,
                hour * 10
            ));
        }
    }
    let path = files.write("bars.csv", bars);
    let kind = ["--kind", "bars", "--frequency", "1h", "--symbol", "NQ"];
    let done = run(db, &[&["import", path.as_str()][..], &kind].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
}

fn chart(db: &TestDatabase, arguments: &[&str]) -> Done {
    run(db, &[&["chart"], arguments].concat())
}

fn text(db: &TestDatabase, arguments: &[&str]) -> String {
    let done = chart(db, arguments);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
    done.out
}

fn usage(db: &TestDatabase, arguments: &[&str]) -> String {
    let done = chart(db, arguments);
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{done:?}");
    done.err
}

on_both! {
    fn bars_and_ticks_are_drawn_as_text_without_colours_where_there_is_no_terminal(db: &TestDatabase) {
        let files = Files::new();
        stored(db, &files);
        let of_bars = text(db, &["--symbol", "nq", "--frequency", "1h"]);
        assert!(of_bars.starts_with("NQ E-mini Nasdaq-100 · 1h\n2024-03-01 00:00 to 2024-03-02 23:00 UTC   last 1544   +34 (+2.25%)   high 1545   low 1509\n"), "{of_bars}");
        assert!(of_bars.contains("Mar 2") && of_bars.contains("◀ 1544"), "{of_bars}");
        let of_ticks = text(db, &["--symbol", "ES", "--frequency", "1min", "--ma", "3"]);
        assert!(of_ticks.contains("2013-09-03 10:23 to 2013-09-03 10:30 UTC   last 1637.75"), "{of_ticks}");
        assert!(of_ticks.contains("· MA 3"), "{of_ticks}");
        assert!(!of_ticks.contains('\u{1b}') && of_ticks.lines().all(|line| line.chars().count() <= 100));
        let painted = text(db, &["--symbol", "ES", "--frequency", "1min", "--color", "always"]);
        assert!(painted.contains("\u{1b}[31m"), "{painted}");
    }

    fn a_range_is_drawn_whole_and_bars_are_the_newest(db: &TestDatabase) {
        let files = Files::new();
        stored(db, &files);
        let range = ["--symbol", "NQ", "--frequency", "1h", "--start", "2024-03-01T10:00:00.000000Z", "--end", "2024-03-02T10:00:00.000000Z"];
        let drawn = text(db, &range);
        assert!(drawn.contains("2024-03-01 10:00 to 2024-03-02 09:00 UTC"), "{drawn}");
        let newest = text(db, &[&range[..], &["--bars", "2"]].concat());
        assert!(newest.contains("2024-03-01 23:00 to 2024-03-02 09:00 UTC"), "{newest}");
        let merged = text(db, &["--symbol", "NQ", "--frequency", "1h", "--start", "2024-03-01", "--columns", "40"]);
        assert!(merged.starts_with("NQ E-mini Nasdaq-100 · 1h bars drawn as"), "{merged}");
    }

    fn a_moving_average_begins_with_the_chart_where_older_bars_are_stored(db: &TestDatabase) {
        let files = Files::new();
        stored(db, &files);
        let out = files.path("chart.svg");
        let out = out.to_str().unwrap();
        text_to_file(db, &["--symbol", "NQ", "--frequency", "1h", "--bars", "10", "--ma", "20", "--out", out]);
        let svg = std::fs::read_to_string(out).unwrap();
        let svg = roxmltree::Document::parse(&svg).unwrap();
        let of = |class: &'static str| svg.descendants().filter(move |node| node.attribute("class") == Some(class));
        let line = of("average").next().unwrap().children().find(|node| node.has_tag_name("path")).unwrap();
        assert_eq!(line.attribute("d").unwrap().matches(['M', 'L']).count(), 10);
        assert_eq!(of("candle rising").count(), 10);
    }

    fn alerts_are_marked_unless_they_are_left_out(db: &TestDatabase) {
        let files = Files::new();
        assert_eq!(run(db, &["demo", "--no-serve"]).code, Some(0));
        let count = run(db, &["alerts", "list", "--json"]).json()["alerts"].as_array().unwrap().len();
        let chart = text(db, &["--symbol", "ES", "--frequency", "1min"]);
        assert!(count > 5 && chart.contains(&format!("▲ {count} alerts")), "{chart}");
        let without = text(db, &["--symbol", "ES", "--frequency", "1min", "--no-alerts"]);
        assert!(!without.contains('▲'), "{without}");
        let out = files.path("alerts.svg");
        text_to_file(db, &["--symbol", "ES", "--frequency", "1min", "--out", out.to_str().unwrap()]);
        let svg = std::fs::read_to_string(&out).unwrap();
        assert_eq!(svg.matches("<g class=\"alert\">").count(), count);
        // Prices of rules that watch prices; the others are marked above their candle.
        assert!(svg.contains("Alert: demo: price - Price 1641.75 above threshold 1641.5000</title>"), "{svg}");
    }

    fn pictures_have_the_size_that_was_asked_for(db: &TestDatabase) {
        let files = Files::new();
        stored(db, &files);
        for (name, options, size) in [
            ("default.png", &[][..], (1_200, 700)),
            ("small.PNG", &["--width", "600", "--height", "400"], (600, 400)),
        ] {
            let out = files.path(name);
            text_to_file(db, &[&["--symbol", "NQ", "--frequency", "1h", "--out", out.to_str().unwrap()], options].concat());
            let file = std::io::BufReader::new(std::fs::File::open(&out).unwrap());
            let mut decoder = zune_png::PngDecoder::new(file);
            let pixels = decoder.decode_raw().unwrap();
            assert_eq!(decoder.dimensions(), Some(size));
            assert!(pixels.iter().any(|byte| *byte != 0xff));
        }
        let out = files.path("chart.svg");
        let done = chart(db, &["--symbol", "NQ", "--frequency", "1h", "--out", out.to_str().unwrap(), "--json"]);
        assert_eq!(done.json(), serde_json::json!({ "bars": 39, "alerts": 0 }));
    }

    fn what_cannot_be_drawn_is_refused_with_the_reason(db: &TestDatabase) {
        let files = Files::new();
        stored(db, &files);
        let refused = |arguments: &[&str]| chart(db, arguments).failure().to_owned();
        says(refused(&["--symbol", "NOPE"]), "tickbase: instrument NOPE not found; check the symbol; `tickbase stats` lists those with ticks");
        says(refused(&["--symbol", "CL"]), "tickbase: 5min bars of CL not found; there are neither ticks nor bars; import some first");
        says(
            refused(&["--symbol", "NQ", "--frequency", "1h", "--start", "2025-01-01", "--end", "2025-02-01"]),
            "tickbase: 1h bars of NQ from 2025-01-01T00:00:00.000000Z before 2025-02-01T00:00:00.000000Z not found; the newest bar starts at 2024-03-02T23:00:00.000000Z; choose another range",
        );
        let nowhere = files.path("nowhere/chart.svg");
        let nowhere = refused(&["--symbol", "NQ", "--frequency", "1h", "--out", nowhere.to_str().unwrap()]);
        assert!(nowhere.contains("nowhere/chart.svg: No such file"), "{nowhere}");

        says(usage(db, &["--symbol", "NQ", "--out", "chart.gif"]), "tickbase: chart.gif: its ending says neither SVG nor PNG; name it like chart.svg or chart.png, or add --format");
        says(usage(db, &["--symbol", "NQ", "--out", "chart"]), "tickbase: chart: its ending says neither SVG nor PNG; name it like chart.svg or chart.png, or add --format");
        says(usage(db, &["--symbol", "NQ", "--json"]), "tickbase: the chart itself goes to standard output; give --out FILE with --json");
        for (arguments, part) in [
            (&["--out", "x.svg", "--width", "0"][..], "0 is not in 320..=8000"),
            (&["--out", "x.svg", "--height", "100000"], "100000 is not in 240..=8000"),
            (&["--width", "600"], "--out <FILE>"),
            (&["--bars", "0"], "0 is not in 1..=10000"),
            (&["--ma", "0"], "0 is not in 1..=1000"),
            (&["--ma", "1,2,3,4,5,6"], "6 averages are too many"),
            (&["--frequency", "2min"], "write one of 1min, 5min"),
            (&["--columns", "39"], "39 is not in 40..=1000"),
        ] {
            let said = usage(db, &[&["--symbol", "NQ"], arguments].concat());
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
        assert!(!files.path("x.svg").exists());
    }
}

/// Draws to a file, which is all that standard error tells.
fn text_to_file(db: &TestDatabase, arguments: &[&str]) {
    let done = chart(db, arguments);
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{done:?}");
    assert!(
        done.err.starts_with("drew ") && done.err.lines().count() == 1,
        "{done:?}"
    );
}
