//! From when to when there is something that bars can be made of, where the newest bars begin, and
//! where a transaction begins that builds them backwards.
//!
//! The newest are found from the end, so that the last hundred bars of ten million ticks cost about
//! what those hundred hold.

use super::level::FrequencyLevel;
use super::spans::{TimeSpan, contains};
use super::{Composition, PartSource};
use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency};
use crate::error::Result;
use crate::repository::bar::{self, BarRange};
use crate::repository::{SortOrder, market_data};
use crate::timestamp::Timestamp;

/// Bars of the first look for one that came in; each further one takes four times as many.
const BARS_FIRST: usize = 16;

/// Stamps of the first look for the newest periods; it doubles while they lie in many.
const STAMPS_FIRST: usize = 64;
const STAMPS_MAX: usize = 8_192;
/// With more stamps than this in a period, it is cheaper to begin anew before the period than to
/// read through it.
const STAMPS_PER_PERIOD: usize = 256;

impl Composition {
    /// The oldest and the newest moment of what bars are made of; `None` when there is nothing. A
    /// tick without such a price does not count. Stored bars count without a look at their sources,
    /// so that bars may begin later and end earlier: those that are stale, and those of quotes.
    pub(crate) fn extent(
        &self,
        conn: &mut BackendConnection<'_>,
    ) -> Result<Option<(Timestamp, Timestamp)>> {
        let mut moments = Vec::new();
        for source in &self.sources {
            match source {
                PartSource::Bars(level) => {
                    let range = self.range_of(level, TimeSpan::ALL);
                    for order in [SortOrder::Ascending, SortOrder::Descending] {
                        let bars = bar::outermost_starts(conn, &range, order, 1)?;
                        moments.extend(bars.first().map(|(start, _)| *start));
                    }
                }
                PartSource::Ticks => {
                    let all = TimeSpan::ALL.moments();
                    moments.extend(market_data::first_stamp(conn, self.prices())?);
                    moments.extend(market_data::newest_stamps(conn, self.prices(), all, 1)?);
                }
            }
        }
        let oldest = moments.iter().min().copied();
        Ok(oldest.zip(moments.iter().max().copied()))
    }

    /// The moment of the first tick, or of the first bar that came in, that built bars can be made
    /// of.
    pub(crate) fn first_moment(
        &self,
        conn: &mut BackendConnection<'_>,
    ) -> Result<Option<Timestamp>> {
        let tick = market_data::first_stamp(conn, self.prices())?;
        let bars = self.outermost_imported(conn, SortOrder::Ascending, None, tick)?;
        Ok(tick.into_iter().chain(bars).min())
    }

    /// The start of the last bar that came in, not before a moment.
    pub(crate) fn last_imported(
        &self,
        conn: &mut BackendConnection<'_>,
        from: Option<Timestamp>,
    ) -> Result<Option<Timestamp>> {
        let bars = self.outermost_imported(conn, SortOrder::Descending, from, None)?;
        Ok(bars.into_iter().max())
    }

