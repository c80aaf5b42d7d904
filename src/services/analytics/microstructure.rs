//! What trades cost, from trades and the quotes beside them.

use super::missing::{Measured, enough, finite};

/// Trades below which a mean says too little.
const TRADES_MIN: usize = 10;

/// A trade and the best quotes at its moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuotedTrade {
    /// The price of the trade.
    pub price: f64,
    /// Its size.
    pub volume: f64,
    /// The best bid.
    pub bid: f64,
    /// The best ask, above the bid.
    pub ask: f64,
}

impl QuotedTrade {
    fn middle(&self) -> f64 {
        f64::midpoint(self.bid, self.ask)
    }

    fn spread(&self) -> f64 {
        self.ask - self.bid
    }

    fn effective_spread(&self) -> f64 {
        2.0 * (self.price - self.middle()).abs()
    }
}

/// What trades cost. All but the two last are in units of price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Microstructure {
    /// Trades that it was computed from.
    pub trades: usize,
    /// The mean quoted spread: ask less bid.
    pub quoted_spread: f64,
    /// The mean effective spread: twice the distance of the price from the middle of the quotes.
    pub effective_spread: f64,
    /// The mean price impact: twice what the middle has moved, in the direction of the trade, by the
    /// next one.
    pub price_impact: f64,
    /// The mean of what a price is better than the quote; 0 for one that is not.
    pub price_improvement: f64,
    /// Bought less sold volume over both: -1 to 1.
    pub order_imbalance: f64,
    /// The share of the trades at the quotes or between them: 0 to 1.
    pub share_within_quotes: f64,
}

/// The costs of trades, oldest first. A trade is a buy (+1) when its price is above the middle of the
/// quotes and a sale (-1) when it is below; at the middle it is what the last change of price before
/// says, up or down (the tick test), and without one neither.
///
/// Direction: C. M. C. Lee, M. J. Ready, "Inferring trade direction from intraday data", *Journal of
/// Finance* 46 (1991), with the quotes of the trade's own moment. Effective spread and price
/// improvement: U.S. Securities and Exchange Commission, Rule 605 of Regulation NMS, for each trade.
/// Price impact: R. D. Huang, H. R. Stoll, "Dealer versus auction markets", *Journal of Financial
/// Economics* 41 (1996), over one trade. Imbalance: T. Chordia, R. Roll, A. Subrahmanyam, "Order
/// imbalance, liquidity, and market returns", *Journal of Financial Economics* 65 (2002).
///
/// # Errors
/// [`Missing::NotEnough`](super::Missing) below ten trades; [`Missing::NotFinite`](super::Missing).
pub fn microstructure(trades: &[QuotedTrade]) -> Measured<Microstructure> {
    enough(trades.len(), TRADES_MIN)?;
    let directions = directions(trades);
    let mean = |of: &dyn Fn(&QuotedTrade) -> f64| {
        finite(trades.iter().map(of).sum::<f64>() / trades.len() as f64)
    };
    let moves = trades.windows(2).zip(&directions);
    let impacts = moves.map(|(two, side)| 2.0 * side * (two[1].middle() - two[0].middle()));
    let sided = |side: f64| {
        let those = trades.iter().zip(&directions);
        let volumes = those.filter(|(_, of)| **of == side);
        volumes.map(|(trade, _)| trade.volume).sum::<f64>()
    };
    let (bought, sold) = (sided(1.0), sided(-1.0));
    let is_within = |trade: &&QuotedTrade| (trade.bid..=trade.ask).contains(&trade.price);
    Ok(Microstructure {
        trades: trades.len(),
        quoted_spread: mean(&QuotedTrade::spread)?,
        effective_spread: mean(&QuotedTrade::effective_spread)?,
        price_impact: finite(impacts.sum::<f64>() / (trades.len() - 1) as f64)?,
        price_improvement: mean(&|it| ((it.spread() - it.effective_spread()) / 2.0).max(0.0))?,
        order_imbalance: if bought + sold > 0.0 {
            finite((bought - sold) / (bought + sold))?
        } else {
            0.0
        },
        share_within_quotes: trades.iter().filter(is_within).count() as f64 / trades.len() as f64,
    })
}

fn directions(trades: &[QuotedTrade]) -> Vec<f64> {
    let (mut before, mut last_change) = (None, 0.0);
    let side = |trade: &QuotedTrade| {
        let change = before.map_or(0.0, |before| trade.price - before);
        if change != 0.0 {
            last_change = 1.0_f64.copysign(change);
        }
        before = Some(trade.price);
        let distance = trade.price - trade.middle();
        if distance == 0.0 {
            last_change
        } else {
            1.0_f64.copysign(distance)
        }
    };
    trades.iter().map(side).collect()
}

#[cfg(test)]
mod tests {
    use super::super::missing::Missing;
    use super::*;

    #[test]
    fn buyers_at_the_ask_pay_the_spread_and_move_the_middle() {
        let at = |n: i32| {
            let middle = 100.0 + f64::from(n) * 0.5;
            QuotedTrade {
                price: middle + 0.25,
                volume: 3.0,
                bid: middle - 0.25,
                ask: middle + 0.25,
            }
        };
        let trades: Vec<QuotedTrade> = (0..20).map(at).collect();
        let found = microstructure(&trades).unwrap();
        let expected = Microstructure {
            trades: 20,
            quoted_spread: 0.5,
            effective_spread: 0.5,
            price_impact: 1.0,
            price_improvement: 0.0,
            order_imbalance: 1.0,
            share_within_quotes: 1.0,
        };
        assert_eq!(found, expected);
        let few = Missing::NotEnough {
            needed: 10,
            given: 9,
        };
        assert_eq!(microstructure(&trades[..9]), Err(few));
    }

    #[test]
    fn a_trade_at_the_middle_has_the_direction_of_the_last_change() {
        let trade = |price| QuotedTrade {
            price,
            volume: 1.0,
            bid: 10.0,
            ask: 12.0,
        };
        let trades = [
            trade(11.0),
            trade(10.5),
            trade(11.0),
            trade(11.0),
            trade(11.5),
        ];
        // Nothing before; below; up to the middle; no change since; above.
        assert_eq!(directions(&trades), [0.0, -1.0, 1.0, 1.0, 1.0]);
    }
}
