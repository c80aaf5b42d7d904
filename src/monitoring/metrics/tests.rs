//! The writer of the text format, letter by letter.

use super::*;

#[test]
fn a_family_has_its_help_and_type_once_before_its_samples() {
    let mut text = Exposition::default();
    text.family(MetricKind::Gauge, "a_bytes", "How\nmany \\ bytes.")
        .sample(&[], 1.5)
        .sample(&[("x", "1"), ("y", "2")], -3.0);
    let _ = text.family(MetricKind::Gauge, "nothing", "Has no sample.");
    text.single(
        MetricKind::Counter,
        "b_total",
        "Many.",
        18_446_744_073_709_551_615.0,
    );
    assert_eq!(
        text.finish(),
        "# HELP a_bytes How\\nmany \\\\ bytes.\n\
         # TYPE a_bytes gauge\n\
         a_bytes 1.5\n\
         a_bytes{x=\"1\",y=\"2\"} -3\n\
         # HELP b_total Many.\n\
         # TYPE b_total counter\n\
         b_total 18446744073709552000\n"
    );
}

#[test]
fn label_values_are_escaped() {
    let mut text = Exposition::default();
    text.family(MetricKind::Gauge, "a", "A.")
        .sample(&[("x", "C:\\\"new\"\nline é {},=")], 0.0);
    let text = text.finish();
    let line = text.lines().last().unwrap();
    assert_eq!(line, "a{x=\"C:\\\\\\\"new\\\"\\nline é {},=\"} 0");
}

#[test]
fn what_is_no_number_is_written_as_go_reads_it() {
    let mut text = Exposition::default();
    text.family(MetricKind::Gauge, "a", "A.")
        .sample(&[("x", "1")], f64::INFINITY)
        .sample(&[("x", "2")], f64::NEG_INFINITY)
        .sample(&[("x", "3")], f64::NAN)
        .sample(&[("x", "4")], 1e-9);
    let text = text.finish();
    let values: Vec<_> = text
        .lines()
        .skip(2)
        .filter_map(|l| l.split(' ').nth(1))
        .collect();
    assert_eq!(values, ["+Inf", "-Inf", "NaN", "0.000000001"]);
}

#[test]
fn a_histogram_is_cumulative_and_ends_in_infinity() {
    let mut text = Exposition::default();
    text.family(MetricKind::Histogram, "a_seconds", "A.")
        .histogram(&[("x", "1")], &[(0.001, 2), (2.0, 5)], 3.25, 6);
    let text = text.finish();
    let samples: Vec<_> = text.lines().skip(2).collect();
    assert_eq!(
        samples,
        [
            "a_seconds_bucket{x=\"1\",le=\"0.001\"} 2",
            "a_seconds_bucket{x=\"1\",le=\"2\"} 5",
            "a_seconds_bucket{x=\"1\",le=\"+Inf\"} 6",
            "a_seconds_sum{x=\"1\"} 3.25",
            "a_seconds_count{x=\"1\"} 6",
        ]
    );
}
