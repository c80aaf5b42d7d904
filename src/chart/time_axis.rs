//! The axis of time: which candles have a label, and which.
//!
//! Candles stand side by side whatever time lies between them, so that a tick belongs to a
//! candle: to the first of a natural period.

use super::calendar::{CalendarPeriod, DAY, HOUR, MINUTE, civil, clock, month};
use crate::domain::Candle;
use crate::timestamp::Timestamp;

/// A tick of the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeTick {
    /// The candle that it belongs to.
    pub(super) candle: usize,
    pub(super) label: String,
    /// The x at which its label begins.
    pub(super) left: f64,
    /// True when it begins a day, month or year on an axis of shorter steps.
    pub(super) is_major: bool,
}

/// The room of the axis, in columns or pixels.
pub(super) struct Room<'a> {
    /// From one candle to the next.
    pub(super) slot: f64,
    /// Room for labels before the first candle.
    pub(super) before: f64,
    /// The x at which labels must end.
    pub(super) width: f64,
    /// Between labels.
    pub(super) gap: f64,
    /// The width of a label.
    pub(super) measure: &'a dyn Fn(&str) -> f64,
}

/// The ticks of the finest period whose labels have room.
pub(super) fn ticks(candles: &[Candle], room: &Room<'_>) -> Vec<TimeTick> {
    let width = candles.len() as f64 * room.slot;
    let fitting = CalendarPeriod::ALL.into_iter().find_map(|period| {
        let found = candidates(candles, period);
        let labels = found
            .iter()
            .map(|one| (room.measure)(&one.label) + room.gap);
        (labels.sum::<f64>() <= width + room.gap).then_some(found)
    });
    let placed = place(fitting.unwrap_or_default(), room);
    if !placed.is_empty() {
        return placed;
    }
    let first = candles[0].timestamp;
    let only = TickMarkCandidate {
        candle: 0,
        label: date_and_time(first),
        rank: 0,
    };
    place(vec![only], room)
}

struct TickMarkCandidate {
    candle: usize,
    label: String,
    /// The greater, the rather it is drawn.
    rank: u8,
}

const RANK_DAY: u8 = 3;

fn candidates(candles: &[Candle], period: CalendarPeriod) -> Vec<TickMarkCandidate> {
    let mut found = Vec::new();
    let with_seconds = candles
        .iter()
        .any(|candle| candle.timestamp.micros() % MINUTE != 0);
    for (index, candle) in candles.iter().enumerate() {
        let at = candle.timestamp;
        let before = index.checked_sub(1).map(|before| candles[before].timestamp);
        let begins = before.is_none_or(|before| period.number(before) != period.number(at));
        let is_new =
            |of: CalendarPeriod| before.is_some_and(|before| of.number(before) != of.number(at));
        let new_day = is_new(CalendarPeriod::Micros(DAY));
        // A bar that is not there leaves its period without a tick, rather than a crooked one.
        let is_start = match period {
            CalendarPeriod::Micros(length) => at.micros() % length == 0,
            CalendarPeriod::Week | CalendarPeriod::Months(_) => before.is_some(),
        };
        // A session rarely begins at a full period; its first candle shows the day all the same.
        if begins && (is_start || new_day) {
            let (label, rank) = label(at, period, is_new, with_seconds);
            found.push(TickMarkCandidate {
                candle: index,
                label,
                rank,
            });
        }
    }
    found
}

fn label(
    at: Timestamp,
    period: CalendarPeriod,
    is_new: impl Fn(CalendarPeriod) -> bool,
    with_seconds: bool,
) -> (String, u8) {
    let date = civil(at);
    let by_month = matches!(period, CalendarPeriod::Months(_));
    if is_new(CalendarPeriod::Months(12)) {
        let year = format!("{:04}", date.year());
        let is_coarse = by_month || period == CalendarPeriod::Week;
        let text = if is_coarse {
            year
        } else {
            format!("{} {} {year}", month(at), date.day())
        };
        return (text, RANK_DAY + 2);
    }
    if by_month {
        return (month(at).to_owned(), RANK_DAY + 1);
    }
    let day = || format!("{} {}", month(at), date.day());
    if is_new(CalendarPeriod::Months(1)) {
        return (day(), RANK_DAY + 1);
    }
    let is_midnight = at.micros() % DAY == 0;
    if is_new(CalendarPeriod::Micros(DAY)) || is_midnight || !period.is_within_day() {
        return (day(), RANK_DAY);
    }
    let rank = match at.micros() {
        micros if micros % HOUR == 0 => 2,
        micros if micros % (5 * MINUTE) == 0 => 1,
        _ => 0,
    };
    (clock(at, with_seconds), rank)
}

fn date_and_time(at: Timestamp) -> String {
    let date = civil(at);
    let day = format!("{} {} {:04}", month(at), date.day(), date.year());
    if at.micros() % DAY == 0 {
        return day;
    }
    format!("{day} {}", clock(at, at.micros() % MINUTE != 0))
}

