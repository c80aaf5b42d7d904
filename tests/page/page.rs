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
mod doing;
mod keyboard;
mod live;
mod load;
mod looks;
mod strangers;
mod tokens;
mod views;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Who holds it for writing is the only test that runs.
static ALL: RwLock<()> = RwLock::new(());

/// One test of each backend at a time: two browsers and two servers fill two cores.
fn beside(backend: &'static Mutex<()>) -> (RwLockReadGuard<'static, ()>, MutexGuard<'static, ()>) {
    // A test that failed leaves nothing behind that the next one sees.
    (
        ALL.read().unwrap_or_else(PoisonError::into_inner),
        backend.lock().unwrap_or_else(PoisonError::into_inner),
    )
}

/// No other test at the same time: it measures what it costs.
fn alone(_backend: &'static Mutex<()>) -> RwLockWriteGuard<'static, ()> {
    ALL.write().unwrap_or_else(PoisonError::into_inner)
}

static SQLITE: Mutex<()> = Mutex::new(());
static POSTGRES: Mutex<()> = Mutex::new(());

/// Writes a test that runs on both backends, as `name::on_sqlite` and `name::on_postgres`, beside one
/// of the other backend, or `crate::alone; fn ..`.
macro_rules! on_both {
    (fn $($test:tt)+) => {
        $crate::on_both! { $crate::beside; fn $($test)+ }
    };
    ($turn:path; fn $name:ident($db:ident: $database:ty) $body:block) => {
        mod $name {
            use super::*;

            fn body($db: $database) $body

            #[test]
            fn on_sqlite() {
                let _turn = $turn(&$crate::SQLITE);
                body(&$crate::database::Database::sqlite());
            }

            #[test]
            fn on_postgres() {
                let _turn = $turn(&$crate::POSTGRES);
                body(&$crate::database::Database::postgres());
            }
        }
    };
}
pub(crate) use on_both;
