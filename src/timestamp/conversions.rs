//! Moments from and to the types of the standard library and of other crates. What is finer than
//! a microsecond is cut off, towards the past.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Timestamp;
use crate::error::{Error, Result};

/// A moment out of range when the count does not even fit.
fn of_micros(micros: i128) -> Result<Timestamp> {
    let micros = i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX });
    Timestamp::from_micros(micros)
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = Error;

    /// # Errors
    /// [`Error::Invalid`] outside the range of [`Timestamp`].
    fn try_from(at: SystemTime) -> Result<Self> {
        let nanos = match at.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos().cast_signed(),
            Err(before) => -before.duration().as_nanos().cast_signed(),
        };
        of_micros(nanos.div_euclid(1_000))
    }
}

impl TryFrom<Timestamp> for SystemTime {
    type Error = Error;

    /// # Errors
    /// [`Error::Invalid`] when the system has no such moment: Windows has none before 1601.
    fn try_from(at: Timestamp) -> Result<Self> {
        let distance = Duration::from_micros(at.micros().unsigned_abs());
        let moment = if at.micros() < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        moment.ok_or_else(|| {
            let reason = format!("the system has no moment {at}");
            Error::invalid("timestamp", reason, "use a later one")
        })
    }
}

impl TryFrom<jiff::Timestamp> for Timestamp {
    type Error = Error;

    /// # Errors
    /// [`Error::Invalid`] outside the range of [`Timestamp`].
    fn try_from(at: jiff::Timestamp) -> Result<Self> {
        of_micros(at.as_nanosecond().div_euclid(1_000))
    }
}

impl From<Timestamp> for jiff::Timestamp {
    fn from(at: Timestamp) -> Self {
        let nanos = i32::try_from(at.micros().rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        // Every `Timestamp` is in jiff's range. By seconds: as microseconds, its last second is not.
        Self::new(at.micros().div_euclid(1_000_000), nanos).unwrap_or_default()
    }
}

#[cfg(feature = "chrono")]
impl<Z: chrono::TimeZone> TryFrom<chrono::DateTime<Z>> for Timestamp {
    type Error = Error;

    /// # Errors
    /// [`Error::Invalid`] outside the range of [`Timestamp`].
    fn try_from(at: chrono::DateTime<Z>) -> Result<Self> {
        Self::from_micros(at.timestamp_micros())
    }
}

#[cfg(feature = "chrono")]
impl From<Timestamp> for chrono::DateTime<chrono::Utc> {
    fn from(at: Timestamp) -> Self {
        // chrono's years reach far beyond those of every `Timestamp`.
        Self::from_timestamp_micros(at.micros()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment() -> impl Strategy<Value = Timestamp> {
        (Timestamp::MIN.micros()..=Timestamp::MAX.micros())
            .prop_map(|micros| Timestamp::from_micros(micros).unwrap())
    }

    proptest! {
        #[test]
        fn a_moment_comes_back_from_each_type(at in moment()) {
            prop_assert_eq!(Timestamp::try_from(jiff::Timestamp::from(at)).unwrap(), at);
            #[cfg(unix)]
            prop_assert_eq!(Timestamp::try_from(SystemTime::try_from(at).unwrap()).unwrap(), at);
            #[cfg(feature = "chrono")]
            prop_assert_eq!(Timestamp::try_from(chrono::DateTime::<chrono::Utc>::from(at)).unwrap(), at);
        }
    }

    #[test]
    fn finer_digits_are_cut_off_towards_the_past() {
        for (nanos, micros) in [(1_999, 1), (-1, -1), (-1_000, -1), (-1_001, -2)] {
            let at = jiff::Timestamp::from_nanosecond(nanos).unwrap();
            assert_eq!(Timestamp::try_from(at).unwrap().micros(), micros, "{nanos}");
            let distance = Duration::from_nanos(nanos.unsigned_abs().try_into().unwrap());
            let system = if nanos < 0 {
                UNIX_EPOCH - distance
            } else {
                UNIX_EPOCH + distance
            };
            assert_eq!(
                Timestamp::try_from(system).unwrap().micros(),
                micros,
                "{nanos}"
            );
            #[cfg(feature = "chrono")]
            {
                let at = chrono::DateTime::from_timestamp_nanos(nanos.try_into().unwrap());
                assert_eq!(Timestamp::try_from(at).unwrap().micros(), micros, "{nanos}");
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert!(Timestamp::try_from(jiff::Timestamp::MIN).is_err());
        let last = Timestamp::try_from(jiff::Timestamp::MAX).unwrap();
        assert_eq!(last, Timestamp::MAX, "jiff ends with the same microsecond");
        let far = UNIX_EPOCH + Duration::from_secs(1_000_000_000_000);
        assert!(Timestamp::try_from(far).is_err());
        #[cfg(feature = "chrono")]
        assert!(Timestamp::try_from(chrono::DateTime::<chrono::Utc>::MAX_UTC).is_err());
    }
}
