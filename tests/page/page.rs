//! The tests of the page at `/`, in a real Chromium, against a real server, on SQLite and on
//! PostgreSQL by the same functions.
//!
//! They own no code of tickbase: they start its binary, fill a database by its commands and its API,
//! and look at what the browser shows. `scripts/test page` runs them.
#![allow(clippy::print_stdout)] // Figures of a run, and what scripts/chaos reads.

mod browser;
mod database;
mod feed;
mod open_page;
mod postgres;
mod processes;
mod program;
mod server;
mod stranger;

mod addresses;
mod connection;
mod keyboard;
mod live;
mod load;
mod looks;
mod strangers;
mod tokens;
mod views;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time: a browser and a server fill two cores, and figures are taken.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing behind that the next one sees.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a test that runs on both backends, as `name::on_sqlite` and `name::on_postgres`.
macro_rules! on_both {
    ($($(#[$meta:meta])* fn $name:ident($db:ident: $database:ty) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                $(#[$meta])*
                fn body($db: $database) $body

                #[test]
                fn on_sqlite() {
                    let _turn = $crate::alone();
                    body(&$crate::database::Database::sqlite());
                }

                #[test]
                fn on_postgres() {
                    let _turn = $crate::alone();
                    body(&$crate::database::Database::postgres());
                }
            }
        )+
    };
}
pub(crate) use on_both;
