//! The gate holds: each case of tests/stranger compiles with its scope and, without it, fails for
//! the reason that its first lines name. The stranger's own program runs on both backends.
//!
//! What the types cannot hold is not a case: `diesel::delete` of active rows compiles and the
//! database refuses it (tests/delete_triggers.rs), `or_filter` compiles and clippy.toml bans it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.
#![allow(missing_docs, unreachable_pub)] // The stranger's files are not tickbase's house.

#[path = "../support/mod.rs"]
mod support;

// The stranger's program, whose paths begin at its own root.
#[path = "../stranger/src/models.rs"]
mod models;
#[path = "../stranger/src/queries.rs"]
mod queries;
#[path = "../stranger/src/schema.rs"]
mod schema;
#[path = "../stranger/src/tables.rs"]
mod tables;

mod cases;
mod program;
