//! The statements of the purge: their SQL and their plans. What it does to a whole database is in
//! `tests/library/purge.rs`.

use super::alerts::oldest_query;
use super::referenced::{instruments_query, rules_query};
use super::trash::DeleteTrash;
use super::*;
use crate::repository::test_rows::{at, gone_at, tail};
use crate::test_support::sql_of;

const LEAVES: [LeafTable; 3] = [
    LeafTable::MarketData,
    LeafTable::MarketDataBars,
    LeafTable::SavedQueries,
];

fn delete(leaf: LeafTable, locked: bool) -> DeleteTrash {
    DeleteTrash {
        leaf,
        cut_off: at(1),
        limit: 10,
        locked,
    }
}

#[test]
fn a_deletion_names_the_trash_up_to_the_cut_off_and_a_limit() {
    let sql = |leaf| sql_of::<diesel::pg::Pg, _>(&delete(leaf, true));
    insta::assert_snapshot!(tail(&oldest_query(at(1), 10)), @"FROM alert_logs WHERE ((alert_logs.deleted_at IS NOT NULL) AND (alert_logs.deleted_at <= $1)) ORDER BY alert_logs.deleted_at ASC LIMIT $2");
    insta::assert_snapshot!(sql(LeafTable::MarketData), @r#"DELETE FROM market_data WHERE ctid = ANY (ARRAY(SELECT ctid FROM market_data WHERE deleted_at <= $1 AND NOT EXISTS (SELECT 1 FROM archive_segments AS s WHERE s.instrument_id = market_data.instrument_id AND s.starts_at <= market_data."timestamp" AND s.ends_at > market_data."timestamp") ORDER BY deleted_at LIMIT $2 FOR UPDATE)) AND coalesce(deleted_at <= $3, FALSE) AND NOT EXISTS (SELECT 1 FROM archive_segments AS s WHERE s.instrument_id = market_data.instrument_id AND s.starts_at <= market_data."timestamp" AND s.ends_at > market_data."timestamp")"#);
    insta::assert_snapshot!(sql(LeafTable::MarketDataBars), @"DELETE FROM market_data_bars WHERE ctid = ANY (ARRAY(SELECT ctid FROM market_data_bars WHERE deleted_at <= $1 ORDER BY deleted_at LIMIT $2 FOR UPDATE)) AND coalesce(deleted_at <= $3, FALSE)");
}

#[test]
fn rows_that_others_may_refer_to_are_paged_in_the_order_of_deletion() {
    insta::assert_snapshot!(tail(&rules_query(at(1), PurgeCursor::START, 10)), @"FROM alert_rules WHERE (((alert_rules.deleted_at IS NOT NULL) AND (alert_rules.deleted_at BETWEEN $1 AND $2)) AND ((alert_rules.deleted_at > $3) OR ((alert_rules.deleted_at = $4) AND (alert_rules.id > $5)))) ORDER BY alert_rules.deleted_at ASC, alert_rules.id ASC LIMIT $6");
    insta::assert_snapshot!(tail(&instruments_query(at(1), PurgeCursor::START, 10)), @"FROM instruments WHERE (((instruments.deleted_at IS NOT NULL) AND (instruments.deleted_at BETWEEN $1 AND $2)) AND ((instruments.deleted_at > $3) OR ((instruments.deleted_at = $4) AND (instruments.id > $5)))) ORDER BY instruments.deleted_at ASC, instruments.id ASC LIMIT $6");
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_finds_old_trash_in_its_index_and_deletes_by_key() {
    use crate::repository::test_rows::assert_sqlite_plan as plan;
    let range = "(deleted_at>? AND deleted_at<?)";
    crate::test_support::on_sqlite(|conn| {
        for leaf in LEAVES {
            let table = leaf.name();
            let step = format!("SEARCH {table} USING COVERING INDEX {table}_trash (deleted_at<?)");
            plan(conn, &delete(leaf, false), &step);
            let by_key = match leaf {
                LeafTable::MarketData => {
                    "USING PRIMARY KEY (instrument_id=? AND timestamp=? AND source_id=? AND \
                     sequence=?)"
                }
                _ => "USING INTEGER PRIMARY KEY (rowid=?)",
            };
            plan(
                conn,
                &delete(leaf, false),
                &format!("SEARCH {table} {by_key}"),
            );
        }
        let step = "SEARCH alert_logs USING COVERING INDEX alert_logs_trash (deleted_at>? AND deleted_at<?)";
        plan(conn, &oldest_query(at(1), 10), step);
        let step = format!("USING INDEX alert_rules_trash {range}");
        plan(conn, &rules_query(at(1), PurgeCursor::START, 10), &step);
        let step = format!("USING INDEX instruments_trash {range}");
        plan(
            conn,
            &instruments_query(at(1), PurgeCursor::START, 10),
            &step,
        );
    });
}

#[cfg(feature = "postgres")]
#[test]
fn postgresql_finds_old_trash_in_its_index() {
    use crate::repository::test_rows::assert_postgres_plan as plan;
    crate::test_support::on_postgres(|conn| {
        for leaf in LEAVES {
            plan(conn, &delete(leaf, true), &format!("{}_trash", leaf.name()));
        }
        plan(conn, &oldest_query(at(1), 10), "alert_logs_trash");
        let rules = rules_query(at(1), PurgeCursor::START, 10);
        plan(conn, &rules, "alert_rules_trash");
        let instruments = instruments_query(at(1), PurgeCursor::START, 10);
        plan(conn, &instruments, "instruments_trash");
    });
}

/// The planner takes the trash for empty then, and its index for the shortest way to anything.
#[cfg(feature = "postgres")]
#[test]
fn postgresql_deletes_by_place_also_when_the_statistics_know_of_no_trash() {
    use crate::test_support::{on_postgres, postgres_plan};
    use diesel::connection::SimpleConnection;
    on_postgres(|conn| {
        #[allow(irrefutable_let_patterns)] // Of a build with PostgreSQL alone.
        let BackendConnection::Postgres(conn) = conn else {
            panic!("not PostgreSQL");
        };
        conn.batch_execute(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price) \
             SELECT 1, to_timestamp(n), 1, 0, 1 FROM generate_series(1, 20000) AS n; \
             ANALYZE market_data; UPDATE market_data SET deleted_at = \"timestamp\"",
        )
        .unwrap();
        let sql = sql_of::<diesel::pg::Pg, _>(&delete(LeafTable::MarketData, true));
        let plan = postgres_plan(conn, &sql, 3);
        assert!(plan.contains("Tid Scan on market_data"), "{plan}");
    });
}

#[test]
fn what_was_restored_or_is_referred_to_since_the_survey_stays() {
    use crate::repository::test_rows::above_100;
    use crate::repository::{alert_rule, instrument};
    crate::test_support::on_both(|conn| {
        let rule = alert_rule::insert(conn, &above_100(3), at(1)).unwrap().id;
        alert_rule::soft_delete(conn, &[rule], &mut gone_at(at(2))).unwrap();
        instrument::soft_delete(conn, &[1, 2, 3], &mut gone_at(at(5))).unwrap();
        let survey =
            referenced::survey(conn, Parent::Instruments, at(5), PurgeCursor::START, None).unwrap();
        assert_eq!((survey.free, survey.next), (vec![1, 2], None));
        assert_eq!(survey.kept[0].instrument_id, 3);
        instrument::restore(conn, &[2]).unwrap();
        // 3 as if the rule had come after the survey.
        let deleted = referenced::delete(conn, Parent::Instruments, &[1, 2, 3]).unwrap();
        assert_eq!(deleted, 1);
        assert_eq!(instrument::get(conn, 2).unwrap().id, 2);
        assert_eq!(instrument::restore(conn, &[1, 3]).unwrap(), 1);
    });
}

#[test]
fn surveys_follow_each_other_through_rows_deleted_at_one_moment() {
    use crate::repository::alert_rule;
    use crate::repository::test_rows::above_100;
    crate::test_support::on_both(|conn| {
        let ids: Vec<i64> = conn
            .savepoint(|conn| {
                let store = |_| Ok(alert_rule::insert(conn, &above_100(1), at(1))?.id);
                (0..2_100).map(store).collect()
            })
            .unwrap();
        alert_rule::soft_delete(conn, &ids[..1_500], &mut gone_at(at(5))).unwrap();
        alert_rule::soft_delete(conn, &ids[1_500..], &mut gone_at(at(4))).unwrap();
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        let mut after = Some(PurgeCursor::START);
        while let Some(place) = after {
            let survey = referenced::survey(conn, Parent::AlertRules, at(5), place, None).unwrap();
            sizes.push(survey.free.len());
            seen.extend(survey.free);
            after = survey.next;
        }
        assert_eq!(sizes, [1_000, 1_000, 100]);
        seen.sort_unstable();
        assert_eq!(seen, ids);
    });
}
