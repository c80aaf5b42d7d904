//! Bars put together: what one source gives of a period, joined with what the others give of it,
//! and what all of it was made of. It reads nothing.

use std::collections::BTreeSet;

use crate::domain::PeriodBar;

/// A bar takes about as long to read as so many ticks.
const TICKS_PER_BAR: usize = 5;

/// A period's bar, or the part of it that one source gives.
#[derive(Debug)]
pub(crate) struct ComposedBar {
    /// Start of the period, in microseconds since the epoch.
    pub(super) period: i64,
    /// The first and the last moment of what it was made of.
    pub(super) first: i64,
    pub(super) last: i64,
    /// The moment of the last bar that says the open interest.
    pub(super) interest: Option<i64>,
    /// The source of a bar that is stored for the whole period; `None` for one that was made.
    pub(crate) stored: Option<i64>,
    /// A stored one has the moment by which its source names the period, else the start.
    pub(crate) bar: PeriodBar,
}

impl ComposedBar {
    /// Adds a part whose first moment is not before this one's. Its last one may be: bars and
    /// ticks of a period take turns.
    fn join(&mut self, other: Self) {
        self.bar.widen(&other.bar);
        // The close is that of the latest moment, whichever part has it.
        if other.last > self.last {
            self.bar.close = other.bar.close;
            self.last = other.last;
        }
        if other.interest > self.interest {
            self.bar.open_interest = other.bar.open_interest;
            self.interest = other.interest;
        }
    }
}

/// Adds a part behind the others, to the last one where both are of the same period.
pub(super) fn add(bars: &mut Vec<ComposedBar>, part: ComposedBar) {
    match bars.last_mut() {
        // Bars that are stored for the whole period come alone, or from one source that names two
        // moments of it.
        Some(last) if last.period == part.period && part.stored.is_none() => last.join(part),
        _ => bars.push(part),
    }
}

/// Bars of a span, and what they were made of.
#[derive(Debug, Default)]
pub(crate) struct Composed {
    /// Oldest first; a period without one has nothing.
    pub(crate) bars: Vec<ComposedBar>,
    /// The end of the last period that was looked at.
    pub(crate) to: i64,
    /// Ticks that were folded.
    pub(crate) ticks_read: usize,
    /// Bars that were taken or folded.
    pub(crate) bars_read: usize,
    /// The parts that are not joined yet, of one source after the other.
    pub(super) parts: Vec<ComposedBar>,
    /// The sources, `None` for ticks, each with the last moment that it gave.
    sources: Vec<(Option<i64>, i64)>,
}

impl Composed {
    /// Nothing yet, of a span that begins at a moment.
    pub(super) fn beginning_at(start: i64) -> Self {
        Self {
            to: start,
            ..Self::default()
        }
    }

    /// The cost of reading them, in ticks.
    pub(crate) fn cost(&self) -> usize {
        self.ticks_read + TICKS_PER_BAR * self.bars_read
    }

    /// The data sources of the bars from a moment on, by id, and `None` where ticks were folded.
    ///
    /// A source gives something of every period that it is named for, and of the oldest bars of an
    /// answer some may be left out: so the last moment that it gave decides.
    pub(crate) fn sources(&self, from: i64) -> BTreeSet<Option<i64>> {
        let given = self.sources.iter().filter(|(_, last)| *last >= from);
        given.map(|(source, _)| *source).collect()
    }

    pub(super) fn note_source(&mut self, source: Option<i64>, micros: i64) {
        // There are few of them, and this is done for each period.
        match self.sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, last)) => *last = micros.max(*last),
            None => self.sources.push((source, micros)),
        }
    }

    /// Joins the parts of the periods before `to`, whatever their source.
    pub(super) fn join_parts(&mut self, to: i64) {
        self.to = to;
        // Ticks may have ended the window early: later parts are read again with the next one.
        self.parts.retain(|part| part.period < to);
        // By their first moments: the open of a bar is that of its earliest part.
        self.parts.sort_by_key(|part| (part.period, part.first));
        self.bars.reserve(self.parts.len());
        for part in self.parts.drain(..) {
            add(&mut self.bars, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Aggregator, Frequency};
    use crate::timestamp::Timestamp;

    const MINUTE: i64 = 60_000_000;

    /// What ticks make of a frequency, each tick a moment, a price and a size.
    fn of_ticks(frequency: Frequency, ticks: &[(i64, f64, f64)]) -> Vec<PeriodBar> {
        let (mut fold, mut bars) = (Aggregator::new(frequency), Vec::new());
        for (micros, price, size) in ticks {
            let at = Timestamp::from_micros(*micros).unwrap();
            bars.extend(fold.add(at, *price, Some(*size)));
        }
        bars.extend(fold.finish());
        bars
    }

    /// What shorter bars make of a frequency.
    fn of_bars(frequency: Frequency, bars: Vec<PeriodBar>) -> Vec<PeriodBar> {
        let mut made = Vec::new();
        for bar in bars {
            let at = bar.timestamp.micros();
            let period = frequency.period_micros(at).0;
            let part = ComposedBar {
                period,
                first: at,
                last: at,
                interest: bar.open_interest.map(|_| at),
                stored: None,
                bar: PeriodBar {
                    timestamp: Timestamp::from_micros(period).unwrap(),
                    ..bar
                },
            };
            add(&mut made, part);
        }
        made.into_iter().map(|made| made.bar).collect()
    }

    #[test]
    fn the_last_open_interest_that_is_known_stays() {
        let ticks = [(0, 1.0, 1.0), (MINUTE, 2.0, 1.0), (2 * MINUTE, 3.0, 1.0)];
        let mut bars = of_ticks(Frequency::OneMinute, &ticks);
        bars[0].open_interest = Some(5.0);
        bars[1].open_interest = Some(7.0);
        bars[1].tick_count = None;
        bars[1].turnover = None;
        let hour = of_bars(Frequency::OneHour, bars);
        assert_eq!((hour.len(), hour[0].close), (1, 3.0));
        assert_eq!(hour[0].open_interest, Some(7.0));
        assert_eq!((hour[0].tick_count, hour[0].turnover), (None, None));
    }

    /// Ticks in order of time, dense enough that periods hold several, over months. Sizes are whole:
    /// sums of doubles are then exact in any order.
    fn ticks() -> impl Strategy<Value = Vec<(i64, f64, f64)>> {
        let step = prop_oneof![
            4 => 0..20_000_000_i64,
            2 => 0..3_600_000_000_i64,
            1 => 0..1_000_000_000_000_i64,
        ];
        let tick = (step, -1_000_000..1_000_000_i64, 0..1_000_u32);
        proptest::collection::vec(tick, 0..200).prop_map(|steps| {
            let mut now = -2_000_000_000_000;
            let tick = |(step, quarters, size): (i64, i64, u32)| {
                now += step;
                (now, quarters as f64 / 4.0, f64::from(size))
            };
            steps.into_iter().map(tick).collect()
        })
    }

    proptest! {
        #[test]
        fn bars_of_finer_bars_are_those_of_the_ticks(ticks in ticks()) {
            for fine in Frequency::ALL {
                for coarse in Frequency::ALL.into_iter().filter(|coarse| fine.divides(*coarse)) {
                    let by_way = of_bars(coarse, of_ticks(fine, &ticks));
                    prop_assert_eq!(by_way, of_ticks(coarse, &ticks), "{} {}", fine, coarse);
                }
            }
        }
    }
}
