//! The contract of TradeAssist, a Python service that tickbase replaces: its paths, names, shapes,
//! statuses and leniency, before the same services.
//!
//! Its clients were written against FastAPI and pydantic: unknown names are ignored, values are
//! taken in several forms, a refused request gets one problem for each field, moments have no
//! offset. What differs on purpose stands in `docs/migrating.md`. Nothing else in the crate depends on
//! this folder: without it and the setting `server.contract` the rest stays as it is.

mod alerts;
mod analytics;
mod fields;
mod health;
mod history;
mod instruments;
mod moments;
mod problem;
mod queries;
mod realtime;
mod refusal;
mod rules;
mod values;

use std::collections::BTreeSet;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::body::BodySize;
use super::{ApiState, access, auth, guard, hosts, log_position, probes, respond};
use refusal::Refusal;

/// Places of every price, whatever those of its instrument are.
const PRICE_PLACES: u32 = 4;
/// The pages of the original's frontend, which run on a server of their own.
const PAGES: [&str; 2] = ["http://localhost:3000", "http://127.0.0.1:3000"];

/// The state of this contract's router: its pages may call a server on this machine.
pub(crate) fn state(native: &ApiState) -> ApiState {
    let bind = native.config().bind;
    let pages: &[&str] = if bind.ip().to_canonical().is_loopback() {
        &PAGES
    } else {
        &[]
    };
    native.at(bind, pages)
}

/// The contract as a router.
pub(crate) fn app<S>(state: &ApiState) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let resources = Resource::all();
    let of = |access: Access| {
        let those = resources.iter().filter(|it| it.access == access);
        those.fold(Router::new(), |router, it| {
            router.route(it.path, it.methods.clone())
        })
    };
    let carry = || from_fn_with_state(state.clone(), log_position::carry);
    let reads = limited(state, of(Access::Read))
        .merge(with_body(state, of(Access::Question)))
        .route_layer(carry());
    let reads = if state.config().protect_reads {
        reads.route_layer(from_fn(auth::require_token))
    } else {
        reads
    };
    let writes = with_body(state, of(Access::Write))
        .route_layer(carry())
        .route_layer(from_fn_with_state(state.clone(), auth::permit_writes));
    let paths: BTreeSet<&str> = resources.iter().map(|it| it.path).collect();
    let slashes = paths.iter().fold(Router::new(), |router, path| {
        router.route(&format!("{path}/"), any(without_slash))
    });
    let started = from_fn_with_state(state.clone(), guard::refuse_before_start);
    let (probes, _) = probes::routes().split_for_parts();
    reads
        .merge(writes)
        .route_layer(started)
        .merge(limited(state, probes.merge(of(Access::Probe))))
        .merge(slashes)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(state.clone(), hosts::refuse_strangers))
        .layer(respond::catch_panics())
        .layer(cors(state))
        .layer(from_fn_with_state(state.clone(), access::observe))
        .with_state::<S>(state.clone())
}

fn limited(state: &ApiState, routes: Router<ApiState>) -> Router<ApiState> {
    routes.route_layer(from_fn_with_state(state.clone(), guard::limit))
}

fn with_body(state: &ApiState, routes: Router<ApiState>) -> Router<ApiState> {
    let state = (state.clone(), BodySize::Small);
    routes.route_layer(from_fn_with_state(state, guard::limit_with_body))
}

/// Who may call the methods of a path, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    /// It reads what a body asks for.
    Question,
    Write,
    /// It is answered however busy the server is, without a token and before it has started.
    Probe,
}

/// Methods of a path.
struct Resource {
    path: &'static str,
    access: Access,
    methods: MethodRouter<ApiState>,
}

impl Resource {
    fn new(path: &'static str, access: Access, methods: MethodRouter<ApiState>) -> Self {
        Self {
            path,
            access,
            methods,
        }
    }

    fn all() -> Vec<Self> {
        [
            instruments::resources(),
            rules::resources(),
            alerts::resources(),
            analytics::resources(),
            history::resources(),
            queries::resources(),
            health::resources(),
            realtime::resources(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Leads to the path without the slash; the method and the body stay (307).
async fn without_slash(uri: Uri) -> Response {
    let path = uri.path().trim_end_matches('/');
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    match HeaderValue::try_from(target) {
        Ok(target) => {
            let location = [(header::LOCATION, target)];
            (StatusCode::TEMPORARY_REDIRECT, location).into_response()
        }
        Err(_) => no_such_path().await.into_response(),
    }
}

async fn no_such_path() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Not Found")
}

async fn no_such_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// Its pages send cookies along, so that origins, methods and headers are named, not `*`.
fn cors(state: &ApiState) -> CorsLayer {
    let origins = state.hosts().origins.iter();
    let named = origins.filter(|origin| *origin != "*");
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(named.filter_map(|o| o.parse().ok())))
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}
