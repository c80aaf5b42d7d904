//! What soft delete costs: marking, restoring and purging 100,000 ticks by range, by sorted keys
//! and by random keys, beside a hard DELETE of the same rows; and reads with 0, 10 and 50 %
//! deleted.
//!
//! ```sh
//! cargo bench --bench soft_delete
//! cargo bench --bench soft_delete --features postgres -- postgres://user@host/empty_database
//! ```
//!
//! 300,000 ticks of three instruments. Each way works on a freshly filled table, in turns, three
//! rounds, the median is shown. The hard DELETE runs on the same table without the trigger that
//! refuses it, in chunks of the same size and one transaction, as the soft delete does. Every count is
//! checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Backend, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::repository::RangeQuery;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickKey, TickRange};
use tickbase::repository::purge;
use tickbase::{Timestamp, on_backend};

const ROWS_OF_EACH: i64 = 100_000;
const INSTRUMENTS: [i64; 3] = [1, 2, 3];
const ROUNDS: usize = 3;
const KEYS_PER_STATEMENT: usize = 1_000;

/// How the 100,000 ticks are named.
#[derive(Clone, Copy, Debug)]
enum Way {
    Range,
    SortedKeys,
    RandomKeys,
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_micros(1_378_000_000_000_000 + n * 1_000).unwrap()
}

fn key(instrument_id: i64, n: i64) -> TickKey {
    TickKey {
        instrument_id,
        timestamp: at(n),
        source_id: 1,
        sequence: 0,
    }
}

/// Keys of every third tick of all instruments; in key order, or shuffled by a fixed rule.
fn keys(way: Way) -> Vec<TickKey> {
    let all = INSTRUMENTS
        .iter()
        .flat_map(|id| (0..ROWS_OF_EACH).map(|n| key(*id, n)));
    let mut keys: Vec<TickKey> = all.step_by(INSTRUMENTS.len()).collect();
    if matches!(way, Way::RandomKeys) {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for i in (1..keys.len()).rev() {
            // xorshift64: the same order in every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            keys.swap(i, usize::try_from(state % (i as u64 + 1)).unwrap());
        }
    }
    keys
}

struct Bench {
    database: Database,
}

