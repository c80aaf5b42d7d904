//! Each query by its SQL, its plan and its behaviour on both backends.

use super::alert_status::{parts_query, status};
use super::dead_letters::{dead_query, open_query};
use super::outcome::{held_query, undelivered_query};
use super::queue::{due_query, next_due_query, unqueued_query};
use super::*;
use crate::database::BackendConnection;
use crate::domain::{DeliveryState, DeliveryStatus};
use crate::models::AlertLog;
use crate::repository::test_rows::{above_100, alert, at, gone_at, tail};
use crate::repository::{alert_log, alert_rule};
use crate::test_support::on_both;

fn channels() -> Vec<ChannelKey> {
    let key = |name: &str, kind| ChannelKey {
        name: name.to_owned(),
        kind,
    };
    vec![
        key("desk", ChannelKind::InApp),
        key("ops", ChannelKind::Slack),
        key("hook", ChannelKind::Webhook),
    ]
}

/// Alerts of one rule at these moments.
fn fired(conn: &mut BackendConnection<'_>, moments: &[i64]) -> Vec<i64> {
    let rule = alert_rule::insert(conn, &above_100(1), at(1)).unwrap().id;
    let store = |micros: &i64| {
        let new = alert(rule, 1, *micros);
        alert_log::insert(conn, &new).unwrap().unwrap().id
    };
    moments.iter().map(store).collect()
}

fn take(conn: &mut BackendConnection<'_>, channel: &str, now: i64) -> Vec<Claim> {
    claim(conn, channel, at(now), Duration::from_micros(100), 10).unwrap()
}

/// What is seen by one whose channels are all free.
fn see(conn: &mut BackendConnection<'_>, now: i64) -> Look {
    look(conn, &channels(), &[true; 3], at(now)).unwrap()
}

fn tried(claim: &Claim, outcome: DeliveryOutcome) -> Tried {
    Tried {
        delivery_id: claim.delivery.id,
        alert_id: claim.delivery.alert_id,
        attempts: claim.delivery.attempts,
        outcome,
    }
}

fn tell(
    conn: &mut BackendConnection<'_>,
    claim: &Claim,
    outcome: DeliveryOutcome,
    now: i64,
) -> usize {
    record(conn, &[tried(claim, outcome)], at(now)).unwrap()
}

fn micros(count: i64) -> Duration {
    Duration::from_micros(u64::try_from(count).unwrap())
}

fn failed(retry_in: i64) -> DeliveryOutcome {
    DeliveryOutcome::Failed {
        retry_in: micros(retry_in),
        error: "answered 500".to_owned(),
    }
}

fn dead() -> DeliveryOutcome {
    DeliveryOutcome::Dead {
        error: "answered 400".to_owned(),
    }
}

fn stands(conn: &mut BackendConnection<'_>, id: i64) -> (DeliveryStatus, Option<i64>, Option<i64>) {
    let alert: AlertLog = alert_log::get(conn, id).unwrap();
    (
        alert.delivery_status,
        alert.delivery_attempted_at.map(Timestamp::micros),
        alert.delivery_completed_at.map(Timestamp::micros),
    )
}

#[test]
fn an_alert_is_queued_once_on_each_channel_and_the_oldest_first() {
    on_both(|conn| {
        let ids = fired(conn, &[10, 20, 30]);
        assert!(see(conn, 49).unqueued);
        assert_eq!(enqueue(conn, &channels(), at(50), 2).unwrap(), 6);
        assert_eq!(enqueue(conn, &channels(), at(60), 2).unwrap(), 3);
        assert_eq!(enqueue(conn, &channels(), at(70), 2).unwrap(), 0);
        let seen = see(conn, 49);
        assert_eq!(
            (seen.unqueued, seen.next_due),
            (false, vec![Some(at(50)); 3])
        );
        // Nothing is queued ahead while what is queued is enough.
        fired(conn, &[40]);
        assert!(see(conn, 49).unqueued);
        assert!(!see(conn, 50).unqueued);
        let busy = look(conn, &channels(), &[false; 3], at(49)).unwrap();
        assert!(!busy.unqueued);
        let taken = take(conn, "desk", 80);
        let alerts: Vec<i64> = taken.iter().map(|claim| claim.delivery.alert_id).collect();
        assert_eq!(alerts, ids);
        assert_eq!(taken[0].notice.symbol.as_str(), "ES");
        assert_eq!(enqueue(conn, &[], at(80), 2).unwrap(), 0);
    });
}

