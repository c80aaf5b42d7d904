//! Where a series begins, and that its bars follow again what they are made of: retention moves the one, and
//! undoing moves both back. But for `forget_gone` each is called under the lock of the instrument.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::gone;
use super::marks::Marks;
use super::read::{SeriesKey, of_instrument};
use crate::database::{BackendConnection, Invalidation};
use crate::error::Result;
use crate::models::BarSeries;
use crate::repository::instrument;
use crate::tables::bar_series;
#[cfg(feature = "archive")]
use crate::tables::stale_bars;
use crate::timestamp::Timestamp;

fn find(conn: &mut BackendConnection<'_>, key: SeriesKey) -> Result<Option<BarSeries>> {
    let series = of_instrument(conn, key.instrument_id)?;
    Ok(series.into_iter().find(|of| of.key() == key))
}

fn set_begin(conn: &mut BackendConnection<'_>, key: SeriesKey, from: Timestamp) -> Result<()> {
    let series = bar_series::table.find((key.instrument_id, key.frequency, key.price));
    let update = diesel::update(series).set(bar_series::built_from.eq(from));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}

/// Has a series begin at a moment, or at its end if that is earlier: bars before it go, and are not built
/// again.
#[cfg(feature = "archive")]
pub(crate) fn begin_at(
    conn: &mut BackendConnection<'_>,
    key: SeriesKey,
    from: Timestamp,
) -> Result<()> {
    let Some(series) = find(conn, key)? else {
        return Ok(());
    };
    let from = from.min(series.built_to);
    if from <= series.built_from {
        return Ok(());
    }
    set_begin(conn, key, from)?;
    let marks = stale_bars::table
        .filter(stale_bars::instrument_id.eq(key.instrument_id))
        .filter(stale_bars::frequency.eq(key.frequency))
        .filter(stale_bars::price.eq(key.price))
        .filter(stale_bars::timestamp.lt(from));
    let delete = diesel::delete(marks);
    crate::on_backend!(conn, |c| delete.execute(c))?;
    Ok(())
}

/// Has a series begin earlier again, as bars of it come back. What may have come late meanwhile is marked,
/// and what lies behind these bars, to be built anew.
pub(crate) fn begin_before(
    conn: &mut BackendConnection<'_>,
    key: SeriesKey,
    first: Timestamp,
) -> Result<()> {
    let Some(series) = find(conn, key)?.filter(|of| first < of.built_from) else {
        return Ok(());
    };
    set_begin(conn, key, first)?;
    let mut marks = Marks::of(conn, &[key.instrument_id])?;
    marks.touch_span(key, (first, series.built_from));
    marks.store(conn)
}

/// Says that what a batch has deleted comes back: bars follow it again, and are marked, for more may have
/// come late meanwhile.
pub(crate) fn forget_gone(conn: &mut BackendConnection<'_>, deleted_at: Timestamp) -> Result<()> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let spans = gone::take(conn, deleted_at)?;
    let ids: BTreeSet<i64> = spans.iter().map(|of| of.instrument_id).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    drop(conn.invalidates(Invalidation::Bars(&ids)));
    instrument::lock(conn, &ids)?;
    for id in ids {
        let series = of_instrument(conn, id)?;
        let mut marks = Marks::of(conn, &[id])?;
        for of in spans.iter().filter(|of| of.instrument_id == id) {
            for series in series.iter().filter(|series| of.parts.holds(series)) {
                marks.touch_span(series.key(), (of.starts_at, of.ends_at));
            }
        }
        marks.store(conn)?;
    }
    Ok(())
}