impl Bench {
    fn ticks(&self) -> MarketDataRepository<'_> {
        MarketDataRepository::new(&self.database)
    }

    /// Exactly the 300,000 ticks, all active.
    fn fill(&self) {
        self.set_trigger(false);
        self.raw("DELETE FROM market_data");
        self.set_trigger(true);
        for id in INSTRUMENTS {
            for first in (0..ROWS_OF_EACH).step_by(10_000) {
                let ticks = (first..first + 10_000).map(|n| {
                    Tick::try_from(RawTick {
                        instrument_id: Some(id),
                        timestamp: Some(at(n)),
                        sequence: Some(0),
                        price: Some(1640.25),
                        volume: Some(8.0),
                        ..RawTick::default()
                    })
                    .unwrap()
                });
                let report = self
                    .ticks()
                    .insert_batch(ticks.collect(), InsertOptions::default())
                    .unwrap();
                assert_eq!(report.inserted, 10_000);
            }
        }
        if self.database.backend() == Backend::Postgres {
            self.raw("ANALYZE market_data");
        }
    }

    fn raw(&self, sql: &'static str) {
        self.database
            .write("bench.raw", move |conn| {
                Ok(on_backend!(conn, |c| c.batch_execute(sql))?)
            })
            .unwrap();
    }

    fn set_trigger(&self, on: bool) {
        self.raw(match (self.database.backend(), on) {
            (Backend::Postgres, true) => "ALTER TABLE market_data ENABLE TRIGGER USER",
            (Backend::Postgres, false) => "ALTER TABLE market_data DISABLE TRIGGER USER",
            (_, true) => {
                "CREATE TRIGGER market_data_refuse_active_delete BEFORE DELETE ON market_data \
                 WHEN OLD.deleted_at IS NULL BEGIN SELECT RAISE(ABORT, 'refused'); END"
            }
            (_, false) => "DROP TRIGGER market_data_refuse_active_delete",
        });
    }

    fn soft_delete(&self, way: Way) -> usize {
        match way {
            Way::Range => self.ticks().soft_delete_range(TickRange::all(1)).unwrap(),
            _ => self.ticks().soft_delete_keys(keys(way)).unwrap(),
        }
    }

    fn restore(&self, way: Way) -> usize {
        match way {
            Way::Range => self.ticks().restore_range(TickRange::all(1)).unwrap(),
            _ => self.ticks().restore_keys(keys(way)).unwrap(),
        }
    }

    fn hard_delete(&self, way: Way) -> usize {
        let statements = match way {
            Way::Range => vec!["DELETE FROM market_data WHERE instrument_id = 1".to_owned()],
            _ => keys(way)
                .chunks(KEYS_PER_STATEMENT)
                .map(|keys| self.delete_of(keys))
                .collect(),
        };
        self.database
            .write("bench.delete", move |conn| {
                let mut deleted = 0;
                for sql in &statements {
                    let query = diesel::sql_query(sql.as_str());
                    deleted += on_backend!(&mut *conn, |c| diesel::RunQueryDsl::execute(query, c))?;
                }
                Ok(deleted)
            })
            .unwrap()
    }

    fn delete_of(&self, keys: &[TickKey]) -> String {
        let moment = |key: &TickKey| match self.database.backend() {
            Backend::Postgres => format!("TIMESTAMPTZ '{}'", key.timestamp),
            _ => key.timestamp.micros().to_string(),
        };
        let row = |key: &TickKey| format!("({}, {}, 1, 0)", key.instrument_id, moment(key));
        let rows: Vec<String> = keys.iter().map(row).collect();
        format!(
            "DELETE FROM market_data WHERE (instrument_id, \"timestamp\", source_id, sequence) \
             IN (VALUES {})",
            rows.join(", ")
        )
    }

    /// Soft delete, restore, purge and hard DELETE of the same rows.
    fn round(&self, way: Way) -> [Duration; 4] {
        let timed = |work: &dyn Fn() -> usize| {
            let start = Instant::now();
            assert_eq!(work(), usize::try_from(ROWS_OF_EACH).unwrap(), "{way:?}");
            start.elapsed()
        };
        self.fill();
        let soft = timed(&|| self.soft_delete(way));
        let restore = timed(&|| self.restore(way));
        self.soft_delete(way);
        let now = self.database.clock().now();
        let purge = timed(&|| purge::run(&self.database, now, false).unwrap().deleted());
        self.fill();
        self.set_trigger(false);
        let hard = timed(&|| self.hard_delete(way));
        self.set_trigger(true);
        [soft, restore, purge, hard]
    }

    /// A walk over all active ticks of instrument 2 by pages.
    fn walk(&self) -> (Duration, usize) {
        let start = Instant::now();
        let mut query = RangeQuery::new(TickRange::all(2), 10_000);
        let mut rows = 0;
        loop {
            let page = self.ticks().range(&query).unwrap();
            rows += page.rows.len();
            query.cursor = page.next;
            if query.cursor.is_none() {
                return (start.elapsed(), rows);
            }
        }
    }

    fn latest(&self) -> Duration {
        let start = Instant::now();
        assert_eq!(
            self.ticks().latest(&INSTRUMENTS).unwrap().len(),
            INSTRUMENTS.len()
        );
        start.elapsed()
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

fn writes(bench: &Bench) {
    println!("| 100,000 ticks | soft delete | restore | purge | hard DELETE |");
    println!("|---|---|---|---|---|");
    for way in [Way::Range, Way::SortedKeys, Way::RandomKeys] {
        let rounds: Vec<_> = (0..ROUNDS).map(|_| bench.round(way)).collect();
        let column = |i: usize| median(rounds.iter().map(|round| round[i]).collect()).as_millis();
        println!(
            "| {way:?} | {} ms | {} ms | {} ms | {} ms |",
            column(0),
            column(1),
            column(2),
            column(3)
        );
    }
}

fn reads(bench: &Bench) {
    println!("| deleted | walk of the active ticks | rows | per row | latest of 3 |");
    println!("|---|---|---|---|---|");
    bench.fill();
    for (share, every) in [(0, None), (10, Some(10)), (50, Some(2))] {
        if let Some(every) = every {
            let keys = (0..ROWS_OF_EACH)
                .step_by(every)
                .map(|n| key(2, n))
                .collect();
            bench.ticks().soft_delete_keys(keys).unwrap();
        }
        if bench.database.backend() == Backend::Postgres {
            bench.raw("ANALYZE market_data");
        }
        let walks: Vec<_> = (0..5).map(|_| bench.walk()).collect();
        let rows = walks[0].1;
        let walk = median(walks.into_iter().map(|(time, _)| time).collect());
        let latest = median((0..5).map(|_| bench.latest()).collect());
        let per_row = walk.as_secs_f64() / rows as f64 * 1e9;
        println!("| {share} % | {walk:.1?} | {rows} | {per_row:.0} ns | {latest:.0?} |");
    }
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let url = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let url = url.unwrap_or_else(|| {
        folder
            .path()
            .join("bench.db")
            .to_string_lossy()
            .into_owned()
    });
    let config = DatabaseConfig::new(&url).unwrap().with(|config| {
        config.postgres.statement_timeout = Duration::from_secs(300);
    });
    let bench = Bench {
        database: Database::open(config).unwrap(),
    };
    writes(&bench);
    reads(&bench);
}
