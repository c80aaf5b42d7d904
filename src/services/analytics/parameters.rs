//! Parameters of formulas, checked once: with one of these in hand a formula refuses nothing.

use std::num::NonZeroU32;

use crate::domain::{Frequency, InstrumentType};
use crate::error::{Error, Result};

/// Bars that an indicator looks back on, 2 to 5,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookbackPeriod(u16);

impl LookbackPeriod {
    /// The shortest.
    pub const MIN: u16 = 2;
    /// The longest.
    pub const MAX: u16 = 5_000;

    /// A period of so many bars.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is out of range.
    pub fn new(bars: u16) -> Result<Self> {
        if (Self::MIN..=Self::MAX).contains(&bars) {
            return Ok(Self(bars));
        }
        let remedy = format!("write {} to {}", Self::MIN, Self::MAX);
        Err(Error::invalid(
            "period",
            format!("{bars} is out of range"),
            remedy,
        ))
    }

    /// One of the periods that the field uses, known to be in range.
    pub(in crate::services) const fn known(bars: u16) -> Self {
        assert!(bars >= Self::MIN && bars <= Self::MAX);
        Self(bars)
    }

    /// In bars.
    #[must_use]
    pub const fn bars(self) -> u16 {
        self.0
    }

    pub(super) fn option(self) -> i32 {
        i32::from(self.0)
    }
}

/// The probability with which a loss stays below a value at risk, 0.5 to 0.999.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// The least.
    pub const MIN: f64 = 0.5;
    /// The greatest.
    pub const MAX: f64 = 0.999;

    /// A probability.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is out of range.
    pub fn new(probability: f64) -> Result<Self> {
        if (Self::MIN..=Self::MAX).contains(&probability) {
            return Ok(Self(probability));
        }
        let remedy = format!("write {} to {}, like 0.95", Self::MIN, Self::MAX);
        let reason = format!("{probability} is out of range");
        Err(Error::invalid("confidence_level", reason, remedy))
    }

    /// One of the probabilities that the field uses, known to be in range.
    pub(in crate::services) const fn known(probability: f64) -> Self {
        assert!(probability >= Self::MIN && probability <= Self::MAX);
        Self(probability)
    }

    /// The probability.
    #[must_use]
    pub const fn probability(self) -> f64 {
        self.0
    }

    /// The probability of the tail.
    pub(super) fn tail(self) -> f64 {
        1.0 - self.0
    }
}

impl Default for Confidence {
    /// 95 %.
    fn default() -> Self {
        Self::known(0.95)
    }
}

/// Bars over which a loss may come, 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horizon(u16);

impl Horizon {
    /// The longest.
    pub const MAX: u16 = 1_000;

    /// A horizon of so many bars.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is out of range.
    pub fn new(bars: u16) -> Result<Self> {
        if (1..=Self::MAX).contains(&bars) {
            return Ok(Self(bars));
        }
        let remedy = format!("write 1 to {}", Self::MAX);
        let reason = format!("{bars} is out of range");
        Err(Error::invalid("horizon_bars", reason, remedy))
    }

    /// In bars.
    #[must_use]
    pub const fn bars(self) -> u16 {
        self.0
    }

    pub(super) fn length(self) -> f64 {
        f64::from(self.0)
    }
}

impl Default for Horizon {
    /// One bar.
    fn default() -> Self {
        Self(1)
    }
}

/// A Monte Carlo simulation: the same seed and paths give the same result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulation {
    paths: u32,
    /// The seed of its random numbers.
    pub seed: u64,
}

impl Simulation {
    /// The fewest paths.
    pub const PATHS_MIN: u32 = 1_000;
    /// The most paths: some ten milliseconds of one core.
    pub const PATHS_MAX: u32 = 100_000;

    /// So many paths from this seed.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the paths are out of range.
    pub fn new(paths: u32, seed: u64) -> Result<Self> {
        if (Self::PATHS_MIN..=Self::PATHS_MAX).contains(&paths) {
            return Ok(Self { paths, seed });
        }
        let remedy = format!("write {} to {}", Self::PATHS_MIN, Self::PATHS_MAX);
        let reason = format!("{paths} is out of range");
        Err(Error::invalid("simulations", reason, remedy))
    }

    /// The number of paths that it draws.
    #[must_use]
    pub const fn paths(self) -> u32 {
        self.paths
    }
}

impl Default for Simulation {
    /// 10,000 paths from seed 42.
    fn default() -> Self {
        Self {
            paths: 10_000,
            seed: 42,
        }
    }
}

/// Rows of a volume profile, 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets(NonZeroU32);

impl Buckets {
    /// The most.
    pub const MAX: u32 = 1_000;

    /// So many rows.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they are out of range.
    pub fn new(rows: u32) -> Result<Self> {
        match NonZeroU32::new(rows) {
            Some(rows) if rows.get() <= Self::MAX => Ok(Self(rows)),
            _ => {
                let remedy = format!("write 1 to {}", Self::MAX);
                let reason = format!("{rows} is out of range");
                Err(Error::invalid("buckets", reason, remedy))
            }
        }
    }

    pub(super) fn rows(self) -> usize {
        self.0.get() as usize
    }
}

impl Default for Buckets {
    /// 24 rows.
    fn default() -> Self {
        Self(const { NonZeroU32::new(24).unwrap() })
    }
}

