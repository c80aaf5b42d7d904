//! `/api/v1/historical-data`: bars of several symbols, what there is to ask for, and figures.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::Value;

use super::fields::{FieldLocation, RequestFields};
use super::moments::{NaiveMoment, WrittenMoment, moment};
use super::problem::Fault;
use super::refusal::Refusal;
use super::{Access, PRICE_PLACES, Resource, values};
use crate::api::ApiState;
use crate::api::health;
use crate::api::types::rounded;
use crate::domain::{DAY_MICROS, Frequency};
use crate::repository::{bar, data_source};
use crate::services::cache::{CacheKind, Cached};
use crate::services::historical_data::{self, BarBasis, BarQuery, HistoryBar, SymbolHistory};
use crate::timestamp::Timestamp;

/// Symbols of one request.
const SYMBOLS_MAX: usize = 50;
/// Characters of a symbol that is asked for.
const SYMBOL_LENGTH_MAX: usize = 50;
/// Bars of a symbol in one answer.
const RECORDS_MAX: usize = 10_000;
/// Days before the end, when no start is given: from the start of the bar that lies there.
const DAYS_DEFAULT: i64 = 30;

pub(super) fn resources() -> Vec<Resource> {
    const FREQUENCIES: &str = "/api/v1/historical-data/frequencies";
    const FETCH: &str = "/api/v1/historical-data/fetch";
    vec![
        Resource::new(FREQUENCIES, Access::Read, get(frequencies)),
        Resource::new(
            "/api/v1/historical-data/sources",
            Access::Read,
            get(sources),
        ),
        Resource::new("/api/v1/historical-data/stats", Access::Read, get(stats)),
        Resource::new("/api/v1/historical-data/health", Access::Read, get(service)),
        Resource::new(FETCH, Access::Question, post(fetch)),
    ]
}

/// The start of every answer of this part.
#[derive(Debug, Serialize)]
pub(super) struct Success<T> {
    success: bool,
    message: String,
    timestamp: NaiveMoment,
    #[serde(flatten)]
    rest: T,
}

impl<T> Success<T> {
    pub(super) fn new(state: &ApiState, message: String, rest: T) -> Json<Self> {
        Json(Self {
            success: true,
            message,
            timestamp: NaiveMoment(state.db().clock().now()),
            rest,
        })
    }
}

/// The bars of each symbol.
#[derive(Debug, Serialize)]
struct FetchedSymbols {
    total_symbols: usize,
    data: Vec<HistoricalDataResponse>,
}

/// The bars of a symbol, as the original's model of the same name.
#[derive(Debug, Serialize)]
struct HistoricalDataResponse {
    symbol: String,
    frequency: Frequency,
    start_date: Option<RepeatedMoment>,
    end_date: Option<RepeatedMoment>,
    total_bars: usize,
    data_source: BarBasis,
    cached: bool,
    bars: Vec<HistoricalDataBar>,
}

/// A bar, as the original's model of the same name.
#[derive(Debug, Serialize)]
struct HistoricalDataBar {
    timestamp: RepeatedMoment,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    /// Whole there.
    volume: i64,
    open_interest: Option<i64>,
}

/// A moment in the form of the request: with an offset if its start has one.
#[derive(Debug, Clone, Copy)]
struct RepeatedMoment(WrittenMoment);

impl Serialize for RepeatedMoment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let naive = NaiveMoment(self.0.utc);
        match self.0.has_offset {
            true => serializer.collect_str(&format_args!("{naive}Z")),
            false => naive.serialize(serializer),
        }
    }
}

/// What is asked for.
struct FetchRequest {
    symbols: Vec<String>,
    start: Option<WrittenMoment>,
    end: Option<WrittenMoment>,
    frequency: Frequency,
    records: usize,
}

