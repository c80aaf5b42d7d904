//! Bars from ticks: a pure fold over what comes in order of time.
//!
//! No calendar is computed and nothing allocated per tick: a tick is compared with the end of the
//! period that is open. It reads and stores nothing.

use crate::domain::Frequency;
use crate::timestamp::Timestamp;

/// A bar made of what was traded in a period.
#[derive(Debug, Clone, PartialEq)]
pub struct PeriodBar {
    /// Start of the period.
    pub timestamp: Timestamp,
    /// First price.
    pub open: f64,
    /// Greatest price.
    pub high: f64,
    /// Least price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded size, in contracts, shares or coins; a tick without one adds nothing.
    pub volume: f64,
    /// Sum of price times size; `None` when one of the bars that it was made of does not say, and
    /// beyond what doubles hold.
    pub turnover: Option<f64>,
    /// Ticks with a price; `None` when one of the bars that it was made of does not say.
    pub tick_count: Option<i64>,
    /// Open contracts at the end of the period, where the bars that it was made of say.
    pub open_interest: Option<f64>,
}

impl PeriodBar {
    /// The volume-weighted average price; none without volume.
    #[must_use]
    pub fn vwap(&self) -> Option<f64> {
        let turnover = self.turnover.filter(|_| self.volume > 0.0);
        turnover.map(|turnover| turnover / self.volume)
    }

    /// Takes in what another bar of the same period adds, but for its place in time: the close and
    /// the open interest.
    pub(crate) fn widen(&mut self, other: &Self) {
        if other.high > self.high {
            self.high = other.high;
        }
        if other.low < self.low {
            self.low = other.low;
        }
        self.volume += other.volume;
        let sum = self.turnover.zip(other.turnover).map(|(a, b)| a + b);
        self.turnover = sum.filter(|sum| sum.is_finite());
        self.tick_count = self.tick_count.zip(other.tick_count).map(|(a, b)| a + b);
    }
}

/// The ticks of the open period, folded. Its sums are plain numbers, which a tick adds to without
/// asking whether they are there.
#[derive(Debug, Clone, Copy)]
struct TickFold {
    start_micros: i64,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    turnover: f64,
    tick_count: i64,
}

impl TickFold {
    fn to_bar(self) -> PeriodBar {
        PeriodBar {
            timestamp: Timestamp::from_micros_clamped(self.start_micros),
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
            // Prices and sizes at the end of what doubles hold may have a product beyond it.
            turnover: Some(self.turnover).filter(|turnover| turnover.is_finite()),
            tick_count: Some(self.tick_count),
            open_interest: None,
        }
    }
}

/// Folds the ticks of one instrument, in the order of their keys, into the periods of a frequency.
#[derive(Debug, Clone)]
pub struct Aggregator {
    frequency: Frequency,
    /// End of the open period; before every tick while none is open.
    end_micros: i64,
    open: TickFold,
}

impl Aggregator {
    /// Nothing folded yet.
    #[must_use]
    pub fn new(frequency: Frequency) -> Self {
        Self {
            frequency,
            end_micros: i64::MIN,
            open: TickFold {
                start_micros: 0,
                open: 0.0,
                high: 0.0,
                low: 0.0,
                close: 0.0,
                volume: 0.0,
                turnover: 0.0,
                tick_count: 0,
            },
        }
    }

    /// Adds a tick, which is not before the ones added; returns the period that it ends, if it
    /// begins another one.
    #[inline]
    pub fn add(&mut self, at: Timestamp, price: f64, volume: Option<f64>) -> Option<PeriodBar> {
        let size = volume.unwrap_or(0.0);
        if at.micros() >= self.end_micros {
            return self.begin(at, price, size);
        }
        debug_assert!(at.micros() >= self.open.start_micros, "{at} came too late");
        let open = &mut self.open;
        open.high = open.high.max(price);
        open.low = open.low.min(price);
        open.close = price;
        open.volume += size;
        open.turnover += price * size;
        open.tick_count += 1;
        None
    }

    #[inline(never)]
    fn begin(&mut self, at: Timestamp, price: f64, size: f64) -> Option<PeriodBar> {
        let finished = self.finish();
        let (start_micros, end_micros) = self.frequency.period_micros(at.micros());
        self.end_micros = end_micros;
        self.open = TickFold {
            start_micros,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: size,
            turnover: price * size,
            tick_count: 1,
        };
        finished
    }

