//! Adoption: the database of TradeAssist, the service that tickbase replaces, is read and its rows
//! are brought over, each once.
//!
//! Its file is read in one snapshot and never written. Rows are stored in batches, each committed
//! by itself: after a failure it is run again, and brings what is missing. What breaks a rule of
//! tickbase goes into a file, with its reason. At the end counts and sums of both sides are
//! compared. What the statements are, `repository` says.

mod adopted_ids;
mod alerts;
mod bars;
mod convert;
mod instruments;
mod queries;
mod reject_file;
mod report;
mod rules;
mod run;
mod steps;
mod ticks;

use std::path::{Path, PathBuf};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::repository::tradeassist::OldDatabase;

pub use report::{AdoptReport, AdoptedGroup, MovedId, RejectedRowCount, RowTotals, TableReport};

use run::AdoptionRun;
use steps::{CommittedSteps, TrialSteps};

/// The name of the data source of adopted ticks and alerts, unless another is given.
pub const ADOPTED_SOURCE_NAME: &str = "tradeassist";

/// An adoption: what to read, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// The SQLite file of TradeAssist.
    pub file: PathBuf,
    /// The name of the data source that its ticks and alerts get. It is added when it is not there;
    /// a second file needs one of its own.
    pub source: String,
    /// Where the rows go that break a rule.
    pub rejects: PathBuf,
    /// Does everything, and undoes it.
    pub dry_run: bool,
}

impl Adopt {
    /// An adoption of a file; rejected rows go into a file of its name in the working directory.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        let rejects = rejects_of(&file);
        Self {
            file,
            source: ADOPTED_SOURCE_NAME.to_owned(),
            rejects,
            dry_run: false,
        }
    }

    /// Looks whether the file is one of TradeAssist, before a database is made for its rows.
    ///
    /// # Errors
    /// [`Error::Connect`] when it is not.
    pub fn check(&self) -> Result<()> {
        OldDatabase::open(&self.file).map(|_| ())
    }
}

/// `trade_assist.db.rejected.ndjson`.
fn rejects_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".rejected.ndjson");
    name.into()
}

/// Brings the rows of a file of TradeAssist over into a migrated database.
///
/// # Errors
/// [`Error::Connect`] for a file that is not TradeAssist's; [`Error::Invalid`] when the source of
/// that name is none of an adoption; [`Error::File`] when rejected rows cannot be written; those of
/// [`Database::write`]. What was committed before stays.
pub fn adopt(db: &Database, plan: &Adopt) -> Result<AdoptReport> {
    let now = db.clock().now();
    if !plan.dry_run {
        return AdoptionRun::new(&mut CommittedSteps { db }, plan, now)?.all();
    }
    let plan = plan.clone();
    db.write("adopt.trial", move |conn| {
        let mut report = None;
        let undone = conn.savepoint(|conn| -> Result<()> {
            report = Some(AdoptionRun::new(&mut TrialSteps { conn }, &plan, now)?.all()?);
            Err(Error::Closed)
        });
        // The error undoes what the trial stored; one without a report is its own.
        report
            .take()
            .map_or_else(|| Err(undone.err().unwrap_or(Error::Closed)), Ok)
    })
}
