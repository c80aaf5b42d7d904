//! Strangers: pages of other origins, and names that were made to lead here. What the server tells
//! to whom, and what its answers carry for browsers.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tickbase::config::{NamedToken, Settings, Token, TokenRights};

use crate::api::client::{Answer, Api};
#[cfg(feature = "postgres")]
use crate::api::websocket::Served;
use crate::support::{TestDatabase, on_both};

const WRITES: &str = "0123456789abcdef";
const READS: &str = "fedcba9876543210";
const EVIL: &str = "evil.example:8000";

/// Paths of every kind: probes, health, data, the description, nothing, and the WebSocket.
const READ_PATHS: [&str; 12] = [
    "/livez",
    "/readyz",
    "/metrics",
    "/api/health",
    "/api/health/database",
    "/api/instruments",
    "/api/market-data/latest",
    "/api/docs/",
    "/api/openapi.json",
    "/",
    "/nowhere",
    "/ws/realtime",
];

/// Writes of every method; the restoration has no body that a page could fail to send.
const WRITE_PATHS: [(&str, &str, &str); 7] = [
    (
        "POST",
        "/api/market-data",
        r#"[{"symbol":"ES","timestamp":1378202400,"price":1}]"#,
    ),
    (
        "POST",
        "/api/instruments",
        r#"{"symbol":"A","name":"A","type":"fx"}"#,
    ),
    ("PUT", "/api/instruments/1", r#"{"name":"taken over"}"#),
    (
        "POST",
        "/api/import?symbol=ES",
        "timestamp,price\n1378202400,1\n",
    ),
    (
        "POST",
        "/api/historical-data/fetch",
        r#"{"symbols":["ES"]}"#,
    ),
    ("DELETE", "/api/instruments/1", ""),
    ("POST", "/api/instruments/1/restore", ""),
];

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        let kind = if body.starts_with(['[', '{']) {
            "application/json"
        } else {
            "text/csv"
        };
        request = request.header("content-type", kind);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

fn ask(api: &Api, target: &str, headers: &[(&str, &str)]) -> Answer {
    api.send(request("GET", target, headers, ""))
}

fn with_tokens(settings: &mut Settings) {
    let grafana = Token::new(READS).unwrap();
    settings.server.token = Some(Token::new(WRITES).unwrap());
    settings.server.tokens = vec![NamedToken::new("grafana", grafana, TokenRights::Read).unwrap()];
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

on_both! {
    fn a_name_that_was_made_to_lead_here_reads_and_writes_nothing(db: &TestDatabase) {
        let api = Api::new(db);
        for path in READ_PATHS {
            let said = ask(&api, path, &[("host", EVIL)]).detail(421);
            assert!(said.contains(EVIL) && said.contains("server.hosts"), "{path}: {said}");
            for own in ["localhost", "LocalHost.:80", "127.0.0.1:9"] {
                assert_ne!(ask(&api, path, &[("host", own)]).status, 421, "{path} {own}");
            }
        }
        for (method, path, body) in WRITE_PATHS {
            let answer = api.send(request(method, path, &[("host", EVIL)], body));
            answer.detail(421);
        }
        assert_eq!(api.get("/api/instruments/1").json(200)["symbol"], "ES");
        assert_eq!(api.get("/api/market-data/1").json(200)["ticks"], json!([]));
    }

    fn each_host_of_a_request_must_be_the_servers(db: &TestDatabase) {
        let api = Api::with(db, |settings| settings.server.hosts = vec!["desk.example".to_owned()]);
        // HTTP/2 and the absolute form name the host in the target.
        for (target, hosts, status) in [
            ("/livez", &[][..], 200),
            ("http://desk.example:1/livez", &[], 200),
            ("http://DESK.example./livez", &["localhost"], 200),
            ("http://evil.example/livez", &[], 421),
            ("http://evil.example/livez", &["localhost"], 421),
            ("http://localhost/livez", &["evil.example"], 421),
            ("http://localhost@evil.example/livez", &[], 421),
            ("/livez", &["desk.example", "evil.example"], 421),
            ("/livez", &["desk.example.evil.example"], 421),
            ("/livez", &["[::1]"], 421),
            ("/livez", &["127.0.0.1:8000"], 200),
            ("/livez", &["0x7f.1"], 421),
            ("/livez", &["a b"], 421),
            ("/livez", &[""], 421),
        ] {
            let headers: Vec<(&str, &str)> = hosts.iter().map(|host| ("host", *host)).collect();
            let answer = ask(&api, target, &headers);
            assert_eq!(answer.status, status, "{target} {hosts:?}: {}", answer.text());
        }
    }

    fn who_has_a_token_is_no_page_and_may_use_any_name(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            with_tokens(settings);
            settings.server.bind = "0.0.0.0:8000".parse().unwrap();
        });
        let (writes, reads) = (bearer(WRITES), bearer(READS));
        let status = |headers: &[(&str, &str)]| ask(&api, "/api/instruments", headers).status;
        assert_eq!(status(&[("host", EVIL)]), 421);
        assert_eq!(status(&[("host", EVIL), ("authorization", "Bearer wrong-wrong-wrong")]), 421);
        for token in [&writes, &reads] {
            assert_eq!(status(&[("host", EVIL), ("authorization", token)]), 200);
        }
        // All addresses are listened to, so that each may be the one that is called.
        assert_eq!(status(&[("host", "192.168.1.7:8000")]), 200);
        let delete = |token: &str| {
            let headers = [("host", EVIL), ("authorization", token)];
            api.send(request("DELETE", "/api/instruments/1", &headers, ""))
        };
        assert!(delete(&reads).detail(403).contains("grafana may read only"));
        delete(&writes).json(200);
    }

    fn a_page_of_another_origin_writes_nothing(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.cors_origins = vec!["https://desk.example".to_owned()];
            settings.server.hosts = vec!["api.example:443".to_owned()];
        });
        for foreign in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:8001")],
            &[("origin", "http://desk.example")],
            &[("origin", "http://localhost:8000"), ("origin", "https://evil.example")],
            &[("origin", "http://evil.example:8000"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            for (method, path, body) in WRITE_PATHS {
                let said = api.send(request(method, path, foreign, body)).detail(403);
                assert!(said.contains("server.cors_origins"), "{method} {path}: {said}");
            }
            // A page may ask; without CORS it is not let see the answer.
            ask(&api, "/api/instruments/1", foreign).json(200);
        }
        assert_eq!(api.get("/api/instruments").json(200).as_array().unwrap().len(), 12);
        assert_eq!(api.get("/api/market-data/1").json(200)["ticks"], json!([]));
        for own in [
            &[][..],
            &[("origin", "http://localhost:8000")],
            &[("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://api.example")],
            &[("origin", "https://desk.example"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            api.send(request("DELETE", "/api/instruments/1", own, "")).json(200);
            api.send(request("POST", "/api/instruments/1/restore", own, "")).json(200);
        }
    }

    fn a_token_does_not_open_writes_to_foreign_pages_but_every_origin_does(db: &TestDatabase) {
        let writes = bearer(WRITES);
        let delete = |api: &Api| {
            let headers = [("origin", "https://evil.example"), ("authorization", &*writes)];
            api.send(request("DELETE", "/api/instruments/1", &headers, ""))
        };
        let api = Api::with(db, with_tokens);
        delete(&api).detail(403);
        drop(api);
        let open = Api::with(db, |settings| {
            with_tokens(settings);
            settings.server.cors_origins = vec!["*".to_owned()];
        });
        delete(&open).json(200);
    }

    fn reads_are_protected_by_any_token(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            with_tokens(settings);
            settings.server.protect_reads = true;
        });
        ask(&api, "/api/instruments", &[]).detail(401);
        for token in [WRITES, READS] {
            ask(&api, "/api/instruments", &[("authorization", &bearer(token))]).json(200);
        }
        let question = r#"{"symbols":["ES"]}"#;
        let reads = [("authorization", &*bearer(READS))];
        api.send(request("POST", "/api/historical-data/fetch", &reads, question)).json(200);
    }

    fn every_answer_tells_browsers_to_do_nothing_with_it(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            with_tokens(settings);
            settings.server.cors_origins = vec!["https://desk.example".to_owned()];
        });
        let foreign = [("origin", "https://evil.example")];
        let preflight = [
            ("origin", "https://desk.example"),
            ("access-control-request-method", "POST"),
        ];
        for (status, answer) in [
            (200, api.get("/livez")),
            (200, api.get("/api/instruments")),
            (200, api.get("/api/alerts/export")),
            (400, api.get("/ws/realtime")),
            (401, api.delete("/api/instruments/1")),
            (403, api.send(request("DELETE", "/api/instruments/1", &foreign, ""))),
            (404, api.get("/nowhere")),
            (405, api.delete("/livez")),
            (421, ask(&api, "/livez", &[("host", EVIL)])),
            (422, api.get("/api/instruments?limit=x")),
            (200, api.send(request("OPTIONS", "/api/instruments", &preflight, ""))),
        ] {
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{status}");
            assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{status}");
            let policy = answer.header("content-security-policy");
            assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"), "{status}");
            assert!(answer.header("x-request-id").is_some(), "{status}");
        }
        for path in ["/api/docs/", "/api/docs/swagger-ui-bundle.js"] {
            let page = api.get(path);
            assert_eq!(page.status, 200);
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        }
        // The page obeys its policy: it has no script of its own, and asks nobody else.
        let page = api.get("/api/docs/").text();
        assert!(!page.contains("<script>") && !page.contains("//unpkg"), "{page}");
        let start = api.get("/api/docs/swagger-initializer.js").text();
        assert!(start.contains(r#""validatorUrl": "none""#), "{start}");
    }

    fn a_long_text_is_not_sent_back_whole(db: &TestDatabase) {
        let api = Api::new(db);
        let long = "a".repeat(60_000);
        for (method, path) in [
            ("GET", format!("/{long}")),
            ("GET", format!("/api/instruments/{long}")),
            ("GET", format!("/api/instruments?limit={long}")),
            ("GET", format!("/api/instruments?{long}=1")),
        ] {
            let answer = api.send(request(method, &path, &[], ""));
            assert!([404, 422].contains(&answer.status.as_u16()), "{}", answer.status);
            assert!(answer.body.len() < 5_000, "{} bytes: {}..", answer.body.len(), &answer.text()[..300]);
        }
        let refused = ask(&api, "/livez", &[("host", &long)]);
        assert!(refused.detail(421).len() < 500, "{}", refused.body.len());
        let nothing = api.get(&format!("/{}", &long[..300])).detail(404);
        assert!(nothing.contains("/aaaa") && nothing.contains("..;"), "{nothing}");
    }
}