    /// Ends the open period, if there is one.
    pub fn finish(&mut self) -> Option<PeriodBar> {
        self.end_micros = i64::MIN;
        let finished = (self.open.tick_count > 0).then(|| self.open.to_bar());
        self.open.tick_count = 0;
        finished
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Trade = (i64, f64, Option<f64>);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    fn from_ticks(frequency: Frequency, trades: &[Trade]) -> Vec<PeriodBar> {
        let mut fold = Aggregator::new(frequency);
        let mut periods: Vec<PeriodBar> = trades
            .iter()
            .filter_map(|(micros, price, volume)| fold.add(at(*micros), *price, *volume))
            .collect();
        periods.extend(fold.finish());
        periods
    }

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_bar_holds_first_greatest_least_and_last_and_the_sums() {
        let bars = from_ticks(
            Frequency::OneMinute,
            &[
                (0, 100.0, Some(1.0)),
                (1, 103.5, None),
                (2, 99.25, Some(2.0)),
                (MINUTE - 1, 101.0, Some(1.0)),
                (3 * MINUTE, -37.63, Some(0.0)),
            ],
        );
        assert_eq!(bars.len(), 2);
        let first = &bars[0];
        assert_eq!(first.timestamp, at(0));
        let prices = [first.open, first.high, first.low, first.close];
        assert_eq!(prices, [100.0, 103.5, 99.25, 101.0]);
        assert_eq!((first.volume, first.tick_count), (4.0, Some(4)));
        assert_eq!(first.vwap(), Some((100.0 + 2.0 * 99.25 + 101.0) / 4.0));
        assert_eq!(bars[1].timestamp, at(3 * MINUTE));
        assert_eq!(bars[1].close, -37.63);
        assert_eq!(bars[1].vwap(), None);
    }

    #[test]
    fn no_ticks_make_no_bars() {
        assert!(from_ticks(Frequency::OneMonth, &[]).is_empty());
    }

    #[test]
    fn ticks_at_the_last_moment_make_one_bar() {
        let last = Timestamp::MAX.micros();
        for frequency in Frequency::ALL {
            let bars = from_ticks(frequency, &[(last, 1.0, None), (last, 2.0, None)]);
            assert_eq!(bars.len(), 1, "{frequency}");
            assert_eq!(bars[0].tick_count, Some(2));
        }
    }

    #[test]
    fn a_bar_keeps_the_doubles_of_its_ticks_at_any_magnitude() {
        for price in [4.2155e-9, -1.07127, 256.8800048828125, 5e-324, 1e300] {
            let mut fold = Aggregator::new(Frequency::OneDay);
            assert_eq!(fold.add(at(0), price, None), None);
            let bar = fold.finish().unwrap();
            let prices = [bar.open, bar.high, bar.low, bar.close];
            assert_eq!(prices.map(f64::to_bits), [price.to_bits(); 4]);
        }
    }

    /// Trades in order of time, dense enough that periods hold several, over months.
    fn trades() -> impl Strategy<Value = Vec<Trade>> {
        let step = prop_oneof![
            4 => 0..20_000_000_i64,
            2 => 0..3_600_000_000_i64,
            1 => 0..1_000_000_000_000_i64,
        ];
        // Whole sizes: sums of doubles are then exact in any order.
        let trade = (
            step,
            -1_000_000..1_000_000_i64,
            proptest::option::of(0..1_000_u32),
        );
        (
            -4_000_000_000_000..4_000_000_000_000_i64,
            proptest::collection::vec(trade, 0..200),
        )
            .prop_map(|(start, steps)| {
                let mut now = start;
                let trade = |(step, quarters, size): (i64, i64, Option<u32>)| {
                    now += step;
                    (now, quarters as f64 / 4.0, size.map(f64::from))
                };
                steps.into_iter().map(trade).collect()
            })
    }

    /// Each period by looking at all trades: slow and plain.
    fn plain(frequency: Frequency, trades: &[Trade]) -> Vec<(i64, [f64; 4], f64, f64, i64)> {
        let start = |trade: &&Trade| frequency.period_micros(trade.0).0;
        let mut starts: Vec<i64> = trades.iter().map(|trade| start(&trade)).collect();
        starts.dedup();
        let bar = |of: i64| {
            let held: Vec<&Trade> = trades.iter().filter(|trade| start(trade) == of).collect();
            let prices: Vec<f64> = held.iter().map(|trade| trade.1).collect();
            let high = prices.iter().copied().fold(f64::MIN, f64::max);
            let low = prices.iter().copied().fold(f64::MAX, f64::min);
            let volume = held.iter().filter_map(|trade| trade.2).sum();
            let turnover = held
                .iter()
                .map(|trade| trade.1 * trade.2.unwrap_or(0.0))
                .sum();
            let prices = [prices[0], high, low, prices[prices.len() - 1]];
            (of, prices, volume, turnover, held.len() as i64)
        };
        starts.into_iter().map(bar).collect()
    }

    proptest! {
        #[test]
        fn bars_are_those_of_a_look_at_each_period(trades in trades()) {
            for frequency in Frequency::ALL {
                let folded: Vec<_> = from_ticks(frequency, &trades)
                    .iter()
                    .map(|bar| {
                        let prices = [bar.open, bar.high, bar.low, bar.close];
                        let count = bar.tick_count.unwrap();
                        (bar.timestamp.micros(), prices, bar.volume, bar.turnover.unwrap(), count)
                    })
                    .collect();
                prop_assert_eq!(folded, plain(frequency, &trades), "{}", frequency);
            }
        }

        #[test]
        fn a_split_at_the_end_of_any_period_changes_nothing(trades in trades(), cut: usize) {
            for frequency in Frequency::ALL {
                let whole = from_ticks(frequency, &trades);
                let at = trades.get(cut % trades.len().max(1)).map_or(0, |trade| trade.0);
                let end = frequency.period_micros(at).1;
                let (before, after) = trades.split_at(trades.partition_point(|t| t.0 < end));
                let mut parts = from_ticks(frequency, before);
                parts.extend(from_ticks(frequency, after));
                prop_assert_eq!(parts, whole, "{}", frequency);
            }
        }
    }
}
