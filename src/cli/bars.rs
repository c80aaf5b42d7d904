//! `bars`: builds bars from ticks and keeps them, lists the bars of an instrument, and tells what is
//! built.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::named::{instrument, moment};
use super::output::{grouped, table};
use super::{Context, Failure, Outcome};
use crate::app::Need;
use crate::domain::{Frequency, Symbol};
use crate::error::Error;
use crate::models::BarSeries;
use crate::repository::bar_series::{BarSeriesRepository, BuildReport, BuildSpan, SeriesStatus};
use crate::repository::market_data::TickRange;
use crate::services::historical_data::{self, BarHistory, BarOrigin, BarQuery, Fill, HistoryBar};
use crate::timestamp::Timestamp;

/// Bars that one list holds: as many as one answer of the API.
const BARS_LISTED_MAX: usize = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Build the bars of closed periods from ticks, repair stale ones, and keep them from then on
    Build(BuildArguments),
    /// Show bars: stored where they are, else made of the ticks
    List(ListArguments),
    /// Show what is built, and how much of it is stale
    Status,
}

#[derive(Debug, Args)]
pub(super) struct BuildArguments {
    /// An instrument; give it again for more
    #[arg(long = "symbol", value_name = "SYMBOL", required = true)]
    symbols: Vec<String>,
    /// 1min, 5min, 15min, 30min, 1h, 4h, 1d, 1w or 1M; give it again for more
    #[arg(long = "frequency", value_name = "FREQUENCY", required = true)]
    frequencies: Vec<Frequency>,
    /// A moment of the first period: 2013-09-01, 2013-09-01T17:00:00Z, .. [default: the first tick]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which the last period ends [default: as far as periods are closed]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
    /// Build what is built anew, too: after ticks were changed by SQL of your own
    #[arg(long)]
    anew: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// 1min, 5min, 15min, 30min, 1h, 4h, 1d, 1w or 1M
    #[arg(long)]
    frequency: Frequency,
    /// The first moment at which a bar may start
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which a bar starts
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
    /// The newest so many, up to 10000
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// What stands for periods without a bar
    #[arg(long, value_enum, default_value_t)]
    fill: FillWord,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FillWord {
    /// Nothing
    #[default]
    None,
    /// A bar at the previous close, with volume 0
    Previous,
    /// A bar without values
    Null,
}

pub(super) fn run(context: &Context, action: &Action) -> Outcome {
    match action {
        Action::Build(arguments) => build(context, arguments),
        Action::List(arguments) => list(context, arguments),
        Action::Status => status(context),
    }
}

#[derive(Serialize)]
struct Built {
    symbol: String,
    frequency: &'static str,
    /// Null for an instrument without a tick.
    built_from: Option<String>,
    built_to: Option<String>,
    bars_written: usize,
    bars_removed: usize,
    periods_repaired: usize,
    ticks_read: usize,
    bars_read: usize,
    transactions: usize,
}

/// Shortest frequency first: the longer ones are then made of its bars.
fn build(context: &Context, arguments: &BuildArguments) -> Outcome {
    let symbols = arguments.symbols.iter().map(|symbol| Symbol::new(symbol));
    let symbols: Result<Vec<Symbol>, Error> = symbols.collect();
    let symbols = symbols?;
    let mut frequencies = arguments.frequencies.clone();
    frequencies.sort_unstable();
    frequencies.dedup();
    let database = context.open(Need::Existing)?;
    let ids = symbols
        .iter()
        .map(|symbol| instrument(&database, symbol).map(|found| found.id));
    let ids: Result<Vec<i64>, Error> = ids.collect();
    let ids = ids?;
    let span = BuildSpan {
        start: arguments.start,
        end: arguments.end,
    };
    let series = BarSeriesRepository::new(&database);
    let mut built = Vec::new();
    for (symbol, id) in symbols.iter().zip(ids) {
        if arguments.anew {
            series.mark_stale(TickRange {
                instrument_id: id,
                start: arguments.start,
                end: arguments.end,
            })?;
        }
        for frequency in &frequencies {
            let report = series.build(id, *frequency, span)?;
            built.push(Built::of(symbol, &report));
        }
    }
    context
        .output
        .result(&built, |built| built_for_people(built))
}

impl Built {
    fn of(symbol: &Symbol, report: &BuildReport) -> Self {
        let bound = |of: fn(&BarSeries) -> Timestamp| report.series.as_ref().map(of);
        Self {
            symbol: symbol.to_string(),
            frequency: report.frequency.as_str(),
            built_from: bound(|series| series.built_from).map(|at| at.to_string()),
            built_to: bound(|series| series.built_to).map(|at| at.to_string()),
            bars_written: report.bars_written,
            bars_removed: report.bars_removed,
            periods_repaired: report.periods_repaired,
            ticks_read: report.ticks_read,
            bars_read: report.bars_read,
            transactions: report.transactions,
        }
    }
}

fn built_for_people(built: &[Built]) -> String {
    let head = ["series", "from", "to", "written", "removed", "repaired"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(built.iter().map(|of| {
        let bound = |at: &Option<String>| at.clone().unwrap_or_else(|| "no ticks".to_owned());
        vec![
            format!("{} {}", of.symbol, of.frequency),
            bound(&of.built_from),
            bound(&of.built_to),
            grouped(of.bars_written as u64),
            grouped(of.bars_removed as u64),
            grouped(of.periods_repaired as u64),
        ]
    }));
    table(&rows)
}

#[derive(Serialize)]
struct Listed {
    symbol: String,
    frequency: &'static str,
    /// `stored`, `aggregated` or `no_data`.
    data_source: &'static str,
    bars: Vec<Shown>,
    /// Whether there are older ones in the range.
    has_more: bool,
}

#[derive(Serialize)]
struct Shown {
    timestamp: String,
    /// `imported`, `built`, `aggregated` or `filled`.
    origin: &'static str,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    close: Option<f64>,
    volume: Option<f64>,
    vwap: Option<f64>,
    tick_count: Option<i64>,
    open_interest: Option<f64>,
}

fn list(context: &Context, arguments: &ListArguments) -> Outcome {
    if !(1..=BARS_LISTED_MAX).contains(&arguments.limit) {
        let text = format!("--limit: give a number from 1 to {BARS_LISTED_MAX}");
        return Err(Failure::Usage(text));
    }
    let symbol = Symbol::new(&arguments.symbol)?;
    let database = context.open(Need::Existing)?;
    let query = BarQuery {
        start: arguments.start,
        end: arguments.end,
        max_records: Some(arguments.limit),
        fill: match arguments.fill {
            FillWord::None => Fill::None,
            FillWord::Previous => Fill::Previous,
            FillWord::Null => Fill::Null,
        },
        ..BarQuery::all(instrument(&database, &symbol)?.id, arguments.frequency)
    };
    let history = database.read("bars.list", |conn| historical_data::bars(conn, &query))?;
    let listed = Listed::of(&symbol, arguments.frequency, &history);
    context.output.result(&listed, listed_for_people)
}

impl Listed {
    fn of(symbol: &Symbol, frequency: Frequency, history: &BarHistory) -> Self {
        Self {
            symbol: symbol.to_string(),
            frequency: frequency.as_str(),
            data_source: history.basis().as_str(),
            bars: history.bars.iter().map(Shown::of).collect(),
            has_more: history.has_more,
        }
    }
}

impl Shown {
    fn of(bar: &HistoryBar) -> Self {
        let values = bar.values.as_ref();
        Self {
            timestamp: bar.timestamp.to_string(),
            origin: match bar.origin {
                BarOrigin::Imported(_) => "imported",
                BarOrigin::Built => "built",
                BarOrigin::Aggregated => "aggregated",
                BarOrigin::Filled => "filled",
            },
            open: values.map(|of| of.open),
            high: values.map(|of| of.high),
            low: values.map(|of| of.low),
            close: values.map(|of| of.close),
            volume: values.map(|of| of.volume),
            vwap: values.and_then(|of| of.vwap()),
            tick_count: values.and_then(|of| of.tick_count),
            open_interest: values.and_then(|of| of.open_interest),
        }
    }
}

fn listed_for_people(listed: &Listed) -> String {
    if listed.bars.is_empty() {
        return format!("no {} bars of {} there", listed.frequency, listed.symbol);
    }
    let head = [
        "start", "open", "high", "low", "close", "volume", "vwap", "ticks", "origin",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let number = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let places = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    rows.extend(listed.bars.iter().map(|bar| {
        vec![
            bar.timestamp.clone(),
            number(bar.open),
            number(bar.high),
            number(bar.low),
            number(bar.close),
            number(bar.volume),
            places(bar.vwap),
            bar.tick_count.map_or_else(|| "-".to_owned(), grouped),
            bar.origin.to_owned(),
        ]
    }));
    let mut text = table(&rows);
    if listed.has_more {
        text.push_str("there are older ones; raise --limit, or set --end\n");
    }
    text
}

#[derive(Serialize)]
struct Status {
    symbol: String,
    frequency: &'static str,
    built_from: String,
    built_to: String,
    stale_periods: i64,
    /// Whether a look of the service would find something to build or to repair.
    due: bool,
    updated_at: String,
}

impl From<&SeriesStatus> for Status {
    fn from(of: &SeriesStatus) -> Self {
        Self {
            symbol: of.symbol.to_string(),
            frequency: of.series.frequency.as_str(),
            built_from: of.series.built_from.to_string(),
            built_to: of.series.built_to.to_string(),
            stale_periods: of.stale_periods,
            due: of.is_due(),
            updated_at: of.series.updated_at.to_string(),
        }
    }
}

fn status(context: &Context) -> Outcome {
    let database = context.open(Need::Existing)?;
    let all = BarSeriesRepository::new(&database).list()?;
    let all: Vec<Status> = all.iter().map(Status::from).collect();
    context.output.result(&all, |all| status_for_people(all))
}

fn status_for_people(all: &[Status]) -> String {
    if all.is_empty() {
        return "nothing is built; begin with `tickbase bars build`".to_owned();
    }
    let head = ["series", "from", "to", "stale", "due"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|of| {
        vec![
            format!("{} {}", of.symbol, of.frequency),
            of.built_from.clone(),
            of.built_to.clone(),
            grouped(of.stale_periods),
            if of.due { "yes" } else { "no" }.to_owned(),
        ]
    }));
    table(&rows)
}
