//! Import: files of ticks or bars into the database, all of them or nothing.
//!
//! Parsing runs on a thread of its own, storing on the writer's. What a duplicate or a conflict
//! is, `repository` decides; what a row means, `feed`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::feed::{Batch, Feed};
use super::input::Input;
use super::options::FeedOptions;
use super::pipeline::pump;
use super::record::{FeedRecord, Target};
use crate::database::{BackendConnection, BatchSize, Database, WhenFull};
use crate::domain::bar::{Bar, Frequency};
use crate::domain::tick::Tick;
use crate::domain::{DEFAULT_SOURCE_ID, InstrumentType, ProviderType, Symbol};
use crate::error::{Error, Result};
use crate::models::{NewDataSource, NewInstrument, NewMarketDataBar};
use crate::repository::market_data::{InsertOptions, RowOutcome};
use crate::repository::{bar, data_source, instrument, market_data};
use crate::timestamp::Timestamp;

/// What a file's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    /// Ticks.
    Ticks,
    /// Bars of this period.
    Bars(Frequency),
}

/// How far an import goes before it commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImportCommit {
    /// Once, at the end: everything is stored or nothing.
    #[default]
    Once,
    /// After each batch of [`BATCH_ROWS_MAX`](super::BATCH_ROWS_MAX) rows: other writers get their
    /// turn in between, and what was committed stays when a later row cannot be read. Running
    /// it again goes on where it stopped, as rows that are stored count as duplicates.
    EachBatch,
}

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct Import {
    /// The instrument of every row.
    pub symbol: Symbol,
    /// The type of the instrument to add when there is none of the symbol.
    pub create: Option<InstrumentType>,
    /// The name of the data source of every row; `None` for the default one.
    pub source: Option<String>,
    /// Whether the source is added when there is none of the name.
    pub create_source: bool,
    /// What the rows are.
    pub kind: ImportKind,
    /// What is known of the files.
    pub feed: FeedOptions,
    /// Whether one rejected row refuses the whole import.
    pub strict: bool,
    /// When it commits.
    pub commit: ImportCommit,
}

impl Import {
    /// Ticks of an instrument that exists, from files that say themselves what their columns are.
    #[must_use]
    pub fn ticks(symbol: Symbol) -> Self {
        Self {
            symbol,
            create: None,
            source: None,
            create_source: false,
            kind: ImportKind::Ticks,
            feed: FeedOptions::default(),
            strict: false,
            commit: ImportCommit::Once,
        }
    }
}

/// What became of the rows: `read = inserted + updated + duplicates + conflicts + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Rows of the files, headers and blank lines left out.
    pub read: u64,
    /// Rows stored.
    pub inserted: u64,
    /// Bars that replaced other values of the same period and source.
    pub updated: u64,
    /// Rows that were stored before, with the same values.
    pub duplicates: u64,
    /// Rows whose key holds other values, which stay.
    pub conflicts: u64,
    /// Rows that break a rule.
    pub rejected: u64,
    /// Stored ticks that are older than the newest one of the instrument.
    pub late: u64,
    /// Rows whose stamp lost digits finer than a microsecond.
    pub timestamps_truncated: u64,
}

/// What an import tells while it runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportEvent<'a> {
    /// It begins, or begins again after the database asked for it: what was told is void.
    Started,
    /// A file is opened.
    File {
        /// Its name.
        name: &'a str,
        /// Its bytes on disk, if they are known.
        size_bytes: Option<u64>,
    },
    /// A batch was stored (not committed, with [`ImportCommit::Once`]).
    Batch {
        /// Rows read so far, of all files.
        rows: u64,
        /// Bytes of this file read so far.
        bytes_read: u64,
    },
    /// A row was rejected.
    Rejected {
        /// Its file.
        name: &'a str,
        /// Its line, from 1.
        line: u64,
        /// The rule that it breaks.
        reason: &'a str,
    },
    /// A row's key holds other values.
    Conflict {
        /// Its file.
        name: &'a str,
        /// Its line, from 1.
        line: u64,
    },
}

