//! The stored bars of one frequency, as parts of the periods of an answer: of each of their
//! periods the best one, and what they leave open for shorter bars and for ticks.

use super::Composition;
use super::parts::{Moments, PeriodPart};
use super::reading::Reading;
use super::spans::{SpanCursor, TimeSpan, bridged, without};
use crate::database::BackendConnection;
use crate::domain::{BarAggregator, Frequency, PeriodBar};
use crate::error::Result;
use crate::models::BarSeries;
use crate::repository::bar::{self, ScannedBar};
use crate::repository::bar_series;
use crate::timestamp::Timestamp;

/// Open spans between which bars of so many periods lie, or fewer, are read as one: more rows, and
/// fewer statements.
const BRIDGED_PERIODS_MAX: i64 = 64;

/// A frequency whose bars make up those of the answer, or are those of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrequencyLevel {
    pub(super) frequency: Frequency,
    /// What is built of it.
    pub(super) series: Option<BarSeries>,
}

impl FrequencyLevel {
    pub(super) fn new(frequency: Frequency, series: &[BarSeries]) -> Self {
        let series = series.iter().find(|series| series.frequency == frequency);
        Self {
            frequency,
            series: series.copied(),
        }
    }

    /// The spans in which the built bars hold: in these a period without one is empty.
    fn fresh(
        &self,
        conn: &mut BackendConnection<'_>,
        within: &[TimeSpan],
    ) -> Result<Vec<TimeSpan>> {
        let Some(series) = self.series else {
            return Ok(Vec::new());
        };
        let built = TimeSpan::between(series.built_from, series.built_to);
        let within = within.iter().map(|span| span.and(built));
        let within: Vec<TimeSpan> = within.filter(|span| !span.is_empty()).collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else {
            return Ok(within);
        };
        let whole = TimeSpan {
            start: first.start,
            end: last.end,
        };
        let (start, last) = whole.moments();
        let end = last.saturating_add_micros(1);
        let stale = bar_series::stale_between(conn, series.key(), start, end, usize::MAX)?;
        let period = |at: &Timestamp| TimeSpan::of_period(self.frequency, at.micros());
        let stale = stale.iter().map(period);
        Ok(without(&within, &stale.collect::<Vec<TimeSpan>>()))
    }
}

impl Composition {
    /// The spans of `within` in which the built bars of a level hold, if any are taken.
    pub(super) fn fresh(
        &self,
        conn: &mut BackendConnection<'_>,
        level: &FrequencyLevel,
        within: &[TimeSpan],
    ) -> Result<Vec<TimeSpan>> {
        match self.source {
            None => level.fresh(conn, within),
            Some(_) => Ok(Vec::new()),
        }
    }

    /// Reads the bars of a level in the open spans; returns what is open after them.
    pub(super) fn read_level(
        &self,
        conn: &mut BackendConnection<'_>,
        level: &FrequencyLevel,
        open: &[TimeSpan],
        reading: &mut Reading,
    ) -> Result<Vec<TimeSpan>> {
        let fresh = self.fresh(conn, level, open)?;
        let (start, end) = level.frequency.period_micros(0);
        let mut pass = LevelPass {
            composition: self,
            frequency: level.frequency,
            open: SpanCursor::new(open),
            fresh: SpanCursor::new(&fresh),
            period: TimeSpan {
                start: 0,
                end: i64::MIN,
            },
            is_open: false,
            held: Vec::new(),
            best: i64::MAX,
            fold: BarAggregator::new(self.frequency),
            moments: Moments::default(),
            settled: Vec::new(),
            reading,
        };
        for span in bridged(open.to_vec(), BRIDGED_PERIODS_MAX * (end - start)) {
            let range = self.range_of(level, span);
            bar::scan(conn, &range, |row| {
                pass.add(row);
                Ok(())
            })?;
        }
        let settled = pass.finish();
        // A period that is built and fresh is closed even without a bar: it is known to be empty.
        Ok(without(&without(open, &settled), &fresh))
    }
}

/// One pass over the bars of a level, which come in order of time.
struct LevelPass<'a> {
    composition: &'a Composition,
    frequency: Frequency,
    open: SpanCursor<'a>,
    fresh: SpanCursor<'a>,
    /// The period of the last row, and whether it lies in an open span.
    period: TimeSpan,
    is_open: bool,
    /// The bars of that period, as far as they are those of the best source.
    held: Vec<ScannedBar>,
    /// Their precedence.
    best: i64,
    fold: BarAggregator,
    moments: Moments,
    /// The periods that have a bar.
    settled: Vec<TimeSpan>,
    reading: &'a mut Reading,
}

impl LevelPass<'_> {
    fn add(&mut self, row: ScannedBar) {
        let at = row.timestamp.micros();
        if at >= self.period.end {
            self.settle();
            self.period = TimeSpan::of_period(self.frequency, at);
            self.is_open = self.open.contains(self.period.start);
        }
        if !self.is_open {
            return;
        }
        let Some(precedence) = self.precedence(&row) else {
            return;
        };
        if precedence < self.best {
            self.held.clear();
            self.best = precedence;
        }
        // One source per period: bars of two sources would count its volume twice.
        if precedence == self.best || self.held.is_empty() {
            self.best = precedence;
            self.held.push(row);
        }
    }

    /// Which of the bars of a period is taken, least first: what came in, by its source, then what
    /// was built; `None` for one that is not taken.
    fn precedence(&mut self, row: &ScannedBar) -> Option<i64> {
        let is_built = self.composition.is_built(row.data_source_id)?;
        if !is_built {
            return Some(row.data_source_id);
        }
        let is_fresh = self.fresh.contains(self.period.start);
        is_fresh.then_some(i64::MAX)
    }

    /// The period of the last row is over.
    fn settle(&mut self) {
        if self.held.is_empty() {
            return;
        }
        match self.settled.last_mut() {
            Some(last) if last.end == self.period.start => last.end = self.period.end,
            _ => self.settled.push(self.period),
        }
        self.reading.bars_read += self.held.len();
        let is_whole = self.frequency == self.composition.frequency;
        let mut held = std::mem::take(&mut self.held);
        for row in held.drain(..) {
            let (source, at) = (row.data_source_id, row.timestamp.micros());
            let says_interest = row.open_interest.is_some();
            self.reading.note_source(source, at);
            if is_whole {
                self.moments.add_bar(at, says_interest);
                self.push(PeriodBar::from(row), Some(source));
                continue;
            }
            if let Some(done) = self.fold.add(PeriodBar::from(row)) {
                self.push(done, None);
            }
            self.moments.add_bar(at, says_interest);
        }
        self.held = held; // Its memory is used again.
    }

    fn push(&mut self, bar: PeriodBar, stored: Option<i64>) {
        let moments = std::mem::take(&mut self.moments);
        let first = moments.first.unwrap_or_default();
        self.reading.parts.push(PeriodPart {
            period: self.composition.frequency.period_micros(first).0,
            moments,
            stored,
            bar,
        });
    }

    /// The periods that have a bar.
    fn finish(mut self) -> Vec<TimeSpan> {
        self.settle();
        if let Some(done) = self.fold.finish() {
            self.push(done, None);
        }
        self.settled
    }
}
