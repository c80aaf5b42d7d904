//! `/udf`: bars, symbols and alerts for charts, in TradingView's UDF protocol.
//!
//! Its clients read the body whatever the status is, so that what is wrong with a question is told
//! in the body, with 200. They send names that are not for every server: unknown ones are ignored.

mod parameters;

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ReadErrors};
use super::state::ApiState;
use super::types::{
    UDF_RESOLUTIONS, UdfBars, UdfConfig, UdfFind, UdfHistoryAnswer, UdfMarks, UdfNoData,
    UdfProblem, UdfRefusal, UdfSymbolAnswer, udf_exchange, udf_type, unix_seconds,
};
use crate::database::Cursor;
use crate::domain::{FiredStatus, Frequency, Symbol};
use crate::error::{Error, Result};
use crate::models::Instrument;
use crate::repository::alert_log::{self, AlertFilter, PageQuery};
use crate::repository::instrument::{InstrumentFilter, InstrumentPage};
use crate::services::historical_data::{self, BarQuery, SymbolHistory};
use parameters::UdfParameters;

/// Bars of one answer; of more the newest are told.
const BARS_MAX: usize = 5_000;
/// Finds of a search, unless the caller says otherwise, and at most.
const FINDS_DEFAULT: usize = 30;
const FINDS_MAX: usize = 1_000;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(config))
        .routes(routes!(time))
        .routes(routes!(symbols))
        .routes(routes!(search))
        .routes(routes!(history))
        .routes(routes!(marks))
}

/// What charts may ask for
#[utoipa::path(
    get,
    path = "/udf/config",
    tag = "udf",
    responses((status = 200, body = UdfConfig), ReadErrors)
)]
async fn config() -> axum::Json<UdfConfig> {
    axum::Json(UdfConfig::new())
}

/// The server's time, in seconds since 1970
#[utoipa::path(
    get,
    path = "/udf/time",
    tag = "udf",
    responses((status = 200, body = String, content_type = "text/plain"), ReadErrors)
)]
async fn time(State(state): State<ApiState>) -> String {
    unix_seconds(state.db().clock().now()).to_string()
}

/// An instrument, for a chart
///
/// `EXCHANGE:SYMBOL` is the same as `SYMBOL`.
#[utoipa::path(
    get,
    path = "/udf/symbols",
    tag = "udf",
    params(("symbol" = Option<String>, Query, min_length = 1)),
    responses((status = 200, body = UdfSymbolAnswer), ReadErrors)
)]
async fn symbols(
    State(state): State<ApiState>,
    parameters: UdfParameters,
) -> Result<axum::Json<UdfSymbolAnswer>, ApiError> {
    let found = instrument(&state, parameters.text("symbol")).await?;
    Ok(axum::Json(match found {
        Some(found) => UdfSymbolAnswer::Found(Box::new(found.as_ref().into())),
        None => UdfSymbolAnswer::Refused(UdfRefusal::Error(UdfProblem::unknown_symbol())),
    }))
}

/// Instruments whose symbol or name has a text
///
/// Those whose symbol begins with it come first.
#[utoipa::path(
    get,
    path = "/udf/search",
    tag = "udf",
    params(
        ("query" = Option<String>, Query, min_length = 1),
        ("type" = Option<String>, Query, min_length = 1, description = "One of `symbols_types`"),
        ("exchange" = Option<String>, Query, min_length = 1, description = "One of `exchanges`"),
        ("limit" = Option<u32>, Query, description = "30 when absent"),
    ),
    responses((status = 200, body = Vec<UdfFind>), ReadErrors)
)]
async fn search(
    State(state): State<ApiState>,
    parameters: UdfParameters,
) -> Result<axum::Json<Vec<UdfFind>>, ApiError> {
    let text = parameters.text("query").unwrap_or_default().to_lowercase();
    let (kind, exchange) = (parameters.text("type"), parameters.text("exchange"));
    let limit = parameters.whole("limit").ok().flatten();
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(FINDS_DEFAULT).min(FINDS_MAX);
    let passes = |of: &Instrument| {
        kind.is_none_or(|kind| kind == udf_type(of.instrument_type))
            && exchange.is_none_or(|exchange| exchange.eq_ignore_ascii_case(udf_exchange(of)))
    };
    let mut finds: Vec<(u8, UdfFind)> = Vec::new();
    let mut page = InstrumentPage {
        filter: InstrumentFilter::default(),
        limit: InstrumentPage::LIMIT_MAX,
        after: None,
    };
    loop {
        let found = state.cache().instruments(page.clone()).await?;
        let fitting = found.rows.iter().filter(|of| passes(of));
        finds.extend(fitting.filter_map(|of| Some((rank(of, &text)?, of.into()))));
        match &found.next {
            Some(Cursor::After(symbol)) => page.after = Some(symbol.clone()),
            _ => break,
        }
    }
    // It is stable: finds of one rank stay in the order of their symbols.
    finds.sort_by_key(|(rank, _)| *rank);
    let finds = finds.into_iter().take(limit).map(|(_, find)| find);
    Ok(axum::Json(finds.collect()))
}

