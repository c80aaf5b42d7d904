//! Measures how complete and how plausible a series of bars is: gaps, duplicates, outliers.
//!
//! Owns the measures and their arithmetic: bars are shown to a [`CoverageScan`] in the order of time.
//!
//! The reasons are in docs/decisions/0018.

mod calendar;
mod read;
#[cfg(test)]
mod tests;

pub use calendar::TradingSessions;
pub use read::coverage;

pub use crate::domain::TradingCalendar;

use crate::domain::Frequency;
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// The options of a survey: what to measure, and how much of it to list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurveyOptions {
    /// The length of the periods.
    pub frequency: Frequency,
    /// The calendar of the periods that should have a bar.
    pub calendar: TradingCalendar,
    /// Start of the range; `None` begins with the first bar.
    pub start: Option<Timestamp>,
    /// The moment before which the range ends; `None` ends with the last bar.
    pub end: Option<Timestamp>,
    /// The multiple of the usual deviation at which a change of the close is an outlier: see
    /// [`Outlier::score`].
    pub outlier_score: f64,
    /// The most gaps, and the most outliers, that are listed; all are counted.
    pub listed_max: usize,
    /// The most missing periods that are listed one by one: the oldest.
    pub periods_listed_max: usize,
}

impl SurveyOptions {
    /// The score from which a change is an outlier, unless another is given. Iglewicz and Hoaglin
    /// advise 3.5 for values that are normally distributed; changes of prices have far heavier
    /// tails, and 3.5 marks several in a hundred of them.
    pub const OUTLIER_SCORE: f64 = 20.0;
    /// Gaps and outliers that are listed, unless another number is given.
    pub const LISTED_MAX: usize = 100;

    /// Everything of a frequency, with the usual limits.
    #[must_use]
    pub fn new(frequency: Frequency, calendar: TradingCalendar) -> Self {
        Self {
            frequency,
            calendar,
            start: None,
            end: None,
            outlier_score: Self::OUTLIER_SCORE,
            listed_max: Self::LISTED_MAX,
            periods_listed_max: 0,
        }
    }

    /// # Errors
    /// [`Error::Invalid`] for a score that is not a positive number, or a start that is not before
    /// the end.
    pub fn check(&self) -> Result<()> {
        if !(self.outlier_score.is_finite() && self.outlier_score > 0.0) {
            let reason = format!("{} is not a positive number", self.outlier_score);
            return Err(Error::invalid(
                "outlier_score",
                reason,
                "give one such as 20",
            ));
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start >= end
        {
            let reason = format!("{start} is not before the end {end}");
            return Err(Error::invalid(
                "start",
                reason,
                "give a start before the end",
            ));
        }
        Ok(())
    }
}

/// Periods without a bar that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Start of the first one.
    pub start: Timestamp,
    /// Their end: the start of the next bar, or the end of the range.
    pub end: Timestamp,
    /// The number of them that should have a bar.
    pub missing: u64,
}

/// A bar whose close lies far from the one before it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Outlier {
    /// Start of the bar's period.
    pub timestamp: Timestamp,
    /// Its close.
    pub close: f64,
    /// The close before it.
    pub previous_close: f64,
    /// The modified z-score of the change: 0.6745 (x - median) / MAD over all changes from close
    /// to close, where MAD is the median of the absolute deviations from the median; where that is
    /// 0, (x - median) / (1.2533 mean absolute deviation). Source: B. Iglewicz and D. Hoaglin,
    /// How to Detect and Handle Outliers, ASQC 1993.
    pub score: f64,
}

