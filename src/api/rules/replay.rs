//! `POST /api/rules/replay`: what a rule would have fired on stored ticks, before it is saved.

use axum::extract::State;

use crate::api::error::{ApiError, ErrorBody, PostedReadErrors, named};
use crate::api::extract::Json;
use crate::api::guard;
use crate::api::state::ApiState;
use crate::api::types::{ReplayAnswer, ReplayBody, ReplayedFiring};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::models::NewAlertRule;
use crate::repository::instrument;
use crate::services::alert_engine::Rule;
use crate::services::replay::{ReplayRange, replay};
use crate::timestamp::Timestamp;

/// Firings that an answer lists.
const FIRINGS_SHOWN_MAX: usize = 1_000;
/// Ticks that one request may have evaluated: seconds of work.
const TICKS_MAX: u64 = 1_000_000;
/// Ticks that are read for the past of its rule, which are all held in memory. An instrument of quotes
/// alone has no prices, however far back one reads.
const WARM_UP_TICKS_MAX: usize = 100_000;

/// What a rule would have fired
///
/// It is evaluated on the stored ticks of a range as if they came live, cooldown included. Nothing
/// is stored and nothing delivered; the rule need not be saved. At most a million ticks are
/// evaluated; `has_more` says that the range has more.
#[utoipa::path(
    post,
    path = "/api/rules/replay",
    tag = "rules",
    request_body(
        content = ReplayBody,
        example = json!({
            "rule": {
                "instrument_id": 1,
                "rule_type": "threshold",
                "condition": "above",
                "threshold": 1641.5,
            },
            "start": "2013-09-03T10:00:00Z",
            "end": "2013-09-03T11:00:00Z",
        })
    ),
    responses(
        (status = 200, body = ReplayAnswer),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        PostedReadErrors,
    )
)]
pub(super) async fn replay_rule(
    State(state): State<ApiState>,
    Json(body): Json<ReplayBody>,
) -> Result<axum::Json<ReplayAnswer>, ApiError> {
    let moment = |name: &'static str, text: &Option<String>| {
        let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
        parsed.map_err(|error| named(["body", name], error))
    };
    let range = ReplayRange {
        start: moment("start", &body.start)?,
        end: moment("end", &body.end)?,
        ticks_max: Some(TICKS_MAX),
        warm_up_ticks_max: Some(WARM_UP_TICKS_MAX),
    };
    if let (Some(start), Some(end)) = (range.start, range.end)
        && start > end
    {
        let msg = "it is after end; give the earlier moment first";
        return Err(ApiError::violation(["body", "start"], msg));
    }
    let new = NewAlertRule::try_from(body.rule).map_err(in_rule)?;
    let rule = Rule::new(0, new.instrument_id, &new.shape(), true, None).map_err(in_rule)?;
    let db = state.reads().clone();
    let place = guard::place_of_long_read(&state)?;
    // It reads page after page, and computes in between: no work for a thread of the runtime. It goes
    // on when the client is gone, and keeps its place until then.
    let replayed = tokio::task::spawn_blocking(move || {
        let _place = place;
        replayed(&db, new.instrument_id, rule, range)
    });
    Ok(axum::Json(replayed.await.map_err(|_| Error::Closed)??))
}

/// The place of what is wrong with the rule.
fn in_rule(error: Error) -> ApiError {
    match error {
        Error::Invalid {
            name,
            reason,
            remedy,
        } => ApiError::violation(["body", "rule", &name], format!("{reason}; {remedy}")),
        other => other.into(),
    }
}

fn replayed(
    db: &Database,
    instrument_id: i64,
    rule: Rule,
    range: ReplayRange,
) -> Result<ReplayAnswer> {
    let of = db.read("instrument.get", |conn| {
        instrument::get(conn, instrument_id)
    })?;
    let mut firings = Vec::new();
    let replayed = replay(db, &of, [rule], range, |firing| {
        if firings.len() < FIRINGS_SHOWN_MAX {
            firings.push(ReplayedFiring::new(firing, of.price_decimals));
        }
        Ok(())
    })?;
    Ok(ReplayAnswer::new(replayed, firings))
}
