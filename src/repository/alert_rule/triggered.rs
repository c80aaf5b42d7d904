//! When rules fired last, written in the transaction that stores their alerts.

use diesel::prelude::*;

use super::read::by_id_query;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::tables::alert_rules;
use crate::timestamp::Timestamp;

/// Writes when each of these rules fired last. It is no change of the rule: `updated_at` stays.
pub(crate) fn triggered(conn: &mut BackendConnection<'_>, last: &[(i64, Timestamp)]) -> Result<()> {
    for (id, at) in last {
        let update =
            diesel::update(by_id_query(*id)).set(alert_rules::last_triggered.eq(Some(*at)));
        crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    }
    Ok(())
}
