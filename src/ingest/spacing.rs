//! The periods of a file's bars: which period a stamp names, and which frequency the stamps of a
//! file are spaced by.

use super::options::BarStamps;
use crate::domain::{DAY_MICROS, Frequency};
use crate::error::Error;
use crate::timestamp::{Timestamp, WrittenStamp};

/// The start of the period that a bar's stamp names; `None` when it names none.
///
/// Days, weeks and months are those of the calendar where the stamp was written: a stamp at
/// midnight there is its date, whatever its offset.
pub(super) fn start_of(
    frequency: Frequency,
    stamp: &WrittenStamp,
    named_by: BarStamps,
) -> Option<Timestamp> {
    let is_date = stamp.local_micros.rem_euclid(DAY_MICROS) == 0;
    let micros = if frequency >= Frequency::OneDay && is_date {
        stamp.local_micros
    } else {
        stamp.at.micros()
    };
    let start = match named_by {
        BarStamps::Start => {
            let (start, _) = frequency.period_micros(micros);
            (start == micros).then_some(start)
        }
        BarStamps::End => {
            let (start, end) = frequency.period_micros(micros - 1);
            // A week or a month may be named by the last day that it has, or had trades on.
            let by_day = frequency >= Frequency::OneWeek && is_date;
            (end == micros || by_day).then_some(start)
        }
    }?;
    Timestamp::from_micros(start).ok()
}

/// A moment may be written by its source as the last one of a period, at its own precision.
const LAST_MOMENT_MICROS: i64 = 1_000_000;

/// The start of the period of a bar that names both of its ends. The first of them may be the
/// moment of the first trade; `None` when the second is no end of a period, or is not after it.
pub(super) fn start_by_end(
    frequency: Frequency,
    first: Timestamp,
    end: Timestamp,
) -> Option<Timestamp> {
    let (start, next) = frequency.period_micros(end.micros() - 1);
    let ends = next - end.micros() <= LAST_MOMENT_MICROS;
    (ends && (start..next).contains(&first.micros()))
        .then(|| Timestamp::from_micros(start).ok())
        .flatten()
}

/// Why a stamp names no period.
#[cold]
pub(super) fn no_period(frequency: Frequency, at: Timestamp, named_by: BarStamps) -> Error {
    let starts = match frequency {
        Frequency::OneWeek => ", which starts on Monday",
        Frequency::OneMonth => ", which starts on the first",
        Frequency::OneDay => ", which starts at midnight",
        _ => "",
    };
    let (side, remedy) = match named_by {
        BarStamps::Start => (
            "start",
            "name the right --frequency or --timezone, or --stamps-are end for bars that are \
             named by their end",
        ),
        BarStamps::End => (
            "end",
            "name the right --frequency or --timezone, or leave out --stamps-are end",
        ),
    };
    Error::invalid(
        "timestamp",
        format!("{at} is not the {side} of a period of {frequency}{starts}"),
        remedy,
    )
}

/// The distances between the stamps of a file's bars, over all of its series.
#[derive(Debug, Clone, Default)]
pub(super) struct Spacing {
    gaps: u64,
    least: Option<i64>,
    /// For each frequency, the pairs of rows that are neighbouring periods of it.
    neighbours: [u64; Frequency::ALL.len()],
    /// For each frequency, the stamps that name no period of it.
    strays: [u64; Frequency::ALL.len()],
    /// The frequency by rows that name both ends of their periods; none within when they differ.
    by_ends: Option<Option<Frequency>>,
}

impl Spacing {
    /// Adds a row's stamp, with the stamp of the row before in its series.
    pub(super) fn add(
        &mut self,
        before: Option<&WrittenStamp>,
        stamp: &WrittenStamp,
        named_by: BarStamps,
    ) {
        let gap = before.map(|before| (stamp.at.micros() - before.at.micros()).abs());
        let gap = gap.filter(|gap| *gap > 0);
        if let Some(gap) = gap {
            self.gaps += 1;
            self.least = Some(self.least.map_or(gap, |least| least.min(gap)));
        }
        for (index, frequency) in Frequency::ALL.into_iter().enumerate() {
            let Some(start) = start_of(frequency, stamp, named_by) else {
                self.strays[index] += 1;
                continue;
            };
            let other = before.and_then(|before| start_of(frequency, before, named_by));
            let (Some(other), true) = (other, gap.is_some()) else {
                continue;
            };
            let (first, second) = (start.min(other), start.max(other));
            let next = frequency.period_micros(first.micros()).1;
            self.neighbours[index] += u64::from(next == second.micros());
        }
    }

