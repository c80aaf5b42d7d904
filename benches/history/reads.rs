//! The reads that are measured, each with the count and the sums of what it read.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use tickbase::Timestamp;
use tickbase::database::Database;
use tickbase::domain::{Aggregator, Frequency, PeriodBar};
use tickbase::repository::market_data::{self, MarketDataRepository, TickRange};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};
use tickbase::services::coverage::{SurveyOptions, TradingCalendar, coverage};
use tickbase::services::historical_data::{BarQuery, bars};

use super::Sums;
use super::common::{INSTRUMENTS, Ticks};

const DAY_MICROS: i64 = 86_400_000_000;

/// A read: which of them, what it is called in the output, and who else does it.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Whether it is another read where bars are built.
    pub(crate) has_built: bool,
    /// Whether DuckDB and pandas do it, too.
    pub(crate) has_peers: bool,
    /// Whose bars SQL alone makes, too.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    pub(crate) sql: Option<&'static str>,
    pub(crate) run: fn(&Database, usize) -> Sums,
}

pub(crate) const WORKS: [Work; 5] = [
    Work {
        name: "latest",
        title: "newest tick of 100 instruments",
        has_built: false,
        has_peers: true,
        sql: None,
        run: latest,
    },
    Work {
        name: "range",
        title: "a day of one instrument, all columns",
        has_built: false,
        has_peers: true,
        sql: None,
        run: range,
    },
    Work {
        name: "bars_of_one",
        title: "minute bars of one instrument",
        has_built: true,
        has_peers: true,
        sql: Some("instrument_id = 1"),
        run: bars_of_one,
    },
    Work {
        name: "coverage_of_one",
        title: "coverage of one instrument by minutes",
        has_built: true,
        has_peers: false,
        sql: None,
        run: coverage_of_one,
    },
    Work {
        name: "bars_of_all",
        title: "minute bars of 100 instruments",
        has_built: false,
        has_peers: true,
        sql: Some("true"),
        run: bars_of_all,
    },
];

/// The day of the range: the last whole one that has ticks, or the first. A million ticks are a
/// day.
pub(crate) fn day(rows: usize) -> (i64, i64) {
    let days = (rows as i64 / 1_000_000).max(1);
    let first = Ticks::BEGIN_MICROS + (days - 1) * DAY_MICROS;
    (first, first + DAY_MICROS)
}

fn add<const N: usize>(sums: &mut Sums, values: [f64; N]) {
    sums.resize(N, 0.0);
    sums.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += value);
}

fn latest(db: &Database, _rows: usize) -> Sums {
    let ids: Vec<i64> = (1..=INSTRUMENTS).collect();
    let rows = MarketDataRepository::new(db).latest(&ids).unwrap();
    let prices: f64 = rows.iter().filter_map(|tick| tick.price).sum();
    vec![rows.len() as f64, prices]
}

fn range(db: &Database, rows: usize) -> Sums {
    let (first, last) = day(rows);
    let moment = |micros| Some(Timestamp::from_micros(micros).unwrap());
    let range = TickRange {
        instrument_id: 1,
        start: moment(first),
        end: moment(last),
    };
    let mut query = RangeQuery::new(range, PAGE_ROWS_MAX);
    let mut sums = Sums::new();
    loop {
        let page = MarketDataRepository::new(db).range(&query).unwrap();
        for tick in &page.rows {
            let values = [Some(1.0), tick.price, tick.volume, tick.bid];
            add(&mut sums, values.map(Option::unwrap));
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return sums,
        }
    }
}

fn bars_of_one(db: &Database, _rows: usize) -> Sums {
    let query = BarQuery::all(1, Frequency::OneMinute);
    let history = db.read("bench.bars", |conn| bars(conn, &query)).unwrap();
    let mut sums = Sums::new();
    for bar in &history.bars {
        let values = bar.values.as_ref().unwrap();
        let [open, high, low, close] = [values.open, values.high, values.low, values.close];
        add(&mut sums, [1.0, open, high, low, close, values.volume]);
    }
    sums
}

fn coverage_of_one(db: &Database, _rows: usize) -> Sums {
    let options = SurveyOptions::new(Frequency::OneMinute, TradingCalendar::EveryDay);
    let found = db
        .read("bench.coverage", |conn| coverage(conn, 1, &options))
        .unwrap();
    let counts = [
        found.present,
        found.missing,
        found.gap_count,
        found.outlier_count,
    ];
    counts.map(|count| count as f64).to_vec()
}

fn bars_of_all(db: &Database, _rows: usize) -> Sums {
    let mut sums = Sums::new();
    let mut count = |bar: PeriodBar| {
        let values = [1.0, bar.open, bar.high, bar.low, bar.close, bar.volume];
        add(&mut sums, values);
    };
    db.read("bench.bars_of_all", |conn| {
        let (mut of, mut fold) = (0, Aggregator::new(Frequency::OneMinute));
        market_data::prices_of_all(conn, None, None, |instrument, tick| {
            if instrument != of {
                fold.finish().into_iter().for_each(&mut count);
                of = instrument;
            }
            let bar = fold.add(tick.timestamp, tick.price, tick.volume);
            bar.into_iter().for_each(&mut count);
            Ok(())
        })?;
        fold.finish().into_iter().for_each(&mut count);
        Ok(())
    })
    .unwrap();
    sums
}
