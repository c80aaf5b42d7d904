//! Two structures over the ranks of sorted thresholds: which rules are ready to fire, and how often
//! each was matched while it was not.

use std::ops::Range;

const WORD_BITS: usize = 64;

/// A set of ranks that finds its next member in a stretch without looking at each rank: a bit for
/// each, and above it a bit for each word that has one.
#[derive(Debug, Clone)]
pub(super) struct RankSet {
    words: Vec<u64>,
    summary: Vec<u64>,
}

impl RankSet {
    /// An empty set for the ranks below `len`.
    pub(super) fn new(len: usize) -> Self {
        let words = len.div_ceil(WORD_BITS);
        Self {
            words: vec![0; words],
            summary: vec![0; words.div_ceil(WORD_BITS)],
        }
    }

    pub(super) fn set(&mut self, rank: usize, member: bool) {
        let word = rank / WORD_BITS;
        put(&mut self.words, rank, member);
        put(&mut self.summary, word, self.words[word] != 0);
    }

    /// The least member in a stretch.
    pub(super) fn first_in(&self, stretch: Range<usize>) -> Option<usize> {
        if stretch.is_empty() {
            return None;
        }
        let word = stretch.start / WORD_BITS;
        let rest = self.words[word] & (!0 << (stretch.start % WORD_BITS));
        let found = if rest == 0 {
            let word = self.next_word(word + 1)?;
            word * WORD_BITS + self.words[word].trailing_zeros() as usize
        } else {
            word * WORD_BITS + rest.trailing_zeros() as usize
        };
        (found < stretch.end).then_some(found)
    }

    /// The first word from `from` on that has a member.
    fn next_word(&self, from: usize) -> Option<usize> {
        let mut place = from / WORD_BITS;
        let mut bits = self.summary.get(place)? & (!0 << (from % WORD_BITS));
        while bits == 0 {
            place += 1;
            bits = *self.summary.get(place)?;
        }
        Some(place * WORD_BITS + bits.trailing_zeros() as usize)
    }
}

fn put(words: &mut [u64], bit: usize, on: bool) {
    let mask = 1 << (bit % WORD_BITS);
    if on {
        words[bit / WORD_BITS] |= mask;
    } else {
        words[bit / WORD_BITS] &= !mask;
    }
}

/// A count for each rank, raised for a whole stretch in logarithmic time: a Fenwick tree over the
/// differences between neighbours.
#[derive(Debug, Clone)]
pub(super) struct StretchCounts {
    differences: Vec<i64>,
}

impl StretchCounts {
    /// Zero for each rank below `len`.
    pub(super) fn new(len: usize) -> Self {
        Self {
            differences: vec![0; len + 1],
        }
    }

    /// Adds `count` to each rank of a stretch that is not empty.
    pub(super) fn add(&mut self, stretch: Range<usize>, count: i64) {
        self.step(stretch.start, count);
        self.step(stretch.end, -count);
    }

    /// Adds `difference` to each rank from this one on.
    pub(super) fn step(&mut self, rank: usize, difference: i64) {
        let mut place = rank + 1;
        while let Some(sum) = self.differences.get_mut(place) {
            *sum += difference;
            place += place & place.wrapping_neg();
        }
    }

    /// The count of a rank.
    pub(super) fn get(&self, rank: usize) -> i64 {
        let mut place = rank + 1;
        let mut count = 0;
        while place > 0 {
            count += self.differences[place];
            place &= place - 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_finds_the_least_member_of_any_stretch(
            members in prop::collection::btree_set(0..9_000_usize, 0..40),
            removed in prop::collection::vec(0..9_000_usize, 0..40),
            stretches in prop::collection::vec((0..9_000_usize, 0..9_000_usize), 20),
        ) {
            let mut set = RankSet::new(9_000);
            members.iter().for_each(|rank| set.set(*rank, true));
            removed.iter().for_each(|rank| set.set(*rank, false));
            let plain: BTreeSet<usize> =
                members.into_iter().filter(|rank| !removed.contains(rank)).collect();
            for (start, end) in stretches {
                let expected = plain.iter().find(|rank| (start..end).contains(*rank)).copied();
                prop_assert_eq!(set.first_in(start..end), expected);
            }
        }

        #[test]
        fn counts_are_those_of_a_plain_list(
            len in 1..200_usize,
            steps in prop::collection::vec((0..200_usize, 0..200_usize, -3..4_i64), 0..40),
        ) {
            let mut counts = StretchCounts::new(len);
            let mut plain = vec![0; len];
            for (a, b, count) in steps {
                let (start, end) = (a.min(b) % len, (a.max(b) % len).max(a.min(b) % len) + 1);
                counts.add(start..end, count);
                plain[start..end].iter_mut().for_each(|of| *of += count);
            }
            for (rank, expected) in plain.into_iter().enumerate() {
                prop_assert_eq!(counts.get(rank), expected);
            }
        }
    }

    #[test]
    fn a_set_of_nothing_has_no_member() {
        assert_eq!(RankSet::new(0).first_in(0..0), None);
        assert_eq!(RankSet::new(64).first_in(0..64), None);
    }
}
