//! A join with a table of tickbase that `allow_in_same_query!` does not name.
//~ error: the trait bound `tickbase::schema::alert_rules::table: TableNotEqual<schema::remarks::table>` is not satisfied

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::alert_rules;
use tickbase::{Result, on_backend};

mod schema {
    diesel::table! {
        remarks (id) {
            id -> BigInt,
            rule_id -> BigInt,
            deleted_at -> Nullable<tickbase::sql_types::Timestamp>,
        }
    }
}
tickbase::soft_deletable!(pub mod remarks = crate::schema::remarks);
#[cfg(feature = "scoped")]
tickbase::allow_in_same_query!(schema::remarks: alert_rules);

pub fn conditions(conn: &mut BackendConnection<'_>) -> Result<Vec<Option<String>>> {
    let query = remarks::table
        .active()
        .inner_join(alert_rules::table.active_on(alert_rules::id.eq(remarks::rule_id)))
        .select(alert_rules::condition);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
