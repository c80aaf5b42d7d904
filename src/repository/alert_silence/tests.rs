//! Each query by its SQL and its behaviour on both backends; and what an alert becomes that is stored
//! during a silence. The clock of the database cannot be set: silences are made to end by raw SQL.

use std::time::Duration;

use super::*;
use crate::domain::DeliveryStatus;
use crate::models::SilenceEnd;
use crate::repository::alert_delivery::{self, ChannelKey};
use crate::repository::test_rows::{above_100, alert, at, bitcoin, gone_at, tail};
use crate::repository::{alert_log, alert_rule, instrument};
use crate::test_support::on_both;

const HOUR: Duration = Duration::from_secs(3_600);

fn new(subject: SilenceSubject) -> NewAlertSilence {
    NewAlertSilence {
        subject,
        end: SilenceEnd::After(HOUR),
        reason: Some("roll".to_owned()),
        created_by: "desk".to_owned(),
    }
}

/// Two rules of ES and one of another instrument.
fn rules(conn: &mut BackendConnection<'_>) -> ([i64; 3], i64) {
    let other = instrument::insert(conn, &bitcoin(), at(1)).unwrap().id;
    let mut add = |of| alert_rule::insert(conn, &above_100(of), at(1)).unwrap().id;
    ([add(1), add(1), add(other)], other)
}

fn fire(
    conn: &mut BackendConnection<'_>,
    rule: i64,
    instrument: i64,
    n: i64,
) -> (DeliveryStatus, Option<i64>) {
    let stored = alert_log::insert(conn, &alert(rule, instrument, n))
        .unwrap()
        .unwrap();
    let read = alert_log::get(conn, stored.id).unwrap();
    assert_eq!(read, stored);
    (read.delivery_status, read.silence_id)
}

/// Has a silence end, as time does.
fn end(conn: &mut BackendConnection<'_>, id: i64) {
    let ended = diesel::update(alert_silences::table.filter(alert_silences::id.eq(id))).set((
        alert_silences::created_at.eq(at(1)),
        alert_silences::until.eq(at(2)),
    ));
    let _said = conn.invalidates(Invalidation::Nothing);
    crate::on_backend!(conn, |c| ended.execute(c)).unwrap();
}

const DELIVERED: (DeliveryStatus, Option<i64>) = (DeliveryStatus::Pending, None);

#[test]
fn queries_name_their_rows() {
    insta::assert_snapshot!(tail(&list_query(SilenceFilter::default(), 9, 2)), @"FROM alert_silences WHERE ((1 = 1 AND 1 = 1) AND (alert_silences.id < $1)) ORDER BY alert_silences.id DESC LIMIT $2");
    insta::assert_snapshot!(tail(&in_force_query(at(1))), @"FROM alert_silences WHERE ((alert_silences.lifted_at IS NULL) AND (alert_silences.until > $1)) ORDER BY alert_silences.id ASC");
}

#[test]
fn a_silence_of_a_rule_or_of_an_instrument_holds_for_that_until_it_ends() {
    on_both(|conn| {
        let ([first, second, other_rule], other) = rules(conn);
        assert_eq!(fire(conn, first, 1, 1), DELIVERED);
        let of_rule = insert(conn, &new(SilenceSubject::Rule(first))).unwrap();
        let silenced = |id| (DeliveryStatus::Silenced, Some(id));
        assert_eq!(fire(conn, first, 1, 2), silenced(of_rule.id));
        assert_eq!(fire(conn, second, 1, 2), DELIVERED);
        let of_all = insert(conn, &new(SilenceSubject::Instrument(1))).unwrap();
        // The older one is named.
        assert_eq!(fire(conn, first, 1, 3), silenced(of_rule.id));
        assert_eq!(fire(conn, second, 1, 3), silenced(of_all.id));
        assert_eq!(fire(conn, other_rule, other, 3), DELIVERED);
        end(conn, of_all.id);
        assert_eq!(fire(conn, second, 1, 4), DELIVERED);
        let lifted = lift(conn, of_rule.id, "risk").unwrap();
        assert_eq!(lifted.lifted_by.as_deref(), Some("risk"));
        assert_eq!(fire(conn, first, 1, 4), DELIVERED);
        // What a batch fires is decided one by one.
        let again = insert(conn, &new(SilenceSubject::Rule(first))).unwrap();
        let batch = [alert(first, 1, 5), alert(second, 1, 5)];
        let stored = alert_log::insert_many(conn, &batch, None).unwrap();
        let ids: Vec<Option<i64>> = stored.iter().map(|alert| alert.silence_id).collect();
        assert_eq!(ids, [Some(again.id), None]);
    });
}

#[test]
fn what_fired_during_a_silence_is_queued_neither_then_nor_after_it() {
    on_both(|conn| {
        let ([first, second, _], _) = rules(conn);
        let silence = insert(conn, &new(SilenceSubject::Rule(first))).unwrap();
        fire(conn, first, 1, 1);
        fire(conn, second, 1, 1);
        let channels = ["desk", "hook"].map(|name| ChannelKey {
            name: name.to_owned(),
            kind: crate::domain::ChannelKind::Webhook,
        });
        let queue = |conn: &mut BackendConnection<'_>| {
            alert_delivery::enqueue(conn, &channels, at(9), 100).unwrap()
        };
        assert_eq!(queue(conn), 2, "that of the other rule alone");
        end(conn, silence.id);
        assert_eq!(queue(conn), 0);
        let silenced = alert_log::AlertFilter {
            delivery_status: Some(DeliveryStatus::Silenced),
            ..alert_log::AlertFilter::default()
        };
        assert_eq!(alert_log::count(conn, silenced).unwrap(), 1);
    });
}

