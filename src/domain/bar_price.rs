//! The price of ticks that bars are made of: last, bid, ask or mid.

use crate::domain::text_enum;

text_enum! {
    /// The price of ticks that bars are made of.
    ///
    /// A quote is no trade: bars of bid, ask or mid have the volume 0, and count the ticks that
    /// have the quote.
    #[derive(Default)]
    pub enum BarPrice = "bar_price" {
        /// The price of trades.
        #[default]
        Last = "last",
        /// The best bid.
        Bid = "bid",
        /// The best ask.
        Ask = "ask",
        /// The middle of bid and ask, of ticks that have both: (bid + ask) / 2.
        Mid = "mid",
    }
}

/// The middle of bid and ask to 15 significant digits, which every decimal of as many has: 1.12165 of
/// 1.1216 and 1.1217, whose doubles have the middle 1.1216499999999998.
#[must_use]
pub(crate) fn mid(bid: f64, ask: f64) -> f64 {
    /// Nine places suit almost every quote, and a whole number below 2^53 over a power of ten is the
    /// double nearest to that decimal.
    const SCALE: f64 = 1e9;
    const MIDDLE_MAX: f64 = 1e6;
    let middle = f64::midpoint(bid, ask);
    let nearest = (middle * SCALE).round_ties_even() / SCALE;
    if middle.abs() < MIDDLE_MAX && (nearest - middle).abs() <= 2.0 * f64::EPSILON * middle.abs() {
        return nearest;
    }
    format!("{middle:.14e}").parse().unwrap_or(middle)
}

/// The prices that a tick has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TickPrices {
    /// The price of a trade.
    pub(crate) last: bool,
    pub(crate) bid: bool,
    pub(crate) ask: bool,
}

impl TickPrices {
    /// Stands for a tick that was not read: it may have every price.
    pub(crate) const ANY: Self = Self {
        last: true,
        bid: true,
        ask: true,
    };

    pub(crate) fn has(self, price: BarPrice) -> bool {
        match price {
            BarPrice::Last => self.last,
            BarPrice::Bid => self.bid,
            BarPrice::Ask => self.ask,
            BarPrice::Mid => self.bid && self.ask,
        }
    }

    pub(crate) fn is_any(self) -> bool {
        self.last || self.bid || self.ask
    }
}

#[cfg(test)]
mod tests {
    use super::mid;

    #[test]
    fn the_middle_of_decimals_is_the_decimal_between_them() {
        for (bid, ask, middle) in [
            (1.1216, 1.1217, "1.12165"),
            (1.12161, 1.12172, "1.121665"),
            (4.2e-9, 4.3e-9, "0.00000000425"),
            (1e300, 3e300, "2e300"),
            (-37.63, -37.62, "-37.625"),
            (0.1, 0.2, "0.15"),
            (42_313.99, 42_314.0, "42313.995"),
            (0.0, 0.0, "0"),
        ] {
            let expected: f64 = middle.parse().unwrap();
            assert_eq!(mid(bid, ask), expected, "{bid} {ask}");
        }
    }
}
