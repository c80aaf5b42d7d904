//! The bars of an instrument as an answer: how they are put together is
//! `repository::bar_composition`'s.

use std::collections::BTreeSet;

use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::bar_composition::{ComposedSources, Composition};
use crate::repository::bar_series::{BuiltSources, SeriesKey};
use crate::repository::data_source;

use super::fill::filled;
use super::query::{BarHistory, BarOrigin, BarQuery, HistoryBar, HistorySources};

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
    let composed = composition.bars(conn, span, usize::MAX)?;
    let built = composition.built();
    let bars = composed.bars.into_iter();
    let bars = bars.map(|bar| HistoryBar::composed(bar.bar, origin(bar.stored, built)));
    let (bars, has_more) = filled(bars.collect(), frequency, query.fill, limit);
    conn.record_rows(bars.len());
    let sources = match bars.first() {
        Some(oldest) => {
            let from = frequency.period_micros(oldest.timestamp.micros()).0;
            sources(conn, &composed.sources, from)?
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
    of: &ComposedSources,
    from: i64,
) -> Result<HistorySources> {
    let ids: BTreeSet<i64> = of.data_sources(from).into_iter().collect();
    let data_sources = match ids.is_empty() {
        true => Vec::new(),
        false => data_source::names(conn, &ids)?,
    };
    Ok(HistorySources {
        data_sources,
        ticks: of.has_ticks(from),
    })
}
