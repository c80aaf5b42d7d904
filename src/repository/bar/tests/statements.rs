//! The statements on bars: their SQL and their plans.

use super::*;
use crate::repository::bar::counts::counts_query;
use crate::repository::bar::delete::{active_query, deleted_between_query, deleted_query};
use crate::repository::bar::read::{
    ascending_query, between_query, descending_query, newest_starts_query, of_frequency_query,
    of_keys_query, scan_query, stored_query,
};
use crate::repository::bar::store::WriteBars;
use crate::repository::test_rows::{gone_at, tail};
use crate::test_support::sql_of;

fn one() -> BarRange {
    BarRange {
        data_source_id: Some(1),
        ..BarRange::all(1, DAY)
    }
}

fn key() -> BarKey {
    bar(1, 10, "2").key()
}

fn write<DB>(replace: bool) -> String
where
    DB: diesel::backend::Backend + Default,
    DB::QueryBuilder: Default,
    for<'a> WriteBars<'a>: diesel::query_builder::QueryFragment<DB>,
{
    let new = bar(1, 10, "2");
    let bars = [&new];
    let now = at(1);
    sql_of::<DB, _>(&WriteBars {
        bars: &bars,
        replace,
        now,
    })
}

#[test]
fn reads_name_their_scope_and_compare_the_whole_key() {
    let whole = BarRange::all(1, DAY);
    insta::assert_snapshot!(tail(&between_query(whole, at(1), at(2))), @"FROM market_data_bars WHERE (((((market_data_bars.deleted_at IS NULL) AND (market_data_bars.instrument_id = $1)) AND (market_data_bars.frequency = $2)) AND (market_data_bars.timestamp BETWEEN $3 AND $4)) AND 1 = 1)");
    insta::assert_snapshot!(tail(&ascending_query(one(), (at(1), 1), at(2), 10)), @"FROM market_data_bars WHERE ((((((market_data_bars.deleted_at IS NULL) AND (market_data_bars.instrument_id = $1)) AND (market_data_bars.frequency = $2)) AND (market_data_bars.timestamp BETWEEN $3 AND $4)) AND (market_data_bars.data_source_id = $5)) AND ((market_data_bars.timestamp > $6) OR ((market_data_bars.timestamp = $7) AND (market_data_bars.data_source_id > $8)))) ORDER BY market_data_bars.timestamp ASC, market_data_bars.data_source_id ASC LIMIT $9");
    insta::assert_snapshot!(tail(&descending_query(one(), (at(1), 1), at(2), 10)), @"FROM market_data_bars WHERE ((((((market_data_bars.deleted_at IS NULL) AND (market_data_bars.instrument_id = $1)) AND (market_data_bars.frequency = $2)) AND (market_data_bars.timestamp BETWEEN $3 AND $4)) AND (market_data_bars.data_source_id = $5)) AND ((market_data_bars.timestamp < $6) OR ((market_data_bars.timestamp = $7) AND (market_data_bars.data_source_id < $8)))) ORDER BY market_data_bars.timestamp DESC, market_data_bars.data_source_id DESC LIMIT $9");
    insta::assert_snapshot!(tail(&of_keys_query(&[key(), key()])), @"FROM market_data_bars WHERE ((market_data_bars.deleted_at IS NULL) AND (instrument_id, frequency, timestamp, data_source_id) IN (VALUES ($1, $2, $3, $4), ($5, $6, $7, $8)))");
}

#[test]
fn passes_and_counts_name_their_scope() {
    let whole = BarRange::all(1, DAY);
    insta::assert_snapshot!(tail(&scan_query(whole, at(1), at(2))), @"FROM market_data_bars WHERE (((((market_data_bars.deleted_at IS NULL) AND (market_data_bars.instrument_id = $1)) AND (market_data_bars.frequency = $2)) AND (market_data_bars.timestamp BETWEEN $3 AND $4)) AND 1 = 1) ORDER BY market_data_bars.timestamp ASC, market_data_bars.data_source_id ASC");
    insta::assert_snapshot!(tail(&newest_starts_query(whole, at(1), at(2), 10)), @"FROM market_data_bars WHERE (((((market_data_bars.deleted_at IS NULL) AND (market_data_bars.instrument_id = $1)) AND (market_data_bars.frequency = $2)) AND (market_data_bars.timestamp BETWEEN $3 AND $4)) AND 1 = 1) ORDER BY market_data_bars.timestamp DESC, market_data_bars.data_source_id DESC LIMIT $5");
    insta::assert_snapshot!(tail(&counts_query!()), @"FROM market_data_bars WHERE (market_data_bars.deleted_at IS NULL) GROUP BY market_data_bars.instrument_id, market_data_bars.frequency");
}

