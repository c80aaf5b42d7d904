//! The page at `/`: what a browser gets, and how. What it shows is tested in a browser.

use std::collections::BTreeSet;
use std::io::Read;

use axum::body::Body;
use axum::http::Request;
use flate2::read::GzDecoder;
use tickbase::config::Token;

use crate::api::client::{Answer, Api};
use crate::support::on_both;

fn ask(api: &Api, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Body::empty()).unwrap())
}

/// The files that a file of the page names: scripts, styles, modules.
fn named(path: &str, text: &str) -> Vec<String> {
    let quoted = text.split(['"', '\'']).skip(1).step_by(2);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let file = |name: &str| {
        let name = name.strip_prefix("page/").unwrap_or(name);
        let (mut folder, mut rest) = (folder, name);
        while let Some(up) = rest.strip_prefix("../") {
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
            rest = up;
        }
        let rest = rest.trim_start_matches("./");
        let is_relative = name.starts_with('.') && !folder.is_empty();
        if is_relative {
            format!("{folder}/{rest}")
        } else {
            rest.to_owned()
        }
    };
    let is_file = |name: &&str| {
        [".js", ".css", ".svg"]
            .iter()
            .any(|end| name.ends_with(end))
            && !name.contains(' ')
    };
    quoted.filter(is_file).map(file).collect()
}

on_both! {
    fn every_file_that_the_page_names_is_there(db: &TestDatabase) {
        let api = Api::new(db);
        let page = api.get("/");
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        let mut left = named("", &page.text());
        let mut seen = BTreeSet::new();
        while let Some(path) = left.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            let answer = api.get(&format!("/page/{path}"));
            assert_eq!(answer.status, 200, "{path}");
            let kind = answer.header("content-type").unwrap();
            let expected = match path.rsplit('.').next().unwrap() {
                "js" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                _ => "image/svg+xml",
            };
            assert_eq!(kind, expected, "{path}");
            if !path.starts_with("vendor/") {
                left.extend(named(&path, &answer.text()));
            }
        }
        for path in ["main.js", "page.css", "views/prices.js", "views/health.js", "vendor/lightweight-charts.js"] {
            assert!(seen.contains(path), "{path}: {seen:?}");
        }
        let other = api.get("/page/nothing.js").detail(404);
        assert!(other.contains("/page/nothing.js"), "{other}");
    }

    fn a_browser_takes_everything_from_this_server_and_nothing_twice(db: &TestDatabase) {
        let api = Api::new(db);
        for path in ["/", "/page/main.js", "/page/vendor/uplot.js"] {
            let plain = api.get(path);
            let policy = plain.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'self';"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(plain.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(plain.header("content-encoding"), None);

            let packed = ask(&api, "GET", path, &[("accept-encoding", "br, gzip")]);
            assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
            assert!(packed.body.len() < plain.body.len(), "{path}");
            let mut unpacked = Vec::new();
            GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, plain.body, "{path}");
            assert_eq!(packed.header("vary"), Some("accept-encoding"));

            let (one, other) = (plain.header("etag").unwrap(), packed.header("etag").unwrap());
            assert_ne!(one, other, "{path}");
            for tag in [one, other, "*", &format!("\"a\", W/{other}")] {
                let known = ask(&api, "GET", path, &[("if-none-match", tag)]);
                assert_eq!((known.status.as_u16(), known.body.len()), (304, 0), "{path} {tag}");
            }
            let changed = ask(&api, "GET", path, &[("if-none-match", "\"a\"")]);
            assert_eq!(changed.status, 200, "{path}");
            let head = ask(&api, "HEAD", path, &[]);
            let length = plain.body.len().to_string();
            assert_eq!((head.body.len(), head.header("content-length")), (0, Some(length.as_str())), "{path}");
        }
    }

    fn it_needs_no_token_and_is_no_other_hosts(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.token = Some(Token::new("0123456789abcdef0123456789abcdef").unwrap());
            settings.server.protect_reads = true;
        });
        assert_eq!(api.get("/").status, 200, "it asks for the token itself");
        assert_eq!(api.get("/page/main.js").status, 200);
        assert_eq!(api.get("/api/instruments").status, 401);
        let rebound = ask(&api, "GET", "/", &[("host", "evil.example")]);
        assert_eq!(rebound.status, 421);
    }
}
