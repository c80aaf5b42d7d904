//! Periods without a bar, filled as it was asked for. It reads nothing.

use crate::domain::Frequency;
use crate::timestamp::Timestamp;

use super::query::{BarOrigin, BarValues, Fill, HistoryBar};

/// The bars with a bar for each empty period between two of them: the newest `limit`, and whether
/// there are more.
pub(super) fn filled(
    bars: Vec<HistoryBar>,
    frequency: Frequency,
    fill: Fill,
    limit: usize,
) -> (Vec<HistoryBar>, bool) {
    // A source may name its periods by another moment than their start.
    let period = |bar: &HistoryBar| frequency.period_micros(bar.timestamp.micros()).0;
    let mut newest_first = Vec::with_capacity(bars.len());
    let mut bars = bars.into_iter().rev().peekable();
    while let Some(bar) = bars.next() {
        let mut start = period(&bar);
        newest_first.push(bar);
        let Some(before) = bars.peek() else { break };
        if fill == Fill::None {
            continue;
        }
        let (standing, held) = (standing(before, fill), period(before));
        loop {
            start = frequency.period_micros(start - 1).0;
            if start <= held || newest_first.len() > limit {
                break;
            }
            newest_first.push(HistoryBar {
                timestamp: Timestamp::from_micros_clamped(start),
                origin: BarOrigin::Filled,
                values: standing.clone(),
            });
        }
    }
    let has_more = newest_first.len() > limit;
    newest_first.truncate(limit);
    newest_first.reverse();
    (newest_first, has_more)
}

/// What stands in the periods after a bar.
fn standing(before: &HistoryBar, fill: Fill) -> Option<BarValues> {
    let last = before.values.as_ref().filter(|_| fill == Fill::Previous)?;
    Some(BarValues {
        open: last.close,
        high: last.close,
        low: last.close,
        close: last.close,
        volume: 0.0,
        turnover: Some(0.0),
        tick_count: Some(0),
        open_interest: last.open_interest,
    })
}
