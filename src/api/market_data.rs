//! `/api/market-data`: ticks of one instrument, the newest of many, soft delete and restore.
//! Posting them is in [`post`], the newest prices with their days in [`snapshot`].

mod post;
mod snapshot;

use axum::Extension;
use axum::extract::State;
use axum::http::Method;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::error::{ApiError, ErrorBody, ReadErrors, WriteErrors, named};
use super::extract::{Id, Json, Query};
use super::state::ApiState;
use super::types::{
    DeletedTicks, JsonObject, KeyBody, LatestQuery, LatestTicks, RestoredTicks, SelectionBody,
    TickItem, TickPage, TickQuery,
};
use super::{cursor, deletions};
use crate::database::BackendConnection;
use crate::models::{Deletion, MarketData};
use crate::repository::market_data::{self, TickKey, TickRange};
use crate::repository::{RangeQuery, SortOrder};
use crate::repository::{deletion, instrument};
use crate::timestamp::Timestamp;

/// Ticks of one page, unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 1_000;
/// Instruments whose newest ticks one request may ask for.
const LATEST_MAX: usize = 1_000;
/// Keys that one request may delete or restore.
const KEYS_MAX: usize = 100_000;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(range))
        .routes(routes!(latest))
        .routes(routes!(snapshot::snapshot))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(post::post))
        .routes(routes!(delete))
        .routes(routes!(restore))
}

/// The ticks of an instrument, newest first unless asked otherwise
#[utoipa::path(
    get,
    path = "/api/market-data/{instrument_id}",
    tag = "market data",
    params(("instrument_id" = i64, Path), TickQuery),
    responses(
        (status = 200, body = TickPage),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        ReadErrors,
    )
)]
async fn range(
    State(state): State<ApiState>,
    Id(id): Id,
    Query(query): Query<TickQuery>,
) -> Result<axum::Json<TickPage>, ApiError> {
    let asked = range_query(id, &query)?;
    let read = state.read("market_data.range", move |conn| {
        let instrument = instrument::get(conn, id)?;
        Ok((instrument, market_data::range(conn, &asked)?))
    });
    let (of, page) = read
        .await
        .map_err(|error| ApiError::within("query", error))?;
    let item = |row: &MarketData| TickItem::new(row, &of.symbol, of.price_decimals);
    Ok(axum::Json(TickPage {
        instrument_id: id,
        ticks: page.rows.iter().map(item).collect(),
        symbol: of.symbol.to_string(),
        next_cursor: page.next.as_ref().map(cursor::of_tick),
    }))
}

fn range_query(id: i64, query: &TickQuery) -> Result<RangeQuery<TickRange, TickKey>, ApiError> {
    let moment = |name: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
        parsed.map_err(|error| named(["query", name], error))
    };
    let cursor = query
        .cursor
        .as_deref()
        .map(|text| cursor::to_tick(text, id).ok_or_else(|| cursor::foreign("next_cursor")));
    Ok(RangeQuery {
        range: TickRange {
            instrument_id: id,
            start: moment("start", &query.start)?,
            end: moment("end", &query.end)?,
        },
        limit: query.limit.unwrap_or(LIMIT_DEFAULT),
        order: query.order.unwrap_or(SortOrder::Descending),
        cursor: cursor.transpose()?,
    })
}

/// The newest tick of each instrument
#[utoipa::path(
    get,
    path = "/api/market-data/latest",
    tag = "market data",
    params(LatestQuery),
    responses((status = 200, body = LatestTicks), ReadErrors)
)]
async fn latest(
    State(state): State<ApiState>,
    Query(query): Query<LatestQuery>,
) -> Result<axum::Json<LatestTicks>, ApiError> {
    let ids = query.instrument_ids.as_deref().map(ids).transpose()?;
    let cache = state.cache();
    let latest = match ids {
        Some(ids) => cache.latest(&ids).await?,
        None => {
            let ids = cache.instrument_ids(LATEST_MAX).await?;
            cache.latest(&ids).await?
        }
    };
    let items = latest
        .iter()
        .map(|of| TickItem::new(&of.tick, &of.label.symbol, of.label.price_decimals));
    Ok(axum::Json(LatestTicks {
        ticks: items.collect(),
    }))
}

/// `1,2,3`.
fn ids(text: &str) -> Result<Vec<i64>, ApiError> {
    let refuse = |msg: String| ApiError::violation(["query", "instrument_ids"], msg);
    let ids: Vec<i64> = text
        .split(',')
        .map(|part| {
            let digits = part.trim_matches(' ');
            let is_id = (1..=18).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_digit());
            let id = is_id.then(|| digits.parse().ok()).flatten();
            id.ok_or_else(|| refuse("not a list of ids; write it like 1,2,3".to_owned()))
        })
        .collect::<Result<_, _>>()?;
    if ids.len() > LATEST_MAX {
        let msg = format!(
            "it names {} instruments; ask for at most {LATEST_MAX}",
            ids.len()
        );
        return Err(refuse(msg));
    }
    Ok(ids)
}