/// The candidates that do not touch one of higher rank, in the order of time.
fn place(mut candidates: Vec<TickMarkCandidate>, room: &Room<'_>) -> Vec<TimeTick> {
    let lowest = candidates.iter().map(|one| one.rank).min().unwrap_or(0);
    // The first is pushed aside by the edge: it gives way to those that stand under their candle.
    candidates.sort_by_key(|one| (std::cmp::Reverse(one.rank), one.candle == 0, one.candle));
    let mut placed: Vec<(TimeTick, f64)> = Vec::new();
    for one in candidates {
        let width = (room.measure)(&one.label);
        let middle = (one.candle as f64 + 0.5) * room.slot;
        let left = (middle - width / 2.0)
            .min(room.width - width)
            .max(-room.before);
        let right = left + width;
        let touches =
            |(other, end): &(TimeTick, f64)| left < end + room.gap && other.left < right + room.gap;
        // In the order of rank: a label that touches a greater one gives way.
        if right > room.width || placed.iter().any(touches) {
            continue;
        }
        let tick = TimeTick {
            candle: one.candle,
            is_major: one.rank >= RANK_DAY && one.rank > lowest,
            label: one.label,
            left,
        };
        placed.push((tick, right));
    }
    let mut ticks: Vec<TimeTick> = placed.into_iter().map(|(tick, _)| tick).collect();
    ticks.sort_by_key(|tick| tick.candle);
    ticks
}

#[cfg(test)]
mod tests {
    use super::super::calendar::SECOND;
    use super::super::tests::minutes;
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text.as_bytes()).unwrap().0
    }

    fn spaced(first: &str, count: i64, step: i64) -> Vec<Candle> {
        let first = at(first);
        let one = |index: i64| Candle {
            timestamp: first.saturating_add_micros(index * step),
            ..minutes(0, 1)[0]
        };
        (0..count).map(one).collect()
    }

    fn labels(candles: &[Candle], slot: f64) -> Vec<(usize, String)> {
        let room = Room {
            slot,
            before: 0.0,
            width: candles.len() as f64 * slot,
            gap: 2.0,
            measure: &|label| label.chars().count() as f64,
        };
        let ticks = ticks(candles, &room);
        let end = |tick: &TimeTick| tick.left + tick.label.chars().count() as f64;
        for pair in ticks.windows(2) {
            assert!(end(&pair[0]) + 2.0 <= pair[1].left, "{pair:?}");
        }
        ticks
            .into_iter()
            .map(|tick| (tick.candle, tick.label))
            .collect()
    }

    fn texts(candles: &[Candle], slot: f64) -> String {
        let labels: Vec<String> = labels(candles, slot)
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        labels.join(" ")
    }

    #[test]
    fn ticks_stand_at_natural_boundaries() {
        let minutes = spaced("2013-09-03T10:23:00Z", 60, MINUTE);
        let expected = [
            (7, "10:30"),
            (17, "10:40"),
            (27, "10:50"),
            (37, "11:00"),
            (47, "11:10"),
            (57, "11:20"),
        ];
        assert_eq!(
            labels(&minutes, 1.0),
            expected.map(|(at, text)| (at, text.to_owned()))
        );
        let seconds = spaced("2013-09-03T10:23:00Z", 40, 5 * SECOND);
        assert_eq!(texts(&seconds, 1.0), "10:24:00 10:25:00 10:26:00");
    }

    #[test]
    fn a_new_day_shows_its_date_even_when_it_begins_late() {
        let mut candles = spaced("2022-05-02T19:00:00Z", 60, MINUTE);
        candles.extend(spaced("2022-05-03T13:31:00Z", 60, MINUTE));
        assert_eq!(
            texts(&candles, 1.0),
            "19:00 19:10 19:20 19:30 19:40 19:50 May 3 13:40 13:50 14:00 14:10 14:20 14:30"
        );
        assert_eq!(labels(&candles, 1.0)[6].0, 60);
    }

    #[test]
    fn days_and_months_have_their_names_and_years_their_number() {
        let days = spaced("2013-12-20T00:00:00Z", 20, DAY);
        assert_eq!(texts(&days, 3.0), "Dec 23 Dec 30 Jan 6");
        let year = spaced("2013-07-03T00:00:00Z", 365, DAY);
        let expected = "Aug Sep Oct Nov Dec 2014 Feb Mar Apr May Jun Jul";
        assert_eq!(texts(&year, 0.3), expected);
    }

    #[test]
    fn one_candle_has_a_label_with_its_date() {
        let one = spaced("2013-09-03T10:23:00Z", 1, MINUTE);
        assert_eq!(texts(&one, 40.0), "10:23");
        let odd = spaced("2013-09-03T10:23:00.5Z", 1, MINUTE);
        assert_eq!(texts(&odd, 40.0), "Sep 3 2013 10:23:00");
    }
}
