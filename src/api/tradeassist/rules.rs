//! `/api/rules`: lists, one rule, additions, changes and deletions.
//!
//! The original stores rules that can never fire, such as a threshold rule that crosses; so it is
//! here. A multi-condition rule has a single condition there: it is stored as an expression of it.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::Method;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Value, json};

use super::fields::{FieldLocation, RequestFields};
use super::moments::NaiveMoment;
use super::problem::Fault;
use super::refusal::Refusal;
use super::{Access, PRICE_PLACES, Resource, values};
use crate::api::ApiState;
use crate::api::auth::Caller;
use crate::api::deletions::asked;
use crate::api::types::rounded;
use crate::database::BackendConnection;
use crate::decimal::Decimal;
use crate::domain::{Condition, RULE_NAME_LENGTH_MAX, RuleType};
use crate::error::Result as DatabaseResult;
use crate::models::{AlertRule, AlertRuleChange, NewAlertRule};
use crate::repository::alert_rule::{self, RuleFilter};
use crate::repository::{deletion, instrument};

pub(super) const TYPES: &[&str] = &[
    "threshold",
    "crossover",
    "rate_of_change",
    "volume_spike",
    "multi_condition",
];
const CONDITIONS: &[&str] = &[
    "above",
    "below",
    "equals",
    "crosses_above",
    "crosses_below",
    "percent_change_up",
    "percent_change_down",
    "volume_above",
];
const NOT_FOUND: &str = "Alert rule not found";
const DESCRIPTION_LENGTH_MAX: usize = 10_000;

/// A rule, as the original's model of the same name.
#[derive(Debug, Serialize)]
struct AlertRuleResponse {
    id: i64,
    instrument_id: i64,
    instrument_symbol: String,
    rule_type: RuleType,
    condition: Condition,
    threshold: f64,
    active: bool,
    name: Option<String>,
    description: Option<String>,
    time_window_seconds: Option<i32>,
    moving_average_period: Option<i32>,
    cooldown_seconds: i32,
    last_triggered: Option<NaiveMoment>,
    created_at: NaiveMoment,
}

impl AlertRuleResponse {
    fn new(row: AlertRule, instrument_symbol: String) -> Self {
        let (condition, threshold) = shown(&row);
        Self {
            id: row.id,
            instrument_id: row.instrument_id,
            instrument_symbol,
            rule_type: row.rule_type,
            condition,
            threshold: rounded(threshold, PRICE_PLACES),
            active: row.active,
            name: row.name,
            description: row.description,
            time_window_seconds: row.time_window_seconds,
            moving_average_period: row.moving_average_period,
            cooldown_seconds: row.cooldown_seconds,
            last_triggered: row.last_triggered.map(NaiveMoment),
            created_at: NaiveMoment(row.created_at),
        }
    }
}

/// The condition and the threshold of a rule: the first ones of an expression, which its clients do
/// not know. Neither can be null there.
fn shown(row: &AlertRule) -> (Condition, f64) {
    let threshold = row.threshold.as_ref().map_or(0.0, Decimal::to_f64);
    match (row.condition, &row.expression) {
        (Some(condition), _) => (condition, threshold),
        (None, Some(expression)) => first_condition(expression),
        (None, None) => (Condition::Above, threshold),
    }
}

/// The first condition of an expression, and its threshold.
pub(super) fn first_condition(expression: &str) -> (Condition, f64) {
    fn find(json: &Value) -> Option<(Condition, f64)> {
        match json {
            Value::Array(parts) => parts.iter().find_map(find),
            Value::Object(fields) => match fields.get("condition").and_then(Value::as_str) {
                None => fields.values().find_map(find),
                Some(word) => {
                    let threshold = fields.get("threshold").map(values::number);
                    let threshold = threshold.and_then(Result::ok).unwrap_or_default();
                    word.parse().ok().map(|condition| (condition, threshold))
                }
            },
            _ => None,
        }
    }
    let json = serde_json::from_str(expression).unwrap_or_default();
    find(&json).unwrap_or((Condition::Above, 0.0))
}

pub(super) fn resources() -> Vec<Resource> {
    let (all, single) = ("/api/rules", "/api/rules/{rule_id}");
    vec![
        Resource::new(all, Access::Read, get(list)),
        Resource::new(all, Access::Write, post(add)),
        Resource::new(single, Access::Read, get(one)),
        Resource::new(single, Access::Write, put(change)),
        Resource::new(single, Access::Write, delete(remove)),
    ]
}

