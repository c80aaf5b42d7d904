//! An instrument with ticks and series, and the plain definition of what its bars must be.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::TestDatabase;
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Aggregator, Frequency, InstrumentType, PeriodBar, Symbol};
use tickbase::models::{BarSeries, NewInstrument};
use tickbase::repository::bar::{BarRange, BarRepository, RangeQuery as BarQuery};
use tickbase::repository::bar_series::{self, BarSeriesRepository, BuildReport, BuildSpan};
use tickbase::repository::instrument::InstrumentRepository;
use tickbase::repository::market_data::{
    InsertOptions, InsertReport, MarketDataRepository, RangeQuery, TickRange,
};

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A moment, in seconds since a Monday at midnight that begins a month: 2024-01-01.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_704_067_200 + seconds) * 1_000_000).unwrap()
}

pub(crate) fn open(place: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap()
}

/// An instrument of its own in a database.
pub(crate) struct World<'a> {
    pub(crate) db: &'a Database,
    pub(crate) id: i64,
}

impl<'a> World<'a> {
    pub(crate) fn new(db: &'a Database, symbol: &str) -> Self {
        let symbol = Symbol::new(symbol).unwrap();
        let new = NewInstrument::new(symbol, "Under test", InstrumentType::Crypto);
        let id = InstrumentRepository::new(db).insert(new).unwrap().id;
        Self { db, id }
    }

    pub(crate) fn ticks(&self) -> MarketDataRepository<'a> {
        MarketDataRepository::new(self.db)
    }

    pub(crate) fn series(&self) -> BarSeriesRepository<'a> {
        BarSeriesRepository::new(self.db)
    }

    pub(crate) fn tick(&self, seconds: i64, sequence: i64, price: Option<f64>) -> Tick {
        Tick::try_from(RawTick {
            sequence: Some(sequence),
            price,
            volume: Some(2.0),
            instrument_id: Some(self.id),
            timestamp: Some(at(seconds)),
            ..RawTick::default()
        })
        .unwrap()
    }

    /// Stores ticks at these seconds, each at a price of its own.
    pub(crate) fn insert(&self, seconds: &[i64]) -> InsertReport {
        let price = |second: i64| Some(100.0 + (second % 977) as f64 / 4.0);
        let ticks = seconds.iter().map(|s| self.tick(*s, 0, price(*s)));
        let options = InsertOptions::default();
        self.ticks().insert_batch(ticks.collect(), options).unwrap()
    }

    pub(crate) fn range(&self, from: i64, to: i64) -> TickRange {
        TickRange {
            instrument_id: self.id,
            start: Some(at(from)),
            end: Some(at(to)),
        }
    }

    pub(crate) fn build(&self, frequency: Frequency) -> BuildReport {
        let span = BuildSpan::default();
        self.series().build(self.id, frequency, span).unwrap()
    }

    pub(crate) fn refresh(&self, frequency: Frequency) -> BuildReport {
        self.series().refresh(self.id, frequency, &|| true).unwrap()
    }

    pub(crate) fn of(&self, frequency: Frequency) -> Option<BarSeries> {
        let all = self.series().of_instrument(self.id).unwrap();
        all.into_iter().find(|series| series.frequency == frequency)
    }

    /// The starts of the stale periods, in seconds.
    pub(crate) fn stale(&self, frequency: Frequency) -> Vec<i64> {
        let stale = self.db.read("test.stale", |conn| {
            let (from, to) = (Timestamp::MIN, Timestamp::MAX);
            bar_series::stale_between(conn, self.id, frequency, from, to, 1_000_000)
        });
        let seconds = |at: Timestamp| at.micros() / 1_000_000 - 1_704_067_200;
        stale.unwrap().into_iter().map(seconds).collect()
    }

    /// The bars that the ticks give from `from` to `to`, by looking at all of them.
    pub(crate) fn plain(
        &self,
        frequency: Frequency,
        from: Timestamp,
        to: Timestamp,
    ) -> BTreeMap<Timestamp, PeriodBar> {
        let range = TickRange {
            start: Some(from),
            end: Some(to),
            instrument_id: self.id,
        };
        let query = RangeQuery::new(range, RangeQuery::LIMIT_MAX);
        let page = self.ticks().range(&query).unwrap();
        assert!(page.rows.len() < RangeQuery::LIMIT_MAX);
        let mut fold = Aggregator::new(frequency);
        let priced = page.rows.iter().filter(|tick| tick.price.is_some());
        let mut folded: Vec<_> = priced
            .filter_map(|tick| fold.add(tick.timestamp, tick.price.unwrap(), tick.volume))
            .collect();
        folded.extend(fold.finish());
        let bars = folded.iter().map(tickbase::domain::TickFold::to_bar);
        bars.map(|bar| (bar.timestamp, bar)).collect()
    }

    /// The built bars that are stored.
    pub(crate) fn stored(&self, frequency: Frequency) -> BTreeMap<Timestamp, PeriodBar> {
        let source = self.db.read("test.source", bar_series::source_id).unwrap();
        let range = BarRange {
            data_source_id: Some(source),
            ..BarRange::all(self.id, frequency)
        };
        let page = BarRepository::new(self.db)
            .range(&BarQuery::new(range, BarQuery::LIMIT_MAX))
            .unwrap();
        assert!(page.rows.len() < BarQuery::LIMIT_MAX);
        let bar = |row: tickbase::models::MarketDataBar| PeriodBar {
            timestamp: row.timestamp,
            open: row.open_price,
            high: row.high_price,
            low: row.low_price,
            close: row.close_price,
            volume: row.volume,
            turnover: row.turnover.unwrap(),
            tick_count: row.tick_count,
            open_interest: row.open_interest,
        };
        let bars = page.rows.into_iter().map(bar);
        bars.map(|bar| (bar.timestamp, bar)).collect()
    }

    /// What a series claims is so: every period that is built and not stale has the bar that its
    /// ticks give, and no bar is outside.
    pub(crate) fn assert_true(&self) {
        for series in self.series().of_instrument(self.id).unwrap() {
            let frequency = series.frequency;
            let stale: BTreeSet<Timestamp> = self.stale(frequency).into_iter().map(at).collect();
            let fresh = |bars: BTreeMap<Timestamp, PeriodBar>| -> Vec<PeriodBar> {
                let fresh = bars.into_iter().filter(|(start, _)| !stale.contains(start));
                fresh.map(|(_, bar)| bar).collect()
            };
            let stored = self.stored(frequency);
            let within = series.built_from..series.built_to;
            assert!(
                stored.keys().all(|start| within.contains(start)),
                "{series:?}"
            );
            let plain = self.plain(frequency, series.built_from, series.built_to);
            assert_eq!(fresh(stored), fresh(plain), "{series:?}");
        }
    }
}
