//! Archives a period: claim, file, seal, removal of rows. Each step is a transaction, and what a crash leaves
//! after any of them is right to read, and is gone on with by the next run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

use super::catalogue::{self, Claimed, SealedFile, SegmentClaim, SegmentPeriod};
use super::merged::MergedTicks;
use super::parts;
use super::removal;
use crate::database::{BackendConnection, Database, Invalidation};
use crate::error::{Error, Result};
use crate::models::ArchiveSegment;
use crate::repository::SortOrder;
use crate::segment::{Segment, SegmentTick, SegmentWriter, WantedColumns};
use crate::soft_delete::SoftDeletable;
use crate::tables::{data_sources, instruments};
use crate::timestamp::Timestamp;

/// How long nobody else may work at a period whose archiver says nothing: the default.
pub const LEASE: Duration = Duration::from_secs(300);

/// What became of a period that was to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeriodOutcome {
    /// Its ticks lie in a file now.
    Archived {
        /// The file.
        segment: ArchiveSegment,
        /// Hot rows that went, as the file holds them.
        rows_removed: usize,
    },
    /// What its file would be; nothing was archived.
    Previewed {
        /// Ticks of the file.
        rows: i64,
        /// Its bytes.
        bytes: i64,
    },
    /// It has no active ticks.
    Empty,
    /// Another process works at it: see `owner` and `claimed_until`.
    Busy(ArchiveSegment),
    /// Its file is in the trash: undo that deletion, or purge it, first.
    InTrash(ArchiveSegment),
}

/// Archives periods, and brings them back. Each period that it works at is its own for as long as it goes
/// on: other processes leave it alone.
#[derive(Debug, Clone, Copy)]
pub struct Archiver {
    lease: Duration,
}

impl Default for Archiver {
    fn default() -> Self {
        Self { lease: LEASE }
    }
}

impl Archiver {
    /// One whose periods others may take over when it has said nothing for so long, as after a crash.
    /// One that was only slow finds that out, and stops.
    #[must_use]
    pub fn with_lease(lease: Duration) -> Self {
        Self { lease }
    }

    /// Archives the active ticks of an instrument and a period that is over: hot rows, merged with what
    /// an older file has. A file that is there keeps its end. When its ticks are deleted meanwhile, or
    /// another process takes it over, it stops, and says what the period is by then.
    ///
    /// # Errors
    /// Those of [`Database::write`] and [`Database::read`].
    pub fn archive_period(
        &self,
        db: &Database,
        instrument_id: i64,
        span: (Timestamp, Timestamp),
    ) -> Result<PeriodOutcome> {
        self.archive_period_while(db, instrument_id, span, &|| true)
    }

    /// [`Archiver::archive_period`], given up with an error when `goes_on` says no: what it has not done
    /// is left to the next run.
    pub(crate) fn archive_period_while(
        &self,
        db: &Database,
        instrument_id: i64,
        span: (Timestamp, Timestamp),
        goes_on: &dyn Fn() -> bool,
    ) -> Result<PeriodOutcome> {
        let period = SegmentPeriod::new(instrument_id, span);
        match ClaimedWork::new(self.lease).archive(db, period, goes_on) {
            Err(Error::Conflict { .. }) => {
                let now = db.read("archive.period", |conn| catalogue::of_period(conn, period))?;
                Ok(match now {
                    None => PeriodOutcome::Empty,
                    Some(segment) if segment.deleted_at.is_some() => {
                        PeriodOutcome::InTrash(segment)
                    }
                    Some(segment) => PeriodOutcome::Busy(segment),
                })
            }
            outcome => outcome,
        }
    }

    /// What [`Archiver::archive_period`] would make of a period: the file is made in memory alone.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn preview_period(
        self,
        db: &Database,
        instrument_id: i64,
        span: (Timestamp, Timestamp),
    ) -> Result<PeriodOutcome> {
        let period = SegmentPeriod::new(instrument_id, span);
        let file = db.read("archive.preview", move |conn| {
            conn.snapshot(|conn| {
                let known = catalogue::of_period(conn, period)?;
                let segment = known.unwrap_or_else(|| period.without_file());
                match segment.deleted_at {
                    Some(_) => Ok(Err(segment)),
                    None => write_file(conn, &segment, &|| true).map(Ok),
                }
            })
        })?;
        Ok(match file {
            Err(segment) => PeriodOutcome::InTrash(segment),
            Ok(None) => PeriodOutcome::Empty,
            Ok(Some((file, _))) => PeriodOutcome::Previewed {
                rows: file.rows,
                bytes: file.bytes,
            },
        })
    }

    pub(super) fn work(self) -> ClaimedWork {
        ClaimedWork::new(self.lease)
    }
}

