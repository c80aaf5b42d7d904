//! What a signal does: requests under way are answered, what was acknowledged is stored, and the
//! process ends with 0.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::repository::market_data::{MarketDataRepository, TickRange};

use crate::support::on_both;
use crate::support::process::{Serving, command};

const CLIENTS: u64 = 4;
const TICKS_A_REQUEST: u64 = 50;

/// Ticks that nobody else sends, numbered by the client.
fn batch(client: u64, number: u64) -> String {
    let tick = |n: u64| {
        json!({
            "symbol": "ES",
            "timestamp": 1_378_202_400_000_000_u64 + number,
            "sequence": client * 1_000 + n,
            "price": 1640,
        })
    };
    Value::Array((0..TICKS_A_REQUEST).map(tick).collect()).to_string()
}

on_both! {
    fn a_server_whose_log_nobody_reads_serves_on_and_ends(db: &TestDatabase) {
        let mut child = command(db, &["--bind", "127.0.0.1:0"]).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.split_whitespace().next().unwrap().to_owned();
            }
        };
        drop(log);
        for _ in 0..3 {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(b"GET /api/nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        }
        let ended = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(ended.success());
        crate::support::eventually("it ends", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    fn a_signal_under_load_loses_nothing_that_was_acknowledged(db: &TestDatabase) {
        let mut serving = Serving::start(db, &[], &[]);
        let acknowledged = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (serving, acknowledged) = (&serving, &acknowledged);
                scope.spawn(move || {
                    for number in 0.. {
                        // A refused connection is a server that has ended.
                        let Ok((status, body)) = serving.try_post("/api/market-data", &batch(client, number)) else {
                            return;
                        };
                        if status != 200 {
                            return;
                        }
                        let report: Value = serde_json::from_str(&body).unwrap();
                        acknowledged.fetch_add(report["inserted"].as_u64().unwrap(), Ordering::SeqCst);
                    }
                });
            }
            while acknowledged.load(Ordering::SeqCst) < 20 * TICKS_A_REQUEST {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            serving.terminate();
        });
        let ended = serving.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("draining") && ended.log.contains("ended"), "{}", ended.log);

        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let stored = MarketDataRepository::new(&database).count(&TickRange::all(1)).unwrap();
        let acknowledged = acknowledged.into_inner();
        // A batch whose answer was cut off may be stored, too; none that was answered is missing.
        let stored = u64::try_from(stored).unwrap();
        assert!(stored >= acknowledged, "{stored} of {acknowledged}");
        assert!(stored <= acknowledged + CLIENTS * TICKS_A_REQUEST, "{stored} of {acknowledged}");
        assert_eq!(stored % TICKS_A_REQUEST, 0, "a batch is stored whole or not at all");
        if let Some(dir) = db.dir() {
            database.close();
            assert!(!dir.join("test.db-wal").exists(), "nothing is left in the WAL");
        }
    }
}
