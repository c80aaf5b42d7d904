//! The pass over priced ticks: its SQL, its plans, its order, and that it ends when it is told to.

use diesel::QueryDsl;

use super::super::hot_prices::{
    having_query, newest_stamps_query, prices_of_all_query, prices_query,
};
use super::plans::tail;
use super::*;
use crate::domain::{BarPrice, ProviderType};
use crate::error::Error;
use crate::models::NewDataSource;
use crate::repository::data_source;
use crate::repository::test_rows::gone_at;
use crate::tables::market_data;

type Seen = Vec<(i64, f64, Option<f64>)>;

fn seen(conn: &mut BackendConnection<'_>, of: &TickRange) -> Seen {
    let mut seen = Vec::new();
    let read = prices(conn, of, |point| {
        seen.push((point.timestamp.micros(), point.price, point.volume));
        Ok(())
    });
    assert_eq!(read.unwrap(), seen.len());
    seen
}

fn quote(instrument_id: i64, micros: i64) -> Tick {
    Tick::try_from(RawTick {
        instrument_id: Some(instrument_id),
        timestamp: Some(at(micros)),
        bid: Some(1.0),
        ..RawTick::default()
    })
    .unwrap()
}

fn store_some(conn: &mut BackendConnection<'_>) {
    let vendor = NewDataSource::new("vendor", ProviderType::Api);
    let vendor = data_source::insert(conn, &vendor, now()).unwrap().id;
    insert(
        conn,
        &[
            of_source(vendor, 1, 20, Some(0), 102.0),
            trade(1, 20, Some(5), 101.0),
            trade(1, 10, Some(0), 100.0),
            quote(1, 15),
            trade(1, 30, Some(0), 103.0),
            trade(1, 40, Some(0), 104.0),
            trade(2, 20, Some(0), 50.0),
        ],
    );
}

#[test]
fn a_pass_shows_active_ticks_with_a_price_in_key_order() {
    on_both(|conn| {
        store_some(conn);
        soft_delete_keys(conn, &[key(1, 30, 0)], &mut gone_at(now())).unwrap();
        let all = seen(conn, &TickRange::all(1));
        let expected = [(10, 100.0), (20, 101.0), (20, 102.0), (40, 104.0)];
        assert_eq!(all, expected.map(|(at, price)| (at, price, Some(1.0))));
        let range = TickRange {
            start: Some(at(20)),
            end: Some(at(40)),
            ..TickRange::all(1)
        };
        assert_eq!(seen(conn, &range), all[1..3]);
        assert!(seen(conn, &TickRange::all(3)).is_empty());
    });
}

#[test]
fn a_pass_over_all_goes_instrument_by_instrument() {
    on_both(|conn| {
        store_some(conn);
        let mut seen = Vec::new();
        let read = prices_of_all(conn, Some(at(20)), Some(at(40)), |id, point| {
            seen.push((id, point.timestamp.micros(), point.price));
            Ok(())
        });
        assert_eq!(read.unwrap(), 4);
        assert_eq!(
            seen,
            [
                (1, 20, 101.0),
                (1, 20, 102.0),
                (1, 30, 103.0),
                (2, 20, 50.0)
            ]
        );
    });
}

#[test]
fn an_error_ends_the_pass_and_the_connection_goes_on() {
    on_both(|conn| {
        store_some(conn);
        let mut shown = 0;
        let ended = prices(conn, &TickRange::all(1), |_| {
            shown += 1;
            Err(Error::invalid("pass", "enough", "stop"))
        });
        assert!(matches!(ended, Err(Error::Invalid { .. })), "{ended:?}");
        assert_eq!(shown, 1);
        assert_eq!(seen(conn, &TickRange::all(1)).len(), 5);
    });
}

#[test]
fn the_newest_stamps_are_those_of_priced_ticks_and_their_number_is_bounded() {
    on_both(|conn| {
        store_some(conn);
        let mut newest = |first, last, limit| -> Vec<i64> {
            let of = prices_of_one(None, BarPrice::Last);
            let stamps = newest_stamps(conn, of, (at(first), at(last)), limit).unwrap();
            stamps.into_iter().map(Timestamp::micros).collect()
        };
        assert_eq!(newest(0, 100, 3), [40, 30, 20]);
        assert_eq!(newest(0, 30, 9), [30, 20, 20, 10]);
        assert_eq!(newest(15, 20, 9), [20, 20]);
    });
}

