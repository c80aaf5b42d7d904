//! Alerts trigger orders.

use tickbase::Result;
use tickbase::app::App;
use tickbase::database::Database;

use crate::store;

/// Triggers orders whenever alerts have fired, and those of the alerts that are there already.
///
/// A callback is a notice, which a crash can lose: what fired is read from the table of alerts, where
/// each one was committed with its tick.
pub fn watch(app: &App) -> Result<()> {
    let database = app.database().clone();
    let notice = app.alerts().on_fired(move |_| {
        if let Err(error) = trigger(&database) {
            tracing::error!(error = error.chain(), "orders wait for the next alert");
        }
    });
    notice.detach();
    trigger(app.database())
}

fn trigger(database: &Database) -> Result<()> {
    let now = database.clock().now();
    let triggered = database.write("orders.trigger", move |conn| store::trigger(conn, now))?;
    if triggered > 0 {
        tracing::info!(triggered, "orders triggered");
    }
    Ok(())
}
