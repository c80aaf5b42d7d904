//! The history against an independent oracle: bars of real trades that pandas made (the files and
//! the script that wrote them are in `tests/fixtures`), on both backends.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sample::SAMPLE;
use crate::support::{TestDatabase, build_bars, flat_bar, insert_bars, on_both};
use flate2::read::GzDecoder;
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Aggregator, Frequency, PeriodBar};
use tickbase::ingest::{Feed, FeedOptions, FeedTarget, Input, pump};
use tickbase::models::NewDeletion;
use tickbase::models::NewMarketDataBar;
use tickbase::repository::deletion;
use tickbase::repository::market_data::{self, InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};
use tickbase::services::historical_data::{BarBasis, BarOrigin, BarQuery, HistoryBar, bars};

const ES: i64 = 1;
const TARGET: FeedTarget = FeedTarget {
    instrument_id: ES,
    source_id: 1,
    frequency: None,
};

/// A bar: frequency, start, open, high, low, close, volume, turnover, ticks.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    frequency: Frequency,
    start: Timestamp,
    prices: [f64; 4],
    sums: [f64; 2],
    ticks: i64,
}

/// What pandas made.
fn oracle(file: &str) -> Vec<Expected> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    if file.ends_with(".gz") {
        let packed = std::mem::take(&mut bytes);
        GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    }
    let text = String::from_utf8(bytes).unwrap();
    text.lines().skip(1).map(expected).collect()
}

fn expected(line: &str) -> Expected {
    let cells: Vec<&str> = line.split(',').collect();
    Expected {
        frequency: cells[0].parse().unwrap(),
        start: cells[1].parse().unwrap(),
        prices: [2, 3, 4, 5].map(|cell: usize| cells[cell].parse().unwrap()),
        sums: [6, 7].map(|cell: usize| cells[cell].parse().unwrap()),
        ticks: cells[8].parse().unwrap(),
    }
}

fn answered(frequency: Frequency, bar: HistoryBar) -> Expected {
    let values = bar.values.unwrap();
    Expected {
        frequency,
        start: bar.timestamp,
        prices: [values.open, values.high, values.low, values.close],
        // Prices are quarters and sizes whole: the sums are exact in any order.
        sums: [values.volume, values.turnover.unwrap()],
        ticks: values.tick_count.unwrap(),
    }
}

fn ticks(path: &Path) -> Vec<Tick> {
    let input = Input::open(path.to_str().unwrap()).unwrap();
    let mut feed = Feed::open::<Tick>(input, &FeedOptions::default()).unwrap();
    let mut ticks = Vec::new();
    pump::<Tick>(&mut feed, &TARGET, |batch| {
        assert!(batch.rejected.is_empty());
        ticks.extend(batch.rows);
        Ok(())
    })
    .unwrap();
    ticks
}

fn sample() -> Vec<Tick> {
    ticks(Path::new(SAMPLE))
}

fn daily(start: Timestamp) -> NewMarketDataBar {
    flat_bar(ES, Frequency::OneDay, start, 100.0)
}

fn open(place: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap()
}

fn store(db: &Database, ticks: Vec<Tick>) {
    let count = ticks.len();
    let stored = MarketDataRepository::new(db).insert_batch(ticks, InsertOptions::default());
    assert_eq!(stored.unwrap().inserted, count);
}

fn history(db: &Database, query: BarQuery) -> Vec<HistoryBar> {
    let history = db.read("history.bars", |conn| bars(conn, &query)).unwrap();
    assert_eq!(history.basis(), BarBasis::Aggregated);
    history.bars
}

/// Whole, and the newest few of it, by way of which another path leads.
fn assert_same(db: &Database, expected: &[Expected]) {
    for frequency in Frequency::ALL {
        let of_frequency = expected.iter().filter(|bar| bar.frequency == frequency);
        let of_frequency: Vec<Expected> = of_frequency.cloned().collect();
        if of_frequency.is_empty() {
            continue;
        }
        let all = history(db, BarQuery::all(ES, frequency));
        let all: Vec<Expected> = all
            .into_iter()
            .map(|bar| answered(frequency, bar))
            .collect();
        assert_eq!(all.len(), of_frequency.len(), "{frequency}");
        for (ours, theirs) in all.iter().zip(&of_frequency) {
            assert_eq!(ours, theirs);
        }
        if of_frequency.len() <= 100 {
            continue;
        }
        let newest = BarQuery {
            max_records: Some(100),
            ..BarQuery::all(ES, frequency)
        };
        let newest = history(db, newest).into_iter();
        let newest: Vec<Expected> = newest.map(|bar| answered(frequency, bar)).collect();
        let from = of_frequency.len() - 100;
        assert_eq!(newest, of_frequency[from..], "{frequency}");
    }
}

