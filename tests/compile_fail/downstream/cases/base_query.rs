//! A model of a gated table whose query would start from all rows.
//~ error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::tables::instruments;

#[derive(Debug, HasQuery)]
#[diesel(table_name = instruments)]
#[cfg_attr(
    feature = "scoped",
    diesel(base_query = tickbase::soft_delete::SoftDeletable::active(instruments::table)),
    diesel(base_query_type = tickbase::soft_delete::Active<instruments::table>)
)]
pub struct Named {
    pub id: i64,
    pub symbol: String,
}

fn main() {}
