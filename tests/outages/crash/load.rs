//! Producers that store numbered ticks through the repository as fast as they can, and say of
//! each batch what became of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tickbase::database::Database;
use tickbase::repository::market_data::{InsertOptions, InsertReport, MarketDataRepository};
use tickbase::{Error, Result};

use crate::crash::journal::{Batch, Word};

/// Ticks of the largest batch.
pub const BATCH_TICKS_MAX: u64 = 200;

/// Numbers without pattern, the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What a producer does after a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It sends the same batch again: nothing of it is stored.
    Again,
    /// It goes on with another batch: this one may be stored or not.
    Another,
    Stop,
}

/// How the producers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As users do.
    Honest,
    /// Each batch is reported as stored from within its transaction, before the commit.
    Early,
}

/// The work of all producers.
pub struct Load<'a> {
    pub database: &'a Database,
    pub manner: Manner,
    next: AtomicI64,
    chance: Mutex<Chance>,
    stopped: AtomicBool,
    say: &'a (dyn Fn(Batch, Word) + Sync),
    failed: &'a (dyn Fn(&Error) -> Next + Sync),
}

impl<'a> Load<'a> {
    /// A load whose first tick has the number `first`.
    pub fn new(
        database: &'a Database,
        first: i64,
        chance: Chance,
        say: &'a (dyn Fn(Batch, Word) + Sync),
        failed: &'a (dyn Fn(&Error) -> Next + Sync),
    ) -> Self {
        Self {
            database,
            manner: Manner::Honest,
            next: AtomicI64::new(first),
            chance: Mutex::new(chance),
            stopped: AtomicBool::new(false),
            say,
            failed,
        }
    }

    /// Runs `producers` threads until each has stopped; every third uses the asynchronous door.
    pub fn run(&self, producers: usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        std::thread::scope(|scope| {
            for n in 0..producers {
                let door = (n % 3 == 2).then(|| runtime.handle());
                scope.spawn(move || self.produce(door));
            }
        });
    }

    /// Lets every producer stop after its call.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    fn produce(&self, door: Option<&tokio::runtime::Handle>) {
        let mut batch = self.claim();
        while !self.stopped.load(Ordering::SeqCst) {
            (self.say)(batch, Word::Started);
            let outcome = match (self.manner, door) {
                (Manner::Early, _) => self.insert_early(batch),
                (Manner::Honest, None) => MarketDataRepository::new(self.database)
                    .insert_batch(batch.ticks(), InsertOptions::default()),
                (Manner::Honest, Some(runtime)) => runtime.block_on(
                    MarketDataRepository::new(self.database)
                        .insert_batch_async(batch.ticks(), InsertOptions::default()),
                ),
            };
            match self.judge(batch, outcome) {
                Next::Again => {}
                Next::Another => batch = self.claim(),
                Next::Stop => return,
            }
        }
    }

    fn judge(&self, batch: Batch, outcome: Result<InsertReport>) -> Next {
        let error = match outcome {
            Ok(report) => {
                assert_eq!(report.inserted as i64, batch.size, "{batch:?}: {report:?}");
                if self.manner == Manner::Honest {
                    (self.say)(batch, Word::Stored);
                }
                return Next::Another;
            }
            Err(error) => error,
        };
        let unknown = matches!(
            error,
            Error::CommitUnknown { .. } | Error::FileChanged { .. }
        );
        let word = if unknown {
            Word::Unknown
        } else {
            Word::Refused
        };
        (self.say)(batch, word);
        match (self.failed)(&error) {
            Next::Again if unknown => Next::Another,
            next => next,
        }
    }

    /// The defect that the harness must find.
    fn insert_early(&self, batch: Batch) -> Result<InsertReport> {
        let (ticks, now) = (batch.ticks(), self.database.clock().now());
        let report = self.database.write("crash.early", move |conn| {
            let options = InsertOptions::default();
            let report =
                tickbase::repository::market_data::insert_batch(conn, &ticks, &options, now)?;
            crate::crash::child::say(batch, Word::Stored);
            Ok(report)
        })?;
        Ok(report)
    }

    /// The next numbers: batches of 1 to [`BATCH_TICKS_MAX`], small ones as often as large ones.
    fn claim(&self) -> Batch {
        let size = {
            let mut chance = self.chance.lock().unwrap();
            let bound = chance.of(&[1, 10, 50, BATCH_TICKS_MAX]);
            1 + chance.below(bound) as i64
        };
        let first = self.next.fetch_add(size, Ordering::SeqCst);
        Batch { first, size }
    }
}
