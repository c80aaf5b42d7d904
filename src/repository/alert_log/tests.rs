//! Each query by its SQL, its plan and its behaviour on both backends.

use diesel::dsl;
use diesel::prelude::*;

use super::read::{between_query, by_id_query, newer_query, numbered_query, older_query};
use super::stats::since_query;
use super::write::{active_query, deleted_query};
use super::*;
use crate::database::{BackendConnection, Cursor};
use crate::domain::{DeliveryStatus, FiredStatus};
use crate::error::Error;
use crate::models::{AlertLog, NewAlertLog};
use crate::repository::alert_rule;
use crate::repository::test_rows::{above_100, alert, at, gone_at, tail};
use crate::soft_delete::SoftDeletable;
use crate::tables::alert_logs;
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

fn rule(conn: &mut BackendConnection<'_>, instrument_id: i64) -> i64 {
    let new = above_100(instrument_id);
    alert_rule::insert(conn, &new, at(1)).unwrap().id
}

fn store(conn: &mut BackendConnection<'_>, new: &NewAlertLog) -> i64 {
    insert(conn, new).unwrap().unwrap().id
}

fn ids(alerts: &[AlertLog]) -> Vec<i64> {
    alerts.iter().map(|alert| alert.id).collect()
}

fn listed(conn: &mut BackendConnection<'_>, filter: AlertFilter) -> Vec<i64> {
    let page = page(conn, &PageQuery::new(filter, PageQuery::LIMIT_MAX)).unwrap();
    assert_eq!(count(conn, filter).unwrap(), page.rows.len() as i64);
    ids(&page.rows)
}

fn deleted_at(conn: &mut BackendConnection<'_>, id: i64) -> Option<Timestamp> {
    let query = alert_logs::table
        .with_deleted("the test looks at deletion itself")
        .filter(alert_logs::id.eq(id))
        .select(alert_logs::deleted_at);
    crate::on_backend!(conn, |c| query.first(c)).unwrap()
}

#[test]
fn a_rule_fires_once_for_a_tick_even_after_the_alert_was_deleted() {
    on_both(|conn| {
        let rule = rule(conn, 1);
        let new = alert(rule, 1, 10);
        let stored = insert(conn, &new).unwrap().unwrap();
        assert_eq!(get(conn, stored.id).unwrap(), stored);
        assert_eq!((stored.timestamp, stored.trigger_value), (at(10), 101.0));
        assert_eq!(insert(conn, &new).unwrap(), None);
        soft_delete(conn, &[stored.id], &mut gone_at(at(20))).unwrap();
        assert_eq!(insert(conn, &new).unwrap(), None);
        assert_eq!(listed(conn, AlertFilter::default()), Vec::<i64>::new());
        let mut next = new.clone();
        next.sequence = 1;
        assert!(insert(conn, &next).unwrap().is_some(), "another tick");
    });
}

#[test]
fn an_alert_of_nothing_or_of_no_number_is_refused() {
    on_both(|conn| {
        let rule = rule(conn, 1);
        let mut sourceless = alert(rule, 1, 10);
        sourceless.source_id = 99;
        for new in [alert(99, 1, 10), alert(rule, 99, 10), sourceless] {
            let error = conn.savepoint(|conn| insert(conn, &new)).unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        }
        type Change = fn(&mut NewAlertLog);
        let changes: [(&str, Change); 4] = [
            ("trigger_value: NaN", |new| new.trigger_value = f64::NAN),
            ("trigger_value: inf", |new| {
                new.trigger_value = f64::INFINITY
            }),
            ("threshold_value: NaN", |new| {
                new.threshold_value = Some(f64::NAN)
            }),
            ("evaluation_time_us: -1", |new| new.evaluation_time_us = -1),
        ];
        for (reason, change) in changes {
            let mut new = alert(rule, 1, 10);
            change(&mut new);
            let text = insert(conn, &new).unwrap_err().to_string();
            assert!(text.starts_with(reason), "{text}");
        }
        assert_eq!(listed(conn, AlertFilter::default()), Vec::<i64>::new());
    });
}

/// Sets one part of a filter; the second argument is a rule.
type Narrow = fn(&mut AlertFilter, i64);

