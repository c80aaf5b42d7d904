//! Changes of what is watched: rules, instruments, pasts.

use super::*;

#[test]
fn a_new_rule_knows_the_side_of_the_last_price_and_does_not_fire_by_itself() {
    let mut engine = engine(&[]);
    engine.evaluate_batch(prices(&[9.0, 10.0]));
    engine.commit();
    engine
        .put_rule(compiled(1, &rule(Condition::CrossesAbove, "10")))
        .unwrap();
    engine
        .put_rule(compiled(2, &rule(Condition::CrossesAbove, "9.5")))
        .unwrap();
    engine
        .put_rule(compiled(3, &rule(Condition::CrossesAbove, "10.5")))
        .unwrap();
    let next =
        engine.evaluate_batch([tick(2_000, Some(10.0), None), tick(3_000, Some(11.0), None)]);
    assert_eq!(fired(&next), [(1, 3), (3, 3)]);
}

#[test]
fn another_threshold_is_crossed_from_where_the_price_is() {
    let mut engine = engine(&[rule(Condition::CrossesAbove, "10")]);
    engine.evaluate_batch(prices(&[9.0]));
    engine.commit();
    // The price is above the new threshold now, but it did not cross it.
    engine
        .put_rule(compiled(1, &rule(Condition::CrossesAbove, "8")))
        .unwrap();
    let next = [9.5, 7.0, 8.5].iter().zip(1..);
    let next = engine.evaluate_batch(next.map(|(price, n)| tick(n * 1_000, Some(*price), None)));
    assert_eq!(fired(&next), [(1, 3)]);
}

#[test]
fn a_changed_rule_cools_down_from_its_last_firing_by_its_new_cooldown() {
    let mut engine = engine(&[cooling(60, rule(Condition::Above, "10"))]);
    engine.evaluate_batch(prices(&[11.0, 11.0]));
    engine.commit();
    engine
        .put_rule(compiled(1, &cooling(5, rule(Condition::Above, "9"))))
        .unwrap();
    let next = engine.evaluate_batch((2..8).map(|n| tick(n * 1_000, Some(9.5), None)));
    assert_eq!(fired(&next), [(1, 5)]);
    assert_eq!(engine.suppressed(1), Some(1 + 5));
}

#[test]
fn a_rule_that_is_off_or_removed_is_silent_and_what_it_did_is_remembered_while_it_is_off() {
    let mut engine = engine(&[
        cooling(10, rule(Condition::Above, "10")),
        rule(Condition::Above, "10"),
    ]);
    engine.evaluate_batch(prices(&[11.0]));
    engine.commit();
    let off = NewAlertRule {
        active: false,
        ..cooling(10, rule(Condition::Above, "10"))
    };
    engine.put_rule(compiled(1, &off)).unwrap();
    engine.remove_rule(2);
    let silent = engine.evaluate_batch((1..5).map(|n| tick(n * 1_000, Some(11.0), None)));
    engine.commit();
    assert_eq!((fired(&silent), silent.suppressed), (vec![], 0));
    assert_eq!(
        (engine.suppressed(1), engine.suppressed(2)),
        (Some(0), None)
    );
    engine
        .put_rule(compiled(1, &cooling(10, rule(Condition::Above, "10"))))
        .unwrap();
    let next = engine.evaluate_batch((5..12).map(|n| tick(n * 1_000, Some(11.0), None)));
    assert_eq!(fired(&next), [(1, 10)]);
}

#[test]
fn a_change_during_an_open_batch_waits_for_its_end() {
    let mut engine = engine(&[rule(Condition::Above, "10")]);
    let mark = engine.mark();
    engine
        .put_rule(compiled(2, &rule(Condition::Above, "10")))
        .unwrap();
    engine.watch(instrument(3));
    let third = NewAlertRule {
        instrument_id: 3,
        ..rule(Condition::Above, "10")
    };
    engine.put_rule(compiled(3, &third)).unwrap();
    engine.remove_rule(1);
    assert_eq!(fired(&engine.evaluate_batch(prices(&[11.0]))), [(1, 0)]);
    engine.roll_back_to(mark);
    assert_eq!(fired(&engine.evaluate_batch(prices(&[11.0]))), [(1, 0)]);
    assert!(matches!(engine.warm_up(1, []), Err(Error::Conflict { .. })));
    engine.roll_back();
    let both = [1, 3].map(|instrument_id| StoredTick {
        instrument_id,
        ..tick(0, Some(11.0), None)
    });
    assert_eq!(fired(&engine.evaluate_batch(both)), [(2, 0), (3, 0)]);
}

#[test]
fn a_rule_of_an_instrument_that_is_not_watched_is_refused() {
    let mut engine = engine(&[]);
    let foreign = NewAlertRule {
        instrument_id: 9,
        ..rule(Condition::Above, "10")
    };
    let error = engine.put_rule(compiled(1, &foreign)).unwrap_err();
    assert!(error.to_string().contains("instrument 9"), "{error}");
    assert!(matches!(engine.warm_up(9, []), Err(Error::NotFound { .. })));
    let ticks = [StoredTick {
        instrument_id: 9,
        ..tick(0, Some(11.0), None)
    }];
    assert_eq!(engine.evaluate_batch(ticks).evaluated, 0);
}

