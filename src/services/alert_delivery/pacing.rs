//! The pace of a channel: the pause that its receiver asked for, and the number of requests that
//! are tried at once after it. It sends nothing.
//!
//! A pause is of this process alone. Another one that delivers on the same channel learns of it by
//! the answer to its own next request, which costs one request for each pause; to share it, every
//! claim would have to read, and every refusal to write, a row of the channel.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::backoff;
use crate::services::lock;

/// Requests that must be accepted before one more is tried at once.
const ACCEPTED_PER_STEP: usize = 16;
/// The longest time that is added to what a receiver asks for, as a part of it: so that those who
/// were told the same moment do not all come at it.
const JITTER_MAX: f64 = 0.1;

/// The pace of a channel.
#[derive(Debug)]
pub(super) struct Pacing {
    state: Mutex<PacingState>,
    backoff_base: Duration,
    backoff_cap: Duration,
}

#[derive(Debug, Default)]
struct PacingState {
    /// When the pause ends, or ended; none before the first one.
    paused_until: Option<Instant>,
    /// Pauses since a request was accepted.
    pauses: u32,
    /// Requests that were accepted since the last pause.
    accepted: usize,
}

impl Pacing {
    pub(super) fn new(backoff_base: Duration, backoff_cap: Duration) -> Self {
        Self {
            state: Mutex::default(),
            backoff_base,
            backoff_cap,
        }
    }

    /// The time that the channel still pauses; `None` when it does not.
    pub(super) fn pause(&self) -> Option<Duration> {
        remaining(&lock(&self.state))
    }

    /// The number of requests, of `most`, that may be under way at once. The first after a pause
    /// goes alone: whether the receiver takes more than one at a time is not known yet.
    pub(super) fn at_once(&self, most: usize) -> usize {
        let state = lock(&self.state);
        match state.paused_until {
            None => most,
            Some(_) => most.min(1 + state.accepted / ACCEPTED_PER_STEP),
        }
    }

    /// Notes down that the receiver took one.
    pub(super) fn accepted(&self) {
        let mut state = lock(&self.state);
        state.pauses = 0;
        state.accepted = state.accepted.saturating_add(1);
    }

    /// Pauses the channel for what its receiver asked for, or, if it named no time, longer with each
    /// pause in a row. Returns the time until the channel goes on, and whether this began a pause:
    /// refusals of requests that were under way at once are one pause, the longest.
    pub(super) fn refused(&self, asked: Option<Duration>) -> (Duration, bool) {
        let mut state = lock(&self.state);
        let begins = remaining(&state).is_none();
        if begins {
            state.pauses = state.pauses.saturating_add(1);
        }
        state.accepted = 0;
        let wait = match asked.filter(|asked| !asked.is_zero()) {
            Some(asked) => asked.mul_f64(1.0 + JITTER_MAX * fastrand::f64()),
            None => backoff::delay(state.pauses, self.backoff_base, self.backoff_cap),
        };
        let until = Instant::now() + wait;
        let until = state.paused_until.map_or(until, |other| other.max(until));
        state.paused_until = Some(until);
        (remaining(&state).unwrap_or_default(), begins)
    }
}

fn remaining(state: &PacingState) -> Option<Duration> {
    let until = state.paused_until?;
    let remaining = until.saturating_duration_since(Instant::now());
    (!remaining.is_zero()).then_some(remaining)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn pacing() -> Pacing {
        Pacing::new(Duration::from_millis(1), Duration::from_millis(2))
    }

    #[test]
    fn a_pause_is_what_was_asked_for_and_a_little_more_and_refusals_at_once_are_one() {
        let pacing = pacing();
        assert_eq!((pacing.pause(), pacing.at_once(4)), (None, 4));
        let (wait, begins) = pacing.refused(Some(HOUR));
        assert!(begins && wait > HOUR - Duration::from_secs(9), "{wait:?}");
        assert!(wait <= HOUR.mul_f64(1.0 + JITTER_MAX), "{wait:?}");
        // Neither a shorter one nor one without a time cuts it short.
        for asked in [Some(Duration::from_secs(1)), Some(Duration::ZERO), None] {
            let (again, begins) = pacing.refused(asked);
            assert!(
                !begins && again > wait - Duration::from_secs(9),
                "{again:?}"
            );
        }
        assert!(pacing.pause().is_some_and(|left| left <= wait));
    }

    #[test]
    fn after_a_pause_requests_go_alone_until_some_were_accepted() {
        let pacing = pacing();
        pacing.refused(None);
        while pacing.pause().is_some() {
            std::thread::yield_now();
        }
        assert_eq!(pacing.at_once(4), 1);
        for _ in 0..ACCEPTED_PER_STEP {
            assert_eq!(pacing.at_once(4), 1);
            pacing.accepted();
        }
        assert_eq!(pacing.at_once(4), 2);
        (0..100).for_each(|_| pacing.accepted());
        assert_eq!(pacing.at_once(4), 4);
        pacing.refused(None);
        assert_eq!(pacing.at_once(4), 1);
    }
}
