//! `/api/instruments`: lists, one instrument, additions and changes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use serde::Serialize;
use serde_json::Value;

use super::fields::{FieldLocation, RequestFields};
use super::moments::NaiveMoment;
use super::problem::Fault;
use super::refusal::Refusal;
use super::{Access, PRICE_PLACES, Resource, values};
use crate::api::ApiState;
use crate::api::types::rounded;
use crate::domain::{InstrumentStatus, InstrumentType, Symbol};
use crate::error::Error;
use crate::models::{Instrument, InstrumentChange, NewInstrument};
use crate::repository::instrument::{self, InstrumentFilter};

const TYPES: &[&str] = &["future", "index", "internal"];
const STATUSES: &[&str] = &["active", "inactive", "error"];
const NOT_FOUND: &str = "Instrument not found";

/// An instrument, as the original's model of the same name.
#[derive(Debug, Serialize)]
struct InstrumentResponse {
    id: i64,
    symbol: String,
    name: String,
    r#type: InstrumentType,
    status: InstrumentStatus,
    last_tick: Option<NaiveMoment>,
    last_price: Option<f64>,
    created_at: NaiveMoment,
}

impl From<Instrument> for InstrumentResponse {
    fn from(row: Instrument) -> Self {
        let last_price = row.last_price.map(|price| rounded(price, PRICE_PLACES));
        Self {
            id: row.id,
            symbol: row.symbol.to_string(),
            name: row.name,
            r#type: row.instrument_type,
            status: row.status,
            last_tick: row.last_tick.map(NaiveMoment),
            // 0 is none there.
            last_price: last_price.filter(|price| *price != 0.0),
            created_at: NaiveMoment(row.created_at),
        }
    }
}

pub(super) fn resources() -> Vec<Resource> {
    let (all, single) = ("/api/instruments", "/api/instruments/{instrument_id}");
    vec![
        Resource::new(all, Access::Read, get(list)),
        Resource::new(all, Access::Write, post(add)),
        Resource::new(single, Access::Read, get(one)),
        Resource::new(single, Access::Write, put(change)),
    ]
}

async fn list(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<Vec<InstrumentResponse>>, Refusal> {
    let instrument_type = fields.optional(FieldLocation::Query, "type", values::word(TYPES));
    let status = fields.optional(FieldLocation::Query, "status", values::word(STATUSES));
    let active_only = fields.or(FieldLocation::Query, "active_only", false, values::truth);
    let filter = fields.complete(Some(InstrumentFilter {
        instrument_type,
        status: status.or(active_only.then_some(InstrumentStatus::Active)),
    }))?;
    // The original's lists have no pages.
    let read = state.read("instrument.list", move |conn| {
        instrument::list(conn, filter)
    });
    Ok(Json(read.await?.into_iter().map(Into::into).collect()))
}

async fn one(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<InstrumentResponse>, Refusal> {
    let id = fields.id("instrument_id");
    let id = fields.complete(id)?;
    let row = state.cache().instrument(id).await;
    let row = row.map_err(|error| Refusal::or_missing(error, NOT_FOUND))?;
    Ok(Json((*row).clone().into()))
}

async fn add(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<InstrumentResponse>, Refusal> {
    let symbol = fields.required(FieldLocation::Body, "symbol", symbol);
    let name = fields.required(FieldLocation::Body, "name", name);
    let instrument_type = fields.required(FieldLocation::Body, "type", values::word(TYPES));
    let active = InstrumentStatus::Active;
    let status = fields.or(
        FieldLocation::Body,
        "status",
        active,
        values::word(STATUSES),
    );
    let new = || {
        let new = NewInstrument::new(symbol?, name?, instrument_type?);
        Some(NewInstrument { status, ..new })
    };
    let new = fields.complete(new())?;
    let symbol = new.symbol.clone();
    let now = state.db().clock().now();
    let added = state.write("instrument.insert", move |conn| {
        instrument::insert(conn, &new, now)
    });
    let added = added.await.map_err(|error| match error {
        Error::Conflict { .. } => {
            let detail = format!("Instrument with symbol '{symbol}' already exists");
            Refusal::new(StatusCode::BAD_REQUEST, detail)
        }
        other => other.into(),
    });
    Ok(Json(added?.into()))
}

async fn change(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<InstrumentResponse>, Refusal> {
    let id = fields.id("instrument_id");
    // Null changes neither.
    let change = InstrumentChange {
        name: fields.optional(FieldLocation::Body, "name", name),
        status: fields.optional(FieldLocation::Body, "status", values::word(STATUSES)),
        ..InstrumentChange::default()
    };
    let id = fields.complete(id)?;
    let now = state.db().clock().now();
    let changed = state.write("instrument.update", move |conn| {
        instrument::update(conn, id, &change, now)
    });
    let changed = changed.await;
    let changed = changed.map_err(|error| Refusal::or_missing(error, NOT_FOUND))?;
    Ok(Json(changed.into()))
}

fn symbol(value: &Value) -> Result<Symbol, Fault> {
    Symbol::new(&values::text(value)?).map_err(Fault::value)
}

/// Any text that both backends store: PostgreSQL has no NUL.
fn name(value: &Value) -> Result<String, Fault> {
    let text = values::text(value)?;
    if text.contains('\0') {
        return Err(Fault::value("name: it holds a NUL character; leave it out"));
    }
    Ok(text)
}
