//! The bars of an instrument, put together from everything that is stored of it, by one rule for
//! all who ask: history, coverage and the building of bars.
//!
//! A period is the bar that came in for it, else the bar that was built for it and is not stale,
//! else what its parts make: the periods of the next shorter frequency of which the instrument has
//! bars, each by the same rule, and below the shortest one the ticks. Weeks make no months. So a
//! tick counts only where no shorter bar covers it. Of several sources that a period came in from
//! it is taken from the one with the lowest id. Of quotes (bid, ask, mid) no bar comes in: there are
//! built bars of them, and ticks.
//!
//! The sources of a period are a list: each is read where those before it left something open,
//! row by row. It must run in one snapshot, or under the lock of the instrument.
//!
//! The reasons are in docs/decisions/0014.

mod composed;
mod extent;
mod level;
mod spans;
mod ticks;

pub(crate) use composed::Composed;
pub(crate) use spans::TimeSpan;

use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency};
use crate::error::Result;
use crate::repository::SortOrder;
use crate::repository::bar::{self, BarRange};
use crate::repository::bar_series::{self, BuiltSources, SeriesKey};
use crate::repository::market_data::{self, PricesOf};
use level::FrequencyLevel;

/// Periods of the shortest bars that are read at a time, a month of minutes: what is open between
/// them is in memory.
const PERIODS_PER_WINDOW: i64 = 50_000;

/// Where the parts of a period come from.
#[derive(Debug, Clone, Copy)]
enum PartSource {
    Bars(FrequencyLevel),
    Ticks,
}

/// What the bars of one instrument and frequency are put together from.
#[derive(Debug)]
pub(crate) struct Composition {
    instrument_id: i64,
    frequency: Frequency,
    price: BarPrice,
    /// Only bars and ticks of this source.
    source: Option<i64>,
    built: BuiltSources,
    /// The bars of each frequency, longest first, and then the ticks.
    sources: Vec<PartSource>,
}

impl Composition {
    /// For an answer. With a source, its bars alone count, and its ticks; of a source of built bars
    /// the bars as they are stored.
    pub(crate) fn of_answer(
        conn: &mut BackendConnection<'_>,
        of: SeriesKey,
        source: Option<i64>,
    ) -> Result<Self> {
        let SeriesKey {
            instrument_id,
            frequency,
            price,
        } = of;
        let built = BuiltSources::load(conn)?;
        let as_stored = source.is_some_and(|id| built.contains(id));
        let mut series = match source {
            None => bar_series::of_instrument(conn, instrument_id)?,
            // Built bars are maybe made of other sources, too.
            Some(_) => Vec::new(),
        };
        // Without its source there are no built bars.
        series.retain(|series| series.price == price && built.of(price).is_some());
        let mut levels = match price {
            _ if as_stored => Vec::new(),
            BarPrice::Last => shorter_stored(conn, instrument_id, frequency)?,
            // Of quotes no bar comes in.
            _ => series.iter().map(|series| series.frequency).collect(),
        };
        levels.retain(|shorter| shorter.divides(frequency));
        levels.push(frequency);
        // Longest first: a bar of the whole period stands for all that lies under it.
        levels.sort_unstable_by(|a, b| b.cmp(a));
        let level = |frequency: &Frequency| FrequencyLevel {
            frequency: *frequency,
            series: series.iter().find(|of| of.frequency == *frequency).copied(),
        };
        let bars = levels.iter().map(|of| PartSource::Bars(level(of)));
        let ticks = (!as_stored).then_some(PartSource::Ticks);
        Ok(Self {
            instrument_id,
            frequency,
            price,
            source,
            built,
            sources: bars.chain(ticks).collect(),
        })
    }

    /// For the building of bars: what shorter bars and ticks make.
    pub(crate) fn of_parts(conn: &mut BackendConnection<'_>, of: SeriesKey) -> Result<Self> {
        let mut composition = Self::of_answer(conn, of, None)?;
        // Without the level of the series itself: its bars are what is to be built.
        composition.sources.remove(0);
        Ok(composition)
    }

    /// The sources whose bars are built.
    pub(crate) fn built(&self) -> &BuiltSources {
        &self.built
    }

