//! The engine and the plain re-implementation agree on random streams, whatever happens between
//! the ticks.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::oracle::{Fired, Oracle};
use super::*;

/// Something that happens to an engine.
#[derive(Debug, Clone)]
enum Event {
    /// Batches that are evaluated in one transaction, and what becomes of it.
    Transaction(Vec<Batch>, Fate),
    Put(i64, NewAlertRule),
    Switch(i64, bool),
    Remove(i64),
    /// Another process takes over, with stored ticks and rules.
    Restart,
}

/// Ticks, and whether their savepoint is undone.
#[derive(Debug, Clone)]
struct Batch(Vec<Step>, bool);

#[derive(Debug, Clone, Copy)]
enum Fate {
    Commit,
    RollBack,
}

/// A tick by what is new.
#[derive(Debug, Clone, Copy)]
struct Step {
    instrument_id: i64,
    millis: i64,
    price: Option<f64>,
    volume: Option<f64>,
}

fn any_price() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (95..106).prop_map(|tenths| f64::from(tenths) / 10.0),
        1 => (-3..4).prop_map(|tenths| f64::from(tenths) / 10.0),
        1 => (4..6).prop_map(|n| f64::from(n) * 262_144.1),
        2 => (95..106).prop_map(|n| format!("{n}e-11").parse().unwrap()),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    (
        1..3_i64,
        prop_oneof![3 => Just(0), 3 => Just(500), 3 => Just(1_000), 1 => Just(3_000), 1 => Just(-1_500)],
        prop::option::weighted(0.85, any_price()),
        prop::option::weighted(0.7, (0..8).prop_map(|tenths| f64::from(tenths) / 10.0)),
    )
        .prop_map(|(instrument_id, millis, price, volume)| Step {
            instrument_id,
            millis,
            price,
            volume,
        })
}

/// A condition with parameters, of any type but multi-condition, without a cooldown.
fn any_condition() -> impl Strategy<Value = NewAlertRule> {
    let threshold = prop_oneof![
        8 => (95..106).prop_map(|tenths| format!("{}", f64::from(tenths) / 10.0)),
        1 => Just("10.05".to_owned()),
        1 => Just("10.01".to_owned()),
        1 => (-3..4).prop_map(|tenths| format!("{}", f64::from(tenths) / 10.0)),
        2 => (95..106).prop_map(|n| format!("{n}e-11")),
    ];
    let percent = prop::sample::select(vec!["-1", "0", "1", "2", "5", "0.5", "99"]);
    let volume = prop::sample::select(vec!["0", "0.2", "0.5", "1", "2", "3"]);
    (
        prop::sample::select(Condition::ALL),
        threshold,
        percent,
        volume,
        1..6_i32,
        any::<bool>(),
    )
        .prop_map(
            |(condition, threshold, percent, volume, number, mean)| match condition {
                Condition::CrossesAbove | Condition::CrossesBelow if mean => {
                    of_period(number.max(2), rule(condition, ""))
                }
                Condition::PercentChangeUp | Condition::PercentChangeDown => {
                    within(number, rule(condition, percent))
                }
                Condition::VolumeAbove if mean => of_period(number, rule(condition, volume)),
                Condition::VolumeAbove => rule(condition, volume),
                _ => rule(condition, &threshold),
            },
        )
}

