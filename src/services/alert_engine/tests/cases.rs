//! Each condition by a table of cases.

use super::*;

#[test]
fn above_below_and_equals_compare_the_price() {
    let stream = || prices(&[9.99, 10.0, 10.01, 10.000_049, 9.0, -10.0]);
    assert_eq!(seconds(rule(Condition::Above, "10"), stream()), [2, 3]);
    assert_eq!(seconds(rule(Condition::Below, "10"), stream()), [0, 4, 5]);
    assert_eq!(seconds(rule(Condition::Equals, "10"), stream()), [1, 3]);
    assert_eq!(
        seconds(rule(Condition::Below, "-9.99999999"), stream()),
        [5]
    );
}

#[test]
fn a_sum_of_doubles_is_not_the_decimal_that_it_looks_like() {
    let stream = || prices(&[0.3, 0.1 + 0.2]);
    assert_eq!(seconds(rule(Condition::Above, "0.3"), stream()), [1]);
    assert_eq!(seconds(rule(Condition::Below, "0.3"), stream()), [0; 0]);
    assert_eq!(seconds(rule(Condition::Equals, "0.3"), stream()), [0, 1]);
}

#[test]
fn above_fires_at_each_tick_outside_of_its_cooldown() {
    let stream = || prices(&[11.0; 9]);
    assert_eq!(
        seconds(cooling(0, rule(Condition::Above, "10")), stream()),
        (0..9).collect::<Vec<_>>()
    );
    assert_eq!(
        seconds(cooling(1, rule(Condition::Above, "10")), stream()),
        (0..9).collect::<Vec<_>>()
    );
    assert_eq!(
        seconds(cooling(3, rule(Condition::Above, "10")), stream()),
        [0, 3, 6]
    );
    assert_eq!(
        seconds(cooling(3_600, rule(Condition::Above, "10")), stream()),
        [0]
    );
}

#[test]
fn a_cooldown_ends_at_its_very_microsecond() {
    let mut engine = engine(&[cooling(2, rule(Condition::Above, "10"))]);
    let stamps = [0, 1_999_999, 2_000_000, 3_999_999];
    let ticks = stamps.map(|micros| StoredTick {
        timestamp: at(micros),
        ..tick(0, Some(11.0), None)
    });
    let firings = engine.evaluate_batch(ticks);
    let fired: Vec<i64> = firings
        .fired
        .iter()
        .map(|it| it.timestamp.micros())
        .collect();
    assert_eq!(fired, [0, 2_000_000]);
    assert_eq!((firings.suppressed, engine.suppressed(1)), (2, Some(2)));
}

#[test]
fn crossing_a_threshold_needs_the_other_side_and_equality_keeps_the_side() {
    let up = |stream: &[f64]| seconds(rule(Condition::CrossesAbove, "10"), prices(stream));
    let down = |stream: &[f64]| seconds(rule(Condition::CrossesBelow, "10"), prices(stream));
    for (stream, ups, downs) in [
        // The first tick only sets the side.
        (&[11.0, 12.0][..], &[][..], &[][..]),
        (&[9.0, 11.0], &[1], &[]),
        (&[11.0, 9.0], &[], &[1]),
        (&[9.0, 10.0, 11.0], &[2], &[]),
        (&[9.0, 10.0, 9.0], &[], &[]),
        (&[9.0, 10.0, 10.0, 10.0, 11.0], &[4], &[]),
        (&[11.0, 10.0, 11.0, 10.0, 9.0], &[], &[4]),
        // Equality has no side to begin with.
        (&[10.0, 11.0, 9.0], &[], &[2]),
        (&[10.0, 10.0, 9.0, 11.0], &[3], &[]),
        (&[9.0, 11.0, 9.0, 11.0], &[1, 3], &[2]),
    ] {
        assert_eq!(
            (up(stream), down(stream)),
            (ups.to_vec(), downs.to_vec()),
            "{stream:?}"
        );
    }
}

#[test]
fn crossing_a_mean_counts_the_tick_itself_and_waits_for_the_mean_to_be_full() {
    let up = |period, stream: &[f64]| {
        seconds(
            of_period(period, rule(Condition::CrossesAbove, "")),
            prices(stream),
        )
    };
    let down = |period, stream: &[f64]| {
        seconds(
            of_period(period, rule(Condition::CrossesBelow, "")),
            prices(stream),
        )
    };
    // Means of 2: -, 9.5, 9.5, 9.5: below, above, below.
    assert_eq!(up(2, &[10.0, 9.0, 10.0, 9.0]), [2]);
    assert_eq!(down(2, &[10.0, 9.0, 10.0, 9.0]), [3]);
    // The third price makes the mean of 3 full: it sets the side.
    assert_eq!(up(3, &[10.0, 9.0, 11.0, 12.0, 1.0, 50.0]), [5]);
    assert_eq!(down(3, &[10.0, 9.0, 11.0, 12.0, 1.0, 50.0]), [4]);
    // A price that equals its mean keeps the side: 0.2 is the mean of 0.1, 0.3 and 0.2.
    assert_eq!(down(3, &[0.5, 0.1, 0.3, 0.2, 0.1]), [0; 0]);
    assert_eq!(up(3, &[0.5, 0.3, 0.1, 0.2, 0.3]), [4]);
    // So does a flat market.
    assert_eq!(up(2, &[2.0, 1.1, 1.1, 1.1, 1.1, 1.2]), [5]);
}

