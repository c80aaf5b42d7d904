//! How many bars there are of each frequency.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::soft_delete::SoftDeletable;
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

/// The active bars of a frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrequencyCount {
    /// Length of their periods.
    pub frequency: Frequency,
    /// The number of bars.
    pub bars: i64,
    /// The number of instruments that have them.
    pub instruments: i64,
    /// Start of the oldest one.
    pub first: Option<Timestamp>,
    /// Start of the newest one.
    pub last: Option<Timestamp>,
}

/// Frequency, bars, oldest and newest one, of one instrument.
type BarCountRow = (Frequency, i64, Option<Timestamp>, Option<Timestamp>);

/// By instrument, too, as the index is: the groups come one after the other, or are few enough to
/// be kept. By frequency alone every bar is sorted.
macro_rules! counts_query {
    () => {
        market_data_bars::table
            .active()
            .group_by((market_data_bars::instrument_id, market_data_bars::frequency))
            .select((
                market_data_bars::frequency,
                diesel::dsl::count_star(),
                diesel::dsl::min(market_data_bars::timestamp),
                diesel::dsl::max(market_data_bars::timestamp),
            ))
    };
}

/// The active bars by frequency, shortest first; a frequency without bars is absent. It goes
/// through the index of all of them.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn frequency_counts(conn: &mut BackendConnection<'_>) -> Result<Vec<FrequencyCount>> {
    let parts: Vec<BarCountRow> = crate::on_backend!(conn, |c| counts_query!().load(c))?;
    let mut counts = BTreeMap::<Frequency, FrequencyCount>::new();
    for (frequency, bars, first, last) in parts {
        let count = counts.entry(frequency).or_insert(FrequencyCount {
            frequency,
            bars: 0,
            instruments: 0,
            first,
            last,
        });
        count.bars += bars;
        count.instruments += 1;
        count.first = count.first.min(first);
        count.last = count.last.max(last);
    }
    Ok(counts.into_values().collect())
}
#[cfg(test)]
pub(super) use counts_query;
