//! Spans in which what bars were made of is gone: retention has deleted it. Built bars that overlap one stay
//! as they are, whatever comes late: from what is left another bar would be made.
//!
//! Each span belongs to the batch that deleted it, and goes when that is undone.

use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency};
use crate::error::Result;
use crate::models::BarSeries;
use crate::repository::KEYS_PER_STATEMENT_MAX;
use crate::tables::retention_spans;
use crate::timestamp::Timestamp;

/// What series are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeOf {
    /// Ticks: every series is.
    Ticks,
    /// Bars of this frequency that came in: series of longer bars are.
    Bars(Frequency),
}

impl MadeOf {
    pub(super) fn holds(self, series: &BarSeries) -> bool {
        match self {
            Self::Ticks => true,
            Self::Bars(shorter) => {
                series.price == BarPrice::Last && shorter.divides(series.frequency)
            }
        }
    }

    #[cfg(feature = "archive")]
    fn as_str(self) -> &'static str {
        match self {
            Self::Ticks => TICKS,
            Self::Bars(frequency) => frequency.as_str(),
        }
    }

    fn read(text: &str) -> Result<Self> {
        match text {
            TICKS => Ok(Self::Ticks),
            frequency => frequency.parse().map(Self::Bars),
        }
    }
}

const TICKS: &str = "ticks";

/// A span of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoneSpan {
    pub(crate) instrument_id: i64,
    pub(crate) parts: MadeOf,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
}

type SpanRow = (i64, String, Timestamp, Timestamp);

const COLUMNS: (
    retention_spans::instrument_id,
    retention_spans::parts,
    retention_spans::starts_at,
    retention_spans::ends_at,
) = (
    retention_spans::instrument_id,
    retention_spans::parts,
    retention_spans::starts_at,
    retention_spans::ends_at,
);

fn read(rows: Vec<SpanRow>) -> Result<Vec<GoneSpan>> {
    let rows = rows.into_iter();
    rows.map(|(instrument_id, parts, starts_at, ends_at)| {
        Ok(GoneSpan {
            instrument_id,
            parts: MadeOf::read(&parts)?,
            starts_at,
            ends_at,
        })
    })
    .collect()
}

/// The spans of these instruments, by instrument and time.
pub(super) fn of_instruments(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
) -> Result<Vec<GoneSpan>> {
    let mut all = Vec::new();
    for ids in instrument_ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = retention_spans::table
            .filter(retention_spans::instrument_id.eq_any(ids))
            .order((
                retention_spans::instrument_id.asc(),
                retention_spans::starts_at.asc(),
            ))
            .select(COLUMNS);
        all.extend(read(crate::on_backend!(&mut *conn, |c| query.load(c))?)?);
    }
    Ok(all)
}

/// The spans in which what a series is made of is gone: start and end of each, in the order of time, none
/// touching another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GoneSpans(Vec<(i64, i64)>);

impl GoneSpans {
    /// Those of a series, among those of its instrument and others.
    pub(super) fn of(series: &BarSeries, all: &[GoneSpan]) -> Self {
        let own = all
            .iter()
            .filter(|of| of.instrument_id == series.instrument_id && of.parts.holds(series));
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for of in own {
            let (start, end) = (of.starts_at.micros(), of.ends_at.micros());
            match joined.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => joined.push((start, end)),
            }
        }
        Self(joined)
    }

    /// Whether a period, from its start to its end, has something of one of them.
    pub(super) fn overlap(&self, (start, end): (i64, i64)) -> bool {
        let next = self.0.partition_point(|(_, ends_at)| *ends_at <= start);
        self.0
            .get(next)
            .is_some_and(|(starts_at, _)| *starts_at < end)
    }
}

/// Notes down that a batch deletes what bars are made of.
#[cfg(feature = "archive")]
pub(crate) fn note_gone(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
    span: GoneSpan,
) -> Result<()> {
    let insert = diesel::insert_into(retention_spans::table)
        .values((
            retention_spans::instrument_id.eq(span.instrument_id),
            retention_spans::starts_at.eq(span.starts_at),
            retention_spans::deleted_at.eq(deleted_at),
            retention_spans::parts.eq(span.parts.as_str()),
            retention_spans::ends_at.eq(span.ends_at),
        ))
        .on_conflict_do_nothing();
    crate::on_backend!(conn, |c| insert.execute(c))?;
    Ok(())
}

/// Whether something of what series are made of is gone between two moments.
#[cfg(feature = "archive")]
pub(crate) fn is_gone_between(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    (start, end): (Timestamp, Timestamp),
) -> Result<bool> {
    let query = retention_spans::table
        .filter(retention_spans::instrument_id.eq(instrument_id))
        .filter(retention_spans::starts_at.lt(end))
        .filter(retention_spans::ends_at.gt(start))
        .select(retention_spans::starts_at);
    let found: Option<Timestamp> = crate::on_backend!(conn, |c| query.first(c).optional())?;
    Ok(found.is_some())
}

/// Removes the spans of a batch, and returns them.
pub(super) fn take(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
) -> Result<Vec<GoneSpan>> {
    let of_batch = retention_spans::table.filter(retention_spans::deleted_at.eq(deleted_at));
    let query = of_batch.select(COLUMNS);
    let spans = read(crate::on_backend!(&mut *conn, |c| query.load(c))?)?;
    let delete = diesel::delete(of_batch);
    crate::on_backend!(conn, |c| delete.execute(c))?;
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_overlaps_a_span_that_it_has_a_moment_of() {
        let spans = GoneSpans(vec![(10, 20), (30, 40)]);
        for (period, expected) in [
            ((0, 10), false),
            ((0, 11), true),
            ((19, 21), true),
            ((20, 30), false),
            ((20, 31), true),
            ((12, 13), true),
            ((0, 99), true),
            ((40, 50), false),
        ] {
            assert_eq!(spans.overlap(period), expected, "{period:?}");
        }
        assert!(!GoneSpans::default().overlap((0, 99)));
    }
}
