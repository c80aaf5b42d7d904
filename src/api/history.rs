//! `/api/historical-data`: bars of up to 50 symbols, and what there is to ask for.

mod coverage;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, PostedReadErrors, ReadErrors};
use super::extract::Json;
use super::health::history_health;
use super::state::ApiState;
use super::types::{
    BarItem, FetchAnswer, FetchBody, Frequencies, FrequencyItem, FrequencyStats, HistoryHealth,
    HistoryStats, SourceItem, Sources, SymbolBars,
};
use crate::domain::{DAY_MICROS, Frequency};
use crate::error::Error;
use crate::repository::{bar, data_source};
use crate::services::cache::Cached;
use crate::services::historical_data::{self, BarQuery, SymbolHistory};
use crate::timestamp::Timestamp;

/// Symbols that one request may ask for.
const SYMBOLS_MAX: usize = 50;
/// Bars of a symbol in one answer.
const RECORDS_MAX: usize = 10_000;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(frequencies))
        .routes(routes!(sources))
        .routes(routes!(stats))
        .routes(routes!(coverage::coverage))
}

/// Routes of questions that come in a body and change nothing.
pub(super) fn questions() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(fetch))
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(health))
}

/// Bars of up to 50 symbols
///
/// A period is the bar that came in for it, else the built one, else what shorter bars make of it,
/// and ticks where no bar covers them. A symbol without bars says why in its own `message`.
#[utoipa::path(
    post,
    path = "/api/historical-data/fetch",
    tag = "historical data",
    request_body(
        content = FetchBody,
        example = json!({"symbols": ["ES", "NQ"], "frequency": "1min", "max_records": 100})
    ),
    responses((status = 200, body = FetchAnswer), PostedReadErrors)
)]
async fn fetch(
    State(state): State<ApiState>,
    Json(body): Json<FetchBody>,
) -> Result<axum::Json<FetchAnswer>, ApiError> {
    let query = BarQuery {
        source: source(&state, body.source.as_deref()).await?,
        ..query(&body)?
    };
    state.history().count_request();
    let found =
        historical_data::fetch_many(state.reads(), state.cache(), &body.symbols, query).await?;
    let data: Vec<SymbolBars> = body
        .symbols
        .iter()
        .zip(&found)
        .map(|(symbol, found)| item(symbol, query, found))
        .collect();
    let with_bars = data.iter().filter(|item| item.total_bars > 0).count();
    Ok(axum::Json(FetchAnswer {
        success: with_bars > 0,
        message: format!("{with_bars} of {} symbols have bars", data.len()),
        timestamp: state.db().clock().now().to_string(),
        total_symbols: data.len(),
        data,
    }))
}

/// The query of each symbol; the instrument comes later.
fn query(body: &FetchBody) -> Result<BarQuery, ApiError> {
    if body.symbols.is_empty() || body.symbols.len() > SYMBOLS_MAX {
        let msg = format!(
            "it names {} symbols; name 1 to {SYMBOLS_MAX}",
            body.symbols.len()
        );
        return Err(ApiError::violation(["body", "symbols"], msg));
    }
    let records = body.max_records.map(|records| {
        let within = usize::try_from(records).ok();
        within
            .filter(|records| (1..=RECORDS_MAX).contains(records))
            .ok_or_else(|| {
                let msg = format!("{records} is out of range; ask for 1 to {RECORDS_MAX} bars");
                ApiError::violation(["body", "max_records"], msg)
            })
    });
    let start = moment("body", "start_date", body.start_date.as_deref())?;
    let end = moment("body", "end_date", body.end_date.as_deref())?;
    let (start, end) = range("body", start, end)?;
    Ok(BarQuery {
        start,
        end,
        fill: body.fill,
        price: body.price,
        max_records: Some(records.transpose()?.unwrap_or(RECORDS_MAX)),
        ..BarQuery::all(0, body.frequency)
    })
}

/// The id of the source that is named.
async fn source(state: &ApiState, name: Option<&str>) -> Result<Option<i64>, ApiError> {
    let Some(name) = name.map(str::to_owned) else {
        return Ok(None);
    };
    let msg =
        format!("no data source is named {name:?}; GET /api/historical-data/sources lists them");
    let read = state.read("history.source", move |conn| {
        data_source::by_name(conn, &name)
    });
    match read.await? {
        Some(source) => Ok(Some(source.id)),
        None => Err(ApiError::violation(["body", "source"], msg)),
    }
}

/// From the first moment to the one before which it ends: the day after a last day that is named.
fn range(
    part: &'static str,
    start: Option<(Timestamp, bool)>,
    end: Option<(Timestamp, bool)>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
    let is_after = |(start, _): (Timestamp, bool), (end, is_day): (Timestamp, bool)| {
        // Not even the last day begins after the start.
        start > end && !(is_day && start < day_after(end))
    };
    if let (Some(start), Some(end)) = (start, end)
        && is_after(start, end)
    {
        let msg = "it is after end_date; give the earlier moment first";
        return Err(ApiError::violation([part, "start_date"], msg));
    }
    let start = start.map(|(start, _)| start);
    let end = end.map(|(end, is_day)| if is_day { day_after(end) } else { end });
    Ok((start, end))
}