    /// The start of the first bar that came in, in this order, of each frequency.
    fn outermost_imported(
        &self,
        conn: &mut BackendConnection<'_>,
        order: SortOrder,
        start: Option<Timestamp>,
        end: Option<Timestamp>,
    ) -> Result<Vec<Timestamp>> {
        let mut found = Vec::new();
        for source in &self.sources {
            let PartSource::Bars(level) = source else {
                continue;
            };
            if self.price != BarPrice::Last {
                continue; // Of quotes no bar comes in.
            }
            let range = BarRange {
                start,
                end,
                ..BarRange::all(self.instrument_id, level.frequency)
            };
            let mut limit = BARS_FIRST;
            loop {
                let starts = bar::outermost_starts(conn, &range, order, limit)?;
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

    /// The end of the span that holds its newest `count` periods with a bar, or a little more: it
    /// begins where the source does that reaches back least with as many.
    pub(crate) fn newest(
        &self,
        conn: &mut BackendConnection<'_>,
        mut span: TimeSpan,
        count: usize,
    ) -> Result<TimeSpan> {
        for source in &self.sources {
            let start = match source {
                PartSource::Bars(level) => {
                    let fresh = level.fresh(conn, &[span])?;
                    period_start(self.frequency, span, count, |span, limit| {
                        self.newest_starts(conn, level, &fresh, span, limit)
                    })
                }
                PartSource::Ticks => period_start(self.frequency, span, count, |span, limit| {
                    market_data::newest_stamps(conn, self.prices(), span.moments(), limit)
                }),
            };
            span.start = start?.unwrap_or(span.start);
        }
        Ok(span)
    }

    /// The newest starts of the bars of a level that an answer may take; none only when there is
    /// none in the span.
    fn newest_starts(
        &self,
        conn: &mut BackendConnection<'_>,
        level: &FrequencyLevel,
        fresh: &[TimeSpan],
        span: TimeSpan,
        mut limit: usize,
    ) -> Result<Vec<Timestamp>> {
        let range = self.range_of(level, span);
        loop {
            let all = bar::outermost_starts(conn, &range, SortOrder::Descending, limit)?;
            let is_taken = |(start, source): &&(Timestamp, i64)| match self.is_built(*source) {
                Some(true) => contains(fresh, start.micros()),
                Some(false) => true,
                None => false,
            };
            let starts: Vec<Timestamp> = all.iter().filter(is_taken).map(|bar| bar.0).collect();
            if !starts.is_empty() || all.len() < limit {
                return Ok(starts);
            }
            limit *= 2; // None of them is taken.
        }
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
        let beyond = market_data::nth_stamp(conn, &range, SortOrder::Descending, ticks_max)?;
        let after = |micros: i64| self.frequency.period_micros(micros).1;
        let by_ticks = beyond.map(|at| after(at.micros()));
        let by_bars = self.window_length().map(|length| after(span.end - length));
        let start = by_ticks.max(by_bars).unwrap_or(span.start);
        let last = self.frequency.period_micros(span.end - 1).0;
        Ok(start.clamp(span.start, last.max(span.start)))
    }
}

/// The start of the `count`-th newest period that holds a stamp; `None` when there are fewer.
/// `page` gives the newest stamps of a span, newest first, up to a limit.
fn period_start(
    frequency: Frequency,
    mut span: TimeSpan,
    count: usize,
    mut page: impl FnMut(TimeSpan, usize) -> Result<Vec<Timestamp>>,
) -> Result<Option<i64>> {
    let (mut found, mut limit) = (0, STAMPS_FIRST);
    while !span.is_empty() {
        let stamps = page(span, limit)?;
        if stamps.is_empty() {
            break;
        }
        let before = found;
        for stamp in &stamps {
            if stamp.micros() < span.end {
                span.end = frequency.period_micros(stamp.micros()).0;
                found += 1;
                if found == count {
                    return Ok(Some(span.end));
                }
            }
        }
        // Many stamps in a period: the next page begins before it. Few: a longer page costs less
        // than another statement.
        let is_sparse = (found - before) * STAMPS_PER_PERIOD >= stamps.len();
        limit = if is_sparse { limit * 2 } else { limit / 2 }.clamp(1, STAMPS_MAX);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    /// The answer, and how many stamps were read for it.
    fn found(stamps: &[i64], count: usize) -> (Option<i64>, usize) {
        let (mut read, span) = (
            0,
            TimeSpan {
                start: 0,
                end: i64::MAX,
            },
        );
        let start = period_start(Frequency::OneMinute, span, count, |span, limit| {
            let within = stamps
                .iter()
                .rev()
                .filter(|at| (span.start..span.end).contains(at));
            let page: Vec<Timestamp> = within
                .take(limit)
                .map(|at| Timestamp::from_micros(*at).unwrap())
                .collect();
            read += page.len();
            Ok(page)
        });
        (start.unwrap(), read)
    }

    #[test]
    fn empty_periods_do_not_count() {
        let stamps = [5, MINUTE, MINUTE + 1, 90 * MINUTE];
        assert_eq!(found(&stamps, 1).0, Some(90 * MINUTE));
        assert_eq!(found(&stamps, 2).0, Some(MINUTE));
        assert_eq!(found(&stamps, 3).0, Some(0));
        assert_eq!(found(&stamps, 4).0, None);
        assert_eq!(found(&[], 1).0, None);
    }

    #[test]
    fn sparse_and_dense_stamps_alike_are_read_only_as_far_as_needed() {
        let sparse: Vec<i64> = (0..100_000).map(|n| n * MINUTE).collect();
        let (start, read) = found(&sparse, 500);
        assert_eq!(start, Some(99_500 * MINUTE));
        assert!(read < 1_500, "{read}");
        let dense: Vec<i64> = (0..100_000).map(|n| n * MINUTE / 5_000).collect();
        let (start, read) = found(&dense, 10);
        assert_eq!(start, Some(10 * MINUTE));
        assert!(read < 10 * 2 * STAMPS_PER_PERIOD, "{read}");
    }
}
