//! `/api/alerts`: pages by number and by cursor, figures, soft delete and restore. The export is
//! in [`export`], what became of an alert on each channel in [`deliveries`], acknowledgements and what
//! is not delivered for a time in [`silences`].
//!
//! A deleted alert is in no list, count or figure; the name of a deleted rule and the symbol of a
//! deleted instrument are still shown, as alerts outlive both.

mod deliveries;
mod export;
mod silences;

use std::collections::{BTreeMap, HashMap};

use axum::Extension;
use axum::extract::State;
use axum::http::Method;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use super::extract::{Id, Query};
use super::state::ApiState;
use super::types::{
    AlertExportQuery, AlertItem, AlertLabel, AlertPage, AlertQuery, AlertStats, DeletionQuery,
    Message,
};
use super::{cursor, deletions};
use crate::database::BackendConnection;
use crate::domain::{DAY_MICROS, Frequency};
use crate::error::Result;
use crate::models::AlertLog;
use crate::repository::alert_log::{
    self, AlertFigures, AlertFilter, AlertGroup, NumberedPage, PageQuery,
};
use crate::repository::{alert_rule, deletion, instrument};
use crate::timestamp::Timestamp;

/// Alerts of one page, unless the caller says otherwise.
const PER_PAGE_DEFAULT: usize = 50;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(stats))
        .routes(routes!(export::export))
        .merge(deliveries::reads())
        .merge(silences::reads())
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(delete))
        .routes(routes!(restore))
        .merge(deliveries::writes())
        .merge(silences::writes())
}

/// The alerts, newest first
///
/// A page is asked for by its number, or by the `next_cursor` of the page before, which takes the
/// same time however deep it is. `total` is counted for numbered pages only.
#[utoipa::path(
    get,
    path = "/api/alerts",
    tag = "alerts",
    params(AlertQuery),
    responses((status = 200, body = AlertPage), ReadErrors)
)]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<AlertQuery>,
) -> Result<axum::Json<AlertPage>, ApiError> {
    let filter = filter(&query.filter())?;
    let limit = query.per_page.unwrap_or(PER_PAGE_DEFAULT);
    if !(1..=PageQuery::LIMIT_MAX).contains(&limit) {
        let msg = format!("{limit} is not in 1..={}", PageQuery::LIMIT_MAX);
        return Err(ApiError::violation(["query", "per_page"], msg));
    }
    let cursor = query
        .cursor
        .as_deref()
        .map(|text| cursor::to_alert(text).ok_or_else(|| cursor::foreign("next_cursor")));
    let cursor = cursor.transpose()?;
    if cursor.is_some() && query.page.is_some() {
        let both = "page is given too; ask by one of the two";
        return Err(ApiError::violation(["query", "cursor"], both));
    }
    if let Some(page) = query.page.filter(|page| i64::try_from(*page).is_err()) {
        let msg = format!("{page} is not in 1..={}", i64::MAX);
        return Err(ApiError::violation(["query", "page"], msg));
    }
    let number = cursor.is_none().then_some(query.page.unwrap_or(1));
    let with_deliveries = query.with_deliveries;
    let read = state.read("alert_log.page", move |conn| {
        let (page, total) = match number {
            Some(number) => {
                let numbered = NumberedPage {
                    filter,
                    limit,
                    number,
                };
                let page = alert_log::numbered(conn, &numbered)?;
                let total = alert_log::count(conn, filter)?;
                (page, Some(total))
            }
            None => {
                let query = PageQuery {
                    filter,
                    limit,
                    cursor,
                };
                (alert_log::page(conn, &query)?, None)
            }
        };
        let mut alerts = items(conn, page.rows)?;
        if with_deliveries {
            deliveries::add(conn, &mut alerts)?;
        }
        Ok((alerts, page.next, total))
    });
    let (alerts, next, total) = read
        .await
        .map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(AlertPage {
        alerts,
        total,
        has_more: next.is_some(),
        page: number,
        limit,
        next_cursor: next.as_ref().map(cursor::of_alert),
    }))
}

fn filter(query: &AlertExportQuery) -> Result<AlertFilter, ApiError> {
    let start = day("start_date", query.start_date.as_deref())?;
    let end = day("end_date", query.end_date.as_deref())?;
    if let (Some(start), Some(end)) = (start, end)
        && start > end
    {
        let msg = "it is after end_date; give the earlier day first";
        return Err(ApiError::violation(["query", "start_date"], msg));
    }
    Ok(AlertFilter {
        instrument_id: query.instrument_id,
        rule_id: query.rule_id,
        fired_status: query.fired_status,
        delivery_status: query.delivery_status,
        start,
        // The day after the last one is no longer part of it.
        end: end.map(|day| day.saturating_add_micros(DAY_MICROS)),
    })
}

/// The first moment of a day in UTC.
fn day(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let is_date = text.len() == "2013-09-01".len();
    let parsed = is_date.then(|| format!("{text}T00:00:00Z").parse::<Timestamp>());
    match parsed {
        Some(Ok(day)) => Ok(Some(day)),
        _ => Err(ApiError::violation(
            ["query", name],
            format!("{text:?} is not a date; write it like 2013-09-01"),
        )),
    }
}

/// The alerts with the names of their rules and the symbols of their instruments: two more
/// statements, however many there are.
fn items(conn: &mut BackendConnection<'_>, rows: Vec<AlertLog>) -> Result<Vec<AlertItem>> {
    let keys: Vec<(i64, i64)> = rows
        .iter()
        .map(|row| (row.rule_id, row.instrument_id))
        .collect();
    let labels = labels(conn, &keys)?;
    let item = |row: AlertLog| {
        let label = labels.of(row.rule_id, row.instrument_id);
        AlertItem::new(row, label)
    };
    Ok(rows.into_iter().map(item).collect())
}

