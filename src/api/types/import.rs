//! An import as the API takes and answers it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{Frequency, InstrumentType, Symbol};
use crate::error::Result;
use crate::ingest::{
    FeedOptions, Import, ImportCommit, ImportEvent, ImportKind, ImportReport, NumberFormat, Preset,
};

/// A file as it is, plain or gzip.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(
    dead_code,
    reason = "the document reads it; the body is copied as it comes"
)]
pub(in crate::api) struct PackedFile(Vec<u8>);

/// The options of an import: those of `tickbase import`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ImportParameters {
    /// The instrument of the rows; of a file with a column of symbols only its rows are stored. Each
    /// row's own when absent
    #[param(min_length = 1, max_length = 32)]
    symbol: Option<String>,
    /// Add the instruments, of this type, when there is none of a symbol
    #[param(inline)]
    create: Option<InstrumentType>,
    /// The name of the data source of the rows
    #[param(min_length = 1)]
    source: Option<String>,
    /// Add the data source when there is none of the name
    create_source: bool,
    /// What the rows are; bars when absent and there are open, high, low and close, else ticks
    #[param(inline)]
    kind: Option<ImportKind>,
    /// The period of bars; as they are spaced when absent
    #[param(inline)]
    frequency: Option<Frequency>,
    /// Which end of its period a bar is named by: `start` or `end`
    #[param(min_length = 1)]
    stamps_are: Option<String>,
    /// The layout of a vendor: `GET /api/import/presets` names them
    #[param(min_length = 1)]
    preset: Option<String>,
    /// `auto`, `csv` or `ndjson`
    #[param(min_length = 1)]
    format: Option<String>,
    /// Lines to pass over before anything is looked at
    skip_lines: u64,
    /// Which column is which field, beside what the header says: `timestamp=DateTime,price=3,high=`
    #[param(min_length = 1)]
    columns: Option<String>,
    /// `auto`, `unix_s`, `unix_ms`, `unix_us`, `unix_ns` or a strftime pattern
    #[param(min_length = 1)]
    timestamp_format: Option<String>,
    /// What comes first in dates like 01/02/2024: `year`, `month` or `day`
    #[param(min_length = 1)]
    date_order: Option<String>,
    /// The zone of timestamps without an offset, like `America/New_York`; UTC when absent
    #[param(min_length = 1)]
    timezone: Option<String>,
    /// Numbers have a decimal comma: 1,5
    decimal_comma: bool,
    /// What stands between thousands
    #[param(min_length = 1)]
    thousands: Option<String>,
    /// Numbers may end with K, M or B: 151.20K
    suffixes: bool,
    /// Store nothing when any row is rejected or meets a deleted row
    strict: bool,
    /// Commit every 10,000 rows and let other writers in between, instead of all or nothing
    commit_each_batch: bool,
    /// Read, judge and look up everything, and store nothing
    dry_run: bool,
}

/// Reads an option, where it is given.
fn given<T: std::str::FromStr<Err = crate::Error>>(text: Option<&str>) -> Result<Option<T>> {
    text.map(str::parse).transpose()
}

impl ImportParameters {
    /// The import that they ask for.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming the first that cannot be read.
    pub(in crate::api) fn plan(&self) -> Result<Import> {
        let feed = FeedOptions {
            format: given(self.format.as_deref())?.unwrap_or_default(),
            skip_lines: self.skip_lines,
            columns: given(self.columns.as_deref())?.unwrap_or_default(),
            timestamp_format: given(self.timestamp_format.as_deref())?.unwrap_or_default(),
            date_order: given(self.date_order.as_deref())?,
            timezone: given(self.timezone.as_deref())?,
            numbers: self.numbers()?,
            bar_stamps: given(self.stamps_are.as_deref())?.unwrap_or_default(),
            ..FeedOptions::default()
        };
        let symbol = self.symbol.as_deref().map(Symbol::new).transpose()?;
        let by_user = Import {
            symbol,
            create: self.create,
            source: self.source.clone(),
            create_source: self.create_source,
            kind: self.kind,
            frequency: self.frequency,
            feed,
            strict: self.strict,
            commit: match self.commit_each_batch {
                true => ImportCommit::EachBatch,
                false => ImportCommit::Once,
            },
            dry_run: self.dry_run,
        };
        match &self.preset {
            Some(name) => Preset::of_name(name)?.import(by_user),
            None => Ok(by_user),
        }
    }

    fn numbers(&self) -> Result<NumberFormat> {
        let thousands = self.thousands.as_deref();
        let numbers = NumberFormat {
            decimal_comma: self.decimal_comma,
            thousands: thousands.map(NumberFormat::thousands_of).transpose()?,
            suffixes: self.suffixes,
        };
        numbers.check()?;
        Ok(numbers)
    }
}

/// The layout of a vendor's files.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PresetItem {
    /// The value of the parameter `preset`.
    name: &'static str,
    /// Which files have it.
    about: &'static str,
}

impl From<&Preset> for PresetItem {
    fn from(of: &Preset) -> Self {
        Self {
            name: of.name,
            about: of.about,
        }
    }
}

/// A row that was not stored.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ImportRowError {
    /// Its line in the unpacked file, from 1.
    line: u64,
    /// The rule that it breaks, or what stands in its way, and what to do.
    reason: String,
}

impl ImportRowError {
    /// Makes the entry of a row that was not stored, when the event tells of one.
    pub(in crate::api) fn of(event: &ImportEvent<'_>) -> Option<Self> {
        let (line, reason) = match event {
            ImportEvent::Rejected { line, reason, .. } => (*line, (*reason).to_owned()),
            ImportEvent::Conflict { line, .. } => (
                *line,
                "other values are stored under its key, and stay".to_owned(),
            ),
            ImportEvent::Deleted { line, .. } => (
                *line,
                "a deleted row has its key; restore that one, or purge it".to_owned(),
            ),
            _ => return None,
        };
        Some(Self { line, reason })
    }
}

/// What became of the rows of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ImportAnswer {
    #[serde(flatten)]
    report: ImportReport,
    /// The first 100 rows that were not stored.
    errors: Vec<ImportRowError>,
}

impl ImportAnswer {
    pub(in crate::api) fn new(report: ImportReport, errors: Vec<ImportRowError>) -> Self {
        Self { report, errors }
    }
}
