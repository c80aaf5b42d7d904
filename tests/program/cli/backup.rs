//! `backup`, `restore` and `check --deep`: on SQLite beside a server, after a crash, and killed on the
//! way; on PostgreSQL by the commands that they name.

#[cfg(feature = "sqlite")]
mod kills;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod refusals;
#[cfg(feature = "sqlite")]
mod sqlite;

use super::{BINARY, Files, contents, done, run, sample, tickbase};
use crate::support::TestDatabase;