#[test]
fn each_filter_narrows_and_a_deleted_alert_is_in_no_list() {
    on_both(|conn| {
        let (one, two) = (rule(conn, 1), rule(conn, 2));
        let a = store(conn, &alert(one, 1, 10));
        let b = store(conn, &alert(two, 2, 20));
        let mut failed = alert(one, 1, 30);
        failed.fired_status = FiredStatus::Error;
        failed.delivery_status = DeliveryStatus::Failed;
        let c = store(conn, &failed);
        let gone = store(conn, &alert(two, 2, 30));
        soft_delete(conn, &[gone], &mut gone_at(at(40))).unwrap();
        let all = AlertFilter::default();
        let filters: [(Narrow, &[i64]); 8] = [
            (|_, _| (), &[c, b, a]),
            (|f, _| f.instrument_id = Some(1), &[c, a]),
            (|f, two| f.rule_id = Some(two), &[b]),
            (|f, _| f.fired_status = Some(FiredStatus::Fired), &[b, a]),
            (
                |f, _| f.delivery_status = Some(DeliveryStatus::Failed),
                &[c],
            ),
            (|f, _| f.start = Some(at(20)), &[c, b]),
            (|f, _| f.end = Some(at(20)), &[a]),
            (|f, _| (f.start, f.end) = (Some(at(20)), Some(at(30))), &[b]),
        ];
        for (narrow, expected) in filters {
            let mut filter = all;
            narrow(&mut filter, two);
            assert_eq!(listed(conn, filter), expected, "{filter:?}");
        }
        let narrow = AlertFilter {
            instrument_id: Some(1),
            rule_id: Some(one),
            fired_status: Some(FiredStatus::Fired),
            delivery_status: Some(DeliveryStatus::Pending),
            start: Some(at(10)),
            end: Some(at(30)),
        };
        assert_eq!(listed(conn, narrow), [a]);
    });
}

#[test]
fn a_start_after_the_end_and_a_page_of_no_size_are_refused() {
    on_both(|conn| {
        let all = AlertFilter::default();
        let wrong = AlertFilter {
            start: Some(at(11)),
            end: Some(at(10)),
            ..all
        };
        let text = count(conn, wrong).unwrap_err().to_string();
        assert!(text.contains("after end"), "{text}");
        for limit in [0, PageQuery::LIMIT_MAX + 1] {
            assert!(page(conn, &PageQuery::new(all, limit)).is_err());
        }
    });
}

#[test]
fn pages_are_newest_first_and_lead_on_and_back_through_equal_stamps() {
    on_both(|conn| {
        let rule = rule(conn, 1);
        for n in 0..10 {
            let mut new = alert(rule, 1, 10 + n / 4);
            new.sequence = n;
            store(conn, &new);
        }
        let filter = AlertFilter {
            instrument_id: Some(1),
            ..AlertFilter::default()
        };
        let mut expected = listed(conn, filter);
        let mut query = PageQuery::new(filter, 3);
        let mut pages = Vec::new();
        loop {
            let page = page(conn, &query).unwrap();
            pages.push(page.rows);
            let Some(next) = page.next else { break };
            query.cursor = Some(next);
        }
        assert_eq!(ids(&pages.concat()), expected);
        assert_eq!(pages.len(), 4);
        for rows in pages.iter().rev().skip(1) {
            query.cursor = page(conn, &query).unwrap().previous;
            assert!(matches!(query.cursor, Some(Cursor::Before(_))));
            assert_eq!(&page(conn, &query).unwrap().rows, rows);
        }
        // Stored in the order of time and number: newest first is the reverse.
        expected.reverse();
        assert!(expected.is_sorted());
    });
}

#[test]
fn a_numbered_page_is_what_its_cursor_leads_to() {
    on_both(|conn| {
        let rule = rule(conn, 1);
        for n in 0..7 {
            let mut new = alert(rule, 1, 10 + n / 3);
            new.sequence = n;
            store(conn, &new);
        }
        let filter = AlertFilter::default();
        let all = listed(conn, filter);
        for (number, expected) in [(1, &all[..3]), (2, &all[3..6]), (3, &all[6..]), (4, &[])] {
            let query = NumberedPage {
                filter,
                limit: 3,
                number,
            };
            let page = numbered(conn, &query).unwrap();
            assert_eq!(ids(&page.rows), expected, "page {number}");
            assert_eq!(page.next.is_some(), number < 3);
        }
        for number in [0, u64::MAX] {
            let query = NumberedPage {
                filter,
                limit: 1_000,
                number,
            };
            assert_eq!(numbered(conn, &query).is_err(), number == 0);
        }
    });
}

