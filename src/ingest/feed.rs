//! A feed: an input, what its text means, and its records in batches.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::cells::Cells;
use super::feed_survey::FeedSurvey;
use super::field::Field;
use super::head::{self, Head};
use super::import_kind::ImportKind;
use super::input::{Input, file_error};
use super::lines::{LINE_BYTES_MAX, Line};
use super::options::FeedOptions;
use super::owners::{OwnerOfRow, Owners, RowOwner};
use super::reading::FileReading;
use super::record::{FeedRecord, FeedTarget, RecordView, RowReader};
use super::series::Numbering;
use super::shape::RowFormat;
use super::spacing::Spacing;
use super::survey;
use super::text::FeedText;
use crate::error::{Error, Result};

/// Rows, stored or rejected, that one batch holds at most.
pub const BATCH_ROWS_MAX: usize = 10_000;

/// A row that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRejection {
    /// The line of the (unpacked) text, from 1.
    pub line: u64,
    /// The rule that it breaks, and what would be read.
    pub reason: String,
}

/// Some records of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedBatch<T> {
    /// The records, in the order of the file, all of the target.
    pub rows: Vec<T>,
    /// The line of each record.
    pub lines: Vec<u64>,
    /// The owner of each record, as an index of all `new_owners` so far; empty for a feed whose
    /// rows do not name their owners.
    pub owners: Vec<u32>,
    /// The owners that this batch is the first to name.
    pub new_owners: Vec<RowOwner>,
    /// The rows in between that were rejected.
    pub rejected: Vec<LineRejection>,
    /// Rows in between of other symbols than the one that was asked for.
    pub other_symbols: u64,
    /// Records whose stamp lost digits finer than a microsecond.
    pub stamps_cut: u64,
}

impl<T> Default for FeedBatch<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            lines: Vec::new(),
            owners: Vec::new(),
            new_owners: Vec::new(),
            rejected: Vec::new(),
            other_symbols: 0,
            stamps_cut: 0,
        }
    }
}

impl<T> FeedBatch<T> {
    fn seen(&self) -> u64 {
        (self.rows.len() + self.rejected.len()) as u64 + self.other_symbols
    }
}

/// Reads a feed's records; it holds one batch and a few lines in memory, and a few bytes per
/// distinct stamp.
pub struct Feed {
    text: FeedText,
    options: FeedOptions,
    head: Head,
    survey: Arc<FeedSurvey>,
    shape: RowFormat,
    owners: Owners,
    reader: RowReader,
    /// True when a row was read: the first one tells whether the preset is the right one.
    begun: bool,
}

impl Feed {
    /// Looks at the first lines and finds out what the columns are; `T` is what the records shall
    /// be, [`Tick`](crate::domain::tick::Tick) or [`Bar`](crate::domain::bar::Bar). What only the
    /// whole file tells (the order of its dates, a direction downwards, the spacing of bars) has
    /// it read twice; an input that gives its bytes once is copied to a temporary file then.
    ///
    /// # Errors
    /// [`Error::File`] when the text is not a feed, lacks a column that `T` needs, or does not
    /// have what the options name.
    pub fn open<T: FeedRecord>(input: Input, options: &FeedOptions) -> Result<Self> {
        Self::open_as(input, options, Some(T::KIND))
    }

    /// As [`Feed::open`], of this kind; without one, the columns tell: open, high, low and close
    /// are bars.
    ///
    /// # Errors
    /// As [`Feed::open`].
    pub fn open_as(input: Input, options: &FeedOptions, kind: Option<ImportKind>) -> Result<Self> {
        let mut options = options.clone();
        let mut text = FeedText::new(input);
        let mut head = head::read(&mut text, &options, kind)?;
        let survey = survey::survey(&mut text, &mut head, &mut options)?;
        Ok(Self::start(text, options, head, Arc::new(survey)))
    }

    fn start(text: FeedText, options: FeedOptions, head: Head, survey: Arc<FeedSurvey>) -> Self {
        let layout = head.shape.layout();
        let numbering = if layout.has(Field::Sequence) {
            Numbering::Column
        } else if survey.downward && head.kind == ImportKind::Ticks {
            Numbering::Upwards(Arc::clone(&survey))
        } else {
            Numbering::Downwards
        };
        let mut reader = RowReader::new(&options, numbering);
        if head.kind == ImportKind::Bars {
            reader.set_bars(survey.downward);
        }
        Self {
            owners: Owners::new(layout, options.symbol.clone()),
            shape: head.shape.clone(),
            text,
            options,
            head,
            survey,
            reader,
            begun: false,
        }
    }

    /// Makes a feed that can be read only once one that [`Feed::again`] reads again.
    ///
    /// # Errors
    /// [`Error::File`] when its text cannot be copied to a temporary file.
    pub(super) fn keep(&mut self) -> Result<()> {
        self.text.keep()
    }

    /// Opens the feed again at its first row; no row may have been read yet.
    ///
    /// # Errors
    /// [`Error::File`] when its file cannot be opened again.
    pub(super) fn again(&self) -> Result<Self> {
        let text = self.text.again()?;
        let (options, head) = (self.options.clone(), self.head.clone());
        Ok(Self::start(text, options, head, Arc::clone(&self.survey)))
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.name()
    }

