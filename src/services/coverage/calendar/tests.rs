//! The sessions of exchanges, against the rules that their holidays follow and against real bars.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday, date};

use super::*;
use crate::services::coverage::{Coverage, CoverageScan, SurveyOptions};

fn sessions(calendar: TradingCalendar) -> TradingSessions {
    TradingSessions::of(calendar).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Easter Sunday, by the anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, 1991).
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    date(year as i16, (n / 31) as i8, (n % 31 + 1) as i8)
}

/// A holiday on a Sunday is kept on Monday, one on a Saturday on Friday, but not across the end of
/// a year: accounts are closed on its last day.
fn kept(day: Date) -> Option<Date> {
    match day.weekday() {
        Weekday::Saturday if day.month() == 1 => None,
        Weekday::Saturday => Some(day - 1.day()),
        Weekday::Sunday => Some(day + 1.day()),
        _ => Some(day),
    }
}

/// The holidays of Rule 7.2 of the New York Stock Exchange, and its special closings.
fn closed(year: i16) -> Vec<Date> {
    let nth = |month, nth, weekday| {
        date(year, month, 1)
            .nth_weekday_of_month(nth, weekday)
            .unwrap()
    };
    let mut days = vec![
        nth(1, 3, Weekday::Monday),
        nth(2, 3, Weekday::Monday),
        easter(year) - 2.days(),
        nth(5, -1, Weekday::Monday),
        nth(9, 1, Weekday::Monday),
        nth(11, 4, Weekday::Thursday),
    ];
    days.extend(
        [(1, 1), (7, 4), (12, 25)]
            .into_iter()
            .filter_map(|(m, d)| kept(date(year, m, d))),
    );
    days.extend((year >= 2022).then(|| kept(date(year, 6, 19))).flatten());
    // The days after 11 September 2001; Reagan; Ford; Hurricane Sandy; Bush; Carter.
    let special = [
        (2001, 9, 11),
        (2001, 9, 12),
        (2001, 9, 13),
        (2001, 9, 14),
        (2004, 6, 11),
        (2007, 1, 2),
        (2012, 10, 29),
        (2012, 10, 30),
        (2018, 12, 5),
        (2025, 1, 9),
    ];
    days.extend(
        special
            .into_iter()
            .filter(|day| day.0 == year)
            .map(|(y, m, d)| date(y, m, d)),
    );
    days.sort();
    days
}

fn listed(table: &[DaysOfYear]) -> Vec<Date> {
    let days = table
        .iter()
        .flat_map(|(year, days)| days.iter().map(|day| (*year, *day)));
    days.map(|(year, day)| date(year, (day / 100) as i8, (day % 100) as i8))
        .collect()
}

#[test]
fn the_holidays_of_new_york_are_those_of_its_rule() {
    let expected: Vec<Date> = (1999..=2030).flat_map(closed).collect();
    assert_eq!(listed(new_york::NEW_YORK.closed), expected);
    assert_eq!(
        sessions(TradingCalendar::NewYork).holidays_known(),
        Some((1999, 2030))
    );
}

#[test]
fn days_that_end_early_are_days_of_trading_beside_a_holiday() {
    let closed = listed(new_york::NEW_YORK.closed);
    for day in listed(new_york::NEW_YORK.early) {
        assert!(
            !closed.contains(&day) && day.weekday() != Weekday::Saturday,
            "{day}"
        );
        let beside = (-3..=3).map(|days: i64| day + days.days());
        let turn_of_1999 = day == date(1999, 12, 31);
        assert!(
            turn_of_1999 || beside.into_iter().any(|day| closed.contains(&day)),
            "{day}"
        );
    }
    // Every day after Thanksgiving does.
    let friday = |year| {
        date(year, 11, 1)
            .nth_weekday_of_month(4, Weekday::Thursday)
            .unwrap()
            + 1.day()
    };
    let early = listed(new_york::NEW_YORK.early);
    assert!((1999..=2030).all(|year| early.contains(&friday(year))));
}