    /// Adds the two ends that a row names. Its frequency is the one whose period starts nearest
    /// before the first.
    pub(super) fn add_ends(&mut self, first: Timestamp, end: Timestamp) {
        let all = Frequency::ALL.into_iter();
        let named = all
            .filter_map(|of| start_by_end(of, first, end).map(|start| (start, of)))
            .max_by_key(|(start, _)| *start)
            .map(|(_, of)| of);
        let same = self.by_ends.is_none_or(|before| before == named);
        self.by_ends = Some(named.filter(|_| same));
    }

    /// The frequency that the rows name by their ends, or by which they are spaced, if they are evenly. Gaps are allowed: of days,
    /// weeks and months a single pair of neighbours tells; of shorter periods half of the pairs
    /// must be neighbours.
    pub(super) fn frequency(&self) -> Option<Frequency> {
        if let Some(Some(named)) = self.by_ends {
            return Some(named);
        }
        // An hour that the clocks skip leaves 23 hours between two days.
        const HOUR_MICROS: i64 = DAY_MICROS / 24;
        let fits = |index: usize, frequency: Frequency| {
            let of_days = frequency >= Frequency::OneDay;
            let length = frequency.length_micros().unwrap_or(28 * DAY_MICROS);
            let slack = if of_days { HOUR_MICROS } else { 0 };
            let needed = if of_days {
                1
            } else {
                self.gaps.div_ceil(2).max(1)
            };
            self.strays[index] == 0
                && self.neighbours[index] >= needed
                && self.least.is_some_and(|least| least >= length - slack)
        };
        // From the longest: daily stamps are also stamps of minutes.
        let mut all = Frequency::ALL.into_iter().enumerate().rev();
        all.find(|(index, frequency)| fits(*index, *frequency))
            .map(|(_, frequency)| frequency)
    }

