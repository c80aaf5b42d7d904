//! The HTTP API, called as clients call it, on both backends.

mod alerts;
mod analytics;
mod bars;
mod body_examples;
mod cache;
mod cached;
pub(crate) mod client;
mod coverage;
mod deletions;
mod deliveries;
mod document;
mod edge;
mod fuzz;
mod generate;
mod health;
mod history;
mod import;
mod instruments;
mod line_protocol;
mod market_data;
#[cfg(feature = "page")]
mod page;
mod realtime;
mod realtime_writes;
#[cfg(feature = "archive")]
mod retention;
mod rule_replay;
mod rules;
mod silences;
mod snapshot;
mod spoil;
mod strangers;
mod tables;
mod traces;
mod udf;
pub(crate) mod websocket;
