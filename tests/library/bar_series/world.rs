//! An instrument with ticks, bars and series.

use std::collections::{BTreeMap, BTreeSet};

use crate::bar_series::model::{Model, PlainBar};
use crate::support::{TestDatabase, db_read, db_write};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{BarPrice, Frequency, InstrumentType, ProviderType, Symbol};
use tickbase::models::{BarSeries, MarketDataBar, NewDataSource, NewInstrument};
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::bar_series::{
    self, BuildReport, BuildSpan, SeriesKey, SeriesStatus, TICKS_PER_TRANSACTION_MAX,
};
use tickbase::repository::market_data::{
    InsertOptions, InsertReport, MarketDataRepository, TickRange,
};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery, data_source, instrument};
use tickbase::{Result, Timestamp};

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
        let id = db_write!(db, |now| instrument::insert(&new, now))
            .unwrap()
            .id;
        Self { db, id }
    }

    pub(crate) fn ticks(&self) -> MarketDataRepository<'a> {
        MarketDataRepository::new(self.db)
    }

    pub(crate) fn all_series(&self) -> Vec<SeriesStatus> {
        db_read!(self.db, bar_series::list()).unwrap()
    }

    /// A data source besides the first one.
    pub(crate) fn vendor(&self) -> i64 {
        if let Some(known) = db_read!(self.db, data_source::by_name("vendor")).unwrap() {
            return known.id;
        }
        let new = NewDataSource::new("vendor", ProviderType::Api);
        db_write!(self.db, |now| data_source::insert(&new, now))
            .unwrap()
            .id
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

    /// Two ticks of a second whose sizes are more together than a double holds, so that no bar holds
    /// them.
    pub(crate) fn insert_too_much(&self, second: i64) {
        let tick = |sequence| {
            Tick::try_from(RawTick {
                sequence: Some(sequence),
                price: Some(1.0),
                volume: Some(f64::MAX),
                instrument_id: Some(self.id),
                timestamp: Some(at(second)),
                ..RawTick::default()
            })
            .unwrap()
        };
        let options = InsertOptions::default();
        let report = self.ticks().insert_batch(vec![tick(0), tick(1)], options);
        assert_eq!(report.unwrap().inserted, 2);
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
        self.build_span(frequency, BuildSpan::default()).unwrap()
    }

    pub(crate) fn build_span(&self, frequency: Frequency, span: BuildSpan) -> Result<BuildReport> {
        self.build_by(TICKS_PER_TRANSACTION_MAX, frequency, span)
    }

    /// Builds in transactions that read so few ticks.
    pub(crate) fn build_by(
        &self,
        ticks: usize,
        frequency: Frequency,
        span: BuildSpan,
    ) -> Result<BuildReport> {
        bar_series::build(self.db, self.key(frequency), span, ticks)
    }

    pub(crate) fn refresh(&self, frequency: Frequency) -> BuildReport {
        self.refresh_by(TICKS_PER_TRANSACTION_MAX, frequency, &|| true)
    }

    pub(crate) fn refresh_by(
        &self,
        ticks: usize,
        frequency: Frequency,
        goes_on: &dyn Fn() -> bool,
    ) -> BuildReport {
        bar_series::refresh(self.db, self.key(frequency), ticks, goes_on).unwrap()
    }

    pub(crate) fn mark_stale(&self, range: TickRange) -> Result<usize> {
        db_write!(self.db, bar_series::mark_stale(&range))
    }

    pub(crate) fn key(&self, frequency: Frequency) -> SeriesKey {
        SeriesKey::of_trades(self.id, frequency)
    }

    pub(crate) fn of(&self, frequency: Frequency) -> Option<BarSeries> {
        let all = db_read!(self.db, bar_series::of_instrument(self.id)).unwrap();
        all.into_iter().find(|series| series.frequency == frequency)
    }

    /// The starts of the stale periods, in seconds.
    pub(crate) fn stale(&self, frequency: Frequency) -> Vec<i64> {
        let stale = self.db.read("test.stale", |conn| {
            let (from, to) = (Timestamp::MIN, Timestamp::MAX);
            bar_series::stale_between(conn, self.key(frequency), from, to, 1_000_000)
        });
        let seconds = |at: Timestamp| at.micros() / 1_000_000 - 1_704_067_200;
        stale.unwrap().into_iter().map(seconds).collect()
    }

    /// What is stored of the instrument, in memory.
    pub(crate) fn model(&self) -> Model {
        Model::of(self)
    }

    /// The built bars that are stored.
    pub(crate) fn stored(&self, frequency: Frequency) -> BTreeMap<Timestamp, PlainBar> {
        let source = self
            .db
            .read("test.source", |conn| {
                bar_series::source_id(conn, BarPrice::Last)
            })
            .unwrap();
        let rows = self.rows(BarRange {
            data_source_id: Some(source),
            ..BarRange::all(self.id, frequency)
        });
        let bars = rows.iter().map(PlainBar::of_row);
        bars.map(|bar| (bar.start, bar)).collect()
    }

    /// The active bars of a range.
    pub(crate) fn rows(&self, range: BarRange) -> Vec<MarketDataBar> {
        let page = db_read!(self.db, bar::range(&RangeQuery::new(range, PAGE_ROWS_MAX))).unwrap();
        assert!(page.rows.len() < PAGE_ROWS_MAX);
        page.rows
    }

    /// What a series claims is so: every period that is built and not stale has the bar that its
    /// parts give, and no bar is outside. Series of quotes are looked at elsewhere.
    pub(crate) fn assert_true(&self) {
        let model = self.model();
        let series = db_read!(self.db, bar_series::of_instrument(self.id)).unwrap();
        for series in series.iter().filter(|of| of.price == BarPrice::Last) {
            let frequency = series.frequency;
            let stale: BTreeSet<Timestamp> = self.stale(frequency).into_iter().map(at).collect();
            let fresh = |bars: BTreeMap<Timestamp, PlainBar>| -> Vec<PlainBar> {
                let fresh = bars.into_iter().filter(|(start, _)| !stale.contains(start));
                fresh.map(|(_, bar)| bar).collect()
            };
            let stored = self.stored(frequency);
            let within = series.built_from..series.built_to;
            assert!(
                stored.keys().all(|start| within.contains(start)),
                "{series:?}"
            );
            let plain = model.all_parts(frequency);
            let plain = plain
                .into_iter()
                .filter(|(start, _)| within.contains(start));
            let plain = plain.collect();
            assert_eq!(fresh(stored), fresh(plain), "{series:?}");
        }
    }
}
