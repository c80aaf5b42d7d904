//! Bodies, heads and connections that are to use up the memory or the places of a server: it stays
//! small, and others are served.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::serve::abuse::{Abused, TICK, head};
use crate::serve::wire::{Answer, Wire};
use crate::support::chaos::{report, scaled};
use crate::support::on_both;
use crate::support::process::PATIENCE;

const MIB: usize = 1 << 20;
const ASK: &str = "GET /api/instruments/1 HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

/// A request with a packed body.
fn post_packed(kind: &str, text: &[u8]) -> Vec<u8> {
    let body = packed(text);
    let mut request = format!(
        "POST /api/market-data HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n\
         content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// What clients that ask all at once were answered, and how long `/livez` took meanwhile at most.
fn all_at_once(abused: &Abused, requests: &[Vec<u8>]) -> (Vec<Answer>, Duration) {
    let mut wires: Vec<Wire> = requests.iter().map(|_| abused.wire()).collect();
    for (wire, request) in wires.iter_mut().zip(requests) {
        wire.send(request);
    }
    std::thread::scope(|scope| {
        let answers = scope.spawn(move || wires.iter_mut().map(Wire::answer).collect::<Vec<_>>());
        let mut slowest = Duration::ZERO;
        while !answers.is_finished() {
            let began = Instant::now();
            assert_eq!(abused.serving.get("/livez").0, 200);
            slowest = slowest.max(began.elapsed());
        }
        (answers.join().unwrap(), slowest)
    })
}

/// On a machine that runs other tests, too, each thread waits for its turn.
fn livez_max() -> Duration {
    scaled(Duration::from_secs(5), Duration::from_secs(1))
}

/// The process never held more than this, in MiB; returns what it held.
#[track_caller]
fn peak_mib(abused: &Abused, most: u64) -> u64 {
    let peak = abused.serving.peak_kib().unwrap_or(0) / 1_024;
    assert!(peak < most, "{peak} MiB, more than {most}");
    peak
}

/// Sends a body by halves, a byte now and then, until the server ends it or `until`.
fn trickle(mut stream: TcpStream, pause: Duration, until: Instant) -> String {
    stream.set_read_timeout(Some(pause)).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while Instant::now() < until {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // The server may have closed just now; the next read tells.
                let _ = stream.write_all(b" ");
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

on_both! {
    fn packed_bodies_of_many_clients_share_the_memory(db: &TestDatabase) {
        let (clients, body) = scaled((24, 4 * MIB), (100, 16 * MIB));
        // All of them together unpack to six times as much.
        let (body_max, memory) = (body.to_string(), (clients * body / 6).to_string());
        let settings = [("BODY_BYTES_MAX", &*body_max), ("BODY_MEMORY_BYTES_MAX", &*memory)];
        let abused = Abused::start(db, &settings);
        let request = post_packed("application/json", &vec![b' '; body]);
        assert!(request.len() < body / 500, "{}", request.len());
        let (answers, livez) = all_at_once(&abused, &vec![request; clients]);
        let blank = answers.iter().filter(|answer| answer.status == 422).count();
        // Memory, or the time of a request, was used up.
        let told = answers.iter().all(|answer| {
            answer.status == 422 || answer.status == 503 && answer.header("retry-after").is_some()
        });
        assert!(told && blank > 0, "{answers:?}");
        let most = scaled(120, 600);
        let peak = peak_mib(&abused, most);
        assert!(livez < livez_max(), "{livez:?}");
        abused.is_well();
        report(
            "packed bodies of blanks at once",
            format!("{clients} clients"),
            format!("{} MiB in {} kB each", body / MIB, request_kb(body)),
            format!("{blank} answered 422, the others 503; {peak} MiB at most, /livez within {livez:.0?}"),
        );
    }

    fn bad_rows_of_many_clients_share_the_memory(db: &TestDatabase) {
        let (clients, rows) = scaled((8, 20_000), (60, 99_999));
        let abused = Abused::start(db, &[]);
        let unknown = format!("symbol,timestamp,price\n{}", "X,1,1\n".repeat(rows));
        let requests = [
            post_packed("application/json", format!("[1{}]", ",1".repeat(rows - 1)).as_bytes()),
            post_packed("text/csv", unknown.as_bytes()),
        ];
        let all: Vec<Vec<u8>> = requests.iter().cycle().take(clients).cloned().collect();
        let (answers, livez) = all_at_once(&abused, &all);
        for answer in &answers {
            assert!([422, 503].contains(&answer.status), "{answer:?}");
            let more = format!("{} more rows", rows - 100);
            assert!(answer.status == 503 || answer.body.contains(&more), "{}", answer.body);
            assert!(answer.body.len() < 100_000, "{}", answer.body.len());
        }
        let refused = answers.iter().filter(|answer| answer.status == 422).count();
        assert!(refused > 0);
        let peak = peak_mib(&abused, scaled(150, 600));
        assert!(livez < livez_max(), "{livez:?}");
        report(
            "packed bodies of bad rows at once",
            format!("{clients} clients"),
            format!("{rows} bad rows in {} bytes each", requests[0].len()),
            format!("{refused} answered 422, the others 503; {peak} MiB at most, /livez within {livez:.0?}"),
        );
    }

    fn a_request_that_finds_no_memory_waits_and_is_told_when_to_come_again(db: &TestDatabase) {
        // Half of it has room for two bodies of the largest size, and their heads.
        let settings = [
            ("BODY_BYTES_MAX", "1048576"),
            ("BODY_MEMORY_BYTES_MAX", "4325376"),
            ("BODY_IDLE_TIMEOUT_SECONDS", "60"),
        ];
        let abused = Abused::start(db, &settings);
        let most = " ".repeat(MIB - TICK.len()) + TICK;
        let (start, end) = most.split_at(MIB - 1);
        let more = " ".repeat(600_000) + TICK;
        let ask = || {
            // One that is sent before the server has read both of them takes memory that they need.
            for pause in [200, 1_000, 5_000] {
                let mut half_sent = [abused.wire(), abused.wire()];
                half_sent.iter_mut().for_each(|wire| wire.send(head(MIB) + start));
                std::thread::sleep(Duration::from_millis(pause));
                let mut wire = abused.wire();
                let began = Instant::now();
                wire.send(head(more.len()) + &more);
                let answer = wire.answer();
                if answer.status == 503 {
                    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
                    return (answer, half_sent);
                }
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            panic!("it found memory beside two bodies of the largest size");
        };
        let (refused, mut half_sent) = ask();
        assert_eq!(refused.header("retry-after"), Some("1"), "{}", refused.head);
        assert!(refused.body.contains("body_memory_bytes_max"), "{}", refused.body);
        // Who needs no memory for a body is answered.
        assert_eq!(abused.serving.get("/api/instruments/1").0, 200);
        for wire in &mut half_sent {
            wire.send(end);
            wire.answer().expect(200);
        }
        let mut again = abused.wire();
        again.send(head(more.len()) + &more);
        again.answer().expect(200);
    }

    fn clients_that_trickle_their_bodies_keep_nobody_out(db: &TestDatabase) {
        let (clients, pause) = scaled((40, 300), (300, 5_000));
        let pause = Duration::from_millis(pause);
        let settings = scaled(
            vec![("CONCURRENCY_MAX", "8"), ("BODY_IDLE_TIMEOUT_SECONDS", "2")],
            vec![],
        );
        let abused = Abused::start(db, &settings);
        let import = "POST /api/import?symbol=ES HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
            content-length: 1000000\r\n\r\ntimestamp,price\r\n";
        let until = Instant::now() + PATIENCE;
        let trickling: Vec<_> = (0..clients)
            .map(|n| {
                let mut stream = TcpStream::connect(abused.serving.address()).unwrap();
                let request = if n % 4 == 0 { import.to_owned() } else { head(1_000_000) + "[" };
                stream.write_all(request.as_bytes()).unwrap();
                std::thread::spawn(move || trickle(stream, pause, until))
            })
            .collect();
        abused.until_active(clients);
        let mut answered = 0;
        while trickling.iter().any(|client| !client.is_finished()) {
            let mut wire = abused.wire();
            wire.send(ASK);
            wire.answer().expect(200);
            let mut writer = abused.wire();
            writer.send(head(TICK.len()) + TICK);
            writer.answer().expect(200);
            answered += 2;
        }
        for client in trickling {
            let answer = client.join().unwrap();
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
            assert!(answer.contains("body_idle_timeout_seconds"), "{answer}");
        }
        abused.is_well();
        report(
            "trickled bodies",
            format!("{answered} requests of others"),
            format!("{clients} clients that send a byte every {pause:?}"),
            format!("{answered} answered, all {clients} cut off with 408"),
        );
    }

    fn heads_that_are_too_large_are_refused_before_they_are_kept(db: &TestDatabase) {
        let clients = scaled(200, 3_000);
        let abused = Abused::start(db, &[("HEADER_TIMEOUT_SECONDS", "60")]);
        let before = abused.serving.peak_kib().unwrap_or(0) / 1_024;
        let request = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx-large: {}", "a".repeat(390_000));
        let mut wires: Vec<Wire> = (0..clients).map(|_| abused.wire()).collect();
        for wire in &mut wires {
            // The server may refuse before all of it is sent.
            let _ = wire.try_send(&request);
        }
        let peak = peak_mib(&abused, scaled(before + 40, 300));
        for wire in &mut wires {
            wire.say_no_more();
            let said = wire.rest();
            assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 431 "), "{}", said.escape_ascii());
        }
        // What no browser sends, and what every server takes.
        let mut wire = abused.wire();
        wire.send(format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(30_000)));
        wire.answer().expect(200);
        let mut wire = abused.wire();
        let _ = wire.try_send(format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(65_536)));
        wire.answer().expect(431);
        abused.is_well();
        report(
            "heads of 390 kB",
            format!("{clients} connections at once"),
            "heads that do not end",
            format!("all refused; {peak} MiB at most"),
        );
    }

    fn connections_beyond_the_limit_wait_for_one_that_ends(db: &TestDatabase) {
        let settings = [("CONNECTIONS_MAX", "4"), ("HEADER_TIMEOUT_SECONDS", "3")];
        let abused = Abused::start(db, &settings);
        // The pool of the client that started it keeps one.
        let silent: Vec<Wire> = (0..4).map(|_| abused.wire()).collect();
        let began = Instant::now();
        let mut waiting = abused.wire();
        waiting.send(ASK);
        waiting.answer().expect(200);
        let waited = began.elapsed();
        assert!(waited > Duration::from_secs(1), "it was let in after {waited:?}");
        drop(silent);
        abused.is_well();
    }

    fn a_client_of_http2_that_asks_nothing_more_loses_its_connection(db: &TestDatabase) {
        let abused = Abused::start(db, &[("HEADER_TIMEOUT_SECONDS", "1")]);
        let mut wire = abused.wire();
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        // Settings, none of them changed; then a request by entries of the static table.
        wire.send([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        let head = b"\x82\x86\x04\x06/livez\x41\x09localhost";
        let mut frame = vec![0, 0, u8::try_from(head.len()).unwrap(), 1, 5, 0, 0, 0, 1];
        frame.extend(head);
        wire.send(frame);
        let came = wire.rest();
        let answered = came.windows(3).any(|three| three == b"ok\n");
        assert!(answered, "{}", came.escape_ascii());
        abused.is_well();
    }
}

fn request_kb(body: usize) -> usize {
    packed(&vec![b' '; body]).len() / 1_000
}
