//! A model of a gated table that would hand out the table.
//~ every error: expected `table`, found `Unscoped<table>`

use diesel::prelude::*;
use tickbase::tables::instruments;

#[derive(Debug, HasQuery)]
#[cfg_attr(not(feature = "scoped"), derive(Identifiable))]
#[diesel(table_name = instruments)]
#[diesel(base_query = tickbase::soft_delete::SoftDeletable::active(instruments::table))]
#[diesel(base_query_type = tickbase::soft_delete::Active<instruments::table>)]
pub struct Named {
    pub id: i64,
    pub symbol: String,
}

fn main() {}
