//! Words of the archive.

use crate::domain::{Frequency, text_enum};
use crate::timestamp::Timestamp;

text_enum! {
    /// How far the archiving of a period is.
    pub enum SegmentState = "state" {
        /// Its file is being made; what it has of an older version is read.
        Writing = "writing",
        /// Its file is read, and the ticks that it holds are removed from the table of ticks.
        Removing = "removing",
        /// They are removed.
        Archived = "archived",
    }
}

text_enum! {
    /// How long the periods are of which a file each has the ticks of an instrument.
    pub enum ArchivePeriod = "period" {
        /// A month, in UTC.
        Month = "month",
        /// A day, in UTC: for instruments of more than some 20 million ticks a month.
        Day = "day",
    }
}

impl ArchivePeriod {
    /// Start and end of the period that holds a moment; the end belongs to the next one.
    #[must_use]
    pub fn bounds(self, at: Timestamp) -> (Timestamp, Timestamp) {
        let frequency = match self {
            Self::Month => Frequency::OneMonth,
            Self::Day => Frequency::OneDay,
        };
        (frequency.period_start(at), frequency.period_end(at))
    }
}
