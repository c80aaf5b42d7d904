//! The API's description of itself: the OpenAPI document and a page to try it on.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
#[cfg(not(feature = "page"))]
use axum::response::Redirect;
use axum::response::Response;
use axum::routing::get;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::error::{ErrorBody, FieldError, PathSegment, ValidationBody};
use super::state::ApiState;
use super::types::LineProtocolRefusal;

/// What the paths add to: title, version, and how to show a token.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tickbase",
        description = "Market data, its alerts, and the health of the database under it. Times are \
                       ISO 8601 in UTC. Prices are those that are stored, digit by digit; those of \
                       an instrument with price_decimals are rounded to them (half to even). A deleted row is in no answer."
    ),
    // What refusals are made of: the paths name them, but do not bring them along.
    components(schemas(ErrorBody, ValidationBody, FieldError, PathSegment, LineProtocolRefusal)),
    modifiers(&Bearer)
)]
struct Described;

struct Bearer;

/// The page takes its scripts and styles from the server and asks nobody else. Its library puts
/// styles and small pictures into the page itself.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the server's, where it has some"))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Gives the operations what a generator of clients needs: an id that no other one has
/// (`rules_list`), and a description of each response, which OpenAPI asks for.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    for path in document.paths.paths.values_mut() {
        let operations = [
            &mut path.get,
            &mut path.put,
            &mut path.post,
            &mut path.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let tag = operation.tags.iter().flatten().next();
            if let (Some(tag), Some(name)) = (tag, &operation.operation_id) {
                operation.operation_id = Some(format!("{}_{name}", tag.replace(' ', "_")));
            }
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    let status = status.parse::<StatusCode>().ok();
                    let reason = status.and_then(|status| status.canonical_reason());
                    response.description = reason.unwrap_or("The answer").to_owned();
                }
            }
        }
    }
}

/// A router that the paths are added to.
pub(super) fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Described::openapi())
}

/// `/api/openapi.json`, the page at `/api/docs`, and without the feature `page` the way there from the root.
pub(super) fn routes(document: utoipa::openapi::OpenApi) -> Router<ApiState> {
    // A document of strings, numbers and lists can always be written.
    let text: Arc<str> = document.to_json().unwrap_or_default().into();
    let json = move || async move {
        (
            [(header::CONTENT_TYPE, "application/json")],
            text.to_string(),
        )
    };
    // Relative, so that the page finds it under any prefix.
    let config = Config::from("../openapi.json").validator_url("none");
    let page = Router::from(SwaggerUi::new("/api/docs").config(config));
    let page = page.layer(map_response(|mut response: Response| async {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        response
    }));
    let router = Router::new().route("/api/openapi.json", get(json));
    // Without the page for people, the way from the root leads here.
    #[cfg(not(feature = "page"))]
    let router = router.route("/", get(|| async { Redirect::temporary("api/docs/") }));
    router.merge(page)
}
