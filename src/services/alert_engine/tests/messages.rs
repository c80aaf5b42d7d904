//! The texts of alerts.

use super::*;

fn message(new: NewAlertRule, ticks: Vec<StoredTick>) -> String {
    let firings = engine(&[new]).evaluate_batch(ticks);
    firings.fired.last().expect("it fires").message()
}

#[test]
fn a_price_alert_names_the_price_and_the_threshold() {
    let above = rule(Condition::Above, "1650");
    assert_eq!(
        message(above.clone(), prices(&[1650.25])),
        "Alert: ES threshold - Price 1650.25 above threshold 1650.0000"
    );
    let named = NewAlertRule {
        name: Some("Breakout".to_owned()),
        ..above.clone()
    };
    assert_eq!(
        message(named, prices(&[1_650.123_456])),
        "Alert: Breakout - Price 1650.1235 above threshold 1650.0000"
    );
    let nameless = NewAlertRule {
        name: Some(String::new()),
        ..above
    };
    assert!(message(nameless, prices(&[1651.0])).starts_with("Alert: ES threshold - Price 1651 "));
    assert_eq!(
        message(rule(Condition::Below, "0.12345678"), prices(&[-0.000_01])),
        "Alert: ES threshold - Price -0.00001 below threshold 0.12345678"
    );
    assert_eq!(
        message(rule(Condition::CrossesAbove, "100"), prices(&[99.0, 101.0])),
        "Alert: ES crossover - Price 101 crosses above threshold 100.0000"
    );
    assert_eq!(
        message(
            of_period(2, rule(Condition::CrossesBelow, "")),
            prices(&[1.0, 2.0, 1.5])
        ),
        "Alert: ES crossover - Price 1.5 crosses below mean 1.7500 of 2 prices"
    );
}

#[test]
fn a_change_is_in_percent_with_its_window() {
    assert_eq!(
        message(
            within(60, rule(Condition::PercentChangeUp, "1")),
            prices(&[100.0, 101.234])
        ),
        "Alert: ES rate_of_change - 1.23% change in 60s (threshold 1.0%)"
    );
    assert_eq!(
        message(
            within(5, rule(Condition::PercentChangeDown, "0.125")),
            prices(&[100.0, 99.0])
        ),
        "Alert: ES rate_of_change - -1.000% change in 5s (threshold 0.125%)"
    );
}

#[test]
fn a_volume_is_written_without_a_point_when_it_is_whole() {
    assert_eq!(
        message(rule(Condition::VolumeAbove, "100"), volumes(&[500.0])),
        "Alert: ES volume_spike - Volume 500 above threshold 100"
    );
    assert_eq!(
        message(
            of_period(2, rule(Condition::VolumeAbove, "2.5")),
            volumes(&[0.5, 1.5, 2.75])
        ),
        "Alert: ES volume_spike - Volume 2.75 above threshold 2.5 (2.5 times the mean of 2)"
    );
}

#[test]
fn a_joined_rule_tells_its_conditions() {
    let text = r#"{"all":[{"condition":"above","threshold":"10"},{"any":[
        {"condition":"volume_above","threshold":"3","moving_average_period":20},
        {"condition":"percent_change_up","threshold":"1","time_window_seconds":60},
        {"condition":"crosses_above","moving_average_period":5},
        {"condition":"volume_above","threshold":"1"}]}]}"#;
    let new = joined(text);
    let firings = engine(&[new]).evaluate_batch([tick(0, Some(11.5), Some(2.0))]);
    assert_eq!(
        firings.fired[0].message(),
        "Alert: ES multi_condition - Price 11.5 with above 10.0000 and (volume above 3 times the \
         mean of 20 or percent change up 1.0% in 60s or crosses above mean of 5 prices or volume \
         above 1)"
    );
    assert_eq!(firings.fired[0].condition(), text);
}

#[test]
fn prices_have_the_places_of_their_instrument() {
    let mut engine = engine(&[rule(Condition::Above, "1.1")]);
    engine.watch(WatchedInstrument {
        symbol: Symbol::new("EURUSD").unwrap(),
        price_decimals: PriceDecimals::new(5).ok(),
        ..instrument(1)
    });
    let firings = engine.evaluate_batch(prices(&[1.234_565]));
    assert_eq!(
        firings.fired[0].message(),
        "Alert: EURUSD threshold - Price 1.23456 above threshold 1.10000"
    );
}

#[test]
fn prices_without_places_are_written_with_all_of_their_digits() {
    let message = |rule: NewAlertRule, ticks: &[f64]| {
        let mut engine = engine(&[rule]);
        engine.watch(WatchedInstrument {
            price_decimals: None,
            ..instrument(1)
        });
        let firings = engine.evaluate_batch(prices(ticks));
        firings.fired.last().expect("it fires").message()
    };
    assert_eq!(
        message(rule(Condition::Above, "0.0000000042"), &[4.2155e-9]),
        "Alert: ES threshold - Price 0.0000000042155 above threshold 0.0000000042000"
    );
    assert_eq!(
        message(rule(Condition::Equals, "1.07127"), &[1.07127]),
        "Alert: ES threshold - Price 1.07127 equals threshold 1.07127"
    );
    assert_eq!(
        message(
            of_period(2, rule(Condition::CrossesAbove, "")),
            &[4.3e-9, 4.1e-9, 4.2e-9]
        ),
        "Alert: ES crossover - Price 0.0000000042 crosses above mean 0.000000004150 of 2 prices"
    );
}

#[test]
fn a_price_is_told_from_a_threshold_that_is_nearer_than_the_places() {
    assert_eq!(
        message(rule(Condition::Above, "1650"), prices(&[1_650.000_01])),
        "Alert: ES threshold - Price 1650.00001 above threshold 1650.00000"
    );
}