#[test]
fn deletion_and_restoration_name_their_scope() {
    insta::assert_snapshot!(tail(&active_query(&[1])), @"FROM market_data_bars WHERE ((market_data_bars.deleted_at IS NULL) AND (market_data_bars.id = ANY($1)))");
    insta::assert_snapshot!(tail(&deleted_query(&[1])), @"FROM market_data_bars WHERE ((market_data_bars.deleted_at IS NOT NULL) AND (market_data_bars.id = ANY($1)))");
    insta::assert_snapshot!(tail(&deleted_between_query(one(), at(1), at(2))), @"FROM market_data_bars WHERE (((((market_data_bars.deleted_at IS NOT NULL) AND (market_data_bars.instrument_id = $1)) AND (market_data_bars.frequency = $2)) AND (market_data_bars.timestamp BETWEEN $3 AND $4)) AND (market_data_bars.data_source_id = $5))");
}

#[test]
fn an_insertion_never_replaces_and_an_upsert_names_the_index_of_active_bars() {
    let text = write::<diesel::pg::Pg>(true);
    assert!(!write::<diesel::pg::Pg>(false).contains("CONFLICT"));
    insta::assert_snapshot!(&text[text.find("VALUES").unwrap()..], @"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT (instrument_id, frequency, \"timestamp\", data_source_id) WHERE deleted_at IS NULL DO UPDATE SET open_price = excluded.open_price, high_price = excluded.high_price, low_price = excluded.low_price, close_price = excluded.close_price, volume = excluded.volume, open_interest = excluded.open_interest, contract_month = excluded.contract_month, is_adjusted = excluded.is_adjusted, quality_score = excluded.quality_score, turnover = excluded.turnover, tick_count = excluded.tick_count, updated_at = excluded.updated_at");
}