/// The names of rules and instruments that alerts show.
pub(super) struct AlertLabels {
    rules: HashMap<i64, alert_rule::RuleLabel>,
    instruments: HashMap<i64, instrument::InstrumentLabel>,
}

impl AlertLabels {
    pub(super) fn of(&self, rule_id: i64, instrument_id: i64) -> AlertLabel {
        let instrument = self.instruments.get(&instrument_id);
        AlertLabel {
            rule_name: self.rules.get(&rule_id).and_then(|rule| rule.name.clone()),
            symbol: instrument.map_or_else(String::new, |it| it.symbol.to_string()),
            places: instrument.and_then(|it| it.price_decimals),
        }
    }
}

/// The labels of these pairs of rule and instrument.
pub(super) fn labels(conn: &mut BackendConnection<'_>, of: &[(i64, i64)]) -> Result<AlertLabels> {
    let distinct = |ids: &mut dyn Iterator<Item = i64>| {
        let mut ids: Vec<i64> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let rules = distinct(&mut of.iter().map(|pair| pair.0));
    let instruments = distinct(&mut of.iter().map(|pair| pair.1));
    let rules = alert_rule::labels_of_all(conn, &rules)?;
    let instruments = instrument::labels_of_all(conn, &instruments)?;
    Ok(AlertLabels {
        rules: rules.into_iter().map(|rule| (rule.id, rule)).collect(),
        instruments: instruments.into_iter().map(|it| (it.id, it)).collect(),
    })
}

/// The alerts of the last 7 days, in figures
#[utoipa::path(
    get,
    path = "/api/alerts/stats",
    tag = "alerts",
    responses((status = 200, body = AlertStats), ReadErrors)
)]
async fn stats(State(state): State<ApiState>) -> Result<axum::Json<AlertStats>, ApiError> {
    let now = state.db().clock().now();
    let today = Frequency::OneDay.period_start(now);
    let week = now.saturating_add_micros(-7 * DAY_MICROS);
    let read = state.read("alert_log.stats", move |conn| {
        let groups = alert_log::groups_since(conn, week)?;
        let filter = AlertFilter {
            start: Some(today),
            ..AlertFilter::default()
        };
        let of_today = alert_log::count(conn, filter)?;
        let keys: Vec<(i64, i64)> = groups
            .iter()
            .map(|group| (group.rule_id, group.instrument_id))
            .collect();
        let labels = labels(conn, &keys)?;
        Ok(figures(of_today, &groups, &labels))
    });
    Ok(axum::Json(read.await?))
}

pub(super) fn figures(of_today: i64, groups: &[AlertGroup], labels: &AlertLabels) -> AlertStats {
    let all = AlertFigures::of(groups);
    let ms = |micros: Option<i64>| micros.map(|micros| micros as f64 / 1e3);
    let mut by_instrument = BTreeMap::new();
    let mut by_type = BTreeMap::new();
    for group in groups {
        let symbol = labels.of(group.rule_id, group.instrument_id).symbol;
        *by_instrument.entry(symbol).or_default() += group.count;
        if let Some(rule) = labels.rules.get(&group.rule_id) {
            *by_type.entry(rule.rule_type.as_str()).or_default() += group.count;
        }
    }
    AlertStats {
        total_alerts_today: of_today,
        total_alerts_this_week: all.count,
        avg_evaluation_time_ms: all.evaluation_us_mean.map(|micros| micros / 1e3),
        fastest_evaluation_ms: ms(all.evaluation_us_min),
        slowest_evaluation_ms: ms(all.evaluation_us_max),
        alerts_by_instrument: by_instrument,
        alerts_by_rule_type: by_type,
    }
}

/// Moves an alert to the trash; its rule does not fire for that tick again
#[utoipa::path(
    delete,
    path = "/api/alerts/{id}",
    tag = "alerts",
    params(("id" = i64, Path), DeletionQuery),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = Message),
        (status = 404, body = ErrorBody, description = "No active alert has this id"),
        WriteErrors,
    )
)]
async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Query(query): Query<DeletionQuery>,
) -> Result<axum::Json<Message>, ApiError> {
    let now = state.db().clock().now();
    let path = format!("/api/alerts/{id}");
    let new = deletions::asked(&caller, (Method::DELETE, path), query.reason, query.by);
    let delete = state.write("alert_log.soft_delete", move |conn| {
        alert_log::get(conn, id)?;
        deletion::batch(conn, &new, now, |conn, batch| {
            alert_log::soft_delete(conn, &[id], batch)
        })
    });
    let done = delete.await;
    let (_, batch) = done.map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(Message::deleted("Alert", id, batch.as_ref())))
}

/// Takes an alert out of the trash; one that is active stays as it is
#[utoipa::path(
    post,
    path = "/api/alerts/{id}/restore",
    tag = "alerts",
    params(("id" = i64, Path)),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = AlertItem),
        (status = 404, body = ErrorBody, description = "No alert has this id"),
        WriteErrors,
    )
)]
async fn restore(
    State(state): State<ApiState>,
    Id(id): Id,
) -> Result<axum::Json<AlertItem>, ApiError> {
    let restored = state.write("alert_log.restore", move |conn| {
        alert_log::restore(conn, &[id])?;
        let row = alert_log::get(conn, id)?;
        let labels = labels(conn, &[(row.rule_id, row.instrument_id)])?;
        let label = labels.of(row.rule_id, row.instrument_id);
        Ok(AlertItem::new(row, label))
    });
    Ok(axum::Json(restored.await?))
}
