//! Series of bars that are built from ticks: what is built is what the ticks give, whatever
//! becomes of them, and a series never claims more.

#![allow(clippy::unwrap_used, clippy::panic)] // It is all test code.

#[path = "../support/mod.rs"]
mod support;

mod at_once;
mod life;
mod newest;
mod properties;
mod service;
mod world;