async fn fetch(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<Success<FetchedSymbols>>, Refusal> {
    let symbols = fields.required(FieldLocation::Body, "symbols", symbols);
    let start = fields.optional(FieldLocation::Body, "start_date", moment);
    let end = fields.optional(FieldLocation::Body, "end_date", moment);
    if let (Some(start), Some(end)) = (start, end)
        && end.utc <= start.utc
    {
        let fault = Fault::value("End date must be after start date");
        fields.refuse(FieldLocation::Body, "end_date", fault);
    }
    let frequency = fields.or(
        FieldLocation::Body,
        "frequency",
        Frequency::OneDay,
        frequency,
    );
    // Hours are the calendar's of the instrument: there is nothing to leave out.
    fields.or(
        FieldLocation::Body,
        "include_extended_hours",
        false,
        values::truth,
    );
    let records = fields.optional(
        FieldLocation::Body,
        "max_records",
        values::within(1..=10_000),
    );
    let asked = symbols.map(|symbols| FetchRequest {
        symbols,
        start,
        end,
        frequency,
        records: records.map_or(RECORDS_MAX, |records| records as usize),
    });
    let asked = fields.complete(asked)?;
    state.history().count_request();
    let query = query(&asked, state.db().clock().now());
    let found =
        historical_data::fetch_many(state.reads(), state.cache(), &asked.symbols, query).await?;
    let data: Vec<HistoricalDataResponse> = asked
        .symbols
        .iter()
        .zip(&found)
        .map(|(symbol, found)| response(symbol, &asked, found))
        .collect();
    let cut = asked.symbols.iter().zip(&found);
    let cut = cut.filter(|(_, found)| found.value.history.has_more);
    let cut: Vec<&str> = cut.map(|(symbol, _)| symbol.as_str()).collect();
    let mut message = format!("Retrieved historical data for {} symbols", data.len());
    if !cut.is_empty() {
        // There is no other place for it in this shape.
        message += &format!(
            "; the newest {} bars of {}: ask for an earlier end_date to get older ones",
            asked.records,
            cut.join(", ")
        );
    }
    let fetched = FetchedSymbols {
        total_symbols: data.len(),
        data,
    };
    Ok(Success::new(&state, message, fetched))
}

fn query(asked: &FetchRequest, now: Timestamp) -> BarQuery {
    let end = asked.end.map(|end| end.utc);
    let before = -DAYS_DEFAULT * DAY_MICROS;
    // Before an end that is to come there is nothing but what is here now. A bar that has begun
    // before these days and ends in them belongs to them: on the last day of a month it is the only one of a month.
    let start = || {
        let last = end.map_or(now, |end| end.min(now));
        asked
            .frequency
            .period_start(last.saturating_add_micros(before))
    };
    BarQuery {
        start: Some(asked.start.map_or_else(start, |start| start.utc)),
        end,
        max_records: Some(asked.records),
        ..BarQuery::all(0, asked.frequency)
    }
}

fn response(
    symbol: &str,
    asked: &FetchRequest,
    found: &Cached<SymbolHistory>,
) -> HistoricalDataResponse {
    let history = &found.value.history;
    let has_offset = asked.start.is_some_and(|start| start.has_offset);
    let bars = history.bars.iter().filter_map(|bar| item(bar, has_offset));
    let bars: Vec<HistoricalDataBar> = bars.collect();
    HistoricalDataResponse {
        symbol: symbol.to_owned(),
        frequency: asked.frequency,
        start_date: asked.start.map(RepeatedMoment),
        end_date: asked.end.map(RepeatedMoment),
        total_bars: bars.len(),
        data_source: history.basis(),
        cached: found.cached,
        bars,
    }
}

/// A bar with values: there are no others unless they are asked for.
fn item(bar: &HistoryBar, has_offset: bool) -> Option<HistoricalDataBar> {
    let values = bar.values.as_ref()?;
    let price = |price: f64| rounded(price, PRICE_PLACES);
    Some(HistoricalDataBar {
        timestamp: RepeatedMoment(WrittenMoment {
            utc: bar.timestamp,
            has_offset,
        }),
        open: price(values.open),
        high: price(values.high),
        low: price(values.low),
        close: price(values.close),
        volume: values.volume.round() as i64,
        open_interest: values.open_interest.map(|interest| interest.round() as i64),
    })
}

/// Trimmed, in upper case, without those that are blank.
fn symbols(value: &Value) -> Result<Vec<String>, Fault> {
    let given = values::list(values::text)(value)?;
    let counted = |kind: &'static str, msg: &str, name: &'static str, bound: usize| {
        let fault = Fault::new(kind, msg).with("field_type", "List");
        fault.with(name, bound).with("actual_length", given.len())
    };
    if given.is_empty() {
        let msg = "List should have at least 1 item after validation, not 0";
        return Err(counted("too_short", msg, "min_length", 1));
    }
    if given.len() > SYMBOLS_MAX {
        let (max, length) = (SYMBOLS_MAX, given.len());
        let msg = format!("List should have at most {max} items after validation, not {length}");
        return Err(counted("too_long", &msg, "max_length", max));
    }
    let upper = given.iter().map(|symbol| symbol.trim().to_uppercase());
    let named: Vec<String> = upper.filter(|symbol| !symbol.is_empty()).collect();
    let is_long = |symbol: &&String| symbol.chars().count() > SYMBOL_LENGTH_MAX;
    if let Some(long) = named.iter().find(is_long) {
        return Err(Fault::value(format!("Symbol too long: {long}")));
    }
    if named.is_empty() {
        return Err(Fault::value("No valid symbols provided"));
    }
    Ok(named)
}

pub(super) fn frequency(value: &Value) -> Result<Frequency, Fault> {
    let text = values::text(value)?;
    text.parse().map_err(|_| {
        let words = Frequency::ALL.map(Frequency::as_str).join(", ");
        Fault::value(format!(
            "Invalid frequency '{text}'. Valid options: {words}"
        ))
    })
}

async fn frequencies() -> Json<Vec<Frequency>> {
    Json(Frequency::ALL.to_vec())
}

async fn sources(State(state): State<ApiState>) -> Result<Json<Success<SourcesAnswer>>, Refusal> {
    let read = state.read("history.sources", |conn| data_source::list(conn, false));
    let rows = read.await?;
    let message = format!("Retrieved {} data sources", rows.len());
    let frequencies: Vec<&str> = Frequency::ALL.map(Frequency::as_str).into();
    let sources: Vec<SourceResponse> = rows
        .into_iter()
        .map(|row| SourceResponse {
            name: row.name,
            provider_type: row.provider_type.as_str(),
            is_active: row.is_active,
            rate_limit_per_minute: row.rate_limit_per_minute,
            supported_frequencies: frequencies.clone(),
        })
        .collect();
    Ok(Success::new(&state, message, SourcesAnswer { sources }))
}

#[derive(Debug, Serialize)]
struct SourcesAnswer {
    sources: Vec<SourceResponse>,
}

/// A source, as the original's `DataSourceInfo`.
#[derive(Debug, Serialize)]
struct SourceResponse {
    name: String,
    provider_type: &'static str,
    is_active: bool,
    rate_limit_per_minute: i32,
    supported_frequencies: Vec<&'static str>,
}

/// The figures of the service.
#[derive(Debug, Serialize)]
struct ServiceFigures {
    requests_served: u64,
    cache_hits: u64,
    cache_hit_rate_percent: f64,
    /// Bars come from the database alone, so this is 0.
    api_calls_made: u64,
    /// Bars that came in and are stored.
    total_bars_cached: i64,
    cache_size: u64,
    service_running: bool,
    schwab_client_connected: bool,
}

async fn stats(State(state): State<ApiState>) -> Result<Json<Success<StatsAnswer>>, Refusal> {
    let read = state.read("history.stats", bar::frequency_counts);
    let stored: i64 = read.await?.iter().map(|of| of.bars).sum();
    let cache = state.cache().snapshot();
    let bars = cache.of(CacheKind::Bars);
    let rate = match bars.requests() {
        0 => 0.0,
        all => rounded(bars.hits as f64 / all as f64 * 100.0, 2),
    };
    let stats = ServiceFigures {
        requests_served: state.history().requests(),
        cache_hits: bars.hits,
        cache_hit_rate_percent: rate,
        api_calls_made: 0,
        total_bars_cached: stored,
        cache_size: bars.entries,
        service_running: state.history().is_running(),
        schwab_client_connected: false,
    };
    let message = "Service statistics retrieved successfully".to_owned();
    Ok(Success::new(&state, message, StatsAnswer { stats }))
}

#[derive(Debug, Serialize)]
struct StatsAnswer {
    stats: ServiceFigures,
}

/// The health of the service.
#[derive(Debug, Serialize)]
struct ServiceHealth {
    status: &'static str,
    service_running: bool,
    schwab_client_connected: bool,
    cache_size: u64,
    total_requests: u64,
    timestamp: NaiveMoment,
}

async fn service(State(state): State<ApiState>) -> Result<Json<ServiceHealth>, Refusal> {
    let (_, health) = health::history_health(&state).await?;
    Ok(Json(ServiceHealth {
        status: health.status.as_str(),
        service_running: health.service_running,
        schwab_client_connected: false,
        cache_size: health.cache_size,
        total_requests: health.total_requests,
        timestamp: NaiveMoment(state.db().clock().now()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(frequency: Frequency, now: &str) -> String {
        let asked = FetchRequest {
            symbols: Vec::new(),
            start: None,
            end: None,
            frequency,
            records: 3,
        };
        let query = query(&asked, now.parse().unwrap());
        query.start.unwrap().to_string()
    }

    #[test]
    fn without_a_start_the_oldest_bar_is_a_whole_one() {
        // Thirty days before the first and the last of a month, no month begins.
        let month = |now| start(Frequency::OneMonth, now);
        assert_eq!(month("2026-12-01T01:26:00Z"), "2026-11-01T00:00:00.000000Z");
        assert_eq!(month("2026-12-31T01:26:00Z"), "2026-12-01T00:00:00.000000Z");
        let minute = start(Frequency::OneMinute, "2026-12-31T01:26:30Z");
        assert_eq!(minute, "2026-12-01T01:26:00.000000Z");
    }
}
