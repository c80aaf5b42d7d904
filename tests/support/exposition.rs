//! Holds a Prometheus text to the format and to the rules that `promtool check metrics` applies:
//! valid names, HELP and TYPE once and before the samples, families in one piece, no series
//! twice, units and suffixes, buckets that are cumulative and end in the count.
//!
//! Three readers have to agree: the rules here, the crate `prometheus-parse`, and `promtool` itself
//! where it is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use prometheus_parse::{Scrape, Value};

struct Family {
    kind: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// Panics at the first rule that the text breaks; returns its samples as `prometheus-parse` has
/// read them.
pub fn check(text: &str) -> Scrape {
    let families = read(text);
    let mut series = BTreeSet::new();
    for (name, family) in &families {
        name_rules(name, &family.kind);
        assert!(!family.samples.is_empty(), "{name} has no samples");
        for (sample, labels, value) in &family.samples {
            let labels_text = format!("{sample} {labels:?}");
            assert!(series.insert(labels_text.clone()), "twice: {labels_text}");
            labels
                .keys()
                .for_each(|label| label_rules(label, &family.kind));
            let counts = family.kind == "counter" || sample.ends_with("_bucket");
            assert!(!counts || *value >= 0.0, "{labels_text} is {value}");
        }
        if family.kind == "histogram" {
            buckets(name, family);
        }
    }
    promtool(text);
    parsed(text, &families)
}

/// The families of a text, line by line and strictly: single spaces, nothing unknown.
fn read(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'), "the last line does not end");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut helped, mut current) = (None, String::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect(line);
            assert!(help.len() > 5 && help.ends_with('.'), "{line}");
            assert!(!families.contains_key(name), "{name} begins twice");
            helped = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert_eq!(
                helped.take().as_deref(),
                Some(name),
                "{line} has no HELP before it"
            );
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            current = name.to_owned();
            let (kind, samples) = (kind.to_owned(), Vec::new());
            families.insert(current.clone(), Family { kind, samples });
        } else {
            let (sample, labels, value) = read_sample(line);
            let family = families.get_mut(&current).expect(line);
            let suffix = sample.strip_prefix(current.as_str()).expect(line);
            let of_histogram = ["_bucket", "_sum", "_count"].contains(&suffix);
            assert_eq!(
                of_histogram,
                family.kind == "histogram",
                "{line} in {current}"
            );
            family.samples.push((sample, labels, value));
        }
    }
    families
}

fn read_sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').expect(line);
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().expect(line),
    };
    let Some((name, labels)) = series.split_once('{') else {
        return (series.to_owned(), BTreeMap::new(), value);
    };
    let mut rest = labels.strip_suffix('}').expect(line);
    let mut found = BTreeMap::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect(line);
        let end = closing_quote(after).expect(line);
        let known = found.insert(label.to_owned(), after[..end].to_owned());
        assert!(known.is_none(), "{label} twice in {line}");
        rest = after[end + 1..].trim_start_matches(',');
    }
    (name.to_owned(), found, value)
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let closes = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        closes.then_some(at)
    })
}

fn snake_case(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letters)
}

fn name_rules(name: &str, kind: &str) {
    assert!(snake_case(name), "{name}");
    assert_eq!(
        name.ends_with("_total"),
        kind == "counter",
        "{name} is a {kind}"
    );
    for reserved in ["_bucket", "_sum", "_count"] {
        assert!(!name.ends_with(reserved), "{name}");
    }
    for word in name.split('_') {
        for short in [
            "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "m", "h", "d",
        ] {
            assert_ne!(word, short, "{name}");
        }
        for unit in [
            "milliseconds",
            "microseconds",
            "minutes",
            "hours",
            "days",
            "kilobytes",
        ] {
            assert_ne!(word, unit, "{name}");
        }
        for kind in ["counter", "gauge", "histogram", "summary"] {
            assert_ne!(word, kind, "{name}");
        }
    }
}

fn label_rules(label: &str, kind: &str) {
    assert!(snake_case(label) && !label.starts_with("__"), "{label}");
    assert!(label != "le" || kind == "histogram", "le of a {kind}");
    assert_ne!(label, "quantile");
}

/// Ascending bounds, counts that never fall, the last of them at +Inf and equal to the count.
fn buckets(name: &str, family: &Family) {
    /// Bounds with their counts, and the other parts in their order.
    type Parts<'a> = (Vec<(f64, f64)>, Vec<&'a str>);
    let mut by_labels: BTreeMap<String, Parts<'_>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        let mut own = labels.clone();
        let bound = own.remove("le");
        let entry = by_labels.entry(format!("{own:?}")).or_default();
        match bound.as_deref() {
            Some("+Inf") => entry.0.push((f64::INFINITY, *value)),
            Some(bound) => entry.0.push((bound.parse().unwrap(), *value)),
            None if sample.ends_with("_count") => {
                assert_eq!(
                    entry.0.last(),
                    Some(&(f64::INFINITY, *value)),
                    "{name} {own:?}"
                );
                entry.1.push("count");
            }
            None => entry.1.push("sum"),
        }
    }
    for (labels, (buckets, parts)) in by_labels {
        assert_eq!(parts, ["sum", "count"], "{name} {labels}");
        for pair in buckets.windows(2) {
            let rises = pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
            assert!(rises, "{name} {labels}: {pair:?}");
        }
    }
}

/// What `prometheus-parse` reads is what was written.
fn parsed(text: &str, families: &BTreeMap<String, Family>) -> Scrape {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let scrape = Scrape::parse(lines).unwrap();
    for sample in &scrape.samples {
        let Some(family) = families.get(&sample.metric) else {
            continue; // Sums and counts are samples of their own to it.
        };
        let kind = match &sample.value {
            Value::Counter(_) => "counter",
            Value::Gauge(_) => "gauge",
            Value::Histogram(_) => "histogram",
            other => panic!("{}: {other:?}", sample.metric),
        };
        assert_eq!(kind, family.kind, "{}", sample.metric);
    }
    for (name, family) in families {
        let found = scrape
            .samples
            .iter()
            .filter(|sample| sample.metric == *name);
        let buckets = |(sample, labels, _): &&(String, BTreeMap<String, String>, f64)| {
            sample == name || labels.get("le").is_some_and(|bound| bound == "+Inf")
        };
        let written = family.samples.iter().filter(buckets);
        assert_eq!(found.count(), written.count(), "{name}");
    }
    scrape
}

/// Prometheus' own reader and its rules; without it, a line that says so.
#[allow(clippy::print_stdout)] // Passing over a reader is told.
fn promtool(text: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        println!("promtool is not installed: its rules were checked by the test's own alone");
        return;
    };
    let input = promtool.stdin.take().unwrap().write_all(text.as_bytes());
    input.unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap() + &String::from_utf8_lossy(&output.stdout);
    let problems: Vec<_> = said.lines().collect();
    assert_eq!(problems, [""; 0], "promtool");
}
