//! Fits candles into the room: neighbours are merged, none is dropped.

use std::ops::Range;

use super::calendar::CalendarPeriod;
use super::{AverageLine, ChartData};
use crate::domain::Candle;
use crate::timestamp::Timestamp;

/// Everything to draw: candles that have room, and the rest by the candle that it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) candles: Vec<Candle>,
    pub(super) averages: Vec<AverageLine>,
    pub(super) alerts: Vec<Placed>,
    /// Alerts from before the first candle.
    pub(super) alerts_before: usize,
    /// The meaning of one candle: the frequency, or what was merged.
    pub(super) one_candle: String,
}

/// An alert at its candle.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) candle: usize,
    pub(super) timestamp: Timestamp,
    pub(super) price: Option<f64>,
    pub(super) label: String,
    pub(super) message: String,
}

/// The data with at most `candles_max` candles.
pub(super) fn fitted(data: &ChartData<'_>, candles_max: usize) -> Drawn {
    let (groups, one_candle) = groups(data.candles, candles_max.max(1), &data.title.frequency);
    let candles: Vec<Candle> = groups
        .iter()
        .map(|of| merged(&data.candles[of.clone()]))
        .collect();
    let average = |average: &AverageLine| AverageLine {
        label: clean(&average.label),
        // An average was computed before the merge; its last value is that of the merged candle.
        values: groups.iter().map(|of| average.values[of.end - 1]).collect(),
    };
    let mut alerts = Vec::with_capacity(data.alerts.len());
    for alert in &data.alerts {
        let after = candles.partition_point(|candle| candle.timestamp <= alert.timestamp);
        if let Some(candle) = after.checked_sub(1) {
            alerts.push(Placed {
                candle,
                timestamp: alert.timestamp,
                price: alert.price,
                label: clean(&alert.label),
                message: clean(&alert.message),
            });
        }
    }
    alerts.sort_by_key(|alert| alert.timestamp);
    Drawn {
        averages: data.averages.iter().map(average).collect(),
        alerts_before: data.alerts.len() - alerts.len(),
        alerts,
        candles,
        one_candle,
    }
}

/// Groups candles that become one, and names the result.
///
/// Periods of the calendar are preferred: 1-minute bars become 5-minute candles that begin at
/// full five minutes. Where the next period would leave most of the room empty, a fixed number of
/// neighbours is merged, counted from the newest.
fn groups(candles: &[Candle], max: usize, frequency: &str) -> (Vec<Range<usize>>, String) {
    let count = candles.len();
    if count <= max {
        return (
            (0..count).map(|one| one..one + 1).collect(),
            frequency.to_owned(),
        );
    }
    let natural = CalendarPeriod::ALL.into_iter().find_map(|period| {
        let groups = by_period(candles, period);
        (groups.len() <= max).then_some((period, groups))
    });
    if let Some((period, groups)) = natural
        // Two fifths of the room at least: fewer candles would show less than there is room for.
        && groups.len() * 5 >= max * 2
    {
        return (
            groups,
            format!("{frequency} bars drawn as {period} candles"),
        );
    }
    let size = count.div_ceil(max);
    let first = match count % size {
        // The remainder goes to the oldest candle: the newest one is the one that is looked at.
        0 => size,
        rest => rest,
    };
    let starts = (first..count).step_by(size);
    let whole = starts.map(|start| start..start + size);
    let groups = std::iter::once(0..first).chain(whole).collect();
    let mut text = format!("{frequency} bars, {size} in each candle");
    if first < size {
        text.push_str(&format!(" ({first} in the first)"));
    }
    (groups, text)
}

fn by_period(candles: &[Candle], period: CalendarPeriod) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut last = None;
    for (index, candle) in candles.iter().enumerate() {
        let number = period.number(candle.timestamp);
        match groups.last_mut() {
            Some(group) if last == Some(number) => group.end = index + 1,
            _ => groups.push(index..index + 1),
        }
        last = Some(number);
    }
    groups
}

/// Open of the first, high of the highest, low of the lowest, close of the last, all volume.
fn merged(candles: &[Candle]) -> Candle {
    let first = candles[0];
    candles[1..].iter().fold(first, |whole, candle| Candle {
        high: whole.high.max(candle.high),
        low: whole.low.min(candle.low),
        close: candle.close,
        volume: whole.volume + candle.volume,
        ..whole
    })
}

/// A text of one line without control characters, which a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{data, minutes};
    use super::*;

    #[test]
    fn minutes_become_candles_of_five_at_full_five_minutes() {
        let candles = minutes(23, 12); // 10:23 to 10:34
        let (groups, text) = groups(&candles, 4, "1min");
        assert_eq!(groups, [0..2, 2..7, 7..12]);
        assert_eq!(text, "1min bars drawn as 5min candles");
    }

    #[test]
    fn a_merged_candle_has_the_first_open_the_last_close_the_extremes_and_all_volume() {
        let mut candles = minutes(0, 3);
        candles[1].high = 9_999.0;
        candles[2].low = -99.0;
        let one = merged(&candles);
        assert_eq!(
            (one.timestamp, one.open),
            (candles[0].timestamp, candles[0].open)
        );
        assert_eq!(
            (one.high, one.low, one.close),
            (9_999.0, -99.0, candles[2].close)
        );
        assert_eq!(
            one.volume,
            candles.iter().map(|candle| candle.volume).sum::<f64>()
        );
    }

    #[test]
    fn neighbours_are_counted_from_the_newest_where_a_period_would_waste_the_room() {
        let day = |day: i64| Candle {
            timestamp: Timestamp::from_micros(day * super::super::calendar::DAY).unwrap(),
            ..minutes(0, 1)[0]
        };
        let days: Vec<Candle> = (0..101).map(day).collect();
        let (groups, text) = groups(&days, 100, "1d");
        assert_eq!(groups.len(), 51);
        assert_eq!((groups[0].clone(), groups[50].clone()), (0..1, 99..101));
        assert_eq!(text, "1d bars, 2 in each candle (1 in the first)");
    }

    #[test]
    fn nothing_is_lost_whatever_the_room() {
        let candles = minutes(0, 500);
        let volume: f64 = candles.iter().map(|candle| candle.volume).sum();
        for max in [1, 2, 3, 7, 60, 99, 100, 250, 499, 500, 501] {
            let drawn = fitted(&data(&candles), max);
            assert!(drawn.candles.len() <= max, "{max}");
            assert_eq!(
                drawn
                    .candles
                    .iter()
                    .map(|candle| candle.volume)
                    .sum::<f64>(),
                volume
            );
            assert_eq!(drawn.candles[0].open, candles[0].open);
            assert_eq!(drawn.candles.last().unwrap().close, candles[499].close);
        }
    }
}
