//! Clients that send what no client should, too slowly, too much or at the wrong time: each is
//! answered or cut off, and the others are served all the while.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::serve::wire::Wire;
use crate::support::on_both;
use crate::support::process::{PATIENCE, Serving};

/// What a server may hold in the end beyond what it held in the beginning. Page caches of its
/// connections are part of it.
const GROWTH_KIB_MAX: u64 = 256 * 1_024;
pub(crate) const TICK: &str =
    r#"[{"symbol":"ES","timestamp":"2013-09-03T10:00:00Z","price":1640.25}]"#;

/// A server that must be as well after a test as before.
pub(crate) struct Abused {
    pub(crate) serving: Serving,
    before_kib: Option<u64>,
}

impl Abused {
    pub(crate) fn start(db: &crate::support::TestDatabase, settings: &[(&str, &str)]) -> Self {
        let named: Vec<(String, &str)> = settings
            .iter()
            .map(|(name, value)| (format!("TICKBASE_SERVER_{name}"), *value))
            .collect();
        let variables: Vec<(&str, &str)> = named
            .iter()
            .map(|(name, value)| (&**name, *value))
            .collect();
        let serving = Serving::start(db, &[], &variables);
        assert_eq!(serving.get("/livez").0, 200);
        let before_kib = serving.resident_kib();
        Self {
            serving,
            before_kib,
        }
    }

    pub(crate) fn wire(&self) -> Wire {
        Wire::to(&self.serving)
    }

    /// It still answers, and has not grown without bound.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        assert_eq!(self.serving.get("/livez"), (200, "ok\n".to_owned()));
        if let (Some(before), Some(now)) = (self.before_kib, self.serving.resident_kib()) {
            assert!(
                now < before + GROWTH_KIB_MAX,
                "{before} KiB before, {now} KiB now"
            );
        }
    }

    /// Waits until so many requests are worked on beside the one that asks.
    pub(crate) fn until_active(&self, count: u32) {
        let deadline = Instant::now() + PATIENCE;
        let line = format!("\nhttp_server_active_requests {}\n", count + 1);
        while !self.serving.get("/metrics").1.contains(&line) {
            assert!(Instant::now() < deadline, "never {count} requests at once");
        }
    }
}

