//! tickbase
#![cfg_attr(docsrs, feature(doc_cfg))]
// The build without tests holds the code to these; helpers of tests may stop on what they find.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "cli")]
mod app;
#[cfg(feature = "cli")]
#[doc(hidden)] // The binary's; its face is the command line, not this module.
pub mod cli;
pub mod clock;
pub mod config;
pub mod database;
pub mod decimal;
pub mod domain;
pub mod error;
pub mod ingest;
pub mod models;
pub mod repository;
pub mod soft_delete;
pub mod sql_types;
pub mod tables;
pub mod testing;
pub mod timestamp;

#[cfg(test)]
mod test_support;

pub use diesel;

#[allow(unused_imports, missing_docs)] // Generated.
mod schema;

pub use decimal::Decimal;
pub use error::{Error, Result};
pub use timestamp::Timestamp;
