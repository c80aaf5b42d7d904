//! The text format of Prometheus, version 0.0.4: escaping, numbers, HELP and TYPE before the
//! samples, cumulative buckets. It knows no family.
//!
//! The format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{self, Write};

use crate::database::HistogramCounts;

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The buckets of durations: 16 us to 67 s, each four times the one before. They lie on bounds of
/// the histograms themselves, so that no count is an estimate: below 2^n us, that is at most 2^n - 1
/// whole ones.
const DURATION_BUCKETS: [u32; 12] = [4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26];

/// The kind of a family's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// Only grows; its name ends with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in cumulative buckets, their sum and number.
    Histogram,
}

impl MetricKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A text that grows by families. Each family is written once, with all its samples.
///
/// ```
/// use tickbase::monitoring::metrics::{Exposition, MetricKind};
///
/// let mut text = Exposition::default();
/// text.family(MetricKind::Counter, "http_requests_total", "Requests answered.")
///     .sample(&[("http_request_method", "GET")], 3.0)
///     .sample(&[("http_request_method", "POST")], 1.0);
/// assert_eq!(
///     text.finish(),
///     "# HELP http_requests_total Requests answered.\n\
///      \x23 TYPE http_requests_total counter\n\
///      http_requests_total{http_request_method=\"GET\"} 3\n\
///      http_requests_total{http_request_method=\"POST\"} 1\n"
/// );
/// ```
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// A family that takes samples; one without any leaves no trace.
#[derive(Debug)]
#[must_use = "a family without samples is not written"]
pub struct Family<'a> {
    text: &'a mut String,
    kind: MetricKind,
    name: &'a str,
    help: &'a str,
    begun: bool,
}

impl Exposition {
    /// Begins a family.
    pub fn family<'a>(&'a mut self, kind: MetricKind, name: &'a str, help: &'a str) -> Family<'a> {
        Family {
            text: &mut self.text,
            kind,
            name,
            help,
            begun: false,
        }
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, kind: MetricKind, name: &str, help: &str, value: f64) {
        self.family(kind, name, help).sample(&[], value);
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// A sample of a counter or gauge. Its labels must differ from those of the others.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.line("", labels, None, value)
    }

    /// A histogram of durations, in seconds.
    pub fn durations(&mut self, labels: &[(&str, &str)], counts: &HistogramCounts) -> &mut Self {
        let buckets = DURATION_BUCKETS.map(|power| {
            let bound_us = 1_u64 << power;
            (bound_us as f64 / 1e6, counts.count_at_most(bound_us - 1))
        });
        let sum = counts.sum_us() as f64 / 1e6;
        self.histogram(labels, &buckets, sum, counts.count())
    }

    /// A histogram: how many were at most so much, bounds ascending, without the last one of
    /// infinity; their sum; their number.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        sum: f64,
        count: u64,
    ) -> &mut Self {
        for (bound, seen) in buckets {
            self.line("_bucket", labels, Some(*bound), *seen as f64);
        }
        self.line("_bucket", labels, Some(f64::INFINITY), count as f64);
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count as f64)
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<f64>,
        value: f64,
    ) -> &mut Self {
        self.begin();
        // Writing to a String cannot fail.
        let _ = self.try_line(suffix, labels, bound, value);
        self
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
        let (name, kind) = (self.name, self.kind.as_str());
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn try_line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<f64>,
        value: f64,
    ) -> fmt::Result {
        write!(self.text, "{}{suffix}", self.name)?;
        let mut separator = '{';
        for (label, value) in labels {
            write!(self.text, "{separator}{label}=\"{}\"", Escaped(value))?;
            separator = ',';
        }
        if let Some(bound) = bound {
            write!(self.text, "{separator}le=\"{}\"", Number(bound))?;
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        writeln!(self.text, " {}", Number(value))
    }
}

/// A label's value: backslash, quote and line feed escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A number as Go's `ParseFloat` reads it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => number.fmt(f),
        }
    }
}
