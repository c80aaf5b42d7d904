//! Finds ticks by their keys.

use super::metadata::Segment;
use super::read::{SegmentRows, WantedColumns};
use super::{SegmentBytes, SegmentKey, SegmentTick};
use crate::error::Result;

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