#[test]
fn change_is_measured_from_the_earliest_price_in_the_window() {
    let up = |threshold: &str, stream: &[f64]| {
        seconds(
            within(2, rule(Condition::PercentChangeUp, threshold)),
            prices(stream),
        )
    };
    let down = |threshold: &str, stream: &[f64]| {
        seconds(
            within(2, rule(Condition::PercentChangeDown, threshold)),
            prices(stream),
        )
    };
    assert_eq!(up("1", &[1640.0, 1656.4]), [1], "exactly 1 %, in decimals");
    assert_eq!(up("1.00000001", &[1640.0, 1656.4]), [0; 0]);
    assert_eq!(down("1", &[1640.0, 1623.6]), [1]);
    // The window of 2 seconds holds the tick at its very edge.
    assert_eq!(up("10", &[100.0, 101.0, 110.0]), [2]);
    assert_eq!(up("10", &[100.0, 101.0, 102.0, 111.0]), [0; 0]);
    // A tick is not its own reference, and a reference of nothing says nothing.
    assert_eq!(up("0", &[100.0, 100.0]), [1]);
    assert_eq!(up("1", &[0.0, 5.0, 5.0, 5.0, 6.0]), [4]);
    // From below zero a rise is a change down, by the formula.
    assert_eq!(down("50", &[-10.0, -5.0]), [1]);
}

#[test]
fn of_ticks_with_one_stamp_the_first_price_is_the_reference() {
    let rule = within(1, rule(Condition::PercentChangeUp, "10"));
    let ticks = vec![
        tick(0, None, Some(1.0)),
        tick(0, Some(100.0), None),
        tick(0, Some(50.0), None),
        tick(1_000, Some(109.0), None),
        tick(1_000, Some(110.0), None),
    ];
    let firings = engine(&[rule]).evaluate_batch(ticks);
    assert_eq!(firings.fired.len(), 1);
    assert_eq!(firings.fired[0].trigger_value, 10.0);
}

#[test]
fn a_volume_is_compared_with_a_threshold_or_with_the_volumes_before_it() {
    let plain = rule(Condition::VolumeAbove, "100");
    assert_eq!(
        seconds(plain, volumes(&[100.0, 100.5, 99.0, 500.0])),
        [1, 3]
    );
    let of_two = |threshold: &str| of_period(2, rule(Condition::VolumeAbove, threshold));
    // Three times the mean of the two before: -, -, 3 x 15, 3 x 33, 3 x 73.
    assert_eq!(
        seconds(of_two("3"), volumes(&[10.0, 20.0, 46.0, 100.0, 100.0])),
        [2, 3]
    );
    // Strictly more, in decimals: 0.6 is not more than 3 times 0.2.
    assert_eq!(seconds(of_two("3"), volumes(&[0.1, 0.3, 0.6, 1.5])), [3]);
    // Any volume is more than nothing was.
    assert_eq!(seconds(of_two("3"), volumes(&[0.0, 0.0, 0.0, 1.0])), [3]);
}

#[test]
fn a_tick_without_a_volume_is_no_volume_of_zero() {
    let rule = of_period(2, rule(Condition::VolumeAbove, "2"));
    let ticks = vec![
        tick(0, Some(1.0), Some(10.0)),
        tick(1_000, Some(1.0), None),
        tick(2_000, Some(1.0), Some(10.0)),
        tick(3_000, Some(1.0), Some(20.0)),
        tick(4_000, None, Some(31.0)),
    ];
    assert_eq!(seconds(rule, ticks), [4]);
}

#[test]
fn a_tick_without_a_price_changes_nothing_about_prices() {
    let rules = [
        rule(Condition::CrossesAbove, "10"),
        of_period(2, rule(Condition::CrossesAbove, "")),
        within(60, rule(Condition::PercentChangeUp, "0")),
        rule(Condition::Above, "-1"),
    ];
    let quote = |millis| tick(millis, None, None);
    let with_quotes: Vec<StoredTick> = [12.0, 9.0, 11.0, 10.0, 10.5]
        .iter()
        .enumerate()
        .flat_map(|(n, price)| {
            let millis = i64::try_from(n).unwrap() * 1_000;
            [tick(millis, Some(*price), None), quote(millis + 500)]
        })
        .collect();
    let without: Vec<StoredTick> = with_quotes
        .iter()
        .filter(|tick| tick.price.is_some())
        .copied()
        .collect();
    let all = engine(&rules).evaluate_batch(with_quotes);
    assert_eq!(all.fired, engine(&rules).evaluate_batch(without).fired);
    assert!(!all.fired.is_empty());
}

