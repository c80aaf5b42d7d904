//! Alerts fire exactly once, in the transaction of the tick: through the public interface, on both
//! backends, against a plain re-implementation of the rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
#![allow(unreachable_pub)]

mod callbacks;
mod changes;
mod feeds;
mod outcomes;
mod place;
mod plain;
mod rules;
mod writers;

#[path = "../support/mod.rs"]
mod support;
