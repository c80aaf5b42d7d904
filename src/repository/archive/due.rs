//! Which periods can be archived: those that are over, and of which hot rows are left.

use diesel::prelude::*;

use super::catalogue::{self, SegmentPeriod};
use super::run::{Archiver, PeriodOutcome};
use crate::database::{BackendConnection, Database};
use crate::domain::ArchivePeriod;
use crate::error::Result;
use crate::soft_delete::SoftDeletable;
use crate::tables::{archive_segments, market_data};
use crate::timestamp::Timestamp;

/// What is to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveRequest {
    /// The instruments.
    pub instrument_ids: Vec<i64>,
    /// Periods that end up to this moment, and are over.
    pub before: Timestamp,
    /// How long they are, where no file is yet.
    pub period: ArchivePeriod,
    /// Archives nothing, and reports what it would.
    pub dry_run: bool,
}

/// A period that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeriodReport {
    /// The instrument.
    pub instrument_id: i64,
    /// Start of the period.
    pub starts_at: Timestamp,
    /// Its end, which belongs to the next one.
    pub ends_at: Timestamp,
    /// What became of it.
    pub outcome: PeriodOutcome,
}

/// Archives each whole period that is over and has hot ticks, instrument by instrument, oldest first, and
/// shows each as it is done. What is archived stays so when a later one fails.
///
/// # Errors
/// Those of [`Archiver::archive_period`] and of `each`.
pub fn run(
    db: &Database,
    archiver: &Archiver,
    request: &ArchiveRequest,
    mut each: impl FnMut(&PeriodReport) -> Result<()>,
) -> Result<()> {
    let before = request.before.min(db.clock().now());
    for instrument_id in request.instrument_ids.iter().copied() {
        let mut from = Timestamp::MIN;
        loop {
            let unit = request.period;
            let period = db.read("archive.due", move |conn| {
                conn.snapshot(|conn| next_period(conn, instrument_id, (from, before), unit))
            })?;
            let Some((starts_at, ends_at)) = period else {
                break;
            };
            let span = (starts_at, ends_at);
            let outcome = match request.dry_run {
                true => archiver.preview_period(db, instrument_id, span)?,
                false => archiver.archive_period(db, instrument_id, span)?,
            };
            each(&PeriodReport {
                instrument_id,
                starts_at,
                ends_at,
                outcome,
            })?;
            from = ends_at;
        }
    }
    Ok(())
}

/// The first whole period from a moment on, up to another one, that has an active hot row.
pub(super) fn next_period(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    (from, before): (Timestamp, Timestamp),
    unit: ArchivePeriod,
) -> Result<Option<(Timestamp, Timestamp)>> {
    let first = market_data::table
        .active()
        .filter(market_data::instrument_id.eq(instrument_id))
        .filter(market_data::timestamp.ge(from))
        .filter(market_data::timestamp.lt(before))
        .order(market_data::timestamp.asc())
        .select(market_data::timestamp);
    let first: Option<Timestamp> = crate::on_backend!(&mut *conn, |c| first.first(c).optional())?;
    let Some(first) = first else {
        return Ok(None);
    };
    let period = period_of(conn, instrument_id, first, unit)?;
    Ok(Some(period).filter(|(_, end)| *end <= before))
}

/// A period with active hot rows that policies look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DuePeriod {
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    /// Whether its file is worth being made anew: hot rows are one in a hundred of it at least, or there
    /// is no file.
    pub(crate) is_worth_it: bool,
}

/// The first whole period from a moment on, up to another one, that has an active hot row.
pub(crate) fn next_due(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    bounds: (Timestamp, Timestamp),
    unit: ArchivePeriod,
) -> Result<Option<DuePeriod>> {
    let Some((starts_at, ends_at)) = next_period(conn, instrument_id, bounds, unit)? else {
        return Ok(None);
    };
    let span = SegmentPeriod::new(instrument_id, (starts_at, ends_at));
    let file = catalogue::of_period(conn, span)?.filter(|of| of.version > 0);
    let is_worth_it = match file {
        None => true,
        Some(file) => {
            let of_a_hundred = file.rows / 100;
            let beyond = market_data::table
                .active()
                .filter(market_data::instrument_id.eq(instrument_id))
                .filter(market_data::timestamp.ge(starts_at))
                .filter(market_data::timestamp.lt(ends_at))
                .order(market_data::timestamp.asc())
                .offset(of_a_hundred)
                .select(market_data::timestamp);
            let beyond: Option<Timestamp> =
                crate::on_backend!(&mut *conn, |c| beyond.first(c).optional())?;
            beyond.is_some()
        }
    };
    Ok(Some(DuePeriod {
        starts_at,
        ends_at,
        is_worth_it,
    }))
}

/// The last moment up to another one that lies in no period but at the begin of one.
pub(crate) fn last_boundary(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    at: Timestamp,
    unit: ArchivePeriod,
) -> Result<Timestamp> {
    let (start, _) = period_of(conn, instrument_id, at, unit)?;
    Ok(start)
}

/// The period that holds a moment: that of the file that has ticks of it, else one between the files.
fn period_of(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    at: Timestamp,
    unit: ArchivePeriod,
) -> Result<(Timestamp, Timestamp)> {
    let of = archive_segments::table.filter(archive_segments::instrument_id.eq(instrument_id));
    let bounds = (archive_segments::starts_at, archive_segments::ends_at);
    let before = of
        .filter(archive_segments::starts_at.le(at))
        .order(archive_segments::starts_at.desc())
        .select(bounds);
    let before: Option<(Timestamp, Timestamp)> =
        crate::on_backend!(&mut *conn, |c| before.first(c).optional())?;
    let after = of
        .filter(archive_segments::starts_at.gt(at))
        .order(archive_segments::starts_at.asc())
        .select(archive_segments::starts_at);
    let after: Option<Timestamp> = crate::on_backend!(&mut *conn, |c| after.first(c).optional())?;
    let (start, end) = unit.bounds(at);
    Ok(match before {
        Some((start, end)) if at < end => (start, end),
        // Periods of another length may be there.
        _ => (
            before.map_or(start, |(_, end)| end.max(start)),
            after.map_or(end, |start| start.min(end)),
        ),
    })
}
