//! Tokens of an operator: from a file, from the environment and from a directory, read again at a
//! SIGHUP while requests go on.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::market_data::{MarketDataRepository, TickRange};

use crate::serve::wire::Wire;
use crate::support::chaos::{report, scaled};
use crate::support::process::Serving;
use crate::support::{TestDatabase, eventually, on_both};

const OF_ENVIRONMENT: &str = "environment-token-0123";
const OF_FILE: &str = "file-token-0123456789";
const OF_DIRECTORY: &str = "directory-token-0123456";
const LATER: &str = "later-token-0123456789";
pub(super) const READ_AGAIN: &str = "tokens were read again";
const NOT_READ: &str = "the tokens of before stay";

/// Reloads of the test under load.
const RELOADS: (usize, usize) = (6, 1_000);
const CLIENTS: u64 = 4;
const TICKS_A_REQUEST: u64 = 20;

/// Settings of an operator in a directory of their own.
pub(super) struct Operator(tempfile::TempDir);

impl Operator {
    pub(super) fn new() -> Self {
        let operator = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(operator.tokens()).unwrap();
        operator
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("tickbase.toml")
    }

    fn tokens(&self) -> std::path::PathBuf {
        self.0.path().join("tokens")
    }

    pub(super) fn write_settings(&self, token: &str) {
        let directory = self.tokens();
        let text = format!(
            "[server]\nprotect_reads = true\ntokens_dir = {directory:?}\n\
             [[server.tokens]]\nname = 'desk'\nrights = 'write'\ntoken = '{token}'\n"
        );
        std::fs::write(self.file(), text).unwrap();
    }

    pub(super) fn put(&self, name: &str, token: &str) {
        std::fs::write(self.tokens().join(name), format!("{token}\n")).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        std::fs::remove_file(self.tokens().join(name)).unwrap();
    }

    pub(super) fn serve(&self, db: &TestDatabase, log_level: &str) -> Serving {
        let file = self.file();
        let arguments = ["--config", path(&file), "--log-level", log_level];
        Serving::start(db, &arguments, &[("TICKBASE_SERVER_TOKEN", OF_ENVIRONMENT)])
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The statuses of a read and of a write, which finds nothing to delete, with a token.
pub(super) fn allowed(serving: &Serving, token: &str) -> (u16, u16) {
    let mut wire = Wire::to(serving);
    let mut status = |method: &str, path: &str| {
        wire.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        ));
        wire.answer().status
    };
    (
        status("GET", "/api/instruments/1"),
        status("DELETE", "/api/instruments/999"),
    )
}

const WRITES: (u16, u16) = (200, 404);
pub(super) const READS: (u16, u16) = (200, 403);
pub(super) const NOTHING: (u16, u16) = (401, 401);

/// Sends a SIGHUP and waits until the log has one more line with this text.
pub(super) fn hang_up(serving: &Serving, text: &str) {
    let before = serving.logged(text);
    serving.hang_up();
    eventually(text, || serving.logged(text) > before);
}

