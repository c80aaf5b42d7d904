//! The HTTP API, called as clients call it, on both backends.

mod alerts;
mod analytics;
mod bars;
mod body_examples;
mod cache;
mod cached;
pub(crate) mod client;
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
mod line_protocol;
mod market_data;
mod realtime;
mod realtime_writes;
mod rules;
mod spoil;
mod strangers;
mod tables;
mod udf;
pub(crate) mod websocket;