#[test]
fn a_silence_that_cannot_work_is_refused() {
    on_both(|conn| {
        let ([first, ..], _) = rules(conn);
        let now = conn.shared_now().unwrap();
        let past = SilenceEnd::At(now.saturating_add_micros(-1_000_000));
        let of = |change: fn(&mut NewAlertSilence)| {
            let mut silence = new(SilenceSubject::Rule(1));
            change(&mut silence);
            silence
        };
        let mut of_past = new(SilenceSubject::Rule(first));
        of_past.end = past;
        for (silence, says) in [
            (of_past, "until: "),
            (of(|it| it.end = SilenceEnd::After(Duration::ZERO)), "for: "),
            (
                of(|it| it.end = SilenceEnd::After(HOUR * 24 * 400)),
                "for: ",
            ),
            (of(|it| it.created_by = " ".to_owned()), "by: it is empty"),
            (
                of(|it| it.created_by = "a\0".to_owned()),
                "by: it has the character NUL",
            ),
            (
                of(|it| it.created_by = "x".repeat(101)),
                "by: it has 101 characters",
            ),
            (
                of(|it| it.reason = Some("x".repeat(501))),
                "reason: it has 501 characters",
            ),
            (
                of(|it| it.subject = SilenceSubject::Rule(999)),
                "rule 999 not found",
            ),
            (
                of(|it| it.subject = SilenceSubject::Instrument(999)),
                "instrument 999 not found",
            ),
        ] {
            let error = insert(conn, &silence).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
        assert_eq!(list(conn, SilenceFilter::default(), None, 10).unwrap(), []);
    });
}

#[test]
fn the_list_has_those_in_force_or_all() {
    on_both(|conn| {
        let ([first, second, _], _) = rules(conn);
        let ids: Vec<i64> = [
            SilenceSubject::Rule(first),
            SilenceSubject::Rule(second),
            SilenceSubject::Instrument(1),
        ]
        .map(|of| insert(conn, &new(of)).unwrap().id)
        .to_vec();
        end(conn, ids[0]);
        lift(conn, ids[1], "desk").unwrap();
        let mut listed = |filter: SilenceFilter, before, limit| {
            let rows = list(conn, filter, before, limit).unwrap();
            rows.iter().map(|row| row.id).collect::<Vec<i64>>()
        };
        let all = SilenceFilter {
            with_ended: true,
            ..SilenceFilter::default()
        };
        assert_eq!(listed(SilenceFilter::default(), None, 10), [ids[2]]);
        assert_eq!(listed(all, None, 10), [ids[2], ids[1], ids[0]]);
        assert_eq!(listed(all, Some(ids[2]), 1), [ids[1]]);
        assert_eq!(
            listed(
                SilenceFilter {
                    rule_id: Some(first),
                    ..all
                },
                None,
                10
            ),
            [ids[0]]
        );
        assert_eq!(
            listed(
                SilenceFilter {
                    instrument_id: Some(1),
                    ..all
                },
                None,
                10
            ),
            [ids[2]]
        );
        assert_eq!(
            list(conn, all, None, 0)
                .unwrap_err()
                .to_string()
                .split(':')
                .next(),
            Some("limit")
        );
        assert!(matches!(get(conn, 999), Err(Error::NotFound { .. })));
        // One that has ended stays as it is.
        let twice = lift(conn, ids[1], "other").unwrap();
        assert_eq!(twice.lifted_by.as_deref(), Some("desk"));
        assert_eq!(lift(conn, ids[0], "other").unwrap().lifted_by, None);
        let now = conn.shared_now().unwrap().saturating_add_micros(1_000_000);
        assert_eq!(count_expired(conn, now).unwrap(), 2);
        assert_eq!(expire(conn, now).unwrap(), 2);
        assert_eq!(list(conn, all, None, 10).unwrap().len(), 1);
    });
}

#[test]
fn the_first_acknowledgement_counts_and_a_deleted_alert_has_none() {
    on_both(|conn| {
        let ([first, ..], _) = rules(conn);
        let ids = [1, 2, 3].map(|n| {
            alert_log::insert(conn, &alert(first, 1, n))
                .unwrap()
                .unwrap()
                .id
        });
        let new = alert_log::acknowledge(conn, &ids[..1], "desk", Some("seen"), at(7)).unwrap();
        assert_eq!(new.len(), 1);
        assert_eq!(
            (new[0].acknowledged_at, new[0].acknowledged_by.as_deref()),
            (Some(at(7)), Some("desk"))
        );
        assert_eq!(new[0].acknowledgement_note.as_deref(), Some("seen"));
        let more = alert_log::acknowledge(conn, &[ids[1], ids[0]], "risk", None, at(8)).unwrap();
        assert_eq!(
            more.iter().map(|alert| alert.id).collect::<Vec<_>>(),
            [ids[1]]
        );
        assert_eq!(
            alert_log::get(conn, ids[0])
                .unwrap()
                .acknowledged_by
                .as_deref(),
            Some("desk")
        );
        alert_log::soft_delete(conn, &ids[1..2], &mut gone_at(at(9))).unwrap();
        let mut refused = |ids: &[i64], by: &str, note: Option<&str>| {
            alert_log::acknowledge(conn, ids, by, note, at(9))
                .unwrap_err()
                .to_string()
        };
        let says = refused(&[ids[2], ids[1]], "desk", None);
        assert!(
            says.contains(&format!("alert {} not found", ids[1])),
            "{says}"
        );
        assert!(refused(&ids[2..], "", None).starts_with("by: it is empty"));
        assert!(refused(&ids[2..], "desk", Some(&"x".repeat(1_001))).starts_with("note: "));
        assert_eq!(alert_log::get(conn, ids[2]).unwrap().acknowledged_at, None);
    });
}