fn prices_of_one(source_id: Option<i64>, price: BarPrice) -> PricesOf {
    PricesOf {
        instrument_id: 1,
        source_id,
        price,
    }
}

#[test]
fn quotes_and_the_ticks_of_a_source_are_shown_alone() {
    on_both(|conn| {
        store_some(conn);
        let vendor = data_source::by_name(conn, "vendor").unwrap().unwrap().id;
        let all = TickRange::all(1);
        let mut shown = |source, price| -> (Vec<(i64, f64)>, Option<i64>, Vec<i64>) {
            let (of, mut shown) = (prices_of_one(source, price), Vec::new());
            let read = prices_of(conn, of, &all, |point| {
                shown.push((point.timestamp.micros(), point.price));
                Ok(())
            });
            assert_eq!(read.unwrap(), shown.len());
            let first = first_stamp(conn, of).unwrap().map(Timestamp::micros);
            let newest = newest_stamps(conn, of, (at(0), at(100)), 9).unwrap();
            (
                shown,
                first,
                newest.into_iter().map(Timestamp::micros).collect(),
            )
        };
        let (bids, first, newest) = shown(None, BarPrice::Bid);
        assert!(
            !bids.is_empty() && bids.iter().all(|(_, bid)| *bid == 1.0),
            "{bids:?}"
        );
        let mut stamps: Vec<i64> = bids.iter().map(|(at, _)| *at).collect();
        assert_eq!(first, stamps.first().copied());
        stamps.reverse();
        assert_eq!(newest, stamps);
        assert_eq!(shown(None, BarPrice::Mid), (vec![], None, vec![]));
        assert_eq!(shown(Some(vendor), BarPrice::Bid), (vec![], None, vec![]));
        assert_eq!(
            shown(Some(vendor), BarPrice::Last),
            (vec![(20, 102.0)], Some(20), vec![20])
        );
        let (trades, ..) = shown(None, BarPrice::Last);
        assert_eq!(trades.len(), seen(conn, &all).len());
    });
}

#[test]
fn the_stamp_after_so_many_ticks_is_found_from_both_ends() {
    on_both(|conn| {
        let ticks: Vec<Tick> = (0..10).map(|n| trade(1, n * 10, Some(0), 1.0)).collect();
        insert(conn, &ticks);
        let of = TickRange {
            instrument_id: 1,
            start: Some(at(20)),
            end: Some(at(80)),
        };
        soft_delete_range(
            conn,
            &TickRange {
                end: Some(at(25)),
                ..of
            },
            &mut gone_at(at(1)),
        )
        .unwrap();
        let mut stamps = |n| {
            let mut stamp = |order| nth_stamp(conn, &of, order, n).unwrap();
            let (first, last) = (stamp(SortOrder::Ascending), stamp(SortOrder::Descending));
            (first.map(Timestamp::micros), last.map(Timestamp::micros))
        };
        assert_eq!(
            stamps(0),
            (Some(20), Some(70)),
            "deleted ones are read, too"
        );
        assert_eq!(stamps(5), (Some(70), Some(20)));
        assert_eq!(stamps(6), (None, None));
    });
}

