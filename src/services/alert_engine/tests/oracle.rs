//! A plain re-implementation of the rules, written from their definition: it keeps every tick and
//! looks through all of them, in decimals.
//!
//! It shares no code with the engine but the types that go in.

use std::collections::BTreeMap;

use bigdecimal::num_bigint::Sign;
use bigdecimal::{BigDecimal, ToPrimitive};

use super::*;

/// A tick with its values as decimals.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) tick: StoredTick,
    price: Option<BigDecimal>,
    volume: Option<BigDecimal>,
}

#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) rule: NewAlertRule,
    pub(crate) last_fired: Option<i64>,
    pub(crate) suppressed: u64,
}

/// Which rule fired on which tick, with what value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fired {
    pub(crate) rule_id: i64,
    pub(crate) instrument_id: i64,
    pub(crate) timestamp: Timestamp,
    pub(crate) sequence: i64,
    pub(crate) value: f64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    pub(crate) ticks: BTreeMap<i64, Vec<Seen>>,
    pub(crate) rules: BTreeMap<i64, Watched>,
    pub(crate) late: u64,
    pub(crate) suppressed: u64,
}

/// The decimal that a feed wrote for a double.
fn decimal(value: f64) -> BigDecimal {
    value.to_string().parse().unwrap()
}

/// Instrument 1 shows four places, of whose last one half a unit is near enough; instrument 2 shows
/// all of them.
fn are_equal(instrument_id: i64, price: &BigDecimal, threshold: &BigDecimal) -> bool {
    match instrument_id {
        1 => (price - threshold).abs() < decimal(0.000_05),
        _ => price == threshold,
    }
}

fn sign(value: &BigDecimal) -> i8 {
    match value.sign() {
        Sign::Minus => -1,
        Sign::NoSign => 0,
        Sign::Plus => 1,
    }
}

impl Oracle {
    pub(crate) fn put(&mut self, id: i64, rule: NewAlertRule) {
        let before = self.rules.remove(&id);
        let watched = Watched {
            rule,
            last_fired: before.as_ref().and_then(|before| before.last_fired),
            suppressed: before.map_or(0, |before| before.suppressed),
        };
        self.rules.insert(id, watched);
    }

    pub(crate) fn evaluate(&mut self, tick: &StoredTick) -> Vec<Fired> {
        let ticks = self.ticks.entry(tick.instrument_id).or_default();
        if ticks
            .last()
            .is_some_and(|newest| tick.timestamp < newest.tick.timestamp)
        {
            self.late += 1;
            return Vec::new();
        }
        ticks.push(Seen {
            tick: *tick,
            price: tick.price.map(decimal),
            volume: tick.volume.map(decimal),
        });
        let mut fired = Vec::new();
        for (id, watched) in &mut self.rules {
            let rule = &watched.rule;
            if rule.instrument_id != tick.instrument_id || !rule.active {
                continue;
            }
            let Some(value) = matches(rule, ticks) else {
                continue;
            };
            let now = tick.timestamp.micros();
            let cooldown = i64::from(rule.cooldown_seconds) * 1_000_000;
            if watched.last_fired.is_some_and(|last| now < last + cooldown) {
                watched.suppressed += 1;
                self.suppressed += 1;
                continue;
            }
            watched.last_fired = Some(now);
            fired.push(Fired {
                rule_id: *id,
                instrument_id: tick.instrument_id,
                timestamp: tick.timestamp,
                sequence: tick.sequence,
                value,
            });
        }
        fired
    }
}

/// The trigger value, if the last tick matches.
fn matches(rule: &NewAlertRule, ticks: &[Seen]) -> Option<f64> {
    if let Some(expression) = &rule.expression {
        let price = ticks.last()?.tick.price?;
        let expression = serde_json::from_str(expression).unwrap();
        return expression_matches(&expression, ticks).then_some(price);
    }
    let threshold = rule
        .threshold
        .as_ref()
        .map_or_else(BigDecimal::default, |it| it.as_big_decimal().clone());
    let period = rule
        .moving_average_period
        .map(|period| usize::try_from(period).unwrap());
    let micros = i64::from(rule.time_window_seconds.unwrap_or(0)) * 1_000_000;
    condition_matches(rule.condition?, &threshold, period, micros, ticks)
}

