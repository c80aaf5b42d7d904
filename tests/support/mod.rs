//! What the integration tests share: a database per test, and a PostgreSQL of their own.
//!
//! Each test binary compiles all of it and uses a part. It is `mod.rs` because cargo would take
//! `tests/support.rs` for a test of its own.
#![allow(dead_code, unreachable_pub, unused_imports, unused_macros)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

mod bars;
pub mod chaos;
mod database;
pub mod exposition;
#[cfg(feature = "postgres")]
pub mod forwarder;
#[cfg(feature = "postgres")]
pub mod pgbouncer;
#[cfg(feature = "cli")]
pub mod process;
pub mod receiver;
#[cfg(feature = "postgres")]
pub mod server;
#[cfg(feature = "postgres")]
mod template;
#[cfg(feature = "sqlite")]
pub mod tradeassist;
mod wait;

pub use bars::{build_bars, flat_bar, insert_bars, upsert_bars};
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

/// Reads by a function of a repository, as the operation of its name:
/// `db_read!(db, instrument::get(1))`.
macro_rules! db_read {
    ($db:expr, $table:ident::$function:ident($($argument:expr),*)) => {
        $db.read(concat!(stringify!($table), ".", stringify!($function)), |conn| {
            $table::$function(conn, $($argument),*)
        })
    };
}
pub(crate) use db_read;

/// Writes by a function of a repository, as the operation of its name, at the time of the
/// database's clock where a name is given for it: `db_write!(db, |now| alert_rule::insert(&new, now))`.
macro_rules! db_write {
    ($db:expr, $table:ident::$function:ident($($argument:expr),*)) => {
        $db.write(concat!(stringify!($table), ".", stringify!($function)), move |conn| {
            $table::$function(conn, $($argument),*)
        })
    };
    ($db:expr, |$now:ident| $table:ident::$function:ident($($argument:expr),*)) => {{
        let $now = $db.clock().now();
        $crate::support::db_write!($db, $table::$function($($argument),*))
    }};
}
pub(crate) use db_write;

/// Calls a soft delete of a repository in a write, as a batch of its own.
macro_rules! db_delete {
    ($db:expr, $table:ident::$function:ident($($argument:expr),*)) => {{
        let now = $db.clock().now();
        let new = tickbase::models::NewDeletion::of("a test");
        $db.write(concat!(stringify!($table), ".", stringify!($function)), move |conn| {
            let done = tickbase::repository::deletion::batch(conn, &new, now, |conn, batch| {
                $table::$function(conn, $($argument,)* batch)
            })?;
            Ok(done.0)
        })
    }};
}
pub(crate) use db_delete;

/// The script for those who partition the ticks of PostgreSQL.
#[cfg(feature = "postgres")]
pub fn partition_script() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/partition-market-data.sql"
    );
    std::fs::read_to_string(path).unwrap()
}

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
