//! `/api/bars`: soft delete and restore of bars that came in, by range. Reading them is in `history`.

use axum::Extension;
use axum::extract::State;
use axum::http::Method;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::deletions;
use super::error::{ApiError, ErrorBody, WriteErrors};
use super::extract::Json;
use super::state::ApiState;
use super::types::{BarSelectionBody, DeletedBars, RestoredBars};
use crate::database::BackendConnection;
use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::models::Deletion;
use crate::repository::bar::{self, BarRange};
use crate::repository::{data_source, deletion, instrument};
use crate::timestamp::Timestamp;

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(delete))
        .routes(routes!(restore))
}

/// A selection whose texts were read; its names are looked up in the transaction.
struct BarSelection {
    symbol: Option<Symbol>,
    source: Option<String>,
    /// The instrument is 0 when a symbol names it.
    range: BarRange,
}

impl TryFrom<BarSelectionBody> for BarSelection {
    type Error = ApiError;

    fn try_from(body: BarSelectionBody) -> Result<Self, ApiError> {
        let symbol = body.symbol.as_deref().map(Symbol::new).transpose();
        let symbol = symbol.map_err(|error| named("symbol", error))?;
        if symbol.is_some() == body.instrument_id.is_some() {
            let msg = "it names no instrument, or two; send one of symbol and instrument_id";
            return Err(ApiError::violation(["body"], msg));
        }
        let moment = |name: &str, text: Option<String>| {
            let parsed = text.map(|text| text.parse::<Timestamp>()).transpose();
            parsed.map_err(|error| named(name, error))
        };
        Ok(Self {
            symbol,
            source: body.source,
            range: BarRange {
                start: moment("start", body.start)?,
                end: moment("end", body.end)?,
                ..BarRange::all(body.instrument_id.unwrap_or_default(), body.frequency)
            },
        })
    }
}

/// The error of a member of the body, at its place.
fn named(name: &str, error: Error) -> ApiError {
    match error {
        Error::Invalid { reason, remedy, .. } => {
            ApiError::violation(["body", name], format!("{reason}; {remedy}"))
        }
        other => other.into(),
    }
}

impl BarSelection {
    /// What it asks for, in words.
    fn as_text(&self) -> String {
        let id = || format!("instrument {}", self.range.instrument_id);
        let instrument = self.symbol.as_ref().map_or_else(id, Symbol::to_string);
        let source = self.source.as_ref();
        let source = source.map_or_else(String::new, |name| format!(" of {name}"));
        let moment = |word: &str, at: Option<Timestamp>| {
            at.map_or_else(String::new, |at| format!(" {word} {at}"))
        };
        let (from, to) = (
            moment("from", self.range.start),
            moment("to", self.range.end),
        );
        format!("{instrument} {}{source}{from}{to}", self.range.frequency)
    }

    /// The ranges of bars that came in.
    fn ranges(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarRange>> {
        let instrument_id = match &self.symbol {
            None => instrument::get(conn, self.range.instrument_id)?.id,
            Some(symbol) => {
                let found = instrument::by_symbol(conn, symbol)?;
                let unknown =
                    || Error::not_found(format!("instrument {symbol}"), "check the symbol");
                found.ok_or_else(unknown)?.id
            }
        };
        let source = match &self.source {
            None => None,
            Some(name) => {
                let found = data_source::by_name(conn, name)?;
                let unknown = || {
                    let what = format!("data source {name:?}");
                    Error::not_found(what, "/api/historical-data/sources lists them")
                };
                Some(found.ok_or_else(unknown)?.id)
            }
        };
        let range = BarRange {
            instrument_id,
            data_source_id: source,
            ..self.range
        };
        bar::imported_ranges(conn, &range)
    }
}

/// Moves bars that came in to the trash
///
/// Bars that are built from ticks are left out, as they would be built again; those that were made
/// of the deleted ones are made anew.
#[utoipa::path(
    post,
    path = "/api/bars/delete",
    tag = "historical data",
    request_body(
        content = BarSelectionBody,
        example = json!({
            "symbol": "ES",
            "frequency": "1d",
            "start": "2013-09-03T00:00:00Z",
            "end": "2013-09-04T00:00:00Z",
        })
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = DeletedBars),
        (status = 404, body = ErrorBody, description = "No active instrument, or no data source, is named so"),
        WriteErrors,
    )
)]
async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Json(mut body): Json<BarSelectionBody>,
) -> Result<axum::Json<DeletedBars>, ApiError> {
    let (reason, by) = (body.reason.take(), body.by.take());
    let selection = BarSelection::try_from(body)?;
    let what = format!("/api/bars/delete {}", selection.as_text());
    let new = deletions::asked(&caller, (Method::POST, what), reason, by);
    let now = state.db().clock().now();
    let delete = move |conn: &mut BackendConnection<'_>| {
        let ranges = selection.ranges(conn)?;
        deletion::batch(conn, &new, now, |conn, batch| {
            let mut deleted = 0;
            for range in ranges {
                deleted += bar::soft_delete_range(conn, &range, batch)?;
            }
            Ok(deleted)
        })
    };
    let done = state.write("bar.soft_delete_range", delete).await;
    let (deleted, batch) = done.map_err(|error| ApiError::within("body", error))?;
    Ok(axum::Json(DeletedBars {
        deleted,
        deletion_id: batch.as_ref().map(Deletion::id),
    }))
}

/// Takes bars that came in out of the trash, as far as their periods are free
#[utoipa::path(
    post,
    path = "/api/bars/restore",
    tag = "historical data",
    request_body(
        content = BarSelectionBody,
        example = json!({
            "symbol": "ES",
            "frequency": "1d",
            "start": "2013-09-03T00:00:00Z",
            "end": "2013-09-04T00:00:00Z",
        })
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = RestoredBars),
        (status = 404, body = ErrorBody, description = "No active instrument, or no data source, is named so"),
        WriteErrors,
    )
)]
async fn restore(
    State(state): State<ApiState>,
    Json(body): Json<BarSelectionBody>,
) -> Result<axum::Json<RestoredBars>, ApiError> {
    deletions::refuse_words(&body.reason, &body.by)?;
    let selection = BarSelection::try_from(body)?;
    let restore = move |conn: &mut BackendConnection<'_>| {
        let (mut restored, mut conflicts) = (0, 0);
        for range in selection.ranges(conn)? {
            let report = bar::restore_range(conn, &range)?;
            restored += report.restored;
            conflicts += report.conflicts;
        }
        Ok((restored, conflicts))
    };
    let outcome = state.write("bar.restore_range", restore).await;
    let (restored, conflicts) = outcome.map_err(|error| ApiError::within("body", error))?;
    Ok(axum::Json(RestoredBars::new(restored, conflicts)))
}
