//! The outcome of sending an alert to its receiver.

#[cfg(feature = "server")]
use std::time::Duration;

/// The outcome of sending an alert to its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendOutcome {
    /// The receiver has the alert.
    Accepted {
        /// What it answered, if it was reached over HTTP.
        status: Option<u16>,
    },
    /// The attempt failed; another one may succeed.
    TryAgain {
        /// Why it was not accepted.
        reason: String,
    },
    /// The receiver takes nothing for now, this alert or another one. Only receivers that are
    /// reached over HTTP say so.
    #[cfg(feature = "server")]
    Paused {
        /// The receiver's words.
        reason: String,
        /// The time that it asked for.
        after: Option<Duration>,
    },
    /// The receiver will never take this alert. Only receivers that are reached over HTTP say so.
    #[cfg(feature = "server")]
    Refused {
        /// Why.
        reason: String,
    },
}