/// How well an instrument fits a text in lower case, best first; `None` when it does not.
fn rank(of: &Instrument, text: &str) -> Option<u8> {
    let symbol = of.symbol.as_str().to_lowercase();
    let text = text.rsplit_once(':').map_or(text, |(_, symbol)| symbol);
    if symbol == text {
        return Some(0);
    }
    if symbol.starts_with(text) {
        return Some(1);
    }
    if symbol.contains(text) {
        return Some(2);
    }
    of.name.to_lowercase().contains(text).then_some(3)
}

/// Bars of an instrument, oldest first
///
/// With `countback` so many bars before `to`, else those from `from` on; `to` is not part of the range. At
/// most 5,000, the newest. When there are none, `nextTime` is that of the newest bar before the range.
#[utoipa::path(
    get,
    path = "/udf/history",
    tag = "udf",
    params(
        ("symbol" = Option<String>, Query, min_length = 1),
        ("resolution" = Option<String>, Query, min_length = 1,
            description = "`1`, `5`, `15`, `30`, `60`, `240`, `1D`, `1W` or `1M`"),
        ("from" = Option<i64>, Query, description = "Seconds since 1970"),
        ("to" = Option<i64>, Query, description = "Seconds since 1970"),
        ("countback" = Option<i64>, Query),
    ),
    responses((status = 200, body = UdfHistoryAnswer), ReadErrors)
)]
async fn history(
    State(state): State<ApiState>,
    parameters: UdfParameters,
) -> Result<axum::Json<UdfHistoryAnswer>, ApiError> {
    let query = match bars_asked_for(&parameters) {
        Ok(query) => query,
        Err(problem) => return Ok(axum::Json(UdfHistoryAnswer::Error(problem))),
    };
    let Some(of) = instrument(&state, parameters.text("symbol")).await? else {
        let problem = UdfProblem::unknown_symbol();
        return Ok(axum::Json(UdfHistoryAnswer::Error(problem)));
    };
    state.history().count_request();
    let found = fetch(&state, &of, query).await?;
    if let Some(problem) = &found.problem {
        let problem = UdfProblem::new(problem.clone());
        return Ok(axum::Json(UdfHistoryAnswer::Error(problem)));
    }
    if !found.history.bars.is_empty() {
        return Ok(axum::Json(UdfHistoryAnswer::Ok(UdfBars::from(&*found))));
    }
    let next = match query.start {
        // Without a start, nothing older was left out.
        None => None,
        Some(start) => {
            let before = BarQuery {
                start: None,
                end: Some(start),
                max_records: Some(1),
                ..query
            };
            let found = fetch(&state, &of, before).await?;
            found.history.bars.last().map(|bar| bar.timestamp)
        }
    };
    Ok(axum::Json(UdfHistoryAnswer::NoData(UdfNoData::new(next))))
}