#[test]
fn an_upsert_beside_another_writer_changes_the_active_bar_alone() {
    on_both(|conn| {
        insert(conn, &[bar(1, 10, "2")]);
        let old = ids(&all(conn));
        soft_delete(conn, &old, &mut gone_at(at(1))).unwrap();
        insert(conn, &[bar(1, 10, "3")]);
        let (new, now) = (bar(1, 10, "4"), at(7));
        let bars = [&new];
        let replace = |replace| WriteBars {
            bars: &bars,
            replace,
            now,
        };
        let written = crate::on_backend!(&mut *conn, |c| replace(true).execute(c)).unwrap();
        assert_eq!(written, 1);
        let active = all(conn);
        assert_eq!(closes(&active), ["4"]);
        assert_ne!(ids(&active), old);
        assert_eq!(deleted_at(conn, old[0]), Some(at(1)));
        let refused = crate::on_backend!(conn, |c| replace(false).execute(c)).unwrap_err();
        let error = crate::repository::or_conflict(refused, "bars");
        assert!(matches!(error, crate::Error::Conflict { .. }), "{error:?}");
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_seeks_in_the_index_of_active_bars_and_never_sorts() {
    use crate::repository::test_rows::assert_sqlite_plan as plan;
    let index = "SEARCH market_data_bars USING INDEX market_data_bars_period_active ";
    let seek = format!("{index}(instrument_id=? AND frequency=? AND timestamp>? AND timestamp<?)");
    let whole = BarRange::all(1, DAY);
    crate::test_support::on_sqlite(|conn| {
        for of in [one(), whole] {
            plan(conn, &scan_query(of, at(1), at(2)), &seek);
            plan(conn, &between_query(of, at(1), at(2)), &seek);
            plan(conn, &ascending_query(of, (at(1), 1), at(2), 10), &seek);
            plan(conn, &descending_query(of, (at(1), 1), at(2), 10), &seek);
        }
        plan(
            conn,
            &of_keys_query(&[key(), key()]),
            &format!(
                "{index}(instrument_id=? AND frequency=? AND timestamp=? AND data_source_id=?)"
            ),
        );
        let by_id = "SEARCH market_data_bars USING INTEGER PRIMARY KEY (rowid=?)";
        plan(conn, &active_query(&[1, 2]), by_id);
        plan(conn, &deleted_query(&[1, 2]), by_id);
        plan(
            conn,
            &deleted_between_query(whole, at(1), at(2)),
            "USING INDEX market_data_bars_trash",
        );
    });
}

/// What is counted lies in the index by groups.
#[cfg(feature = "sqlite")]
#[test]
fn sqlite_counts_in_the_index_of_active_bars_and_keeps_no_groups() {
    use crate::repository::test_rows::sqlite_plan_with;
    let index = "market_data_bars USING INDEX market_data_bars_period_active";
    let seek = format!("SEARCH {index} (instrument_id=? AND frequency=? AND timestamp>?");
    let whole = BarRange::all(1, DAY);
    crate::test_support::on_sqlite(|conn| {
        let newest = newest_starts_query(whole, at(1), at(2), 10);
        let contested = scan_query(whole, at(1), at(2));
        let contested = contested.select((
            market_data_bars::timestamp,
            market_data_bars::data_source_id,
        ));
        let plans = [
            sqlite_plan_with(conn, &newest, &seek),
            sqlite_plan_with(conn, &contested, &seek),
            sqlite_plan_with(conn, &counts_query!(), &format!("SCAN {index}")),
        ];
        for plan in plans {
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    });
}

/// Which frequencies an instrument has is a look at the index for each.
#[cfg(feature = "sqlite")]
#[test]
fn sqlite_looks_for_frequencies_in_the_index_of_active_bars() {
    use crate::repository::test_rows::sqlite_plan_with;
    crate::test_support::on_sqlite(|conn| {
        let seek = "SEARCH market_data_bars USING INDEX market_data_bars_period_active \
                    (instrument_id=? AND frequency=?)";
        let plan = sqlite_plan_with(conn, &stored_query!(1), seek);
        assert_eq!(plan.matches(seek).count(), Frequency::ALL.len(), "{plan}");
    });
}

#[cfg(feature = "postgres")]
#[test]
fn postgresql_looks_for_frequencies_in_the_index_of_active_bars() {
    use crate::repository::test_rows::assert_postgres_plan as plan;
    let seek = "Index Only Scan using market_data_bars_period_active";
    crate::test_support::on_postgres(|conn| plan(conn, &stored_query!(1), seek));
}

#[test]
fn the_frequencies_that_are_stored_are_those_of_active_bars() {
    on_both(|conn| {
        assert_eq!(stored_frequencies(conn, 1).unwrap(), []);
        let mut minute = bar(1, 20, "2");
        minute.frequency = Frequency::OneMinute;
        insert(conn, &[bar(1, 10, "2"), minute]);
        let both = [Frequency::OneMinute, DAY];
        assert_eq!(stored_frequencies(conn, 1).unwrap(), both);
        assert_eq!(stored_frequencies(conn, 2).unwrap(), []);
        soft_delete_range(conn, &BarRange::all(1, DAY), &mut gone_at(at(1))).unwrap();
        assert_eq!(stored_frequencies(conn, 1).unwrap(), both[..1]);
    });
}

#[cfg(feature = "postgres")]
#[test]
fn postgresql_seeks_in_the_index_of_active_bars() {
    use crate::repository::test_rows::assert_postgres_plan as plan;
    let index = "market_data_bars_period_active";
    crate::test_support::on_postgres(|conn| {
        plan(conn, &between_query(one(), at(1), at(2)), index);
        plan(conn, &ascending_query(one(), (at(1), 1), at(2), 10), index);
        plan(conn, &descending_query(one(), (at(1), 1), at(2), 10), index);
        plan(conn, &scan_query(one(), at(1), at(2)), index);
        let newest = newest_starts_query(one(), at(1), at(2), 10);
        plan(
            conn,
            &newest,
            &format!("Index Only Scan Backward using {index}"),
        );
        let contested = scan_query(one(), at(1), at(2));
        let contested = contested.select((
            market_data_bars::timestamp,
            market_data_bars::data_source_id,
        ));
        plan(conn, &contested, &format!("Index Only Scan using {index}"));
        // PREPARE cannot tell the types in VALUES; the binds of the real statement carry them.
        let sql = sql_of::<diesel::pg::Pg, _>(&of_keys_query(&[key(), key()])).replace(
            "$1, $2, $3, $4",
            "$1::bigint, $2, $3::timestamptz, $4::bigint",
        );
        if let BackendConnection::Postgres(conn) = &mut *conn {
            let plan = crate::test_support::postgres_plan(conn, &sql, 8);
            assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{plan}");
        }
        plan(
            conn,
            &deleted_between_query(one(), at(1), at(2)),
            "market_data_bars_trash",
        );
    });
}
