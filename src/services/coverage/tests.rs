//! Coverage, against counting by hand and by brute force.

use proptest::prelude::*;

use super::*;
use crate::repository::{bar, data_source};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn survey(options: SurveyOptions, bars: &[(&str, f64)]) -> Coverage {
    let mut survey = CoverageScan::new(options).unwrap();
    for (start, close) in bars {
        survey.add(at(start), *close);
    }
    survey.finish()
}

fn minutes() -> SurveyOptions {
    SurveyOptions::new(Frequency::OneMinute, TradingCalendar::Weekdays)
}

#[test]
fn missing_periods_are_gaps_between_the_first_and_the_last_bar() {
    let found = survey(
        minutes(),
        &[
            ("2013-09-03T10:00:00Z", 1.0),
            ("2013-09-03T10:01:00Z", 1.0),
            ("2013-09-03T10:05:00Z", 1.0),
            ("2013-09-03T10:07:00Z", 1.0),
        ],
    );
    assert_eq!((found.expected, found.present, found.missing), (8, 4, 4));
    assert_eq!(found.completeness_percent(), Some(50.0));
    assert_eq!(found.gap_count, 2);
    assert_eq!(found.gaps[0].start, at("2013-09-03T10:02:00Z"));
    assert_eq!(found.gaps[0].end, at("2013-09-03T10:05:00Z"));
    assert_eq!(found.gaps[0].missing, 3);
    assert_eq!(found.gaps[1].missing, 1);
}

#[test]
fn a_range_counts_what_is_missing_before_and_after_the_bars() {
    let options = SurveyOptions {
        start: Some(at("2013-09-03T10:00:30Z")),
        end: Some(at("2013-09-03T10:05:00Z")),
        ..minutes()
    };
    let found = survey(options, &[("2013-09-03T10:03:00Z", 1.0)]);
    assert_eq!((found.expected, found.missing), (4, 3), "10:01 to 10:04");
    let none = survey(options, &[]);
    assert_eq!((none.expected, none.present, none.missing), (4, 0, 4));
    assert_eq!(none.completeness_percent(), Some(0.0));
    assert_eq!((none.first, none.last), (None, None));
    assert_eq!(survey(minutes(), &[]).completeness_percent(), None);
}

#[test]
fn a_weekend_is_no_gap_and_a_bar_in_it_is_no_harm() {
    let days = SurveyOptions::new(Frequency::OneDay, TradingCalendar::Weekdays);
    let friday_to_monday = [("2013-09-06T00:00:00Z", 1.0), ("2013-09-09T00:00:00Z", 1.0)];
    let found = survey(days, &friday_to_monday);
    assert_eq!((found.expected, found.missing, found.gap_count), (2, 0, 0));
    let with_sunday = [
        ("2013-09-06T00:00:00Z", 1.0),
        ("2013-09-08T00:00:00Z", 1.0),
        ("2013-09-09T00:00:00Z", 1.0),
    ];
    let found = survey(days, &with_sunday);
    assert_eq!((found.expected, found.present, found.unexpected), (2, 3, 1));
    assert_eq!(found.completeness_percent(), Some(100.0));
    let always = SurveyOptions::new(Frequency::OneDay, TradingCalendar::EveryDay);
    assert_eq!(survey(always, &friday_to_monday).missing, 2);
}

#[test]
fn the_longest_gaps_are_listed_in_the_order_of_time() {
    let options = SurveyOptions {
        listed_max: 2,
        ..minutes()
    };
    let found = survey(
        options,
        &[
            ("2013-09-03T10:00:00Z", 1.0),
            ("2013-09-03T10:04:00Z", 1.0),
            ("2013-09-03T10:06:00Z", 1.0),
            ("2013-09-03T10:09:00Z", 1.0),
        ],
    );
    let listed: Vec<u64> = found.gaps.iter().map(|gap| gap.missing).collect();
    assert_eq!((found.gap_count, listed), (3, vec![3, 2]));
}

#[test]
fn a_spike_is_an_outlier_going_up_and_coming_back() {
    let closes = [100.0, 100.25, 100.0, 100.5, 100.25, 180.0, 100.25, 100.0];
    let mut survey = CoverageScan::new(minutes()).unwrap();
    let mut moment = at("2013-09-03T10:00:00Z");
    for close in closes {
        survey.add(moment, close);
        moment = Frequency::OneMinute.period_end(moment);
    }
    let found = survey.finish();
    assert_eq!(found.outlier_count, 2);
    assert_eq!(found.outliers[0].close, 180.0);
    assert_eq!(found.outliers[0].previous_close, 100.25);
    // Changes: .25 -.25 .5 -.25 79.75 -79.75 -.25; median -.25; deviations .5 0 .75 0 80 79.5 0.
    assert!((found.outliers[0].score - 0.6745 * 80.0 / 0.5).abs() < 1e-9);
    assert!((found.outliers[1].score - 0.6745 * -79.5 / 0.5).abs() < 1e-9);
}

