//! The connections that are lent, and to which operations: what is held for long is found by looking,
//! so that lending costs two stores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A connection that is held for longer than it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldConnection {
    /// The operation that holds it.
    pub op: &'static str,
    /// For how long it has.
    pub held: Duration,
}

/// The places of all that may be lent at once.
#[derive(Debug)]
pub(super) struct Loans {
    /// Whom each place is given to; guarded by the lock of the counts.
    places: Vec<Option<Loan>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Loan {
    op: &'static str,
    /// Whether it was found to be held for too long.
    found: bool,
}

/// When the connection of each place was lent, in microseconds since a moment; 0 before it is.
#[derive(Debug)]
pub(super) struct LentMoments {
    since: Instant,
    micros: Box<[AtomicU64]>,
}

impl Loans {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: std::iter::repeat_with(|| None).take(capacity).collect(),
            free: (0..capacity).rev().collect(),
        }
    }

    /// A place for a caller of this operation; none is free only when more have permits than there
    /// are.
    pub(super) fn take(&mut self, op: &'static str) -> Option<usize> {
        let place = self.free.pop()?;
        self.places[place] = Some(Loan { op, found: false });
        Some(place)
    }

    pub(super) fn give_back(&mut self, place: usize) {
        self.places[place] = None;
        self.free.push(place);
    }

    /// What is held for at least so long, longest first; with each, whether that is found for the
    /// first time.
    pub(super) fn held(
        &mut self,
        moments: &LentMoments,
        at_least: Duration,
        finds: bool,
    ) -> Vec<(HeldConnection, bool)> {
        let mut held = Vec::new();
        for (place, loan) in self.places.iter_mut().enumerate() {
            let (Some(loan), Some(time)) = (loan, moments.held(place)) else {
                continue;
            };
            if time >= at_least {
                let is_new = finds && !std::mem::replace(&mut loan.found, true);
                let connection = HeldConnection {
                    op: loan.op,
                    held: time,
                };
                held.push((connection, is_new));
            }
        }
        held.sort_unstable_by_key(|(connection, _)| std::cmp::Reverse(connection.held));
        held
    }
}

impl LentMoments {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            since: Instant::now(),
            micros: std::iter::repeat_with(AtomicU64::default)
                .take(capacity)
                .collect(),
        }
    }

    pub(super) fn lent(&self, place: usize, at: Instant) {
        let micros = at.saturating_duration_since(self.since).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX).max(1);
        self.micros[place].store(micros, Ordering::Relaxed);
    }

    pub(super) fn back(&self, place: usize) {
        self.micros[place].store(0, Ordering::Relaxed);
    }

    fn held(&self, place: usize) -> Option<Duration> {
        match self.micros[place].load(Ordering::Relaxed) {
            0 => None,
            micros => {
                let lent = self.since + Duration::from_micros(micros);
                Some(lent.elapsed())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_named_and_found_once_and_its_place_is_used_again() {
        let (mut loans, moments) = (Loans::new(2), LentMoments::new(2));
        let (first, second) = (loans.take("a").unwrap(), loans.take("b").unwrap());
        assert_eq!(loans.take("c"), None);
        moments.lent(second, Instant::now());
        let find = |loans: &mut Loans, finds| {
            let held = loans.held(&moments, Duration::ZERO, finds);
            held.iter()
                .map(|(it, new)| (it.op, *new))
                .collect::<Vec<_>>()
        };
        // The first one still waits for its connection.
        assert_eq!(find(&mut loans, false), [("b", false)]);
        assert_eq!(find(&mut loans, true), [("b", true)]);
        moments.lent(first, Instant::now());
        assert_eq!(find(&mut loans, true), [("b", false), ("a", true)]);
        assert_eq!(loans.held(&moments, Duration::from_secs(60), true), []);
        moments.back(second);
        loans.give_back(second);
        assert_eq!(find(&mut loans, true), [("a", false)]);
        assert_eq!(loans.take("d"), Some(second));
    }
}
