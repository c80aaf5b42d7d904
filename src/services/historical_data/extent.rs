//! From when to when an instrument has anything that a bar can be made of.

use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::repository::bar::{self, BarRange};
use crate::repository::market_data::{self, TickOrder, TickRange};
use crate::timestamp::Timestamp;

/// The oldest and the newest moment of ticks and of bars of this frequency, or one that divides
/// it; `None` when there are none. A tick without a price counts, so that bars may begin later.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn extent(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    frequency: Frequency,
) -> Result<Option<(Timestamp, Timestamp)>> {
    conn.snapshot(|conn| read_extent(conn, instrument_id, frequency))
}

fn read_extent(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    frequency: Frequency,
) -> Result<Option<(Timestamp, Timestamp)>> {
    let mut moments = Vec::new();
    for order in [TickOrder::Ascending, TickOrder::Descending] {
        let query = market_data::TickRangeQuery {
            order,
            ..market_data::TickRangeQuery::new(TickRange::all(instrument_id), 1)
        };
        let page = market_data::range(conn, &query)?;
        moments.extend(page.rows.iter().map(|tick| tick.timestamp));
        for of in Frequency::ALL {
            if of != frequency && !of.divides(frequency) {
                continue;
            }
            let query = bar::BarRangeQuery {
                order,
                ..bar::BarRangeQuery::new(BarRange::all(instrument_id, of), 1)
            };
            let page = bar::range(conn, &query)?;
            moments.extend(page.rows.iter().map(|bar| bar.timestamp));
        }
    }
    let oldest = moments.iter().min().copied();
    Ok(oldest.zip(moments.iter().max().copied()))
}