/// Hears what an import tells; it is called on the threads that store.
pub type ImportListener = Arc<dyn Fn(&ImportEvent<'_>) + Send + Sync>;

/// Where rows come from: the path of a file, or `-` for standard input.
type Path = String;

/// Imports files, in their order, as one series of rows.
///
/// # Errors
/// [`Error::File`] when a file cannot be read, [`Error::NotFound`] for an unknown symbol,
/// [`Error::Rejected`] for a rejected row in a strict import; those of [`Database::write`]. With
/// [`ImportCommit::Once`] nothing is stored then.
pub fn import(
    db: &Database,
    paths: Vec<Path>,
    plan: &Import,
    listener: ImportListener,
) -> Result<ImportReport> {
    if plan.strict && plan.commit == ImportCommit::EachBatch {
        return Err(Error::invalid(
            "strict",
            "a strict import stores all or nothing, so it cannot commit after each batch",
            "leave out one of the two",
        ));
    }
    let run = Run {
        plan: plan.clone(),
        paths,
        now: db.clock().now(),
        listener,
    };
    match plan.kind {
        ImportKind::Ticks => run.start::<Tick>(db),
        ImportKind::Bars(_) => run.start::<Bar>(db),
    }
}

/// Rows that the import knows how to store.
trait Stored: FeedRecord + 'static {
    fn store(conn: &mut BackendConnection<'_>, rows: &[Self], now: Timestamp) -> Result<Outcome>;
}

/// What became of a batch; places are indexes of the batch.
struct Outcome {
    inserted: usize,
    updated: usize,
    duplicates: usize,
    late: usize,
    conflicts: Vec<usize>,
    rejected: Vec<(usize, String)>,
}

impl Stored for Tick {
    fn store(conn: &mut BackendConnection<'_>, rows: &[Self], now: Timestamp) -> Result<Outcome> {
        let options = InsertOptions {
            outcomes: true,
            ..InsertOptions::default()
        };
        let report = market_data::insert_batch(conn, rows, &options, now)?;
        let outcomes = report.outcomes.unwrap_or_default();
        let conflict = |(index, outcome)| (outcome == RowOutcome::Conflict).then_some(index);
        Ok(Outcome {
            inserted: report.inserted,
            updated: 0,
            duplicates: report.duplicates,
            late: report.late,
            conflicts: outcomes
                .into_iter()
                .enumerate()
                .filter_map(conflict)
                .collect(),
            rejected: report
                .rejected
                .into_iter()
                .map(|row| (row.index, row.reason))
                .collect(),
        })
    }
}

impl Stored for Bar {
    fn store(conn: &mut BackendConnection<'_>, rows: &[Self], now: Timestamp) -> Result<Outcome> {
        let rows: Vec<NewMarketDataBar> = rows.iter().map(Into::into).collect();
        let report = bar::upsert_batch(conn, &rows, now)?;
        Ok(Outcome {
            inserted: report.inserted,
            updated: report.updated,
            duplicates: report.unchanged,
            late: 0,
            conflicts: Vec::new(),
            rejected: report
                .rejected
                .into_iter()
                .map(|row| (row.index, row.reason))
                .collect(),
        })
    }
}

#[derive(Clone)]
struct Run {
    plan: Import,
    paths: Vec<Path>,
    now: Timestamp,
    listener: ImportListener,
}

/// A file on its way, and what became of the rows so far.
struct Progress<'r> {
    run: &'r Run,
    name: String,
    bytes: Arc<AtomicU64>,
    report: ImportReport,
}

impl Run {
    fn start<T: Stored>(self, db: &Database) -> Result<ImportReport> {
        match self.plan.commit {
            ImportCommit::Once => {
                let mut input_used = false;
                db.write("import.file", move |conn| {
                    self.refuse_second_reading(&mut input_used)?;
                    self.in_one::<T>(conn)
                })
            }
            ImportCommit::EachBatch => self.in_batches::<T>(db),
        }
    }

    /// Standard input cannot be read again when the database asks for another attempt.
    fn refuse_second_reading(&self, used: &mut bool) -> Result<()> {
        let reads_input = self.paths.iter().any(|path| path == "-");
        if std::mem::replace(used, reads_input) {
            return Err(Error::File {
                path: "standard input".to_owned(),
                reason: "the database asked for another attempt, and it cannot be read again"
                    .to_owned(),
                remedy: "run the import again, from a file".to_owned(),
            });
        }
        Ok(())
    }

    fn in_one<T: Stored>(&self, conn: &mut BackendConnection<'_>) -> Result<ImportReport> {
        (self.listener)(&ImportEvent::Started);
        // Files that cannot be read are told before an unknown symbol is.
        let feeds = self.open::<T>()?;
        let target = self.target(conn)?;
        self.read(feeds, &target, |rows: Vec<T>| {
            T::store(conn, &rows, self.now)
        })
    }

