//! What the integration tests share: a database per test, and a PostgreSQL of their own.
//!
//! Each test binary compiles all of it and uses a part. It is `mod.rs` because cargo would take
//! `tests/support.rs` for a test of its own.
#![allow(dead_code, unreachable_pub, unused_imports, unused_macros)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

pub mod chaos;
mod database;
pub mod exposition;
#[cfg(feature = "postgres")]
pub mod forwarder;
#[cfg(feature = "postgres")]
pub mod pgbouncer;
#[cfg(feature = "cli")]
pub mod process;
#[cfg(feature = "postgres")]
pub mod server;
#[cfg(feature = "postgres")]
mod template;
mod wait;

pub use database::TestDatabase;
pub use wait::eventually;
#[cfg(feature = "postgres")]
pub use wait::until_somebody_waits;

/// Writes a test that runs on both backends, as `name::on_sqlite` and `name::on_postgres`:
///
/// ```ignore
/// on_both! {
///     fn a_resent_batch_inserts_nothing(db: &TestDatabase) {
///         let database = db.open();
///         ..
///     }
/// }
/// ```
macro_rules! on_both {
    ($($(#[$meta:meta])* fn $name:ident($db:ident: &TestDatabase) $body:block)+) => {
        $(
            #[cfg(test)] // It always is; clippy looks for the attribute.
            mod $name {
                #[allow(unused_imports)]
                use super::*;

                $(#[$meta])*
                fn body($db: &$crate::support::TestDatabase) $body

                #[cfg(feature = "sqlite")]
                #[test]
                fn on_sqlite() {
                    body(&$crate::support::TestDatabase::sqlite());
                }

                #[cfg(feature = "postgres")]
                #[test]
                fn on_postgres() {
                    body(&$crate::support::TestDatabase::postgres());
                }
            }
        )+
    };
}
pub(crate) use on_both;

/// The `up.sql` of every migration of a backend, in order, as one text.
fn migrations(backend: &str) -> String {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(backend);
    let mut versions: Vec<_> = std::fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    versions.sort();
    versions
        .iter()
        .map(|path| std::fs::read_to_string(path.join("up.sql")).unwrap())
        .collect()
}
