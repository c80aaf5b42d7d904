//! Settings: one struct per concern, from defaults, a TOML file, the environment and a builder.

pub mod database;

pub use database::{
    DatabaseConfig, DatabaseUrl, PoolConfig, PostgresConfig, SqliteConfig, Synchronous, WriteConfig,
};
