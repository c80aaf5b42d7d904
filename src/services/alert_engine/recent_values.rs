//! A tape: the newest values of a stream, under positions that never change.
//!
//! What a batch appends can be taken off again; what is old is dropped only when the caller says
//! that nothing will go back to it.

use std::collections::VecDeque;

/// Values under the positions `start()..end()`.
#[derive(Debug, Clone)]
pub(super) struct RecentValues<T> {
    values: VecDeque<T>,
    start: u64,
}

impl<T> Default for RecentValues<T> {
    fn default() -> Self {
        Self {
            values: VecDeque::new(),
            start: 0,
        }
    }
}

impl<T: Copy> RecentValues<T> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.values.len() as u64
    }

    pub(super) fn push(&mut self, value: T) {
        self.values.push_back(value);
    }

    pub(super) fn last(&self) -> Option<T> {
        self.values.back().copied()
    }

    /// The value at a position, if it is on the tape.
    pub(super) fn get(&self, position: u64) -> Option<T> {
        let index = usize::try_from(position.checked_sub(self.start)?).ok()?;
        self.values.get(index).copied()
    }

    /// The value `back` places before the newest, which is 0 back.
    pub(super) fn back(&self, back: usize) -> Option<T> {
        let index = self.values.len().checked_sub(back + 1)?;
        self.values.get(index).copied()
    }

    /// The first position whose value is past those that `before` holds of; they come first.
    pub(super) fn partition_point(&self, before: impl FnMut(&T) -> bool) -> u64 {
        self.start + self.values.partition_point(before) as u64
    }

    /// Takes off what was appended after `end` was the end.
    pub(super) fn take_off_from(&mut self, end: u64) {
        let kept = usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.values.truncate(kept);
    }

    /// Drops what is before a position.
    pub(super) fn drop_before(&mut self, position: u64) {
        let count = usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let count = count.min(self.values.len());
        self.values.drain(..count);
        self.start += count as u64;
    }

    /// Drops all but the newest `count`.
    pub(super) fn keep_newest(&mut self, count: usize) {
        self.drop_before(self.end().saturating_sub(count as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_whatever_is_dropped_and_taken_off() {
        let mut tape = RecentValues::default();
        (0..5).for_each(|n| tape.push(n));
        tape.keep_newest(3);
        assert_eq!((tape.start(), tape.end(), tape.len()), (2, 5, 3));
        assert_eq!(
            [tape.get(1), tape.get(2), tape.get(5)],
            [None, Some(2), None]
        );
        let end = tape.end();
        tape.push(9);
        tape.take_off_from(end);
        assert_eq!(
            [tape.last(), tape.back(2), tape.back(3)],
            [Some(4), Some(2), None]
        );
        assert_eq!(tape.partition_point(|n| *n < 4), 4);
        tape.drop_before(100);
        assert_eq!((tape.start(), tape.end(), tape.last()), (5, 5, None));
    }
}