/// The result of a survey.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Coverage {
    /// Start of the first bar; `None` without a bar.
    pub first: Option<Timestamp>,
    /// Start of the last bar.
    pub last: Option<Timestamp>,
    /// Periods of the range that should have a bar by the calendar.
    pub expected: u64,
    /// Bars that are there.
    pub present: u64,
    /// Bars in periods that need none, such as a Sunday evening's.
    pub unexpected: u64,
    /// Expected periods without a bar.
    pub missing: u64,
    /// The number of runs of missing periods.
    pub gap_count: u64,
    /// The longest of them, in the order of time.
    pub gaps: Vec<Gap>,
    /// The starts of missing periods, the oldest first: so many as
    /// [`SurveyOptions::periods_listed_max`] lets in.
    pub missing_periods: Vec<Timestamp>,
    /// Periods of which more than one bar came in: from several sources, of which that of the lowest
    /// id is read, or at several moments of the period. Set by [`coverage`]: bars that are shown to a [`CoverageScan`] come once a period.
    pub duplicates: u64,
    /// The number of changes that are outliers.
    pub outlier_count: u64,
    /// The outliers with the greatest scores, in the order of time.
    pub outliers: Vec<Outlier>,
    /// The first and the last year of which the calendar knows the holidays, when the bars go beyond
    /// them: there every weekday is expected.
    pub holidays_known: Option<(i16, i16)>,
}

impl Coverage {
    /// The share of the expected periods that have a bar, 0 to 100; `None` when none is expected.
    #[must_use]
    pub fn completeness_percent(&self) -> Option<f64> {
        let present = self.expected - self.missing;
        (self.expected > 0).then(|| present as f64 / self.expected as f64 * 100.0)
    }
}

/// A change from one close to the next.
struct CloseChange {
    timestamp: Timestamp,
    close: f64,
    previous_close: f64,
}

impl CloseChange {
    fn value(&self) -> f64 {
        self.close - self.previous_close
    }
}

/// Looks at the bars of a range in the order of time.
pub struct CoverageScan {
    options: SurveyOptions,
    sessions: TradingSessions,
    first: Option<Timestamp>,
    last: Option<(Timestamp, f64)>,
    present: u64,
    unexpected: u64,
    gaps: Vec<Gap>,
    missing_periods: Vec<Timestamp>,
    changes: Vec<CloseChange>,
}

impl CoverageScan {
    /// # Errors
    /// Those of [`SurveyOptions::check`] and of [`TradingSessions::of`].
    pub fn new(options: SurveyOptions) -> Result<Self> {
        options.check()?;
        Ok(Self {
            sessions: TradingSessions::of(options.calendar)?,
            options,
            first: None,
            last: None,
            present: 0,
            unexpected: 0,
            gaps: Vec::new(),
            missing_periods: Vec::new(),
            changes: Vec::new(),
        })
    }

    /// Takes the next bar: the start of its period, or any moment of it by which its source names
    /// it, and its close. Bars come in the order of time, one for a period; one that does not is
    /// passed over.
    pub fn add(&mut self, start: Timestamp, close: f64) {
        let frequency = self.options.frequency;
        // By the period and not by the stamp: some sources name a daily bar by the exchange's open.
        let period = frequency.period_start(start);
        match self.last {
            Some((last, _)) if period <= frequency.period_start(last) => return,
            Some((last, previous_close)) => {
                self.gap(frequency.period_end(last), period);
                self.changes.push(CloseChange {
                    timestamp: start,
                    close,
                    previous_close,
                });
            }
            None => {
                self.first = Some(start);
                if let Some(begin) = self.options.start {
                    self.gap(begin, period);
                }
            }
        }
        self.present += 1;
        self.unexpected += u64::from(!self.sessions.is_open(frequency, period));
        self.last = Some((start, close));
    }