pub(crate) fn head(length: impl std::fmt::Display) -> String {
    format!(
        "POST /api/market-data HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    )
}

const CHUNKED: &str = "POST /api/market-data HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

on_both! {
    fn a_head_that_takes_too_long_is_cut_off(db: &TestDatabase) {
        let abused = Abused::start(db, &[("HEADER_TIMEOUT_SECONDS", "1")]);
        assert!(abused.wire().rest().is_empty(), "who says nothing is told nothing");
        let mut first = abused.wire();
        first.send("GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
        assert!(first.drip(b'a') > 0);
        // The same in a connection that has been answered before.
        let mut second = abused.wire();
        second.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
        second.answer().expect(200);
        second.send("GET /livez HTTP/1.1\r\nx-slow: ");
        assert!(second.drip(b'a') > 0);
        abused.is_well();
    }

    fn a_body_that_does_not_come_is_answered_and_its_connection_ended(db: &TestDatabase) {
        let abused = Abused::start(db, &[("REQUEST_TIMEOUT_SECONDS", "1")]);
        for start in [head(500) + "[", format!("{CHUNKED}1\r\n[\r\n"), head(2)] {
            let mut wire = abused.wire();
            wire.send(start);
            let answer = wire.answer().expect(408);
            assert!(answer.body.contains("request_timeout_seconds"), "{}", answer.body);
            assert!(answer.header("x-request-id").is_some(), "{}", answer.head);
            assert!(wire.rest().is_empty());
        }
        // Nor does it help to send a byte now and then.
        let mut wire = abused.wire();
        wire.send(head(1_000_000));
        assert!(wire.drip(b' ') > 0);
        abused.is_well();
    }

    fn a_client_that_never_reads_is_cut_off(db: &TestDatabase) {
        let abused = Abused::start(db, &[("REQUEST_TIMEOUT_SECONDS", "1")]);
        // More answers than any socket's buffers hold, and more requests than the server's own, so
        // that closing on those it has not read breaks the connection for the client to see.
        let request = "GET /api/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(22_000);
        let mut deaf: Vec<Wire> = (0..4).map(|_| abused.wire()).collect();
        for wire in &mut deaf {
            wire.send(&request);
        }
        let deadline = Instant::now() + PATIENCE;
        while !deaf.is_empty() {
            assert!(Instant::now() < deadline, "a connection that takes nothing stays open");
            abused.is_well();
            deaf.retain(|wire| !wire.is_broken());
        }
    }

    fn what_is_no_http_ends_its_connection(db: &TestDatabase) {
        let abused = Abused::start(db, &[]);
        let bad_chunk = format!("{CHUNKED}zz\r\n[\r\n");
        let cut_chunk = format!("{CHUNKED}5\r\n[");
        let lengths = head("2\r\ncontent-length: 3");
        let smuggled = head("2\r\ntransfer-encoding: gzip, identity");
        let texts: [&[u8]; 12] = [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\0\0\0\0\r\n\r\n",
            b"\xff\xfe\xfd\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n no frames, surely no frames at all",
            bad_chunk.as_bytes(),
            cut_chunk.as_bytes(),
            lengths.as_bytes(),
            smuggled.as_bytes(),
        ];
        for text in texts {
            let mut wire = abused.wire();
            wire.send(text);
            wire.say_no_more();
            let said = wire.rest();
            let refused = said.is_empty() || said.starts_with(b"HTTP/1.1 4") || text.starts_with(b"PRI");
            assert!(refused, "{} to {}", said.escape_ascii(), text.escape_ascii());
        }
        abused.is_well();
    }

    fn a_head_that_is_too_large_is_refused(db: &TestDatabase) {
        let abused = Abused::start(db, &[]);
        let one = format!("x-large: {}\r\n", "a".repeat(1 << 20));
        let many: String = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect();
        for headers in [one, many] {
            let mut wire = abused.wire();
            let request = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
            // The server may refuse before all of it is sent.
            let _ = wire.try_send(request);
            wire.answer().expect(431);
        }
        abused.is_well();
    }

    fn more_requests_than_places_are_refused_and_none_hangs(db: &TestDatabase) {
        let abused = Abused::start(db, &[("CONCURRENCY_MAX", "8"), ("HEADER_TIMEOUT_SECONDS", "60")]);
        let locked = db.lock_writes();
        let mut working: Vec<Wire> = (0..8).map(|_| abused.wire()).collect();
        for wire in &mut working {
            wire.send(head(TICK.len()) + TICK);
        }
        abused.until_active(8);
        let ask = "GET /api/instruments/1 HTTP/1.1\r\nhost: localhost\r\n\r\n";
        // One that is active may not have its place yet.
        while abused.serving.get("/api/instruments/1").0 != 503 {}
        let mut surplus: Vec<Wire> = (0..292).map(|_| abused.wire()).collect();
        for wire in &mut surplus {
            wire.send(ask);
        }
        for wire in &mut surplus {
            let answer = wire.answer().expect(503);
            assert_eq!(answer.header("retry-after"), Some("1"), "{}", answer.head);
            assert!(answer.body.contains("concurrency_max"), "{}", answer.body);
        }
        drop(locked);
        for wire in &mut working {
            wire.answer().expect(200);
        }
        // Who was refused may ask again by the same connection; all at once, each is answered.
        for wire in &mut surplus {
            wire.send(ask);
        }
        let mut answered = 0;
        for wire in &mut surplus {
            let answer = wire.answer();
            answered += u32::from(answer.status == 200);
            assert!([200, 503].contains(&answer.status), "{}", answer.head);
        }
        assert!(answered >= 8, "{answered} of 292");
        abused.is_well();
    }

    fn requests_that_do_not_wait_are_answered_in_order(db: &TestDatabase) {
        let abused = Abused::start(db, &[]);
        let mut wire = abused.wire();
        let paths = ["/livez", "/api/instruments/1", "/nowhere", "/api/market-data/latest"];
        let requests = (0..40).map(|n| {
            format!("GET {} HTTP/1.1\r\nhost: localhost\r\nx-request-id: p-{n}\r\n\r\n", paths[n % 4])
        });
        wire.send(requests.collect::<String>());
        for n in 0..40 {
            let answer = wire.answer().expect([200, 200, 404, 200][n % 4]);
            assert_eq!(answer.header("x-request-id"), Some(&*format!("p-{n}")));
        }
        abused.is_well();
    }

    fn a_client_that_asks_first_is_told_to_go_on_or_not(db: &TestDatabase) {
        let abused = Abused::start(db, &[("BODY_BYTES_MAX", "65536")]);
        let asking = |length: usize| head(format_args!("{length}\r\nexpect: 100-continue"));
        let mut wire = abused.wire();
        wire.send(asking(TICK.len()));
        wire.answer().expect(100);
        wire.send(TICK);
        wire.answer().expect(200);
        let mut large = abused.wire();
        large.send(asking(1 << 30));
        let refused = large.answer().expect(413);
        assert!(refused.body.contains("body_bytes_max"), "{}", refused.body);
        abused.is_well();
    }

    fn a_body_over_the_limit_is_refused_however_it_is_sent(db: &TestDatabase) {
        let abused = Abused::start(db, &[("BODY_BYTES_MAX", "65536")]);
        const BYTES: usize = 4 << 20;
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        let chunked = format!("{CHUNKED}{}0\r\n\r\n", chunk.repeat(BYTES / 0x10000));
        let plain = head(BYTES) + &" ".repeat(BYTES);
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![b' '; 1 << 20];
        for _ in 0..48 {
            packer.write_all(&zeros).unwrap();
        }
        let bomb = packer.finish().unwrap();
        assert!(bomb.len() < 65_536, "the packed body alone is within the limit");
        let mut packed = head(format_args!("{}\r\ncontent-encoding: gzip", bomb.len())).into_bytes();
        packed.extend(bomb);
        for request in [chunked.into_bytes(), plain.into_bytes(), packed] {
            let mut wire = abused.wire();
            // All of it is sent before the answer is looked at, which must not be lost.
            wire.send(request);
            let answer = wire.answer().expect(413);
            assert!(answer.body.contains("body_bytes_max"), "{}", answer.body);
        }
        abused.is_well();
    }

    fn a_request_that_hangs_is_cut_at_the_deadline_of_the_shutdown(db: &TestDatabase) {
        let mut abused = Abused::start(db, &[("SHUTDOWN_DEADLINE_SECONDS", "1")]);
        let mut hanging = abused.wire();
        hanging.send(head(100));
        abused.until_active(1);
        let began = Instant::now();
        abused.serving.terminate();
        let ended = abused.serving.wait();
        // Far less than the 60 s after which the request would end by itself.
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("the deadline has passed"), "{}", ended.log);
        assert!(hanging.rest().is_empty());
    }

    fn a_second_signal_ends_at_once(db: &TestDatabase) {
        let hours = [("SHUTDOWN_DEADLINE_SECONDS", "3600"), ("REQUEST_TIMEOUT_SECONDS", "3600")];
        let mut abused = Abused::start(db, &hours);
        let mut hanging = abused.wire();
        hanging.send(head(100));
        abused.until_active(1);
        abused.serving.terminate();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(abused.serving.address()).is_ok() {
            assert!(Instant::now() < deadline, "it takes connections after the signal");
        }
        abused.serving.terminate();
        let ended = abused.serving.wait();
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        assert!(ended.log.contains("ended at once"), "{}", ended.log);
    }
}
