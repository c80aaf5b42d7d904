//! Checks that answers show every digit of what is stored: instruments made before places were a
//! choice round to 4.
//!
//! It looks at the newest rows only, so that its cost does not grow with the history.

use super::Finding;
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::domain::places::written_places;
use crate::error::Result;
use crate::models::{MarketData, MarketDataBar};
use crate::repository::bar::{self, BarRange};
use crate::repository::instrument::{self, InstrumentFilter, InstrumentPage};
use crate::repository::market_data::{self, TickRange};
use crate::repository::{RangeQuery, SortOrder};

/// The limits of the look: the first instruments by symbol, and the newest rows of each.
const INSTRUMENTS_MAX: usize = 1_000;
const TICKS_MAX: usize = 100;
const BARS_OF_A_FREQUENCY_MAX: usize = 20;

/// Names the instruments whose newest prices have more places than they show. That is a choice,
/// and no problem.
pub(super) fn finding(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    let page = InstrumentPage {
        filter: InstrumentFilter::default(),
        after: None,
        limit: INSTRUMENTS_MAX,
    };
    let mut named = Vec::new();
    for instrument in instrument::page(conn, &page)?.rows {
        let Some(decimals) = instrument.price_decimals else {
            continue;
        };
        let (shown, stored) = (decimals.places_shown(), places_stored(conn, instrument.id)?);
        if stored > shown {
            let symbol = instrument.symbol;
            named.push(format!(
                "{symbol} rounds to {shown} places and has prices with {stored}"
            ));
        }
    }
    let mut finding = Finding::new("places of shown prices", None);
    finding.note = (!named.is_empty()).then(|| {
        format!(
            "{}; set price_decimals to null to show what is stored (of each of the first \
             {INSTRUMENTS_MAX} instruments the newest {TICKS_MAX} ticks and \
             {BARS_OF_A_FREQUENCY_MAX} bars of a frequency were looked at)",
            named.join(", ")
        )
    });
    Ok(finding)
}

/// The most places of the newest prices of an instrument.
fn places_stored(conn: &mut BackendConnection<'_>, instrument_id: i64) -> Result<usize> {
    let ticks = RangeQuery {
        order: SortOrder::Descending,
        ..RangeQuery::new(TickRange::all(instrument_id), TICKS_MAX)
    };
    let of_tick = |row: &MarketData| [row.price, row.bid, row.ask];
    let rows = market_data::range(conn, &ticks)?.rows;
    let prices = rows.iter().flat_map(of_tick).flatten();
    let mut places = prices.map(written_places).max().unwrap_or(0);
    for frequency in Frequency::ALL {
        let bars = RangeQuery {
            order: SortOrder::Descending,
            ..RangeQuery::new(
                BarRange::all(instrument_id, frequency),
                BARS_OF_A_FREQUENCY_MAX,
            )
        };
        let of_bar = |row: &MarketDataBar| {
            [
                row.open_price,
                row.high_price,
                row.low_price,
                row.close_price,
            ]
        };
        let rows = bar::range(conn, &bars)?.rows;
        let prices = rows.iter().flat_map(of_bar);
        places = places.max(prices.map(written_places).max().unwrap_or(0));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tick::{RawTick, Tick};
    use crate::test_support::on_both;
    use crate::timestamp::Timestamp;

    fn store(conn: &mut BackendConnection<'_>, instrument_id: i64, price: f64) {
        let tick = Tick::try_from(RawTick {
            instrument_id: Some(instrument_id),
            timestamp: Timestamp::from_micros(1).ok(),
            price: Some(price),
            ..RawTick::default()
        });
        let now = Timestamp::from_micros(2).unwrap();
        let options = market_data::InsertOptions::default();
        let ticks = [tick.unwrap()];
        let stored = conn.savepoint(|conn| market_data::insert_batch(conn, &ticks, &options, now));
        assert_eq!(stored.unwrap().inserted, 1);
    }

    #[test]
    fn instruments_that_show_fewer_places_than_they_store_are_named() {
        on_both(|conn| {
            let nothing = Finding::new("places of shown prices", None);
            assert_eq!(finding(conn).unwrap(), nothing);
            store(conn, 1, 1650.25);
            assert_eq!(finding(conn).unwrap(), nothing);
            store(conn, 2, 1.07127);
            let found = finding(conn).unwrap();
            assert_eq!(found.problem, None);
            let note = found.note.unwrap();
            assert!(
                note.starts_with("NQ rounds to 4 places and has prices with 5; "),
                "{note}"
            );
        });
    }
}
