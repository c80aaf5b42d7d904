//! The bars of an instrument as an answer: how they are put together is
//! `repository::bar_composition`'s; here they are named, filled and cut.

use std::collections::BTreeSet;

use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency, PeriodBar};
use crate::error::Result;
use crate::repository::bar_composition::{Composed, Composition};
use crate::repository::bar_series::{BuiltSources, SeriesKey};
use crate::repository::data_source;
use crate::timestamp::Timestamp;

use super::query::{BarHistory, BarOrigin, BarQuery, Fill, HistoryBar, HistorySources};

/// The bars that the query asks for, oldest first.
///
/// Only what starts in the range is in the answer, and each bar is whole. With `max_records` it is
/// found from the end of the range backwards, and nothing older is read. All of it is of one
/// moment, whatever is written meanwhile: see [`BackendConnection::snapshot`].
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end, no records, or a price that
/// no bar can hold; [`Error::Query`](crate::Error::Query).
pub fn bars(conn: &mut BackendConnection<'_>, query: &BarQuery) -> Result<BarHistory> {
    conn.snapshot(|conn| of_snapshot(conn, query))
}

fn of_snapshot(conn: &mut BackendConnection<'_>, query: &BarQuery) -> Result<BarHistory> {
    let frequency = query.frequency;
    let mut span = query.span()?;
    let key = SeriesKey {
        instrument_id: query.instrument_id,
        frequency,
        price: query.price,
    };
    let composition = Composition::of_answer(conn, key, query.source)?;
    let limit = query.max_records.unwrap_or(usize::MAX);
    if query.max_records.is_some() {
        // One more tells whether there are more.
        span = composition.newest(conn, span, limit.saturating_add(1))?;
    }
    let mut composed = composition.bars(conn, span, usize::MAX)?;
    let bars = std::mem::take(&mut composed.bars).into_iter();
    let bars = bars.map(|made| HistoryBar {
        timestamp: made.bar.timestamp,
        origin: origin(made.stored, composition.built()),
        values: Some(made.bar),
    });
    let (bars, has_more) = filled(bars.collect(), frequency, query.fill, limit);
    conn.record_rows(bars.len());
    let sources = match bars.first() {
        Some(oldest) => {
            let from = frequency.period_micros(oldest.timestamp.micros()).0;
            sources(conn, &composed, from)?
        }
        None => HistorySources::default(),
    };
    Ok(BarHistory {
        bars,
        has_more,
        sources,
    })
}

fn origin(stored: Option<i64>, built: &BuiltSources) -> BarOrigin {
    match stored {
        Some(source) if built.contains(source) => BarOrigin::Built,
        Some(source) => BarOrigin::Imported(source),
        None => BarOrigin::Aggregated,
    }
}

/// What the bars from a moment on were made of, by name.
fn sources(
    conn: &mut BackendConnection<'_>,
    composed: &Composed,
    from: i64,
) -> Result<HistorySources> {
    let mut made_of = composed.sources(from);
    let ticks = made_of.remove(&None);
    let ids: BTreeSet<i64> = made_of.into_iter().flatten().collect();
    Ok(HistorySources {
        data_sources: data_source::names(conn, &ids)?,
        ticks,
    })
}

/// The bars with a bar for each empty period between two of them: the newest `limit`, and whether
/// there are more.
fn filled(
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
        loop {
            start = frequency.period_micros(start - 1).0;
            if start <= period(before) || newest_first.len() > limit {
                break;
            }
            newest_first.push(standing(
                before,
                fill,
                Timestamp::from_micros_clamped(start),
            ));
        }
    }
    let has_more = newest_first.len() > limit;
    newest_first.truncate(limit);
    newest_first.reverse();
    (newest_first, has_more)
}

/// What stands in an empty period after a bar.
pub(crate) fn standing(before: &HistoryBar, fill: Fill, timestamp: Timestamp) -> HistoryBar {
    let last = before.values.as_ref().filter(|_| fill == Fill::Previous);
    HistoryBar {
        timestamp,
        origin: BarOrigin::Filled,
        values: last.map(|last| PeriodBar {
            timestamp,
            open: last.close,
            high: last.close,
            low: last.close,
            close: last.close,
            volume: 0.0,
            turnover: Some(0.0),
            tick_count: Some(0),
            open_interest: last.open_interest,
        }),
    }
}

/// The oldest and the newest moment of ticks with this price and of bars of this frequency, or one
/// that divides it; `None` when there are none. Stored bars of other prices count, too, and those
/// that are stale, so that an answer may begin later and end earlier.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn extent(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    frequency: Frequency,
    price: BarPrice,
) -> Result<Option<(Timestamp, Timestamp)>> {
    let key = SeriesKey {
        instrument_id,
        frequency,
        price,
    };
    conn.snapshot(|conn| Composition::of_answer(conn, key, None)?.extent(conn))
}
