//! The proleptic Gregorian calendar in plain arithmetic, because every imported row passes here.

use super::reading::{BAD_DATE, OUT_OF_RANGE, Parsed};

/// Days from 1970-01-01 to a day of the calendar (Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", days_from_civil). Years are 1 to 9999.
pub(super) fn days_since_epoch(year: i64, month: i64, day: i64) -> Parsed<i64> {
    if year == 0 {
        return Err(&OUT_OF_RANGE);
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return Err(&BAD_DATE);
    }
    // The year begins in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Ok(era * 146_097 + day_of_era - 719_468)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of a month by its English name, whole or its first three letters, in any case.
pub(super) fn month_number(name: &[u8]) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let is_name = |full: &&str| {
        let full = full.as_bytes();
        name.eq_ignore_ascii_case(full) || name.eq_ignore_ascii_case(full.get(..3).unwrap_or(full))
    };
    (1..)
        .zip(NAMES)
        .find_map(|(number, full)| is_name(&full).then_some(number))
}
