//! The text of an alert.
//!
//! A price is rounded half even to the places that [`price_places`] says and written without
//! trailing zeros; a threshold is written with these places, and with more when it has more, so that
//! a text never shows another threshold than the rule's. Numbers that have no places of their own
//! (volumes, factors) are written with the digits that they have.

use super::firing::Firing;
use super::rule::RuleText;
use crate::decimal::Decimal;
use crate::domain::{Condition, Expression, ExpressionPart, mean_places, price_places, price_text};

/// Places of a percentage, unless the threshold has more.
const PERCENT_PLACES: usize = 2;

/// `Alert: <rule name, else SYMBOL rule_type> - <what happened>`.
pub(super) fn of(firing: &Firing) -> String {
    let rule = &*firing.rule;
    let happened = happened(firing, rule);
    match &rule.name {
        Some(name) => format!("Alert: {name} - {happened}"),
        None => format!(
            "Alert: {} {} - {happened}",
            firing.instrument.symbol, rule.rule_type
        ),
    }
}

fn happened(firing: &Firing, rule: &RuleText) -> String {
    let places = places(firing);
    let value = firing.trigger_value;
    match rule.condition {
        None => {
            let parts = rule
                .expression
                .as_ref()
                .map(|parts| joined(parts, places, 0));
            format!(
                "Price {} with {}",
                price(value, places),
                parts.unwrap_or_default()
            )
        }
        Some(Condition::PercentChangeUp | Condition::PercentChangeDown) => {
            let threshold = threshold(rule.threshold.as_ref(), 1);
            let places = PERCENT_PLACES.max(places_of(&threshold));
            let seconds = rule.seconds.unwrap_or_default();
            format!("{value:.places$}% change in {seconds}s (threshold {threshold}%)")
        }
        Some(Condition::VolumeAbove) => volume(firing, rule),
        Some(condition) => {
            let against = against_price(firing, rule, places);
            format!(
                "Price {} {} {against}",
                price(value, places),
                words(condition)
            )
        }
    }
}

fn against_price(firing: &Firing, rule: &RuleText, places: usize) -> String {
    let crosses = matches!(
        rule.condition,
        Some(Condition::CrossesAbove | Condition::CrossesBelow)
    );
    match (rule.period.filter(|_| crosses), firing.threshold_value) {
        (Some(period), Some(mean)) => {
            format!("mean {} of {period} prices", price_text(mean, places))
        }
        _ => format!("threshold {}", threshold(rule.threshold.as_ref(), places)),
    }
}

fn volume(firing: &Firing, rule: &RuleText) -> String {
    let level = firing.threshold_value.unwrap_or_default();
    let factor = threshold(rule.threshold.as_ref(), 0);
    let volume = firing.trigger_value;
    match rule.period {
        None => format!("Volume {volume} above threshold {factor}"),
        Some(period) => {
            let level = trimmed(price_text(level, mean_places(None, &[volume], &[level])));
            format!("Volume {volume} above threshold {level} ({factor} times the mean of {period})")
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

fn part_text(part: &ExpressionPart, places: usize) -> String {
    let of = |places| threshold(part.threshold.as_ref(), places);
    let words = words(part.condition);
    match (part.condition, part.moving_average_period) {
        (Condition::CrossesAbove | Condition::CrossesBelow, Some(period)) => {
            format!("{words} mean of {period} prices")
        }
        (Condition::PercentChangeUp | Condition::PercentChangeDown, _) => {
            let seconds = part.time_window_seconds.unwrap_or_default();
            format!("{words} {}% in {seconds}s", of(1))
        }
        (Condition::VolumeAbove, Some(period)) => {
            format!("{words} {} times the mean of {period}", of(0))
        }
        (Condition::VolumeAbove, None) => format!("{words} {}", of(0)),
        _ => format!("{words} {}", of(places)),
    }
}

fn words(condition: Condition) -> String {
    condition.as_str().replace('_', " ")
}

fn places(firing: &Firing) -> usize {
    let decimals = firing.instrument.price_decimals;
    let price = firing.trigger_value;
    match (firing.threshold_value, firing.rule.period) {
        (Some(mean), Some(_)) => mean_places(decimals, &[price], &[mean]),
        (Some(threshold), None) => price_places(decimals, &[price, threshold]),
        (None, _) => price_places(decimals, &[price]),
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