fn expression_matches(value: &serde_json::Value, ticks: &[Seen]) -> bool {
    if let Some(parts) = value.get("all") {
        let parts = parts.as_array().unwrap();
        return parts.iter().all(|part| expression_matches(part, ticks));
    }
    if let Some(parts) = value.get("any") {
        let parts = parts.as_array().unwrap();
        return parts.iter().any(|part| expression_matches(part, ticks));
    }
    let number = |name: &str| value.get(name).and_then(serde_json::Value::as_i64);
    let threshold = value
        .get("threshold")
        .map_or_else(BigDecimal::default, |text| {
            let text = text
                .as_str()
                .map_or_else(|| text.to_string(), str::to_owned);
            text.parse().unwrap()
        });
    let condition = value["condition"].as_str().unwrap().parse().unwrap();
    let period = number("moving_average_period").map(|period| usize::try_from(period).unwrap());
    let micros = number("time_window_seconds").unwrap_or(0) * 1_000_000;
    condition_matches(condition, &threshold, period, micros, ticks).is_some()
}

fn condition_matches(
    condition: Condition,
    threshold: &BigDecimal,
    period: Option<usize>,
    micros: i64,
    ticks: &[Seen],
) -> Option<f64> {
    let (last, before) = ticks.split_last()?;
    let price = |yes: bool| if yes { last.tick.price } else { None };
    let now = last.price.as_ref();
    match condition {
        Condition::Above => price(now? > threshold),
        Condition::Below => price(now? < threshold),
        Condition::Equals => price(are_equal(last.tick.instrument_id, now?, threshold)),
        Condition::CrossesAbove => price(crossed(threshold, period, ticks)? > 0),
        Condition::CrossesBelow => price(crossed(threshold, period, ticks)? < 0),
        Condition::PercentChangeUp | Condition::PercentChangeDown => {
            let (new, old) = (now?, reference(last, before, micros)?);
            let up = if condition == Condition::PercentChangeUp {
                1
            } else {
                -1
            };
            // pct * up >= threshold, both sides times the size of the reference.
            let change = (new - &old) * BigDecimal::from(sign(&old) * up) * BigDecimal::from(100);
            let percent = (new - &old).to_f64()? / old.to_f64()? * 100.0;
            (change >= threshold * old.abs()).then_some(percent)
        }
        Condition::VolumeAbove => {
            let volume = last.volume.as_ref()?;
            let above = match period {
                None => volume > threshold,
                Some(period) => {
                    let mut volumes: Vec<&BigDecimal> = Vec::new();
                    for seen in before.iter().rev() {
                        volumes.extend(seen.volume.as_ref());
                        if volumes.len() == period {
                            break;
                        }
                    }
                    let sum: BigDecimal = volumes.iter().copied().sum();
                    volumes.len() == period
                        && volume * BigDecimal::from(period as u64) > threshold * sum
                }
            };
            if above { last.tick.volume } else { None }
        }
    }
}

fn reference(last: &Seen, before: &[Seen], micros: i64) -> Option<BigDecimal> {
    let from = last.tick.timestamp.micros() - micros;
    let recent = before.iter().rev();
    let within = recent.take_while(|seen| seen.tick.timestamp.micros() >= from);
    let first = within.filter_map(|seen| seen.price.as_ref()).last();
    first.filter(|price| sign(price) != 0).cloned()
}

/// Where the last tick's price came to, if it came from the other side.
fn crossed(threshold: &BigDecimal, period: Option<usize>, ticks: &[Seen]) -> Option<i8> {
    ticks.last()?.price.as_ref()?;
    let priced = || ticks.iter().rev().filter_map(|seen| seen.price.as_ref());
    let mut sides = (0..).map_while(|back| side(threshold, period, priced().skip(back)));
    let now = sides.next().filter(|side| *side != 0)?;
    let before = sides.find(|side| *side != 0)?;
    (before != now).then_some(now)
}

/// The side of the first of the prices, which come newest first; none before a mean is full.
fn side<'a>(
    threshold: &BigDecimal,
    period: Option<usize>,
    prices: impl Iterator<Item = &'a BigDecimal>,
) -> Option<i8> {
    let mut prices = prices.peekable();
    let price = *prices.peek()?;
    let Some(period) = period else {
        return Some(sign(&(price - threshold)));
    };
    let window: Vec<&BigDecimal> = prices.take(period).collect();
    let full = window.len() == period;
    let sum: BigDecimal = window.into_iter().sum();
    full.then(|| sign(&(price * BigDecimal::from(period as u64) - sum)))
}
