//! How many bars there are of each frequency.

use diesel::dsl;
use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

/// The active bars of a frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct FrequencyCount {
    /// Length of their periods.
    pub frequency: Frequency,
    /// How many there are.
    pub bars: i64,
    /// Of how many instruments.
    pub instruments: i64,
    /// Start of the oldest one.
    pub first: Option<Timestamp>,
    /// Start of the newest one.
    pub last: Option<Timestamp>,
}

/// The active bars by frequency, shortest first; a frequency without bars is absent. It goes
/// through the index of all of them.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn frequency_counts(conn: &mut BackendConnection<'_>) -> Result<Vec<FrequencyCount>> {
    let active: Active<market_data_bars::table> = market_data_bars::table.active();
    let query = active.group_by(market_data_bars::frequency).select((
        market_data_bars::frequency,
        dsl::count_star(),
        dsl::count(market_data_bars::instrument_id).aggregate_distinct(),
        dsl::min(market_data_bars::timestamp),
        dsl::max(market_data_bars::timestamp),
    ));
    let mut counts: Vec<FrequencyCount> = crate::on_backend!(conn, |c| query.load(c))?;
    counts.sort_unstable_by_key(|count| count.frequency);
    Ok(counts)
}
