//! What the reader of a feed's stamps makes of zones, date orders and years.

use proptest::prelude::*;

use super::*;

fn reader(format: &str, zone: Option<&str>) -> StampReader {
    let zone = zone.map(|zone| zone.parse().unwrap());
    StampReader::new(format.parse().unwrap(), zone)
}

fn read(reader: &mut StampReader, text: &str) -> Result<String, String> {
    let stamp = reader
        .read(text.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(stamp.at.to_string().replace(".000000Z", "Z"))
}

/// Reads rows one after the other: `HH:MM` in UTC, or `-` for a refused row.
fn moments(mut reader: StampReader, rows: &[&str]) -> Vec<String> {
    let moment = |row: &&str| match read(&mut reader, row) {
        Ok(text) => text.get(11..16).unwrap_or_default().to_owned(),
        Err(error) => {
            assert!(error.contains("exists twice"), "{error}");
            "-".to_owned()
        }
    };
    rows.iter().map(moment).collect()
}

const NEW_YORK: Option<&str> = Some("America/New_York");

#[test]
fn a_stamp_without_an_offset_is_in_the_zone_and_one_with_an_offset_keeps_it() {
    for (zone, text, expected) in [
        (NEW_YORK, "2024-01-02 09:30:00", "2024-01-02T14:30:00Z"),
        (NEW_YORK, "2024-07-02 09:30:00", "2024-07-02T13:30:00Z"),
        (NEW_YORK, "20240702 093000", "2024-07-02T13:30:00Z"),
        (NEW_YORK, "2024-07-02T09:30:00Z", "2024-07-02T09:30:00Z"),
        (
            NEW_YORK,
            "2024-07-02 09:30:00+02:00",
            "2024-07-02T07:30:00Z",
        ),
        (NEW_YORK, "1704205800", "2024-01-02T14:30:00Z"),
        (Some("EST"), "20240702 170000", "2024-07-02T22:00:00Z"),
        (Some("+05:30"), "2024-07-02", "2024-07-01T18:30:00Z"),
        (None, "2024-07-02 09:30:00", "2024-07-02T09:30:00Z"),
    ] {
        assert_eq!(
            read(&mut reader("auto", zone), text).unwrap(),
            expected,
            "{text} {zone:?}"
        );
    }
    let mut by_pattern = reader("%d.%m.%Y %H:%M", NEW_YORK);
    assert_eq!(
        read(&mut by_pattern, "02.07.2024 09:30").unwrap(),
        "2024-07-02T13:30:00Z"
    );
}

#[test]
fn the_wall_clock_is_as_written() {
    for (zone, text, local) in [
        (None, "2024-01-04 00:00:00+09:00", "2024-01-04"),
        (NEW_YORK, "2024-01-04", "2024-01-04"),
        (
            NEW_YORK,
            "2024-01-04 00:00:00.5-05:00",
            "2024-01-04T00:00:00.5Z",
        ),
        (None, "1704153600", "2024-01-02"),
        (NEW_YORK, "1704171600", "2024-01-02"),
        (NEW_YORK, "1719806400000000000", "2024-07-01"),
        (NEW_YORK, "2024-01-04T00:00:00Z", "2024-01-04"),
    ] {
        let stamp = reader("auto", zone).read(text.as_bytes()).unwrap();
        let (local, _) = Timestamp::parse(local.as_bytes()).unwrap();
        assert_eq!(stamp.local_micros, local.micros(), "{text}");
    }
    let stamp = reader("%Y-%m-%d %z", None)
        .read(b"2024-01-04 +0900")
        .unwrap();
    assert_eq!((stamp.local_micros - stamp.at.micros()) / 3_600_000_000, 9);
}

#[test]
fn an_hour_that_exists_twice_is_its_first_and_then_its_second_pass() {
    let day = |rows: &[&str]| {
        rows.iter()
            .map(|row| format!("2023-11-05 {row}"))
            .collect::<Vec<_>>()
    };
    let ticks = reader("auto", NEW_YORK);
    let mut bars = ticks.clone();
    bars.set_one_row_per_stamp(true);
    let mut newest_first = bars.clone();
    newest_first.set_downward(true);
    let mut ticks_newest_first = ticks.clone();
    ticks_newest_first.set_downward(true);
    for (reader, rows, expected) in [
        (&bars, &["01:00", "01:00"][..], &["05:00", "06:00"][..]),
        (
            &bars,
            &["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"],
            &["04:30", "05:00", "05:30", "06:00", "06:30", "07:00"],
        ),
        (
            &bars,
            &["01:00", "01:00", "01:00"],
            &["05:00", "06:00", "-"],
        ),
        (
            &ticks,
            &["01:10", "01:10", "01:59:59", "01:00:01", "01:30", "02:00"],
            &["05:10", "05:10", "05:59", "06:00", "06:30", "07:00"],
        ),
        // Out of order by less than a minute: still the first pass, or still the second.
        (
            &ticks,
            &["01:10:01", "01:10:00", "01:00", "01:00:01", "01:00"],
            &["05:10", "05:10", "06:00", "06:00", "06:00"],
        ),
        (
            &ticks,
            &["01:50", "01:10", "01:05"],
            &["05:50", "06:10", "-"],
        ),
        (
            &newest_first,
            &["02:00", "01:30", "01:00", "01:30", "01:00", "00:30"],
            &["07:00", "06:30", "06:00", "05:30", "05:00", "04:30"],
        ),
        (
            &ticks_newest_first,
            &["01:00:01", "01:59:59", "01:10"],
            &["06:00", "05:59", "05:10"],
        ),
    ] {
        let rows = day(rows);
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(moments(reader.clone(), &rows), expected, "{rows:?}");
    }
}

#[test]
fn a_time_that_the_clocks_skipped_is_refused() {
    let mut new_york = reader("auto", NEW_YORK);
    let error = read(&mut new_york, "2024-03-10 02:30:00").unwrap_err();
    assert!(
        error.contains("does not exist") && error.contains("02:30"),
        "{error}"
    );
    assert_eq!(
        read(&mut new_york, "2024-03-10 03:00:00").unwrap(),
        "2024-03-10T07:00:00Z"
    );
}

#[test]
fn dates_are_read_in_the_order_of_the_file() {
    let mut day_first = reader("auto", None);
    day_first.set_date_order(DateOrder::DayFirst);
    assert_eq!(
        read(&mut day_first, "01/04/2020").unwrap(),
        "2020-04-01T00:00:00Z"
    );
    let error = read(&mut day_first, "04/14/2020").unwrap_err();
    assert!(error.contains("read with the day first"), "{error}");
    assert_eq!(day_first.form().unwrap().to_string(), "day/month/year");

    let mut month_first = reader("auto", None);
    month_first.set_date_order(DateOrder::MonthFirst);
    assert_eq!(
        read(&mut month_first, "1.4.2020 17:00").unwrap(),
        "2020-01-04T17:00:00Z"
    );
    let error = read(&mut month_first, "14/04/2020").unwrap_err();
    assert!(error.contains("--date-order day"), "{error}");

    let mut year_first = reader("auto", None);
    year_first.set_date_order(DateOrder::YearFirst);
    assert!(
        read(&mut year_first, "14/04/2020")
            .unwrap_err()
            .contains("begin with the year")
    );

    let mut undecided = reader("auto", None);
    assert!(
        read(&mut undecided, "01/04/2020")
            .unwrap_err()
            .contains("--date-order")
    );
    assert_eq!(
        read(&mut undecided, "14/04/2020").unwrap(),
        "2020-04-14T00:00:00Z"
    );
    assert!(
        read(&mut undecided, "04/14/2020")
            .unwrap_err()
            .contains("another order")
    );
}

#[test]
fn an_automatic_stamp_lies_in_1900_to_2100_and_a_named_form_says_what_it_says() {
    let mut automatic = reader("auto", None);
    for text in ["1900-01-01", "2100-12-31T23:59:59.999999Z"] {
        assert!(read(&mut automatic, text).is_ok(), "{text}");
    }
    for text in [
        "1899-12-31T23:59:59Z",
        "2101-01-01",
        "0001-01-01",
        "31/12/1850",
    ] {
        let error = read(&mut automatic, text).unwrap_err();
        assert!(
            error.contains("1900 to 2100") && error.contains("--timestamp-format iso"),
            "{error}"
        );
    }
    assert!(read(&mut reader("iso", None), "1792-05-17T10:00:00Z").is_ok());
    assert!(read(&mut reader("unix_s", None), "5").is_ok());
    assert!(read(&mut reader("%d/%m/%Y", None), "01/02/1850").is_ok());
}

#[test]
fn the_form_is_told_in_words() {
    for (format, rows, form) in [
        ("auto", &["2024-01-02"][..], Some("ISO 8601")),
        ("auto", &["2024.01.02 10:00"], Some("year/month/day")),
        ("auto", &["1704153600123"], Some("Unix milliseconds")),
        (
            "auto",
            &["1704153600", "2024-01-02"],
            Some("ISO 8601 and Unix seconds"),
        ),
        (
            "auto",
            &["20240102 170000"],
            Some("YYYYMMDD without separators"),
        ),
        ("unix_ns", &["1"], Some("Unix nanoseconds")),
        ("%d/%m/%Y", &["1/2/2024"], Some("pattern %d/%m/%Y")),
        ("auto", &["nothing"], None),
    ] {
        let mut reader = reader(format, None);
        for row in rows {
            let _ = reader.read(row.as_bytes());
        }
        assert_eq!(
            reader.form().map(|form| form.to_string()).as_deref(),
            form,
            "{rows:?}"
        );
    }
}

proptest! {
    /// Half-hourly bars over the clock change in either direction, and ticks upwards.
    #[test]
    fn local_times_read_back_whatever_the_hour(
        start in 1_698_800_000i64..1_699_900_000, count in 1usize..60, downward: bool,
    ) {
        let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
        let start = start / 1_800 * 1_800;
        // An hour that is met in its second pass only cannot be known for it.
        prop_assume!(!(1_699_162_200..1_699_171_200).contains(&start));
        let end = start + count as i64 * 1_800;
        prop_assume!(!(1_699_160_400..1_699_171_200).contains(&end));
        let mut moments: Vec<i64> = (0..count as i64).map(|index| start + index * 1_800).collect();
        if downward {
            moments.reverse();
        }
        let mut bars = reader("auto", NEW_YORK);
        bars.set_one_row_per_stamp(true);
        bars.set_downward(downward);
        for moment in moments {
            let local = zone.to_datetime(jiff::Timestamp::from_second(moment).unwrap());
            let stamp = bars.read(local.to_string().as_bytes()).unwrap();
            prop_assert_eq!(stamp.at.micros(), moment * 1_000_000, "{}", local);
        }
    }

    #[test]
    fn arbitrary_stamps_never_panic(texts: Vec<Vec<u8>>, text in "[0-9/.: TZ-]{0,24}") {
        let mut reader = reader("auto", NEW_YORK);
        let _ = reader.read(text.as_bytes());
        for text in &texts {
            let _ = reader.read(text);
        }
    }
}
