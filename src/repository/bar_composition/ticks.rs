//! The ticks of what no bar covers, folded into parts of the periods of an answer.

use super::Composition;
use super::composed::{Composed, ComposedBar};
use super::spans::{SpanCursor, TimeSpan, bridged};
use crate::database::BackendConnection;
use crate::domain::{Aggregator, PeriodBar};
use crate::error::Result;
use crate::repository::{SortOrder, market_data};

/// Open spans between which so many periods of bars lie, or fewer, are read as one: more ticks,
/// and fewer statements.
const BRIDGED_PERIODS_MAX: i64 = 8;

impl Composition {
    /// Folds the ticks of the open spans of a window, some `limit` of them, and those of the first
    /// period in any case; returns up to where they are folded, which is the end of a period.
    pub(super) fn read_ticks(
        &self,
        conn: &mut BackendConnection<'_>,
        window: TimeSpan,
        open: &[TimeSpan],
        limit: usize,
        composed: &mut Composed,
    ) -> Result<i64> {
        let (start, end) = self.finest().period_micros(0);
        let groups = bridged(open.to_vec(), BRIDGED_PERIODS_MAX * (end - start));
        let is_whole = groups.len() == open.len();
        let (mut to, mut left) = (window.end, limit);
        let mut fold = Aggregator::new(self.frequency);
        // First and last tick of the period that is folded.
        let (mut first, mut last) = (None, 0);
        let mut open = SpanCursor::new(open);
        for group in groups {
            // A look at the index before the pass: a period is never divided over transactions, so
            // the end must be known first.
            if to == window.end && limit < usize::MAX {
                to = self.end_after(conn, window, group, left)?;
            }
            let group = TimeSpan {
                end: group.end.min(to),
                ..group
            };
            if group.is_empty() {
                break;
            }
            let range = group.ticks(self.instrument_id);
            let read = market_data::prices_of(conn, self.prices(), &range, |tick| {
                let at = tick.timestamp.micros();
                // Bridged groups hold ticks that a bar covers already: they are read over.
                if !is_whole && !open.contains(at) {
                    return Ok(());
                }
                if let Some(bar) = fold.add(tick.timestamp, tick.price, tick.volume) {
                    self.push(composed, bar, first.replace(at), last);
                }
                first.get_or_insert(at);
                last = at;
                Ok(())
            })?;
            composed.ticks_read += read;
            left = left.saturating_sub(read);
        }
        if let Some(bar) = fold.finish() {
            self.push(composed, bar, first, last);
        }
        Ok(to)
    }

    /// Up to where a window may be read so that no more than `left` ticks of the group are: the end
    /// of a period, that of the window's first one at least.
    fn end_after(
        &self,
        conn: &mut BackendConnection<'_>,
        window: TimeSpan,
        group: TimeSpan,
        left: usize,
    ) -> Result<i64> {
        let range = group.ticks(self.instrument_id);
        let beyond = market_data::nth_stamp(conn, &range, SortOrder::Ascending, left)?;
        Ok(beyond.map_or(window.end, |at| {
            let first = self.frequency.period_micros(window.start).1;
            let start = self.frequency.period_micros(at.micros()).0;
            start.max(first).min(window.end)
        }))
    }

    fn push(&self, composed: &mut Composed, bar: PeriodBar, first: Option<i64>, last: i64) {
        let first = first.unwrap_or(last);
        composed.note_source(None, first);
        composed.parts.push(ComposedBar {
            period: self.frequency.period_micros(first).0,
            first,
            last,
            interest: None,
            stored: None,
            bar,
        });
    }
}
