//! The reason why a figure has no value.

use std::fmt;

/// A number, or why there is none.
pub type Measured<T> = std::result::Result<T, Missing>;

/// Why a figure has no value. It is an answer, not an error: nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// Fewer values than the formula takes in.
    NotEnough {
        /// The fewest that it needs.
        needed: usize,
        /// The number of them.
        given: usize,
    },
    /// Nothing varies, and the formula divides by how much it does.
    NoVariance,
    /// A price is zero or negative, so that a return from it means nothing.
    PriceNotPositive,
    /// Nothing was traded.
    NoVolume,
    /// A value is infinite or no number, or a result would be.
    NotFinite,
}

impl Missing {
    /// The word for it: `not_enough_data`, `no_variance`, `price_not_positive`, `no_volume` or
    /// `not_finite`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotEnough { .. } => "not_enough_data",
            Self::NoVariance => "no_variance",
            Self::PriceNotPositive => "price_not_positive",
            Self::NoVolume => "no_volume",
            Self::NotFinite => "not_finite",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnough { needed, given } => {
                write!(f, "it takes {needed} values, and there are {given}")
            }
            Self::NoVariance => f.write_str("nothing varies"),
            Self::PriceNotPositive => f.write_str("a price is not above zero"),
            Self::NoVolume => f.write_str("nothing was traded"),
            Self::NotFinite => f.write_str("a value is too large, or no number"),
        }
    }
}

/// The number, if it is one.
pub(super) fn finite(value: f64) -> Measured<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Missing::NotFinite)
    }
}

/// True when all of them are numbers.
pub(super) fn all_finite(values: &[f64]) -> Measured<()> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(Missing::NotFinite)
    }
}

/// True when there are as many as a formula needs.
pub(super) fn enough(given: usize, needed: usize) -> Measured<()> {
    if given < needed {
        Err(Missing::NotEnough { needed, given })
    } else {
        Ok(())
    }
}
