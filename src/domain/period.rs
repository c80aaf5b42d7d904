//! Periods of bars: where the period of a moment starts and ends, for every frequency.
//!
//! Periods are aligned to UTC: weeks start on Monday, months are those of the calendar. It knows
//! no bar.

use crate::domain::Frequency;
use crate::timestamp::Timestamp;

const MINUTE_MICROS: i64 = 60_000_000;
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;
/// The length of a day.
pub(crate) const DAY_MICROS: i64 = 24 * HOUR_MICROS;
const WEEK_MICROS: i64 = 7 * DAY_MICROS;
/// 1969-12-29, the Monday before the epoch, which was a Thursday.
const MONDAY_MICROS: i64 = -3 * DAY_MICROS;

impl Frequency {
    /// The start of the period that holds this moment, held in range.
    #[must_use]
    pub fn period_start(self, moment: Timestamp) -> Timestamp {
        Timestamp::from_micros_clamped(self.period_micros(moment.micros()).0)
    }

    /// The end of the period that holds this moment, which is the start of the next one, held in
    /// range: the moment itself is before it.
    #[must_use]
    pub fn period_end(self, moment: Timestamp) -> Timestamp {
        Timestamp::from_micros_clamped(self.period_micros(moment.micros()).1)
    }

    /// The starts of the periods that start from `start` (included) to `end` (excluded).
    pub fn period_starts(
        self,
        start: Timestamp,
        end: Timestamp,
    ) -> impl Iterator<Item = Timestamp> {
        let (first, next) = self.period_micros(start.micros());
        let first = if first == start.micros() { first } else { next };
        let starts = std::iter::successors(Some(first), move |at| Some(self.period_micros(*at).1));
        starts
            .take_while(move |at| *at < end.micros())
            .map(Timestamp::from_micros_clamped)
    }

    /// True when whole bars of this frequency make up a bar of the coarser one. Weeks do not make
    /// up months.
    #[must_use]
    pub fn divides(self, coarser: Self) -> bool {
        self < coarser && self != Self::OneWeek
    }

    /// Start and end of the period that holds the moment, in microseconds since the epoch: not
    /// held in range, so that the end is always after the moment.
    pub(crate) fn period_micros(self, micros: i64) -> (i64, i64) {
        match self.length_micros() {
            Some(length) => {
                let origin = if self == Self::OneWeek {
                    MONDAY_MICROS
                } else {
                    0
                };
                let start = (micros - origin).div_euclid(length) * length + origin;
                (start, start + length)
            }
            None => month_micros(micros),
        }
    }

    /// The length of every period in microseconds; none for months, which differ.
    #[must_use]
    pub fn length_micros(self) -> Option<i64> {
        Some(match self {
            Self::OneMinute => MINUTE_MICROS,
            Self::FiveMinutes => 5 * MINUTE_MICROS,
            Self::FifteenMinutes => 15 * MINUTE_MICROS,
            Self::ThirtyMinutes => 30 * MINUTE_MICROS,
            Self::OneHour => HOUR_MICROS,
            Self::FourHours => 4 * HOUR_MICROS,
            Self::OneDay => DAY_MICROS,
            Self::OneWeek => WEEK_MICROS,
            Self::OneMonth => return None,
        })
    }
}

/// Start and end of the calendar month that holds the moment.
fn month_micros(micros: i64) -> (i64, i64) {
    let (year, month) = civil_month(micros.div_euclid(DAY_MICROS));
    let next = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    let micros_of = |(year, month)| first_day(year, month) * DAY_MICROS;
    (micros_of((year, month)), micros_of(next))
}

// The two directions of Howard Hinnant's civil calendar (howardhinnant.github.io/date_algorithms):
// years begin in March, so that the leap day is the last one, and eras have 400 years.
const ERA_DAYS: i64 = 146_097;
/// 0000-03-01 before the epoch.
const EPOCH_DAYS: i64 = 719_468;

/// Year and month (1 to 12) of a day since the epoch.
fn civil_month(days: i64) -> (i64, i64) {
    let shifted = days + EPOCH_DAYS;
    let (era, day) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year + era * 400 + i64::from(month <= 2), month)
}