#[test]
fn what_did_not_fire_or_is_deleted_is_not_delivered_until_it_is_restored() {
    use crate::domain::FiredStatus;
    on_both(|conn| {
        let ids = fired(conn, &[10, 20]);
        let rule = alert_log::get(conn, ids[0]).unwrap().rule_id;
        let mut held_back = alert(rule, 1, 30);
        held_back.fired_status = FiredStatus::Suppressed;
        alert_log::insert(conn, &held_back).unwrap().unwrap();
        alert_log::soft_delete(conn, &ids[..1], &mut gone_at(at(40))).unwrap();
        assert_eq!(enqueue(conn, &channels(), at(50), 10).unwrap(), 3);
        alert_log::soft_delete(conn, &ids[1..], &mut gone_at(at(60))).unwrap();
        assert_eq!(
            see(conn, 1_000),
            Look {
                at: at(1_000),
                unqueued: false,
                next_due: vec![None; 3]
            }
        );
        assert_eq!(take(conn, "desk", 70), []);
        assert_eq!(depth(conn, at(70)).unwrap(), []);
        alert_log::restore(conn, &ids).unwrap();
        assert_eq!(enqueue(conn, &channels(), at(80), 10).unwrap(), 3);
        assert_eq!(take(conn, "desk", 90).len(), 2);
    });
}

#[test]
fn a_claim_is_held_until_its_lease_ends_and_counts_as_an_attempt() {
    on_both(|conn| {
        let ids = fired(conn, &[10]);
        enqueue(conn, &channels(), at(50), 10).unwrap();
        let first = take(conn, "hook", 60);
        assert_eq!((first.len(), first[0].delivery.attempts), (1, 1));
        assert_eq!(first[0].delivery.first_attempted_at, Some(at(60)));
        assert_eq!(
            stands(conn, ids[0]),
            (DeliveryStatus::Pending, Some(60), None)
        );
        assert_eq!(take(conn, "hook", 159), []);
        let second = take(conn, "hook", 160);
        assert_eq!(second[0].delivery.attempts, 2);
        assert_eq!(second[0].delivery.first_attempted_at, Some(at(60)));
        assert_eq!(first[0].idempotency_key(), second[0].idempotency_key());
        assert_eq!(first[0].idempotency_key(), "tickbase-1-1-10-1-0-hook");
        // The first one's failure is no news any more; that it was delivered is.
        assert_eq!(tell(conn, &first[0], failed(5), 165), 0);
        assert_eq!(tell(conn, &first[0], dead(), 165), 0);
        assert_eq!(tell(conn, &first[0], DeliveryOutcome::Delivered, 166), 1);
        assert_eq!(tell(conn, &second[0], failed(5), 167), 0);
        assert_eq!(tell(conn, &second[0], DeliveryOutcome::Delivered, 167), 0);
        let row = of_alerts(conn, &[ids[0]]).unwrap().remove(1);
        assert_eq!(
            (row.channel.as_str(), row.completed_at),
            ("hook", Some(at(166)))
        );
    });
}

#[test]
fn the_alert_tells_how_far_its_delivery_got_at_every_moment() {
    on_both(|conn| {
        let id = fired(conn, &[10])[0];
        enqueue(conn, &channels(), at(50), 10).unwrap();
        let hook = take(conn, "hook", 60).remove(0);
        assert_eq!(tell(conn, &hook, failed(130), 70), 1);
        assert_eq!(stands(conn, id), (DeliveryStatus::Pending, Some(60), None));
        let error = alert_log::get(conn, id).unwrap().error_message;
        assert_eq!(error.as_deref(), Some("hook: answered 500"));
        let desk = take(conn, "desk", 80).remove(0);
        tell(conn, &desk, DeliveryOutcome::Delivered, 81);
        assert_eq!(stands(conn, id).0, DeliveryStatus::InAppSent);
        let ops = take(conn, "ops", 90).remove(0);
        tell(conn, &ops, DeliveryOutcome::Delivered, 91);
        assert_eq!(
            stands(conn, id),
            (DeliveryStatus::SlackSent, Some(60), None)
        );
        assert_eq!(take(conn, "hook", 199), []);
        let hook = take(conn, "hook", 200).remove(0);
        tell(conn, &hook, DeliveryOutcome::Delivered, 201);
        assert_eq!(
            stands(conn, id),
            (DeliveryStatus::AllDelivered, Some(60), Some(201))
        );
        assert_eq!(alert_log::get(conn, id).unwrap().error_message, None);
        assert_eq!(see(conn, 1_000).next_due, [None; 3]);
    });
}

