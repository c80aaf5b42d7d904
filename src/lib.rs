//! The data layer under a trading or market-data system, on Diesel: type-checked queries on SQLite
//! and PostgreSQL, soft delete that cannot be forgotten, one writer with group commit, and a pool
//! whose state is always visible.
//!
//! Read the modules in this order:
//!
//! 1. [`config`] and [`database`]: settings, and the two doors [`Database::read`] and
//!    [`Database::write`] through which everything goes.
//! 2. [`tables`] and [`soft_delete`]: the columns to query, and the gate before them.
//! 3. [`models`] and [`repository`]: rows, and the reads and writes that the crate itself has.
//! 4. [`domain`], [`Timestamp`], [`Decimal`]: the validated words of the field.
//! 5. [`ingest`]: feeds into ticks and bars.
//! 6. [`services`] and [`monitoring`]: what runs beside the doors, and watches them.
//! 7. `chart` (feature `chart`): candles as text, SVG and PNG.
//! 8. [`testing`]: a migrated temporary database for your own tests.
//!
//! ```
//! use tickbase::diesel::prelude::*;
//! use tickbase::domain::tick::Tick;
//! use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
//! use tickbase::soft_delete::SoftDeletable;
//! use tickbase::tables::market_data;
//! # fn main() -> tickbase::Result<()> {
//! # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
//!
//! let (at, _) = tickbase::Timestamp::parse(b"2013-09-03T10:23:00.074Z")?;
//! let es = 1; // One of the instruments that a new database has.
//! let ticks = MarketDataRepository::new(&db);
//! ticks.insert_batch(vec![Tick::trade(es, at, 1641.5, 8.0)?], InsertOptions::default())?;
//!
//! // A query of your own: without `.active()` it does not compile.
//! let prices: Vec<Option<f64>> = db.read("example.prices", |conn| {
//!     let query = market_data::table.active().select(market_data::price);
//!     Ok(tickbase::on_backend!(conn, |c| query.load(c))?)
//! })?;
//! assert_eq!(prices, [Some(1641.5)]);
//! # Ok(())
//! # }
//! ```
//!
//! [`Database::read`]: database::Database::read
//! [`Database::write`]: database::Database::write
#![cfg_attr(docsrs, feature(doc_cfg))]
// The build without tests holds the code to these; helpers of tests may stop on what they find.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "server")]
pub mod api;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "chart")]
pub mod chart;
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
pub mod monitoring;
pub mod repository;
pub mod services;
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

/// The code of the README, compiled and run with the other examples.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
