//! The only place that serialises: bodies of requests and responses, and how numbers and times
//! are written.
//!
//! Prices are rounded here, half to even; sizes lose their point when they are whole. Field names
//! are those of the contract with the clients.

mod health;
mod instruments;
mod market_data;
mod numbers;
mod slow_queries;
mod object;

pub(super) use health::*;
pub(super) use instruments::*;
pub(super) use market_data::*;
pub(super) use numbers::{Rounding, quantity, rounded};
pub(super) use slow_queries::*;
pub(super) use object::Object;