#[test]
fn dead_letters_are_listed_and_sent_again_on_request() {
    on_both(|conn| {
        let ids = fired(conn, &[10, 20]);
        enqueue(conn, &channels()[2..], at(50), 10).unwrap();
        for claim in take(conn, "hook", 60) {
            tell(conn, &claim, dead(), 61);
        }
        assert_eq!(
            stands(conn, ids[0]),
            (DeliveryStatus::Failed, Some(60), Some(61))
        );
        let all = DeadLetterFilter::default();
        let letters = dead_letters(conn, &all, None, 10).unwrap();
        assert_eq!(
            letters.iter().map(|l| l.alert_id).collect::<Vec<_>>(),
            [ids[1], ids[0]]
        );
        assert_eq!(letters[0].last_error.as_deref(), Some("answered 400"));
        let next = dead_letters(conn, &all, Some(letters[0].id), 1).unwrap();
        assert_eq!(next[0].alert_id, ids[0]);
        assert!(dead_letters(conn, &all, None, 0).is_err());
        assert_eq!(depth(conn, at(62)).unwrap()[0].dead, 2);
        assert_eq!(resend(conn, &[letters[1].id, 99], at(70)).unwrap(), 1);
        assert_eq!(resend(conn, &[letters[1].id], at(71)).unwrap(), 0);
        assert_eq!(
            stands(conn, ids[0]),
            (DeliveryStatus::Pending, Some(60), None)
        );
        let depth = depth(conn, at(75)).unwrap().remove(0);
        // It is queued anew.
        let age = Some(micros(5));
        assert_eq!((depth.open, depth.oldest_age, depth.dead), (1, age, 1));
        let again = take(conn, "hook", 80).remove(0);
        assert_eq!(
            (again.delivery.alert_id, again.delivery.attempts),
            (ids[0], 1)
        );
        alert_log::soft_delete(conn, &ids[1..], &mut gone_at(at(90))).unwrap();
        assert_eq!(dead_letters(conn, &all, None, 10).unwrap(), []);
    });
}

#[test]
fn dead_letters_are_chosen_by_alert_and_channel() {
    on_both(|conn| {
        let ids = fired(conn, &[10, 20, 30]);
        enqueue(conn, &channels(), at(50), 10).unwrap();
        for channel in ["ops", "hook"] {
            for claim in take(conn, channel, 60) {
                tell(conn, &claim, dead(), 61);
            }
        }
        let of = |alert_id: Option<i64>, channel: Option<&str>| DeadLetterFilter {
            alert_id,
            channel: channel.map(str::to_owned),
        };
        for (filter, count) in [
            (of(None, None), 6),
            (of(Some(ids[1]), None), 2),
            (of(None, Some("hook")), 3),
            (of(Some(ids[1]), Some("hook")), 1),
            (of(None, Some("desk")), 0),
        ] {
            let letters = dead_letters(conn, &filter, None, 10).unwrap();
            assert_eq!(letters.len(), count, "{filter:?}");
        }
        let (resent, next) = resend_page(conn, &of(None, Some("hook")), None, 2).unwrap();
        assert_eq!(resent, 2);
        let last = resend_page(conn, &of(None, Some("hook")), next, 2).unwrap();
        assert_eq!(last, (1, None));
        assert_eq!(
            dead_letters(conn, &of(None, None), None, 10).unwrap().len(),
            3
        );
    });
}

#[test]
fn what_the_receiver_put_off_was_no_attempt_and_what_waited_for_too_long_is_given_up() {
    on_both(|conn| {
        let ids = fired(conn, &[10, 20, 30]);
        enqueue(conn, &channels()[2..], at(50), 10).unwrap();
        let deferred = |age_max: i64| DeliveryOutcome::Deferred {
            retry_in: micros(30),
            error: "answered 429".to_owned(),
            age_max: micros(age_max),
        };
        let state = |conn: &mut BackendConnection<'_>, id: i64| {
            let row = of_alerts(conn, &[id]).unwrap().remove(0);
            (row.status, row.attempts, row.next_attempt_at)
        };
        let one = claim(conn, "hook", at(100), micros(100), 1)
            .unwrap()
            .remove(0);
        assert_eq!((one.delivery.alert_id, one.age), (ids[0], micros(50)));
        assert_eq!(tell(conn, &one, deferred(1_000), 110), 1);
        assert_eq!(tell(conn, &one, deferred(1_000), 111), 0, "nobody has it");
        let put_off = |due| (DeliveryState::Failed, 0, Some(at(due)));
        assert_eq!(state(conn, ids[0]), put_off(140));
        // It has been due since 140 when the receiver refuses the others.
        let others = claim(conn, "hook", at(141), micros(159), 2).unwrap();
        tell(conn, &others[0], deferred(71), 210);
        assert_eq!(state(conn, ids[0]), put_off(140));
        tell(conn, &others[1], deferred(70), 210);
        assert_eq!(state(conn, ids[0]), (DeliveryState::Dead, 0, None));
        assert_eq!(
            [ids[1], ids[2]].map(|id| state(conn, id)),
            [put_off(240); 2]
        );
        let error = of_alerts(conn, &[ids[0]]).unwrap().remove(0).last_error;
        let reason = "answered 429; it waited for too long, and is given up";
        assert_eq!(error.as_deref(), Some(reason));
        assert_eq!(
            stands(conn, ids[0]),
            (DeliveryStatus::Failed, Some(100), Some(210))
        );
    });
}

