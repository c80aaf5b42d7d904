//! Positions in the write-ahead log of a PostgreSQL server, and the one that reads on replicas must
//! have reached. It asks no server.

use std::fmt;
use std::str::FromStr;
#[cfg(feature = "postgres")]
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// A position in the write-ahead log of a PostgreSQL server (its log sequence number, LSN): a replica
/// that has replayed the log up to it shows all that was committed before it. Its text is that of
/// PostgreSQL's `pg_lsn`, `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(u64);

impl LogPosition {
    /// The byte of the log.
    #[must_use]
    pub const fn byte(self) -> u64 {
        self.0
    }

    #[cfg(feature = "postgres")]
    pub(super) const fn of_byte(byte: u64) -> Self {
        Self(byte)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for LogPosition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let half = |digits: &str| {
            let is_hex = (1..=8).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex
                .then(|| u64::from_str_radix(digits, 16).ok())
                .flatten()
        };
        let parts = text.split_once('/');
        let halves = parts.and_then(|(high, low)| Some((half(high)?, half(low)?)));
        match halves {
            Some((high, low)) => Ok(Self(high << 32 | low)),
            None => Err(Error::invalid(
                "log position",
                "it is not two hexadecimal numbers with a slash between them",
                "send it as an answer of the server gave it",
            )),
        }
    }
}

/// The position that reads on replicas must have reached: behind all that this process has committed.
/// It only rises.
///
/// A commit whose position could not be asked for is lost: until the primary is asked again, no replica
/// is known to have it.
#[cfg(feature = "postgres")]
#[derive(Debug)]
pub(super) struct RequiredPosition {
    greatest: AtomicU64,
    /// Commits whose positions are not known, since the start; the start is one, as nobody has asked.
    lost: AtomicU64,
    /// How many of them lie before `greatest`.
    covered: AtomicU64,
}

/// The commits that were lost before the primary was asked.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Copy)]
pub(super) struct LostBefore(u64);

#[cfg(feature = "postgres")]
impl Default for RequiredPosition {
    fn default() -> Self {
        Self {
            greatest: AtomicU64::new(0),
            lost: AtomicU64::new(1),
            covered: AtomicU64::new(0),
        }
    }
}

#[cfg(feature = "postgres")]
impl RequiredPosition {
    /// What a replica must have replayed; `None` while that is not known.
    pub(super) fn get(&self) -> Option<LogPosition> {
        // In the order in which an answer writes: who finds it covered finds its position, too.
        let covered = self.covered.load(Ordering::Acquire);
        let is_known = covered >= self.lost.load(Ordering::Acquire);
        is_known.then(|| LogPosition(self.greatest.load(Ordering::Acquire)))
    }

    /// Something was committed, or may be, and where is not known.
    pub(super) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::AcqRel);
    }

    /// To be called before the primary is asked for its position.
    pub(super) fn asking(&self) -> LostBefore {
        LostBefore(self.lost.load(Ordering::Acquire))
    }

    /// The primary, asked after `before`, was at this position.
    pub(super) fn answered(&self, before: LostBefore, position: LogPosition) {
        self.raise(position);
        self.covered.fetch_max(before.0, Ordering::AcqRel);
    }

    /// Reads must have reached this position.
    pub(super) fn raise(&self, position: LogPosition) {
        self.greatest.fetch_max(position.0, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        for text in ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "0/1"] {
            assert_eq!(text.parse::<LogPosition>().unwrap().to_string(), text);
        }
        assert_eq!(
            "1/0a".parse::<LogPosition>().unwrap().byte(),
            (1 << 32) + 10
        );
        for text in [
            "",
            "/",
            "0",
            "0/",
            "/0",
            "0/g",
            "0/000000000",
            "+1/0",
            "0/0/0",
            "-1/2",
        ] {
            let refused = text.parse::<LogPosition>().unwrap_err().to_string();
            assert!(refused.contains("hexadecimal"), "{text}: {refused}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_lost_commit_is_found_by_the_next_question_and_by_none_before() {
        let required = RequiredPosition::default();
        assert_eq!(required.get(), None, "nobody has asked");
        let first = required.asking();
        required.lose();
        required.answered(first, LogPosition(10));
        assert_eq!(required.get(), None, "it was lost after the question");
        required.answered(required.asking(), LogPosition(20));
        assert_eq!(required.get(), Some(LogPosition(20)));
        required.raise(LogPosition(30));
        required.answered(required.asking(), LogPosition(25));
        assert_eq!(required.get(), Some(LogPosition(30)), "it only rises");
    }
}
