//! The plain definition of what a bar must be, by a look at everything that is stored. It knows no
//! built bar: a built one that holds is what its parts give.

use std::collections::{BTreeMap, BTreeSet};

use crate::bar_series::world::World;
use tickbase::Timestamp;
use tickbase::domain::{BarPrice, Frequency};
use tickbase::models::{MarketData, MarketDataBar};
use tickbase::repository::bar::BarRange;
use tickbase::repository::bar_series;
use tickbase::repository::market_data::TickRange;
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};
use tickbase::services::historical_data::{BarOrigin, HistoryBar};

/// A bar, with what is not known absent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlainBar {
    pub(crate) start: Timestamp,
    /// Open, high, low, close.
    pub(crate) prices: [f64; 4],
    pub(crate) volume: f64,
    pub(crate) turnover: Option<f64>,
    pub(crate) ticks: Option<i64>,
    pub(crate) open_interest: Option<f64>,
}

impl PlainBar {
    pub(crate) fn of_row(row: &MarketDataBar) -> Self {
        Self {
            start: row.timestamp,
            prices: [
                row.open_price,
                row.high_price,
                row.low_price,
                row.close_price,
            ],
            volume: row.volume,
            turnover: row.turnover,
            ticks: row.tick_count,
            open_interest: row.open_interest,
        }
    }

    pub(crate) fn of_answer(bar: &HistoryBar) -> Self {
        let values = bar.values.as_ref().unwrap();
        assert_ne!(bar.origin, BarOrigin::Filled);
        let prices = [values.open, values.high, values.low, values.close];
        Self {
            start: bar.timestamp,
            prices,
            volume: values.volume,
            turnover: values.turnover,
            ticks: values.tick_count,
            open_interest: values.open_interest,
        }
    }

    fn of_tick(tick: &MarketData) -> Option<Self> {
        let price = tick.price?;
        let volume = tick.volume.unwrap_or(0.0);
        Some(Self {
            start: tick.timestamp,
            prices: [price; 4],
            volume,
            turnover: Some(price * volume),
            ticks: Some(1),
            open_interest: None,
        })
    }

    /// Of parts in order of time, for the period from `start`.
    fn of_parts(start: Timestamp, parts: &[Self]) -> Option<Self> {
        let (first, last) = (parts.first()?, parts.last()?);
        let sum = |sum: Option<f64>, part: Option<f64>| Some(sum? + part?);
        Some(Self {
            start,
            prices: [
                first.prices[0],
                parts.iter().map(|of| of.prices[1]).fold(f64::MIN, f64::max),
                parts.iter().map(|of| of.prices[2]).fold(f64::MAX, f64::min),
                last.prices[3],
            ],
            volume: parts.iter().map(|of| of.volume).sum(),
            turnover: parts.iter().map(|of| of.turnover).fold(Some(0.0), sum),
            ticks: parts.iter().map(|of| of.ticks).sum(),
            open_interest: parts.iter().rev().find_map(|of| of.open_interest),
        })
    }
}

/// What is stored of an instrument, of which built bars can be made again.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    ticks: Vec<MarketData>,
    imported: Vec<MarketDataBar>,
}

impl Model {
    pub(crate) fn of(world: &World<'_>) -> Self {
        let built = world.db.read("test.source", |conn| {
            bar_series::source_id(conn, BarPrice::Last)
        });
        let built = built.unwrap();
        let query = RangeQuery::new(TickRange::all(world.id), PAGE_ROWS_MAX);
        let ticks = world.ticks().range(&query).unwrap().rows;
        assert!(ticks.len() < PAGE_ROWS_MAX);
        let all = Frequency::ALL.map(|of| world.rows(BarRange::all(world.id, of)));
        let imported = all.into_iter().flatten();
        Self {
            ticks,
            imported: imported.filter(|bar| bar.data_source_id != built).collect(),
        }
    }

    /// What came in from one source alone.
    pub(crate) fn of_source(mut self, source_id: i64) -> Self {
        self.ticks.retain(|tick| tick.source_id == source_id);
        self.imported.retain(|bar| bar.data_source_id == source_id);
        self
    }

    /// The sources of imported bars.
    pub(crate) fn sources(&self) -> BTreeSet<i64> {
        self.imported.iter().map(|bar| bar.data_source_id).collect()
    }

    /// What shorter bars and ticks make of the periods of a frequency, by their starts: how they must
    /// be built.
    pub(crate) fn all_parts(&self, frequency: Frequency) -> BTreeMap<Timestamp, PlainBar> {
        let all = Frequency::ALL.into_iter().rev();
        let shorter = all.into_iter().find(|of| of.divides(frequency));
        let parts: Vec<PlainBar> = match shorter {
            Some(shorter) => self.all(shorter),
            None => self.ticks.iter().filter_map(PlainBar::of_tick).collect(),
        };
        let start = |part: &PlainBar| frequency.period_start(part.start);
        let periods = parts.chunk_by(|a, b| start(a) == start(b));
        let bars = periods.filter_map(|parts| PlainBar::of_parts(start(&parts[0]), parts));
        bars.map(|bar| (bar.start, bar)).collect()
    }

    /// The bars of a frequency as an answer must have them: of the first source that has one, else
    /// what their parts make.
    pub(crate) fn all(&self, frequency: Frequency) -> Vec<PlainBar> {
        let mut bars = self.all_parts(frequency);
        let of_frequency = self
            .imported
            .iter()
            .filter(|bar| bar.frequency == frequency);
        let mut imported: Vec<&MarketDataBar> = of_frequency.collect();
        imported.sort_by_key(|bar| std::cmp::Reverse(bar.data_source_id));
        for bar in imported {
            bars.insert(bar.timestamp, PlainBar::of_row(bar));
        }
        bars.into_values().collect()
    }
}
