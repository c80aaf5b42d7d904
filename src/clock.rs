//! The only place that reads the time of day. Durations are free to use `Instant`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::timestamp::Timestamp;

/// Tells the time of day; tests hold one that they can set.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `start` until [`Clock::set`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.micros()))))
    }

    /// The time of day, UTC, in whole microseconds.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // This is the one place.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let now = jiff::Timestamp::now().as_microsecond();
                Timestamp::from_micros_clamped(now)
            }
            Source::Manual(at) => Timestamp::from_micros_clamped(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock; a system clock stays what it is.
    pub fn set(&self, now: Timestamp) {
        if let Source::Manual(at) = &self.0 {
            at.store(now.micros(), Ordering::SeqCst);
        }
    }
}

impl Timestamp {
    /// The moment that a clock shows. Without one of your own: `Timestamp::now(&Clock::system())`,
    /// or the clock of a database, [`Database::clock`](crate::database::Database::clock).
    #[must_use]
    pub fn now(clock: &Clock) -> Self {
        clock.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_it_is_set() {
        let start = Timestamp::from_micros(1_000).unwrap();
        let clock = Clock::manual(start);
        let copy = clock.clone();
        assert_eq!(clock.now(), start);
        copy.set(Timestamp::from_micros(2_000).unwrap());
        assert_eq!(clock.now().micros(), 2_000);
    }

    #[test]
    fn the_system_clock_is_past_the_year_2024() {
        assert!(Clock::system().now().micros() > 1_704_067_200_000_000);
    }
}