    /// Bytes of the file, as it lies on disk, if that is known.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.text.size_bytes()
    }

    /// Counts the bytes read so far, as they lie on disk; for progress.
    #[must_use]
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        self.text.bytes_read()
    }

    /// The kind of the rows.
    #[must_use]
    pub fn kind(&self) -> ImportKind {
        self.head.kind
    }

    /// True when each row names its instrument.
    pub(super) fn names_instruments(&self) -> bool {
        let layout = self.shape.layout();
        layout.has(Field::Symbol) || layout.has(Field::InstrumentId)
    }

    /// Returns the spacing of the file's bars.
    pub(super) fn spacing(&self) -> &Spacing {
        &self.survey.spacing
    }

    /// Reports how the file was read.
    #[must_use]
    pub fn reading(&self) -> FileReading {
        let layout = self.shape.layout();
        let others = self.owners.others();
        FileReading {
            file: self.name().to_owned(),
            kind: self.head.kind,
            frequency: None,
            columns: layout.used(),
            unused: layout.unused(),
            timestamp_form: self.reader.form().map(|form| form.to_string()),
            timezone: self
                .options
                .timezone
                .as_ref()
                .map_or("UTC".to_owned(), ToString::to_string),
            timezone_named: self.options.timezone.is_some(),
            newest_first: self.survey.downward,
            lines_before_header: self.head.lines_before,
            zero_prices: self.reader.zero_prices,
            repeated_keys: self.reader.repeated_keys,
            other_symbols: others.to_vec(),
        }
    }

    /// The next records; `None` at the end.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read on, or when an option is missing without which
    /// its numbers cannot be read; it names the line.
    pub fn next_batch<T: FeedRecord>(
        &mut self,
        target: &FeedTarget,
    ) -> Result<Option<FeedBatch<T>>> {
        let mut batch = FeedBatch {
            rows: Vec::with_capacity(BATCH_ROWS_MAX),
            lines: Vec::with_capacity(BATCH_ROWS_MAX),
            ..FeedBatch::default()
        };
        // The reader counts over the whole feed; a batch reports its own part.
        let cut_before = self.reader.stamps_cut;
        let owners_before = self.owners.all().len();
        while batch.seen() < BATCH_ROWS_MAX as u64 {
            let Some((number, line)) = self.text.next()? else {
                break;
            };
            let seen = (batch.rejected.len(), batch.seen());
            match line {
                Line::Text(line) => {
                    let mut rows = RowContext {
                        shape: &mut self.shape,
                        owners: &mut self.owners,
                        reader: &mut self.reader,
                        target,
                    };
                    rows.read(number, line, &mut batch);
                }
                Line::TooLong => {
                    let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                    batch.rejected.push(LineRejection {
                        line: number,
                        reason,
                    });
                }
            }
            // The first row tells whether the preset fits, and a number that an option would read
            // refuses the file: both must stop before anything is stored.
            if batch.rejected.len() > seen.0
                && let Some(error) = self.refusal(number, batch.rejected.last())
            {
                return Err(error);
            }
            self.begun |= batch.seen() > seen.1;
        }
        batch.stamps_cut = self.reader.stamps_cut - cut_before;
        batch.new_owners = self.owners.all()[owners_before..].to_vec();
        Ok((batch.seen() > 0).then_some(batch))
    }

    /// Why a rejected row refuses the whole file, if it does.
    #[cold]
    fn refusal(&mut self, number: u64, rejection: Option<&LineRejection>) -> Option<Error> {
        if let Some(Error::Invalid {
            name,
            reason,
            remedy,
        }) = self.reader.take_unread_number()
        {
            let reason = format!("line {number}: {name}: {reason}");
            return Some(file_error(self.name(), reason, remedy));
        }
        let (preset, rejection) = (self.options.preset?, rejection?);
        if self.begun {
            return None;
        }
        let reason = format!(
            "line {number} is not of preset {preset}: {}",
            rejection.reason
        );
        let remedy = "name the right --preset (--preset list shows them), or --columns";
        Some(file_error(self.name(), reason, remedy))
    }
}

/// The state that reads rows, borrowed apart from the lines of the feed.
struct RowContext<'f> {
    shape: &'f mut RowFormat,
    owners: &'f mut Owners,
    reader: &'f mut RowReader,
    target: &'f FeedTarget,
}

impl RowContext<'_> {
    fn read<T: FeedRecord>(&mut self, number: u64, line: &[u8], batch: &mut FeedBatch<T>) {
        if self.shape.passes_over(line) {
            return;
        }
        let mut cells = Cells::default();
        let owner = match self.shape.split(line, &mut cells) {
            Ok(()) => self.owners.of(&cells),
            Err(reason) => Err(format!("the line {reason}")),
        };
        let record = match owner {
            Ok(OwnerOfRow::OtherSymbol) => {
                batch.other_symbols += 1;
                return;
            }
            Ok(OwnerOfRow::Known(owner)) => {
                let view = RecordView(&cells);
                T::read(&view, self.target, owner, self.reader)
                    .map(|record| (record, owner))
                    .map_err(|error| error.to_string())
            }
            Err(reason) => Err(reason),
        };
        match record {
            Ok((record, owner)) => {
                batch.rows.push(record);
                batch.lines.push(number);
                if self.owners.are_named() {
                    batch.owners.push(owner);
                }
            }
            Err(reason) => batch.rejected.push(LineRejection {
                line: number,
                reason,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
