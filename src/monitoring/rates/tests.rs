//! Rates of known series of counts.

use super::*;

struct Series {
    begin: Instant,
    samples: Samples,
    inserted: u64,
    late: u64,
}

impl Series {
    fn new() -> Self {
        Self {
            begin: Instant::now(),
            samples: Samples::default(),
            inserted: 0,
            late: 0,
        }
    }

    fn at(&self, seconds: f64) -> Sample {
        Sample {
            at: self.begin + Duration::from_secs_f64(seconds),
            inserted: self.inserted,
            ticks: self.inserted,
            late: self.late,
            calls: self.inserted / 10,
            errors: self.inserted / 100,
            slow: self.inserted / 1_000,
        }
    }

    /// Samples every ten seconds, at so many rows per second, up to a moment.
    fn run(&mut self, seconds: std::ops::Range<u64>, rows_per_second: u64) -> Sample {
        for second in seconds {
            if second % 10 == 0 {
                self.samples.push(self.at(second as f64));
            }
            self.inserted += rows_per_second;
        }
        let last = self.samples.0.back().unwrap().at;
        self.at(last.duration_since(self.begin).as_secs_f64() + 10.0)
    }
}

#[test]
fn one_moment_has_no_rate() {
    let mut series = Series::new();
    let now = series.at(0.0);
    assert_eq!(series.samples.rates(&now), Rates::default());
    series.samples.push(now);
    let rates = series.samples.rates(&now);
    assert_eq!(rates.insert_rows_per_second, WindowRates::default());
    assert_eq!(
        (rates.errors_last_hour, rates.slow_queries_last_hour),
        (0, 0)
    );
}

#[test]
fn late_ticks_are_a_share_of_the_last_five_minutes() {
    let mut series = Series::new();
    let now = series.run(0..600, 10);
    assert_eq!(series.samples.rates(&now).late_share, Some(0.0));
    series.late += 750;
    let now = series.run(600..1_200, 10);
    let rates = series.samples.rates(&now);
    assert_eq!(rates.late_share, Some(0.0), "they are longer ago");
    series.late += 750;
    let now = series.at(1_200.0);
    assert_eq!(series.samples.rates(&now).late_share, Some(0.25));
    let now = series.run(1_200..2_400, 0);
    assert_eq!(series.samples.rates(&now).late_share, None);
}

#[test]
fn a_steady_series_has_its_rate_over_every_window() {
    let mut series = Series::new();
    let now = series.run(0..3_600, 1_000);
    let rates = series.samples.rates(&now);
    let steady = |rate: f64| WindowRates {
        now: Some(rate),
        one_minute: Some(rate),
        five_minutes: Some(rate),
    };
    assert_eq!(rates.insert_rows_per_second, steady(1_000.0));
    assert_eq!(rates.insert_rows_per_second_usual, Some(1_000.0));
    assert_eq!(rates.queries_per_second, steady(100.0));
    assert_eq!(rates.errors_per_minute, steady(600.0));
    assert_eq!(rates.errors_last_hour, 36_000);
    assert_eq!(rates.slow_queries_last_hour, 3_600);
}

#[test]
fn each_window_sees_its_own_time() {
    let mut series = Series::new();
    series.run(0..600, 100);
    series.run(600..650, 0);
    let now = series.run(650..660, 600);
    let rates = series.samples.rates(&now).insert_rows_per_second;
    assert_eq!(rates.now, Some(600.0));
    assert_eq!(rates.one_minute, Some(100.0)); // 6,000 rows of 60 s.
    assert_eq!(rates.five_minutes, Some(100.0)); // 24,000 + 6,000 rows of 300 s.
}

#[test]
fn while_less_is_known_than_a_window_spans_what_is_known_counts() {
    let mut series = Series::new();
    let now = series.run(0..30, 100);
    let rates = series.samples.rates(&now);
    assert_eq!(rates.insert_rows_per_second.five_minutes, Some(100.0));
    assert_eq!(rates.insert_rows_per_second_usual, None);
    assert!(!series.samples.know(&now, MINUTE));
    assert!(series.samples.know(&now, MINUTE / 2));
}

#[test]
fn an_import_does_not_move_the_usual_rate_and_a_feed_that_ends_does() {
    let usual = |series: &Series, now: &Sample| {
        let rates = series.samples.rates(now);
        rates.insert_rows_per_second_usual.unwrap()
    };
    let mut series = Series::new();
    series.run(0..600, 100);
    series.run(600..660, 50_000);
    let now = series.run(660..780, 100);
    assert_eq!(usual(&series, &now), 100.0);
    // The feed ends: the usual rate holds for three minutes, then it is nothing.
    let now = series.run(780..960, 0);
    assert_eq!(usual(&series, &now), 100.0);
    let now = series.run(960..1_080, 0);
    assert_eq!(usual(&series, &now), 0.0);
}

#[test]
fn only_the_last_hour_is_kept_and_nothing_nearer_than_a_second() {
    let mut series = Series::new();
    for tenth in 0..80_000 {
        series.inserted += 10;
        series.samples.push(series.at(f64::from(tenth) / 10.0));
    }
    let kept = series.samples.0.len();
    assert!((3_600..=3_602).contains(&kept), "{kept}");
    let now = series.at(8_000.0);
    assert_eq!(series.samples.rates(&now).errors_last_hour, 3_600);
}
