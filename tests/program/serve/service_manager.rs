//! What systemd is told, by its protocol: datagrams to the socket that `NOTIFY_SOCKET` names.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::support::TestDatabase;
use crate::support::process::{PATIENCE, Serving};

/// Reads what is told until all of these lines have come; each datagram has some lines.
fn until_told(socket: &UnixDatagram, lines: &[&str]) -> String {
    let (mut told, deadline) = (String::new(), Instant::now() + PATIENCE);
    let mut datagram = [0; 4_096];
    while lines
        .iter()
        .any(|line| !told.lines().any(|one| one == *line))
    {
        assert!(
            Instant::now() < deadline,
            "{lines:?} have not come, but:\n{told}"
        );
        if let Ok(length) = socket.recv(&mut datagram) {
            told.push_str(std::str::from_utf8(&datagram[..length]).unwrap());
            told.push('\n');
        }
    }
    told
}

#[test]
fn the_service_manager_is_told_of_the_start_the_life_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let db = TestDatabase::sqlite();
    let settings = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "200000"),
    ];
    let serving = Serving::start(&db, &[], &settings);
    let status = format!("STATUS=listening on {}", serving.base());
    until_told(&socket, &["READY=1", &status]);
    for _ in 0..2 {
        until_told(&socket, &["WATCHDOG=1"]);
    }
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    until_told(&socket, &["STOPPING=1"]);
}

#[test]
fn without_a_watchdog_no_life_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let db = TestDatabase::sqlite();
    let serving = Serving::start(&db, &[], &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(serving.stop().code, Some(0));
    let told = until_told(&socket, &["READY=1", "STOPPING=1"]);
    assert!(!told.contains("WATCHDOG"), "{told}");
}
