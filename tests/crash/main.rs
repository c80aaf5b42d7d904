//! Nothing that was acknowledged is lost: processes that are killed, servers that crash, disks that
//! fill up, databases that are closed under load.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)] // It is all test code.
#![allow(unreachable_pub)]
#![cfg_attr(not(feature = "postgres"), allow(dead_code))] // A part is PostgreSQL's.

mod child;
mod closing;
mod commits;
#[cfg(all(feature = "sqlite", unix))]
mod files;
#[cfg(feature = "sqlite")]
mod full;
#[cfg(feature = "cli")]
mod http;
mod journal;
mod kills;
mod load;
#[cfg(feature = "cli")]
#[path = "../serve/process.rs"]
#[allow(dead_code)] // A part is for others.
mod process;
#[cfg(feature = "postgres")]
mod restarts;
#[path = "../support/mod.rs"]
mod support;
