//! Which price of the ticks makes bars.

use crate::domain::text_enum;

text_enum! {
    /// The price of ticks that bars are made of.
    ///
    /// A quote is no trade: bars of bid, ask or mid have the volume 0, and count the ticks that
    /// have the quote.
    #[derive(Default)]
    pub enum BarPrice = "bar_price" {
        /// That of trades.
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

/// Which prices a tick has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TickPrices {
    /// That of a trade.
    pub(crate) last: bool,
    pub(crate) bid: bool,
    pub(crate) ask: bool,
}

impl TickPrices {
    /// Of a tick that is not looked at: it may have every price.
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
