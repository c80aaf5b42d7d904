//! `GET /api/alerts/export`: the alerts as CSV, page by page, however many there are.
//!
//! A page is read when the client has taken the one before it: nothing piles up, and no connection
//! of the pool is held while the client reads. An error after the first page breaks the transfer
//! off, so that half a list is not taken for the whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{filter, items};
use crate::api::error::{ApiError, ReadErrors};
use crate::api::extract::Query;
use crate::api::state::ApiState;
use crate::api::types::{AlertExportQuery, AlertItem};
use crate::database::Cursor;
use crate::error::Result;
use crate::repository::alert_log::{self, AlertFilter, AlertKey, PageQuery};

/// Alerts that are read at a time.
const PAGE_ROWS: usize = PageQuery::LIMIT_MAX;
/// Pages that wait for the client.
const PAGES_AHEAD_MAX: usize = 1;
const HEADER: &str = "id,timestamp,rule_id,rule_name,instrument_id,instrument_symbol,\
                      trigger_value,threshold_value,fired_status,delivery_status,\
                      rule_condition,evaluation_time_ms,alert_message\r\n";

/// The alerts as CSV, newest first
#[utoipa::path(
    get,
    path = "/api/alerts/export",
    tag = "alerts",
    params(AlertExportQuery),
    responses(
        (status = 200, body = String, content_type = "text/csv", headers(
            ("content-disposition", description = "A name for the file")
        )),
        ReadErrors,
    )
)]
pub(super) async fn export(
    State(state): State<ApiState>,
    Query(query): Query<AlertExportQuery>,
) -> Result<Response, ApiError> {
    let filter = filter(&query)?;
    // The first page is read before the answer begins: an error still has a status then.
    let (rows, next) = page(&state, filter, None).await?;
    let (sender, receiver) = mpsc::channel(PAGES_AHEAD_MAX);
    let first = format!("{HEADER}{}", lines(&rows));
    let rest = async move { send(&state, filter, first, next, sender).await };
    tokio::spawn(rest.in_current_span());
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"alerts.csv\"",
        ),
    ];
    Ok((headers, Body::from_stream(Pages(receiver))).into_response())
}

type ExportedAlerts = (Vec<AlertItem>, Option<Cursor<AlertKey>>);

async fn page(
    state: &ApiState,
    filter: AlertFilter,
    cursor: Option<Cursor<AlertKey>>,
) -> Result<ExportedAlerts> {
    let query = PageQuery {
        filter,
        limit: PAGE_ROWS,
        cursor,
    };
    let read = state.read("alert_log.export", move |conn| {
        let page = alert_log::page(conn, &query)?;
        Ok((items(conn, page.rows)?, page.next))
    });
    read.await
}

async fn send(
    state: &ApiState,
    filter: AlertFilter,
    first: String,
    mut next: Option<Cursor<AlertKey>>,
    client: mpsc::Sender<Result<Bytes>>,
) {
    let mut text = first;
    // When the client is gone, so is the other end.
    while client.send(Ok(text.into())).await.is_ok() && next.is_some() {
        match page(state, filter, next).await {
            Ok((rows, further)) => (text, next) = (lines(&rows), further),
            Err(error) => {
                tracing::error!(error = error.chain(), "an export of alerts broke off");
                // The status is sent already: a broken body is the only way left to say that rows
                // are missing.
                let _ = client.send(Err(error)).await;
                return;
            }
        }
    }
}

/// A body made of the pages that are read.
struct Pages(mpsc::Receiver<Result<Bytes>>);

impl Stream for Pages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Rows by RFC 4180.
fn lines(items: &[AlertItem]) -> String {
    let mut lines = String::with_capacity(items.len() * 256);
    for item in items {
        let threshold = item.threshold_value.map(|value| value.to_string());
        let cells = [
            item.id.to_string(),
            item.timestamp.clone(),
            item.rule_id.to_string(),
            text(item.rule_name.as_deref().unwrap_or_default()),
            item.instrument_id.to_string(),
            text(&item.instrument_symbol),
            item.trigger_value.to_string(),
            threshold.unwrap_or_default(),
            word(&item.fired_status),
            word(&item.delivery_status),
            text(&item.rule_condition),
            item.evaluation_time_ms.to_string(),
            text(&item.alert_message),
        ];
        lines.push_str(&cells.join(","));
        lines.push_str("\r\n");
    }
    lines
}

fn word(word: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// A cell of text, which somebody has named. A spreadsheet would compute one that begins like a
/// formula; after an apostrophe it shows it.
fn text(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => quoted(&format!("'{text}")),
        false => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_when_it_must_be() {
        assert_eq!(quoted("plain text"), "plain text");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(quoted("two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn a_text_that_begins_like_a_formula_is_shown_not_computed() {
        assert_eq!(text("=1+1"), "'=1+1");
        assert_eq!(text("+1"), "'+1");
        assert_eq!(text("-1"), "'-1");
        assert_eq!(text("@A1"), "'@A1");
        assert_eq!(text("\t=1"), "'\t=1");
        assert_eq!(text("\r=1"), "\"'\r=1\"");
        assert_eq!(text("=A1,\"x\""), "\"'=A1,\"\"x\"\"\"");
        assert_eq!(text("ES above 1+1"), "ES above 1+1");
        assert_eq!(text(""), "");
    }
}
