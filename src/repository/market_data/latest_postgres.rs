//! The newest tick of each of many instruments in one statement, as each is a round trip.
//!
//! Of a partitioned table a moment from which on they all are keeps the planner from the partitions before
//! it. In one table it would be compared for nothing: reading took a tenth longer.

use diesel::dsl;
use diesel::prelude::*;
use diesel::query_source::AliasedField;

use super::joins::OfInstruments;
use crate::repository::optional::{IfSome, if_some};
use crate::soft_delete::{ActiveAlias, ActiveOn, SoftDeletable};
use crate::tables::{instrument_state, market_data};
use crate::timestamp::Timestamp;

crate::soft_delete_alias!(pub(super) market_data as newest: Newest);

type OfNewest<Column> = AliasedField<Newest, Column>;
type NewestFirst = (
    dsl::Desc<OfNewest<market_data::timestamp>>,
    dsl::Desc<OfNewest<market_data::source_id>>,
    dsl::Desc<OfNewest<market_data::sequence>>,
);
type OfOuter = dsl::Filter<
    ActiveAlias<market_data::table, Newest>,
    dsl::And<
        dsl::Eq<OfNewest<market_data::instrument_id>, instrument_state::instrument_id>,
        IfSome<dsl::GtEq<OfNewest<market_data::timestamp>, Timestamp>>,
    >,
>;
type NewestColumn<Column> =
    dsl::SingleValue<dsl::Limit<dsl::Order<dsl::Select<OfOuter, OfNewest<Column>>, NewestFirst>>>;

/// A column of the newest active tick of the outer query's instrument.
macro_rules! of_newest {
    ($column:ident, $since:expr) => {
        newest
            .active()
            .filter(
                newest
                    .field(market_data::instrument_id)
                    .eq(instrument_state::instrument_id)
                    .and(if_some(
                        $since.map(|since| newest.field(market_data::timestamp).ge(since)),
                    )),
            )
            .select(newest.field(market_data::$column))
            .order((
                newest.field(market_data::timestamp).desc(),
                newest.field(market_data::source_id).desc(),
                newest.field(market_data::sequence).desc(),
            ))
            .limit(1)
            .single_value()
    };
}

/// Each part of the key is a descent of its own, as a scalar subquery has one column; with the stamp
/// alone, all ticks of a stamp would be read.
#[dsl::auto_type(no_type_alias)]
pub(super) fn latest_query<'a>(ids: &'a [i64], since: Option<Timestamp>) -> _ {
    let stamp: NewestColumn<market_data::timestamp> = of_newest!(timestamp, since);
    let source: NewestColumn<market_data::source_id> = of_newest!(source_id, since);
    let sequence: NewestColumn<market_data::sequence> = of_newest!(sequence, since);
    let since_moment: IfSome<dsl::GtEq<market_data::timestamp, Timestamp>> =
        if_some(since.map(|since| market_data::timestamp.ge(since)));
    let on: OfInstruments = market_data::instrument_id.eq(instrument_state::instrument_id);
    let ticks: ActiveOn<market_data::table, OfInstruments> = market_data::table.active_on(on);
    instrument_state::table
        .inner_join(ticks)
        .filter(instrument_state::instrument_id.eq_any(ids))
        .filter(since_moment)
        .filter(market_data::timestamp.nullable().eq(stamp))
        .filter(market_data::source_id.nullable().eq(source))
        .filter(market_data::sequence.nullable().eq(sequence))
}
