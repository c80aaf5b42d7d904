//! Words of the field, as validated types: what a tick or a bar is, wherever it came from.
//!
//! A check that is made here is made once, at the border; nothing in here knows a database query
//! or a file.

pub mod bar;
pub mod tick;
