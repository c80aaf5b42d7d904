//! The library through its public interface, in the process of the test, on both backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // Figures of tests are small.
#![allow(unreachable_pub)]
#![cfg_attr(not(feature = "postgres"), allow(unused_imports, dead_code))] // A part is PostgreSQL's.

#[cfg(feature = "sqlite")]
mod adopt;
mod alerts;
mod archive;
mod archived;
mod backup;
mod bar_series;
mod cache;
mod concurrent_producers;
mod delete_triggers;
mod deletions;
mod doors;
mod history;
mod instrument_state;
mod metrics;
mod monitoring;
mod observation;
mod partitions;
mod pool;
mod probe;
mod purge;
mod replay;
mod repositories;
mod retention;
mod row_locks;
mod rule_replay;
mod sample;
mod schema;
mod segments;
#[path = "../support/mod.rs"]
mod support;
mod support_works;
mod temporary_database;
mod tick_references;
mod types;
mod views;
mod wal;

/// What the generated schema files, which `schema` compares, import from their crate.
mod sql_types {
    pub(crate) use tickbase::sql_types::{Decimal, Timestamp};
}
