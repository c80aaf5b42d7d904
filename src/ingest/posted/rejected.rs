//! The rows of a posted text that break a rule: all are counted, the first are named.

/// Rows that are named.
const NAMED_MAX: usize = 100;
/// Characters of a reason: some repeat what was sent.
const REASON_CHARS_MAX: usize = 500;

/// Rows that break a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectedRows {
    first: Vec<(usize, String)>,
    count: usize,
}

impl RejectedRows {
    /// Adds a row by its place in the text.
    pub fn push(&mut self, index: usize, reason: impl FnOnce() -> String) {
        self.count += 1;
        let is_among_first = self.first.last().is_none_or(|(last, _)| index < *last);
        if self.first.len() < NAMED_MAX || is_among_first {
            let after = self.first.partition_point(|(before, _)| *before < index);
            self.first.insert(after, (index, shortened(reason())));
            self.first.truncate(NAMED_MAX);
        }
    }

    /// The number of them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first 100 by their places from 0, with the rule that each breaks.
    #[must_use]
    pub fn first(&self) -> &[(usize, String)] {
        &self.first
    }
}

fn shortened(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(REASON_CHARS_MAX) {
        reason.truncate(end);
        reason.push_str("...");
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_are_named_in_whatever_order_they_come() {
        let mut rejected = RejectedRows::default();
        for index in (50..1_000).chain(0..50) {
            rejected.push(index, || format!("reason {index}"));
        }
        assert_eq!(rejected.count(), 1_000);
        let named: Vec<usize> = rejected.first().iter().map(|(index, _)| *index).collect();
        assert_eq!(named, (0..100).collect::<Vec<_>>());
        assert_eq!(rejected.first()[7].1, "reason 7");
    }

    #[test]
    fn a_reason_does_not_repeat_all_that_was_sent() {
        let mut rejected = RejectedRows::default();
        rejected.push(0, || "é".repeat(1_000_000));
        assert_eq!(rejected.first()[0].1.chars().count(), REASON_CHARS_MAX + 3);
    }
}
