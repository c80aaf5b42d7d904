//! What becomes of a price in a scenario, and how long it may take to come back.

use super::missing::{Measured, Missing, finite};
use super::normal::normal_quantile;

/// The confidence of the loss in a scenario of volatility.
const SHOCK_CONFIDENCE: f64 = 0.95;

/// What a scenario does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shock {
    /// The price changes by this share of itself: -0.2 for a fall by 20 %.
    Share(f64),
    /// The price changes by this amount.
    Amount(f64),
    /// The volatility changes by this share of itself, 0.5 for one half more; the price falls by the
    /// loss that is not exceeded on a day with a probability of 95 %.
    Volatility(f64),
}

/// A price after a shock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StressedPrice {
    /// The price after it.
    pub price: f64,
    /// What it differs from the one before; below 0 for a loss.
    pub change: f64,
    /// That as a share of the one before.
    pub change_share: f64,
    /// Days until it is back, see [`recovery_days`]; `None` without a loss, and where they cannot
    /// be told.
    pub recovery_days: Option<u64>,
}

/// The price after a shock, given the deviation of a day's logarithmic returns:
///
/// - [`Shock::Share`]: price (1 + share); [`Shock::Amount`]: price + amount;
/// - [`Shock::Volatility`]: price (1 - z deviation (1 + share)) with the normal quantile z of 0.95:
///   the parametric value at risk of one day at the other volatility, with a mean of zero.
///
/// Basel Committee, *Principles for Sound Stress Testing Practices and Supervision* (2009), for
/// scenarios of sensitivity; P. Jorion, *Value at Risk* (2007), for the value at risk.
///
/// # Errors
/// [`Missing::PriceNotPositive`]; [`Missing::NotFinite`]; that of the deviation where the shock is one
/// of volatility.
pub fn stressed(price: f64, shock: Shock, deviation: Measured<f64>) -> Measured<StressedPrice> {
    if finite(price)? <= 0.0 {
        return Err(Missing::PriceNotPositive);
    }
    let after = finite(match shock {
        Shock::Share(share) => price * (1.0 + share),
        Shock::Amount(amount) => price + amount,
        Shock::Volatility(share) => {
            price * (1.0 - normal_quantile(SHOCK_CONFIDENCE) * deviation? * (1.0 + share))
        }
    })?;
    let change = after - price;
    let change_share = finite(change / price)?;
    let days = deviation.and_then(|deviation| recovery_days(-change_share, deviation));
    Ok(StressedPrice {
        price: after,
        change,
        change_share,
        recovery_days: days.ok().filter(|_| change < 0.0),
    })
}

/// Days in which a price that has lost this share is back with a probability of one half, when its
/// logarithm moves at random without a drift: (d / (z(0.75) deviation))^2 with d = -ln(1 - share),
/// rounded up. The mean of that time is infinite; its median is not.
///
/// By the reflection principle: I. Karatzas, S. E. Shreve, *Brownian Motion and Stochastic Calculus*
/// (1991), section 2.6.
///
/// # Errors
/// [`Missing::NoVariance`] where nothing moves; [`Missing::PriceNotPositive`] where all was lost.
pub fn recovery_days(loss_share: f64, deviation: f64) -> Measured<u64> {
    if loss_share >= 1.0 {
        return Err(Missing::PriceNotPositive);
    }
    if deviation <= 0.0 {
        return Err(Missing::NoVariance);
    }
    let distance = -(-loss_share).ln_1p();
    let days = (distance / (normal_quantile(0.75) * deviation)).powi(2);
    Ok(finite(days)?.ceil().max(1.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shock_changes_the_price_in_its_own_way() {
        let after = |shock| stressed(200.0, shock, Ok(0.01)).unwrap();
        let fall = after(Shock::Share(-0.25));
        assert_eq!(
            (fall.price, fall.change, fall.change_share),
            (150.0, -50.0, -0.25)
        );
        assert_eq!(after(Shock::Amount(-7.0)).price, 193.0);
        // 1.6449 deviations of 1.5 %.
        let wide = after(Shock::Volatility(0.5));
        assert!((wide.change_share + 0.024_672_8).abs() < 1e-6, "{wide:?}");
        assert_eq!(after(Shock::Share(0.1)).recovery_days, None);
        let few = Err(Missing::NotEnough {
            needed: 3,
            given: 1,
        });
        assert_eq!(
            stressed(200.0, Shock::Share(-0.1), few)
                .unwrap()
                .recovery_days,
            None
        );
        assert!(stressed(200.0, Shock::Volatility(0.5), few).is_err());
        assert_eq!(
            stressed(0.0, Shock::Share(-0.1), few),
            Err(Missing::PriceNotPositive)
        );
        assert_eq!(after(Shock::Share(-1.0)).recovery_days, None);
    }

    #[test]
    fn half_of_the_random_walks_are_back_in_the_days_of_recovery() {
        use super::super::normal::Deviates;
        let (loss, deviation) = (0.05, 0.02);
        let days = recovery_days(loss, deviation).unwrap();
        let distance = -(-loss).ln_1p();
        let mut drawn = Deviates::new(11);
        let walks = 2_000;
        // Many small steps a day, for a walk between two of them may be back and gone again.
        let steps = 30;
        let step = deviation / f64::from(steps).sqrt();
        let is_back = |_: &i32| {
            let mut at = 0.0;
            (0..days * u64::from(steps as u32)).any(|_| {
                at += step * drawn.next().unwrap();
                at >= distance
            })
        };
        let share = (0..walks).filter(is_back).count() as f64 / f64::from(walks);
        assert!((share - 0.5).abs() < 0.05, "{days} days: {share}");
    }
}
