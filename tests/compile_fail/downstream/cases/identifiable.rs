//! A row of a gated table whose derive would hand out the table behind the gate.
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
#[cfg(feature = "scoped")]
tickbase::identifiable!(Named of instruments by id: i64);

fn main() {}