/// The ticks that a selection names.
enum TickSelection {
    Keys(Vec<TickKey>),
    Range(TickRange),
}

impl TryFrom<SelectionBody> for TickSelection {
    type Error = ApiError;

    fn try_from(body: SelectionBody) -> Result<Self, ApiError> {
        let by_range = body.instrument_id.is_some() || body.start.is_some() || body.end.is_some();
        match (body.keys, body.instrument_id) {
            (Some(_), _) if by_range => {
                let both = "it has keys and a range; send one of the two";
                Err(ApiError::violation(["body"], both))
            }
            (Some(keys), _) => keys_of(keys).map(Self::Keys),
            (None, Some(id)) => {
                let moment = |name: &str, text: Option<String>| {
                    let parsed = text.map(|text| text.parse::<Timestamp>()).transpose();
                    parsed.map_err(|error| named(["body", name], error))
                };
                Ok(Self::Range(TickRange {
                    instrument_id: id,
                    start: moment("start", body.start)?,
                    end: moment("end", body.end)?,
                }))
            }
            (None, None) => {
                let none = "it names no ticks; send keys, or instrument_id with start and end";
                Err(ApiError::violation(["body"], none))
            }
        }
    }
}

fn keys_of(keys: Vec<JsonObject<KeyBody>>) -> Result<Vec<TickKey>, ApiError> {
    if keys.len() > KEYS_MAX {
        let msg = format!("it has {} keys; send at most {KEYS_MAX}", keys.len());
        return Err(ApiError::violation(["body", "keys"], msg));
    }
    let keys = keys
        .into_iter()
        .enumerate()
        .map(|(index, JsonObject(key))| {
            let place = index.to_string();
            let loc = ["body", "keys", &place, "timestamp"];
            Ok(TickKey {
                instrument_id: key.instrument_id,
                timestamp: key.timestamp.parse().map_err(|error| named(loc, error))?,
                source_id: key.source_id,
                sequence: key.sequence,
            })
        });
    keys.collect()
}

/// Moves ticks to the trash
#[utoipa::path(
    post,
    path = "/api/market-data/delete",
    tag = "market data",
    request_body(
        content = SelectionBody,
        example = json!({
            "instrument_id": 1,
            "start": "2013-09-03T10:31:00Z",
            "end": "2013-09-03T10:32:00Z",
        })
    ),
    security((), ("bearer" = [])),
    responses((status = 200, body = DeletedTicks), WriteErrors)
)]
async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Json(mut body): Json<SelectionBody>,
) -> Result<axum::Json<DeletedTicks>, ApiError> {
    let now = state.db().clock().now();
    let (reason, by) = (body.reason.take(), body.by.take());
    let asked = |what: String| {
        let what = format!("/api/market-data/delete {what}");
        deletions::asked(&caller, (Method::POST, what), reason, by)
    };
    let done = match TickSelection::try_from(body)? {
        TickSelection::Keys(keys) => {
            let new = asked(format!("{} keys", keys.len()));
            let delete = move |conn: &mut BackendConnection<'_>| {
                deletion::batch(conn, &new, now, |conn, batch| {
                    market_data::soft_delete_keys(conn, &keys, batch)
                })
            };
            state.write("market_data.soft_delete_keys", delete).await
        }
        TickSelection::Range(range) => {
            let new = asked(range.to_string());
            let delete = move |conn: &mut BackendConnection<'_>| {
                deletion::batch(conn, &new, now, |conn, batch| {
                    market_data::soft_delete_range(conn, &range, batch)
                })
            };
            state.write("market_data.soft_delete_range", delete).await
        }
    };
    let (deleted, batch) = done.map_err(|error| ApiError::within("body", error))?;
    Ok(axum::Json(DeletedTicks {
        deleted,
        deletion_id: batch.as_ref().map(Deletion::id),
    }))
}

/// Takes ticks out of the trash
#[utoipa::path(
    post,
    path = "/api/market-data/restore",
    tag = "market data",
    request_body(
        content = SelectionBody,
        example = json!({
            "instrument_id": 1,
            "start": "2013-09-03T10:31:00Z",
            "end": "2013-09-03T10:32:00Z",
        })
    ),
    security((), ("bearer" = [])),
    responses((status = 200, body = RestoredTicks), WriteErrors)
)]
async fn restore(
    State(state): State<ApiState>,
    Json(body): Json<SelectionBody>,
) -> Result<axum::Json<RestoredTicks>, ApiError> {
    deletions::refuse_words(&body.reason, &body.by)?;
    let restored = match TickSelection::try_from(body)? {
        TickSelection::Keys(keys) => {
            let restore =
                move |conn: &mut BackendConnection<'_>| market_data::restore_keys(conn, &keys);
            state.write("market_data.restore_keys", restore).await?
        }
        TickSelection::Range(range) => {
            let restore =
                move |conn: &mut BackendConnection<'_>| market_data::restore_range(conn, &range);
            state.write("market_data.restore_range", restore).await?
        }
    };
    Ok(axum::Json(RestoredTicks { restored }))
}