/// One piece of work at one period, under a name of its own: even the same process does not do two at a
/// time.
#[derive(Debug, Clone)]
pub(super) struct ClaimedWork {
    owner: String,
    lease: Duration,
}

impl ClaimedWork {
    fn new(lease: Duration) -> Self {
        let owner = format!("{}/{:08x}", std::process::id(), fastrand::u32(..));
        Self { owner, lease }
    }

    fn claim(&self, now: Timestamp) -> SegmentClaim {
        let lease = i64::try_from(self.lease.as_micros()).unwrap_or(i64::MAX);
        SegmentClaim {
            owner: self.owner.clone(),
            until: now.saturating_add_micros(lease),
        }
    }

    /// Whether a segment is still that of this work, asked in each of its transactions.
    pub(super) fn holds(
        &self,
        db: &Database,
        id: i64,
    ) -> impl Fn(&mut BackendConnection<'_>) -> Result<()> + Clone + Send + 'static {
        let (work, clock) = (self.clone(), db.clock().clone());
        move |conn| {
            let now = clock.now();
            catalogue::held(conn, id, &work.claim(now), now).map(|_| ())
        }
    }

    fn archive(
        &self,
        db: &Database,
        period: SegmentPeriod,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<PeriodOutcome> {
        let segment = match self.claim_period(db, period)? {
            Claimed::Ours(segment) => segment,
            Claimed::Others(segment) if segment.deleted_at.is_some() => {
                return Ok(PeriodOutcome::InTrash(segment));
            }
            Claimed::Others(segment) => return Ok(PeriodOutcome::Busy(segment)),
        };
        let archived = self.archive_claimed(db, &segment, goes_on);
        self.given_back(db, segment.id, archived)
    }

    fn archive_claimed(
        &self,
        db: &Database,
        segment: &ArchiveSegment,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<PeriodOutcome> {
        let is_ours = self.holds(db, segment.id);
        // What a crash left unfinished.
        parts::delete_others(db, segment, is_ours.clone())?;
        let old = segment.clone();
        let written = db.read("archive.write_file", move |conn| {
            conn.snapshot(|conn| write_file(conn, &old, goes_on))
        })?;
        let Some((file, bytes)) = written else {
            self.forget(db, segment)?;
            return Ok(PeriodOutcome::Empty);
        };
        parts::store(db, segment, &bytes, is_ours.clone())?;
        let sealed = self.seal(db, segment, file)?;
        parts::delete_others(db, &sealed, is_ours)?;
        let rows_removed = removal::remove_rows(db, &sealed, |now| {
            going(goes_on)?;
            Ok(self.claim(now))
        })?;
        let now = db.clock().now();
        let claim = self.claim(now);
        let segment = db.write("archive.finish", move |conn| {
            let _said = conn.invalidates(Invalidation::Nothing);
            let held = catalogue::held(conn, sealed.id, &claim, now)?;
            catalogue::finish(conn, &held, now)
        })?;
        Ok(PeriodOutcome::Archived {
            segment,
            rows_removed,
        })
    }

    /// Gives a claim back after an error, so that nobody waits for its end; the error is what counts.
    pub(super) fn given_back<T>(&self, db: &Database, id: i64, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            let owner = self.owner.clone();
            let released = db.write("archive.release", move |conn| {
                catalogue::release(conn, id, &owner)
            });
            if let Err(error) = released {
                tracing::warn!(id, %error, "a claim of the archive stays until its lease ends");
            }
        }
        outcome
    }

    pub(super) fn claim_period(&self, db: &Database, period: SegmentPeriod) -> Result<Claimed> {
        let now = db.clock().now();
        let claim = self.claim(now);
        db.write("archive.claim", move |conn| {
            catalogue::lock(conn, period.instrument_id)?;
            catalogue::claim(conn, period, &claim, now)
        })
    }

    /// Ends a segment that has no ticks.
    pub(super) fn forget(&self, db: &Database, segment: &ArchiveSegment) -> Result<()> {
        let (id, instrument_id, now) = (segment.id, segment.instrument_id, db.clock().now());
        let claim = self.claim(now);
        db.write("archive.forget", move |conn| {
            let _said = conn.invalidates(Invalidation::Nothing);
            catalogue::lock(conn, instrument_id)?;
            catalogue::held(conn, id, &claim, now)?;
            catalogue::forget(conn, id)
        })
    }

    /// From its commit on the file is read.
    fn seal(
        &self,
        db: &Database,
        segment: &ArchiveSegment,
        file: SealedFile,
    ) -> Result<ArchiveSegment> {
        let (segment, now) = (segment.clone(), db.clock().now());
        let claim = self.claim(now);
        db.write("archive.seal", move |conn| {
            let _said = conn.invalidates(Invalidation::Nothing);
            catalogue::lock(conn, segment.instrument_id)?;
            let held = catalogue::held(conn, segment.id, &claim, now)?;
            catalogue::seal(conn, &held, &file, now)
        })
    }
}

/// Ticks that are written between two looks whether to go on: some 50 ms.
const TICKS_BETWEEN_LOOKS: u64 = 65_536;

/// Gives up when it is told to.
fn going(goes_on: &dyn Fn() -> bool) -> Result<()> {
    match goes_on() {
        true => Ok(()),
        false => Err(Error::service(
            "archive",
            "it was told to end",
            "run it again: what it has done stays done",
        )),
    }
}

/// The hash of a file, as the catalogue has it.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file of all ticks of a period that are active now; `None` when there are none. It is read back
/// and compared.
fn write_file(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<(SealedFile, Bytes)>> {
    let symbol = instruments::table
        .with_deleted("its ticks may still be archived")
        .find(segment.instrument_id)
        .select(instruments::symbol);
    let symbol: String = crate::on_backend!(&mut *conn, |c| symbol.get_result(c))?;
    let names = data_sources::table.select((data_sources::id, data_sources::name));
    let names: Vec<(i64, String)> = crate::on_backend!(&mut *conn, |c| names.load(c))?;
    let mut writer = SegmentWriter::new(segment.instrument_id, &symbol, names)?;
    let files = match segment.version {
        0 => Vec::new(),
        _ => vec![segment.clone()],
    };
    let bounds = (segment.starts_at, segment.ends_at.saturating_add_micros(-1));
    let order = SortOrder::Ascending;
    let mut ticks = MergedTicks::new(segment.instrument_id, files, bounds, order, None);
    let (mut given, mut ticks_written) = (DefaultHasher::new(), 0_u64);
    while let Some(tick) = ticks.next(conn)? {
        let tick = SegmentTick {
            timestamp: tick.timestamp,
            source_id: tick.source_id,
            sequence: tick.sequence,
            values: tick.values(),
        };
        hash_tick(&mut given, &tick);
        writer.push(tick)?;
        ticks_written += 1;
        if ticks_written % TICKS_BETWEEN_LOOKS == 0 {
            going(goes_on)?;
        }
    }
    let written = writer.finish()?;
    if written.rows == 0 {
        return Ok(None);
    }
    let mut bytes = Bytes::from(written.bytes);
    let file = SealedFile {
        rows: i64::try_from(written.rows).unwrap_or(i64::MAX),
        bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        sha256: sha256(&bytes),
    };
    match hash_file(&mut bytes)? == given.finish() {
        true => Ok(Some((file, bytes))),
        false => Err(Error::Corrupt {
            what: "a segment of the archive",
            value: format!("instrument {}", segment.instrument_id),
            reason: "reads other ticks than were written; nothing was archived".to_owned(),
        }),
    }
}

/// Adds every bit of a tick to a hash: two pieces take a third of the time of one for each value.
fn hash_tick(hash: &mut DefaultHasher, tick: &SegmentTick) {
    let known = (0..).zip(&tick.values).fold(0, |known, (at, value)| {
        known | i64::from(value.is_some()) << at
    });
    let key = (tick.timestamp.micros(), tick.source_id, tick.sequence);
    i64::hash_slice(&[key.0, key.1, key.2, known], hash);
    let values = tick.values.map(|value| value.map_or(0, f64::to_bits));
    u64::hash_slice(&values, hash);
}

/// The hash of all ticks of a file, read back.
fn hash_file(bytes: &mut Bytes) -> Result<u64> {
    let segment = Segment::open(bytes)?;
    let mut hash = DefaultHasher::new();
    let whole = (Timestamp::MIN, Timestamp::MAX);
    for rows in segment.rows_of(bytes, whole, WantedColumns::ALL) {
        let rows = rows?;
        (0..rows.len())
            .filter_map(|row| rows.tick(row))
            .for_each(|tick| hash_tick(&mut hash, &tick));
    }
    Ok(hash.finish())
}
