//! The engine against tables of cases, against a plain re-implementation on random streams and on
//! real trades, and through everything that may happen to it: rollbacks, changes, restarts.

mod cases;
mod changes;
mod messages;
mod oracle;
mod properties;
mod trades;

use super::*;
use crate::domain::{Condition, PriceDecimals, RuleType, Symbol};
use crate::models::NewAlertRule;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// A moment in milliseconds.
fn ms(millis: i64) -> Timestamp {
    at(millis * 1_000)
}

fn tick(millis: i64, price: Option<f64>, volume: Option<f64>) -> StoredTick {
    StoredTick {
        instrument_id: 1,
        timestamp: ms(millis),
        source_id: 1,
        sequence: 0,
        price,
        volume,
    }
}

/// One tick a second, the first at second 0.
fn prices(prices: &[f64]) -> Vec<StoredTick> {
    let seconds = (0..).map(|second| second * 1_000);
    let ticks = seconds.zip(prices);
    ticks
        .map(|(at, price)| tick(at, Some(*price), None))
        .collect()
}

fn volumes(volumes: &[f64]) -> Vec<StoredTick> {
    let seconds = (0..).map(|second| second * 1_000);
    let ticks = seconds.zip(volumes);
    ticks
        .map(|(at, volume)| tick(at, None, Some(*volume)))
        .collect()
}

/// A rule of instrument 1 without a cooldown.
fn rule(condition: Condition, threshold: &str) -> NewAlertRule {
    NewAlertRule {
        condition: Some(condition),
        threshold: (!threshold.is_empty()).then(|| threshold.parse().unwrap()),
        cooldown_seconds: 0,
        ..NewAlertRule::new(1, RuleType::of(condition))
    }
}

fn of_period(period: i32, rule: NewAlertRule) -> NewAlertRule {
    NewAlertRule {
        moving_average_period: Some(period),
        ..rule
    }
}

fn within(seconds: i32, rule: NewAlertRule) -> NewAlertRule {
    NewAlertRule {
        time_window_seconds: Some(seconds),
        ..rule
    }
}

fn cooling(seconds: i32, rule: NewAlertRule) -> NewAlertRule {
    NewAlertRule {
        cooldown_seconds: seconds,
        ..rule
    }
}

fn joined(expression: &str) -> NewAlertRule {
    NewAlertRule {
        expression: Some(expression.to_owned()),
        cooldown_seconds: 0,
        ..NewAlertRule::new(1, RuleType::MultiCondition)
    }
}

fn compiled(id: i64, new: &NewAlertRule) -> Rule {
    Rule::new(id, new.instrument_id, &new.shape(), new.active, None).unwrap()
}

/// Instrument 1 shows four places, others show all.
fn instrument(id: i64) -> WatchedInstrument {
    WatchedInstrument {
        id,
        symbol: Symbol::new("ES").unwrap(),
        price_decimals: PriceDecimals::new(4).ok().filter(|_| id == 1),
        is_watched: true,
        last_tick: None,
    }
}

/// An engine that watches instruments 1 and 2 by these rules, numbered from 1.
fn engine(rules: &[NewAlertRule]) -> Evaluator {
    let mut engine = Evaluator::new();
    engine.watch(instrument(1));
    engine.watch(instrument(2));
    for (id, new) in (1..).zip(rules) {
        engine.put_rule(compiled(id, new)).unwrap();
    }
    engine
}

/// Which rule fired at which second.
fn fired(firings: &Firings) -> Vec<(i64, i64)> {
    let of = |firing: &Firing| (firing.rule_id(), firing.timestamp.micros() / 1_000_000);
    firings.fired.iter().map(of).collect()
}

/// The seconds at which a lone rule fires.
fn seconds(new: NewAlertRule, ticks: Vec<StoredTick>) -> Vec<i64> {
    let firings = engine(&[new]).evaluate_batch(ticks);
    fired(&firings)
        .into_iter()
        .map(|(_, second)| second)
        .collect()
}
