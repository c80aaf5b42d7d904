//! The gate holds: each case of tests/compile_fail/downstream compiles with its scope and, without it, fails for
//! the reason that its first lines name. The downstream crate's own program runs on both backends.
//!
//! What the types cannot hold is not a case: `diesel::delete` of active rows compiles and the
//! database refuses it (tests/library/delete_triggers.rs), `or_filter` compiles and clippy.toml bans it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.
#![allow(missing_docs, unreachable_pub)] // The downstream crate's files are not tickbase's house.

#[path = "../support/mod.rs"]
mod support;

// The downstream crate's program, whose paths begin at its own root.
#[path = "downstream/src/models.rs"]
mod models;
#[path = "downstream/src/queries.rs"]
mod queries;
#[path = "downstream/src/schema.rs"]
mod schema;
#[path = "downstream/src/tables.rs"]
mod tables;

mod cases;
mod program;
