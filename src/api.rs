//! The edge: HTTP in, JSON out.
//!
//! Owns paths, statuses, the OpenAPI document and what every request has around it (identity, log,
//! limits, authorisation). It decides nothing of the data: `repository` and `monitoring` do. It
//! reaches the database by the asynchronous door alone, so that no handler blocks the runtime.

mod access;
mod alerts;
mod analytics;
#[cfg(feature = "archive")]
mod archive;
mod auth;
mod bars;
mod body;
mod connection;
mod cursor;
mod deletions;
mod docs;
mod error;
mod extract;
mod guard;
mod health;
mod history;
mod hosts;
mod http_metrics;
mod import;
mod instruments;
mod line_protocol;
mod log_position;
mod market_data;
mod own_hosts;
#[cfg(feature = "page")]
mod page;
mod probes;
mod ranged;
mod readiness;
mod realtime;
mod realtime_hub;
mod realtime_versions;
mod respond;
#[cfg(feature = "archive")]
mod retention;
mod rules;
mod server;
mod snapshot_cache;
mod spooled_files;
mod state;
mod table;
mod tokens;
pub(crate) mod tradeassist;
mod types;
mod udf;

use axum::Router;
use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use utoipa_axum::router::OpenApiRouter;

use body::BodySize;
pub use readiness::Readiness;
pub use realtime_hub::RealtimeHub;
pub(crate) use server::listen;
pub use server::serve;
pub use state::ApiState;

use crate::config::ServerConfig;

/// The whole API as a router: serve it with [`serve`], call it in tests, or merge it into the
/// router of another application, whatever that one's state is. There, `bind` and `hosts` of the
/// settings must say by which address and names that application is called.
///
/// ```
/// # fn main() -> tickbase::Result<()> {
/// # use std::sync::Arc;
/// use tickbase::api::{self, ApiState};
/// use tickbase::config::{MonitoringConfig, ServerConfig};
/// use tickbase::monitoring::DatabaseMonitoringService;
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let monitoring = DatabaseMonitoringService::new(db.clone(), MonitoringConfig::default())?;
/// let state = ApiState::new(db.clone(), Arc::new(monitoring), ServerConfig::default())?;
///
/// #[derive(Clone)]
/// struct Foreign;
/// let router: axum::Router<Foreign> = axum::Router::new().merge(api::app(&state));
/// # drop(router);
/// # Ok(())
/// # }
/// ```
pub fn app<S>(state: &ApiState) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (router, document) = routes(state).split_for_parts();
    let config = state.config();
    let router = router.merge(docs::routes(document));
    #[cfg(feature = "page")]
    let router = router.merge(page::routes());
    let router = router
        .fallback(respond::no_such_path)
        .method_not_allowed_fallback(respond::no_such_method)
        .layer(CompressionLayer::new().compress_when(is_worth_packing()))
        .layer(from_fn_with_state(state.clone(), hosts::refuse_strangers))
        .layer(respond::catch_panics())
        .layer(from_fn(line_protocol::refuse_in_its_words));
    let router = match cors(config) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(from_fn_with_state(state.clone(), access::observe))
        .with_state::<S>(state.clone())
}

/// The OpenAPI document of the API, as `/api/openapi.json` has it.
#[must_use]
pub fn openapi(state: &ApiState) -> utoipa::openapi::OpenApi {
    routes(state).into_openapi()
}

fn routes(state: &ApiState) -> OpenApiRouter<ApiState> {
    let reads = OpenApiRouter::new()
        .merge(instruments::reads())
        .merge(market_data::reads())
        .merge(table::reads())
        .merge(health::reads())
        .merge(history::reads())
        .merge(rules::reads())
        .merge(alerts::reads())
        .merge(deletions::reads())
        .merge(analytics::reads())
        .merge(import::reads())
        .merge(udf::reads());
    #[cfg(feature = "archive")]
    let reads = reads.merge(archive::reads()).merge(retention::reads());
    let questions = OpenApiRouter::new()
        .merge(history::questions())
        .merge(rules::questions())
        .merge(analytics::posted_reads());
    let carry = || from_fn_with_state(state.clone(), log_position::carry);
    let reads = without_body(state, reads)
        .merge(with_body(state, BodySize::Small, questions))
        .route_layer(carry());
    let reads = if state.config().protect_reads {
        reads.route_layer(from_fn(auth::require_token))
    } else {
        reads
    };
    let writes = OpenApiRouter::new()
        .merge(instruments::writes())
        .merge(bars::writes())
        .merge(rules::writes())
        .merge(alerts::writes())
        .merge(deletions::writes());
    #[cfg(feature = "archive")]
    let writes = writes.merge(retention::writes());
    let batches = market_data::writes().merge(line_protocol::writes());
    let writes = with_body(state, BodySize::Small, writes)
        .merge(with_body(state, BodySize::Batch, batches))
        // A file has limits of its own, and is kept on the disk as it comes.
        .merge(import::writes())
        .route_layer(carry())
        .route_layer(from_fn_with_state(state.clone(), auth::permit_writes));
    // It looks for the token itself: browsers cannot send the header.
    let realtime = without_body(state, realtime::routes().merge(line_protocol::probes()));
    let health = OpenApiRouter::new()
        .merge(health::routes())
        .merge(history::routes())
        .merge(probes::routes());
    let mut all = docs::described()
        .merge(reads)
        .merge(writes)
        .merge(realtime)
        .route_layer(from_fn_with_state(
            state.clone(),
            guard::refuse_before_start,
        ))
        .merge(without_body(state, health));
    docs::complete(all.get_openapi_mut());
    all
}

/// What is packed already, or is nothing but numbers, only takes time.
fn is_worth_packing() -> impl Predicate {
    // A part, and the size of a whole, are of the bytes as they are.
    let is_no_part = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        !headers.contains_key(header::ETAG)
    };
    DefaultPredicate::new()
        .and(NotForContentType::const_new("application/vnd.apache."))
        .and(is_no_part)
}

fn without_body(state: &ApiState, routes: OpenApiRouter<ApiState>) -> OpenApiRouter<ApiState> {
    routes.route_layer(from_fn_with_state(state.clone(), guard::limit))
}

/// Limits routes that take a body, of this size at most.
fn with_body(
    state: &ApiState,
    size: BodySize,
    routes: OpenApiRouter<ApiState>,
) -> OpenApiRouter<ApiState> {
    let state = (state.clone(), size);
    routes.route_layer(from_fn_with_state(state, guard::limit_with_body))
}

fn cors(config: &ServerConfig) -> Option<CorsLayer> {
    if config.cors_origins.is_empty() {
        return None;
    }
    let origins = if config.cors_origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(Any)
    } else {
        AllowOrigin::list(config.cors_origins.iter().filter_map(|o| o.parse().ok()))
    };
    Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(Any)
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                axum::http::HeaderName::from_static("idempotency-key"),
                access::REQUEST_ID,
                header::RANGE,
                header::IF_RANGE,
                log_position::HEADER,
            ])
            .expose_headers([
                access::REQUEST_ID,
                header::LINK,
                header::ACCEPT_RANGES,
                header::CONTENT_DISPOSITION,
                header::CONTENT_RANGE,
                header::ETAG,
                log_position::HEADER,
            ]),
    )
}