fn part_text(part: &NewAlertRule) -> String {
    let mut fields = vec![format!(r#""condition":"{}""#, part.condition.unwrap())];
    fields.extend(
        part.threshold
            .as_ref()
            .map(|it| format!(r#""threshold":"{it}""#)),
    );
    let number = |name: &str, it: Option<i32>| it.map(|it| format!(r#""{name}":{it}"#));
    fields.extend(number("time_window_seconds", part.time_window_seconds));
    fields.extend(number("moving_average_period", part.moving_average_period));
    format!("{{{}}}", fields.join(","))
}

fn any_expression() -> impl Strategy<Value = NewAlertRule> {
    let leaf = any_condition().prop_map(|part| part_text(&part));
    let tree = leaf.prop_recursive(3, 8, 3, |inner| {
        (
            prop::sample::select(vec!["all", "any"]),
            prop::collection::vec(inner, 1..4),
        )
            .prop_map(|(join, parts)| format!(r#"{{"{join}":[{}]}}"#, parts.join(",")))
    });
    (prop::sample::select(vec!["all", "any"]), tree)
        .prop_map(|(join, tree)| joined(&format!(r#"{{"{join}":[{tree}]}}"#)))
        .prop_filter("it can match", |rule| rule.shape().kind().is_ok())
}

fn any_rule() -> impl Strategy<Value = NewAlertRule> {
    let body = prop_oneof![4 => any_condition(), 1 => any_expression()];
    let cooldown = prop::sample::select(vec![0, 0, 1, 2, 5]);
    (body, cooldown, 1..3_i64).prop_map(|(body, cooldown, instrument_id)| NewAlertRule {
        instrument_id,
        cooldown_seconds: cooldown,
        ..body
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let batch = || {
        (
            prop::collection::vec(any_step(), 0..12),
            prop::bool::weighted(0.2),
        )
    };
    let batches = prop::collection::vec(batch().prop_map(|(steps, undo)| Batch(steps, undo)), 1..4);
    let fate = prop_oneof![3 => Just(Fate::Commit), 1 => Just(Fate::RollBack)];
    prop_oneof![
        12 => (batches, fate).prop_map(|(batches, fate)| Event::Transaction(batches, fate)),
        4 => (0..12_i64, any_rule()).prop_map(|(id, rule)| Event::Put(id, rule)),
        1 => (0..12_i64, any::<bool>()).prop_map(|(id, on)| Event::Switch(id, on)),
        1 => (0..12_i64).prop_map(Event::Remove),
        1 => Just(Event::Restart),
    ]
}

/// The engine beside the oracle, and the place in the stream.
struct Pair {
    engine: Evaluator,
    oracle: Oracle,
    millis: [i64; 2],
    sequence: i64,
}

impl Pair {
    fn new(rules: &[NewAlertRule]) -> Self {
        let mut pair = Self {
            engine: engine(&[]),
            oracle: Oracle::default(),
            millis: [0, 0],
            sequence: 0,
        };
        // Backwards: the order of the rules does not matter.
        for (id, rule) in (0..).zip(rules).collect::<Vec<_>>().into_iter().rev() {
            pair.put(id, rule.clone());
        }
        pair
    }

    fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Transaction(batches, fate) => return self.transact(batches, fate),
            Event::Put(id, rule) => self.put(id, rule),
            Event::Switch(id, on) => {
                if let Some(watched) = self.oracle.rules.get(&id) {
                    let rule = NewAlertRule {
                        active: on,
                        ..watched.rule.clone()
                    };
                    self.put(id, rule);
                }
            }
            Event::Remove(id) => {
                self.oracle.rules.remove(&id);
                self.engine.remove_rule(id);
            }
            Event::Restart => self.restart(),
        }
        Ok(())
    }

    fn put(&mut self, id: i64, rule: NewAlertRule) {
        let moved = |watched: &oracle::Watched| watched.rule.instrument_id != rule.instrument_id;
        if self.oracle.rules.get(&id).is_some_and(moved) {
            self.oracle.rules.remove(&id); // A rule of another instrument is another rule.
        }
        self.engine.put_rule(compiled(id, &rule)).unwrap();
        let instrument_id = rule.instrument_id;
        self.oracle.put(id, rule);
        if self.engine.is_unsettled(instrument_id) {
            self.load(instrument_id);
        }
    }

    fn restart(&mut self) {
        let totals = self.engine.totals();
        assert_eq!(
            (totals.late, totals.suppressed),
            (self.oracle.late, self.oracle.suppressed)
        );
        self.oracle.late = 0;
        self.oracle.suppressed = 0;
        self.engine = engine(&[]);
        for (id, watched) in &mut self.oracle.rules {
            watched.suppressed = 0;
            let rule = &watched.rule;
            let last = watched.last_fired.map(at);
            let rule = Rule::new(*id, rule.instrument_id, &rule.shape(), rule.active, last);
            self.engine.put_rule(rule.unwrap()).unwrap();
        }
        for id in [1, 2] {
            let newest = self.oracle.ticks.get(&id).and_then(|ticks| ticks.last());
            self.engine.watch(WatchedInstrument {
                last_tick: newest.map(|seen| seen.tick.timestamp),
                ..instrument(id)
            });
            self.load(id);
        }
    }

    /// What a loader does: as much of the newest ticks as is needed, and more while it matters.
    fn load(&mut self, id: i64) {
        let need = self.engine.history_need(id);
        let stored = self
            .oracle
            .ticks
            .get(&id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let stored: Vec<StoredTick> = stored.iter().map(|seen| seen.tick).collect();
        let newest = stored.last().map_or(0, |tick| tick.timestamp.micros());
        let holds = |ticks: &[StoredTick]| {
            ticks.iter().filter(|tick| tick.price.is_some()).count() >= need.prices
                && ticks.iter().filter(|tick| tick.volume.is_some()).count() >= need.volumes
                && ticks.first().is_some_and(|tick| {
                    tick.timestamp.micros() < newest - need.window_seconds * 1_000_000
                })
        };
        let mut rows = (0..=stored.len())
            .find(|rows| holds(&stored[stored.len() - rows..]))
            .unwrap_or(stored.len());
        loop {
            let ticks = stored[stored.len() - rows..].iter().copied();
            self.engine.warm_up(id, ticks).unwrap();
            if rows == stored.len() || !self.engine.is_unsettled(id) {
                return;
            }
            rows = (rows + 1).min(stored.len());
        }
    }

    fn transact(&mut self, batches: Vec<Batch>, fate: Fate) -> Result<(), TestCaseError> {
        let before = (self.oracle.clone(), self.millis, self.engine.totals());
        for Batch(steps, undo) in batches {
            let (oracle, millis) = (self.oracle.clone(), self.millis);
            let mark = self.engine.mark();
            self.evaluate(&steps)?;
            if undo {
                self.engine.roll_back_to(mark);
                (self.oracle, self.millis) = (oracle, millis);
            }
        }
        match fate {
            Fate::Commit => self.engine.commit(),
            Fate::RollBack => {
                self.engine.roll_back();
                prop_assert_eq!(self.engine.totals(), before.2);
                (self.oracle, self.millis) = (before.0, before.1);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, steps: &[Step]) -> Result<(), TestCaseError> {
        let ticks: Vec<StoredTick> = steps.iter().map(|step| self.tick(*step)).collect();
        let expected: Vec<Fired> = ticks
            .iter()
            .flat_map(|tick| self.oracle.evaluate(tick))
            .collect();
        let firings = self.engine.evaluate_batch(ticks);
        same(&firings, &expected)
    }

    fn tick(&mut self, step: Step) -> StoredTick {
        let millis = &mut self.millis[usize::try_from(step.instrument_id - 1).unwrap()];
        let at = *millis + step.millis;
        *millis = at.max(*millis);
        self.sequence += 1;
        StoredTick {
            instrument_id: step.instrument_id,
            sequence: self.sequence,
            ..tick(at, step.price, step.volume)
        }
    }

    /// The counts of held-back matches, of each rule and in all, and the late ticks.
    fn compare_counts(&self) -> Result<(), TestCaseError> {
        let totals = self.engine.totals();
        prop_assert_eq!(totals.late, self.oracle.late);
        prop_assert_eq!(totals.suppressed, self.oracle.suppressed);
        for (id, watched) in &self.oracle.rules {
            prop_assert_eq!(
                self.engine.suppressed(*id),
                Some(watched.suppressed),
                "rule {}",
                id
            );
            prop_assert_eq!(self.engine.last_triggered(*id), watched.last_fired.map(at));
        }
        Ok(())
    }
}

pub(super) fn same(firings: &Firings, expected: &[Fired]) -> Result<(), TestCaseError> {
    let fired: Vec<Fired> = (firings.fired.iter().zip(0..))
        .map(|(firing, n)| Fired {
            rule_id: firing.rule_id(),
            instrument_id: firing.instrument_id(),
            timestamp: firing.timestamp,
            sequence: firing.sequence,
            // The plain value has its own rounding.
            value: expected
                .get(n)
                .map(|it: &Fired| it.value)
                .filter(|value| (value - firing.trigger_value).abs() <= 1e-9 * value.abs().max(1.0))
                .unwrap_or(firing.trigger_value),
        })
        .collect();
    prop_assert_eq!(fired, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_fires_what_the_plain_definition_fires_through_all_that_may_happen(
        rules in prop::collection::vec(any_rule(), 0..10),
        events in prop::collection::vec(any_event(), 1..12),
    ) {
        let mut pair = Pair::new(&rules);
        for event in events {
            pair.apply(event)?;
            pair.compare_counts()?;
        }
    }

    #[test]
    fn a_replay_in_other_batches_fires_the_same_and_never_twice_within_a_cooldown(
        rules in prop::collection::vec(any_rule(), 1..10),
        steps in prop::collection::vec(any_step(), 1..60),
        size in 1..20_usize,
    ) {
        let mut pair = Pair::new(&rules);
        let ticks: Vec<StoredTick> = steps.iter().map(|step| pair.tick(*step)).collect();
        let whole = pair.engine.evaluate_batch(ticks.iter().copied());
        let mut replayed = engine(&[]);
        for (id, rule) in (0..).zip(&rules) {
            replayed.put_rule(compiled(id, rule)).unwrap();
        }
        let mut fired = Vec::new();
        for batch in ticks.chunks(size) {
            fired.extend(replayed.evaluate_batch(batch.iter().copied()).fired);
            replayed.commit();
        }
        prop_assert_eq!(&fired, &whole.fired);
        for (id, rule) in (0..).zip(&rules) {
            let of_rule = fired.iter().filter(|firing| firing.rule_id() == id);
            let stamps: Vec<i64> = of_rule.map(|firing| firing.timestamp.micros()).collect();
            let cooldown = i64::from(rule.cooldown_seconds) * 1_000_000;
            prop_assert!(stamps.windows(2).all(|pair| pair[1] - pair[0] >= cooldown));
        }
    }
}