#[test]
fn a_late_tick_evaluates_nothing_and_changes_nothing() {
    let rules = [
        rule(Condition::Above, "10"),
        of_period(2, rule(Condition::CrossesAbove, "")),
        within(60, rule(Condition::PercentChangeUp, "1")),
        of_period(2, rule(Condition::VolumeAbove, "1")),
    ];
    let mut ticks: Vec<StoredTick> = [9.0, 8.0, 9.5, 11.0]
        .iter()
        .zip(0..)
        .map(|(price, n)| tick(n * 1_000, Some(*price), Some(*price)))
        .collect();
    let expected = engine(&rules).evaluate_batch(ticks.clone());
    ticks.insert(2, tick(999, Some(1_000.0), Some(1_000.0)));
    ticks.insert(4, tick(0, None, None));
    let firings = engine(&rules).evaluate_batch(ticks);
    assert_eq!((firings.late, firings.evaluated), (2, 4));
    assert_eq!(firings.fired, expected.fired);
}

#[test]
fn a_joined_rule_matches_by_all_or_any_of_its_conditions() {
    let stream = || {
        vec![
            tick(0, Some(9.0), Some(5.0)),
            tick(1_000, Some(11.0), Some(5.0)),
            tick(2_000, Some(11.0), Some(1.0)),
            tick(3_000, Some(5.0), None),
            tick(4_000, None, Some(9.0)),
        ]
    };
    let above = r#"{"condition":"above","threshold":"10"}"#;
    let large = r#"{"condition":"volume_above","threshold":4}"#;
    let up = r#"{"condition":"crosses_above","threshold":"10"}"#;
    let all = joined(&format!(r#"{{"all":[{above},{large}]}}"#));
    assert_eq!(seconds(all, stream()), [1]);
    let any = joined(&format!(r#"{{"any":[{above},{large}]}}"#));
    assert_eq!(
        seconds(any, stream()),
        [0, 1, 2],
        "a tick without a price is not evaluated"
    );
    let nested = joined(&format!(
        r#"{{"all":[{large},{{"any":[{up},{{"all":[{up}]}}]}}]}}"#
    ));
    assert_eq!(seconds(nested, stream()), [1]);
}

#[test]
fn what_was_compared_is_in_the_firing() {
    let rules = [
        rule(Condition::Above, "10"),
        of_period(2, rule(Condition::CrossesAbove, "")),
        within(60, rule(Condition::PercentChangeUp, "25")),
        of_period(2, rule(Condition::VolumeAbove, "3")),
        joined(r#"{"all":[{"condition":"above","threshold":"10"}]}"#),
    ];
    let ticks = [8.0, 8.0, 4.0, 12.0].iter().zip(0..);
    let ticks = ticks.map(|(price, n)| StoredTick {
        sequence: n,
        source_id: 3,
        ..tick(n * 1_000, Some(*price), Some(*price * *price))
    });
    let firings = engine(&rules).evaluate_batch(ticks);
    let values: Vec<_> = (firings.fired.iter())
        .map(|it| (it.rule_id(), it.trigger_value, it.threshold_value))
        .collect();
    let expected = [
        (1, 12.0, Some(10.0)),
        (2, 12.0, Some(8.0)),
        (3, 50.0, Some(25.0)),
        (4, 144.0, Some(120.0)),
        (5, 12.0, None),
    ];
    assert_eq!(values, expected);
    let log = firings.alert_logs().next().unwrap();
    log.check().unwrap();
    assert_eq!(
        (log.rule_id, log.instrument_id, log.timestamp),
        (1, 1, ms(3_000))
    );
    assert_eq!((log.source_id, log.sequence), (3, 3));
    assert!(log.evaluation_time_us >= 1);
    assert_eq!(
        firings.last_triggered(),
        (1..6).map(|id| (id, ms(3_000))).collect::<Vec<_>>()
    );
}

#[test]
fn values_out_of_range_are_no_alert() {
    let rules = [
        within(60, rule(Condition::PercentChangeUp, "0")),
        of_period(2, rule(Condition::CrossesAbove, "")),
        rule(Condition::Above, "0"),
    ];
    let stream = [
        f64::MIN_POSITIVE,
        f64::MAX,
        -f64::MAX,
        f64::MAX,
        f64::NAN,
        f64::INFINITY,
    ];
    let firings = engine(&rules).evaluate_batch(prices(&stream));
    assert!(firings.fired.iter().all(|it| it.trigger_value.is_finite()));
    firings.alert_logs().for_each(|log| log.check().unwrap());
    assert!(fired(&firings).contains(&(3, 3)));
    assert!(!fired(&firings).iter().any(|(_, second)| *second > 3));
}
