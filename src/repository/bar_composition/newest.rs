//! Where the newest bars begin: found from the end backwards, so that the last hundred bars of ten
//! million ticks cost about what those hundred hold.

use super::Composition;
use super::level::FrequencyLevel;
use super::spans::{self, TimeSpan};
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::repository::{bar, market_data};
use crate::timestamp::Timestamp;

/// Stamps of the first look; it doubles while they lie in many periods.
const STAMPS_FIRST: usize = 64;
const STAMPS_MAX: usize = 8_192;
/// With more stamps than this in a period, it is cheaper to begin anew before the period than to
/// read through it.
const STAMPS_PER_PERIOD: usize = 256;

impl Composition {
    /// The end of the span that holds its newest `count` periods with a bar, or a little more: no
    /// source reaches further back with as many.
    pub(crate) fn newest(
        &self,
        conn: &mut BackendConnection<'_>,
        mut span: TimeSpan,
        count: usize,
    ) -> Result<TimeSpan> {
        for level in &self.levels {
            let fresh = self.fresh(conn, level, &[span])?;
            let start = period_start(self.frequency, span, count, |span, limit| {
                self.newest_starts(conn, level, &fresh, span, limit)
            });
            span.start = start?.unwrap_or(span.start);
        }
        if self.takes_ticks {
            let start = period_start(self.frequency, span, count, |span, limit| {
                market_data::newest_stamps(conn, self.prices(), span.moments(), limit)
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
        level: &FrequencyLevel,
        fresh: &[TimeSpan],
        span: TimeSpan,
        mut limit: usize,
    ) -> Result<Vec<Timestamp>> {
        let range = self.range_of(level, span);
        loop {
            let all = bar::newest_starts(conn, &range, limit)?;
            let is_taken = |(start, source): &&(Timestamp, i64)| match self.is_built(*source) {
                Some(true) => spans::contains(fresh, *start),
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
