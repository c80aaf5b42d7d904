//! What must hold before what bars are made of goes by age. Each is called under the lock of the
//! instrument, or in a snapshot.

use super::gone::MadeOf;
use super::read::{SeriesKey, of_instrument, stale_between};
use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::BarSeries;
use crate::timestamp::Timestamp;

/// The series that are made of some parts.
fn series_of(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    parts: PartsOf,
) -> Result<Vec<BarSeries>> {
    let mut series = of_instrument(conn, instrument_id)?;
    series.retain(|of| match parts {
        PartsOf::Stored(parts) => parts.holds(of),
        PartsOf::Built(key) => of.price == key.price && key.frequency.divides(of.frequency),
    });
    Ok(series)
}

/// What goes, by what series are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartsOf {
    /// Ticks, or bars that came in.
    Stored(MadeOf),
    /// Built bars: longer ones of the same price may be made of them.
    Built(SeriesKey),
}

/// A series, and up to where it needs nothing of what it is made of: all before is built, and fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) key: SeriesKey,
    pub(crate) to: Timestamp,
}

/// The series that are made of some parts, and up to where each is settled.
pub(crate) fn settled(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    parts: PartsOf,
) -> Result<Vec<Settled>> {
    let mut settled = Vec::new();
    for series in series_of(conn, instrument_id, parts)? {
        let key = series.key();
        let stale = stale_between(conn, key, series.built_from, series.built_to, 1)?;
        settled.push(Settled {
            key,
            to: stale.first().copied().unwrap_or(series.built_to),
        });
    }
    Ok(settled)
}

/// The series of which built bars stay of all from a moment on, when some parts go: these only go where
/// all of them are [`settled`].
pub(crate) fn that_stay(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    parts: PartsOf,
    first: Timestamp,
) -> Result<Vec<SeriesKey>> {
    let series = series_of(conn, instrument_id, parts)?;
    let stay = series.iter().filter(|of| of.built_from <= first);
    Ok(stay.map(BarSeries::key).collect())
}
