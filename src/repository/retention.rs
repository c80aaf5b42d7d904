//! What retention policies ask for, done: ticks of periods that are over are archived, old archived
//! periods and old bars are moved to the trash, and what was long in it is removed for good.
//!
//! Ages are counted back from now, or from the newest data of the database if that is older: neither a
//! clock that is ahead nor a feed that has ended makes what is there old. The period of an instrument's
//! newest tick always stays in the table. Everything but the purge can be undone: what was deleted is one
//! batch.
//!
//! Bars outlive what they were made of. Ticks or shorter bars go only where the built bars that are made of
//! them are built and fresh; from then on these bars stay as they are, whatever comes late.
//!
//! The reasons are in docs/decisions/0038.

mod bars;
mod moment;
mod policies;
mod report;
mod ticks;

pub use report::{
    RetentionFailure, RetentionLine, RetentionOutcome, RetentionReport, RetentionStep,
};

use std::time::Duration;

use crate::database::Database;
use crate::domain::{ArchivePeriod, Frequency};
use crate::error::{Error, Result};
use crate::models::{Instrument, NewDeletion};
use crate::repository::archive::Archiver;
use crate::repository::bar_series::{
    self, BuiltSources, PartsOf, SeriesKey, Settled, TICKS_PER_TRANSACTION_MAX,
};
use crate::repository::deletion::GrowingBatch;
use crate::repository::instrument::{self, InstrumentFilter};
use crate::repository::{purge, retention_policy};
use crate::timestamp::Timestamp;
use moment::Ages;
use policies::PolicySet;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct RetentionRequest {
    /// How long the periods of the archive are, where no file is yet.
    pub period: ArchivePeriod,
    /// The age at which what is in the trash is removed for good; without one, nothing is.
    pub purge_after: Option<Duration>,
    /// Changes nothing, and reports what it would. Bars that would first be built are not counted.
    pub dry_run: bool,
    /// Who asks for it, and why.
    pub deletion: NewDeletion,
}

/// Does what the policies ask for, instrument by instrument. It ends early, between two of its
/// transactions, when `goes_on` says so; what is done stays so then, and when a later step fails. What is
/// wrong with the data of one instrument does not keep others from theirs: the report says it.
///
/// # Errors
/// Those of [`Archiver::archive_period`], [`purge::run`] and [`Database::write`].
pub fn run(
    db: &Database,
    archiver: &Archiver,
    request: &RetentionRequest,
    goes_on: &dyn Fn() -> bool,
) -> Result<RetentionReport> {
    let policies = db.read("retention_policy.list", retention_policy::list)?;
    let policies = PolicySet::new(policies.into_iter().map(|of| of.policy).collect());
    let mut report = RetentionReport {
        dry_run: request.dry_run,
        lines: Vec::new(),
        failures: Vec::new(),
        deletion: None,
        purge: None,
    };
    if !policies.is_empty() {
        let newest = db.read("retention.newest", |conn| Ages::of(conn, &policies))?;
        let mut run = PolicyRun {
            db,
            archiver,
            request,
            policies: &policies,
            ages: newest.at(db.clock().now()),
            built: db.read("retention.sources", BuiltSources::load)?,
            goes_on,
            batch: GrowingBatch::new(request.deletion.clone()),
            report: &mut report,
        };
        let done = run.instruments();
        // What went is one batch, also when a later instrument fails.
        let deletion = run.batch.finish(db)?;
        done?;
        report.deletion = deletion;
    }
    if let Some(age) = request.purge_after.filter(|_| goes_on()) {
        let cut_off = moment::before(db.clock().now(), age);
        report.purge = Some(purge::run(db, cut_off, request.dry_run)?);
    }
    Ok(report)
}

/// A run on its way.
struct PolicyRun<'a> {
    db: &'a Database,
    archiver: &'a Archiver,
    request: &'a RetentionRequest,
    policies: &'a PolicySet,
    ages: Ages,
    built: BuiltSources,
    goes_on: &'a dyn Fn() -> bool,
    batch: GrowingBatch,
    report: &'a mut RetentionReport,
}

impl PolicyRun<'_> {
    fn instruments(&mut self) -> Result<()> {
        let all = self.db.read("instrument.list", |conn| {
            instrument::list(conn, InstrumentFilter::default())
        })?;
        for instrument in all {
            if !(self.goes_on)() {
                return Ok(());
            }
            let done = self.ticks(&instrument);
            match done.and_then(|()| self.bars(&instrument)) {
                // A file that cannot be read, say: another instrument has others.
                Err(error @ (Error::Corrupt { .. } | Error::Conflict { .. })) => {
                    self.report.failures.push(RetentionFailure {
                        instrument_id: instrument.id,
                        error: error.chain(),
                    });
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Up to where no series needs what it is made of. Builds and repairs what is before a moment; a dry
    /// run says how far that would come.
    fn settled_to(
        &self,
        instrument: &Instrument,
        parts: PartsOf,
        end: Timestamp,
    ) -> Result<Timestamp> {
        let id = instrument.id;
        let settled = || -> Result<Vec<Settled>> {
            self.db.read("retention.settled", |conn| {
                conn.snapshot(|conn| bar_series::settled(conn, id, parts))
            })
        };
        let all = settled()?;
        if self.request.dry_run {
            let closed = |of: &Settled| match instrument.last_tick {
                Some(last_tick) => of.to.max(of.key.frequency.period_start(last_tick)),
                None => of.to,
            };
            return Ok(all.iter().map(closed).min().unwrap_or(Timestamp::MAX));
        }
        let unsettled = all.iter().filter(|of| of.to < end);
        for of in unsettled {
            bar_series::refresh(self.db, of.key, TICKS_PER_TRANSACTION_MAX, self.goes_on)?;
        }
        let settled = settled()?.iter().map(|of| of.to).min();
        Ok(settled.unwrap_or(Timestamp::MAX))
    }

    /// The frequencies of these series whose bars do not go by a policy of their own.
    fn staying(&self, series: Vec<SeriesKey>, first: Timestamp) -> Vec<Frequency> {
        let stays = |key: &SeriesKey| {
            let source = self.built.of(key.price);
            let policy = source
                .and_then(|source| self.policies.bars(key.instrument_id, source, key.frequency));
            let age = policy.and_then(|of| of.delete_after());
            let before = age.and_then(|age| self.ages.bars_before(age));
            before.is_none_or(|before| before <= first)
        };
        let staying = series.iter().filter(|key| stays(key));
        let mut frequencies: Vec<Frequency> = staying.map(|key| key.frequency).collect();
        frequencies.dedup();
        frequencies
    }

    fn done(&self) -> RetentionOutcome {
        match self.request.dry_run {
            true => RetentionOutcome::WouldBeDone,
            false => RetentionOutcome::Done,
        }
    }
}
