//! What a receiver made of an alert.

#[cfg(feature = "server")]
use std::time::Duration;

/// What a receiver made of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendOutcome {
    /// It has it.
    Accepted,
    /// It may be asked again.
    TryAgain {
        /// Why it was not accepted.
        reason: String,
    },
    /// It takes nothing for now, this alert or another one. Only receivers that are reached over
    /// HTTP say so.
    #[cfg(feature = "server")]
    Paused {
        /// What it said.
        reason: String,
        /// The time that it asked for.
        after: Option<Duration>,
    },
    /// It will never take it. Only receivers that are reached over HTTP say so.
    #[cfg(feature = "server")]
    Refused {
        /// Why.
        reason: String,
    },
}
