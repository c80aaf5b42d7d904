//! Strangers on the wire: hosts and origins in every form that HTTP has for them, and what answers
//! and the log say of paths, of addresses and of the database.

use std::process::Command;

use crate::serve::wire::{Answer, Wire};
use crate::support::process::Serving;
use crate::support::{TestDatabase, eventually};

fn sqlite() -> (TestDatabase, Serving) {
    let db = TestDatabase::sqlite();
    let serving = Serving::start(&db, &[], &[]);
    (db, serving)
}

/// The answer to a head without a body, by a connection of its own.
fn answer(serving: &Serving, head: &str) -> Answer {
    let mut wire = Wire::to(serving);
    wire.send(format!("{head}\r\n\r\n"));
    wire.answer()
}

#[cfg(feature = "sqlite")]
#[test]
fn a_foreign_host_is_refused_in_whichever_form_it_comes() {
    let (_db, serving) = sqlite();
    for (head, status) in [
        // Only browsers are led here by a name, and they send it.
        ("GET /livez HTTP/1.0", 200),
        ("GET /livez HTTP/1.1", 200),
        ("GET /livez HTTP/1.1\r\nhost: localhost", 200),
        ("GET /livez HTTP/1.1\r\nHOST: LOCALHOST.:1", 200),
        ("GET /livez HTTP/1.1\r\nhost: 127.0.0.1", 200),
        ("GET /livez HTTP/1.1\r\nhost: [::ffff:127.0.0.1]:80", 200),
        ("GET /livez HTTP/1.1\r\nhost: [::1]", 421),
        ("GET /livez HTTP/1.0\r\nhost: evil.example", 421),
        ("GET /livez HTTP/1.1\r\nhost: evil.example", 421),
        (
            "GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.example",
            421,
        ),
        (
            "GET http://evil.example/livez HTTP/1.1\r\nhost: localhost",
            421,
        ),
        (
            "GET http://localhost/livez HTTP/1.1\r\nhost: evil.example",
            421,
        ),
        (
            "GET http://localhost:9/livez HTTP/1.1\r\nhost: localhost",
            200,
        ),
        ("HEAD /livez HTTP/1.1\r\nhost: evil.example", 421),
        (
            "OPTIONS /api/instruments HTTP/1.1\r\nhost: evil.example",
            421,
        ),
        (
            "DELETE /api/instruments/1 HTTP/1.1\r\nhost: evil.example",
            421,
        ),
        (
            "GET /ws/realtime HTTP/1.1\r\nhost: evil.example\r\nupgrade: websocket\r\n\
             connection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\norigin: http://evil.example",
            421,
        ),
    ] {
        let mut wire = Wire::to(&serving);
        wire.send(format!("{head}\r\n\r\n"));
        let mut line = wire.first_line();
        line.truncate(12);
        assert_eq!(line.split_off(9), status.to_string(), "{head}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_foreign_host_is_refused_over_http_2() {
    let (_db, serving) = sqlite();
    let port = serving.address().rsplit(':').next().unwrap();
    for (host, status) in [("evil.example", "421 2"), ("localhost", "200 2")] {
        let done = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "30",
                "--output",
                "/dev/null",
            ])
            .args([
                "--http2-prior-knowledge",
                "--write-out",
                "%{http_code} %{http_version}",
            ])
            .args(["--connect-to", &format!("{host}:{port}:127.0.0.1:{port}")])
            .arg(format!("http://{host}:{port}/api/instruments"))
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        assert_eq!(said, status, "{}", String::from_utf8_lossy(&done.stderr));
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_foreign_page_restores_nothing_though_that_needs_no_body() {
    let (_db, serving) = sqlite();
    let own = format!("http://{}", serving.address());
    let delete = "DELETE /api/instruments/1 HTTP/1.1\r\nhost: localhost";
    answer(&serving, delete).expect(200);
    let restore = |origin: &str| {
        let head =
            "POST /api/instruments/1/restore HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0";
        answer(&serving, &format!("{head}\r\n{origin}"))
    };
    for foreign in [
        "origin: https://evil.example",
        "origin: http://localhost:1",
        "sec-fetch-site: cross-site",
    ] {
        restore(foreign).expect(403);
    }
    let find = "GET /api/instruments/1 HTTP/1.1\r\nhost: localhost";
    answer(&serving, find).expect(404);
    restore(&format!("origin: {own}")).expect(200);
    answer(&serving, find).expect(200);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_foreign_host_is_refused_before_its_body_is_taken() {
    let (_db, serving) = sqlite();
    let head = "POST /api/import?symbol=ES HTTP/1.1\r\nhost: evil.example\r\n\
                content-type: text/csv\r\ncontent-length: 1000000000";
    answer(&serving, head).expect(421);
}

#[cfg(feature = "sqlite")]
#[test]
fn the_log_has_what_answers_do_not_say_and_no_path_that_is_long() {
    let (db, serving) = sqlite();
    let directory = db.dir().unwrap();
    let long = "a".repeat(30_000);
    let nothing = answer(
        &serving,
        &format!("GET /{long} HTTP/1.1\r\nhost: localhost"),
    )
    .expect(404);
    assert!(nothing.body.len() < 1_000, "{}", nothing.body);
    std::fs::rename(directory.join("test.db"), directory.join("aside.db")).unwrap();
    let ask = "GET /api/health/database HTTP/1.1\r\nhost: localhost\r\nx-request-id: probe-7";
    eventually("the file is missed", || answer(&serving, ask).status == 503);
    let told = answer(&serving, ask);
    let path = directory.join("test.db");
    assert!(told.body.contains("(missing)"), "{}", told.body);
    assert!(!told.body.contains("test.db"), "{}", told.body);
    let ended = serving.stop();
    let both = |line: &&str| line.contains("probe-7") && line.contains(path.to_str().unwrap());
    assert!(ended.log.lines().any(|line| both(&line)), "{}", ended.log);
    let longest = ended.log.lines().map(str::len).max();
    assert!(longest < Some(2_000), "a line of {longest:?} bytes");
    assert!(ended.log.contains("path=\"/aaaa"), "{}", ended.log);
}

#[cfg(feature = "postgres")]
#[test]
fn the_log_has_the_words_of_a_server_that_is_down_and_answers_do_not() {
    let mut server = crate::support::server::Server::start();
    let db = TestDatabase::postgres_empty_on(&server);
    let serving = Serving::start(&db, &[], &[]);
    server.crash();
    let ask = "GET /api/instruments HTTP/1.1\r\nhost: localhost\r\nx-request-id: read-7";
    eventually("the server is missed", || {
        answer(&serving, ask).status == 503
    });
    let port = server
        .url("x")
        .rsplit([':', '/'])
        .nth(1)
        .unwrap()
        .to_owned();
    let told = answer(&serving, ask).expect(503);
    for private in [&*port, "127.0.0.1", "postgres", "refused"] {
        assert!(!told.body.contains(private), "{}", told.body);
    }
    let ended = serving.stop();
    let both = |line: &&str| line.contains("read-7") && line.contains("request failed");
    let line = ended
        .log
        .lines()
        .find(both)
        .unwrap_or_else(|| panic!("{}", ended.log));
    assert!(line.contains("error="), "{line}");
}
