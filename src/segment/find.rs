//! Finds ticks by their keys.

use super::metadata::Segment;
use super::read::{SegmentRows, WantedColumns};
use super::{SegmentBytes, SegmentKey, SegmentTick};
use crate::error::Result;
use crate::timestamp::Timestamp;

impl Segment {
    /// The ticks of some keys, which ascend; in their order, `None` for those that are not there.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when the file is damaged; those of the bytes.
    pub fn find(
        &self,
        bytes: &mut dyn SegmentBytes,
        keys: &[SegmentKey],
    ) -> Result<Vec<Option<SegmentTick>>> {
        debug_assert!(keys.is_sorted(), "keys are looked up in one pass");
        let moments: Vec<i64> = keys.iter().map(|(moment, ..)| moment.micros()).collect();
        let mut found = vec![None; keys.len()];
        for span in self.spans_of(&moments) {
            let rows = self.read_span(bytes, &span, WantedColumns::KEYS)?;
            let (Some(first), Some(last)) = (rows.moments.first(), rows.moments.last()) else {
                continue;
            };
            let from = moments.partition_point(|moment| moment < first);
            let to = moments.partition_point(|moment| moment <= last);
            let keys = (from..).zip(keys.get(from..to).unwrap_or_default());
            let there: Vec<(usize, usize)> = keys
                .filter_map(|(at, key)| Some((at, rows.row_of(*key)?)))
                .collect();
            // Most late ticks are new: values are read where a key is there, from the first such row on.
            let (Some((_, first)), Some((_, last))) = (there.first(), there.last()) else {
                continue;
            };
            let (first, last) = (*first, *last);
            let span = span.part(first..last + 1);
            let values = self.read_values(bytes, &span)?;
            for (at, row) in there {
                if let (Some(place), Some(key)) = (found.get_mut(at), rows.key(row)) {
                    let value = |of: &Vec<Option<f64>>| of.get(row - first).copied().flatten();
                    let (timestamp, source_id, sequence) = key;
                    *place = Some(SegmentTick {
                        timestamp,
                        source_id,
                        sequence,
                        values: values.each_ref().map(value),
                    });
                }
            }
        }
        Ok(found)
    }
}

impl Segment {
    /// The last sequence of each moment and source, which ascend; `None` of those that it has no tick of.
    ///
    /// # Errors
    /// As [`Segment::find`].
    pub(crate) fn last_sequences(
        &self,
        bytes: &mut dyn SegmentBytes,
        stamps: &[(Timestamp, i64)],
    ) -> Result<Vec<Option<i64>>> {
        debug_assert!(stamps.is_sorted(), "stamps are looked up in one pass");
        let moments: Vec<i64> = stamps.iter().map(|(moment, _)| moment.micros()).collect();
        let mut last = vec![None; stamps.len()];
        for span in self.spans_of(&moments) {
            let rows = self.read_span(bytes, &span, WantedColumns::KEYS)?;
            let keys = (0..rows.len()).filter_map(|row| rows.key(row));
            for (moment, source, sequence) in keys {
                if let Ok(at) = stamps.binary_search(&(moment, source))
                    && let Some(last) = last.get_mut(at)
                {
                    *last = Some(sequence).max(*last);
                }
            }
        }
        Ok(last)
    }
}

impl SegmentRows {
    /// The row of a key.
    fn row_of(&self, key: SegmentKey) -> Option<usize> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.key(middle)?.cmp(&key) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        None
    }
}