#[test]
fn where_most_changes_are_alike_the_mean_deviation_is_the_measure() {
    let mut survey = CoverageScan::new(minutes()).unwrap();
    let mut moment = at("2013-09-03T10:00:00Z");
    for index in 0..100 {
        survey.add(moment, if index < 99 { 5.0 } else { 6.0 });
        moment = Frequency::OneMinute.period_end(moment);
    }
    let found = survey.finish();
    assert_eq!(found.outlier_count, 1);
    assert!((found.outliers[0].score - 99.0 / 1.253_314).abs() < 1e-9);
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let score = SurveyOptions {
        outlier_score: f64::NAN,
        ..minutes()
    };
    assert!(
        score
            .check()
            .unwrap_err()
            .to_string()
            .contains("outlier_score")
    );
    let range = SurveyOptions {
        start: Some(at("2013-09-03T10:00:00Z")),
        end: Some(at("2013-09-03T10:00:00Z")),
        ..minutes()
    };
    assert!(range.check().unwrap_err().to_string().contains("start"));
    assert!("daily".parse::<TradingCalendar>().is_err());
}

#[test]
fn a_day_that_is_named_by_its_close_is_there() {
    let days = SurveyOptions {
        start: Some(at("2013-09-02T00:00:00Z")),
        end: Some(at("2013-09-07T00:00:00Z")),
        ..SurveyOptions::new(Frequency::OneDay, TradingCalendar::Weekdays)
    };
    let closes = [
        ("2013-09-02T16:00:00Z", 1.0),
        ("2013-09-03T16:00:00Z", 1.0),
        ("2013-09-05T00:00:00Z", 1.0),
        ("2013-09-05T16:00:00Z", 1.0),
        ("2013-09-06T16:00:00Z", 1.0),
    ];
    let found = survey(days, &closes);
    assert_eq!((found.expected, found.present, found.missing), (5, 4, 1));
    assert_eq!(found.gaps[0].start, at("2013-09-04T00:00:00Z"));
    assert_eq!(found.first, Some(at("2013-09-02T16:00:00Z")));
}

#[test]
fn periods_with_bars_of_several_sources_or_moments_are_duplicates() {
    crate::test_support::on_both(|conn| {
        let new = crate::models::NewDataSource::new("vendor", crate::domain::ProviderType::Api);
        let vendor = data_source::insert(conn, &new, at("2013-09-02T00:00:00Z")).unwrap();
        let bar = |source, start: &str| crate::models::NewMarketDataBar {
            instrument_id: 1,
            timestamp: at(start),
            frequency: Frequency::OneDay,
            open_price: 1.0,
            high_price: 1.0,
            low_price: 1.0,
            close_price: 1.0,
            volume: 1.0,
            open_interest: None,
            contract_month: None,
            data_source_id: source,
            is_adjusted: false,
            quality_score: None,
            turnover: None,
            tick_count: None,
        };
        let bars = [
            bar(1, "2013-09-02T16:00:00Z"),
            bar(vendor.id, "2013-09-02T00:00:00Z"),
            bar(1, "2013-09-03T16:00:00Z"),
            bar(1, "2013-09-04T00:00:00Z"),
            bar(1, "2013-09-04T16:00:00Z"),
            bar(vendor.id, "2013-09-04T16:00:00Z"),
        ];
        let stored = bar::insert_batch(conn, &bars, at("2013-09-05T00:00:00Z")).unwrap();
        assert_eq!(stored.inserted, 6);
        let options = SurveyOptions::new(Frequency::OneDay, TradingCalendar::Weekdays);
        let found = coverage(conn, 1, &options).unwrap();
        assert_eq!((found.present, found.missing, found.duplicates), (3, 0, 2));
    });
}

proptest! {
    #[test]
    fn periods_are_counted_as_one_by_one(
        start in -10_000_000_000_000_i64..10_000_000_000_000,
        length in 0_i64..3_000_000_000_000,
        index in 0..Frequency::ALL.len(),
        calendar in 0..TradingCalendar::ALL.len(),
    ) {
        let frequency = Frequency::ALL[index];
        let calendar = TradingSessions::of(TradingCalendar::ALL[calendar]).unwrap();
        // Around October 2012: a change of clocks, and days on which New York was closed.
        let start = Timestamp::from_micros(1_350_000_000_000_000 + start).unwrap();
        let end = start.saturating_add_micros(length);
        let one_by_one = frequency
            .period_starts(start, end)
            .filter(|at| calendar.is_open(frequency, *at))
            .count() as u64;
        prop_assert_eq!(calendar.periods(frequency, start, end), one_by_one);
    }

    #[test]
    fn what_is_expected_is_present_or_missing(taken in proptest::collection::btree_set(0_u16..3_000, 0..200)) {
        let begin = at("2013-09-06T00:00:00Z");
        let minute = |index: i64| begin.saturating_add_micros(index * 15 * 60_000_000);
        let options = SurveyOptions {
            start: Some(begin),
            end: Some(minute(3_000)),
            periods_listed_max: 500,
            ..SurveyOptions::new(Frequency::FifteenMinutes, TradingCalendar::Weekdays)
        };
        let mut survey = CoverageScan::new(options).unwrap();
        for index in &taken {
            survey.add(minute(i64::from(*index)), 1.0);
        }
        let found = survey.finish();
        let sessions = TradingSessions::of(options.calendar).unwrap();
        let open = sessions.periods(options.frequency, begin, minute(3_000));
        prop_assert_eq!(found.expected, open);
        prop_assert_eq!(found.present, taken.len() as u64);
        prop_assert_eq!(found.missing, open - (found.present - found.unexpected));
        let is_taken = |start: &Timestamp| taken.iter().any(|index| minute(i64::from(*index)) == *start);
        let all = options.frequency.period_starts(begin, minute(3_000));
        let missing = all.filter(|start| sessions.is_open(options.frequency, *start) && !is_taken(start));
        prop_assert_eq!(found.missing_periods, missing.take(500).collect::<Vec<_>>());
    }
}