    fn in_batches<T: Stored>(self, db: &Database) -> Result<ImportReport> {
        (self.listener)(&ImportEvent::Started);
        let feeds = self.open::<T>()?;
        let run = self.clone();
        let target = db.write("import.instrument", move |conn| run.target(conn))?;
        let now = self.now;
        self.read(feeds, &target, |rows: Vec<T>| {
            let size = BatchSize {
                rows: rows.len(),
                when_full: WhenFull::Wait,
            };
            db.write_batch("import.batch", size, move |conn| T::store(conn, &rows, now))
        })
    }

    /// Opens every file before anything is stored.
    fn open<T: Stored>(&self) -> Result<Vec<Feed>> {
        self.paths
            .iter()
            .map(|path| Feed::open::<T>(Input::open(path)?, &self.plan.feed))
            .collect()
    }

    fn target(&self, conn: &mut BackendConnection<'_>) -> Result<Target> {
        let symbol = &self.plan.symbol;
        let known = instrument::by_symbol(conn, symbol)?;
        let instrument = match (known, self.plan.create) {
            (Some(known), _) => known,
            (None, Some(kind)) => {
                let new = NewInstrument::new(symbol.clone(), symbol.as_str(), kind);
                instrument::insert(conn, &new, self.now)?
            }
            (None, None) => {
                return Err(Error::not_found(
                    format!("instrument {symbol}"),
                    "check the symbol, or add the instrument with --create TYPE",
                ));
            }
        };
        Ok(Target {
            instrument_id: instrument.id,
            source_id: self.source(conn)?,
            frequency: match self.plan.kind {
                ImportKind::Ticks => None,
                ImportKind::Bars(frequency) => Some(frequency),
            },
        })
    }

    fn source(&self, conn: &mut BackendConnection<'_>) -> Result<i64> {
        let Some(name) = &self.plan.source else {
            return Ok(DEFAULT_SOURCE_ID);
        };
        match data_source::by_name(conn, name)? {
            Some(known) => Ok(known.id),
            None if self.plan.create_source => {
                let new = NewDataSource::new(name.as_str(), ProviderType::File);
                Ok(data_source::insert(conn, &new, self.now)?.id)
            }
            None => Err(Error::not_found(
                format!("data source {name:?}"),
                "check the name, or add the source with --create-source",
            )),
        }
    }

    fn read<T: Stored>(
        &self,
        feeds: Vec<Feed>,
        target: &Target,
        mut store: impl FnMut(Vec<T>) -> Result<Outcome>,
    ) -> Result<ImportReport> {
        let mut progress = Progress {
            run: self,
            name: String::new(),
            bytes: Arc::default(),
            report: ImportReport::default(),
        };
        for mut feed in feeds {
            progress.open(&feed);
            pump::<T>(&mut feed, target, |batch| progress.batch(batch, &mut store))?;
        }
        let report = progress.report;
        if self.plan.strict && report.rejected > 0 {
            return Err(Error::Rejected {
                rows: report.rejected,
                of: report.read,
            });
        }
        Ok(report)
    }
}

impl Progress<'_> {
    fn open(&mut self, feed: &Feed) {
        self.name = feed.name().to_owned();
        self.bytes = feed.bytes_read();
        (self.run.listener)(&ImportEvent::File {
            name: &self.name,
            size_bytes: feed.size_bytes(),
        });
    }

    fn batch<T: Stored>(
        &mut self,
        batch: Batch<T>,
        store: &mut impl FnMut(Vec<T>) -> Result<Outcome>,
    ) -> Result<()> {
        let read = batch.rows.len() + batch.rejected.len();
        for row in &batch.rejected {
            self.rejected(row.line, &row.reason);
        }
        let outcome = store(batch.rows)?;
        for (index, reason) in &outcome.rejected {
            self.rejected(batch.lines[*index], reason);
        }
        for index in &outcome.conflicts {
            (self.run.listener)(&ImportEvent::Conflict {
                name: &self.name,
                line: batch.lines[*index],
            });
        }
        let report = &mut self.report;
        report.read += read as u64;
        report.inserted += outcome.inserted as u64;
        report.updated += outcome.updated as u64;
        report.duplicates += outcome.duplicates as u64;
        report.late += outcome.late as u64;
        report.conflicts += outcome.conflicts.len() as u64;
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
}
