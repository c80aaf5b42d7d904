//! A replay of rules over stored ticks fires what the engine fired when it was fed live.

use std::io::Read;

use crate::support::{db_read, on_both};
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Condition, RuleType, StoredTick};
use tickbase::models::{Instrument, NewAlertRule};
use tickbase::repository::instrument;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::services::alert_engine::{Evaluator, Rule, WatchedInstrument};
use tickbase::services::replay::{ReplayRange, Replayed, replay};

use crate::sample::SAMPLE;

/// Ticks that come in one batch.
const BATCH: usize = 1_000;

/// The trades of the sample with the sequences that a feed gives them.
fn sample() -> Vec<Tick> {
    let mut text = String::new();
    let file = std::fs::File::open(SAMPLE).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let lines = text.lines().skip(1).zip(0..);
    let trade = |(line, sequence): (&str, i64)| {
        let fields: Vec<&str> = line.split(',').collect();
        let stamp = format!("{}Z", fields[0].replace(' ', "T"));
        Tick::try_from(RawTick {
            instrument_id: Some(1),
            timestamp: Some(stamp.parse().unwrap()),
            sequence: Some(sequence),
            price: Some(fields[1].parse().unwrap()),
            volume: Some(fields[2].parse().unwrap()),
            ..RawTick::default()
        })
        .unwrap()
    };
    lines.map(trade).collect()
}

/// Rules of every type, around the prices of the sample; without cooldowns if `restless`.
fn rules(restless: bool) -> Vec<Rule> {
    let new = |condition: Condition, threshold: &str| NewAlertRule {
        condition: Some(condition),
        threshold: (!threshold.is_empty()).then(|| threshold.parse().unwrap()),
        cooldown_seconds: if restless { 0 } else { 10 },
        ..NewAlertRule::new(1, RuleType::of(condition))
    };
    let mut rules = vec![
        new(Condition::Above, "1641.75"),
        new(Condition::Equals, "1640"),
        new(Condition::CrossesAbove, "1640.25"),
        new(Condition::CrossesBelow, "1639.5"),
        new(Condition::VolumeAbove, "200"),
    ];
    for period in [5, 100] {
        rules.push(NewAlertRule {
            moving_average_period: Some(period),
            ..new(Condition::CrossesAbove, "")
        });
        rules.push(NewAlertRule {
            moving_average_period: Some(period),
            ..new(Condition::VolumeAbove, "20")
        });
    }
    rules.push(NewAlertRule {
        time_window_seconds: Some(60),
        ..new(Condition::PercentChangeDown, "0.03")
    });
    rules.push(NewAlertRule {
        condition: None,
        threshold: None,
        rule_type: RuleType::MultiCondition,
        expression: Some(
            r#"{"all":[{"condition":"crosses_above","threshold":"1640"},
                {"condition":"volume_above","threshold":"2"}]}"#
                .to_owned(),
        ),
        ..new(Condition::Above, "1")
    });
    let numbered = (1..).zip(&rules);
    numbered
        .map(|(id, rule)| Rule::new(id, 1, &rule.shape(), true, None).unwrap())
        .collect()
}

/// What identifies a firing, and what it says.
type Fired = (i64, Timestamp, i64, i64, String);

/// Feeds the ticks to an engine, batch by batch, as the writer stores them.
fn live(instrument: &Instrument, rules: Vec<Rule>, ticks: &[Tick]) -> (Vec<Fired>, u64) {
    let mut engine = Evaluator::new();
    engine.watch(WatchedInstrument::from(instrument));
    for rule in rules {
        engine.put_rule(rule).unwrap();
    }
    let mut fired = Vec::new();
    let mut sequence = 0;
    for batch in ticks.chunks(BATCH) {
        let stored = batch.iter().map(|tick| {
            sequence += 1;
            StoredTick::new(tick, sequence - 1)
        });
        let firings = engine.evaluate_batch(stored);
        engine.commit();
        fired.extend(firings.fired.iter().map(|firing| {
            let (rule, message) = (firing.rule_id(), firing.message());
            (
                rule,
                firing.timestamp,
                firing.source_id,
                firing.sequence,
                message,
            )
        }));
    }
    (fired, engine.totals().suppressed)
}

