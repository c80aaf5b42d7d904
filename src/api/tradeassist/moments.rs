//! Moments as the original writes them: Python's `isoformat` of a moment without an offset, which
//! is UTC. The fraction has six digits, or is left out where it is 0.

use serde::{Serialize, Serializer};

use crate::timestamp::Timestamp;

/// A moment without an offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct NaiveMoment(pub(super) Timestamp);

impl std::fmt::Display for NaiveMoment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        let naive = text.trim_end_matches('Z');
        f.write_str(naive.strip_suffix(".000000").unwrap_or(naive))
    }
}

impl Serialize for NaiveMoment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_has_six_digits_or_none() {
        for (utc, naive) in [
            ("2013-09-01T17:00:00Z", "2013-09-01T17:00:00"),
            ("2013-09-01T17:00:00.083Z", "2013-09-01T17:00:00.083000"),
        ] {
            let moment: Timestamp = utc.parse().unwrap();
            assert_eq!(NaiveMoment(moment).to_string(), naive);
        }
    }
}
