//! The data layer under a trading or market-data system, on Diesel: type-checked queries on SQLite
//! and PostgreSQL, soft delete that cannot be forgotten, one writer with group commit, and a pool
//! whose state is always visible.
//!
//! The examples below lead from an empty file to the first alert and the first indicator. Each
//! starts with `db`, a migrated database; [`testing`] gives your own tests one.
//!
//! # Open a database
//!
//! A path is a SQLite file, `postgres://user@host/name` is PostgreSQL; all that follows is the same
//! for both. Opening applies the migrations that are missing.
//!
//! ```
//! use tickbase::config::DatabaseConfig;
//! use tickbase::database::Database;
//! # fn main() -> tickbase::Result<()> {
//! # let place = tickbase::testing::TemporaryDatabase::sqlite()?;
//! # let url = place.url(); // "data/ticks.db"
//!
//! let db = Database::open(DatabaseConfig::new(url)?)?;
//! assert!(db.migration_status()?.iter().all(|migration| migration.applied_at.is_some()));
//! db.close(); // What waits for the writer is committed first.
//! # Ok(())
//! # }
//! ```
//!
//! # Store ticks, and query them yourself
//!
//! Repositories have the reads and writes of the crate; [`Database::read`] and
//! [`Database::write`] are the doors for yours. A query is typed by the columns in [`tables`], runs
//! on every backend of the build by [`on_backend!`], and says which rows it means: without
//! `.active()` this one does not compile.
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
//! let prices: Vec<Option<f64>> = db.read("guide.prices", |conn| {
//!     let query = market_data::table.active().select(market_data::price);
//!     Ok(tickbase::on_backend!(conn, |c| query.load(c))?)
//! })?;
//! assert_eq!(prices, [Some(1641.5)]);
//! # Ok(())
//! # }
//! ```
//!
//! # Import a file
//!
//! All of it or nothing, by default. A row that is stored already is a duplicate, so the same file
//! may come again.
//!
//! ```
//! use std::sync::Arc;
//! use tickbase::ingest::{Import, import};
//! # fn main() -> tickbase::Result<()> {
//! # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
//!
//! let files = vec!["data/es-trades-sample.csv.gz".to_owned()];
//! let report = import(&db, files, &Import::ticks("ES".parse()?), Arc::new(|_| ()))?;
//! assert_eq!((report.inserted, report.rejected), (20_009, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Raise an alert
//!
//! While the [`AlertEngine`] runs, whatever stores ticks through the crate makes rules fire, and the
//! alert is committed with its tick.
//!
//! ```
//! use tickbase::domain::tick::Tick;
//! use tickbase::domain::{Condition, RuleType};
//! use tickbase::models::NewAlertRule;
//! use tickbase::repository::alert_log::{self, AlertFilter};
//! use tickbase::repository::alert_rule;
//! use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
//! use tickbase::services::{AlertEngine, Service};
//! # fn main() -> tickbase::Result<()> {
//! # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
//!
//! let engine = AlertEngine::new(db.clone());
//! engine.start()?;
//! let mut above = NewAlertRule::new(1, RuleType::Threshold);
//! above.condition = Some(Condition::Above);
//! above.threshold = Some("1650".parse()?);
//! let now = db.clock().now();
//! db.write("alert_rule.insert", move |conn| alert_rule::insert(conn, &above, now))?;
//!
//! let (at, _) = tickbase::Timestamp::parse(b"2013-09-03T10:23:00.074Z")?;
//! let tick = Tick::trade(1, at, 1650.25, 3.0)?;
//! MarketDataRepository::new(&db).insert_batch(vec![tick], InsertOptions::default())?;
//! let all = AlertFilter::default();
//! assert_eq!(db.read("alert_log.count", |conn| alert_log::count(conn, all))?, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Ask for bars
//!
//! [`historical_data::bars`] answers from what is stored; bars that ticks must make, it makes. A
//! series that is built is read from then on, and repaired when late ticks come.
//!
//! ```
//! use tickbase::domain::Frequency;
//! use tickbase::repository::bar_series::{self, BuildSpan, SeriesKey};
//! use tickbase::services::historical_data::{BarBasis, BarQuery, bars};
//! # use std::sync::Arc;
//! # use tickbase::ingest::{Import, import};
//! # fn main() -> tickbase::Result<()> {
//! # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
//! # let files = vec!["data/es-trades-sample.csv.gz".to_owned()];
//! # import(&db, files, &Import::ticks("ES".parse()?), Arc::new(|_| ()))?;
//!
//! let all = BarQuery::all(1, Frequency::OneMinute);
//! let history = db.read("guide.bars", |conn| bars(conn, &all))?;
//! assert_eq!((history.bars.len(), history.basis()), (8, BarBasis::Aggregated));
//!
//! let series = SeriesKey::of_trades(1, Frequency::OneMinute);
//! let ticks_max = bar_series::TICKS_PER_TRANSACTION_MAX;
//! bar_series::build(&db, series, BuildSpan::default(), ticks_max)?;
//! let newest_closed = BarQuery { end: history.bars.last().map(|bar| bar.timestamp), ..all };
//! let stored = db.read("guide.bars", |conn| bars(conn, &newest_closed))?;
//! assert_eq!((stored.bars.len(), stored.basis()), (7, BarBasis::Stored));
//! # Ok(())
//! # }
//! ```
//!
//! # Ask for an indicator
//!
//! With the feature `analytics`, which `server` and `cli` bring along. Daily bars come in as a file
//! here. A figure that cannot be computed says why.
//!
//! ```
//! # #[cfg(not(feature = "analytics"))] fn main() {}
//! # #[cfg(feature = "analytics")] fn main() -> tickbase::Result<()> {
//! use std::sync::Arc;
//! use tickbase::domain::Frequency;
//! use tickbase::ingest::{Import, import};
//! use tickbase::services::analytics_engine::{AnalyticsEngine, Indicator, IndicatorQuestion};
//! use tickbase::services::Service;
//! # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
//!
//! let files = vec!["tests/fixtures/analytics/sp500-daily.csv".to_owned()];
//! let days = Import::bars("SPX".parse()?, Frequency::OneDay);
//! import(&db, files, &days, Arc::new(|_| ()))?;
//!
//! let engine = AnalyticsEngine::new(db.clone());
//! engine.start()?;
//! let rsi = engine.ask(&IndicatorQuestion {
//!     instrument_id: 6,
//!     frequency: Frequency::OneDay,
//!     indicators: vec![Indicator::Rsi],
//! })?;
//! assert!(rsi.values[0].value.is_ok_and(|rsi| (40.0..45.0).contains(&rsi)));
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go on
//!
//! `app::App` (feature `server`) starts all services and the HTTP API in one call, and `api::app` is
//! a router for your own application. The modules, from the ground up:
//!
//! 1. [`config`] and [`database`]: settings, and the two doors through which everything goes.
//! 2. [`tables`] and [`soft_delete`]: the columns to query, and the gate before them.
//! 3. [`models`] and [`repository`]: rows, and the reads and writes that the crate itself has.
//! 4. [`domain`], [`Timestamp`], [`Decimal`]: the validated words of the field.
//! 5. [`ingest`]: feeds into ticks and bars.
//! 6. [`services`] and [`monitoring`]: what runs beside the doors, and watches them.
//! 7. [`export`]: ticks and bars as tables for other programs.
//! 8. `chart` (feature `chart`): candles as text, SVG and PNG.
//! 9. `api` and `app` (feature `server`): HTTP, and the whole in one call.
//! 10. [`testing`]: a migrated temporary database for your own tests.
//!
//! [`AlertEngine`]: services::AlertEngine
//! [`Database::read`]: database::Database::read
//! [`Database::write`]: database::Database::write
//! [`historical_data::bars`]: services::historical_data::bars
#![cfg_attr(docsrs, feature(doc_cfg))]
// The build without tests holds the code to these; helpers of tests may stop on what they find.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "server")]
pub mod api;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "chart")]
pub mod chart;
pub mod clock;
pub mod config;
pub mod database;
pub mod decimal;
pub mod domain;
pub mod error;
pub mod export;
pub mod ingest;
pub mod models;
pub mod monitoring;
pub mod repository;
#[cfg(feature = "archive")]
pub mod segment;
pub mod services;
pub mod soft_delete;
pub mod sql_types;
pub mod tables;
pub mod testing;
pub mod timestamp;

#[cfg(test)]
mod test_support;

pub use bigdecimal;
pub use diesel;
pub use jiff;

#[allow(unused_imports, missing_docs)] // Generated.
mod schema;

pub use decimal::Decimal;
pub use error::{Error, Result};
pub use timestamp::Timestamp;

/// The code of the README, compiled and run with the other examples.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
