//! `bars`: builds bars from ticks and keeps them, lists the bars of an instrument, and tells what is
//! built. Deletion and restoration are in [`trash`].

mod trash;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::{self, instrument, moment};
use crate::output::{grouped, table};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::domain::{BarPrice, Frequency, PriceDecimals, Symbol, mean_places, price_text};
use tickbase::error::Error;
use tickbase::models::{BarSeries, Instrument};
use tickbase::repository::bar_series::{
    self, BuildReport, BuildSpan, SeriesKey, SeriesStatus, TICKS_PER_TRANSACTION_MAX,
};
use tickbase::repository::market_data::TickRange;
use tickbase::services::historical_data::{self, BarHistory, BarQuery, Fill, HistoryBar};
use tickbase::timestamp::Timestamp;

/// Bars that one list holds: as many as one answer of the API.
const BARS_LISTED_MAX: usize = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum BarsAction {
    /// Build the bars of closed periods from shorter bars and ticks, repair stale ones, and keep them
    /// from then on
    Build(BuildArguments),
    /// Show bars: stored where they are, else made of shorter bars, and of ticks where there are none
    List(ListBarsArguments),
    /// Show what is built, and how much of it is stale
    Status,
    /// Move bars that came in to the trash; what was made of them is made anew
    Delete(trash::DeleteBarsArguments),
    /// Take deleted bars out of the trash, as far as their periods are free
    Restore(trash::RangeArguments),
}

