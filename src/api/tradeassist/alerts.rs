//! `/api/alerts`: pages by number, figures and deletions.

mod message;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::Method;
use axum::routing::{delete, get};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Value, json};

use super::fields::{FieldLocation, RequestFields};
use super::moments::{NaiveMoment, date};
use super::refusal::Refusal;
use super::rules::first_condition;
use super::{Access, PRICE_PLACES, Resource, values};
use crate::api::ApiState;
use crate::api::alerts::{AlertLabels, figures, labels};
use crate::api::auth::Caller;
use crate::api::deletions::asked;
use crate::api::types::rounded;
use crate::domain::{DAY_MICROS, DeliveryStatus, FiredStatus, Frequency};
use crate::models::AlertLog;
use crate::repository::alert_log::{self, AlertFigures, AlertFilter, NumberedPage};
use crate::repository::deletion;

const FIRED: &[&str] = &["fired", "suppressed", "error"];
const DELIVERED: &[&str] = &[
    "pending",
    "in_app_sent",
    "sound_played",
    "slack_sent",
    "all_delivered",
    "failed",
];
const NOT_FOUND: &str = "Alert not found";

/// An alert, as the original's model of the same name.
#[derive(Debug, Serialize)]
pub(super) struct AlertResponse {
    id: i64,
    pub(super) timestamp: NaiveMoment,
    pub(super) rule_id: i64,
    rule_name: Option<String>,
    pub(super) instrument_id: i64,
    pub(super) instrument_symbol: String,
    pub(super) trigger_value: f64,
    pub(super) threshold_value: f64,
    fired_status: FiredStatus,
    delivery_status: DeliveryStatus,
    pub(super) rule_condition: String,
    /// Whole milliseconds.
    pub(super) evaluation_time_ms: i64,
    alert_message: String,
}

impl AlertResponse {
    pub(super) fn new(row: AlertLog, labels: &AlertLabels) -> Self {
        let label = labels.of(row.rule_id, row.instrument_id);
        let alert_message = message::retold(&row);
        // The expression of a multi-condition rule has no word there.
        let (condition, threshold) = match row.threshold_value {
            Some(threshold) => (row.rule_condition, threshold),
            None if row.rule_condition.starts_with('{') => {
                let (condition, threshold) = first_condition(&row.rule_condition);
                (condition.as_str().to_owned(), threshold)
            }
            None => (row.rule_condition, 0.0),
        };
        Self {
            id: row.id,
            timestamp: NaiveMoment(row.timestamp),
            rule_id: row.rule_id,
            rule_name: label.rule_name,
            instrument_id: row.instrument_id,
            instrument_symbol: label.symbol,
            trigger_value: rounded(row.trigger_value, PRICE_PLACES),
            threshold_value: rounded(threshold, PRICE_PLACES),
            fired_status: row.fired_status,
            // The original knows no silence: what is silenced was not tried.
            delivery_status: match row.delivery_status {
                DeliveryStatus::Silenced => DeliveryStatus::Pending,
                other => other,
            },
            rule_condition: condition,
            evaluation_time_ms: whole_ms(row.evaluation_time_us),
            alert_message,
        }
    }
}

/// The original counts whole milliseconds; the figures of a database round as this does.
fn whole_ms(micros: i64) -> i64 {
    (micros + 500) / 1_000
}

/// A page of alerts.
#[derive(Debug, Serialize)]
struct AlertsResponse {
    alerts: Vec<AlertResponse>,
    total: i64,
    has_more: bool,
    page: u64,
    limit: usize,
}

/// Alerts in figures.
#[derive(Debug, Serialize)]
struct AlertStatsResponse {
    total_alerts_today: i64,
    total_alerts_this_week: i64,
    avg_evaluation_time_ms: Option<f64>,
    fastest_evaluation_ms: Option<i64>,
    slowest_evaluation_ms: Option<i64>,
    alerts_by_instrument: BTreeMap<String, i64>,
    alerts_by_rule_type: BTreeMap<&'static str, i64>,
}

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::new("/api/alerts", Access::Read, get(list)),
        Resource::new("/api/alerts/stats", Access::Read, get(stats)),
        Resource::new("/api/alerts/{alert_id}", Access::Write, delete(remove)),
    ]
}

