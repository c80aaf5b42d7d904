//! Real trades: the sample that the project ships, against the plain re-implementation.

use std::io::Read;

use super::oracle::{Fired, Oracle};
use super::properties::same;
use super::*;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");

fn sample() -> Vec<StoredTick> {
    let mut text = String::new();
    let file = std::fs::File::open(SAMPLE).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let lines = text.lines().skip(1).zip(0..);
    let trade = |(line, sequence): (&str, i64)| {
        let fields: Vec<&str> = line.split(',').collect();
        let stamp = format!("{}Z", fields[0].replace(' ', "T"));
        StoredTick {
            timestamp: Timestamp::parse(stamp.as_bytes()).unwrap().0,
            sequence,
            ..tick(
                0,
                Some(fields[1].parse().unwrap()),
                Some(fields[2].parse().unwrap()),
            )
        }
    };
    lines.map(trade).collect()
}

/// Rules of all types around the prices of the sample, 1637.25 to 1642.
fn rules() -> Vec<NewAlertRule> {
    let mut rules = Vec::new();
    for quarter in 0..20 {
        let threshold = format!("{}", 1637.25 + f64::from(quarter) * 0.25);
        let cooldown = [0, 1, 10, 60][quarter as usize % 4];
        for condition in [
            Condition::Above,
            Condition::Below,
            Condition::Equals,
            Condition::CrossesAbove,
            Condition::CrossesBelow,
        ] {
            // Level-triggered ones without a pause would fire at most of the ticks.
            let level = RuleType::of(condition) == RuleType::Threshold;
            rules.push(cooling(
                cooldown.max(i32::from(level)),
                rule(condition, &threshold),
            ));
        }
    }
    for period in [2, 5, 20, 100] {
        for condition in [Condition::CrossesAbove, Condition::CrossesBelow] {
            rules.push(cooling(period % 3, of_period(period, rule(condition, ""))));
        }
        rules.push(cooling(
            5,
            of_period(period, rule(Condition::VolumeAbove, "10")),
        ));
    }
    for (window, percent) in [(1, "0.015"), (5, "0.03"), (20, "0.045")] {
        for condition in [Condition::PercentChangeUp, Condition::PercentChangeDown] {
            rules.push(cooling(window, within(window, rule(condition, percent))));
        }
    }
    rules.push(rule(Condition::VolumeAbove, "200"));
    rules.push(joined(
        r#"{"all":[{"condition":"crosses_below","threshold":"1640"},{"any":[
            {"condition":"volume_above","threshold":"10"},
            {"condition":"percent_change_down","threshold":"0.02","time_window_seconds":20}]}]}"#,
    ));
    rules
}

#[test]
fn real_trades_fire_what_the_plain_definition_fires_across_rollbacks_and_restarts() {
    let (ticks, rules) = (sample(), rules());
    assert_eq!(ticks.len(), 20_009);
    let mut oracle = Oracle::default();
    (1..)
        .zip(&rules)
        .for_each(|(id, rule)| oracle.put(id, rule.clone()));
    let mut engine = engine(&rules);
    let mut fired_of_rule = vec![0; rules.len() + 1];
    let mut suppressed = 0;
    for (number, batch) in ticks.chunks(997).enumerate() {
        // The first try of each batch fails; the third batch comes to another process.
        let tried = engine.evaluate_batch(batch.iter().copied());
        engine.roll_back();
        if number == 2 {
            suppressed += engine.totals().suppressed;
            engine = restarted(&oracle, &rules, &ticks[..number * 997]);
        }
        let firings = engine.evaluate_batch(batch.iter().copied());
        engine.commit();
        assert_eq!(
            (tried.fired, tried.suppressed),
            (firings.fired.clone(), firings.suppressed)
        );
        let expected: Vec<Fired> = batch
            .iter()
            .flat_map(|tick| oracle.evaluate(tick))
            .collect();
        same(&firings, &expected).unwrap();
        expected
            .iter()
            .for_each(|it| fired_of_rule[usize::try_from(it.rule_id).unwrap()] += 1);
    }
    assert_eq!(suppressed + engine.totals().suppressed, oracle.suppressed);
    let fired: usize = fired_of_rule.iter().sum();
    let silent = fired_of_rule[1..]
        .iter()
        .filter(|fired| **fired == 0)
        .count();
    assert!(fired > 5_000, "{fired}");
    assert!(silent < 20, "{silent} of {} rules never fired", rules.len());
    assert!(oracle.suppressed > 100_000, "{}", oracle.suppressed);
}

fn restarted(oracle: &Oracle, rules: &[NewAlertRule], past: &[StoredTick]) -> Evaluator {
    let mut engine = engine(&[]);
    for (id, new) in (1..).zip(rules) {
        let last = oracle.rules[&id].last_fired.map(at);
        engine
            .put_rule(Rule::new(id, 1, &new.shape(), true, last).unwrap())
            .unwrap();
    }
    let need = engine.history_need(1);
    assert_eq!(
        (need.prices, need.volumes, need.window_seconds),
        (100, 100, 20)
    );
    engine.warm_up(1, past.iter().copied()).unwrap();
    engine
}
