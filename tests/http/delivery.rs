//! Delivery of alerts, against real receivers on this machine, on both backends.

mod channels;
mod failures;
mod sharing;
mod storms;
mod templates;
mod world;

pub(crate) use crate::support::receiver;
