//! The costs of an instrument's trades, from its ticks with quotes. The formulas are
//! [`microstructure`](crate::services::analytics::microstructure)'s.

use super::AnalyticsEngine;
use crate::database::BackendConnection;
use crate::error::{Error, Result};
use crate::models::MarketData;
use crate::repository::market_data::{self, TickRange};
use crate::repository::{PAGE_ROWS_MAX, RangeQuery, SortOrder, instrument};
use crate::services::analytics::{Measured, Microstructure, QuotedTrade, microstructure};

const OPERATION: &str = "analytics.microstructure";
const MINUTE_MICROS: i64 = 60_000_000;

/// The most ticks that are read: a busy day has millions, and their newest tell as much.
const TICKS_MAX: usize = 100_000;

impl AnalyticsEngine {
    /// The costs of the trades in the last minutes before an instrument's newest tick, by the
    /// asynchronous door; of 100,000 ticks at most. Ticks without a price, or without a bid below an
    /// ask, do not count.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; [`Error::NotFound`]; those of
    /// [`Database::read_async`](crate::database::Database::read_async).
    pub async fn microstructure_async(
        &self,
        instrument_id: i64,
        minutes: u32,
    ) -> Result<Measured<Microstructure>> {
        self.refuse_unless_running()?;
        let read = self.db.read_async(OPERATION, move |conn| {
            conn.snapshot(|conn| quoted_trades(conn, instrument_id, minutes))
        });
        let found = match read.await {
            Ok(trades) => computed(trades).await,
            Err(error) => Err(error),
        };
        self.noted(found)
    }
}

async fn computed(trades: Vec<QuotedTrade>) -> Result<Measured<Microstructure>> {
    let work = tokio::task::spawn_blocking(move || microstructure(&trades));
    work.await.map_err(|error| Error::Panicked {
        op: OPERATION,
        message: error.to_string(),
    })
}

/// Trades with quotes, oldest first.
fn quoted_trades(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    minutes: u32,
) -> Result<Vec<QuotedTrade>> {
    instrument::get(conn, instrument_id)?;
    let mut query = RangeQuery {
        order: SortOrder::Descending,
        ..RangeQuery::new(TickRange::all(instrument_id), PAGE_ROWS_MAX)
    };
    let (mut trades, mut since, mut read) = (Vec::new(), None, 0);
    loop {
        let page = market_data::range(conn, &query)?;
        read += page.rows.len();
        if let (None, Some(newest)) = (since, page.rows.first()) {
            let micros = i64::from(minutes) * MINUTE_MICROS;
            since = Some(newest.timestamp.saturating_add_micros(-micros));
        }
        let is_new = |tick: &&MarketData| since.is_none_or(|since| tick.timestamp >= since);
        let of_page = page.rows.iter().take_while(is_new).count();
        trades.extend(page.rows[..of_page].iter().filter_map(quoted));
        let is_complete = of_page < page.rows.len() || read >= TICKS_MAX;
        match page.next {
            Some(next) if !is_complete => query.cursor = Some(next),
            _ => break,
        }
    }
    trades.reverse();
    Ok(trades)
}

fn quoted(tick: &MarketData) -> Option<QuotedTrade> {
    let (bid, ask) = (tick.bid?, tick.ask?);
    (bid < ask).then_some(QuotedTrade {
        price: tick.price?,
        volume: tick.volume.unwrap_or(0.0),
        bid,
        ask,
    })
}
