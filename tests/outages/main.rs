//! What goes wrong around tickbase: killed processes, servers that crash or change their roles, full
//! disks, files that vanish, poolers and few connections. Nothing that was acknowledged is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)] // It is all test code.
#![allow(unreachable_pub)]
#![cfg_attr(not(feature = "postgres"), allow(dead_code))] // A part is PostgreSQL's.

mod crash;
mod server_connections;
#[path = "../support/mod.rs"]
mod support;