#[test]
fn alerts_are_summed_up_by_instrument_and_rule_without_deleted_ones() {
    on_both(|conn| {
        assert_eq!(
            AlertFigures::of(&groups_since(conn, at(0)).unwrap()),
            AlertFigures::default()
        );
        let (one, two) = (rule(conn, 1), rule(conn, 2));
        for (rule, instrument, micros, took) in [
            (one, 1, 5, 90),
            (one, 1, 10, 1),
            (one, 1, 20, 3),
            (two, 2, 20, 8),
            (two, 2, 30, 99),
        ] {
            let mut new = alert(rule, instrument, micros);
            new.evaluation_time_us = took;
            let id = store(conn, &new);
            if micros == 30 {
                soft_delete(conn, &[id], &mut gone_at(at(40))).unwrap();
            }
        }
        let mut groups = groups_since(conn, at(10)).unwrap();
        groups.sort_by_key(|group| group.rule_id);
        let seen: Vec<_> = groups
            .iter()
            .map(|group| (group.rule_id, group.instrument_id, group.count))
            .collect();
        assert_eq!(seen, [(one, 1, 2), (two, 2, 1)]);
        assert_eq!(
            AlertFigures::of(&groups),
            AlertFigures {
                count: 3,
                evaluation_us_mean: Some(4.0),
                evaluation_us_min: Some(1),
                evaluation_us_max: Some(8),
                evaluation_ms_mean: Some(0.0),
            }
        );
    });
}

#[test]
fn deletion_counts_exactly_keeps_its_first_moment_and_is_undone() {
    on_both(|conn| {
        let rule = rule(conn, 1);
        let a = store(conn, &alert(rule, 1, 10));
        let b = store(conn, &alert(rule, 1, 20));
        assert_eq!(
            soft_delete(conn, &[a, a, 99], &mut gone_at(at(30))).unwrap(),
            1
        );
        let many: Vec<i64> = (-25_000..0).chain([a, b]).collect();
        assert_eq!(soft_delete(conn, &many, &mut gone_at(at(40))).unwrap(), 1);
        assert_eq!(deleted_at(conn, a), Some(at(30)));
        let error = get(conn, a).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        assert_eq!(restore(conn, &[a, a, 99]).unwrap(), 1);
        assert_eq!(restore(conn, &many).unwrap(), 1);
        assert_eq!(listed(conn, AlertFilter::default()), [b, a]);
    });
}

mod statements {
    use super::*;

    const ALL: AlertFilter = AlertFilter {
        instrument_id: None,
        rule_id: None,
        fired_status: None,
        delivery_status: None,
        start: None,
        end: None,
    };
    const SOME: AlertFilter = AlertFilter {
        instrument_id: Some(1),
        rule_id: Some(1),
        fired_status: Some(FiredStatus::Fired),
        delivery_status: Some(DeliveryStatus::Pending),
        ..ALL
    };
    const OF_INSTRUMENT: AlertFilter = AlertFilter {
        instrument_id: Some(1),
        ..ALL
    };
    const OF_RULE: AlertFilter = AlertFilter {
        rule_id: Some(1),
        ..ALL
    };

    fn from() -> AlertKey {
        AlertKey {
            timestamp: at(5),
            id: 7,
        }
    }

    #[test]
    fn reads_name_their_scope_and_compare_the_whole_key() {
        insta::assert_snapshot!(tail(&between_query(ALL, at(1), at(2))), @"FROM alert_logs WHERE ((((((alert_logs.deleted_at IS NULL) AND 1 = 1) AND 1 = 1) AND (alert_logs.timestamp BETWEEN $1 AND $2)) AND 1 = 1) AND 1 = 1)");
        insta::assert_snapshot!(tail(&older_query(SOME, from(), at(1), 10)), @"FROM alert_logs WHERE (((((((alert_logs.deleted_at IS NULL) AND (alert_logs.instrument_id = $1)) AND (alert_logs.rule_id = $2)) AND (alert_logs.timestamp BETWEEN $3 AND $4)) AND (alert_logs.fired_status = $5)) AND (alert_logs.delivery_status = $6)) AND ((alert_logs.timestamp < $7) OR ((alert_logs.timestamp = $8) AND (alert_logs.id < $9)))) ORDER BY alert_logs.timestamp DESC, alert_logs.id DESC LIMIT $10");
        insta::assert_snapshot!(tail(&newer_query(SOME, from(), at(9), 10)), @"FROM alert_logs WHERE (((((((alert_logs.deleted_at IS NULL) AND (alert_logs.instrument_id = $1)) AND (alert_logs.rule_id = $2)) AND (alert_logs.timestamp BETWEEN $3 AND $4)) AND (alert_logs.fired_status = $5)) AND (alert_logs.delivery_status = $6)) AND ((alert_logs.timestamp > $7) OR ((alert_logs.timestamp = $8) AND (alert_logs.id > $9)))) ORDER BY alert_logs.timestamp ASC, alert_logs.id ASC LIMIT $10");
        insta::assert_snapshot!(tail(&by_id_query(1)), @"FROM alert_logs WHERE ((alert_logs.deleted_at IS NULL) AND (alert_logs.id = $1))");
    }

