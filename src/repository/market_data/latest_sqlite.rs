//! The newest tick of an instrument in a statement that stays prepared.

use diesel::dsl;
use diesel::prelude::*;

use super::joins::OfInstruments;
use crate::soft_delete::{ActiveOn, SoftDeletable};
use crate::tables::{instrument_state, market_data};

/// It starts from the one row of `instrument_state`, so that the order is that of the clustered key.
#[dsl::auto_type(no_type_alias)]
pub(super) fn newest_query(id: i64) -> _ {
    let on: OfInstruments = market_data::instrument_id.eq(instrument_state::instrument_id);
    let ticks: ActiveOn<market_data::table, OfInstruments> = market_data::table.active_on(on);
    instrument_state::table
        .inner_join(ticks)
        .filter(instrument_state::instrument_id.eq(id))
        .order((
            market_data::timestamp.desc(),
            market_data::source_id.desc(),
            market_data::sequence.desc(),
        ))
        .limit(1_i64)
}
