//! `chart`: candles, volume, moving averages and alerts of an instrument, drawn in the terminal
//! or as a picture. What is drawn where is `tickbase::chart`'s.

mod marks;
mod source;

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::database::DatabaseNeed;
use crate::named::{self, moment};
use crate::output::{cannot_write, grouped, to_file, to_stderr, to_stdout};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::chart::{self, AverageLine, ChartData, PictureSize, TerminalSize, Title};
use tickbase::database::Database;
use tickbase::domain::{BarPrice, Candle, Frequency, Symbol};
use tickbase::error::Error;
use tickbase::models::Instrument;
use tickbase::timestamp::Timestamp;

pub(super) use marks::marks;
use source::{BARS_MAX, ChartSource, Wanted};

/// Bars of a picture when nothing says how many.
const PICTURE_BARS: usize = 150;
/// Moving averages that a chart has room and colours for.
const AVERAGES_MAX: usize = 5;
const AVERAGE_PERIOD_MAX: i64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct ChartArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// Length of a candle's period: 1min, 5min, 15min, 30min, 1h, 4h, 1d, 1w, 1M
    #[arg(long, default_value = "5min", value_parser = str::parse::<Frequency>)]
    frequency: Frequency,
    /// The price of ticks that candles are made of: last (trades), bid, ask or mid
    #[arg(long, value_name = "PRICE", default_value = "last", value_parser = str::parse::<BarPrice>)]
    price: BarPrice,
    /// The first moment: 2013-09-01, 2013-09-01T17:00:00Z, ..
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which it ends
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
    /// The newest so many bars
    /// [default: those of the range; without --start what has room, 150 in a picture]
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=BARS_MAX as i64))]
    bars: Option<u32>,
    /// The picture to write, by its ending: chart.svg or chart.png
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What the picture is, when its ending does not say it, as that of /dev/stdout
    #[arg(long, value_enum, requires = "out")]
    format: Option<PictureKind>,
    /// Width of the picture in pixels [default: 1200]
    #[arg(long, value_name = "PIXELS", requires = "out", value_parser = clap::value_parser!(u32)
        .range(PictureSize::WIDTH_MIN as i64..=PictureSize::MAX as i64))]
    width: Option<u32>,
    /// Height of the picture in pixels [default: 700]
    #[arg(long, value_name = "PIXELS", requires = "out", value_parser = clap::value_parser!(u32)
        .range(PictureSize::HEIGHT_MIN as i64..=PictureSize::MAX as i64))]
    height: Option<u32>,
    /// Simple moving averages of so many closes, like 20,50
    #[arg(long, value_name = "PERIODS", value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..=AVERAGE_PERIOD_MAX))]
    ma: Vec<u32>,
    /// Leave alerts out
    #[arg(long)]
    no_alerts: bool,
    /// Columns of the chart in text [default: those of the terminal, else 100]
    #[arg(long, value_name = "N", conflicts_with = "out",
        value_parser = clap::value_parser!(u16).range(40..=1_000))]
    columns: Option<u16>,
    /// Whether text has colours; auto looks at the terminal and NO_COLOR
    #[arg(long, value_enum, default_value_t)]
    color: ColorChoice,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PictureKind {
    Svg,
    Png,
}

impl PictureKind {
    pub(super) fn of(path: &Path) -> Result<Self, CommandFailure> {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            _ => Err(CommandFailure::Usage(format!(
                "{}: its ending says neither SVG nor PNG; name it like chart.svg or chart.png, \
                 or add --format",
                path.display()
            ))),
        }
    }
}

pub(super) fn run(context: &Context, arguments: &ChartArguments) -> CommandResult {
    let picture = arguments.out.as_deref();
    let picture = picture.map(|path| {
        let kind = arguments.format.map_or_else(|| PictureKind::of(path), Ok)?;
        Ok::<_, CommandFailure>((path, kind))
    });
    let picture = picture.transpose()?;
    if picture.is_none() && context.output.is_json() {
        let text = "the chart itself goes to standard output; give --out FILE with --json";
        return Err(CommandFailure::Usage(text.to_owned()));
    }
    if arguments.ma.len() > AVERAGES_MAX {
        let count = arguments.ma.len();
        let text =
            format!("--ma: {count} averages are too many to tell apart; give {AVERAGES_MAX}");
        return Err(CommandFailure::Usage(text));
    }
    let symbol = Symbol::new(&arguments.symbol)?;
    let database = context.open(DatabaseNeed::Existing)?;
    let instrument = named::instrument(&database, &symbol)?;
    let size = terminal_size(arguments.color, arguments.columns);
    let default = match picture {
        Some(_) => PICTURE_BARS,
        None => TerminalSize::candles(size),
    };
    let read = read(&database, &instrument, arguments, default)?;
    let data = read.data(&instrument, arguments);
    let Some((path, kind)) = picture else {
        return to_stdout(&chart::terminal(&data, size)?);
    };
    let default = PictureSize::default();
    let width = arguments.width.unwrap_or(default.width());
    let size = PictureSize::new(width, arguments.height.unwrap_or(default.height()))?;
    write_picture(&data, kind, size, path)?;
    let candles = read.candles.len() - read.before;
    if context.output.is_json() {
        let result = serde_json::json!({ "bars": candles, "alerts": read.alerts.len() });
        return context.output.result(&result, |_| String::new());
    }
    to_stderr(&format!(
        "drew {} bars to {}",
        grouped(candles as u64),
        path.display()
    ));
    Ok(())
}

