//! The databases that are read: of each backend one with ticks alone, and one whose minute bars
//! are built.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use std::time::Instant;

use tickbase::database::Database;
use tickbase::domain::Frequency;
use tickbase::repository::bar_series::{self, BuildSpan, SeriesKey};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};

use super::common::{INSTRUMENTS, Place, ROWS_PER_TRANSACTION, Ticks, median};

/// A million ticks are a day.
const STEP_MAX_MICROS: u64 = 2 * 86_400;

/// A backend.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) ticks: Place,
    pub(crate) ticks_db: Database,
    pub(crate) bars_db: Database,
    bars: Place,
}

impl Side {
    /// Filled, nothing built.
    pub(crate) fn new(name: &'static str, place: impl Fn() -> Place, rows: usize) -> Self {
        let [(ticks, ticks_db), (bars, bars_db)] = [place(), place()].map(|place| {
            let db = place.open();
            fill(&db, rows);
            (place, db)
        });
        Self {
            name,
            ticks,
            ticks_db,
            bars_db,
            bars,
        }
    }

    /// What PostgreSQL does by itself in the minutes after.
    pub(crate) fn settle(&self) {
        self.ticks.settle();
        self.bars.settle();
    }

    fn build(&self, instrument: i64) -> (f64, usize) {
        let series = SeriesKey::of_trades(instrument, Frequency::OneMinute);
        let ticks_max = bar_series::TICKS_PER_TRANSACTION_MAX;
        let began = Instant::now();
        let report = bar_series::build(&self.bars_db, series, BuildSpan::default(), ticks_max);
        (began.elapsed().as_secs_f64(), report.unwrap().bars_written)
    }
}

fn fill(db: &Database, rows: usize) {
    let ticks = MarketDataRepository::new(db);
    let mut feed = Ticks::new(true, STEP_MAX_MICROS).take(rows).peekable();
    while feed.peek().is_some() {
        let batch: Vec<_> = feed.by_ref().take(ROWS_PER_TRANSACTION).collect();
        let stored = batch.len();
        let report = ticks.insert_batch(batch, InsertOptions::default()).unwrap();
        assert_eq!(report.inserted, stored);
    }
}

/// Builds the minute bars of all instruments, the sides in turns; all must build the same number.
pub(crate) fn build_all(sides: &[Side]) {
    let mut took = vec![Vec::new(); sides.len()];
    let mut built = 0;
    for instrument in 1..=INSTRUMENTS {
        let bars: Vec<usize> = sides
            .iter()
            .zip(&mut took)
            .map(|(side, took)| {
                let (seconds, bars) = side.build(instrument);
                took.push(seconds);
                bars
            })
            .collect();
        assert!(bars.iter().all(|one| *one == bars[0]), "{bars:?}");
        built += bars[0];
    }
    println!("\nbuilding the minute bars of 100 instruments: {built} bars");
    for (side, seconds) in sides.iter().zip(&took) {
        let ratios = seconds.iter().zip(&took[0]).map(|(own, base)| own / base);
        let (name, ratio) = (side.name, median(ratios.collect()));
        let all = seconds.iter().sum::<f64>() * 1e3;
        println!("{name:<34} {all:>9.3} ms {ratio:>8.2}");
    }
}
