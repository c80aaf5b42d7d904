//! The bars of an instrument, put together from everything that is stored of it, by one rule for
//! all who ask: history, coverage and the building of bars.
//!
//! A period is the bar that came in for it, else the bar that was built for it and is not stale,
//! else what its parts make: the periods of the next shorter frequency of which the instrument has
//! bars, each by the same rule, and below the shortest one the ticks. Weeks make no months. So a
//! tick counts only where no shorter bar covers it. Of several sources that a period came in from
//! it is taken from the one with the lowest id.
//!
//! The sources of a period are a list: each is read where those before it left something open,
//! row by row. It must run in one snapshot, or under the lock of the instrument.

mod level;
mod newest;
mod parts;
mod reading;
mod spans;
mod ticks;

pub(crate) use parts::ComposedBar;
pub(crate) use reading::ComposedSources;
pub(crate) use spans::Span;

use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::repository::bar::{self, BarRange};
use crate::repository::bar_series::{self, BuiltSources};
use crate::repository::market_data;
use crate::timestamp::Timestamp;
use level::Level;
use reading::Reading;

/// Periods of the shortest bars that are read at a time, a month of minutes: what is open between
/// them is in memory.
const PERIODS_PER_WINDOW: i64 = 50_000;

/// What the bars of one instrument and frequency are put together from.
#[derive(Debug)]
pub(crate) struct Composition {
    instrument_id: i64,
    frequency: Frequency,
    /// Only bars and ticks of this source.
    source: Option<i64>,
    built: BuiltSources,
    /// The frequencies whose bars are taken, longest first.
    levels: Vec<Level>,
    takes_ticks: bool,
}

/// Bars of a span, and what they were made of.
#[derive(Debug)]
pub(crate) struct Composed {
    /// Oldest first; a period without one has nothing.
    pub(crate) bars: Vec<ComposedBar>,
    pub(crate) sources: ComposedSources,
    /// The end of the last period that was looked at.
    pub(crate) to: i64,
    /// Ticks that were folded.
    pub(crate) ticks_read: usize,
    /// Bars that were taken or folded.
    pub(crate) bars_read: usize,
    /// What it took to read them, in ticks.
    pub(crate) cost: usize,
}

impl Composition {
    /// For an answer. With a source, its bars alone count, and its ticks; of the source of built
    /// bars the bars as they are stored.
    pub(crate) fn of_answer(
        conn: &mut BackendConnection<'_>,
        instrument_id: i64,
        frequency: Frequency,
        source: Option<i64>,
    ) -> Result<Self> {
        let built = BuiltSources::load(conn)?;
        let as_stored = source.is_some_and(|id| built.contains(id));
        let shorter = match as_stored {
            true => Vec::new(),
            false => shorter_levels(conn, instrument_id, frequency)?,
        };
        let series = match built.is_known() {
            true => bar_series::of_instrument(conn, instrument_id)?,
            false => Vec::new(),
        };
        let levels = std::iter::once(frequency).chain(shorter);
        Ok(Self {
            instrument_id,
            frequency,
            source,
            built,
            levels: levels.map(|of| Level::new(of, &series)).collect(),
            takes_ticks: !as_stored,
        })
    }

    /// For the building of bars: what shorter bars and ticks make.
    pub(crate) fn of_parts(
        conn: &mut BackendConnection<'_>,
        instrument_id: i64,
        frequency: Frequency,
    ) -> Result<Self> {
        let mut of = Self::of_answer(conn, instrument_id, frequency, None)?;
        of.levels.remove(0);
        Ok(of)
    }

    /// The sources whose bars are built.
    pub(crate) fn built(&self) -> &BuiltSources {
        &self.built
    }

