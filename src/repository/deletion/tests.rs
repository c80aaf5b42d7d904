//! The moments of batches and the statements that find them. What undoing and cascading do to a whole
//! database is in `tests/library/deletions.rs`.

use super::stamps::{NewestStamps, TABLES};
use super::*;
use crate::domain::{DeletedKind, DeletionState};
use crate::error::Error;
use crate::models::NewDeletion;
use crate::repository::alert_rule;
use crate::repository::test_rows::{above_100, at};
use crate::test_support::{on_both, sql_of};

const HOUR: i64 = 3_600_000_000;

fn rules(conn: &mut crate::database::BackendConnection<'_>, count: usize) -> Vec<i64> {
    let rule = |_| alert_rule::insert(conn, &above_100(1), at(1)).unwrap().id;
    (0..count).map(rule).collect()
}

#[test]
fn batches_of_one_moment_have_keys_of_their_own() {
    on_both(|conn| {
        let rules = rules(conn, 5);
        let mut ids = Vec::new();
        for id in &rules[..3] {
            let new = NewDeletion::of("a test").by("desk").because("too loud");
            let (deleted, row) = batch(conn, &new, at(100), |conn, batch| {
                alert_rule::soft_delete(conn, &[*id], batch)
            })
            .unwrap();
            let row = row.unwrap();
            assert_eq!((deleted, row.rules, row.state), (1, 1, DeletionState::Done));
            assert_eq!(row.actor.as_deref(), Some("desk"));
            assert_eq!(row.reason.as_deref(), Some("too loud"));
            assert!(row.process.contains(&std::process::id().to_string()));
            ids.push(row.id());
        }
        assert_eq!(ids, [100, 101, 102]);
        // A clock that was ahead for a while: those far away are not followed.
        for (moment, expected) in [(100 + 3 * HOUR, 100 + 3 * HOUR), (101, 103)] {
            let at_moment = at(moment);
            let id = rules[ids.len()];
            let (_, row) = batch(
                conn,
                &NewDeletion::of("a test"),
                at_moment,
                |conn, batch| alert_rule::soft_delete(conn, &[id], batch),
            )
            .unwrap();
            ids.push(row.unwrap().id());
            assert_eq!(ids.last(), Some(&expected));
        }
        let listed: Vec<i64> = list(conn, None, 10)
            .unwrap()
            .iter()
            .map(|of| of.id())
            .collect();
        assert_eq!(listed, [100 + 3 * HOUR, 103, 102, 101, 100]);
        let before = list(conn, Some(at(103)), 2).unwrap();
        assert_eq!(
            before.iter().map(|of| of.id()).collect::<Vec<_>>(),
            [102, 101]
        );
    });
}

#[test]
fn a_batch_that_deletes_nothing_leaves_nothing() {
    on_both(|conn| {
        let (deleted, row) = batch(conn, &NewDeletion::of("a test"), at(5), |conn, batch| {
            alert_rule::soft_delete(conn, &[99], batch)
        })
        .unwrap();
        assert_eq!((deleted, row), (0, None));
        assert_eq!(list(conn, None, 10).unwrap(), []);
        let error = get(conn, 5).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    });
}

#[test]
fn a_batch_says_who_in_words_that_both_backends_store() {
    on_both(|conn| {
        let rule = rules(conn, 1)[0];
        let long = "x".repeat(2_000);
        let mut delete = |new: &NewDeletion| {
            conn.savepoint(|conn| {
                batch(conn, new, at(5), |conn, batch| {
                    alert_rule::soft_delete(conn, &[rule], batch)
                })
            })
        };
        for (wrong, name) in [
            (NewDeletion::of("a").by(""), "by"),
            (NewDeletion::of("a").by(&long), "by"),
            (NewDeletion::of("a").because(&long), "reason"),
            (NewDeletion::of("a").because("a\0"), "reason"),
            (NewDeletion::of("a\0"), "request"),
        ] {
            let error = delete(&wrong).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
        let (_, row) = delete(&NewDeletion::of(long)).unwrap();
        assert_eq!(row.unwrap().request.len(), 1_000);
    });
}

#[test]
fn rows_that_no_batch_knows_are_one_for_each_moment() {
    on_both(|conn| {
        let rules = rules(conn, 6);
        for (ids, moment) in [(&rules[..2], 10), (&rules[2..3], 20), (&rules[3..4], 40)] {
            alert_rule::soft_delete(conn, ids, &mut DeletionBatch::of_elsewhere(at(moment)))
                .unwrap();
        }
        let known = batch(conn, &NewDeletion::of("known"), at(30), |conn, batch| {
            alert_rule::soft_delete(conn, &rules[4..], batch)
        });
        assert_eq!(known.unwrap().0, 2);
        let summary = |of: &crate::models::Deletion| (of.id(), of.rules, of.request.clone());
        let listed: Vec<_> = list(conn, None, 3).unwrap().iter().map(summary).collect();
        let unknown = || "unknown".to_owned();
        assert_eq!(
            listed,
            [
                (40, 1, unknown()),
                (30, 2, "known".to_owned()),
                (20, 1, unknown())
            ]
        );
        let rest: Vec<_> = list(conn, Some(at(20)), 3)
            .unwrap()
            .iter()
            .map(summary)
            .collect();
        assert_eq!(rest, [(10, 2, unknown())]);
        assert_eq!(get(conn, 10).unwrap().counts().of(DeletedKind::Rule), 2);
        // A page that is full of known ones has no older unknown one.
        let one: Vec<i64> = list(conn, Some(at(40)), 1)
            .unwrap()
            .iter()
            .map(|of| of.id())
            .collect();
        assert_eq!(one, [30]);
    });
}

fn newest(table: &'static str) -> NewestStamps {
    NewestStamps {
        table,
        before: at(1),
        limit: 5,
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_descends_the_trash_for_each_moment() {
    use crate::repository::test_rows::sqlite_plan_with as plan;
    crate::test_support::on_sqlite(|conn| {
        for table in TABLES {
            let step = format!(
                "SEARCH {table} USING COVERING INDEX {table}_trash (deleted_at>? AND deleted_at<?)"
            );
            let plan = plan(conn, &newest(table), &step);
            assert!(!plan.contains(&format!("SCAN {table}")), "{plan}");
        }
    });
}

#[cfg(feature = "postgres")]
#[test]
fn postgresql_descends_the_trash_for_each_moment() {
    use crate::repository::test_rows::assert_postgres_plan as plan;
    crate::test_support::on_postgres(|conn| {
        for table in TABLES {
            plan(conn, &newest(table), &format!("{table}_trash"));
        }
    });
}

#[test]
fn the_moments_of_a_table_are_found_by_recursion() {
    let sql = sql_of::<diesel::pg::Pg, _>(&newest("market_data"));
    insta::assert_snapshot!(sql, @"WITH RECURSIVE stamps(stamp) AS (SELECT max(deleted_at) FROM market_data WHERE deleted_at IS NOT NULL AND deleted_at < $1 UNION ALL SELECT (SELECT max(deleted_at) FROM market_data WHERE deleted_at IS NOT NULL AND deleted_at < stamps.stamp) FROM stamps WHERE stamps.stamp IS NOT NULL) SELECT stamp FROM stamps WHERE stamp IS NOT NULL LIMIT $2");
}