#[derive(Debug, Args)]
pub(super) struct BuildArguments {
    /// An instrument; give it again for more
    #[arg(long = "symbol", value_name = "SYMBOL", required = true)]
    symbols: Vec<String>,
    /// 1min, 5min, 15min, 30min, 1h, 4h, 1d, 1w or 1M; give it again for more
    #[arg(long = "frequency", value_name = "FREQUENCY", required = true)]
    frequencies: Vec<Frequency>,
    /// The price of ticks that bars are made of: last (trades), bid, ask or mid
    #[arg(long, value_name = "PRICE", default_value = "last", value_parser = str::parse::<BarPrice>)]
    price: BarPrice,
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
pub(super) struct ListBarsArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// 1min, 5min, 15min, 30min, 1h, 4h, 1d, 1w or 1M
    #[arg(long)]
    frequency: Frequency,
    /// The price of ticks that bars are made of: last (trades), bid, ask or mid; a quote is no trade,
    /// so bars of quotes have the volume 0
    #[arg(long, value_name = "PRICE", default_value = "last", value_parser = str::parse::<BarPrice>)]
    price: BarPrice,
    /// The first moment at which a bar may start
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which a bar starts
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
    /// The newest so many, up to 10000
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// The name of a data source: only what came in from it, its bars, else its shorter bars, else
    /// its ticks; of tickbase-bars the built bars as they are stored
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// What stands for periods without a bar
    #[arg(long, value_enum, default_value_t)]
    fill: FillArgument,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FillArgument {
    /// Nothing
    #[default]
    None,
    /// A bar at the previous close, with volume 0
    Previous,
    /// A bar without values
    Null,
}

pub(super) fn run(context: &Context, action: &BarsAction) -> CommandResult {
    match action {
        BarsAction::Build(arguments) => build(context, arguments),
        BarsAction::List(arguments) => list(context, arguments),
        BarsAction::Status => status(context),
        BarsAction::Delete(arguments) => trash::delete(context, arguments),
        BarsAction::Restore(arguments) => trash::restore(context, arguments),
    }
}

#[derive(Serialize)]
struct Built {
    symbol: String,
    frequency: &'static str,
    price: &'static str,
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
fn build(context: &Context, arguments: &BuildArguments) -> CommandResult {
    let symbols = arguments.symbols.iter().map(|symbol| Symbol::new(symbol));
    let symbols: Result<Vec<Symbol>, Error> = symbols.collect();
    let symbols = symbols?;
    let mut frequencies = arguments.frequencies.clone();
    frequencies.sort_unstable();
    frequencies.dedup();
    let database = context.open(DatabaseNeed::Existing)?;
    let ids = symbols
        .iter()
        .map(|symbol| instrument(&database, symbol).map(|found| found.id));
    let ids: Result<Vec<i64>, Error> = ids.collect();
    let ids = ids?;
    let span = BuildSpan {
        start: arguments.start,
        end: arguments.end,
    };
    let mut built = Vec::new();
    for (symbol, id) in symbols.iter().zip(ids) {
        if arguments.anew {
            let range = TickRange {
                instrument_id: id,
                start: arguments.start,
                end: arguments.end,
            };
            database.write("bar_series.mark_stale", move |conn| {
                bar_series::mark_stale(conn, &range)
            })?;
        }
        for frequency in &frequencies {
            let key = SeriesKey {
                instrument_id: id,
                frequency: *frequency,
                price: arguments.price,
            };
            let report = bar_series::build(&database, key, span, TICKS_PER_TRANSACTION_MAX)?;
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
            price: report.price.as_str(),
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

/// A series as tables name it: trades go without saying.
fn series_name(symbol: &str, frequency: &str, price: &str) -> String {
    if price == BarPrice::Last.as_str() {
        return format!("{symbol} {frequency}");
    }
    format!("{symbol} {frequency} {price}")
}

fn built_for_people(built: &[Built]) -> String {
    let head = ["series", "from", "to", "written", "removed", "repaired"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(built.iter().map(|of| {
        let bound = |at: &Option<String>| at.clone().unwrap_or_else(|| "no ticks".to_owned());
        vec![
            series_name(&of.symbol, of.frequency, of.price),
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
struct BarListing {
    symbol: String,
    #[serde(skip)]
    price_decimals: Option<PriceDecimals>,
    frequency: &'static str,
    price: &'static str,
    /// `stored`, `aggregated` or `no_data`.
    data_source: &'static str,
    /// The names of the data sources whose bars they were made of, and `ticks`.
    sources: Vec<String>,
    bars: Vec<ListedBar>,
    /// Whether there are older ones in the range.
    has_more: bool,
    /// What there is when there are no such bars.
    message: Option<String>,
}

#[derive(Serialize)]
struct ListedBar {
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

fn list(context: &Context, arguments: &ListBarsArguments) -> CommandResult {
    if !(1..=BARS_LISTED_MAX).contains(&arguments.limit) {
        let text = format!("--limit: give a number from 1 to {BARS_LISTED_MAX}");
        return Err(CommandFailure::Usage(text));
    }
    let symbol = Symbol::new(&arguments.symbol)?;
    let database = context.open(DatabaseNeed::Existing)?;
    let instrument = instrument(&database, &symbol)?;
    let query = BarQuery {
        start: arguments.start,
        end: arguments.end,
        price: arguments.price,
        source: match &arguments.source {
            Some(name) => Some(named::source(&database, name)?.id),
            None => None,
        },
        max_records: Some(arguments.limit),
        fill: match arguments.fill {
            FillArgument::None => Fill::None,
            FillArgument::Previous => Fill::Previous,
            FillArgument::Null => Fill::Null,
        },
        ..BarQuery::all(instrument.id, arguments.frequency)
    };
    let (history, message) = database.read("bars.list", |conn| {
        conn.snapshot(|conn| {
            let history = historical_data::bars(conn, &query)?;
            let message = match history.bars.is_empty() {
                true => Some(named::alternative(conn, &query)?),
                false => None,
            };
            Ok((history, message))
        })
    })?;
    let listed = BarListing::of(&instrument, &query, &history, message);
    context.output.result(&listed, listed_for_people)
}

impl BarListing {
    fn of(
        of: &Instrument,
        query: &BarQuery,
        history: &BarHistory,
        message: Option<String>,
    ) -> Self {
        Self {
            symbol: of.symbol.to_string(),
            price_decimals: of.price_decimals,
            frequency: query.frequency.as_str(),
            price: query.price.as_str(),
            data_source: history.basis().as_str(),
            sources: history
                .sources
                .names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            bars: history.bars.iter().map(ListedBar::of).collect(),
            has_more: history.has_more,
            message,
        }
    }

    /// The places of the VWAP, which is computed and would else have all digits of a double.
    fn mean_places(&self) -> usize {
        let bars = self.bars.iter();
        let prices = bars
            .clone()
            .flat_map(|bar| [bar.open, bar.high, bar.low, bar.close]);
        let prices: Vec<f64> = prices.flatten().collect();
        let means: Vec<f64> = bars.filter_map(|bar| bar.vwap).collect();
        mean_places(self.price_decimals, &prices, &means)
    }
}

impl ListedBar {
    fn of(bar: &HistoryBar) -> Self {
        let values = bar.values.as_ref();
        Self {
            timestamp: bar.timestamp.to_string(),
            origin: bar.origin.as_str(),
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

fn listed_for_people(listed: &BarListing) -> String {
    if let Some(message) = &listed.message {
        let none = format!("no {} bars of {} there", listed.frequency, listed.symbol);
        return format!("{none}: {message}");
    }
    let head = [
        "start", "open", "high", "low", "close", "volume", "vwap", "ticks", "origin",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let number = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let places = listed.mean_places();
    let mean = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |it| price_text(it, places));
    rows.extend(listed.bars.iter().map(|bar| {
        vec![
            bar.timestamp.clone(),
            number(bar.open),
            number(bar.high),
            number(bar.low),
            number(bar.close),
            number(bar.volume),
            mean(bar.vwap),
            bar.tick_count.map_or_else(|| "-".to_owned(), grouped),
            bar.origin.to_owned(),
        ]
    }));
    let mut text = table(&rows);
    text.push_str(&format!("made of {}\n", listed.sources.join(", ")));
    if listed.has_more {
        text.push_str("there are older ones; raise --limit, or set --end\n");
    }
    text
}

#[derive(Serialize)]
struct Status {
    symbol: String,
    frequency: &'static str,
    price: &'static str,
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
            price: of.series.price.as_str(),
            built_from: of.series.built_from.to_string(),
            built_to: of.series.built_to.to_string(),
            stale_periods: of.stale_periods,
            due: of.is_due(),
            updated_at: of.series.updated_at.to_string(),
        }
    }
}

fn status(context: &Context) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let all = database.read("bar_series.list", bar_series::list)?;
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
            series_name(&of.symbol, of.frequency, of.price),
            of.built_from.clone(),
            of.built_to.clone(),
            grouped(of.stale_periods),
            if of.due { "yes" } else { "no" }.to_owned(),
        ]
    }));
    table(&rows)
}