#[test]
fn a_forgotten_instrument_and_an_inactive_one_fire_nothing() {
    let mut engine = engine(&[rule(Condition::CrossesAbove, "10")]);
    engine.evaluate_batch(prices(&[11.0]));
    engine.commit();
    engine.watch(WatchedInstrument {
        is_watched: false,
        ..instrument(1)
    });
    let quiet =
        engine.evaluate_batch([tick(1_000, Some(9.0), None), tick(2_000, Some(11.0), None)]);
    engine.commit();
    assert_eq!((fired(&quiet), quiet.evaluated), (vec![], 2));
    engine.watch(instrument(1));
    let next = engine.evaluate_batch([tick(3_000, Some(9.0), None), tick(4_000, Some(11.0), None)]);
    engine.commit();
    assert_eq!(fired(&next), [(1, 4)]);
    engine.forget(1);
    assert_eq!(engine.suppressed(1), None);
    assert_eq!(engine.evaluate_batch(prices(&[9.0, 11.0])).evaluated, 0);
}

#[test]
fn ticks_older_than_what_the_instrument_shows_as_its_last_are_late_after_a_restart() {
    let mut engine = engine(&[rule(Condition::Above, "10")]);
    engine.watch(WatchedInstrument {
        last_tick: Some(ms(5_000)),
        ..instrument(1)
    });
    let firings =
        engine.evaluate_batch([tick(4_999, Some(11.0), None), tick(5_000, Some(11.0), None)]);
    assert_eq!((fired(&firings), firings.late), (vec![(1, 5)], 1));
    assert_eq!(engine.newest_tick(1), Some(ms(5_000)));
    assert_eq!(engine.newest_tick(2), None);
}

#[test]
fn a_flat_market_is_unsettled_until_the_loader_finds_where_the_price_came_from() {
    let flat = || (1..50).map(|n| tick(n * 1_000, Some(10.0), None));
    let mut engine = engine(&[
        of_period(3, rule(Condition::CrossesAbove, "")),
        rule(Condition::CrossesAbove, "10"),
        rule(Condition::CrossesAbove, "20"),
    ]);
    assert!(engine.is_unsettled(1));
    engine.warm_up(1, flat()).unwrap();
    assert!(engine.is_unsettled(1));
    // Down from 12 to 10: below the mean, above the threshold.
    let from_12 = std::iter::once(tick(0, Some(12.0), None)).chain(flat());
    engine.warm_up(1, from_12).unwrap();
    assert!(!engine.is_unsettled(1));
    let next = || [tick(60_000, Some(11.0), None)];
    assert_eq!(fired(&engine.evaluate_batch(next())), [(1, 60)]);
    engine.roll_back();
    // Up from 9 to 10: above the mean, below the threshold.
    let from_9 = [11.0, 11.0, 9.0].iter().zip(-2..);
    let from_9 = from_9.map(|(price, n)| tick(n * 1_000, Some(*price), None));
    engine.warm_up(1, from_9.chain(flat())).unwrap();
    assert!(!engine.is_unsettled(1));
    assert_eq!(fired(&engine.evaluate_batch(next())), [(2, 60)]);
}

#[test]
fn a_longer_mean_or_window_asks_for_an_older_past() {
    let mut engine = engine(&[
        of_period(2, rule(Condition::VolumeAbove, "2")),
        within(1, rule(Condition::PercentChangeUp, "1")),
    ]);
    let past = || (0..100).map(|n| tick(n * 1_000, Some(10.0), Some(1.0)));
    engine.evaluate_batch(past());
    engine.commit();
    assert!(!engine.is_unsettled(1));
    engine
        .put_rule(compiled(
            3,
            &of_period(10, rule(Condition::VolumeAbove, "2")),
        ))
        .unwrap();
    assert!(engine.is_unsettled(1));
    engine.warm_up(1, past().skip(50)).unwrap();
    assert!(!engine.is_unsettled(1));
    engine
        .put_rule(compiled(
            4,
            &within(60, rule(Condition::PercentChangeUp, "1")),
        ))
        .unwrap();
    assert!(engine.is_unsettled(1));
    engine.warm_up(1, past().skip(38)).unwrap();
    assert!(!engine.is_unsettled(1));
    let need = engine.history_need(1);
    assert_eq!(
        (need.prices, need.volumes, need.window_seconds),
        (0, 10, 60)
    );
    let of_rule = compiled(5, &of_period(7, rule(Condition::CrossesAbove, ""))).history_need();
    assert_eq!(of_rule.and(need).prices, 7);
    assert!(
        compiled(6, &rule(Condition::Above, "1"))
            .history_need()
            .is_none()
    );
}

#[test]
fn a_mark_of_a_batch_that_has_ended_undoes_nothing() {
    let mut engine = engine(&[cooling(60, rule(Condition::Above, "10"))]);
    let old = engine.mark();
    engine.commit();
    assert_eq!(engine.evaluate_batch(prices(&[11.0])).fired.len(), 1);
    engine.roll_back_to(old);
    engine.commit();
    assert_eq!(engine.totals().fired, 1);
    assert_eq!(engine.evaluate_batch(prices(&[11.0])).suppressed, 1);
}

#[test]
fn a_stored_rule_is_taken_as_it_is_and_one_that_could_never_fire_is_refused() {
    let one = Rule::new(1, 1, &rule(Condition::CrossesAbove, "").shape(), true, None);
    assert!(matches!(one, Err(Error::Invalid { .. })));
    let mut unchecked = joined(r#"{"all":[{"condition":"above"}]}"#);
    let error = Rule::new(1, 1, &unchecked.shape(), true, None).unwrap_err();
    assert!(error.to_string().contains("all[0].threshold"), "{error}");
    unchecked.expression = None;
    assert!(Rule::new(1, 1, &unchecked.shape(), true, None).is_err());
}
