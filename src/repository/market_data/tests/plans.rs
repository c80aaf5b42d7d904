//! The queries of ticks by their SQL and by the plans of both backends.

use super::*;
#[cfg(feature = "postgres")]
use crate::repository::market_data::latest_postgres::latest_query;
#[cfg(feature = "sqlite")]
use crate::repository::market_data::latest_sqlite::newest_query;

#[cfg(feature = "sqlite")]
#[test]
fn reads_seek_in_the_clustered_key_of_sqlite() {
    use crate::test_support::{on_sqlite, sqlite_plan};
    use diesel::sqlite::Sqlite;
    let from = TickKey::before_all(1, Timestamp::MIN);
    let seek =
        "SEARCH market_data USING PRIMARY KEY (instrument_id=? AND timestamp>? AND timestamp<?)";
    let queries = [
        (
            sql_of::<Sqlite, _>(&ascending_query(1, from, Timestamp::MAX, 10)),
            seek,
        ),
        (
            sql_of::<Sqlite, _>(&descending_query(1, from, Timestamp::MIN, 10)),
            seek,
        ),
        (
            sql_of::<Sqlite, _>(&count_query(&TickRange::all(1)).unwrap()),
            seek,
        ),
        (
            sql_of::<Sqlite, _>(&newest_query(1)),
            "SEARCH market_data USING PRIMARY KEY (instrument_id=?)",
        ),
        (
            sql_of::<Sqlite, _>(&super::super::delete::MarkKeys {
                keys: &[key(1, 1, 1), key(2, 2, 2)],
                mark: None,
            }),
            "PRIMARY KEY (instrument_id=? AND timestamp=? AND source_id=? AND sequence=?)",
        ),
    ];
    on_sqlite(|conn| {
        #[allow(irrefutable_let_patterns)] // Of a build with SQLite alone.
        let BackendConnection::Sqlite(conn) = conn else {
            unreachable!("it is SQLite");
        };
        for (sql, expected) in &queries {
            let plan = sqlite_plan(conn, sql);
            assert!(plan.contains(expected), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{sql}\n{plan}");
        }
    });
}

#[cfg(feature = "postgres")]
#[test]
fn reads_seek_in_the_primary_key_of_postgresql() {
    use crate::test_support::{on_postgres, postgres_plan};
    use diesel::pg::Pg;
    let from = TickKey::before_all(1, Timestamp::MIN);
    let queries = [
        (
            sql_of::<Pg, _>(&ascending_query(1, from, Timestamp::MAX, 10)),
            9,
        ),
        (
            sql_of::<Pg, _>(&descending_query(1, from, Timestamp::MIN, 10)),
            9,
        ),
        (
            sql_of::<Pg, _>(&count_query(&TickRange::all(1)).unwrap()),
            3,
        ),
        (sql_of::<Pg, _>(&latest_query(&[1, 2], None)), 4),
        (
            sql_of::<Pg, _>(&latest_query(&[1, 2], Some(Timestamp::MIN))),
            8,
        ),
    ];
    on_postgres(|conn| {
        #[allow(irrefutable_let_patterns)]
        let BackendConnection::Postgres(conn) = conn else {
            return;
        };
        for (sql, parameters) in &queries {
            let plan = postgres_plan(conn, sql, *parameters);
            assert!(plan.contains("market_data_pkey"), "{sql}\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        }
    });
}

/// The statement with values of the right types for its binds: the mark, then keys.
#[cfg(feature = "postgres")]
fn with_values(sql: &str, binds: usize) -> String {
    (1..=binds).rev().fold(sql.to_owned(), |sql, bind| {
        let value = match (bind, bind % 4) {
            (1, _) => "NULL::timestamptz",
            (_, 3) => "TIMESTAMPTZ '1970-01-01Z'",
            _ => "1::bigint",
        };
        sql.replace(&format!("${bind}"), value)
    })
}

#[cfg(feature = "postgres")]
#[test]
fn keys_lead_to_ticks_also_when_the_statistics_know_of_no_trash() {
    use crate::test_support::{on_postgres, postgres_plan};
    use diesel::connection::SimpleConnection;
    let keys: Vec<TickKey> = (0..200).map(|n| key(1, n, 0)).collect();
    let restore = sql_of::<diesel::pg::Pg, _>(&super::super::delete::MarkKeys {
        keys: &keys,
        mark: None,
    });
    on_postgres(|conn| {
        let ticks: Vec<Tick> = (0..2_000).map(|n| trade(1, n, Some(0), 1.0)).collect();
        insert(conn, &ticks);
        #[allow(irrefutable_let_patterns)]
        let BackendConnection::Postgres(conn) = conn else {
            return;
        };
        let trash = "ANALYZE market_data; UPDATE market_data SET deleted_at = \"timestamp\"";
        conn.batch_execute(trash).unwrap();
        let plan = postgres_plan(conn, &with_values(&restore, 1 + 4 * keys.len()), 0);
        assert!(plan.contains("market_data_pkey"), "{plan}");
        assert!(!plan.contains("market_data_trash"), "{plan}");
    });
}

/// The statement from its FROM on: the columns are those of the model.
pub(super) fn tail<T: diesel::query_builder::QueryFragment<diesel::pg::Pg>>(query: &T) -> String {
    let sql = sql_of::<diesel::pg::Pg, _>(query).replace('"', "");
    sql[sql.find("FROM").unwrap()..].to_owned()
}

#[cfg(feature = "sqlite")]
#[test]
fn the_latest_tick_is_the_first_of_its_instrument_backwards() {
    insta::assert_snapshot!(tail(&newest_query(1)), @"FROM (instrument_state INNER JOIN market_data ON ((market_data.deleted_at IS NULL) AND (market_data.instrument_id = instrument_state.instrument_id))) WHERE (instrument_state.instrument_id = $1) ORDER BY market_data.timestamp DESC, market_data.source_id DESC, market_data.sequence DESC LIMIT $2");
}

#[cfg(feature = "postgres")]
#[test]
fn the_latest_ticks_are_one_statement() {
    insta::assert_snapshot!(tail(&latest_query(&[1], None)), @"FROM (instrument_state INNER JOIN market_data ON ((market_data.deleted_at IS NULL) AND (market_data.instrument_id = instrument_state.instrument_id))) WHERE (((((instrument_state.instrument_id = ANY($1)) AND 1 = 1) AND (market_data.timestamp = (SELECT newest.timestamp FROM market_data AS newest WHERE ((newest.deleted_at IS NULL) AND ((newest.instrument_id = instrument_state.instrument_id) AND 1 = 1)) ORDER BY newest.timestamp DESC, newest.source_id DESC, newest.sequence DESC LIMIT $2))) AND (market_data.source_id = (SELECT newest.source_id FROM market_data AS newest WHERE ((newest.deleted_at IS NULL) AND ((newest.instrument_id = instrument_state.instrument_id) AND 1 = 1)) ORDER BY newest.timestamp DESC, newest.source_id DESC, newest.sequence DESC LIMIT $3))) AND (market_data.sequence = (SELECT newest.sequence FROM market_data AS newest WHERE ((newest.deleted_at IS NULL) AND ((newest.instrument_id = instrument_state.instrument_id) AND 1 = 1)) ORDER BY newest.timestamp DESC, newest.source_id DESC, newest.sequence DESC LIMIT $4)))");
    let of_partitions = tail(&latest_query(&[1], Some(Timestamp::MIN)));
    assert_eq!(
        of_partitions.matches("timestamp >= $").count(),
        4,
        "{of_partitions}"
    );
}

#[test]
fn a_page_compares_the_whole_key() {
    let from = TickKey::before_all(1, Timestamp::MIN);
    let query = ascending_query(1, from, Timestamp::MAX, 10);
    insta::assert_snapshot!(tail(&query), @"FROM market_data WHERE ((((market_data.deleted_at IS NULL) AND (market_data.instrument_id = $1)) AND (market_data.timestamp BETWEEN $2 AND $3)) AND ((market_data.timestamp > $4) OR ((market_data.timestamp = $5) AND ((market_data.source_id > $6) OR ((market_data.source_id = $7) AND (market_data.sequence > $8)))))) ORDER BY market_data.timestamp ASC, market_data.source_id ASC, market_data.sequence ASC LIMIT $9");
    let query = descending_query(1, from, Timestamp::MIN, 10);
    insta::assert_snapshot!(tail(&query), @"FROM market_data WHERE ((((market_data.deleted_at IS NULL) AND (market_data.instrument_id = $1)) AND (market_data.timestamp BETWEEN $2 AND $3)) AND ((market_data.timestamp < $4) OR ((market_data.timestamp = $5) AND ((market_data.source_id < $6) OR ((market_data.source_id = $7) AND (market_data.sequence < $8)))))) ORDER BY market_data.timestamp DESC, market_data.source_id DESC, market_data.sequence DESC LIMIT $9");
}

#[test]
fn a_count_reads_only_active_rows() {
    let query = count_query(&TickRange::all(1)).unwrap();
    insta::assert_snapshot!(tail(&query), @"FROM market_data WHERE ((market_data.deleted_at IS NULL) AND ((market_data.instrument_id = $1) AND (market_data.timestamp BETWEEN $2 AND $3)))");
}

#[test]
fn deletion_and_restoration_name_their_scope() {
    for mark in [Some(now()), None] {
        let update = super::super::delete::MarkKeys {
            keys: &[key(1, 1, 1)],
            mark,
        };
        let sql = sql_of::<diesel::pg::Pg, _>(&update);
        let scope = if mark.is_some() {
            "(deleted_at IS NULL) = (SELECT TRUE)"
        } else {
            "(deleted_at IS NULL) = (SELECT FALSE)"
        };
        assert!(sql.contains(scope), "{sql}");
    }
}
