//! Delivery of alerts, against real receivers on this machine, on both backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

mod channels;
mod failures;
mod receiver;
mod sharing;
mod storms;
#[path = "../support/mod.rs"]
mod support;
mod world;
