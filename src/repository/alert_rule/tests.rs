//! Each query by its SQL, its plan and its behaviour on both backends.

use diesel::prelude::*;

use super::delete::{active_query, deleted_query};
use super::read::{by_id_query, labels_of_all_query, list_query, of_instruments_query, page_query};
use super::*;
use crate::database::{BackendConnection, Cursor};
use crate::domain::{Condition, RuleType};
use crate::models::{AlertRule, AlertRuleChange, NewAlertRule};
use crate::repository::instrument;
use crate::repository::test_rows::{above_100, at, conflict, gone_at, tail};
use crate::soft_delete::SoftDeletable;
use crate::tables::alert_rules;
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

fn store(conn: &mut BackendConnection<'_>, new: &NewAlertRule, micros: i64) -> i64 {
    insert(conn, new, at(micros)).unwrap().id
}

fn off(instrument_id: i64) -> NewAlertRule {
    NewAlertRule {
        active: false,
        ..above_100(instrument_id)
    }
}

fn spike(instrument_id: i64) -> NewAlertRule {
    NewAlertRule {
        rule_type: RuleType::VolumeSpike,
        condition: Some(Condition::VolumeAbove),
        ..above_100(instrument_id)
    }
}

fn ids(rules: &[AlertRule]) -> Vec<i64> {
    rules.iter().map(|rule| rule.id).collect()
}

fn deleted_at(conn: &mut BackendConnection<'_>, id: i64) -> Option<Timestamp> {
    let query = alert_rules::table
        .with_deleted("the test looks at deletion itself")
        .filter(alert_rules::id.eq(id))
        .select(alert_rules::deleted_at);
    crate::on_backend!(conn, |c| query.first(c)).unwrap()
}

#[test]
fn a_list_is_newest_first_and_narrows_by_instrument_type_and_switch() {
    on_both(|conn| {
        let a = store(conn, &above_100(1), 20);
        let b = store(conn, &off(1), 10);
        let c = store(conn, &spike(2), 20);
        let gone = store(conn, &above_100(1), 30);
        soft_delete(conn, &[gone], &mut gone_at(at(40))).unwrap();
        let listed = |conn: &mut BackendConnection<'_>, filter| ids(&list(conn, filter).unwrap());
        assert_eq!(listed(conn, RuleFilter::default()), [c, a, b]);
        let mut filter = RuleFilter {
            instrument_id: Some(1),
            ..RuleFilter::default()
        };
        assert_eq!(listed(conn, filter), [a, b]);
        filter.active_only = true;
        assert_eq!(listed(conn, filter), [a]);
        filter.rule_type = Some(RuleType::VolumeSpike);
        assert_eq!(listed(conn, filter), Vec::<i64>::new());
        filter.instrument_id = None;
        assert_eq!(listed(conn, filter), [c]);
    });
}

#[test]
fn the_rules_of_instruments_come_by_instrument_and_id() {
    on_both(|conn| {
        let a = store(conn, &above_100(2), 1);
        let b = store(conn, &above_100(1), 1);
        let c = store(conn, &off(1), 1);
        let gone = store(conn, &above_100(1), 1);
        store(conn, &above_100(3), 1);
        soft_delete(conn, &[gone], &mut gone_at(at(2))).unwrap();
        assert_eq!(ids(&of_instruments(conn, &[2, 1, 99]).unwrap()), [b, c, a]);
        assert!(of_instruments(conn, &[]).unwrap().is_empty());
        let many: Vec<i64> = (-25_000..=2).collect();
        assert_eq!(ids(&of_instruments(conn, &many).unwrap()), [b, c, a]);
    });
}

#[test]
fn a_new_rule_comes_back_as_it_was_stored_until_it_is_deleted() {
    on_both(|conn| {
        let stored = insert(conn, &above_100(1), at(5)).unwrap();
        assert_eq!((stored.created_at, stored.updated_at), (at(5), at(5)));
        assert_eq!(stored.threshold, Some("100".parse().unwrap()));
        assert_eq!((stored.last_triggered, stored.cooldown_seconds), (None, 60));
        assert_eq!(get(conn, stored.id).unwrap(), stored);
        soft_delete(conn, &[stored.id], &mut gone_at(at(6))).unwrap();
        let error = get(conn, stored.id).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    });
}

#[test]
fn a_rule_that_could_never_fire_or_has_no_instrument_is_refused() {
    on_both(|conn| {
        let mut idle = above_100(1);
        idle.condition = Some(Condition::VolumeAbove);
        let error = insert(conn, &idle, at(1)).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        instrument::soft_delete(conn, &[2], &mut gone_at(at(1))).unwrap();
        for id in [2, 99] {
            let error = insert(conn, &above_100(id), at(1)).unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("instrument {id}")));
        }
        assert!(list(conn, RuleFilter::default()).unwrap().is_empty());
    });
}