#[test]
fn an_abandoned_channel_keeps_no_alert_open() {
    on_both(|conn| {
        let ids = fired(conn, &[10, 20, 30]);
        enqueue(conn, &channels()[1..], at(50), 10).unwrap();
        let held = take(conn, "ops", 60);
        tell(conn, &held[0], DeliveryOutcome::Delivered, 61);
        assert_eq!(abandon(conn, "ops", at(70), 1).unwrap(), 1);
        assert_eq!(abandon(conn, "ops", at(71), 10).unwrap(), 1);
        assert_eq!(abandon(conn, "ops", at(72), 10).unwrap(), 0);
        assert!(abandon(conn, "ops", at(72), 0).is_err());
        assert_eq!(stands(conn, ids[0]).0, DeliveryStatus::SlackSent);
        assert_eq!(stands(conn, ids[1]).0, DeliveryStatus::Failed);
        let error = alert_log::get(conn, ids[1]).unwrap().error_message;
        assert_eq!(error.as_deref(), Some("ops: its channel was abandoned"));
        // Whoever was at it has delivered it all the same.
        assert_eq!(tell(conn, &held[1], DeliveryOutcome::Delivered, 80), 1);
        assert_eq!(stands(conn, ids[1]).0, DeliveryStatus::SlackSent);
        assert_eq!(take(conn, "hook", 90).len(), 3);
    });
}

#[test]
fn the_status_of_an_alert_is_the_furthest_that_is_true() {
    let part = |kind: ChannelKind, state| (kind.to_string(), kind, state, None);
    let of = |states: &[(ChannelKind, DeliveryState)]| {
        let parts: Vec<_> = states
            .iter()
            .map(|(kind, state)| part(*kind, *state))
            .collect();
        status(&parts)
    };
    use ChannelKind::{InApp, Log, Slack};
    use DeliveryState::{Dead, Delivered, Failed, Pending};
    for (states, expected) in [
        (
            &[(Log, Delivered), (InApp, Pending)][..],
            DeliveryStatus::Pending,
        ),
        (
            &[(InApp, Delivered), (Slack, Failed)],
            DeliveryStatus::InAppSent,
        ),
        (
            &[(InApp, Delivered), (Slack, Delivered), (Log, Failed)],
            DeliveryStatus::SlackSent,
        ),
        (
            &[(InApp, Delivered), (Slack, Delivered)],
            DeliveryStatus::AllDelivered,
        ),
        (
            &[(InApp, Delivered), (Slack, Dead), (Log, Pending)],
            DeliveryStatus::Failed,
        ),
    ] {
        assert_eq!(of(states), expected, "{states:?}");
    }
}

mod statements {
    use super::*;

    const NAMES: [&str; 2] = ["a", "b"];