async fn list(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<Vec<AlertRuleResponse>>, Refusal> {
    let instrument_id = fields.optional(FieldLocation::Query, "instrument_id", values::integer);
    let filter = RuleFilter {
        // 0 is no id there: all are listed.
        instrument_id: instrument_id.filter(|id| *id != 0),
        active_only: fields.or(FieldLocation::Query, "active_only", false, values::truth),
        rule_type: fields.optional(FieldLocation::Query, "rule_type", values::word(TYPES)),
    };
    fields.complete(Some(()))?;
    let read = state.read("alert_rule.list", move |conn| {
        let rows = alert_rule::list(conn, filter)?;
        responses(conn, rows)
    });
    Ok(Json(read.await?))
}

async fn one(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<AlertRuleResponse>, Refusal> {
    let id = fields.id("rule_id");
    let id = fields.complete(id)?;
    let read = state.read("alert_rule.get", move |conn| {
        let row = alert_rule::get(conn, id)?;
        response(conn, row)
    });
    let read = read.await;
    Ok(Json(
        read.map_err(|error| Refusal::or_missing(error, NOT_FOUND))?,
    ))
}

async fn add(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<AlertRuleResponse>, Refusal> {
    let instrument_id = fields.required(FieldLocation::Body, "instrument_id", values::integer);
    let rule_type = fields.required(FieldLocation::Body, "rule_type", values::word(TYPES));
    let condition = fields.required(FieldLocation::Body, "condition", values::word(CONDITIONS));
    let threshold = fields.required(FieldLocation::Body, "threshold", threshold);
    let active = fields.or(FieldLocation::Body, "active", true, values::truth);
    let name = fields.optional(FieldLocation::Body, "name", name);
    let description = fields.optional(FieldLocation::Body, "description", description);
    let window = fields.optional(FieldLocation::Body, "time_window_seconds", small(1..=3_600));
    let period = fields.optional(
        FieldLocation::Body,
        "moving_average_period",
        small(1..=1_000),
    );
    let cooldown = fields.or(
        FieldLocation::Body,
        "cooldown_seconds",
        60,
        small(0..=3_600),
    );
    let new = || {
        let rule_type = rule_type?;
        let condition: Condition = condition?;
        let threshold = threshold?;
        let mut new = NewAlertRule {
            active,
            name,
            description,
            time_window_seconds: window,
            moving_average_period: period,
            cooldown_seconds: cooldown,
            ..NewAlertRule::new(instrument_id?, rule_type)
        };
        if rule_type == RuleType::MultiCondition {
            new.expression = Some(NewAlertRule::expression_of(condition, &threshold));
        } else {
            (new.condition, new.threshold) = (Some(condition), Some(threshold));
        }
        Some(new)
    };
    let new = fields.complete(new())?;
    let instrument_id = new.instrument_id;
    let now = state.db().clock().now();
    let added = state.write("alert_rule.insert", move |conn| {
        let row = alert_rule::insert_as_written(conn, &new, now)?;
        // What was sent, here alone: later the original reads four places from its column.
        let (_, threshold) = shown(&row);
        Ok(AlertRuleResponse {
            threshold,
            ..response(conn, row)?
        })
    });
    let added = added.await.map_err(|error| {
        let missing = format!("Instrument with ID {instrument_id} not found");
        Refusal::or_missing(error, &missing)
    });
    Ok(Json(added?))
}

async fn change(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<AlertRuleResponse>, Refusal> {
    let id = fields.id("rule_id");
    let change = AlertRuleChange {
        rule_type: written(&mut fields, "rule_type", values::word(TYPES)),
        condition: written(&mut fields, "condition", values::word(CONDITIONS)).map(Some),
        threshold: written(&mut fields, "threshold", threshold).map(Some),
        active: written(&mut fields, "active", values::truth),
        name: fields.given(FieldLocation::Body, "name", name),
        description: fields.given(FieldLocation::Body, "description", description),
        time_window_seconds: fields.given(
            FieldLocation::Body,
            "time_window_seconds",
            small(1..=3_600),
        ),
        moving_average_period: fields.given(
            FieldLocation::Body,
            "moving_average_period",
            small(1..=1_000),
        ),
        cooldown_seconds: written(&mut fields, "cooldown_seconds", small(0..=3_600)),
        ..AlertRuleChange::default()
    };
    let id = fields.complete(id)?;
    let now = state.db().clock().now();
    let changed = state.write("alert_rule.update", move |conn| {
        let row = alert_rule::get(conn, id)?;
        let change = fitted(change.clone(), &row);
        let row = alert_rule::update_as_written(conn, id, &change, now)?;
        response(conn, row)
    });
    let changed = changed.await;
    Ok(Json(
        changed.map_err(|error| Refusal::or_missing(error, NOT_FOUND))?,
    ))
}

/// The change with the expression that a multi-condition rule has in place of condition and threshold.
fn fitted(change: AlertRuleChange, row: &AlertRule) -> AlertRuleChange {
    let rule_type = change.rule_type.unwrap_or(row.rule_type);
    let stays_multi = row.rule_type == RuleType::MultiCondition
        && change.condition.is_none()
        && change.threshold.is_none();
    let (condition, threshold) = shown(row);
    let condition = change.condition.flatten().unwrap_or(condition);
    let before = || Decimal::from_json(&threshold.to_string()).ok();
    let threshold = change.threshold.clone().flatten().or_else(before);
    match (rule_type, row.rule_type) {
        (RuleType::MultiCondition, _) if stays_multi => change,
        (RuleType::MultiCondition, _) => AlertRuleChange {
            condition: Some(None),
            expression: Some(
                threshold.map(|threshold| NewAlertRule::expression_of(condition, &threshold)),
            ),
            threshold: Some(None),
            ..change
        },
        (_, RuleType::MultiCondition) => AlertRuleChange {
            condition: Some(Some(condition)),
            threshold: Some(threshold),
            expression: Some(None),
            ..change
        },
        _ => change,
    }
}

async fn remove(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mut fields: RequestFields,
) -> Result<Json<Value>, Refusal> {
    let id = fields.id("rule_id");
    let id = fields.complete(id)?;
    let now = state.db().clock().now();
    let what = format!("alert rule {id}, as TradeAssist does");
    let new = asked(&caller, (Method::DELETE, what), None, None);
    let removed = state.write("alert_rule.soft_delete", move |conn| {
        alert_rule::get(conn, id)?;
        deletion::batch(conn, &new, now, |conn, batch| {
            alert_rule::soft_delete(conn, &[id], batch)
        })
    });
    let removed = removed.await;
    removed.map_err(|error| Refusal::or_missing(error, NOT_FOUND))?;
    let message = format!("Alert rule {id} deleted successfully");
    Ok(Json(json!({ "message": message })))
}

/// The rules with the symbols of their instruments.
fn responses(
    conn: &mut BackendConnection<'_>,
    rows: Vec<AlertRule>,
) -> DatabaseResult<Vec<AlertRuleResponse>> {
    let mut ids: Vec<i64> = rows.iter().map(|row| row.instrument_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let labels = instrument::labels_of_all(conn, &ids)?.into_iter();
    let symbols: HashMap<i64, String> = labels.map(|it| (it.id, it.symbol.to_string())).collect();
    let with_symbol = |row: AlertRule| {
        let symbol = symbols.get(&row.instrument_id).cloned();
        AlertRuleResponse::new(row, symbol.unwrap_or_default())
    };
    Ok(rows.into_iter().map(with_symbol).collect())
}

fn response(conn: &mut BackendConnection<'_>, row: AlertRule) -> DatabaseResult<AlertRuleResponse> {
    let symbol = instrument::labels_of_all(conn, &[row.instrument_id])?.pop();
    let symbol = symbol.map(|label| label.symbol.to_string());
    Ok(AlertRuleResponse::new(row, symbol.unwrap_or_default()))
}

/// A field of a change that every rule has: null cannot be written.
fn written<T>(
    fields: &mut RequestFields,
    name: &str,
    read: impl Fn(&Value) -> Result<T, Fault>,
) -> Option<T> {
    // Null is read, too, so that it is a problem of its type.
    match fields.given(FieldLocation::Body, name, &read)? {
        Some(value) => Some(value),
        None => {
            if let Err(fault) = read(&Value::Null) {
                fields.refuse(FieldLocation::Body, name, fault);
            }
            None
        }
    }
}

/// A number that is not negative, with the digits in which it was written.
fn threshold(value: &Value) -> Result<Decimal, Fault> {
    let number = values::number_within(0.0..=f64::MAX)(value)?;
    let decimal = match value {
        Value::String(text) => values::without_groups(text).parse(),
        _ => number.to_string().parse(),
    };
    decimal.map_err(Fault::value)
}

fn name(value: &Value) -> Result<String, Fault> {
    values::text_of(0..=RULE_NAME_LENGTH_MAX)(value).and_then(without_nul)
}

fn description(value: &Value) -> Result<String, Fault> {
    values::text_of(0..=DESCRIPTION_LENGTH_MAX)(value).and_then(without_nul)
}

/// PostgreSQL stores none.
pub(super) fn without_nul(text: String) -> Result<String, Fault> {
    if text.contains('\0') {
        return Err(Fault::value("it holds a NUL character; leave it out"));
    }
    Ok(text)
}

/// A whole number of a narrow range.
fn small(range: std::ops::RangeInclusive<i64>) -> impl Fn(&Value) -> Result<i32, Fault> {
    move |value| {
        let number = values::within(range.clone())(value)?;
        i32::try_from(number).map_err(Fault::value)
    }
}
