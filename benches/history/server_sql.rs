//! The same by SQL alone, computed by the PostgreSQL server.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::Double;

use super::Sums;

#[derive(QueryableByName)]
struct Bar {
    #[diesel(sql_type = Double)]
    open: f64,
    #[diesel(sql_type = Double)]
    high: f64,
    #[diesel(sql_type = Double)]
    low: f64,
    #[diesel(sql_type = Double)]
    close: f64,
    #[diesel(sql_type = Double)]
    volume: f64,
}

pub(crate) fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap()
}

/// The minute bars of the instruments that a condition names.
pub(crate) fn bars(conn: &mut PgConnection, which: &str) -> Sums {
    const FIRST: &str = "\"timestamp\", source_id, sequence";
    const LAST: &str = "\"timestamp\" DESC, source_id DESC, sequence DESC";
    let query = format!(
        "SELECT (array_agg(price ORDER BY {FIRST}))[1] AS open, max(price) AS high, \
         min(price) AS low, (array_agg(price ORDER BY {LAST}))[1] AS close, sum(volume) AS volume \
         FROM market_data WHERE deleted_at IS NULL AND {which} \
         GROUP BY instrument_id, date_bin('1 minute', \"timestamp\", 'epoch') \
         ORDER BY instrument_id, date_bin('1 minute', \"timestamp\", 'epoch')"
    );
    let mut sums = vec![0.0; 6];
    let bars = diesel::sql_query(query);
    for bar in bars.load_iter::<Bar, PgRowByRowLoadingMode>(conn).unwrap() {
        let bar = bar.unwrap();
        let values = [1.0, bar.open, bar.high, bar.low, bar.close, bar.volume];
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
    }
    sums
}
