//! Where instruments stand: the newest tick of each, and the day that it belongs to. What a list of
//! prices shows, of many instruments at once.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::fetch::{READS_AT_ONCE_MAX, SymbolHistory, fetch_cached};
use super::query::BarQuery;
use crate::database::Database;
use crate::domain::{BarPrice, DAY_MICROS, Frequency, PeriodBar};
use crate::error::{Error, Result};
use crate::models::Instrument;
use crate::services::cache::{Cache, LatestTick};
use crate::timestamp::Timestamp;

/// Bars that a day is put together from.
const SHORT: Frequency = Frequency::FifteenMinutes;

/// Where an instrument stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InstrumentDay {
    /// The instrument.
    pub instrument: Arc<Instrument>,
    /// Its newest tick; none while it has no ticks.
    pub latest: Option<Arc<LatestTick>>,
    /// The day of that tick, in UTC; without ticks, the day of the newest bar.
    pub day: Option<DaySummary>,
}

/// A day of an instrument, in UTC.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DaySummary {
    /// Of which price its bars are: `last`, or `mid` where nothing was traded.
    pub price: BarPrice,
    /// The day as one bar.
    pub bar: PeriodBar,
    /// The closes of its bars of 15 minutes, oldest first; one, that of the day, where there are
    /// none so short.
    pub closes: Vec<f64>,
}

/// Where these instruments stand, in their order. One that is deleted meanwhile is left out.
///
/// # Errors
/// Those of [`Database::read_async`].
pub async fn days(db: &Database, cache: &Cache, ids: &[i64]) -> Result<Vec<InstrumentDay>> {
    let latest = cache.latest(ids).await?;
    let read = |id: i64| {
        let latest = latest.iter().find(|of| of.tick.instrument_id == id);
        one(db, cache, id, latest.cloned())
    };
    let reads: Vec<_> = ids.iter().map(|id| read(*id)).collect();
    let in_order = stream::iter(reads).buffered(READS_AT_ONCE_MAX);
    let found: Vec<Option<InstrumentDay>> = in_order.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn one(
    db: &Database,
    cache: &Cache,
    id: i64,
    latest: Option<Arc<LatestTick>>,
) -> Result<Option<InstrumentDay>> {
    let instrument = match cache.instrument(id).await {
        Err(Error::NotFound { .. }) => return Ok(None),
        found => found?,
    };
    let asked = DayQuestion {
        db,
        cache,
        instrument: &instrument,
    };
    let day = match &latest {
        Some(of) => asked.day_of_tick(of).await?,
        None => asked.day_of_bar().await?,
    };
    Ok(Some(InstrumentDay {
        instrument,
        latest,
        day,
    }))
}

struct DayQuestion<'a> {
    db: &'a Database,
    cache: &'a Cache,
    instrument: &'a Instrument,
}

impl DayQuestion<'_> {
    async fn bars(&self, query: BarQuery) -> Result<Arc<SymbolHistory>> {
        let symbol = self.instrument.symbol.clone();
        let found = fetch_cached(self.db, self.cache, symbol, query).await?;
        Ok(found.value)
    }

    /// The day of the newest tick: by trades, or by quotes where nothing was ever traded. Each way
    /// reads the whole day, so only one that can succeed is taken. Where the day has neither, it is
    /// that of the newest bar.
    async fn day_of_tick(&self, latest: &LatestTick) -> Result<Option<DaySummary>> {
        let start = Frequency::OneDay.period_start(latest.tick.timestamp);
        let was_traded = latest.tick.price.is_some() || self.instrument.last_price.is_some();
        let price = match was_traded {
            true => BarPrice::Last,
            false => BarPrice::Mid,
        };
        match self.day(start, SHORT, price).await? {
            Some(day) => Ok(Some(day)),
            None => self.day_of_bar().await,
        }
    }

    /// The day of the newest bar; without shorter bars, it alone.
    async fn day_of_bar(&self) -> Result<Option<DaySummary>> {
        let newest = BarQuery {
            max_records: Some(1),
            ..BarQuery::all(self.instrument.id, Frequency::OneDay)
        };
        let found = self.bars(newest).await?;
        let Some(start) = found.history.bars.last().map(|bar| bar.timestamp) else {
            return Ok(None);
        };
        let start = Frequency::OneDay.period_start(start);
        match self.day(start, SHORT, BarPrice::Last).await? {
            Some(day) => Ok(Some(day)),
            None => self.day(start, Frequency::OneDay, BarPrice::Last).await,
        }
    }

    async fn day(
        &self,
        start: Timestamp,
        frequency: Frequency,
        price: BarPrice,
    ) -> Result<Option<DaySummary>> {
        let of_day = BarQuery {
            start: Some(start),
            end: Some(start.saturating_add_micros(DAY_MICROS)),
            price,
            ..BarQuery::all(self.instrument.id, frequency)
        };
        let found = self.bars(of_day).await?;
        let bars = found.history.bars.iter();
        let bars = bars.filter_map(|bar| bar.values.as_ref());
        Ok(summary(price, bars))
    }
}

/// The bars of a day as one.
fn summary<'a>(
    price: BarPrice,
    bars: impl Iterator<Item = &'a PeriodBar> + Clone,
) -> Option<DaySummary> {
    let closes = bars.clone().map(|bar| bar.close).collect();
    let start = Frequency::OneDay.period_start(bars.clone().next()?.timestamp);
    let bar = bars.cloned().reduce(|day, bar| PeriodBar {
        high: day.high.max(bar.high),
        low: day.low.min(bar.low),
        close: bar.close,
        volume: day.volume + bar.volume,
        turnover: sum(day.turnover, bar.turnover, |one, other| one + other),
        tick_count: sum(day.tick_count, bar.tick_count, |one, other| one + other),
        open_interest: bar.open_interest,
        ..day
    })?;
    let bar = PeriodBar {
        timestamp: start,
        ..bar
    };
    Some(DaySummary { price, bar, closes })
}

/// What both know.
fn sum<T>(one: Option<T>, other: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    one.zip(other).map(|(one, other)| add(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(stamp: &str, prices: [f64; 4], volume: f64, tick_count: Option<i64>) -> PeriodBar {
        let [open, high, low, close] = prices;
        PeriodBar {
            timestamp: stamp.parse().unwrap(),
            open,
            high,
            low,
            close,
            volume,
            turnover: None,
            tick_count,
            open_interest: None,
        }
    }

    #[test]
    fn a_day_opens_with_its_first_bar_and_closes_with_its_last() {
        let bars = [
            bar("2013-09-03T10:15:00Z", [5.0, 7.0, 4.0, 6.0], 10.0, Some(3)),
            bar("2013-09-03T10:30:00Z", [6.0, 9.0, 5.0, 8.0], 5.0, Some(2)),
        ];
        let day = summary(BarPrice::Last, bars.iter()).unwrap();
        let whole = bar("2013-09-03T00:00:00Z", [5.0, 9.0, 4.0, 8.0], 15.0, Some(5));
        assert_eq!((day.bar, day.closes), (whole, vec![6.0, 8.0]));
        assert_eq!(summary(BarPrice::Last, [].iter()), None);
    }

    #[test]
    fn a_count_that_one_bar_does_not_know_is_unknown() {
        let bars = [
            bar("2013-09-03T10:15:00Z", [1.0; 4], 1.0, None),
            bar("2013-09-03T10:30:00Z", [1.0; 4], 1.0, Some(2)),
        ];
        assert_eq!(
            summary(BarPrice::Mid, bars.iter()).unwrap().bar.tick_count,
            None
        );
    }
}
