//! The HTTP API, called as clients call it, on both backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

mod alerts;
mod analytics;
mod bars;
mod cache;
mod cached;
mod client;
mod coverage;
mod deliveries;
mod document;
mod edge;
mod fuzz;
mod generate;
mod health;
mod history;
mod import;
mod instruments;
mod market_data;
mod realtime;
mod realtime_writes;
#[path = "../delivery/receiver.rs"]
#[allow(dead_code)] // A part is for others.
mod receiver;
mod rules;
mod spoil;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod websocket;