#[test]
fn a_pass_is_one_statement_in_key_order() {
    let query = prices_query(1, Timestamp::MIN, Timestamp::MAX);
    insta::assert_snapshot!(tail(&query), @"FROM market_data WHERE ((((market_data.deleted_at IS NULL) AND (market_data.instrument_id = $1)) AND (market_data.timestamp BETWEEN $2 AND $3)) AND (market_data.price IS NOT NULL)) ORDER BY market_data.timestamp ASC, market_data.source_id ASC, market_data.sequence ASC");
    let query = prices_of_all_query(Timestamp::MIN, Timestamp::MAX);
    insta::assert_snapshot!(tail(&query), @"FROM market_data WHERE (((market_data.deleted_at IS NULL) AND (market_data.timestamp BETWEEN $1 AND $2)) AND (market_data.price IS NOT NULL)) ORDER BY market_data.instrument_id ASC, market_data.timestamp ASC, market_data.source_id ASC, market_data.sequence ASC");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_pass_reads_the_clustered_key_of_sqlite_in_its_order() {
    use crate::test_support::{on_sqlite, sqlite_plan};
    use diesel::sqlite::Sqlite;
    let one = sql_of::<Sqlite, _>(&prices_query(1, Timestamp::MIN, Timestamp::MAX));
    let all = sql_of::<Sqlite, _>(&prices_of_all_query(Timestamp::MIN, Timestamp::MAX));
    let newest = newest_stamps_query(1, Timestamp::MIN, Timestamp::MAX, 10);
    let newest = sql_of::<Sqlite, _>(&newest);
    let mids = prices_of_one(Some(1), BarPrice::Mid);
    let mids = having_query(mids, Timestamp::MIN, Timestamp::MAX).select(market_data::timestamp);
    let mids = sql_of::<Sqlite, _>(&mids);
    on_sqlite(|conn| {
        #[allow(irrefutable_let_patterns)] // Of a build with SQLite alone.
        let BackendConnection::Sqlite(conn) = conn else {
            unreachable!("it is SQLite");
        };
        let plan = sqlite_plan(conn, &one);
        let seek = "USING PRIMARY KEY (instrument_id=? AND timestamp>? AND timestamp<?)";
        assert!(plan.contains(seek), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        for query in [&newest, &mids] {
            let plan = sqlite_plan(conn, query);
            assert!(plan.contains(seek), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
        let plan = sqlite_plan(conn, &all);
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    });
}

#[cfg(feature = "postgres")]
#[test]
fn a_pass_reads_the_primary_key_of_postgresql() {
    use crate::test_support::{on_postgres, postgres_plan};
    use diesel::pg::Pg;
    let one = sql_of::<Pg, _>(&prices_query(1, Timestamp::MIN, Timestamp::MAX));
    on_postgres(|conn| {
        #[allow(irrefutable_let_patterns)]
        let BackendConnection::Postgres(conn) = conn else {
            return;
        };
        let plan = postgres_plan(conn, &one, 3);
        assert!(plan.contains("market_data_pkey"), "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    });
}

/// The statements that read an instrument in the order of its key, with their parameters.
#[cfg(feature = "postgres")]
fn ordered() -> [(String, usize); 5] {
    use diesel::pg::Pg;
    let (first, last) = (Timestamp::MIN, Timestamp::MAX);
    let from = TickKey::before_all(1, first);
    let mids = having_query(prices_of_one(Some(1), BarPrice::Mid), first, last);
    [
        (sql_of::<Pg, _>(&prices_query(1, first, last)), 3),
        (sql_of::<Pg, _>(&newest_stamps_query(1, first, last, 10)), 4),
        (sql_of::<Pg, _>(&ascending_query(1, from, last, 10)), 9),
        (sql_of::<Pg, _>(&descending_query(1, from, first, 10)), 9),
        (sql_of::<Pg, _>(&mids.select(market_data::timestamp)), 5),
    ]
}

/// Statistics that take the ticks for a few, as the planner does without any for those of a large
/// table: it would collect all of an instrument and sort them, for the newest one, too.
#[cfg(feature = "postgres")]
#[test]
fn an_instrument_is_read_in_the_order_of_its_key_whatever_the_statistics_say() {
    use crate::test_support::{on_postgres, postgres_plan_as_it_is};
    use diesel::connection::SimpleConnection;
    fn plans(conn: &mut BackendConnection<'_>) -> Vec<String> {
        #[allow(irrefutable_let_patterns)]
        let BackendConnection::Postgres(conn) = conn else {
            return Vec::new();
        };
        let plan =
            |(sql, parameters): (String, usize)| postgres_plan_as_it_is(conn, &sql, parameters);
        ordered().into_iter().map(plan).collect()
    }
    on_postgres(|conn| {
        // As they come: the instruments in turns.
        let misleading = "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, \
             sequence, price, deleted_at) SELECT 1 + n % 3, to_timestamp(n), 1, 0, 1, now() \
             FROM generate_series(1, 12000) AS n; \
             ANALYZE market_data; UPDATE market_data SET deleted_at = NULL";
        crate::on_backend!(&mut *conn, |c| c.batch_execute(misleading)).unwrap();
        assert!(plans(conn)[1].contains("Sort"), "{}", plans(conn)[1]);
        let in_order = conn.snapshot(|conn| Ok(plans(conn))).unwrap();
        let in_a_write = conn.savepoint(|conn| {
            conn.prefer_order()?;
            Ok(plans(conn))
        });
        for plan in in_order.into_iter().chain(in_a_write.unwrap()) {
            assert!(plan.contains("using market_data_pkey"), "{plan}");
            assert!(!plan.contains("Sort"), "{plan}");
        }
    });
}