/// The first day of a month, in days since the epoch.
fn first_day(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day = 365 * of_era + of_era / 4 - of_era / 100 + (153 * from_march + 2) / 5;
    era * ERA_DAYS + day - EPOCH_DAYS
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, Weekday};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_micros(moment.as_microsecond()).unwrap()
    }

    #[test]
    fn every_frequency_finds_the_period_of_a_moment() {
        let moment = at("2024-02-29T17:43:21.5Z");
        for (frequency, start, end) in [
            (
                Frequency::OneMinute,
                "2024-02-29T17:43:00Z",
                "2024-02-29T17:44:00Z",
            ),
            (
                Frequency::FiveMinutes,
                "2024-02-29T17:40:00Z",
                "2024-02-29T17:45:00Z",
            ),
            (
                Frequency::FifteenMinutes,
                "2024-02-29T17:30:00Z",
                "2024-02-29T17:45:00Z",
            ),
            (
                Frequency::ThirtyMinutes,
                "2024-02-29T17:30:00Z",
                "2024-02-29T18:00:00Z",
            ),
            (
                Frequency::OneHour,
                "2024-02-29T17:00:00Z",
                "2024-02-29T18:00:00Z",
            ),
            (
                Frequency::FourHours,
                "2024-02-29T16:00:00Z",
                "2024-02-29T20:00:00Z",
            ),
            (
                Frequency::OneDay,
                "2024-02-29T00:00:00Z",
                "2024-03-01T00:00:00Z",
            ),
            (
                Frequency::OneWeek,
                "2024-02-26T00:00:00Z",
                "2024-03-04T00:00:00Z",
            ),
            (
                Frequency::OneMonth,
                "2024-02-01T00:00:00Z",
                "2024-03-01T00:00:00Z",
            ),
        ] {
            assert_eq!(frequency.period_start(moment), at(start), "{frequency}");
            assert_eq!(frequency.period_end(moment), at(end), "{frequency}");
            assert_eq!(frequency.period_start(at(start)), at(start), "{frequency}");
            assert_eq!(frequency.period_end(at(start)), at(end), "{frequency}");
        }
    }

    #[test]
    fn starts_are_those_within_the_range_alone() {
        let starts = |frequency: Frequency, start, end| -> Vec<String> {
            let starts = frequency.period_starts(at(start), at(end));
            starts.map(|start| start.to_string()).collect()
        };
        let months = starts(
            Frequency::OneMonth,
            "2023-12-01T00:00:01Z",
            "2024-03-01T00:00:00Z",
        );
        assert_eq!(
            months,
            ["2024-01-01T00:00:00.000000Z", "2024-02-01T00:00:00.000000Z"]
        );
        let weeks = starts(
            Frequency::OneWeek,
            "1969-12-29T00:00:00Z",
            "1970-01-05T00:00:01Z",
        );
        assert_eq!(
            weeks,
            ["1969-12-29T00:00:00.000000Z", "1970-01-05T00:00:00.000000Z"]
        );
        let none = starts(
            Frequency::OneDay,
            "2024-01-01T00:00:01Z",
            "2024-01-01T23:00:00Z",
        );
        assert!(none.is_empty(), "{none:?}");
    }

    #[test]
    fn the_ends_of_time_are_in_periods_too() {
        for frequency in Frequency::ALL {
            assert_eq!(
                frequency.period_start(Timestamp::MIN),
                Timestamp::MIN,
                "{frequency}"
            );
            assert_eq!(
                frequency.period_end(Timestamp::MAX),
                Timestamp::MAX,
                "{frequency}"
            );
            let last = frequency.period_start(Timestamp::MAX);
            let starts = frequency.period_starts(last, Timestamp::MAX);
            assert_eq!(starts.collect::<Vec<_>>(), [last], "{frequency}");
        }
    }

    #[test]
    fn finer_bars_make_up_coarser_ones_but_weeks_no_months() {
        assert!(Frequency::OneMinute.divides(Frequency::OneMonth));
        assert!(Frequency::FifteenMinutes.divides(Frequency::ThirtyMinutes));
        assert!(Frequency::OneDay.divides(Frequency::OneWeek));
        assert!(!Frequency::OneWeek.divides(Frequency::OneMonth));
        assert!(!Frequency::OneHour.divides(Frequency::OneHour));
        assert!(!Frequency::OneHour.divides(Frequency::OneMinute));
    }

    fn date(moment: Timestamp) -> Date {
        let moment = jiff::Timestamp::from_microsecond(moment.micros()).unwrap();
        moment.to_zoned_datetime(TimeZone::UTC).date()
    }

    proptest! {
        #[test]
        fn days_weeks_and_months_are_those_of_the_calendar(
            micros in Timestamp::MIN.micros()..Timestamp::MAX.micros() - 32 * DAY_MICROS,
        ) {
            let moment = Timestamp::from_micros(micros).unwrap();
            let day = date(moment);
            let start = date(Frequency::OneMonth.period_start(moment));
            prop_assert_eq!(start, day.first_of_month());
            let end = date(Frequency::OneMonth.period_end(moment));
            prop_assert_eq!(end, day.last_of_month().tomorrow().unwrap());
            let week = date(Frequency::OneWeek.period_start(moment));
            prop_assert_eq!(week.weekday(), Weekday::Monday);
            prop_assert!(week <= day && date(Frequency::OneWeek.period_end(moment)) > day);
            prop_assert_eq!(date(Frequency::OneDay.period_start(moment)), day);
        }

        #[test]
        fn a_period_of_a_divisor_lies_within_one_of_the_coarser(
            micros in Timestamp::MIN.micros()..=Timestamp::MAX.micros(),
        ) {
            for fine in Frequency::ALL {
                let (start, end) = fine.period_micros(micros);
                prop_assert!(start <= micros && micros < end);
                for coarse in Frequency::ALL.into_iter().filter(|coarse| fine.divides(*coarse)) {
                    let (outer_start, outer_end) = coarse.period_micros(micros);
                    prop_assert!(outer_start <= start && end <= outer_end, "{fine} in {coarse}");
                }
            }
        }
    }
}