    /// The bars of a span of whole periods: of all of it, or up to where they took as long as some
    /// `ticks_max` ticks, and one period at least.
    pub(crate) fn bars(
        &self,
        conn: &mut BackendConnection<'_>,
        span: Span,
        ticks_max: usize,
    ) -> Result<Composed> {
        let (mut bars, mut reading) = (Vec::new(), Reading::default());
        let mut to = span.start;
        while to < span.end && (to == span.start || reading.cost() < ticks_max) {
            let rest = Span { start: to, ..span };
            let Some(window) = self.window(conn, rest)? else {
                to = span.end;
                break;
            };
            let limit = ticks_max.saturating_sub(reading.cost());
            to = self.read(conn, window, limit, &mut reading)?;
            let mut read = std::mem::take(&mut reading.parts);
            read.retain(|part| part.period < to);
            parts::join(read, &mut bars);
        }
        Ok(Composed {
            bars,
            to,
            ticks_read: reading.ticks_read,
            bars_read: reading.bars_read,
            cost: reading.cost(),
            sources: reading.into_sources(),
        })
    }

    /// Reads each source where those before it left something open.
    fn read(
        &self,
        conn: &mut BackendConnection<'_>,
        window: Span,
        ticks_max: usize,
        reading: &mut Reading,
    ) -> Result<i64> {
        let mut open = vec![window];
        for level in &self.levels {
            if !open.is_empty() {
                open = self.read_level(conn, level, &open, reading)?;
            }
        }
        if !self.takes_ticks || open.is_empty() {
            return Ok(window.end);
        }
        self.read_ticks(conn, window, &open, ticks_max, reading)
    }

    /// The next periods to read, from the first one on that may have a bar; `None` when none has.
    fn window(&self, conn: &mut BackendConnection<'_>, rest: Span) -> Result<Option<Span>> {
        let length = self.window_length();
        if length.is_none_or(|length| rest.end - rest.start <= length) {
            return Ok(Some(rest));
        }
        let mut first = Vec::new();
        for level in &self.levels {
            let range = rest.bars(self.instrument_id, level.frequency);
            let starts = bar::oldest_starts(conn, &range, 1)?;
            first.extend(starts.first().map(|(start, _)| *start));
        }
        first.extend(market_data::nth_stamp(
            conn,
            &rest.ticks(self.instrument_id),
            0,
        )?);
        let window = first.into_iter().min().map(|first| {
            let (start, end) = self.frequency.period_micros(first.micros());
            let last = start.saturating_add(length.unwrap_or_default());
            let end = self.frequency.period_micros(last).0.max(end);
            let window = Span { start, end };
            window.and(rest)
        });
        Ok(window)
    }

    /// How much is read at a time; `None` for all at once, which is right where nothing shorter
    /// than the answer's own bars lies between.
    fn window_length(&self) -> Option<i64> {
        let finest = self.finest();
        let (start, end) = finest.period_micros(0);
        (finest < self.frequency).then_some(PERIODS_PER_WINDOW * (end - start))
    }

    /// Where a transaction begins that builds the periods before `to`, back to `start`: some
    /// `ticks_max` ticks before it, and one period at least.
    pub(crate) fn begin_before(
        &self,
        conn: &mut BackendConnection<'_>,
        span: Span,
        ticks_max: usize,
    ) -> Result<i64> {
        let beyond =
            market_data::nth_stamp_before(conn, &span.ticks(self.instrument_id), ticks_max)?;
        let last = self.frequency.period_micros(span.end - 1).0;
        let cut = beyond.map(|at| self.frequency.period_micros(at.micros()).1);
        let length = self.window_length();
        let window = length.map(|length| self.frequency.period_micros(span.end - length).1);
        let start = cut.max(window).unwrap_or(span.start);
        Ok(start.clamp(span.start, last.max(span.start)))
    }

    /// The shortest frequency whose bars are taken.
    fn finest(&self) -> Frequency {
        self.levels
            .last()
            .map_or(self.frequency, |level| level.frequency)
    }

