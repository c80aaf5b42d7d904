//! The statements that run per batch and per build seek in a key.

use diesel::prelude::*;

use super::read::{SeriesKey, series_query, stale_query};
use crate::domain::{BarPrice, Frequency};
use crate::repository::test_rows::*;
use crate::tables::bar_series;
#[cfg(feature = "postgres")]
use crate::test_support::on_postgres;
#[cfg(feature = "sqlite")]
use crate::test_support::on_sqlite;

const MINUTE: SeriesKey = SeriesKey {
    instrument_id: 1,
    frequency: Frequency::OneMinute,
    price: BarPrice::Last,
};

#[test]
fn series_and_stale_periods_are_found_by_their_keys() {
    insta::assert_snapshot!(tail(&series_query(&[1])), @"FROM bar_series WHERE (bar_series.instrument_id = ANY($1))");
    insta::assert_snapshot!(tail(&stale_query(MINUTE, at(1), at(2))), @"FROM stale_bars WHERE (((((stale_bars.instrument_id = $1) AND (stale_bars.frequency = $2)) AND (stale_bars.price = $3)) AND (stale_bars.timestamp >= $4)) AND (stale_bars.timestamp < $5)) ORDER BY stale_bars.timestamp ASC");
}

#[test]
#[cfg(feature = "sqlite")]
fn sqlite_seeks_in_the_keys() {
    on_sqlite(|conn| {
        let stale = "SEARCH stale_bars USING PRIMARY KEY (instrument_id=? AND frequency=? AND price=? AND timestamp>? AND timestamp<?)";
        assert_sqlite_plan(conn, &stale_query(MINUTE, at(1), at(2)), stale);
        let series = "SEARCH bar_series USING PRIMARY KEY (instrument_id=?)";
        let query = series_query(&[1]).select(bar_series::frequency);
        assert_sqlite_plan(conn, &query, series);
    });
}

#[test]
#[cfg(feature = "postgres")]
fn postgres_seeks_in_the_keys() {
    on_postgres(|conn| {
        assert_postgres_plan(conn, &stale_query(MINUTE, at(1), at(2)), "stale_bars_pkey");
        let query = series_query(&[1]).select(bar_series::frequency);
        assert_postgres_plan(conn, &query, "bar_series_pkey");
    });
}
