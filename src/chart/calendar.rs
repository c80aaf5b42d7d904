//! Natural periods of UTC time, from a second to centuries: in which one a moment lies, and the
//! texts of moments. It knows nothing of drawing.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::timestamp::Timestamp;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A period that begins at a natural boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CalendarPeriod {
    /// So many microseconds, a divisor of the day.
    Micros(i64),
    /// From Monday to Sunday.
    Week,
    /// So many months from January of year 0 on.
    Months(i64),
}

impl CalendarPeriod {
    /// All of them, shortest first.
    pub(super) const ALL: [Self; 33] = [
        Self::Micros(SECOND),
        Self::Micros(2 * SECOND),
        Self::Micros(5 * SECOND),
        Self::Micros(10 * SECOND),
        Self::Micros(15 * SECOND),
        Self::Micros(30 * SECOND),
        Self::Micros(MINUTE),
        Self::Micros(2 * MINUTE),
        Self::Micros(3 * MINUTE),
        Self::Micros(5 * MINUTE),
        Self::Micros(10 * MINUTE),
        Self::Micros(15 * MINUTE),
        Self::Micros(20 * MINUTE),
        Self::Micros(30 * MINUTE),
        Self::Micros(HOUR),
        Self::Micros(2 * HOUR),
        Self::Micros(3 * HOUR),
        Self::Micros(4 * HOUR),
        Self::Micros(6 * HOUR),
        Self::Micros(8 * HOUR),
        Self::Micros(12 * HOUR),
        Self::Micros(DAY),
        Self::Week,
        Self::Months(1),
        Self::Months(3),
        Self::Months(6),
        Self::Months(12),
        Self::Months(24),
        Self::Months(60),
        Self::Months(120),
        Self::Months(600),
        Self::Months(1_200),
        Self::Months(12_000),
    ];

    /// The number of the period that holds a moment; the next period has the next number.
    pub(super) fn number(self, at: Timestamp) -> i64 {
        match self {
            Self::Micros(length) => at.micros().div_euclid(length),
            // 1970-01-01 was a Thursday.
            Self::Week => (at.micros().div_euclid(DAY) + 3).div_euclid(7),
            Self::Months(count) => {
                let date = civil(at);
                let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
                month.div_euclid(count)
            }
        }
    }

    /// True when a moment begins a day or less than one.
    pub(super) fn is_within_day(self) -> bool {
        matches!(self, Self::Micros(length) if length < DAY)
    }
}

impl std::fmt::Display for CalendarPeriod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Micros(length) if length < MINUTE => write!(f, "{}s", length / SECOND),
            Self::Micros(length) if length < HOUR => write!(f, "{}min", length / MINUTE),
            Self::Micros(length) if length < DAY => write!(f, "{}h", length / HOUR),
            Self::Micros(length) => write!(f, "{}d", length / DAY),
            Self::Week => f.write_str("1w"),
            Self::Months(count) if count < 12 => write!(f, "{count}M"),
            Self::Months(count) => write!(f, "{}-year", count / 12),
        }
    }
}

/// Date and time of a moment in UTC.
pub(super) fn civil(at: Timestamp) -> DateTime {
    jiff::Timestamp::from_microsecond(at.micros())
        .map(|moment| Offset::UTC.to_datetime(moment))
        .unwrap_or_default()
}

/// A moment as the axis of a whole chart needs it: without a time where all are midnights,
/// with seconds where one has them.
pub(super) fn moment(at: Timestamp, all: impl Iterator<Item = Timestamp>) -> String {
    let finest = all.fold(DAY, |finest, at| match at.micros() {
        micros if micros % MINUTE != 0 => finest.min(SECOND),
        micros if micros % DAY != 0 => finest.min(MINUTE),
        _ => finest,
    });
    let date = civil(at);
    let day = format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
    match finest {
        DAY => day,
        MINUTE => format!("{day} {}", clock(at, false)),
        _ => format!("{day} {}", clock(at, true)),
    }
}

/// The time of day.
pub(super) fn clock(at: Timestamp, with_seconds: bool) -> String {
    let time = civil(at);
    if with_seconds {
        return format!(
            "{:02}:{:02}:{:02}",
            time.hour(),
            time.minute(),
            time.second()
        );
    }
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// The month's name of three letters.
pub(super) fn month(at: Timestamp) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = usize::try_from(civil(at).month()).unwrap_or(1);
    NAMES.get(month.wrapping_sub(1)).copied().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text.as_bytes()).unwrap().0
    }

    #[test]
    fn periods_change_at_their_natural_boundaries_and_nowhere_else() {
        for (period, before, first) in [
            (
                CalendarPeriod::Micros(5 * MINUTE),
                "2013-09-03T10:24:59Z",
                "2013-09-03T10:25:00Z",
            ),
            (
                CalendarPeriod::Micros(DAY),
                "1969-12-31T23:59:59Z",
                "1970-01-01T00:00:00Z",
            ),
            (
                CalendarPeriod::Week,
                "2013-09-01T23:59:59Z",
                "2013-09-02T00:00:00Z",
            ),
            (
                CalendarPeriod::Months(1),
                "2016-02-29T23:59:59Z",
                "2016-03-01T00:00:00Z",
            ),
            (
                CalendarPeriod::Months(3),
                "2016-03-31T23:59:59Z",
                "2016-04-01T00:00:00Z",
            ),
            (
                CalendarPeriod::Months(120),
                "2019-12-31T23:59:59Z",
                "2020-01-01T00:00:00Z",
            ),
        ] {
            let (before, first) = (period.number(at(before)), period.number(at(first)));
            assert_eq!(before + 1, first, "{period}");
            assert_eq!(
                period.number(at("2013-09-03T10:25:01Z")),
                period.number(at("2013-09-03T10:25:02Z"))
            );
        }
    }

    #[test]
    fn a_moment_is_as_precise_as_the_chart_needs() {
        let day = at("2013-09-03T00:00:00Z");
        let minute = at("2013-09-03T10:25:00Z");
        let second = at("2013-09-03T10:25:07Z");
        assert_eq!(moment(day, [day].into_iter()), "2013-09-03");
        assert_eq!(moment(day, [day, minute].into_iter()), "2013-09-03 00:00");
        assert_eq!(
            moment(minute, [second, day].into_iter()),
            "2013-09-03 10:25:00"
        );
        assert_eq!(month(minute), "Sep");
    }
}
