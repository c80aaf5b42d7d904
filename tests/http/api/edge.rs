//! What every request has around it: its id, who may write, limits, encodings, unknown paths.

use std::sync::mpsc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tickbase::api::{self, ApiState};
use tickbase::config::{ServerConfig, Token};
use tickbase::database::BackendConnection;

use crate::api::client::{Api, post};
use crate::support::on_both;

const TOKEN: &str = "0123456789abcdef";

fn with_header(method: Method, path: &str, name: &str, value: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header(name, value).body(Body::empty()).unwrap()
}

/// A connection that somebody keeps.
struct Held {
    release: mpsc::Sender<()>,
    holder: std::thread::JoinHandle<()>,
}

impl Held {
    fn of(api: &Api) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (taken, is_taken) = mpsc::channel();
        let database = api.app.database().clone();
        let holder = std::thread::spawn(move || {
            let hold = |_: &mut BackendConnection<'_>| {
                taken.send(()).unwrap();
                released.recv().unwrap();
                Ok(())
            };
            database.read("test.hold", hold).unwrap();
        });
        is_taken.recv().unwrap();
        Self { release, holder }
    }

    fn give_back(self) {
        self.release.send(()).unwrap();
        self.holder.join().unwrap();
    }
}

on_both! {
    fn every_answer_carries_the_id_of_its_request(db: &TestDatabase) {
        let api = Api::new(db);
        for path in ["/livez", "/api/health", "/api/instruments/x", "/nowhere"] {
            let id = api.get(path).header("x-request-id").map(str::to_owned);
            assert_eq!(id.unwrap().len(), 36, "{path}");
        }
        let given = api.send(with_header(Method::GET, "/livez", "x-request-id", "desk-7"));
        assert_eq!(given.header("x-request-id"), Some("desk-7"));
        let odd = api.send(with_header(Method::GET, "/livez", "x-request-id", "a b"));
        assert_ne!(odd.header("x-request-id"), Some("a b"));
    }

    fn unknown_paths_and_methods_say_so(db: &TestDatabase) {
        let api = Api::new(db);
        assert!(api.get("/api/nothing").detail(404).contains("/api/docs"));
        let refused = api.delete("/api/instruments");
        assert!(refused.detail(405).contains("DELETE"));
        let allowed = refused.header("allow").unwrap();
        assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    }

    fn a_value_that_is_missing_or_an_array_for_an_object_is_refused(db: &TestDatabase) {
        let api = Api::new(db);
        for query in ["limit=", "type=", "active_only=", "cursor=", "limit"] {
            let said = api.get(&format!("/api/instruments?{query}")).detail(422);
            assert!(said.starts_with("query."), "{query}: {said}");
        }
        let new = api.post("/api/instruments", &json!(["A", "A", "fx", null, null]));
        assert!(new.detail(422).contains("an object"), "{}", new.text());
        assert!(api.put("/api/instruments/1", &json!([null, null])).detail(422).contains("an object"));
        let key = json!({"keys": [[1, "2013-09-03T10:00:00Z", 1, 0]]});
        let said = api.post("/api/market-data/delete", &key).detail(422);
        assert!(said.starts_with("body.keys.0: ") && said.contains("an object"), "{said}");
        let tick = json!([["ES", null, 1378202400, null, null, 1640.25]]);
        let said = api.post("/api/market-data", &tick).detail(422);
        assert!(said.starts_with("body.0: ") && said.contains("an object"), "{said}");
    }

    fn ids_with_a_point_are_whole_numbers(db: &TestDatabase) {
        let api = Api::new(db);
        let tick = r#"[{"instrument_id": 1.0, "timestamp": 1378202400.0, "sequence": 7.0, "price": 1}]"#;
        let stored = api.send(post("/api/market-data", "application/json", tick));
        assert_eq!(stored.json(200)["inserted"], 1);
        let places = post("/api/instruments", "application/json",
            r#"{"symbol": "A", "name": "A", "type": "fx", "price_decimals": 5.0}"#);
        assert_eq!(api.send(places).json(201)["price_decimals"], 5);
        assert!(api.put("/api/instruments/1", &json!({"price_decimals": 0.5})).detail(422).contains("whole"));
    }

    fn a_read_has_no_body_whose_encoding_could_matter(db: &TestDatabase) {
        let api = Api::new(db);
        let odd = with_header(Method::GET, "/api/instruments", "content-encoding", "br");
        assert_eq!(api.send(odd).json(200).as_array().unwrap().len(), 12);
    }

    fn a_token_guards_writes_and_reads_if_asked(db: &TestDatabase) {
        let new = json!({"symbol": "A", "name": "A", "type": "fx"});
        let api = Api::with(db, |settings| settings.server.token = Some(Token::new(TOKEN).unwrap()));
        let refused = api.post("/api/instruments", &new);
        assert!(refused.detail(401).contains("Authorization"));
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        let mut request = post("/api/instruments", "application/json", new.to_string());
        let bearer = format!("Bearer {TOKEN}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        api.send(request).json(201);
        api.get("/api/instruments").json(200);
        drop(api);

        let closed = Api::with(db, |settings| {
            settings.server.token = Some(Token::new(TOKEN).unwrap());
            settings.server.protect_reads = true;
        });
        closed.get("/api/instruments").detail(401);
        let bearer = format!("Bearer {TOKEN}");
        let allowed = with_header(Method::GET, "/api/instruments", "authorization", &bearer);
        closed.send(allowed).json(200);
        closed.get("/api/health").json(200);
    }

    fn without_a_token_other_machines_may_not_write(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.bind = "0.0.0.0:8000".parse().unwrap();
        });
        api.get("/api/instruments").json(200);
        let new = json!({"symbol": "A", "name": "A", "type": "fx"});
        assert!(api.post("/api/instruments", &new).detail(403).contains("server.token"));
        assert!(api.delete("/api/instruments/1").detail(403).contains("server.token"));
    }

    fn before_the_start_only_probes_are_answered(db: &TestDatabase) {
        let running = Api::new(db);
        let monitoring = std::sync::Arc::clone(running.app.monitoring());
        let database = running.app.database().clone();
        let state = ApiState::new(database, monitoring, ServerConfig::default()).unwrap();
        let early = running.beside(api::app(&state));
        assert_eq!(early.get("/livez").text(), "ok\n");
        assert_eq!(early.get("/readyz").status, 503);
        assert!(early.get("/api/instruments").detail(503).contains("not started"));
        early.get("/api/health").json(200);
        state.readiness().ready();
        assert_eq!(early.get("/readyz").status, 200);
        early.get("/api/instruments").json(200);
        state.readiness().draining();
        assert_eq!(early.get("/readyz").status, 503);
        early.get("/api/instruments").json(200);
    }

    fn answers_are_packed_for_who_asks(db: &TestDatabase) {
        let api = Api::new(db);
        let packed = with_header(Method::GET, "/api/instruments", "accept-encoding", "gzip");
        let packed = api.send(packed);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        let mut text = String::new();
        use std::io::Read;
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, api.get("/api/instruments").text());
    }

    fn browsers_of_other_origins_are_let_in_only_if_configured(db: &TestDatabase) {
        let ask = || with_header(Method::GET, "/api/instruments", "origin", "https://desk.example");
        let closed = Api::new(db);
        assert_eq!(closed.send(ask()).header("access-control-allow-origin"), None);
        drop(closed);
        let open = Api::with(db, |settings| {
            settings.server.cors_origins = vec!["https://desk.example".to_owned()];
        });
        let allowed = open.send(ask());
        assert_eq!(allowed.header("access-control-allow-origin"), Some("https://desk.example"));
        let other = with_header(Method::GET, "/livez", "origin", "https://evil.example");
        assert_eq!(open.send(other).header("access-control-allow-origin"), None);
    }

    fn more_requests_than_places_are_refused_at_once(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.concurrency_max = 1;
            settings.database.pool.base = 1;
            settings.database.pool.overflow = 0;
            settings.database.pool.acquire_timeout = Duration::from_secs(20);
        });
        // The only connection is lent, so a request keeps its place.
        let held = Held::of(&api);
        let waiting = api.send_later(Request::get("/api/instruments").body(Body::empty()).unwrap());
        let waits = |api: &Api| api.app.database().pool_snapshot().doors[1].waiting > 0;
        api.until(|api| waits(api).then_some(()));
        let refused = api.get("/api/instruments/1");
        assert!(refused.detail(503).contains("concurrency_max"), "{}", refused.text());
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(api.get("/livez").status, 200, "probes are always answered");
        let health = api.get("/api/health/database").json(503);
        assert_eq!(health["status"], "unhealthy", "no connection is left");
        held.give_back();
        assert_eq!(api.finish(waiting).json(200).as_array().unwrap().len(), 12);
        let recovered = api.until(|api| {
            let answer = api.get("/api/health");
            (answer.status == 200).then_some(answer)
        });
        assert_eq!(recovered.json(200)["status"], "healthy");
    }

    fn a_request_that_takes_too_long_is_answered(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.request_timeout = Duration::from_millis(200);
            settings.database.pool.base = 1;
            settings.database.pool.overflow = 0;
        });
        let held = Held::of(&api);
        let late = api.get("/api/instruments");
        assert!(late.detail(503).contains("request_timeout"), "{}", late.text());
        held.give_back();
        // On a busy machine 200 ms may be short even for a request that waits for nothing.
        api.until(|api| (api.get("/api/instruments").status == 200).then_some(()));
    }

    fn figures_are_what_prometheus_reads(db: &TestDatabase) {
        let api = Api::new(db);
        // No template in braces: prometheus-parse takes `}` for the end of the labels.
        api.get("/api/instruments").json(200);
        api.get("/nowhere").detail(404);
        let scrape = api.get("/metrics");
        assert_eq!(scrape.status, 200);
        let kind = scrape.header("content-type").unwrap();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        let text = scrape.text();
        crate::support::exposition::check(&text);
        for series in [
            "http_server_request_duration_seconds_count{http_request_method=\"GET\",\
             http_route=\"/api/instruments\",http_response_status_code=\"200\"} 1",
            "http_server_active_requests 1",
            "tickbase_service_running{service=\"database_monitoring\"} 1",
        ] {
            assert!(text.contains(series), "{series} is not in\n{text}");
        }
        assert!(!text.contains("/nowhere"), "a label has a bounded set of values");
    }

    fn the_api_describes_itself(db: &TestDatabase) {
        let api = Api::new(db);
        let document = api.get("/api/openapi.json").json(200);
        assert_eq!(document["openapi"], "3.1.0");
        // What validators and generators of clients ask for.
        let mut ids = std::collections::BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id), "{method} {path}: there is another {id}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let described = response["description"].as_str();
                    assert!(described.is_some_and(|text| !text.is_empty()), "{method} {path} {status}");
                }
            }
        }
        assert!(ids.contains("rules_list") && ids.len() > 40, "{ids:?}");
        for path in ["/api/health", "/api/instruments/{id}", "/api/market-data", "/livez", "/metrics"] {
            assert!(document["paths"][path].is_object(), "{path}");
        }
        let answers = &document["paths"]["/api/market-data"]["post"]["responses"];
        for status in ["200", "400", "401", "403", "413", "415", "421", "422", "500", "503"] {
            assert!(answers[status].is_object(), "{status}: {answers}");
        }
        let page = api.get("/api/docs/");
        assert_eq!(page.status, 200);
        assert!(page.text().contains("swagger"), "{}", page.text());
        assert!(api.get("/api/docs/swagger-initializer.js").text().contains("../openapi.json"));
        assert!(api.get("/").text().contains("api/docs"), "the page leads to the documentation");
        assert!(references_are_whole(&document, &document));
    }
}

/// Whether each `$ref` of the document names something that is there.
fn references_are_whole(node: &Value, document: &Value) -> bool {
    match node {
        Value::Object(fields) => fields.iter().all(|(name, value)| match value {
            Value::String(target) if name == "$ref" => {
                let pointer = target.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{target}");
                true
            }
            other => references_are_whole(other, document),
        }),
        Value::Array(items) => items
            .iter()
            .all(|item| references_are_whole(item, document)),
        _ => true,
    }
}
