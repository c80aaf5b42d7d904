//! Ticks: whole periods are archived, and old ones are moved to the trash.

use diesel::prelude::*;

use super::PolicyRun;
use super::report::{RetentionLine, RetentionOutcome, RetentionStep};
use crate::database::BackendConnection;
use crate::domain::ArchivePeriod;
use crate::error::Result;
use crate::models::Instrument;
use crate::repository::archive::{self, DuePeriod, PeriodOutcome};
use crate::repository::bar_series::{self, GoneSpan, MadeOf, PartsOf};
use crate::repository::market_data::{self, TickRange};
use crate::repository::{RangeQuery, instrument};
use crate::tables::instrument_state;
use crate::timestamp::Timestamp;

const TICKS: PartsOf = PartsOf::Stored(MadeOf::Ticks);

/// What archiving has left.
#[derive(Debug, Default)]
struct ArchivedSoFar {
    rows: i64,
    bytes: i64,
    periods: i64,
    /// Another process works at one of the periods.
    is_busy: bool,
    /// End and bytes of each period that would be archived.
    previewed: Vec<(Timestamp, i64)>,
}

/// What is to be deleted.
#[derive(Debug)]
struct DueTicks {
    rows: i64,
    /// Bytes of its files.
    files: Vec<i64>,
    /// The first tick; `None` when it has none.
    first: Option<Timestamp>,
}