    /// The bars of a span of whole periods: of all of it, or up to where they took as long as some
    /// `ticks_max` ticks, and one period at least.
    pub(crate) fn bars(
        &self,
        conn: &mut BackendConnection<'_>,
        span: TimeSpan,
        ticks_max: usize,
    ) -> Result<Composed> {
        let mut composed = Composed::beginning_at(span.start);
        while composed.to < span.end && (composed.to == span.start || composed.cost() < ticks_max) {
            let rest = TimeSpan {
                start: composed.to,
                ..span
            };
            let Some(window) = self.window(conn, rest)? else {
                composed.to = span.end;
                break;
            };
            let limit = ticks_max.saturating_sub(composed.cost());
            let to = self.read(conn, window, limit, &mut composed)?;
            composed.join_parts(to);
        }
        Ok(composed)
    }

    /// Reads each source where those before it left something open; returns up to where.
    fn read(
        &self,
        conn: &mut BackendConnection<'_>,
        window: TimeSpan,
        ticks_max: usize,
        composed: &mut Composed,
    ) -> Result<i64> {
        let mut open = vec![window];
        for source in &self.sources {
            match source {
                _ if open.is_empty() => break,
                PartSource::Bars(level) => open = self.read_level(conn, level, &open, composed)?,
                // They come last, and alone may end early.
                PartSource::Ticks => {
                    return self.read_ticks(conn, window, &open, ticks_max, composed);
                }
            }
        }
        Ok(window.end)
    }

    /// The next periods to read, from the first one on that may have a bar; `None` when none has.
    fn window(&self, conn: &mut BackendConnection<'_>, rest: TimeSpan) -> Result<Option<TimeSpan>> {
        let Some(length) = self.window_length() else {
            return Ok(Some(rest));
        };
        if rest.end - rest.start <= length {
            return Ok(Some(rest));
        }
        let mut first = Vec::new();
        for source in &self.sources {
            match source {
                PartSource::Bars(level) => {
                    let range = self.range_of(level, rest);
                    let bars = bar::outermost_starts(conn, &range, SortOrder::Ascending, 1)?;
                    first.extend(bars.first().map(|(start, _)| *start));
                }
                PartSource::Ticks => {
                    let range = rest.ticks(self.instrument_id);
                    first.extend(market_data::nth_stamp(
                        conn,
                        &range,
                        SortOrder::Ascending,
                        0,
                    )?);
                }
            }
        }
        // From the first row on: years without one cost a look into each index, not a pass.
        let window = first.into_iter().min().map(|first| {
            let (start, end) = self.frequency.period_micros(first.micros());
            let last = self.frequency.period_micros(start + length).0;
            let window = TimeSpan {
                start,
                end: last.max(end),
            };
            window.and(rest)
        });
        Ok(window)
    }

    /// How much is read at a time; `None` for all at once, which is right where no bar that is
    /// shorter than the answer's is taken.
    fn window_length(&self) -> Option<i64> {
        let finest = self.finest();
        let (start, end) = finest.period_micros(0);
        (finest < self.frequency).then_some(PERIODS_PER_WINDOW * (end - start))
    }

    /// The shortest frequency whose bars are taken.
    fn finest(&self) -> Frequency {
        let levels = self.sources.iter().filter_map(|source| match source {
            PartSource::Bars(level) => Some(level.frequency),
            PartSource::Ticks => None,
        });
        levels.min().unwrap_or(self.frequency)
    }

    /// The stored bars of a level among which those that are taken are.
    fn range_of(&self, level: &FrequencyLevel, span: TimeSpan) -> BarRange {
        let built_alone = match self.price {
            BarPrice::Last => None,
            quote => self.built.of(quote),
        };
        BarRange {
            data_source_id: self.source.or(built_alone),
            ..span.bars(self.instrument_id, level.frequency)
        }
    }

    /// Whether a stored bar of this source is taken, if it is not stale: `Some(true)` for a built
    /// one, which may be; `None` for one that is not taken.
    fn is_built(&self, source_id: i64) -> Option<bool> {
        match (self.source, self.built.price(source_id)) {
            (Some(asked), _) => (asked == source_id).then_some(false),
            (None, Some(price)) => (price == self.price).then_some(true),
            (None, None) => (self.price == BarPrice::Last).then_some(false),
        }
    }

    /// The ticks that are taken.
    fn prices(&self) -> PricesOf {
        PricesOf {
            instrument_id: self.instrument_id,
            source_id: self.source,
            price: self.price,
        }
    }
}

/// The frequencies of which an instrument has bars that may make up those of this one: none of the
/// shortest, for which nothing is read.
fn shorter_stored(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    frequency: Frequency,
) -> Result<Vec<Frequency>> {
    if Frequency::ALL
        .iter()
        .any(|shorter| shorter.divides(frequency))
    {
        return bar::stored_frequencies(conn, instrument_id);
    }
    Ok(Vec::new())
}
