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
            let rows = self.read_span(bytes, &span, WantedColumns::ALL)?;
            let (Some(first), Some(last)) = (rows.moments.first(), rows.moments.last()) else {
                continue;
            };
            let from = moments.partition_point(|moment| moment < first);
            let to = moments.partition_point(|moment| moment <= last);
            for at in from..to {
                if let (Some(key), Some(place)) = (keys.get(at), found.get_mut(at))
                    && let Some(tick) = rows.find(*key)
                {
                    *place = Some(tick);
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
        let keys = WantedColumns {
            keys: true,
            values: [false; 9],
        };
        let moments: Vec<i64> = stamps.iter().map(|(moment, _)| moment.micros()).collect();
        let mut last = vec![None; stamps.len()];
        for span in self.spans_of(&moments) {
            let rows = self.read_span(bytes, &span, keys)?;
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
    fn find(&self, key: SegmentKey) -> Option<SegmentTick> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.key(middle)?.cmp(&key) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return self.tick(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        None
    }
}