    /// Why the rows are not bars of this frequency, if their spacing says so.
    pub(super) fn objection(&self, frequency: Frequency) -> Option<String> {
        let spaced = self.frequency()?;
        let index = Frequency::ALL
            .into_iter()
            .position(|other| other == spaced)?;
        let neighbours = self.neighbours[index];
        // An instrument that seldom trades has few bars, and gaps of any length between them.
        let sparse = neighbours < 3 || neighbours * 10 < self.gaps * 9;
        let days = spaced >= Frequency::OneDay && frequency < Frequency::OneDay;
        if spaced == frequency || (spaced > frequency && sparse && !days) {
            return None;
        }
        Some(format!(
            "its rows are {spaced} apart, so they are not bars of {frequency}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::StampReader;

    fn stamps(texts: &[&str]) -> Vec<WrittenStamp> {
        let mut reader = StampReader::default();
        texts
            .iter()
            .map(|text| reader.read(text.as_bytes()).unwrap())
            .collect()
    }

    fn spacing(texts: &[&str], named_by: BarStamps) -> Spacing {
        let mut spacing = Spacing::default();
        let mut before = None;
        for stamp in stamps(texts) {
            spacing.add(before.as_ref(), &stamp, named_by);
            before = Some(stamp);
        }
        spacing
    }

    #[test]
    fn a_date_is_that_of_its_own_calendar() {
        let start = |frequency, text: &str| {
            let start = start_of(frequency, &stamps(&[text])[0], BarStamps::Start);
            start.map(|start| start.to_string().chars().take(16).collect::<String>())
        };
        let tokyo = "2024-01-05 00:00:00+09:00";
        assert_eq!(start(Frequency::OneDay, tokyo).unwrap(), "2024-01-05T00:00");
        assert_eq!(
            start(Frequency::OneHour, tokyo).unwrap(),
            "2024-01-04T15:00"
        );
        assert_eq!(
            start(Frequency::OneMonth, "2024-02-01 00:00:00-05:00").unwrap(),
            "2024-02-01T00:00"
        );
        assert_eq!(start(Frequency::OneWeek, "2024-01-05"), None, "a Friday");
        assert_eq!(start(Frequency::OneDay, "2024-01-05 16:00:00"), None);
        assert_eq!(start(Frequency::OneMinute, "2024-01-05 16:00:01"), None);
    }

    #[test]
    fn rows_that_name_both_ends_tell_their_frequency() {
        let frequency = |rows: &[[&str; 2]]| {
            let mut spacing = Spacing::default();
            for row in rows {
                let ends = stamps(row);
                spacing.add_ends(ends[0].at, ends[1].at);
            }
            spacing.frequency()
        };
        let first = ["2024-01-02 10:23:00.074", "2024-01-02 10:23:59.999"];
        assert_eq!(frequency(&[first]), Some(Frequency::OneMinute));
        let next = ["2024-01-02 10:24", "2024-01-02 10:24:59.999"];
        assert_eq!(frequency(&[first, next]), Some(Frequency::OneMinute));
        let hour = ["2024-01-02 10:00", "2024-01-02 11:00"];
        assert_eq!(frequency(&[hour]), Some(Frequency::OneHour));
        assert_eq!(frequency(&[first, hour]), None);
        let session = ["2024-01-02 14:30", "2024-01-02 21:30"];
        assert_eq!(frequency(&[session]), None);
    }

    #[test]
    fn bars_may_be_named_by_their_end() {
        let start = |frequency, text: &str| {
            let start = start_of(frequency, &stamps(&[text])[0], BarStamps::End);
            start.map(|start| start.to_string().chars().take(16).collect::<String>())
        };
        assert_eq!(
            start(Frequency::OneMinute, "2024-01-02 14:31").unwrap(),
            "2024-01-02T14:30"
        );
        assert_eq!(start(Frequency::OneHour, "2024-01-02 14:31"), None);
        assert_eq!(
            start(Frequency::OneDay, "2024-01-03").unwrap(),
            "2024-01-02T00:00"
        );
        for day in ["2024-01-05", "2024-01-07", "2024-01-08"] {
            assert_eq!(
                start(Frequency::OneWeek, day).unwrap(),
                "2024-01-01T00:00",
                "{day}"
            );
        }
        assert_eq!(
            start(Frequency::OneMonth, "2024-01-31").unwrap(),
            "2024-01-01T00:00"
        );
    }

    #[test]
    fn even_rows_tell_their_frequency_and_gaps_do_not_hide_it() {
        for (rows, frequency) in [
            (&["2024-05-13", "2024-05-14"][..], Some(Frequency::OneDay)),
            (
                &[
                    "2024-01-04",
                    "2024-01-05",
                    "2024-01-09",
                    "2024-02-01",
                    "2024-02-05",
                ],
                Some(Frequency::OneDay),
            ),
            (
                &["2024-01-05", "2024-01-04", "2024-01-02"],
                Some(Frequency::OneDay),
            ),
            (
                &["2024-01-01", "2024-01-08", "2024-01-22"],
                Some(Frequency::OneWeek),
            ),
            (
                &["2024-01-01", "2024-02-01", "2024-03-01", "2024-05-01"],
                Some(Frequency::OneMonth),
            ),
            (
                &[
                    "2024-01-02 10:00",
                    "2024-01-02 10:05",
                    "2024-01-02 10:10",
                    "2024-01-03 10:00",
                ],
                Some(Frequency::FiveMinutes),
            ),
            (&["2024-01-02 10:00", "2024-01-02 14:00"], None),
            (
                &["2024-01-02 10:00", "2024-01-02 10:07", "2024-01-02 10:31"],
                None,
            ),
            (&["2024-01-02"], None),
            (&["2024-01-02", "2024-01-02"], None),
            (&[], None),
        ] {
            assert_eq!(
                spacing(rows, BarStamps::Start).frequency(),
                frequency,
                "{rows:?}"
            );
        }
        let ends = ["2024-01-31", "2024-02-29", "2024-03-31"];
        assert_eq!(
            spacing(&ends, BarStamps::End).frequency(),
            Some(Frequency::OneMonth)
        );
    }

    #[test]
    fn rows_that_are_spaced_otherwise_than_was_said_are_refused() {
        let minutes = ["2024-01-02 10:00", "2024-01-02 10:01", "2024-01-02 10:02"];
        let minutes = spacing(&minutes, BarStamps::Start);
        assert!(
            minutes
                .objection(Frequency::OneHour)
                .unwrap()
                .contains("1min apart")
        );
        assert_eq!(minutes.objection(Frequency::OneMinute), None);
        let days = spacing(&["2024-05-13", "2024-05-14"], BarStamps::Start);
        assert!(
            days.objection(Frequency::OneMinute)
                .unwrap()
                .contains("1d apart")
        );
        assert!(days.objection(Frequency::OneWeek).is_some());
        let seldom = spacing(&["2024-01-02 10:00", "2024-01-02 10:05"], BarStamps::Start);
        assert_eq!(seldom.objection(Frequency::OneMinute), None, "few trades");
    }
}