/// Microseconds of a year of 365.25 days.
const YEAR_MICROS: f64 = 365.25 * 86_400e6;

/// The shortest span from which bars per year are counted: four weeks, so that each day of the
/// week is in it as often as any other.
const OBSERVED_MICROS_MIN: i64 = 28 * 86_400_000_000;

/// The number of bars in a year, which scales a figure of one bar to a year.
///
/// A variance grows with time, so a volatility of one bar is multiplied by the square root of
/// the bars of a year (Hull, *Options, Futures, and Other Derivatives*, "Estimating volatility
/// from historical data"). A series of at least four weeks tells its own number: intervals
/// between bars, divided by their span in years of 365.25 days; nights, holidays and minutes
/// without a trade are in it as they are. A shorter one may have seen no weekend; for it the
/// hours of the market count, by the type of the instrument:
///
/// | type | days of a year | hours of a day |
/// |---|---|---|
/// | equity, index, internal | 252 | 6.5 (New York Stock Exchange, 9:30 to 16:00) |
/// | future | 252 | 23 (CME Globex, 17:00 to 16:00) |
/// | fx | 260 | 24 |
/// | crypto | 365 | 24 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerYear {
    bars: f64,
    /// True when it was counted in the series, and not taken from the calendar.
    pub is_observed: bool,
}

impl PerYear {
    /// So many bars, as the caller knows.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not above zero.
    pub fn new(bars: f64) -> Result<Self> {
        if bars.is_finite() && bars > 0.0 {
            return Ok(Self {
                bars,
                is_observed: false,
            });
        }
        let remedy = "write how many bars a year has, like 252 for daily ones";
        Err(Error::invalid(
            "periods_per_year",
            format!("{bars} is none"),
            remedy,
        ))
    }

    /// Counts the bars of a year in a series, given the starts of its first and last bar.
    #[must_use]
    pub fn of(
        first_micros: i64,
        last_micros: i64,
        bars: usize,
        frequency: Frequency,
        kind: InstrumentType,
    ) -> Self {
        let span = last_micros.saturating_sub(first_micros);
        if span >= OBSERVED_MICROS_MIN && bars > 1 {
            return Self {
                bars: (bars - 1) as f64 * YEAR_MICROS / span as f64,
                is_observed: true,
            };
        }
        Self {
            bars: calendar(frequency, kind),
            is_observed: false,
        }
    }

    /// Bars of a year.
    #[must_use]
    pub const fn bars(self) -> f64 {
        self.bars
    }
}

fn calendar(frequency: Frequency, kind: InstrumentType) -> f64 {
    let (days, hours) = match kind {
        InstrumentType::Equity | InstrumentType::Index | InstrumentType::Internal => (252.0, 6.5),
        InstrumentType::Future => (252.0, 23.0),
        InstrumentType::Fx => (260.0, 24.0),
        InstrumentType::Crypto => (365.0, 24.0),
    };
    let minutes = match frequency {
        Frequency::OneMinute => 1.0,
        Frequency::FiveMinutes => 5.0,
        Frequency::FifteenMinutes => 15.0,
        Frequency::ThirtyMinutes => 30.0,
        Frequency::OneHour => 60.0,
        Frequency::FourHours => 240.0,
        Frequency::OneDay => return days,
        Frequency::OneWeek => return 365.25 / 7.0,
        Frequency::OneMonth => return 12.0,
    };
    days * hours * 60.0 / minutes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let said = |error: Error| error.to_string();
        assert_eq!(
            said(LookbackPeriod::new(1).unwrap_err()),
            "period: 1 is out of range; write 2 to 5000"
        );
        for probability in [0.49, 0.9991, f64::NAN, f64::INFINITY] {
            let refused = said(Confidence::new(probability).unwrap_err());
            assert!(refused.starts_with("confidence_level: "), "{refused}");
        }
        assert!(said(Horizon::new(0).unwrap_err()).starts_with("horizon_bars: "));
        assert!(said(Simulation::new(999, 1).unwrap_err()).starts_with("simulations: "));
        assert!(said(Buckets::new(0).unwrap_err()).starts_with("buckets: "));
        assert!(Buckets::new(1_001).is_err());
        for bars in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(said(PerYear::new(bars).unwrap_err()).starts_with("periods_per_year: "));
        }
    }

    #[test]
    fn a_long_series_tells_its_own_bars_per_year_and_a_short_one_takes_the_calendar() {
        let day = 86_400_000_000;
        let long = PerYear::of(
            0,
            3_652_500 * day / 1_000,
            2_521,
            Frequency::OneDay,
            InstrumentType::Index,
        );
        assert!(long.is_observed);
        assert!((long.bars() - 252.0).abs() < 1e-9, "{}", long.bars());
        let short = |frequency, kind| PerYear::of(0, 5 * day, 100, frequency, kind).bars();
        assert_eq!(short(Frequency::OneDay, InstrumentType::Equity), 252.0);
        assert_eq!(
            short(Frequency::OneMinute, InstrumentType::Equity),
            98_280.0
        );
        assert_eq!(short(Frequency::OneHour, InstrumentType::Future), 5_796.0);
        assert_eq!(
            short(Frequency::FiveMinutes, InstrumentType::Crypto),
            105_120.0
        );
        assert_eq!(short(Frequency::OneMonth, InstrumentType::Fx), 12.0);
    }
}
