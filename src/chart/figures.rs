//! The figures of a chart in words: title, range, last price, change, high and low.

use super::ChartData;
use super::calendar::moment;
use super::merge::{Drawn, clean};
use super::price_axis::price_text;

/// The texts above a chart.
pub(super) struct ChartTexts {
    pub(super) title: String,
    /// From the first to the last candle.
    pub(super) range: String,
    pub(super) last: String,
    /// From the first open to the last close.
    pub(super) change: String,
    pub(super) is_rise: bool,
    pub(super) high: String,
    pub(super) low: String,
}

impl ChartTexts {
    pub(super) fn of(data: &ChartData<'_>, drawn: &Drawn, places: usize) -> Self {
        let (first, last) = (data.candles[0], data.candles[data.candles.len() - 1]);
        let price = |price: f64| price_text(price, places, 0);
        let moments = || data.candles.iter().map(|candle| candle.timestamp);
        let from = moment(first.timestamp, moments());
        let to = moment(last.timestamp, moments());
        let range = if from == to {
            format!("{from} UTC")
        } else {
            format!("{from} to {to} UTC")
        };
        let all = drawn.candles.iter();
        let high = all
            .clone()
            .fold(f64::NEG_INFINITY, |high, candle| high.max(candle.high));
        let low = all.fold(f64::INFINITY, |low, candle| low.min(candle.low));
        let name = clean(&data.title.name);
        let symbol = clean(&data.title.symbol);
        // Some instruments have no other name.
        let is_named = !name.is_empty() && name != symbol;
        let name = if is_named {
            format!(" {name}")
        } else {
            String::new()
        };
        Self {
            title: format!("{symbol}{name} · {}", clean(&drawn.one_candle)),
            range,
            last: format!("last {}", price(last.close)),
            change: change(first.open, last.close, places),
            is_rise: last.close >= first.open,
            high: format!("high {}", price(high)),
            low: format!("low {}", price(low)),
        }
    }
}

/// Formats the change of a price; in per cent too, where that has a meaning.
fn change(from: f64, to: f64, places: usize) -> String {
    let by = to - from;
    let sign = if by > 0.0 { "+" } else { "" };
    let text = format!("{sign}{}", price_text(by, places, 0));
    if from <= 0.0 {
        return text;
    }
    let percent = by / from * 100.0;
    format!("{text} ({sign}{}%)", price_text(percent, 2, 2))
}

/// The legend's words about alerts; none without alerts.
pub(super) fn alerts_legend(drawn: &Drawn) -> Option<String> {
    let (shown, before) = (drawn.alerts.len(), drawn.alerts_before);
    let before = match before {
        0 => String::new(),
        before => format!(" (and {before} before the first candle)"),
    };
    match shown {
        0 if drawn.alerts_before == 0 => None,
        1 => Some(format!("1 alert{before}")),
        shown => Some(format!("{shown} alerts{before}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_sign_and_per_cent_only_from_above_zero() {
        assert_eq!(change(1600.0, 1610.25, 4), "+10.25 (+0.64%)");
        assert_eq!(change(1650.25, 1640.0, 4), "-10.25 (-0.62%)");
        assert_eq!(change(5.0, 5.0, 4), "0 (0.00%)");
        assert_eq!(change(-1.0, -37.63, 2), "-36.63");
    }
}