    /// The end of the span that holds its newest `count` periods with a bar, or a little more: no
    /// source reaches further back with as many.
    pub(crate) fn newest(
        &self,
        conn: &mut BackendConnection<'_>,
        mut span: Span,
        count: usize,
    ) -> Result<Span> {
        for level in &self.levels {
            let fresh = match self.source {
                None => level.fresh(conn, &[span])?,
                Some(_) => Vec::new(),
            };
            let start = newest::period_start(self.frequency, span, count, |span, limit| {
                self.newest_starts(conn, level, &fresh, span, limit)
            });
            span.start = start?.unwrap_or(span.start);
        }
        if self.takes_ticks {
            let start = newest::period_start(self.frequency, span, count, |span, limit| {
                let (of, source) = (self.instrument_id, self.source);
                market_data::newest_stamps(conn, of, source, span.moments(), limit)
            });
            span.start = start?.unwrap_or(span.start);
        }
        Ok(span)
    }

    /// The newest starts of the bars of a level that an answer may take; none only when there is
    /// none in the span.
    fn newest_starts(
        &self,
        conn: &mut BackendConnection<'_>,
        level: &Level,
        fresh: &[Span],
        span: Span,
        mut limit: usize,
    ) -> Result<Vec<Timestamp>> {
        let range = BarRange {
            data_source_id: self.source,
            ..span.bars(self.instrument_id, level.frequency)
        };
        loop {
            let all = bar::newest_starts(conn, &range, limit)?;
            let counts = |(start, source): &&(Timestamp, i64)| {
                let is_built = self.source.is_none() && self.built.contains(*source);
                !is_built || spans::contains(fresh, *start)
            };
            let starts: Vec<Timestamp> = all.iter().filter(counts).map(|bar| bar.0).collect();
            if !starts.is_empty() || all.len() < limit {
                return Ok(starts);
            }
            limit *= 2; // All of them are stale.
        }
    }

    /// The start of the first bar before a moment that came in, and is shorter than the periods.
    pub(crate) fn first_imported(
        &self,
        conn: &mut BackendConnection<'_>,
        before: Option<Timestamp>,
    ) -> Result<Option<Timestamp>> {
        self.outermost_imported(
            conn,
            |range| BarRange {
                end: before,
                ..range
            },
            bar::oldest_starts,
        )
        .map(|found| found.into_iter().min())
    }

    /// The start of the last bar after a moment that came in, and is shorter than the periods.
    pub(crate) fn last_imported(
        &self,
        conn: &mut BackendConnection<'_>,
        after: Option<Timestamp>,
    ) -> Result<Option<Timestamp>> {
        self.outermost_imported(
            conn,
            |range| BarRange {
                start: after,
                ..range
            },
            bar::newest_starts,
        )
        .map(|found| found.into_iter().max())
    }

    /// The first that came in, in the order in which `read` gives them, of each shorter frequency.
    fn outermost_imported(
        &self,
        conn: &mut BackendConnection<'_>,
        within: impl Fn(BarRange) -> BarRange,
        read: impl Fn(&mut BackendConnection<'_>, &BarRange, usize) -> Result<Vec<(Timestamp, i64)>>,
    ) -> Result<Vec<Timestamp>> {
        let mut found = Vec::new();
        for level in self
            .levels
            .iter()
            .filter(|of| of.frequency < self.frequency)
        {
            let range = within(BarRange::all(self.instrument_id, level.frequency));
            let mut limit = 16;
            loop {
                let all = read(&mut *conn, &range, limit)?;
                let imported = all.iter().find(|(_, source)| !self.built.contains(*source));
                if imported.is_some() || all.len() < limit {
                    found.extend(imported.map(|(start, _)| *start));
                    break;
                }
                limit *= 4; // All of them are built.
            }
        }
        Ok(found)
    }
}

/// The shorter frequencies of which an instrument has bars that make up those of this one, longest
/// first.
fn shorter_levels(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    frequency: Frequency,
) -> Result<Vec<Frequency>> {
    if frequency == Frequency::ALL[0] {
        return Ok(Vec::new());
    }
    let stored = bar::stored_frequencies(conn, instrument_id)?;
    let shorter = stored.into_iter().rev().filter(|of| of.divides(frequency));
    Ok(shorter.collect())
}
