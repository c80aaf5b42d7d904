//! The occurrence number of a row within its stamp, over the whole file.
//!
//! A file in time order, rising or falling, costs about four bytes per distinct stamp: the
//! counts are appended to a log of differences, and searched only when a stamp comes back out of
//! order. Only those are kept in a hash map.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::timestamp::Timestamp;

/// Stamps between two entries of the log's index: what a search scans at most.
// A search scans about a kilobyte; the index adds a tenth of a byte per stamp.
const INDEX_STAMPS: usize = 256;

/// Counts rows per stamp.
#[derive(Debug, Default)]
pub(super) struct Occurrences {
    /// 1 for a file that rises, -1 for one that falls, 0 until the second stamp is seen.
    direction: i64,
    /// The newest stamp in the file's direction, with the rows counted there.
    head: Option<(i64, i64)>,
    log: Log,
    /// Rows at stamps before the head that came after it.
    late: HashMap<i64, i64>,
}

impl Occurrences {
    /// Counts a row, and returns how many of its stamp came before: 0 for the first.
    pub(super) fn next(&mut self, timestamp: Timestamp) -> i64 {
        let micros = timestamp.micros();
        let Some((head, count)) = self.head else {
            self.head = Some((micros, 1));
            return 0;
        };
        if self.direction == 0 && micros != head {
            self.direction = if micros > head { 1 } else { -1 };
            self.head = Some((head * self.direction, count));
            return self.advance(micros * self.direction);
        }
        if self.direction == 0 {
            self.advance(micros)
        } else {
            self.advance(micros * self.direction)
        }
    }

    /// Returns how many rows of this stamp came so far.
    pub(super) fn count(&self, timestamp: Timestamp) -> i64 {
        let Some((head, count)) = self.head else {
            return 0;
        };
        let position = match self.direction {
            0 => timestamp.micros(),
            direction => timestamp.micros() * direction,
        };
        if position == head {
            return count;
        }
        let late = self.late.get(&position).copied();
        late.unwrap_or_else(|| self.log.count(position))
    }

    /// `position` is the stamp, in the direction in which the file runs.
    fn advance(&mut self, position: i64) -> i64 {
        let (head, count) = self.head.unwrap_or((position, 0));
        if position == head {
            self.head = Some((head, count + 1));
            return count;
        }
        if position > head {
            self.log.push(head, count);
            self.head = Some((position, 1));
            return 0;
        }
        let log = &self.log;
        let counted = match self.late.entry(position) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(log.count(position)),
        };
        *counted += 1;
        *counted - 1
    }
}

/// (position, count) pairs in rising order, as variable-length differences.
#[derive(Debug, Default)]
struct Log {
    bytes: Vec<u8>,
    last: i64,
    pairs: usize,
    /// The position of every [`INDEX_STAMPS`]-th pair, the one before it, and where it starts.
    index: Vec<(i64, i64, usize)>,
}

impl Log {
    fn push(&mut self, position: i64, count: i64) {
        if self.pairs.is_multiple_of(INDEX_STAMPS) {
            self.index.push((position, self.last, self.bytes.len()));
        }
        // Positions rise, but for the first, which may lie anywhere: wrapping keeps it exact.
        write_varint(&mut self.bytes, position.wrapping_sub(self.last) as u64);
        write_varint(&mut self.bytes, count as u64);
        self.last = position;
        self.pairs += 1;
    }

    /// The count pushed for a position; 0 if there is none.
    fn count(&self, position: i64) -> i64 {
        let after = self.index.partition_point(|(first, ..)| *first <= position);
        let Some((_, before, start)) = after.checked_sub(1).and_then(|block| self.index.get(block))
        else {
            return 0;
        };
        let mut at = *before;
        let mut rest = self.bytes.get(*start..).unwrap_or_default();
        while !rest.is_empty() {
            at = at.wrapping_add(read_varint(&mut rest) as i64);
            let count = read_varint(&mut rest) as i64;
            if at == position {
                return count;
            }
            if at > position {
                break;
            }
        }
        0
    }
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift >= 64 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(stamps: &[i64]) -> Vec<i64> {
        let mut occurrences = Occurrences::default();
        let stamps = stamps
            .iter()
            .map(|micros| Timestamp::from_micros(*micros).unwrap());
        stamps.map(|stamp| occurrences.next(stamp)).collect()
    }

    /// The plain definition.
    fn expected(stamps: &[i64]) -> Vec<i64> {
        let mut counts: HashMap<i64, i64> = HashMap::new();
        stamps
            .iter()
            .map(|stamp| {
                let count = counts.entry(*stamp).or_default();
                *count += 1;
                *count - 1
            })
            .collect()
    }

    #[test]
    fn stamps_that_come_back_are_counted_on() {
        assert_eq!(
            number(&[5, 5, 7, 5, 7, 9, 5, 6, 6]),
            [0, 1, 0, 2, 1, 0, 3, 0, 1]
        );
    }

    #[test]
    fn rows_of_a_stamp_are_counted_wherever_it_stands() {
        for stamps in [
            &[5, 5, 7, 5, 7, 9, 5, 6, 6][..],
            &[9, 8, 8, 9, 7, 7, 7],
            &[4, 4],
            &[],
        ] {
            let mut occurrences = Occurrences::default();
            for micros in stamps {
                occurrences.next(Timestamp::from_micros(*micros).unwrap());
            }
            for micros in 0..10 {
                let expected = stamps.iter().filter(|stamp| **stamp == micros).count();
                let stamp = Timestamp::from_micros(micros).unwrap();
                assert_eq!(
                    occurrences.count(stamp),
                    expected as i64,
                    "{micros} in {stamps:?}"
                );
            }
        }
    }

    #[test]
    fn a_falling_file_needs_no_hash_map() {
        let mut occurrences = Occurrences::default();
        for micros in (0..10_000).rev() {
            assert_eq!(occurrences.next(Timestamp::from_micros(micros).unwrap()), 0);
        }
        assert!(occurrences.late.is_empty());
        assert!(occurrences.log.bytes.len() < 25_000);
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_a_plain_map(
            stamps in proptest::collection::vec(-40i64..40, 0..400)
        ) {
            prop_assert_eq!(number(&stamps), expected(&stamps));
        }

        #[test]
        fn long_files_with_some_disorder_are_numbered_the_same(
            steps in proptest::collection::vec(-900i64..1000, 0..3000), start in -5_000i64..5_000,
        ) {
            let mut at = start;
            let stamps: Vec<i64> = steps.iter().map(|step| { at += step / 100; at }).collect();
            prop_assert_eq!(number(&stamps), expected(&stamps));
        }

        #[test]
        fn far_stamps_are_numbered_the_same(
            stamps in proptest::collection::vec(
                prop_oneof![Just(Timestamp::MIN.micros()), Just(Timestamp::MAX.micros()), -2i64..2],
                0..50,
            )
        ) {
            prop_assert_eq!(number(&stamps), expected(&stamps));
        }
    }
}