#[test]
fn a_change_is_judged_together_with_what_stays() {
    on_both(|conn| {
        let before = insert(conn, &above_100(1), at(1)).unwrap();
        let mut expected = before.clone();
        expected.updated_at = at(2);
        let same = update(conn, before.id, &AlertRuleChange::default(), at(2)).unwrap();
        assert_eq!(same, expected);
        let named = AlertRuleChange {
            name: Some(Some("breakout".to_owned())),
            condition: Some(Some(Condition::Below)),
            ..AlertRuleChange::default()
        };
        expected.name = Some("breakout".to_owned());
        expected.condition = Some(Condition::Below);
        expected.updated_at = at(3);
        assert_eq!(update(conn, before.id, &named, at(3)).unwrap(), expected);
        let no_threshold = AlertRuleChange {
            threshold: Some(None),
            ..AlertRuleChange::default()
        };
        let error = update(conn, before.id, &no_threshold, at(4)).unwrap_err();
        assert!(error.to_string().starts_with("threshold: "), "{error}");
        let other_type = AlertRuleChange {
            rule_type: Some(RuleType::VolumeSpike),
            ..AlertRuleChange::default()
        };
        let error = update(conn, before.id, &other_type, at(4)).unwrap_err();
        assert!(error.to_string().starts_with("condition: below"), "{error}");
        assert_eq!(get(conn, before.id).unwrap(), expected);
        let error = update(conn, 99, &named, at(4)).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    });
}

#[test]
fn deletion_counts_exactly_and_keeps_its_first_moment() {
    on_both(|conn| {
        let a = store(conn, &above_100(1), 1);
        let b = store(conn, &above_100(2), 1);
        assert_eq!(
            soft_delete(conn, &[a, a, 99], &mut gone_at(at(2))).unwrap(),
            1
        );
        assert_eq!(soft_delete(conn, &[a, b], &mut gone_at(at(3))).unwrap(), 1);
        assert_eq!(deleted_at(conn, a), Some(at(2)));
        assert_eq!(restore(conn, &[a, a, 99]).unwrap(), 1);
        assert_eq!(restore(conn, &[a, b]).unwrap(), 1);
        assert_eq!((deleted_at(conn, a), deleted_at(conn, b)), (None, None));
    });
}

#[test]
fn a_rule_of_a_deleted_instrument_is_neither_restored_nor_switched_on() {
    on_both(|conn| {
        let gone = store(conn, &above_100(1), 1);
        let idle = store(conn, &off(1), 1);
        let other = store(conn, &above_100(2), 1);
        soft_delete(conn, &[gone, other], &mut gone_at(at(2))).unwrap();
        instrument::soft_delete(conn, &[1], &mut gone_at(at(3))).unwrap();
        let text = conflict(conn.savepoint(|conn| restore(conn, &[other, gone])));
        assert!(
            text.starts_with(&format!("rule {gone} cannot be restored")),
            "{text}"
        );
        assert!(text.contains("restore the instrument first"), "{text}");
        assert_eq!(deleted_at(conn, other), Some(at(2)), "all or none");
        let on = AlertRuleChange {
            active: Some(true),
            ..AlertRuleChange::default()
        };
        let text = conflict(update(conn, idle, &on, at(4)));
        assert!(
            text.contains(&format!("rule {idle} cannot be switched on")),
            "{text}"
        );
        instrument::restore(conn, &[1]).unwrap();
        assert_eq!(restore(conn, &[other, gone]).unwrap(), 2);
        assert!(update(conn, idle, &on, at(5)).unwrap().active);
    });
}

#[test]
fn pages_lead_on_through_equal_moments() {
    on_both(|conn| {
        let mut expected: Vec<i64> = (0..7)
            .map(|n| store(conn, &above_100(1), 10 + n / 3))
            .collect();
        expected.reverse();
        store(conn, &above_100(2), 11);
        let mut query = RulePage {
            filter: RuleFilter {
                instrument_id: Some(1),
                ..RuleFilter::default()
            },
            limit: 3,
            after: None,
        };
        let mut pages = Vec::new();
        loop {
            let page = page(conn, &query).unwrap();
            pages.push(ids(&page.rows));
            let Some(Cursor::After(last)) = page.next else {
                break;
            };
            query.after = Some(last);
        }
        assert_eq!(pages.len(), 3);
        assert_eq!(pages.concat(), expected);
        for limit in [0, RulePage::LIMIT_MAX + 1] {
            query.limit = limit;
            assert!(page(conn, &query).is_err());
        }
    });
}

#[test]
fn labels_are_had_of_deleted_rules_too() {
    on_both(|conn| {
        let mut named = above_100(1);
        named.name = Some("high".to_owned());
        let a = store(conn, &named, 1);
        let b = store(conn, &spike(1), 1);
        soft_delete(conn, &[a], &mut gone_at(at(2))).unwrap();
        let mut labels = labels_of_all(conn, &[a, b, 99]).unwrap();
        labels.sort_by_key(|label| label.id);
        let seen: Vec<_> = labels
            .iter()
            .map(|label| (label.id, label.name.as_deref(), label.rule_type))
            .collect();
        let expected = [
            (a, Some("high"), RuleType::Threshold),
            (b, None, RuleType::VolumeSpike),
        ];
        assert_eq!(seen, expected);
    });
}

