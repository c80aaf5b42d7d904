//! Import: files of ticks or bars into the database, all of them or nothing.
//!
//! Parsing runs on a thread of its own, storing on the writer's. What a duplicate or a conflict
//! is, `repository` decides; what a row means, `feed`. What a file is and which options it lacks
//! is found out before the writer is taken.

mod report;
pub(super) mod resolve;
mod run;
mod store;

use std::fs::File;
use std::io::Read;

use super::feed::Feed;
use super::import_kind::ImportKind;
use super::input::{Input, PathlessFile, file_error};
use super::options::FeedOptions;
use super::record::FeedTarget;
use crate::database::Database;
use crate::domain::bar::{Bar, Frequency};
use crate::domain::{DEFAULT_SOURCE_ID, InstrumentType, Symbol};
use crate::error::{Error, Result};

pub use report::{ImportEvent, ImportListener, ImportReport, OtherSymbols, SymbolRows};

/// When an import commits.
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

/// An import: what to read, and how.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// The instrument of every row. Of a file with a column of symbols only its rows are stored.
    /// Without it each row goes to the instrument that it names.
    pub symbol: Option<Symbol>,
    /// The type of the instruments to add when there is none of a symbol.
    pub create: Option<InstrumentType>,
    /// The name of the data source of rows that name none; `None` for the default one.
    pub source: Option<String>,
    /// Adds data sources that do not exist yet.
    pub create_source: bool,
    /// The kind of the rows; `None` detects it: open, high, low and close are bars.
    pub kind: Option<ImportKind>,
    /// The period of bars; `None` finds it out by their spacing.
    pub frequency: Option<Frequency>,
    /// The options of the files.
    pub feed: FeedOptions,
    /// One rejected row, or one that meets a deleted row, refuses the whole import.
    pub strict: bool,
    /// When it commits.
    pub commit: ImportCommit,
    /// A trial: everything is read, judged and looked up, and the transaction is rolled back at the
    /// end, whatever `commit` says.
    pub dry_run: bool,
}

impl Import {
    /// Ticks of an instrument that exists, from files that say themselves what their columns are.
    #[must_use]
    pub fn ticks(symbol: Symbol) -> Self {
        Self {
            symbol: Some(symbol),
            kind: Some(ImportKind::Ticks),
            ..Self::default()
        }
    }

    /// Bars of an instrument that exists, of this frequency.
    #[must_use]
    pub fn bars(symbol: Symbol, frequency: Frequency) -> Self {
        Self {
            kind: Some(ImportKind::Bars),
            frequency: Some(frequency),
            ..Self::ticks(symbol)
        }
    }
}

/// The input of an import.
pub enum ImportSource {
    /// The path of a file, or `-` for standard input.
    Path(String),
    /// A file without a path, as a temporary one is.
    File {
        /// Stands in messages.
        name: String,
        /// The file, plain or gzip; it is read from its start.
        file: File,
        /// The most that it may unpack to, if it is gzip.
        unpacked_bytes_max: u64,
    },
    /// Bytes that come from elsewhere, once.
    Reader {
        /// Stands in messages.
        name: String,
        /// The bytes of a file, plain or gzip.
        reader: Box<dyn Read + Send>,
    },
}

impl From<String> for ImportSource {
    fn from(path: String) -> Self {
        Self::Path(path)
    }
}

impl ImportSource {
    fn open(self) -> Result<Input> {
        match self {
            Self::Path(path) => Input::open(&path),
            Self::File {
                name,
                file,
                unpacked_bytes_max,
            } => PathlessFile::new(file, unpacked_bytes_max).open(&name),
            Self::Reader { name, reader } => Input::from_reader(&name, reader),
        }
    }
}

/// Imports files, in their order, as one series of rows.
///
/// What gives its bytes once (a pipe, an upload) is copied to a temporary file before the writer
/// is taken, so that nobody waits for it; with [`ImportCommit::EachBatch`] it is stored as it
/// comes, unless the whole of it must be looked at first.
///
/// # Errors
/// [`Error::File`] when a file cannot be read or lacks an option, [`Error::NotFound`] for unknown
/// symbols, [`Error::Rejected`] for a rejected row in a strict import; those of
/// [`Database::write`]. With [`ImportCommit::Once`] nothing is stored then.
pub fn import(
    db: &Database,
    sources: impl IntoIterator<Item = impl Into<ImportSource>>,
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
    if plan.kind == Some(ImportKind::Ticks) && plan.frequency.is_some() {
        return Err(Error::invalid(
            "frequency",
            "ticks have none",
            "leave it out, or import bars",
        ));
    }
    let files = sources
        .into_iter()
        .map(|source| open(source.into(), plan))
        .collect::<Result<Vec<_>>>()?;
    let run = run::ImportRun {
        plan: plan.clone(),
        now: db.clock().now(),
        listener,
    };
    match (plan.commit, plan.dry_run) {
        // A trial is one transaction even with commits by batch: it must roll back everything.
        (ImportCommit::EachBatch, false) => run.in_batches(db, files),
        _ => run.in_one(db, files),
    }
}

/// A file that was looked at, and the frequency of its bars.
struct ImportFile {
    feed: Feed,
    frequency: Option<Frequency>,
}

fn open(source: ImportSource, plan: &Import) -> Result<ImportFile> {
    let options = FeedOptions {
        symbol: plan.symbol.clone(),
        ..plan.feed.clone()
    };
    let kind = plan.kind.or(plan.frequency.map(|_| ImportKind::Bars));
    let mut feed = Feed::open_as(source.open()?, &options, kind)?;
    if plan.symbol.is_none() && !feed.names_instruments() {
        return Err(file_error(
            feed.name(),
            "has no column of symbols",
            "name the instrument with --symbol, or the column with --columns symbol=COLUMN",
        ));
    }
    let frequency = match feed.kind() {
        ImportKind::Ticks => None,
        ImportKind::Bars => match frequency(&feed, plan) {
            Ok(frequency) => Some(frequency),
            Err(error) => {
                refuse_unread_numbers(&mut feed)?;
                return Err(error);
            }
        },
    };
    Ok(ImportFile { feed, frequency })
}

/// Numbers that only an option reads are the first thing to mend of a file whose frequency is not
/// known either.
fn refuse_unread_numbers(feed: &mut Feed) -> Result<()> {
    feed.keep()?;
    // Days and hours are minutes, too: their rows are read up to the numbers.
    let any = FeedTarget {
        instrument_id: 0,
        source_id: DEFAULT_SOURCE_ID,
        frequency: Some(Frequency::OneMinute),
    };
    feed.again()?.next_batch::<Bar>(&any).map(drop)
}

/// The frequency of a file's bars: the one that was named, if their spacing agrees, or the one
/// that their spacing tells.
fn frequency(feed: &Feed, plan: &Import) -> Result<Frequency> {
    let spacing = feed.spacing();
    let Some(named) = plan.frequency else {
        return spacing.frequency().ok_or_else(|| {
            file_error(
                feed.name(),
                "has bars whose spacing does not tell their frequency",
                "name it, like --frequency 1d, or import the rows with --kind ticks",
            )
        });
    };
    match spacing.objection(named) {
        None => Ok(named),
        Some(reason) => Err(file_error(
            feed.name(),
            reason,
            "name the right --frequency, or leave it out",
        )),
    }
}
