//! What systemd is told, by its protocol: datagrams to the socket that `NOTIFY_SOCKET` names.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::support::TestDatabase;
use crate::support::process::{PATIENCE, Serving};

/// Stands in for the service manager: the socket, the folder that it lies in, and the database of
/// the server.
struct ServiceManager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
    db: TestDatabase,
}

impl ServiceManager {
    fn listen() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let patience = Some(Duration::from_millis(100));
        socket.set_read_timeout(patience).unwrap();
        Self {
            socket,
            folder,
            db: TestDatabase::sqlite(),
        }
    }

    /// Starts a server that tells it, with more variables.
    fn start(&self, more: &[(&str, &str)]) -> Serving {
        let path = self.folder.path().join("notify");
        let mut variables = vec![("NOTIFY_SOCKET", path.to_str().unwrap())];
        variables.extend(more);
        Serving::start(&self.db, &[], &variables)
    }

    /// Reads what is told until all of these lines have come; each datagram has some lines.
    fn until_told(&self, lines: &[&str]) -> String {
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
            if let Ok(length) = self.socket.recv(&mut datagram) {
                told.push_str(std::str::from_utf8(&datagram[..length]).unwrap());
                told.push('\n');
            }
        }
        told
    }
}

#[test]
fn the_service_manager_is_told_of_the_start_the_life_and_the_end() {
    let manager = ServiceManager::listen();
    let serving = manager.start(&[("WATCHDOG_USEC", "200000")]);
    let status = format!("STATUS=listening on {}", serving.base());
    manager.until_told(&["READY=1", &status]);
    for _ in 0..2 {
        manager.until_told(&["WATCHDOG=1"]);
    }
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    manager.until_told(&["STOPPING=1"]);
}

#[test]
fn without_a_watchdog_no_life_is_told() {
    let manager = ServiceManager::listen();
    let serving = manager.start(&[]);
    assert_eq!(serving.stop().code, Some(0));
    let told = manager.until_told(&["READY=1", "STOPPING=1"]);
    assert!(!told.contains("WATCHDOG"), "{told}");
}
