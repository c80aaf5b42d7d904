//! Nothing that was acknowledged is lost: processes that are killed, servers that crash, disks that
//! fill up, databases that are closed under load.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)] // It is all test code.
#![allow(dead_code, unreachable_pub)] // Each group of tests uses a part of the load.

mod child;
mod journal;
mod kills;
mod load;
#[path = "../support/mod.rs"]
mod support;