/// The bars that are asked for; the instrument comes later.
fn bars_asked_for(parameters: &UdfParameters) -> Result<BarQuery, UdfProblem> {
    let frequency = resolution(parameters)?;
    let countback = parameters.whole("countback")?.filter(|count| *count > 0);
    let countback = countback.map(|count| usize::try_from(count).unwrap_or(BARS_MAX));
    let (from, to) = (parameters.moment("from")?, parameters.moment("to")?);
    Ok(BarQuery {
        // So many bars are asked for, wherever they lie: a chart that gets fewer asks on and on.
        start: if countback.is_some() { None } else { from },
        end: to,
        max_records: Some(countback.unwrap_or(BARS_MAX).min(BARS_MAX)),
        ..BarQuery::all(0, frequency)
    })
}

fn resolution(parameters: &UdfParameters) -> Result<Frequency, UdfProblem> {
    Ok(match parameters.text("resolution").unwrap_or_default() {
        "1" => Frequency::OneMinute,
        "5" => Frequency::FiveMinutes,
        "15" => Frequency::FifteenMinutes,
        "30" => Frequency::ThirtyMinutes,
        "60" => Frequency::OneHour,
        "240" => Frequency::FourHours,
        "1D" | "D" => Frequency::OneDay,
        "1W" | "W" => Frequency::OneWeek,
        "1M" | "M" => Frequency::OneMonth,
        _ => {
            let known = UDF_RESOLUTIONS.join(", ");
            let problem = format!("unknown resolution; ask for one of {known}");
            return Err(UdfProblem::new(problem));
        }
    })
}

async fn fetch(state: &ApiState, of: &Instrument, query: BarQuery) -> Result<Arc<SymbolHistory>> {
    let symbol = of.symbol.clone();
    let found = historical_data::fetch_cached(state.reads(), state.cache(), symbol, query);
    Ok(found.await?.value)
}

/// Alerts that fired while the bars of a range lasted: the newest 1,000
#[utoipa::path(
    get,
    path = "/udf/marks",
    tag = "udf",
    params(
        ("symbol" = Option<String>, Query, min_length = 1),
        ("from" = Option<i64>, Query, description = "The start of the first bar, in seconds since 1970"),
        ("to" = Option<i64>, Query, description = "The start of the last bar, in seconds since 1970"),
        ("resolution" = Option<String>, Query, min_length = 1),
    ),
    responses((status = 200, body = UdfMarks), ReadErrors)
)]
async fn marks(
    State(state): State<ApiState>,
    parameters: UdfParameters,
) -> Result<axum::Json<UdfMarks>, ApiError> {
    let of = instrument(&state, parameters.text("symbol")).await?;
    // A chart without marks is a chart: nobody is told what is wrong with a question.
    let from = parameters.moment("from").unwrap_or_default();
    let to = parameters.moment("to").unwrap_or_default();
    let is_empty = matches!((from, to), (Some(from), Some(to)) if from > to);
    let Some(of) = of.filter(|_| !is_empty) else {
        return Ok(axum::Json(UdfMarks::default()));
    };
    // The last bar goes on after its start.
    let frequency = resolution(&parameters).unwrap_or(Frequency::OneMinute);
    let filter = AlertFilter {
        instrument_id: Some(of.id),
        fired_status: Some(FiredStatus::Fired),
        start: from,
        end: to.map(|to| frequency.period_end(to)),
        ..AlertFilter::default()
    };
    let query = PageQuery::new(filter, PageQuery::LIMIT_MAX);
    let read = state.read("alert_log.page", move |conn| alert_log::page(conn, &query));
    Ok(axum::Json(UdfMarks::of(read.await?.rows)))
}

/// The instrument that a text names, perhaps behind an exchange.
async fn instrument(state: &ApiState, text: Option<&str>) -> Result<Option<Arc<Instrument>>> {
    let Some(text) = text else { return Ok(None) };
    let behind = text.split_once(':').map(|(_, symbol)| symbol);
    // A symbol may have a colon of its own: it comes first.
    for name in std::iter::once(text).chain(behind) {
        let Ok(symbol) = Symbol::new(name) else {
            continue;
        };
        let Some(id) = state.cache().instrument_id(symbol).await? else {
            continue;
        };
        match state.cache().instrument(id).await {
            // It was deleted in between.
            Err(Error::NotFound { .. }) => {}
            found => return found.map(Some),
        }
    }
    Ok(None)
}
