//! The trades of the sample again and again, as if they came now: so that the page has something to
//! show that moves, and rules fire while one looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::read_sample;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::error::{Error, Result};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::timestamp::Timestamp;

/// The time between two batches: short enough to look like a feed, long enough to cost nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// The sample's trades, to be stored with the stamps of now and the pauses that they had.
pub(super) struct LiveFeed {
    database: Database,
    trades: Vec<Tick>,
}

/// A feed that runs, over and over, until this value goes.
pub(super) struct RunningFeed {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LiveFeed {
    pub(super) fn new(database: Database, instrument_id: i64) -> Result<Self> {
        let mut trades = Vec::new();
        read_sample(instrument_id, |more| {
            trades.extend(more);
            Ok(())
        })?;
        Ok(Self { database, trades })
    }

    pub(super) fn start(self) -> RunningFeed {
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            match self.play(&told) {
                // The server ends: it closes the database before this value goes.
                Ok(()) | Err(Error::Closed) => {}
                Err(error) => {
                    tracing::warn!(error = error.chain(), "the live trades of the demo ended");
                }
            }
        });
        RunningFeed {
            ends,
            thread: Some(thread),
        }
    }

    /// Stores the trades when they are due, over and over.
    fn play(&self, ends: &AtomicBool) -> Result<()> {
        let Some(first) = self.trades.first().map(Tick::timestamp) else {
            return Ok(());
        };
        let clock = self.database.clock();
        let ticks = MarketDataRepository::new(&self.database);
        loop {
            let begin = clock.now();
            let mut left = self.trades.as_slice();
            while !left.is_empty() {
                if ends.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let passed = clock.now().micros() - begin.micros();
                let is_due = |trade: &Tick| trade.timestamp().micros() - first.micros() <= passed;
                let (due, later) = left.split_at(left.partition_point(is_due));
                let now = due.iter().map(|trade| at(trade, begin, first));
                let now: Vec<Tick> = now.collect::<Result<_>>()?;
                if !now.is_empty() {
                    ticks.insert_batch(now, InsertOptions::default())?;
                }
                left = later;
                std::thread::sleep(PAUSE);
            }
        }
    }
}

impl Drop for RunningFeed {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The trade as far after `begin` as it was after the first one.
fn at(trade: &Tick, begin: Timestamp, first: Timestamp) -> Result<Tick> {
    let after = trade.timestamp().micros() - first.micros();
    Tick::try_from(RawTick {
        instrument_id: Some(trade.instrument_id()),
        timestamp: Some(begin.saturating_add_micros(after)),
        price: trade.price(),
        volume: trade.volume(),
        ..RawTick::default()
    })
}
