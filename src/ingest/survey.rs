//! Finds out before the first row what takes the whole file: the order of its dates, the direction
//! in which it runs, the spacing of its bars.
//!
//! Most files of ticks need none of it: the first rows tell that their stamps mean one thing and
//! rise, and the file is read once.

use std::sync::Arc;

use super::cells::Cells;
use super::feed_survey::FeedSurvey;
use super::field::Field;
use super::head::Head;
use super::import_kind::ImportKind;
use super::lines::Line;
use super::occurrence::Occurrences;
use super::options::FeedOptions;
use super::owners::{OwnerOfRow, Owners};
use super::record::RowReader;
use super::series::Numbering;
use super::shape::RowFormat;
use super::text::FeedText;
use crate::error::{Error, Result};
use crate::timestamp::{DateOrderSurvey, TimestampFormat, WrittenStamp};

/// Lines that are looked at until two stamps of one series differ.
// A file of one busy second needs many lines until its stamps differ; past this it is read as a
// whole instead.
const LINES_LOOKED_AT_MAX: usize = 1_000;
/// Lines that are looked at at least.
const LINES_LOOKED_AT: usize = 25;

/// Steps of one series from row to row.
#[derive(Debug, Default)]
struct Steps {
    before: Vec<Option<WrittenStamp>>,
    rises: u64,
    falls: u64,
}

impl Steps {
    /// Adds a row; returns the stamp of the row before.
    fn add(&mut self, series: u32, stamp: WrittenStamp) -> Option<WrittenStamp> {
        let index = series as usize;
        if index >= self.before.len() {
            self.before.resize(index + 1, None);
        }
        let before = self.before[index].replace(stamp);
        if let Some(before) = &before {
            self.rises += u64::from(stamp.local_micros > before.local_micros);
            self.falls += u64::from(stamp.local_micros < before.local_micros);
        }
        before
    }
}

/// The facts that the first rows show.
#[derive(Debug, Default)]
struct Peek {
    dates: bool,
    steps: Steps,
    rows: u64,
    /// Why the first row cannot be read, when none can.
    refusal: Option<(u64, String)>,
    readable: bool,
}

/// Finds out what the rows of a text with this head need, and reads the whole text for it if they
/// need that. The options get the order of dates.
///
/// # Errors
/// [`Error::File`] when none of the first rows has a stamp that can be read,
/// or when the order of dates cannot be decided.
pub(super) fn survey(
    text: &mut FeedText,
    head: &mut Head,
    options: &mut FeedOptions,
) -> Result<FeedSurvey> {
    let peek = peek(text, head, options)?;
    if let (Some((number, reason)), false) = (&peek.refusal, peek.readable) {
        return Err(refuse(text, options, *number, reason));
    }
    // Only ticks without numbers of their own are counted, and only counting depends on the
    // direction.
    let counted = head.kind == ImportKind::Ticks && !head.shape.layout().has(Field::Sequence);
    let rising = peek.steps.rises > peek.steps.falls;
    let same = peek.steps.rises + peek.steps.falls == 0 && text.ended();
    let ordered = !counted || rising || same;
    if head.kind == ImportKind::Ticks && ordered && !peek.dates {
        return Ok(FeedSurvey::default());
    }
    // From here on the text is read twice: a pipe is copied to a temporary file.
    text.keep()?;
    if peek.dates {
        decide_dates(text, head, options)?;
    }
    if head.kind == ImportKind::Ticks && !counted {
        return Ok(FeedSurvey::default());
    }
    // In this order: dates decide how stamps read, stamps decide the direction, and the direction
    // decides how rows of a stamp are counted.
    choose_volume(text, head, options)?;
    let mut survey = FeedSurvey {
        downward: direction(text, head, options)?,
        ..FeedSurvey::default()
    };
    if head.kind == ImportKind::Bars || survey.downward {
        read_stamps(text, head, options, &mut survey)?;
    }
    Ok(survey)
}

/// The refusal of a file for one of its rows.
pub(super) fn refuse(text: &FeedText, options: &FeedOptions, number: u64, reason: &str) -> Error {
    let remedy = match options.preset {
        Some(preset) => format!("check whether the file is of preset {preset}"),
        None => "check the file, or --columns and --timestamp-format".to_owned(),
    };
    super::input::file_error(text.name(), format!("line {number}: {reason}"), remedy)
}

/// A reader of stamps alone.
fn reader(options: &FeedOptions) -> RowReader {
    RowReader::new(options, Numbering::Downwards)
}

/// A reader of stamps by their wall clock, for what the zone does not change.
fn clock_reader(options: &FeedOptions) -> RowReader {
    let options = FeedOptions {
        timezone: None,
        ..options.clone()
    };
    reader(&options)
}

fn peek(text: &mut FeedText, head: &Head, options: &FeedOptions) -> Result<Peek> {
    let mut peek = Peek::default();
    let mut stamps = clock_reader(options);
    let mut shape = head.shape.clone();
    let mut owners = owners(&shape, options);
    let mut at = 0;
    text.skip_to(head.header_line)?;
    while at < LINES_LOOKED_AT
        || (at < LINES_LOOKED_AT_MAX && peek.steps.rises + peek.steps.falls == 0)
    {
        if at >= text.ahead().len() && !text.look_ahead()? {
            break;
        }
        let line = text.ahead().get(at);
        at += 1;
        if let Some((number, Some(line))) = line {
            peek.add(*number, line, &mut shape, &mut owners, &mut stamps, options);
        }
    }
    Ok(peek)
}

