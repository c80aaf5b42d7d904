//! The plain re-implementation of the rules, which the engine's own tests have, and what it asks of
//! its parent.
#![allow(dead_code)] // These tests use a part of it.

pub use tickbase::Timestamp;
pub use tickbase::domain::{Condition, StoredTick};
pub use tickbase::models::NewAlertRule;

#[path = "../../../src/services/alert_engine/tests/oracle.rs"]
pub mod oracle;