    #[test]
    fn numbered_pages_and_figures_name_their_scope() {
        insta::assert_snapshot!(tail(&numbered_query(ALL, at(1), at(2), 10, 20)), @"FROM alert_logs WHERE ((((((alert_logs.deleted_at IS NULL) AND 1 = 1) AND 1 = 1) AND (alert_logs.timestamp BETWEEN $1 AND $2)) AND 1 = 1) AND 1 = 1) ORDER BY alert_logs.timestamp DESC, alert_logs.id DESC LIMIT $3 OFFSET $4");
        let figures = since_query(at(1)).select(dsl::count_star());
        insta::assert_snapshot!(tail(&figures), @"FROM alert_logs WHERE ((alert_logs.deleted_at IS NULL) AND (alert_logs.timestamp >= $1)) GROUP BY +instrument_id, +rule_id");
    }

    #[test]
    fn deletion_and_restoration_name_their_scope() {
        insta::assert_snapshot!(tail(&active_query(&[1])), @"FROM alert_logs WHERE ((alert_logs.deleted_at IS NULL) AND (alert_logs.id = ANY($1)))");
        insta::assert_snapshot!(tail(&deleted_query(&[1])), @"FROM alert_logs WHERE ((alert_logs.deleted_at IS NOT NULL) AND (alert_logs.id = ANY($1)))");
    }

    const INDEXES: [(AlertFilter, &str, &str); 3] = [
        (
            ALL,
            "alert_logs_newest_active",
            "timestamp>? AND timestamp<?",
        ),
        (
            OF_INSTRUMENT,
            "alert_logs_instrument_active",
            "instrument_id=? AND timestamp>? AND timestamp<?",
        ),
        (
            OF_RULE,
            "alert_logs_rule_active",
            "rule_id=? AND timestamp>? AND timestamp<?",
        ),
    ];

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_seeks_in_the_index_of_the_filter_and_never_sorts() {
        use crate::repository::test_rows::assert_sqlite_plan as plan;
        crate::test_support::on_sqlite(|conn| {
            for (filter, index, terms) in INDEXES {
                let step = format!("SEARCH alert_logs USING INDEX {index} ({terms})");
                plan(conn, &older_query(filter, from(), at(1), 10), &step);
                plan(conn, &newer_query(filter, from(), at(9), 10), &step);
                let numbered = numbered_query(filter, at(1), at(9), 10, 20);
                plan(conn, &numbered, &step);
                let query = between_query(filter, at(1), at(9)).count();
                plan(conn, &query, &step);
            }
            // Counting all reads indexes alone.
            let all = super::super::read::all_query().count();
            plan(conn, &all, "SCAN alert_logs USING COVERING INDEX");
            let trash = alert_logs::table.deleted().count();
            plan(
                conn,
                &trash,
                "alert_logs USING COVERING INDEX alert_logs_trash",
            );
            let figures = since_query(at(1)).select(dsl::count_star());
            let newest = "SEARCH alert_logs USING INDEX alert_logs_newest_active (timestamp>?)";
            crate::repository::test_rows::sqlite_plan_with(conn, &figures, newest);
            let by_id = "SEARCH alert_logs USING INTEGER PRIMARY KEY (rowid=?)";
            plan(conn, &by_id_query(1), by_id);
            plan(conn, &active_query(&[1, 2]), by_id);
            plan(conn, &deleted_query(&[1, 2]), by_id);
        });
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_seeks_in_the_index_of_the_filter() {
        use crate::repository::test_rows::assert_postgres_plan as plan;
        crate::test_support::on_postgres(|conn| {
            for (filter, index, _) in INDEXES {
                plan(conn, &older_query(filter, from(), at(1), 10), index);
                plan(conn, &newer_query(filter, from(), at(9), 10), index);
                let numbered = numbered_query(filter, at(1), at(9), 10, 20);
                plan(conn, &numbered, index);
            }
            let figures = since_query(at(1)).select(dsl::count_star());
            // Which index is the best depends on the share of the week; the table as a whole never is.
            plan(conn, &figures, "using alert_logs_");
        });
    }
}