async fn list(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<AlertsResponse>, Refusal> {
    let page = fields.or(FieldLocation::Query, "page", 1, values::at_least(1));
    let limit = fields.or(
        FieldLocation::Query,
        "per_page",
        50,
        values::within(1..=1_000),
    );
    // 0 is no id there: all are listed.
    let mut id = |name| {
        let id = fields.optional(FieldLocation::Query, name, values::integer);
        id.filter(|id| *id != 0)
    };
    let (instrument_id, rule_id) = (id("instrument_id"), id("rule_id"));
    let fired_status = fields.optional(FieldLocation::Query, "fired_status", values::word(FIRED));
    let delivery_status = fields.optional(
        FieldLocation::Query,
        "delivery_status",
        values::word(DELIVERED),
    );
    let start = fields.optional(FieldLocation::Query, "start_date", date);
    let end = fields.optional(FieldLocation::Query, "end_date", date);
    let filter = AlertFilter {
        instrument_id,
        rule_id,
        fired_status,
        delivery_status,
        start,
        // The last day belongs to it.
        end: end.map(|day| day.saturating_add_micros(DAY_MICROS)),
    };
    let (limit, number) = (usize::try_from(limit), u64::try_from(page));
    let (limit, number) = fields.complete(limit.ok().zip(number.ok()))?;
    // A range the wrong way round holds nothing.
    if let (Some(start), Some(end)) = (filter.start, filter.end)
        && start >= end
    {
        return Ok(Json(AlertsResponse {
            alerts: Vec::new(),
            total: 0,
            has_more: false,
            page: number,
            limit,
        }));
    }
    let numbered = NumberedPage {
        filter,
        limit,
        number,
    };
    let read = state.read("alert_log.page", move |conn| {
        let page = alert_log::numbered(conn, &numbered)?;
        let total = alert_log::count(conn, filter)?;
        let keys = page.rows.iter().map(|row| (row.rule_id, row.instrument_id));
        let labels = labels(conn, &keys.collect::<Vec<_>>())?;
        let alerts = page.rows.into_iter();
        let alerts = alerts.map(|row| AlertResponse::new(row, &labels)).collect();
        Ok((alerts, page.next.is_some(), total))
    });
    let (alerts, has_more, total) = read.await?;
    Ok(Json(AlertsResponse {
        alerts,
        total,
        has_more,
        page: number,
        limit,
    }))
}

async fn stats(State(state): State<ApiState>) -> Result<Json<AlertStatsResponse>, Refusal> {
    let now = state.db().clock().now();
    let today = Frequency::OneDay.period_start(now);
    // Whole days there: that of a week ago is counted from its beginning.
    let week = today.saturating_add_micros(-7 * DAY_MICROS);
    let read = state.read("alert_log.stats", move |conn| {
        let groups = alert_log::groups_since(conn, week)?;
        let filter = AlertFilter {
            start: Some(today),
            ..AlertFilter::default()
        };
        let of_today = alert_log::count(conn, filter)?;
        let keys = groups.iter().map(|it| (it.rule_id, it.instrument_id));
        let labels = labels(conn, &keys.collect::<Vec<_>>())?;
        let mean_ms = AlertFigures::of(&groups).evaluation_ms_mean;
        Ok((figures(of_today, &groups, &labels), mean_ms))
    });
    let (stats, mean_ms) = read.await?;
    let whole = |ms: Option<f64>| ms.map(|ms| whole_ms((ms * 1e3).round() as i64));
    Ok(Json(AlertStatsResponse {
        total_alerts_today: stats.total_alerts_today,
        total_alerts_this_week: stats.total_alerts_this_week,
        // 0 is none there.
        avg_evaluation_time_ms: mean_ms.filter(|ms| *ms > 0.0),
        fastest_evaluation_ms: whole(stats.fastest_evaluation_ms),
        slowest_evaluation_ms: whole(stats.slowest_evaluation_ms),
        alerts_by_instrument: stats.alerts_by_instrument,
        alerts_by_rule_type: stats.alerts_by_rule_type,
    }))
}

async fn remove(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mut fields: RequestFields,
) -> Result<Json<Value>, Refusal> {
    let id = fields.id("alert_id");
    let id = fields.complete(id)?;
    let now = state.db().clock().now();
    let what = format!("alert {id}, as TradeAssist does");
    let new = asked(&caller, (Method::DELETE, what), None, None);
    let removed = state.write("alert_log.soft_delete", move |conn| {
        alert_log::get(conn, id)?;
        deletion::batch(conn, &new, now, |conn, batch| {
            alert_log::soft_delete(conn, &[id], batch)
        })
    });
    let removed = removed.await;
    removed.map_err(|error| Refusal::or_missing(error, NOT_FOUND))?;
    let message = format!("Alert {id} deleted successfully");
    Ok(Json(json!({ "message": message })))
}
