//! The query of a page of a range, of ticks and of bars alike. It holds no SQL.

use super::bounds;
use crate::database::Cursor;
use crate::error::Result;

/// The order of rows in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "server", derive(serde::Deserialize, utoipa::ToSchema))]
pub enum SortOrder {
    /// Oldest first.
    #[default]
    #[cfg_attr(feature = "server", serde(rename = "asc"))]
    Ascending,
    /// Newest first.
    #[cfg_attr(feature = "server", serde(rename = "desc"))]
    Descending,
}

/// The most rows that one page of a range holds.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// The query of a page of a range: of a [`TickRange`](crate::repository::market_data::TickRange)
/// or of a [`BarRange`](crate::repository::bar::BarRange), with a cursor of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeQuery<R, K> {
    /// Instrument and time, and of bars the frequency and the source.
    pub range: R,
    /// Rows of a page, 1 to [`PAGE_ROWS_MAX`].
    pub limit: usize,
    /// The order; rows of one moment follow by the rest of their keys.
    pub order: SortOrder,
    /// The place where the page continues; `None` for the first page.
    pub cursor: Option<Cursor<K>>,
}

impl<R, K: Copy> RangeQuery<R, K> {
    /// The first page of a range, oldest first.
    #[must_use]
    pub fn new(range: R, limit: usize) -> Self {
        Self {
            range,
            limit,
            order: SortOrder::Ascending,
            cursor: None,
        }
    }

    /// The number of rows to read for the page, their order, and the key behind which they begin.
    pub(super) fn plan(&self) -> Result<(i64, SortOrder, Option<K>)> {
        let rows = bounds::probe(self.limit, PAGE_ROWS_MAX)?;
        let (backwards, from) = match self.cursor {
            Some(Cursor::After(key)) => (false, Some(key)),
            Some(Cursor::Before(key)) => (true, Some(key)),
            None => (false, None),
        };
        let order = match (self.order, backwards) {
            (SortOrder::Ascending, false) | (SortOrder::Descending, true) => SortOrder::Ascending,
            _ => SortOrder::Descending,
        };
        Ok((rows, order, from))
    }
}
