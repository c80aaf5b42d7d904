//! Stop orders on tickbase: an own table beside its tables, typed joins of both, an HTTP API beside
//! its API, and a callback on its alerts. This file puts the parts together.

pub mod api;
mod migrations;
pub mod models;
mod schema; // Printed by the diesel CLI; `tables` has what is public of it.
pub mod store;
pub mod tables;
mod triggers;

use axum::Router;
use tickbase::app::App;
use tickbase::config::Settings;
use tickbase::database::Database;

/// Opens the database, applies tickbase's migrations and then our own, starts tickbase's services,
/// and has its alerts trigger orders.
pub fn start(settings: &Settings) -> tickbase::Result<App> {
    let database = Database::open(settings.database.clone())?;
    migrations::run(&database)?;
    let app = App::start_on(database, settings)?;
    triggers::watch(&app)?;
    Ok(app)
}

/// Our paths and tickbase's: `/orders` beside `/api/..`, `/readyz` and `/metrics`.
pub fn router(app: &App) -> Router {
    api::router(app.database().clone()).merge(app.router())
}