impl Peek {
    fn add(
        &mut self,
        number: u64,
        line: &[u8],
        shape: &mut RowFormat,
        owners: &mut Owners,
        stamps: &mut RowReader,
        options: &FeedOptions,
    ) {
        if shape.passes_over(line) {
            return;
        }
        self.rows += 1;
        let mut cells = Cells::default();
        if let Err(reason) = shape.split(line, &mut cells) {
            // A preset says how many columns there are.
            if options.preset.is_some() && self.rows == 1 {
                self.refusal = Some((number, format!("the line {reason}")));
            }
            return;
        }
        let automatic =
            options.timestamp_format == TimestampFormat::default() && options.date_order.is_none();
        if let Some(text) = cells.stamp()
            && automatic
            && DateOrderSurvey::is_needed_for(&text)
        {
            self.dates = true;
            self.readable = true;
            return;
        }
        let owner = owners.of(&cells);
        let series = match owner {
            Ok(OwnerOfRow::Known(series)) => series,
            _ => 0,
        };
        match stamps.stamp(&cells, series) {
            Ok(stamp) => {
                self.readable = true;
                if let Ok(OwnerOfRow::Known(_)) = owner {
                    self.steps.add(series, stamp);
                }
            }
            Err(error) if self.refusal.is_none() => {
                self.refusal = Some((number, error.to_string()));
            }
            Err(_) => {}
        }
    }
}

fn owners(shape: &RowFormat, options: &FeedOptions) -> Owners {
    Owners::new(shape.layout(), options.symbol.clone())
}

/// Calls `each` with the fields and the series of every row that can be split.
fn rows(
    text: &FeedText,
    head: &Head,
    options: &FeedOptions,
    mut each: impl FnMut(&Cells<'_>, u32),
) -> Result<()> {
    let mut text = text.again()?;
    let mut shape = head.shape.clone();
    let mut owners = owners(&shape, options);
    while let Some((_, line)) = text.next()? {
        let Line::Text(line) = line else { continue };
        let mut cells = Cells::default();
        if shape.passes_over(line) || shape.split(line, &mut cells).is_err() {
            continue;
        }
        if let Ok(OwnerOfRow::Known(series)) = owners.of(&cells) {
            each(&cells, series);
        }
    }
    Ok(())
}

fn decide_dates(text: &FeedText, head: &Head, options: &mut FeedOptions) -> Result<()> {
    let mut dates = DateOrderSurvey::default();
    rows(text, head, options, |cells, _| {
        if let Some(stamp) = cells.stamp() {
            dates.add(&stamp);
        }
    })?;
    options.date_order = dates.decide().map_err(|error| match error {
        Error::Invalid { reason, remedy, .. } => {
            super::input::file_error(text.name(), format!("timestamp: {reason}"), remedy)
        }
        other => other,
    })?;
    Ok(())
}

/// Takes the count of price changes for the volume, where the column of real volume is all 0, as
/// MetaTrader writes it for what has no exchange.
fn choose_volume(text: &FeedText, head: &mut Head, options: &FeedOptions) -> Result<()> {
    let RowFormat::Csv { layout, .. } = &head.shape else {
        return Ok(());
    };
    if options.columns.get(Field::Volume).is_some() || layout.tick_volume().is_none() {
        return Ok(());
    }
    let mut traded = false;
    rows(text, head, options, |cells, _| {
        let volume = cells.get(Field::Volume).bytes();
        traded |= volume.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    })?;
    if let RowFormat::Csv { layout, .. } = &mut head.shape
        && !traded
        && let Some(index) = layout.tick_volume()
    {
        layout.drop(Field::Volume);
        layout.assign(index, Field::Volume);
    }
    Ok(())
}

/// True when most steps from row to row lead back in time.
fn direction(text: &FeedText, head: &Head, options: &FeedOptions) -> Result<bool> {
    let mut steps = Steps::default();
    let mut stamps = clock_reader(options);
    rows(text, head, options, |cells, series| {
        if let Ok(stamp) = stamps.stamp(cells, series) {
            steps.add(series, stamp);
        }
    })?;
    Ok(steps.falls > steps.rises)
}

/// Counts the rows of each stamp, and the distances of bars.
fn read_stamps(
    text: &FeedText,
    head: &Head,
    options: &FeedOptions,
    survey: &mut FeedSurvey,
) -> Result<()> {
    let mut stamps = if survey.downward {
        RowReader::new(options, Numbering::Upwards(Arc::default()))
    } else {
        reader(options)
    };
    if head.kind == ImportKind::Bars {
        stamps.set_bars(survey.downward);
    }
    let mut steps = Steps::default();
    let (counted, spacing) = (&mut survey.rows, &mut survey.spacing);
    rows(text, head, options, |cells, series| {
        let Ok(stamp) = stamps.stamp(cells, series) else {
            return;
        };
        if head.kind == ImportKind::Bars {
            let before = steps.add(series, stamp);
            spacing.add(before.as_ref(), &stamp, options.bar_stamps);
            if let Some(end) = stamps.end_of_period(cells) {
                spacing.add_ends(stamp.at, end);
            }
            return;
        }
        let index = series as usize;
        if index >= counted.len() {
            counted.resize_with(index + 1, Occurrences::default);
        }
        counted[index].next(stamp.at);
    })
}
