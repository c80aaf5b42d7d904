//! Bounds that reads share: of time, and of the rows of a page. No SQL.

use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// `start` (included) to `end` (excluded) as bounds that SQL can compare: the first moment and the
/// last one. The end is excluded so that neighbouring ranges share no row.
///
/// # Errors
/// [`Error::Invalid`] for a start after the end.
pub(crate) fn moments(
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> Result<(Timestamp, Timestamp)> {
    if let (Some(start), Some(end)) = (start, end)
        && start > end
    {
        return Err(Error::invalid(
            "start",
            format!("{start} is after end, {end}"),
            "give a start that is not after the end",
        ));
    }
    let last = end.map_or(Timestamp::MAX, |end| end.saturating_add_micros(-1));
    Ok((start.unwrap_or(Timestamp::MIN), last))
}

/// The limit of a page with one row more, which tells whether there is another page.
///
/// # Errors
/// [`Error::Invalid`] for a limit of 0 or above `max`.
pub(crate) fn probe(limit: usize, max: usize) -> Result<i64> {
    Ok(rows(limit, max)?.saturating_add(1))
}

/// A number of rows, as SQL takes it.
///
/// # Errors
/// As [`probe`].
pub(crate) fn rows(limit: usize, max: usize) -> Result<i64> {
    if limit == 0 || limit > max {
        return Err(Error::invalid(
            "limit",
            format!("{limit} is not in 1..={max}"),
            "ask for fewer rows and follow the cursor",
        ));
    }
    Ok(i64::try_from(limit).unwrap_or(i64::MAX))
}