/// What the database has for a chart.
struct Read {
    candles: Vec<Candle>,
    /// Candles at the beginning that only moving averages need.
    before: usize,
    averages: Vec<AverageLine>,
    alerts: Vec<chart::AlertMark>,
}

impl Read {
    fn data(&self, instrument: &Instrument, arguments: &ChartArguments) -> ChartData<'_> {
        let shown = |average: &AverageLine| AverageLine {
            label: average.label.clone(),
            values: average.values[self.before..].to_vec(),
        };
        ChartData {
            title: Title {
                symbol: instrument.symbol.to_string(),
                name: instrument.name.clone(),
                frequency: match arguments.price {
                    BarPrice::Last => arguments.frequency.to_string(),
                    quote => format!("{} {quote}", arguments.frequency),
                },
            },
            price_decimals: instrument.price_decimals,
            candles: &self.candles[self.before..],
            averages: self.averages.iter().map(shown).collect(),
            alerts: self.alerts.clone(),
        }
    }
}

fn read(
    database: &Database,
    instrument: &Instrument,
    arguments: &ChartArguments,
    default: usize,
) -> Result<Read, Error> {
    let all_of_range = arguments.start.is_some();
    let bars = match arguments.bars {
        Some(bars) => bars as usize,
        None if all_of_range => BARS_MAX,
        None => default,
    };
    let longest = arguments.ma.iter().copied().max().unwrap_or(1) as usize;
    let wanted = Wanted {
        instrument_id: instrument.id,
        frequency: arguments.frequency,
        price: arguments.price,
        start: arguments.start,
        end: arguments.end,
        bars,
        before: longest - 1,
    };
    let found = database.read("chart.bars", |conn| {
        conn.snapshot(|conn| source::candles(conn, &wanted))
    })?;
    let ChartSource {
        candles,
        before,
        is_cut,
        alternative,
    } = found;
    if let Some(alternative) = alternative {
        return Err(no_bars(instrument, arguments, alternative));
    }
    if arguments.bars.is_none() && all_of_range && is_cut {
        to_stderr(&format!(
            "tickbase: the range has more than {BARS_MAX} bars, the newest of them are drawn; \
             choose a shorter range or a longer --frequency"
        ));
    }
    let average = |period: &u32| AverageLine::simple(&candles, *period as usize);
    let averages = arguments.ma.iter().map(average).collect();
    let first = candles[before].timestamp;
    let last = candles[candles.len() - 1].timestamp;
    let end = arguments.frequency.period_end(last);
    let alerts = match arguments.no_alerts {
        true => Vec::new(),
        false => database.read("chart.alerts", |conn| {
            marks(conn, instrument.id, first, end)
        })?,
    };
    Ok(Read {
        candles,
        before,
        averages,
        alerts,
    })
}

fn no_bars(instrument: &Instrument, arguments: &ChartArguments, alternative: String) -> Error {
    let mut what = format!("{} bars of {}", arguments.frequency, instrument.symbol);
    if let Some(start) = arguments.start {
        what.push_str(&format!(" from {start}"));
    }
    if let Some(end) = arguments.end {
        what.push_str(&format!(" before {end}"));
    }
    Error::not_found(what, alternative)
}

/// The room and the colours that standard output has.
pub(super) fn terminal_size(color: ColorChoice, columns: Option<u16>) -> TerminalSize {
    /// Lines around the prices: header, volumes, axis, legend, and the prompt after it.
    const LINES_AROUND: usize = 15;
    let default = TerminalSize::default();
    let terminal = console::Term::stdout();
    let is_terminal = std::io::stdout().is_terminal();
    let found = if is_terminal {
        terminal.size_checked()
    } else {
        None
    };
    let found = found.map(|(rows, columns)| (usize::from(rows), usize::from(columns)));
    let (rows, wide) = found.map_or((default.rows, default.columns), |(rows, columns)| {
        (rows.saturating_sub(LINES_AROUND).clamp(8, 30), columns)
    });
    TerminalSize {
        columns: columns.map_or(wide, usize::from),
        rows,
        color: match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !is_plain(),
        },
    }
}

/// Whether the environment asks for no colours (<https://no-color.org>).
fn is_plain() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    no_color || std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb")
}

/// Writes a picture.
pub(super) fn write_picture(
    data: &ChartData<'_>,
    kind: PictureKind,
    size: PictureSize,
    path: &Path,
) -> CommandResult {
    let bytes = match kind {
        PictureKind::Svg => chart::svg(data, size)?.into_bytes(),
        PictureKind::Png => chart::png(data, size)?,
    };
    to_file(path, |out| {
        out.write_all(&bytes)
            .map_err(|error| cannot_write(&path.display().to_string(), &error))
    })
}
