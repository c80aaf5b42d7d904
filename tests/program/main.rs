//! The binary as users and operators run it: arguments, input and output, signals, a served port.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

mod cli;
mod import_feeds;
#[cfg(unix)]
mod serve;
#[path = "../support/mod.rs"]
mod support;