impl PolicyRun<'_> {
    pub(super) fn ticks(&mut self, instrument: &Instrument) -> Result<()> {
        let Some(policy) = self.policies.ticks(instrument.id) else {
            return Ok(());
        };
        let (archive_after, delete_after) = (policy.archive_after(), policy.delete_after());
        let ages = [archive_after, delete_after];
        let Some(least) = ages.into_iter().flatten().min() else {
            return Ok(());
        };
        let Some(last_tick) = instrument.last_tick else {
            return Ok(());
        };
        let Some(before) = self.ages.ticks_before(least) else {
            return Ok(());
        };
        // The period of the newest tick stays in the table.
        let before = self.boundary(instrument.id, before.min(last_tick))?;
        let archived = self.archive(instrument.id, before)?;
        let before = delete_after.and_then(|age| self.ages.ticks_before(age));
        match before {
            Some(before) => self.delete_ticks(instrument, before.min(last_tick), &archived),
            None => Ok(()),
        }
    }

    /// The begin of the period that holds a moment.
    fn boundary(&self, instrument_id: i64, at: Timestamp) -> Result<Timestamp> {
        let unit = self.request.period;
        self.db.read("retention.boundary", move |conn| {
            conn.snapshot(|conn| archive::last_boundary(conn, instrument_id, at, unit))
        })
    }

    /// Archives what lies in whole periods before a moment.
    fn archive(&mut self, instrument_id: i64, before: Timestamp) -> Result<ArchivedSoFar> {
        let mut archived = ArchivedSoFar::default();
        let mut from = Timestamp::MIN;
        while (self.goes_on)() {
            let unit = self.request.period;
            let due = self.db.read("retention.due", move |conn| {
                conn.snapshot(|conn| archive::next_due(conn, instrument_id, (from, before), unit))
            })?;
            let Some(due) = due else { break };
            from = due.ends_at;
            if due.is_worth_it {
                self.archive_period(instrument_id, due, &mut archived)?;
            }
        }
        if archived.periods > 0 || archived.is_busy {
            let outcome = match archived.is_busy {
                true => RetentionOutcome::Busy,
                false => self.done(),
            };
            self.report.lines.push(RetentionLine {
                instrument_id,
                step: RetentionStep::ArchiveTicks,
                outcome,
                rows: archived.rows,
                bytes: archived.bytes,
                periods: archived.periods,
                before,
                bars_that_stay: Vec::new(),
            });
        }
        Ok(archived)
    }

    fn archive_period(
        &self,
        instrument_id: i64,
        due: DuePeriod,
        archived: &mut ArchivedSoFar,
    ) -> Result<()> {
        let span = (due.starts_at, due.ends_at);
        let outcome = match self.request.dry_run {
            true => self.archiver.preview_period(self.db, instrument_id, span)?,
            false => {
                let (archiver, goes_on) = (self.archiver, self.goes_on);
                match archiver.archive_period_while(self.db, instrument_id, span, goes_on) {
                    // It was given up, and has not failed.
                    Err(_) if !goes_on() => return Ok(()),
                    outcome => outcome?,
                }
            }
        };
        let (rows, bytes) = match outcome {
            PeriodOutcome::Archived { segment, .. } => (segment.rows, segment.bytes),
            PeriodOutcome::Previewed { rows, bytes } => {
                archived.previewed.push((due.ends_at, bytes));
                (rows, bytes)
            }
            PeriodOutcome::Busy(_) => {
                archived.is_busy = true;
                return Ok(());
            }
            // Late ticks of a period whose file is in the trash: they stay rows until it is purged.
            PeriodOutcome::Empty | PeriodOutcome::InTrash(_) => return Ok(()),
        };
        archived.rows += rows;
        archived.bytes += bytes;
        archived.periods += 1;
        Ok(())
    }

    /// Moves what lies in whole periods before a moment to the trash: files as a whole, and what came late
    /// of them; as far as built bars need nothing of it any more.
    fn delete_ticks(
        &mut self,
        instrument: &Instrument,
        before: Timestamp,
        archived: &ArchivedSoFar,
    ) -> Result<()> {
        let before = self.boundary(instrument.id, before)?;
        let due = self.due_ticks(instrument.id, before, archived)?;
        if due.rows == 0 || !(self.goes_on)() {
            return Ok(());
        }
        if archived.is_busy {
            self.told(instrument.id, before, due, RetentionOutcome::Busy)?;
            return Ok(());
        }
        let settled = self.settled_to(instrument, TICKS, before)?;
        let free = match settled < before {
            true => self.boundary(instrument.id, settled)?,
            false => before,
        };
        let all = due.rows;
        let mut due = match free < before {
            true => self.due_ticks(instrument.id, free, archived)?,
            false => due,
        };
        if due.rows > 0 && !self.request.dry_run {
            match self.delete_before(instrument.id, free)? {
                Some(rows) => due.rows = i64::try_from(rows).unwrap_or(i64::MAX),
                // Late ticks have come since.
                None => return self.told(instrument.id, free, due, RetentionOutcome::BarsWait),
            }
        }
        let kept = DueTicks {
            rows: all - due.rows,
            files: Vec::new(),
            first: due.first,
        };
        if due.rows > 0 {
            let done = self.done();
            self.told(instrument.id, free, due, done)?;
        }
        if free < before && kept.rows > 0 {
            self.told(instrument.id, before, kept, RetentionOutcome::BarsWait)?;
        }
        Ok(())
    }

    fn told(
        &mut self,
        instrument_id: i64,
        before: Timestamp,
        due: DueTicks,
        outcome: RetentionOutcome,
    ) -> Result<()> {
        let first = due.first.unwrap_or(before);
        let stay = self.db.read("retention.bars_that_stay", |conn| {
            bar_series::that_stay(conn, instrument_id, TICKS, first)
        })?;
        let line = RetentionLine {
            instrument_id,
            step: RetentionStep::DeleteTicks,
            outcome,
            rows: due.rows,
            bytes: due.files.iter().sum(),
            periods: i64::try_from(due.files.len()).unwrap_or(i64::MAX),
            before,
            bars_that_stay: self.staying(stay, first),
        };
        self.report.lines.push(line);
        Ok(())
    }

    fn due_ticks(
        &self,
        instrument_id: i64,
        before: Timestamp,
        archived: &ArchivedSoFar,
    ) -> Result<DueTicks> {
        let mut due = self.db.read("retention.due_ticks", |conn| {
            conn.snapshot(|conn| {
                let files = archive::list(conn, Some(instrument_id))?;
                let files = files.iter().filter(|of| of.ends_at <= before);
                let range = ticks_before(instrument_id, before);
                let first = market_data::range(conn, &RangeQuery::new(range, 1))?;
                Ok(DueTicks {
                    rows: market_data::count(conn, &range)?,
                    files: files.map(|of| of.bytes).collect(),
                    first: first.rows.first().map(|tick| tick.timestamp),
                })
            })
        })?;
        let previewed = archived.previewed.iter().filter(|(end, _)| *end <= before);
        due.files.extend(previewed.map(|(_, bytes)| *bytes));
        Ok(due)
    }

    /// Deletes in one transaction; `None` when bars that are made of them wait again, or the newest tick
    /// is among them by now.
    fn delete_before(&mut self, instrument_id: i64, before: Timestamp) -> Result<Option<usize>> {
        let unit = self.request.period;
        self.batch
            .add(self.db, "retention.delete_ticks", move |conn, batch| {
                instrument::lock(conn, &[instrument_id])?;
                let settled = bar_series::settled(conn, instrument_id, TICKS)?;
                let newest = last_tick(conn, instrument_id)?;
                let is_old = newest.is_some_and(|newest| before <= newest);
                if !is_old || settled.iter().any(|of| of.to < before) {
                    return Ok(None);
                }
                for (starts_at, ends_at) in spans(conn, instrument_id, before, unit)? {
                    let span = GoneSpan {
                        instrument_id,
                        parts: MadeOf::Ticks,
                        starts_at,
                        ends_at,
                    };
                    bar_series::note_gone(conn, batch.deleted_at(), span)?;
                }
                let range = ticks_before(instrument_id, before);
                market_data::soft_delete_range(conn, &range, batch).map(Some)
            })
    }
}

fn ticks_before(instrument_id: i64, before: Timestamp) -> TickRange {
    TickRange {
        end: Some(before),
        ..TickRange::all(instrument_id)
    }
}

fn last_tick(conn: &mut BackendConnection<'_>, instrument_id: i64) -> Result<Option<Timestamp>> {
    let state = instrument_state::table.find(instrument_id);
    let query = state.select(instrument_state::last_tick);
    Ok(crate::on_backend!(conn, |c| query.get_result(c))?)
}

/// The periods before a moment that have ticks: those of files, and those of rows.
fn spans(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    before: Timestamp,
    unit: ArchivePeriod,
) -> Result<Vec<(Timestamp, Timestamp)>> {
    let files = archive::list(conn, Some(instrument_id))?;
    let files = files.iter().filter(|of| of.ends_at <= before);
    let mut spans: Vec<(Timestamp, Timestamp)> =
        files.map(|of| (of.starts_at, of.ends_at)).collect();
    let mut from = Timestamp::MIN;
    while let Some(due) = archive::next_due(conn, instrument_id, (from, before), unit)? {
        spans.push((due.starts_at, due.ends_at));
        from = due.ends_at;
    }
    spans.sort_unstable();
    spans.dedup();
    Ok(spans)
}
