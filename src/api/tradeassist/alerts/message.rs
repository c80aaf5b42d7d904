//! The text of an alert in the words of the original: prices as Python writes numbers, thresholds
//! with the four places of its column.
//!
//! tickbase's engine says the same in words of its own. What the original wrote itself, and was
//! brought over, has these words already: telling it again changes nothing.

use crate::api::tradeassist::PRICE_PLACES;
use crate::api::types::rounded;
use crate::models::AlertLog;

/// The text, retold where the original has words for it: not of crossovers, means and expressions,
/// of which it never fires an alert.
pub(super) fn retold(row: &AlertLog) -> String {
    let retold = row.alert_message.rsplit_once(" - ").and_then(|(of, said)| {
        let happened = happened(row, said)?;
        Some(format!("{of} - {happened}"))
    });
    retold.unwrap_or_else(|| row.alert_message.clone())
}

fn happened(row: &AlertLog, said: &str) -> Option<String> {
    let threshold = format!("{:.*}", PRICE_PLACES as usize, row.threshold_value?);
    let value = rounded(row.trigger_value, PRICE_PLACES);
    let condition = row.rule_condition.as_str();
    // A rate of change, whose text has no word for its condition.
    if let Some((_, window)) = said.split_once("% change in ") {
        let seconds = window.split_once("s (threshold ")?.0;
        let change = row.trigger_value;
        return Some(format!(
            "{change:.2}% change in {seconds}s (threshold: {threshold}%)"
        ));
    }
    if said.starts_with("Volume ") && !said.ends_with(')') {
        let volume = python(value);
        return Some(format!("Volume {volume} above threshold {threshold}"));
    }
    let is_price = said.starts_with("Price ") && said.contains(" threshold ");
    let is_level = ["above", "below", "equals"].contains(&condition);
    (is_price && is_level)
        .then(|| format!("Price {} {condition} threshold {threshold}", python(value)))
}

/// `1650.0`, `1650.25`, `5e-05`, `1e+16`: the shortest digits, as Python's `repr` writes them.
fn python(value: f64) -> String {
    if value == 0.0 || (1e-4..1e16).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, power)) => match power.strip_prefix('-') {
            Some(power) => format!("{digits}e-{power:0>2}"),
            None => format!("{digits}e+{power:0>2}"),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (value, text) in [
            (1650.0, "1650.0"),
            (0.0, "0.0"),
            (-12.25, "-12.25"),
            (0.0001, "0.0001"),
            (0.00005, "5e-05"),
            (1.5e16, "1.5e+16"),
        ] {
            assert_eq!(python(value), text);
        }
    }
}
