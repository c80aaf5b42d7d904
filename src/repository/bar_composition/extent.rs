//! From when to when there is something that bars can be built of, and where a transaction begins
//! that builds them backwards.

use super::Composition;
use super::spans::TimeSpan;
use crate::database::BackendConnection;
use crate::domain::BarPrice;
use crate::error::Result;
use crate::repository::bar::{self, BarRange};
use crate::repository::market_data;
use crate::timestamp::Timestamp;

/// Bars of the first look for one that came in; each further one takes four times as many.
const BARS_FIRST: usize = 16;

type Starts = Vec<(Timestamp, i64)>;

impl Composition {
    /// The moment of the first tick, or of the first bar that came in, that built bars can be made
    /// of.
    pub(crate) fn first_moment(
        &self,
        conn: &mut BackendConnection<'_>,
    ) -> Result<Option<Timestamp>> {
        let tick = market_data::first_stamp(conn, self.prices())?;
        let bars =
            self.outermost_imported(conn, bar::oldest_starts, |of| BarRange { end: tick, ..of })?;
        Ok(tick.into_iter().chain(bars).min())
    }

    /// The start of the last bar that came in, not before a moment.
    pub(crate) fn last_imported(
        &self,
        conn: &mut BackendConnection<'_>,
        from: Option<Timestamp>,
    ) -> Result<Option<Timestamp>> {
        let bars = self.outermost_imported(conn, bar::newest_starts, |of| BarRange {
            start: from,
            ..of
        })?;
        Ok(bars.into_iter().max())
    }

    /// The start of the first bar that came in, in the order in which they are read, of each
    /// frequency.
    fn outermost_imported(
        &self,
        conn: &mut BackendConnection<'_>,
        read: impl Fn(&mut BackendConnection<'_>, &BarRange, usize) -> Result<Starts>,
        within: impl Fn(BarRange) -> BarRange,
    ) -> Result<Vec<Timestamp>> {
        if self.price != BarPrice::Last {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for level in &self.levels {
            let range = within(BarRange::all(self.instrument_id, level.frequency));
            let mut limit = BARS_FIRST;
            loop {
                let starts = read(&mut *conn, &range, limit)?;
                let imported = |(_, source): &&(Timestamp, i64)| !self.built.contains(*source);
                let first = starts.iter().find(imported);
                found.extend(first.map(|(start, _)| *start));
                if first.is_some() || starts.len() < limit {
                    break;
                }
                limit *= 4; // All of them are built.
            }
        }
        Ok(found)
    }

    /// Where a transaction begins that builds the last periods of a span: some `ticks_max` ticks
    /// before its end, and one period at least.
    pub(crate) fn begin_before(
        &self,
        conn: &mut BackendConnection<'_>,
        span: TimeSpan,
        ticks_max: usize,
    ) -> Result<i64> {
        let range = span.ticks(self.instrument_id);
        let beyond = market_data::nth_stamp_before(conn, &range, ticks_max)?;
        let after = |micros: i64| self.frequency.period_micros(micros).1;
        let by_ticks = beyond.map(|at| after(at.micros()));
        let by_bars = self.window_length().map(|length| after(span.end - length));
        let start = by_ticks.max(by_bars).unwrap_or(span.start);
        let last = self.frequency.period_micros(span.end - 1).0;
        Ok(start.clamp(span.start, last.max(span.start)))
    }
}
