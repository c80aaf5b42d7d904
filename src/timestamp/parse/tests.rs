//! What the stamp parser reads and refuses; jiff is the judge of the calendar.

use proptest::prelude::*;

use super::*;
use crate::timestamp::unix::{CountUnit, unix};

fn micros(text: &str) -> i64 {
    let (timestamp, _) = Timestamp::parse(text.as_bytes()).unwrap();
    timestamp.micros()
}

fn jiff_micros(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

fn reason(text: &str) -> String {
    Timestamp::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn the_first_and_the_last_moment_are_written_as_they_are_read() {
    for (moment, text) in [
        (Timestamp::MIN, "0001-01-01T00:00:00.000000Z"),
        (Timestamp::MAX, "9999-12-30T22:00:00.999999Z"),
        (
            Timestamp::from_micros(-1).unwrap(),
            "1969-12-31T23:59:59.999999Z",
        ),
    ] {
        assert_eq!(moment.to_string(), text);
        assert_eq!(text.parse::<Timestamp>().unwrap(), moment);
    }
}

#[test]
fn the_common_forms_are_the_same_moment() {
    let expected = jiff_micros("2013-09-01T17:00:00.083Z");
    for text in [
        "2013-09-01T17:00:00.083Z",
        "2013-09-01t17:00:00.083z",
        "2013-09-01 17:00:00.083",
        "2013-09-01 17:00:00,083",
        " 2013-09-01 17:00:00.083 ",
        "2013-09-01 17:00:00.083 UTC",
        "2013-09-01 17:00:00.083+00:00",
        "2013-09-01 17:00:00.083 +0000",
        "2013-09-01T12:00:00.083-05:00",
        "2013-09-01T12:00:00.083-0500",
        "2013-09-01T19:00:00.083+02",
        "2013-09-02T01:30:00.083+08:30",
        "2013/09/01 17:00:00.083",
        "2013-9-1 17:00:00.083",
        "2013.09.01 17:00:00.083",
        "2013.09.01D17:00:00.083",
        "2013-09-01 17:00:00.083 GMT+0000",
        "2013-09-01 05:00:00.083 PM",
        "01 Sep 2013 17:00:00.083",
        "1-sep-2013 17:00:00.083",
        "September 1, 2013 17:00:00.083",
        "Sep 1, 2013, 17:00:00.083Z",
        "20130901 170000083",
        "20130901T170000.083",
        "20130901 17:00:00.083",
        "20130901170000083",
        "1378054800.083",
        "1378054800083",
        "1378054800083.0",
        "1378054800083000",
        "1378054800083000000",
    ] {
        assert_eq!(micros(text), expected, "{text}");
    }
}

#[test]
fn a_date_alone_is_midnight() {
    let expected = jiff_micros("1999-01-04T00:00:00Z");
    for text in [
        "1999-01-04",
        "19990104",
        "1999.01.04",
        "4 Jan 1999",
        "1999/1/4",
    ] {
        assert_eq!(micros(text), expected, "{text}");
        assert!(Timestamp::is_date(text.as_bytes()), "{text}");
    }
    for text in [
        "1999-01-04T00:00",
        "19990104 000000",
        "915408000",
        "1/4/1999",
        "x",
        "",
    ] {
        assert!(!Timestamp::is_date(text.as_bytes()), "{text}");
    }
}

#[test]
fn digits_finer_than_a_microsecond_are_cut_towards_the_past_and_told() {
    let parse = |text: &str| Timestamp::parse(text.as_bytes()).unwrap();
    let (stamp, cut) = parse("2013-09-01T17:00:00.0830009Z");
    assert_eq!(
        (stamp.micros(), cut),
        (jiff_micros("2013-09-01T17:00:00.083Z"), true)
    );
    let (_, cut) = parse("2013-09-01T17:00:00.083000000Z");
    assert!(!cut, "zeros carry nothing");
    let (stamp, cut) = parse("1969-12-31T23:59:59.9999995Z");
    assert_eq!((stamp.micros(), cut), (-1, true));
    let count = |text: &[u8], unit| {
        let reading = unix(text, unit).unwrap();
        (reading.local_micros, reading.truncated)
    };
    assert_eq!(count(b"-1", CountUnit::Nanos), (-1, true));
    assert_eq!(count(b"-1.5", CountUnit::Seconds), (-1_500_000, false));
    assert_eq!(count(b"-0.0000001", CountUnit::Seconds), (-1, true));
}

#[test]
fn the_leap_second_is_the_first_second_of_the_next_day() {
    let midnight = jiff_micros("2017-01-01T00:00:00Z");
    assert_eq!(micros("2016-12-31T23:59:60Z"), midnight);
    assert_eq!(micros("2016-12-31T23:59:60.5Z"), midnight + 500_000);
    assert_eq!(micros("2016-12-31T18:59:60-05:00"), midnight);
    assert!(reason("2016-12-31T12:10:60Z").contains("second 60"));
    assert!(reason("2016-12-31T23:59:60+01:00").contains("second 60"));
}

#[test]
fn what_is_no_stamp_is_refused_with_its_text_and_a_reason() {
    for (text, why) in [
        ("99999-01-01 00:00:00", "outside the years 1 to 9999"),
        ("1/1/99999", "outside the years 1 to 9999"),
        ("0000-01-01", "outside the years 1 to 9999"),
        ("9999-12-31T23:59:59Z", "outside the years 1 to 9999"),
        ("0001-01-01T00:00:00+00:01", "outside the years 1 to 9999"),
        ("2013-02-29", "not in the calendar"),
        ("2013-13-01", "not in the calendar"),
        ("1/4/1999", "the day first or the month first"),
        ("04.01.1999 17:00", "--date-order day"),
        ("13/13/1999", "not in the calendar"),
        ("4/1/99", "two digits"),
        ("5-Nov-23", "two digits"),
        ("31 Nov 2023", "not in the calendar"),
        ("5 Xyz 2023", "not a date and time"),
        ("2013-09-01 24:00:00", "no such time of day"),
        ("2013-09-01 17:60:00", "no such time of day"),
        ("2013-09-01 17:00:61", "no such time of day"),
        ("2013-09-01 17:00:00 America/New_York", "offset"),
        ("2013-09-01 17:00:00 EST", "offset"),
        ("2013-09-01 17:00:00+5", "offset"),
        ("2013-09-01 17:00:00 PM", "no such time of day"),
        ("2013-09-01 0:00:00 AM", "no such time of day"),
        ("2013-09-01 17:00:00.083x", "offset"),
        ("2013-09-01 17:00:00.083 1", "after the time"),
        ("2013-09-01 17:00:00.", "not a date and time"),
        ("2013-09/01", "not a date and time"),
        ("12345", "not a stamp of 1900 to 2100"),
        ("yesterday", "not a date and time"),
        ("", "not a date and time"),
    ] {
        let told = reason(text);
        assert!(told.contains(why), "{text}: {told}");
        assert!(told.contains(&format!("{text:?}")), "{text}: {told}");
    }
}

#[test]
fn a_date_that_proves_its_order_is_read_and_one_that_has_none_to_prove() {
    assert_eq!(micros("13/1/1999"), jiff_micros("1999-01-13T00:00:00Z"));
    assert_eq!(micros("1/13/1999"), jiff_micros("1999-01-13T00:00:00Z"));
    assert_eq!(micros("5.5.1999"), jiff_micros("1999-05-05T00:00:00Z"));
}

#[test]
fn a_time_without_colons_follows_any_date() {
    let expected = jiff_micros("2013-09-13T09:30:00Z");
    for text in [
        "20130913 0930",
        "201309130930",
        "9/13/2013 0930",
        "2013-09-13 093000",
    ] {
        assert_eq!(micros(text), expected, "{text}");
    }
}

#[test]
fn the_size_of_a_number_tells_its_unit_in_1977_to_2100() {
    for (text, expected) in [
        ("240000000", "1977-08-09T18:40:00Z"),
        ("946684800", "2000-01-01T00:00:00Z"),
        ("4133980799", "2100-12-31T23:59:59Z"),
        ("-2208988800", "1900-01-01T00:00:00Z"),
        ("240000000000", "1977-08-09T18:40:00Z"),
        ("4133980799999", "2100-12-31T23:59:59.999Z"),
        ("946684800000000", "2000-01-01T00:00:00Z"),
        ("946684800000000000", "2000-01-01T00:00:00Z"),
        ("946684800.5", "2000-01-01T00:00:00.5Z"),
        ("190001010000", "1900-01-01T00:00:00Z"),
        ("20130901170000000001", "2013-09-01T17:00:00.000001Z"),
    ] {
        assert_eq!(micros(text), jiff_micros(expected), "{text}");
    }
}

#[test]
fn a_number_that_may_be_a_time_of_day_or_a_price_is_refused() {
    for text in [
        "34200123",       // Milliseconds of a day.
        "86399999999",    // Microseconds.
        "86399999999999", // Nanoseconds.
        "34200.189",
        "93000",
        "235959999",       // HHMMSS and milliseconds.
        "235959999999",    // .. microseconds.
        "235959999999999", // .. nanoseconds.
        "45293.5",         // A day of a spreadsheet.
        "239999999",
        "4133980800",
        "-2208988801",
        "9999999999",
        "4133980800000000000",
        "20131301",
        "18991231",
        "21010101",
        "20130901250000",
        "5",
        "-5",
        "123456789012345678901",
    ] {
        let message = reason(text);
        assert!(
            message.contains("not a stamp of 1900 to 2100"),
            "{text}: {message}"
        );
        assert!(message.contains("unix_ms"), "{text}: {message}");
    }
}

#[test]
fn a_stamp_of_a_megabyte_is_refused_without_being_repeated() {
    assert!(reason(&"1".repeat(1 << 20)).len() < 300);
}

proptest! {
    #[test]
    fn every_moment_reads_back_from_its_own_text(
        micros in Timestamp::MIN.micros()..=Timestamp::MAX.micros()
    ) {
        let stamp = Timestamp::from_micros(micros).unwrap();
        prop_assert_eq!(Timestamp::parse(stamp.to_string().as_bytes()).unwrap(), (stamp, false));
    }

    #[test]
    fn jiff_reads_the_same_moment(
        seconds in -62_135_596_800i64..253_402_207_200,
        nanos in 0i32..1_000_000_000,
        offset in -86_340i32..=86_340,
    ) {
        let whole_minutes = offset / 60 * 60;
        let moment = jiff::Timestamp::new(seconds, nanos).unwrap();
        let zone = jiff::tz::Offset::from_seconds(whole_minutes).unwrap();
        let local = zone.to_datetime(moment);
        prop_assume!((1..=9999).contains(&local.year()));
        let text = moment.display_with_offset(zone).to_string();
        let (stamp, cut) = Timestamp::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(stamp.micros(), moment.as_nanosecond().div_euclid(1_000) as i64, "{}", text);
        prop_assert_eq!(cut, nanos % 1_000 != 0);
    }

    #[test]
    fn the_calendar_is_that_of_jiff(year in 1i16..=9999, month in 0i8..=13, day in 0i8..=32) {
        let text = format!("{year:04}-{month:02}-{day:02}");
        let ours = Timestamp::parse(text.as_bytes()).ok().map(|(stamp, _)| stamp.micros());
        let theirs = jiff::civil::Date::new(year, month, day).ok().and_then(|date| {
            let zoned = date.at(0, 0, 0, 0).to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?;
            Some(zoned.timestamp().as_microsecond())
        });
        // Timestamp ends two hours before the last day of jiff's calendar does.
        let theirs = theirs.filter(|micros| *micros <= Timestamp::MAX.micros());
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn arbitrary_bytes_never_panic(text: Vec<u8>) {
        let _ = Timestamp::parse(&text);
        for unit in [CountUnit::Seconds, CountUnit::Millis, CountUnit::Micros, CountUnit::Nanos] {
            let _ = unix(&text, unit);
        }
    }

    #[test]
    fn texts_that_look_like_stamps_never_panic(text in "[0-9TZ:/. +-]{0,40}") {
        for order in [DateOrder::YearFirst, DateOrder::MonthFirst, DateOrder::DayFirst] {
            let _ = automatic(text.as_bytes(), Some(order));
        }
        let _ = Timestamp::parse(text.as_bytes());
        let _ = unix(text.as_bytes(), CountUnit::Nanos);
    }

    #[test]
    fn counts_since_1970_read_back(micros in Timestamp::MIN.micros()..=Timestamp::MAX.micros()) {
        let reading = unix(micros.to_string().as_bytes(), CountUnit::Micros).unwrap();
        prop_assert_eq!((reading.local_micros, reading.truncated), (micros, false));
    }
}
