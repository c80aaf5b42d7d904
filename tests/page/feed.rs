//! Live ticks: a thread that posts batches to a server at a steady pace until it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::Server;

/// Between two batches.
const PERIOD: Duration = Duration::from_millis(100);

/// Ticks that come while it lives.
pub(crate) struct Feed {
    ends: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Sends so many ticks a second, to these symbols in turn. Each price moves by a small step.
    pub(crate) fn start(server: &Server, symbols: &[String], ticks_a_second: u64) -> Self {
        let mut feed = Self {
            ends: Arc::default(),
            sent: Arc::default(),
            thread: None,
        };
        let (ends, sent) = (Arc::clone(&feed.ends), Arc::clone(&feed.sent));
        let url = format!("{}/api/market-data", server.base());
        let (symbols, from) = (symbols.to_vec(), server.now());
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            for round in 1.. {
                let due = PERIOD * round;
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let until = ticks_a_second * u64::from(round) / 10;
                let first = sent.load(Ordering::Relaxed);
                let now = from + i64::try_from(begin.elapsed().as_millis()).unwrap_or(i64::MAX);
                let ticks: Vec<Value> = (first..until).map(|at| tick(&symbols, at, now)).collect();
                let body = json!({ "ticks": ticks }).to_string();
                let request = ureq::post(&url).header("content-type", "application/json");
                request.send(body).expect("it takes the ticks");
                sent.store(until, Ordering::Relaxed);
            }
        });
        feed.thread = Some(thread);
        feed
    }

    /// How many ticks the server has taken.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it; fails when the server refused a batch.
    pub(crate) fn end(mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("the server takes each batch");
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

fn tick(symbols: &[String], at: u64, now: i64) -> Value {
    let count = symbols.len() as u64;
    let symbol = &symbols[(at % count) as usize];
    // Up and down by up to five steps of a quarter: each tick differs from the one before.
    let step = (at / count + at) % 11;
    let price = 100.0 + (at % count) as f64 + step as f64 * 0.25;
    json!({"symbol": symbol, "timestamp": now, "price": price, "volume": 1 + at % 7})
}
