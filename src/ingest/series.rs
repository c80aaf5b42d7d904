//! The rows of one instrument and source within a feed: their numbers, and keys that repeat.

use std::collections::HashSet;
use std::sync::Arc;

use super::feed_survey::FeedSurvey;
use super::occurrence::Occurrences;
use crate::timestamp::Timestamp;

/// The origin of the ticks' sequences.
#[derive(Debug)]
pub(super) enum Numbering {
    /// A column: a row without a number is refused.
    Column,
    /// A field that a row may have; the writer gives others the next free number.
    Optional,
    /// The rows of a stamp are counted from the top of the file.
    Downwards,
    /// The rows of a stamp are counted from the bottom, because the file runs from the newest row
    /// to the oldest; the survey has counted them.
    Upwards(Arc<FeedSurvey>),
}

impl Numbering {
    pub(super) const fn is_upwards(&self) -> bool {
        matches!(self, Self::Upwards(_))
    }
}

/// The rows of one instrument and source that were read.
#[derive(Debug, Default)]
pub(super) struct FeedSeries {
    pub(super) rows: Occurrences,
    /// The numbers of the last stamp's rows.
    numbers: HashSet<i64>,
    last: Option<Timestamp>,
}

impl FeedSeries {
    /// True when a row above with the same stamp has the same number. Rows of one stamp stand
    /// together in files of trades: only those are compared, so that memory does not grow.
    pub(super) fn repeats(&mut self, at: Timestamp, number: i64) -> bool {
        if self.last != Some(at) {
            self.last = Some(at);
            self.numbers.clear();
        }
        !self.numbers.insert(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_repeats_within_its_stamp_alone() {
        let mut series = FeedSeries::default();
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let seen = [(1, 7), (1, 8), (1, 7), (2, 7), (2, 7), (3, 7)]
            .map(|(micros, number)| series.repeats(at(micros), number));
        assert_eq!(seen, [false, false, true, false, true, false]);
    }
}