/// Answers of an API whose database is away.
fn answers_in_trouble(api: &Api) -> Vec<String> {
    let paths = [
        "/api/health",
        "/api/health/database",
        "/api/health/detailed",
        "/api/historical-data/health",
        "/api/instruments",
        "/readyz",
        "/metrics",
    ];
    let mut answers: Vec<String> = paths.iter().map(|path| api.get(path).text()).collect();
    for (method, path, body) in WRITE_PATHS {
        answers.push(api.send(request(method, path, &[], body)).text());
    }
    answers
}

#[track_caller]
fn tells_nothing(answers: &[String], private: &[&str]) {
    for answer in answers {
        for word in private {
            assert!(!answer.contains(word), "{word} is in {answer}");
        }
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_that_is_gone_is_told_without_its_path() {
    let db = TestDatabase::sqlite();
    let api = Api::new(&db);
    let directory = db.dir().unwrap();
    std::fs::rename(directory.join("test.db"), directory.join("aside.db")).unwrap();
    let health = api.until(|api| {
        let health = api.get("/api/health/database");
        (health.status == 503).then(|| health.text())
    });
    assert!(health.contains("(missing)"), "{health}");
    let said = api.get("/api/health/detailed").detail(503);
    assert!(said.contains("(missing)"), "{said}");
    let private = [directory.to_str().unwrap(), "test.db", "sqlite://"];
    tells_nothing(&answers_in_trouble(&api), &private);
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_that_is_down_is_told_without_its_address() {
    let mut server = crate::support::server::Server::start_durable();
    let db = TestDatabase::postgres_empty_on(&server);
    let port = server
        .url("x")
        .rsplit([':', '/'])
        .nth(1)
        .unwrap()
        .to_owned();
    let served = Served::new(&db);
    let mut client = served.client();
    let api = Api::new(&db);
    server.crash();
    let health = api.until(|api| {
        let health = api.get("/api/health/database");
        (health.status == 503).then(|| health.text())
    });
    assert!(health.contains("(unreachable)"), "{health}");
    let mut answers = answers_in_trouble(&api);
    answers.push(api.get("/api/instruments").detail(503));
    client.send(&json!({"messageType": "subscribe",
        "data": {"subscriptionType": "market_data", "instrumentId": 1}}));
    let error = client.data("error");
    assert_eq!(error["code"], "unavailable", "{error}");
    answers.push(error.to_string());
    let (port, name) = (format!("port {port}"), db.url().rsplit('/').next().unwrap());
    let private = [&*port, name, "127.0.0.1", "postgres://", "libpq", "FATAL"];
    tells_nothing(&answers, &private);
    server.start_again();
}
