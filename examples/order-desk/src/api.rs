//! The HTTP API of orders. Handlers use the asynchronous doors of the database: they block no thread.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Serialize;
use tickbase::Error;
use tickbase::database::Database;

use crate::models::{Order, OrderRequest, PricedOrder};
use crate::store;

/// Orders of one answer.
const ORDERS_MAX: i64 = 500;

/// The paths, for a router with any state.
pub fn router<S>(database: Database) -> Router<S> {
    Router::new()
        .route("/orders", get(list).post(place))
        .route("/orders/{id}", delete(cancel))
        .with_state(database)
}

async fn place(
    State(database): State<Database>,
    Json(request): Json<OrderRequest>,
) -> Result<(StatusCode, Json<Order>), Refusal> {
    let now = database.clock().now();
    let order = database
        .write_async("orders.place", move |conn| {
            store::place(conn, &request, now)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(order)))
}

async fn list(State(database): State<Database>) -> Result<Json<Vec<PricedOrder>>, Refusal> {
    let orders = database
        .read_async("orders.list", |conn| store::list(conn, ORDERS_MAX))
        .await?;
    Ok(Json(orders))
}

async fn cancel(
    State(database): State<Database>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Refusal> {
    let now = database.clock().now();
    database
        .write_async("orders.cancel", move |conn| store::cancel(conn, id, now))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An error of tickbase as an answer; what is not the client's to mend is for the log.
struct Refusal(Error);

#[derive(Serialize)]
struct Detail {
    detail: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0 {
            Error::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Conflict { .. } => StatusCode::CONFLICT,
            Error::PoolTimeout { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let detail = if status.is_server_error() {
            tracing::error!(error = self.0.chain(), "a request failed");
            "the server could not answer; its log says why".to_owned()
        } else {
            self.0.to_string()
        };
        (status, Json(Detail { detail })).into_response()
    }
}