fn replayed(
    database: &Database,
    instrument: &Instrument,
    rules: Vec<Rule>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> (Vec<Fired>, Replayed) {
    let mut fired = Vec::new();
    let range = ReplayRange {
        start,
        end,
        ..ReplayRange::default()
    };
    let done = replay(database, instrument, rules, range, |firing| {
        let (rule, message) = (firing.rule_id(), firing.message());
        fired.push((
            rule,
            firing.timestamp,
            firing.source_id,
            firing.sequence,
            message,
        ));
        Ok(())
    });
    (fired, done.unwrap())
}

on_both! {
    fn a_replay_fires_what_live_fired(db: &TestDatabase) {
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        // As it was before the first tick.
        let instrument = db_read!(database, instrument::get(1)).unwrap();
        let ticks = sample();
        let (fired_live, suppressed) = live(&instrument, rules(false), &ticks);
        let market_data = MarketDataRepository::new(&database);
        for batch in ticks.chunks(BATCH) {
            let report = market_data.insert_batch(batch.to_vec(), InsertOptions::default()).unwrap();
            assert_eq!(report.inserted, batch.len());
        }
        let stored = db_read!(database, instrument::get(1)).unwrap();
        let (fired, done) = replayed(&database, &stored, rules(false), None, None);
        assert!(fired.len() > 100, "{}", fired.len());
        assert_eq!(fired, fired_live);
        assert_eq!((done.ticks, done.fired), (ticks.len() as u64, fired.len() as u64));
        assert_eq!((done.suppressed, done.warm_up_ticks), (suppressed, 0));

        // From the middle: the past is read, so that means, windows and sides are what they were.
        let (all, _) = live(&instrument, rules(true), &ticks);
        let stamp = |index: usize| all[index].1;
        let (start, end) = (stamp(all.len() / 3), stamp(all.len() * 2 / 3));
        let expected: Vec<Fired> =
            all.iter().filter(|it| (start..end).contains(&it.1)).cloned().collect();
        let (fired, done) = replayed(&database, &stored, rules(true), Some(start), Some(end));
        assert!(done.warm_up_ticks > 0 && done.ticks < ticks.len() as u64, "{done:?}");
        assert_eq!(fired.len(), expected.len());
        assert_eq!(fired, expected);

        // So many ticks and no more, of the range and before it.
        let few = ReplayRange { ticks_max: Some(2_001), ..ReplayRange::default() };
        let mut fired = Vec::new();
        let done = replay(&database, &stored, rules(true), few, |firing| {
            fired.push(firing.timestamp);
            Ok(())
        });
        let done = done.unwrap();
        assert_eq!((done.ticks, done.has_more), (2_001, true));
        let last = ticks[2_000].timestamp();
        let expected: Vec<Timestamp> = all.iter().map(|it| it.1).filter(|at| *at <= last).collect();
        assert!(!fired.is_empty() && expected.starts_with(&fired), "{} {}", fired.len(), expected.len());
        let whole = ReplayRange { ticks_max: Some(ticks.len() as u64), ..few };
        assert!(!replay(&database, &stored, rules(true), whole, |_| Ok(())).unwrap().has_more);
        // A window that reaches back before the first tick has all of them read, or so many.
        let hour = NewAlertRule {
            condition: Some(Condition::PercentChangeDown),
            threshold: Some("0.1".parse().unwrap()),
            time_window_seconds: Some(3_600),
            ..NewAlertRule::new(1, RuleType::RateOfChange)
        };
        let past = |warm_up_ticks_max| {
            let rule = Rule::new(1, 1, &hour.shape(), true, None).unwrap();
            let range = ReplayRange { start: Some(end), warm_up_ticks_max, ..ReplayRange::default() };
            replay(&database, &stored, [rule], range, |_| Ok(())).unwrap().warm_up_ticks
        };
        assert!(past(None) > 2_000, "{}", past(None));
        assert_eq!(past(Some(10)), 2_000, "it is read by the page, and goes no further");
    }
}
