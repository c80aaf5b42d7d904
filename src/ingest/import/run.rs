//! An import on its way: files in their order, batch by batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::report::{ImportEvent, ImportListener, ImportReport};
use super::resolve::{Ids, OwnerIds};
use super::store::{StoreOutcome, Stored};
use super::{Import, ImportFile};
use crate::database::{BackendConnection, BatchSize, Database, WhenFull};
use crate::domain::bar::{Bar, Frequency};
use crate::domain::tick::Tick;
use crate::error::{Error, Result};
use crate::ingest::feed::{Feed, FeedBatch};
use crate::ingest::import_kind::ImportKind;
use crate::ingest::owners::RowOwner;
use crate::ingest::pipeline::pump;
use crate::ingest::record::FeedTarget;
use crate::timestamp::Timestamp;

/// The state of an import over all of its files.
#[derive(Clone)]
pub(super) struct ImportRun {
    pub(super) plan: Import,
    pub(super) now: Timestamp,
    pub(super) listener: ImportListener,
}

impl ImportRun {
    /// Stores everything in one transaction, which the database may ask to begin again.
    pub(super) fn in_one(self, db: &Database, mut files: Vec<ImportFile>) -> Result<ImportReport> {
        for file in &mut files {
            // Before the transaction begins: a pipe must not hold the writer while its sender is
            // slow, and a transaction that begins again must read all rows again.
            file.feed.keep()?;
        }
        db.write("import.file", move |conn| {
            (self.listener)(&ImportEvent::Started);
            if !self.plan.dry_run {
                return self.all(conn, &files);
            }
            let mut report = None;
            let undone = conn.savepoint(|conn| -> Result<()> {
                report = Some(self.all(conn, &files)?);
                Err(Error::Closed)
            });
            // The error undoes what a trial stored; one that has no report is its own.
            report.map_or_else(|| Err(undone.err().unwrap_or(Error::Closed)), Ok)
        })
    }

    fn all(&self, conn: &mut BackendConnection<'_>, files: &[ImportFile]) -> Result<ImportReport> {
        // New in each run: the counts of a run that was rolled back must not be added to.
        let mut progress = Progress::new(self);
        let mut ids = Ids::default();
        let target = ids.target(conn, &self.plan, self.now)?;
        for file in files {
            let mut feed = file.feed.again()?;
            let mut storage = InOne {
                conn: &mut *conn,
                ids: &mut ids,
                run: self,
                target,
                owners: Vec::new(),
            };
            progress.file(&mut feed, file.frequency, target, &mut storage)?;
        }
        // Only at the end: the error names every missing symbol of all files, not just the first.
        ids.refuse_missing()?;
        progress.end()
    }

    /// Commits each batch by itself.
    pub(super) fn in_batches(self, db: &Database, files: Vec<ImportFile>) -> Result<ImportReport> {
        (self.listener)(&ImportEvent::Started);
        let run = self.clone();
        // A transaction of its own: an instrument that is added here stays, whatever becomes of the
        // batches.
        let target = db.write("import.instrument", move |conn| {
            Ids::default().target(conn, &run.plan, run.now)
        })?;
        let mut progress = Progress::new(&self);
        for file in files {
            let mut feed = file.feed;
            let mut storage = InBatches {
                db,
                run: &self,
                target,
                owners: Vec::new(),
            };
            progress.file(&mut feed, file.frequency, target, &mut storage)?;
        }
        progress.end()
    }
}

/// Stores the batches of a file.
trait Storage {
    /// Stores rows; their owners are indexes of all owners so far.
    fn store<T: Stored>(
        &mut self,
        rows: Vec<T>,
        owners: Vec<u32>,
        new_owners: Vec<RowOwner>,
    ) -> Result<StoreOutcome>;
}

/// One transaction for all batches.
struct InOne<'s, 'c> {
    conn: &'s mut BackendConnection<'c>,
    ids: &'s mut Ids,
    run: &'s ImportRun,
    target: OwnerIds,
    owners: Vec<Option<OwnerIds>>,
}

impl Storage for InOne<'_, '_> {
    fn store<T: Stored>(
        &mut self,
        rows: Vec<T>,
        owners: Vec<u32>,
        new_owners: Vec<RowOwner>,
    ) -> Result<StoreOutcome> {
        let (plan, now) = (&self.run.plan, self.run.now);
        let new = self
            .ids
            .owners(self.conn, &new_owners, self.target, plan, now)?;
        self.owners.extend(new);
        if self.ids.is_incomplete() {
            // Nothing will be stored: the rest is read to name every symbol that lacks.
            return Ok(StoreOutcome::default());
        }
        T::store(self.conn, &owned(rows, &owners, &self.owners), now)
    }
}

/// A transaction for each batch.
struct InBatches<'s> {
    db: &'s Database,
    run: &'s ImportRun,
    target: OwnerIds,
    owners: Vec<Option<OwnerIds>>,
}