on_both! {
    fn tokens_of_all_places_have_their_rights_and_are_read_again_at_a_signal(db: &TestDatabase) {
        let operator = Operator::new();
        operator.write_settings(OF_FILE);
        operator.put("grafana.read", OF_DIRECTORY);
        let serving = operator.serve(db, "info");
        assert_eq!(allowed(&serving, OF_ENVIRONMENT), WRITES);
        assert_eq!(allowed(&serving, OF_FILE), WRITES);
        assert_eq!(allowed(&serving, OF_DIRECTORY), READS);
        assert_eq!(allowed(&serving, LATER), NOTHING);

        // Another secret for desk, and for grafana another name and other rights.
        operator.write_settings(LATER);
        std::fs::rename(operator.tokens().join("grafana.read"), operator.tokens().join("new.write")).unwrap();
        hang_up(&serving, READ_AGAIN);
        assert_eq!(allowed(&serving, OF_ENVIRONMENT), WRITES);
        assert_eq!(allowed(&serving, OF_FILE), NOTHING);
        assert_eq!(allowed(&serving, LATER), WRITES);
        assert_eq!(allowed(&serving, OF_DIRECTORY), WRITES);

        let ended = serving.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let line = ended.log.lines().find(|line| line.contains(READ_AGAIN)).unwrap();
        for said in ["added=\"new\"", "changed=\"desk\"", "removed=\"grafana\"", "next start"] {
            assert!(line.contains(said), "{line}");
        }
        for name in ["default", "desk", "grafana", "new"] {
            let by = format!("token_name=\"{name}\"");
            assert!(ended.log.contains(&by), "{name}: {}", ended.log);
        }
        for token in [OF_ENVIRONMENT, OF_FILE, OF_DIRECTORY, LATER] {
            assert!(!ended.log.contains(token), "{}", ended.log);
        }
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn tokens_that_cannot_be_read_leave_those_of_before() {
    let db = TestDatabase::sqlite();
    let operator = Operator::new();
    operator.write_settings(OF_FILE);
    operator.put("grafana.read", OF_DIRECTORY);
    let serving = operator.serve(&db, "info");
    let still_the_same = || {
        assert_eq!(allowed(&serving, OF_FILE), WRITES);
        assert_eq!(allowed(&serving, OF_DIRECTORY), READS);
        assert_eq!(allowed(&serving, LATER), NOTHING);
    };
    operator.put("short.write", "short");
    hang_up(&serving, NOT_READ);
    still_the_same();
    operator.put("short.write", LATER);
    std::fs::write(operator.file(), "[server").unwrap();
    hang_up(&serving, NOT_READ);
    still_the_same();
    operator.write_settings(OF_FILE);
    let (tokens, aside) = (operator.tokens(), operator.0.path().join("aside"));
    std::fs::rename(&tokens, &aside).unwrap();
    hang_up(&serving, NOT_READ);
    still_the_same();
    std::fs::rename(&aside, &tokens).unwrap();
    hang_up(&serving, READ_AGAIN);
    assert_eq!(allowed(&serving, LATER), WRITES);
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_server_without_tokens_goes_on_after_a_hangup() {
    let db = TestDatabase::sqlite();
    let serving = Serving::start(&db, &[], &[]);
    hang_up(&serving, READ_AGAIN);
    assert_eq!(serving.get("/livez").0, 200);
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("draining"), "{}", ended.log);
}

/// Writes batches of its own until it is told to end; how many ticks were acknowledged.
fn write(serving: &Serving, client: u64, ends: &AtomicBool, acknowledged: &AtomicU64) {
    let mut wire = Wire::to(serving);
    for number in 0_u64.. {
        if ends.load(Ordering::SeqCst) {
            return;
        }
        let tick = |n: u64| {
            json!({"symbol": "ES", "timestamp": 1_378_202_400_000_000_u64 + number,
                "sequence": client * 1_000 + n, "price": 1640})
        };
        let body = Value::Array((0..TICKS_A_REQUEST).map(tick).collect()).to_string();
        wire.send(format!(
            "POST /api/market-data HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             authorization: Bearer {OF_ENVIRONMENT}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        let answer = wire.answer().expect(200);
        let report: Value = serde_json::from_str(&answer.body).unwrap();
        let inserted = report["inserted"].as_u64().unwrap();
        acknowledged.fetch_add(inserted, Ordering::SeqCst);
    }
}

on_both! {
    fn tokens_change_under_load_and_nobody_else_is_refused(db: &TestDatabase) {
        let operator = Operator::new();
        operator.write_settings(OF_FILE);
        operator.put("grafana.read", OF_DIRECTORY);
        // Without a line for each request: the log is looked through again and again.
        let serving = operator.serve(db, "info,tickbase::access=off");
        let reloads = scaled(RELOADS.0, RELOADS.1);
        let (ends, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (serving, ends, acknowledged) = (&serving, &ends, &acknowledged);
                scope.spawn(move || write(serving, client, ends, acknowledged));
            }
            let mut token = OF_FILE.to_owned();
            for number in 0..reloads {
                let next = format!("desk-token-of-round-{number}");
                operator.write_settings(&next);
                hang_up(&serving, READ_AGAIN);
                // From here on the one is right and the other wrong, whoever asks.
                assert_eq!((allowed(&serving, &next), allowed(&serving, &token)), (WRITES, NOTHING));
                token = next;
            }
            ends.store(true, Ordering::SeqCst);
        });
        let ended = serving.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let stored = MarketDataRepository::new(&database).count(&TickRange::all(1)).unwrap();
        let acknowledged = acknowledged.into_inner();
        assert_eq!(u64::try_from(stored).unwrap(), acknowledged);
        assert!(acknowledged > 0);
        let backend = db.backend();
        report(
            format!("tokens replaced while clients write, {backend}"),
            format!("{CLIENTS} clients, {acknowledged} ticks acknowledged"),
            format!("{reloads} SIGHUPs, each with another secret"),
            "0 lost or doubled, 0 requests of other tokens refused, 0 with a token of before served",
        );
    }
}
