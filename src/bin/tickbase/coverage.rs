//! `coverage`: how complete and how plausible the bars of instruments are.

use clap::Args;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::{instrument_on, moment};
use crate::output::{grouped, table};
use crate::{CommandFailure, CommandResult, Context};
use tickbase::database::BackendConnection;
use tickbase::domain::{Frequency, Symbol};
use tickbase::error::Result;
use tickbase::models::Instrument;
use tickbase::repository::instrument::{self, InstrumentFilter};
use tickbase::services::coverage::{Coverage, SurveyOptions, TradingCalendar, coverage};
use tickbase::timestamp::Timestamp;

#[derive(Debug, Args)]
pub(super) struct CoverageArguments {
    /// An instrument; all active ones by default
    #[arg(long = "symbol", value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// Length of the bars: 1min, 5min, 15min, 30min, 1h, 4h, 1d, 1w or 1M; may be repeated
    #[arg(long = "frequency", value_name = "FREQUENCY", default_value = "1d")]
    frequencies: Vec<Frequency>,
    /// The first moment: 2013-09-01, 2013-09-01T17:00:00Z, ..; the first bar by default
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which it ends; the end of the last bar by default
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
    /// Which periods should have bars: 24x7, weekdays, XNYS or XNAS; that of the instrument by
    /// default, else 24x7 for crypto and weekdays for all others
    #[arg(long, value_name = "CALENDAR")]
    calendar: Option<TradingCalendar>,
    /// How many times the usual deviation a change of the close must reach to be an outlier
    #[arg(long, value_name = "SCORE", default_value_t = SurveyOptions::OUTLIER_SCORE)]
    outlier_score: f64,
    /// The most gaps and the most outliers to list for each series
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    list: usize,
}

#[derive(Serialize)]
struct CoverageLine {
    symbol: String,
    frequency: &'static str,
    calendar: &'static str,
    first: Option<String>,
    last: Option<String>,
    expected: u64,
    present: u64,
    unexpected: u64,
    missing: u64,
    completeness_percent: Option<f64>,
    duplicates: u64,
    gap_count: u64,
    gaps: Vec<GapLine>,
    outlier_count: u64,
    outliers: Vec<OutlierLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holidays_known: Option<(i16, i16)>,
}

#[derive(Serialize)]
struct GapLine {
    start: String,
    end: String,
    missing: u64,
}

#[derive(Serialize)]
struct OutlierLine {
    timestamp: String,
    close: f64,
    previous_close: f64,
    score: f64,
}

pub(super) fn run(context: &Context, arguments: &CoverageArguments) -> CommandResult {
    let symbols = arguments.symbols.iter().map(|text| Symbol::new(text));
    let symbols = symbols.collect::<Result<Vec<_>>>()?;
    // What cannot be asked is refused before a database is opened.
    let any = options(arguments, Frequency::OneDay, TradingCalendar::EveryDay);
    any.check()
        .map_err(|error| CommandFailure::Usage(error.to_string()))?;
    let database = context.open(DatabaseNeed::Existing)?;
    let series = database.read("coverage.survey", |conn| {
        let mut series = Vec::new();
        for instrument in named(conn, &symbols)? {
            for frequency in &arguments.frequencies {
                let usual = instrument.trading_calendar();
                let options = options(arguments, *frequency, arguments.calendar.unwrap_or(usual));
                let found = coverage(conn, instrument.id, &options)?;
                // Of all instruments those without a bar are left out; one that is named is not.
                if found.present > 0 || !symbols.is_empty() {
                    series.push(shown(&instrument, &options, found));
                }
            }
        }
        Ok(series)
    })?;
    context.output.result(&series, |series| for_people(series))
}

fn options(
    arguments: &CoverageArguments,
    frequency: Frequency,
    calendar: TradingCalendar,
) -> SurveyOptions {
    SurveyOptions {
        start: arguments.start,
        end: arguments.end,
        outlier_score: arguments.outlier_score,
        listed_max: arguments.list,
        ..SurveyOptions::new(frequency, calendar)
    }
}

fn named(conn: &mut BackendConnection<'_>, symbols: &[Symbol]) -> Result<Vec<Instrument>> {
    if symbols.is_empty() {
        return instrument::list(conn, InstrumentFilter::default());
    }
    let found = symbols.iter().map(|symbol| instrument_on(conn, symbol));
    found.collect()
}

fn shown(instrument: &Instrument, options: &SurveyOptions, found: Coverage) -> CoverageLine {
    let text = |moment: Timestamp| moment.to_string();
    CoverageLine {
        symbol: instrument.symbol.to_string(),
        frequency: options.frequency.as_str(),
        calendar: options.calendar.as_str(),
        first: found.first.map(text),
        last: found.last.map(text),
        expected: found.expected,
        present: found.present,
        unexpected: found.unexpected,
        missing: found.missing,
        completeness_percent: found.completeness_percent(),
        duplicates: found.duplicates,
        gap_count: found.gap_count,
        gaps: found
            .gaps
            .iter()
            .map(|gap| GapLine {
                start: text(gap.start),
                end: text(gap.end),
                missing: gap.missing,
            })
            .collect(),
        outlier_count: found.outlier_count,
        outliers: found
            .outliers
            .iter()
            .map(|outlier| OutlierLine {
                timestamp: text(outlier.timestamp),
                close: outlier.close,
                previous_close: outlier.previous_close,
                score: outlier.score,
            })
            .collect(),
        holidays_known: found.holidays_known,
    }
}

fn for_people(series: &[CoverageLine]) -> String {
    if series.is_empty() {
        return "no instrument has bars of this frequency; import some, or ticks".to_owned();
    }
    let head = [
        "bars of",
        "frequency",
        "calendar",
        "present",
        "missing",
        "complete",
        "duplicates",
        "gaps",
        "outliers",
        "first",
        "last",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(series.iter().map(|of| {
        let moment = |moment: &Option<String>| moment.clone().unwrap_or_else(|| "-".to_owned());
        let percent = of.completeness_percent;
        vec![
            of.symbol.clone(),
            of.frequency.to_owned(),
            of.calendar.to_owned(),
            grouped(of.present),
            grouped(of.missing),
            percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.2} %")),
            grouped(of.duplicates),
            grouped(of.gap_count),
            grouped(of.outlier_count),
            moment(&of.first),
            moment(&of.last),
        ]
    }));
    let mut text = table(&lines);
    series.iter().for_each(|of| details(of, &mut text));
    text
}

/// The gaps and outliers that are listed.
fn details(of: &CoverageLine, text: &mut String) {
    if let Some((first, last)) = of.holidays_known {
        text.push_str(&format!(
            "\n{} {}: {} knows holidays from {first} to {last}; in other years every weekday is \
             expected",
            of.symbol, of.frequency, of.calendar
        ));
    }
    for gap in &of.gaps {
        text.push_str(&format!(
            "\n{} {}: {} missing from {} to {}",
            of.symbol,
            of.frequency,
            grouped(gap.missing),
            gap.start,
            gap.end
        ));
    }
    for outlier in &of.outliers {
        text.push_str(&format!(
            "\n{} {}: outlier at {}, {} after {}, score {:.1}",
            of.symbol,
            of.frequency,
            outlier.timestamp,
            outlier.close,
            outlier.previous_close,
            outlier.score
        ));
    }
}
