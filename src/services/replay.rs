//! Rules over stored ticks, as if they had come live: what would have fired, and nothing written.
//!
//! It reads the ticks of one instrument in key order and gives them to an engine of its own, after
//! that one was given the past that its rules need. Which ticks came late when they were live is
//! not stored: in a replay none is late.

use crate::database::Database;
use crate::domain::StoredTick;
use crate::error::Result;
use crate::models::{Instrument, MarketData};
use crate::repository::market_data::{MarketDataRepository, TickRange};
use crate::repository::{RangeQuery, SortOrder};
use crate::services::alert_engine::{Evaluator, Firing, HistoryNeed, Rule, WatchedInstrument};
use crate::timestamp::Timestamp;

/// The most ticks that are read for the past of the rules. A mean or a side that needs more is
/// settled by the first ticks of the replay instead.
pub const WARM_UP_TICKS_MAX: usize = 1_000_000;

/// Ticks that are read at a time.
const PAGE_ROWS: usize = 2_000;

/// The result of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Ticks evaluated.
    pub ticks: u64,
    /// Ticks before the range, read for the past that the rules need.
    pub warm_up_ticks: u64,
    /// Firings.
    pub fired: u64,
    /// Matches held back by a cooldown.
    pub suppressed: u64,
    /// Whether the range holds more ticks than [`ReplayRange::ticks_max`] let in.
    pub has_more: bool,
}

/// Which ticks a replay evaluates; the default takes all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayRange {
    /// The first moment; `None` for the beginning.
    pub start: Option<Timestamp>,
    /// The moment that is no longer part of it; `None` for the end.
    pub end: Option<Timestamp>,
    /// The first so many ticks of it; `None` for all.
    pub ticks_max: Option<u64>,
    /// The most ticks that are read for the past of the rules; `None` for [`WARM_UP_TICKS_MAX`].
    pub warm_up_ticks_max: Option<usize>,
}

/// Evaluates rules on the active ticks of an instrument in a range, and tells each firing in order.
/// Cooldowns begin with the replay. Rules of other instruments are refused.
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) for a rule of another instrument; those of
/// [`Database::read`] and of `on_fired`.
pub fn replay(
    db: &Database,
    instrument: &Instrument,
    rules: impl IntoIterator<Item = Rule>,
    of: ReplayRange,
    mut on_fired: impl FnMut(&Firing) -> Result<()>,
) -> Result<Replayed> {
    let mut engine = Evaluator::new();
    engine.watch(WatchedInstrument {
        is_watched: true,
        last_tick: None,
        ..WatchedInstrument::from(instrument)
    });
    for rule in rules {
        engine.put_rule(rule)?;
    }
    let warm_up_max = of.warm_up_ticks_max.unwrap_or(WARM_UP_TICKS_MAX);
    let warm_up_ticks = match of.start {
        Some(start) => warm_up(db, &mut engine, instrument.id, start, warm_up_max)?,
        None => 0,
    };
    let range = TickRange {
        instrument_id: instrument.id,
        start: of.start,
        end: of.end,
    };
    let mut query = RangeQuery::new(range, PAGE_ROWS);
    let ticks = MarketDataRepository::new(db);
    let mut left = of.ticks_max.unwrap_or(u64::MAX);
    while left > 0 {
        query.limit = usize::try_from(left).unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
        let page = ticks.range(&query)?;
        // A page is a batch: rules see the same ticks in the same order, however live ticks were
        // batched.
        let firings = engine.evaluate_batch(page.rows.iter().map(stored));
        engine.commit();
        firings.fired.iter().try_for_each(&mut on_fired)?;
        left -= page.rows.len() as u64;
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let totals = engine.totals();
    Ok(Replayed {
        ticks: totals.evaluated,
        warm_up_ticks,
        fired: totals.fired,
        suppressed: totals.suppressed,
        has_more: query.cursor.is_some(),
    })
}

fn stored(row: &MarketData) -> StoredTick {
    StoredTick {
        instrument_id: row.instrument_id,
        timestamp: row.timestamp,
        source_id: row.source_id,
        sequence: row.sequence,
        price: row.price,
        volume: row.volume,
    }
}

/// Reads back from `before` until the rules know all that they need; returns how many ticks that
/// took.
fn warm_up(
    db: &Database,
    engine: &mut Evaluator,
    instrument_id: i64,
    before: Timestamp,
    ticks_max: usize,
) -> Result<u64> {
    let need = engine.history_need(instrument_id);
    if need.is_none() {
        return Ok(0);
    }
    let range = TickRange {
        instrument_id,
        start: None,
        end: Some(before),
    };
    let mut query = RangeQuery {
        // Backwards from the start: how far the past must reach is known only when the rules have
        // enough of it.
        order: SortOrder::Descending,
        ..RangeQuery::new(range, PAGE_ROWS)
    };
    let ticks = MarketDataRepository::new(db);
    let mut past = ReplayPast::default();
    // Each try takes the whole past again: it is made when the past has doubled.
    let mut next_try = 0;
    loop {
        let page = ticks.range(&query)?;
        page.rows.iter().for_each(|row| past.add(stored(row)));
        query.cursor = page.next;
        let read = past.newest_first.len();
        let is_all = query.cursor.is_none() || read >= ticks_max;
        if is_all || (read >= next_try && past.holds(need)) {
            let oldest_first = past.newest_first.iter().rev().copied();
            engine.warm_up(instrument_id, oldest_first)?;
            if is_all || !engine.is_unsettled(instrument_id) {
                return Ok(read as u64);
            }
            next_try = read * 2;
        }
    }
}

/// The ticks before the range.
#[derive(Default)]
struct ReplayPast {
    newest_first: Vec<StoredTick>,
    prices: usize,
    volumes: usize,
}

impl ReplayPast {
    fn add(&mut self, tick: StoredTick) {
        self.prices += usize::from(tick.price.is_some());
        self.volumes += usize::from(tick.volume.is_some());
        self.newest_first.push(tick);
    }

    fn holds(&self, need: HistoryNeed) -> bool {
        let span = match (self.newest_first.first(), self.newest_first.last()) {
            (Some(newest), Some(oldest)) => newest.timestamp.micros() - oldest.timestamp.micros(),
            _ => 0,
        };
        self.prices >= need.prices
            && self.volumes >= need.volumes
            // More than the window, so that its first stamp is whole.
            && span > need.window_seconds * 1_000_000
    }
}
