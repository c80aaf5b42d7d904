//! Bars: old ones are moved to the trash, by frequency and source.

use std::collections::BTreeMap;

use super::PolicyRun;
use super::report::{RetentionLine, RetentionOutcome, RetentionStep};
use crate::domain::Frequency;
use crate::error::Result;
use crate::models::Instrument;
use crate::repository::bar::{self, BarRange};
use crate::repository::bar_series::{self, GoneSpan, MadeOf, PartsOf, SeriesKey};
use crate::repository::instrument;
use crate::timestamp::Timestamp;

/// Bars of one transaction: some 100 ms of the writer's time.
const BARS_PER_TRANSACTION: usize = 20_000;

/// The bars of an instrument, a frequency and a source that are old enough.
#[derive(Debug, Clone, Copy)]
struct DueBars {
    range: BarRange,
    source: i64,
    /// What longer bars are made of them.
    parts: PartsOf,
    rows: i64,
    first: Timestamp,
}

impl PolicyRun<'_> {
    pub(super) fn bars(&mut self, instrument: &Instrument) -> Result<()> {
        let id = instrument.id;
        let frequencies = self.db.read("retention.frequencies", |conn| {
            bar::stored_frequencies(conn, id)
        })?;
        for frequency in frequencies {
            for (source, before) in self.due_sources(id, frequency)? {
                self.delete_bars(instrument, (frequency, source), before)?;
            }
        }
        Ok(())
    }

    /// The sources whose policies say that their bars before a moment go.
    fn due_sources(
        &self,
        instrument_id: i64,
        frequency: Frequency,
    ) -> Result<BTreeMap<i64, Timestamp>> {
        // By whole days, so that one run a day deletes something, not each.
        let whole = frequency.max(Frequency::OneDay);
        let mut due = BTreeMap::new();
        let least = self.policies.least_age_of_bars(instrument_id, frequency);
        let Some(before) = least.and_then(|age| self.ages.bars_before(age)) else {
            return Ok(due);
        };
        let range = BarRange {
            end: Some(whole.period_start(before)),
            ..BarRange::all(instrument_id, frequency)
        };
        let sources = self.db.read("retention.bar_sources", |conn| {
            bar::sources_of(conn, &range)
        })?;
        for source in sources {
            let policy = self.policies.bars(instrument_id, source, frequency);
            let age = policy.and_then(|of| of.delete_after());
            if let Some(before) = age.and_then(|age| self.ages.bars_before(age)) {
                due.insert(source, whole.period_start(before));
            }
        }
        Ok(due)
    }

    fn delete_bars(
        &mut self,
        instrument: &Instrument,
        (frequency, source): (Frequency, i64),
        before: Timestamp,
    ) -> Result<()> {
        let range = BarRange {
            data_source_id: Some(source),
            end: Some(before),
            ..BarRange::all(instrument.id, frequency)
        };
        let Some(all) = self.due_bars(range, source)? else {
            return Ok(());
        };
        let free = before.min(self.free_to(instrument, &all, before)?);
        let range = BarRange {
            end: Some(free),
            ..range
        };
        let mut kept = all.rows;
        if let Some(due) = self.due_bars(range, source)? {
            let rows = match self.request.dry_run {
                true => due.rows,
                false => self.delete_chunks(&due)?,
            };
            kept = due.rows.max(rows).max(all.rows) - due.rows.max(rows);
            let done = self.done();
            self.told_bars(&DueBars { rows, ..due }, free, done)?;
        }
        if free < before && kept > 0 {
            let kept = DueBars { rows: kept, ..all };
            self.told_bars(&kept, before, RetentionOutcome::BarsWait)?;
        }
        Ok(())
    }

    fn due_bars(&self, range: BarRange, source: i64) -> Result<Option<DueBars>> {
        let parts = match self.built.price(source) {
            Some(price) => PartsOf::Built(SeriesKey {
                instrument_id: range.instrument_id,
                frequency: range.frequency,
                price,
            }),
            None => PartsOf::Stored(MadeOf::Bars(range.frequency)),
        };
        self.db.read("retention.due_bars", |conn| {
            conn.snapshot(|conn| {
                let rows = bar::count(conn, &range)?;
                let ends = bar::ends(conn, &range)?;
                Ok(ends.map(|(first, _)| DueBars {
                    range,
                    source,
                    parts,
                    rows,
                    first,
                }))
            })
        })
    }

    /// Up to where longer bars need nothing of these. Of built ones they need none, while what both are
    /// made of is there.
    fn free_to(
        &self,
        instrument: &Instrument,
        of: &DueBars,
        before: Timestamp,
    ) -> Result<Timestamp> {
        if matches!(of.parts, PartsOf::Built(_)) {
            let span = (of.first, before);
            let is_gone = self.db.read("retention.gone", |conn| {
                bar_series::is_gone_between(conn, instrument.id, span)
            })?;
            if !is_gone {
                return Ok(Timestamp::MAX);
            }
        }
        let settled = self.settled_to(instrument, of.parts, before)?;
        Ok(of.range.frequency.period_start(settled))
    }

    fn told_bars(
        &mut self,
        of: &DueBars,
        before: Timestamp,
        outcome: RetentionOutcome,
    ) -> Result<()> {
        let BarRange {
            instrument_id,
            frequency,
            ..
        } = of.range;
        let stay = self.db.read("retention.bars_that_stay", |conn| {
            bar_series::that_stay(conn, instrument_id, of.parts, of.first)
        })?;
        let line = RetentionLine {
            instrument_id,
            step: RetentionStep::DeleteBars {
                frequency,
                data_source_id: of.source,
            },
            outcome,
            rows: of.rows,
            bytes: 0,
            periods: 0,
            before,
            bars_that_stay: self.staying(stay, of.first),
        };
        self.report.lines.push(line);
        Ok(())
    }

    /// Deletes some bars a transaction; returns how many went. It ends early when bars that are made of
    /// them wait again.
    fn delete_chunks(&mut self, of: &DueBars) -> Result<i64> {
        let mut rows = 0;
        while (self.goes_on)() {
            match self.delete_some(of.range, of.parts)? {
                0 => break,
                some => rows += i64::try_from(some).unwrap_or(i64::MAX),
            }
        }
        Ok(rows)
    }

    /// The first bars of a range.
    fn delete_some(&mut self, range: BarRange, parts: PartsOf) -> Result<usize> {
        self.batch
            .add(self.db, "retention.delete_bars", move |conn, batch| {
                let BarRange {
                    instrument_id,
                    frequency,
                    ..
                } = range;
                instrument::lock(conn, &[instrument_id])?;
                let first = bar::first_start(conn, &range)?;
                let last = bar::last_of_first(conn, &range, BARS_PER_TRANSACTION)?;
                let Some((first, last)) = first.zip(last) else {
                    return Ok(0);
                };
                let end = frequency.period_end(last);
                // Asked again under the lock: a late tick or bar may have come.
                let settled = bar_series::settled(conn, instrument_id, parts)?;
                let waits = settled.iter().any(|of| of.to < end);
                match parts {
                    PartsOf::Built(series) => {
                        if waits && bar_series::is_gone_between(conn, instrument_id, (first, end))?
                        {
                            return Ok(0);
                        }
                        bar_series::begin_at(conn, series, end)?;
                    }
                    PartsOf::Stored(_) if waits => return Ok(0),
                    PartsOf::Stored(parts) => {
                        let span = GoneSpan {
                            instrument_id,
                            parts,
                            starts_at: first,
                            ends_at: end,
                        };
                        bar_series::note_gone(conn, batch.deleted_at(), span)?;
                    }
                }
                let first = BarRange {
                    end: Some(end),
                    ..range
                };
                bar::soft_delete_range(conn, &first, batch)
            })
    }
}