impl Storage for InBatches<'_> {
    fn store<T: Stored>(
        &mut self,
        rows: Vec<T>,
        owners: Vec<u32>,
        new_owners: Vec<RowOwner>,
    ) -> Result<StoreOutcome> {
        let (now, target) = (self.run.now, self.target);
        // Owners are looked up in a transaction before that of their rows. The map of indexes grows
        // only after it is committed, so a write that runs again adds nothing twice.
        if !new_owners.is_empty() {
            let plan = self.run.plan.clone();
            let new = self.db.write("import.instrument", move |conn| {
                let mut ids = Ids::default();
                let new = ids.owners(conn, &new_owners, target, &plan, now)?;
                ids.refuse_missing().map(|()| new)
            })?;
            self.owners.extend(new);
        }
        let rows = owned(rows, &owners, &self.owners);
        let size = BatchSize {
            rows: rows.len(),
            when_full: WhenFull::Wait,
        };
        self.db
            .write_batch("import.batch", size, move |conn| T::store(conn, &rows, now))
    }
}

/// The rows, each of its owner; those of a file whose rows name none are of the target.
fn owned<T: Stored>(rows: Vec<T>, owners: &[u32], ids: &[Option<OwnerIds>]) -> Vec<T> {
    if owners.is_empty() {
        return rows;
    }
    let rows = rows.into_iter().zip(owners);
    let owned = rows.filter_map(|(row, owner)| {
        let ids = ids.get(*owner as usize).copied().flatten()?;
        Some(row.of(ids.instrument, ids.source))
    });
    owned.collect()
}

/// A file on its way, and what became of the rows so far.
struct Progress<'r> {
    run: &'r ImportRun,
    name: String,
    bytes: Arc<AtomicU64>,
    report: ImportReport,
}

impl<'r> Progress<'r> {
    fn new(run: &'r ImportRun) -> Self {
        Self {
            run,
            name: String::new(),
            bytes: Arc::default(),
            report: ImportReport {
                dry_run: run.plan.dry_run,
                ..ImportReport::default()
            },
        }
    }

    fn file(
        &mut self,
        feed: &mut Feed,
        frequency: Option<Frequency>,
        target: OwnerIds,
        storage: &mut impl Storage,
    ) -> Result<()> {
        self.name = feed.name().to_owned();
        self.bytes = feed.bytes_read();
        (self.run.listener)(&ImportEvent::File {
            name: &self.name,
            size_bytes: feed.size_bytes(),
        });
        let target = FeedTarget {
            instrument_id: target.instrument,
            source_id: target.source,
            frequency,
        };
        match feed.kind() {
            ImportKind::Ticks => {
                pump::<Tick>(feed, &target, |batch| self.batch(batch, storage))?;
            }
            ImportKind::Bars => pump::<Bar>(feed, &target, |batch| self.batch(batch, storage))?,
        }
        let mut reading = feed.reading();
        reading.frequency = frequency;
        self.report.add(reading);
        Ok(())
    }

    fn batch<T: Stored>(&mut self, batch: FeedBatch<T>, storage: &mut impl Storage) -> Result<()> {
        let read = (batch.rows.len() + batch.rejected.len()) as u64 + batch.other_symbols;
        for row in &batch.rejected {
            self.rejected(row.line, &row.reason);
        }
        let outcome = storage.store(batch.rows, batch.owners, batch.new_owners)?;
        for (index, reason) in &outcome.rejected {
            self.rejected(batch.lines[*index], reason);
        }
        let name = &self.name;
        for index in &outcome.conflicts {
            let line = batch.lines[*index];
            (self.run.listener)(&ImportEvent::Conflict { name, line });
        }
        for index in &outcome.deleted {
            let line = batch.lines[*index];
            (self.run.listener)(&ImportEvent::Deleted { name, line });
        }
        let report = &mut self.report;
        report.read += read;
        report.inserted += outcome.inserted as u64;
        report.updated += outcome.updated as u64;
        report.duplicates += outcome.duplicates as u64;
        report.late += outcome.late as u64;
        report.conflicts += outcome.conflicts.len() as u64;
        report.deleted += outcome.deleted.len() as u64;
        report.timestamps_truncated += batch.stamps_cut;
        (self.run.listener)(&ImportEvent::Batch {
            rows: report.read,
            bytes_read: self.bytes.load(Ordering::Relaxed),
        });
        Ok(())
    }

    fn rejected(&mut self, line: u64, reason: &str) {
        self.report.rejected += 1;
        (self.run.listener)(&ImportEvent::Rejected {
            name: &self.name,
            line,
            reason,
        });
    }

    fn end(self) -> Result<ImportReport> {
        let report = self.report;
        if self.run.plan.strict && report.rejected + report.deleted > 0 {
            // Rows that meet deleted rows have an error of their own: their remedy is not in the
            // file.
            if report.rejected == 0 {
                return Err(Error::invalid(
                    "strict",
                    format!(
                        "{} rows meet deleted rows, so nothing was stored",
                        report.deleted
                    ),
                    "restore or purge the deleted rows, or import without --strict",
                ));
            }
            return Err(Error::Rejected {
                rows: report.rejected,
                of: report.read,
            });
        }
        Ok(report)
    }
}
