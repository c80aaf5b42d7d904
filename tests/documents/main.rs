//! The documents are true: README's commands and tables, and the examples.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.
#![allow(unreachable_pub)] // The examples are programs.

mod examples;
mod licences;
#[cfg(feature = "sqlite")]
mod life;
mod readme;
#[path = "../support/mod.rs"]
mod support;
