//! Facts about a file that take reading all of it.

use super::occurrence::Occurrences;
use super::spacing::Spacing;

/// The result of reading the whole file once.
#[derive(Debug, Default)]
pub(super) struct FeedSurvey {
    /// The rows run from the newest to the oldest.
    pub(super) downward: bool,
    /// The rows of each stamp, for each series; counted for ticks that are numbered upwards.
    pub(super) rows: Vec<Occurrences>,
    /// The distances of bars.
    pub(super) spacing: Spacing,
}
