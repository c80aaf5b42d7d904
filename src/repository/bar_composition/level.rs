//! The stored bars of one frequency, as parts of the periods of an answer: of each of their
//! periods the best one, and what they leave open for shorter bars and for ticks.

use std::cmp::Ordering;

use super::Composition;
use super::composed::{self, Composed, ComposedBar};
use super::spans::{SpanCursor, TimeSpan, bridged, without};
use crate::database::BackendConnection;
use crate::domain::{Frequency, PeriodBar};
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
    /// What is built of it; `None` where no built bar is taken.
    pub(super) series: Option<BarSeries>,
}

impl FrequencyLevel {
    /// The spans in which the built bars hold: in these a period without one is empty.
    pub(super) fn fresh(
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
    /// Reads the bars of a level in the open spans; returns what is open after them.
    pub(super) fn read_level(
        &self,
        conn: &mut BackendConnection<'_>,
        level: &FrequencyLevel,
        open: &[TimeSpan],
        composed: &mut Composed,
    ) -> Result<Vec<TimeSpan>> {
        let fresh = level.fresh(conn, open)?;
        let (start, end) = level.frequency.period_micros(0);
        let none_yet = TimeSpan {
            start: 0,
            end: i64::MIN,
        };
        let mut pass = LevelPass {
            composition: self,
            frequency: level.frequency,
            open: SpanCursor::new(open),
            fresh: SpanCursor::new(&fresh),
            period: none_yet,
            is_open: false,
            best: Vec::new(),
            precedence: i64::MAX,
            whole: none_yet,
            settled: Vec::new(),
            parts: Vec::new(),
        };
        for span in bridged(open.to_vec(), BRIDGED_PERIODS_MAX * (end - start)) {
            let range = self.range_of(level, span);
            bar::scan(conn, &range, |row| {
                pass.add(row, composed);
                Ok(())
            })?;
        }
        pass.settle(composed);
        composed.parts.append(&mut pass.parts);
        // A period that is built and fresh is closed even without a bar: it is known to be empty.
        Ok(without(&without(open, &pass.settled), &fresh))
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
    /// The bars of that period, as far as they are those of the best source, and their precedence.
    best: Vec<ScannedBar>,
    precedence: i64,
    /// The period of the answer that the last one with a bar is a part of.
    whole: TimeSpan,
    /// The periods that have a bar.
    settled: Vec<TimeSpan>,
    parts: Vec<ComposedBar>,
}

impl LevelPass<'_> {
    fn add(&mut self, row: ScannedBar, composed: &mut Composed) {
        let at = row.timestamp.micros();
        if at >= self.period.end {
            self.settle(composed);
            self.period = TimeSpan::of_period(self.frequency, at);
            self.is_open = self.open.contains(self.period.start);
        }
        if !self.is_open {
            return;
        }
        let Some(precedence) = self.precedence(&row) else {
            return;
        };
        // One source per period: bars of two sources would count its volume twice.
        match precedence.cmp(&self.precedence) {
            Ordering::Less => self.best.clear(),
            Ordering::Equal => {}
            Ordering::Greater => return,
        }
        self.precedence = precedence;
        self.best.push(row);
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
    fn settle(&mut self, composed: &mut Composed) {
        let Some(newest) = self.best.last() else {
            return;
        };
        let (source, last) = (newest.data_source_id, newest.timestamp.micros());
        match self.settled.last_mut() {
            Some(last) if last.end == self.period.start => last.end = self.period.end,
            _ => self.settled.push(self.period),
        }
        if last >= self.whole.end {
            self.whole = TimeSpan::of_period(self.composition.frequency, last);
        }
        self.precedence = i64::MAX;
        composed.bars_read += self.best.len();
        composed.note_source(Some(source), last);
        let is_whole = self.frequency == self.composition.frequency;
        for row in self.best.drain(..) {
            let at = row.timestamp.micros();
            let mut part = ComposedBar {
                period: self.whole.start,
                first: at,
                last: at,
                interest: row.open_interest.map(|_| at),
                stored: is_whole.then_some(source),
                bar: PeriodBar::from(row),
            };
            if !is_whole {
                part.bar.timestamp = Timestamp::from_micros_clamped(self.whole.start);
            }
            composed::add(&mut self.parts, part);
        }
    }
}