    /// Ends the scan and returns its result.
    #[must_use]
    pub fn finish(mut self) -> Coverage {
        let frequency = self.options.frequency;
        let seen_to = self.last.map(|(last, _)| frequency.period_end(last));
        if let (Some(from), Some(end)) = (seen_to.or(self.options.start), self.options.end) {
            self.gap(from, end);
        }
        let missing = self.gaps.iter().map(|gap| gap.missing).sum();
        let gap_count = self.gaps.len() as u64;
        let (outlier_count, outliers) = outliers(&self.changes, &self.options);
        let ends = [self.first, self.last.map(|(last, _)| last)];
        let is_left = |(first, last): &(i16, i16)| {
            let mut years = ends.iter().flatten().map(|at| calendar::year(*at));
            years.any(|year| !(*first..=*last).contains(&year))
        };
        Coverage {
            first: self.first,
            last: self.last.map(|(last, _)| last),
            expected: self.present - self.unexpected + missing,
            present: self.present,
            unexpected: self.unexpected,
            missing,
            gap_count,
            gaps: greatest(
                self.gaps,
                self.options.listed_max,
                |gap| gap.missing as f64,
                |gap| gap.start,
            ),
            missing_periods: self.missing_periods,
            duplicates: 0,
            outlier_count,
            outliers,
            holidays_known: self.sessions.holidays_known().filter(is_left),
        }
    }

    fn gap(&mut self, from: Timestamp, to: Timestamp) {
        let Self {
            options, sessions, ..
        } = self;
        let left = options.periods_listed_max - self.missing_periods.len();
        if left > 0 {
            let all = options.frequency.period_starts(from, to);
            let open = all.filter(|start| sessions.is_open(options.frequency, *start));
            self.missing_periods.extend(open.take(left));
        }
        let missing = sessions.periods(options.frequency, from, to);
        let first = options.frequency.period_starts(from, to).next();
        if let (1.., Some(start)) = (missing, first) {
            let end = to;
            self.gaps.push(Gap {
                start,
                end,
                missing,
            });
        }
    }
}

/// The greatest of some, in the order of time.
fn greatest<T>(
    mut all: Vec<T>,
    most: usize,
    size: impl Fn(&T) -> f64,
    start: impl Fn(&T) -> Timestamp,
) -> Vec<T> {
    all.sort_by(|a, b| size(b).total_cmp(&size(a)));
    // The greatest are kept by size, then shown by time.
    all.truncate(most);
    all.sort_by_key(start);
    all
}

/// Counts the changes that are outliers, and returns the greatest of them.
fn outliers(changes: &[CloseChange], options: &SurveyOptions) -> (u64, Vec<Outlier>) {
    let mut values: Vec<f64> = changes.iter().map(CloseChange::value).collect();
    let Some(middle) = median(&mut values) else {
        return (0, Vec::new());
    };
    let deviations = changes.iter().map(|change| (change.value() - middle).abs());
    let mut deviations: Vec<f64> = deviations.collect();
    let mean = deviations.iter().sum::<f64>() / deviations.len() as f64;
    let unit = match median(&mut deviations) {
        // The modified z-score of Iglewicz and Hoaglin (1993): the median of deviations is not
        // moved by the outliers that it measures. Where more than half of the changes are equal it
        // is 0, and the mean deviation takes its place.
        Some(mad) if mad > 0.0 => mad / 0.6745,
        _ => 1.253_314 * mean,
    };
    if unit == 0.0 || !unit.is_finite() {
        return (0, Vec::new()); // Every change is the same.
    }
    let scored = changes.iter().map(|change| Outlier {
        timestamp: change.timestamp,
        close: change.close,
        previous_close: change.previous_close,
        score: (change.value() - middle) / unit,
    });
    let found: Vec<Outlier> = scored
        .filter(|outlier| outlier.score.abs() >= options.outlier_score)
        .collect();
    let size = |outlier: &Outlier| outlier.score.abs();
    let count = found.len() as u64;
    (
        count,
        greatest(found, options.listed_max, size, |outlier| outlier.timestamp),
    )
}

/// The median; of an even number of values the mean of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    let upper = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let is_even = values.len().is_multiple_of(2);
    let (below, middle, _) = values.select_nth_unstable_by(upper, f64::total_cmp);
    let middle = *middle;
    if !is_even {
        return Some(middle);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(f64::midpoint(lower, middle))
}
