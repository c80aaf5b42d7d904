//! The HTTP API as clients call it, and alerts as receivers get them, on both backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

mod api;
mod delivery;
mod digits;
#[path = "../support/mod.rs"]
mod support;
mod tradeassist;
