//! All SQL of the tables.
pub mod check;
pub(crate) mod ingest_batch;
pub mod market_data;
pub mod storage;
pub(crate) const KEYS_PER_STATEMENT_MAX: usize = 10_000;
