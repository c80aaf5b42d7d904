//! Archived ticks and hot rows as one: by key, a hot row wins, and hides the tick of the file when it is
//! deleted.

use std::collections::VecDeque;

use super::cold::{ColdChunk, ColdTicks};
use super::hot::HotRows;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::{ArchiveSegment, MarketData};
use crate::repository::SortOrder;
use crate::repository::market_data::TickKey;
use crate::segment::{SegmentTick, WantedColumns};
use crate::timestamp::Timestamp;

/// The active ticks of an instrument and a range of time, in the order of their keys or against it.
pub(crate) struct MergedTicks {
    instrument_id: i64,
    order: SortOrder,
    cold: ColdTicks,
    /// Cold ticks that were read, in the order of the read.
    cold_rows: VecDeque<MarketData>,
    cold_ended: bool,
    hot: HotRows,
    /// The key behind which the read begins.
    after: Option<TickKey>,
}

impl MergedTicks {
    /// Those of these files and of `market_data`, both moments included, behind a key if one is given.
    pub(crate) fn new(
        instrument_id: i64,
        segments: Vec<ArchiveSegment>,
        bounds: (Timestamp, Timestamp),
        order: SortOrder,
        after: Option<TickKey>,
    ) -> Self {
        // Pages before the key are not read.
        let cold_bounds = match (order, after) {
            (SortOrder::Ascending, Some(key)) => (bounds.0.max(key.timestamp), bounds.1),
            (SortOrder::Descending, Some(key)) => (bounds.0, bounds.1.min(key.timestamp)),
            (_, None) => bounds,
        };
        Self {
            instrument_id,
            order,
            cold: ColdTicks::new(
                segments,
                cold_bounds,
                (order, ColdChunk::Page),
                WantedColumns::ALL,
            ),
            cold_rows: VecDeque::new(),
            cold_ended: false,
            hot: HotRows::new(instrument_id, bounds, order, after),
            after,
        }
    }

    /// The next tick; `None` at the end.
    pub(crate) fn next(&mut self, conn: &mut BackendConnection<'_>) -> Result<Option<MarketData>> {
        loop {
            self.fill(conn)?;
            let hot = self.hot.peek(conn)?.map(MarketData::key);
            let next = match (self.cold_rows.front().map(MarketData::key), hot) {
                (None, None) => return Ok(None),
                (Some(cold), Some(hot)) if cold == hot => {
                    self.cold_rows.pop_front();
                    self.hot.pop()
                }
                (Some(cold), Some(hot)) if !comes_first(self.order, cold, hot) => self.hot.pop(),
                (Some(_), _) => self.cold_rows.pop_front(),
                (None, Some(_)) => self.hot.pop(),
            };
            if let Some(tick) = next.filter(|tick| tick.deleted_at.is_none()) {
                return Ok(Some(tick));
            }
        }
    }

    fn fill(&mut self, conn: &mut BackendConnection<'_>) -> Result<()> {
        while self.cold_rows.is_empty() && !self.cold_ended {
            let Some(rows) = self.cold.next(conn)? else {
                self.cold_ended = true;
                break;
            };
            let ticks = (0..rows.len()).filter_map(|row| rows.tick(row));
            let rows = ticks.map(|tick| as_row(self.instrument_id, &tick));
            let mut rows: Vec<MarketData> = rows.collect();
            if self.order == SortOrder::Descending {
                rows.reverse();
            }
            let begins = |row: &MarketData| {
                self.after
                    .is_none_or(|after| comes_first(self.order, after, row.key()))
            };
            self.cold_rows = rows.into_iter().filter(begins).collect();
        }
        Ok(())
    }
}

fn comes_first(order: SortOrder, one: TickKey, other: TickKey) -> bool {
    match order {
        SortOrder::Ascending => one < other,
        SortOrder::Descending => one > other,
    }
}

fn as_row(instrument_id: i64, tick: &SegmentTick) -> MarketData {
    let [
        price,
        volume,
        bid,
        ask,
        bid_size,
        ask_size,
        open_price,
        high_price,
        low_price,
    ] = tick.values;
    MarketData {
        instrument_id,
        timestamp: tick.timestamp,
        source_id: tick.source_id,
        sequence: tick.sequence,
        price,
        volume,
        bid,
        ask,
        bid_size,
        ask_size,
        open_price,
        high_price,
        low_price,
        deleted_at: None,
    }
}
