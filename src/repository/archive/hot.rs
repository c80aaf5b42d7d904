//! The hot rows of an instrument and a range of time, deleted ones included, in the order of their keys or
//! against it: some at a time.

use std::collections::VecDeque;

use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::MarketData;
use crate::repository::SortOrder;
use crate::repository::market_data::{TickKey, before_key, behind_key};
use crate::soft_delete::SoftDeletable;
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// Rows of one statement: a page of an answer, or some of a pass.
const ROWS_PER_STATEMENT: i64 = 2_000;

/// Where a read of hot rows is.
pub(super) struct HotRows {
    instrument_id: i64,
    bounds: (Timestamp, Timestamp),
    order: SortOrder,
    rows: VecDeque<MarketData>,
    /// The key behind which the next rows are; `None` when there are no more.
    after: Option<Option<TickKey>>,
}

impl HotRows {
    /// Those between two moments, both included, behind a key if one is given.
    pub(super) fn new(
        instrument_id: i64,
        bounds: (Timestamp, Timestamp),
        order: SortOrder,
        after: Option<TickKey>,
    ) -> Self {
        Self {
            instrument_id,
            bounds,
            order,
            rows: VecDeque::new(),
            after: Some(after),
        }
    }

    /// The next one, which stays the next one.
    pub(super) fn peek(&mut self, conn: &mut BackendConnection<'_>) -> Result<Option<&MarketData>> {
        if self.rows.is_empty()
            && let Some(after) = self.after
        {
            let rows = self.read(conn, after)?;
            let is_all = (rows.len() as i64) < ROWS_PER_STATEMENT;
            self.after = match rows.last() {
                Some(last) if !is_all => Some(Some(last.key())),
                _ => None,
            };
            self.rows = rows.into();
        }
        Ok(self.rows.front())
    }

    /// Takes the one that was looked at.
    pub(super) fn pop(&mut self) -> Option<MarketData> {
        self.rows.pop_front()
    }

    fn read(
        &self,
        conn: &mut BackendConnection<'_>,
        after: Option<TickKey>,
    ) -> Result<Vec<MarketData>> {
        use market_data::{sequence, source_id, timestamp};
        let (first, last) = self.bounds;
        let rows = market_data::table
            .with_deleted("a deleted one hides the tick of the file")
            .filter(market_data::instrument_id.eq(self.instrument_id));
        Ok(match self.order {
            SortOrder::Ascending => {
                let from = after.unwrap_or(TickKey::before_all(self.instrument_id, first));
                let query = rows
                    .filter(timestamp.between(from.timestamp, last))
                    .filter(behind_key(from))
                    .order((timestamp.asc(), source_id.asc(), sequence.asc()))
                    .limit(ROWS_PER_STATEMENT);
                crate::on_backend!(conn, |c| query.select(MarketData::as_select()).load(c))?
            }
            SortOrder::Descending => {
                let from = after.unwrap_or(TickKey::after_all(self.instrument_id, last));
                let query = rows
                    .filter(timestamp.between(first, from.timestamp))
                    .filter(before_key(from))
                    .order((timestamp.desc(), source_id.desc(), sequence.desc()))
                    .limit(ROWS_PER_STATEMENT);
                crate::on_backend!(conn, |c| query.select(MarketData::as_select()).load(c))?
            }
        })
    }
}