mod statements {
    use super::*;

    const AFTER: RuleKey = RuleKey {
        created_at: Timestamp::MAX,
        id: 7,
    };

    #[test]
    fn a_page_compares_the_whole_key_and_labels_are_of_all() {
        insta::assert_snapshot!(tail(&page_query(RuleFilter::default(), AFTER, 10)), @"FROM alert_rules WHERE (((((alert_rules.deleted_at IS NULL) AND 1 = 1) AND 1 = 1) AND 1 = 1) AND ((alert_rules.created_at < $1) OR ((alert_rules.created_at = $2) AND (alert_rules.id < $3)))) ORDER BY alert_rules.created_at DESC, alert_rules.id DESC LIMIT $4");
        insta::assert_snapshot!(tail(&labels_of_all_query(&[1])), @"FROM alert_rules WHERE (alert_rules.id = ANY($1))");
    }

    const SOME: RuleFilter = RuleFilter {
        instrument_id: Some(1),
        active_only: true,
        rule_type: Some(RuleType::Threshold),
    };

    #[test]
    fn reads_deletion_and_restoration_name_their_scope() {
        insta::assert_snapshot!(tail(&list_query(SOME)), @"FROM alert_rules WHERE ((((alert_rules.deleted_at IS NULL) AND (alert_rules.instrument_id = $1)) AND (alert_rules.active = $2)) AND (alert_rules.rule_type = $3)) ORDER BY alert_rules.created_at DESC, alert_rules.id DESC");
        insta::assert_snapshot!(tail(&list_query(RuleFilter::default())), @"FROM alert_rules WHERE ((((alert_rules.deleted_at IS NULL) AND 1 = 1) AND 1 = 1) AND 1 = 1) ORDER BY alert_rules.created_at DESC, alert_rules.id DESC");
        insta::assert_snapshot!(tail(&by_id_query(1)), @"FROM alert_rules WHERE ((alert_rules.deleted_at IS NULL) AND (alert_rules.id = $1))");
        insta::assert_snapshot!(tail(&of_instruments_query(&[1])), @"FROM alert_rules WHERE ((alert_rules.deleted_at IS NULL) AND (alert_rules.instrument_id = ANY($1))) ORDER BY alert_rules.instrument_id ASC, alert_rules.id ASC");
        insta::assert_snapshot!(tail(&active_query(&[1])), @"FROM alert_rules WHERE ((alert_rules.deleted_at IS NULL) AND (alert_rules.id = ANY($1)))");
        insta::assert_snapshot!(tail(&deleted_query(&[1])), @"FROM alert_rules WHERE ((alert_rules.deleted_at IS NOT NULL) AND (alert_rules.id = ANY($1)))");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_seeks_by_instrument_and_by_id() {
        use crate::repository::test_rows::{assert_sqlite_plan as plan, sqlite_plan_with};
        use crate::test_support::on_sqlite;
        let by_instrument =
            "SEARCH alert_rules USING INDEX alert_rules_instrument_active (instrument_id=?)";
        let by_id = "SEARCH alert_rules USING INTEGER PRIMARY KEY (rowid=?)";
        on_sqlite(|conn| {
            sqlite_plan_with(conn, &list_query(SOME), by_instrument);
            plan(conn, &of_instruments_query(&[1, 2]), by_instrument);
            plan(conn, &by_id_query(1), by_id);
            plan(conn, &active_query(&[1, 2]), by_id);
            plan(conn, &deleted_query(&[1, 2]), by_id);
            plan(conn, &labels_of_all_query(&[1, 2]), by_id);
            sqlite_plan_with(conn, &page_query(SOME, AFTER, 10), by_instrument);
        });
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_seeks_in_its_indexes() {
        use crate::repository::test_rows::assert_postgres_plan as plan;
        use crate::test_support::on_postgres;
        use diesel::connection::SimpleConnection;
        on_postgres(|conn| {
            plan(conn, &list_query(SOME), "alert_rules_instrument_active");
            plan(
                conn,
                &of_instruments_query(&[1]),
                "alert_rules_instrument_active",
            );
            let page = page_query(SOME, AFTER, 10);
            plan(conn, &page, "alert_rules_instrument_active");
            // In an empty table each index is as good.
            for _ in 0..100 {
                store(conn, &above_100(1), 10);
            }
            crate::on_backend!(conn, |c| c.batch_execute("ANALYZE alert_rules")).unwrap();
            plan(conn, &by_id_query(1), "alert_rules_pkey");
            plan(conn, &labels_of_all_query(&[1]), "alert_rules_pkey");
        });
    }
}