    #[test]
    fn reads_name_their_scope_and_the_words_of_their_index() {
        insta::assert_snapshot!(tail(&unqueued_query(&NAMES, 2, 10)), @"FROM alert_logs WHERE ((((alert_logs.deleted_at IS NULL) AND delivery_status = 'pending' AND fired_status = 'fired') AND (alert_logs.delivery_attempted_at IS NULL)) AND ((SELECT COUNT(*) FROM alert_deliveries WHERE ((alert_deliveries.alert_id = alert_logs.id) AND (alert_deliveries.channel = ANY($1))) LIMIT $2) < $3)) ORDER BY alert_logs.id ASC LIMIT $4");
        insta::assert_snapshot!(tail(&due_query("a", at(1), 10)), @"FROM alert_deliveries WHERE (((alert_deliveries.channel = $1) AND (alert_deliveries.next_attempt_at <= $2)) AND EXISTS (SELECT alert_logs.id FROM alert_logs WHERE ((alert_logs.deleted_at IS NULL) AND (alert_logs.id = alert_deliveries.alert_id)))) ORDER BY alert_deliveries.next_attempt_at ASC, alert_deliveries.id ASC LIMIT $3");
        insta::assert_snapshot!(tail(&next_due_query("a")), @"FROM alert_deliveries WHERE (((alert_deliveries.channel = $1) AND (alert_deliveries.next_attempt_at IS NOT NULL)) AND EXISTS (SELECT alert_logs.id FROM alert_logs WHERE ((alert_logs.deleted_at IS NULL) AND (alert_logs.id = alert_deliveries.alert_id)))) ORDER BY alert_deliveries.next_attempt_at ASC, alert_deliveries.id ASC LIMIT $2");
        insta::assert_snapshot!(tail(&open_query("a", at(1), 10)), @"FROM alert_deliveries WHERE ((alert_deliveries.channel = $1) AND (alert_deliveries.next_attempt_at <= $2)) ORDER BY alert_deliveries.next_attempt_at ASC, alert_deliveries.id ASC LIMIT $3");
        insta::assert_snapshot!(tail(&dead_query(&DeadLetterFilter::default(), 9, 10)), @"FROM alert_deliveries WHERE ((((status = 'dead' AND 1 = 1) AND 1 = 1) AND (alert_deliveries.id < $1)) AND EXISTS (SELECT alert_logs.id FROM alert_logs WHERE ((alert_logs.deleted_at IS NULL) AND (alert_logs.id = alert_deliveries.alert_id)))) ORDER BY alert_deliveries.id DESC LIMIT $2");
        insta::assert_snapshot!(tail(&parts_query(1)), @"FROM alert_deliveries WHERE (alert_deliveries.alert_id = $1) ORDER BY alert_deliveries.channel ASC");
    }

    #[test]
    fn outcomes_are_stored_by_number_and_holder() {
        insta::assert_snapshot!(tail(&undelivered_query(1)), @"FROM alert_deliveries WHERE ((alert_deliveries.id = $1) AND (alert_deliveries.status != $2))");
        insta::assert_snapshot!(tail(&held_query(1, 2)), @"FROM alert_deliveries WHERE (((alert_deliveries.id = $1) AND (alert_deliveries.attempts = $2)) AND (alert_deliveries.next_attempt_at IS NOT NULL))");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_seeks_in_the_partial_indexes_and_never_sorts() {
        use crate::repository::test_rows::assert_sqlite_plan as plan;
        crate::test_support::on_sqlite(|conn| {
            let due = "SEARCH alert_deliveries USING INDEX alert_deliveries_due (channel=?";
            plan(conn, &due_query("a", at(1), 10), due);
            plan(conn, &next_due_query("a"), due);
            let open =
                "SEARCH alert_deliveries USING COVERING INDEX alert_deliveries_due (channel=?";
            plan(conn, &open_query("a", at(1), 10), open);
            let unqueued = "SCAN alert_logs USING INDEX alert_logs_unqueued";
            plan(conn, &unqueued_query(&NAMES, 2, 10), unqueued);
            let dead = "SEARCH alert_deliveries USING INDEX alert_deliveries_dead (id<?)";
            plan(conn, &dead_query(&DeadLetterFilter::default(), 9, 10), dead);
            let parts = "SEARCH alert_deliveries USING INDEX sqlite_autoindex_alert_deliveries_1";
            plan(conn, &parts_query(1), parts);
            let by_id = "SEARCH alert_deliveries USING INTEGER PRIMARY KEY (rowid=?)";
            plan(conn, &undelivered_query(1), by_id);
            plan(conn, &held_query(1, 2), by_id);
        });
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_seeks_in_the_partial_indexes() {
        use crate::repository::test_rows::assert_postgres_plan as plan;
        crate::test_support::on_postgres(|conn| {
            plan(conn, &due_query("a", at(1), 10), "alert_deliveries_due");
            plan(conn, &next_due_query("a"), "alert_deliveries_due");
            plan(conn, &open_query("a", at(1), 10), "alert_deliveries_due");
            plan(conn, &unqueued_query(&NAMES, 2, 10), "alert_logs_unqueued");
            plan(
                conn,
                &dead_query(&DeadLetterFilter::default(), 9, 10),
                "alert_deliveries_dead",
            );
            plan(
                conn,
                &parts_query(1),
                "alert_deliveries_alert_id_channel_key",
            );
        });
    }
}
