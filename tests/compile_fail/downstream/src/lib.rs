//! A downstream crate's own table beside those of tickbase, with typed queries on both backends. It uses
//! what tickbase publishes, and nothing that tickbase does not.

pub mod models;
pub mod queries;
mod schema;
pub mod tables;