/// The bars of what is stored now, made from a look at every tick.
fn plain(db: &Database, frequency: Frequency) -> Vec<Expected> {
    let repository = MarketDataRepository::new(db);
    let mut query = RangeQuery::new(TickRange::all(ES), PAGE_ROWS_MAX);
    let (mut fold, mut periods) = (Aggregator::new(frequency), Vec::new());
    loop {
        let page = repository.range(&query).unwrap();
        for tick in &page.rows {
            periods.extend(fold.add(tick.timestamp, tick.price.unwrap(), tick.volume));
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    periods.extend(fold.finish());
    let expected = |bar: PeriodBar| Expected {
        frequency,
        start: bar.timestamp,
        prices: [bar.open, bar.high, bar.low, bar.close],
        sums: [bar.volume, bar.turnover.unwrap()],
        ticks: bar.tick_count.unwrap(),
    };
    periods.into_iter().map(expected).collect()
}

/// The answers of every frequency are what the ticks make; returns how many bars were built.
fn assert_plain(db: &Database) -> usize {
    let mut built = 0;
    for frequency in Frequency::ALL {
        let expected = plain(db, frequency);
        for max_records in [None, Some(3)] {
            let query = BarQuery {
                max_records,
                ..BarQuery::all(ES, frequency)
            };
            let history = db.read("history.bars", |conn| bars(conn, &query)).unwrap();
            let of_built = history
                .bars
                .iter()
                .filter(|bar| bar.origin == BarOrigin::Built);
            built += of_built.count();
            let bars = history.bars.into_iter();
            let bars: Vec<Expected> = bars.map(|bar| answered(frequency, bar)).collect();
            let from = expected
                .len()
                .saturating_sub(max_records.unwrap_or(usize::MAX));
            assert_eq!(bars, expected[from..], "{frequency}, {max_records:?}");
        }
    }
    built
}

/// The whole file of which the sample is a part, where it stands: in `TICKBASE_REAL_DATA`, or
/// beside the project.
fn whole_file() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TICKBASE_REAL_DATA").map_or(beside, PathBuf::from);
    Some(folder.join("es-trades-2013-09.csv.gz")).filter(|path| path.exists())
}

on_both! {
    fn bars_of_the_shipped_trades_are_those_of_pandas(db: &TestDatabase) {
        let database = open(db);
        store(&database, sample());
        assert_same(&database, &oracle("es-bars-sample.csv"));
    }

    fn weeks_and_months_are_those_of_pandas(db: &TestDatabase) {
        let database = open(db);
        let sample = sample();
        let first = sample[0].timestamp();
        let stretched = sample.iter().map(|tick| {
            let micros = tick.timestamp().micros() - first.micros();
            Tick::try_from(RawTick {
                instrument_id: Some(ES),
                timestamp: Some(first.saturating_add_micros(micros * 20_000)),
                sequence: tick.sequence(),
                price: tick.price(),
                volume: tick.volume(),
                ..RawTick::default()
            })
            .unwrap()
        });
        store(&database, stretched.collect());
        assert_same(&database, &oracle("es-bars-stretched.csv"));
    }

    fn built_bars_are_used_where_they_hold_and_the_rest_is_made_of_ticks(db: &TestDatabase) {
        let database = open(db);
        let sample = sample();
        let late: Vec<Tick> = sample.iter().step_by(997).cloned().collect();
        let early = sample.iter().enumerate().filter(|(index, _)| index % 997 != 0);
        store(&database, early.map(|(_, tick)| *tick).collect());
        assert_eq!(assert_plain(&database), 0);
        for frequency in [Frequency::OneMinute, Frequency::FiveMinutes] {
            build_bars(&database, ES, frequency);
        }
        // 7 of the 8 minutes and 2 of the 3 five minutes have closed; of the newest three 2 have.
        assert_eq!(assert_plain(&database), 7 + 2 + 2 + 2);
        store(&database, late);
        assert!(assert_plain(&database) < 13);
        let gone = TickRange {
            instrument_id: ES,
            start: Some("2013-09-03T10:24:00Z".parse().unwrap()),
            end: Some("2013-09-03T10:25:30Z".parse().unwrap()),
        };
        MarketDataRepository::new(&database).soft_delete_range(gone).unwrap();
        assert_plain(&database);
        for frequency in [Frequency::OneMinute, Frequency::FiveMinutes] {
            build_bars(&database, ES, frequency);
        }
        // The minute from 10:24 has no ticks any more.
        assert_eq!(assert_plain(&database), 6 + 2 + 2 + 2);
    }

    fn an_answer_is_of_one_moment_whatever_is_written_meanwhile(db: &TestDatabase) {
        const READS: usize = 400;
        let database = open(db);
        let days = |day: i64| Timestamp::from_micros(day * 86_400_000_000).unwrap();
        let tick = |day| Tick::trade(ES, days(day), 100.0, 1.0).unwrap();
        let of = |day| TickRange { instrument_id: ES, start: Some(days(day)), end: Some(days(day + 1)) };
        store(&database, vec![tick(0), tick(99)]);
        MarketDataRepository::new(&database).soft_delete_range(of(99)).unwrap();
        // Bars that came in divide the two days, so that each is read by a statement of its own.
        let between: Vec<NewMarketDataBar> = (1..99).map(|day| daily(days(day))).collect();
        insert_bars(&database, between).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // One of the two has its tick at any time.
            scope.spawn(|| {
                for (gone, back) in [(0, 99), (99, 0)].into_iter().cycle() {
                    if done.load(Ordering::Acquire) {
                        return;
                    }
                    let (gone, back) = (of(gone), of(back));
                    let moved = database.write("test.move", move |conn| {
                        let new = NewDeletion::of("move");
                        deletion::batch(conn, &new, Timestamp::from_micros(0).unwrap(), |conn, batch| {
                            market_data::soft_delete_range(conn, &gone, batch)
                        })?;
                        market_data::restore_range(conn, &back)
                    });
                    assert_eq!(moved.unwrap(), 1);
                }
            });
            let counts = (0..READS).map(|_| {
                let query = BarQuery::all(ES, Frequency::OneDay);
                let history = database.read("history.bars", |conn| bars(conn, &query)).unwrap();
                history.bars.len()
            });
            let torn = counts.filter(|count| *count != 99).count();
            done.store(true, Ordering::Release);
            assert_eq!(torn, 0, "of {READS} answers");
        });
    }

    fn bars_of_half_a_million_trades_are_those_of_pandas(db: &TestDatabase) {
        let Some(path) = whole_file() else { return };
        let database = open(db);
        store(&database, ticks(&path));
        assert_same(&database, &oracle("es-bars-full.csv.gz"));
    }
}
