//! Conditions on the place of a tick in the order of the keys, within one instrument.

use diesel::dsl;
use diesel::prelude::*;

use super::keys::TickKey;
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// Ticks behind a key. Give the bounds of the moments besides: the planner seeks by them, and compares the
/// rest of the key row by row, among the ticks of the key's own moment.
#[dsl::auto_type(type_case = "PascalCase")]
pub(crate) fn behind_key(key: TickKey) -> _ {
    let (stamp, source, sequence): (Timestamp, i64, i64) = key.position();
    let later_sequence = market_data::source_id
        .eq(source)
        .and(market_data::sequence.gt(sequence));
    let later_source = market_data::source_id.gt(source).or(later_sequence);
    market_data::timestamp
        .gt(stamp)
        .or(market_data::timestamp.eq(stamp).and(later_source))
}

/// Ticks before a key. As [`behind_key`].
#[dsl::auto_type(type_case = "PascalCase")]
pub(crate) fn before_key(key: TickKey) -> _ {
    let (stamp, source, sequence): (Timestamp, i64, i64) = key.position();
    let earlier_sequence = market_data::source_id
        .eq(source)
        .and(market_data::sequence.lt(sequence));
    let earlier_source = market_data::source_id.lt(source).or(earlier_sequence);
    market_data::timestamp
        .lt(stamp)
        .or(market_data::timestamp.eq(stamp).and(earlier_source))
}
