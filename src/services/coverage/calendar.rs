//! When an instrument is traded, as far as it matters for which periods should have a bar.

mod new_york;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::{DAY_MICROS, Frequency, TradingCalendar};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// Days of a year as month and day: 704 is 4 July.
type DaysOfYear = (i16, &'static [u16]);

/// The days and hours of an exchange, one session a day. In years that the tables lack, every weekday
/// is a whole day of trading.
#[derive(Debug)]
struct Exchange {
    /// Its time zone, by its name in the IANA database.
    zone: &'static str,
    /// Hour and minute, local time.
    open: (i8, i8),
    close: (i8, i8),
    close_early: (i8, i8),
    /// Weekdays without trading, for each year of the table.
    closed: &'static [DaysOfYear],
    /// Days that end early.
    early: &'static [DaysOfYear],
}

/// The periods that should have a bar, by a calendar.
#[derive(Debug, Clone)]
pub struct TradingSessions(Days);

#[derive(Debug, Clone)]
enum Days {
    Every,
    Weekdays,
    Exchange(&'static Exchange, TimeZone),
}

impl TradingSessions {
    /// The sessions of a calendar.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the time zone of an exchange is not known; the crate brings its zones
    /// along.
    pub fn of(calendar: TradingCalendar) -> Result<Self> {
        let exchange = match calendar {
            TradingCalendar::EveryDay => return Ok(Self(Days::Every)),
            TradingCalendar::Weekdays => return Ok(Self(Days::Weekdays)),
            TradingCalendar::NewYork | TradingCalendar::Nasdaq => &new_york::NEW_YORK,
        };
        let zone = TimeZone::get(exchange.zone).map_err(|error| {
            let reason = format!("its time zone is unknown ({error})");
            Error::invalid(
                "calendar",
                reason,
                "use weekdays, or report this as a defect",
            )
        })?;
        Ok(Self(Days::Exchange(exchange, zone)))
    }

    /// True when the period that starts here should have a bar: one should in which there is
    /// trading.
    #[must_use]
    pub fn is_open(&self, frequency: Frequency, start: Timestamp) -> bool {
        match &self.0 {
            Days::Every => true,
            Days::Weekdays if frequency > Frequency::OneDay => true,
            Days::Weekdays => is_weekday(start.micros().div_euclid(DAY_MICROS)),
            Days::Exchange(of, zone) => {
                let (start, end) = frequency.period_micros(start.micros());
                of.sessions(zone, start, end).next().is_some()
            }
        }
    }

    /// Counts the periods that start from `start` (included) to `end` (excluded) and should have
    /// a bar.
    #[must_use]
    pub fn periods(&self, frequency: Frequency, start: Timestamp, end: Timestamp) -> u64 {
        let mut starts = frequency.period_starts(start, end);
        let Some(first) = starts.next() else {
            return 0;
        };
        // Weeks and months have no fixed length; there are few of them, so each is asked.
        if frequency > Frequency::OneDay {
            let open = std::iter::once(first).chain(starts);
            return open.filter(|at| self.is_open(frequency, *at)).count() as u64;
        }
        let (first, next) = frequency.period_micros(first.micros());
        let length = next - first;
        let mut range = (first, end.micros());
        let mut count = 0;
        let mut add = |(open, close): (i64, i64)| {
            // Periods of a day and less start at multiples of their length.
            let from = range.0.max(open.div_euclid(length) * length);
            let to = range.1.min(close);
            let periods = ((to - from).max(0) + length - 1) / length;
            count += periods;
            // The last one may hold the next session, too, and counts once.
            range.0 = range.0.max(from + periods * length);
        };
        // One period more: the last one that starts in the range may end after it.
        let to = end.micros() + length;
        match &self.0 {
            Days::Every => add((first, to)),
            Days::Weekdays => {
                let days = first.div_euclid(DAY_MICROS)..=to.div_euclid(DAY_MICROS);
                let open = days.filter(|day| is_weekday(*day));
                open.for_each(|day| add((day * DAY_MICROS, (day + 1) * DAY_MICROS)));
            }
            Days::Exchange(of, zone) => of.sessions(zone, first, to).for_each(add),
        }
        count.unsigned_abs()
    }

    /// The first and the last year of which the holidays are known; `None` when there are none to
    /// know.
    #[must_use]
    pub fn holidays_known(&self) -> Option<(i16, i16)> {
        match &self.0 {
            Days::Every | Days::Weekdays => None,
            Days::Exchange(of, _) => Some((of.closed.first()?.0, of.closed.last()?.0)),
        }
    }
}

impl Exchange {
    /// Start and end of each session that has a part between two moments.
    fn sessions(&self, zone: &TimeZone, from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
        let local_day = |micros: i64| {
            let moment = Timestamp::from_micros_clamped(micros).micros();
            let offset = jiff::Timestamp::from_microsecond(moment)
                .map_or(0, |moment| i64::from(zone.to_offset(moment).seconds()));
            (micros + offset * 1_000_000).div_euclid(DAY_MICROS)
        };
        (local_day(from)..=local_day(to))
            .filter(|day| is_weekday(*day))
            .filter_map(move |day| self.session(zone, day))
            .filter(move |(open, close)| *open < to && *close > from)
    }

    /// The session of a local day, in days since the epoch.
    fn session(&self, zone: &TimeZone, day: i64) -> Option<(i64, i64)> {
        let midnight = jiff::Timestamp::from_microsecond(day * DAY_MICROS).ok()?;
        let date = TimeZone::UTC.to_datetime(midnight).date();
        let is_in = |table: &[DaysOfYear]| {
            let [month, day] = [date.month(), date.day()].map(|of| u16::from(of.unsigned_abs()));
            let year = table.binary_search_by_key(&date.year(), |of| of.0).ok();
            let days = year.map_or(&[][..], |at| table[at].1);
            days.contains(&(100 * month + day))
        };
        if is_in(self.closed) {
            return None;
        }
        let close = match is_in(self.early) {
            true => self.close_early,
            false => self.close,
        };
        let moment = |(hour, minute): (i8, i8)| {
            let local: DateTime = date.at(hour, minute, 0, 0);
            Some(zone.to_timestamp(local).ok()?.as_microsecond())
        };
        Some((moment(self.open)?, moment(close)?))
    }
}

/// The year of a moment, UTC.
pub(super) fn year(at: Timestamp) -> i16 {
    let moment = jiff::Timestamp::from_microsecond(at.micros());
    moment.map_or(0, |moment| TimeZone::UTC.to_datetime(moment).year())
}

/// Day 0 of the epoch was a Thursday.
fn is_weekday(day: i64) -> bool {
    (day + 3).rem_euclid(7) < 5
}