fn day_after(day: Timestamp) -> Timestamp {
    day.saturating_add_micros(DAY_MICROS)
}

/// A moment, and whether it is a whole day.
fn moment(
    part: &'static str,
    name: &'static str,
    text: Option<&str>,
) -> Result<Option<(Timestamp, bool)>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<Timestamp>() {
        Ok(moment) => Ok(Some((moment, Timestamp::is_date(text.as_bytes())))),
        Err(Error::Invalid { reason, remedy, .. }) => Err(ApiError::violation(
            [part, name],
            format!("{reason}; {remedy}, or a day like 2013-09-01"),
        )),
        Err(other) => Err(other.into()),
    }
}

fn item(symbol: &str, query: BarQuery, answer: &Cached<SymbolHistory>) -> SymbolBars {
    let found = &answer.value;
    let history = &found.history;
    let first = history.bars.first().map(|bar| bar.timestamp);
    let last = history
        .bars
        .last()
        .map(|bar| query.frequency.period_end(bar.timestamp));
    let none = || {
        let none = format!("no {} bar starts in the range", query.frequency);
        match &found.alternative {
            Some(of) => {
                let field = |name: &str, value: &str| format!("\"{name}\": \"{value}\"");
                format!("{none}: {}", of.text(field))
            }
            None => none,
        }
    };
    SymbolBars {
        symbol: symbol.to_owned(),
        frequency: query.frequency,
        start_date: query.start.or(first).map(|start| start.to_string()),
        end_date: query.end.or(last).map(|end| end.to_string()),
        total_bars: history.bars.len(),
        data_source: history.basis(),
        sources: history
            .sources
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        cached: answer.cached,
        has_more: history.has_more,
        message: match &found.problem {
            Some(problem) => Some(problem.clone()),
            None => history.bars.is_empty().then(none),
        },
        bars: BarItem::all(found),
    }
}

/// The frequencies of bars
#[utoipa::path(
    get,
    path = "/api/historical-data/frequencies",
    tag = "historical data",
    responses((status = 200, body = Frequencies), ReadErrors)
)]
async fn frequencies() -> axum::Json<Frequencies> {
    let item = |frequency: Frequency| FrequencyItem {
        frequency,
        description: described(frequency),
        seconds: frequency.length_micros().map(|length| length / 1_000_000),
    };
    axum::Json(Frequencies {
        frequencies: Frequency::ALL.map(item).into(),
    })
}

fn described(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::OneMinute => "1 minute",
        Frequency::FiveMinutes => "5 minutes",
        Frequency::FifteenMinutes => "15 minutes",
        Frequency::ThirtyMinutes => "30 minutes",
        Frequency::OneHour => "1 hour",
        Frequency::FourHours => "4 hours",
        Frequency::OneDay => "1 day, UTC",
        Frequency::OneWeek => "1 week from Monday, UTC",
        Frequency::OneMonth => "1 month of the calendar, UTC",
    }
}

/// Where ticks and bars come from
#[utoipa::path(
    get,
    path = "/api/historical-data/sources",
    tag = "historical data",
    responses((status = 200, body = Sources), ReadErrors)
)]
async fn sources(State(state): State<ApiState>) -> Result<axum::Json<Sources>, ApiError> {
    let read = state.read("history.sources", |conn| data_source::list(conn, false));
    Ok(axum::Json(Sources {
        sources: read.await?.iter().map(SourceItem::from).collect(),
    }))
}

/// What is stored of the history
#[utoipa::path(
    get,
    path = "/api/historical-data/stats",
    tag = "historical data",
    responses((status = 200, body = HistoryStats), ReadErrors)
)]
async fn stats(State(state): State<ApiState>) -> Result<axum::Json<HistoryStats>, ApiError> {
    let counts = state.read("history.stats", bar::frequency_counts).await?;
    Ok(axum::Json(HistoryStats {
        total_requests: state.history().requests(),
        total_bars: counts.iter().map(|count| count.bars).sum(),
        by_frequency: counts.iter().map(FrequencyStats::from).collect(),
    }))
}

/// How the service of historical data is
#[utoipa::path(
    get,
    path = "/api/historical-data/health",
    tag = "historical data",
    responses(
        (status = 200, body = HistoryHealth, description = "Healthy or degraded"),
        (status = 503, body = HistoryHealth, description = "Unhealthy"),
    )
)]
async fn health(
    State(state): State<ApiState>,
) -> Result<(StatusCode, axum::Json<HistoryHealth>), ApiError> {
    let (status, health) = history_health(&state).await?;
    Ok((status, axum::Json(health)))
}
