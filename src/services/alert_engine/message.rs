//! The text of an alert.
//!
//! A price is rounded half even to the places that [`price_places`] says and written without
//! trailing zeros; a threshold is written with these places, and with more when it has more, so that
//! a text never shows another threshold than the rule's. Numbers that have no places of their own
//! (volumes, factors) are written with the digits that they have.

use super::firing::Firing;
use super::rule::RuleText;
use crate::decimal::Decimal;
use crate::domain::{
    Condition, Expression, RuleCondition, RuleKind, Trigger, mean_places, price_places, price_text,
};

/// Places of a percentage, unless the threshold has more.
const PERCENT_PLACES: usize = 2;

impl Firing {
    /// The text for people.
    #[must_use]
    pub fn message(&self) -> String {
        let rule = &*self.rule;
        let happened = happened(self, rule);
        match &rule.name {
            Some(name) => format!("Alert: {name} - {happened}"),
            None => format!(
                "Alert: {} {} - {happened}",
                self.instrument.symbol, rule.rule_type
            ),
        }
    }
}

fn happened(firing: &Firing, rule: &RuleText) -> String {
    let places = places(firing);
    let value = firing.trigger_value;
    let condition = match &rule.kind {
        RuleKind::Single(condition) => condition,
        RuleKind::Composite(expression) => {
            let parts = joined(expression, places, 0);
            return format!("Price {} with {parts}", price(value, places));
        }
    };
    let exact = |places| threshold(condition.threshold.as_ref(), places);
    match condition.trigger {
        Trigger::ChangeUp(micros) | Trigger::ChangeDown(micros) => {
            let threshold = exact(1);
            let places = PERCENT_PLACES.max(places_of(&threshold));
            let seconds = micros / 1_000_000;
            format!("{value:.places$}% change in {seconds}s (threshold {threshold}%)")
        }
        Trigger::VolumeAbove => format!("Volume {value} above threshold {}", exact(0)),
        Trigger::VolumeAboveMean(period) => {
            let level = firing.threshold_value.unwrap_or_default();
            let level = trimmed(price_text(level, mean_places(None, &[value], &[level])));
            let factor = exact(0);
            format!("Volume {value} above threshold {level} ({factor} times the mean of {period})")
        }
        trigger => {
            let against = match (trigger, firing.threshold_value) {
                (
                    Trigger::CrossesAboveMean(period) | Trigger::CrossesBelowMean(period),
                    Some(mean),
                ) => format!("mean {} of {period} prices", price_text(mean, places)),
                _ => format!("threshold {}", exact(places)),
            };
            let words = words(trigger.condition());
            format!("Price {} {words} {against}", price(value, places))
        }
    }
}

/// `above 1650.0000 and (volume above 100 or volume above 3 times the mean of 20)`.
fn joined(expression: &Expression, places: usize, depth: usize) -> String {
    let list = |parts: &[Expression], join: &str| {
        let parts: Vec<String> = parts
            .iter()
            .map(|part| joined(part, places, depth + 1))
            .collect();
        let text = parts.join(join);
        if depth > 0 && parts.len() > 1 {
            format!("({text})")
        } else {
            text
        }
    };
    match expression {
        Expression::All(parts) => list(parts, " and "),
        Expression::Any(parts) => list(parts, " or "),
        Expression::One(part) => part_text(part, places),
    }
}

fn part_text(part: &RuleCondition, places: usize) -> String {
    let of = |places| threshold(part.threshold.as_ref(), places);
    let words = words(part.trigger.condition());
    match part.trigger {
        Trigger::CrossesAboveMean(period) | Trigger::CrossesBelowMean(period) => {
            format!("{words} mean of {period} prices")
        }
        Trigger::ChangeUp(micros) | Trigger::ChangeDown(micros) => {
            format!("{words} {}% in {}s", of(1), micros / 1_000_000)
        }
        Trigger::VolumeAboveMean(period) => {
            format!("{words} {} times the mean of {period}", of(0))
        }
        Trigger::VolumeAbove => format!("{words} {}", of(0)),
        _ => format!("{words} {}", of(places)),
    }
}

fn words(condition: Condition) -> String {
    condition.as_str().replace('_', " ")
}

fn places(firing: &Firing) -> usize {
    let decimals = firing.instrument.price_decimals;
    let price = firing.trigger_value;
    let is_mean = match &firing.rule.kind {
        RuleKind::Single(condition) => condition.trigger.has_mean(),
        RuleKind::Composite(_) => false,
    };
    match firing.threshold_value {
        Some(mean) if is_mean => mean_places(decimals, &[price], &[mean]),
        Some(threshold) => price_places(decimals, &[price, threshold]),
        None => price_places(decimals, &[price]),
    }
}

fn price(value: f64, places: usize) -> String {
    trimmed(price_text(value, places))
}

/// A threshold with at least so many places.
fn threshold(value: Option<&Decimal>, places: usize) -> String {
    let mut text = value.map(Decimal::to_string).unwrap_or_default();
    let has = places_of(&text);
    if has < places {
        if has == 0 {
            text.push('.');
        }
        text.extend(std::iter::repeat_n('0', places - has));
    }
    text
}

fn places_of(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, places)| places.len())
}

fn trimmed(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    let kept = text.trim_end_matches('0').trim_end_matches('.');
    if kept == "-0" {
        "0".to_owned()
    } else {
        kept.to_owned()
    }
}