#[test]
fn hours_are_those_of_the_zone_and_end_early_where_they_do() {
    let new_york = sessions(TradingCalendar::NewYork);
    let minutes = |day: &str| {
        let start = at(&format!("{day}T00:00:00Z"));
        new_york.periods(
            Frequency::OneMinute,
            start,
            Frequency::OneDay.period_end(start),
        )
    };
    for (day, expected) in [
        ("2018-11-21", 390),
        ("2018-11-22", 0),
        ("2018-11-23", 210),
        ("2018-11-24", 0),
        ("2018-12-05", 0),
        ("2018-03-09", 390),
        ("2018-03-12", 390),
    ] {
        assert_eq!(minutes(day), expected, "{day}");
    }
    for (minute, open) in [
        ("2018-03-09T14:29:00Z", false),
        ("2018-03-09T14:30:00Z", true),
        ("2018-03-09T20:59:00Z", true),
        ("2018-03-09T21:00:00Z", false),
        ("2018-03-12T13:29:00Z", false),
        ("2018-03-12T13:30:00Z", true),
        ("2018-03-12T20:00:00Z", false),
        ("2018-11-23T17:59:00Z", true),
        ("2018-11-23T18:00:00Z", false),
    ] {
        assert_eq!(
            new_york.is_open(Frequency::OneMinute, at(minute)),
            open,
            "{minute}"
        );
    }
    // Hours that hold a part of the session.
    let day = (at("2018-03-12T00:00:00Z"), at("2018-03-13T00:00:00Z"));
    for (frequency, expected) in [
        (Frequency::OneHour, 7),
        (Frequency::FourHours, 2),
        (Frequency::OneDay, 1),
    ] {
        assert_eq!(
            new_york.periods(frequency, day.0, day.1),
            expected,
            "{frequency}"
        );
    }
    assert!(new_york.is_open(Frequency::OneWeek, at("2001-09-10T00:00:00Z")));
    assert!(!new_york.is_open(Frequency::OneDay, at("2001-09-11T00:00:00Z")));
    // Before and after the table every weekday is one of trading.
    assert!(new_york.is_open(Frequency::OneDay, at("1998-12-25T00:00:00Z")));
}

/// Surveys daily bars of a file: month/day/year, open, high, low, close.
fn survey(text: &str) -> Coverage {
    let options = SurveyOptions::new(Frequency::OneDay, TradingCalendar::NewYork);
    let mut survey = CoverageScan::new(options).unwrap();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [month, day, year] = cells[0].split('/').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        survey.add(
            at(&format!("{year}-{month:0>2}-{day:0>2}T00:00:00Z")),
            cells[4].parse().unwrap(),
        );
    }
    survey.finish()
}

#[test]
fn no_bar_of_the_index_is_missing_and_none_is_unexpected() {
    let found = survey(include_str!(
        "../../../../tests/fixtures/analytics/sp500-daily.csv"
    ));
    assert_eq!(
        (found.expected, found.present, found.missing),
        (1_006, 1_006, 0)
    );
    assert_eq!(
        (found.unexpected, found.gap_count, found.holidays_known),
        (0, 0, None)
    );
    // The whole of 1999 to 2018, where that file is at hand.
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/data/sp500-daily-1999-2018.csv.gz"
    );
    if let Ok(packed) = std::fs::read(path) {
        let mut text = String::new();
        let mut reader = flate2::read::MultiGzDecoder::new(&packed[..]);
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        let found = survey(&text);
        assert_eq!(
            (found.missing, found.unexpected),
            (0, 0),
            "{:?}",
            found.gaps
        );
        assert!(found.present > 5_000);
    }
}

#[test]
fn bars_beyond_the_known_holidays_are_told() {
    let options = SurveyOptions::new(Frequency::OneDay, TradingCalendar::Nasdaq);
    let mut survey = CoverageScan::new(options).unwrap();
    survey.add(at("1998-12-31T00:00:00Z"), 1.0);
    survey.add(at("1999-01-04T00:00:00Z"), 1.0);
    let found = survey.finish();
    assert_eq!(
        (found.missing, found.holidays_known),
        (0, Some((1999, 2030)))
    );
}
