//! The process that is killed: this same test binary, started again with orders in the
//! environment. It writes a line to standard error for each word on a batch; a line is one system
//! call, so what was said before the kill reaches the parent.

use std::io::Write;

use tickbase::config::{DatabaseConfig, Synchronous};
use tickbase::database::Database;
use tickbase::services::{AlertEngine, Service};

use crate::crash::journal::{Batch, Word, line};
use crate::crash::load::{Chance, Load, Manner};

/// The variable that makes a child of the process: seed, first number, manner, URL.
const ORDERS: &str = "TICKBASE_CRASH_CHILD";
/// Threads that write.
const PRODUCERS: usize = 9;

/// What a child is to do.
#[derive(Debug, Clone)]
pub struct Orders {
    pub seed: u64,
    pub first: i64,
    pub manner: Manner,
    pub url: String,
}

impl Orders {
    /// The environment of the child.
    pub fn variable(&self) -> (&'static str, String) {
        let early = i32::from(self.manner == Manner::Early);
        let Self {
            seed, first, url, ..
        } = self;
        (ORDERS, format!("{seed} {first} {early} {url}"))
    }

    /// The orders of this process, if it is a child.
    pub fn of_this_process() -> Option<Self> {
        let text = std::env::var(ORDERS).ok()?;
        let parts: Vec<&str> = text.splitn(4, ' ').collect();
        let manner = match parts[2] {
            "1" => Manner::Early,
            _ => Manner::Honest,
        };
        Some(Self {
            seed: parts[0].parse().unwrap(),
            first: parts[1].parse().unwrap(),
            manner,
            url: parts[3].to_owned(),
        })
    }

    /// Writes until it is killed.
    pub fn obey(&self) -> ! {
        let mut chance = Chance::new(self.seed);
        let database = Database::open(settings(&self.url, &mut chance)).unwrap();
        let engine = AlertEngine::new(database.clone());
        engine.start().unwrap();
        let failed = |error: &tickbase::Error| panic!("{}", error.chain());
        let mut load = Load::new(&database, self.first, chance, &say, &failed);
        load.manner = self.manner;
        load.run(PRODUCERS);
        panic!("the producers stopped by themselves");
    }
}

/// Settings under which a kill meets something else each time: a checkpoint every few commits or
/// none at all, pages that leave the cache before the commit, small groups and large ones.
fn settings(url: &str, chance: &mut Chance) -> DatabaseConfig {
    DatabaseConfig::new(url).unwrap().with(|config| {
        config.sqlite.wal_autocheckpoint_pages = chance.of(&[1, 30, 300, 10_000]);
        config.sqlite.writer_cache_kib = chance.of(&[64, 65_536]);
        config.sqlite.synchronous = chance.of(&[Synchronous::Normal, Synchronous::Full]);
        config.sqlite.mmap_bytes = chance.of(&[0, 268_435_456]);
        config.write.group_jobs_max = chance.of(&[1, 3, 128]);
    })
}

/// Tells the parent.
pub fn say(batch: Batch, word: Word) {
    std::io::stderr()
        .write_all(line(batch, word).as_bytes())
        .unwrap();
}
