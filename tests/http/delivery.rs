//! Delivery of alerts, against real receivers on this machine, on both backends.

mod channels;
mod failures;
pub(crate) mod receiver;
mod sharing;
mod storms;
mod world;
