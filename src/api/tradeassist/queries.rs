//! `/api/v1/historical-data/queries`: queries that are kept under a name, and asked for by number.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::{FieldLocation, RequestFields};
use super::history::{Success, frequency};
use super::moments::{NaiveMoment, moment};
use super::problem::Fault;
use super::refusal::Refusal;
use super::rules::without_nul;
use super::{Access, Resource, values};
use crate::api::ApiState;
use crate::domain::Frequency;
use crate::models::{NewSavedQuery, SavedQuery};
use crate::repository::saved_query;

pub(super) fn resources() -> Vec<Resource> {
    const SAVE: &str = "/api/v1/historical-data/queries/save";
    const LOAD: &str = "/api/v1/historical-data/queries/{query_id}";
    vec![
        Resource::new(SAVE, Access::Write, post(save)),
        // It counts the execution: a write of a read, open to who may read.
        Resource::new(LOAD, Access::Read, get(load)),
    ]
}

async fn save(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<Success<Value>>, Refusal> {
    let name = fields.required(FieldLocation::Body, "name", name);
    let description = fields.optional(FieldLocation::Body, "description", description);
    let symbols = fields.required(FieldLocation::Body, "symbols", symbols);
    let frequency = fields.or(
        FieldLocation::Body,
        "frequency",
        Frequency::OneDay,
        frequency,
    );
    let start = fields.optional(FieldLocation::Body, "start_date", moment);
    let end = fields.optional(FieldLocation::Body, "end_date", moment);
    let filters = fields.optional(FieldLocation::Body, "filters", filters);
    let is_favorite = fields.or(FieldLocation::Body, "is_favorite", false, values::truth);
    let new = || {
        let (name, symbols) = (name?, symbols?);
        let new = NewSavedQuery::new(name, &symbols).ok()?;
        Some(NewSavedQuery {
            description,
            frequency,
            start_date: start.map(|start| start.utc),
            end_date: end.map(|end| end.utc),
            filters,
            is_favorite,
            ..new
        })
    };
    let new = fields.complete(new())?;
    let message = format!("Query '{}' saved successfully", new.name);
    let now = state.db().clock().now();
    let saved = state.write("saved_query.insert", move |conn| {
        saved_query::insert_as_written(conn, &new, now)
    });
    let id = saved.await?.id;
    Ok(Success::new(&state, message, json!({ "query_id": id })))
}

async fn load(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<Success<LoadedQuery>>, Refusal> {
    let id = fields.id("query_id");
    let id = fields.complete(id)?;
    let now = state.db().clock().now();
    let loaded = state.write("saved_query.execute", move |conn| {
        saved_query::mark_executed(conn, id, now)
    });
    let missing = format!("Query {id} not found");
    let loaded = loaded.await;
    let row = loaded.map_err(|error| Refusal::or_missing(error, &missing))?;
    let message = format!("Query {id} loaded successfully");
    let query = QueryItem::new(row);
    Ok(Success::new(&state, message, LoadedQuery { query }))
}

#[derive(Debug, Serialize)]
struct LoadedQuery {
    query: QueryItem,
}

/// A saved query.
#[derive(Debug, Serialize)]
struct QueryItem {
    id: i64,
    name: String,
    description: String,
    symbols: Box<RawValue>,
    frequency: Frequency,
    start_date: Option<NaiveMoment>,
    end_date: Option<NaiveMoment>,
    filters: Box<RawValue>,
    is_favorite: bool,
    execution_count: i64,
    last_executed: Option<NaiveMoment>,
}

impl QueryItem {
    fn new(row: SavedQuery) -> Self {
        let json = |text: String| RawValue::from_string(text).unwrap_or_else(|_| null());
        Self {
            id: row.id,
            name: row.name,
            description: row.description.unwrap_or_default(),
            symbols: json(row.symbols),
            frequency: row.frequency,
            start_date: row.start_date.map(NaiveMoment),
            end_date: row.end_date.map(NaiveMoment),
            filters: row.filters.map_or_else(null, json),
            is_favorite: row.is_favorite,
            execution_count: row.execution_count,
            last_executed: row.last_executed.map(NaiveMoment),
        }
    }
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// A name that is not blank: nobody would find it.
fn name(value: &Value) -> Result<String, Fault> {
    let name = values::text_of(1..=100)(value).and_then(without_nul)?;
    if name.trim().is_empty() {
        return Err(Fault::value("it is blank; give it a name"));
    }
    Ok(name)
}

fn description(value: &Value) -> Result<String, Fault> {
    values::text_of(0..=500)(value).and_then(without_nul)
}

/// At least one symbol, kept as it is written.
fn symbols(value: &Value) -> Result<Vec<String>, Fault> {
    let symbols = values::list(values::text)(value)?;
    if symbols.is_empty() {
        let msg = "List should have at least 1 item after validation, not 0";
        let fault = Fault::new("too_short", msg).with("field_type", "List");
        return Err(fault.with("min_length", 1).with("actual_length", 0));
    }
    Ok(symbols)
}

/// An object of any fields, kept as it is.
fn filters(value: &Value) -> Result<String, Fault> {
    match value {
        Value::Object(_) => Ok(value.to_string()),
        _ => Err(Fault::new(
            "dict_type",
            "Input should be a valid dictionary",
        )),
    }
}
