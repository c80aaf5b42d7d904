//! When an instrument is traded, as far as it matters for which periods should have a bar.

use std::fmt;
use std::str::FromStr;

use crate::domain::{DAY_MICROS, Frequency, InstrumentType};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// The days on which periods should have a bar. Holidays and hours of a market are not known here:
/// periods that these take count as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TradingCalendar {
    /// `24x7`: every day, as for crypto currencies.
    EveryDay,
    /// `weekdays`: Monday to Friday in UTC.
    Weekdays,
}

impl TradingCalendar {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EveryDay, Self::Weekdays];

    /// The word for it: `24x7`, `weekdays`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EveryDay => "24x7",
            Self::Weekdays => "weekdays",
        }
    }

    /// The usual one of a type of instrument.
    #[must_use]
    pub fn of(instrument_type: InstrumentType) -> Self {
        match instrument_type {
            InstrumentType::Crypto => Self::EveryDay,
            _ => Self::Weekdays,
        }
    }

    /// Whether the period that starts here should have a bar. Every week and month should.
    #[must_use]
    pub fn is_open(self, frequency: Frequency, start: Timestamp) -> bool {
        match self {
            Self::EveryDay => true,
            Self::Weekdays if frequency > Frequency::OneDay => true,
            Self::Weekdays => is_weekday(start.micros().div_euclid(DAY_MICROS)),
        }
    }

    /// How many of the periods that start from `start` (included) to `end` (excluded) should have
    /// a bar.
    #[must_use]
    pub fn periods(self, frequency: Frequency, start: Timestamp, end: Timestamp) -> u64 {
        let mut starts = frequency.period_starts(start, end);
        let Some(first) = starts.next() else {
            return 0;
        };
        if frequency > Frequency::OneDay {
            return 1 + starts.count() as u64;
        }
        let (_, next) = frequency.period_micros(first.micros());
        let length = next - first.micros();
        let (first, end) = (first.micros(), end.micros());
        // Periods of a day and less end with the day: a day's are counted at a stroke.
        let days = first.div_euclid(DAY_MICROS)..=(end - 1).div_euclid(DAY_MICROS);
        let of_day = |day: i64| {
            let from = first.max(day * DAY_MICROS);
            let to = end.min((day + 1) * DAY_MICROS);
            (to - from + length - 1) / length
        };
        let open = days.filter(|day| self == Self::EveryDay || is_weekday(*day));
        open.map(of_day).sum::<i64>().unsigned_abs()
    }
}

/// Day 0 of the epoch was a Thursday.
fn is_weekday(day: i64) -> bool {
    (day + 3).rem_euclid(7) < 5
}

impl fmt::Display for TradingCalendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TradingCalendar {
    type Err = Error;

    /// Reads `24x7` and `weekdays`.
    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| {
            let reason = format!("{text:?} is none");
            Error::invalid("calendar", reason, "write 24x7 or weekdays")
        })
    }
}
